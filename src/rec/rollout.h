/* rec/rollout.h -- G constrained completions for each prompt, and the log-probability of given completions.
 *
 * The policy is the softmax of logits/temperature over the tokens that the trie allows after the prefix; the same definition serves sampling, the
 * ratio of GRPO and the KL. Every completion is the SID of a real item.
 *   ROLLOUT_SAMPLE  independent draws; draw k of completion g of prompt i comes from Philox (seed, GRPO, SAMPLE, epoch, index[i]*G+g): it depends
 *                   neither on batching nor on threads
 *   ROLLOUT_BEAM    the G best items of a beam search of width G with renormalised scores (as MiniOneRec trains): unique and deterministic, hence not
 *                   draws from the policy; temperature must be 1
 * Prompts share their keys and values with their completions, and completions share equal prefixes.
 */
#ifndef DIGR_REC_ROLLOUT_H
#define DIGR_REC_ROLLOUT_H

#include <stdint.h>

#include "base/dims.h"
#include "base/status.h"
#include "nn/decoder.h"
#include "sid/trie.h"

typedef enum RolloutMethod { ROLLOUT_SAMPLE, ROLLOUT_BEAM } RolloutMethod;

typedef struct RolloutOptions {
    RolloutMethod method;
    int64_t G;           /* completions a prompt */
    double temperature;  /* > 0 */
    int64_t max_prompt;  /* longest prompt, tokens */
    int64_t max_prompts; /* prompts decoded together, of all threads; 0: a good default */
    uint64_t seed;
} RolloutOptions;

/* Completions of n prompts; caller's host memory. Positions beyond an item's SID have logp 0. */
typedef struct Rollouts {
    int32_t *item; /* (n,G) */
    real *logp;    /* (n,G,SID_MAX) of each token under the policy */
} Rollouts;

typedef struct Rollout Rollout;

/* The decoder and the trie must outlive it; parameters may change between calls. */
Rollout *rollout_create(Decoder *d, const Trie *trie, const RolloutOptions *options);
void rollout_destroy(Rollout *r); /* NULL allowed */

/* rollout_generate -- offset (n+1), token: prompts as in beam_search; index (n): number of each prompt for the draws. Fills item and logp.
 * E_NUMERIC: a log-probability is not a number. */
Status rollout_generate(Rollout *r, int64_t n, const int64_t *offset, const int32_t *token, const int64_t *index, uint32_t epoch,
                        const Rollouts *out);
/* rollout_score -- logp of the given items (out->item is read): the reference model, or a check. */
Status rollout_score(Rollout *r, int64_t n, const int64_t *offset, const int32_t *token, const Rollouts *out);

#endif
