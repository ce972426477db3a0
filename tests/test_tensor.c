/* tests/test_tensor.c -- the backends: hand-computed cases on ref and cpu, and every op of cpu against ref over awkward shapes.
 *
 * Each comparison prints nothing when it holds; the largest error seen is printed at the end of each op (CK_VERBOSE).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "tensor/backend.h"
#include "tensor/vmath.h"
#include "suite.h"

static Arena *arena;
static Backend *ref, *cpu[3]; /* cpu with 1, 2 and 3 threads */
static double worst;          /* largest error of the running test, relative to the largest element */

static void setup(void)
{
    arena = arena_create("test");
    ref = backend_ref();
    for (int i = 0; i < 3; i++) cpu[i] = backend_cpu(i + 1);
    worst = 0;
}

static void teardown(void)
{
    ref->destroy(ref);
    for (int i = 0; i < 3; i++) cpu[i]->destroy(cpu[i]);
    arena_destroy(arena);
}

/* The same array for ref and for cpu. */
typedef struct Twin { real *r, *c; int64_t n; } Twin;

static Twin twin(int64_t n)
{
    static uint64_t index;
    Rng g = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, index++);
    Twin t = {ARENA_NEW(arena, real, n), ARENA_NEW(arena, real, n), n};
    for (int64_t i = 0; i < n; i++) t.r[i] = t.c[i] = (real)rng_normal(&g);
    return t;
}

static bool agree(Twin t, double tolerance)
{
    double largest = 0, error = 0;
    for (int64_t i = 0; i < t.n; i++) {
        double e = fabs((double)t.r[i] - (double)t.c[i]);
        if (t.r[i] == t.c[i]) e = 0; /* equal infinities */
        if (!(e <= error) && !isnan(error)) error = e; /* a NaN stays */
        if (fabs((double)t.r[i]) > largest && isfinite(t.r[i])) largest = fabs((double)t.r[i]);
    }
    if (!(error / (largest + 1e-30) <= worst)) worst = error / (largest + 1e-30);
    return error <= 1e-7 + tolerance * largest;
}

