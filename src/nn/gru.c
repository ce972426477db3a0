/* nn/gru.c -- GRU4Rec forward and backward through time (equations and deviations: gru.h).
 *
 * Packed sequences are first laid out time-major, longest sequence first: the rows of time step t are start[t] .. start[t+1), one for each of the
 * n_t = start[t+1]-start[t] sequences longer than t, and row i of step t continues row i of step t-1. So each step is one matrix product
 * on contiguous rows, and nothing is computed for padding. h_prev of the rows of step t are the first n_t rows of step t-1.
 */
#include "nn/gru.h"

#include <string.h>
#include <tgmath.h>

#include "tensor/vmath.h"

#define WEIGHT_FIELD(field, name, rows, cols) int64_t field;
typedef struct Gru {
    SeqModel model;
    GruConfig config;
    Arena *arena;
    GRU_WEIGHTS(WEIGHT_FIELD)
    GRU_DENSE_WEIGHTS(WEIGHT_FIELD)
    Packed pk;
    Dropout drop;
    int64_t n_steps;
    int64_t *start;              /* (max_len+1) first time-major row of each step */
    int32_t *h_row, *row;        /* (T) host, backend: packed row of each time-major row */
    int32_t *h_inverse, *inverse; /* (T) host, backend: time-major row of each packed row */
    int64_t *rank;               /* scratch: sequences by length */
    int32_t *items;              /* (T) backend, packed order */
    /* backend: embedding packed and time-major (T,E); input and hidden parts of the gates (T,3C); h_prev and h, time-major (T,C);
     * h packed (T,C); after dropout (T,C); output (T,E) */
    real *x, *x_tm, *gi, *gh, *hprev, *h_tm, *h, *h_drop, *out;
    real *dgi, *dgh, *dx, *dx_tm, *dh, *dh_tm; /* backend, shapes as above */
    /* host copies for the gate arithmetic, time-major */
    real *H_gi, *H_gh, *H_r, *H_z, *H_n, *H_h, *H_dh, *H_dgi, *H_dgh, *H_carry;
} Gru;

enum { SITE_EMBED = 0, SITE_OUTPUT = 1 };

static Dropout site(const Gru *g, int which)
{
    Dropout d = g->drop;
    d.call += (uint64_t)which;
    return d;
}

static real *W(Gru *g, int64_t i) { return params_value(g->model.params, i); }
static real *dW(Gru *g, int64_t i) { return params_grad(g->model.params, i); }

/* MUST-like: a device fault inside a pass has no caller that could go on. */
static void fetch(Backend *be, real *host, const real *src, int64_t n)
{
    MUST(be->download(be, host, src, (size_t)n * sizeof(real)));
}

static void send(Backend *be, real *dst, const real *host, int64_t n) { be->upload(be, dst, host, (size_t)n * sizeof(real)); }

static int64_t length_of(const Packed *pk, int64_t b) { return pk->h_offset[b + 1] - pk->h_offset[b]; }

/* Longest first, equal lengths in batch order: a counting sort by length. */
static void lay_out_time_major(Gru *g)
{
    const Packed *pk = &g->pk;
    const int64_t n_steps = pk->max_len;
    REQUIRE(n_steps <= g->config.max_len, "sequence of %lld, limit %lld", (long long)n_steps, (long long)g->config.max_len);
    g->n_steps = n_steps;
    for (int64_t t = 0; t <= n_steps; t++) g->start[t] = 0;
    for (int64_t b = 0; b < pk->B; b++)
        for (int64_t t = 0; t < length_of(pk, b); t++) g->start[t + 1]++; /* sequences longer than t */
    int64_t n = 0;
    for (int64_t len = n_steps; len >= 1; len--)
        for (int64_t b = 0; b < pk->B; b++)
            if (length_of(pk, b) == len) g->rank[n++] = b;
    for (int64_t t = 0; t < n_steps; t++) g->start[t + 1] += g->start[t];
    for (int64_t t = 0; t < n_steps; t++)
        for (int64_t i = 0; i < g->start[t + 1] - g->start[t]; i++) {
            const int64_t tm = g->start[t] + i, packed = pk->h_offset[g->rank[i]] + t;
            g->h_row[tm] = (int32_t)packed;
            g->h_inverse[packed] = (int32_t)tm;
        }
    Backend *be = g->model.be;
    be->upload(be, g->row, g->h_row, (size_t)pk->T * sizeof *g->row);
    be->upload(be, g->inverse, g->h_inverse, (size_t)pk->T * sizeof *g->inverse);
}

