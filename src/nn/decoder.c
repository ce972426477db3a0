/* nn/decoder.c -- the decoder's parameters, buffers, forward and backward pass. Shapes and formulas: decoder.h, decoder_internal.h.
 *
 * Deviations from the paper: none (the paper fine-tunes Qwen2.5 and Qwen3; this is their architecture, trained from scratch).
 */
#include "nn/decoder.h"

#include <math.h>
#include <stdio.h>

#include "nn/decoder_fused.h"
#include "nn/decoder_internal.h"

enum { LOGITS_COUNT = 512 * 1024, MIN_LOGIT_ROWS = 64 };

/* --- shapes ---------------------------------------------------------------------------------------------------- */

const DecoderLayer *decoder_layer(const Decoder *d, int64_t l)
{
    REQUIRE(l >= 0 && l < d->config.L, "layer %lld of %lld", (long long)l, (long long)d->config.L);
    return &d->layer[l];
}

SiteShape decoder_site(const DecoderConfig *c, Site site)
{
    const int64_t q = c->H * c->D, kv = c->Hkv * c->D;
    switch (site) {
    case SITE_QKV: return (SiteShape){c->C, q + 2 * kv, 3, {q, kv, kv}};
    case SITE_O: return (SiteShape){q, c->C, 1, {c->C, 0, 0}};
    case SITE_GU: return (SiteShape){c->C, 2 * c->F, 2, {c->F, c->F, 0}};
    case SITE_DOWN: return (SiteShape){c->F, c->C, 1, {c->C, 0, 0}};
    case N_SITES: break;
    }
    REQUIRE(false, "no such site: %d", (int)site);
    return (SiteShape){0, 0, 0, {0, 0, 0}};
}

int64_t decoder_site_weight(const DecoderLayer *layer, Site site)
{
    const int64_t first[N_SITES] = {layer->wq, layer->wo, layer->wg, layer->wd};
    return first[site];
}

Dropout decoder_dropout_at(const Decoder *d, Dropout drop, int64_t number)
{
    drop.call = drop.call * (uint64_t)(2 * d->config.L + 1) + (uint64_t)number;
    return drop;
}

/* --- creation -------------------------------------------------------------------------------------------------- */

static void check_config(const DecoderConfig *c)
{
    REQUIRE(c->V > 0 && c->C > 0 && c->L > 0 && c->H > 0 && c->Hkv > 0 && c->D > 0 && c->F > 0, "a decoder size is not positive");
    REQUIRE(c->H % c->Hkv == 0, "%lld query heads over %lld key heads", (long long)c->H, (long long)c->Hkv);
    REQUIRE(c->D % 2 == 0, "rotary head size %lld is odd", (long long)c->D);
    REQUIRE(c->rope_theta > 0 && c->rms_eps > 0, "rope_theta %g, rms_eps %g", c->rope_theta, c->rms_eps);
}

static void list_parameters(Decoder *d)
{
    const DecoderConfig *c = &d->config;
    Params *p = d->params;
    d->embed = params_add(p, "model.embed_tokens.weight", 2, (int64_t[]){c->V, c->C}, true);
    d->layer = ARENA_NEW(d->arena, DecoderLayer, c->L);
    for (int64_t l = 0; l < c->L; l++) {
        DecoderLayer *y = &d->layer[l];
        char name[128];
#define X(field, suffix, present, n_dims, rows, cols, decay)                                          \
    snprintf(name, sizeof name, "model.layers.%lld." suffix, (long long)l);                           \
    y->field = (present) ? params_add(p, name, n_dims, (int64_t[]){rows, cols}, decay) : -1;
        DECODER_LAYER_WEIGHTS(X)
#undef X
    }
    d->norm = params_add(p, "model.norm.weight", 1, &c->C, false);
    d->head = c->tied ? d->embed : params_add(p, "lm_head.weight", 2, (int64_t[]){c->V, c->C}, true);
}

static real *new_real(Decoder *d, int64_t count)
{
    return d->be->alloc(d->be, (size_t)count * sizeof(real));
}

