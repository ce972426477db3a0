/* nn/decoder_internal.h -- what decoder.c, decoder_loss.c, decoder_io.c, kvcache.c and lora.c share; not for users of the room. */
#ifndef DIGR_NN_DECODER_INTERNAL_H
#define DIGR_NN_DECODER_INTERNAL_H

#include "nn/decoder.h"
#include "nn/lora.h"

/* The weights of one layer, listed once: field, name, present when, dimensions, rows, columns (1 for vectors), weight decay.
 * Projections that are applied together are neighbours, so that one product serves them. c is the configuration. */
#define DECODER_LAYER_WEIGHTS(X)                                                                    \
    X(ln1, "input_layernorm.weight", true, 1, c->C, 1, false)                                       \
    X(wq, "self_attn.q_proj.weight", true, 2, c->H *c->D, c->C, true)                               \
    X(wk, "self_attn.k_proj.weight", true, 2, c->Hkv *c->D, c->C, true)                             \
    X(wv, "self_attn.v_proj.weight", true, 2, c->Hkv *c->D, c->C, true)                             \
    X(bq, "self_attn.q_proj.bias", c->attention_bias, 1, c->H *c->D, 1, false)                      \
    X(bk, "self_attn.k_proj.bias", c->attention_bias, 1, c->Hkv *c->D, 1, false)                    \
    X(bv, "self_attn.v_proj.bias", c->attention_bias, 1, c->Hkv *c->D, 1, false)                    \
    X(wo, "self_attn.o_proj.weight", true, 2, c->C, c->H *c->D, true)                               \
    X(qn, "self_attn.q_norm.weight", c->qk_norm, 1, c->D, 1, false)                                 \
    X(kn, "self_attn.k_norm.weight", c->qk_norm, 1, c->D, 1, false)                                 \
    X(ln2, "post_attention_layernorm.weight", true, 1, c->C, 1, false)                              \
    X(wg, "mlp.gate_proj.weight", true, 2, c->F, c->C, true)                                        \
    X(wu, "mlp.up_proj.weight", true, 2, c->F, c->C, true)                                          \
    X(wd, "mlp.down_proj.weight", true, 2, c->C, c->F, true)

typedef struct DecoderLayer { /* indices into the parameter list, -1 when absent */
#define X(field, name, present, n_dims, rows, cols, decay) int64_t field;
    DECODER_LAYER_WEIGHTS(X)
#undef X
} DecoderLayer;

/* The four places of a layer where a (fused) matrix is applied. */
typedef enum Site { SITE_QKV, SITE_O, SITE_GU, SITE_DOWN, N_SITES } Site;

typedef struct SiteShape {
    int64_t in, out;
    int n_parts;         /* projections side by side */
    int64_t part_out[3]; /* rows of each */
} SiteShape;

/* Activations of one layer for up to `rows` tokens. */
typedef struct DecoderWork {
    real *x;                /* (T,C) residual stream entering the layer */
    real *r1, *h1;          /* (T), (T,C) first RMSNorm */
    real *qkv;              /* (T,(H+2Hkv)D) after QK-norm and RoPE */
    real *qk_raw, *qk_r;    /* (T,(H+Hkv)D) before QK-norm; (H+Hkv,T); NULL without QK-norm */
    real *att, *lse;        /* (T,H*D), (T,H) */
    real *xm;               /* (T,C) residual stream between attention and MLP */
    real *r2, *h2, *gu, *act; /* (T), (T,C), (T,2F), (T,F) */
    real *u[N_SITES];       /* (T, parts*r) LoRA: x A^T; NULL without */
} DecoderWork;

typedef struct DecoderLane DecoderLane;   /* decoder_step.c */
typedef struct DecoderFused DecoderFused; /* decoder_fused.c */

struct Decoder {
    Backend *be;
    Arena *arena;
    DecoderConfig config;
    Params *params;
    int64_t embed, norm, head; /* parameter indices; head == embed when tied */
    DecoderLayer *layer;       /* (L) */
    int64_t max_tokens;
    bool with_gradients;
    Lora *lora; /* NULL: none attached */
    DecoderLane *lane; /* (n_lanes) of decoder_step; NULL before its first use */
    int n_lanes;
    DecoderFused *fused; /* NULL before its first use */

