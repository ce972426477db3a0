/* tests/grad_grpo.c -- the GRPO gradient against central differences, in double: the objective alone, and through a whole decoder. Every check is also run
 * on gradients broken on purpose, and must reject them. */
#include <check.h>
#include <stdlib.h>

#include "rec/grpo_update.h"
#include "rec/rollout.h"
#include "rl_world.h"
#include "suite.h"

enum { S = 7, T = 5, N = S * T };
static const double STEP = 1e-5, TOLERANCE = 1e-6;

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

/* ---- the objective ------------------------------------------------------------------------------------------------------ */

typedef struct Case {
    GrpoOptions o;
    real lp[N], old[N], ref[N];
    int32_t mask[N];
    double advantage[S], copies[S];
} Case;

static double value_of(const Case *c, real *dlp)
{
    GrpoSums sums = {0};
    real scratch[N];
    double total = 0;
    for (int s = 0; s < S; s++) total += c->copies[s];
    ck_assert_int_eq(grpo_accumulate(&c->o, S, T, c->lp, c->old, c->ref, c->mask, c->advantage, c->copies, total, &sums, dlp ? dlp : scratch), OK);
    return grpo_summary(&c->o, &sums).loss;
}

/* Ratios from 0.5 to 2 and both signs of A: every branch of the clip, none within STEP of a bend. */
static Case make_case(uint64_t seed, GrpoRatio ratio)
{
    Case c = {.o = {.ratio = ratio, .epsilon = 0.2, .beta = 0.3}};
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    for (int i = 0; i < N; i++) {
        c.lp[i] = (real)(-3 * rng_uniform(&r) - 0.1);
        c.old[i] = c.lp[i] + (real)(1.4 * rng_uniform(&r) - 0.7);
        c.ref[i] = c.lp[i] + (real)rng_normal(&r);
        c.mask[i] = i % T == 0 || rng_uniform(&r) < 0.7;
    }
    for (int s = 0; s < S; s++) {
        c.advantage[s] = rng_normal(&r);
        c.copies[s] = 1 + (double)rng_below(&r, 3);
    }
    return c;
}

/* largest_error -- of a claimed gradient, relative to the largest true element. */
static double largest_error(Case *c, const real *claimed)
{
    double error = 0, scale = 0;
    for (int i = 0; i < N; i++) {
        real keep = c->lp[i];
        c->lp[i] = keep + (real)STEP;
        double up = value_of(c, NULL);
        c->lp[i] = keep - (real)STEP;
        double down = value_of(c, NULL);
        c->lp[i] = keep;
        double d = (up - down) / (2 * STEP);
        if (!(fabs(d - (double)claimed[i]) <= error)) error = fabs(d - (double)claimed[i]);
        if (fabs(d) > scale) scale = fabs(d);
    }
    return error / scale;
}

START_TEST(objective)
{
    for (GrpoRatio ratio = GRPO_TOKEN; ratio <= GRPO_SEQUENCE; ratio++) {
        Case c = make_case((uint64_t)_i, ratio);
        real dlp[N], broken[N];
        value_of(&c, dlp);
        double error = largest_error(&c, dlp);
        ck_assert_msg(error <= TOLERANCE, "relative error %.3g", error);
        Case no_kl = c; /* twin 1: the gradient forgets the KL term */
        no_kl.o.beta = 0;
        value_of(&no_kl, broken);
        ck_assert(!(largest_error(&c, broken) <= TOLERANCE));
        Case unclipped = c; /* twin 2: the clip bounds nothing */
        unclipped.o.epsilon = 1e6;
        value_of(&unclipped, broken);
        ck_assert(!(largest_error(&c, broken) <= TOLERANCE));
        for (int i = 0; i < N; i++) broken[i] = dlp[i] / (real)c.copies[i / T]; /* twin 3: copies are not counted */
        ck_assert(!(largest_error(&c, broken) <= TOLERANCE));
        Case other = c; /* twin 4: the ratio of the other kind */
        other.o.ratio = ratio == GRPO_TOKEN ? GRPO_SEQUENCE : GRPO_TOKEN;
        value_of(&other, broken);
        ck_assert(!(largest_error(&c, broken) <= TOLERANCE));
    }
}
END_TEST

/* ---- through the decoder ------------------------------------------------------------------------------------------------ */

typedef struct Whole {
    World w;
    GrpoBatch b;
    int64_t max_tokens;
    double temperature;
    GrpoOptions o;
} Whole;

static double whole_loss(Whole *x, double temperature)
{
    GrpoUpdate *u = grpo_update_create(x->w.m.decoder, x->w.m.trie, x->max_tokens, temperature, &x->o);
    GrpoLoss loss;
    ck_assert_int_eq(grpo_update_run(u, &x->b, &loss, NULL), OK);
    grpo_update_destroy(u);
    return loss.loss;
}

