/* rec/baseline.h -- training of the sequence baselines (SASRec, GRU4Rec) and scoring with them.
 *
 * One epoch: every training sequence gives windows of at most history+1 items; the windows are shuffled and packed without padding into batches
 * of at most batch_tokens positions; each position predicts the next item by cross-entropy over all items (mean over the batch).
 *   windows "last":   the last history+1 items of each sequence
 *   windows "random": sequences longer than history+1 are cut at a random offset, anew in each epoch; neighbouring windows share one item, so
 *                     that every item but the first of a sequence is a target exactly once
 * After each epoch the targets of all valid rows are ranked among all items (nothing masked); the weights with the best NDCG@10 are kept and
 * training ends after `patience` epochs without a better one. The test rows are not looked at.
 *
 * Everything drawn is a function of (seed, epoch, step), so a run that was interrupted and resumed from its checkpoint gives the same bytes as
 * one that was not. In `dir`:
 *   training.json               the commit point of a checkpoint: epochs so far, best epoch, and the names of the two files below
 *   checkpoint-<e>.safetensors  weights, moments and step after epoch e (adamw_save)
 *   best-<e>.safetensors        weights of the best epoch e
 *   log.tsv                     one line an epoch
 *   model.safetensors           the best weights, when training is over
 */
#ifndef DIGR_REC_BASELINE_H
#define DIGR_REC_BASELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/dataset.h"
#include "nn/seqmodel.h"
#include "rec/baseline_rank.h"

typedef struct TrainOptions {
    uint64_t seed;
    int64_t epochs, patience; /* patience 0: never stop early */
    int64_t batch_tokens, history, warmup_steps;
    double lr, weight_decay, clip, dropout;
    bool random_windows;
    double checkpoint_s; /* at most one checkpoint in so many seconds; 0 = after every epoch */
    const char *identity; /* whatever else must be equal for a checkpoint to be continued (model sizes) */
} TrainOptions;

typedef struct TrainResult {
    int64_t epochs, best_epoch, steps, tokens_per_epoch; /* epochs and steps: all, resumed ones included */
    double best_hr, best_ndcg;  /* valid, @10 */
    double loss;                /* of the last epoch */
    double seconds, seconds_to_best; /* of training and validation, resumed parts included */
    bool resumed;
} TrainResult;

/* baseline_train -- train `m` (initialised by the caller) in `dir`, continuing a checkpoint found there if it belongs to the same options, data
 * and model; another one is not used, and said so. On return the model holds the best weights and model.safetensors is written.
 * E_INPUT: no sequence with two items. E_NUMERIC: the loss is not finite (step and epoch are named). */
Status baseline_train(const Dataset *d, SeqModel *m, const TrainOptions *o, const char *dir, TrainResult *result);

/* baseline_clean -- remove the checkpoint files of a finished training. */
Status baseline_clean(const char *dir);

/* baseline_scorer -- scores all items for a row from the last `history` items of its history (at least one, which dataset_load
 * guarantees). Host memory from `arena`; baseline_scorer_destroy releases backend memory. The model must outlive it. */
Scorer *baseline_scorer(SeqModel *m, const Dataset *d, int64_t history, Arena *arena);
void baseline_scorer_destroy(Scorer *s);

/* Windows of one epoch, exposed for tests. */
typedef struct Window { int64_t start, n; } Window; /* items [start, start+n) of the training sequences; n >= 2 */
/* baseline_windows -- out must hold baseline_windows_max entries; returns their number. Not yet shuffled. */
int64_t baseline_windows(const Sequences *q, const TrainOptions *o, int64_t epoch, Window *out);
int64_t baseline_windows_max(const Sequences *q, const TrainOptions *o);

#endif
