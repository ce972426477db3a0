/* results.c -- reading and grouping of a run's index; see results.h. */
#include "eval/results.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/atomic.h"

#define PART_NAME(name) #name,
static const char *const PART_NAMES[PART_COUNT] = {RESULT_PARTS(PART_NAME)};
#undef PART_NAME

static const char *const ROLE_NAMES[ROLE_COUNT] = {"full", "baseline", "variant", "oracle", "external"};

/* ------------------------------------------------------------------ entries */

static Role default_role(const char *method)
{
    static const struct { const char *id; Role role; } known[] = {{"deepinterest", ROLE_FULL}, {"popularity", ROLE_BASELINE},
        {"transitions", ROLE_BASELINE}, {"sasrec", ROLE_BASELINE}, {"gru4rec", ROLE_BASELINE}, {"oracle", ROLE_ORACLE}, {"external", ROLE_EXTERNAL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i].id) == 0) return known[i].role;
    return ROLE_VARIANT;
}

static Status read_role(const char *path, const char *name, Role *role)
{
    for (int r = 0; r < ROLE_COUNT; r++) {
        if (strcmp(name, ROLE_NAMES[r]) != 0) continue;
        *role = (Role)r;
        return OK;
    }
    return FAIL(E_INPUT, "use full, baseline, variant, oracle or external", "%s: unknown role \"%s\"", path, name);
}

static Status read_entry(Results *r, const cJSON *o, Entry *e)
{
    const struct { const char *key; const char **value; } text[] = {{"dataset", &e->dataset}, {"method", &e->method}};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        const char *value;
        TRY(json_get_string(r->path, o, text[i].key, &value));
        *text[i].value = arena_strdup(r->arena, value);
    }
    TRY(json_get_int(r->path, o, "seed", &e->seed));
    e->dataset_label = arena_strdup(r->arena, json_opt_string(o, "dataset_label", e->dataset));
    e->variant_of = arena_strdup(r->arena, json_opt_string(o, "variant_of", ""));
    e->method_label = arena_strdup(r->arena, json_opt_string(o, "method_label", e->method));
    e->settings = arena_strdup(r->arena, json_opt_string(o, "settings", ""));
    e->role = default_role(e->method);
    const char *role = json_opt_string(o, "role", "");
    if (role[0] != '\0') TRY(read_role(r->path, role, &e->role));
    const cJSON *tables;
    TRY(json_get_array(r->path, o, "table", &tables));
    for (const cJSON *t = tables->child; t != NULL; t = t->next) {
        e->in_main = e->in_main || (cJSON_IsString(t) && strcmp(t->valuestring, "main") == 0);
        e->in_ablation = e->in_ablation || (cJSON_IsString(t) && strcmp(t->valuestring, "ablation") == 0);
        e->in_ensemble = e->in_ensemble || (cJSON_IsString(t) && strcmp(t->valuestring, "ensemble") == 0);
    }
    for (int p = 0; p < PART_COUNT; p++) e->dir[p] = arena_strdup(r->arena, json_opt_string(o, PART_NAMES[p], ""));
    if (e->dir[PART_evaluate][0] == '\0' || e->dir[PART_data][0] == '\0')
        return FAIL(E_INPUT, NULL, "%s: entry %s/%s lacks its \"data\" or \"evaluate\" folder", r->path, e->dataset, e->method);
    return evaluation_read(e->dir[PART_evaluate], r->arena, &e->ev);
}

/* ------------------------------------------------------------------ grouping */

static int64_t split_rows(const Evaluation *ev, const char *split)
{
    const Judgement *j = evaluation_find(ev, split);
    return j != NULL ? j->n_rows : 0;
}

static Status join_set(const Results *r, SetResults *s, const Entry *e)
{
    const int64_t n_valid = split_rows(e->ev, "valid"), n_test = split_rows(e->ev, "test"), n_masked = split_rows(e->ev, "test.masked");
    if (n_test == 0) return FAIL(E_INPUT, "run 10_evaluate again", "%s: no test rows judged in %s", r->path, e->dir[PART_evaluate]);
    if (s->n_valid == 0) s->n_valid = n_valid;
    if (strcmp(e->ev->protocol, s->protocol) != 0 || e->ev->N != s->N || n_test != s->n_test || (n_valid > 0 && n_valid != s->n_valid) ||
        (n_masked > 0 && n_masked != s->n_test))
        return FAIL(E_INPUT, "evaluate both on the same data set folder", "%s: %s was judged on other rows than the other methods of %s",
                    e->dir[PART_evaluate], e->method_label, s->label);
    return OK;
}

