/* tests/test_training.c -- the fast training step against the plain one: pieces and lanes, products in bf16, the profile. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "nn/adamw.h"
#include "nn/decoder.h"
#include "bf16_util.h"
#include "packed_batch.h"
#include "suite.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/backend_profile.h"

enum { V = 90, MAX_T = 1400 };

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static const DecoderConfig MODEL = {V, 24, 2, 4, 2, 6, 33, 1e4, 1e-6, false, true, true};

static Batch batch(int64_t T, int64_t longest, uint64_t seed)
{
    return packed_batch(arena, V, T, longest, 2, seed);
}

static Decoder *model(Backend *be, double sd)
{
    Decoder *d = decoder_create(be, &MODEL, MAX_T, true);
    Params *p = decoder_params(d);
    Rng g = rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < p->count; i++) p->value[i] = (real)(sd * rng_normal(&g));
    return d;
}

static double difference(const real *a, const real *b, int64_t n)
{
    double largest = 1e-30, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)a[i] - (double)b[i]);
        largest = fmax(largest, fabs((double)a[i]));
        if (!(e <= worst) && !isnan(worst)) worst = e;
    }
    return worst / largest;
}

/* --- pieces and lanes ------------------------------------------------------------------------------------------ */

static void step_on(Decoder *d, Batch *b, Dropout drop, bool ranges)
{
    params_zero_grad(decoder_params(d));
    ck_assert_int_eq(decoder_step(d, &b->pk, b->token, drop, b->target, ranges ? b->range : NULL, b->weight, b->logp), OK);
}

START_TEST(step_is_forward_and_loss)
{
    static const struct { int64_t T, longest; } SHAPES[] = {{40, 9}, {600, 70}, {1300, 80}, {900, 400}, {1, 1}, {5, 1}};
    for (int threads = 1; threads <= 3; threads++) {
        Backend *be = backend_cpu(threads), *plain_be = backend_cpu(1);
        Decoder *d = model(be, 0.3), *plain = model(plain_be, 0.3);
        const int64_t count = decoder_params(d)->count;
        for (int i = 0; i < 6; i++) {
            Batch b = batch(SHAPES[i].T, SHAPES[i].longest, (uint64_t)i);
            real *logp = ARENA_NEW(arena, real, b.pk.T), *first = ARENA_NEW(arena, real, count);
            const Dropout drop = {.p = i % 2 == 0 ? 0.2 : 0, .key = 3, .call = 7};
            const bool ranges = i < 3;
            params_zero_grad(decoder_params(plain));
            decoder_forward(plain, &b.pk, b.token, drop);
            ck_assert_int_eq(decoder_loss(plain, b.target, ranges ? b.range : NULL, b.weight, logp), OK);
            step_on(d, &b, drop, ranges);
            double e = difference(logp, b.logp, b.pk.T);
            ck_assert_msg(e <= 2e-5, "%d threads, %lld tokens: log-probabilities differ by %g", threads, (long long)b.pk.T, e);
            e = difference(decoder_params(plain)->grad, decoder_params(d)->grad, count);
            ck_assert_msg(e <= 2e-5, "%d threads, %lld tokens: gradients differ by %g", threads, (long long)b.pk.T, e);
            memcpy(first, decoder_params(d)->grad, (size_t)count * sizeof(real));
            step_on(d, &b, drop, ranges);
            ck_assert_msg(memcmp(first, decoder_params(d)->grad, (size_t)count * sizeof(real)) == 0, "%d threads: other bytes the second time", threads);
        }
        decoder_destroy(d);
        decoder_destroy(plain);
        be->destroy(be);
        plain_be->destroy(plain_be);
    }
}
END_TEST

/* --- bf16 ------------------------------------------------------------------------------------------------------ */

/* To the nearest bfloat16, ties to even. */
static float rounded(float x)
{
    union { float f; uint32_t u; } v = {.f = x};
    v.u = (v.u + 0x7fffu + (v.u >> 16 & 1u)) & 0xffff0000u;
    return v.f;
}

static real *random_matrix(Rng *g, int64_t n)
{
    real *x = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) x[i] = (real)rng_normal(g);
    return x;
}

static real *rounded_copy(const real *x, int64_t n)
{
    real *y = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) y[i] = (real)rounded((float)x[i]);
    return y;
}

/* Against the reference product of the rounded factors: only the float sums differ. */
static void bf16_case(Backend *be, Backend *ref, int t, int64_t m, int64_t n, int64_t k, real alpha, real beta)
{
    const bool ta = t & 1, tb = t & 2;
    const int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2, rows_a = ta ? k : m, rows_b = tb ? n : k;
    ArenaMark mark = arena_mark(arena);
    Rng g = rng_make(11, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)(m * n * k));
    real *A = random_matrix(&g, rows_a * lda), *B = random_matrix(&g, rows_b * ldb), *C = random_matrix(&g, m * ldc), *D = ARENA_NEW(arena, real, m * ldc);
    memcpy(D, C, (size_t)(m * ldc) * sizeof(real));
    if (beta == 0) C[0] = D[0] = (real)NAN; /* must not be read */
    ref->gemm(ref, ta, tb, m, n, k, alpha, rounded_copy(A, rows_a * lda), lda, rounded_copy(B, rows_b * ldb), ldb, beta, C, ldc);
    be->gemm(be, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, D, ldc);
    const double e = difference(C, D, m * ldc);
    ck_assert_msg(e <= 1e-5, "bf16 product ta %d tb %d %lld x %lld x %lld, %d threads: differs by %g", ta, tb, (long long)m, (long long)n, (long long)k,
                  be->threads, e);
    arena_release(arena, mark);
}

