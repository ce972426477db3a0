/* section_ablation.c -- what each part of the method is worth, and RL against its own SFT. */
#include <string.h>

#include "eval/sections.h"

/* ------------------------------------------------------------------ ablation */

static void ablation_rows(Table *t, Panel *panel, Results *r, const SetResults *s, const ReportOptions *o)
{
    const MethodResults **m = ARENA_NEW(r->arena, const MethodResults *, s->n_methods);
    const int64_t n = section_order(s, false, m);
    if (n < 2 || s->full == NULL || !s->full->in_ablation) return;
    Comparison *c = ARENA_NEW(r->arena, Comparison, n);
    double *p = ARENA_NEW(r->arena, double, n);
    int64_t n_tests = 0;
    for (int64_t i = 0; i < n; i++) {
        if (m[i] == s->full) continue;
        (void)results_compare(s, m[i], s->full, "test", METRIC_NDCG_10, o->seed, &c[i]);
        p[n_tests++] = c[i].p;
    }
    significance_holm(p, n_tests);
    table_group(t, section_set_heading(s, r->arena));
    const Spread hr = results_spread(s->full, "test", METRIC_HR_10);
    for (int64_t i = 0, test = 0; i < n; i++) {
        const Spread mine = results_spread(m[i], "test", METRIC_HR_10);
        table_row(t);
        if (m[i] == s->full) table_strong(t);
        table_text(t, m[i]->label);
        table_number(t, (double)m[i]->n);
        table_spread(t, mine);
        table_spread(t, results_spread(m[i], "test", METRIC_NDCG_10));
        if (m[i] == s->full) {
            for (int k = 0; k < 4; k++) table_none(t);
            continue;
        }
        if (hr.mean > 0) table_number(t, mine.mean / hr.mean - 1.0);
        else table_none(t);
        if (c[i].mean_b > 0) table_number(t, c[i].difference / c[i].mean_b);
        else table_none(t);
        table_interval(t, c[i].difference, c[i].low, c[i].high);
        table_number(t, p[test++]);
        if (c[i].mean_b > 0)
            (void)panel_bar(panel, (Bar){m[i]->label, section_color(m[i]), 100.0 * c[i].difference / c[i].mean_b, 100.0 * c[i].low / c[i].mean_b,
                100.0 * c[i].high / c[i].mean_b});
    }
}

Status section_ablation(Doc *d, Results *r, const ReportOptions *o)
{
    Table *t = table_create(d->arena, "ablation", "Ablations on the test rows: each row changes one part of the full method");
    Plot **plot = ARENA_NEW(d->arena, Plot *, r->n_sets);
    table_column(t, COLUMN_TEXT, "Variant", 0);
    table_column(t, COLUMN_COUNT, "Seeds", 0);
    table_column(t, COLUMN_SPREAD, "HR@10", 4);
    table_column(t, COLUMN_SPREAD, "NDCG@10", 4);
    table_column(t, COLUMN_CHANGE, "HR@10 to full", 1);
    table_column(t, COLUMN_CHANGE, "NDCG@10 to full", 1);
    table_column(t, COLUMN_INTERVAL, "ΔNDCG@10 [95 %]", 4);
    table_column(t, COLUMN_NUMBER, "p (Holm)", 4);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        plot[k] = plot_create(d->arena, arena_printf(d->arena, "ablation_%s", s->id),
                              arena_printf(d->arena, "%s: change of NDCG@10 against the full method", s->label), 1);
        Panel *panel = plot_panel(plot[k], d->arena, PANEL_BARS, "", "percent of the full method's NDCG@10 (whisker: 95 % interval over rows)", "");
        ablation_rows(t, panel, r, s, o);
    }
    table_note(t, "A part that matters shows as a negative difference whose interval excludes zero. Differences are variant minus full method, paired by row. Seeds are the same.");
    if (table_n_data_rows(t) == 0) return OK;
    doc_heading(d, 2, "ablation", "Ablations");
    doc_table(d, t, true);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(doc_plot(d, plot[k], o->out));
    return OK;
}

/* ------------------------------------------------------------------ RL against its own SFT */

static void rl_row(Table *t, Results *r, const SetResults *s, const MethodResults *sft, const char *split, const ReportOptions *o)
{
    static const MetricId shown[] = {METRIC_NDCG_10, METRIC_HR_10};
    Comparison c[2];
    for (int i = 0; i < 2; i++)
        if (!results_compare(s, s->full, sft, split, shown[i], o->seed, &c[i])) return;
    table_row(t);
    table_text(t, split);
    table_number(t, (double)c[0].n);
    for (int i = 0; i < 2; i++) {
        table_spread(t, results_spread(sft, split, shown[i]));
        table_spread(t, results_spread(s->full, split, shown[i]));
        table_interval(t, c[i].difference, c[i].low, c[i].high);
    }
    table_number(t, c[0].p);
    (void)r;
}

Status section_rl(Doc *d, Results *r, const ReportOptions *o)
{
    static const char *const splits[] = {"valid", "test", "test.masked"};
    static const MetricId shown[] = {METRIC_NDCG_10, METRIC_HR_10};
    Table *t = table_create(d->arena, "rl", "RL (GRPO) against the very SFT models it started from");
    table_column(t, COLUMN_TEXT, "Split", 0);
    table_column(t, COLUMN_COUNT, "Rows", 0);
    for (int i = 0; i < 2; i++) {
        table_column(t, COLUMN_SPREAD, arena_printf(d->arena, "%s SFT", METRICS[shown[i]].name), 4);
        table_column(t, COLUMN_SPREAD, arena_printf(d->arena, "%s RL", METRICS[shown[i]].name), 4);
        table_column(t, COLUMN_INTERVAL, arena_printf(d->arena, "Δ%s [95 %%]", METRICS[shown[i]].name), 4);
    }
    table_column(t, COLUMN_NUMBER, "p (NDCG@10)", 4);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        const MethodResults *sft = section_own_sft(s, s->full);
        if (sft == NULL) continue;
        table_group(t, section_set_heading(s, r->arena));
        for (int i = 0; i < 3; i++) rl_row(t, r, s, sft, splits[i], o);
    }
    table_note(t, "Same seed, same SFT checkpoint on both sides. A gain on valid that is absent on test would be selection, not learning.");
    if (table_n_data_rows(t) == 0) return OK;
    doc_heading(d, 2, "rl", "RL against its own SFT");
    doc_table(d, t, true);
    return OK;
}
