/* tensor/tiles_bf16_x86.c -- tiles.h on processors with AMX: packing with AVX-512, products on the tile registers.
 *
 * The functions carry their own target, so that this file compiles for any x86-64; tiles_available tells at run time whether they may be called. A square of
 * C (32 x 32) is four tiles; a step loads two tiles of A and two of B for four products of 16 x 16 x 32.
 *
 * Deviations from the paper: none.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"
#include "tensor/amx_inline.h"

enum { ASK_PERMISSION = 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA = 18 /* the state component */ };

static bool usable(void)
{
    unsigned a = 7, b = 0, c = 0, d = 0;
    if (!lanes_available()) return false;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((d >> 22 & 1u) == 0 || (d >> 24 & 1u) == 0) return false; /* AMX-BF16, AMX-TILE */
    return syscall(SYS_arch_prctl, ASK_PERMISSION, TILE_DATA) == 0;
}

bool tiles_available(void)
{
    static int known; /* 0: not asked; the answer is the same for every thread */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (answer == 0) {
        answer = usable() ? 1 : -1;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer > 0;
}

/* --- packing --------------------------------------------------------------------------------------------------- */

AMX_INLINE __mmask32 lanes_32(int64_t n)
{
    if (n <= 0) return 0;
    return n >= 32 ? 0xffffffffu : (1u << n) - 1;
}

AMX_TARGET void tiles_rows(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t ldo)
{
    for (int64_t i = 0; i < m; i++, x += ldx, out += ldo) {
        for (int64_t p = 0; p < k; p += 32) _mm512_storeu_si512(out + p, lanes_round_32(x + p, k - p));
    }
}

AMX_TARGET void tiles_columns_group(int64_t valid, int64_t k, const float *W, int64_t ldw, int half, Bf16 *panel)
{
    for (int64_t p = 0; p < k; p += 32) {
        __m512i x[16];
        for (int j = 0; j < 16; j++) x[j] = j < valid ? lanes_round_32(W + j * ldw + p, k - p) : _mm512_setzero_si512();
        lanes_transpose_16(x);
        Bf16 *tile = panel + (p / 32 * 2 + half) * TILES_TILE;
        for (int j = 0; j < 16; j++) _mm512_storeu_si512(tile + j * 32, x[j]);
    }
}

AMX_TARGET void tiles_rows_group(int64_t valid, int64_t n, const float *W, int64_t ldw, int64_t step, int half, Bf16 *panels, int64_t stride)
{
    for (int64_t p = 0; p < 8; p++) {
        const float *first = 2 * p < valid ? W + 2 * p * ldw : NULL, *second = 2 * p + 1 < valid ? W + (2 * p + 1) * ldw : NULL;
        Bf16 *out = panels + step * 2 * TILES_TILE + (8 * half + p) * 32;
        for (int64_t j = 0; j < n; j += 32, out += stride) {
            _mm512_storeu_si512(out, lanes_pair_16(first != NULL ? first + j : NULL, second != NULL ? second + j : NULL, lanes_of(n - j)));
            _mm512_storeu_si512(out + TILES_TILE, lanes_pair_16(first != NULL ? first + j + 16 : NULL, second != NULL ? second + j + 16 : NULL, lanes_of(n - j - 16)));
        }
    }
}

void tiles_pack(bool tb, int64_t k, int64_t n, const float *B, int64_t ldb, Bf16 *panels)
{
    const int64_t stride = tiles_stride(k);
    if (tb) {
        for (int64_t j = 0; j < tiles_round(n); j += 16) tiles_columns_group(n - j, k, j < n ? B + j * ldb : B, ldb, (int)(j / 16 % 2), panels + j / 32 * stride);
    } else {
        for (int64_t p = 0; p < tiles_round(k); p += 16) tiles_rows_group(k - p, n, p < k ? B + p * ldb : B, ldb, p / 32, (int)(p / 16 % 2), panels, stride);
    }
}

AMX_TARGET void tiles_pair(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int64_t p = 0; p < tiles_round(k); p += 2, B += 2 * ldb) {
        Bf16 *out = panels + p / 32 * 2 * TILES_TILE + p % 32 / 2 * 32;
        const int64_t n0 = p < k ? n : 0, n1 = p + 1 < k ? n : 0;
        for (int64_t j = 0; j < n; j += 32, out += stride) {
            const __m512i x = _mm512_maskz_loadu_epi16(lanes_32(n0 - j), B + j), y = _mm512_maskz_loadu_epi16(lanes_32(n1 - j), B + ldb + j);
            _mm512_storeu_si512(out, _mm512_permutex2var_epi16(x, low, y));
            _mm512_storeu_si512(out + TILES_TILE, _mm512_permutex2var_epi16(x, high, y));
        }
    }
}

