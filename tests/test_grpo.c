/* tests/test_grpo.c -- GRPO: advantages and loss by hand, rollouts against exact probabilities, and the training loop: determinism, resuming,
 * selection that may keep the SFT model. */
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "base/log.h"
#include "rec/grpo_train.h"
#include "rec/grpo_update.h"
#include "rl_world.h"
#include "suite.h"

static char root[] = "/tmp/digr_grpo_XXXXXX";
static Arena *arena;
static Backend *be;

static void setup(void)
{
    arena = arena_create("test");
    be = backend_ref();
}
static void teardown(void)
{
    be->destroy(be);
    arena_destroy(arena);
}

/* ---- objective ---------------------------------------------------------------------------------------------------------- */

START_TEST(advantages_by_hand)
{
    const double reward[] = {1, 0, 0, 1, 1.55, 1.55, 1.55, 1.55, 0.1, 0.4, 0.1, 0.2};
    double a[12];
    ck_assert_int_eq(grpo_advantages(3, 4, 1e-6, reward, a), 1);
    const double half = 0.5 / (0.5 + 1e-6);
    ck_assert(fabs(a[0] - half) <= 1e-12 && fabs(a[1] + half) <= 1e-12 && fabs(a[3] - half) <= 1e-12);
    for (int i = 4; i < 8; i++) ck_assert(a[i] >= 0 && a[i] <= 0); /* exactly 0 */
    double sd = sqrt((0.01 + 0.04 + 0.01 + 0) / 4); /* around the mean 0.2 */
    ck_assert(fabs(a[9] - 0.2 / (sd + 1e-6)) <= 1e-9 && fabs(a[11]) <= 1e-9);
}
END_TEST

/* One completion of two counted tokens, ratios 1.5 and 0.9, A = 2, epsilon 0.2: token level: (1.2*2 + 0.9*2)/2; sequence: sqrt(1.35)*2. */
START_TEST(loss_by_hand)
{
    const real lp[] = {(real)-1, (real)-7, (real)-2}, old[] = {(real)(-1 - log(1.5)), 0, (real)(-2 - log(0.9))};
    const real ref[] = {(real)-1.5, (real)3, (real)-2};
    const int32_t mask[] = {1, 0, 1};
    const double advantage = 2, k3 = (exp(-0.5) + 0.5 - 1) / 2;
    GrpoOptions o = {.ratio = GRPO_TOKEN, .epsilon = 0.2, .beta = 0.1};
    GrpoSums sums = {0};
    real d[3];
    ck_assert_int_eq(grpo_accumulate(&o, 1, 3, lp, old, ref, mask, &advantage, NULL, 1, &sums, d), OK);
    GrpoLoss l = grpo_summary(&o, &sums);
    ck_assert(fabs(l.policy + 2.1) <= 1e-6 && fabs(l.kl - k3) <= 1e-6 && fabs(l.loss - (-2.1 + 0.1 * k3)) <= 1e-6);
    ck_assert(fabs(l.clip_fraction - 0.5) <= 1e-12);
    ck_assert(fabs((double)d[0] - 0.1 * (1 - exp(-0.5)) / 2) <= 1e-6); /* clipped: only the KL pulls */
    ck_assert(fabs((double)d[2] + 0.9) <= 1e-6 && d[1] >= 0 && d[1] <= 0);
    o.ratio = GRPO_SEQUENCE;
    sums = (GrpoSums){0};
    ck_assert_int_eq(grpo_accumulate(&o, 1, 3, lp, old, ref, mask, &advantage, NULL, 1, &sums, d), OK);
    l = grpo_summary(&o, &sums);
    ck_assert(fabs(l.policy + 2 * sqrt(1.35)) <= 1e-5 && fabs(l.clip_fraction) <= 0);
    ck_assert(fabs((double)d[2] + sqrt(1.35)) <= 1e-5);
}
END_TEST

