/* tensor/dropout.h -- the dropout mask of backend.h as functions of (key, call, element). Shared by ref and cpu. */
#ifndef DIGR_TENSOR_DROPOUT_H
#define DIGR_TENSOR_DROPOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "tensor/backend.h"

enum { DROPOUT_BLOCK = 8 }; /* elements one Philox block decides */

/* dropout_threshold -- an element is kept iff its 16-bit number is at least this. */
static inline uint32_t dropout_threshold(Dropout d)
{
    return (uint32_t)(d.p * 65536.0 + 0.5);
}

static inline real dropout_factor(Dropout d)
{
    return (real)(1.0 / (1.0 - d.p));
}

/* dropout_bits -- the eight numbers of elements 8*block .. 8*block+7; the low half of a word comes first. */
static inline void dropout_bits(Dropout d, uint64_t block, uint32_t u16[DROPOUT_BLOCK])
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)d.call, (uint32_t)(d.call >> 32)};
    const uint32_t key[2] = {(uint32_t)d.key, (uint32_t)(d.key >> 32)};
    uint32_t word[4];
    philox4x32(counter, key, word);
    for (int j = 0; j < 4; j++) {
        u16[2 * j] = word[j] & 0xffffu;
        u16[2 * j + 1] = word[j] >> 16;
    }
}

/* dropout_keeps -- one element; slow, for the specification. */
static inline bool dropout_keeps(Dropout d, uint64_t i)
{
    uint32_t u16[DROPOUT_BLOCK];
    dropout_bits(d, i / DROPOUT_BLOCK, u16);
    return u16[i % DROPOUT_BLOCK] >= dropout_threshold(d);
}

#endif
