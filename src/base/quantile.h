/* base/quantile.h -- quantiles of resampled statistics: one definition for every interval that is printed. */
#ifndef DIGR_BASE_QUANTILE_H
#define DIGR_BASE_QUANTILE_H

#include <stdint.h>

/* quantile_sort -- ascending, in place; finite values. */
void quantile_sort(double *x, int64_t n);
/* quantile_of -- q in [0,1] of n >= 1 ascending values: linear interpolation between order statistics, position q*(n-1). */
double quantile_of(const double *ascending, int64_t n, double q);

#endif
