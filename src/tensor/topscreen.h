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
 * With ranks the second pass takes two numbers of bfloat16 for one: x = x' + x" + r, x" the rounded rest, and b = <x',t'> + <x',t"> + <x",t'> as they come from
 * the tile registers. Then <x,t> - (the exact sum) = <x",t"> + <r,t> + <x'+x",t's r>, and with f = |x"|, |r| and their largest g, q of the items
 *   |s - b| <= F = f g + |r| n + (m + |r|) q + 8.08 k u (m + e + f)(n + d + g) + 24 k 2^-126.
 *
 * Lists: when at least l + top items have a >= L, l the number of items that are left out, then at least `top` listed ones have s >= L - E; whatever
 * belongs into the list has s >= L - E, therefore a >= L - 2E, b >= L - E - F. L is found by bisection among the maxima of groups of items: each has at least
 * one item. Ranks: b > target + F stands before the target for certain, b < target - F does not; between the two float scores decide, as they do for the lists.
 */
#ifndef DIGR_TENSOR_TOPSCREEN_H
#define DIGR_TENSOR_TOPSCREEN_H

#include "tensor/tiles.h"

enum { SCREEN_ROWS = 32, SCREEN_MOST = 512 /* items that a row may keep */, SCREEN_GROUPS = 384 };

/* 32 rows on their way over the items. */
typedef struct Screen {
    const Bf16 *x, *rest;                     /* the rows, and what rounding left of them, as panels of tiles.h: (C,32) */
    float *most;                              /* (groups,32) largest a of a group */
    _Alignas(64) float enough[SCREEN_ROWS];   /* items with a (or b) >= this are kept for the list */
    _Alignas(64) float low[SCREEN_ROWS], high[SCREEN_ROWS]; /* b > high is counted as before the target, b in [low,high] is kept */
    _Alignas(64) int32_t before[SCREEN_ROWS];
    int32_t kept[SCREEN_ROWS];                /* more than SCREEN_MOST: the row must be scanned */
    int32_t *item;                            /* (32,SCREEN_MOST) */
    float *a;                                 /* (32,SCREEN_MOST) */
} Screen;

/* topscreen_maxima -- `most` of n screens; groups of `group` times 32 items. table: N rows of C in rows of tiles.h, stride ld. */
void topscreen_maxima(int64_t N, int64_t C, const Bf16 *table, int64_t ld, int64_t group, int n, Screen *s);
/* topscreen_level -- out[u]: a number that at least want[u] of the maxima of row u reach, near the largest such; -INFINITY where there are fewer maxima. */
void topscreen_level(int64_t groups, const float *most, const int32_t *want, float *out);
/* topscreen_collect -- item, a, kept and before, which are zero on entry. rest: what rounding left of the table; NULL: no ranks are wanted, and a stands for b. */
void topscreen_collect(int64_t N, int64_t C, const Bf16 *table, const Bf16 *rest, int64_t ld, int n, Screen *s);

#endif
