/* tensor/backend_cpu_norm.c -- RMSNorm and LayerNorm, one pass per row while it is in L1; weight gradients through per-thread sums.
 *
 * Deviations from the paper: none.
 */
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"

/* dst[c] += the threads' partial sums, in thread order. */
static void add_partials(int threads, int64_t C, const real *partial, int64_t stride, real *dst)
{
    for (int i = 0; i < threads; i++) {
        for (int64_t c = 0; c < C; c++) dst[c] += partial[i * stride + c];
    }
}

static void cpu_rmsnorm(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y,
                        int64_t ldy, real *r)
{
    int threads = cpu_threads(be, T * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *xt = x + t * ldx;
        real *yt = y + t * ldy, sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < C; c++) sum += xt[c] * xt[c];
        real rt = 1 / sqrt(sum / (real)C + eps);
        r[t] = rt;
        for (int64_t c = 0; c < C; c++) yt[c] = w[c] * (xt[c] * rt);
    }
}

static void rmsnorm_bwd_any(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                            const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw, bool acc)
{
    int threads = cpu_threads(be, T * C);
    int64_t stride;
    real *partial = cpu_scratch(be, C, &stride);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        Span s = cpu_span(T, 1, i, threads);
        real *dwi = partial + i * stride;
        memset(dwi, 0, (size_t)C * sizeof(real));
        for (int64_t t = s.begin; t < s.end; t++) {
            const real *xt = x + t * ldx, *g = dy + t * ldy, rt = r[t];
            real *dxt = dx + t * lddx, dot = 0;
#pragma omp simd reduction(+ : dot)
            for (int64_t c = 0; c < C; c++) dot += g[c] * w[c] * xt[c];
            const real k = rt * rt * rt * dot / (real)C;
            for (int64_t c = 0; c < C; c++) {
                real xc = xt[c], gc = g[c], old = acc ? dxt[c] : 0;
                dwi[c] += gc * (xc * rt);
                dxt[c] = old + (rt * w[c] * gc - k * xc);
            }
        }
    }
    add_partials(threads, C, partial, stride, dw);
}

static void cpu_rmsnorm_bwd(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                            const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw)
{
    rmsnorm_bwd_any(be, T, C, x, ldx, w, r, dy, ldy, dx, lddx, dw, false);
}

static void cpu_rmsnorm_bwd_acc(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                                const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw)
{
    rmsnorm_bwd_any(be, T, C, x, ldx, w, r, dy, ldy, dx, lddx, dw, true);
}

static void cpu_layernorm(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *b, real eps,
                          real *y, real *stats)
{
    int threads = cpu_threads(be, T * C);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *xt = x + t * C;
        real *yt = y + t * C, mean = 0, var = 0;
#pragma omp simd reduction(+ : mean)
        for (int64_t c = 0; c < C; c++) mean += xt[c];
        mean /= (real)C;
#pragma omp simd reduction(+ : var)
        for (int64_t c = 0; c < C; c++) var += (xt[c] - mean) * (xt[c] - mean);
        real rstd = 1 / sqrt(var / (real)C + eps);
        stats[2 * t] = mean;
        stats[2 * t + 1] = rstd;
        for (int64_t c = 0; c < C; c++) yt[c] = (xt[c] - mean) * rstd * w[c] + b[c];
    }
}

static void cpu_layernorm_bwd(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *stats,
                              const real *dy, real *dx, real *dw, real *db)
{
    int threads = cpu_threads(be, T * C);
    int64_t stride;
    real *partial = cpu_scratch(be, 2 * C, &stride);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int i = 0; i < threads; i++) {
        Span s = cpu_span(T, 1, i, threads);
        real *dwi = partial + i * stride, *dbi = dwi + C;
        memset(dwi, 0, 2 * (size_t)C * sizeof(real));
        for (int64_t t = s.begin; t < s.end; t++) {
            const real *xt = x + t * C, *d = dy + t * C, mean = stats[2 * t], rstd = stats[2 * t + 1];
            real *dxt = dx + t * C, sum_g = 0, sum_gn = 0;
#pragma omp simd reduction(+ : sum_g, sum_gn)
            for (int64_t c = 0; c < C; c++) {
                real g = d[c] * w[c];
                sum_g += g;
                sum_gn += g * ((xt[c] - mean) * rstd);
            }
            sum_g /= (real)C;
            sum_gn /= (real)C;
            for (int64_t c = 0; c < C; c++) {
                real n = (xt[c] - mean) * rstd, dc = d[c];
                dwi[c] += dc * n;
                dbi[c] += dc;
                dxt[c] = rstd * (dc * w[c] - sum_g - n * sum_gn);
            }
        }
    }
    add_partials(threads, C, partial, stride, dw);
    add_partials(threads, C, partial + C, stride, db);
}

void backend_cpu_fill_norm(Backend *be)
{
    be->rmsnorm = cpu_rmsnorm;
    be->rmsnorm_bwd = cpu_rmsnorm_bwd;
    be->rmsnorm_bwd_acc = cpu_rmsnorm_bwd_acc;
    be->layernorm = cpu_layernorm;
    be->layernorm_bwd = cpu_layernorm_bwd;
}
