/* llm/boosted.h -- gradient-boosted trees of depth 2 for yes-or-no labels: the heavier rival of the logistic regression, because it can bend and combine features.
 *
 * Round r adds a tree to the log-odds: F_r = F_(r-1) + 0.1 tree_r, F_0 = ln(positives / negatives). A tree asks one question x_f <= cut, and one more on either side;
 * a leaf is worth -G / (H + 1), G and H the sums of the log loss's first and second derivatives over its rows (Newton step, L2 penalty 1). Questions are those of
 * largest gain G_l^2/(H_l + 1) + G_r^2/(H_r + 1) - G^2/(H + 1); ties take the lowest feature, then the lowest cut; no question leaves fewer than 10 rows on a side.
 * Cuts are at most 31 a feature, at equal shares of its training values. Nothing is random. The number of rounds is the strength: fewer is more regular.
 */
#ifndef DIGR_LLM_BOOSTED_H
#define DIGR_LLM_BOOSTED_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct BoostedTree {
    int feature[3];   /* root, left, right; -1: no question, every row goes left */
    double cut[3];    /* left where x <= cut */
    double leaf[4];   /* left-left, left-right, right-left, right-right; already times 0.1 */
} BoostedTree;

typedef struct Boosted {
    double bias;
    int n_rounds;
    BoostedTree *tree; /* (n_rounds) */
} Boosted;

/* boosted_fit -- x (n,p) row-major, y (n) 0 or 1. model.tree lives in `arena`. E_INPUT: one class only; E_NUMERIC: a value is not finite. */
Status boosted_fit(int64_t n, int p, const double *x, const int *y, int n_rounds, Arena *arena, Boosted *model);
double boosted_predict(const Boosted *m, const double *x); /* probability of 1 */

#endif
