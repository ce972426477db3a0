/* section_ensemble.c -- the ensemble that gave the interests: its members side by side, and the strategies that join them, as SIDs and as recommendations. */
#include <string.h>

#include "eval/sections.h"

/* ------------------------------------------------------------------ members */

/* coverage.json of 03_mine; what the numbers mean: llm/members.h. */
static const struct { const char *header, *path; ColumnKind kind; int decimals; } MEMBER[] = {
    {"Items", "items", COLUMN_COUNT, 0}, {"Missing", "missing", COLUMN_COUNT, 0}, {"Malformed", "malformed", COLUMN_COUNT, 0}, {"Coverage", "coverage", COLUMN_PERCENT, 1},
    {"Interests", "interests", COLUMN_COUNT, 0}, {"per item", "interests_per_item", COLUMN_NUMBER, 2}, {"Mean confidence", "mean_confidence", COLUMN_NUMBER, 2},
    {"Others agree", "agreement", COLUMN_PERCENT, 1}, {"Distinct", "distinct_interests", COLUMN_COUNT, 0}, {"Specificity", "specificity", COLUMN_NUMBER, 2},
    {"Judged", "judged", COLUMN_COUNT, 0}, {"Judged 1", "judged_positive", COLUMN_PERCENT, 1}};
enum { N_MEMBER = sizeof MEMBER / sizeof *MEMBER, MAX_SEEN = 32 };

static const char *member_name(const cJSON *m)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(m, "member");
    return cJSON_IsString(name) ? name->valuestring : "?";
}

static bool is_rules(const cJSON *m)
{
    const cJSON *provider = cJSON_GetObjectItemCaseSensitive(m, "provider");
    return cJSON_IsString(provider) && strcmp(provider->valuestring, "rules") == 0;
}

typedef struct Seen { int n; const char *name[MAX_SEEN]; } Seen;

static bool first_time(Seen *seen, const char *name)
{
    for (int i = 0; i < seen->n; i++)
        if (strcmp(seen->name[i], name) == 0) return false;
    if (seen->n == MAX_SEEN) return false;
    seen->name[seen->n++] = name;
    return true;
}

static void member_rows(Table *t, const cJSON *coverage, Seen *seen, Arena *arena)
{
    const cJSON *members = cJSON_GetObjectItemCaseSensitive(coverage, "members");
    for (const cJSON *m = members != NULL ? members->child : NULL; m != NULL; m = m->next) {
        if (!first_time(seen, member_name(m))) continue;
        table_row(t);
        table_text(t, is_rules(m) ? arena_printf(arena, "%s (rules, no language model)", member_name(m)) : member_name(m));
        for (int i = 0; i < N_MEMBER; i++) section_number(t, m, MEMBER[i].path);
    }
}

static void merged_row(Table *t, Results *r, const SetResults *s, const cJSON *coverage)
{
    double with = 0, total = 0, joined = 0;
    (void)results_number(coverage, "items_with_interests", &with);
    (void)results_number(coverage, "interests", &total);
    (void)results_number(coverage, "merge.joined", &joined);
    table_row(t);
    table_strong(t);
    table_text(t, arena_printf(r->arena, "merged (%.0f near-duplicates joined)", joined));
    table_number(t, (double)s->N);
    table_number(t, (double)s->N - with);
    table_none(t);
    table_number(t, s->N > 0 ? with / (double)s->N : 0);
    table_number(t, total);
    table_number(t, s->N > 0 ? total / (double)s->N : 0);
    for (int i = 6; i < N_MEMBER; i++) table_none(t);
}

static Status set_members(Table *t, Results *r, const SetResults *s)
{
    const Entry *e = section_spokesman(r, s, PART_mine);
    const cJSON *coverage = NULL, *other = NULL;
    Seen seen = {0};
    if (e == NULL) return OK;
    TRY(results_document(r, e->dir[PART_mine], "coverage.json", &coverage));
    if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(coverage, "members"))) return OK;
    table_group(t, s->label);
    member_rows(t, coverage, &seen, r->arena);
    merged_row(t, r, s, coverage);
    for (int64_t m = 0; m < s->n_methods; m++) { /* members that only other methods of the run have */
        TRY(results_document(r, s->method[m].entry[0]->dir[PART_mine], "coverage.json", &other));
        member_rows(t, other, &seen, r->arena);
    }
    return OK;
}

