/* tests/test_sequence.c -- vocabulary, the one sequence builder, training samples and packed batches: targets stay with their samples. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "rec/sequence.h"
#include "rec/tasks.h"
#include "suite.h"

enum { N = 7, K = 4, Q = 3 };
/* Items 0, 3 and 6 share their codes: suffixes 0, 1, 2. */
static const int32_t codes[N * Q] = {1, 2, 3, 0, 0, 0, 3, 3, 3, 1, 2, 3, 0, 1, 0, 2, 2, 1, 1, 2, 3};
static const char *const titles[N] = {"rose toner", "tea tree mask", "rose mist", "clay mask", "dry shampoo", "", "rose oil"};
static const char *const wishes[N] = {"calm skin; gentle", "", "fresh scent", "oily skin", "volume", "", "gifts"};

typedef struct World {
    Arena *arena;
    Catalogue *catalogue;
    Vocab *vocab;
    SequenceBuilder builder;
    Dataset data;
} World;

static World make_world(int64_t merges, int64_t max_history)
{
    World w = {.arena = arena_create("test")};
    w.catalogue = catalogue_from_codes(w.arena, N, Q, K, codes);
    w.vocab = vocab_create(w.arena, w.catalogue, merges, titles, N);
    w.builder = (SequenceBuilder){w.vocab, w.catalogue, max_history};
    int64_t n = 40, total = 0;
    w.data.N = N;
    w.data.train.n = n;
    w.data.train.offset = ARENA_NEW(w.arena, int64_t, n + 1);
    w.data.train.items = ARENA_NEW(w.arena, int32_t, n * 30);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t s = 0; s < n; ++s) {
        int64_t length = 1 + (int64_t)rng_below(&r, s < 5 ? 30 : 8);
        for (int64_t i = 0; i < length; ++i) w.data.train.items[total++] = (int32_t)rng_below(&r, N);
        w.data.train.offset[s + 1] = total;
    }
    return w;
}

/* --- vocabulary and prompts ----------------------------------------------------------------------------------------------------------- */

START_TEST(vocabulary_layout)
{
    World w = make_world(-1, 5);
    const Vocab *v = w.vocab;
    ck_assert_int_eq(v->n_text, 0);
    ck_assert_int_eq(v->sid_base, N_SPECIAL);
    ck_assert_int_eq(v->n_sid, Q * K + 3);
    ck_assert_int_eq(v->V, N_SPECIAL + Q * K + 3);
    ck_assert_str_eq(vocab_spelling(v, TOKEN_BOS), "<bos>");
    ck_assert_str_eq(vocab_spelling(v, v->sid_base + K + 2), "<b_2>");
    ck_assert_str_eq(vocab_spelling(v, v->sid_base + 3 * K + 1), "<d_1>");
    ck_assert_int_eq(vocab_level(v, TOKEN_BOS), -1);
    ck_assert_int_eq(vocab_level(v, v->sid_base), 0);
    ck_assert_int_eq(vocab_level(v, v->sid_base + 2 * K), 2);
    ck_assert_int_eq(vocab_level(v, (int32_t)v->V - 1), 3);
    int32_t range[2];
    vocab_range(v, v->sid_base + K, range);
    ck_assert(range[0] == v->sid_base + K && range[1] == v->sid_base + 2 * K);
    vocab_range(v, (int32_t)v->V - 1, range);
    ck_assert(range[0] == v->sid_base + Q * K && range[1] == v->V);
    vocab_range(v, TOKEN_END, range);
    ck_assert(range[0] == 0 && range[1] == v->sid_base);
    arena_destroy(w.arena);
}
END_TEST

START_TEST(prompt_and_answer_by_hand)
{
    World w = make_world(-1, 3);
    int32_t base = w.vocab->sid_base, token[32], history[] = {5, 4, 1, 0, 2};
    ck_assert_int_eq(sequence_prompt_capacity(&w.builder), 1 + 3 * 4);
    /* the last three: 1 = (0,0,0), 0 = (1,2,3) suffix 0, 2 = (3,3,3) */
    const int32_t want[] = {TOKEN_BOS, base + 0, base + 4, base + 8, base + 1, base + 6, base + 11, base + 12, base + 3, base + 7, base + 11};
    ck_assert_int_eq(sequence_prompt(&w.builder, history, 5, token), 11);
    ck_assert(memcmp(token, want, sizeof want) == 0);
    ck_assert_int_eq(sequence_prompt(&w.builder, history, 0, token), 1);
    ck_assert_int_eq(token[0], TOKEN_BOS);
    ck_assert_int_eq(sequence_answer(&w.builder, 6, token), 4);
    ck_assert(token[0] == base + 1 && token[1] == base + 6 && token[2] == base + 11 && token[3] == base + 14);
    ck_assert_int_eq(sequence_answer(&w.builder, 4, token), 3);
    arena_destroy(w.arena);
}
END_TEST

