/* tests/grad_tensor.c -- gradient checks in double of every op that has a backward pass, on ref and cpu.
 *
 * loss = <w, op(x)> with fixed random w; central differences with h = 1e-5; every element must agree to 1e-6 of the largest. Each op is run
 * a second time with a mistake planted in its gradient (said beside it), which the check must find.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "tensor/backend.h"
#include "suite.h"

enum { T = 7, C = 5, V = 6, ROWS = 4, HEADS = 4, KV = 2, D = 6, WIDTH = (HEADS + 2 * KV) * D };

static Arena *arena;
static Backend *be;

/* One op: x has n_in elements, forward fills n_out of y; backward turns dy into dx (both as laid out in x). */
typedef struct Op {
    const char *name, *mistake;
    int64_t n_in, n_out;
    void (*forward)(const real *x, real *y);
    void (*backward)(const real *x, const real *dy, real *dx, bool broken);
} Op;

static const int32_t IDS[T] = {2, 0, 2, 3, 1, 2, 0}, POS[T] = {0, 1, 2, 0, 0, 1, 2}, OFFSET[] = {0, 3, 4, 7}, PICK[3] = {5, 0, 3};
static const Packed PACK = {3, T, 3, OFFSET, POS, OFFSET};
static const Dropout DROP = {.p = 0.3, .key = 99, .call = 5};

static real *new_real(int64_t n) { return ARENA_NEW(arena, real, n); }

/* x = A (T,C), W (V,C): y = 1.5 A W^T */
static void linear(const real *x, real *y) { be->gemm(be, false, true, T, V, C, (real)1.5, x, C, x + T * C, C, 0, y, V); }
static void linear_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    be->gemm(be, false, false, T, C, V, (real)1.5, dy, V, x + T * C, C, 0, dx, C);
    be->gemm(be, true, false, V, C, T, broken ? 1 : (real)1.5, dy, V, x, C, 1, dx + T * C, C);
}

/* x = X (T,C), b (C) */
static void bias(const real *x, real *y)
{
    memcpy(y, x, T * C * sizeof(real));
    be->add_bias(be, T, C, y, C, x + T * C);
}
static void bias_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    (void)x;
    memcpy(dx, dy, T * C * sizeof(real));
    be->bias_bwd_acc(be, broken ? T - 1 : T, C, dy, C, dx + T * C);
}

static void dropout(const real *x, real *y) { be->dropout(be, T * C, DROP, x, y); }
static void dropout_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    (void)x;
    Dropout d = DROP;
    if (broken) d.call++;
    be->dropout_acc(be, T * C, d, dy, dx);
}

static void relu(const real *x, real *y) { be->relu(be, T * C, x, y); }
static void relu_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    real *y = new_real(T * C);
    relu(x, y);
    be->relu_bwd(be, T * C, broken ? dy : y, dy, dx);
}

static void gelu(const real *x, real *y) { be->gelu(be, T * C, x, y); }
static void gelu_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    if (broken) relu_bwd(x, dy, dx, false);
    else be->gelu_bwd(be, T * C, x, dy, dx);
}

static void swiglu(const real *x, real *y) { be->swiglu(be, T, C, x, y); }
static void swiglu_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    be->swiglu_bwd(be, T, C, x, dy, dx);
    for (int64_t i = 0; broken && i < C; i++) { /* halves swapped in one row */
        real t = dx[i];
        dx[i] = dx[C + i];
        dx[C + i] = t;
    }
}

static void embed(const real *x, real *y) { be->embed(be, T, C, IDS, x, 2, y); }
static void embed_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    (void)x;
    be->embed_bwd_acc(be, broken ? T - 1 : T, C, IDS, dy, 2, dx);
}

static void gather(const real *x, real *y) { be->gather_rows(be, 3, C, PICK, x, y); }
static void gather_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    (void)x;
    const int32_t wrong[3] = {5, 0, 4};
    be->scatter_rows_acc(be, 3, C, broken ? wrong : PICK, dy, dx);
}

static const real EPS = (real)1e-3;

