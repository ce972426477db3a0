/* expected.c -- see expected.h. */
#include "eval/expected.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "eval/table.h"

static const char FORMAT[] = "digr-expected-1";
static const char RULE[] = "D0: equal. D2: |mean - expected| <= tolerance = max(5 % of the mean, 4 sd sqrt(2/k), 3 rows) for k >= 2 seeds, max(10 % of the mean, "
                           "3 rows) for one";
static const MetricId CHECKED[] = {METRIC_HR_5, METRIC_NDCG_5, METRIC_HR_10, METRIC_NDCG_10};

/* Integers of a set: folder part, file, path, name of the row. */
static const struct { Part part; const char *file, *path, *name; } COUNTS[] = {
    {PART_data, "meta.json", "counts.users", "users"}, {PART_data, "meta.json", "counts.items", "items"},
    {PART_data, "meta.json", "counts.interactions", "interactions"}, {PART_data, "meta.json", "counts.valid_rows", "valid rows"},
    {PART_data, "meta.json", "counts.test_rows", "test rows"}, {PART_mine, "coverage.json", "items_with_interests", "items with mined interests"},
    {PART_mine, "coverage.json", "interests", "mined interests"}};
enum { N_COUNTS = sizeof COUNTS / sizeof *COUNTS };

static void ranks_hash(const Judgement *j, char hex[SHA256_HEX]) { sha256_buffer(j->rank, (size_t)j->n_rows * sizeof *j->rank, hex); }

static Status count_here(Results *r, const SetResults *s, int which, bool *there, double *value)
{
    const Entry *e = s->full != NULL ? s->full->entry[0] : s->method[0].entry[0];
    const cJSON *tree;
    TRY(results_document(r, e->dir[COUNTS[which].part], COUNTS[which].file, &tree));
    *there = results_number(tree, COUNTS[which].path, value);
    return OK;
}

/* ------------------------------------------------------------------ writing */

static cJSON *add_row(cJSON *rows, const char *kind, const char *dataset)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddItemToArray(rows, row);
    cJSON_AddStringToObject(row, "kind", kind);
    cJSON_AddStringToObject(row, "dataset", dataset);
    return row;
}

static double tolerance(Spread s, int64_t n_rows)
{
    const double rows = 3.0 / (double)n_rows;
    if (s.n < 2) return fmax(0.10 * s.mean, rows);
    return fmax(fmax(0.05 * s.mean, 4.0 * s.sd * sqrt(2.0 / (double)s.n)), rows);
}

static void write_exact(cJSON *rows, const SetResults *s, const MethodResults *m)
{
    for (int64_t i = 0; i < m->n; i++) {
        for (int q = 0; q < m->entry[i]->ev->n_splits; q++) {
            const Judgement *j = &m->entry[i]->ev->split[q];
            char hex[SHA256_HEX];
            cJSON *row = add_row(rows, "D0", s->id);
            ranks_hash(j, hex);
            cJSON_AddStringToObject(row, "method", m->id);
            cJSON_AddNumberToObject(row, "seed", (double)m->entry[i]->seed);
            cJSON_AddStringToObject(row, "split", j->split);
            cJSON_AddStringToObject(row, "sha256", hex);
        }
    }
}

static void write_method(cJSON *rows, const SetResults *s, const MethodResults *m)
{
    for (size_t c = 0; c < sizeof CHECKED / sizeof *CHECKED; c++) {
        const Spread spread = results_spread(m, "test", CHECKED[c]);
        cJSON *row = add_row(rows, "D2", s->id);
        cJSON_AddStringToObject(row, "method", m->id);
        cJSON_AddStringToObject(row, "label", m->label);
        cJSON *seeds = cJSON_AddArrayToObject(row, "seeds");
        for (int64_t i = 0; i < m->n; i++) cJSON_AddItemToArray(seeds, cJSON_CreateNumber((double)m->entry[i]->seed));
        cJSON_AddStringToObject(row, "split", "test");
        cJSON_AddStringToObject(row, "metric", METRICS[CHECKED[c]].name);
        cJSON_AddNumberToObject(row, "mean", spread.mean);
        cJSON_AddNumberToObject(row, "sd", spread.sd);
        cJSON_AddNumberToObject(row, "tolerance", tolerance(spread, s->n_test));
        cJSON *ranks = cJSON_AddArrayToObject(row, "ranks");
        for (int64_t i = 0; i < m->n; i++) {
            char hex[SHA256_HEX];
            ranks_hash(evaluation_find(m->entry[i]->ev, "test"), hex);
            cJSON_AddItemToArray(ranks, cJSON_CreateString(hex));
        }
    }
}

static Status write_set(Results *r, cJSON *rows, const SetResults *s)
{
    for (int c = 0; c < N_COUNTS; c++) {
        bool there;
        double value;
        TRY(count_here(r, s, c, &there, &value));
        if (!there) continue;
        cJSON *row = add_row(rows, "D0", s->id);
        cJSON_AddStringToObject(row, "name", COUNTS[c].name);
        cJSON_AddNumberToObject(row, "value", value);
    }
    for (int64_t m = 0; m < s->n_methods; m++) {
        if (s->method[m].role == ROLE_EXTERNAL) continue;
        if (&s->method[m] == s->popularity) write_exact(rows, s, &s->method[m]);
        write_method(rows, s, &s->method[m]);
    }
    return OK;
}