AMX_TARGET void tiles_pair_transposed(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride)
{
    for (int64_t j = 0; j < tiles_round(n); j += 16) {
        for (int64_t p = 0; p < k; p += 32) {
            __m512i x[16];
            for (int i = 0; i < 16; i++) x[i] = _mm512_loadu_si512(B + (j + i) * ldb + p);
            lanes_transpose_16(x);
            Bf16 *tile = panels + j / 32 * stride + (p / 32 * 2 + j / 16 % 2) * TILES_TILE;
            for (int i = 0; i < 16; i++) _mm512_storeu_si512(tile + i * 32, x[i]);
        }
    }
}

AMX_TARGET void tiles_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t ldx, Bf16 *out, int64_t ldo)
{
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    for (int64_t p = 0; p < k; p += 32) {
        for (int64_t i = 0; i < m; i += 32) {
            __m512i a[16], b[16]; /* pair q: columns 0-15 and 16-31 */
            for (int q = 0; q < 16; q++) {
                const __m512i x = p + 2 * q < k ? _mm512_loadu_si512(X + (p + 2 * q) * ldx + i) : _mm512_setzero_si512();
                const __m512i y = p + 2 * q + 1 < k ? _mm512_loadu_si512(X + (p + 2 * q + 1) * ldx + i) : _mm512_setzero_si512();
                a[q] = _mm512_permutex2var_epi16(x, low, y);
                b[q] = _mm512_permutex2var_epi16(x, high, y);
            }
            lanes_transpose_16(a);
            lanes_transpose_16(b);
            for (int q = 0; q < 16; q++) {
                _mm512_storeu_si512(out + (i + q) * ldo + p, a[q]);
                _mm512_storeu_si512(out + (i + 16 + q) * ldo + p, b[q]);
            }
        }
    }
}

AMX_INLINE void square_16(const float *x, int64_t ldx, __m512i y[16])
{
    for (int i = 0; i < 16; i++) y[i] = _mm512_loadu_si512(x + i * ldx);
    lanes_transpose_16(y);
}

AMX_TARGET void tiles_transpose_f32(int64_t m, int64_t n, const float *x, int64_t ldx, float *out, int64_t ldo)
{
    for (int64_t i = 0; i < m; i += 16) {
        for (int64_t j = 0; j < n; j += 16) {
            __m512i y[16];
            square_16(x + i * ldx + j, ldx, y);
            for (int q = 0; q < 16; q++) _mm512_storeu_si512(out + (j + q) * ldo + i, y[q]);
        }
    }
}

/* --- slices ---------------------------------------------------------------------------------------------------- */

AMX_TARGET void tiles_slices(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t height)
{
    for (int64_t i = 0; i < m; i++, x += ldx, out += 32)
        for (int64_t p = 0; p < k; p += 32) _mm512_storeu_si512(out + p * height, lanes_round_32(x + p, 32));
}

void tiles_slices_pair(int64_t k, int64_t n, const Bf16 *B, int64_t height, Bf16 *panels, int64_t stride)
{
    for (int64_t j = 0; j < n; j += 32) tiles_pair(k, 32, B + j * height, 32, panels + j / 32 * stride, stride);
}

void tiles_slices_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t height, Bf16 *out)
{
    const int64_t high = tiles_round(m);
    for (int64_t p = 0; p < k; p += 32)
        for (int64_t i = 0; i < m; i += 32) tiles_transpose(k - p < 32 ? k - p : 32, 32, X + i * height + p * 32, 32, out + p * high + i * 32, 32);
}

/* --- products -------------------------------------------------------------------------------------------------- */

/* Eight tiles of 16 rows of 64 bytes. */
AMX_INLINE void configure(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}

static _Thread_local int n_open;

AMX_TARGET void tiles_open(void)
{
    if (n_open++ == 0) configure();
}

AMX_TARGET void tiles_close(void)
{
    REQUIRE(n_open > 0, "tiles_close without tiles_open");
    if (--n_open == 0) _tile_release();
}

/* A left factor: elements between its rows, and between its steps. */
typedef struct Left { const Bf16 *a; int64_t row, step; } Left;

/* The square as it is at C, or zero. */
AMX_INLINE void begin_square(bool add, const float *C, int64_t ldc)
{
    if (add) {
        amx_load(C, ldc, false);
    } else {
        amx_zero();
    }
}

/* Rows of A that stay in L2 while the panels pass by. */
static int64_t rows_at_a_time(int64_t k)
{
    enum { L2_SHARE = 600 * 1024 /* elements */ };
    const int64_t rows = L2_SHARE / tiles_round(k) / 32 * 32;
    return rows < 64 ? 64 : rows;
}

