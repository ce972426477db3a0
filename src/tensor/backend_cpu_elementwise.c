/* tensor/backend_cpu_elementwise.c -- element-wise ops, embedding rows, bias, AdamW: parallel over rows, vectorisable inside.
 *
 * Deviations from the paper: none.
 */
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/dropout.h"
#include "tensor/vmath.h"

enum { GRAIN = 4096 }; /* elements a thread takes at a time */

static void cpu_add_bias(Backend *be, int64_t T, int64_t C, real *x, int64_t ldx, const real *bias)
{
    int threads = cpu_threads(be, T * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        real *row = x + t * ldx;
        for (int64_t c = 0; c < C; c++) row[c] += bias[c];
    }
}

static void cpu_bias_bwd_acc(Backend *be, int64_t T, int64_t C, const real *dy, int64_t ldy, real *dbias)
{
    int threads = cpu_threads(be, T * C);
    int64_t stride;
    real *partial = cpu_scratch(be, C, &stride);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        Span s = cpu_span(T, 1, i, threads);
        real *sum = partial + i * stride;
        memset(sum, 0, (size_t)C * sizeof(real));
        for (int64_t t = s.begin; t < s.end; t++) {
            for (int64_t c = 0; c < C; c++) sum[c] += dy[t * ldy + c];
        }
    }
    for (int i = 0; i < threads; i++) {
        for (int64_t c = 0; c < C; c++) dbias[c] += partial[i * stride + c];
    }
}

static void cpu_axpy(Backend *be, int64_t n, real alpha, const real *x, real *y)
{
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

static void cpu_axpby(Backend *be, int64_t n, real alpha, const real *x, real beta, real *y)
{
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) y[i] = alpha * x[i] + beta * y[i];
}

static void cpu_scale(Backend *be, int64_t n, real alpha, real *x)
{
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) x[i] *= alpha;
}

/* --- dropout --------------------------------------------------------------------------------------------------- */

static void cpu_dropout_any(Backend *be, int64_t n, Dropout d, const real *x, real *y, bool add)
{
    REQUIRE(d.p >= 0 && d.p < 1, "dropout %g", d.p);
    const uint32_t threshold = dropout_threshold(d);
    const real factor = dropout_factor(d);
    const int64_t first = (int64_t)d.first, from = first / DROPOUT_CHUNK, to = (first + n + DROPOUT_CHUNK - 1) / DROPOUT_CHUNK;
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t chunk = from; chunk < to; chunk++) {
        uint16_t u16[DROPOUT_CHUNK];
        dropout_chunk(d, (uint64_t)chunk, u16);
        const int64_t at = chunk * DROPOUT_CHUNK - first, begin = at > 0 ? at : 0, end = at + DROPOUT_CHUNK < n ? at + DROPOUT_CHUNK : n;
        const int64_t count = end - begin;
        const uint16_t *bits = u16 + (begin - at);
        const real *xs = x + begin;
        real *ys = y + begin;
        if (add) {
            for (int64_t i = 0; i < count; i++) ys[i] += bits[i] >= threshold ? xs[i] * factor : 0;
        } else {
            for (int64_t i = 0; i < count; i++) ys[i] = bits[i] >= threshold ? xs[i] * factor : 0;
        }
    }
}

static void cpu_dropout(Backend *be, int64_t n, Dropout d, const real *x, real *y)
{
    if (d.p > 0) {
        cpu_dropout_any(be, n, d, x, y, false);
    } else if (x != y) {
        memcpy(y, x, (size_t)n * sizeof(real));
    }
}

static void cpu_dropout_acc(Backend *be, int64_t n, Dropout d, const real *x, real *y)
{
    if (d.p > 0) {
        cpu_dropout_any(be, n, d, x, y, true);
    } else {
        cpu_axpy(be, n, 1, x, y);
    }
}

/* --- activations ----------------------------------------------------------------------------------------------- */

static void cpu_relu(Backend *be, int64_t n, const real *x, real *y)
{
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void cpu_relu_bwd(Backend *be, int64_t n, const real *y, const real *dy, real *dx)
{
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void cpu_gelu(Backend *be, int64_t n, const real *x, real *y)
{
    int threads = cpu_threads(be, n * 8);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) {
        real cdf, pdf;
        vmath_normal(x[i], &cdf, &pdf);
        y[i] = x[i] * cdf;
    }
}

static void cpu_gelu_bwd(Backend *be, int64_t n, const real *x, const real *dy, real *dx)
{
    int threads = cpu_threads(be, n * 8);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) {
        real cdf, pdf;
        vmath_normal(x[i], &cdf, &pdf);
        dx[i] = dy[i] * (cdf + x[i] * pdf);
    }
}

static void cpu_swiglu(Backend *be, int64_t T, int64_t F, const real *gu, real *y)
{
    int threads = cpu_threads(be, T * F);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *gate = gu + t * 2 * F, *up = gate + F;
        real *row = y + t * F;
        for (int64_t f = 0; f < F; f++) row[f] = gate[f] / (1 + vmath_exp(-gate[f])) * up[f];
    }
}

