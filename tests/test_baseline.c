/* tests/test_baseline.c -- full ranking, untrained controls, and the training loop: it learns, repeats itself, resumes to the same bytes after
 * kill -9, stops when it should. The stage program is taken from BIN (set by make test; default cache/build/bin). */
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
#include "eval/metrics.h"
#include "eval/run.h"
#include "nn/gru.h"
#include "nn/sasrec.h"
#include "rec/baseline.h"
#include "rec/popularity.h"
#include "rec/transitions.h"
#include "suite.h"

/* --- a small data set: users walk through the catalogue with their own stride, so that two items tell the next ------------ */

enum { N = 60, USERS = 150, LENGTH = 9 };

static int32_t walk(int64_t user, int64_t step) { return (int32_t)((user * 7 + step * (1 + user % 3)) % N); }

static Dataset *make_data(Arena *a)
{
    Dataset *d = ARENA_NEW(a, Dataset, 1);
    *d = (Dataset){.dir = "made-up", .name = "walk", .label = "Walk", .protocol = "leave-last-out", .n_users = USERS, .N = N, .max_history = 6};
    d->train = (Sequences){USERS, ARENA_NEW(a, int32_t, USERS), ARENA_NEW(a, int64_t, USERS + 1), ARENA_NEW(a, int32_t, USERS * LENGTH)};
    Rows *rows[] = {&d->valid, &d->test};
    for (int k = 0; k < 2; k++) {
        const int64_t length = LENGTH + k;
        *rows[k] = (Rows){USERS, ARENA_NEW(a, int32_t, USERS), ARENA_NEW(a, int64_t, USERS + 1), ARENA_NEW(a, int32_t, USERS * length), ARENA_NEW(a, int32_t, USERS)};
        for (int64_t u = 0; u < USERS; u++) {
            for (int64_t i = 0; i < length; i++) rows[k]->history[u * length + i] = walk(u, i);
            rows[k]->offset[u + 1] = (u + 1) * length;
            rows[k]->target[u] = walk(u, length);
            rows[k]->user[u] = (int32_t)u;
        }
    }
    for (int64_t u = 0; u < USERS; u++) {
        for (int64_t i = 0; i < LENGTH; i++) d->train.items[u * LENGTH + i] = walk(u, i);
        d->train.offset[u + 1] = (u + 1) * LENGTH;
        d->train.user[u] = (int32_t)u;
    }
    return d;
}

static const TrainOptions OPTIONS = {.seed = 1, .epochs = 6, .patience = 100, .batch_tokens = 128, .history = 6, .warmup_steps = 5, .lr = 5e-3,
                                     .weight_decay = 0.01, .clip = 5, .dropout = 0.1, .random_windows = true, .checkpoint_s = 0, .identity = "test"};

static SeqModel *make_model(Backend *be, int gru, uint64_t seed)
{
    if (gru) {
        const GruConfig c = {.N = N, .E = 24, .C = 24, .max_len = 6};
        SeqModel *m = gru_create(be, &c, 128, true);
        gru_init(m, seed);
        return m;
    }
    const SasrecConfig c = {.N = N, .C = 24, .L = 2, .H = 2, .F = 48, .max_len = 6, .ln_eps = 1e-8, .scale_embedding = true, .gelu = true};
    SeqModel *m = sasrec_create(be, &c, 128, true);
    sasrec_init(m, seed);
    return m;
}