START_TEST(copies_count)
{
    enum { T = 2 };
    const real lp[] = {-1, -2, -1, -2, -1, -2, (real)-0.5, -1}, old[] = {-1, (real)-2.3, -1, (real)-2.3, -1, (real)-2.3, (real)-0.9, -1}, ref[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t mask[] = {1, 1, 1, 1, 1, 1, 1, 1};
    const double all[] = {0.7, 0.7, 0.7, -2.1}, few[] = {0.7, -2.1}, copies[] = {3, 1};
    const real lp2[] = {-1, -2, (real)-0.5, -1}, old2[] = {-1, (real)-2.3, (real)-0.9, -1};
    for (GrpoRatio ratio = GRPO_TOKEN; ratio <= GRPO_SEQUENCE; ratio++) {
        GrpoOptions o = {.ratio = ratio, .epsilon = 0.2, .beta = 0.05};
        GrpoSums a = {0}, b = {0};
        real d[8], d2[4];
        ck_assert_int_eq(grpo_accumulate(&o, 4, T, lp, old, ref, mask, all, NULL, 4, &a, d), OK);
        ck_assert_int_eq(grpo_accumulate(&o, 2, T, lp2, old2, ref, mask, few, copies, 4, &b, d2), OK);
        GrpoLoss x = grpo_summary(&o, &a), y = grpo_summary(&o, &b);
        ck_assert(fabs(x.loss - y.loss) <= 1e-12 && fabs(x.clip_fraction - y.clip_fraction) <= 1e-12);
        ck_assert(fabs((double)d2[1] - 3 * (double)d[1]) <= 1e-6 && fabs((double)d2[2] - (double)d[6]) <= 1e-6);
    }
    GrpoOptions o = {.ratio = GRPO_TOKEN, .epsilon = 0.2, .beta = 0.05};
    GrpoSums sums = {0};
    real d[2], bad[] = {(real)NAN, -1};
    ck_assert_int_eq(grpo_accumulate(&o, 1, T, bad, old, ref, mask, all, NULL, 1, &sums, d), E_NUMERIC);
}
END_TEST

/* ---- rollouts ----------------------------------------------------------------------------------------------------------- */

static World make_world(int64_t N, int64_t K)
{
    World w = world_create(arena, be, 31, N, K, 512, true);
    world_prompts(&w, 2, 5);
    return w;
}

static void generate(World *w, RolloutOptions o, uint32_t epoch, Rollouts *out)
{
    o.max_prompt = w->m.max_prompt;
    int64_t *index = ARENA_NEW(arena, int64_t, w->P);
    for (int64_t p = 0; p < w->P; p++) index[p] = 100 + p;
    *out = (Rollouts){ARENA_NEW(arena, int32_t, w->P * o.G), ARENA_NEW(arena, real, w->P * o.G * SID_MAX)};
    Rollout *r = rollout_create(w->m.decoder, w->m.trie, &o);
    ck_assert_int_eq(rollout_generate(r, w->P, w->offset, w->prompt, index, epoch, out), OK);
    real *again = ARENA_NEW(arena, real, w->P * o.G * SID_MAX);
    ck_assert_int_eq(rollout_score(r, w->P, w->offset, w->prompt, &(Rollouts){out->item, again}), OK);
    ck_assert_mem_eq(again, out->logp, (size_t)(w->P * o.G * SID_MAX) * sizeof(real)); /* scoring a rollout gives what was recorded */
    rollout_destroy(r);
}

START_TEST(rollout_logp_is_exact)
{
    const double temperature = _i ? 0.6 : 1;
    World w = make_world(25, 3);
    Rollouts r;
    generate(&w, (RolloutOptions){.G = 6, .temperature = temperature, .seed = 4, .max_prompts = 2}, 0, &r);
    for (int64_t s = 0; s < w.P * 6; s++) {
        int32_t sid[SID_MAX];
        int64_t n = sequence_answer(&w.m.builder, r.item[s], sid);
        for (int64_t k = 0; k < SID_MAX; k++) {
            double want = k < n ? world_token_logp(&w, s / 6, sid, k, true, temperature) : 0;
            ck_assert_msg(fabs((double)r.logp[s * SID_MAX + k] - want) <= 2e-5, "token %d: %.8g, want %.8g", (int)k, (double)r.logp[s * SID_MAX + k], want);
        }
    }
    world_destroy(&w);
}
END_TEST

/* Item frequencies of 20000 draws against exact probabilities: every difference within 5 standard deviations. */
START_TEST(draws_follow_the_policy)
{
    enum { G = 20000, ITEMS = 12 };
    World w = make_world(ITEMS, 2);
    w.P = 1;
    Rollouts r;
    generate(&w, (RolloutOptions){.G = G, .temperature = 1, .seed = 4}, 3, &r);
    double count[ITEMS] = {0};
    for (int s = 0; s < G; s++) count[r.item[s]]++;
    for (int32_t i = 0; i < ITEMS; i++) {
        double p = exp(world_item_logp(&w, 0, i, true)), sd = sqrt(G * p * (1 - p));
        ck_assert_msg(fabs(count[i] - G * p) <= 5 * sd + 1e-9, "item %d drawn %g times, expected %g +- %g", i, count[i], G * p, sd);
    }
    world_destroy(&w);
}
END_TEST

START_TEST(draws_depend_on_their_number_only)
{
    World w = make_world(40, 4);
    RolloutOptions o = {.G = 7, .temperature = 1, .seed = 4, .max_prompts = 5};
    Rollouts a, b;
    size_t bytes = (size_t)(w.P * o.G) * sizeof(int32_t);
    generate(&w, o, 0, &a);
    o.max_prompts = 1;
    generate(&w, o, 0, &b);
    ck_assert_mem_eq(a.item, b.item, bytes);
    generate(&w, o, 1, &b);
    ck_assert(memcmp(a.item, b.item, bytes) != 0); /* another epoch, other draws */
    o.seed = 5;
    generate(&w, o, 0, &b);
    ck_assert(memcmp(a.item, b.item, bytes) != 0);
    world_destroy(&w);
}
END_TEST

START_TEST(beam_rollouts_are_the_best_items)
{
    enum { G = 6 };
    World w = make_world(40, 4);
    Rollouts r;
    generate(&w, (RolloutOptions){.method = ROLLOUT_BEAM, .G = G, .temperature = 1}, 0, &r);
    BeamSearch *s = beam_create(w.m.decoder, w.m.trie, &(BeamOptions){.width = G, .top_k = G, .score = BEAM_RENORM, .max_prompt = w.m.max_prompt});
    int32_t item[5 * G];
    ck_assert_int_eq(beam_search(s, w.P, w.offset, w.prompt, NULL, NULL, &(BeamResult){.item = item}), OK);
    ck_assert_mem_eq(r.item, item, sizeof item);
    beam_destroy(s);
    world_destroy(&w);
}
END_TEST

/* The training pass sees the policy that sampled: its log-probabilities equal the recorded ones. */
START_TEST(update_agrees_with_rollouts)
{
    enum { G = 9 };
    World w = make_world(30, 3);
    Rollouts r;
    generate(&w, (RolloutOptions){.G = G, .temperature = 0.8, .seed = 4}, 0, &r);
    double advantage[5 * G] = {0};
    real lp[5 * G * SID_MAX];
    for (int i = 0; i < 5 * G * SID_MAX; i++) lp[i] = (real)NAN;
    GrpoOptions o = {.ratio = GRPO_TOKEN, .epsilon = 0.2, .beta = 0.1};
    GrpoUpdate *u = grpo_update_create(w.m.decoder, w.m.trie, 40, 0.8, &o);
    GrpoBatch b = {.n = w.P, .G = G, .offset = w.offset, .token = w.prompt, .item = r.item, .old = r.logp, .ref = r.logp, .advantage = advantage};
    GrpoLoss loss;
    ck_assert_int_eq(grpo_update_run(u, &b, &loss, lp), OK);
    for (int i = 0; i < 5 * G * SID_MAX; i++) ck_assert(fabs((double)lp[i] - (double)r.logp[i]) <= 2e-5);
    ck_assert(loss.kl >= 0 && loss.kl <= 1e-8 && fabs(loss.policy) <= 1e-8 && loss.clip_fraction <= 0);
    grpo_update_destroy(u);
    world_destroy(&w);
}
END_TEST

/* ---- training ----------------------------------------------------------------------------------------------------------- */

typedef struct TinyRun {
    World policy, reference;
    Dataset data;
    double *quality;
} TinyRun;

/* 40 sequences over 24 items in which item i is followed by i+1; the model starts random. */
static TinyRun tiny_run(void)
{
    enum { N = 24, S = 40, LENGTH = 5 };
    TinyRun t = {.policy = world_create(arena, be, 5, N, 3, 512, true), .reference = world_create(arena, be, 5, N, 3, 512, false)};
    int64_t *offset = ARENA_NEW(arena, int64_t, S + 1);
    int32_t *items = ARENA_NEW(arena, int32_t, S * LENGTH), *user = ARENA_NEW(arena, int32_t, S), *target = ARENA_NEW(arena, int32_t, S);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 7, 0);
    for (int s = 0; s < S; s++) {
        int32_t first = (int32_t)rng_below(&r, N);
        for (int k = 0; k < LENGTH; k++) items[s * LENGTH + k] = (first + k) % N;
        offset[s + 1] = (s + 1) * LENGTH;
        target[s] = (first + LENGTH) % N;
    }
    t.data = (Dataset){.dir = "tiny", .name = "tiny", .N = N, .max_history = 4, .train = {S, user, offset, items}, .valid = {S, user, offset, items, target}};
    t.quality = ARENA_NEW(arena, double, N);
    for (int i = 0; i < N; i++) t.quality[i] = 0.5;
    return t;
}