START_TEST(vocabulary_files_round_trip_and_other_sids_are_refused)
{
    World w = make_world(20, 3);
    ck_assert(w.vocab->n_text > 256);
    char dir[] = "/tmp/digr-vocab-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(vocab_save(w.vocab, dir), OK);
    Vocab *v;
    ck_assert_int_eq(vocab_load(dir, w.arena, w.catalogue, &v), OK);
    ck_assert(v->V == w.vocab->V && v->sid_base == w.vocab->sid_base && v->n_text == w.vocab->n_text && v->n_sid == w.vocab->n_sid);
    for (int32_t id = 0; id < v->V; ++id) ck_assert_str_eq(vocab_spelling(v, id), vocab_spelling(w.vocab, id));
    /* fewer suffixes, more codes a level: both are other vocabularies */
    int32_t other[N * Q];
    memcpy(other, codes, sizeof other);
    other[0] = 0;
    Catalogue *c = catalogue_from_codes(w.arena, N, Q, K, other);
    ck_assert_int_eq(vocab_load(dir, w.arena, c, &v), E_INPUT);
    ck_assert(strstr(status_message(), "vocab.json") != NULL);
    c = catalogue_from_codes(w.arena, N, Q, K + 1, codes);
    ck_assert_int_eq(vocab_load(dir, w.arena, c, &v), E_INPUT);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
    arena_destroy(w.arena);
}
END_TEST

/* --- samples -------------------------------------------------------------------------------------------------------------------------- */

static TaskOptions all_tasks(WindowMode window)
{
    TaskOptions o = {.seed = 3, .align_weight = 0.5, .window = window, .max_text = 12, .text_history = 3, .max_tokens = 160};
    for (int k = 0; k < N_TASKS; ++k) o.ratio[k] = 1;
    return o;
}

/* What a sample must be, told from its id alone by other means: the answer's item and kind, and where the answer begins. */
static void check_sample(const World *w, int64_t id, int64_t n, const int32_t *token, const int32_t *target, real weight)
{
    Task task = tasks_task_of(id);
    int64_t index = tasks_index_of(id), first = 1;
    ck_assert_int_eq(token[0], TOKEN_BOS);
    ck_assert(weight == (task == TASK_NEXT ? (real)1 : (real)0.5));
    if (task != TASK_NEXT) {
        int32_t mark = TOKEN_TITLE_TO_SID + (int32_t)task - TASK_TITLE_TO_SID;
        while (first < n && token[first] != mark) ++first;
        ck_assert_msg(first < n, "%s: its mark is missing", tasks_name(task));
        ++first;
    }
    for (int64_t i = 0; i < n; ++i) ck_assert_int_eq(target[i], i + 1 < n && i + 1 >= first ? token[i + 1] : TARGET_IGNORED);
    int32_t sid[SID_MAX], text[32];
    if (task == TASK_TITLE_TO_SID || task == TASK_INTERESTS_TO_SID) {
        int64_t length = sequence_answer(&w->builder, (int32_t)index, sid);
        ck_assert(length == n - first && memcmp(sid, token + first, (size_t)length * sizeof *sid) == 0);
        const char *from = (task == TASK_TITLE_TO_SID ? titles : wishes)[index];
        int64_t m = bpe_encode(w->vocab->bpe, from, strlen(from), text, 12);
        m = m < 12 ? m : 12;
        ck_assert(m == first - 2 && memcmp(text, token + 1, (size_t)m * sizeof *text) == 0);
    }
    if (task == TASK_SID_TO_TITLE || task == TASK_SID_TO_INTERESTS) {
        int64_t length = sequence_answer(&w->builder, (int32_t)index, sid);
        ck_assert(length == first - 2 && memcmp(sid, token + 1, (size_t)length * sizeof *sid) == 0);
        ck_assert_int_eq(token[n - 1], TOKEN_END);
    }
    if (task == TASK_TITLES_TO_SID || task == TASK_SIDS_TO_TITLE) { /* the answer is an item of the sequence, and not its first */
        bool found = false;
        for (int64_t k = w->data.train.offset[index] + 1; k < w->data.train.offset[index + 1] && !found; ++k) {
            int32_t item = w->data.train.items[k];
            int64_t length = task == TASK_TITLES_TO_SID ? sequence_answer(&w->builder, item, text)
                                                        : bpe_encode(w->vocab->bpe, titles[item], strlen(titles[item]), text, 12);
            length = length < 12 ? length : 12;
            found = length == n - first - (task == TASK_SIDS_TO_TITLE) && memcmp(text, token + first, (size_t)length * sizeof *text) == 0;
        }
        ck_assert(found);
    }
}

