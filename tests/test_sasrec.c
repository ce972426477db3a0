/* tests/test_sasrec.c -- SASRec, GRU4Rec and the tiled full-softmax loss in float: hand-worked cases and properties. Gradients: grad_sasrec.c, grad_gru.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "nn/gru.h"
#include "nn/sasrec.h"
#include "suite.h"
#include "tensor/vmath.h"

enum { N = 33, MAX_T = 40 };
static const int64_t LENGTH[] = {7, 1, 12, 3, 7};
enum { SEQUENCES = 5 };

static Backend *open_backend(const char *name)
{
    Backend *be;
    ck_assert_int_eq(backend_open(name, 2, &be), OK);
    return be;
}

/* kind 0: SASRec; 1: GRU4Rec tied; 2: GRU4Rec with a dense output */
static SeqModel *make(Backend *be, int kind, uint64_t seed)
{
    if (kind == 0) {
        const SasrecConfig c = {.N = N, .C = 12, .L = 2, .H = 3, .F = 20, .max_len = 12, .ln_eps = 1e-8, .scale_embedding = true, .gelu = true};
        SeqModel *m = sasrec_create(be, &c, MAX_T, true);
        sasrec_init(m, seed);
        return m;
    }
    const GruConfig c = {.N = N, .E = 12, .C = kind == 2 ? 17 : 12, .dense = kind == 2, .max_len = 12};
    SeqModel *m = gru_create(be, &c, MAX_T, true);
    gru_init(m, seed);
    return m;
}

static SeqBatch *fill(Backend *be, Arena *a)
{
    Rng r = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    SeqBatch *b = seqbatch_create(be, a, MAX_T);
    seqbatch_clear(b);
    for (int s = 0; s < SEQUENCES; s++) {
        int32_t item[16], target[16];
        for (int64_t i = 0; i < LENGTH[s]; i++) {
            item[i] = (int32_t)rng_below(&r, N);
            target[i] = rng_below(&r, 4) == 0 ? TARGET_IGNORED : (int32_t)rng_below(&r, N);
        }
        seqbatch_add(b, LENGTH[s], item, target);
    }
    return b;
}

static double largest_difference(const real *a, const real *b, int64_t n)
{
    double d = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)a[i] - (double)b[i]);
        if (!(e <= d)) d = e; /* NaN too */
    }
    return d;
}

START_TEST(without_blocks_by_hand)
{
    /* L = 0, C = 2: x = E[i] * sqrt(2) + P[pos]; a layer norm of two numbers (u, v) is (+-1, -+1) * |u-v| / sqrt((u-v)^2 + 4 eps) */
    Backend *be = open_backend("ref");
    const SasrecConfig c = {.N = 3, .C = 2, .L = 0, .H = 1, .F = 1, .max_len = 2, .ln_eps = 0.25, .scale_embedding = true};
    SeqModel *m = sasrec_create(be, &c, 3, false);
    const real emb[] = {1, (real)0.5, -2, 0, (real)0.25, 3}, pos[] = {(real)0.1, 0, 0, (real)0.7};
    memcpy(params_value(m->params, params_find(m->params, "item_emb.weight")), emb, sizeof emb);
    memcpy(params_value(m->params, params_find(m->params, "pos_emb.weight")), pos, sizeof pos);
    params_fill(m->params, params_find(m->params, "final_ln.weight"), 2);
    params_fill(m->params, params_find(m->params, "final_ln.bias"), (real)0.5);
    Arena *a = arena_create("test");
    SeqBatch *b = seqbatch_create(be, a, 3);
    seqbatch_clear(b);
    seqbatch_add(b, 2, (const int32_t[]){0, 2}, NULL);
    seqbatch_add(b, 1, (const int32_t[]){1}, NULL); /* position 0 again */
    const real *out = m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0});
    const double difference[] = {sqrt(2) * 0.5 + 0.1, sqrt(2) * (0.25 - 3) - 0.7, sqrt(2) * -2 + 0.1};
    for (int t = 0; t < 3; t++) {
        const double y = difference[t] / sqrt(difference[t] * difference[t] + 4 * 0.25);
        ck_assert_double_eq_tol((double)out[2 * t], 2 * y + 0.5, 1e-6);
        ck_assert_double_eq_tol((double)out[2 * t + 1], -2 * y + 0.5, 1e-6);
    }
    seqbatch_destroy(b);
    seqmodel_destroy(m);
    arena_destroy(a);
    be->destroy(be);
}
END_TEST

