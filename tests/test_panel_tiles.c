/* tests/test_panel_tiles.c -- cached decoding on tile registers (tensor/panel_tiles.h) against loops in double over the same rounded factors, at awkward sizes.
 * Nothing to test where the processor has no AMX. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "suite.h"
#include "tensor/panel_tiles.h"

static Arena *arena;
static Rng rng;
static void setup(void)
{
    arena = arena_create("test");
    rng = rng_make(11, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
}
static void teardown(void) { arena_destroy(arena); }

static real *reals(int64_t n)
{
    real *x = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) x[i] = (real)(2 * rng_uniform(&rng) - 1);
    return x;
}

static void *aligned(size_t bytes)
{
    char *block = arena_alloc(arena, bytes + 64, 1);
    return block + (64 - (uintptr_t)block % 64) % 64;
}

static double seen(real x) { return (double)tiles_float(tiles_bf16((float)x)); }

/* m rows of k as the products want them: zero up to a multiple of 32, NaN behind the last row. */
static Bf16 *rows_of(int64_t m, int64_t k, const real *x, int64_t lda)
{
    Bf16 *y = aligned((size_t)((m + 32) * lda) * sizeof *y);
    memset(y, 0xff, (size_t)((m + 32) * lda) * sizeof *y);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t p = 0; p < tiles_round(k); p++) y[i * lda + p] = p < k ? tiles_bf16((float)x[i * k + p]) : 0;
    }
    return y;
}

static PanelMatrix packed(const real *W, int64_t n, int64_t k, bool paired)
{
    PanelMatrix w = {.n = n, .k = k, .paired = paired};
    w.data = aligned(panel_tiles_bytes(&w));
    panel_tiles_pack(&w, W);
    return w;
}

static double inner(int64_t k, const real *a, const real *b)
{
    double sum = 0;
    for (int64_t p = 0; p < k; p++) sum += seen(a[p]) * seen(b[p]);
    return sum;
}

static void expect(double got, double want, double tolerance, const char *what, int64_t i, int64_t j)
{
    if (!(fabs(got - want) <= tolerance)) ck_abort_msg("%s, row %lld column %lld: %g, expected %g", what, (long long)i, (long long)j, got, want);
}

static const int64_t ROWS[] = {1, 7, 16, 17, 32, 33, 49, 80}, COLUMNS[] = {1, 16, 31, 33, 64, 100}, DEPTHS[] = {1, 7, 32, 33, 96, 130};
#define EVERY(i, list) for (size_t i = 0; i < sizeof list / sizeof *list; i++)

START_TEST(linear)
{
    EVERY(a, ROWS) EVERY(b, COLUMNS) EVERY(c, DEPTHS) {
        const int64_t m = ROWS[a], n = COLUMNS[b], k = DEPTHS[c], lda = tiles_round(k) + 32, ldc = n + 3, first = n / 3, end = n - n / 5;
        real *A = reals(m * k), *W = reals(n * k), *C = reals((m + 1) * ldc), *was = ARENA_NEW(arena, real, (m + 1) * ldc);
        const PanelMatrix w = packed(W, n, k, false);
        const Bf16 *rows = rows_of(m, k, A, lda);
        for (int way = 0; way < 4; way++) {
            const int64_t from = way & 1 ? first : 0, to = way & 1 ? end : n;
            const bool add = way & 2;
            memcpy(was, C, (size_t)((m + 1) * ldc) * sizeof(real));
            panel_tiles_linear(&w, m, rows, lda, from, to, add, C, ldc);
            for (int64_t i = 0; i <= m; i++) {
                for (int64_t j = 0; j < ldc; j++) {
                    const double before = (double)was[i * ldc + j];
                    if (i == m || j < from || j >= to) {
                        ck_assert(memcmp(&was[i * ldc + j], &C[i * ldc + j], sizeof(real)) == 0);
                    } else {
                        expect((double)C[i * ldc + j], inner(k, A + i * k, W + j * k) + (add ? before : 0), 1e-5 * (1 + sqrt((double)k)), "linear", i, j);
                    }
                }
            }
        }
    }
}
END_TEST

