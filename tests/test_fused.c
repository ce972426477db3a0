/* tests/test_fused.c -- the fused bf16 training step (nn/decoder_fused.c) against the plain float one, parameter by parameter. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "nn/decoder.h"
#include "nn/decoder_fused.h"
#include "bf16_util.h"
#include "packed_batch.h"
#include "suite.h"

enum { MAX_T = 1900 };

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

/* V, C, L, H, Hkv, D, F, theta, eps, bias, QK-norm, tied */
static const DecoderConfig MODELS[] = {
    {90, 64, 2, 4, 2, 24, 96, 1e4, 1e-6, false, true, true},
    {131, 96, 2, 3, 3, 32, 64, 1e4, 1e-6, false, true, false},
    {300, 128, 1, 2, 1, 64, 160, 1e3, 1e-5, false, false, true},
};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

static Decoder *model(Backend *be, const DecoderConfig *c)
{
    Decoder *d = decoder_create(be, c, MAX_T, true);
    Params *p = decoder_params(d);
    Rng g = rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < p->n; i++) {
        const double mean = p->list[i].n_dims == 1 ? 1 : 0, sd = p->list[i].n_dims == 1 ? 0.2 : 0.12;
        for (int64_t j = 0; j < p->list[i].count; j++) p->value[p->list[i].at + j] = (real)(mean + sd * rng_normal(&g));
    }
    return d;
}

/* A part in 256 is lost at every rounding; a gradient passes a few dozen of them. A term that is missing or wrong shows as a tenth and more. */
static const double TOLERANCE = 0.04;

static void same_gradients(Decoder *plain, Decoder *fused, const char *what)
{
    const Params *p = decoder_params(plain), *q = decoder_params(fused);
    for (int64_t i = 0; i < p->n; i++) {
        const Param *x = &p->list[i];
        const double e = bf16_distance(p->grad + x->at, q->grad + x->at, x->count);
        ck_assert_msg(e <= TOLERANCE, "%s: gradient of %s differs by %g of its length", what, x->name, e);
    }
}

static void step(Decoder *d, Batch *b, Dropout drop, bool ranges)
{
    params_zero_grad(decoder_params(d));
    ck_assert_int_eq(decoder_step(d, &b->pk, b->token, drop, b->target, ranges ? b->range : NULL, b->weight, b->logp), OK);
}

typedef struct Shape { int64_t T, longest; int n_ranges; bool ranges; double p; } Shape;
static const Shape SHAPES[] = {{40, 9, 1, false, 0}, {1300, 80, 3, true, 0.2}, {900, 400, 60, true, 0}, {1, 1, 2, false, 0}, {1700, 33, 2, false, 0.1}, {31, 5, 60, true, 0.3}};
enum { N_SHAPES = sizeof SHAPES / sizeof *SHAPES };

static void compare(Backend *be, Backend *plain_be, const DecoderConfig *c)
{
    Decoder *d = model(be, c), *plain = model(plain_be, c);
    ck_assert(decoder_fused_fits(d) && !decoder_fused_fits(plain));
    const int64_t count = decoder_params(d)->count;
    real *first = ARENA_NEW(arena, real, count);
    for (int i = 0; i < N_SHAPES; i++) {
        const Shape *s = &SHAPES[i];
        Batch b = packed_batch(arena, c->V, s->T, s->longest, s->n_ranges, (uint64_t)i + 1);
        const Dropout drop = {.p = s->p, .key = 3, .call = 7};
        char what[100];
        snprintf(what, sizeof what, "width %lld, %d threads, %lld tokens", (long long)c->C, be->threads, (long long)b.pk.T);
        step(plain, &b, drop, s->ranges);
        real *logp = ARENA_NEW(arena, real, b.pk.T);
        memcpy(logp, b.logp, (size_t)b.pk.T * sizeof(real));
        step(d, &b, drop, s->ranges);
        const double e = bf16_distance(logp, b.logp, b.pk.T);
        ck_assert_msg(e <= TOLERANCE, "%s: log-probabilities differ by %g", what, e);
        for (int64_t t = 0; t < b.pk.T; t++) ck_assert(b.target[t] != TARGET_IGNORED || b.logp[t] == 0);
        same_gradients(plain, d, what);
        memcpy(first, decoder_params(d)->grad, (size_t)count * sizeof(real));
        step(d, &b, drop, s->ranges);
        ck_assert_msg(memcmp(first, decoder_params(d)->grad, (size_t)count * sizeof(real)) == 0, "%s: other bytes the second time", what);
    }
    decoder_destroy(d);
    decoder_destroy(plain);
}

