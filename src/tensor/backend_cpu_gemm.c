/* tensor/backend_cpu_gemm.c -- matrix products: register tiles over packed panels, the result cut into one rectangle per OpenMP thread.
 *
 * Written here rather than called from a BLAS so that all kernels share one thread pool, attention can use the same tiles on matrices that
 * fit in L1, the widest vectors of the processor are used whatever BLAS is installed, and results depend on nothing but inputs.
 *
 * B is packed into panels of COLS columns (zero-padded), A into panels of ROWS rows when it is transposed. Tiles of fewer rows have kernels of their own;
 * tiles of fewer columns go through a small copy.
 *
 * Deviations from the paper: none.
 */
#include <string.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/gemm_kernel.h"
#include "tensor/tiles.h"

enum { KC = 512, NC = 512, MC = 120, GEMM_GRAIN = 32, A_PAD = 16, AHEAD = 6 /* rows */ };

int64_t cpu_gemm_scratch(int64_t n, int64_t k)
{
    int64_t kc = k < KC ? k : KC, nc = n < NC ? n : NC;
    return kc * ((nc + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS) + (kc + A_PAD) * (MC + GEMM_ROWS) + GEMM_ROWS * GEMM_COLS + 64;
}

/* out[p*COLS + j] = src[j*ld + p]: four columns at a time. */
static void pack_transposed(int64_t kc, int64_t w, const real *src, int64_t ld, real *out)
{
    int64_t j = 0;
    for (; j + 4 <= w; j += 4) {
        const real *s0 = src + j * ld, *s1 = s0 + ld, *s2 = s1 + ld, *s3 = s2 + ld;
        real *o = out + j;
        for (int64_t p = 0; p < kc; p++, o += GEMM_COLS) {
            o[0] = s0[p];
            o[1] = s1[p];
            o[2] = s2[p];
            o[3] = s3[p];
        }
    }
    for (; j < w; j++) {
        for (int64_t p = 0; p < kc; p++) out[p * GEMM_COLS + j] = src[j * ld + p];
    }
}

void cpu_pack_b(bool tb, int64_t kc, int64_t nc, const real *B, int64_t ldb, real *out)
{
    for (int64_t j0 = 0; j0 < nc; j0 += GEMM_COLS, out += kc * GEMM_COLS) {
        const int64_t w = nc - j0 < GEMM_COLS ? nc - j0 : GEMM_COLS;
        if (w < GEMM_COLS) memset(out, 0, (size_t)(kc * GEMM_COLS) * sizeof(real));
        if (!tb && w == GEMM_COLS) {
            for (int64_t p = 0; p < kc; p++) memcpy(out + p * GEMM_COLS, B + p * ldb + j0, GEMM_COLS * sizeof(real));
        } else if (!tb) {
            for (int64_t p = 0; p < kc; p++) memcpy(out + p * GEMM_COLS, B + p * ldb + j0, (size_t)w * sizeof(real));
        } else {
            pack_transposed(kc, w, B + j0 * ldb, ldb, out);
        }
    }
}

/* out: panels of ROWS rows of op(A) = A^T, each (kc,ROWS) contiguous; rows past the end are zero. */
static void pack_a(int64_t mc, int64_t kc, const real *A, int64_t lda, real *out)
{
    const int64_t whole = mc / GEMM_ROWS * GEMM_ROWS;
    for (int64_t p = 0; p < kc && whole > 0; p++) {
        const real *src = A + p * lda, *ahead = A + (p + AHEAD < kc ? p + AHEAD : p) * lda;
        real *dst = out + p * GEMM_ROWS;
        for (int64_t i = 0; i < whole; i += 64 / (int)sizeof(real)) __builtin_prefetch(ahead + i); /* short pieces far apart */
        for (int64_t i = 0; i < whole; i += GEMM_ROWS, dst += kc * GEMM_ROWS) memcpy(dst, src + i, GEMM_ROWS * sizeof(real));
    }
    if (whole == mc) return;
    real *panel = out + whole * kc;
    memset(panel, 0, (size_t)(kc * GEMM_ROWS) * sizeof(real));
    for (int64_t p = 0; p < kc; p++) memcpy(panel + p * GEMM_ROWS, A + p * lda + whole, (size_t)(mc - whole) * sizeof(real));
}

/* The lines of a tile of C, before its product is computed. */
static void prefetch_tile(const real *c, int64_t ldc, int64_t h)
{
    for (int64_t i = 0; i < h; i++) {
        __builtin_prefetch(c + i * ldc, 1);
        __builtin_prefetch(c + i * ldc + GEMM_COLS - 1, 1);
    }
}

/* A tile of h rows. */
static void rows_tile(int64_t h, int64_t k, const real *a, int64_t rs, int64_t cs, const real *b, real alpha, real beta, real *C, int64_t ldc)
{
    if (h == GEMM_ROWS) {
        gemm_tile(k, a, rs, cs, b, alpha, beta, C, ldc);
        return;
    }
    if (h & 8) {
        gemm_tile_8(k, a, rs, cs, b, alpha, beta, C, ldc);
        a += 8 * rs;
        C += 8 * ldc;
    }
    if (h & 4) {
        gemm_tile_4(k, a, rs, cs, b, alpha, beta, C, ldc);
        a += 4 * rs;
        C += 4 * ldc;
    }
    if (h & 2) {
        gemm_tile_2(k, a, rs, cs, b, alpha, beta, C, ldc);
        a += 2 * rs;
        C += 2 * ldc;
    }
    if (h & 1) gemm_tile_1(k, a, rs, cs, b, alpha, beta, C, ldc);
}

/* A tile of h rows whose first w columns count. */
static void edge_tile(int64_t k, const real *a, int64_t rs, int64_t cs, const real *b, real alpha, real beta, real *C,
                      int64_t ldc, int64_t h, int64_t w, real *tile)
{
    rows_tile(h, k, a, rs, cs, b, 1, 0, tile, GEMM_COLS);
    for (int64_t i = 0; i < h; i++) {
        for (int64_t j = 0; j < w; j++) {
            const real new = alpha * tile[i * GEMM_COLS + j];
            C[i * ldc + j] = beta == 0 ? new : new + beta * C[i * ldc + j];
        }
    }
}

void cpu_gemm_block(bool ta, int64_t mc, int64_t nc, int64_t kc, const real *A, int64_t lda, const real *b, int64_t panel,
                    real alpha, real beta, real *C, int64_t ldc, real *packed_a, real *tile)
{
    if (ta) pack_a(mc, kc, A, lda, packed_a);
    const int64_t rs = ta ? 1 : lda, cs = ta ? GEMM_ROWS : 1;
    for (int64_t j = 0; j < nc; j += GEMM_COLS, b += panel) {
        const int64_t w = nc - j < GEMM_COLS ? nc - j : GEMM_COLS;
        for (int64_t i = 0; i < mc; i += GEMM_ROWS) {
            const int64_t h = mc - i < GEMM_ROWS ? mc - i : GEMM_ROWS;
            const real *a = ta ? packed_a + i * kc : A + i * lda;
            real *c = C + i * ldc + j;
            if (w == GEMM_COLS) {
                prefetch_tile(c, ldc, h);
                rows_tile(h, kc, a, rs, cs, b, alpha, beta, c, ldc);
            } else {
                edge_tile(kc, a, rs, cs, b, alpha, beta, c, ldc, h, w, tile);
            }
        }
    }
}

/* Rows side by side: as they lie, rows of a power of two apart would share the same few places of the L1 cache. */
static const real *copy_rows(int64_t mc, int64_t kc, const real *A, int64_t lda, real *out)
{
    for (int64_t i = 0; i < mc; i++) memcpy(out + i * (kc + A_PAD), A + i * lda, (size_t)kc * sizeof(real));
    return out;
}

void cpu_gemm_serial(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda,
                     const real *B, int64_t ldb, real beta, real *C, int64_t ldc, real *scratch)
{
    if (k == 0) {
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) C[i * ldc + j] = beta == 0 ? 0 : beta * C[i * ldc + j];
        }
        return;
    }
    const int64_t kc_most = k < KC ? k : KC, nc_most = n < NC ? n : NC;
    real *packed_b = scratch, *packed_a = packed_b + kc_most * ((nc_most + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS);
    real *tile = packed_a + (kc_most + A_PAD) * (MC + GEMM_ROWS);
    for (int64_t j = 0; j < n; j += NC) {
        const int64_t nc = n - j < NC ? n - j : NC;
        for (int64_t p = 0; p < k; p += KC) {
            const int64_t kc = k - p < KC ? k - p : KC;
            cpu_pack_b(tb, kc, nc, tb ? B + j * ldb + p : B + p * ldb + j, ldb, packed_b);
            for (int64_t i = 0; i < m; i += MC) {
                const int64_t mc = m - i < MC ? m - i : MC;
                const real *a = ta ? A + p * lda + i : A + i * lda + p;
                int64_t a_stride = lda;
                if (!ta) {
                    a = copy_rows(mc, kc, a, lda, packed_a);
                    a_stride = kc + A_PAD;
                }
                cpu_gemm_block(ta, mc, nc, kc, a, a_stride, packed_b, kc * GEMM_COLS, alpha, p == 0 ? beta : 1, C + i * ldc + j, ldc,
                               ta ? packed_a : packed_a + MC * (kc + A_PAD), tile);
            }
        }
    }
}

