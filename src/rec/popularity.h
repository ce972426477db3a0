/* rec/popularity.h -- the popularity control: every row gets the items most often seen in training, ties by item id. */
#ifndef DIGR_REC_POPULARITY_H
#define DIGR_REC_POPULARITY_H

#include "rec/baseline_rank.h"

/* popularity_create -- counts the training events (valid and test targets never count). Lives in `arena`. */
Scorer *popularity_create(const Dataset *d, Arena *arena);
/* popularity_scores -- (N) training events of each item, of a Scorer made by popularity_create. */
const real *popularity_scores(const Scorer *s);

#endif
