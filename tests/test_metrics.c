/* tests/test_metrics.c -- ranks, ties, duplicates, empty and invalid predictions, and every metric, on cases worked out by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "eval/evaluation.h"
#include "eval/metrics.h"
#include "suite.h"

START_TEST(rank_in_list)
{
    const int32_t list[] = {7, 3, 7, -1, 9};
    ck_assert_int_eq(metrics_rank_list(list, 5, 7), 1);
    ck_assert_int_eq(metrics_rank_list(list, 5, 3), 2);
    ck_assert_int_eq(metrics_rank_list(list, 5, 9), 5); /* the duplicate and the invalid prediction keep their slots */
    ck_assert_int_eq(metrics_rank_list(list, 5, 4), 0);
    ck_assert_int_eq(metrics_rank_list(list, 0, 7), 0);
}
END_TEST

START_TEST(rank_at_sid_level)
{
    /* items 0 and 1 share their codes, so do 4 and 5 */
    const int32_t group[] = {0, 0, 2, 3, 4, 4};
    const int32_t list[] = {2, 0, 1, 4};
    ck_assert_int_eq(metrics_rank_group(list, 4, 1, group), 2);  /* item 0 stands for it, one slot before item 1 */
    ck_assert_int_eq(metrics_rank_group(list, 4, 5, group), 3);  /* items 0 and 1 take one slot together */
    ck_assert_int_eq(metrics_rank_group(list, 4, 3, group), 0);
    const int32_t invalid[] = {-1, -1, 3};
    ck_assert_int_eq(metrics_rank_group(invalid, 3, 3, group), 3); /* every invalid prediction takes a slot */
}
END_TEST

START_TEST(rank_in_scores_breaks_ties_by_id)
{
    const real score[] = {(real)0.5, (real)1.5, (real)0.5, (real)-0.0, (real)0.0, -(real)INFINITY};
    const int32_t want[] = {2, 1, 3, 4, 5, 0};
    for (int32_t t = 0; t < 6; t++) {
        int32_t rank = -1;
        ck_assert_int_eq(metrics_rank_scores(score, 6, t, &rank), OK);
        ck_assert_int_eq(rank, want[t]);
    }
}
END_TEST

START_TEST(scores_must_be_numbers)
{
    real score[] = {1, 2, 3}, top[2];
    int32_t rank, item[2];
    int64_t n;
    score[1] = (real)NAN;
    ck_assert_int_eq(metrics_rank_scores(score, 3, 0, &rank), E_NUMERIC);
    ck_assert_int_eq(metrics_top(score, 3, 2, item, top, &n), E_NUMERIC);
    score[1] = (real)INFINITY;
    ck_assert_int_eq(metrics_rank_scores(score, 3, 0, &rank), E_NUMERIC);
}
END_TEST

START_TEST(top_agrees_with_ranks)
{
    enum { N = 133, K = 20 };
    real score[N], top[K];
    int32_t item[K];
    for (uint64_t trial = 0; trial < 50; trial++) {
        Rng r = rng_make(1, RNG_STAGE_TEST, RNG_TIES, 0, trial);
        for (int i = 0; i < N; i++) score[i] = (real)rng_below(&r, 9) / 2; /* many ties */
        for (int i = 0; i < N; i += 3) score[i] = trial % 2 == 0 ? -(real)INFINITY : score[i];
        int64_t n;
        ck_assert_int_eq(metrics_top(score, N, K, item, top, &n), OK);
        ck_assert_int_eq(n, K);
        for (int32_t k = 0; k < K; k++) {
            int32_t rank;
            ck_assert_int_eq(metrics_rank_scores(score, N, item[k], &rank), OK);
            ck_assert_int_eq(rank, k + 1);
            ck_assert(top[k] == score[item[k]]);
        }
    }
    int64_t n;
    ck_assert_int_eq(metrics_top(score, 3, 20, item, top, &n), OK);
    ck_assert_int_eq(n, 3);
}
END_TEST

START_TEST(sort_is_by_score_then_id)
{
    int32_t item[] = {9, 4, 4, 1, 7};
    real score[] = {1, 2, 2, 2, 3};
    const int32_t want[] = {7, 1, 4, 4, 9};
    metrics_sort(item, score, 5);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(item[i], want[i]);
    ck_assert(score[0] == 3 && score[4] == 1);
}
END_TEST