/* Gates of one time-major row: gi, gh (3C) in; r, z, n, h (C) out, none overlapping (so that the loop becomes vectors). hprev NULL = zeros. */
static void cell(int64_t C, const real *gi, const real *gh, const real *hprev, real *restrict r, real *restrict z, real *restrict n, real *restrict h)
{
    for (int64_t c = 0; c < C; c++) {
        const real reset = vmath_sigmoid(gi[c] + gh[c]), update = vmath_sigmoid(gi[C + c] + gh[C + c]);
        const real candidate = vmath_tanh(gi[2 * C + c] + reset * gh[2 * C + c]);
        r[c] = reset;
        z[c] = update;
        n[c] = candidate;
        h[c] = (1 - update) * candidate;
    }
    if (hprev == NULL) return;
    for (int64_t c = 0; c < C; c++) h[c] += z[c] * hprev[c];
}

static const real *forward(void *self, const Packed *pk, const int32_t *items, Dropout drop)
{
    Gru *g = self;
    const GruConfig *c = &g->config;
    Backend *be = g->model.be;
    const int64_t T = pk->T, E = c->E, C = c->C, G = 3 * C;
    REQUIRE(T >= 1 && T <= g->model.max_tokens, "T %lld of %lld", (long long)T, (long long)g->model.max_tokens);
    g->pk = *pk;
    g->drop = drop;
    lay_out_time_major(g);

    be->upload(be, g->items, items, (size_t)T * sizeof *items);
    be->embed(be, T, E, g->items, W(g, g->model.item_emb), 1, g->x);
    be->dropout(be, T * E, site(g, SITE_EMBED), g->x, g->x);
    be->gather_rows(be, T, E, g->row, g->x, g->x_tm);
    be->gemm(be, false, true, T, G, E, 1, g->x_tm, E, W(g, g->w_ih), E, 0, g->gi, G);
    be->add_bias(be, T, G, g->gi, G, W(g, g->b_ih));
    fetch(be, g->H_gi, g->gi, T * G);
    be->zero(be, g->hprev, (size_t)(T * C) * sizeof(real));
    for (int64_t t = 0; t < g->n_steps; t++) {
        const int64_t s = g->start[t], n = g->start[t + 1] - s, before = t > 0 ? g->start[t - 1] : 0;
        if (t > 0) be->copy(be, g->hprev + s * C, g->h_tm + before * C, (size_t)(n * C) * sizeof(real));
        be->gemm(be, false, true, n, G, C, 1, g->hprev + s * C, C, W(g, g->w_hh), C, 0, g->gh + s * G, G);
        be->add_bias(be, n, G, g->gh + s * G, G, W(g, g->b_hh));
        fetch(be, g->H_gh + s * G, g->gh + s * G, n * G);
#pragma omp parallel for schedule(static) num_threads(be->threads)
        for (int64_t i = s; i < s + n; i++)
            cell(C, g->H_gi + i * G, g->H_gh + i * G, t > 0 ? g->H_h + (before + i - s) * C : NULL, g->H_r + i * C, g->H_z + i * C,
                 g->H_n + i * C, g->H_h + i * C);
        send(be, g->h_tm + s * C, g->H_h + s * C, n * C);
    }
    be->gather_rows(be, T, C, g->inverse, g->h_tm, g->h);
    be->dropout(be, T * C, site(g, SITE_OUTPUT), g->h, g->h_drop);
    if (!c->dense) return g->h_drop;
    be->gemm(be, false, true, T, E, C, 1, g->h_drop, C, W(g, g->w_dense), C, 0, g->out, E);
    be->add_bias(be, T, E, g->out, E, W(g, g->b_dense));
    return g->out;
}

/* One row of the backward pass. dh: gradient by h'. Writes dgi, dgh (3C) and the part of the gradient by h that does not pass through the gates. */
static void cell_bwd(int64_t C, const real *gh, const real *hprev, const real *r, const real *z, const real *n, const real *dh, real *restrict dgi,
                     real *restrict dgh, real *restrict direct)
{
    for (int64_t c = 0; c < C; c++) {
        const real h0 = hprev != NULL ? hprev[c] : 0;
        const real dz = dh[c] * (h0 - n[c]) * z[c] * (1 - z[c]);
        const real dn = dh[c] * (1 - z[c]) * (1 - n[c] * n[c]);
        const real dr = dn * gh[2 * C + c] * r[c] * (1 - r[c]);
        dgi[c] = dgh[c] = dr;
        dgi[C + c] = dgh[C + c] = dz;
        dgi[2 * C + c] = dn;
        dgh[2 * C + c] = dn * r[c];
        direct[c] = dh[c] * z[c];
    }
}

