/* sid/rqfused.c -- see rqfused.h. Threads share the rows of a batch in what goes from layer to layer, and the rows of the weights in their gradients: who
 * computes a number has no influence on it, as no sum is divided.
 *
 * Deviations from the paper: none.
 */
#include "sid/rqfused.h"

#include <omp.h>
#include <string.h>

#include "tensor/mlp_tiles.h"

typedef struct Side {
    int64_t layers, width[RQ_MAX_LAYERS + 1];
    const int64_t *at;                  /* parameter indices of the weights */
    Bf16 *out[RQ_MAX_LAYERS], *in[RQ_MAX_LAYERS]; /* weights in panels: W^T (forward), W (backward) */
    Bf16 *h[RQ_MAX_LAYERS];             /* inputs of the layers in slices */
} Side;

struct RqFused {
    Arena *arena;
    int64_t height;                     /* of all slices */
    Side side[2];                       /* encoder, decoder */
    Bf16 *dy[2], *turned, *paired;      /* (height, widest) gradients, in turns; transposed; inputs in panels */
    real *dx;                           /* (max_batch, Z) */
};

static bool fits(const RqModel *m)
{
    if (!m->be->bf16 || sizeof(real) != sizeof(float) || strcmp(m->be->name, "cpu") != 0 || !tiles_available()) return false;
    for (int64_t i = 0; i <= m->cfg.n_layers; i++)
        if (m->cfg.dims[i] % 32 != 0) return false;
    return true;
}

RqFused *rqfused_create(const RqModel *m)
{
    if (!fits(m)) return NULL;
    Arena *a = arena_create("fused rqvae");
    RqFused *f = ARENA_NEW(a, RqFused, 1);
    *f = (RqFused){.arena = a, .height = tiles_round(m->max_batch)};
    const int64_t L = m->cfg.n_layers;
    int64_t widest = 0;
    for (int side = 0; side < 2; side++) {
        Side *s = &f->side[side];
        s->layers = L;
        s->at = side ? m->decoder : m->encoder;
        for (int64_t i = 0; i <= L; i++) {
            s->width[i] = m->cfg.dims[side ? L - i : i];
            widest = s->width[i] > widest ? s->width[i] : widest;
        }
        for (int64_t i = 0; i < L; i++) {
            s->out[i] = ARENA_NEW(a, Bf16, tiles_panels(s->width[i], s->width[i + 1]));
            s->in[i] = ARENA_NEW(a, Bf16, tiles_panels(s->width[i + 1], s->width[i]));
            s->h[i] = ARENA_NEW(a, Bf16, f->height * s->width[i]);
        }
    }
    for (int i = 0; i < 2; i++) f->dy[i] = ARENA_NEW(a, Bf16, f->height * widest);
    f->turned = ARENA_NEW(a, Bf16, f->height * widest);
    f->paired = ARENA_NEW(a, Bf16, f->height * widest);
    f->dx = ARENA_NEW(a, real, m->max_batch * m->cfg.dims[L]);
    return f;
}

void rqfused_destroy(RqFused *f)
{
    if (f != NULL) arena_destroy(f->arena);
}

static const float *value(const RqModel *m, int64_t index)
{
    const void *p = params_value(m->params, index);
    return p;
}

/* Units of 32 of this thread: [begin,end) of `count`, in elements. */
typedef struct Share { int64_t begin, end; } Share;
static Share share(int64_t count)
{
    const int64_t units = (count + 31) / 32, i = omp_get_thread_num(), n = omp_get_num_threads();
    return (Share){units * i / n * 32, units * (i + 1) / n * 32};
}

/* --- forward --------------------------------------------------------------------------------------------------- */

static void pack_out(const RqModel *m, const Side *s)
{
    for (int64_t i = 0; i < s->layers; i++) {
        const int64_t k = s->width[i];
        const Share c = share(s->width[i + 1]);
        if (c.begin < c.end) tiles_pack(true, k, c.end - c.begin, value(m, s->at[i]) + c.begin * k, k, s->out[i] + c.begin / 32 * tiles_stride(k));
    }
}

/* Rows of this thread through all layers. */
static void forward_rows(RqModel *m, bool decoder, int64_t B, const float *x, float *last)
{
    RqFused *f = m->fused;
    Side *s = &f->side[decoder];
    const Share r = share(B);
    const int64_t n = r.end - r.begin, end = r.end < B ? r.end : B, L = s->layers;
    if (n == 0) return;
    const void *vx = m->x;
    void *diff = m->diff;
    tiles_slices(end - r.begin, s->width[0], x + r.begin * s->width[0], s->width[0], s->h[0] + r.begin * 32, f->height);
    for (int64_t i = 0; i < L; i++) {
        MlpKeep keep = {.rows = B, .height = f->height, .first = r.begin, .bias = value(m, s->at[i] + 1), .out = last, .ld = s->width[i + 1]};
        TilesKeep *what = mlp_tiles_relu;
        if (i + 1 < L) {
            keep.y = s->h[i + 1];
        } else if (decoder) {
            what = mlp_tiles_recon;
            keep.y = f->dy[0];
            keep.x = vx;
            keep.diff = diff;
            keep.scale = (float)(2.0 / (double)(B * s->width[L]));
        } else {
            what = mlp_tiles_out;
        }
        tiles_slices_each(n, s->width[i + 1], s->width[i], s->h[i] + r.begin * 32, f->height, s->out[i], tiles_stride(s->width[i]), what, &keep);
    }
}