/* x = X (T,C), w (C) */
static void rmsnorm(const real *x, real *y)
{
    real r[T];
    be->rmsnorm(be, T, C, x, C, x + T * C, EPS, y, C, r);
}
static void rmsnorm_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    real r[T], *y = new_real(T * C);
    be->rmsnorm(be, T, C, x, C, x + T * C, EPS, y, C, r);
    be->rmsnorm_bwd(be, T, C, x, C, x + T * C, r, dy, C, dx, C, dx + T * C);
    for (int64_t i = 0; broken && i < C; i++) dx[i] = r[0] * x[T * C + i] * dy[i]; /* r held constant in one row */
}

/* the residual form: y = x + rmsnorm(x) */
static void residual_norm(const real *x, real *y)
{
    rmsnorm(x, y);
    be->axpy(be, T * C, 1, x, y);
}
static void residual_norm_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    real r[T], *y = new_real(T * C);
    be->rmsnorm(be, T, C, x, C, x + T * C, EPS, y, C, r);
    if (!broken) memcpy(dx, dy, T * C * sizeof(real));
    be->rmsnorm_bwd_acc(be, T, C, x, C, x + T * C, r, dy, C, dx, C, dx + T * C);
}

/* x = X (T,C), w (C), b (C) */
static void layernorm(const real *x, real *y)
{
    real stats[2 * T];
    be->layernorm(be, T, C, x, x + T * C, x + T * C + C, EPS, y, stats);
}
static void layernorm_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    real stats[2 * T], *y = new_real(T * C);
    be->layernorm(be, T, C, x, x + T * C, x + T * C + C, EPS, y, stats);
    if (broken) stats[0] += (real)0.1; /* mean of the first row */
    be->layernorm_bwd(be, T, C, x, x + T * C, stats, dy, dx, dx + T * C, dx + T * C + C);
}

static void rope(const real *x, real *y)
{
    memcpy(y, x, T * WIDTH * sizeof(real));
    be->rope(be, T, HEADS, D, POS, 100, 1, y, WIDTH);
}
static void rope_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    (void)x;
    memcpy(dx, dy, T * WIDTH * sizeof(real));
    be->rope(be, T, HEADS, D, POS, 100, broken ? 1 : -1, dx, WIDTH);
}

/* x = q | k | v (T, WIDTH) */
static void attend(const real *x, Dropout drop, real *y, real *lse)
{
    be->attention(be, &PACK, HEADS, KV, D, (real)0.4, drop, x, WIDTH, x + HEADS * D, x + (HEADS + KV) * D, WIDTH, y, lse);
}
static void attend_bwd(const real *x, Dropout drop, const real *dy, real *dx, bool broken)
{
    real *y = new_real(T * HEADS * D), lse[T * HEADS];
    attend(x, drop, y, lse);
    if (broken) memset(y, 0, T * HEADS * D * sizeof(real)); /* the softmax's own term is lost */
    be->attention_bwd(be, &PACK, HEADS, KV, D, (real)0.4, drop, x, WIDTH, x + HEADS * D, x + (HEADS + KV) * D, WIDTH, y, lse, dy, dx, WIDTH,
                      dx + HEADS * D, dx + (HEADS + KV) * D, WIDTH);
}
static void attention(const real *x, real *y)
{
    real lse[T * HEADS];
    attend(x, (Dropout){0}, y, lse);
}
static void attention_bwd(const real *x, const real *dy, real *dx, bool broken) { attend_bwd(x, (Dropout){0}, dy, dx, broken); }
static void attention_drop(const real *x, real *y)
{
    real lse[T * HEADS];
    attend(x, DROP, y, lse);
}
static void attention_drop_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    attend_bwd(x, broken ? (Dropout){0} : DROP, dy, dx, false);
}

static const int32_t TARGET[T] = {3, TARGET_IGNORED, 1, 2, 4, 2, 3};
static const int32_t RANGE[2 * T] = {0, 6, 0, 6, 1, 4, 2, 3, 0, 5, 0, 3, 2, 6};

static void loss(const real *x, real *y)
{
    real lse[T];
    be->xent(be, T, V, x, V, TARGET, RANGE, NULL, y, lse);
}
static void loss_bwd(const real *x, const real *dy, real *dx, bool broken)
{
    real logp[T], lse[T], weight[T];
    be->xent(be, T, V, x, V, TARGET, RANGE, NULL, logp, lse);
    for (int64_t t = 0; t < T; t++) weight[t] = -dy[t]; /* the op's gradient is of -logp */
    memcpy(dx, x, T * V * sizeof(real));
    be->xent_bwd(be, T, V, dx, V, TARGET, broken ? NULL : RANGE, NULL, lse, weight);
}