START_TEST(every_sample_is_what_its_id_says)
{
    World w = make_world(20, 4);
    TaskOptions o = all_tasks(WINDOW_CHUNK);
    TaskSet *t = tasks_create(w.arena, &o, &w.builder, &w.data, titles, wishes);
    int64_t seen[N_TASKS] = {0};
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
        int64_t *id, n = tasks_epoch(t, epoch, w.arena, &id);
        for (int64_t i = 0; i < n; ++i) {
            int32_t token[160], target[160];
            real weight;
            int64_t length = tasks_write(t, epoch, id[i], token, target, &weight);
            check_sample(&w, id[i], length, token, target, weight);
            ++seen[tasks_task_of(id[i])];
        }
    }
    for (int k = 0; k < N_TASKS; ++k) ck_assert_msg(seen[k] > 0, "no sample of %s", tasks_name((Task)k));
    ck_assert_int_eq(seen[TASK_TITLE_TO_SID], 3 * 6);       /* item 5 has no title */
    ck_assert_int_eq(seen[TASK_INTERESTS_TO_SID], 3 * 5);   /* items 1 and 5 have no interests */
    arena_destroy(w.arena);
}
END_TEST

/* Packing, in any order and batch size, moves samples whole: each stretch of a batch is its sample, tokens and targets alike. */
START_TEST(batches_keep_targets_with_their_samples)
{
    World w = make_world(20, 4);
    TaskOptions o = all_tasks(WINDOW_CHUNK);
    o.token_drop = 0.3;
    o.item_drop = 0.2;
    TaskSet *t = tasks_create(w.arena, &o, &w.builder, &w.data, titles, wishes);
    Backend *be = backend_ref();
    for (int64_t size = 160; size <= 640; size += 160) {
        Batch *b = batch_create(w.arena, be, size, size);
        int64_t *id, n = tasks_epoch(t, size, w.arena, &id), at = 0, done = 0;
        int32_t token[160], target[160];
        while (at < n) {
            batch_clear(b);
            for (; at < n; ++at) {
                real weight;
                int64_t length = tasks_write(t, size, id[at], token, target, &weight);
                if (!batch_add(b, w.vocab, id[at], length, token, target, weight)) break;
            }
            const Packed *pk = batch_finish(b);
            ck_assert(pk->B > 0 && pk->T <= size && pk->T == b->offset[pk->B]);
            int64_t n_targets = 0;
            for (int64_t s = 0; s < pk->B; ++s, ++done) {
                ck_assert_int_eq(b->sample[s], id[done]);
                real weight;
                int64_t length = tasks_write(t, size, b->sample[s], token, target, &weight);
                ck_assert_int_eq(b->offset[s + 1] - b->offset[s], length);
                for (int64_t i = 0; i < length; ++i) {
                    int64_t row = b->offset[s] + i;
                    ck_assert_int_eq(b->token[row], token[i]);
                    ck_assert_int_eq(b->target[row], target[i]);
                    ck_assert_int_eq(b->pos[row], i);
                    ck_assert(b->weight[row] == (target[i] == TARGET_IGNORED ? 0 : weight));
                    ck_assert(target[i] == TARGET_IGNORED || (b->range[2 * row] <= target[i] && target[i] < b->range[2 * row + 1]));
                    n_targets += target[i] != TARGET_IGNORED;
                }
            }
            ck_assert_int_eq(n_targets, b->n_targets);
        }
        ck_assert_int_eq(done, n);
        batch_destroy(b);
    }
    be->destroy(be);
    arena_destroy(w.arena);
}
END_TEST

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Next-item samples of one epoch: WINDOW_CHUNK uses every event once; WINDOW_RANDOM one window a sequence; WINDOW_FULL everything. */
START_TEST(windows_cover_what_they_promise)
{
    for (int mode = WINDOW_FULL; mode <= WINDOW_CHUNK; ++mode) {
        World w = make_world(-1, 4);
        TaskOptions o = {.seed = 9, .window = (WindowMode)mode, .max_text = 1, .text_history = 1, .max_tokens = 200};
        o.ratio[TASK_NEXT] = 1;
        TaskSet *t = tasks_create(w.arena, &o, &w.builder, &w.data, NULL, NULL);
        bool changed = false;
        int64_t *first_ids = NULL, first_n = 0;
        for (int64_t epoch = 0; epoch < 4; ++epoch) {
            int64_t *id, n = tasks_epoch(t, epoch, w.arena, &id), items = 0, total = w.data.train.offset[w.data.train.n], clipped = 0;
            for (int64_t s = 0; s < w.data.train.n; ++s) {
                int64_t length = w.data.train.offset[s + 1] - w.data.train.offset[s];
                clipped += length < 5 ? length : 5;
            }
            for (int64_t i = 0; i < n; ++i) {
                int32_t token[200], target[200];
                real weight;
                int64_t length = tasks_write(t, epoch, id[i], token, target, &weight), count = 0;
                for (int64_t k = 0; k < length; ++k) count += vocab_level(w.vocab, token[k]) == 0;
                ck_assert(mode == WINDOW_FULL || count <= 5);
                items += count;
            }
            ck_assert_int_eq(items, mode == WINDOW_RANDOM ? clipped : total);
            if (mode != WINDOW_CHUNK) ck_assert_int_eq(n, w.data.train.n);
            if (epoch == 0) {
                first_ids = id;
                first_n = n;
            } else {
                changed = changed || n != first_n || memcmp(id, first_ids, (size_t)n * sizeof *id) != 0;
            }
            int64_t *again, m = tasks_epoch(t, epoch, w.arena, &again);
            ck_assert(m == n && memcmp(id, again, (size_t)n * sizeof *id) == 0);
            qsort(again, (size_t)m, sizeof *again, by_number);
            for (int64_t i = 1; i < m; ++i) ck_assert(again[i] != again[i - 1]);
        }
        ck_assert_msg(changed, "epochs come in the same order");
        arena_destroy(w.arena);
    }
}
END_TEST

