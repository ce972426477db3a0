/* tests/test_sft.c -- the trainer: it learns, repeats itself, resumes to the same bytes (also after kill -9), and stops on bad numbers. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "rec/beam.h"
#include "rec/sft.h"
#include "suite.h"

enum { N = 40, K = 8, USERS = 120, LENGTH = 9 };

typedef struct World {
    Arena *arena;
    Backend *be;
    Catalogue *catalogue;
    Vocab *vocab;
    SequenceBuilder builder;
    Dataset data;
    Trie *trie;
    TaskOptions tasks;
    SftOptions o;
    SftInput in;
    char dir[64];
} World;

/* Users walk through the catalogue with their own stride: after two items the next is certain. */
static int32_t walk(int64_t user, int64_t step) { return (int32_t)((user * 7 + step * (1 + user % 3)) % N); }

static void fill_data(World *w)
{
    Dataset *d = &w->data;
    d->N = N;
    d->dir = "made-up";
    d->name = "walk";
    d->max_history = 5;
    d->train = (Sequences){USERS, NULL, ARENA_NEW(w->arena, int64_t, USERS + 1), ARENA_NEW(w->arena, int32_t, USERS * LENGTH)};
    d->valid = (Rows){USERS, NULL, ARENA_NEW(w->arena, int64_t, USERS + 1), ARENA_NEW(w->arena, int32_t, USERS * LENGTH), ARENA_NEW(w->arena, int32_t, USERS)};
    for (int64_t u = 0; u < USERS; ++u) {
        for (int64_t i = 0; i < LENGTH; ++i) d->train.items[u * LENGTH + i] = d->valid.history[u * LENGTH + i] = walk(u, i);
        d->train.offset[u + 1] = d->valid.offset[u + 1] = (u + 1) * LENGTH;
        d->valid.target[u] = walk(u, LENGTH);
    }
}

static World make_world(const char *fingerprint)
{
    World w = {.arena = arena_create("test")};
    log_open("test_sft", true);
    ck_assert_int_eq(backend_open("cpu", 1, &w.be), OK);
    int32_t code[N * 3];
    for (int32_t i = 0; i < N; ++i) {
        code[3 * i] = i % K;
        code[3 * i + 1] = i / K;
        code[3 * i + 2] = i < 4 ? 0 : (i * 5) % K;
    }
    code[0] = code[3 * 8];      /* items 0 and 8 share a SID: one suffix each */
    code[1] = code[3 * 8 + 1];
    code[2] = code[3 * 8 + 2];
    w.catalogue = catalogue_from_codes(w.arena, N, 3, K, code);
    ck_assert_int_eq(w.catalogue->n_suffix, 2);
    w.vocab = vocab_create(w.arena, w.catalogue, -1, NULL, 0);
    ck_assert_int_eq(trie_from_catalogue(w.arena, w.catalogue, w.vocab->sid_base, &w.trie), OK);
    fill_data(&w);
    w.tasks = (TaskOptions){.seed = 1, .window = WINDOW_CHUNK, .token_drop = 0.05, .max_text = 1, .text_history = 1, .max_tokens = 256};
    w.tasks.ratio[TASK_NEXT] = 1;
    w.o = (SftOptions){.seed = 1, .epochs = 6, .batch_tokens = 256, .eval_every = 1, .patience = 100, .valid_rows = 50, .beam = 10, .lr = 5e-3, .min_lr_ratio = 0.1,
                       .weight_decay = 0.01, .beta2 = 0.98, .clip = 1, .dropout = 0.1, .ema = 0.9, .warmup_steps = 10, .log_steps = 7, .checkpoint_steps = 5};
    w.in = (SftInput){.fingerprint = fingerprint,
                      .config = {.V = w.vocab->V, .C = 32, .L = 2, .H = 2, .Hkv = 2, .D = 16, .F = 48, .rope_theta = 10000, .rms_eps = 1e-6, .qk_norm = true, .tied = true}};
    strcpy(w.dir, "/tmp/digr-sft-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w.dir));
    return w;
}

/* Pointers into the world are set last: a World may be moved until then. */
static Status train(World *w, SftResult *r)
{
    w->builder = (SequenceBuilder){w->vocab, w->catalogue, w->data.max_history};
    w->in.be = w->be;
    w->in.data = &w->data;
    w->in.builder = &w->builder;
    w->in.trie = w->trie;
    w->in.tasks = tasks_create(w->arena, &w->tasks, &w->builder, &w->data, NULL, NULL);
    return sft_train(&w->o, &w->in, w->dir, r);
}

static void destroy_world(World *w)
{
    char command[96];
    (void)snprintf(command, sizeof command, "rm -r %s", w->dir);
    ck_assert_int_eq(system(command), 0);
    w->be->destroy(w->be);
    arena_destroy(w->arena);
}

static void model_hash(const World *w, char hex[SHA256_HEX])
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/model.safetensors", w->dir);
    ck_assert_int_eq(sha256_file(path, hex, NULL), OK);
}