    /* one forward pass; these and what follows are allocated at the first one */
    DecoderWork *work;   /* (L), all the same buffers without gradients */
    int32_t *token;      /* (T) backend */
    real *x_last, *r_last, *hidden; /* (T,C), (T), (T,C) */
    real *branch;        /* (T,C) residual branch before dropout */
    Packed packed;       /* of the last forward */
    Dropout drop;

    /* loss: rows with a target, in groups of one column range */
    int64_t *order;                      /* (T) host */
    int32_t *h_row, *h_target, *h_range; /* (T), (T), (T,2) host */
    real *h_weight, *h_logp;             /* (T) host */
    int32_t *row, *target, *range;       /* backend twins */
    real *weight, *logp, *loss_lse, *rows_x, *rows_dx; /* (T).. and (T,C) backend */
    real *logits;                        /* (LOGITS_COUNT or one row block) backend */
    int64_t logits_count;

    /* backward pass */
    real *dx, *dbranch, *dh, *dqkv, *datt, *dgu, *dact, *du; /* (T,..) */
    real *junk; /* where gradients of frozen vectors go */
};

/* REQUIREs T tokens inside the vocabulary. decoder_check_batch: and targets inside their ranges. */
void decoder_check_tokens(const Decoder *d, int64_t T, const int32_t *tokens);
void decoder_check_batch(const Decoder *d, const Packed *pk, const int32_t *tokens, const int32_t *target, const int32_t *range);
/* Rows of [0,T) that have a target into order, grouped by range when there are few different ones (*grouped). Returns their number. */
int64_t decoder_order_rows(int64_t T, const int32_t *target, const int32_t *range, int64_t *order, bool *grouped);
/* bound (n+1): the batch cut between sequences, where one ends nearest to j/n of the tokens. */
void decoder_cut(const Packed *pk, int64_t n, int64_t *bound);
/* Buffers of the forward, loss and backward pass; nothing when they are there. */
void decoder_need_buffers(Decoder *d);
/* The same model on another backend over the same memory, with buffers of its own: values are shared, gradients go to `grad`. */
Decoder *decoder_view_create(Decoder *d, Backend *be, real *grad, int64_t max_tokens);
void decoder_view_destroy(Decoder *view);
void decoder_lanes_destroy(Decoder *d);

const DecoderLayer *decoder_layer(const Decoder *d, int64_t l);
SiteShape decoder_site(const DecoderConfig *c, Site site);
int64_t decoder_site_weight(const DecoderLayer *layer, Site site); /* parameter index of the first part */

DecoderWork decoder_work_create(Decoder *d, int64_t rows);
void decoder_work_destroy(Decoder *d, DecoderWork *w);
void decoder_work_add_lora(Decoder *d, DecoderWork *w, int64_t rows);

/* The pieces of a layer, on T rows. decoder_qkv: w->x to w->qkv. decoder_after_attention: w->x and w->att to x_out (may be w->x). */
void decoder_qkv(Decoder *d, int64_t l, int64_t T, const int32_t *pos, DecoderWork *w);
void decoder_after_attention(Decoder *d, int64_t l, int64_t T, Dropout drop, DecoderWork *w, real *x_out);
/* dhidden (T,C): gradient of the final hidden states of the last forward; adds to the parameter gradients. d->dx is used. */
void decoder_backward(Decoder *d, const real *dhidden);
/* Dropout of one place: number 0 is the embedding, 1+2l and 2+2l the two branches of layer l. */
Dropout decoder_dropout_at(const Decoder *d, Dropout drop, int64_t number);

/* y (T,out) = x W^T (+ LoRA) + beta y at one site. */
void decoder_linear(Decoder *d, int64_t l, Site site, int64_t T, const real *x, real beta, real *y, DecoderWork *w);
/* dx (T,in) = dy W (+ LoRA); dW and the adapters' gradients are added to. dx NULL: not wanted. */
void decoder_linear_bwd(Decoder *d, int64_t l, Site site, int64_t T, const real *x, const real *dy, real *dx, DecoderWork *w);

/* lora_add -- W (out,in) of a site += what the adapters add to it. */
void lora_add(Lora *a, int64_t l, Site site, real *W);
/* lora.c, called by the two above */
void lora_forward(Lora *a, int64_t l, Site site, int64_t T, const real *x, real *y, real *u);
void lora_backward(Lora *a, int64_t l, Site site, int64_t T, const real *x, const real *dy, real *dx, const real *u, real *du);

#endif
