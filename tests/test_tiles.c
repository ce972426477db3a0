/* tests/test_tiles.c -- packing and products of tensor/tiles.h against loops, on awkward sizes; the layouts as the header states them. */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/rng.h"
#include "suite.h"
#include "tensor/tiles.h"
#ifdef __x86_64__
#include "tensor/lanes_x86.h"
#endif

static const int64_t SIZES[] = {1, 7, 16, 33, 64, 95};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES };

static Arena *arena;
static Rng rng;

static void setup(void)
{
    arena = arena_create("tiles");
    rng = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
}

static void teardown(void)
{
    arena_destroy(arena);
}

static float *numbers(int64_t n)
{
    float *x = ARENA_NEW(arena, float, n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)rng_normal(&rng);
    return x;
}

/* Rows of bfloat16 with room up to multiples of 32 both ways; what lies there is finite and not zero. */
static Bf16 *rows_of(int64_t m, int64_t k, int64_t ld, const float *x)
{
    Bf16 *out = ARENA_NEW(arena, Bf16, tiles_round(m) * ld + 64);
    for (int64_t i = 0; i < tiles_round(m) * ld; i++) out[i] = tiles_bf16(3.25f);
    for (int64_t i = 0; i < m; i++)
        for (int64_t p = 0; p < tiles_round(k); p++) out[i * ld + p] = p < k ? tiles_bf16(x[i * k + p]) : 0;
    return out;
}

/* The same in slices as high as m rounded up. */
static Bf16 *sliced(int64_t m, int64_t k, const Bf16 *rows, int64_t ld)
{
    const int64_t height = tiles_round(m);
    Bf16 *out = ARENA_NEW(arena, Bf16, height * tiles_round(k));
    for (int64_t i = 0; i < height; i++)
        for (int64_t p = 0; p < tiles_round(k); p++) out[p / 32 * height * 32 + i * 32 + p % 32] = rows[i * ld + p];
    return out;
}

static float seen(float x)
{
    return tiles_float(tiles_bf16(x));
}

/* Where the header says element (p,j) of op(B) is. */
static Bf16 at(const Bf16 *panels, int64_t stride, int64_t p, int64_t j)
{
    return panels[j / 32 * stride + (p / 32 * 2 + j % 32 / 16) * TILES_TILE + p % 32 / 2 * 32 + j % 16 * 2 + p % 2];
}

static void check_panels(const char *what, const Bf16 *panels, int64_t stride, int64_t k, int64_t n, const float *B, bool tb, bool pad_columns)
{
    for (int64_t p = 0; p < tiles_round(k); p++) {
        for (int64_t j = 0; j < (pad_columns ? tiles_round(n) : n); j++) {
            const Bf16 want = p < k && j < n ? tiles_bf16(tb ? B[j * k + p] : B[p * n + j]) : 0;
            ck_assert_msg(at(panels, stride, p, j) == want, "%s %lld x %lld: element (%lld,%lld) is %04x, not %04x", what, (long long)k, (long long)n, (long long)p,
                          (long long)j, at(panels, stride, p, j), want);
        }
    }
}

START_TEST(rounding)
{
    ck_assert_int_eq(tiles_bf16(1.0f), 0x3f80);
    ck_assert_int_eq(tiles_bf16(1.00390625f), 0x3f80);  /* half way: to even */
    ck_assert_int_eq(tiles_bf16(1.01171875f), 0x3f82);
    ck_assert_int_eq(tiles_bf16(-INFINITY), 0xff80);
    ck_assert(isnan(tiles_float(tiles_bf16(NAN))));
    ck_assert(isinf(tiles_float(tiles_bf16(3.4028235e38f))));
}
END_TEST

