/* llm/embed.h -- embeddings of texts by a model behind /v1/embeddings, through a cache of the same form as answers.
 *
 * A record: template = a name of the kind of text, "embed/...", which is part of the key (embed/full-v1: what 05_embed makes of an item); response = the
 * vector, float32 little-endian, in base64. Keys cover provider, model, template and the text itself: a changed text is another question, and its old vector is not used. Vectors are long
 * (4/3 x 4 bytes a dimension): keep them in a folder of their own, cache/embeddings, not among the answers.
 *
 *   RecordSettings s = {...; .prompt = NULL; .template_id = "embed/full-v1"; .batch = 64};
 *   TRY(embed_record(&s, texts, n, cli_dry_run(), &count));               // asks what is not recorded yet; opens sockets
 *   TRY(responses_open("cache/embeddings/beauty.jsonl.zst", arena, &cache));
 *   TRY(embed_replay(cache, &(EmbedSource){provider, model, "embed/full-v1", set, remedy}, texts, n, arena, &vectors, &dim));   // never does
 */
#ifndef DIGR_LLM_EMBED_H
#define DIGR_LLM_EMBED_H

#include <stdint.h>

#include "llm/record.h"
#include "llm/responses.h"

/* ItemText.id, what to embed, and digests of what it is made of (drift.h), by which a later reader can say what has changed; NULL: none. */
typedef struct EmbedText { const char *item, *text, *parts; } EmbedText;

/* What was asked, and of whom. remedy: what to do about vectors that are not recorded, e.g. the command that records them; NULL: a general hint. */
typedef struct EmbedSource { const char *provider, *model, *template_id, *set, *remedy; } EmbedSource;

/* embed_record -- see record_all. An empty text is E_INPUT: providers reject it. */
Status embed_record(const RecordSettings *s, const EmbedText *texts, int64_t n, bool dry_run, RecordCount *count);

/* embed_replay -- the recorded vectors, *vectors (n, *dim) row-major in `arena`; an empty text, which nobody can be asked about, has zeros. E_INPUT, with counts and the first item:
 * vectors that are not recorded, or only for an earlier text of the item, or of differing length, or no vectors. */
Status embed_replay(const Responses *cache, const EmbedSource *source, const EmbedText *texts, int64_t n, Arena *arena, float **vectors, int64_t *dim);

#endif
