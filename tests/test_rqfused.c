/* tests/test_rqfused.c -- the RQ-VAE's perceptrons on tile registers (sid/rqfused.h) against the ops of the backend in the same precision and against the naive
 * loops in float; batches that are no multiple of 32, and smaller ones after larger ones. Nothing to test where the processor has no AMX. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "sid/rqvae.h"
#include "suite.h"
#include "tensor/tiles.h"

enum { MOST = 150, E = 96, Z = 32 };
static const RqConfig CONFIG = {.n_layers = 3, .dims = {E, 64, 160, Z}, .Q = 2, .K = 16, .beta = 0.25, .rq_weight = 1};

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

typedef struct Run { RqLoss loss; real *z, *recon, *grad; int64_t count; int32_t *code; } Run;

/* The last of two steps, the first of them with more rows. */
static Run run(const char *name, const char *precision, int threads, bool fused, bool bypass, int64_t B)
{
    Backend *be;
    MUST(backend_open(name, threads, &be));
    MUST(backend_set_precision(be, precision));
    RqModel *m = rqvae_create(be, &CONFIG, MOST, true);
    RqFused *kept = m->fused;
    if (strcmp(precision, "bf16") == 0) ck_assert_ptr_nonnull(kept);
    else ck_assert_ptr_null(kept);
    if (!fused) m->fused = NULL;
    rqvae_init(m, 3);
    for (int64_t i = 0; i < 3; i++) params_init_normal(m->params, m->encoder[i] + 1, 0.2, 5);
    for (int64_t i = 0; i < 3; i++) params_init_normal(m->params, m->decoder[i] + 1, 0.2, 6);
    Rng g = rng_make(4, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    real *x = be->alloc(be, MOST * E * sizeof(real));
    for (int64_t i = 0; i < MOST * E; i++) x[i] = (real)rng_normal(&g);
    Run r = {.count = m->params->count};
    m->bypass = bypass;
    MUST(rqvae_forward(m, MOST, x, NULL));
    rqvae_backward(m);
    params_zero_grad(m->params);
    MUST(rqvae_forward(m, B, x + E, &r.loss));
    rqvae_backward(m);
    r.z = ARENA_NEW(arena, real, B * Z);
    r.recon = ARENA_NEW(arena, real, B * E);
    r.grad = ARENA_NEW(arena, real, r.count);
    r.code = ARENA_NEW(arena, int32_t, B);
    memcpy(r.z, m->enc[2], (size_t)(B * Z) * sizeof(real));
    memcpy(r.recon, m->dec[2], (size_t)(B * E) * sizeof(real));
    memcpy(r.grad, m->params->grad, (size_t)r.count * sizeof(real));
    if (!bypass) memcpy(r.code, m->code[0], (size_t)B * sizeof(int32_t));
    m->fused = kept;
    rqvae_destroy(m);
    be->release(be, x);
    be->destroy(be);
    return r;
}

/* |a-b| / |b| */
static double apart(int64_t n, const real *a, const real *b)
{
    double d = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(d / all);
}

static void near(const char *what, double distance, double most)
{
    if (!(distance <= most)) ck_abort_msg("%s: apart by %g of its size, at most %g", what, distance, most);
}

/* Every parameter's gradient on its own. Rounding turns some units on or off, with the ops as here: their distance from the naive loops is the measure. */
static void gradients_near(const Run *fused, const Run *ops, const Run *exact)
{
    Backend *be = backend_ref();
    RqModel *m = rqvae_create(be, &CONFIG, 1, true);
    for (int64_t i = 0; i < m->params->n; i++) {
        const Param *p = &m->params->list[i];
        double size = 0;
        for (int64_t k = 0; k < p->count; k++) size += fabs((double)exact->grad[p->at + k]);
        if (!(size > 0)) continue;
        near(p->name, apart(p->count, fused->grad + p->at, ops->grad + p->at), 0.025);
        near(p->name, apart(p->count, fused->grad + p->at, exact->grad + p->at), 0.01 + 1.2 * apart(p->count, ops->grad + p->at, exact->grad + p->at));
    }
    rqvae_destroy(m);
    be->destroy(be);
}

static const int64_t BATCHES[] = {1, 31, 32, 77, 149};

START_TEST(as_the_ops)
{
    const int64_t B = BATCHES[_i];
    const Run fused = run("cpu", "bf16", 2, true, true, B), ops = run("cpu", "bf16", 2, false, true, B), exact = run("ref", "fp32", 1, false, true, B);
    near("z", apart(B * Z, fused.z, ops.z), 0.01);
    near("recon", apart(B * E, fused.recon, ops.recon), 0.01);
    near("z against float", apart(B * Z, fused.z, exact.z), 0.01);
    near("recon against float", apart(B * E, fused.recon, exact.recon), 0.015);
    near("loss", fabs(fused.loss.total - exact.loss.total) / exact.loss.total, 0.01);
    gradients_near(&fused, &ops, &exact);
}
END_TEST

START_TEST(threads_change_nothing)
{
    const int64_t B = BATCHES[_i];
    const Run one = run("cpu", "bf16", 1, true, false, B), two = run("cpu", "bf16", 2, true, false, B), again = run("cpu", "bf16", 2, true, false, B);
    ck_assert_mem_eq(one.z, two.z, (size_t)(B * Z) * sizeof(real));
    ck_assert_mem_eq(one.recon, two.recon, (size_t)(B * E) * sizeof(real));
    ck_assert_mem_eq(one.grad, two.grad, (size_t)one.count * sizeof(real));
    ck_assert_mem_eq(two.grad, again.grad, (size_t)one.count * sizeof(real));
    const Run ops = run("cpu", "bf16", 2, false, false, B);
    int64_t other = 0;
    for (int64_t b = 0; b < B; b++) other += two.code[b] != ops.code[b];
    ck_assert_int_le(other, B / 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rqfused");
    TCase *t = tcase_create("perceptrons");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    if (sizeof(real) == sizeof(float) && tiles_available()) {
        tcase_add_loop_test(t, as_the_ops, 0, 5);
        tcase_add_loop_test(t, threads_change_nothing, 0, 5);
    } else {
        printf("rqfused: this processor has no tile registers (or they are not for this process): nothing was tested\n");
    }
    suite_add_tcase(s, t);
    return suite_run(s);
}
