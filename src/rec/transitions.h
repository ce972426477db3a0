/* rec/transitions.h -- the item-transition control, which learns nothing but counts.
 *
 * c(i,j) = times j came right after i in the training sequences;  a(i) = sum_j c(i,j), b(j) = sum_i c(i,j).
 * s(j | history) = sum over the last `n_last` items h_1 (newest), h_2, ... of decay^(k-1) * c(h_k,j) / sqrt(a(h_k) b(j)).
 * Items without any transition from the history follow in order of popularity: popularity enters at TRANSITIONS_POPULARITY_WEIGHT times its
 * share of the most popular item, below every real transition.
 */
#ifndef DIGR_REC_TRANSITIONS_H
#define DIGR_REC_TRANSITIONS_H

#include "rec/baseline_rank.h"

#define TRANSITIONS_POPULARITY_WEIGHT 1e-6

/* transitions_create -- counts the training sequences. Lives in `arena`. */
Scorer *transitions_create(const Dataset *d, int64_t n_last, double decay, Arena *arena);

#endif
