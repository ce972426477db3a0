/* base/rng.h -- counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
 *
 * A draw depends only on (seed, stage, purpose, epoch, index, position), never on threads or call order:
 *   key     = mix(seed, stage, purpose)           64 bits
 *   counter = (block, epoch, index low, index high)
 * Known answer (test_rng.c): key 0, counter 0 -> 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
 *
 *   Rng r = rng_make(seed, RNG_STAGE_SFT, RNG_SHUFFLE, epoch, 0);
 *   rng_shuffle(&r, order, n);
 */
#ifndef DIGR_BASE_RNG_H
#define DIGR_BASE_RNG_H

#include <stdint.h>

typedef enum RngStage {
    RNG_STAGE_SAMPLE = 0, RNG_STAGE_PREPROCESS = 2, RNG_STAGE_MINE = 3, RNG_STAGE_LABEL = 4, RNG_STAGE_EMBED = 5,
    RNG_STAGE_TOKENIZE = 6, RNG_STAGE_BASELINE = 7, RNG_STAGE_SFT = 8, RNG_STAGE_GRPO = 9, RNG_STAGE_EVALUATE = 10,
    RNG_STAGE_REPORT = 11, RNG_STAGE_TEST = 99
} RngStage;

typedef enum RngPurpose {
    RNG_INIT = 1, RNG_SHUFFLE = 2, RNG_DROPOUT = 3, RNG_SAMPLE = 4, RNG_SPLIT = 5, RNG_BOOTSTRAP = 6,
    RNG_PERMUTE = 7, RNG_NOISE = 8, RNG_AUGMENT = 9, RNG_TIES = 10
} RngPurpose;

typedef struct Rng {
    uint32_t key[2], counter[4], out[4];
    int left; /* unread words in out */
} Rng;

Rng rng_make(uint64_t seed, RngStage stage, RngPurpose purpose, uint32_t epoch, uint64_t index);
/* rng_key -- the 64-bit Philox key alone, for kernels that run philox4x32 on their own counters. */
uint64_t rng_key(uint64_t seed, RngStage stage, RngPurpose purpose);
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint32_t rng_u32(Rng *r);
uint64_t rng_u64(Rng *r);
double rng_uniform(Rng *r);               /* [0,1), 53 bits */
double rng_normal(Rng *r);                /* standard normal, Box-Muller, two uniforms a draw */
uint64_t rng_below(Rng *r, uint64_t n);   /* [0,n), unbiased; n >= 1 */
void rng_shuffle_i32(Rng *r, int32_t *a, int64_t n); /* Fisher-Yates */
void rng_shuffle_i64(Rng *r, int64_t *a, int64_t n);
/* rng_categorical -- index drawn with probability w[i]/sum(w); w >= 0 with a positive sum. */
int64_t rng_categorical(Rng *r, const double *w, int64_t n);

#endif
