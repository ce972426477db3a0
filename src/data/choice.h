/* data/choice.h -- how a simulated user chooses the next item; the one formula shared by the simulator and the oracle.
 *
 * With interest weights w (sum 1) at this event, the previous item j, latent a(i,k), popularity z(i), and only items not taken yet:
 *   q(i|k)  = a(i,k) z(i) / sum over items,           q'(i|k) = the same over items whose leaf category differs from that of j
 *   r(k)   ~= w(k) a(j,k)                             (the interest that explains j; no chaining when all are 0)
 *   p(i)    = noise * z(i)/sum z + (1-noise) * sum_k [ chain * r(k) q'(i|k) + (1-chain) * w(k) q(i|k) ]
 * renormalised where an interest has no item left. chain models the complementary item: same interest, other kind of thing. */
#ifndef DIGR_DATA_CHOICE_H
#define DIGR_DATA_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct ChoiceModel {
    int64_t n_items, n_interests;
    const double *latent;     /* (n_items,n_interests) */
    const double *popularity; /* (n_items) > 0 */
    const int32_t *leaf;      /* (n_items) */
    double noise, chain;      /* in [0,1] */
} ChoiceModel;

/* choice_probability -- p out (n_items), sums to 1, 0 for taken items. w (n_interests); previous: item or -1; taken (n_items).
 * At least one item must be free. Scratch comes from tmp and is released. */
void choice_probability(const ChoiceModel *m, const double *w, int64_t previous, const bool *taken, Arena *tmp, double *p);

#endif