static GrpoTrainOptions tiny_options(void)
{
    return (GrpoTrainOptions){.seed = 3, .steps = 12, .prompts = 8, .G = 8, .updates = 2, .temperature = 1, .loss = {GRPO_TOKEN, 0.2, 1e-3},
                              .reward = {0.1, 0.3, 0.5}, .lr = 3e-3, .min_lr_ratio = 1, .clip = 1, .warmup_steps = 2, .batch_tokens = 512, .eval_every = 3,
                              .valid_rows = 20, .beam = 12, .checkpoint_every = 5};
}

static GrpoTrainResult train(const char *dir, const GrpoTrainOptions *o, const char *fingerprint)
{
    TinyRun t = tiny_run();
    GrpoTrainInput in = {.be = be, .data = &t.data, .policy = &t.policy.m, .reference = &t.reference.m, .quality = t.quality, .fingerprint = fingerprint};
    GrpoTrainResult r;
    Status status = grpo_train(o, &in, dir, &r);
    ck_assert_msg(status == OK, "%s", status_message());
    world_destroy(&t.policy);
    world_destroy(&t.reference);
    return r;
}

static const char *digest(const char *dir, const char *file)
{
    char hex[SHA256_HEX];
    ck_assert_int_eq(sha256_file(arena_printf(arena, "%s/%s", dir, file), hex, NULL), OK);
    return arena_strdup(arena, hex);
}

