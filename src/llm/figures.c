/* llm/figures.c -- see figures.h. */
#include "llm/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantile.h"
#include "base/rng.h"
#include "base/status.h"

static const double min_defined = 0.95; /* share of the resamples in which a figure must exist */
static const double clamp = 1e-12, z95 = 1.959963984540054;

const char *figure_name(Figure f) {
    static const char *const names[N_FIGURES] = {"accuracy", "auc", "f1", "precision", "recall", "log_loss", "brier"};
    REQUIRE((int)f >= 0 && f < N_FIGURES, "figure %d", (int)f);
    return names[f];
}

/* ---- figures of weighted rows */

typedef struct Scored {
    double score, loss, square; /* its log loss and squared error */
    int64_t group;
    int label;
} Scored;

/* Ties by label and item: sums are added in one order everywhere. */
static int by_score(const void *a, const void *b) {
    const Scored *x = a, *y = b;
    if (x->score < y->score || x->score > y->score) return x->score < y->score ? -1 : 1;
    if (x->label != y->label) return x->label - y->label;
    return (x->group > y->group) - (x->group < y->group);
}

static Scored scored_row(double score, int label, int64_t group) {
    REQUIRE(isfinite(score), "a score that is not finite");
    double p = fmin(fmax(score, clamp), 1 - clamp), error = score - label;
    return (Scored){score, -log(label ? p : 1 - p), error * error, group, label};
}

/* Rows in ascending order of score. AUC by Mann-Whitney: a positive wins against every negative below it, and half against the negatives at its score. */
static Figures weighted_figures(const Scored *s, int64_t n, const int32_t *weight, double threshold, bool verdicts) {
    Figures f = {0};
    int64_t right = 0, twice_won = 0, below = 0;
    double loss = 0, square = 0;
    for (int64_t i = 0; i < n;) {
        int64_t positives = 0, negatives = 0, j = i;
        for (; j < n && s[j].score <= s[i].score; j++) {
            int64_t w = weight ? weight[s[j].group] : 1;
            if (s[j].label) positives += w;
            else negatives += w;
            loss += (double)w * s[j].loss;
            square += (double)w * s[j].square;
        }
        bool predicted = s[i].score >= threshold;
        twice_won += positives * (2 * below + negatives);
        below += negatives;
        f.positives += positives;
        f.predicted += predicted ? positives + negatives : 0;
        f.true_positives += predicted ? positives : 0;
        right += predicted ? positives : negatives;
        i = j;
    }
    f.n = f.positives + below;
    f.has[FIGURE_ACCURACY] = f.n > 0;
    f.has[FIGURE_LOG_LOSS] = f.has[FIGURE_BRIER] = f.n > 0 && !verdicts;
    f.has[FIGURE_AUC] = f.positives > 0 && below > 0;
    f.has[FIGURE_F1] = f.has[FIGURE_RECALL] = f.positives > 0;
    f.has[FIGURE_PRECISION] = f.predicted > 0;
    if (f.has[FIGURE_ACCURACY]) f.value[FIGURE_ACCURACY] = (double)right / (double)f.n;
    if (f.has[FIGURE_LOG_LOSS]) f.value[FIGURE_LOG_LOSS] = loss / (double)f.n;
    if (f.has[FIGURE_BRIER]) f.value[FIGURE_BRIER] = square / (double)f.n;
    if (f.has[FIGURE_AUC]) f.value[FIGURE_AUC] = (double)twice_won / (2 * (double)f.positives * (double)below);
    if (f.has[FIGURE_F1]) f.value[FIGURE_F1] = 2 * (double)f.true_positives / (double)(f.predicted + f.positives);
    if (f.has[FIGURE_RECALL]) f.value[FIGURE_RECALL] = (double)f.true_positives / (double)f.positives;
    if (f.has[FIGURE_PRECISION]) f.value[FIGURE_PRECISION] = (double)f.true_positives / (double)f.predicted;
    return f;
}

