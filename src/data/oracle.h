/* data/oracle.h -- what only the simulator knows: the latent interests behind each simulated event.
 *
 * 00_sample writes it beside the raw files, in `oracle/`, and only `07_baseline --method oracle` reads it: a ranker that knows the latents bounds
 * every sample table from above. Nothing in raw files or in a prepared data set holds any of it. Raw user ids and ASINs are the keys.
 *
 *   model.json   {"format": "digr-oracle/1", "simulated": true, "category", "noise", "chain", "interests": [{"id","name"}, ...]}
 *   items.tsv    header `asin\tpopularity\tleaf\tlatent`; latent `k:weight k:weight ...`, k = position in "interests"
 *   events.tsv   header `user\tasin\ttimestamp\tweights`; a user's events together, in time order; weights `k:weight ...` are the user's true
 *                active-interest weights at that event (before the choice), sum 1
 *
 *   Oracle *o;
 *   TRY(oracle_load(dir, arena, &o));
 *   int64_t e = oracle_find(o, raw_user_id, target_asin);   // the event in which this user took this item
 *   oracle_probability(o, e, tmp, p);                       // true choice probabilities, out (o->n_items)
 *   ... rank items by p[oracle_item(o, asin)] ...
 */
#ifndef DIGR_DATA_ORACLE_H
#define DIGR_DATA_ORACLE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/choice.h"
#include "data/simulate.h"

typedef struct Oracle Oracle;

/* oracle_write -- the three files into `dir` (created), each atomic. */
Status oracle_write(const char *dir, const SampleCatalogue *c, const ChoiceModel *m, const SimUser *users, int64_t n_users);

/* oracle_load -- E_INPUT names file and line. */
Status oracle_load(const char *dir, Arena *arena, Oracle **oracle);
int64_t oracle_n_items(const Oracle *o);
int64_t oracle_item(const Oracle *o, const char *asin);                    /* its number, -1 when unknown */
const char *oracle_asin(const Oracle *o, int64_t item);
/* oracle_find -- number of the event (user, asin); a user takes an item once, so there is at most one. -1 when unknown. */
int64_t oracle_find(const Oracle *o, const char *user, const char *asin);
/* oracle_weights -- the user's interest weights at that event, w out (oracle_n_interests). */
int64_t oracle_n_interests(const Oracle *o);
void oracle_weights(const Oracle *o, int64_t event, double *w);
/* oracle_probability -- the probabilities from which the simulator drew this event: p out (n_items), 0 for the user's earlier items. */
void oracle_probability(const Oracle *o, int64_t event, Arena *tmp, double *p);

#endif
