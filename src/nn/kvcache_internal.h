/* nn/kvcache_internal.h -- what kvcache.c, kvlanes.c and kvtiles.c share; not for users of the room. */
#ifndef DIGR_NN_KVCACHE_INTERNAL_H
#define DIGR_NN_KVCACHE_INTERNAL_H

#include "nn/decoder_internal.h"
#include "tensor/panel_tiles.h"

/* The decoder's matrices in panels, adapters merged; shared by all lanes. */
typedef struct KvLayerWeights { PanelMatrix site[N_SITES]; } KvLayerWeights;
typedef struct KvWeights {
    KvLayerWeights *layer; /* (L) */
    PanelMatrix head;
    real *rope;     /* (positions,D) */
    bool ready;     /* kvlanes_begin was called */
    bool tiles;     /* for tile registers (kvtiles.c): the panels are those of panel_tiles.h */
} KvWeights;

/* What a lane works in while a chunk of rows passes through all layers. */
typedef struct KvChunk {
    int64_t capacity;            /* rows */
    real *x, *h, *qkv, *att, *act; /* (rows + PANEL_PAD_ROWS) of C, C, (H+2Hkv)D, H*D, F */
    real *lse;                     /* (rows,H) */
    void *scratch;                 /* of the products */
    int32_t *offset;               /* (rows+1) of the chunk's prompts */
} KvChunk;

/* The same, on tile registers. Rows of bfloat16 are as tensor/panel_tiles.h wants them. */
typedef struct KvTiles {
    int64_t chunk_rows, rows;    /* of a chunk, unless one prompt is longer; room */
    real *x, *qkv;               /* (rows + 32) of C, (H+2Hkv)D */
    Bf16 *h, *att, *act;         /* (rows + 32) of C, H*D, F */
    Bf16 *last_att;              /* (max_rows + 32) of H*D: each prompt's last token in the last layer */
    void *scratch;               /* of attention */
    int64_t capacity, *at;       /* tokens in whole steps; (prompts + 1) where a prompt's begin */
    Bf16 **kt, **vn;             /* (L) keys and values of the prompts in panels, prompt by prompt, head by head */
} KvTiles;

struct KvCache {
    Decoder *d;
    Backend *be;
    Arena *arena;
    int64_t max_prompt, max_rows, max_new;
    int64_t first_column, end_column;  /* logits that are wanted */
    int64_t B, rows, n_new;            /* of the current batch: prompts, beams of the last step, steps done */
    const KvWeights *weights;          /* NULL: through the ops of the backend */
    KvChunk chunk;                     /* with weights */
    KvTiles tiles;                     /* with weights for tiles, in place of chunk and prefix_k, prefix_v */
    DecoderWork work;                  /* without: one layer's activations, for prompt tokens or beams */
    real **prefix_k, **prefix_v;       /* (L) each (max_prompt, Hkv*D) */
    real **suffix_k[2], **suffix_v[2]; /* (L) each (rows, n_new, Hkv*D), of even and odd steps */
    real *x, *hidden, *r, *logits;     /* (rows,C), (rows,C), (rows), (rows,V) */
    real *last_q, *last_att;           /* (rows,(H+2Hkv)D), (rows,H*D) projections of each prompt's last token; its attention in the last layer */
    int32_t *token, *pos, *owner, *row, *prefix_offset; /* backend */
    int32_t *h_token, *h_pos, *h_row, *h_offset;        /* host */
};

/* kvcache_open -- kvcache_create on a backend of the caller's choice (memory of the same kind as the decoder's). */
KvCache *kvcache_open(Decoder *d, Backend *be, const KvWeights *weights, int64_t longest, int64_t max_prompt_tokens, int64_t max_rows,
                      int64_t max_new);
real *kvcache_new_real(KvCache *c, int64_t count);

/* With weights: the bodies of the two calls after their arguments were checked and stored. */
const real *kvcache_chunked_prefill(KvCache *c, const Packed *pk, const int32_t *tokens);
const real *kvcache_chunked_step(KvCache *c, int64_t R, const int32_t *owner, const int32_t *parent);
void kvcache_chunk_create(KvCache *c, int64_t longest);
void kvcache_chunk_destroy(KvCache *c);
const real *kvtiles_prefill(KvCache *c, const Packed *pk, const int32_t *tokens);
const real *kvtiles_step(KvCache *c, int64_t R, const int32_t *owner, const int32_t *parent);
void kvtiles_create(KvCache *c, int64_t longest);
void kvtiles_destroy(KvCache *c);

/* What panel_heads needs for a layer. */
PanelHeads kvcache_heads(const KvCache *c, int64_t l);
/* Rows [r0,r1) of the own keys (or values): those of their parents, and room for a new one. */
void kvcache_inherit(const KvCache *c, int64_t r0, int64_t r1, const int32_t *parent, const real *old, real *out);

#endif