#define AGREE(twin_, ...)                                             \
    do {                                                              \
        if (!agree((twin_), 1e-5)) {                                  \
            char text_[200];                                          \
            snprintf(text_, sizeof text_, __VA_ARGS__);               \
            ck_abort_msg("%s: " #twin_ " differs by %g", text_, worst); \
        }                                                             \
    } while (0)

static const int64_t SIZES[] = {1, 7, 33, 130};
enum { N_SIZES = 4 };
#define EACH(v, list, n) for (size_t v##_i = 0; v##_i < (n); v##_i++) for (int64_t v = (list)[v##_i], v##_1 = 1; v##_1 == 1; v##_1 = 0)
#define EACH_BACKEND(be) for (int be##_i = 0; be##_i < 3; be##_i++) for (Backend *be = cpu[be##_i]; be != NULL; be = NULL)

/* --- hand-computed --------------------------------------------------------------------------------------------- */

static void close_to(double got, double expected)
{
    ck_assert_msg(fabs(got - expected) <= 2e-6 * (1 + fabs(expected)), "got %.9g, expected %.9g", got, expected);
}

static void by_hand_on(Backend *be)
{
    real a[] = {1, 2, 3, 4, 5, 6}, b[] = {(real)0.5, -1, 2, 0, 1, 3}, c[4] = {NAN, NAN, NAN, NAN};
    be->gemm(be, false, true, 2, 2, 3, 2, a, 3, b, 3, 0, c, 2); /* beta 0 must not read the NaN */
    close_to((double)c[0], 2 * (0.5 - 2 + 6));
    close_to((double)c[3], 2 * (0 + 5 + 18));
    real x[] = {3, 4}, w[] = {2, (real)0.5}, y[2], r[1];
    be->rmsnorm(be, 1, 2, x, 2, w, (real)1e-6, y, 2, r);
    close_to((double)y[0], 2 * 3 / sqrt(12.5 + 1e-6));
    close_to((double)y[1], 0.5 * 4 / sqrt(12.5 + 1e-6));
    real u[] = {1, 0, 2, -1}; /* one head of 4 at position 3, theta 100: angles 3 and 0.3 */
    be->rope(be, 1, 1, 4, (int32_t[]){3}, 100, 1, u, 4);
    close_to((double)u[0], cos(3.0) - 2 * sin(3.0));
    close_to((double)u[2], 2 * cos(3.0) + sin(3.0));
    close_to((double)u[1], sin(0.3));
    close_to((double)u[3], -cos(0.3));
    real gu[] = {(real)1.5, -2}, act[1];
    be->swiglu(be, 1, 1, gu, act);
    close_to((double)act[0], 1.5 / (1 + exp(-1.5)) * -2);
    real logits[] = {1, 2, 3, 100}, logp[1], lse[1], weight[] = {(real)0.5};
    be->xent(be, 1, 4, logits, 4, (int32_t[]){2}, (int32_t[]){0, 3}, (uint8_t[]){1, 0, 1, 1}, logp, lse);
    close_to((double)logp[0], -log1p(exp(-2.0)));
    be->xent_bwd(be, 1, 4, logits, 4, (int32_t[]){2}, (int32_t[]){0, 3}, (uint8_t[]){1, 0, 1, 1}, lse, weight);
    const double p = 1 / (1 + exp(2.0));
    close_to((double)logits[0], 0.5 * p);
    close_to((double)logits[2], -0.5 * p);
    ck_assert(logits[1] == 0 && logits[3] == 0);
}

START_TEST(by_hand)
{
    by_hand_on(ref);
    by_hand_on(cpu[0]);
    by_hand_on(cpu[1]);
}
END_TEST

/* Two tokens, one head of 2: the first attends to itself, the second to both with known weights. */
START_TEST(attention_by_hand)
{
    const int32_t offset[] = {0, 2}, pos[] = {0, 1};
    Packed pk = {1, 2, 2, offset, pos, offset};
    real q[] = {1, 0, 0, 2}, k[] = {1, 0, 1, 1}, v[] = {10, 20, 30, 50}, out[4], lse[2];
    Backend *all[] = {ref, cpu[0]};
    for (int i = 0; i < 2; i++) {
        all[i]->attention(all[i], &pk, 1, 1, 2, (real)0.5, (Dropout){0}, q, 2, k, v, 2, out, lse);
        const double p = exp(1.0) / (1 + exp(1.0)); /* scores 0 and 1 */
        close_to((double)out[0], 10);
        close_to((double)out[1], 20);
        close_to((double)out[2], 10 * (1 - p) + 30 * p);
        close_to((double)out[3], 20 * (1 - p) + 50 * p);
        close_to((double)lse[1], log(1 + exp(1.0)));
    }
}
END_TEST

/* The exponential of the kernels against the library's, in units of the last place. */
START_TEST(exponential)
{
    double most = 0;
    for (double x = -87; x < 88.7; x += 0.000731) {
        float f = (float)x, got = vmath_exp_f32(f);
        double exact = exp((double)f), ulp = fabs(exact) * ldexp(1, -23) / 2;
        double e = fabs((double)got - exact) / (ulp * 2);
        if (!(e <= most)) most = e;
    }
    ck_assert_msg(most < 1.5, "%g units in the last place", most);
    ck_assert(vmath_exp_f32(-INFINITY) == 0 && vmath_exp_f32(-200) == 0 && isinf(vmath_exp_f32(INFINITY)) && isinf(vmath_exp_f32(100)));
    ck_assert(isnan(vmath_exp_f32(NAN)) && vmath_exp_f32(0) == 1);
    ck_assert(vmath_exp_f32(-100) > 0 && vmath_exp_f32(-100) < 1e-43f); /* denormal */
    printf("exp: at most %.3f units in the last place\n", most);
}
END_TEST

/* Both tails of the normal distribution against the library's erfc in double. */
START_TEST(normal_distribution)
{
    double most = 0, most_pdf = 0;
    for (int i = -1300; i <= 1300; i++) {
        for (int j = 0; j < 50; j++) {
            const float x = (float)i * 0.01f + (float)j * 1.91e-4f;
            float cdf, pdf;
            vmath_normal_f32(x, &cdf, &pdf);
            const double exact = 0.5 * erfc(-(double)x / sqrt(2.0)), density = exp(-0.5 * (double)x * (double)x) / sqrt(2 * acos(-1.0));
            most = fmax(most, fabs((double)cdf - exact) / (double)(nextafterf((float)exact, 2.0f) - (float)exact));
            most_pdf = fmax(most_pdf, fabs((double)pdf - density) / (double)(nextafterf((float)density, 2.0f) - (float)density));
        }
    }
    printf("normal distribution: at most %.2f units in the last place, density %.2f\n", most, most_pdf);
    ck_assert_msg(most < 6 && most_pdf < 4, "off by %g units in the last place, the density by %g", most, most_pdf);
    float cdf, pdf;
    vmath_normal_f32(40.0f, &cdf, &pdf);
    ck_assert(cdf == 1 && pdf < 1e-40f);
    vmath_normal_f32(-40.0f, &cdf, &pdf);
    ck_assert(cdf >= 0 && cdf < 1e-40f);
    vmath_normal_f32(NAN, &cdf, &pdf);
    ck_assert(isnan(cdf) && isnan(pdf));
}
END_TEST

START_TEST(comparison_can_fail)
{
    Twin t = twin(100);
    ck_assert(agree(t, 1e-5));
    t.c[57] += (real)1e-3;
    ck_assert(!agree(t, 1e-5));
    t.c[57] = NAN;
    ck_assert(!agree(t, 1e-5));
}
END_TEST

/* --- op x shape: cpu against ref ------------------------------------------------------------------------------- */

static void gemm_case(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, real beta)
{
    const int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
    Twin A = twin((ta ? k : m) * lda), B = twin((tb ? n : k) * ldb), C = twin(m * ldc);
    ref->gemm(ref, ta, tb, m, n, k, alpha, A.r, lda, B.r, ldb, beta, C.r, ldc);
    be->gemm(be, ta, tb, m, n, k, alpha, A.c, lda, B.c, ldb, beta, C.c, ldc);
    AGREE(C, "gemm ta %d tb %d %lld x %lld x %lld, alpha %g beta %g", ta, tb, (long long)m, (long long)n, (long long)k, (double)alpha,
          (double)beta);
}

START_TEST(gemm)
{
    EACH_BACKEND(be)
    for (int t = 0; t < 4; t++) {
        ArenaMark mark = arena_mark(arena);
        EACH(m, SIZES, N_SIZES) EACH(n, SIZES, N_SIZES) EACH(k, SIZES, N_SIZES) gemm_case(be, t & 1, t & 2, m, n, k, 1, 0);
        gemm_case(be, t & 1, t & 2, 37, 65, 33, (real)-0.7, 1);
        gemm_case(be, t & 1, t & 2, 37, 65, 33, 1, (real)0.3);
        gemm_case(be, t & 1, t & 2, 130, 600, 300, (real)1.5, (real)-0.5); /* more than one block each way */
        gemm_case(be, t & 1, t & 2, 64, 96, 520, 1, 1);
        arena_release(arena, mark);
    }
}
END_TEST

START_TEST(elementwise)
{
    static const int64_t LENGTHS[] = {1, 7, 33, 127, 128, 129, 5000, 40000};
    EACH_BACKEND(be) EACH(n, LENGTHS, 8)
    {
        const Dropout drop = {.p = 0.3, .key = 0x123456789abcdefu, .call = 0x100000002u, .first = 41};
        Twin x = twin(n), d = twin(n), y = twin(n);
#define BOTH(op, ...)                             \
    do {                                          \
        { Backend *b = ref; real *X = x.r, *D = d.r, *Y = y.r; (void)X; (void)D; b->op(b, __VA_ARGS__); } \
        { Backend *b = be; real *X = x.c, *D = d.c, *Y = y.c; (void)X; (void)D; b->op(b, __VA_ARGS__); }  \
        AGREE(y, #op " %lld, %d threads", (long long)n, be->threads);                                    \
    } while (0)
        BOTH(axpy, n, (real)0.3, X, Y);
        BOTH(axpby, n, (real)-0.6, X, (real)0.8, Y);
        BOTH(scale, n, (real)-1.7, Y);
        BOTH(dropout, n, drop, X, Y);
        BOTH(dropout, n, drop, Y, Y);
        BOTH(dropout_acc, n, drop, D, Y);
        BOTH(dropout_acc, n, ((Dropout){0}), D, Y);
        BOTH(relu, n, X, Y);
        BOTH(relu_bwd, n, X, D, Y);
        BOTH(gelu, n, X, Y);
        BOTH(gelu_bwd, n, X, D, Y);
        const double a = ref->sum_squares(ref, n, x.r), b = be->sum_squares(be, n, x.c);
        ck_assert(fabs(a - b) <= 1e-12 * a);
    }
}
END_TEST

START_TEST(dropout_is_what_the_header_says)
{
    const int64_t n = 100003;
    real *one = ARENA_NEW(arena, real, n), *y = ARENA_NEW(arena, real, n), *z = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) one[i] = 1;
    Dropout d = {.p = 0.25, .key = 42, .call = 7};
    cpu[1]->dropout(cpu[1], n, d, one, y);
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        ck_assert(y[i] == 0 || y[i] == (real)(1 / 0.75));
        kept += y[i] != 0;
    }
    ck_assert(fabs((double)kept / (double)n - 0.75) < 0.006);
    const uint32_t counter[4] = {2, 0, 7, 0}, key[2] = {42, 0}; /* elements 16..23 */
    uint32_t word[4];
    philox4x32(counter, key, word);
    for (int i = 0; i < 8; i++) ck_assert((y[16 + i] != 0) == ((word[i / 2] >> (16 * (i % 2)) & 0xffff) >= 16384));
    d.call = 8;
    cpu[1]->dropout(cpu[1], n, d, one, z);
    ck_assert_int_ne(memcmp(y, z, (size_t)n * sizeof *y), 0); /* another call, another mask */
}
END_TEST

