/* base/rng.c -- see rng.h. Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. */
#include "base/rng.h"

#include <math.h>

#include "base/status.h"

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53U * c0, p1 = (uint64_t)0xCD9E8D57U * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* splitmix64 finaliser: spreads the few bits of (stage, purpose) and small seeds over the key. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

uint64_t rng_key(uint64_t seed, RngStage stage, RngPurpose purpose)
{
    return mix(seed ^ mix(((uint64_t)stage << 32) | (uint64_t)purpose));
}

Rng rng_make(uint64_t seed, RngStage stage, RngPurpose purpose, uint32_t epoch, uint64_t index)
{
    uint64_t key = rng_key(seed, stage, purpose);
    return (Rng){{(uint32_t)key, (uint32_t)(key >> 32)}, {0, epoch, (uint32_t)index, (uint32_t)(index >> 32)}, {0}, 0};
}

uint32_t rng_u32(Rng *r)
{
    if (r->left == 0) {
        philox4x32(r->counter, r->key, r->out);
        r->counter[0]++;
        r->left = 4;
    }
    return r->out[4 - r->left--];
}

uint64_t rng_u64(Rng *r)
{
    uint64_t low = rng_u32(r);
    return low | ((uint64_t)rng_u32(r) << 32);
}

double rng_uniform(Rng *r) { return (double)(rng_u64(r) >> 11) * 0x1p-53; }

double rng_normal(Rng *r)
{
    double u = 1.0 - rng_uniform(r); /* (0,1]: the logarithm is finite */
    double v = rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

uint64_t rng_below(Rng *r, uint64_t n)
{
    REQUIRE(n > 0, "rng_below(0)");
    uint64_t limit = UINT64_MAX - UINT64_MAX % n; /* reject the uneven tail */
    uint64_t x;
    do x = rng_u64(r);
    while (x >= limit);
    return x % n;
}

void rng_shuffle_i32(Rng *r, int32_t *a, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)rng_below(r, (uint64_t)i + 1);
        int32_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}

void rng_shuffle_i64(Rng *r, int64_t *a, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)rng_below(r, (uint64_t)i + 1);
        int64_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
}

int64_t rng_categorical(Rng *r, const double *w, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += w[i];
    REQUIRE(sum > 0 && isfinite(sum), "rng_categorical: weights sum to %g", sum);
    double x = rng_uniform(r) * sum;
    int64_t last = -1;
    for (int64_t i = 0; i < n; i++) {
        if (w[i] <= 0) continue;
        last = i;
        x -= w[i];
        if (x < 0) break;
    }
    return last;
}