static Status join_method(const Results *r, SetResults *s, Entry *e)
{
    int64_t m = 0;
    while (m < s->n_methods && (strcmp(s->method[m].id, e->method) != 0 || strcmp(s->method[m].label, e->method_label) != 0)) m++;
    MethodResults *method = &s->method[m];
    if (m == s->n_methods) {
        s->n_methods++;
        *method = (MethodResults){.id = e->method, .label = e->method_label, .settings = e->settings, .role = e->role,
            .entry = ARENA_NEW(r->arena, Entry *, r->n_entries)};
    }
    method->in_main = method->in_main || e->in_main;
    method->in_ablation = method->in_ablation || e->in_ablation;
    method->in_ensemble = method->in_ensemble || e->in_ensemble;
    int64_t at = method->n++;
    for (; at > 0 && method->entry[at - 1]->seed > e->seed; at--) method->entry[at] = method->entry[at - 1];
    if (at > 0 && method->entry[at - 1]->seed == e->seed)
        return FAIL(E_INPUT, NULL, "%s: %s/%s seed %lld is listed twice", r->path, e->dataset, e->method, (long long)e->seed);
    method->entry[at] = e;
    return OK;
}

static Status group(Results *r)
{
    r->set = ARENA_NEW(r->arena, SetResults, r->n_entries);
    for (int64_t i = 0; i < r->n_entries; i++) {
        Entry *e = &r->entry[i];
        int64_t k = 0;
        while (k < r->n_sets && strcmp(r->set[k].id, e->dataset) != 0) k++;
        SetResults *s = &r->set[k];
        if (k == r->n_sets) {
            r->n_sets++;
            *s = (SetResults){.id = e->dataset, .label = e->dataset_label, .protocol = e->ev->protocol, .data_dir = e->dir[PART_data],
                .simulated = e->ev->simulated, .N = e->ev->N, .n_test = split_rows(e->ev, "test"), .method = ARENA_NEW(r->arena, MethodResults, r->n_entries)};
        }
        TRY(join_set(r, s, e));
        TRY(join_method(r, s, e));
    }
    return OK;
}

static const MethodResults *find_role(const SetResults *s, Role role)
{
    for (int64_t m = 0; m < s->n_methods; m++)
        if (s->method[m].role == role) return &s->method[m];
    return NULL;
}

static void find_references(SetResults *s)
{
    s->full = find_role(s, ROLE_FULL);
    s->oracle = find_role(s, ROLE_ORACLE);
    s->popularity = results_find(s, "popularity");
    s->without_interests = results_find(s, "wo-mlim");
    s->without_rl = results_find(s, "wo-rl");
    double best = 0.0;
    for (int64_t m = 0; m < s->n_methods; m++) {
        if (s->method[m].role != ROLE_BASELINE) continue;
        const Spread valid = results_spread(&s->method[m], "valid", METRIC_NDCG_10);
        if (s->strongest != NULL && (valid.n == 0 || !(valid.mean > best))) continue;
        s->strongest = &s->method[m];
        best = valid.n > 0 ? valid.mean : 0.0;
    }
}

/* ------------------------------------------------------------------ loading */

static Status load_tree(Results *r, const cJSON *root)
{
    const cJSON *entries;
    r->run = arena_strdup(r->arena, json_opt_string(root, "run", ""));
    r->title = arena_strdup(r->arena, json_opt_string(root, "title", "results"));
    r->published = arena_strdup(r->arena, json_opt_string(root, "published", ""));
    TRY(json_get_array(r->path, root, "entries", &entries));
    const int64_t n = cJSON_GetArraySize(entries);
    if (n == 0) return FAIL(E_INPUT, "run `make reproduce` first", "%s: no finished experiment", r->path);
    r->entry = ARENA_NEW(r->arena, Entry, n);
    for (const cJSON *o = entries->child; o != NULL; o = o->next) {
        TRY(read_entry(r, o, &r->entry[r->n_entries]));
        r->n_entries++;
    }
    TRY(group(r));
    for (int64_t k = 0; k < r->n_sets; k++) find_references(&r->set[k]);
    return OK;
}

Status results_load(const char *index_path, Arena *arena, Results **out)
{
    Results *r = ARENA_NEW(arena, Results, 1);
    *out = r;
    r->arena = arena;
    r->path = arena_strdup(arena, index_path);
    cJSON *root;
    TRY(json_read_file(index_path, &root));
    const Status status = load_tree(r, root);
    cJSON_Delete(root);
    return status;
}

