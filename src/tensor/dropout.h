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

/* dropout_keeps -- element j of the array; slow, for the specification. */
static inline bool dropout_keeps(Dropout d, uint64_t j)
{
    const uint64_t i = d.first + j;
    uint32_t u16[DROPOUT_BLOCK];
    dropout_bits(d, i / DROPOUT_BLOCK, u16);
    return u16[i % DROPOUT_BLOCK] >= dropout_threshold(d);
}

enum { DROPOUT_LANES = 16, DROPOUT_CHUNK = DROPOUT_LANES * DROPOUT_BLOCK };

/* dropout_chunk -- the numbers of elements DROPOUT_CHUNK*chunk .. DROPOUT_CHUNK*(chunk+1)-1: Philox4x32-10 on all lanes side by side. The 32-bit
 * words live in 64-bit variables, which is what lets compilers vectorise their products. */
static inline void dropout_chunk(Dropout d, uint64_t chunk, uint16_t u16[DROPOUT_CHUNK])
{
    uint64_t w01[DROPOUT_LANES], w23[DROPOUT_LANES];
    for (int l = 0; l < DROPOUT_LANES; l++) {
        const uint64_t block = chunk * DROPOUT_LANES + (uint64_t)l;
        uint64_t x0 = (uint32_t)block, x1 = block >> 32, x2 = (uint32_t)d.call, x3 = d.call >> 32;
        uint64_t k0 = (uint32_t)d.key, k1 = d.key >> 32;
#define DROPOUT_ROUND                                                                \
    {                                                                                \
        const uint64_t a = (x0 & 0xffffffffu) * 0xD2511F53u, b = (x2 & 0xffffffffu) * 0xCD9E8D57u; \
        x0 = (b >> 32) ^ x1 ^ k0;                                                    \
        x2 = (a >> 32) ^ x3 ^ k1;                                                    \
        x1 = (uint32_t)b;                                                            \
        x3 = (uint32_t)a;                                                            \
        k0 = (uint32_t)(k0 + 0x9E3779B9u);                                           \
        k1 = (uint32_t)(k1 + 0xBB67AE85u);                                           \
    }
        DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND
        DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND DROPOUT_ROUND
#undef DROPOUT_ROUND
        w01[l] = x0 | x1 << 32;
        w23[l] = x2 | x3 << 32;
    }
    for (int l = 0; l < DROPOUT_LANES; l++) {
        for (int j = 0; j < 4; j++) {
            u16[8 * l + j] = (uint16_t)(w01[l] >> (16 * j));
            u16[8 * l + 4 + j] = (uint16_t)(w23[l] >> (16 * j));
        }
    }
}

#endif
