/* evaluation.c -- judging a run, and metrics.json. */
#include "eval/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "io/npy.h"

static const char *const SPLITS[EVALUATION_SPLITS] = {"valid", "test", "test.masked"};
static const char *const RANK_FILES[EVALUATION_SPLITS] = {"ranks.valid.npy", "ranks.npy", "ranks.test.masked.npy"};

const char *evaluation_ranks_file(const char *split)
{
    int s = 0;
    while (s < EVALUATION_SPLITS && strcmp(SPLITS[s], split) != 0) s++;
    REQUIRE(s < EVALUATION_SPLITS, "unknown split \"%s\"", split);
    return RANK_FILES[s];
}

const Judgement *evaluation_judge(Evaluation *ev, const char *split, const Run *run, const int32_t *target, const int32_t *group, Arena *arena)
{
    REQUIRE(ev->n_splits < EVALUATION_SPLITS && evaluation_find(ev, split) == NULL, "split \"%s\" judged twice", split);
    (void)evaluation_ranks_file(split);
    Judgement *j = &ev->split[ev->n_splits++];
    *j = (Judgement){.split = split, .n_rows = run->n_rows, .n_predictions = run->n_predictions, .n_empty_rows = run->n_empty_rows,
        .n_duplicates = run->n_duplicates, .n_invalid = run->n_invalid, .n_deeper = run->n_deeper, .n_reordered = run->n_reordered,
        .has_sid_level = group != NULL, .rank = ARENA_NEW(arena, int32_t, run->n_rows)};
    for (int64_t r = 0; r < run->n_rows; r++) {
        j->rank[r] = metrics_rank_list(run->item + run->offset[r], run->offset[r + 1] - run->offset[r], target[r]);
        j->n_found += j->rank[r] > 0;
    }
    metrics_compute(j->rank, j->n_rows, j->value);
    if (group == NULL) return j;
    const ArenaMark mark = arena_mark(arena);
    int32_t *sid_rank = ARENA_NEW(arena, int32_t, run->n_rows);
    for (int64_t r = 0; r < run->n_rows; r++)
        sid_rank[r] = metrics_rank_group(run->item + run->offset[r], run->offset[r + 1] - run->offset[r], target[r], group);
    metrics_compute(sid_rank, j->n_rows, j->sid_value);
    arena_release(arena, mark);
    return j;
}

const Judgement *evaluation_find(const Evaluation *ev, const char *split)
{
    for (int s = 0; s < ev->n_splits; s++)
        if (strcmp(ev->split[s].split, split) == 0) return &ev->split[s];
    return NULL;
}

/* ------------------------------------------------------------------ writing */

static double share(int64_t part, int64_t whole) { return whole > 0 ? (double)part / (double)whole : 0.0; }

static cJSON *judgement_json(const Judgement *j)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "n_rows", (double)j->n_rows);
    cJSON_AddNumberToObject(o, "n_found", (double)j->n_found);
    cJSON_AddNumberToObject(o, "n_predictions", (double)j->n_predictions);
    cJSON_AddNumberToObject(o, "n_empty_rows", (double)j->n_empty_rows);
    cJSON_AddNumberToObject(o, "n_duplicates", (double)j->n_duplicates);
    cJSON_AddNumberToObject(o, "n_invalid", (double)j->n_invalid);
    cJSON_AddNumberToObject(o, "invalid_rate", share(j->n_invalid, j->n_predictions));
    cJSON_AddNumberToObject(o, "n_deeper", (double)j->n_deeper);
    cJSON_AddNumberToObject(o, "n_reordered", (double)j->n_reordered);
    cJSON_AddStringToObject(o, "ranks", evaluation_ranks_file(j->split));
    cJSON_AddItemToObject(o, "metrics", metrics_json(j->value));
    cJSON_AddItemToObject(o, "sid_level", j->has_sid_level ? metrics_json(j->sid_value) : cJSON_CreateNull());
    return o;
}

static cJSON *evaluation_json(const Evaluation *ev)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "dataset", ev->dataset);
    cJSON_AddStringToObject(root, "label", ev->label);
    cJSON_AddBoolToObject(root, "simulated", ev->simulated);
    cJSON_AddStringToObject(root, "protocol", ev->protocol);
    cJSON_AddNumberToObject(root, "items", (double)ev->N);
    cJSON_AddStringToObject(root, "method", ev->method);
    cJSON_AddNumberToObject(root, "beam", (double)ev->beam);
    cJSON *sids = ev->has_sids ? cJSON_CreateObject() : cJSON_CreateNull();
    if (ev->has_sids) {
        cJSON_AddNumberToObject(sids, "collided_items", (double)ev->n_collided_items);
        cJSON_AddNumberToObject(sids, "collision_rate", share(ev->n_collided_items, ev->N));
    }
    cJSON_AddItemToObject(root, "sids", sids);
    cJSON *splits = cJSON_AddObjectToObject(root, "splits");
    for (int s = 0; s < ev->n_splits; s++) cJSON_AddItemToObject(splits, ev->split[s].split, judgement_json(&ev->split[s]));
    return root;
}