static char *make_dir(Arena *a)
{
    char *dir = arena_strdup(a, "/tmp/digr-baseline-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static void remove_dir(const char *dir)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static const char *file_hash(Arena *a, const char *dir, const char *name)
{
    char *hex = ARENA_NEW(a, char, SHA256_HEX);
    ck_assert_msg(sha256_file(arena_printf(a, "%s/%s", dir, name), hex, NULL) == OK, "%s/%s", dir, name);
    return hex;
}

typedef struct World {
    Arena *arena;
    Backend *be;
    Dataset *data;
} World;

static World world(void)
{
    World w = {.arena = arena_create("test")};
    log_open("test_baseline", true);
    ck_assert_int_eq(backend_open("cpu", 2, &w.be), OK);
    w.data = make_data(w.arena);
    return w;
}

static void world_end(World *w)
{
    w->be->destroy(w->be);
    arena_destroy(w->arena);
}

static Status train(World *w, int gru, const TrainOptions *o, const char *dir, TrainResult *r, double *valid_hr1)
{
    SeqModel *m = make_model(w->be, gru, o->seed);
    const Status status = baseline_train(w->data, m, o, dir, r);
    if (status == OK && valid_hr1 != NULL) {
        Scorer *s = baseline_scorer(m, w->data, o->history, w->arena);
        Ranking *ranking;
        ck_assert_int_eq(rank_rows(s, &w->data->valid, N, 0, false, 2, w->arena, &ranking), OK);
        double ndcg;
        rank_metrics(ranking->rank, ranking->n, 1, valid_hr1, &ndcg);
        double hr10, ndcg10; /* the weights it returns are those of the best epoch */
        rank_metrics(ranking->rank, ranking->n, 10, &hr10, &ndcg10);
        ck_assert_double_eq(hr10, r->best_hr);
        ck_assert_double_eq(ndcg10, r->best_ndcg);
        baseline_scorer_destroy(s);
    }
    seqmodel_destroy(m);
    return status;
}

/* --- ranking ----------------------------------------------------------------------------------------------------------- */

/* Scores from a small set of values, so that ties abound. */
typedef struct Noise { uint64_t seed; int64_t n_items; } Noise;

static Status noise_score(void *self, const Rows *rows, int64_t first, int64_t n, real *score)
{
    (void)rows;
    const Noise *z = self;
    for (int64_t r = 0; r < n; r++) {
        Rng g = rng_make(z->seed, RNG_STAGE_TEST, RNG_NOISE, 0, (uint64_t)(first + r));
        for (int64_t i = 0; i < z->n_items; i++) score[r * z->n_items + i] = (real)rng_below(&g, 23) / 4 - 1;
    }
    return OK;
}

/* Inner products of small whole numbers: exact, and ties abound. */
enum { WIDTH = 5, VECTOR_ROWS_MOST = 400 };
static real product_table[N * WIDTH];

static Status product_vectors(void *self, const Rows *rows, int64_t first, int64_t n, const real **vector)
{
    (void)rows;
    static real x[VECTOR_ROWS_MOST * WIDTH];
    const Noise *z = self;
    ck_assert_int_le(n, VECTOR_ROWS_MOST);
    for (int64_t r = 0; r < n; r++) {
        Rng g = rng_make(z->seed, RNG_STAGE_TEST, RNG_NOISE, 1, (uint64_t)(first + r));
        for (int64_t k = 0; k < WIDTH; k++) x[r * WIDTH + k] = (real)rng_below(&g, 5) - 2;
    }
    *vector = x;
    return OK;
}

static Status product_score(void *self, const Rows *rows, int64_t first, int64_t n, real *score)
{
    const real *x;
    TRY(product_vectors(self, rows, first, n, &x));
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < N; i++) {
            score[r * N + i] = 0;
            for (int64_t k = 0; k < WIDTH; k++) score[r * N + i] += x[r * WIDTH + k] * product_table[i * WIDTH + k];
        }
    }
    return OK;
}

static Scorer product_scorer(Noise *z)
{
    Rng g = rng_make(z->seed, RNG_STAGE_TEST, RNG_NOISE, 2, 0);
    for (int64_t i = 0; i < N * WIDTH; i++) product_table[i] = (real)rng_below(&g, 4) - 1;
    return (Scorer){.name = "products", .self = z, .score = product_score, .vectors = product_vectors, .table = product_table, .C = WIDTH};
}

