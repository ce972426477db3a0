/* sid/quality.h -- how good a set of SIDs is, before any model is trained on them, and a way to make fewer items collide.
 *
 * All figures are over the Q quantised codes; suffixes only appear in the counts of suffixes.
 */
#ifndef DIGR_SID_QUALITY_H
#define DIGR_SID_QUALITY_H

#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/dims.h"
#include "sid/catalogue.h"
#include "tensor/backend.h"

/* quality_measure -- a JSON object (caller: cJSON_Delete):
 *   items, levels, codes_per_level
 *   collision_rate      share of items that share all Q codes with another item
 *   distinct_tuples     number of different (c1..cQ);  largest_group: most items with one tuple;  suffix_codes: suffix tokens needed
 *   group_sizes         {"1": tuples held by one item, "2": by two, ...}
 *   level[l]            used: codes in use, share; entropy_bits and perplexity (2^entropy) of the code's distribution over items
 *   prefix[n-1], n=1,2  groups: distinct prefixes of n codes; and, for top-level and leaf categories, the mean over items that have a category
 *                       and are not alone in their prefix of the share of the *other* items of the prefix with the same category ("purity_top",
 *                       "purity_leaf", null when there are none), beside its expectation for a random grouping ("chance_top", "chance_leaf")
 *   neighbours          same_first_code and same_two_codes: mean share of the 10 nearest items by embedding (squared distance) that share the first
 *                       (first two) codes; chance_first, chance_two for random items
 * category  (N) "A > B > C" or "" each; may be NULL
 * embedding (N,E) host; NULL leaves neighbours out */
cJSON *quality_measure(const Catalogue *c, const char *const *category, Backend *be, const real *embedding, int64_t E, Arena *scratch);

/* quality_spread -- fewer collisions by moving last codes: within every group of items with the same first Q-1 codes, an item keeps its last code if
 * it is the closest holder of it; the others, closest first, take the nearest last code that nobody in the group has; items left when all K codes
 * are taken keep their own. Changes code (N,Q) in place; returns how many items moved. (LC-Rec spreads the last level by Sinkhorn-Knopp; this is
 * its greedy, deterministic counterpart, and moves only items that collide.)
 * rest (N,Z): residual before the last level; book (K,Z): last level's codes; both host. */
int64_t quality_spread(int64_t N, int64_t Q, int64_t K, int64_t Z, const real *rest, const real *book, int32_t *code, Arena *scratch);

#endif