START_TEST(packing)
{
    if (!tiles_available()) return;
    for (int a = 0; a < N_SIZES; a++) {
        for (int b = 0; b < N_SIZES; b++) {
            const int64_t k = SIZES[a], n = SIZES[b], stride = tiles_stride(k);
            const float *B = numbers(k * n);
            Bf16 *panels = ARENA_NEW(arena, Bf16, tiles_panels(k, n));
            for (int tb = 0; tb < 2; tb++) {
                memset(panels, 0xab, (size_t)tiles_panels(k, n) * sizeof *panels);
                tiles_pack(tb, k, n, B, tb ? k : n, panels);
                check_panels(tb ? "pack, transposed" : "pack", panels, stride, k, n, B, tb, true);
            }
            const int64_t ld = tiles_round(n) + 32, ldt = tiles_round(k) + 32;
            memset(panels, 0xab, (size_t)tiles_panels(k, n) * sizeof *panels);
            tiles_pair(k, n, rows_of(k, n, ld, B), ld, panels, stride);
            check_panels("pair", panels, stride, k, n, B, false, true);
            memset(panels, 0xab, (size_t)tiles_panels(k, n) * sizeof *panels);
            tiles_pair_transposed(k, n, rows_of(n, k, ldt, B), ldt, panels, stride);
            check_panels("pair, transposed", panels, stride, k, n, B, true, false);
            memset(panels, 0xab, (size_t)tiles_panels(k, n) * sizeof *panels);
            Bf16 *slices = sliced(k, n, rows_of(k, n, ld, B), ld), *across = ARENA_NEW(arena, Bf16, tiles_round(n) * tiles_round(k));
            tiles_slices_pair(k, n, slices, tiles_round(k), panels, stride);
            check_panels("pair of slices", panels, stride, k, n, B, false, true);
            tiles_slices_transpose(k, n, slices, tiles_round(k), across);
            for (int64_t i = 0; i < n; i++)
                for (int64_t p = 0; p < tiles_round(k); p++)
                    ck_assert_int_eq(across[p / 32 * tiles_round(n) * 32 + i * 32 + p % 32], p < k ? tiles_bf16(B[p * n + i]) : 0);
            Bf16 *turned = ARENA_NEW(arena, Bf16, tiles_round(n) * ldt);
            tiles_transpose(k, n, rows_of(k, n, ld, B), ld, turned, ldt);
            for (int64_t i = 0; i < n; i++)
                for (int64_t p = 0; p < tiles_round(k); p++) ck_assert_int_eq(turned[i * ldt + p], p < k ? tiles_bf16(B[p * n + i]) : 0);
        }
    }
}
END_TEST

typedef struct Seen { int64_t m, n; float *C; } Seen;

static void keep(void *arg, int64_t i0, int64_t j0, const float *c)
{
    Seen *s = arg;
    for (int64_t i = i0; i < s->m && i < i0 + 32; i++)
        for (int64_t j = j0; j < s->n && j < j0 + 32; j++) s->C[i * s->n + j] += c[(i - i0) * 32 + j - j0]; /* once each */
}

/* |got - want| in units that a sum of k products of rounded numbers may be off by */
static void near(double got, double want, int64_t k, const char *what)
{
    ck_assert_msg(fabs(got - want) <= 1e-6 * (double)(k + 8), "%s, depth %lld: %g, not %g", what, (long long)k, got, want);
}

START_TEST(products)
{
    if (!tiles_available()) {
        log_info("this processor has no tile registers: not tested");
        return;
    }
    for (int a = 0; a < N_SIZES * N_SIZES * N_SIZES; a++) {
        const int64_t m = SIZES[a % N_SIZES], n = SIZES[a / N_SIZES % N_SIZES], k = SIZES[a / N_SIZES / N_SIZES];
        const int64_t lda = tiles_round(k) + 32, ldc = tiles_round(n) + 32, mm = tiles_round(m), stride = tiles_stride(k);
        const float *A = numbers(m * k), *B = numbers(n * k), *before = numbers(mm * ldc), *sums = numbers(tiles_blocks(m, n));
        const Bf16 *rows = rows_of(m, k, lda, A);
        Bf16 *panels = ARENA_NEW(arena, Bf16, tiles_panels(k, n));
        tiles_pack(true, k, n, B, k, panels);
        float *C = ARENA_NEW(arena, float, mm * ldc), *added = ARENA_NEW(arena, float, mm * ldc), *blocks = ARENA_NEW(arena, float, tiles_blocks(m, n));
        float *each = ARENA_NEW(arena, float, m * n), *straight = ARENA_NEW(arena, float, m * n), *turned = ARENA_NEW(arena, float, n * m), *sliced_each = ARENA_NEW(arena, float, m * n);
        memset(each, 0, (size_t)(m * n) * sizeof *each);
        memset(straight, 0, (size_t)(m * n) * sizeof *each);
        memset(turned, 0, (size_t)(m * n) * sizeof *each);
        memcpy(added, before, (size_t)(mm * ldc) * sizeof *C);
        memcpy(blocks, sums, (size_t)tiles_blocks(m, n) * sizeof *C);
        tiles_product(m, n, k, rows, lda, panels, stride, false, C, ldc);
        tiles_product(m, n, k, rows, lda, panels, stride, true, added, ldc);
        tiles_product_each(m, n, k, rows, lda, panels, stride, keep, &(Seen){m, n, each});
        Bf16 *slices = sliced(m, k, rows, lda);
        tiles_slices_blocks(m, n, k, slices, mm, panels, stride, true, blocks, tiles_round(n) / 32);
        float *again = ARENA_NEW(arena, float, mm * ldc);
        tiles_slices_product(m, n, k, slices, mm, panels, stride, false, again, ldc);
        memset(sliced_each, 0, (size_t)(m * n) * sizeof *each);
        tiles_slices_each(m, n, k, slices, mm, panels, stride, keep, &(Seen){m, n, sliced_each});
        tiles_blocks_add(false, m, n, blocks, tiles_round(n) / 32, straight, n);
        tiles_blocks_add(true, m, n, blocks, tiles_round(n) / 32, turned, m);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double want = 0;
                for (int64_t p = 0; p < k; p++) want += (double)seen(A[i * k + p]) * (double)seen(B[j * k + p]);
                near((double)C[i * ldc + j], want, k, "product");
                near((double)each[i * n + j], want, k, "product, each");
                near((double)again[i * ldc + j], want, k, "product of slices");
                near((double)sliced_each[i * n + j], want, k, "product of slices, each");
                near((double)added[i * ldc + j], want + (double)before[i * ldc + j], k, "product, added");
                const double was = (double)sums[(i / 32 * (tiles_round(n) / 32) + j / 32) * TILES_SQUARE + i % 32 * 32 + j % 32];
                near((double)straight[i * n + j], want + was, k, "blocks");
                near((double)turned[j * m + i], want + was, k, "blocks, transposed");
            }
        }
        if (a % 6 == 5) {
            teardown();
            setup();
        }
    }
}
END_TEST