/* Against the rule of eval/metrics.h, masked and not, from stored scores and from vectors, for more rows than a tile; some targets are in the history. */
START_TEST(ranking_follows_the_rule)
{
    World w = world();
    Noise z = {.seed = 3, .n_items = N};
    const bool masked = _i & 1;
    const Scorer s = _i & 2 ? product_scorer(&z) : (Scorer){.name = "noise", .self = &z, .score = noise_score};
    for (int64_t r = 0; r < USERS; r += 5) w.data->test.target[r] = w.data->test.history[w.data->test.offset[r]];
    Ranking *got;
    ck_assert_int_eq(rank_rows(&s, &w.data->test, N, 20, masked, 2, w.arena, &got), OK);
    real score[N], top[20];
    for (int64_t r = 0; r < USERS; r++) {
        ck_assert_int_eq(s.score(&z, NULL, r, 1, score), OK);
        if (masked)
            for (int64_t i = w.data->test.offset[r]; i < w.data->test.offset[r + 1]; i++) score[w.data->test.history[i]] = -(real)INFINITY;
        int32_t rank, item[20];
        int64_t n;
        ck_assert_int_eq(metrics_rank_scores(score, N, w.data->test.target[r], &rank), OK);
        ck_assert_int_eq(got->rank[r], rank);
        ck_assert_int_eq(metrics_top(score, N, 20, item, top, &n), OK);
        ck_assert_int_eq(got->length[r], n);
        for (int64_t i = 0; i < n; i++) {
            ck_assert_int_eq(got->item[r * 20 + i], item[i]);
            ck_assert_double_eq((double)got->score[r * 20 + i], (double)top[i]);
        }
    }
    world_end(&w);
}
END_TEST

START_TEST(top_of_few)
{
    const real score[] = {1, -(real)INFINITY, 3, 3, -(real)INFINITY};
    int32_t item[4];
    real top[4];
    ck_assert_int_eq(rank_top(score, 5, 4, item, top), 3);
    ck_assert_int_eq(item[0], 2);
    ck_assert_int_eq(item[1], 3);
    ck_assert_int_eq(item[2], 0);
    ck_assert_int_eq(rank_top(score, 5, 1, item, top), 1);
    ck_assert_int_eq(item[0], 2);
    double hr, ndcg;
    rank_metrics((const int32_t[]){1, 3, 0, 11}, 4, 10, &hr, &ndcg);
    ck_assert_double_eq_tol(hr, 0.5, 1e-15);
    ck_assert_double_eq_tol(ndcg, (1 + 0.5) / 4, 1e-15);
}
END_TEST

static Status bad_score(void *self, const Rows *rows, int64_t first, int64_t n, real *score)
{
    (void)self;
    (void)rows;
    for (int64_t i = 0; i < n * N; i++) score[i] = first > 0 && i == n * N - 1 ? (real)NAN : (real)(i % 7);
    return OK;
}

START_TEST(scores_that_are_not_numbers_are_reported)
{
    World w = world();
    for (int64_t r = 0; r < USERS; r++) w.data->test.target[r] = N - 1;
    const Scorer s = {.name = "bad", .score = bad_score};
    Ranking *got;
    ck_assert_int_eq(rank_rows(&s, &w.data->test, N, 0, false, 2, w.arena, &got), E_NUMERIC);
    ck_assert_ptr_nonnull(strstr(status_message(), "row 149"));
    world_end(&w);
}
END_TEST

/* --- untrained controls ------------------------------------------------------------------------------------------------ */

static Dataset *tiny_data(Arena *a)
{
    /* train: 0 1 2 | 1 2 1 2 | 3 | 0 1;   one row with history 3 0 1 */
    Dataset *d = ARENA_NEW(a, Dataset, 1);
    *d = (Dataset){.dir = "tiny", .protocol = "leave-last-out", .n_users = 4, .N = 5, .max_history = 5};
    static int64_t offset[] = {0, 3, 7, 8, 10}, row_offset[] = {0, 3};
    static int32_t items[] = {0, 1, 2, 1, 2, 1, 2, 3, 0, 1}, user[] = {0, 1, 2, 3}, history[] = {3, 0, 1}, target[] = {2};
    d->train = (Sequences){4, user, offset, items};
    d->valid = d->test = (Rows){1, user, row_offset, history, target};
    return d;
}