/* Every square of C goes to KEEP; i and j are its first row and column. */
#define PRODUCT(BEGIN, KEEP)                                                                                                     \
    const int64_t n_steps = tiles_round(k) / 32, chunk = rows_at_a_time(k);                                                      \
    tiles_open();                                                                                                                \
    for (int64_t i0 = 0; i0 < m; i0 += chunk) {                                                                                  \
        const int64_t i1 = m < i0 + chunk ? m : i0 + chunk;                                                                      \
        const Bf16 *b = panels;                                                                                                  \
        for (int64_t j = 0; j < n; j += 32, b += stride) {                                                                       \
            for (int64_t i = i0; i < i1; i += 32) {                                                                              \
                if (j + 32 < n && i1 - i0 > 32) amx_fetch_ahead(b + stride, n_steps * 1024, (i - i0) / 32, (i1 - i0 + 31) / 32); \
                BEGIN;                                                                                                           \
                amx_square(n_steps, A.a + i * A.row, A.row, A.step, b, false);                                                   \
                KEEP;                                                                                                            \
            }                                                                                                                    \
        }                                                                                                                        \
    }                                                                                                                            \
    tiles_close();

AMX_TARGET static void product(int64_t m, int64_t n, int64_t k, Left A, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc)
{
    PRODUCT(begin_square(add, C + i * ldc + j, ldc), amx_store(C + i * ldc + j, ldc, false))
}

AMX_TARGET static void product_each(int64_t m, int64_t n, int64_t k, Left A, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg)
{
    _Alignas(64) float c[2][TILES_SQUARE]; /* in turns: the tiles of the next one are on their way while keep reads */
    int turn = 0;
    PRODUCT(begin_square(false, NULL, 0), (amx_store(c[turn], 32, false), keep(arg, i, j, c[turn]), turn ^= 1))
}

AMX_TARGET static void product_blocks(int64_t m, int64_t n, int64_t k, Left A, const Bf16 *panels, int64_t stride, bool add, float *blocks, int64_t columns)
{
    PRODUCT(begin_square(add, blocks + (i / 32 * columns + j / 32) * TILES_SQUARE, 32), amx_store(blocks + (i / 32 * columns + j / 32) * TILES_SQUARE, 32, false))
}

void tiles_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc)
{
    product(m, n, k, (Left){A, lda, 32}, panels, stride, add, C, ldc);
}

void tiles_product_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg)
{
    product_each(m, n, k, (Left){A, lda, 32}, panels, stride, keep, arg);
}

void tiles_slices_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc)
{
    product(m, n, k, (Left){A, 32, 32 * height}, panels, stride, add, C, ldc);
}

void tiles_slices_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg)
{
    product_each(m, n, k, (Left){A, 32, 32 * height}, panels, stride, keep, arg);
}

void tiles_slices_blocks(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *blocks, int64_t columns)
{
    product_blocks(m, n, k, (Left){A, 32, 32 * height}, panels, stride, add, blocks, columns);
}

/* y (h,w) += the square of 16 x 16 at c, or += its transpose; rows and columns past h and w are left alone. */
AMX_INLINE void add_16(bool transposed, const float *c, int64_t h, int64_t w, float *y, int64_t ldy)
{
    __m512i x[16];
    if (transposed) {
        square_16(c, 32, x);
    } else {
        for (int q = 0; q < 16; q++) x[q] = _mm512_loadu_si512(c + q * 32);
    }
    const __mmask16 mask = lanes_of(w);
    for (int q = 0; q < 16 && q < h; q++, y += ldy) _mm512_mask_storeu_ps(y, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), (__m512)x[q]));
}

AMX_TARGET void tiles_blocks_add(bool transposed, int64_t m, int64_t n, const float *blocks, int64_t columns, float *y, int64_t ldy)
{
    for (int64_t i = 0; i < m; i += 16) {
        for (int64_t j = 0; j < n; j += 16) {
            const float *c = blocks + (i / 32 * columns + j / 32) * TILES_SQUARE + i % 32 * 32 + j % 32;
            add_16(transposed, c, transposed ? n - j : m - i, transposed ? m - i : n - j, transposed ? y + j * ldy + i : y + i * ldy + j, ldy);
        }
    }
}

AMX_TARGET void tiles_blocks_add_paired(int64_t m, int64_t n, const float *blocks, float *first, float *second, int64_t ldy)
{
    const int64_t columns = n / 16;
    for (int64_t i = 0; i < m; i += 16) {
        for (int64_t j = 0; j < columns; j++) {
            const float *c = blocks + (i / 32 * columns + j) * TILES_SQUARE + i % 32 * 32;
            add_16(true, c, 16, m - i, first + 16 * j * ldy + i, ldy);
            add_16(true, c + 16, 16, m - i, second + 16 * j * ldy + i, ldy);
        }
    }
}
