/* section_main.c -- main results: metrics, significance against the strongest baseline, masked history, SID level, all metrics. */
#include <string.h>

#include "eval/sections.h"

static const MetricId MAIN_METRICS[] = {METRIC_HR_5, METRIC_NDCG_5, METRIC_HR_10, METRIC_NDCG_10};
static const MetricId FURTHER_METRICS[] = {METRIC_HR_1, METRIC_HR_3, METRIC_NDCG_3, METRIC_HR_20, METRIC_NDCG_20, METRIC_MRR};
enum { N_MAIN = sizeof MAIN_METRICS / sizeof *MAIN_METRICS, N_FURTHER = sizeof FURTHER_METRICS / sizeof *FURTHER_METRICS };

typedef struct Ordered { int64_t n; const MethodResults **m; } Ordered;

static Ordered main_methods(const SetResults *s, Arena *arena)
{
    Ordered o = {0, ARENA_NEW(arena, const MethodResults *, s->n_methods)};
    o.n = section_order(s, true, o.m);
    return o;
}

/* Invalid predictions and collided items, over the seeds of a method. */
static void rate_cells(Table *t, const MethodResults *m)
{
    double invalid = 0.0, predictions = 0.0, collided = 0.0;
    for (int64_t i = 0; i < m->n; i++) {
        const Judgement *j = evaluation_find(m->entry[i]->ev, "test");
        invalid += (double)j->n_invalid;
        predictions += (double)j->n_predictions;
        collided += m->entry[i]->ev->has_sids ? (double)m->entry[i]->ev->n_collided_items / (double)m->entry[i]->ev->N : 0.0;
    }
    table_number(t, predictions > 0 ? invalid / predictions : 0.0);
    if (m->entry[0]->ev->has_sids) table_number(t, collided / (double)m->n);
    else table_none(t);
    const int64_t beam = m->entry[0]->ev->beam;
    table_text(t, beam > 0 ? table_count(beam, t->arena) : "all");
}

static void best_without_oracle(Table *t, const Ordered *o, int first, int last)
{
    bool skip[256] = {false};
    for (int64_t i = 0; i < o->n && i < 256; i++) skip[i] = o->m[i]->role == ROLE_ORACLE;
    for (int c = first; c <= last; c++) table_best(t, c, skip, o->n < 256 ? o->n : 256);
}

/* One table of metrics; with_rates adds what can be wrong with a ranking. */
static Table *metrics_table(Results *r, const char *id, const char *title, const MetricId *metric, int n, bool with_rates)
{
    Table *t = table_create(r->arena, id, title);
    table_column(t, COLUMN_TEXT, "Method", 0);
    table_column(t, COLUMN_COUNT, "Seeds", 0);
    for (int i = 0; i < n; i++) table_column(t, COLUMN_SPREAD, METRICS[metric[i]].name, 4);
    if (with_rates) {
        table_column(t, COLUMN_PERCENT, "Invalid", 2);
        table_column(t, COLUMN_PERCENT, "Collided", 1);
        table_column(t, COLUMN_TEXT, "Beam", 0);
    }
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        const Ordered o = main_methods(s, r->arena);
        table_group(t, section_set_heading(s, r->arena));
        for (int64_t i = 0; i < o.n; i++) {
            const MethodResults *m = o.m[i];
            table_row(t);
            if (m->role == ROLE_FULL) table_strong(t);
            table_text(t, m->label);
            table_number(t, (double)m->n);
            for (int c = 0; c < n; c++) table_spread(t, results_spread(m, "test", metric[c]));
            if (with_rates) rate_cells(t, m);
        }
        best_without_oracle(t, &o, 2, 1 + n);
    }
    table_note(t, "Mean ± standard deviation over training seeds; a single value is one seed. Best in bold (* on a terminal), the oracle apart: it knows what no method may know.");
    return t;
}

static Table *main_table(Results *r)
{
    Table *t = metrics_table(r, "main", "Main results on the test rows (item level, full ranking, nothing masked)", MAIN_METRICS, N_MAIN, true);
    table_note(t, "Invalid: predictions that are no item. Collided: share of items with the same three codes as another one, told apart by a suffix; a hit is the item itself. "
               "Beam: width of the search; all = every item scored.");
    return t;
}

static Table *further_table(Results *r)
{
    Table *t = metrics_table(r, "main_further", "The same rows at other cutoffs", FURTHER_METRICS, N_FURTHER, false);
    table_note(t, "NDCG@1 equals HR@1. MRR is over 20 places. The validation split, empty rows and duplicates: `all_metrics.csv`.");
    return t;
}

/* ------------------------------------------------------------------ significance */

static const MetricId TESTED[] = {METRIC_NDCG_10, METRIC_HR_10};