START_TEST(popularity_by_hand)
{
    Arena *a = arena_create("test");
    Ranking *r;
    ck_assert_int_eq(rank_rows(popularity_create(tiny_data(a), a), &tiny_data(a)->test, 5, 5, false, 1, a, &r), OK);
    const int32_t want[] = {1, 2, 0, 3, 4}; /* counts 4, 3, 2, 1, 0 */
    ck_assert_int_eq(memcmp(r->item, want, sizeof want), 0);
    ck_assert_int_eq(r->rank[0], 2);
    ck_assert_double_eq((double)r->score[0], 4);
    arena_destroy(a);
}
END_TEST

START_TEST(transitions_by_hand)
{
    /* c(0,1) = 2, c(1,2) = 3, c(2,1) = 1; a(0) = 2, a(1) = 3, a(2) = 1; b(1) = 3, b(2) = 3. History 3 0 1, newest first: 1, 0, 3.
     * s(2) = 3/sqrt(3*3) = 1; s(1) = 0.5 * 2/sqrt(2*3); the others by popularity: 0 before 3 before 4 */
    Arena *a = arena_create("test");
    Ranking *r;
    ck_assert_int_eq(rank_rows(transitions_create(tiny_data(a), 3, 0.5, a), &tiny_data(a)->test, 5, 5, false, 1, a, &r), OK);
    const int32_t want[] = {2, 1, 0, 3, 4};
    ck_assert_int_eq(memcmp(r->item, want, sizeof want), 0);
    ck_assert_double_eq_tol((double)r->score[0], 1, 1e-5);
    ck_assert_double_eq_tol((double)r->score[1], 0.5 * 2 / sqrt(6), 1e-5);
    ck_assert_int_eq(rank_rows(transitions_create(tiny_data(a), 1, 0.5, a), &tiny_data(a)->test, 5, 5, false, 1, a, &r), OK);
    ck_assert_double_le((double)r->score[1], 1e-6); /* only the newest item counts */
    arena_destroy(a);
}
END_TEST

/* --- windows ----------------------------------------------------------------------------------------------------------- */

START_TEST(random_windows_hold_every_target_once)
{
    World w = world();
    const Sequences *q = &w.data->train;
    TrainOptions o = OPTIONS;
    o.history = 1 + _i;
    Window *out = ARENA_NEW(w.arena, Window, baseline_windows_max(q, &o));
    char hash[3][SHA256_HEX];
    for (int epoch = 1; epoch <= 3; epoch++) {
        int seen[USERS * LENGTH] = {0};
        const int64_t n = baseline_windows(q, &o, epoch, out);
        ck_assert_int_le(n, baseline_windows_max(q, &o));
        for (int64_t i = 0; i < n; i++) {
            ck_assert_int_ge(out[i].n, 2);
            ck_assert_int_le(out[i].n, o.history + 1);
            ck_assert_int_eq(out[i].start / LENGTH, (out[i].start + out[i].n - 1) / LENGTH); /* of one user */
            for (int64_t t = 1; t < out[i].n; t++) seen[out[i].start + t]++;
        }
        for (int64_t i = 0; i < USERS * LENGTH; i++) ck_assert_int_eq(seen[i], i % LENGTH != 0);
        char again[SHA256_HEX];
        sha256_buffer(out, (size_t)n * sizeof *out, hash[epoch - 1]);
        ck_assert_int_eq(baseline_windows(q, &o, epoch, out), n);
        sha256_buffer(out, (size_t)n * sizeof *out, again);
        ck_assert_str_eq(hash[epoch - 1], again);
    }
    /* new cuts in each epoch, where there is a choice of cuts */
    const bool choice = o.history > 1 && o.history + 1 < LENGTH;
    ck_assert_int_eq(strcmp(hash[0], hash[1]) != 0, choice);
    ck_assert_int_eq(strcmp(hash[1], hash[2]) != 0, choice);
    world_end(&w);
}
END_TEST

START_TEST(last_windows_are_the_ends)
{
    World w = world();
    TrainOptions o = OPTIONS;
    o.random_windows = false;
    Window *out = ARENA_NEW(w.arena, Window, baseline_windows_max(&w.data->train, &o));
    ck_assert_int_eq(baseline_windows(&w.data->train, &o, 1, out), USERS);
    for (int64_t u = 0; u < USERS; u++) {
        ck_assert_int_eq(out[u].start, u * LENGTH + LENGTH - 7);
        ck_assert_int_eq(out[u].n, 7);
    }
    world_end(&w);
}
END_TEST