/* Cut m x n into rows x cols rectangles, as square as the threads allow; one when the work is small. */
static void choose_grid(int threads, int64_t m, int64_t n, int64_t k, int *rows, int *cols)
{
    *rows = *cols = 1;
    if (m * n * k < 128 * 1024) return;
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

typedef void SerialGemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                        int64_t ldb, real beta, real *C, int64_t ldc, real *scratch);

static void gemm_in_parts(Backend *be, SerialGemm *gemm, int64_t scratch_count, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                          real alpha, const real *A, int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    REQUIRE(m >= 0 && n >= 0 && k >= 0, "gemm of %lld x %lld x %lld", (long long)m, (long long)n, (long long)k);
    REQUIRE(lda >= (ta ? m : k) && ldb >= (tb ? k : n) && ldc >= n, "gemm strides %lld %lld %lld", (long long)lda,
            (long long)ldb, (long long)ldc);
    if (m == 0 || n == 0) return;
    int rows, cols;
    choose_grid(be->threads, m, n, k, &rows, &cols);
    int64_t stride;
    real *scratch = cpu_scratch(be, scratch_count, &stride);
#pragma omp parallel for num_threads(rows *cols) schedule(static, 1)
    for (int i = 0; i < rows * cols; i++) {
        Span r = cpu_span(m, GEMM_ROWS, i / cols, rows), c = cpu_span(n, GEMM_COLS, i % cols, cols);
        gemm(ta, tb, r.end - r.begin, c.end - c.begin, k, alpha, A + r.begin * (ta ? 1 : lda), lda, B + c.begin * (tb ? ldb : 1), ldb,
             beta, C + r.begin * ldc + c.begin, ldc, scratch + i * stride);
    }
}

static void cpu_gemm(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A,
                     int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    gemm_in_parts(be, cpu_gemm_serial, cpu_gemm_scratch(n, k), ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

static void cpu_gemm_bf16(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A,
                          int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    gemm_in_parts(be, cpu_bf16_gemm, cpu_bf16_scratch(n, k), ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

static void cpu_gemm_tiles(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A,
                           int64_t lda, const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    gemm_in_parts(be, cpu_tiles_gemm, cpu_tiles_scratch(n, k), ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

void backend_cpu_fill_gemm(Backend *be)
{
    be->gemm = cpu_gemm;
}

void backend_cpu_fill_gemm_bf16(Backend *be)
{
    be->gemm = tiles_available() ? cpu_gemm_tiles : cpu_gemm_bf16;
}