/* The hash of an uninterrupted run. */
static void reference_hash(char hex[SHA256_HEX])
{
    World w = make_world("same");
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert(r.finished && r.epochs == 6);
    model_hash(&w, hex);
    destroy_world(&w);
}

START_TEST(it_learns_what_can_be_learnt)
{
    World w = make_world("learn");
    w.o.epochs = 40;
    w.o.dropout = 0;
    w.tasks.token_drop = 0;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert_msg(r.best_ndcg10 > 0.95, "NDCG@10 %.3f", r.best_ndcg10);
    ck_assert_msg(r.best_valid_loss < 1, "valid loss %.3f", r.best_valid_loss);
    /* what is saved is what was judged: loaded again, it opens */
    Decoder *d;
    ck_assert_int_eq(decoder_load(w.be, w.dir, 64, false, &d), OK);
    ck_assert_int_eq(decoder_config(d)->V, w.vocab->V);
    decoder_destroy(d);
    destroy_world(&w);
}
END_TEST

START_TEST(level_softmax_learns_too)
{
    World w = make_world("level");
    w.o.epochs = 40;
    w.o.softmax = SOFTMAX_LEVEL;
    w.o.renorm = true;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert_msg(r.best_ndcg10 > 0.9, "NDCG@10 %.3f", r.best_ndcg10);
    destroy_world(&w);
}
END_TEST

/* What SOFTMAX_TRIE minimises is the very quantity that ranks: over the whole catalogue the renormalised beam scores are a distribution, and the
 * mean of the targets' scores is the validation loss that training reported. */
START_TEST(trie_softmax_is_what_the_beam_ranks_by)
{
    World w = make_world("trie");
    w.o.epochs = 30;
    w.o.softmax = SOFTMAX_TRIE;
    w.o.renorm = true;
    w.o.valid_rows = 0;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert_msg(r.best_ndcg10 > 0.9, "NDCG@10 %.3f", r.best_ndcg10);
    Decoder *d;
    ck_assert_int_eq(decoder_load(w.be, w.dir, 256, false, &d), OK);
    BeamOptions o = {.width = N, .top_k = N, .score = BEAM_RENORM, .max_prompt = sequence_prompt_capacity(&w.builder)};
    BeamSearch *beam = beam_create(d, w.trie, &o);
    int32_t *item = ARENA_NEW(w.arena, int32_t, USERS * N);
    real *score = ARENA_NEW(w.arena, real, USERS * N);
    ck_assert_int_eq(beam_rank_rows(beam, &w.builder, &w.data.valid, NULL, USERS, &(BeamResult){.item = item, .score = score}, NULL), OK);
    double loss = 0;
    for (int64_t u = 0; u < USERS; ++u) {
        double sum = 0;
        for (int64_t k = 0; k < N; ++k) {
            sum += exp((double)score[u * N + k]);
            if (item[u * N + k] == w.data.valid.target[u]) loss -= (double)score[u * N + k] / USERS;
        }
        ck_assert_msg(fabs(sum - 1) < 1e-4, "row %lld: the scores sum to %.6f", (long long)u, sum);
    }
    ck_assert_msg(fabs(loss - r.best_valid_loss) < 1e-4 * (1 + loss), "beam %.6f, training %.6f", loss, r.best_valid_loss);
    beam_destroy(beam);
    decoder_destroy(d);
    destroy_world(&w);
}
END_TEST

START_TEST(same_seed_same_bytes_other_seed_other_bytes)
{
    char a[SHA256_HEX], b[SHA256_HEX], c[SHA256_HEX];
    reference_hash(a);
    reference_hash(b);
    ck_assert_str_eq(a, b);
    World w = make_world("same");
    w.o.seed = w.tasks.seed = 2;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    model_hash(&w, c);
    ck_assert_str_ne(a, c);
    destroy_world(&w);
}
END_TEST