/* --- training ---------------------------------------------------------------------------------------------------------- */

START_TEST(it_learns)
{
    World w = world();
    TrainOptions o = OPTIONS;
    o.epochs = 25;
    const char *dir = make_dir(w.arena);
    TrainResult r;
    double hr1;
    ck_assert_int_eq(train(&w, _i, &o, dir, &r, &hr1), OK);
    ck_assert_double_gt(hr1, 0.6); /* popularity: about 0.02 */
    ck_assert_int_eq(r.epochs, 25);
    remove_dir(dir);
    world_end(&w);
}
END_TEST

START_TEST(it_repeats_itself)
{
    World w = world();
    TrainResult r[3];
    const char *hash[3], *dir[3];
    for (int k = 0; k < 3; k++) {
        TrainOptions o = OPTIONS;
        o.seed = k < 2 ? 1 : 2;
        dir[k] = make_dir(w.arena);
        ck_assert_int_eq(train(&w, _i, &o, dir[k], &r[k], NULL), OK);
        hash[k] = file_hash(w.arena, dir[k], "model.safetensors");
        remove_dir(dir[k]);
    }
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_str_ne(hash[0], hash[2]);
    ck_assert_double_eq(r[0].loss, r[1].loss);
    world_end(&w);
}
END_TEST

/* Two epochs, then on to six, against six at once; then on a finished folder: nothing changes. */
START_TEST(resumed_is_uninterrupted)
{
    World w = world();
    const char *whole = make_dir(w.arena), *parts = make_dir(w.arena);
    TrainOptions o = OPTIONS;
    TrainResult a, b;
    ck_assert_int_eq(train(&w, _i, &o, whole, &a, NULL), OK);
    ck_assert(!a.resumed);
    o.epochs = 2;
    ck_assert_int_eq(train(&w, _i, &o, parts, &b, NULL), OK);
    o.epochs = 6;
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(train(&w, _i, &o, parts, &b, NULL), OK);
        ck_assert(b.resumed);
        ck_assert_int_eq(unlink(arena_printf(w.arena, "%s/log.tsv", parts)), 0); /* as the stage does when it starts again */
        ck_assert_str_eq(file_hash(w.arena, whole, "model.safetensors"), file_hash(w.arena, parts, "model.safetensors"));
        ck_assert_double_eq(a.loss, b.loss);
        ck_assert_int_eq(a.steps, b.steps);
        ck_assert_int_eq(a.best_epoch, b.best_epoch);
    }
    ck_assert_int_eq(baseline_clean(parts), OK);
    ck_assert(!path_exists(arena_printf(w.arena, "%s/training.json", parts)));
    ck_assert(!path_exists(arena_printf(w.arena, "%s/checkpoint-6.safetensors", parts)));
    ck_assert(path_exists(arena_printf(w.arena, "%s/model.safetensors", parts)));
    remove_dir(whole);
    remove_dir(parts);
    world_end(&w);
}
END_TEST

START_TEST(a_checkpoint_of_other_options_is_not_used)
{
    World w = world();
    const char *dir = make_dir(w.arena), *fresh = make_dir(w.arena);
    TrainOptions o = OPTIONS;
    TrainResult r;
    o.epochs = 2;
    ck_assert_int_eq(train(&w, 0, &o, dir, &r, NULL), OK);
    o.lr = 4e-3;
    ck_assert_int_eq(train(&w, 0, &o, dir, &r, NULL), OK);
    ck_assert(!r.resumed);
    ck_assert_int_eq(train(&w, 0, &o, fresh, &r, NULL), OK);
    ck_assert_str_eq(file_hash(w.arena, dir, "model.safetensors"), file_hash(w.arena, fresh, "model.safetensors"));
    w.data->train.items[5] = (w.data->train.items[5] + 1) % N; /* other data */
    ck_assert_int_eq(train(&w, 0, &o, dir, &r, NULL), OK);
    ck_assert(!r.resumed);
    remove_dir(dir);
    remove_dir(fresh);
    world_end(&w);
}
END_TEST

