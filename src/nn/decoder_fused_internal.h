/* nn/decoder_fused_internal.h -- what decoder_fused.c, decoder_fused_layer.c and decoder_fused_loss.c share. */
#ifndef DIGR_NN_DECODER_FUSED_INTERNAL_H
#define DIGR_NN_DECODER_FUSED_INTERNAL_H

#include "base/log.h"
#include "nn/decoder_fused.h"
#include "tensor/fused.h"

enum { FUSED_LOGITS = 128 * 1024 /* elements of a block of logits, at which it is aimed; 32 rows at least */ };

/* The weights of a step in panels (tiles.h): for x W^T, and for dy W. */
typedef struct FusedWeights { Bf16 *out[N_SITES], *in[N_SITES]; } FusedWeights;

/* What the forward pass of a layer leaves to the backward pass, for a piece of T tokens. */
typedef struct FusedSaved {
    float *x, *r1, *xm, *r2; /* (T,C) entering the layer, (T), (T,C) between attention and MLP, (T) */
    Bf16 *qkv, *att, *gu;    /* slices: (T,W3) before QK-norm, (T,HE), (T,2F) in sixteens of gates and ups */
    float *lse;              /* (T,H) */
    uint32_t *drop_att, *drop_mlp; /* (T,C/32) dropout masks of the two branches */
} FusedSaved;

/* One lane: buffers for a piece, sums of gradients over its pieces. */
typedef struct FusedLane {
    Arena *arena;
    int64_t room, longest;       /* tokens of a piece: the height of all slices; of a sequence */
    FusedSaved *saved;           /* (L) */
    float *x_last, *r_last;
    uint32_t *drop_embed;        /* (T,C/32) */
    Bf16 *h, *act, *dy, *datt, *dqkv, *dgu; /* slices (T,..) */
    Bf16 *turned, *panels;       /* a left factor transposed (slices), a right factor in panels, of a weight gradient */
    float *branch, *dh;          /* (T,C) */
    void *attention;             /* scratch */
    /* loss. entries: predictions, the height of rows and dlogits; block: of one sequence, where the loss is the caller's */
    int64_t entries, block;
    int64_t *order;              /* (entries) row of the piece that each prediction is made from */
    int32_t *target, *range;     /* (entries), (entries,2) */
    float *weight, *logp;        /* (entries) */
    float *logits, *drows;       /* a block of them, (rows,C) of its gradients */
    Bf16 *rows, *dlogits;        /* slices (entries,C), (entries,V) */
    /* sums */
    bool used;
    float **sum[N_SITES];        /* (L) of blocks: SITE_QKV and SITE_GU transposed (in,out), the others (out,in) */
    float *head_sum;             /* blocks (C,V) */
    float *vectors;              /* (L, 2C + 2D), then C: ln1, ln2, qn, kn of each layer, the final norm */
    double clock_s, phase_s[N_FUSED_PHASES]; /* when the last phase ended; seconds of each */
} FusedLane;

struct DecoderFused {
    Arena *arena;                /* weights, and what lives for a step */
    int64_t E, HE, W3;           /* D rounded up to 32: every head has its own slices; H E, (H + 2 Hkv) E */
    FusedWeights *weights;       /* (L) */
    Bf16 *head_out, *head_in;
    FusedLane *lane;             /* (n_lanes) */
    int n_lanes;
    float *rope;                 /* (positions,D) */
    int64_t positions;
    Arena *rope_arena;
    float *dx;                   /* (batch,C) gradient of the embedded tokens */
    int64_t dx_room;
    double phase_s[N_FUSED_PHASES]; /* of the whole, beside the lanes' */
    Arena *dx_arena;
};

/* A piece: sequences [first,end), tokens from t0, T of them. */
typedef struct FusedPiece {
    Decoder *d;
    DecoderFused *f;
    FusedLane *lane;
    const Packed *pk;
    int64_t first, end, t0, T;
    const int32_t *tokens, *target, *range; /* of the batch */
    const float *weight;
    float *logp, *dx;
    Dropout drop;
    const DecoderTree *tree;     /* NULL: cross-entropy of targets */
    bool fresh;                  /* the lane's first piece of the step: its sums begin anew */
} FusedPiece;

float *fused_vector_sum(const FusedPiece *p, int64_t layer, int which); /* which: 0 ln1, 1 ln2, 2 qn, 3 kn */
float *fused_norm_sum(const FusedPiece *p);
void fused_layer_forward(const FusedPiece *p, int64_t l, float *x_out);
void fused_layer_backward(const FusedPiece *p, int64_t l);
/* fused_loss -- from p->lane->h, the hidden states (T,C), to logp and the hidden states' gradient p->lane->dh. */
void fused_loss(const FusedPiece *p);
void fused_tree_loss(const FusedPiece *p); /* the same by p->tree */

/* The phase that ends here. */
static inline void fused_phase(const FusedPiece *p, FusedPhase phase)
{
    const double now = time_now_s();
    p->lane->phase_s[phase] += now - p->lane->clock_s;
    p->lane->clock_s = now;
}

/* A parameter as floats: the fused step is for float builds, which decoder_fused_fits sees to. */
static inline const float *fused_value(Decoder *d, int64_t index)
{
    const void *v = params_value(d->params, index);
    return v;
}

#endif
