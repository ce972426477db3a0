/* eval/significance.h -- is a difference between two methods more than chance? Two paired procedures on per-row gains.
 *
 * Both methods are judged on the same n rows; d_r = a_r - b_r, where a_r is the gain (metrics.h) of method a on row r, averaged over its seeds.
 *
 *   bootstrap   resample the n rows with replacement, R times; the 2.5 and 97.5 percentiles (linear interpolation between order statistics,
 *               position q*(R-1)) of the mean difference are the 95 % interval. It speaks of rows, not of training seeds: the spread over seeds is printed
 *               as mean ± sd beside it.
 *   sign flip   under "no difference" d_r and -d_r are equally likely. p = share of sign assignments whose |sum| reaches the observed one (two-sided).
 *               With at most 13 rows that differ all 2^m assignments are counted; else P random ones, p = (1 + hits)/(P + 1).
 *
 * Draws come from Philox keyed by (seed, RNG_STAGE_REPORT, purpose) with the replicate as index: the result does not depend on the thread count, and
 * comparing (b, a) gives the mirrored interval and the same p.
 */
#ifndef DIGR_EVAL_SIGNIFICANCE_H
#define DIGR_EVAL_SIGNIFICANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum { SIGNIFICANCE_RESAMPLES = 2000, SIGNIFICANCE_PERMUTATIONS = 10000, SIGNIFICANCE_EXACT_ROWS = 13 };

typedef struct Comparison {
    int64_t n, n_differ;     /* rows; rows with d != 0 */
    double mean_a, mean_b;
    double difference;       /* mean_a - mean_b */
    double low, high;        /* 95 % interval of the difference */
    double p;                /* two-sided sign-flip test; 1 when no row differs */
    bool exact;              /* all sign assignments were counted */
} Comparison;

/* significance_compare -- a, b in (n), n >= 1, finite. Scratch comes from `tmp` and is released on return. */
Comparison significance_compare(const double *a, const double *b, int64_t n, uint64_t seed, int64_t resamples, int64_t permutations, Arena *tmp);

/* significance_holm -- Holm's step-down adjustment of m p-values, in place: the chance of any false alarm among them stays below 5 %. */
void significance_holm(double *p, int64_t m);

/* Mean and sample standard deviation (n-1) over seeds. sd is 0 for n = 1, and means nothing there: print it only when n > 1. */
typedef struct Spread { int64_t n; double mean, sd; } Spread;
Spread significance_spread(const double *x, int64_t n);

#endif