DecoderWork decoder_work_create(Decoder *d, int64_t rows)
{
    const DecoderConfig *c = &d->config;
    const int64_t qk = (c->H + c->Hkv) * c->D;
    DecoderWork w = {.x = new_real(d, rows * c->C), .r1 = new_real(d, rows), .h1 = new_real(d, rows * c->C),
        .qkv = new_real(d, rows * (qk + c->Hkv * c->D)), .att = new_real(d, rows * c->H * c->D),
        .lse = new_real(d, rows * c->H), .xm = new_real(d, rows * c->C), .r2 = new_real(d, rows),
        .h2 = new_real(d, rows * c->C), .gu = new_real(d, rows * 2 * c->F), .act = new_real(d, rows * c->F)};
    if (c->qk_norm) {
        w.qk_raw = new_real(d, rows * qk);
        w.qk_r = new_real(d, rows * (c->H + c->Hkv));
    }
    return w;
}

void decoder_work_destroy(Decoder *d, DecoderWork *w)
{
    real *all[] = {w->x, w->r1, w->h1, w->qkv, w->qk_raw, w->qk_r, w->att, w->lse, w->xm, w->r2, w->h2, w->gu, w->act};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) d->be->release(d->be, all[i]);
    for (int s = 0; s < N_SITES; s++) d->be->release(d->be, w->u[s]);
    *w = (DecoderWork){0};
}

static void create_loss_buffers(Decoder *d)
{
    const int64_t T = d->max_tokens, C = d->config.C, V = d->config.V;
    d->order = ARENA_NEW(d->arena, int64_t, T);
    d->h_row = ARENA_NEW(d->arena, int32_t, T);
    d->h_target = ARENA_NEW(d->arena, int32_t, T);
    d->h_range = ARENA_NEW(d->arena, int32_t, 2 * T);
    d->h_weight = ARENA_NEW(d->arena, real, T);
    d->h_logp = ARENA_NEW(d->arena, real, T);
    int32_t *ints = d->be->alloc(d->be, (size_t)T * 4 * sizeof(int32_t));
    d->row = ints;
    d->target = ints + T;
    d->range = ints + 2 * T;
    d->weight = new_real(d, T);
    d->logp = new_real(d, T);
    d->loss_lse = new_real(d, T);
    d->rows_x = new_real(d, T * C);
    d->rows_dx = new_real(d, T * C);
    int64_t rows = LOGITS_COUNT / V > MIN_LOGIT_ROWS ? LOGITS_COUNT / V : MIN_LOGIT_ROWS;
    if (rows > T) rows = T;
    d->logits_count = rows * V;
    d->logits = new_real(d, d->logits_count);
}

static void create_backward_buffers(Decoder *d)
{
    const DecoderConfig *c = &d->config;
    const int64_t T = d->max_tokens;
    d->dx = new_real(d, T * c->C);
    d->dbranch = new_real(d, T * c->C);
    d->dh = new_real(d, T * c->C);
    d->dqkv = new_real(d, T * (c->H + 2 * c->Hkv) * c->D);
    d->datt = new_real(d, T * c->H * c->D);
    d->dgu = new_real(d, T * 2 * c->F);
    d->dact = new_real(d, T * c->F);
    d->junk = new_real(d, c->C > c->D ? c->C : c->D);
}

void decoder_need_buffers(Decoder *d)
{
    if (d->work != NULL) return;
    const int64_t L = d->config.L, C = d->config.C;
    d->work = ARENA_NEW(d->arena, DecoderWork, L);
    for (int64_t l = 0; l < L; l++) d->work[l] = l == 0 || d->with_gradients ? decoder_work_create(d, d->max_tokens) : d->work[0];
    d->token = d->be->alloc(d->be, (size_t)d->max_tokens * sizeof(int32_t));
    d->x_last = d->with_gradients ? new_real(d, d->max_tokens * C) : d->work[0].x;
    d->r_last = new_real(d, d->max_tokens);
    d->hidden = new_real(d, d->max_tokens * C);
    d->branch = new_real(d, d->max_tokens * C);
    create_loss_buffers(d);
    if (d->with_gradients) create_backward_buffers(d);
}

static void release_buffers(Decoder *d)
{
    if (d->work == NULL) return;
    for (int64_t l = 0; l < (d->with_gradients ? d->config.L : 1); l++) decoder_work_destroy(d, &d->work[l]);
    if (d->with_gradients) d->be->release(d->be, d->x_last);
    void *all[] = {d->token, d->r_last, d->hidden, d->branch, d->row, d->weight, d->logp, d->loss_lse, d->rows_x,
                   d->rows_dx, d->logits, d->dx, d->dbranch, d->dh, d->dqkv, d->datt, d->dgu, d->dact, d->junk};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) d->be->release(d->be, all[i]);
}

