/* section_curves.c -- training curves of SFT and baselines, and the reward curves of RL, from the stages' log.tsv. */
#include <string.h>

#include "eval/curves.h"
#include "eval/sections.h"

enum { BINS = 150 };

/* One panel: which log column, by the names the stages use. */
typedef struct Curve { const char *title, *x, *y; } Curve;

static const Curve SFT_CURVES[] = {{"SFT: training loss", "step|epoch", "loss"}, {"SFT: NDCG@10 on the validation subset", "step|epoch", "valid_NDCG@10|valid_ndcg10"}};
static const Curve BASELINE_CURVES[] = {{"training loss", "epoch|step", "loss"}, {"NDCG@10 on the validation rows", "epoch|step", "valid_NDCG@10|valid_ndcg10"}};
static const Curve RL_CURVES[] = {
    {"RL: mean reward of the rollouts", "step", "reward"},
    {"RL: interest bonus within the reward", "step", "quality_bonus"},
    {"RL: share of groups with a hit", "step", "hit_share"},
    {"RL: matched codes (LCP)", "step", "lcp"},
    {"RL: KL to the SFT model", "step", "kl"},
    {"RL: share of groups with zero advantage", "step", "zero_advantage_share"},
    {"RL: distinct items in a group", "step", "distinct_items"},
    {"RL: NDCG@10 on the validation subset", "step", "valid_NDCG@10"}};
enum { N_SFT = 2, N_BASELINE = 2, N_RL = 8 };

static Status add_curves(Results *r, const MethodResults *m, Part part, const Curve *curve, int n, Panel **panel)
{
    for (int64_t i = 0; i < m->n; i++) {
        Log *log;
        TRY(log_read(m->entry[i]->dir[part], r->arena, &log));
        for (int c = 0; log != NULL && c < n; c++) {
            double *x, *y;
            const int64_t points = log_curve(log, log_column(log, curve[c].x), log_column(log, curve[c].y), BINS, r->arena, &x, &y);
            if (points == 0) continue;
            (void)panel_line(panel[c], (Series){arena_printf(r->arena, "seed %lld", (long long)m->entry[i]->seed), plot_color((int)i), false, points, x, y, NULL, NULL});
        }
    }
    return OK;
}

static const char *x_label(const Curve *c) { return strncmp(c->x, "epoch", 5) == 0 ? "epoch" : "step"; }

static Status curves_of(Doc *d, Results *r, const SetResults *s, const MethodResults *m, Part part, const char *what, const Curve *curve, int n, const ReportOptions *o)
{
    Panel *panel[PLOT_PANELS];
    Plot *plot = plot_create(r->arena, arena_printf(r->arena, "%s_%s", what, s->id), arena_printf(r->arena, "%s: %s", s->label, m->label), 2);
    for (int c = 0; c < n; c++) panel[c] = plot_panel(plot, r->arena, PANEL_LINES, curve[c].title, x_label(&curve[c]), "");
    TRY(add_curves(r, m, part, curve, n, panel));
    return doc_plot(d, plot, o->out);
}

Status section_curves(Doc *d, Results *r, const ReportOptions *o)
{
    const int64_t before = d->n_blocks;
    doc_heading(d, 2, "curves", "Training curves");
    doc_text(d, "One line a seed; long logs are averaged over neighbouring steps to at most %d points.", BINS);
    const int64_t nothing = d->n_blocks;
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        const MethodResults *trained = s->full != NULL ? s->full : s->without_rl;
        if (trained != NULL) {
            TRY(curves_of(d, r, s, trained, PART_sft, "sft", SFT_CURVES, N_SFT, o));
            TRY(curves_of(d, r, s, trained, PART_rl, "grpo", RL_CURVES, N_RL, o));
        }
        if (s->strongest != NULL) TRY(curves_of(d, r, s, s->strongest, PART_baseline, "baseline", BASELINE_CURVES, N_BASELINE, o));
    }
    if (d->n_blocks == nothing) d->n_blocks = before;
    return OK;
}