static const Op OPS[] = {
    {"gemm", "alpha forgotten in dW", T * C + V * C, T *V, linear, linear_bwd},
    {"add_bias", "last row missing", T * C + C, T *C, bias, bias_bwd},
    {"dropout", "another mask", T *C, T *C, dropout, dropout_bwd},
    {"relu", "sign of the gradient instead of the input", T *C, T *C, relu, relu_bwd},
    {"gelu", "gradient of relu", T *C, T *C, gelu, gelu_bwd},
    {"swiglu", "gate and up swapped", T * 2 * C, T *C, swiglu, swiglu_bwd},
    {"embed", "last row missing", ROWS *C, T *C, embed, embed_bwd},
    {"gather_rows", "wrong row", T *C, 3 * C, gather, gather_bwd},
    {"rmsnorm", "scale held constant", T * C + C, T *C, rmsnorm, rmsnorm_bwd},
    {"rmsnorm_bwd_acc", "stream not added", T * C + C, T *C, residual_norm, residual_norm_bwd},
    {"layernorm", "wrong mean", T * C + 2 * C, T *C, layernorm, layernorm_bwd},
    {"rope", "rotated forwards", T *WIDTH, T *WIDTH, rope, rope_bwd},
    {"attention", "softmax term lost", T *WIDTH, T *HEADS *D, attention, attention_bwd},
    {"attention with dropout", "no mask", T *WIDTH, T *HEADS *D, attention_drop, attention_drop_bwd},
    {"xent", "range ignored", T *V, T, loss, loss_bwd},
};
enum { N_OPS = sizeof OPS / sizeof *OPS };

static real *random_array(int64_t n, uint64_t index)
{
    Rng g = rng_make(11, RNG_STAGE_TEST, RNG_SAMPLE, 0, index);
    real *x = new_real(n);
    for (int64_t i = 0; i < n; i++) x[i] = (real)rng_normal(&g);
    return x;
}

/* Largest difference between analytic and numeric gradient, relative to the largest numeric one. */
static double gradient_error(const Op *op, bool broken)
{
    real *x = random_array(op->n_in, 1), *w = random_array(op->n_out, 2), *y = new_real(op->n_out), *dx = new_real(op->n_in);
    op->backward(x, w, dx, broken);
    const double h = 1e-5;
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < op->n_in; i++) {
        const real x0 = x[i];
        double side[2];
        for (int s = 0; s < 2; s++) {
            x[i] = x0 + (real)(s == 0 ? h : -h);
            op->forward(x, y);
            side[s] = 0;
            for (int64_t j = 0; j < op->n_out; j++) side[s] += (double)w[j] * (double)y[j];
        }
        x[i] = x0;
        const double numeric = (side[0] - side[1]) / (2 * h), e = fabs(numeric - (double)dx[i]);
        if (!(e <= worst)) worst = e;
        if (fabs(numeric) > largest) largest = fabs(numeric);
    }
    return worst / largest;
}

static void check_op(Backend *backend, const Op *op)
{
    be = backend;
    arena = arena_create("test");
    const double right = gradient_error(op, false), wrong = gradient_error(op, true);
    ck_assert_msg(right <= 1e-6, "%s on %s: gradient is off by %g", op->name, be->name, right);
    ck_assert_msg(wrong > 1e-4, "%s on %s: '%s' was not found (%g)", op->name, be->name, op->mistake, wrong);
    arena_destroy(arena);
    be->destroy(be);
}

START_TEST(on_ref) { check_op(backend_ref(), &OPS[_i]); }
END_TEST
START_TEST(on_cpu) { check_op(backend_cpu(2), &OPS[_i]); }
END_TEST

int main(void)
{
    REQUIRE(sizeof(real) == sizeof(double), "a gradient check needs double");
    Suite *s = suite_create("gradients of ops");
    TCase *t = tcase_create("central differences");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, on_ref, 0, N_OPS);
    tcase_add_loop_test(t, on_cpu, 0, N_OPS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
