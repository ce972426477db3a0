/* base/quantile.c -- see quantile.h. */
#include "base/quantile.h"

#include <stdlib.h>

static int ascending_order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void quantile_sort(double *x, int64_t n) { qsort(x, (size_t)n, sizeof *x, ascending_order); }

double quantile_of(const double *ascending, int64_t n, double q) {
    double at = q * (double)(n - 1);
    int64_t low = (int64_t)at, high = low + 1 < n ? low + 1 : low;
    return ascending[low] + (at - (double)low) * (ascending[high] - ascending[low]);
}