START_TEST(it_stops_when_validation_stops_rising)
{
    World w = world();
    TrainOptions o = OPTIONS;
    o.epochs = 400;
    o.patience = 3;
    o.checkpoint_s = 1000;
    const char *dir = make_dir(w.arena);
    TrainResult r;
    double hr1;
    ck_assert_int_eq(train(&w, 0, &o, dir, &r, &hr1), OK); /* also: the best epoch's weights come back */
    ck_assert_int_lt(r.epochs, 400);
    ck_assert_int_eq(r.epochs, r.best_epoch + 3);
    remove_dir(dir);
    world_end(&w);
}
END_TEST

START_TEST(divergence_is_reported)
{
    World w = world();
    TrainOptions o = OPTIONS;
    o.lr = 1e30;
    o.clip = 0;
    const char *dir = make_dir(w.arena);
    TrainResult r;
    ck_assert_int_eq(train(&w, 0, &o, dir, &r, NULL), E_NUMERIC);
    ck_assert(!path_exists(arena_printf(w.arena, "%s/model.safetensors", dir)));
    remove_dir(dir);
    world_end(&w);
}
END_TEST

START_TEST(sequences_of_one_item_cannot_be_learnt)
{
    World w = world();
    for (int64_t u = 0; u <= USERS; u++) w.data->train.offset[u] = u;
    const char *dir = make_dir(w.arena);
    TrainResult r;
    ck_assert_int_eq(train(&w, 0, &OPTIONS, dir, &r, NULL), E_INPUT);
    remove_dir(dir);
    world_end(&w);
}
END_TEST

/* --- the stage program ------------------------------------------------------------------------------------------------- */

static void write_rows(const char *path, const Rows *rows)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "user\thistory\ttarget\ttimestamp\n");
    for (int64_t r = 0; r < rows->n; r++) {
        (void)fprintf(f, "%d\t", (int)rows->user[r]);
        for (int64_t i = rows->offset[r]; i < rows->offset[r + 1]; i++) (void)fprintf(f, "%s%d", i > rows->offset[r] ? " " : "", (int)rows->history[i]);
        (void)fprintf(f, "\t%d\t0\n", (int)rows->target[r]);
    }
    ck_assert_int_eq(fclose(f), 0);
}

static void write_data(const World *w, const char *dir)
{
    const Dataset *d = w->data;
    FILE *f = fopen(arena_printf(w->arena, "%s/meta.json", dir), "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "{\"name\": \"walk\", \"label\": \"Walk\", \"simulated\": true, \"protocol\": \"leave-last-out\", \"max_history\": 6, \"counts\": {"
                     "\"users\": %d, \"items\": %d, \"interactions\": %d, \"train_sequences\": %d, \"valid_rows\": %d, \"test_rows\": %d}}",
                  USERS, N, USERS * (LENGTH + 2), USERS, USERS, USERS);
    ck_assert_int_eq(fclose(f), 0);
    f = fopen(arena_printf(w->arena, "%s/train.tsv", dir), "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "user\titems\n");
    for (int64_t u = 0; u < USERS; u++) {
        (void)fprintf(f, "%d\t", (int)u);
        for (int64_t i = 0; i < LENGTH; i++) (void)fprintf(f, "%s%d", i > 0 ? " " : "", (int)d->train.items[u * LENGTH + i]);
        (void)fprintf(f, "\n");
    }
    ck_assert_int_eq(fclose(f), 0);
    write_rows(arena_printf(w->arena, "%s/valid.tsv", dir), &d->valid);
    write_rows(arena_printf(w->arena, "%s/test.tsv", dir), &d->test);
}

static const char *stage(Arena *a, const char *data, const char *out, const char *more)
{
    const char *bin = getenv("BIN");
    return arena_printf(a, "exec '%s/07_baseline' --quiet --data '%s' --out '%s' %s 2>/dev/null", bin != NULL ? bin : "cache/build/bin", data, out, more);
}

/* Starts the command and kills it with SIGKILL after `milliseconds`; true when it had ended by itself (exit 0). */
static bool run_and_kill(const char *command, int milliseconds)
{
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int state = 0;
    for (int ms = 0; ms < milliseconds; ms++) {
        if (waitpid(pid, &state, WNOHANG) == pid) {
            ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "%s: state %d", command, state);
            return true;
        }
        (void)usleep(1000);
    }
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &state, 0), pid);
    return false;
}