START_TEST(one_gru_step_by_hand)
{
    Backend *be = open_backend("ref");
    const GruConfig c = {.N = 2, .E = 1, .C = 1, .max_len = 2};
    SeqModel *m = gru_create(be, &c, 2, false);
    const struct { const char *name; real value[3]; int n; } weight[] = {{"item_emb.weight", {(real)0.8, (real)-1.5}, 2}, {"gru.weight_ih_l0", {(real)0.3, (real)-0.6, (real)1.1}, 3},
        {"gru.weight_hh_l0", {(real)0.9, (real)0.2, (real)-0.7}, 3}, {"gru.bias_ih_l0", {(real)0.05, (real)-0.1, (real)0.2}, 3}, {"gru.bias_hh_l0", {(real)0.15, (real)0.25, (real)-0.35}, 3}};
    for (size_t i = 0; i < sizeof weight / sizeof *weight; i++)
        memcpy(params_value(m->params, params_find(m->params, weight[i].name)), weight[i].value, (size_t)weight[i].n * sizeof(real));
    Arena *a = arena_create("test");
    SeqBatch *b = seqbatch_create(be, a, 2);
    seqbatch_clear(b);
    seqbatch_add(b, 2, (const int32_t[]){0, 1}, NULL);
    const real *out = m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0});
    double h = 0;
    const double x[] = {0.8, -1.5};
    for (int t = 0; t < 2; t++) {
        const double r = 1 / (1 + exp(-(0.3 * x[t] + 0.05 + 0.9 * h + 0.15))), z = 1 / (1 + exp(-(-0.6 * x[t] - 0.1 + 0.2 * h + 0.25)));
        const double n = tanh(1.1 * x[t] + 0.2 + r * (-0.7 * h - 0.35));
        h = (1 - z) * n + z * h;
        ck_assert_double_eq_tol((double)out[t], h, 1e-6);
    }
    seqbatch_destroy(b);
    seqmodel_destroy(m);
    arena_destroy(a);
    be->destroy(be);
}
END_TEST

/* Packed together or each on its own: the same outputs, so nothing leaks and positions restart. */
START_TEST(packing_changes_nothing)
{
    Backend *be = open_backend("cpu");
    SeqModel *m = make(be, _i, 3);
    Arena *a = arena_create("test");
    SeqBatch *b = fill(be, a), *one = seqbatch_create(be, a, MAX_T);
    real *all = ARENA_NEW(a, real, b->T * m->C);
    memcpy(all, m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0}), (size_t)(b->T * m->C) * sizeof(real));
    for (int s = 0; s < SEQUENCES; s++) {
        seqbatch_clear(one);
        seqbatch_add(one, LENGTH[s], b->item + b->offset[s], NULL);
        const real *out = m->forward(m->self, seqbatch_packed(one), one->item, (Dropout){0});
        ck_assert_double_le(largest_difference(out, all + b->offset[s] * m->C, LENGTH[s] * m->C), 2e-6);
    }
    seqbatch_destroy(b);
    seqbatch_destroy(one);
    seqmodel_destroy(m);
    arena_destroy(a);
    be->destroy(be);
}
END_TEST

START_TEST(the_future_is_not_seen)
{
    Backend *be = open_backend("cpu");
    SeqModel *m = make(be, _i, 3);
    Arena *a = arena_create("test");
    SeqBatch *b = fill(be, a);
    real *before = ARENA_NEW(a, real, b->T * m->C);
    memcpy(before, m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0}), (size_t)(b->T * m->C) * sizeof(real));
    const int64_t changed = b->offset[2] + 5; /* position 5 of the third sequence */
    b->item[changed] = (b->item[changed] + 1) % N;
    const real *out = m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0});
    for (int64_t t = 0; t < b->T; t++) {
        const bool sees = t >= changed && t < b->offset[3];
        const double d = largest_difference(out + t * m->C, before + t * m->C, m->C);
        if (sees) ck_assert_double_gt(d, 1e-6);
        else ck_assert_double_eq(d, 0);
    }
    seqbatch_destroy(b);
    seqmodel_destroy(m);
    arena_destroy(a);
    be->destroy(be);
}
END_TEST

