/* rec/grpo_train.h -- reinforcement of a generative recommender: GRPO with the interest-aware reward, on training sequences only.
 *
 * Step t (from 1): the next `prompts` events of a seeded permutation of all training events (event = a prefix of a training sequence and the item that
 * follows it); G constrained completions each; rewards; advantages within the group; `updates` AdamW steps on the clipped surrogate with KL to the
 * frozen SFT model.
 *
 * Selection: before the first step and every eval_every steps (and after the last), NDCG@10 of beam search on a subset of valid rows, the same rows as
 * 08_sft selects by under the same seed. The best weights are kept; the SFT model itself is candidate number 0, so a run that only harms ends where it
 * began, and the log says so. SFT was chosen as the best of many on these rows, which favours it: the comparison that counts is test. Test rows are never
 * read here.
 *
 * log.tsv: one row a step (names in grpo_train.c); rows at evaluations carry valid NDCG@10 and HR@10, others '-'. No times, so that two runs can be
 * compared byte by byte. Everything is a function of (options, inputs, thread count); a run that was killed and started again gives the same bytes.
 * While it trains the folder holds run.json (fingerprint), checkpoint.safetensors (weights, moments, step).
 */
#ifndef DIGR_REC_GRPO_TRAIN_H
#define DIGR_REC_GRPO_TRAIN_H

#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"
#include "rec/beam_model.h"
#include "rec/grpo.h"
#include "rec/reward.h"
#include "rec/rollout.h"

typedef struct GrpoTrainOptions {
    uint64_t seed;
    int64_t steps, prompts, G, updates;
    RolloutMethod method;
    double temperature;
    GrpoOptions loss;
    RewardWeights reward;
    double lr, min_lr_ratio, weight_decay, clip;
    int64_t warmup_steps, batch_tokens;
    int64_t eval_every, valid_rows, beam; /* valid_rows 0 = all */
    int64_t checkpoint_every;             /* steps */
    int64_t stop_after;                   /* > 0: leave, resumable, after this many steps of this call (tests, schedulers) */
} GrpoTrainOptions;

typedef struct GrpoTrainInput {
    Backend *be;
    const Dataset *data;
    BeamModel *policy;       /* with gradients, room for batch_tokens; trained in place */
    BeamModel *reference;    /* the same model, frozen */
    const double *quality;   /* (N) q of each item; 0 where unknown */
    const char *fingerprint; /* of options and inputs: a checkpoint of another run is not continued */
} GrpoTrainInput;

typedef struct GrpoTrainResult {
    bool finished;                    /* false: stopped by stop_after */
    int64_t steps, best_step;         /* best_step 0: the SFT model was best */
    double sft_ndcg10, sft_hr10;      /* of the start, on the validation subset */
    double best_ndcg10, best_hr10, last_ndcg10, last_hr10;
    int64_t n_valid;                  /* rows of the subset */
} GrpoTrainResult;

/* grpo_train -- train, or continue; when finished, dir has config.json and model.safetensors of the best weights, and log.tsv. */
Status grpo_train(const GrpoTrainOptions *o, const GrpoTrainInput *in, const char *dir, GrpoTrainResult *result);
/* grpo_train_finish -- remove the checkpoint (after the manifest is written). */
Status grpo_train_finish(const char *dir);
/* grpo_read_quality -- q of N items from labels.jsonl; items whose q is null get 0 and are counted. */
Status grpo_read_quality(const char *path, int64_t N, Arena *arena, double **quality, int64_t *n_unknown);

#endif