START_TEST(the_stage_survives_kill_9)
{
    World w = world();
    const char *data = make_dir(w.arena), *whole = make_dir(w.arena), *killed = make_dir(w.arena);
    write_data(&w, data);
    const char *settings = "--method sasrec --dim 24 --history 6 --batch-tokens 128 --epochs 40 --patience 0 --checkpoint-seconds 0 --threads 1";
    ck_assert_int_eq(system(stage(w.arena, data, whole, settings)), 0);
    bool done = false;
    int kills = 0;
    for (int ms = 60; !done; ms += 30) {
        done = run_and_kill(stage(w.arena, data, killed, settings), ms);
        if (!done) kills++;
        if (!done) ck_assert(!path_exists(arena_printf(w.arena, "%s/manifest.json", killed)) || kills > 3);
    }
    ck_assert_int_ge(kills, 1);
    static const char *const files[] = {"model.safetensors", "valid.run", "test.run", "test.masked.run", "config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        ck_assert_msg(strcmp(file_hash(w.arena, whole, files[i]), file_hash(w.arena, killed, files[i])) == 0, "%s", files[i]);
    remove_dir(data);
    remove_dir(whole);
    remove_dir(killed);
    world_end(&w);
}
END_TEST

/* The run files say what rank_rows says: read back and judged. Masked lists hold no history item. */
START_TEST(the_stage_writes_run_files)
{
    World w = world();
    const char *data = make_dir(w.arena), *out = make_dir(w.arena);
    write_data(&w, data);
    ck_assert_int_eq(system(stage(w.arena, data, out, "--method transitions")), 0);
    Ranking *want;
    ck_assert_int_eq(rank_rows(transitions_create(w.data, 3, 0.6, w.arena), &w.data->test, N, RUN_DEPTH, false, 1, w.arena, &want), OK);
    Run *run, *masked;
    ck_assert_int_eq(run_read(arena_printf(w.arena, "%s/test.run", out), USERS, N, w.arena, &run), OK);
    ck_assert_str_eq(run->tag, "transitions");
    ck_assert_int_eq(run->n_predictions, (int64_t)USERS * RUN_DEPTH);
    for (int64_t i = 0; i < (int64_t)USERS * RUN_DEPTH; i++) ck_assert_int_eq(run->item[i], want->item[i]);
    ck_assert_int_eq(run_read(arena_printf(w.arena, "%s/test.masked.run", out), USERS, N, w.arena, &masked), OK);
    for (int64_t r = 0; r < USERS; r++)
        for (int64_t i = masked->offset[r]; i < masked->offset[r + 1]; i++)
            for (int64_t h = w.data->test.offset[r]; h < w.data->test.offset[r + 1]; h++) ck_assert_int_ne(masked->item[i], w.data->test.history[h]);
    ck_assert(path_exists(arena_printf(w.arena, "%s/manifest.json", out)));
    remove_dir(data);
    remove_dir(out);
    world_end(&w);
}
END_TEST

static int exit_code(const char *command)
{
    const int state = system(command);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
}

START_TEST(the_stage_refuses_what_makes_no_sense)
{
    World w = world();
    const char *data = make_dir(w.arena), *out = make_dir(w.arena);
    write_data(&w, data);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out, "--method oracle")), 2);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out, "--method popularity --oracle x")), 2);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out, "--method sasrec --dim 10 --heads 4")), 2);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out, "--method sasrec --hidden 10")), 2);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out, "--method sasrec --history 100 --batch-tokens 50")), 2);
    ck_assert_int_eq(exit_code(stage(w.arena, "/nowhere", out, "--method popularity")), 3);
    ck_assert_int_eq(exit_code(stage(w.arena, data, "/proc/x", "--method popularity")), 4);
    ck_assert(!path_exists(arena_printf(w.arena, "%s/manifest.json", out)));
    remove_dir(data);
    remove_dir(out);
    world_end(&w);
}
END_TEST