/* Old and reference log-probabilities a little off the present ones, so that ratios and KL matter; G larger than the items: completions repeat. */
static Whole make_whole(Backend *be, GrpoRatio ratio, double temperature)
{
    enum { G = 6, P = 3 };
    Whole x = {.max_tokens = 64, .temperature = temperature, .o = {.ratio = ratio, .epsilon = 0.2, .beta = 0.2}};
    x.w = world_create(arena, be, 13, 9, 2, 64, true);
    world_prompts(&x.w, 4, P);
    int32_t *item = ARENA_NEW(arena, int32_t, P * G);
    real *old = ARENA_NEW(arena, real, P * G * SID_MAX), *ref = ARENA_NEW(arena, real, P * G * SID_MAX);
    double *advantage = ARENA_NEW(arena, double, P * G);
    const int64_t index[P] = {0, 1, 2};
    Rollout *r = rollout_create(x.w.m.decoder, x.w.m.trie, &(RolloutOptions){.G = G, .temperature = temperature, .max_prompt = x.w.m.max_prompt, .seed = 8});
    ck_assert_int_eq(rollout_generate(r, P, x.w.offset, x.w.prompt, index, 0, &(Rollouts){item, old}), OK);
    rollout_destroy(r);
    for (int s = 0; s < P * G; s++) { /* equal completions of a prompt must have equal advantages, old and reference values */
        Rng g = rng_make(3, RNG_STAGE_TEST, RNG_NOISE, (uint32_t)(s / G), (uint64_t)item[s]);
        advantage[s] = rng_normal(&g);
        for (int k = 0; k < SID_MAX; k++) {
            ref[s * SID_MAX + k] = old[s * SID_MAX + k] + (real)(0.5 * rng_normal(&g));
            old[s * SID_MAX + k] += (real)(0.8 * rng_uniform(&g) - 0.4);
        }
    }
    x.b = (GrpoBatch){.n = P, .G = G, .offset = x.w.offset, .token = x.w.prompt, .item = item, .old = old, .ref = ref, .advantage = advantage};
    return x;
}

static double whole_error(Whole *x, const real *claimed, double temperature)
{
    Params *p = decoder_params(x->w.m.decoder);
    double error = 0, scale = 0;
    for (int64_t i = 0; i < p->count; i += 7) { /* every seventh weight, of every tensor */
        real keep = p->value[i];
        p->value[i] = keep + (real)STEP;
        double up = whole_loss(x, temperature);
        p->value[i] = keep - (real)STEP;
        double down = whole_loss(x, temperature);
        p->value[i] = keep;
        double d = (up - down) / (2 * STEP);
        if (!(fabs(d - (double)claimed[i]) <= error)) error = fabs(d - (double)claimed[i]);
        if (fabs(d) > scale) scale = fabs(d);
    }
    return error / scale;
}

START_TEST(decoder_and_all)
{
    Backend *be = backend_ref();
    Whole x = make_whole(be, _i ? GRPO_SEQUENCE : GRPO_TOKEN, 0.7);
    Params *p = decoder_params(x.w.m.decoder);
    params_zero_grad(p);
    whole_loss(&x, x.temperature);
    real *claimed = ARENA_NEW(arena, real, p->count), *broken = ARENA_NEW(arena, real, p->count);
    memcpy(claimed, p->grad, (size_t)p->count * sizeof(real));
    double error = whole_error(&x, claimed, x.temperature);
    ck_assert_msg(error <= TOLERANCE, "relative error %.3g", error);
    for (int64_t i = 0; i < p->count; i++) broken[i] = claimed[i] * (real)x.temperature; /* twin 1: the chain rule forgets the temperature */
    ck_assert(!(whole_error(&x, broken, x.temperature) <= TOLERANCE));
    params_zero_grad(p); /* twin 2: the gradient of the policy at another temperature */
    whole_loss(&x, 1);
    memcpy(broken, p->grad, (size_t)p->count * sizeof(real));
    ck_assert(!(whole_error(&x, broken, x.temperature) <= TOLERANCE));
    /* Micro-batches only cut the work: the same gradient with room for one sequence or for all. */
    x.max_tokens = x.w.m.max_prompt + SID_MAX;
    params_zero_grad(p);
    whole_loss(&x, x.temperature);
    for (int64_t i = 0; i < p->count; i++) ck_assert(fabs((double)p->grad[i] - (double)claimed[i]) <= 1e-12);
    world_destroy(&x.w);
    be->destroy(be);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("grpo gradients");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, objective, 0, 4);
    tcase_add_loop_test(t, decoder_and_all, 0, 2);
    Suite *s = suite_create("grpo gradients");
    suite_add_tcase(s, t);
    return suite_run(s);
}
