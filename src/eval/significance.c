/* significance.c -- paired bootstrap and sign-flip test; see significance.h. */
#include "eval/significance.h"

#include <math.h>
#include <string.h>

#include "base/quantile.h"
#include "base/rng.h"
#include "base/status.h"

enum { SERIAL_DRAWS = 8000000 };

/* Index in [0,n) from one 32-bit word, by multiplication; words below the threshold are drawn again (Lemire), so no index is favoured. */
static uint32_t draw_index(Rng *r, uint32_t n, uint32_t threshold)
{
    for (;;) {
        const uint64_t product = (uint64_t)rng_u32(r) * n;
        if ((uint32_t)product >= threshold) return (uint32_t)(product >> 32);
    }
}

static void bootstrap(const double *d, int64_t n, uint64_t seed, int64_t R, Arena *tmp, double *low, double *high)
{
    double *mean = ARENA_NEW(tmp, double, R);
    const uint32_t size = (uint32_t)n, threshold = (uint32_t)(0u - size) % size;
    /* small cases stay on one thread: on a busy machine waking the others takes longer than the work */
#pragma omp parallel for schedule(static) if (n * R > SERIAL_DRAWS)
    for (int64_t b = 0; b < R; b++) {
        Rng r = rng_make(seed, RNG_STAGE_REPORT, RNG_BOOTSTRAP, 0, (uint64_t)b);
        double sum = 0.0;
        for (int64_t i = 0; i < n; i++) sum += d[draw_index(&r, size, threshold)];
        mean[b] = sum / (double)n;
    }
    quantile_sort(mean, R);
    *low = quantile_of(mean, R, 0.025);
    *high = quantile_of(mean, R, 0.975);
}

enum { SIGN_BITS = 32, SIGN_LANES = 8 };

/* x, negated when the lowest bit of `flip` is set: no branch for the processor to guess. */
static inline double flipped(double x, uint32_t flip)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (uint64_t)flip << 63;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* |sum| of d under the signs of replicate `index`: bit i of its word stream set = flipped. Summed in lanes, in an order that depends on m alone. */
static double flipped_sum(const double *d, int64_t m, uint64_t seed, uint64_t index)
{
    Rng r = rng_make(seed, RNG_STAGE_REPORT, RNG_PERMUTE, 0, index);
    double lane[SIGN_LANES] = {0};
    int64_t i = 0;
    for (; i + SIGN_BITS <= m; i += SIGN_BITS) {
        const uint32_t word = rng_u32(&r);
        for (int j = 0; j < SIGN_BITS; j += SIGN_LANES)
            for (int l = 0; l < SIGN_LANES; l++) lane[l] += flipped(d[i + j + l], word >> (j + l));
    }
    if (i < m) {
        const uint32_t word = rng_u32(&r);
        for (int j = 0; i + j < m; j++) lane[j % SIGN_LANES] += flipped(d[i + j], word >> j);
    }
    double sum = 0.0;
    for (int l = 0; l < SIGN_LANES; l++) sum += lane[l];
    return fabs(sum);
}

static double sign_flip(const double *d, int64_t m, uint64_t seed, int64_t P, bool *exact)
{
    double sum = 0.0, size = 0.0;
    for (int64_t i = 0; i < m; i++) {
        sum += d[i];
        size += fabs(d[i]);
    }
    /* Sums that differ only by rounding count as equal to the observed one. */
    const double observed = fabs(sum) - 1e-12 * size;
    int64_t hits = 0;
    *exact = m <= SIGNIFICANCE_EXACT_ROWS;
    if (*exact) {
        const int64_t all = (int64_t)1 << m;
        for (int64_t signs = 0; signs < all; signs++) {
            double s = 0.0;
            for (int64_t i = 0; i < m; i++) s += (signs >> i & 1) != 0 ? -d[i] : d[i];
            hits += fabs(s) >= observed;
        }
        return (double)hits / (double)all;
    }
#pragma omp parallel for schedule(static) reduction(+ : hits) if (m * P > SERIAL_DRAWS)
    for (int64_t b = 0; b < P; b++) hits += flipped_sum(d, m, seed, (uint64_t)b) >= observed;
    return (double)(1 + hits) / (double)(P + 1);
}

Comparison significance_compare(const double *a, const double *b, int64_t n, uint64_t seed, int64_t resamples, int64_t permutations, Arena *tmp)
{
    REQUIRE(n >= 1 && n < INT32_MAX && resamples >= 2 && permutations >= 1, "%lld rows", (long long)n);
    const ArenaMark mark = arena_mark(tmp);
    double *d = ARENA_NEW(tmp, double, n), *nonzero = ARENA_NEW(tmp, double, n);
    Comparison c = {.n = n};
    double sum_a = 0.0, sum_b = 0.0, sum_d = 0.0;
    for (int64_t r = 0; r < n; r++) {
        d[r] = a[r] - b[r];
        sum_a += a[r];
        sum_b += b[r];
        sum_d += d[r];
        if (d[r] < 0.0 || d[r] > 0.0) nonzero[c.n_differ++] = d[r];
    }
    c.mean_a = sum_a / (double)n;
    c.mean_b = sum_b / (double)n;
    c.difference = sum_d / (double)n;
    bootstrap(d, n, seed, resamples, tmp, &c.low, &c.high);
    c.p = sign_flip(nonzero, c.n_differ, seed, permutations, &c.exact);
    arena_release(tmp, mark);
    return c;
}

void significance_holm(double *p, int64_t m)
{
    /* m is the number of methods in a table: selection by repeated minimum is fine. `done` marks are kept in the sign. */
    double running = 0.0;
    for (int64_t k = 0; k < m; k++) {
        int64_t smallest = -1;
        for (int64_t i = 0; i < m; i++)
            if (!signbit(p[i]) && (smallest < 0 || p[i] < p[smallest])) smallest = i;
        const double adjusted = fmin(1.0, (double)(m - k) * p[smallest]);
        running = fmax(running, adjusted);
        p[smallest] = -running;
    }
    for (int64_t i = 0; i < m; i++) p[i] = fabs(p[i]);
}

Spread significance_spread(const double *x, int64_t n)
{
    Spread s = {.n = n};
    for (int64_t i = 0; i < n; i++) s.mean += x[i];
    if (n > 0) s.mean /= (double)n;
    for (int64_t i = 0; i < n; i++) s.sd += (x[i] - s.mean) * (x[i] - s.mean);
    s.sd = n > 1 ? sqrt(s.sd / (double)(n - 1)) : 0.0;
    return s;
}
