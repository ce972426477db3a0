/* tensor/topscan.h -- the best items of inner-product scores, and the ranks of targets, without storing the scores.
 *
 * score(row, item) = <x[row], table[item]>, added over k in order, one accumulator (the same number as gemm's). A tile of scores (a few items times a
 * panel of rows) is compared, as vectors over rows, with each row's worst kept score and with its target's score, and forgotten: nearly all tiles leave
 * nothing behind. On processors with tile registers most scores are not even computed in float: topscreen.h. Order: score descending, then item id ascending. Host memory; results do not depend on threads.
 */
#ifndef DIGR_TENSOR_TOPSCAN_H
#define DIGR_TENSOR_TOPSCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dims.h"

typedef struct TopScan {
    int64_t n, N, C;          /* rows, items, width */
    const real *x;            /* (n,C) stride ldx */
    int64_t ldx;
    const real *table;        /* (N,C) contiguous */
    const int64_t *ex_offset; /* (n+1): items ex_item[ex_offset[r]..ex_offset[r+1]) of row r are left out (repeats allowed); NULL: none */
    const int32_t *ex_item;
    const int32_t *target;    /* (n), or NULL: no ranks wanted */
    int64_t top;              /* list length, 0 to TOPSCAN_MOST */
    bool plain;               /* every score in float: no screen in bfloat16 before it (topscreen.h; the results are the same) */
    /* out */
    int32_t *rank;            /* (n) 1 + items before the target; 0 when it is left out */
    real *target_score;       /* (n) -INFINITY when it is left out */
    int32_t *item;            /* (n,top) best first */
    real *score;              /* (n,top) */
    int64_t *length;          /* (n) entries filled: items scored -INFINITY or NaN are not listed */
} TopScan;

enum { TOPSCAN_MOST = 128 };

void topscan_run(const TopScan *t, int threads);

#endif