static void backward_through_time(Gru *g)
{
    Backend *be = g->model.be;
    const int64_t T = g->pk.T, C = g->config.C, G = 3 * C;
    be->gather_rows(be, T, C, g->row, g->dh, g->dh_tm);
    fetch(be, g->H_dh, g->dh_tm, T * C);
    for (int64_t t = g->n_steps - 1; t >= 0; t--) {
        const int64_t s = g->start[t], n = g->start[t + 1] - s, before = t > 0 ? g->start[t - 1] : 0;
#pragma omp parallel for schedule(static) num_threads(be->threads)
        for (int64_t i = s; i < s + n; i++)
            cell_bwd(C, g->H_gh + i * G, t > 0 ? g->H_h + (before + i - s) * C : NULL, g->H_r + i * C, g->H_z + i * C, g->H_n + i * C,
                     g->H_dh + i * C, g->H_dgi + i * G, g->H_dgh + i * G, g->H_carry + (i - s) * C);
        send(be, g->dgh + s * G, g->H_dgh + s * G, n * G);
        if (t == 0) break;
        /* h_prev receives: z * dh' directly, and through the gates dgh W_hh */
        be->gemm(be, false, false, n, C, G, 1, g->dgh + s * G, G, W(g, g->w_hh), C, 0, g->dh_tm + s * C, C);
        fetch(be, g->H_dh + s * C, g->dh_tm + s * C, n * C);
        for (int64_t i = 0; i < n * C; i++) g->H_dh[before * C + i] += g->H_carry[i] + g->H_dh[s * C + i];
    }
    send(be, g->dgi, g->H_dgi, T * G);
}

static void backward(void *self, const real *dout)
{
    Gru *g = self;
    const GruConfig *c = &g->config;
    Backend *be = g->model.be;
    const int64_t T = g->pk.T, E = c->E, C = c->C, G = 3 * C;
    if (c->dense) {
        be->gemm(be, true, false, E, C, T, 1, dout, E, g->h_drop, C, 1, dW(g, g->w_dense), C);
        be->bias_bwd_acc(be, T, E, dout, E, dW(g, g->b_dense));
        be->gemm(be, false, false, T, C, E, 1, dout, E, W(g, g->w_dense), C, 0, g->dh, C);
        dout = g->dh;
    }
    be->dropout(be, T * C, site(g, SITE_OUTPUT), dout, g->dh);
    backward_through_time(g);
    be->gemm(be, true, false, G, C, T, 1, g->dgh, G, g->hprev, C, 1, dW(g, g->w_hh), C);
    be->bias_bwd_acc(be, T, G, g->dgh, G, dW(g, g->b_hh));
    be->gemm(be, true, false, G, E, T, 1, g->dgi, G, g->x_tm, E, 1, dW(g, g->w_ih), E);
    be->bias_bwd_acc(be, T, G, g->dgi, G, dW(g, g->b_ih));
    be->gemm(be, false, false, T, E, G, 1, g->dgi, G, W(g, g->w_ih), E, 0, g->dx_tm, E);
    be->gather_rows(be, T, E, g->inverse, g->dx_tm, g->dx);
    be->dropout(be, T * E, site(g, SITE_EMBED), g->dx, g->dx);
    be->embed_bwd_acc(be, T, E, g->items, g->dx, 1, dW(g, g->model.item_emb));
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

static void add_buffers(Gru *g, bool with_gradients)
{
    const GruConfig *c = &g->config;
    Backend *be = g->model.be;
    const int64_t T = g->model.max_tokens;
    struct { real **at; int64_t width; } device[] = {
        {&g->x, c->E},   {&g->x_tm, c->E}, {&g->gi, 3 * c->C}, {&g->gh, 3 * c->C}, {&g->hprev, c->C}, {&g->h_tm, c->C},
        {&g->h, c->C},   {&g->h_drop, c->C}, {&g->out, c->E},
        /* gradients from here */
        {&g->dgi, 3 * c->C}, {&g->dgh, 3 * c->C}, {&g->dx, c->E}, {&g->dx_tm, c->E}, {&g->dh, c->C}, {&g->dh_tm, c->C}};
    const size_t n_device = sizeof device / sizeof *device, n_forward = 9;
    for (size_t i = 0; i < (with_gradients ? n_device : n_forward); i++)
        *device[i].at = be->alloc(be, (size_t)(T * device[i].width) * sizeof(real));
    g->items = be->alloc(be, (size_t)T * sizeof(int32_t));
    g->row = be->alloc(be, (size_t)T * sizeof(int32_t));
    g->inverse = be->alloc(be, (size_t)T * sizeof(int32_t));
    g->h_row = ARENA_NEW(g->arena, int32_t, T);
    g->h_inverse = ARENA_NEW(g->arena, int32_t, T);
    g->rank = ARENA_NEW(g->arena, int64_t, T);
    g->start = ARENA_NEW(g->arena, int64_t, c->max_len + 1);
    real **host3[] = {&g->H_gi, &g->H_gh, &g->H_dgi, &g->H_dgh};
    for (size_t i = 0; i < (with_gradients ? 4u : 2u); i++) *host3[i] = ARENA_NEW(g->arena, real, T * 3 * c->C);
    real **host1[] = {&g->H_r, &g->H_z, &g->H_n, &g->H_h, &g->H_dh, &g->H_carry};
    for (size_t i = 0; i < (with_gradients ? 6u : 4u); i++) *host1[i] = ARENA_NEW(g->arena, real, T * c->C);
}

static void destroy(void *self)
{
    Gru *g = self;
    Backend *be = g->model.be;
    real *owned[] = {g->x,   g->x_tm, g->gi,  g->gh, g->hprev, g->h_tm, g->h,    g->h_drop,
                     g->out, g->dgi,  g->dgh, g->dx, g->dx_tm, g->dh,   g->dh_tm};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) be->release(be, owned[i]);
    be->release(be, g->items);
    be->release(be, g->row);
    be->release(be, g->inverse);
    params_destroy(g->model.params);
    arena_destroy(g->arena);
}