Status evaluation_write(const Evaluation *ev, const char *dir)
{
    char path[4096];
    for (int s = 0; s < ev->n_splits; s++) {
        snprintf(path, sizeof path, "%s/%s", dir, evaluation_ranks_file(ev->split[s].split));
        TRY(npy_write_i32(path, ev->split[s].rank, ev->split[s].n_rows, 1));
    }
    cJSON *root = evaluation_json(ev);
    snprintf(path, sizeof path, "%s/metrics.json", dir);
    const Status status = json_write_file(path, root);
    cJSON_Delete(root);
    return status;
}

/* ------------------------------------------------------------------ reading */

static Status read_count(const char *path, const cJSON *o, const char *key, int64_t *value)
{
    TRY(json_get_int(path, o, key, value));
    if (*value < 0) return FAIL(E_INPUT, NULL, "%s: \"%s\" is negative", path, key);
    return OK;
}

static Status read_judgement(const char *dir, const char *path, const cJSON *o, const char *split, Arena *arena, Judgement *j)
{
    const cJSON *values;
    j->split = split;
    TRY(read_count(path, o, "n_rows", &j->n_rows));
    TRY(read_count(path, o, "n_found", &j->n_found));
    TRY(read_count(path, o, "n_predictions", &j->n_predictions));
    TRY(read_count(path, o, "n_empty_rows", &j->n_empty_rows));
    TRY(read_count(path, o, "n_duplicates", &j->n_duplicates));
    TRY(read_count(path, o, "n_invalid", &j->n_invalid));
    TRY(read_count(path, o, "n_deeper", &j->n_deeper));
    TRY(read_count(path, o, "n_reordered", &j->n_reordered));
    TRY(json_get_object(path, o, "metrics", &values));
    TRY(metrics_from_json(path, values, j->value));
    const cJSON *sid = cJSON_GetObjectItemCaseSensitive(o, "sid_level");
    j->has_sid_level = cJSON_IsObject(sid);
    if (j->has_sid_level) TRY(metrics_from_json(path, sid, j->sid_value));

    char ranks[4096];
    int64_t n, cols;
    double again[METRIC_COUNT];
    snprintf(ranks, sizeof ranks, "%s/%s", dir, evaluation_ranks_file(split));
    TRY(npy_read_i32(ranks, arena, &j->rank, &n, &cols));
    if (n != j->n_rows || cols != 1)
        return FAIL(E_INPUT, "run 10_evaluate again", "%s: %lld rows, metrics.json says %lld", ranks, (long long)n, (long long)j->n_rows);
    metrics_compute(j->rank, n, again);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (!(fabs(again[m] - j->value[m]) <= 1e-12))
            return FAIL(E_INPUT, "run 10_evaluate again", "%s: %s is %.17g, the ranks in %s give %.17g", path, METRICS[m].name, j->value[m], ranks, again[m]);
    return OK;
}

static Status read_tree(const char *dir, const char *path, const cJSON *root, Arena *arena, Evaluation *ev)
{
    const char *text;
    const cJSON *splits;
    TRY(json_get_string(path, root, "dataset", &text));
    ev->dataset = arena_strdup(arena, text);
    TRY(json_get_string(path, root, "label", &text));
    ev->label = arena_strdup(arena, text);
    TRY(json_get_string(path, root, "protocol", &text));
    ev->protocol = arena_strdup(arena, text);
    TRY(json_get_string(path, root, "method", &text));
    ev->method = arena_strdup(arena, text);
    TRY(json_get_bool(path, root, "simulated", &ev->simulated));
    TRY(read_count(path, root, "items", &ev->N));
    TRY(read_count(path, root, "beam", &ev->beam));
    const cJSON *sids = cJSON_GetObjectItemCaseSensitive(root, "sids");
    ev->has_sids = cJSON_IsObject(sids);
    if (ev->has_sids) TRY(read_count(path, sids, "collided_items", &ev->n_collided_items));
    TRY(json_get_object(path, root, "splits", &splits));
    for (int s = 0; s < EVALUATION_SPLITS; s++) {
        const cJSON *o = cJSON_GetObjectItemCaseSensitive(splits, SPLITS[s]);
        if (o != NULL) TRY(read_judgement(dir, path, o, SPLITS[s], arena, &ev->split[ev->n_splits++]));
    }
    return OK;
}

Status evaluation_read(const char *dir, Arena *arena, Evaluation **out)
{
    const char *path = arena_printf(arena, "%s/metrics.json", dir);
    Evaluation *ev = ARENA_NEW(arena, Evaluation, 1);
    cJSON *root;
    TRY(json_read_file(path, &root));
    const Status status = read_tree(dir, path, root, arena, ev);
    cJSON_Delete(root);
    *out = ev;
    return status;
}
