/* nn/decoder_fused_layer.c -- one layer of the fused step, forward and backward, on a piece of the batch.
 *
 * Saved between the two: the residual stream in float, and in bfloat16 what the projections gave. Normed inputs, activations, queries, keys and probabilities
 * are made again: that costs less than writing and reading them.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "nn/decoder_fused_internal.h"
#include "tensor/dropout.h"

/* Of sequence b. */
static FusedAttention attention_of(const FusedPiece *p, int64_t l, int64_t b)
{
    const DecoderConfig *c = &p->d->config;
    const DecoderLayer *y = &p->d->layer[l];
    return (FusedAttention){.H = c->H, .Hkv = c->Hkv, .D = c->D, .height = p->lane->room, .scale = (float)(1.0 / sqrt((double)c->D)), .eps = (float)c->rms_eps,
                            .qn = c->qk_norm ? fused_value(p->d, y->qn) : NULL, .kn = c->qk_norm ? fused_value(p->d, y->kn) : NULL, .rope = p->f->rope,
                            .start = p->tree != NULL ? p->tree->start + p->pk->h_offset[b] : NULL, .stem = p->tree != NULL ? p->tree->stem[b] : 0};
}

/* x_out = x + dropout(A W^T) */
static void residual(const FusedPiece *p, int64_t l, Site site, int64_t number, uint32_t *mask, const Bf16 *A, int64_t k, const float *x, float *x_out)
{
    const int64_t C = p->d->config.C, T = p->T;
    const Bf16 *panels = p->f->weights[l].out[site];
    if (p->drop.p > 0) {
        tiles_slices_product(T, C, k, A, p->lane->room, panels, tiles_stride(k), false, p->lane->branch, C);
        memcpy(x_out, x, (size_t)(T * C) * sizeof *x);
        fused_dropout(T * C, decoder_dropout_at(p->d, p->drop, number), true, p->lane->branch, x_out, mask);
    } else {
        FusedResidual keep = {x, x_out, C};
        tiles_slices_each(T, C, k, A, p->lane->room, panels, tiles_stride(k), fused_residual, &keep);
    }
}

void fused_layer_forward(const FusedPiece *p, int64_t l, float *x_out)
{
    const DecoderConfig *c = &p->d->config;
    const DecoderLayer *y = &p->d->layer[l];
    FusedLane *lane = p->lane;
    FusedSaved *s = &lane->saved[l];
    const FusedWeights *w = &p->f->weights[l];
    const int64_t T = p->T, C = c->C, F = c->F, HE = p->f->HE, W3 = p->f->W3, height = lane->room;
    fused_norm(T, C, s->x, fused_value(p->d, y->ln1), (float)c->rms_eps, s->r1, lane->h, height);
    FusedStore qkv = {s->qkv, height};
    tiles_slices_each(T, W3, C, lane->h, height, w->out[SITE_QKV], tiles_stride(C), fused_store, &qkv);
    fused_phase(p, FUSED_QKV);
    for (int64_t b = p->first; b < p->end; b++) {
        const FusedAttention a = attention_of(p, l, b);
        const int64_t t = p->pk->h_offset[b] - p->t0, n = p->pk->h_offset[b + 1] - p->t0 - t;
        if (n > 0) fused_attention(&a, n, p->pk->pos + p->t0 + t, s->qkv + t * 32, s->att + t * 32, s->lse + t * c->H, lane->attention);
    }
    fused_phase(p, FUSED_ATTENTION);
    residual(p, l, SITE_O, 1 + 2 * l, s->drop_att, s->att, HE, s->x, s->xm);
    fused_phase(p, FUSED_OUT);
    fused_norm(T, C, s->xm, fused_value(p->d, y->ln2), (float)c->rms_eps, s->r2, lane->h, height);
    FusedSwiglu mlp = {.gu = s->gu, .act = lane->act, .height = height};
    tiles_slices_each(T, 2 * F, C, lane->h, height, w->out[SITE_GU], tiles_stride(C), fused_swiglu, &mlp);
    fused_phase(p, FUSED_UP);
    residual(p, l, SITE_DOWN, 2 + 2 * l, s->drop_mlp, lane->act, F, s->xm, x_out);
    fused_phase(p, FUSED_DOWN);
}

/* lane->dy = dropout(dx) in bfloat16: gradient of a residual branch */
static void branch_gradient(const FusedPiece *p, const uint32_t *mask)
{
    const int64_t C = p->d->config.C, T = p->T;
    if (p->drop.p > 0) {
        fused_dropout_slices(T, C, mask, (float)dropout_factor(p->drop), p->dx, p->lane->dy, p->lane->room);
    } else {
        tiles_slices(T, C, p->dx, C, p->lane->dy, p->lane->room);
    }
}