START_TEST(rows)
{
    EACH_BACKEND(be) EACH(T, SIZES, N_SIZES) EACH(C, SIZES, N_SIZES)
    {
        const int64_t ld = C + 3;
        Twin x = twin(T * ld), w = twin(C), b = twin(C), y = twin(T * ld), r = twin(T), dy = twin(T * ld), dx = twin(T * ld), dw = twin(C);
        Twin stats = twin(2 * T), db = twin(C), gu = twin(T * 2 * C), dgu = twin(T * 2 * C), small = twin(T * C), ds = twin(T * C);
#define SHAPE "T %lld C %lld, %d threads", (long long)T, (long long)C, be->threads
        const real eps = (real)1e-5;
        ref->add_bias(ref, T, C, x.r, ld, b.r), be->add_bias(be, T, C, x.c, ld, b.c);
        AGREE(x, "add_bias " SHAPE);
        ref->bias_bwd_acc(ref, T, C, dy.r, ld, db.r), be->bias_bwd_acc(be, T, C, dy.c, ld, db.c);
        AGREE(db, "bias_bwd_acc " SHAPE);
        ref->rmsnorm(ref, T, C, x.r, ld, w.r, eps, y.r, ld, r.r), be->rmsnorm(be, T, C, x.c, ld, w.c, eps, y.c, ld, r.c);
        AGREE(y, "rmsnorm " SHAPE);
        AGREE(r, "rmsnorm " SHAPE);
        ref->rmsnorm_bwd_acc(ref, T, C, x.r, ld, w.r, r.r, dy.r, ld, dx.r, ld, dw.r);
        be->rmsnorm_bwd_acc(be, T, C, x.c, ld, w.c, r.c, dy.c, ld, dx.c, ld, dw.c);
        AGREE(dx, "rmsnorm_bwd_acc " SHAPE);
        AGREE(dw, "rmsnorm_bwd_acc " SHAPE);
        ref->rmsnorm_bwd(ref, T, C, x.r, ld, w.r, r.r, dy.r, ld, dx.r, ld, dw.r);
        be->rmsnorm_bwd(be, T, C, x.c, ld, w.c, r.c, dy.c, ld, dy.c, ld, dw.c); /* in place */
        for (int64_t i = 0; i < T; i++) memcpy(dx.c + i * ld, dy.c + i * ld, (size_t)C * sizeof(real));
        AGREE(dx, "rmsnorm_bwd " SHAPE);
        AGREE(dw, "rmsnorm_bwd " SHAPE);
        ref->copy_2d(ref, T, C, x.r, ld, small.r, C), be->copy_2d(be, T, C, x.c, ld, small.c, C);
        AGREE(small, "copy_2d " SHAPE);
        ref->layernorm(ref, T, C, small.r, w.r, b.r, eps, ds.r, stats.r), be->layernorm(be, T, C, small.c, w.c, b.c, eps, ds.c, stats.c);
        if (C > 1) AGREE(ds, "layernorm " SHAPE); /* of one element: 0 times a rounding error */
        Twin dl = twin(T * C), dlx = twin(T * C);
        memcpy(stats.c, stats.r, (size_t)(2 * T) * sizeof(real));
        ref->layernorm_bwd(ref, T, C, small.r, w.r, stats.r, dl.r, dlx.r, dw.r, db.r);
        be->layernorm_bwd(be, T, C, small.c, w.c, stats.c, dl.c, dlx.c, dw.c, db.c);
        if (C > 1) AGREE(dlx, "layernorm_bwd " SHAPE);
        AGREE(dw, "layernorm_bwd " SHAPE);
        AGREE(db, "layernorm_bwd " SHAPE);
        ref->swiglu(ref, T, C, gu.r, ds.r), be->swiglu(be, T, C, gu.c, ds.c);
        AGREE(ds, "swiglu " SHAPE);
        ref->swiglu_bwd(ref, T, C, gu.r, dl.r, dgu.r), be->swiglu_bwd(be, T, C, gu.c, dl.c, dgu.c);
        AGREE(dgu, "swiglu_bwd " SHAPE);
    }
}
END_TEST

