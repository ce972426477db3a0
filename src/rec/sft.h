/* rec/sft.h -- supervised training of the generative model: packed batches, AdamW, EMA, validation by beam search, exact resuming.
 *
 * One epoch goes over tasks_epoch() in its order, filling batches of at most batch_tokens packed tokens; every target of a batch weighs
 * weight/sum(weights). After every eval_every epochs the weights (their exponential moving average when ema > 0) are judged by NDCG@10 on a seeded
 * subset of valid rows; the best ones are kept. Training ends after `epochs`, or when `patience` evaluations brought no gain. Test rows are never read.
 *
 * Everything is a function of (options, inputs, thread count): a run that was killed and started again gives the same bytes. The folder holds, while
 * training, checkpoint.json (the state, written last and atomically) and the weight files it names; sft_finish removes them.
 */
#ifndef DIGR_REC_SFT_H
#define DIGR_REC_SFT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"
#include "nn/decoder.h"
#include "rec/sequence.h"
#include "rec/tasks.h"
#include "sid/trie.h"

/* What the softmax of a SID target runs over (rec/sft_loss.c). Models trained with LEVEL or TRIE are ranked by BEAM_RENORM. */
typedef enum SoftmaxMode { SOFTMAX_FULL, SOFTMAX_LEVEL, SOFTMAX_TRIE } SoftmaxMode;

typedef struct SftOptions {
    uint64_t seed;
    int64_t epochs, batch_tokens, eval_every, patience, valid_rows, beam;
    double lr, min_lr_ratio, weight_decay, beta2, clip, dropout, ema; /* min_lr_ratio 1: constant after warm-up; ema 0: off */
    int64_t warmup_steps;
    SoftmaxMode softmax;
    bool renorm;               /* rank validation rows by BEAM_RENORM; required unless SOFTMAX_FULL */
    int64_t log_steps, checkpoint_steps; /* steps between log rows; between checkpoints (0: only at evaluations) */
    int64_t stop_after_steps;  /* > 0: leave (resumable) after this many steps of this call; for tests and schedulers */
} SftOptions;

typedef struct SftInput {
    Backend *be;
    DecoderConfig config;      /* V of the vocabulary */
    const Dataset *data;
    const SequenceBuilder *builder;
    const Trie *trie;
    const TaskSet *tasks;
    const char *fingerprint;   /* of options and inputs: a checkpoint of another run is not continued */
} SftInput;

typedef struct SftResult {
    bool finished;             /* false: stopped by stop_after_steps */
    int64_t n_params, steps, epochs, best_epoch, best_step;
    double best_ndcg10, best_hr10, best_valid_loss; /* of the kept weights, on the validation subset */
} SftResult;

/* sft_train -- train, or continue from dir's checkpoint; when finished, dir has config.json and model.safetensors of the best weights, and log.tsv.
 * E_NUMERIC: a loss or gradient that is not finite (step, epoch and samples of the batch named). E_INPUT: no training or validation rows. */
Status sft_train(const SftOptions *o, const SftInput *in, const char *dir, SftResult *result);
/* sft_finish -- remove checkpoints (after the manifest is written). */
Status sft_finish(const char *dir);
/* sft_steps_per_epoch -- batches of epoch 0 (for --dry-run and the schedule). */
int64_t sft_steps_per_epoch(const SftOptions *o, const SftInput *in);

#endif