START_TEST(fused_is_plain_within_bf16)
{
    for (int threads = 1; threads <= 3; threads++) {
        Backend *be = bf16_backend(threads, true), *plain = backend_cpu(1);
        if (be != NULL) {
            for (int m = 0; m < N_MODELS; m++) compare(be, plain, &MODELS[m]);
            be->destroy(be);
        }
        plain->destroy(plain);
    }
}
END_TEST

/* Gradients are added to what is there, and one sequence's do not depend on what else is in the batch beyond the order of sums. */
START_TEST(gradients_add_up)
{
    Backend *be = bf16_backend(2, true);
    if (be == NULL) return;
    Decoder *d = model(be, &MODELS[0]);
    const int64_t count = decoder_params(d)->count;
    Batch whole = packed_batch(arena, 90, 700, 60, 2, 5);
    step(d, &whole, (Dropout){0}, true);
    real *once = ARENA_NEW(arena, real, count);
    memcpy(once, decoder_params(d)->grad, (size_t)count * sizeof(real));
    ck_assert_int_eq(decoder_step(d, &whole.pk, whole.token, (Dropout){0}, whole.target, whole.range, whole.weight, whole.logp), OK);
    for (int64_t i = 0; i < count; i++) once[i] *= 2;
    ck_assert(bf16_distance(once, decoder_params(d)->grad, count) < 1e-5);
    params_zero_grad(decoder_params(d));
    for (int64_t s = 0; s < whole.pk.B; s++) {
        const int32_t at = whole.pk.h_offset[s], offset[2] = {0, whole.pk.h_offset[s + 1] - at};
        const Packed pk = {.B = 1, .T = offset[1], .max_len = offset[1], .offset = offset, .h_offset = offset, .pos = whole.pk.pos + at};
        ck_assert_int_eq(decoder_step(d, &pk, whole.token + at, (Dropout){0}, whole.target + at, whole.range + 2 * at, whole.weight + at, whole.logp + at), OK);
    }
    for (int64_t i = 0; i < count; i++) once[i] /= 2;
    ck_assert(bf16_distance(once, decoder_params(d)->grad, count) < 2e-3);
    decoder_destroy(d);
    be->destroy(be);
}
END_TEST

START_TEST(comparison_notices)
{
    Backend *be = backend_cpu(1);
    Decoder *a = model(be, &MODELS[0]), *b = model(be, &MODELS[0]);
    Batch x = packed_batch(arena, 90, 300, 40, 2, 6);
    step(a, &x, (Dropout){0}, true);
    step(b, &x, (Dropout){0}, false); /* another softmax */
    const Params *p = decoder_params(a), *q = decoder_params(b);
    for (int64_t i = 0; i < p->n; i++) ck_assert(bf16_distance(p->grad + p->list[i].at, q->grad + p->list[i].at, p->list[i].count) > 3 * TOLERANCE);
    decoder_destroy(a);
    decoder_destroy(b);
    be->destroy(be);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {fused_is_plain_within_bf16, gradients_add_up, comparison_notices};
    return suite_of("fused step", "against the plain one", setup, teardown, 240, tests, sizeof tests / sizeof *tests);
}