START_TEST(augmentation_leaves_targets_alone)
{
    World w = make_world(-1, 30);
    TaskOptions o = {.seed = 2, .window = WINDOW_FULL, .token_drop = 0.5, .max_text = 1, .text_history = 1, .max_tokens = 200};
    o.ratio[TASK_NEXT] = 1;
    TaskSet *masked = tasks_create(w.arena, &o, &w.builder, &w.data, NULL, NULL);
    o.token_drop = 0;
    TaskSet *plain = tasks_create(w.arena, &o, &w.builder, &w.data, NULL, NULL);
    int64_t *id, n = tasks_epoch(plain, 0, w.arena, &id), n_masked = 0, n_inputs = 0;
    for (int64_t i = 0; i < n; ++i) {
        int32_t a[200], b[200], ta[200], tb[200];
        real weight;
        int64_t length = tasks_write(masked, 0, id[i], a, ta, &weight);
        ck_assert_int_eq(tasks_write(plain, 0, id[i], b, tb, &weight), length);
        ck_assert(memcmp(ta, tb, (size_t)length * sizeof *ta) == 0);
        for (int64_t k = 0; k < length; ++k) {
            ck_assert(a[k] == b[k] || (a[k] == TOKEN_MASK && k > 0));
            n_masked += a[k] == TOKEN_MASK;
            n_inputs += k > 0;
        }
    }
    ck_assert(n_masked > n_inputs * 4 / 10 && n_masked < n_inputs * 6 / 10);
    arena_destroy(w.arena);
}
END_TEST

START_TEST(ratios_set_the_passes)
{
    World w = make_world(20, 4);
    TaskOptions o = all_tasks(WINDOW_FULL);
    o.ratio[TASK_TITLE_TO_SID] = 2.5;
    o.ratio[TASK_SID_TO_TITLE] = 0.5;
    o.ratio[TASK_INTERESTS_TO_SID] = 0;
    TaskSet *t = tasks_create(w.arena, &o, &w.builder, &w.data, titles, wishes);
    int64_t *id, n = tasks_epoch(t, 0, w.arena, &id), count[N_TASKS] = {0}, of_item[N] = {0};
    for (int64_t i = 0; i < n; ++i) {
        ++count[tasks_task_of(id[i])];
        if (tasks_task_of(id[i]) == TASK_TITLE_TO_SID) ++of_item[tasks_index_of(id[i])];
    }
    ck_assert_int_eq(count[TASK_TITLE_TO_SID], 15);
    ck_assert_int_eq(count[TASK_SID_TO_TITLE], 3);
    ck_assert_int_eq(count[TASK_INTERESTS_TO_SID], 0);
    for (int i = 0; i < N; ++i) ck_assert(i == 5 ? of_item[i] == 0 : of_item[i] == 2 || of_item[i] == 3);
    arena_destroy(w.arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sequence");
    TCase *t = tcase_create("sequence");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, vocabulary_layout);
    tcase_add_test(t, prompt_and_answer_by_hand);
    tcase_add_test(t, vocabulary_files_round_trip_and_other_sids_are_refused);
    tcase_add_test(t, every_sample_is_what_its_id_says);
    tcase_add_test(t, batches_keep_targets_with_their_samples);
    tcase_add_test(t, windows_cover_what_they_promise);
    tcase_add_test(t, augmentation_leaves_targets_alone);
    tcase_add_test(t, ratios_set_the_passes);
    suite_add_tcase(s, t);
    return suite_run(s);
}