/* Output, loss and all gradients under dropout: cpu as ref. */
START_TEST(cpu_agrees_with_ref)
{
    Arena *a = arena_create("test");
    real *grad[2], *out[2], *logp[2];
    int64_t count = 0, cells = 0;
    for (int k = 0; k < 2; k++) {
        Backend *be = open_backend(k == 0 ? "ref" : "cpu");
        SeqModel *m = make(be, _i, 3);
        SeqBatch *b = fill(be, a);
        SeqLoss *l = seqloss_create(be, N, m->C, MAX_T, 0);
        count = m->params->count;
        cells = b->T * m->C;
        real *dout = be->alloc(be, (size_t)cells * sizeof(real));
        out[k] = ARENA_NEW(a, real, cells);
        logp[k] = ARENA_NEW(a, real, b->T);
        grad[k] = ARENA_NEW(a, real, count);
        const real *o = m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){.p = 0.4, .key = 99, .call = 128});
        memcpy(out[k], o, (size_t)cells * sizeof(real));
        ck_assert_int_eq(seqloss_run(l, b->T, o, b->target, params_value(m->params, m->item_emb), 0.1, dout, params_grad(m->params, m->item_emb), logp[k]), OK);
        m->backward(m->self, dout);
        memcpy(grad[k], m->params->grad, (size_t)count * sizeof(real));
        if (k == 1) {
            ck_assert_double_le(largest_difference(out[0], out[1], cells), 1e-5);
            ck_assert_double_le(largest_difference(logp[0], logp[1], b->T), 1e-5);
            ck_assert_double_le(largest_difference(grad[0], grad[1], count), 1e-5);
            double norm = 0;
            for (int64_t i = 0; i < count; i++) norm += (double)grad[1][i] * (double)grad[1][i];
            ck_assert_double_gt(norm, 1e-4); /* there was something to compare */
        }
        be->release(be, dout);
        seqloss_destroy(l);
        seqbatch_destroy(b);
        seqmodel_destroy(m);
        be->destroy(be);
    }
    arena_destroy(a);
}
END_TEST

START_TEST(dropout_is_a_function_of_its_call)
{
    Backend *be = open_backend("cpu");
    SeqModel *m = make(be, _i, 3);
    Arena *a = arena_create("test");
    SeqBatch *b = fill(be, a);
    const int64_t cells = b->T * m->C;
    real *first = ARENA_NEW(a, real, cells);
    const Dropout d = {.p = 0.5, .key = 7, .call = SEQMODEL_CALLS}, next = {.p = 0.5, .key = 7, .call = 2 * SEQMODEL_CALLS};
    memcpy(first, m->forward(m->self, seqbatch_packed(b), b->item, d), (size_t)cells * sizeof(real));
    ck_assert_double_gt(largest_difference(m->forward(m->self, seqbatch_packed(b), b->item, next), first, cells), 0.1);
    ck_assert_int_eq(memcmp(m->forward(m->self, seqbatch_packed(b), b->item, d), first, (size_t)cells * sizeof(real)), 0);
    seqbatch_destroy(b);
    seqmodel_destroy(m);
    arena_destroy(a);
    be->destroy(be);
}
END_TEST

START_TEST(initialisation_follows_the_seed)
{
    Backend *be = open_backend("cpu");
    SeqModel *m[3] = {make(be, _i, 3), make(be, _i, 3), make(be, _i, 4)};
    const size_t bytes = (size_t)m[0]->params->count * sizeof(real);
    ck_assert_int_eq(memcmp(m[0]->params->value, m[1]->params->value, bytes), 0);
    ck_assert_int_ne(memcmp(m[0]->params->value, m[2]->params->value, bytes), 0);
    for (int k = 0; k < 3; k++) seqmodel_destroy(m[k]);
    be->destroy(be);
}
END_TEST

/* What loss_in_bfloat16 expects of row t; its gradients are added. */
static void expect_row(int64_t M, int64_t C, const real *out, const real *emb, int32_t target, double weight, double *logp, double *dout, double *demb)
{
    double s[1043], sum = 0;
    for (int64_t i = 0; i < M; i++) {
        s[i] = 0;
        for (int64_t c = 0; c < C; c++) s[i] += (double)out[c] * (double)emb[i * C + c];
        sum += exp(s[i]);
    }
    *logp = s[target] - log(sum);
    for (int64_t i = 0; i < M; i++) {
        const double ds = weight * (exp(s[i]) / sum - (i == target));
        for (int64_t c = 0; c < C; c++) {
            dout[c] += ds * (double)emb[i * C + c];
            demb[i * C + c] += ds * (double)out[c];
        }
    }
}

