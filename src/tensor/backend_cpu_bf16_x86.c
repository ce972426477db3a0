/* tensor/backend_cpu_bf16_x86.c -- matrix products in bfloat16 on processors with AVX512-BF16: float in and out, both factors rounded to bf16 (to
 * nearest, ties to even) while they are packed, products added in float.
 *
 * The functions carry their own target, so that this file compiles for any x86-64; cpu_bf16_available tells at run time whether they may be called.
 * A block of A is rows of pairs (a[2p], a[2p+1]), 32 bits each; a panel of B is 32 columns of such pairs. One instruction multiplies a pair of A with 16
 * pairs of B and adds both products. A tile of C is 12 x 32, an accumulator each; edges are masked.
 *
 * Deviations from the paper: none.
 */
#include <string.h>

#include "tensor/backend_cpu_internal.h"
#include "tensor/lanes_x86.h"

enum { ROWS = 12, COLS = 32, LANES = 16, KC = 1024 /* even */, NC = 512, MC = 240, PAD = 16 };

bool cpu_bf16_available(void)
{
    return sizeof(real) == sizeof(float) && lanes_available();
}

/* --- packing --------------------------------------------------------------------------------------------------- */

/* Rows of op(A) = A, `stride` pairs apart. */
LANES_TARGET static void pack_a_rows(int64_t mc, int64_t kc, const float *A, int64_t lda, int64_t stride, uint32_t *out)
{
    for (int64_t i = 0; i < mc; i++, A += lda, out += stride) {
        for (int64_t p = 0; p < kc; p += 2 * LANES) _mm512_storeu_si512(out + p / 2, lanes_round_32(A + p, kc - p));
    }
}

/* op(A) = A^T: panels of ROWS rows, each (pairs,ROWS). */
LANES_TARGET static void pack_a_columns(int64_t mc, int64_t kc, const float *A, int64_t lda, uint32_t *out)
{
    enum { AHEAD = 8 };
    const int64_t pairs = (kc + 1) / 2;
    for (int64_t p = 0; p < pairs; p++) {
        const float *first = A + 2 * p * lda, *second = 2 * p + 1 < kc ? first + lda : NULL;
        const float *ahead = A + (2 * p + AHEAD + 1 < kc ? 2 * p + AHEAD : 2 * p) * lda;
        for (int64_t i = 0; i < mc; i += LANES) { /* short pieces far apart */
            _mm_prefetch((const char *)(ahead + i), _MM_HINT_T0);
            if (second != NULL) _mm_prefetch((const char *)(ahead + lda + i), _MM_HINT_T0);
        }
        for (int64_t i = 0; i < mc; i += ROWS) {
            const __mmask16 mask = lanes_of(mc - i < ROWS ? mc - i : ROWS);
            _mm512_mask_storeu_epi32(out + i * pairs + p * ROWS, (__mmask16)0x0fff, lanes_pair_16(first + i, second != NULL ? second + i : NULL, mask));
        }
    }
}

/* One panel of op(B) = B: w <= COLS columns. */
LANES_TARGET static void pack_b_rows(int64_t kc, int64_t w, const float *B, int64_t ldb, uint32_t *out)
{
    for (int64_t p = 0; p < kc; p += 2, out += COLS) {
        const float *first = B + p * ldb, *second = p + 1 < kc ? first + ldb : NULL;
        for (int half = 0; half < COLS; half += LANES) {
            _mm512_storeu_si512(out + half, lanes_pair_16(first + half, second != NULL ? second + half : NULL, lanes_of(w - half)));
        }
    }
}

/* One panel of op(B) = B^T: w <= COLS rows of B. */
LANES_TARGET static void pack_b_columns(int64_t kc, int64_t w, const float *B, int64_t ldb, uint32_t *out)
{
    const int64_t pairs = (kc + 1) / 2;
    for (int64_t half = 0; half < COLS; half += LANES) {
        for (int64_t p = 0; p < kc; p += 2 * LANES) {
            __m512i x[LANES];
            for (int j = 0; j < LANES; j++) x[j] = half + j < w ? lanes_round_32(B + (half + j) * ldb + p, kc - p) : _mm512_setzero_si512();
            lanes_transpose_16(x);
            const int64_t left = pairs - p / 2 < LANES ? pairs - p / 2 : LANES;
            for (int64_t j = 0; j < left; j++) _mm512_storeu_si512(out + (p / 2 + j) * COLS + half, x[j]);
        }
    }
}

/* --- the tile -------------------------------------------------------------------------------------------------- */

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ZERO(i) __m512 c##i##l = _mm512_setzero_ps(), c##i##r = _mm512_setzero_ps();
#define STEP(i)                                                            \
    {                                                                      \
        const __m512bh s = (__m512bh)_mm512_set1_epi32((int)a[(i) * rs]);  \
        c##i##l = _mm512_dpbf16_ps(c##i##l, s, left);                      \
        c##i##r = _mm512_dpbf16_ps(c##i##r, s, right);                     \
    }
