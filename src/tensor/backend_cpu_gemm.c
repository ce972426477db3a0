/* tensor/backend_cpu_gemm.c -- matrix products: OpenBLAS, one thread a call, the result cut into one rectangle per OpenMP thread.
 *
 * All kernels of a run thereby share one thread pool, and the same thread count gives the same bytes.
 *
 * Deviations from the paper: none.
 */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"

#define CBLAS_GEMM _Generic((real)0, float: cblas_sgemm, double: cblas_dgemm)

enum { GEMM_GRAIN = 16 }; /* rectangles begin at multiples of this */

/* OpenBLAS (a build that chooses its kernels at run time) falls back to 256-bit kernels on processors younger than itself. Where the
 * processor has AVX-512, have it choose again; OPENBLAS_CORETYPE in the environment wins. The two functions are exported by such builds only. */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

static void choose_kernels(void)
{
    if (gotoblas_dynamic_init == NULL || gotoblas_dynamic_quit == NULL || getenv("OPENBLAS_CORETYPE") != NULL) return;
    const char *core = openblas_get_corename();
    if (strcmp(core, "Haswell") != 0 && strcmp(core, "Zen") != 0) return;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512cd")) {
        return;
    }
    if (setenv("OPENBLAS_CORETYPE", "SkylakeX", 1) != 0) return;
    gotoblas_dynamic_quit();
    gotoblas_dynamic_init();
}

/* Cut m x n into rows x cols rectangles, about square in units of the grain, using as many of the threads as are useful. */
static void choose_grid(int threads, int64_t m, int64_t n, int64_t k, int *rows, int *cols)
{
    *rows = *cols = 1;
    if (m * n * k < 64 * 1024) return;
    double best = -1;
    for (int r = 1; r <= threads; r++) {
        int c = threads / r;
        if (r * c != threads) continue;
        int64_t mb = (m + r - 1) / r, nb = (n + c - 1) / c;
        if ((r > 1 && mb < GEMM_GRAIN) || (c > 1 && nb < GEMM_GRAIN)) continue;
        double cost = (double)(mb + nb); /* what one thread reads */
        if (best < 0 || cost < best) {
            best = cost;
            *rows = r;
            *cols = c;
        }
    }
}

static void cpu_gemm(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A,
                     int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    REQUIRE(m >= 0 && n >= 0 && k >= 0, "gemm of %lld x %lld x %lld", (long long)m, (long long)n, (long long)k);
    REQUIRE(lda >= (ta ? m : k) && ldb >= (tb ? k : n) && ldc >= n, "gemm strides %lld %lld %lld", (long long)lda,
            (long long)ldb, (long long)ldc);
    if (m == 0 || n == 0) return;
    int rows, cols;
    choose_grid(be->threads, m, n, k, &rows, &cols);
#pragma omp parallel for num_threads(rows *cols) schedule(static, 1)
    for (int i = 0; i < rows * cols; i++) {
        Span r = cpu_span(m, GEMM_GRAIN, i / cols, rows), c = cpu_span(n, GEMM_GRAIN, i % cols, cols);
        if (r.begin == r.end || c.begin == c.end) continue;
        CBLAS_GEMM(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)(r.end - r.begin),
                   (blasint)(c.end - c.begin), (blasint)k, alpha, A + r.begin * (ta ? 1 : lda), (blasint)lda,
                   B + c.begin * (tb ? ldb : 1), (blasint)ldb, beta, C + r.begin * ldc + c.begin, (blasint)ldc);
    }
}

void backend_cpu_fill_gemm(Backend *be)
{
    choose_kernels();
    openblas_set_num_threads(1);
    be->gemm = cpu_gemm;
}