START_TEST(tables)
{
    EACH_BACKEND(be) EACH(T, SIZES, N_SIZES) EACH(C, SIZES, N_SIZES)
    {
        const int64_t n_rows = 11;
        Rng g = rng_make(6, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)(T * 1000 + C));
        int32_t *id = ARENA_NEW(arena, int32_t, T), *row = ARENA_NEW(arena, int32_t, T);
        for (int64_t i = 0; i < T; i++) id[i] = (int32_t)rng_below(&g, (uint64_t)n_rows); /* many repeats */
        for (int64_t i = 0; i < T; i++) row[i] = (int32_t)(2 * i);
        Twin table = twin(n_rows * C), y = twin(T * C), wide = twin(2 * T * C);
        ref->embed(ref, T, C, id, table.r, (real)1.5, y.r), be->embed(be, T, C, id, table.c, (real)1.5, y.c);
        AGREE(y, "embed " SHAPE);
        ref->embed_bwd_acc(ref, T, C, id, y.r, (real)0.5, table.r), be->embed_bwd_acc(be, T, C, id, y.c, (real)0.5, table.c);
        AGREE(table, "embed_bwd_acc " SHAPE);
        ref->scatter_rows_acc(ref, T, C, row, y.r, wide.r), be->scatter_rows_acc(be, T, C, row, y.c, wide.c);
        AGREE(wide, "scatter_rows_acc " SHAPE);
        ref->gather_rows(ref, T, C, row, wide.r, y.r), be->gather_rows(be, T, C, row, wide.c, y.c);
        AGREE(y, "gather_rows " SHAPE);
    }
}
END_TEST