static const char *folder(const char *name) { return arena_printf(arena, "%s/%s", root, name); }

START_TEST(training_is_repeatable_and_resumes)
{
    GrpoTrainOptions o = tiny_options();
    const char *a = folder("whole"), *b = folder("pieces"), *c = folder("seed");
    GrpoTrainResult whole = train(a, &o, "x"), piece = {0};
    ck_assert(whole.finished && whole.steps == 12);
    o.stop_after = 5; /* leaves after steps 5 and 10, as a kill at a checkpoint would */
    for (int i = 0; i < 3; i++) {
        piece = train(b, &o, "x");
        ck_assert_int_eq(piece.finished, i == 2);
        if (i == 0) { /* rows written after the checkpoint, the last one torn, as a kill between checkpoints leaves them */
            FILE *f = fopen(arena_printf(arena, "%s/log.tsv", b), "a");
            ck_assert_ptr_nonnull(f);
            fputs("6\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t0.99\t0.99\n7\t0.5", f);
            ck_assert_int_eq(fclose(f), 0);
        }
    }
    ck_assert_str_eq(digest(a, "log.tsv"), digest(b, "log.tsv"));
    ck_assert_str_eq(digest(a, "model.safetensors"), digest(b, "model.safetensors"));
    ck_assert(piece.best_step == whole.best_step && fabs(piece.best_ndcg10 - whole.best_ndcg10) <= 0 && fabs(piece.sft_ndcg10 - whole.sft_ndcg10) <= 0);
    o.stop_after = 0;
    o.seed = 4;
    train(c, &o, "x");
    ck_assert_str_ne(digest(a, "log.tsv"), digest(c, "log.tsv"));
    ck_assert_int_eq(grpo_train_finish(a), OK);
    ck_assert(!path_exists(arena_printf(arena, "%s/checkpoint.safetensors", a)) && path_exists(arena_printf(arena, "%s/model.safetensors", a)));
}
END_TEST