Decoder *decoder_create(Backend *be, const DecoderConfig *config, int64_t max_tokens, bool with_gradients)
{
    check_config(config);
    REQUIRE(max_tokens >= 1, "max_tokens %lld", (long long)max_tokens);
    Arena *arena = arena_create("decoder");
    Decoder *d = ARENA_NEW(arena, Decoder, 1);
    *d = (Decoder){.be = be, .arena = arena, .config = *config, .params = params_create(be), .max_tokens = max_tokens,
                   .with_gradients = with_gradients};
    list_parameters(d);
    params_finish(d->params, with_gradients);
    return d;
}

void decoder_destroy(Decoder *d)
{
    if (d == NULL) return;
    lora_detach(d->lora);
    decoder_lanes_destroy(d);
    decoder_fused_destroy(d->fused);
    release_buffers(d);
    params_destroy(d->params);
    arena_destroy(d->arena);
}

Decoder *decoder_view_create(Decoder *d, Backend *be, real *grad, int64_t max_tokens)
{
    Arena *arena = arena_create("decoder piece");
    Decoder *view = ARENA_NEW(arena, Decoder, 1);
    *view = (Decoder){.be = be, .arena = arena, .config = d->config, .params = ARENA_NEW(arena, Params, 1), .embed = d->embed, .norm = d->norm,
                      .head = d->head, .layer = d->layer, .max_tokens = max_tokens, .with_gradients = true};
    *view->params = *d->params;
    view->params->be = be;
    view->params->grad = grad;
    return view;
}

void decoder_view_destroy(Decoder *view)
{
    release_buffers(view);
    arena_destroy(view->arena);
}

const DecoderConfig *decoder_config(const Decoder *d)
{
    return &d->config;
}

Params *decoder_params(Decoder *d)
{
    return d->params;
}

void decoder_init(Decoder *d, uint64_t seed)
{
    Params *p = d->params;
    const double residual = 0.02 / sqrt(2.0 * (double)d->config.L);
    for (int64_t i = 0; i < p->n; i++) {
        if (p->list[i].n_dims == 2) {
            params_init_normal(p, i, 0.02, seed);
        } else {
            params_fill(p, i, 1);
        }
    }
    for (int64_t l = 0; l < d->config.L; l++) {
        const DecoderLayer *y = &d->layer[l];
        params_init_normal(p, y->wo, residual, seed);
        params_init_normal(p, y->wd, residual, seed);
        if (!d->config.attention_bias) continue;
        params_fill(p, y->bq, 0);
        params_fill(p, y->bk, 0);
        params_fill(p, y->bv, 0);
    }
}

/* --- matrices -------------------------------------------------------------------------------------------------- */

void decoder_linear(Decoder *d, int64_t l, Site site, int64_t T, const real *x, real beta, real *y, DecoderWork *w)
{
    const SiteShape s = decoder_site(&d->config, site);
    const real *W = params_value(d->params, decoder_site_weight(&d->layer[l], site));
    d->be->gemm(d->be, false, true, T, s.out, s.in, 1, x, s.in, W, s.in, beta, y, s.out);
    if (d->lora != NULL) lora_forward(d->lora, l, site, T, x, y, w->u[site]);
}

void decoder_linear_bwd(Decoder *d, int64_t l, Site site, int64_t T, const real *x, const real *dy, real *dx, DecoderWork *w)
{
    Backend *be = d->be;
    const SiteShape s = decoder_site(&d->config, site);
    const int64_t index = decoder_site_weight(&d->layer[l], site);
    if (d->params->grad != NULL && !d->params->list[index].frozen) {
        be->gemm(be, true, false, s.out, s.in, T, 1, dy, s.out, x, s.in, 1, params_grad(d->params, index), s.in);
    }
    if (dx != NULL) {
        be->gemm(be, false, false, T, s.in, s.out, 1, dy, s.out, params_value(d->params, index), s.in, 0, dx, s.in);
    }
    if (d->lora != NULL) lora_backward(d->lora, l, site, T, x, dy, dx, w->u[site], d->du);
}

/* Gradient of a vector parameter, or a place to throw it. */
static real *vector_grad(Decoder *d, int64_t index)
{
    return d->params->grad != NULL ? params_grad(d->params, index) : d->junk;
}

/* --- forward --------------------------------------------------------------------------------------------------- */