/* Are all members the same model (the part of the name before ':')? Under more than one prompt? */
static Status one_model(Results *r, bool *one, bool *prompts)
{
    const char *first = NULL;
    *one = true;
    *prompts = false;
    for (int64_t k = 0; k < r->n_sets; k++) {
        const Entry *e = section_spokesman(r, &r->set[k], PART_mine);
        const cJSON *coverage = NULL;
        if (e != NULL) TRY(results_document(r, e->dir[PART_mine], "coverage.json", &coverage));
        const cJSON *members = cJSON_GetObjectItemCaseSensitive(coverage, "members");
        for (const cJSON *m = members != NULL ? members->child : NULL; m != NULL; m = m->next) {
            const cJSON *name = cJSON_GetObjectItemCaseSensitive(m, "member");
            if (!cJSON_IsString(name) || is_rules(m)) continue;
            if (first == NULL) first = name->valuestring;
            const size_t n = strcspn(first, ":");
            *one = *one && strcspn(name->valuestring, ":") == n && strncmp(name->valuestring, first, n) == 0;
            *prompts = *prompts || strcmp(name->valuestring, first) != 0;
        }
    }
    return OK;
}

Status section_members(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "mining", "Interest mining, by ensemble member");
    table_column(t, COLUMN_TEXT, "Member", 0);
    for (int i = 0; i < N_MEMBER; i++) table_column(t, MEMBER[i].kind, MEMBER[i].header, MEMBER[i].decimals);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(set_members(t, r, &r->set[k]));
    bool one, prompts;
    TRY(one_model(r, &one, &prompts));
    table_note(t, "Answers are replayed from the recorded ones in `cache/responses`; no language model is called.%s",
               !one ? "" : prompts ? " Every member that is a language model is the same model under another prompt: an ensemble of one, not the ensemble of the paper."
                                   : " One language model answered: an ensemble of one, not the ensemble of the paper.");
    table_note(t, "Others agree: share of its interests that another member of the same ensemble names for the item, too. Distinct: different texts. Specificity: mean idf of the words. "
               "Judged: interests with a recorded label; mostly those of one member were judged, so the shares are not comparable where the counts are small.");
    doc_table(d, t, true);
    return OK;
}

/* ------------------------------------------------------------------ strategies */

static const struct { const char *header, *path; ColumnKind kind; int decimals; } SID[] = {{"Distinct tuples", "distinct_tuples", COLUMN_NUMBER, 0},
    {"Collided", "collision_rate", COLUMN_PERCENT, 1}, {"Purity, 1 code", "prefix.0.purity_leaf", COLUMN_PERCENT, 1},
    {"Neighbours, 1 code", "neighbours.same_first_code", COLUMN_PERCENT, 1}, {"Reconstruction MSE", "training.reconstruction_mse", COLUMN_NUMBER, 3}};
enum { N_SID = sizeof SID / sizeof *SID };

/* Mean over the seeds that have the number. */
static Status sid_cells(Table *t, Results *r, const MethodResults *m)
{
    for (int i = 0; i < N_SID; i++) {
        double sum = 0, value;
        int64_t n = 0;
        for (int64_t k = 0; k < m->n; k++) {
            const cJSON *tree;
            TRY(results_document(r, m->entry[k]->dir[PART_tokenize], "sid_quality.json", &tree));
            if (!results_number(tree, SID[i].path, &value)) continue;
            sum += value;
            n++;
        }
        if (n > 0) table_number(t, sum / (double)n);
        else table_none(t);
    }
    return OK;
}

static Status strategy_row(Table *t, Results *r, const SetResults *s, const MethodResults *m, const MethodResults *none, const Comparison *c, double p)
{
    const cJSON *coverage;
    double with = 0, total = 0;
    TRY(results_document(r, m->entry[0]->dir[PART_mine], "coverage.json", &coverage));
    (void)results_number(coverage, "items_with_interests", &with);
    (void)results_number(coverage, "interests", &total);
    table_row(t);
    table_text(t, m->label);
    table_number(t, (double)m->n);
    table_number(t, s->N > 0 ? with / (double)s->N : 0);
    table_number(t, s->N > 0 ? total / (double)s->N : 0);
    TRY(sid_cells(t, r, m));
    table_spread(t, results_spread(m, "test", METRIC_HR_10));
    table_spread(t, results_spread(m, "test", METRIC_NDCG_10));
    if (m == none || none == NULL) {
        for (int i = 0; i < 3; i++) table_none(t);
        return OK;
    }
    if (c->mean_b > 0) table_number(t, c->difference / c->mean_b);
    else table_none(t);
    table_interval(t, c->difference, c->low, c->high);
    table_number(t, p);
    return OK;
}

