/* llm/figures.h -- how good are scores of yes-or-no labels: accuracy, AUC, F1, log loss, Brier score, their intervals, and calibration.
 *
 * A figure that the rows do not define is absent (has = false), never a number that stands for it:
 *   AUC                  needs both classes          precision     needs a predicted positive
 *   F1, recall           need a positive label       log loss, Brier   need probabilities: a predictor that gives verdicts alone has none
 *
 * Intervals: the rows of one item stand or fall together (one title, one mining answer), so items are drawn, not rows. A resample draws as many items as
 * there are, with replacement, and every row of an item counts as often as the item was drawn. All predictors, and all subsets of the rows, share the draws:
 * differences are paired. 2.5 and 97.5 percentiles (base/quantile.h). Draws come from Philox keyed by (seed, label stage, bootstrap) with the resample as index.
 * Where a figure is not defined in more than 5 % of the resamples (a subset with one lonely negative), its interval is absent
 * (bounded = false); the figure stays.
 */
#ifndef DIGR_LLM_FIGURES_H
#define DIGR_LLM_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

typedef enum Figure { FIGURE_ACCURACY, FIGURE_AUC, FIGURE_F1, FIGURE_PRECISION, FIGURE_RECALL, FIGURE_LOG_LOSS, FIGURE_BRIER, N_FIGURES } Figure;

const char *figure_name(Figure f); /* as in classifier.json */

typedef struct Figures {
    int64_t n, positives, predicted, true_positives;
    bool has[N_FIGURES];
    double value[N_FIGURES];
} Figures;

/* figures_compute -- predicted 1 where score >= threshold; scores are finite (REQUIREd, here and below).
 * group, weight  NULL: every row counts once; else row i counts weight[group[i]] times (whole numbers, 0 allowed)
 * verdicts       the scores are no probabilities
 * AUC by ranks, ties count half. log loss clamps scores to [1e-12, 1-1e-12]. */
Figures figures_compute(int64_t n, const double *score, const int *label, const int64_t *group, const int32_t *weight, double threshold, bool verdicts, Arena *scratch);

/* ---- intervals */

typedef struct Interval {
    bool has, bounded; /* is there a value; is there an interval around it */
    double value, low, high;
} Interval;

typedef struct Predictor {
    const double *score; /* (n) */
    bool verdicts;
} Predictor;

/* The same rows, judged by several predictors. */
typedef struct ScoredRows {
    int64_t n, n_groups;
    const int64_t *group; /* (n) item of each row, in [0,n_groups) */
    const int *label;     /* (n) */
    double threshold;
} ScoredRows;

/* figures_bootstrap -- 95 % intervals of the figures of n_predictors on the rows that are `member` (NULL: all).
 * figures out (n_predictors)
 * own     out (n_predictors)[N_FIGURES]
 * versus  out (n_predictors)[N_FIGURES]  predictor 0 minus predictor p, paired; [0] is absent */
void figures_bootstrap(const ScoredRows *rows, const bool *member, int n_predictors, const Predictor *predictor, uint64_t seed, int64_t resamples, Arena *scratch,
                       Figures *figures, Interval (*own)[N_FIGURES], Interval (*versus)[N_FIGURES]);

/* figures_mean -- mean of x over the rows, with its interval, by the same draws of items. Absent without rows. */
Interval figures_mean(int64_t n, const double *x, const int64_t *group, int64_t n_groups, uint64_t seed, int64_t resamples, Arena *scratch);

/* ---- calibration */

typedef struct CalibrationBin {
    int64_t n, positives;
    double lowest, highest, mean; /* of the scores */
    double share, low, high;      /* of positives; its 95 % Wilson interval */
} CalibrationBin;

/* calibration_bins -- rows in ascending order of score, cut into n_bins parts of equal count: bin b ends at row (b+1) n / n_bins, or after the last row of equal score,
 * so that equal scores are never parted. bin out (n_bins). Returns how many were filled: fewer where there are few distinct scores. */
int calibration_bins(int64_t n, const double *score, const int *label, int n_bins, CalibrationBin *bin, Arena *scratch);
/* calibration_error -- expected calibration error: mean over the rows of |share of positives - mean score| of their bin. */
double calibration_error(int n_bins, const CalibrationBin *bin);

/* wilson_interval -- 95 % score interval (Wilson 1927) of the share k/n, 0 <= k <= n, n >= 1. It takes the n rows as independent. */
void wilson_interval(int64_t k, int64_t n, double *low, double *high);

#endif