void results_close(Results *r)
{
    for (int64_t i = 0; r != NULL && i < r->n_documents; i++) cJSON_Delete(r->document[i].tree);
    if (r != NULL) r->n_documents = 0;
}

Status results_document(Results *r, const char *dir, const char *name, const cJSON **tree)
{
    *tree = NULL;
    if (dir[0] == '\0') return OK;
    const char *path = arena_printf(r->arena, "%s/%s", dir, name);
    for (int64_t i = 0; i < r->n_documents; i++) {
        if (strcmp(r->document[i].path, path) != 0) continue;
        *tree = r->document[i].tree;
        return OK;
    }
    cJSON *read = NULL;
    if (path_exists(path)) TRY(json_read_file(path, &read));
    ARENA_GROW(r->arena, r->document, r->cap_documents, r->n_documents + 1);
    r->document[r->n_documents].path = path;
    r->document[r->n_documents++].tree = read;
    *tree = read;
    return OK;
}

bool results_number(const cJSON *tree, const char *dotted, double *value)
{
    char key[128];
    while (tree != NULL) {
        const size_t n = strcspn(dotted, ".");
        if (n == 0 || n >= sizeof key) return false;
        memcpy(key, dotted, n);
        key[n] = '\0';
        tree = cJSON_IsArray(tree) && key[strspn(key, "0123456789")] == '\0' ? cJSON_GetArrayItem(tree, atoi(key)) : cJSON_GetObjectItemCaseSensitive(tree, key);
        if (dotted[n] == '\0') break;
        dotted += n + 1;
    }
    if (!cJSON_IsNumber(tree) && !cJSON_IsBool(tree)) return false;
    *value = cJSON_IsNumber(tree) ? tree->valuedouble : cJSON_IsTrue(tree);
    return true;
}

/* ------------------------------------------------------------------ numbers */

const MethodResults *results_find(const SetResults *s, const char *id)
{
    for (int64_t m = 0; m < s->n_methods; m++)
        if (strcmp(s->method[m].id, id) == 0) return &s->method[m];
    return NULL;
}

static Spread spread_of(const MethodResults *m, const char *split, MetricId metric, bool sid_level)
{
    double x[128];
    int64_t n = 0;
    for (int64_t i = 0; i < m->n && n < 128; i++) {
        const Judgement *j = evaluation_find(m->entry[i]->ev, split);
        if (j != NULL && (!sid_level || j->has_sid_level)) x[n++] = sid_level ? j->sid_value[metric] : j->value[metric];
    }
    return significance_spread(x, n);
}

Spread results_spread(const MethodResults *m, const char *split, MetricId metric) { return spread_of(m, split, metric, false); }
Spread results_sid_spread(const MethodResults *m, const char *split, MetricId metric) { return spread_of(m, split, metric, true); }

bool results_gains(const MethodResults *m, const char *split, MetricId metric, double *out)
{
    for (int64_t i = 0; i < m->n; i++) {
        const Judgement *j = evaluation_find(m->entry[i]->ev, split);
        if (j == NULL) return false;
        for (int64_t r = 0; r < j->n_rows; r++) {
            if (i == 0) out[r] = 0.0;
            out[r] += METRICS[metric].gain(j->rank[r], METRICS[metric].cutoff) / (double)m->n;
        }
    }
    return m->n > 0;
}

bool results_compare(const SetResults *s, const MethodResults *a, const MethodResults *b, const char *split, MetricId metric, uint64_t seed, Comparison *c)
{
    const int64_t n = strcmp(split, "valid") == 0 ? s->n_valid : s->n_test;
    Arena *tmp = arena_create("comparison");
    double *ga = ARENA_NEW(tmp, double, n), *gb = ARENA_NEW(tmp, double, n);
    const bool both = n > 0 && results_gains(a, split, metric, ga) && results_gains(b, split, metric, gb);
    if (both) *c = significance_compare(ga, gb, n, seed, SIGNIFICANCE_RESAMPLES, SIGNIFICANCE_PERMUTATIONS, tmp);
    arena_destroy(tmp);
    return both;
}

bool results_has_split(const SetResults *s, const char *split)
{
    for (int64_t m = 0; m < s->n_methods; m++)
        if (results_spread(&s->method[m], split, METRIC_HR_10).n > 0) return true;
    return false;
}
