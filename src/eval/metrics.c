/* metrics.c -- see metrics.h for the rules. */
#include "eval/metrics.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

#define METRIC_RECORD(id, name, gain, k, meaning) {name, gain, k, meaning},
const MetricInfo METRICS[METRIC_COUNT] = {METRIC_LIST(METRIC_RECORD)};
#undef METRIC_RECORD

static int counts(int32_t rank, int32_t cutoff) { return rank > 0 && (cutoff == 0 || rank <= cutoff); }

double metrics_gain_hit(int32_t rank, int32_t cutoff) { return counts(rank, cutoff) ? 1.0 : 0.0; }

double metrics_gain_discounted(int32_t rank, int32_t cutoff)
{
    return counts(rank, cutoff) ? 1.0 / log2((double)rank + 1.0) : 0.0;
}

double metrics_gain_reciprocal(int32_t rank, int32_t cutoff) { return counts(rank, cutoff) ? 1.0 / (double)rank : 0.0; }

int32_t metrics_rank_list(const int32_t *item, int64_t n, int32_t target)
{
    for (int64_t i = 0; i < n; i++)
        if (item[i] == target) return (int32_t)(i + 1);
    return 0;
}

int32_t metrics_rank_group(const int32_t *item, int64_t n, int32_t target, const int32_t *group)
{
    int32_t slot = 0;
    for (int64_t i = 0; i < n; i++) {
        if (item[i] >= 0) {
            int seen = 0;
            for (int64_t j = 0; j < i && !seen; j++) seen = item[j] >= 0 && group[item[j]] == group[item[i]];
            if (seen) continue;
        }
        slot++;
        if (item[i] >= 0 && group[item[i]] == group[target]) return slot;
    }
    return 0;
}

/* A score must be a number or -INFINITY (excluded). */
static Status score_check(real score, int64_t i)
{
    if (score <= (real)INFINITY && !(score == (real)INFINITY)) return OK;
    return FAIL(E_NUMERIC, "the model diverged: look at its log.tsv", "score of item %lld is %g", (long long)i, (double)score);
}

Status metrics_rank_scores(const real *score, int64_t N, int32_t target, int32_t *rank)
{
    REQUIRE(target >= 0 && target < N, "target %d outside [0,%lld)", target, (long long)N);
    const real s = score[target];
    int32_t before = 0;
    for (int64_t i = 0; i < N; i++) {
        TRY(score_check(score[i], i));
        before += score[i] > s || (score[i] == s && i < target);
    }
    *rank = s == -(real)INFINITY ? 0 : before + 1;
    return OK;
}

Status metrics_top(const real *score, int64_t N, int64_t k, int32_t *item, real *top, int64_t *n_out)
{
    int64_t n = 0;
    for (int64_t i = 0; i < N; i++) {
        TRY(score_check(score[i], i));
        if (score[i] == -(real)INFINITY || k == 0) continue;
        /* Items arrive by ascending id, so an equal score never displaces an earlier one. */
        if (n == k && !(score[i] > top[k - 1])) continue;
        int64_t at = n < k ? n++ : k - 1;
        for (; at > 0 && score[i] > top[at - 1]; at--) {
            top[at] = top[at - 1];
            item[at] = item[at - 1];
        }
        top[at] = score[i];
        item[at] = (int32_t)i;
    }
    *n_out = n;
    return OK;
}

void metrics_sort(int32_t *item, real *score, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const int32_t it = item[i];
        const real s = score[i];
        int64_t at = i;
        for (; at > 0 && (s > score[at - 1] || (s == score[at - 1] && it < item[at - 1])); at--) {
            item[at] = item[at - 1];
            score[at] = score[at - 1];
        }
        item[at] = it;
        score[at] = s;
    }
}

void metrics_compute(const int32_t *rank, int64_t n, double value[METRIC_COUNT])
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        double sum = 0.0;
        for (int64_t r = 0; r < n; r++) sum += METRICS[m].gain(rank[r], METRICS[m].cutoff);
        value[m] = n > 0 ? sum / (double)n : 0.0;
    }
}

cJSON *metrics_json(const double value[METRIC_COUNT])
{
    cJSON *object = cJSON_CreateObject();
    for (int m = 0; m < METRIC_COUNT; m++) cJSON_AddNumberToObject(object, METRICS[m].name, value[m]);
    return object;
}

Status metrics_from_json(const char *path, const cJSON *object, double value[METRIC_COUNT])
{
    for (int m = 0; m < METRIC_COUNT; m++) TRY(json_get_number(path, object, METRICS[m].name, &value[m]));
    return OK;
}

MetricId metrics_find(const char *name)
{
    int m = 0;
    while (m < METRIC_COUNT && strcmp(METRICS[m].name, name) != 0) m++;
    return (MetricId)m;
}