void decoder_qkv(Decoder *d, int64_t l, int64_t T, const int32_t *pos, DecoderWork *w)
{
    Backend *be = d->be;
    const DecoderConfig *c = &d->config;
    const DecoderLayer *y = &d->layer[l];
    const int64_t D = c->D, qk = (c->H + c->Hkv) * D, ld = qk + c->Hkv * D;
    const real eps = (real)c->rms_eps;
    be->rmsnorm(be, T, c->C, w->x, c->C, params_value(d->params, y->ln1), eps, w->h1, c->C, w->r1);
    decoder_linear(d, l, SITE_QKV, T, w->h1, 0, w->qkv, w);
    if (c->attention_bias) be->add_bias(be, T, ld, w->qkv, ld, params_value(d->params, y->bq));
    if (c->qk_norm) {
        be->copy_2d(be, T, qk, w->qkv, ld, w->qk_raw, qk);
        for (int64_t h = 0; h < c->H + c->Hkv; h++) {
            const real *weight = params_value(d->params, h < c->H ? y->qn : y->kn);
            be->rmsnorm(be, T, D, w->qk_raw + h * D, qk, weight, eps, w->qkv + h * D, ld, w->qk_r + h * T);
        }
    }
    be->rope(be, T, c->H + c->Hkv, D, pos, (real)c->rope_theta, 1, w->qkv, ld);
}

/* x_out = x_in + dropout(in W^T) */
static void residual_branch(Decoder *d, int64_t l, Site site, int64_t T, Dropout drop, const real *in, const real *x_in,
                            real *x_out, DecoderWork *w)
{
    Backend *be = d->be;
    const int64_t count = T * d->config.C;
    if (x_in != x_out) be->copy(be, x_out, x_in, (size_t)count * sizeof(real));
    if (drop.p > 0) {
        decoder_linear(d, l, site, T, in, 0, d->branch, w);
        be->dropout_acc(be, count, drop, d->branch, x_out);
    } else {
        decoder_linear(d, l, site, T, in, 1, x_out, w);
    }
}

void decoder_after_attention(Decoder *d, int64_t l, int64_t T, Dropout drop, DecoderWork *w, real *x_out)
{
    Backend *be = d->be;
    const DecoderConfig *c = &d->config;
    residual_branch(d, l, SITE_O, T, decoder_dropout_at(d, drop, 1 + 2 * l), w->att, w->x, w->xm, w);
    be->rmsnorm(be, T, c->C, w->xm, c->C, params_value(d->params, d->layer[l].ln2), (real)c->rms_eps, w->h2, c->C, w->r2);
    decoder_linear(d, l, SITE_GU, T, w->h2, 0, w->gu, w);
    be->swiglu(be, T, c->F, w->gu, w->act);
    residual_branch(d, l, SITE_DOWN, T, decoder_dropout_at(d, drop, 2 + 2 * l), w->act, w->xm, x_out, w);
}

void decoder_check_tokens(const Decoder *d, int64_t T, const int32_t *tokens)
{
    const int64_t V = d->config.V;
    for (int64_t t = 0; t < T; t++)
        REQUIRE(tokens[t] >= 0 && tokens[t] < V, "token %d at row %lld is outside [0,%lld)", tokens[t], (long long)t, (long long)V);
}

const real *decoder_forward(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop)
{
    Backend *be = d->be;
    const DecoderConfig *c = &d->config;
    const int64_t T = pk->T, HD = c->H * c->D, kv = c->Hkv * c->D, ld = HD + 2 * kv;
    REQUIRE(T >= 1 && T <= d->max_tokens, "%lld packed tokens, room for %lld", (long long)T, (long long)d->max_tokens);
    decoder_check_tokens(d, T, tokens);
    decoder_need_buffers(d);
    d->packed = *pk;
    d->drop = drop;
    be->upload(be, d->token, tokens, (size_t)T * sizeof(int32_t));
    be->embed(be, T, c->C, d->token, params_value(d->params, d->embed), 1, d->work[0].x);
    if (drop.p > 0) be->dropout(be, T * c->C, decoder_dropout_at(d, drop, 0), d->work[0].x, d->work[0].x);
    for (int64_t l = 0; l < c->L; l++) {
        DecoderWork *w = &d->work[l];
        decoder_qkv(d, l, T, pk->pos, w);
        be->attention(be, pk, c->H, c->Hkv, c->D, (real)(1.0 / sqrt((double)c->D)), (Dropout){0}, w->qkv, ld, w->qkv + HD,
                      w->qkv + HD + kv, ld, w->att, w->lse);
        decoder_after_attention(d, l, T, drop, w, l + 1 < c->L ? d->work[l + 1].x : d->x_last);
    }
    be->rmsnorm(be, T, c->C, d->x_last, c->C, params_value(d->params, d->norm), (real)c->rms_eps, d->hidden, c->C, d->r_last);
    return d->hidden;
}

