/* sid/embedder.h -- items to vectors in one of several ways, all behind one signature. None of them opens a socket.
 *
 *   lsa       TF-IDF and truncated SVD of the items' own text (sid/lsa.h): no model, no network, the same figures everywhere
 *   recorded  what a model behind /v1/embeddings gave for the whole text of each item (itemdoc_whole), as 03_record --template embed/... recorded it (llm/embed.h); the
 *             vectors are used as they came. A text that reads differently now has no vector: that is an error with the command that records it, never an old vector
 *   npy       an (N,E) file made elsewhere, row i for item i of items.jsonl
 *
 * Deviations from the paper: it embeds with one language model. Here that is the embedder "recorded", and LSA is the default.
 */
#ifndef DIGR_SID_EMBEDDER_H
#define DIGR_SID_EMBEDDER_H

#include <cjson/cJSON.h>

#include "llm/embed.h"
#include "sid/itemdoc.h"
#include "sid/lsa.h"

#define EMBEDDER_CHOICES "lsa|recorded|npy"
#define EMBEDDER_TEMPLATE "embed/full-v1" /* the whole text of an item, as itemdoc_whole makes it */

/* The items, and which of their interests join the text. */
typedef struct EmbedderItems {
    const Dataset *d;
    const ItemInterests *interests; /* (N); NULL: none */
    InterestUse use;
} EmbedderItems;

typedef struct EmbedderSettings {
    const char *embeddings;                         /* recorded: file or folder of .jsonl.zst; npy: the file */
    /* recorded */
    const char *set, *provider, *model, *template_id;
    const char *providers;                          /* providers.json: who has the model, where `provider` is "" */
    const char *recorder, *labels;                  /* for the command that records what is missing: the program, and 04_label's folder */
    /* lsa */
    double weight[TEXT_FIELDS_MAX], max_df, whiten; /* of FIELD_..., 0 leaves a field out; terms of more than that share of the items go; see lsa_postprocess */
    int64_t dim, min_df, window;                    /* E; terms of fewer items go; steps to a companion */
    bool sublinear, normalise;
    TextOptions text;
    LsaMethod svd;
    uint64_t seed;
} EmbedderSettings;

typedef struct Embedding {
    float *at;                                      /* (N, dim) */
    int64_t dim, n_inputs;
    const char **input;                             /* (n_inputs) files it came from, for the manifest */
} Embedding;

typedef struct Embedder {
    const char *name;
    /* embed -- vectors of all items, in `arena`; what was done, into `info` (embed.json). E_USAGE: a setting is missing; E_INPUT: nothing to embed, vectors that are missing or of
     * another shape; E_NUMERIC: not finite. */
    Status (*embed)(const EmbedderSettings *s, const EmbedderItems *items, Arena *arena, cJSON *info, Embedding *out);
} Embedder;

const Embedder *embedder_find(const char *name); /* one of EMBEDDER_CHOICES */

/* embedder_texts -- the text of each item (N) as "recorded" wants it embedded; "" where an item has none. This is what 03_record asks for. */
EmbedText *embedder_texts(const EmbedderItems *items, Arena *arena);

#endif