/* Simulated users, end to end: the oracle finds every event, beats popularity, and refuses the folder of another sample. */
START_TEST(the_oracle_brackets_the_sample)
{
    World w = world();
    const char *bin = getenv("BIN") != NULL ? getenv("BIN") : "cache/build/bin", *dir = make_dir(w.arena);
    for (int seed = 1; seed <= 2; seed++)
        ck_assert_int_eq(system(arena_printf(w.arena, "'%s/00_sample' --quiet --items data_prep/sample --category beauty --users 250 --seed %d --out '%s/raw%d'", bin, seed, dir, seed)), 0);
    ck_assert_int_eq(system(arena_printf(w.arena, "'%s/02_preprocess' --quiet --dataset sample-beauty --raw '%s/raw1' --protocol leave-last-out --check-counts 0 --seed 1 --out '%s/data'", bin, dir, dir)), 0);
    const char *data = arena_printf(w.arena, "%s/data", dir), *out[2] = {arena_printf(w.arena, "%s/oracle", dir), arena_printf(w.arena, "%s/popularity", dir)};
    ck_assert_int_eq(exit_code(stage(w.arena, data, out[0], arena_printf(w.arena, "--method oracle --oracle '%s/raw1/oracle'", dir))), 0);
    ck_assert_int_eq(exit_code(stage(w.arena, data, out[1], "--method popularity")), 0);
    Dataset *d;
    ck_assert_int_eq(dataset_load(data, false, w.arena, &d), OK);
    double hit[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        Run *run;
        ck_assert_int_eq(run_read(arena_printf(w.arena, "%s/test.masked.run", out[k]), d->test.n, d->N, w.arena, &run), OK);
        for (int64_t r = 0; r < d->test.n; r++)
            for (int64_t i = run->offset[r]; i < run->offset[r + 1] && i < run->offset[r] + 10; i++) hit[k] += run->item[i] == d->test.target[r];
        hit[k] /= (double)d->test.n;
    }
    ck_assert_double_gt(hit[0], 0.35);
    ck_assert_double_gt(hit[0], 2 * hit[1]);
    ck_assert(path_exists(arena_printf(w.arena, "%s/manifest.json", out[1])));
    ck_assert_int_eq(exit_code(stage(w.arena, data, out[1], arena_printf(w.arena, "--method oracle --oracle '%s/raw2/oracle'", dir))), 3);
    ck_assert(!path_exists(arena_printf(w.arena, "%s/manifest.json", out[1]))); /* begun again and failed: not complete, and nothing of popularity left */
    ck_assert(!path_exists(arena_printf(w.arena, "%s/test.run", out[1])));
    remove_dir(dir);
    world_end(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("baseline");
    TCase *t = tcase_create("ranking and controls");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ranking_follows_the_rule, 0, 4);
    tcase_add_test(t, top_of_few);
    tcase_add_test(t, scores_that_are_not_numbers_are_reported);
    tcase_add_test(t, popularity_by_hand);
    tcase_add_test(t, transitions_by_hand);
    tcase_add_loop_test(t, random_windows_hold_every_target_once, 0, 9);
    tcase_add_test(t, last_windows_are_the_ends);
    suite_add_tcase(s, t);
    t = tcase_create("training");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, it_learns, 0, 2);
    tcase_add_loop_test(t, it_repeats_itself, 0, 2);
    tcase_add_loop_test(t, resumed_is_uninterrupted, 0, 2);
    tcase_add_test(t, a_checkpoint_of_other_options_is_not_used);
    tcase_add_test(t, it_stops_when_validation_stops_rising);
    tcase_add_test(t, divergence_is_reported);
    tcase_add_test(t, sequences_of_one_item_cannot_be_learnt);
    suite_add_tcase(s, t);
    t = tcase_create("stage");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, the_stage_survives_kill_9);
    tcase_add_test(t, the_stage_writes_run_files);
    tcase_add_test(t, the_stage_refuses_what_makes_no_sense);
    tcase_add_test(t, the_oracle_brackets_the_sample);
    suite_add_tcase(s, t);
    return suite_run(s);
}