#define KEEP(i)                                                                    \
    if ((i) < h) {                                                                 \
        put(C + (i) * ldc, c##i##l, alpha, beta, lmask);                           \
        put(C + (i) * ldc + LANES, c##i##r, alpha, beta, rmask);                   \
    }

LANES_INLINE void put(float *c, __m512 sum, __m512 alpha, float beta, __mmask16 mask)
{
    sum = _mm512_mul_ps(sum, alpha);
    if (beta != 0) sum = _mm512_fmadd_ps(_mm512_set1_ps(beta), _mm512_maskz_loadu_ps(mask, c), sum);
    _mm512_mask_storeu_ps(c, mask, sum);
}

/* C (h,w) = alpha * sum over pairs of a[i*rs + p*cs] . b[p*COLS + j] + beta * C */
LANES_TARGET static void tile(int64_t pairs, const uint32_t *a, int64_t rs, int64_t cs, const uint32_t *b, float factor, float beta, float *C, int64_t ldc,
                             int64_t h, int64_t w)
{
    const __mmask16 lmask = lanes_of(w), rmask = lanes_of(w - LANES);
    for (int64_t i = 0; i < h; i++) {
        _mm_prefetch((const char *)(C + i * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(C + i * ldc + w - 1), _MM_HINT_T0);
    }
    EACH(ZERO)
    for (int64_t p = 0; p < pairs; p++) {
        const __m512bh left = (__m512bh)_mm512_loadu_si512(b), right = (__m512bh)_mm512_loadu_si512(b + LANES);
        EACH(STEP)
        a += cs;
        b += COLS;
    }
    const __m512 alpha = _mm512_set1_ps(factor);
    EACH(KEEP)
}

/* --- the product ----------------------------------------------------------------------------------------------- */

typedef struct Blocks { uint32_t *a, *b; int64_t stride; } Blocks; /* stride: pairs between rows of a, when it lies in rows */

static Blocks carve(int64_t n, int64_t k, uint32_t *base, int64_t *count)
{
    const int64_t pairs = ((k < KC ? k : KC) + 1) / 2, columns = n < NC ? n : NC, stride = (pairs + LANES - 1) / LANES * LANES + PAD;
    const int64_t b = pairs * ((columns + COLS - 1) / COLS * COLS), a = (MC + ROWS) * stride;
    if (count != NULL) *count = a + b + LANES;
    return (Blocks){base, base != NULL ? base + a : NULL, stride};
}

int64_t cpu_bf16_scratch(int64_t n, int64_t k)
{
    int64_t count;
    carve(n, k, NULL, &count);
    return count;
}

static void block(bool ta, int64_t mc, int64_t nc, int64_t kc, float alpha, const float *A, int64_t lda, float beta, float *C, int64_t ldc, Blocks x)
{
    const int64_t pairs = (kc + 1) / 2;
    if (ta) {
        pack_a_columns(mc, kc, A, lda, x.a);
    } else {
        pack_a_rows(mc, kc, A, lda, x.stride, x.a);
    }
    for (int64_t j = 0; j < nc; j += COLS) {
        const int64_t w = nc - j < COLS ? nc - j : COLS;
        for (int64_t i = 0; i < mc; i += ROWS) {
            const int64_t h = mc - i < ROWS ? mc - i : ROWS;
            tile(pairs, ta ? x.a + i * pairs : x.a + i * x.stride, ta ? 1 : x.stride, ta ? ROWS : 1, x.b + j * pairs, alpha, beta, C + i * ldc + j, ldc, h, w);
        }
    }
}

static void product(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *A, int64_t lda, const float *B, int64_t ldb, float beta,
                    float *C, int64_t ldc, uint32_t *scratch)
{
    const Blocks x = carve(n, k, scratch, NULL);
    for (int64_t j = 0; j < n; j += NC) {
        const int64_t nc = n - j < NC ? n - j : NC;
        for (int64_t p = 0; p == 0 || p < k; p += KC) { /* k 0: only beta */
            const int64_t kc = k - p < KC ? k - p : KC, pairs = (kc + 1) / 2;
            for (int64_t c = 0; c < nc; c += COLS) {
                const int64_t w = nc - c < COLS ? nc - c : COLS;
                if (tb) {
                    pack_b_columns(kc, w, B + (j + c) * ldb + p, ldb, x.b + c * pairs);
                } else {
                    pack_b_rows(kc, w, B + p * ldb + j + c, ldb, x.b + c * pairs);
                }
            }
            for (int64_t i = 0; i < m; i += MC) {
                const float *a = ta ? A + p * lda + i : A + i * lda + p;
                block(ta, m - i < MC ? m - i : MC, nc, kc, alpha, a, lda, p == 0 ? beta : 1, C + i * ldc + j, ldc, x);
            }
        }
    }
}

void cpu_bf16_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                   int64_t ldb, real beta, real *C, int64_t ldc, real *scratch)
{
    REQUIRE(cpu_bf16_available(), "bf16 products on a processor or in a build without them");
    const void *a = A, *b = B;
    void *c = C, *s = scratch;
    product(ta, tb, m, n, k, (float)alpha, a, lda, b, ldb, (float)beta, c, ldc, s);
}