Figures figures_compute(int64_t n, const double *score, const int *label, const int64_t *group, const int32_t *weight, double threshold, bool verdicts, Arena *scratch) {
    ArenaMark mark = arena_mark(scratch);
    Scored *s = ARENA_NEW(scratch, Scored, n);
    for (int64_t i = 0; i < n; i++) s[i] = scored_row(score[i], label[i], group ? group[i] : 0);
    qsort(s, (size_t)n, sizeof *s, by_score);
    Figures f = weighted_figures(s, n, group ? weight : NULL, threshold, verdicts);
    arena_release(scratch, mark);
    return f;
}

/* ---- intervals */

/* How often each of G items is in resample b: (G), sums to G. */
static void draw_items(int64_t G, uint64_t seed, int64_t b, int32_t *weight) {
    Rng r = rng_make(seed, RNG_STAGE_LABEL, RNG_BOOTSTRAP, 0, (uint64_t)b);
    memset(weight, 0, (size_t)G * sizeof *weight);
    for (int64_t i = 0; i < G; i++) weight[rng_below(&r, (uint64_t)G)]++;
}

/* Percentiles of the `used` values that exist; sorts them. */
static void close_interval(double *draws, int64_t used, int64_t resamples, Interval *out) {
    out->bounded = out->has && used > 0 && (double)used >= min_defined * (double)resamples;
    if (!out->bounded) return;
    quantile_sort(draws, used);
    out->low = quantile_of(draws, used, 0.025);
    out->high = quantile_of(draws, used, 0.975);
}

typedef struct Draws { double *at; int64_t used; } Draws; /* one statistic, (resamples) */

static void keep(Draws *d, bool has, double value) {
    if (has) d->at[d->used++] = value;
}

static int64_t select_rows(const ScoredRows *rows, const bool *member, const double *score, Scored *out) {
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++)
        if (!member || member[i]) out[n++] = scored_row(score[i], rows->label[i], rows->group[i]);
    qsort(out, (size_t)n, sizeof *out, by_score);
    return n;
}

static Draws *draws_new(Arena *arena, int n, int64_t resamples) {
    Draws *d = ARENA_NEW(arena, Draws, n);
    for (int k = 0; k < n; k++) d[k].at = ARENA_NEW(arena, double, resamples);
    return d;
}

/* Figures of one resample, or of the rows as they are (draws NULL). */
static void take_figures(int n_predictors, const Figures *f, Draws *draws, Draws *differences, Interval (*own)[N_FIGURES], Interval (*versus)[N_FIGURES]) {
    for (int p = 0; p < n_predictors; p++)
        for (int k = 0; k < N_FIGURES; k++) {
            bool both = p > 0 && f[p].has[k] && f[0].has[k];
            double difference = f[0].value[k] - f[p].value[k];
            if (draws) {
                keep(&draws[p * N_FIGURES + k], f[p].has[k], f[p].value[k]);
                keep(&differences[p * N_FIGURES + k], both, difference);
            } else {
                own[p][k] = (Interval){.has = f[p].has[k], .value = f[p].value[k]};
                versus[p][k] = (Interval){.has = both, .value = both ? difference : 0};
            }
        }
}

void figures_bootstrap(const ScoredRows *rows, const bool *member, int n_predictors, const Predictor *predictor, uint64_t seed, int64_t resamples, Arena *scratch,
                       Figures *figures, Interval (*own)[N_FIGURES], Interval (*versus)[N_FIGURES]) {
    REQUIRE(resamples >= 2 && n_predictors >= 1, "%lld resamples of %d predictors", (long long)resamples, n_predictors);
    ArenaMark mark = arena_mark(scratch);
    int total = n_predictors * N_FIGURES;
    Draws *draws = draws_new(scratch, total, resamples), *differences = draws_new(scratch, total, resamples);
    Scored **s = ARENA_NEW(scratch, Scored *, n_predictors);
    Figures *f = ARENA_NEW(scratch, Figures, n_predictors);
    int32_t *weight = ARENA_NEW(scratch, int32_t, rows->n_groups);
    int64_t n = 0;
    for (int p = 0; p < n_predictors; p++) {
        s[p] = ARENA_NEW(scratch, Scored, rows->n);
        n = select_rows(rows, member, predictor[p].score, s[p]);
        figures[p] = weighted_figures(s[p], n, NULL, rows->threshold, predictor[p].verdicts);
    }
    take_figures(n_predictors, figures, NULL, NULL, own, versus);
    for (int64_t b = 0; b < resamples; b++) {
        draw_items(rows->n_groups, seed, b, weight);
        for (int p = 0; p < n_predictors; p++) f[p] = weighted_figures(s[p], n, weight, rows->threshold, predictor[p].verdicts);
        take_figures(n_predictors, f, draws, differences, own, versus);
    }
    for (int k = 0; k < total; k++) {
        close_interval(draws[k].at, draws[k].used, resamples, &own[k / N_FIGURES][k % N_FIGURES]);
        close_interval(differences[k].at, differences[k].used, resamples, &versus[k / N_FIGURES][k % N_FIGURES]);
    }
    arena_release(scratch, mark);
}