START_TEST(paired_columns)
{
    if (!tiles_available()) return;
    enum { M = 40, N = 48, LD = 43 };
    const float *blocks = numbers(tiles_blocks(M, 2 * N));
    float *first = ARENA_NEW(arena, float, N * LD), *second = ARENA_NEW(arena, float, N * LD);
    tiles_blocks_add_paired(M, N, blocks, first, second, LD);
    for (int64_t j = 0; j < N; j++) {
        for (int64_t i = 0; i < LD; i++) {
            const int64_t at_first = (i / 32 * (2 * N / 32) + j / 16) * TILES_SQUARE + i % 32 * 32 + j % 16;
            ck_assert(first[j * LD + i] == (i < M ? blocks[at_first] : 0));
            ck_assert(second[j * LD + i] == (i < M ? blocks[at_first + 16] : 0));
        }
    }
}
END_TEST

START_TEST(slices_of_floats)
{
    if (!tiles_available()) return;
    const float *x = numbers(33 * 100);
    Bf16 *y = ARENA_NEW(arena, Bf16, 96 * 96);
    tiles_slices(33, 96, x, 100, y, 96);
    for (int i = 0; i < 33; i++)
        for (int p = 0; p < 96; p++) ck_assert_int_eq(y[p / 32 * 96 * 32 + i * 32 + p % 32], tiles_bf16(x[i * 100 + p]));
}
END_TEST

START_TEST(transposed_floats)
{
    if (!tiles_available()) return;
    const float *x = numbers(48 * 80);
    float *y = ARENA_NEW(arena, float, 80 * 64);
    tiles_transpose_f32(48, 64, x, 80, y, 64);
    for (int i = 0; i < 48; i++)
        for (int j = 0; j < 64; j++) ck_assert(y[j * 64 + i] == x[i * 80 + j]);
}
END_TEST

#ifdef __x86_64__
LANES_TARGET static float log_of(float x)
{
    float y[16];
    _mm512_storeu_ps(y, lanes_log(_mm512_set1_ps(x)));
    return y[7];
}

START_TEST(logarithms)
{
    if (!lanes_available()) return;
    int64_t n = 0;
    for (double x = 1e-6; x < 1e9; x *= 1.0001, n++) {
        const double want = log((double)(float)x), got = (double)log_of((float)x);
        ck_assert_msg(fabs(got - want) <= 2.5e-7 * fmax(fabs(want), 1e-3), "log(%.9g) = %.9g, wanted %.9g", x, got, want);
    }
    ck_assert_int_gt(n, 300000);
    static const float edges[] = {1.0f, 1.5f, 0.75f, 0x1.7ffffep0f, 0x1.fffffep-1f, 0x1p-126f};
    for (int k = 0; k < 6; k++) ck_assert(fabs((double)log_of(edges[k]) - log((double)edges[k])) <= 2.5e-7 * fmax(fabs(log((double)edges[k])), 1e-3));
    ck_assert(log_of(1.0f) == 0 && isinf(log_of(INFINITY)) && isnan(log_of(NAN)));
}
END_TEST
#endif

int main(void)
{
    const TTest *tests[] = {rounding, packing, products, paired_columns, slices_of_floats, transposed_floats,
#ifdef __x86_64__
                                     logarithms,
#endif
    };
    return suite_of("tiles", "bf16 on tile registers", setup, teardown, 120, tests, sizeof tests / sizeof *tests);
}