START_TEST(other_options_start_over)
{
    GrpoTrainOptions o = tiny_options();
    const char *dir = folder("other");
    o.steps = 4;
    o.stop_after = 2;
    ck_assert(!train(dir, &o, "x").finished);
    o.stop_after = 0;
    const char *fresh = folder("fresh");
    train(dir, &o, "y");
    train(fresh, &o, "y");
    ck_assert_str_eq(digest(dir, "log.tsv"), digest(fresh, "log.tsv"));
}
END_TEST

START_TEST(learns_and_may_keep_the_start)
{
    GrpoTrainOptions o = tiny_options();
    o.steps = 60;
    o.eval_every = 20;
    o.updates = 1;
    o.lr = 0.02;
    GrpoTrainResult r = train(folder("learns"), &o, "x");
    ck_assert_msg(r.best_step > 0 && r.best_ndcg10 > r.sft_ndcg10 + 0.05, "NDCG@10 %.4f -> %.4f", r.sft_ndcg10, r.best_ndcg10);
    o.lr = 0; /* nothing can be better than the start: it is kept */
    o.steps = 4;
    o.eval_every = 2;
    const char *dir = folder("keeps");
    r = train(dir, &o, "x");
    ck_assert(r.best_step == 0 && fabs(r.best_ndcg10 - r.sft_ndcg10) <= 0 && fabs(r.last_ndcg10 - r.sft_ndcg10) <= 0);
    TinyRun t = tiny_run();
    const char *start = arena_printf(arena, "%s_start", dir);
    ck_assert_int_eq(dir_make(start), OK);
    ck_assert_int_eq(decoder_save(t.policy.m.decoder, start), OK);
    ck_assert_str_eq(digest(start, "model.safetensors"), digest(dir, "model.safetensors"));
    world_destroy(&t.policy);
    world_destroy(&t.reference);
}
END_TEST

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

int main(void)
{
    log_open("test_grpo", true);
    if (mkdtemp(root) == NULL) return 1;
    TCase *t = tcase_create("grpo");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, advantages_by_hand);
    tcase_add_test(t, loss_by_hand);
    tcase_add_test(t, copies_count);
    tcase_add_loop_test(t, rollout_logp_is_exact, 0, 2);
    tcase_add_test(t, draws_follow_the_policy);
    tcase_add_test(t, draws_depend_on_their_number_only);
    tcase_add_test(t, beam_rollouts_are_the_best_items);
    tcase_add_test(t, update_agrees_with_rollouts);
    tcase_add_test(t, training_is_repeatable_and_resumes);
    tcase_add_test(t, other_options_start_over);
    tcase_add_test(t, learns_and_may_keep_the_start);
    Suite *s = suite_create("grpo");
    suite_add_tcase(s, t);
    const int failed = suite_run(s);
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 || failed != 0;
}
