/* rec/oracle.h -- the upper bracket of the sample tables: a ranker that knows what the simulator knew.
 *
 * For each row it finds the simulated event behind the target and ranks items by the probabilities from which the simulator drew it: the
 * user's true active interests at that time x popularity, complementary items of the last purchase included. No learner sees any of this;
 * exists for simulated data only.
 */
#ifndef DIGR_REC_ORACLE_H
#define DIGR_REC_ORACLE_H

#include "rec/baseline_rank.h"

/* oracle_scorer -- oracle_dir: the `oracle` folder that 00_sample wrote for this very data set; d loaded with text (item ids). Lives in `arena`.
 * E_INPUT: not simulated data, unreadable files, an item or an event that the oracle does not know (a folder of another sample or seed). */
Status oracle_scorer(const Dataset *d, const char *oracle_dir, Arena *arena, Scorer **scorer);

#endif