START_TEST(swiglu)
{
    EVERY(a, ROWS) EVERY(b, COLUMNS) EVERY(c, DEPTHS) {
        const int64_t m = ROWS[a], F = COLUMNS[b], k = DEPTHS[c], lda = tiles_round(k), ldy = tiles_round(F) + 32;
        real *A = reals(m * k), *W = reals(2 * F * k);
        for (int64_t i = 0; i < F * k; i++) W[i] *= 9; /* both ends of the sigmoid */
        const PanelMatrix w = packed(W, 2 * F, k, true);
        Bf16 *y = aligned((size_t)((m + 1) * ldy) * sizeof *y);
        memset(y, 0x77, (size_t)((m + 1) * ldy) * sizeof *y);
        panel_tiles_swiglu(&w, m, rows_of(m, k, A, lda), lda, y, ldy);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < tiles_round(F); j++) {
                const double g = j < F ? inner(k, A + i * k, W + j * k) : 0, u = j < F ? inner(k, A + i * k, W + (F + j) * k) : 0, want = g / (1 + exp(-g)) * u;
                expect((double)tiles_float(y[i * ldy + j]), want, fabs(want) / 250 + 1e-4, "swiglu", i, j);
            }
            for (int64_t j = tiles_round(F); j < ldy; j++) ck_assert_uint_eq(y[i * ldy + j], 0x7777);
        }
        for (int64_t j = 0; j < ldy; j++) ck_assert_uint_eq(y[m * ldy + j], 0x7777);
    }
}
END_TEST

START_TEST(norm_and_heads)
{
    for (int64_t C = 1; C <= 130; C += 43) {
        const int64_t m = 5, ldx = C + 2, ldy = tiles_round(C);
        real *x = reals(m * ldx), *w = reals(C), *plain = ARENA_NEW(arena, real, m * C);
        Bf16 *y = aligned((size_t)(m * ldy) * sizeof *y);
        panel_rmsnorm(m, C, x, ldx, w, (real)1e-6, plain, C);
        panel_tiles_rmsnorm(m, C, x, ldx, w, (real)1e-6, y, ldy);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < ldy; j++) {
                const double want = j < C ? (double)plain[i * C + j] : 0;
                expect((double)tiles_float(y[i * ldy + j]), want, fabs(want) / 250, "rmsnorm", i, j);
            }
        }
    }
    static const int64_t sizes[] = {2, 24, 32, 40, 64, 96, 256};
    for (int s = 0; s < 7; s++) {
        const int64_t D = sizes[s];
        for (int norm = 0; norm < 2; norm++) {
            const int64_t m = 7, H = 3, Hkv = 2, ld = (H + 2 * Hkv) * D;
            const int32_t pos[] = {0, 1, 5, 9, 3, 8, 2};
            real *x = reals(m * ld), *z = ARENA_NEW(arena, real, m * ld), *rope = ARENA_NEW(arena, real, 10 * D), *kv = ARENA_NEW(arena, real, 2 * m * Hkv * D);
            PanelHeads f = {.H = H, .Hkv = Hkv, .D = D, .bias = norm ? NULL : reals(ld), .qn = norm ? reals(D) : NULL, .kn = norm ? reals(D) : NULL, .eps = (real)1e-6, .rope = rope};
            panel_rope_table(10, D, 10000, rope);
            memcpy(z, x, (size_t)(m * ld) * sizeof(real));
            panel_heads(&f, m, pos, x, kv, kv + m * Hkv * D, Hkv * D);
            panel_tiles_heads(&f, m, pos, z);
            for (int64_t i = 0; i < m * ld; i++) expect((double)z[i], (double)x[i], 1e-5, "heads", i / ld, i % ld);
        }
    }
}
END_TEST