static Table *significance_table(Results *r, const ReportOptions *o)
{
    Table *t = table_create(r->arena, "significance", "Differences to the strongest baseline on the test rows");
    table_column(t, COLUMN_TEXT, "Method", 0);
    for (int i = 0; i < 2; i++) {
        table_column(t, COLUMN_INTERVAL, arena_printf(r->arena, "Δ%s [95 %%]", METRICS[TESTED[i]].name), 4);
        table_column(t, COLUMN_CHANGE, i == 0 ? "relative" : "relative ", 1);
        table_column(t, COLUMN_NUMBER, i == 0 ? "p" : "p ", 4);
        table_column(t, COLUMN_NUMBER, i == 0 ? "p (Holm)" : "p (Holm) ", 4);
    }
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        const Ordered all = main_methods(s, r->arena);
        if (s->strongest == NULL) continue;
        Comparison *c[2];
        double *adjusted[2];
        const MethodResults **tested = ARENA_NEW(r->arena, const MethodResults *, all.n);
        int64_t n = 0;
        for (int64_t i = 0; i < all.n; i++)
            if (all.m[i] != s->strongest && all.m[i]->role != ROLE_ORACLE) tested[n++] = all.m[i];
        for (int q = 0; q < 2; q++) {
            c[q] = ARENA_NEW(r->arena, Comparison, n);
            adjusted[q] = ARENA_NEW(r->arena, double, n);
            for (int64_t i = 0; i < n; i++) {
                (void)results_compare(s, tested[i], s->strongest, "test", TESTED[q], o->seed, &c[q][i]);
                adjusted[q][i] = c[q][i].p;
            }
            significance_holm(adjusted[q], n);
        }
        table_group(t, arena_printf(r->arena, "%s, against %s (strongest baseline by validation NDCG@10)", section_set_heading(s, r->arena), s->strongest->label));
        for (int64_t i = 0; i < n; i++) {
            table_row(t);
            if (tested[i]->role == ROLE_FULL) table_strong(t);
            table_text(t, tested[i]->label);
            for (int q = 0; q < 2; q++) {
                table_interval(t, c[q][i].difference, c[q][i].low, c[q][i].high);
                if (c[q][i].mean_b > 0) table_number(t, c[q][i].difference / c[q][i].mean_b);
                else table_none(t);
                table_number(t, c[q][i].p);
                table_number(t, adjusted[q][i]);
            }
        }
    }
    table_note(t, "Paired by row; a row's gain is averaged over the seeds first. Interval: bootstrap over rows; p: sign flips, two-sided, the smallest possible value is %.4f; "
               "Holm: adjusted for the number of methods compared on the set.", 1.0 / (SIGNIFICANCE_PERMUTATIONS + 1));
    return t;
}

/* ------------------------------------------------------------------ masked history, SID level, everything */

static Table *masked_table(Results *r)
{
    static const MetricId shown[] = {METRIC_HR_1, METRIC_HR_10, METRIC_NDCG_10};
    Table *t = table_create(r->arena, "masked", "History items removed from the ranking, beside the ranking as it is");
    table_column(t, COLUMN_TEXT, "Method", 0);
    for (int i = 0; i < 3; i++) {
        table_column(t, COLUMN_SPREAD, METRICS[shown[i]].name, 4);
        table_column(t, COLUMN_SPREAD, arena_printf(r->arena, "%s masked", METRICS[shown[i]].name), 4);
    }
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        const Ordered o = main_methods(s, r->arena);
        if (!results_has_split(s, "test.masked")) continue;
        table_group(t, section_set_heading(s, r->arena));
        for (int64_t i = 0; i < o.n; i++) {
            table_row(t);
            if (o.m[i]->role == ROLE_FULL) table_strong(t);
            table_text(t, o.m[i]->label);
            for (int c = 0; c < 3; c++) {
                table_spread(t, results_spread(o.m[i], "test", shown[c]));
                table_spread(t, results_spread(o.m[i], "test.masked", shown[c]));
            }
        }
        best_without_oracle(t, &o, 1, 6);
    }
    table_note(t, "Where no user repeats an item, masking helps any model that ranks the last items of the history high; where users repeat items it changes the task. Published "
               "figures rarely say which was used. Compare only within a column.");
    return t;
}