Status expected_write(Results *r, const char *path)
{
    cJSON *root = cJSON_CreateObject();
    const char *commit = getenv("DIGR_COMMIT");
    cJSON_AddStringToObject(root, "format", FORMAT);
    cJSON_AddStringToObject(root, "title", r->title);
    cJSON_AddStringToObject(root, "commit", commit != NULL ? commit : "unknown");
    cJSON_AddStringToObject(root, "tolerance_rule", RULE);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    Status status = OK;
    for (int64_t k = 0; k < r->n_sets && status == OK; k++) status = write_set(r, rows, &r->set[k]);
    if (status == OK) status = json_write_file(path, root);
    cJSON_Delete(root);
    return status;
}

/* ------------------------------------------------------------------ verifying */

typedef struct Check {
    Results *r;
    const char *path;
    Table *table;
    Verdict *verdict;
} Check;

static void outcome(Check *c, const char *what, const char *expected, const char *here, const char *allowed, const char *result)
{
    table_row(c->table);
    table_text(c->table, what);
    table_text(c->table, expected);
    table_text(c->table, here);
    table_text(c->table, allowed);
    table_text(c->table, result);
    const bool pass = strncmp(result, "PASS", 4) == 0;
    c->verdict->n_pass += pass;
    c->verdict->n_fail += !pass;
    c->verdict->n_identical += pass && strstr(result, "identical") != NULL;
}

static const SetResults *find_set(const Results *r, const char *id)
{
    for (int64_t k = 0; k < r->n_sets; k++)
        if (strcmp(r->set[k].id, id) == 0) return &r->set[k];
    return NULL;
}

static Status verify_count(Check *c, const cJSON *row, const char *dataset, const char *name)
{
    const SetResults *s = find_set(c->r, dataset);
    double expected, here = 0;
    bool there = false;
    TRY(json_get_number(c->path, row, "value", &expected));
    for (int i = 0; i < N_COUNTS && s != NULL; i++)
        if (strcmp(COUNTS[i].name, name) == 0) TRY(count_here(c->r, s, i, &there, &here));
    const bool equal = there && here <= expected && here >= expected;
    outcome(c, arena_printf(c->r->arena, "%s: %s", dataset, name), arena_printf(c->r->arena, "%.0f", expected),
            there ? arena_printf(c->r->arena, "%.0f", here) : "-", "exact", equal ? "PASS" : there ? "FAIL" : "MISSING");
    return OK;
}

static Status verify_ranks(Check *c, const cJSON *row, const char *dataset, const char *method)
{
    const char *split, *sha;
    int64_t seed;
    TRY(json_get_string(c->path, row, "split", &split));
    TRY(json_get_string(c->path, row, "sha256", &sha));
    TRY(json_get_int(c->path, row, "seed", &seed));
    const SetResults *s = find_set(c->r, dataset);
    const MethodResults *m = s != NULL ? results_find(s, method) : NULL;
    const Judgement *j = NULL;
    for (int64_t i = 0; m != NULL && i < m->n; i++)
        if (m->entry[i]->seed == seed) j = evaluation_find(m->entry[i]->ev, split);
    char hex[SHA256_HEX] = "-";
    if (j != NULL) ranks_hash(j, hex);
    outcome(c, arena_printf(c->r->arena, "%s: %s, ranks of %s", dataset, method, split), arena_printf(c->r->arena, "%.12s", sha),
            arena_printf(c->r->arena, "%.12s", hex), "exact", j == NULL ? "MISSING" : strcmp(hex, sha) == 0 ? "PASS" : "FAIL");
    return OK;
}

/* Are the seeds those of the row? *identical: are all their ranks, too? */
static bool same_seeds(const cJSON *row, const MethodResults *m, const char *split, bool *identical)
{
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(row, "seeds"), *ranks = cJSON_GetObjectItemCaseSensitive(row, "ranks");
    if (cJSON_GetArraySize(seed) != m->n) return false;
    *identical = cJSON_GetArraySize(ranks) == m->n;
    int i = 0;
    for (const cJSON *e = seed->child; e != NULL; e = e->next, i++) {
        if (!cJSON_IsNumber(e) || (int64_t)e->valuedouble != m->entry[i]->seed) return false;
        const Judgement *j = evaluation_find(m->entry[i]->ev, split);
        const cJSON *sha = cJSON_GetArrayItem(ranks, i);
        char hex[SHA256_HEX];
        if (j == NULL) return false;
        ranks_hash(j, hex);
        *identical = *identical && cJSON_IsString(sha) && strcmp(sha->valuestring, hex) == 0;
    }
    return true;
}

