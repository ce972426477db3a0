/* rec/baseline_rank.h -- full ranking: every item of the catalogue scored for every evaluated row, in tiles of rows.
 *
 * Order: score descending, then item id ascending (the rule of eval/metrics.h). Items scored -INFINITY are excluded: never listed, and a
 * target among them has rank 0. Rows of a tile are ranked in parallel; the result does not depend on threads or tiles.
 */
#ifndef DIGR_REC_BASELINE_RANK_H
#define DIGR_REC_BASELINE_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "data/dataset.h"

/* Anything that can score all items for some rows. */
typedef struct Scorer {
    const char *name; /* tag of its run files */
    void *self;
    /* score out (n,N) host, for rows [first, first+n); row-major */
    Status (*score)(void *self, const Rows *rows, int64_t first, int64_t n, real *score);
    /* Scores that are inner products: vectors out (n,C) host, valid until the next call, for the same rows; score(row, item) = <vector, table[item]>. Ranks
     * are then found without storing scores (tensor/topscan.h). vectors NULL: only the function above. */
    Status (*vectors)(void *self, const Rows *rows, int64_t first, int64_t n, const real **vector);
    const real *table; /* (N,C) host */
    int64_t C;
} Scorer;

typedef struct Ranking {
    int64_t n, top;
    int32_t *item;   /* (n,top) best first */
    real *score;     /* (n,top) */
    int64_t *length; /* (n) entries filled: fewer than `top` when fewer items are left */
    int32_t *rank;   /* (n) rank of the target from 1; 0 when it is excluded */
} Ranking;

/* rank_rows -- rank all N items for each row.
 * top           0 = only the targets' ranks
 * mask_history  exclude the items of the row's whole history (the row's, not the part a model looked at)
 * The result lives in `arena`, and does not depend on whether the scorer gives vectors or scores, as far as its numbers are the same. E_NUMERIC when a target's score, or a listed one, is not finite. */
Status rank_rows(const Scorer *scorer, const Rows *rows, int64_t N, int64_t top, bool mask_history, int threads, Arena *arena,
                 Ranking **ranking);

/* rank_top -- the `top` best of N scores by a threshold scan over a heap; returns how many there are.
 * item, score_out: out (top), best first. */
int64_t rank_top(const real *score, int64_t N, int64_t top, int32_t *item, real *score_out);

/* rank_metrics -- HR@k and NDCG@k over the ranks. */
void rank_metrics(const int32_t *rank, int64_t n, int32_t k, double *hr, double *ndcg);

#endif