/* sum (m,n) += x^T y over the piece's tokens; x (T,m), y (T,n) */
static void weight_gradient(const FusedPiece *p, int64_t m, int64_t n, const Bf16 *x, const Bf16 *y, float *sum)
{
    FusedLane *lane = p->lane;
    tiles_slices_transpose(p->T, m, x, lane->room, lane->turned);
    tiles_slices_pair(p->T, n, y, lane->room, lane->panels, tiles_stride(p->T));
    tiles_slices_blocks(m, n, p->T, lane->turned, m, lane->panels, tiles_stride(p->T), !p->fresh, sum, n / TILES_STEP);
}

static void mlp_backward(const FusedPiece *p, int64_t l)
{
    const DecoderConfig *c = &p->d->config;
    FusedLane *lane = p->lane;
    const FusedSaved *s = &lane->saved[l];
    const FusedWeights *w = &p->f->weights[l];
    const int64_t T = p->T, C = c->C, F = c->F;
    const float *ln2 = fused_value(p->d, p->d->layer[l].ln2);
    branch_gradient(p, s->drop_mlp);
    FusedSwiglu mlp = {.gu = s->gu, .act = lane->act, .dgu = lane->dgu, .height = lane->room};
    tiles_slices_each(T, F, C, lane->dy, lane->room, w->in[SITE_DOWN], tiles_stride(C), fused_swiglu_bwd, &mlp);
    fused_phase(p, FUSED_MLP_BACK);
    weight_gradient(p, C, F, lane->dy, lane->act, lane->sum[SITE_DOWN][l]);
    fused_phase(p, FUSED_MLP_SUM);
    tiles_slices_product(T, C, 2 * F, lane->dgu, lane->room, w->in[SITE_GU], tiles_stride(2 * F), false, lane->dh, C);
    fused_norm_again(T, C, s->xm, ln2, s->r2, lane->h, lane->room);
    fused_phase(p, FUSED_MLP_BACK);
    weight_gradient(p, C, 2 * F, lane->h, lane->dgu, lane->sum[SITE_GU][l]);
    fused_phase(p, FUSED_MLP_SUM);
    fused_norm_bwd(T, C, s->xm, ln2, s->r2, lane->dh, true, p->dx, fused_vector_sum(p, l, 1));
    fused_phase(p, FUSED_MLP_BACK);
}

static void attention_backward(const FusedPiece *p, int64_t l)
{
    const DecoderConfig *c = &p->d->config;
    FusedLane *lane = p->lane;
    const FusedSaved *s = &lane->saved[l];
    const FusedWeights *w = &p->f->weights[l];
    const int64_t T = p->T, C = c->C, HE = p->f->HE, W3 = p->f->W3, height = lane->room;
    const float *ln1 = fused_value(p->d, p->d->layer[l].ln1);
    branch_gradient(p, s->drop_att);
    FusedStore datt = {lane->datt, height};
    tiles_slices_each(T, HE, C, lane->dy, height, w->in[SITE_O], tiles_stride(C), fused_store, &datt);
    fused_phase(p, FUSED_OUT_BACK);
    weight_gradient(p, C, HE, lane->dy, s->att, lane->sum[SITE_O][l]);
    fused_phase(p, FUSED_ATTENTION_SUM);
    for (int64_t b = p->first; b < p->end; b++) {
        const FusedAttention a = attention_of(p, l, b);
        const int64_t t = p->pk->h_offset[b] - p->t0, n = p->pk->h_offset[b + 1] - p->t0 - t;
        if (n == 0) continue;
        fused_attention_bwd(&a, n, p->pk->pos + p->t0 + t, s->qkv + t * 32, s->att + t * 32, lane->datt + t * 32, s->lse + t * c->H, lane->dqkv + t * 32,
                            c->qk_norm ? fused_vector_sum(p, l, 2) : NULL, c->qk_norm ? fused_vector_sum(p, l, 3) : NULL, lane->attention);
    }
    fused_phase(p, FUSED_ATTENTION_BACK);
    tiles_slices_product(T, C, W3, lane->dqkv, height, w->in[SITE_QKV], tiles_stride(W3), false, lane->dh, C);
    fused_norm_again(T, C, s->x, ln1, s->r1, lane->h, lane->room);
    fused_phase(p, FUSED_QKV_BACK);
    weight_gradient(p, C, W3, lane->h, lane->dqkv, lane->sum[SITE_QKV][l]);
    fused_phase(p, FUSED_ATTENTION_SUM);
    fused_norm_bwd(T, C, s->x, ln1, s->r1, lane->dh, true, p->dx, fused_vector_sum(p, l, 0));
    fused_phase(p, FUSED_QKV_BACK);
}

void fused_layer_backward(const FusedPiece *p, int64_t l)
{
    mlp_backward(p, l);
    attention_backward(p, l);
}
