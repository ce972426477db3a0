/* tensor/panel_bf16_x86.c -- the products of panel.h in bfloat16 on processors with AVX512-BF16: factors rounded to nearest, ties to even, sums in float.
 *
 * The functions carry their own target, so that this file compiles for any x86-64; panel_bf16_available tells at run time whether they may be called.
 * A row of A is pairs (a[2p], a[2p+1]), 32 bits each, zero past the end; a panel is 32 columns of such pairs, contiguous over p. A tile is 12 x 32: an
 * accumulator for each 16 columns of a row.
 *
 * Deviations from the paper: none.
 */
#include <string.h>

#include "base/status.h"
#include "tensor/lanes_x86.h"
#include "tensor/panel.h"
#include "tensor/vmath.h"

enum { ROWS = 12, COLS = 32, LANES = 16, PAD = 16 };

bool panel_bf16_available(void)
{
    return sizeof(real) == sizeof(float) && lanes_available();
}

static int64_t panels(const PanelMatrix *w)
{
    const int64_t width = w->paired ? LANES : COLS, n = w->paired ? w->n / 2 : w->n;
    return (n + width - 1) / width;
}

static int64_t pairs_of(int64_t k)
{
    return (k + 1) / 2;
}

/* Pairs between rows of A: whole vectors, and no power of two. */
static int64_t stride_of(int64_t k)
{
    return (pairs_of(k) + LANES - 1) / LANES * LANES + PAD;
}

size_t panel_bf16_bytes(const PanelMatrix *w)
{
    return (size_t)(panels(w) * COLS * pairs_of(w->k)) * sizeof(uint32_t);
}

size_t panel_bf16_scratch_bytes(int64_t m, int64_t k)
{
    return (size_t)((m + ROWS) * stride_of(k)) * sizeof(uint32_t);
}

/* --- packing --------------------------------------------------------------------------------------------------- */

/* One weight as bfloat16, as the instruction rounds it (numbers below the smallest normal one become zero). */
static uint32_t rounded(float x)
{
    FloatBits b = {.f = x};
    if ((b.u & 0x7f800000u) == 0) return (b.u & 0x80000000u) >> 16;
    if ((b.u & 0x7fffffffu) > 0x7f800000u) return (b.u >> 16) | 0x40u; /* NaN stays one */
    return (b.u + 0x7fffu + ((b.u >> 16) & 1u)) >> 16;
}

static void pack_columns(int64_t k, int64_t width, const float *W, int64_t first, int64_t end, uint32_t *out)
{
    for (int64_t j = 0; j < width; j++) {
        const float *row = W + (first + j) * k;
        for (int64_t p = 0; p < pairs_of(k); p++) {
            const uint32_t low = first + j < end ? rounded(row[2 * p]) : 0, high = first + j < end && 2 * p + 1 < k ? rounded(row[2 * p + 1]) : 0;
            out[p * COLS + j] = low | high << 16;
        }
    }
}

void panel_bf16_pack(const PanelMatrix *w, const void *W)
{
    REQUIRE(panel_bf16_available(), "bf16 products on a processor or in a build without them");
    uint32_t *out = w->data;
    for (int64_t i = 0; i < panels(w); i++, out += COLS * pairs_of(w->k)) {
        if (w->paired) {
            pack_columns(w->k, LANES, W, i * LANES, w->n / 2, out);
            pack_columns(w->k, LANES, W, w->n / 2 + i * LANES, w->n, out + LANES);
        } else {
            pack_columns(w->k, COLS, W, i * COLS, w->n, out);
        }
    }
}

LANES_TARGET static void pack_rows(int64_t m, int64_t k, const float *A, int64_t lda, uint32_t *out)
{
    const int64_t stride = stride_of(k);
    for (int64_t i = 0; i < m; i++, A += lda, out += stride) {
        for (int64_t p = 0; p < k; p += 2 * LANES) {
            _mm512_storeu_si512(out + p / 2, lanes_round_32(A + p, k - p));
        }
    }
}