/* --- backward -------------------------------------------------------------------------------------------------- */

/* Gradient of a residual branch's output, given that of the stream it was added to. */
static const real *branch_gradient(Decoder *d, int64_t T, int64_t number)
{
    if (!(d->drop.p > 0)) return d->dx;
    d->be->dropout(d->be, T * d->config.C, decoder_dropout_at(d, d->drop, number), d->dx, d->dbranch);
    return d->dbranch;
}

static void mlp_backward(Decoder *d, int64_t l, int64_t T)
{
    Backend *be = d->be;
    DecoderWork *w = &d->work[l];
    const int64_t C = d->config.C, F = d->config.F, ln2 = d->layer[l].ln2;
    decoder_linear_bwd(d, l, SITE_DOWN, T, w->act, branch_gradient(d, T, 2 + 2 * l), d->dact, w);
    be->swiglu_bwd(be, T, F, w->gu, d->dact, d->dgu);
    decoder_linear_bwd(d, l, SITE_GU, T, w->h2, d->dgu, d->dh, w);
    be->rmsnorm_bwd_acc(be, T, C, w->xm, C, params_value(d->params, ln2), w->r2, d->dh, C, d->dx, C, vector_grad(d, ln2));
}

static void attention_backward(Decoder *d, int64_t l, int64_t T)
{
    Backend *be = d->be;
    const DecoderConfig *c = &d->config;
    const DecoderLayer *y = &d->layer[l];
    DecoderWork *w = &d->work[l];
    const int64_t C = c->C, D = c->D, HD = c->H * D, kv = c->Hkv * D, qk = HD + kv, ld = qk + kv;
    decoder_linear_bwd(d, l, SITE_O, T, w->att, branch_gradient(d, T, 1 + 2 * l), d->datt, w);
    be->attention_bwd(be, &d->packed, c->H, c->Hkv, D, (real)(1.0 / sqrt((double)D)), (Dropout){0}, w->qkv, ld, w->qkv + HD,
                      w->qkv + qk, ld, w->att, w->lse, d->datt, d->dqkv, ld, d->dqkv + HD, d->dqkv + qk, ld);
    be->rope(be, T, c->H + c->Hkv, D, d->packed.pos, (real)c->rope_theta, -1, d->dqkv, ld);
    if (c->qk_norm) {
        for (int64_t h = 0; h < c->H + c->Hkv; h++) {
            const int64_t index = h < c->H ? y->qn : y->kn;
            be->rmsnorm_bwd(be, T, D, w->qk_raw + h * D, qk, params_value(d->params, index), w->qk_r + h * T,
                            d->dqkv + h * D, ld, d->dqkv + h * D, ld, vector_grad(d, index));
        }
    }
    if (c->attention_bias && d->params->grad != NULL) be->bias_bwd_acc(be, T, ld, d->dqkv, ld, params_grad(d->params, y->bq));
    decoder_linear_bwd(d, l, SITE_QKV, T, w->h1, d->dqkv, d->dh, w);
    be->rmsnorm_bwd_acc(be, T, C, w->x, C, params_value(d->params, y->ln1), w->r1, d->dh, C, d->dx, C,
                        vector_grad(d, y->ln1));
}

void decoder_backward(Decoder *d, const real *dhidden)
{
    Backend *be = d->be;
    REQUIRE(d->with_gradients, "backward pass of a decoder created without gradients");
    const int64_t T = d->packed.T, C = d->config.C;
    be->rmsnorm_bwd(be, T, C, d->x_last, C, params_value(d->params, d->norm), d->r_last, dhidden, C, d->dx, C,
                    vector_grad(d, d->norm));
    for (int64_t l = d->config.L - 1; l >= 0; l--) {
        mlp_backward(d, l, T);
        attention_backward(d, l, T);
    }
    if (d->params->grad == NULL) return; /* only adapters learn */
    if (d->drop.p > 0) be->dropout(be, T * C, decoder_dropout_at(d, d->drop, 0), d->dx, d->dx);
    be->embed_bwd_acc(be, T, C, d->token, d->dx, 1, params_grad(d->params, d->embed));
}
