/* tests/test_grpo_tree.c -- the GRPO gradient with all completions of a prompt in one pass (rec/grpo_tree.h) against one sequence a completion in float. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "rec/grpo_tree.h"
#include "rec/rollout.h"
#include "rl_world.h"
#include "bf16_util.h"
#include "suite.h"

enum { G = 6, P = 23 };

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static const DecoderConfig MODEL = {.C = 64, .L = 2, .H = 4, .Hkv = 2, .D = 16, .F = 96, .rope_theta = 1e4, .rms_eps = 1e-6, .qk_norm = true, .tied = true};

static World make(Backend *be)
{
    World w = world_create_with(arena, be, 5, 40, 4, 2048, true, MODEL, 0.15);
    world_prompts(&w, 6, P);
    return w;
}

/* Completions drawn by the float model; rewards at random, the reference a little off. */
static GrpoBatch make_batch(World *w, double temperature)
{
    const int64_t n = P * G;
    Rollouts r = {ARENA_NEW(arena, int32_t, n), ARENA_NEW(arena, real, n * SID_MAX)};
    RolloutOptions o = {.G = G, .temperature = temperature, .seed = 4, .max_prompt = w->m.max_prompt, .max_prompts = P};
    Rollout *rollout = rollout_create(w->m.decoder, w->m.trie, &o);
    int64_t *index = ARENA_NEW(arena, int64_t, P);
    for (int64_t i = 0; i < P; i++) index[i] = i;
    ck_assert_int_eq(rollout_generate(rollout, P, w->offset, w->prompt, index, 0, &r), OK);
    rollout_destroy(rollout);
    real *ref = ARENA_NEW(arena, real, n * SID_MAX);
    double *advantage = ARENA_NEW(arena, double, n);
    Rng g = rng_make(8, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t i = 0; i < n * SID_MAX; i++) ref[i] = r.logp[i] - (real)(0.3 * rng_uniform(&g));
    for (int64_t i = 0; i < n; i++) advantage[i] = rng_normal(&g);
    return (GrpoBatch){.n = P, .G = G, .offset = w->offset, .token = w->prompt, .item = r.item, .old = r.logp, .ref = ref, .advantage = advantage};
}

static void update(World *w, const GrpoBatch *b, int64_t max_tokens, double temperature, GrpoLoss *loss, real *lp)
{
    const GrpoOptions o = {.ratio = GRPO_TOKEN, .epsilon = 0.2, .beta = 0.1};
    GrpoUpdate *u = grpo_update_create(w->m.decoder, w->m.trie, max_tokens, temperature, &o);
    params_zero_grad(decoder_params(w->m.decoder));
    ck_assert_int_eq(grpo_update_run(u, b, loss, lp), OK);
    grpo_update_destroy(u);
}

static void compare(Backend *be, const char *what, int64_t max_tokens, double temperature)
{
    Backend *plain_be = backend_cpu(1);
    World plain = make(plain_be), tree = make(be);
    const GrpoBatch b = make_batch(&plain, temperature);
    GrpoLoss expected, loss;
    const int64_t n = P * G * SID_MAX, count = decoder_params(plain.m.decoder)->count;
    real *lp = ARENA_NEW(arena, real, n), *got = ARENA_NEW(arena, real, n), *first = ARENA_NEW(arena, real, count);
    update(&plain, &b, 400, temperature, &expected, lp);
    update(&tree, &b, max_tokens, temperature, &loss, got);
    double square = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)lp[i] - (double)got[i]);
        ck_assert(e < INFINITY);
        square += e * e;
        most = fmax(most, e);
    }
    ck_assert_msg(sqrt(square / (double)n) <= 0.012 && most <= 0.06, "%s: log-probabilities are off by %g in the mean square, %g at most", what,
                  sqrt(square / (double)n), most);
    ck_assert_msg(fabs(loss.loss - expected.loss) <= 0.02, "%s: loss %g, not %g", what, loss.loss, expected.loss);
    const Params *p = decoder_params(plain.m.decoder), *q = decoder_params(tree.m.decoder);
    for (int64_t i = 0; i < p->n; i++) {
        const double e = bf16_distance(p->grad + p->list[i].at, q->grad + p->list[i].at, p->list[i].count);
        ck_assert_msg(e <= 0.06, "%s: gradient of %s differs by %g of its length", what, p->list[i].name, e);
    }
    memcpy(first, q->grad, (size_t)count * sizeof(real));
    update(&tree, &b, max_tokens, temperature, &loss, got);
    ck_assert_msg(memcmp(first, q->grad, (size_t)count * sizeof(real)) == 0, "%s: other bytes the second time", what);
    world_destroy(&plain);
    world_destroy(&tree);
    plain_be->destroy(plain_be);
}

START_TEST(tree_is_one_sequence_a_completion)
{
    static const struct { const char *what; int threads; int64_t max_tokens; double temperature; } CASES[] = {
        {"one micro-batch", 1, 2048, 1}, {"two threads", 2, 2048, 0.8}, {"many micro-batches", 2, 120, 0.8}, {"three threads", 3, 700, 1.3},
        {"too small for a tree", 1, 33, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Backend *be = bf16_backend(CASES[i].threads, true);
        if (be == NULL) return;
        compare(be, CASES[i].what, CASES[i].max_tokens, CASES[i].temperature);
        be->destroy(be);
    }
}
END_TEST

START_TEST(fits_tells)
{
    Backend *be = bf16_backend(1, true);
    if (be == NULL) return;
    World w = make(be);
    const GrpoOptions o = {.ratio = GRPO_TOKEN, .epsilon = 0.2, .beta = 0.1};
    const TrieIndex x = trie_index(arena, w.m.trie);
    const GrpoBatch b = {.n = 1, .G = G, .offset = (int64_t[]){0, 10}};
    const int64_t need = 10 + G * (w.m.trie->depth - 1);
    GrpoTree *enough = grpo_tree_create(w.m.decoder, w.m.trie, &x, need, 1, &o), *less = grpo_tree_create(w.m.decoder, w.m.trie, &x, need - 1, 1, &o);
    ck_assert(enough != NULL && grpo_tree_fits(enough, &b) && !grpo_tree_fits(less, &b));
    grpo_tree_destroy(enough);
    grpo_tree_destroy(less);
    world_destroy(&w);
    be->destroy(be);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {tree_is_one_sequence_a_completion, fits_tells};
    return suite_of("GRPO on trees", "against one sequence a completion", setup, teardown, 120, tests, sizeof tests / sizeof *tests);
}
