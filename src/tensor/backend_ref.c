/* tensor/backend_ref.c -- the reference backend: naive loops, one thread, double accumulation. It says what each op of
 * backend.h means; every other backend is tested against it. Normalisation, attention and loss: backend_ref_nn.c.
 *
 * Deviations from the paper: none (operations of standard components).
 */
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_internal.h"
#include "tensor/dropout.h"

/* --- memory ---------------------------------------------------------------------------------------------------- */

void *backend_host_alloc(size_t bytes)
{
    size_t rounded = (bytes + 63) / 64 * 64;
    if (rounded == 0) rounded = 64;
    void *p = aligned_alloc(64, rounded);
    if (p == NULL) {
        status_exit(FAIL(E_RESOURCE, "use a smaller model or batch, or a machine with more memory",
                         "out of memory: a tensor buffer of %zu bytes", bytes));
    }
    memset(p, 0, rounded);
    return p;
}

void backend_host_free(void *p)
{
    free(p);
}

static void ref_each_lane(Backend *be, void (*work)(Backend *lane, int i, void *arg), void *arg)
{
    work(be, 0, arg);
}

static void *ref_alloc(Backend *be, size_t bytes)
{
    (void)be;
    return backend_host_alloc(bytes);
}

static void ref_release(Backend *be, void *p)
{
    (void)be;
    backend_host_free(p);
}

static void ref_upload(Backend *be, void *dst, const void *host_src, size_t bytes)
{
    (void)be;
    if (bytes != 0) memcpy(dst, host_src, bytes);
}

static Status ref_download(Backend *be, void *host_dst, const void *src, size_t bytes)
{
    (void)be;
    if (bytes != 0) memcpy(host_dst, src, bytes);
    return OK;
}

static void ref_zero(Backend *be, void *p, size_t bytes)
{
    (void)be;
    if (bytes != 0) memset(p, 0, bytes);
}

static void ref_copy(Backend *be, void *dst, const void *src, size_t bytes)
{
    (void)be;
    if (bytes != 0) memmove(dst, src, bytes);
}

static void ref_copy_2d(Backend *be, int64_t rows, int64_t cols, const real *src, int64_t lds, real *dst, int64_t ldd)
{
    (void)be;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) dst[i * ldd + j] = src[i * lds + j];
    }
}

static void ref_destroy(Backend *be)
{
    backend_host_free(be);
}

/* --- dense ----------------------------------------------------------------------------------------------------- */

static void ref_gemm(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A,
                     int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    (void)be;
    REQUIRE(m >= 0 && n >= 0 && k >= 0, "gemm of %lld x %lld x %lld", (long long)m, (long long)n, (long long)k);
    REQUIRE(lda >= (ta ? m : k) && ldb >= (tb ? k : n) && ldc >= n, "gemm strides %lld %lld %lld", (long long)lda,
            (long long)ldb, (long long)ldc);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) {
                double a = (double)(ta ? A[l * lda + i] : A[i * lda + l]);
                double b = (double)(tb ? B[j * ldb + l] : B[l * ldb + j]);
                sum += a * b;
            }
            double old = beta == 0 ? 0.0 : (double)beta * (double)C[i * ldc + j];
            C[i * ldc + j] = (real)((double)alpha * sum + old);
        }
    }
}

static void ref_add_bias(Backend *be, int64_t T, int64_t C, real *x, int64_t ldx, const real *bias)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C; c++) x[t * ldx + c] += bias[c];
    }
}

static void ref_bias_bwd_acc(Backend *be, int64_t T, int64_t C, const real *dy, int64_t ldy, real *dbias)
{
    (void)be;
    for (int64_t c = 0; c < C; c++) {
        double sum = 0;
        for (int64_t t = 0; t < T; t++) sum += (double)dy[t * ldy + c];
        dbias[c] = (real)((double)dbias[c] + sum);
    }
}

/* --- element-wise ---------------------------------------------------------------------------------------------- */

static void ref_axpy(Backend *be, int64_t n, real alpha, const real *x, real *y)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

static void ref_axpby(Backend *be, int64_t n, real alpha, const real *x, real beta, real *y)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) y[i] = alpha * x[i] + beta * y[i];
}

static void ref_scale(Backend *be, int64_t n, real alpha, real *x)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) x[i] *= alpha;
}

static void ref_dropout(Backend *be, int64_t n, Dropout d, const real *x, real *y)
{
    (void)be;
    REQUIRE(d.p >= 0 && d.p < 1, "dropout %g", d.p);
    for (int64_t i = 0; i < n; i++) y[i] = d.p > 0 ? (dropout_keeps(d, (uint64_t)i) ? x[i] * dropout_factor(d) : 0) : x[i];
}

static void ref_dropout_acc(Backend *be, int64_t n, Dropout d, const real *x, real *y)
{
    (void)be;
    REQUIRE(d.p >= 0 && d.p < 1, "dropout %g", d.p);
    for (int64_t i = 0; i < n; i++) y[i] += d.p > 0 ? (dropout_keeps(d, (uint64_t)i) ? x[i] * dropout_factor(d) : 0) : x[i];
}

