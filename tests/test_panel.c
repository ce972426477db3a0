/* tests/test_panel.c -- products on packed weights (tensor/panel.h) against sums in double, in every precision there is, at awkward sizes. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "suite.h"
#include "tensor/panel.h"

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static real *random_reals(Rng *r, int64_t n)
{
    real *x = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) x[i] = (real)(2 * rng_uniform(r) - 1);
    return x;
}

/* A number as the products see it. */
static double seen(real x, bool bf16)
{
    if (!bf16) return (double)x;
    union { float f; uint32_t u; } b = {.f = (float)x};
    b.u = (b.u + 0x7fff + ((b.u >> 16) & 1)) & 0xffff0000u;
    return (double)b.f;
}

static double inner(int64_t k, const real *a, const real *b, bool bf16)
{
    double sum = 0;
    for (int64_t p = 0; p < k; p++) sum += seen(a[p], bf16) * seen(b[p], bf16);
    return sum;
}

static PanelMatrix packed(const real *W, int64_t n, int64_t k, bool paired, bool bf16)
{
    PanelMatrix w = {.n = n, .k = k, .paired = paired, .bf16 = bf16};
    char *block = arena_alloc(arena, panel_bytes(&w) + 64, 1);
    w.data = block + (64 - (uintptr_t)block % 64) % 64;
    panel_pack(&w, W);
    return w;
}

static const int64_t ROWS[] = {1, 5, 6, 7, 12, 13, 24, 33}, COLUMNS[] = {1, 7, 16, 31, 32, 33, 70}, DEPTHS[] = {1, 2, 7, 32, 33, 100};
#define EVERY(i, list) for (size_t i = 0; i < sizeof list / sizeof *list; i++)

START_TEST(linear)
{
    const bool bf16 = _i == 1;
    if (bf16 && !panel_bf16_available()) return;
    Rng r = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    EVERY(a, ROWS) EVERY(b, COLUMNS) EVERY(c, DEPTHS) {
        const int64_t m = ROWS[a], n = COLUMNS[b], k = DEPTHS[c], lda = k + 3, ldc = n + 2, first = n / 3, end = n - n / 5;
        real *A = random_reals(&r, (m + PANEL_PAD_ROWS) * lda), *W = random_reals(&r, n * k), *C = random_reals(&r, m * ldc), *was = ARENA_NEW(arena, real, m * ldc);
        const PanelMatrix w = packed(W, n, k, false, bf16);
        void *scratch = arena_alloc(arena, panel_scratch_bytes(m, k, bf16), 1);
        for (int add = 0; add < 2; add++) {
            memcpy(was, C, (size_t)(m * ldc) * sizeof(real));
            panel_linear(&w, m, A, lda, first, end, add, C, ldc, scratch);
            for (int64_t i = 0; i < m; i++) {
                for (int64_t j = 0; j < ldc; j++) {
                    const double before = (double)was[i * ldc + j], product = j < n ? inner(k, A + i * lda, W + j * k, bf16) : 0;
                    const double want = j < first || j >= end ? before : add ? before + product : product;
                    ck_assert_msg(fabs((double)C[i * ldc + j] - want) <= 1e-5 * (1 + sqrt((double)k)), "%d x %d x %d, row %d column %d: %g, expected %g", (int)m,
                                  (int)n, (int)k, (int)i, (int)j, (double)C[i * ldc + j], want);
                }
            }
        }
    }
}
END_TEST

START_TEST(swiglu)
{
    const bool bf16 = _i == 1;
    if (bf16 && !panel_bf16_available()) return;
    Rng r = rng_make(6, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    EVERY(a, ROWS) EVERY(b, COLUMNS) EVERY(c, DEPTHS) {
        const int64_t m = ROWS[a], F = COLUMNS[b], k = DEPTHS[c], ldy = F + 1;
        real *A = random_reals(&r, (m + PANEL_PAD_ROWS) * k), *W = random_reals(&r, 2 * F * k), *y = random_reals(&r, m * ldy);
        real beside = y[F];
        const PanelMatrix w = packed(W, 2 * F, k, true, bf16);
        panel_swiglu(&w, m, A, k, y, ldy, arena_alloc(arena, panel_scratch_bytes(m, k, bf16), 1));
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < F; j++) {
                const double g = inner(k, A + i * k, W + j * k, bf16), u = inner(k, A + i * k, W + (F + j) * k, bf16), want = g / (1 + exp(-g)) * u;
                ck_assert_msg(fabs((double)y[i * ldy + j] - want) <= 2e-5 * (1 + (double)k), "%d x %d x %d, row %d column %d: %g, expected %g", (int)m, (int)F,
                              (int)k, (int)i, (int)j, (double)y[i * ldy + j], want);
            }
        }
        ck_assert(!(y[F] < beside) && !(y[F] > beside)); /* nothing is written past a row's end */
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("panel");
    TCase *t = tcase_create("products");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, linear, 0, 2);
    tcase_add_loop_test(t, swiglu, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}