void rqfused_forward(RqModel *m, bool decoder, int64_t B, const real *x)
{
    const void *from = x;
    void *to = (decoder ? m->dec : m->enc)[m->cfg.n_layers - 1];
#pragma omp parallel num_threads(m->be->threads)
    {
        tiles_open();
        pack_out(m, &m->fused->side[decoder]);
#pragma omp barrier
        forward_rows(m, decoder, B, from, to);
        tiles_close();
    }
}

/* --- backward -------------------------------------------------------------------------------------------------- */

static void pack_in(const RqModel *m, const Side *s)
{
    for (int64_t i = 0; i < s->layers; i++) {
        const int64_t in = s->width[i], out = s->width[i + 1];
        const Share r = share(out);
        for (int64_t p = r.begin; p < r.end; p += 16)
            tiles_rows_group(16, in, value(m, s->at[i]) + p * in, in, p / 32, (int)(p / 16 % 2), s->in[i], tiles_stride(out));
    }
}

/* dy of layer i to that of the layer before it (or dx), for this thread's rows. */
static void gradient_rows(const RqModel *m, const Side *s, int64_t i, int64_t B, const Bf16 *dy, Bf16 *before, float *dx)
{
    const RqFused *f = m->fused;
    const Share r = share(B);
    MlpKeep keep = {.rows = B, .height = f->height, .first = r.begin, .y = before, .mask = s->h[i], .out = dx, .ld = s->width[i]};
    if (r.begin < r.end)
        tiles_slices_each(r.end - r.begin, s->width[i], s->width[i + 1], dy + r.begin * 32, f->height, s->in[i], tiles_stride(s->width[i + 1]),
                          i > 0 ? mlp_tiles_relu_bwd : mlp_tiles_out, &keep);
}

/* What the gradient of layer i's weights is made of: this thread's share of dy^T and of the inputs as panels; and the bias's gradient. */
static void turn(const RqModel *m, const Side *s, int64_t i, int64_t B, const Bf16 *dy)
{
    RqFused *f = m->fused;
    void *bias = params_grad(m->params, s->at[i] + 1);
    const Share out = share(s->width[i + 1]), in = share(s->width[i]);
    for (int64_t j = out.begin; j < out.end; j += 32) { /* each 32 rows of dy^T: slices as high as they are */
        tiles_slices_transpose(B, 32, dy + j * f->height, f->height, f->turned + j * f->height);
        mlp_tiles_sums(B, dy + j * f->height, (float *)bias + j);
    }
    if (in.begin < in.end) tiles_slices_pair(B, in.end - in.begin, s->h[i] + in.begin * f->height, f->height, f->paired + in.begin / 32 * tiles_stride(B), tiles_stride(B));
}

/* This thread's rows of the gradient of layer i's weights. */
static void weight_rows(const RqModel *m, const Side *s, int64_t i, int64_t B)
{
    const RqFused *f = m->fused;
    void *grad = params_grad(m->params, s->at[i]);
    const int64_t in = s->width[i];
    const Share r = share(s->width[i + 1]);
    for (int64_t j = r.begin; j < r.end; j += 32) tiles_slices_product(32, in, B, f->turned + j * f->height, 32, f->paired, tiles_stride(B), true, (float *)grad + j * in, in);
}

real *rqfused_backward(RqModel *m, bool decoder, int64_t B, const real *dy, bool want_dx)
{
    RqFused *f = m->fused;
    const Side *s = &f->side[decoder];
    const void *from = dy;
    void *dx = f->dx;
#pragma omp parallel num_threads(m->be->threads)
    {
        const int64_t n = s->width[s->layers];
        tiles_open();
        pack_in(m, s);
        if (from != NULL) {
            const Share r = share(B);
            const int64_t end = r.end < B ? r.end : B;
            if (r.begin < end) tiles_slices(end - r.begin, n, (const float *)from + r.begin * n, n, f->dy[0] + r.begin * 32, f->height);
        }
        for (int64_t i = s->layers - 1, way = 0; i >= 0; i--, way ^= 1) {
#pragma omp barrier
            turn(m, s, i, B, f->dy[way]);
            if (i > 0 || want_dx) gradient_rows(m, s, i, B, f->dy[way], f->dy[way ^ 1], dx);
#pragma omp barrier
            weight_rows(m, s, i, B);
        }
        tiles_close();
    }
    return want_dx ? f->dx : NULL;
}
