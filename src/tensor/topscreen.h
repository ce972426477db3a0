/* tensor/topscreen.h -- the screen before topscan.c's scan: which items can matter to a row, found with bfloat16 products on tile registers. The lists and ranks
 * that come out are those of float scores, byte for byte, because of a bound that holds for every input.
 *
 * Let x be a row, t an item, k their length, x' and t' both rounded to bfloat16, s the float score (k products added in order, each product and each sum
 * rounded at most once) and a the score on tile registers (products of bfloat16, exact in float; sums in float, in an order that does not matter here; numbers
 * below 2^-126 become 0). With u = 2^-24 and any norms that are at least the euclidean ones,
 *   |s - <x,t>|   <= 2.02 k u |x| |t|                  (2k roundings; Cauchy-Schwarz on the absolute values)
 *   |a - <x',t'>| <= 2.02 k u |x'| |t'| + 8 k 2^-126   (k rounded up to 32)
 *   |<x,t> - <x',t'>| = |<x-x',t> + <x',t-t'>| <= |x-x'| |t| + |x'| |t-t'|
 * and |x'| <= |x| + |x-x'|. So |s - a| <= E with E = e n + (m + e) d + 4.04 k u (m + e)(n + d) + 8 k 2^-126, where m = |x|, e = |x-x'| and n, d are the
 * largest |t|, |t-t'| of all items. What is rounded on the way here (in double) is covered by a factor of 1 + 2^-20. No row is screened for which E is not finite.
 *
 * Lists: when at least q + top items have a >= L, q the number of items that are left out, then at least `top` listed ones have s >= L - E; whatever
 * belongs into the list has s >= L - E, therefore a >= L - 2E. L is found by bisection among the maxima of groups of items: each has at least one item.
 * Ranks: a > target + E stands before the target for certain, a < target - E does not; between the two float scores decide, as they do for the lists.
 */
#ifndef DIGR_TENSOR_TOPSCREEN_H
#define DIGR_TENSOR_TOPSCREEN_H

#include "tensor/tiles.h"

enum { SCREEN_ROWS = 32, SCREEN_MOST = 512 /* items that a row may keep */, SCREEN_GROUPS = 384 };

/* 32 rows on their way over the items. */
typedef struct Screen {
    const Bf16 *x;                            /* the rows as a panel of tiles.h: (C,32) */
    float *most;                              /* (groups,32) largest a of a group */
    _Alignas(64) float enough[SCREEN_ROWS];   /* items with a >= this are kept for the list */
    _Alignas(64) float low[SCREEN_ROWS], high[SCREEN_ROWS]; /* a > high is counted as before the target, a in [low,high] is kept */
    _Alignas(64) int32_t before[SCREEN_ROWS];
    int32_t kept[SCREEN_ROWS];                /* more than SCREEN_MOST: the row must be scanned */
    int32_t *item;                            /* (32,SCREEN_MOST) */
    float *a;                                 /* (32,SCREEN_MOST) */
} Screen;

/* topscreen_maxima -- `most` of n screens; groups of `group` times 32 items. table: N rows of C in rows of tiles.h, stride ld. */
void topscreen_maxima(int64_t N, int64_t C, const Bf16 *table, int64_t ld, int64_t group, int n, Screen *s);
/* topscreen_level -- out[u]: a number that at least want[u] of the maxima of row u reach, near the largest such; -INFINITY where there are fewer maxima. */
void topscreen_level(int64_t groups, const float *most, const int32_t *want, float *out);
/* topscreen_collect -- item, a, kept and before, which are zero on entry. */
void topscreen_collect(int64_t N, int64_t C, const Bf16 *table, int64_t ld, bool ranks, int n, Screen *s);

#endif
