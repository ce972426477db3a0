/* rec/reward.h -- the interest-aware reward of one generated SID (paper, section on RL):
 *
 *   r = exact + lambda_valid * valid + lambda_pref * LCP/Q + alpha * q_target * exact
 *
 *   valid  the tokens are the whole SID of an item        exact  that item is the target
 *   LCP    number of leading positions, among the first Q (the RQ codes, never the collision suffix), equal to the target's; candidates that are
 *          no item keep theirs, and the empty candidate has 0
 *   q      quality of the target's mined interests (llm/quality.h); 0 where it is not known
 * Q = 3 in the paper. lambda_valid and lambda_pref are not published: they are named settings here.
 */
#ifndef DIGR_REC_REWARD_H
#define DIGR_REC_REWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "sid/trie.h"

typedef struct RewardWeights { double valid, pref, alpha; } RewardWeights;

typedef struct Reward {
    int32_t item; /* the item the candidate is, -1 when it is none */
    bool valid, exact;
    int lcp;
    double total;
} Reward;

/* reward_of -- reward of a candidate.
 * trie       real SIDs; its tokens may be vocabulary tokens or bare codes, as long as `target_sid` and `candidate` use the same
 * Q          RQ levels that LCP counts
 * target_sid in (n_target) SID of the target, n_target >= Q
 * candidate  in (n) generated tokens, any length, any values; a value that is no token of its position never matches
 * quality    q of the target in [0,1] */
Reward reward_of(const Trie *trie, const RewardWeights *w, int64_t Q, int32_t target, const int32_t *target_sid, double quality,
                 const int32_t *candidate, int64_t n);

#endif