/* The products of processors with AVX512-BF16 and no tile registers, which a backend on a processor with both does not use. */
static void gemm_without_tiles(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B, int64_t ldb,
                               real beta, real *C, int64_t ldc)
{
    (void)be;
    cpu_bf16_gemm(ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc, ARENA_NEW(arena, real, cpu_bf16_scratch(n, k)));
}

static void bf16_cases(Backend *be, Backend *ref)
{
    static const int64_t S[] = {1, 2, 7, 12, 33, 130};
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < 6 * 6 * 6; i++) bf16_case(be, ref, t, S[i % 6], S[i / 6 % 6], S[i / 36], 1, 0);
        bf16_case(be, ref, t, 37, 65, 33, (real)-0.7, 1);
        bf16_case(be, ref, t, 64, 600, 70, 1, (real)0.3); /* more than one block each way */
        bf16_case(be, ref, t, 300, 40, 64, (real)1.5, (real)-0.5);
        bf16_case(be, ref, t, 30, 40, 2051, 1, 1);
    }
}

START_TEST(bf16_products)
{
    Backend *ref = backend_ref(), *plain = backend_cpu(1);
    for (int threads = 1; threads <= 2; threads++) {
        Backend *be = bf16_backend(threads, false);
        if (be == NULL) break;
        bf16_cases(be, ref);
        be->destroy(be);
    }
    plain->gemm = gemm_without_tiles;
    if (cpu_bf16_available()) bf16_cases(plain, ref);
    plain->destroy(plain);
    ref->destroy(ref);
}
END_TEST

static double train(Backend *be, int64_t steps, real *values)
{
    Decoder *d = decoder_create(be, &MODEL, MAX_T, true);
    decoder_init(d, 1);
    AdamW o = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .max_norm = 1, .warmup_steps = 2, .total_steps = steps};
    Batch b = batch(600, 40, 5);
    double loss = 0, weight = 0;
    for (int64_t i = 0; i < steps; i++) {
        step_on(d, &b, (Dropout){0}, true);
        MUST(adamw_step(&o, decoder_params(d), NULL));
        loss = weight = 0;
        for (int64_t t = 0; t < b.pk.T; t++) {
            if (b.target[t] == TARGET_IGNORED) continue;
            loss -= (double)(b.weight[t] * b.logp[t]);
            weight += (double)b.weight[t];
        }
    }
    if (values != NULL) memcpy(values, decoder_params(d)->value, (size_t)decoder_params(d)->count * sizeof(real));
    decoder_destroy(d);
    return loss / weight;
}

START_TEST(bf16_learns_like_fp32)
{
    Backend *fp32 = backend_cpu(2), *bf16 = bf16_backend(2, false);
    if (bf16 != NULL) {
        const double first = train(fp32, 1, NULL), plain = train(fp32, 40, NULL);
        Decoder *d = decoder_create(fp32, &MODEL, MAX_T, true);
        const int64_t count = decoder_params(d)->count;
        decoder_destroy(d);
        real *a = ARENA_NEW(arena, real, count), *b = ARENA_NEW(arena, real, count);
        const double rough = train(bf16, 40, a);
        train(bf16, 40, b);
        ck_assert_msg(memcmp(a, b, (size_t)count * sizeof(real)) == 0, "bf16: other bytes the second time");
        ck_assert_msg(plain < 0.9 * first, "fp32 does not learn: %g after %g", plain, first);
        ck_assert_msg(fabs(rough - plain) < 0.05 * plain, "loss %g in bf16, %g in fp32", rough, plain);
        bf16->destroy(bf16);
    }
    fp32->destroy(fp32);
}
END_TEST

START_TEST(precision_is_refused)
{
    Backend *ref = backend_ref(), *cpu = backend_cpu(1);
    ck_assert_int_eq(backend_set_precision(ref, "bf16"), E_RESOURCE);
    ck_assert_int_eq(backend_set_precision(ref, "fp32"), OK);
    ck_assert_int_eq(backend_set_precision(cpu, "fp8"), E_USAGE);
    ref->destroy(ref);
    cpu->destroy(cpu);
}
END_TEST

/* --- profile --------------------------------------------------------------------------------------------------- */

START_TEST(profile_changes_nothing)
{
    for (int threads = 1; threads <= 2; threads++) {
        Backend *plain = backend_cpu(threads), *be = backend_profile(plain);
        Decoder *a = model(plain, 0.3), *b = model(be, 0.3);
        Batch x = batch(700, 50, 9);
        const Dropout drop = {.p = 0.1, .key = 1, .call = 2};
        step_on(a, &x, drop, true);
        step_on(b, &x, drop, true);
        ck_assert_msg(memcmp(decoder_params(a)->grad, decoder_params(b)->grad, (size_t)decoder_params(a)->count * sizeof(real)) == 0,
                      "other gradients under the profile, %d threads", threads);
        FILE *f = tmpfile();
        ck_assert_ptr_nonnull(f);
        backend_profile_print(be, f, 1, 1);
        rewind(f);
        char line[200];
        int products = 0;
        while (fgets(line, sizeof line, f) != NULL) products += strncmp(line, "gemm ", 5) == 0;
        fclose(f);
        ck_assert_int_eq(products, 3);
        decoder_destroy(a);
        decoder_destroy(b);
        be->destroy(be);
        plain->destroy(plain);
    }
}
END_TEST

int main(void)
{
    const TTest *tests[] = {step_is_forward_and_loss, bf16_products, bf16_learns_like_fp32, precision_is_refused, profile_changes_nothing};
    return suite_of("training", "fast against plain", setup, teardown, 120, tests, sizeof tests / sizeof *tests);
}