static Packed pack(int64_t B, const int64_t *len)
{
    int32_t *offset = ARENA_NEW(arena, int32_t, B + 1);
    Packed pk = {.B = B, .offset = offset, .h_offset = offset};
    for (int64_t b = 0; b < B; b++) {
        offset[b + 1] = offset[b] + (int32_t)len[b];
        if (len[b] > pk.max_len) pk.max_len = len[b];
    }
    pk.T = offset[B];
    int32_t *pos = ARENA_NEW(arena, int32_t, pk.T);
    for (int64_t b = 0; b < B; b++) {
        for (int32_t t = offset[b]; t < offset[b + 1]; t++) pos[t] = t - offset[b];
    }
    pk.pos = pos;
    return pk;
}

static void attention_case(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, Dropout drop)
{
    const int64_t T = pk->T, ld = (H + 2 * Hkv) * D + 5, HD = H * D, kv = Hkv * D;
    const real scale = (real)(1 / sqrt((double)D));
    Twin x = twin(T * ld), out = twin(T * HD), lse = twin(T * H), dout = twin(T * HD), dx = twin(T * ld);
    ref->rope(ref, T, H + Hkv, D, pk->pos, 10000, 1, x.r, ld), be->rope(be, T, H + Hkv, D, pk->pos, 10000, 1, x.c, ld);
    AGREE(x, "rope H %lld D %lld", (long long)H, (long long)D);
    ref->attention(ref, pk, H, Hkv, D, scale, drop, x.r, ld, x.r + HD, x.r + HD + kv, ld, out.r, lse.r);
    be->attention(be, pk, H, Hkv, D, scale, drop, x.c, ld, x.c + HD, x.c + HD + kv, ld, out.c, lse.c);
    AGREE(out, "attention H %lld/%lld D %lld p %g, %d threads", (long long)H, (long long)Hkv, (long long)D, drop.p, be->threads);
    AGREE(lse, "attention H %lld/%lld D %lld", (long long)H, (long long)Hkv, (long long)D);
    ref->attention_bwd(ref, pk, H, Hkv, D, scale, drop, x.r, ld, x.r + HD, x.r + HD + kv, ld, out.r, lse.r, dout.r, dx.r, ld, dx.r + HD,
                       dx.r + HD + kv, ld);
    be->attention_bwd(be, pk, H, Hkv, D, scale, drop, x.c, ld, x.c + HD, x.c + HD + kv, ld, out.c, lse.c, dout.c, dx.c, ld, dx.c + HD,
                      dx.c + HD + kv, ld);
    AGREE(dx, "attention_bwd H %lld/%lld D %lld p %g, %d threads", (long long)H, (long long)Hkv, (long long)D, drop.p, be->threads);
    ref->rope(ref, T, H, D, pk->pos, 10000, -1, dx.r, ld), be->rope(be, T, H, D, pk->pos, 10000, -1, dx.c, ld);
    AGREE(dx, "rope backwards H %lld D %lld", (long long)H, (long long)D);
}

