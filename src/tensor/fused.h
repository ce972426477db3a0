/* tensor/fused.h -- the decoder's training step between its products, in passes over rows that are in cache: bfloat16 in and out where the products take it,
 * float for the residual stream, statistics and sums. For the thread that calls; used where tiles.h is available (nn/decoder_fused.c).
 *
 * T tokens. Floats are row-major, bfloat16 arrays are slices (tiles.h) of one `height`, at least T rounded up to 32, and hold any finite numbers past T. Widths
 * are multiples of 32.
 */
#ifndef DIGR_TENSOR_FUSED_H
#define DIGR_TENSOR_FUSED_H

#include "tensor/backend.h"
#include "tensor/tiles.h"

/* --- rows (fused_rows_bf16_x86.c) --------------------------------------------------------------------------------------- */

/* fused_norm -- h = w * x * r, r = 1/sqrt(mean(x^2)+eps). x (T,C), r (T) out, h (T,C) out. */
void fused_norm(int64_t T, int64_t C, const float *x, const float *w, float eps, float *r, Bf16 *h, int64_t height);
/* fused_norm_again -- h from the r of the forward pass. */
void fused_norm_again(int64_t T, int64_t C, const float *x, const float *w, const float *r, Bf16 *h, int64_t height);
/* fused_norm_bwd -- dx (T,C) += gradient through the norm (add false: dx =); dw (C) += . dh (T,C) */
void fused_norm_bwd(int64_t T, int64_t C, const float *x, const float *w, const float *r, const float *dh, bool add, float *dx, float *dw);

/* For tiles_slices_each: what becomes of a square of the product. All 32 rows are written. */
typedef struct FusedStore { Bf16 *y; int64_t height; } FusedStore;
void fused_store(void *store, int64_t i, int64_t j, const float *c); /* y = bf16(product) */
typedef struct FusedResidual { const float *x; float *y; int64_t ld; } FusedResidual;
void fused_residual(void *residual, int64_t i, int64_t j, const float *c); /* y = x + product */
/* gu (T,2F): every 32 columns are 16 gates, then 16 ups. act (T,F) = silu(gate) * up. F is a multiple of 32. */
typedef struct FusedSwiglu { Bf16 *gu, *act, *dgu; int64_t height; } FusedSwiglu;
void fused_swiglu(void *swiglu, int64_t i, int64_t j, const float *c);     /* product = gates and ups: gu and act */
void fused_swiglu_bwd(void *swiglu, int64_t i, int64_t j, const float *c); /* product = gradient of act: dgu, and act once more */

/* fused_xent -- softmax cross-entropy and its gradient of n rows whose logits (n,ld) belong to columns [first, first+ld) of the vocabulary; allowed are [lo,hi),
 * or [range[2i], range[2i+1]) where range is given. target in vocabulary numbers. logp (n) out. d (n,ld) out, in slices: weight[i] * (softmax - [target]), 0 outside
 * what is allowed; NULL: not wanted. logits are overwritten. Never all of a row is forbidden. */
void fused_xent(int64_t n, int64_t ld, float *logits, int64_t first, int64_t lo, int64_t hi, const int32_t *range, const int32_t *target, const float *weight,
                float *logp, Bf16 *d, int64_t height);

/* --- dropout (fused_dropout_bf16_x86.c): the mask of backend.h, kept as bits (T*C/32 words) so that the backward pass need not draw it again. d.first is a multiple of
 * 32, and so are the element counts n; bit j of word i is element 32*i + j. */

/* y += dropout(x), or y = dropout(x) where add is false (x may be y); bits out. */
void fused_dropout(int64_t n, Dropout d, bool add, const float *x, float *y, uint32_t *bits);
/* x = x * factor where its bit is set, else 0 */
void fused_dropout_again(int64_t n, const uint32_t *bits, float factor, float *x);
/* The same from float (T,C) to slices. */
void fused_dropout_slices(int64_t T, int64_t C, const uint32_t *bits, float factor, const float *x, Bf16 *out, int64_t height);

/* --- attention (fused_attention_bf16_x86.c) ----------------------------------------------------------------------------- */

/* One sequence of n tokens. qkv (n, (H+2 Hkv) E) as the projection made it, a head in each E columns: its D numbers, then zeros up to E, D rounded up to 32.
 * QK-norm (qn, kn (D); NULL: none), rotary positions and causal attention as in backend.h happen inside. rope (positions,D): cosines of a position's angles, then
 * sines. Pointers are to the sequence's first row in the first slice. */
typedef struct FusedAttention {
    int64_t H, Hkv, D, height;
    float scale, eps;
    const float *qn, *kn, *rope;
    /* A sequence that branches: row t sees rows [0,stem) and [start[t], t]. start (n), 0 for rows of the stem; NULL: an ordinary sequence. */
    const int32_t *start;
    int64_t stem;
} FusedAttention;

/* Bytes of scratch for sequences of up to n tokens with heads of D. */
int64_t fused_attention_scratch(int64_t n, int64_t D);
/* out (n, H E), zero past D of a head; lse (n,H) */
void fused_attention(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, Bf16 *out, float *lse, void *scratch);
/* dqkv as qkv, overwritten but for what lies past D; dqn, dkn (D) += (NULL without QK-norm). out and lse of the forward pass; dout as out. */
void fused_attention_bwd(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, const Bf16 *out, const Bf16 *dout, const float *lse, Bf16 *dqkv,
                         float *dqn, float *dkn, void *scratch);

#endif
