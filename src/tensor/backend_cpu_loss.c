/* tensor/backend_cpu_loss.c -- softmax cross-entropy over all, a range of, or the allowed columns; a row a thread.
 *
 * Deviations from the paper: none.
 */
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/vmath.h"

/* log-sum-exp of x[0..n) where allowed (NULL: everywhere); -infinity when nothing is. */
static real row_lse(int64_t n, const real *x, const uint8_t *allowed)
{
    real max = -INFINITY, sum = 0;
    if (allowed == NULL) {
        max = vmath_max(n, x);
        real lane[VMATH_LANES] = {0};
        int64_t v = 0;
        for (; v + VMATH_LANES <= n; v += VMATH_LANES) {
            for (int j = 0; j < VMATH_LANES; j++) lane[j] += vmath_exp(x[v + j] - max);
        }
        for (int j = 0; v < n; v++, j++) lane[j] += vmath_exp(x[v] - max);
        sum = vmath_sum_lanes(lane);
    } else {
        for (int64_t v = 0; v < n; v++) max = allowed[v] && x[v] > max ? x[v] : max;
        for (int64_t v = 0; v < n; v++) sum += allowed[v] ? vmath_exp(x[v] - max) : 0;
    }
    return sum > 0 || isnan(sum) ? max + log(sum) : -INFINITY;
}

static void cpu_xent(Backend *be, int64_t n, int64_t V, const real *logits, int64_t ld, const int32_t *target,
                     const int32_t *range, const uint8_t *allowed, real *logp, real *lse)
{
    int threads = cpu_threads(be, n * V * 4);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        const int64_t lo = range != NULL ? range[2 * i] : 0, hi = range != NULL ? range[2 * i + 1] : V;
        const real *x = logits + i * ld;
        const uint8_t *mask = allowed != NULL ? allowed + i * V : NULL;
        lse[i] = row_lse(hi - lo, x + lo, mask != NULL ? mask + lo : NULL);
        logp[i] = 0;
        if (target[i] == TARGET_IGNORED) continue;
        REQUIRE(target[i] >= lo && target[i] < hi && (mask == NULL || mask[target[i]]),
                "target %d of row %lld is not an allowed column", target[i], (long long)i);
        logp[i] = x[target[i]] - lse[i];
    }
}

static void cpu_xent_bwd(Backend *be, int64_t n, int64_t V, real *logits, int64_t ld, const int32_t *target,
                         const int32_t *range, const uint8_t *allowed, const real *lse, const real *weight)
{
    int threads = cpu_threads(be, n * V * 4);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        const int64_t lo = range != NULL ? range[2 * i] : 0, hi = range != NULL ? range[2 * i + 1] : V;
        real *x = logits + i * ld;
        const uint8_t *mask = allowed != NULL ? allowed + i * V : NULL;
        if (target[i] == TARGET_IGNORED) {
            memset(x, 0, (size_t)V * sizeof(real));
            continue;
        }
        const real w = weight[i], L = lse[i];
        memset(x, 0, (size_t)lo * sizeof(real));
        memset(x + hi, 0, (size_t)(V - hi) * sizeof(real));
        if (mask == NULL) {
            for (int64_t v = lo; v < hi; v++) x[v] = w * vmath_exp(x[v] - L);
        } else {
            for (int64_t v = lo; v < hi; v++) x[v] = mask[v] ? w * vmath_exp(x[v] - L) : 0;
        }
        x[target[i]] -= w;
    }
}

void backend_cpu_fill_loss(Backend *be)
{
    be->xent = cpu_xent;
    be->xent_bwd = cpu_xent_bwd;
}
