/* tests/bf16_util.h -- what the tests of bf16 products share. */
#ifndef DIGR_TESTS_BF16_UTIL_H
#define DIGR_TESTS_BF16_UTIL_H

#include <math.h>

#include "base/log.h"
#include "tensor/backend.h"
#include "tensor/tiles.h"

/* A cpu backend in bf16; with `tiles`, on tile registers. NULL, and a line that says so, where the processor has none. */
static inline Backend *bf16_backend(int threads, bool tiles)
{
    Backend *be = backend_cpu(threads);
    if ((!tiles || tiles_available()) && backend_set_precision(be, "bf16") == OK) return be;
    log_info("this processor has no %s: not tested", tiles ? "tile registers" : "bf16 products");
    be->destroy(be);
    return NULL;
}

/* |a - b| / |a| in the Euclidean norm; infinity where a number is not finite */
static inline double bf16_distance(const real *a, const real *b, int64_t n)
{
    double sum = 0, whole = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        const double e = (double)a[i] - (double)b[i];
        sum += e * e;
        whole += (double)a[i] * (double)a[i];
    }
    return isfinite(sum) ? sqrt(sum / whole) : INFINITY;
}

#endif
