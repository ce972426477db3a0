/* tests/packed_batch.h -- a random batch for training steps: tokens, targets, column ranges, weights. */
#ifndef DIGR_TESTS_PACKED_BATCH_H
#define DIGR_TESTS_PACKED_BATCH_H

#include "base/arena.h"
#include "base/rng.h"
#include "tensor/backend.h"

typedef struct Batch {
    Packed pk;
    int32_t *token, *target, *range;
    real *weight, *logp;
} Batch;

/* Sequences of 1 to `longest` random tokens below V, T or a little more in all, a quarter of them without a target. n_ranges (at most 60) kinds of column ranges,
 * none of them on a multiple of 32; V is at least 90. Memory: `arena`, host. */
static inline Batch packed_batch(Arena *arena, int64_t V, int64_t T, int64_t longest, int n_ranges, uint64_t seed)
{
    Rng g = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    const int64_t room = T + longest;
    int32_t *offset = ARENA_NEW(arena, int32_t, room + 1), *pos = ARENA_NEW(arena, int32_t, room);
    Batch b = {.pk = {.offset = offset, .h_offset = offset, .pos = pos}, .token = ARENA_NEW(arena, int32_t, room), .target = ARENA_NEW(arena, int32_t, room),
               .range = ARENA_NEW(arena, int32_t, 2 * room), .weight = ARENA_NEW(arena, real, room), .logp = ARENA_NEW(arena, real, room)};
    while (b.pk.T < T) {
        const int64_t n = 1 + (int64_t)rng_below(&g, (uint64_t)longest);
        for (int64_t i = 0; i < n; i++, b.pk.T++) {
            const int32_t lo = 3 + (int32_t)rng_below(&g, (uint64_t)n_ranges) % 60, width = 7 + lo % 20;
            pos[b.pk.T] = (int32_t)i;
            b.token[b.pk.T] = (int32_t)rng_below(&g, (uint64_t)V);
            b.range[2 * b.pk.T] = lo;
            b.range[2 * b.pk.T + 1] = lo + width;
            b.target[b.pk.T] = rng_below(&g, 4) == 0 ? TARGET_IGNORED : lo + (int32_t)rng_below(&g, (uint64_t)width);
            b.weight[b.pk.T] = (real)(0.5 + rng_uniform(&g)) / (real)T;
        }
        offset[++b.pk.B] = (int32_t)b.pk.T;
        if (n > b.pk.max_len) b.pk.max_len = n;
    }
    return b;
}

#endif