static Table *sid_table(Results *r)
{
    static const MetricId shown[] = {METRIC_HR_10, METRIC_NDCG_10};
    Table *t = table_create(r->arena, "sid_level", "Item level beside SID level, where items collide");
    table_column(t, COLUMN_TEXT, "Method", 0);
    for (int i = 0; i < 2; i++) {
        table_column(t, COLUMN_SPREAD, arena_printf(r->arena, "%s item", METRICS[shown[i]].name), 4);
        table_column(t, COLUMN_SPREAD, arena_printf(r->arena, "%s SID", METRICS[shown[i]].name), 4);
    }
    table_column(t, COLUMN_COUNT, "Collided items (first seed)", 0);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        bool headed = false;
        for (int64_t i = 0; i < s->n_methods; i++) {
            const MethodResults *m = &s->method[i];
            if (results_sid_spread(m, "test", METRIC_HR_10).n == 0) continue;
            if (!headed) table_group(t, section_set_heading(s, r->arena));
            headed = true;
            table_row(t);
            if (m->role == ROLE_FULL) table_strong(t);
            table_text(t, m->label);
            for (int c = 0; c < 2; c++) {
                table_spread(t, results_spread(m, "test", shown[c]));
                table_spread(t, results_sid_spread(m, "test", shown[c]));
            }
            table_number(t, (double)m->entry[0]->ev->n_collided_items);
        }
    }
    table_note(t, "At SID level any item with the target's three codes counts as the target and each group of items takes one slot. Some published figures are of this kind; ours "
               "are not.");
    return t;
}

static void all_row(Table *t, const Results *r, const Entry *e, const Judgement *j)
{
    table_row(t);
    table_text(t, e->dataset);
    table_text(t, e->method);
    table_text(t, e->method_label);
    table_number(t, (double)e->seed);
    table_text(t, j->split);
    for (int m = 0; m < METRIC_COUNT; m++) table_number(t, j->value[m]);
    const int64_t counts[] = {j->n_rows, j->n_found, j->n_empty_rows, j->n_duplicates, j->n_invalid, j->n_deeper};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) table_number(t, (double)counts[i]);
    table_text(t, arena_printf(r->arena, "%s/%s", e->dir[PART_evaluate], evaluation_ranks_file(j->split)));
}

/* Every number of every entry: only as files, too wide for a page. */
static Table *all_table(Results *r)
{
    static const char *const text[] = {"dataset", "method", "label"};
    static const char *const counts[] = {"rows", "found", "empty rows", "duplicates", "invalid", "beyond depth"};
    Table *t = table_create(r->arena, "all_metrics", "Every metric of every entry and split");
    for (int i = 0; i < 3; i++) table_column(t, COLUMN_TEXT, text[i], 0);
    table_column(t, COLUMN_COUNT, "seed", 0);
    table_column(t, COLUMN_TEXT, "split", 0);
    for (int m = 0; m < METRIC_COUNT; m++) table_column(t, COLUMN_NUMBER, METRICS[m].name, 4);
    for (int i = 0; i < 6; i++) table_column(t, COLUMN_COUNT, counts[i], 0);
    table_column(t, COLUMN_TEXT, "ranks", 0);
    for (int64_t i = 0; i < r->n_entries; i++)
        for (int q = 0; q < r->entry[i].ev->n_splits; q++) all_row(t, r, &r->entry[i], &r->entry[i].ev->split[q]);
    return t;
}

static Status main_plot(Doc *d, Results *r, const SetResults *s, const ReportOptions *o)
{
    const Ordered all = main_methods(s, r->arena);
    Plot *plot = plot_create(r->arena, arena_printf(r->arena, "main_%s", s->id), arena_printf(r->arena, "%s: NDCG@10 on the test rows", s->label), 1);
    Panel *panel = plot_panel(plot, r->arena, PANEL_BARS, "", "NDCG@10 (whisker: ± one standard deviation over seeds)", "");
    for (int64_t i = 0; i < all.n; i++) {
        const Spread v = results_spread(all.m[i], "test", METRIC_NDCG_10);
        (void)panel_bar(panel, (Bar){all.m[i]->label, section_color(all.m[i]), v.mean, v.mean - v.sd, v.mean + v.sd});
    }
    return doc_plot(d, plot, o->out);
}

Status section_main(Doc *d, Results *r, const ReportOptions *o)
{
    Table *own = main_table(r), *tests = significance_table(r, o);
    doc_heading(d, 2, "main", "Main results");
    if (table_n_data_rows(own) == 0) doc_text(d, "No method of the main table is part of this run.");
    doc_table(d, own, true);
    doc_table(d, further_table(r), true);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(main_plot(d, r, &r->set[k], o));
    if (table_n_data_rows(tests) > 0) {
        doc_heading(d, 3, "significance", "Significance");
        doc_table(d, tests, true);
    }
    Table *masked = masked_table(r), *sid = sid_table(r);
    if (table_n_data_rows(masked) > 0) {
        doc_heading(d, 3, "masked", "Masked history");
        doc_table(d, masked, true);
    }
    if (table_n_data_rows(sid) > 0) {
        doc_heading(d, 3, "sid-level", "SID level");
        doc_table(d, sid, false);
    }
    return table_write_files(all_table(r), o->out);
}