/* --- tiles ----------------------------------------------------------------------------------------------------- */

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ZERO(i) __m512 c##i##l = _mm512_setzero_ps(), c##i##r = _mm512_setzero_ps();
#define STEP(i)                                                               \
    {                                                                         \
        const __m512bh s = (__m512bh)_mm512_set1_epi32((int)a[(i) * stride]); \
        c##i##l = _mm512_dpbf16_ps(c##i##l, s, left);                         \
        c##i##r = _mm512_dpbf16_ps(c##i##r, s, right);                        \
    }
#define PRODUCTS                                                                                                          \
    EACH(ZERO)                                                                                                            \
    for (int64_t p = 0; p < pairs; p++, a++, b += COLS) {                                                                 \
        const __m512bh left = (__m512bh)_mm512_loadu_si512(b), right = (__m512bh)_mm512_loadu_si512(b + LANES);           \
        EACH(STEP)                                                                                                        \
    }

LANES_INLINE void put(float *c, __m512 sum, bool add, __mmask16 mask)
{
    if (add) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c));
    _mm512_mask_storeu_ps(c, mask, sum);
}

#define PUT(i)                                          \
    if ((i) < h) {                                      \
        put(C + (i) * ldc, c##i##l, add, lmask);        \
        put(C + (i) * ldc + LANES, c##i##r, add, rmask); \
    }

/* Columns [from,to) of C (h,COLS). */
LANES_TARGET static void linear_tile(int64_t pairs, const uint32_t *a, int64_t stride, const uint32_t *b, bool add, float *C, int64_t ldc, int64_t h, int64_t from,
                                    int64_t to)
{
    const __mmask16 lmask = (__mmask16)(lanes_of(to) & ~lanes_of(from)), rmask = (__mmask16)(lanes_of(to - LANES) & ~lanes_of(from - LANES));
    PRODUCTS
    EACH(PUT)
}

#define KEEP(i)                                           \
    _mm512_store_ps(tile + (i) * COLS, c##i##l);          \
    _mm512_store_ps(tile + (i) * COLS + LANES, c##i##r);

LANES_TARGET static void swiglu_tile(int64_t pairs, const uint32_t *a, int64_t stride, const uint32_t *b, float *y, int64_t ldy, int64_t h, int64_t width)
{
    _Alignas(64) float tile[ROWS * COLS];
    PRODUCTS
    EACH(KEEP)
    for (int64_t i = 0; i < h; i++) {
        float *g = tile + i * COLS;
        const float *u = g + LANES;
        for (int x = 0; x < LANES; x++) g[x] = g[x] / (1 + vmath_exp_f32(-g[x])) * u[x];
        _mm512_mask_storeu_ps(y + i * ldy, lanes_of(width), _mm512_load_ps(g));
    }
}

/* --- products -------------------------------------------------------------------------------------------------- */

void panel_bf16_linear(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, int64_t first, int64_t end, bool add, void *C, int64_t ldc, void *scratch)
{
    const int64_t pairs = pairs_of(w->k), stride = stride_of(w->k);
    const uint32_t *a = scratch, *data = w->data;
    float *c = C;
    pack_rows(m, w->k, A, lda, scratch);
    for (int64_t j = first / COLS * COLS; j < end; j += COLS) {
        const int64_t from = j < first ? first - j : 0, to = end - j < COLS ? end - j : COLS;
        for (int64_t i = 0; i < m; i += ROWS)
            linear_tile(pairs, a + i * stride, stride, data + j * pairs, add, c + i * ldc + j, ldc, m - i < ROWS ? m - i : ROWS, from, to);
    }
}

void panel_bf16_swiglu(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, void *y, int64_t ldy, void *scratch)
{
    const int64_t pairs = pairs_of(w->k), stride = stride_of(w->k), F = w->n / 2;
    const uint32_t *a = scratch, *data = w->data;
    float *out = y;
    pack_rows(m, w->k, A, lda, scratch);
    for (int64_t j = 0; j < F; j += LANES) {
        for (int64_t i = 0; i < m; i += ROWS)
            swiglu_tile(pairs, a + i * stride, stride, data + j / LANES * COLS * pairs, out + i * ldy + j, ldy, m - i < ROWS ? m - i : ROWS, F - j);
    }
}