static void cpu_swiglu_bwd(Backend *be, int64_t T, int64_t F, const real *gu, const real *dy, real *dgu)
{
    int threads = cpu_threads(be, T * F);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *gate = gu + t * 2 * F, *up = gate + F, *d = dy + t * F;
        real *dgate = dgu + t * 2 * F, *dup = dgate + F;
        for (int64_t f = 0; f < F; f++) {
            real a = gate[f], b = up[f], s = 1 / (1 + vmath_exp(-a)), df = d[f];
            dgate[f] = df * b * s * (1 + a * (1 - s));
            dup[f] = df * a * s;
        }
    }
}

/* --- embedding ------------------------------------------------------------------------------------------------- */

static void cpu_embed(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *table, real scale, real *y)
{
    int threads = cpu_threads(be, T * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *row = table + (int64_t)ids[t] * C;
        for (int64_t c = 0; c < C; c++) y[t * C + c] = scale * row[c];
    }
}

/* Threads share the columns, so that rows that meet in one table row are added in order by one thread. */
static void cpu_embed_bwd_acc(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *dy, real scale,
                              real *dtable)
{
    int threads = cpu_threads(be, T * C);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        Span s = cpu_span(C, 16, i, threads);
        for (int64_t t = 0; t < T; t++) {
            const real *d = dy + t * C;
            real *row = dtable + (int64_t)ids[t] * C;
            for (int64_t c = s.begin; c < s.end; c++) row[c] += scale * d[c];
        }
    }
}

static void cpu_gather_rows(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *x, real *y)
{
    int threads = cpu_threads(be, n * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < n; i++) memcpy(y + i * C, x + (int64_t)row[i] * C, (size_t)C * sizeof(real));
}

static void cpu_scatter_rows_acc(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *dy, real *dx)
{
    int threads = cpu_threads(be, n * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        real *dst = dx + (int64_t)row[i] * C;
        for (int64_t c = 0; c < C; c++) dst[c] += dy[i * C + c];
    }
}

/* --- optimiser ------------------------------------------------------------------------------------------------- */

/* Blocks of GRAIN elements are summed in eight lanes, and the block sums in order: independent of the thread count. */
static double cpu_sum_squares(Backend *be, int64_t n, const real *x)
{
    const int64_t blocks = (n + GRAIN - 1) / GRAIN;
    int64_t stride;
    double *partial = (double *)cpu_scratch(be, 2 * blocks, &stride);
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t end = (b + 1) * GRAIN < n ? (b + 1) * GRAIN : n;
        double lane[8] = {0};
        int64_t i = b * GRAIN;
        for (; i + 8 <= end; i += 8) {
            for (int j = 0; j < 8; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
        }
        for (int j = 0; i < end; i++, j++) lane[j] += (double)x[i] * (double)x[i];
        partial[b] = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    }
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++) sum += partial[b];
    return sum;
}

/* p -= lr wd p; p -= (lr/bc1) m / (sqrt(v) / sqrt(bc2) + eps) */
static void cpu_adamw(Backend *be, int64_t n, real *p, const real *g, real *m, real *v, double gscale, double lr,
                      double b1, double b2, double eps, double wd, double bc1, double bc2)
{
    const real rg = (real)gscale, rb1 = (real)b1, rb2 = (real)b2, c1 = (real)(1.0 - b1), c2 = (real)(1.0 - b2);
    const real rate = (real)(lr / bc1), root = (real)(1.0 / sqrt(bc2)), reps = (real)eps, decay = (real)(1.0 - lr * wd);
    int threads = cpu_threads(be, n);
#pragma omp parallel for num_threads(threads) schedule(static, GRAIN)
    for (int64_t i = 0; i < n; i++) {
        real gi = rg * g[i], mi = rb1 * m[i] + c1 * gi, vi = rb2 * v[i] + c2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = decay * p[i] - rate * mi / (sqrt(vi) * root + reps);
    }
}

void backend_cpu_fill_elementwise(Backend *be)
{
    be->add_bias = cpu_add_bias;
    be->bias_bwd_acc = cpu_bias_bwd_acc;
    be->axpy = cpu_axpy;
    be->axpby = cpu_axpby;
    be->scale = cpu_scale;
    be->dropout = cpu_dropout;
    be->dropout_acc = cpu_dropout_acc;
    be->relu = cpu_relu;
    be->relu_bwd = cpu_relu_bwd;
    be->gelu = cpu_gelu;
    be->gelu_bwd = cpu_gelu_bwd;
    be->swiglu = cpu_swiglu;
    be->swiglu_bwd = cpu_swiglu_bwd;
    be->embed = cpu_embed;
    be->embed_bwd_acc = cpu_embed_bwd_acc;
    be->gather_rows = cpu_gather_rows;
    be->scatter_rows_acc = cpu_scatter_rows_acc;
    be->sum_squares = cpu_sum_squares;
    be->adamw = cpu_adamw;
}