START_TEST(attention)
{
    static const struct { int64_t H, Hkv, D; } HEADS[] = {{1, 1, 2}, {4, 2, 6}, {6, 3, 10}, {4, 1, 32}, {4, 4, 32}, {2, 2, 64}, {1, 1, 300}};
    const Packed one = pack(1, (int64_t[]){1}), some = pack(5, (int64_t[]){7, 1, 33, 70, 2}), many = pack(3, (int64_t[]){130, 64, 16});
    EACH_BACKEND(be)
    for (int h = 0; h < 7; h++) {
        ArenaMark mark = arena_mark(arena);
        attention_case(be, &one, HEADS[h].H, HEADS[h].Hkv, HEADS[h].D, (Dropout){0});
        attention_case(be, &some, HEADS[h].H, HEADS[h].Hkv, HEADS[h].D, (Dropout){0});
        attention_case(be, &some, HEADS[h].H, HEADS[h].Hkv, HEADS[h].D, (Dropout){.p = 0.2, .key = 3, .call = 1, .first = 5});
        attention_case(be, &many, HEADS[h].H, HEADS[h].Hkv, HEADS[h].D, (Dropout){0});
        arena_release(arena, mark);
    }
}
END_TEST

START_TEST(attention_decode)
{
    static const struct { int64_t H, Hkv, D, n_suf, S; } CASES[] = {{1, 1, 2, 0, 0}, {4, 2, 6, 1, 1}, {6, 3, 10, 2, 4}, {4, 4, 32, 3, 3}, {1, 1, 300, 1, 2}};
    const int32_t offset[] = {0, 5, 6, 70, 103}, owner[] = {0, 0, 0, 1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    EACH_BACKEND(be)
    for (int i = 0; i < 5; i++) {
        const int64_t H = CASES[i].H, Hkv = CASES[i].Hkv, D = CASES[i].D, S = CASES[i].S, n = CASES[i].n_suf, R = 24, w = Hkv * D;
        Twin q = twin(R * (H * D + 3)), k = twin(103 * w), v = twin(103 * w), sk = twin(R * S * w + 1), sv = twin(R * S * w + 1), out = twin(R * H * D);
        ref->attention_decode(ref, R, H, Hkv, D, (real)0.3, q.r, H * D + 3, owner, offset, k.r, v.r, S, n, sk.r, sv.r, out.r);
        be->attention_decode(be, R, H, Hkv, D, (real)0.3, q.c, H * D + 3, owner, offset, k.c, v.c, S, n, sk.c, sv.c, out.c);
        AGREE(out, "attention_decode case %d, %d threads", i, be->threads);
    }
}
END_TEST

START_TEST(softmax_loss)
{
    EACH_BACKEND(be) EACH(n, SIZES, N_SIZES) EACH(V, SIZES, N_SIZES)
    for (int mode = 0; mode < 4; mode++) { /* bit 0: ranges, bit 1: allowed */
        Rng g = rng_make(7, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)(n * 1000 + V * 4 + mode));
        int32_t *target = ARENA_NEW(arena, int32_t, n), *range = ARENA_NEW(arena, int32_t, 2 * n);
        uint8_t *allowed = ARENA_NEW(arena, uint8_t, n * V);
        for (int64_t i = 0; i < n; i++) {
            target[i] = (int32_t)rng_below(&g, (uint64_t)V);
            range[2 * i] = (int32_t)rng_below(&g, (uint64_t)target[i] + 1);
            range[2 * i + 1] = target[i] + 1 + (int32_t)rng_below(&g, (uint64_t)(V - target[i]));
            for (int64_t v = 0; v < V; v++) allowed[i * V + v] = v == target[i] || rng_below(&g, 3) == 0;
            if (rng_below(&g, 4) == 0) target[i] = TARGET_IGNORED;
        }
        const int32_t *ranges = mode & 1 ? range : NULL;
        const uint8_t *mask = mode & 2 ? allowed : NULL;
        const int64_t ld = V + 2;
        Twin x = twin(n * ld), both = twin(2 * n), weight = twin(n); /* both: logp, then lse, which gives the scale of the rounding */
        for (int64_t i = 0; i < x.n; i++) x.r[i] = x.c[i] = 10 * x.r[i];
        ref->xent(ref, n, V, x.r, ld, target, ranges, mask, both.r, both.r + n);
        be->xent(be, n, V, x.c, ld, target, ranges, mask, both.c, both.c + n);
        AGREE(both, "xent %lld x %lld mode %d", (long long)n, (long long)V, mode);
        ref->xent_bwd(ref, n, V, x.r, ld, target, ranges, mask, both.r + n, weight.r);
        be->xent_bwd(be, n, V, x.c, ld, target, ranges, mask, both.r + n, weight.c);
        for (int64_t i = 0; i < n; i++) x.r[i * ld + V] = x.r[i * ld + V + 1] = x.c[i * ld + V] = x.c[i * ld + V + 1] = 0; /* outside */
        AGREE(x, "xent_bwd %lld x %lld mode %d, %d threads", (long long)n, (long long)V, mode, be->threads);
    }
}
END_TEST