START_TEST(metrics_by_hand)
{
    /* four rows: rank 1, rank 3, rank 7, not found */
    const int32_t rank[] = {1, 3, 7, 0};
    double v[METRIC_COUNT];
    metrics_compute(rank, 4, v);
    ck_assert_double_eq_tol(v[METRIC_HR_1], 0.25, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_HR_3], 0.5, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_HR_5], 0.5, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_HR_10], 0.75, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_HR_20], 0.75, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_NDCG_1], 0.25, 1e-15);
    ck_assert_double_eq_tol(v[METRIC_NDCG_3], (1.0 + 0.5) / 4, 1e-15);              /* log2(4) = 2 */
    ck_assert_double_eq_tol(v[METRIC_NDCG_10], (1.0 + 0.5 + 1.0 / 3.0) / 4, 1e-15); /* log2(8) = 3 */
    ck_assert_double_eq_tol(v[METRIC_MRR], (1.0 + 1.0 / 3.0 + 1.0 / 7.0) / 4, 1e-15);
    const int32_t edge[] = {20, 21, 10, 11};
    metrics_compute(edge, 4, v);
    ck_assert_double_eq_tol(v[METRIC_HR_20], 0.75, 1e-15); /* 20 counts, 21 does not */
    ck_assert_double_eq_tol(v[METRIC_HR_10], 0.25, 1e-15);
    metrics_compute(edge, 0, v);
    for (int m = 0; m < METRIC_COUNT; m++) ck_assert(v[m] == 0.0);
}
END_TEST

START_TEST(records_are_consistent)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        ck_assert_int_eq(metrics_find(METRICS[m].name), m);
        ck_assert(METRICS[m].gain(0, METRICS[m].cutoff) == 0.0);
        ck_assert(METRICS[m].gain(1, METRICS[m].cutoff) == 1.0);
    }
    ck_assert_int_eq(metrics_find("NDCG@7"), METRIC_COUNT);
}
END_TEST

/* A run of four rows: found at 2, empty, a duplicate before the target, an invalid prediction before the target. */
static Run *hand_run(Arena *arena)
{
    static const int32_t items[] = {5, 1, /* */ 3, 3, 2, /* */ -1, 0};
    static const int64_t offset[] = {0, 2, 2, 5, 7};
    Run *run = ARENA_NEW(arena, Run, 1);
    run->tag = "hand";
    run->n_rows = 4;
    run->offset = ARENA_NEW(arena, int64_t, 5);
    run->item = ARENA_NEW(arena, int32_t, 7);
    for (int i = 0; i < 5; i++) run->offset[i] = offset[i];
    for (int i = 0; i < 7; i++) run->item[i] = items[i];
    run->n_predictions = 7;
    run->n_duplicates = run->n_invalid = run->n_empty_rows = 1;
    return run;
}

START_TEST(judging_a_run)
{
    Arena *arena = arena_create("test");
    const int32_t target[] = {1, 4, 2, 0};
    const int32_t group[] = {0, 1, 2, 3, 4, 1}; /* items 1 and 5 share their codes */
    Evaluation ev = {.dataset = "d", .label = "D", .protocol = "leave-last-out", .simulated = true, .N = 6, .method = "hand", .beam = 20,
        .has_sids = true, .n_collided_items = 2};
    const Judgement *j = evaluation_judge(&ev, "test", hand_run(arena), target, group, arena);
    const int32_t want[] = {2, 0, 3, 2};
    for (int r = 0; r < 4; r++) ck_assert_int_eq(j->rank[r], want[r]);
    ck_assert_int_eq(j->n_found, 3);
    ck_assert_double_eq_tol(j->value[METRIC_HR_1], 0.0, 1e-15);
    ck_assert_double_eq_tol(j->sid_value[METRIC_HR_1], 0.25, 1e-15); /* item 5 stands for item 1 */
    ck_assert_double_eq_tol(j->value[METRIC_MRR], (0.5 + 1.0 / 3.0 + 0.5) / 4, 1e-15);
    ck_assert_ptr_null(evaluation_find(&ev, "valid"));

    ck_assert_int_eq(evaluation_write(&ev, "/proc/nowhere"), E_RESOURCE);
    char dir[] = "/tmp/test_metrics_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(evaluation_write(&ev, dir), OK);
    Evaluation *back;
    ck_assert_int_eq(evaluation_read(dir, arena, &back), OK);
    const Judgement *k = evaluation_find(back, "test");
    ck_assert_ptr_nonnull(k);
    for (int m = 0; m < METRIC_COUNT; m++) ck_assert(k->value[m] == j->value[m] && k->sid_value[m] == j->sid_value[m]);
    ck_assert_int_eq(k->n_duplicates, 1);
    ck_assert_int_eq(k->n_invalid, 1);
    ck_assert_int_eq(k->n_empty_rows, 1);
    ck_assert_str_eq(back->protocol, "leave-last-out");
    ck_assert(back->simulated && back->beam == 20 && back->n_collided_items == 2);

    /* metrics that are not those of the ranks are refused */
    ev.split[0].value[METRIC_HR_10] += 1e-6;
    ck_assert_int_eq(evaluation_write(&ev, dir), OK);
    ck_assert_int_eq(evaluation_read(dir, arena, &back), E_INPUT);
    ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", dir)), 0);
    arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, rank_in_list);
    tcase_add_test(tc, rank_at_sid_level);
    tcase_add_test(tc, rank_in_scores_breaks_ties_by_id);
    tcase_add_test(tc, scores_must_be_numbers);
    tcase_add_test(tc, top_agrees_with_ranks);
    tcase_add_test(tc, sort_is_by_score_then_id);
    tcase_add_test(tc, metrics_by_hand);
    tcase_add_test(tc, records_are_consistent);
    tcase_add_test(tc, judging_a_run);
    return suite_run(suite);
}