SeqModel *gru_create(Backend *be, const GruConfig *config, int64_t max_tokens, bool with_gradients)
{
    REQUIRE(config->N >= 1 && config->E >= 1 && config->C >= 1 && config->max_len >= 1 && (config->dense || config->E == config->C),
            "N %lld E %lld C %lld", (long long)config->N, (long long)config->E, (long long)config->C);
    Arena *arena = arena_create("gru");
    Gru *g = ARENA_NEW(arena, Gru, 1);
    g->arena = arena;
    g->config = *config;
    g->model = (SeqModel){.kind = "gru4rec", .self = g, .be = be, .params = params_create(be), .N = config->N, .C = config->E,
                          .max_tokens = max_tokens, .max_len = config->max_len, .forward = forward, .backward = backward,
                          .destroy = destroy};
    const GruConfig *c = &g->config;
    Params *p = g->model.params;
    g->model.item_emb = params_add(p, "item_emb.weight", 2, (const int64_t[]){c->N, c->E}, true);
#define WEIGHT_ADD(field, name, rows, cols) g->field = params_add(p, name, (cols) > 0 ? 2 : 1, (const int64_t[]){(rows), (cols)}, (cols) > 0);
    GRU_WEIGHTS(WEIGHT_ADD)
    if (c->dense) { GRU_DENSE_WEIGHTS(WEIGHT_ADD) }
    params_finish(p, with_gradients);
    add_buffers(g, with_gradients);
    return &g->model;
}

void gru_init(SeqModel *m, uint64_t seed)
{
    Gru *g = m->self;
    const GruConfig *c = &g->config;
    for (int64_t i = 0; i < m->params->n; i++) {
        if (m->params->list[i].n_dims == 1) params_fill(m->params, i, 0);
        else params_init_normal(m->params, i, i == m->item_emb ? 1 / sqrt((double)c->E) : 1 / sqrt(3 * (double)c->C), seed);
    }
}

const GruConfig *gru_config(const SeqModel *m)
{
    const Gru *g = m->self;
    return &g->config;
}

const real *gru_hidden(const SeqModel *m)
{
    const Gru *g = m->self;
    return g->h;
}
