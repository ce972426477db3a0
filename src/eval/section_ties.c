/* section_ties.c -- the effect of the order among equal times: sets whose ties are in file order beside the same sets with ties shuffled (variants of
 * paper/experiments.json, `make reproduce DATA=ties`). Nothing is printed for a run without both. */
#include <string.h>

#include "base/json.h"
#include "data/dataset.h"
#include "eval/sections.h"

typedef struct TieGroup {
    const char *name;            /* of the original */
    const SetResults *file;      /* ties in file order */
    const SetResults **shuffled;
    int64_t n;
} TieGroup;

static const char *original_of(const SetResults *s)
{
    const char *of = s->method[0].entry[0]->variant_of;
    return of[0] != '\0' ? of : s->id;
}

static Status is_shuffled(Results *r, const SetResults *s, bool *shuffled)
{
    const cJSON *meta;
    TRY(results_document(r, s->data_dir, "meta.json", &meta));
    const char *rule = json_opt_string(cJSON_GetObjectItemCaseSensitive(meta, "ties"), "rule", "file");
    *shuffled = strcmp(rule, "shuffle") == 0;
    return OK;
}

/* The sets of the run that come from one original, if some are shuffled and one is not. */
static Status find_groups(Results *r, TieGroup *group, int64_t *n_groups)
{
    *n_groups = 0;
    for (int64_t k = 0; k < r->n_sets; k++) {
        bool shuffled;
        TRY(is_shuffled(r, &r->set[k], &shuffled));
        if (shuffled) continue;
        TieGroup g = {original_of(&r->set[k]), &r->set[k], ARENA_NEW(r->arena, const SetResults *, r->n_sets), 0};
        bool known = false;
        for (int64_t i = 0; i < *n_groups; i++) known = known || strcmp(group[i].name, g.name) == 0;
        for (int64_t j = 0; j < r->n_sets && !known; j++) {
            TRY(is_shuffled(r, &r->set[j], &shuffled));
            if (shuffled && strcmp(original_of(&r->set[j]), g.name) == 0) g.shuffled[g.n++] = &r->set[j];
        }
        if (g.n > 0) group[(*n_groups)++] = g;
    }
    return OK;
}

/* ------------------------------------------------------------------ what the order decides */

typedef struct Changed { bool known; double train, valid, test; } Changed; /* shares of sequences and rows */

/* Users come in the same order in both, because the numbering does not depend on the shuffle; where they do not, nothing is said. */
static double rows_changed(const Rows *a, const Rows *b, bool *same_users)
{
    int64_t changed = 0;
    *same_users = *same_users && a->n == b->n;
    for (int64_t i = 0; i < a->n && *same_users; i++) {
        *same_users = a->user[i] == b->user[i];
        changed += a->target[i] != b->target[i];
    }
    return a->n > 0 ? (double)changed / (double)a->n : 0;
}

static double sequences_changed(const Sequences *a, const Sequences *b, bool *same_users)
{
    int64_t changed = 0;
    *same_users = *same_users && a->n == b->n;
    for (int64_t s = 0; s < a->n && *same_users; s++) {
        const int64_t n = a->offset[s + 1] - a->offset[s];
        *same_users = a->user[s] == b->user[s];
        changed += b->offset[s + 1] - b->offset[s] != n || memcmp(a->items + a->offset[s], b->items + b->offset[s], (size_t)n * sizeof *a->items) != 0;
    }
    return a->n > 0 ? (double)changed / (double)a->n : 0;
}

static Status compare_sets(const SetResults *file, const SetResults *shuffled, Changed *c)
{
    Arena *tmp = arena_create("ties");
    Dataset *a, *b;
    Status status = dataset_load(file->data_dir, false, tmp, &a);
    if (status == OK) status = dataset_load(shuffled->data_dir, false, tmp, &b);
    if (status == OK) {
        c->known = true;
        c->train = sequences_changed(&a->train, &b->train, &c->known);
        c->valid = rows_changed(&a->valid, &b->valid, &c->known);
        c->test = rows_changed(&a->test, &b->test, &c->known);
    }
    arena_destroy(tmp);
    return status;
}