static void ref_relu(Backend *be, int64_t n, const real *x, real *y)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void ref_relu_bwd(Backend *be, int64_t n, const real *y, const real *dy, real *dx)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

/* Phi(x), the standard normal distribution function. */
static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static void ref_gelu(Backend *be, int64_t n, const real *x, real *y)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) y[i] = (real)((double)x[i] * normal_cdf((double)x[i]));
}

/* d/dx x Phi(x) = Phi(x) + x phi(x), phi = the normal density */
static void ref_gelu_bwd(Backend *be, int64_t n, const real *x, const real *dy, real *dx)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        double a = (double)x[i], density = 0.39894228040143267794 * exp(-0.5 * a * a);
        dx[i] = (real)((double)dy[i] * (normal_cdf(a) + a * density));
    }
}

static void ref_swiglu(Backend *be, int64_t T, int64_t F, const real *gu, real *y)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t f = 0; f < F; f++) {
            double a = (double)gu[t * 2 * F + f], b = (double)gu[t * 2 * F + F + f];
            y[t * F + f] = (real)(a / (1.0 + exp(-a)) * b);
        }
    }
}

/* silu(a) = a s, s = 1/(1+e^-a); silu'(a) = s (1 + a (1-s)) */
static void ref_swiglu_bwd(Backend *be, int64_t T, int64_t F, const real *gu, const real *dy, real *dgu)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t f = 0; f < F; f++) {
            double a = (double)gu[t * 2 * F + f], b = (double)gu[t * 2 * F + F + f], d = (double)dy[t * F + f];
            double s = 1.0 / (1.0 + exp(-a));
            dgu[t * 2 * F + f] = (real)(d * b * s * (1.0 + a * (1.0 - s)));
            dgu[t * 2 * F + F + f] = (real)(d * a * s);
        }
    }
}

/* --- embedding ------------------------------------------------------------------------------------------------- */

static void ref_embed(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *table, real scale, real *y)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C; c++) y[t * C + c] = scale * table[(int64_t)ids[t] * C + c];
    }
}

static void ref_embed_bwd_acc(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *dy, real scale,
                              real *dtable)
{
    (void)be;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C; c++) dtable[(int64_t)ids[t] * C + c] += scale * dy[t * C + c];
    }
}

static void ref_gather_rows(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *x, real *y)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < C; c++) y[i * C + c] = x[(int64_t)row[i] * C + c];
    }
}

static void ref_scatter_rows_acc(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *dy, real *dx)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < C; c++) dx[(int64_t)row[i] * C + c] += dy[i * C + c];
    }
}

/* --- optimiser ------------------------------------------------------------------------------------------------- */

static double ref_sum_squares(Backend *be, int64_t n, const real *x)
{
    (void)be;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

static void ref_adamw(Backend *be, int64_t n, real *p, const real *g, real *m, real *v, double gscale, double lr,
                      double b1, double b2, double eps, double wd, double bc1, double bc2)
{
    (void)be;
    for (int64_t i = 0; i < n; i++) {
        double gi = gscale * (double)g[i];
        double mi = b1 * (double)m[i] + (1.0 - b1) * gi;
        double vi = b2 * (double)v[i] + (1.0 - b2) * gi * gi;
        double pi = (double)p[i] - lr * wd * (double)p[i];
        m[i] = (real)mi;
        v[i] = (real)vi;
        p[i] = (real)(pi - lr * (mi / bc1) / (sqrt(vi / bc2) + eps));
    }
}

/* --- the table ------------------------------------------------------------------------------------------------- */

void backend_ref_fill(Backend *be)
{
    *be = (Backend){.name = "ref", .threads = 1, .lanes = 1, .each_lane = ref_each_lane, .alloc = ref_alloc, .release = ref_release, .upload = ref_upload,
        .download = ref_download, .zero = ref_zero, .copy = ref_copy, .copy_2d = ref_copy_2d, .destroy = ref_destroy,
        .gemm = ref_gemm, .add_bias = ref_add_bias, .bias_bwd_acc = ref_bias_bwd_acc, .axpy = ref_axpy, .axpby = ref_axpby,
        .scale = ref_scale, .dropout = ref_dropout, .dropout_acc = ref_dropout_acc, .relu = ref_relu,
        .relu_bwd = ref_relu_bwd, .gelu = ref_gelu, .gelu_bwd = ref_gelu_bwd, .swiglu = ref_swiglu,
        .swiglu_bwd = ref_swiglu_bwd, .embed = ref_embed, .embed_bwd_acc = ref_embed_bwd_acc,
        .gather_rows = ref_gather_rows, .scatter_rows_acc = ref_scatter_rows_acc, .sum_squares = ref_sum_squares,
        .adamw = ref_adamw};
    backend_ref_fill_nn(be);
}

Backend *backend_ref(void)
{
    Backend *be = backend_host_alloc(sizeof *be);
    backend_ref_fill(be);
    return be;
}