START_TEST(adamw)
{
    static const int64_t LENGTHS[] = {1, 7, 33, 20000};
    EACH_BACKEND(be) EACH(n, LENGTHS, 4)
    {
        Twin p = twin(n), g = twin(n), m = twin(n), v = twin(n);
        for (int64_t i = 0; i < n; i++) v.r[i] = v.c[i] = v.r[i] * v.r[i];
        ref->adamw(ref, n, p.r, g.r, m.r, v.r, 0.7, 1e-2, 0.9, 0.999, 1e-8, 0.1, 0.19, 0.002);
        be->adamw(be, n, p.c, g.c, m.c, v.c, 0.7, 1e-2, 0.9, 0.999, 1e-8, 0.1, 0.19, 0.002);
        AGREE(p, "adamw %lld", (long long)n);
        AGREE(m, "adamw %lld", (long long)n);
        AGREE(v, "adamw %lld", (long long)n);
    }
}
END_TEST

START_TEST(same_bytes_twice)
{
    for (int i = 0; i < 3; i++) {
        const int64_t T = 130, C = 66;
        real *first = NULL;
        for (int run = 0; run < 2; run++) {
            Backend *be = backend_cpu(i + 1);
            real *x = ARENA_NEW(arena, real, T * C), *w = ARENA_NEW(arena, real, C), *r = ARENA_NEW(arena, real, T);
            Rng g = rng_make(8, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
            for (int64_t j = 0; j < T * C; j++) x[j] = (real)rng_normal(&g);
            for (int64_t j = 0; j < C; j++) w[j] = (real)rng_normal(&g);
            real *y = ARENA_NEW(arena, real, 4 * T * C + C * C), *dw = y + 3 * T * C;
            be->rmsnorm(be, T, C, x, C, w, (real)1e-6, y, C, r);
            be->rmsnorm_bwd(be, T, C, x, C, w, r, y, C, y + T * C, C, dw);
            be->gemm(be, true, false, C, C, T, 1, x, C, y, C, 0, y + 4 * T * C, C);
            be->destroy(be);
            if (run == 0) first = y;
            else ck_assert_int_eq(memcmp(first, y, (size_t)(4 * T * C + C * C) * sizeof(real)), 0);
        }
    }
}
END_TEST

START_TEST(opening)
{
    Backend *be;
    ck_assert_int_eq(backend_open("cpu", 2, &be), OK);
    ck_assert_str_eq(be->name, "cpu");
    ck_assert_int_eq(be->threads, 2);
    be->destroy(be);
    ck_assert_int_eq(backend_open("tpu", 0, &be), E_USAGE);
    ck_assert_ptr_null(be);
}
END_TEST

static void say_worst(void)
{
    if (worst > 0) printf("largest error against ref, relative to the largest element: %.2g\n", worst);
    teardown();
}

int main(void)
{
    Suite *s = suite_create("tensor");
    TCase *hand = tcase_create("by hand"), *table = tcase_create("cpu against ref");
    tcase_add_checked_fixture(hand, setup, teardown);
    tcase_add_checked_fixture(table, setup, say_worst);
    tcase_set_timeout(table, 120);
    tcase_set_timeout(hand, 60);
    const TTest *by_hand_tests[] = {by_hand, attention_by_hand, exponential, normal_distribution, comparison_can_fail, dropout_is_what_the_header_says, opening,
                                    same_bytes_twice};
    const TTest *table_tests[] = {gemm, elementwise, rows, tables, attention, attention_decode, softmax_loss, adamw};
    for (size_t i = 0; i < sizeof by_hand_tests / sizeof *by_hand_tests; i++) tcase_add_test(hand, by_hand_tests[i]);
    for (size_t i = 0; i < sizeof table_tests / sizeof *table_tests; i++) tcase_add_test(table, table_tests[i]);
    suite_add_tcase(s, hand);
    suite_add_tcase(s, table);
    return suite_run(s);
}