/* Stopped every few steps, inside epochs and at their ends. */
START_TEST(resumed_is_uninterrupted)
{
    char a[SHA256_HEX], b[SHA256_HEX];
    reference_hash(a);
    for (int64_t every = 3; every <= 17; every += 7) {
        World w = make_world("same");
        w.o.stop_after_steps = every;
        SftResult r = {0};
        int64_t calls = 0;
        for (; !r.finished; ++calls) ck_assert_int_eq(train(&w, &r), OK);
        ck_assert_int_gt(calls, 3);
        model_hash(&w, b);
        ck_assert_msg(strcmp(a, b) == 0, "stopped every %lld steps: other bytes", (long long)every);
        ck_assert_int_eq(sft_finish(w.dir), OK);
        char command[160];
        (void)snprintf(command, sizeof command, "test \"$(cd %s && echo *)\" = 'config.json log.tsv model.safetensors'", w.dir);
        ck_assert_int_eq(system(command), 0);
        destroy_world(&w);
    }
}
END_TEST

/* kill -9 at arbitrary moments, then one run to the end. The parent calls no BLAS before the last child is gone. */
START_TEST(killed_and_resumed_is_uninterrupted)
{
    char a[SHA256_HEX], b[SHA256_HEX], state[128];
    World w = make_world("same");
    (void)snprintf(state, sizeof state, "%s/checkpoint.json", w.dir);
    int killed = 0;
    for (int round = 0; round < 6; ++round) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            SftResult r;
            _exit(train(&w, &r) == OK ? 0 : 1);
        }
        for (int wait = 0; wait < 20000 && access(state, F_OK) != 0; ++wait) usleep(500);
        Rng r = rng_make(4, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)round);
        usleep((useconds_t)rng_below(&r, 60000));
        kill(child, SIGKILL);
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        killed += WIFSIGNALED(status);
        ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    ck_assert_int_gt(killed, 0);
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert(r.finished);
    model_hash(&w, b);
    destroy_world(&w);
    reference_hash(a);
    ck_assert_str_eq(a, b);
}
END_TEST

START_TEST(a_checkpoint_of_other_options_is_not_continued)
{
    char a[SHA256_HEX], b[SHA256_HEX];
    reference_hash(a);
    World w = make_world("other");
    w.o.lr = 1e-4;
    w.o.stop_after_steps = 8;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert(!r.finished);
    w.in.fingerprint = "same";
    w.o.lr = 5e-3;
    w.o.stop_after_steps = 0;
    ck_assert_int_eq(train(&w, &r), OK);
    model_hash(&w, b);
    ck_assert_str_eq(a, b);
    destroy_world(&w);
}
END_TEST

START_TEST(a_loss_that_is_not_finite_stops_the_run)
{
    World w = make_world("explode");
    w.o.lr = 1e30;
    w.o.warmup_steps = 0;
    w.o.clip = 0;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), E_NUMERIC);
    ck_assert_msg(strstr(status_message(), "step ") != NULL && strstr(status_message(), "epoch ") != NULL && strstr(status_message(), "next ") != NULL &&
                  strstr(status_message(), "not finite") != NULL, "%s", status_message());
    destroy_world(&w);
}
END_TEST

START_TEST(patience_ends_the_run_and_keeps_the_best)
{
    World w = make_world("patience");
    w.o.epochs = 50;
    w.o.patience = 2;
    w.o.lr = 1e-9; /* nothing is learnt: no evaluation beats the first */
    w.o.ema = 0;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), OK);
    ck_assert_int_eq(r.best_epoch, 1);
    ck_assert_int_eq(r.epochs, 3);
    destroy_world(&w);
}
END_TEST

START_TEST(no_rows_is_an_input_error)
{
    World w = make_world("empty");
    w.data.valid.n = 0;
    SftResult r;
    ck_assert_int_eq(train(&w, &r), E_INPUT);
    destroy_world(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sft");
    TCase *t = tcase_create("sft");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, it_learns_what_can_be_learnt);
    tcase_add_test(t, level_softmax_learns_too);
    tcase_add_test(t, trie_softmax_is_what_the_beam_ranks_by);
    tcase_add_test(t, same_seed_same_bytes_other_seed_other_bytes);
    tcase_add_test(t, resumed_is_uninterrupted);
    tcase_add_test(t, killed_and_resumed_is_uninterrupted);
    tcase_add_test(t, a_checkpoint_of_other_options_is_not_continued);
    tcase_add_test(t, a_loss_that_is_not_finite_stops_the_run);
    tcase_add_test(t, patience_ends_the_run_and_keeps_the_best);
    tcase_add_test(t, no_rows_is_an_input_error);
    suite_add_tcase(s, t);
    return suite_run(s);
}
