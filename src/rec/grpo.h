/* rec/grpo.h -- the GRPO objective (Shao et al. 2024; the sequence-level ratio is GSPO, Zheng et al. 2025) over completions of groups.
 *
 * S = n_groups * G completions, completion s in group s/G, with up to T counted tokens:
 *   A_s    = (r_s - mean) / (population std + adv_eps), in double; a group of equal rewards has A = 0 exactly
 *   rho    = exp(lp - old) for each token ("token"), or exp(mean over the completion's tokens of lp - old) ("sequence")
 *   loss   = - mean_s mean_t min(rho A, clamp(rho, 1-eps, 1+eps) A)  +  beta * mean_s mean_t k3,   k3 = exp(ref-lp) - (ref-lp) - 1
 *            (the mean over t is over the completion's own counted tokens)
 *   clip fraction: share of tokens ("token") or completions ("sequence") whose gradient the clip removes
 *
 * lp, old and ref must be log-probabilities of one and the same policy definition: here the softmax over the tokens that the trie allows at that
 * position, at the sampling temperature (rollout.h). Deviations from the paper: it states neither epsilon nor the unit of the ratio; both are
 * settings (0.2, token).
 */
#ifndef DIGR_REC_GRPO_H
#define DIGR_REC_GRPO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dims.h"
#include "base/status.h"

typedef enum GrpoRatio { GRPO_TOKEN, GRPO_SEQUENCE } GrpoRatio;

typedef struct GrpoOptions {
    GrpoRatio ratio;
    double epsilon; /* clip */
    double beta;    /* weight of the KL to the reference */
} GrpoOptions;

/* Sums over completions; grpo_summary turns them into the means above. Micro-batches of one step share one GrpoSums. */
typedef struct GrpoSums { double policy, kl, clipped, units, completions; } GrpoSums;
typedef struct GrpoLoss { double loss, policy, kl, clip_fraction; } GrpoLoss;

/* grpo_advantages -- reward, advantage (n_groups*G). Returns the number of groups whose rewards are all equal (they teach nothing but the KL). */
int64_t grpo_advantages(int64_t n_groups, int64_t G, double adv_eps, const double *reward, double *advantage);

/* grpo_accumulate -- add S completions to `sums` and give the gradient.
 * lp, old, ref  in (S,T) host; read only where mask is not 0
 * mask          in (S,T) host; 0 = not counted; each completion has at least one
 * advantage     in (S)
 * copies        in (S) number of identical completions this one stands for; NULL = 1 each
 * total         completions of the whole step (the S of the formula)
 * dlp           out (S,T) dLoss/dlp, 0 where not counted
 * E_NUMERIC when a ratio or KL is not finite. */
Status grpo_accumulate(const GrpoOptions *o, int64_t S, int64_t T, const real *lp, const real *old, const real *ref, const int32_t *mask,
                       const double *advantage, const double *copies, double total, GrpoSums *sums, real *dlp);
GrpoLoss grpo_summary(const GrpoOptions *o, const GrpoSums *sums);

#endif