static Status verify_mean(Check *c, const cJSON *row, const char *dataset, const char *method)
{
    const char *split, *metric, *label;
    double mean, allowed;
    TRY(json_get_string(c->path, row, "split", &split));
    TRY(json_get_string(c->path, row, "metric", &metric));
    TRY(json_get_string(c->path, row, "label", &label));
    TRY(json_get_number(c->path, row, "mean", &mean));
    TRY(json_get_number(c->path, row, "tolerance", &allowed));
    const MetricId id = metrics_find(metric);
    if (id == METRIC_COUNT) return FAIL(E_INPUT, NULL, "%s: unknown metric \"%s\"", c->path, metric);
    if (!(allowed >= 0.0)) return FAIL(E_INPUT, NULL, "%s: tolerance %g of %s/%s", c->path, allowed, dataset, method);
    const SetResults *s = find_set(c->r, dataset);
    const MethodResults *m = s != NULL ? results_find(s, method) : NULL;
    bool identical = false;
    const bool comparable = m != NULL && same_seeds(row, m, split, &identical);
    const Spread here = m != NULL ? results_spread(m, split, id) : (Spread){0};
    const char *result = m == NULL ? "MISSING" : !comparable ? "FAIL (other seeds)" : !(fabs(here.mean - mean) <= allowed) ? "FAIL" : identical ? "PASS identical" : "PASS";
    outcome(c, arena_printf(c->r->arena, "%s: %s, %s %s", dataset, label, split, metric), arena_printf(c->r->arena, "%.4f", mean),
            m != NULL ? arena_printf(c->r->arena, "%.4f", here.mean) : "-", arena_printf(c->r->arena, "± %.4f", allowed), result);
    return OK;
}

static Status verify_row(Check *c, const cJSON *row)
{
    const char *kind, *dataset, *name = json_opt_string(row, "name", ""), *method = json_opt_string(row, "method", "");
    TRY(json_get_string(c->path, row, "kind", &kind));
    TRY(json_get_string(c->path, row, "dataset", &dataset));
    if (strcmp(kind, "D0") == 0 && name[0] != '\0') return verify_count(c, row, dataset, name);
    if (strcmp(kind, "D0") == 0 && method[0] != '\0') return verify_ranks(c, row, dataset, method);
    if (strcmp(kind, "D2") == 0 && method[0] != '\0') return verify_mean(c, row, dataset, method);
    return FAIL(E_INPUT, "write it anew with `11_report --write-expected`", "%s: a row of kind \"%s\" without name or method", c->path, kind);
}

static int64_t count_new(const Results *r, const cJSON *rows)
{
    int64_t n = 0;
    for (int64_t k = 0; k < r->n_sets; k++) {
        for (int64_t m = 0; m < r->set[k].n_methods; m++) {
            bool known = r->set[k].method[m].role == ROLE_EXTERNAL;
            for (const cJSON *row = rows->child; row != NULL && !known; row = row->next)
                known = strcmp(json_opt_string(row, "dataset", ""), r->set[k].id) == 0 && strcmp(json_opt_string(row, "method", ""), r->set[k].method[m].id) == 0;
            n += !known;
        }
    }
    return n;
}

static Status verify_tree(Results *r, const char *path, const cJSON *root, Verdict *verdict)
{
    const char *format, *title;
    const cJSON *rows;
    TRY(json_get_string(path, root, "format", &format));
    if (strcmp(format, FORMAT) != 0) return FAIL(E_INPUT, NULL, "%s: format \"%s\", expected \"%s\"", path, format, FORMAT);
    TRY(json_get_string(path, root, "title", &title));
    TRY(json_get_array(path, root, "rows", &rows));
    if (cJSON_GetArraySize(rows) == 0) return FAIL(E_INPUT, NULL, "%s: no rows", path);
    static const char *const headers[] = {"Row", "Expected", "Here", "Allowed", "Result"};
    Check c = {r, path, table_create(r->arena, "verify", arena_printf(r->arena, "Results here against %s (%s)", path, title)), verdict};
    for (int i = 0; i < 5; i++) table_column(c.table, COLUMN_TEXT, headers[i], 0);
    for (const cJSON *row = rows->child; row != NULL; row = row->next) TRY(verify_row(&c, row));
    verdict->n_new = count_new(r, rows);
    table_note(c.table, "%s", json_opt_string(root, "tolerance_rule", ""));
    table_plain(c.table, stdout);
    printf("%lld passed (%lld of them rank by rank identical), %lld failed", (long long)verdict->n_pass, (long long)verdict->n_identical, (long long)verdict->n_fail);
    if (verdict->n_new > 0) printf("; %lld methods here are not in the file", (long long)verdict->n_new);
    printf("\n");
    fflush(stdout);
    return OK;
}

Status expected_verify(Results *r, const char *path, Verdict *verdict)
{
    cJSON *root;
    *verdict = (Verdict){0};
    TRY(json_read_file(path, &root));
    const Status status = verify_tree(r, path, root, verdict);
    cJSON_Delete(root);
    return status;
}