/* The loss in bfloat16 against double precision on factors that bfloat16 holds exactly, for more than one chunk of rows and odd sizes; the same bytes from one
 * and three threads; rows without a target; NaN is found. Skipped where there are no such products. */
START_TEST(loss_in_bfloat16)
{
    enum { T = 300, C = 64, M = 1043 };
    Rng r = rng_make(9, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    static real dout[2][T * C], demb[2][M * C];
    static double want_dout[T * C], want_demb[M * C];
    real logp[2][T];
    int32_t target[T];
    for (int k = 0; k < 2; k++) {
        Backend *be = backend_cpu(k == 0 ? 1 : 3);
        if (backend_set_precision(be, "bf16") != OK) {
            be->destroy(be);
            return;
        }
        real *out = be->alloc(be, sizeof(real) * T * C), *emb = be->alloc(be, sizeof(real) * M * C);
        for (int i = 0; k == 0 && i < T; i++) target[i] = i % 7 == 3 ? TARGET_IGNORED : (int32_t)rng_below(&r, M);
        r = rng_make(10, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
        for (int i = 0; i < T * C; i++) out[i] = (real)round(32 * rng_normal(&r)) / 64;
        for (int i = 0; i < M * C; i++) emb[i] = (real)round(32 * rng_normal(&r)) / 64;
        SeqLoss *l = seqloss_create(be, M, C, T, 0);
        for (int again = 0; again < 2; again++) { /* what the first call leaves behind does no harm */
            for (int i = 0; i < M * C; i++) demb[k][i] = (real)0.25;
            ck_assert_int_eq(seqloss_run(l, T, out, target, emb, 0.5, dout[k], demb[k], logp[k]), OK);
        }
        for (int t = 0; k == 0 && t < T; t++) {
            double want = 0;
            if (target[t] != TARGET_IGNORED) expect_row(M, C, out + t * C, emb, target[t], 0.5, &want, want_dout + t * C, want_demb);
            ck_assert_double_eq_tol((double)logp[0][t], want, 3e-5);
        }
        out[2] = (real)NAN;
        ck_assert_int_eq(seqloss_run(l, T, out, target, emb, 0.5, NULL, NULL, logp[k]), E_NUMERIC);
        seqloss_destroy(l);
        be->release(be, out);
        be->release(be, emb);
        be->destroy(be);
    }
    double worst = 0;
    for (int i = 0; i < T * C; i++) worst = fmax(worst, fabs((double)dout[0][i] - want_dout[i]));
    for (int i = 0; i < M * C; i++) worst = fmax(worst, fabs((double)demb[0][i] - 0.25 - want_demb[i]));
    ck_assert_msg(worst < 2e-3, "off by %g", worst); /* 2^-9 of a gradient of at most 0.5 times factors of about 0.5 */
    ck_assert_int_eq(memcmp(dout[0], dout[1], sizeof dout[0]), 0);
    ck_assert_int_eq(memcmp(demb[0], demb[1], sizeof demb[0]), 0);
}
END_TEST

/* Sigmoid and tanh against the library's in double: both tails, and tanh around 0 and where its two formulas meet. */
START_TEST(sigmoid_and_tanh)
{
    double most = 0, most_tanh = 0;
    for (double x = -80; x < 80; x += 0.000731) {
        const float f = (float)x, s = vmath_sigmoid(f), small = f / 64;
        const double exact = 1 / (1 + exp(-(double)f)), bent = tanh((double)small);
        most = fmax(most, fabs((double)s - exact) / (double)(nextafterf((float)exact, 2.0f) - (float)exact));
        const float size = fabsf((float)bent);
        most_tanh = fmax(most_tanh, fabs((double)vmath_tanh_f32(small) - bent) / (double)(nextafterf(size, 2.0f) - size));
        most_tanh = fmax(most_tanh, fabs((double)vmath_tanh_f32(f) - tanh((double)f)) / ldexp(1, -24) * (fabs(x) > 0.6 ? 1 : 0));
    }
    printf("sigmoid: at most %.2f units in the last place, tanh %.2f\n", most, most_tanh);
    ck_assert_msg(most < 3.5 && most_tanh < 3.5, "sigmoid off by %g units in the last place, tanh by %g", most, most_tanh);
    ck_assert(vmath_tanh_f32(INFINITY) == 1 && vmath_tanh_f32(-INFINITY) == -1 && vmath_tanh_f32(0) == 0 && vmath_tanh_f32(1e-30f) == 1e-30f);
    ck_assert(vmath_sigmoid(200.0f) == 1 && vmath_sigmoid(-200.0f) == 0 && vmath_sigmoid(0.0f) == 0.5f);
    ck_assert(isnan(vmath_tanh_f32(NAN)) && isnan(vmath_sigmoid((float)NAN)));
}
END_TEST

/* The tiled loss against a plain double-precision softmax, for tiles of 1, 7 and all rows; gradients of the output and of the embedding. */
START_TEST(loss_in_tiles)
{
    enum { T = 19, C = 5 };
    const int64_t tile[] = {1, 7, T, 0};
    Backend *be = open_backend("cpu");
    Rng r = rng_make(8, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    real *out = be->alloc(be, sizeof(real) * T * C), *emb = be->alloc(be, sizeof(real) * N * C), *dout = be->alloc(be, sizeof(real) * T * C),
         *demb = be->alloc(be, sizeof(real) * N * C);
    int32_t target[T];
    real logp[T];
    static double want_dout[T][C], want_demb[N][C];
    memset(want_dout, 0, sizeof want_dout);
    for (int i = 0; i < T * C; i++) out[i] = (real)(1.5 * rng_normal(&r));
    for (int i = 0; i < N * C; i++) emb[i] = (real)(1.5 * rng_normal(&r));
    for (int i = 0; i < N * C; i++) want_demb[i / C][i % C] = 0.25; /* what was there before is kept */
    for (int t = 0; t < T; t++) target[t] = t % 5 == 3 ? TARGET_IGNORED : (int32_t)rng_below(&r, N);
    double want_logp[T] = {0};
    for (int t = 0; t < T; t++) {
        if (target[t] == TARGET_IGNORED) continue;
        double s[N], sum = 0;
        for (int i = 0; i < N; i++) {
            s[i] = 0;
            for (int c = 0; c < C; c++) s[i] += (double)out[t * C + c] * (double)emb[i * C + c];
            sum += exp(s[i]);
        }
        want_logp[t] = s[target[t]] - log(sum);
        for (int i = 0; i < N; i++) {
            const double ds = 0.3 * (exp(s[i]) / sum - (i == target[t]));
            for (int c = 0; c < C; c++) {
                want_dout[t][c] += ds * (double)emb[i * C + c];
                want_demb[i][c] += ds * (double)out[t * C + c];
            }
        }
    }
    SeqLoss *l = seqloss_create(be, N, C, T, tile[_i]);
    ck_assert_int_le(seqloss_tile(l), T);
    for (int i = 0; i < N * C; i++) demb[i] = (real)0.25;
    ck_assert_int_eq(seqloss_run(l, T, out, target, emb, 0.3, dout, demb, logp), OK);
    for (int t = 0; t < T; t++) ck_assert_double_eq_tol((double)logp[t], want_logp[t], 1e-5);
    for (int i = 0; i < T * C; i++) ck_assert_double_eq_tol((double)dout[i], want_dout[i / C][i % C], 1e-5);
    for (int i = 0; i < N * C; i++) ck_assert_double_eq_tol((double)demb[i], want_demb[i / C][i % C], 1e-5);
    out[2] = (real)NAN;
    ck_assert_int_eq(seqloss_run(l, T, out, target, emb, 0.3, NULL, NULL, logp), E_NUMERIC);
    seqloss_destroy(l);
    be->release(be, out);
    be->release(be, emb);
    be->release(be, dout);
    be->release(be, demb);
    be->destroy(be);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sasrec");
    TCase *t = tcase_create("models");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, without_blocks_by_hand);
    tcase_add_test(t, one_gru_step_by_hand);
    tcase_add_loop_test(t, packing_changes_nothing, 0, 3);
    tcase_add_loop_test(t, the_future_is_not_seen, 0, 3);
    tcase_add_loop_test(t, cpu_agrees_with_ref, 0, 3);
    tcase_add_loop_test(t, dropout_is_a_function_of_its_call, 0, 3);
    tcase_add_loop_test(t, initialisation_follows_the_seed, 0, 3);
    tcase_add_test(t, sigmoid_and_tanh);
    tcase_add_test(t, loss_in_bfloat16);
    tcase_add_loop_test(t, loss_in_tiles, 0, 4);
    suite_add_tcase(s, t);
    return suite_run(s);
}