/* Softmax over `n` keys of the prompt and `own` ones, weights on the values; v in double. */
static void attend(int64_t n, int64_t D, double scale, const real *q, const real *k, const real *v, int64_t ld, int64_t own, const real *sk, const real *sv, double *out)
{
    double p[400], most = -1e30, total = 0;
    for (int64_t i = 0; i < n + own; i++) {
        p[i] = 0;
        for (int64_t c = 0; c < D; c++) p[i] += i < n ? seen(q[c]) * seen(k[i * ld + c]) : (double)q[c] * (double)sk[(i - n) * D + c];
        p[i] *= scale;
        most = p[i] > most ? p[i] : most;
    }
    for (int64_t i = 0; i < n + own; i++) total += p[i] = exp(p[i] - most);
    for (int64_t c = 0; c < D; c++) {
        out[c] = 0;
        for (int64_t i = 0; i < n + own; i++) out[c] += p[i] / total * (i < n ? (double)v[i * ld + c] : (double)sv[(i - n) * D + c]);
    }
}

START_TEST(attention)
{
    static const int64_t LENGTHS[] = {1, 5, 31, 32, 33, 80, 129}, HEADS[] = {8, 32, 48, 64}, BEAMS[] = {1, 16, 20, 50};
    EVERY(a, LENGTHS) EVERY(b, HEADS) EVERY(e, BEAMS) {
        const int64_t n = LENGTHS[a], D = HEADS[b], R = BEAMS[e], S = (int64_t)e, ld = 2 * D + 5, ldo = D + 4;
        real *k = reals(n * ld), *v = reals(n * ld), *q = reals((n + R) * ld), *sk = reals((R + 1) * (S + 1) * D), *sv = reals((R + 1) * (S + 1) * D);
        for (int64_t i = 0; i < (n + R) * ld; i++) q[i] *= 4;
        Bf16 *kt = aligned((size_t)tiles_panels(D, n) * 2), *vn = aligned((size_t)tiles_panels(D, n) * 2), *out = aligned((size_t)((n + R) * ldo) * 2);
        void *scratch = aligned(panel_tiles_scratch_bytes(n + S, D));
        double *want = ARENA_NEW(arena, double, D);
        const double scale = 1 / sqrt((double)D);
        memset(out, 0x77, (size_t)((n + R) * ldo) * 2);
        panel_tiles_keep(n, D, k, v, ld, kt, vn);
        panel_tiles_causal(n, D, (real)scale, q, ld, kt, vn, out, ldo, scratch);
        panel_tiles_beams(R, n, D, (real)scale, q + n * ld, ld, kt, vn, &(PanelSuffix){.n = S, .beam = (S + 1) * D, .ld = D, .k = sk, .v = sv}, out + n * ldo, ldo, scratch);
        for (int64_t i = 0; i < n + R; i++) {
            const int64_t r = i < n ? 0 : i - n;
            attend(i < n ? i + 1 : n, D, scale, q + i * ld, k, v, ld, i < n ? 0 : S, sk + r * (S + 1) * D, sv + r * (S + 1) * D, want);
            for (int64_t c = 0; c < D; c++) expect((double)tiles_float(out[i * ldo + c]), want[c], 0.012, i < n ? "causal" : "beams", i, c);
            for (int64_t c = D; c < ldo; c++) ck_assert_uint_eq(out[i * ldo + c], 0x7777);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("panel_tiles");
    TCase *t = tcase_create("against loops");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    if (panel_tiles_available()) {
        tcase_add_test(t, linear);
        tcase_add_test(t, swiglu);
        tcase_add_test(t, norm_and_heads);
        tcase_add_test(t, attention);
    } else {
        printf("panel_tiles: this processor has no tile registers (or they are not for this process): nothing was tested\n");
    }
    suite_add_tcase(s, t);
    return suite_run(s);
}
