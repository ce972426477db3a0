/* eval/metrics.h -- what a rank is, and every metric of the tables.
 *
 * ROOM eval: metrics, run files, significance, tables, plots, the report. Depends on base, io and data. Start reading here, then run.h
 * (ranking files), evaluation.h (a run judged against a data set), significance.h, report.h.
 *
 * Rules (they hold for every row of every table):
 *   1. One relevant item a row, its target. Metrics are at item level; SID level (rule 8) is printed beside them, never instead.
 *   2. A ranking is sorted by (score descending, item id ascending); -0 equals +0.
 *   3. rank = 1 + the number of slots before the first occurrence of the target; 0 stands for "not in the list".
 *   4. Duplicates keep their slots: a list that names an item twice wastes one. They are counted.
 *   5. An invalid prediction (item -1: a generated string that is no item) keeps its slot and never hits. They are counted.
 *   6. A row without any prediction counts 0 in every metric. It is counted as empty.
 *   7. The denominator is the number of all rows of the split, never of those answered.
 *   8. SID level: items sharing the RQ codes are one group; every group takes one slot, at its first occurrence.
 *   9. Run files are judged to depth RUN_DEPTH = 20 (run.h), so MRR in the tables is MRR over 20 slots.
 * The sums run in row order in double, so equal ranks give identical bytes anywhere (D0).
 */
#ifndef DIGR_EVAL_METRICS_H
#define DIGR_EVAL_METRICS_H

#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/dims.h"
#include "base/status.h"

/* One record a metric: identifier, printed name, gain of one row, cutoff, meaning. This list is the only place that knows them. */
#define METRIC_LIST(X)                                                                          \
    X(HR_1,    "HR@1",    metrics_gain_hit,        1,  "share of rows with rank <= 1")          \
    X(NDCG_1,  "NDCG@1",  metrics_gain_discounted, 1,  "mean of 1/log2(rank+1) if rank <= 1")   \
    X(HR_3,    "HR@3",    metrics_gain_hit,        3,  "share of rows with rank <= 3")          \
    X(NDCG_3,  "NDCG@3",  metrics_gain_discounted, 3,  "mean of 1/log2(rank+1) if rank <= 3")   \
    X(HR_5,    "HR@5",    metrics_gain_hit,        5,  "share of rows with rank <= 5")          \
    X(NDCG_5,  "NDCG@5",  metrics_gain_discounted, 5,  "mean of 1/log2(rank+1) if rank <= 5")   \
    X(HR_10,   "HR@10",   metrics_gain_hit,        10, "share of rows with rank <= 10")         \
    X(NDCG_10, "NDCG@10", metrics_gain_discounted, 10, "mean of 1/log2(rank+1) if rank <= 10")  \
    X(HR_20,   "HR@20",   metrics_gain_hit,        20, "share of rows with rank <= 20")         \
    X(NDCG_20, "NDCG@20", metrics_gain_discounted, 20, "mean of 1/log2(rank+1) if rank <= 20")  \
    X(MRR,     "MRR",     metrics_gain_reciprocal, 0,  "mean of 1/rank over the whole list")

#define METRIC_ID(id, name, gain, k, meaning) METRIC_##id,
typedef enum MetricId { METRIC_LIST(METRIC_ID) METRIC_COUNT } MetricId;
#undef METRIC_ID

typedef struct MetricInfo {
    const char *name;                              /* "HR@10" */
    double (*gain)(int32_t rank, int32_t cutoff);  /* of one row; rank 0 gains 0 */
    int32_t cutoff;                                /* 0: the whole list */
    const char *meaning;
} MetricInfo;

extern const MetricInfo METRICS[METRIC_COUNT];

/* Gains. cutoff 0 = no cutoff; rank 0 = not found. */
double metrics_gain_hit(int32_t rank, int32_t cutoff);
double metrics_gain_discounted(int32_t rank, int32_t cutoff);
double metrics_gain_reciprocal(int32_t rank, int32_t cutoff);

/* metrics_rank_list -- rule 3 on a list of n items, best first; returns the rank, 0 when absent. */
int32_t metrics_rank_list(const int32_t *item, int64_t n, int32_t target);

/* metrics_rank_group -- rule 8. group (N): class of each item (equal = same RQ codes); item -1 takes a slot of its own.
 * Returns the rank of the target's group, 0 when absent. n is short (a list of predictions): the work is n^2. */
int32_t metrics_rank_group(const int32_t *item, int64_t n, int32_t target, const int32_t *group);

/* metrics_rank_scores -- rule 2 on one score per item.
 * score  in (N); -INFINITY = the item is excluded (masked history): an excluded target has rank 0
 * E_NUMERIC when a score is NaN or +infinity. */
Status metrics_rank_scores(const real *score, int64_t N, int32_t target, int32_t *rank);

/* metrics_top -- the k best items by rule 2.
 * score  in  (N); -INFINITY = excluded, never returned
 * item   out (k), top out (k) their scores; *n_out <= k of them are filled
 * E_NUMERIC when a score is NaN or +infinity. */
Status metrics_top(const real *score, int64_t N, int64_t k, int32_t *item, real *top, int64_t *n_out);

/* metrics_sort -- sort n predictions in place by rule 2 (n is short: insertion sort, stable for equal items). */
void metrics_sort(int32_t *item, real *score, int64_t n);

/* metrics_compute -- every metric as the mean over n rows. rank in (n), 0 = not found; value out (METRIC_COUNT). n = 0 gives zeros. */
void metrics_compute(const int32_t *rank, int64_t n, double value[METRIC_COUNT]);

/* metrics_json -- {"HR@1": ..., ...} (caller owns). metrics_from_json -- the reverse; E_INPUT names a missing metric. */
cJSON *metrics_json(const double value[METRIC_COUNT]);
Status metrics_from_json(const char *path, const cJSON *object, double value[METRIC_COUNT]);

/* metrics_find -- identifier of a printed name such as "NDCG@10"; METRIC_COUNT when unknown. */
MetricId metrics_find(const char *name);

#endif
