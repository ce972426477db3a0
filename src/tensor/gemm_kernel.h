/* tensor/gemm_kernel.h -- the inner loops of the cpu backend's matrix product: one tile of C in registers.
 *
 * A vector is as wide as the target's registers (__BIGGEST_ALIGNMENT__: 64 with AVX-512, 32 with AVX, 16 otherwise). A tile is ROWS x COLS, COLS two
 * vectors; each element of C is one accumulator that adds over k in order, so that results do not depend on the vector width.
 */
#ifndef DIGR_TENSOR_GEMM_KERNEL_H
#define DIGR_TENSOR_GEMM_KERNEL_H

#include <stdint.h>

#include "base/dims.h"

enum {
    GEMM_VEC_BYTES = __BIGGEST_ALIGNMENT__ > 64 ? 64 : __BIGGEST_ALIGNMENT__,
    GEMM_VEC = GEMM_VEC_BYTES / (int)sizeof(real),
    GEMM_COLS = 2 * GEMM_VEC,
    GEMM_ROWS = GEMM_VEC_BYTES == 64 ? 12 : 6 /* 32 or 16 vector registers */
};

typedef real GemmVec __attribute__((vector_size(GEMM_VEC_BYTES), aligned(sizeof(real)), may_alias));

#define GEMM_EACH_1(X) X(0)
#define GEMM_EACH_2(X) GEMM_EACH_1(X) X(1)
#define GEMM_EACH_4(X) GEMM_EACH_2(X) X(2) X(3)
#define GEMM_EACH_8(X) GEMM_EACH_6(X) X(6) X(7)
#define GEMM_EACH_6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define GEMM_EACH_12(X) GEMM_EACH_6(X) X(6) X(7) X(8) X(9) X(10) X(11)

#define GEMM_ZERO(i) GemmVec c##i##l = {0}, c##i##r = {0};
#define GEMM_STEP(i)                            \
    {                                           \
        const real s = a[(i) * rs];             \
        c##i##l += s * left;                    \
        c##i##r += s * right;                   \
    }
#define GEMM_KEEP(i)                                       \
    *(GemmVec *)(tile + (i) * ld) = c##i##l;               \
    *(GemmVec *)(tile + (i) * ld + GEMM_VEC) = c##i##r;
#define GEMM_ADD(i)                                                                   \
    *(GemmVec *)(tile + (i) * ld) = c##i##l * alpha + *(GemmVec *)(tile + (i) * ld) * beta;                \
    *(GemmVec *)(tile + (i) * ld + GEMM_VEC) = c##i##r * alpha + *(GemmVec *)(tile + (i) * ld + GEMM_VEC) * beta;
#define GEMM_SCALED(i)                                     \
    *(GemmVec *)(tile + (i) * ld) = c##i##l * alpha;       \
    *(GemmVec *)(tile + (i) * ld + GEMM_VEC) = c##i##r * alpha;

/* tile (ROWS,COLS) = alpha * sum_p a[i*rs + p*cs] * b[p*COLS + j] + beta * tile; beta 0 never reads it. */
#define GEMM_DEFINE(name, EACH)                                                                                              \
    static inline __attribute__((always_inline)) void name(int64_t k, const real *a, int64_t rs, int64_t cs, const real *b,  \
                                                           real alpha, real beta, real *tile, int64_t ld)                    \
    {                                                                                                                        \
        EACH(GEMM_ZERO)                                                                                                      \
        for (int64_t p = 0; p < k; p++) {                                                                                    \
            const GemmVec left = *(const GemmVec *)b, right = *(const GemmVec *)(b + GEMM_VEC);                              \
            EACH(GEMM_STEP)                                                                                                  \
            a += cs;                                                                                                         \
            b += GEMM_COLS;                                                                                                  \
        }                                                                                                                    \
        if (beta == 0 && alpha == 1) {                                                                                       \
            EACH(GEMM_KEEP)                                                                                                  \
        } else if (beta == 0) {                                                                                              \
            EACH(GEMM_SCALED)                                                                                                \
        } else {                                                                                                             \
            EACH(GEMM_ADD)                                                                                                   \
        }                                                                                                                    \
    }

GEMM_DEFINE(gemm_tile_1, GEMM_EACH_1)
GEMM_DEFINE(gemm_tile_2, GEMM_EACH_2)
GEMM_DEFINE(gemm_tile_4, GEMM_EACH_4)
GEMM_DEFINE(gemm_tile_8, GEMM_EACH_8)
GEMM_DEFINE(gemm_tile_6, GEMM_EACH_6)
GEMM_DEFINE(gemm_tile_12, GEMM_EACH_12)

static inline __attribute__((always_inline)) void gemm_tile(int64_t k, const real *a, int64_t rs, int64_t cs, const real *b,
                                                            real alpha, real beta, real *tile, int64_t ld)
{
    if (GEMM_ROWS == 12) {
        gemm_tile_12(k, a, rs, cs, b, alpha, beta, tile, ld);
    } else {
        gemm_tile_6(k, a, rs, cs, b, alpha, beta, tile, ld);
    }
}

#endif