static Status counts_row(Table *t, Results *r, const TieGroup *g)
{
    const cJSON *meta;
    double pairs, equal, ascending, users, users_tied;
    TRY(results_document(r, g->file->data_dir, "meta.json", &meta));
    table_row(t);
    table_text(t, json_opt_string(meta, "label", g->name));
    const bool counted = results_number(meta, "ties.timed_pairs", &pairs) && results_number(meta, "ties.equal_time_pairs", &equal) && pairs > 0;
    if (counted) table_number(t, equal / pairs);
    else table_none(t);
    if (counted && equal > 0 && results_number(meta, "ties.ascending_id_pairs", &ascending)) table_number(t, ascending / equal);
    else table_none(t);
    if (results_number(meta, "counts.users", &users) && results_number(meta, "ties.users_with_ties", &users_tied) && users > 0) table_number(t, users_tied / users);
    else table_none(t);
    double share[3][128];
    int64_t n = 0;
    for (int64_t i = 0; i < g->n && n < 128; i++) {
        Changed c;
        TRY(compare_sets(g->file, g->shuffled[i], &c));
        if (!c.known) continue;
        share[0][n] = c.train;
        share[1][n] = c.valid;
        share[2][n++] = c.test;
    }
    for (int k = 0; k < 3; k++) {
        if (n > 0) table_number(t, significance_spread(share[k], n).mean);
        else table_none(t);
    }
    return OK;
}

static Status counts_table(Doc *d, Results *r, const TieGroup *group, int64_t n)
{
    static const char *const headers[] = {"Adjacent events tied", "of these sorted by ASIN", "Users with ties", "Training sequences changed", "Valid targets changed", "Test targets changed"};
    Table *t = table_create(d->arena, "ties_counts", "Events at the same second, and what another order of them changes");
    table_column(t, COLUMN_TEXT, "Data set", 0);
    for (int i = 0; i < 6; i++) table_column(t, COLUMN_PERCENT, headers[i], 1);
    for (int64_t k = 0; k < n; k++) TRY(counts_row(t, r, &group[k]));
    table_note(t, "Changed: against the file order, mean over the shuffles. In the 2014 sets times are days and the files sort the events of a day by ASIN.");
    doc_table(d, t, true);
    return OK;
}

/* ------------------------------------------------------------------ what it does to results */

static void method_row(Table *t, const TieGroup *g, const MethodResults *m)
{
    static const MetricId shown[] = {METRIC_HR_10, METRIC_NDCG_10};
    Spread shuffled[2];
    for (int q = 0; q < 2; q++) {
        double x[128];
        int64_t n = 0;
        for (int64_t i = 0; i < g->n && n < 128; i++) {
            const MethodResults *same = results_find(g->shuffled[i], m->id);
            const Spread one = same != NULL ? results_spread(same, "test", shown[q]) : (Spread){0, 0, 0};
            if (one.n > 0) x[n++] = one.mean;
        }
        shuffled[q] = significance_spread(x, n);
    }
    if (shuffled[0].n == 0) return;
    table_row(t);
    table_text(t, m->label);
    for (int q = 0; q < 2; q++) {
        const Spread file = results_spread(m, "test", shown[q]);
        table_spread(t, file);
        table_spread(t, shuffled[q]);
        if (file.mean > 0) table_number(t, shuffled[q].mean / file.mean - 1);
        else table_none(t);
    }
}

static Table *effect_table(Results *r, const TieGroup *group, int64_t n)
{
    Table *t = table_create(r->arena, "ties", "Effect of the order among equal times on the test rows");
    table_column(t, COLUMN_TEXT, "Method", 0);
    static const char *const metric[] = {"HR@10", "NDCG@10"};
    for (int q = 0; q < 2; q++) {
        table_column(t, COLUMN_SPREAD, arena_printf(r->arena, "%s file order", metric[q]), 4);
        table_column(t, COLUMN_SPREAD, arena_printf(r->arena, "%s shuffled", metric[q]), 4);
        table_column(t, COLUMN_CHANGE, q == 0 ? "change" : "change ", 1);
    }
    for (int64_t k = 0; k < n; k++) {
        const TieGroup *g = &group[k];
        table_group(t, arena_printf(r->arena, "%s, %lld shuffles", section_set_heading(g->file, r->arena), (long long)g->n));
        for (int64_t m = 0; m < g->file->n_methods; m++) method_row(t, g, &g->file->method[m]);
    }
    table_note(t, "File order: mean ± sd over training seeds. Shuffled: mean ± sd over the shuffles, each judged on its own rows: targets that are tied with other events are other items "
               "there. A method whose figures fall learnt something from the order that the source gave to events of the same time.");
    return t;
}

Status section_ties(Doc *d, Results *r, const ReportOptions *o)
{
    (void)o;
    TieGroup *group = ARENA_NEW(r->arena, TieGroup, r->n_sets);
    int64_t n;
    TRY(find_groups(r, group, &n));
    if (n == 0) return OK;
    doc_heading(d, 2, "ties", "Ties: the order among equal times");
    TRY(counts_table(d, r, group, n));
    doc_table(d, effect_table(r, group, n), true);
    return OK;
}