Interval figures_mean(int64_t n, const double *x, const int64_t *group, int64_t n_groups, uint64_t seed, int64_t resamples, Arena *scratch) {
    REQUIRE(resamples >= 2, "%lld resamples", (long long)resamples);
    ArenaMark mark = arena_mark(scratch);
    Interval out = {.has = n > 0};
    Draws d = {ARENA_NEW(scratch, double, resamples), 0};
    int32_t *weight = ARENA_NEW(scratch, int32_t, n_groups);
    for (int64_t b = -1; b < resamples && n > 0; b++) {
        double sum = 0;
        int64_t count = 0;
        if (b >= 0) draw_items(n_groups, seed, b, weight);
        for (int64_t i = 0; i < n; i++) {
            int64_t w = b < 0 ? 1 : weight[group[i]];
            sum += (double)w * x[i];
            count += w;
        }
        if (b < 0) out.value = sum / (double)count;
        else keep(&d, count > 0, count > 0 ? sum / (double)count : 0);
    }
    close_interval(d.at, d.used, resamples, &out);
    arena_release(scratch, mark);
    return out;
}

/* ---- calibration */

void wilson_interval(int64_t k, int64_t n, double *low, double *high) {
    REQUIRE(n >= 1 && k >= 0 && k <= n, "%lld of %lld", (long long)k, (long long)n);
    double size = (double)n, p = (double)k / size, zz = z95 * z95;
    double centre = (p + zz / (2 * size)) / (1 + zz / size), half = z95 / (1 + zz / size) * sqrt(p * (1 - p) / size + zz / (4 * size * size));
    *low = k == 0 ? 0 : centre - half;
    *high = k == n ? 1 : centre + half;
}

int calibration_bins(int64_t n, const double *score, const int *label, int n_bins, CalibrationBin *bin, Arena *scratch) {
    REQUIRE(n_bins >= 1, "%d bins", n_bins);
    ArenaMark mark = arena_mark(scratch);
    Scored *s = ARENA_NEW(scratch, Scored, n);
    for (int64_t i = 0; i < n; i++) s[i] = scored_row(score[i], label[i], 0);
    qsort(s, (size_t)n, sizeof *s, by_score);
    int filled = 0;
    int64_t i = 0;
    for (int b = 0; b < n_bins; b++) {
        int64_t end = (int64_t)(b + 1) * n / n_bins;
        if (i >= end) continue; /* equal scores took these rows along */
        CalibrationBin *out = &bin[filled++];
        *out = (CalibrationBin){.lowest = s[i].score};
        double sum = 0;
        for (; i < n && (i < end || s[i].score <= out->highest); i++) {
            out->n++;
            out->positives += s[i].label;
            out->highest = s[i].score;
            sum += s[i].score;
        }
        out->mean = sum / (double)out->n;
        out->share = (double)out->positives / (double)out->n;
        wilson_interval(out->positives, out->n, &out->low, &out->high);
    }
    arena_release(scratch, mark);
    return filled;
}

double calibration_error(int n_bins, const CalibrationBin *bin) {
    double sum = 0;
    int64_t n = 0;
    for (int b = 0; b < n_bins; b++) {
        sum += (double)bin[b].n * fabs(bin[b].share - bin[b].mean);
        n += bin[b].n;
    }
    return n > 0 ? sum / (double)n : 0;
}