static Status strategy_rows(Table *t, Panel *panel, Results *r, const SetResults *s, const ReportOptions *o)
{
    const MethodResults *none = results_find(s, "mine-none");
    Comparison *c = ARENA_NEW(r->arena, Comparison, s->n_methods);
    double *p = ARENA_NEW(r->arena, double, s->n_methods);
    int64_t n_tests = 0, n = 0;
    for (int64_t m = 0; m < s->n_methods; m++) {
        if (!s->method[m].in_ensemble) continue;
        n++;
        if (none == NULL || &s->method[m] == none) continue;
        (void)results_compare(s, &s->method[m], none, "test", METRIC_NDCG_10, o->seed, &c[m]);
        p[n_tests++] = c[m].p;
    }
    if (n < 2) return OK;
    significance_holm(p, n_tests);
    table_group(t, section_set_heading(s, r->arena));
    for (int64_t m = 0, test = 0; m < s->n_methods; m++) {
        const MethodResults *method = &s->method[m];
        if (!method->in_ensemble) continue;
        bool tested = none != NULL && method != none;
        TRY(strategy_row(t, r, s, method, none, &c[m], tested ? p[test++] : 0));
        if (tested && c[m].mean_b > 0)
            (void)panel_bar(panel, (Bar){method->label, section_color(method), 100.0 * c[m].difference / c[m].mean_b, 100.0 * c[m].low / c[m].mean_b, 100.0 * c[m].high / c[m].mean_b});
    }
    return OK;
}

/* "union of the members against rules alone: NDCG@10 +3.4 %, interval [..]" */
static void say(Doc *d, const SetResults *s, const char *a_id, const char *b_id, const ReportOptions *o)
{
    const MethodResults *a = results_find(s, a_id), *b = results_find(s, b_id);
    Comparison c;
    if (a == NULL || b == NULL || !results_compare(s, a, b, "test", METRIC_NDCG_10, o->seed, &c) || !(c.mean_b > 0)) return;
    doc_say(d, "%s: %s, against %s: NDCG@10 %+.1f %%, 95 %% interval of the difference [%+.4f, %+.4f]%s.", s->label, a->label, b->label, 100.0 * c.difference / c.mean_b, c.low, c.high,
            c.low > 0 ? "" : c.high < 0 ? ": worse" : ": no difference can be told from zero");
}

Status section_ensemble(Doc *d, Results *r, const ReportOptions *o)
{
    Table *t = table_create(d->arena, "ensemble", "Where the interests come from: no interests, rules, one member, agreement, union (SFT only)");
    Plot **plot = ARENA_NEW(d->arena, Plot *, r->n_sets);
    table_column(t, COLUMN_TEXT, "Interests", 0);
    table_column(t, COLUMN_COUNT, "Seeds", 0);
    table_column(t, COLUMN_PERCENT, "Items with any", 1);
    table_column(t, COLUMN_NUMBER, "per item", 2);
    for (int i = 0; i < N_SID; i++) table_column(t, SID[i].kind, SID[i].header, SID[i].decimals);
    table_column(t, COLUMN_SPREAD, "HR@10", 4);
    table_column(t, COLUMN_SPREAD, "NDCG@10", 4);
    table_column(t, COLUMN_CHANGE, "NDCG@10 to none", 1);
    table_column(t, COLUMN_INTERVAL, "ΔNDCG@10 [95 %]", 4);
    table_column(t, COLUMN_NUMBER, "p (Holm)", 4);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        plot[k] = plot_create(d->arena, arena_printf(d->arena, "ensemble_%s", s->id), arena_printf(d->arena, "%s: change of NDCG@10 against no interests", s->label), 1);
        Panel *panel = plot_panel(plot[k], d->arena, PANEL_BARS, "", "percent of NDCG@10 without interests (whisker: 95 % interval over rows)", "");
        TRY(strategy_rows(t, panel, r, s, o));
    }
    table_note(t, "Test rows, item level. All rows are trained alike, by SFT alone. Every interest is kept (no classifier), so that rows differ in their interests only; "
               "they enter the embedding, hence the SIDs, and the alignment tasks. SID figures are means over the seeds. Differences to no interests are paired by row.");
    if (table_n_data_rows(t) == 0) return OK;
    doc_heading(d, 2, "ensemble", "Members and strategies");
    doc_table(d, t, true);
    for (int64_t k = 0; k < r->n_sets; k++) {
        say(d, &r->set[k], "mine-union", "mine-none", o);
        say(d, &r->set[k], "mine-union", "mine-offline", o);
        say(d, &r->set[k], "mine-union", "mine-single-text", o);
        TRY(doc_plot(d, plot[k], o->out));
    }
    return OK;
}
