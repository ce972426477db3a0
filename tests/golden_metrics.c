/* tests/golden_metrics.c -- golden kind "metrics": ranks and metrics of ranked lists and of score vectors. */
#include <math.h>
#include <stdlib.h>

#include "eval/metrics.h"
#include "golden.h"

Status golden_metrics(GoldenCase *c);

static Status user_rank(GoldenCase *c, const cJSON *user, int32_t *rank)
{
    const cJSON *ranked = cJSON_GetObjectItemCaseSensitive(user, "ranked");
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(user, "scores");
    const cJSON *list = ranked != NULL ? ranked : scores;
    const int32_t target = (int32_t)cJSON_GetObjectItemCaseSensitive(user, "target")->valuedouble;
    const int64_t n = cJSON_GetArraySize(list);
    int32_t *item = ARENA_NEW(c->arena, int32_t, n);
    real *score = ARENA_NEW(c->arena, real, n);
    int64_t i = 0;
    for (const cJSON *e = list->child; e != NULL; e = e->next, i++) {
        item[i] = (int32_t)e->valuedouble;
        score[i] = (real)e->valuedouble;
    }
    if (ranked == NULL) return metrics_rank_scores(score, n, target, rank);
    *rank = metrics_rank_list(item, n, target);
    return OK;
}

static Status check_part(GoldenCase *c, const cJSON *part, int number, double rtol, double atol)
{
    const cJSON *users = cJSON_GetObjectItemCaseSensitive(part, "users");
    const cJSON *expected_ranks = cJSON_GetObjectItemCaseSensitive(part, "expected_ranks");
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(part, "expected");
    const int64_t n = cJSON_GetArraySize(users);
    int32_t *rank = ARENA_NEW(c->arena, int32_t, n);
    int64_t r = 0;
    golden_check(c, n == cJSON_GetArraySize(expected_ranks), "part %d: as many ranks as users", number);
    const cJSON *want = expected_ranks->child;
    for (const cJSON *user = users->child; user != NULL && want != NULL; user = user->next, want = want->next, r++) {
        TRY(user_rank(c, user, &rank[r]));
        const int32_t rank_wanted = cJSON_IsNull(want) ? 0 : (int32_t)want->valuedouble;
        golden_check(c, rank[r] == rank_wanted, "part %d user %lld: rank %d, expected %d", number, (long long)r, rank[r], rank_wanted);
    }
    double value[METRIC_COUNT];
    metrics_compute(rank, n, value);
    int compared = 0;
    for (const cJSON *e = expected->child; e != NULL; e = e->next, compared++) {
        const MetricId id = metrics_find(e->string);
        golden_check(c, id < METRIC_COUNT, "part %d: unknown metric %s", number, e->string);
        if (id == METRIC_COUNT) continue;
        golden_check(c, fabs(value[id] - e->valuedouble) <= atol + rtol * fabs(e->valuedouble), "part %d %s: %.17g, expected %.17g", number, e->string,
                     value[id], e->valuedouble);
    }
    golden_check(c, compared > 0, "part %d: nothing expected", number);
    return OK;
}

Status golden_metrics(GoldenCase *c)
{
    const double rtol = golden_config(c, "rtol", 1e-5), atol = golden_config(c, "atol", 1e-7);
    int number = 0;
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(c->json, "cases");
    golden_check(c, cJSON_GetArraySize(parts) > 0, "the case has no parts");
    for (const cJSON *part = parts != NULL ? parts->child : NULL; part != NULL; part = part->next) TRY(check_part(c, part, number++, rtol, atol));
    return OK;
}
