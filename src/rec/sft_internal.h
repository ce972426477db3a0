/* rec/sft_internal.h -- the trainer's state, shared by sft.c (training), sft_validate.c and sft_checkpoint.c. */
#ifndef DIGR_REC_SFT_INTERNAL_H
#define DIGR_REC_SFT_INTERNAL_H

#include <stdio.h>

#include "base/arena.h"
#include "nn/adamw.h"
#include "rec/beam.h"
#include "rec/sft.h"

/* What a checkpoint holds besides the weights. `at`: samples of `epoch` already used. */
typedef struct SftState {
    int64_t step, epoch, at, since_best, best_step, best_epoch, log_bytes;
    double loss_sum, weight_sum;          /* since the last log row */
    double best_ndcg10, best_hr10, best_valid_loss;
} SftState;

typedef struct SftValidator {
    int64_t n;
    int64_t *select;                      /* (n) rows of the validation subset, ascending */
    int32_t *item;                        /* (n,beam) ranked items */
    BeamSearch *beam;
    Batch *batch;
    real *logp;
} SftValidator;

typedef struct SftLoss SftLoss;           /* sft_loss.c */

typedef struct SftTrainer {
    const SftOptions *o;
    const SftInput *in;
    const char *dir;
    Arena *arena, *epoch_arena;           /* epoch_arena is released when an epoch ends */
    Decoder *decoder;
    Params *params;
    AdamW opt;
    real *ema;                            /* (params->count) backend memory; NULL when off */
    Batch *batch;
    SftState s;
    FILE *log;
    int64_t *sample, n_samples;           /* of the current epoch */
    int32_t *token, *target;              /* (batch_tokens) one sample */
    real *logp;                           /* (batch_tokens) */
    SftValidator valid;
    SftLoss *loss;                        /* NULL unless SOFTMAX_TRIE */
    double interval_start_s;
    int64_t interval_tokens;              /* for the log's rate */
} SftTrainer;

typedef struct SftScore { double ndcg10, hr10, loss; } SftScore;

/* sft_loss.c */
void sft_loss_create(SftTrainer *t);
void sft_loss_destroy(SftTrainer *t);
/* decoder_loss under the chosen softmax, after decoder_forward of `b`; weight NULL: no gradients. */
Status sft_loss(SftTrainer *t, const Batch *b, const real *weight, real *logp);

/* Forward, loss (to t->logp) and gradients of `b` by its weights. */
Status sft_loss_step(SftTrainer *t, Batch *b, Dropout drop);

/* sft_validate.c */
Status sft_validator_create(SftTrainer *t);
void sft_validator_destroy(SftTrainer *t);
/* Judges the decoder's present values. */
Status sft_validate(SftTrainer *t, SftScore *score);
/* Exchange the values with their moving average (no-op when off). */
void sft_swap_ema(SftTrainer *t);

/* sft_checkpoint.c */
Status sft_checkpoint_save(SftTrainer *t, const char *best /* file to name as the best, NULL = keep the last one */);
/* found: whether a checkpoint of the same fingerprint was loaded. */
Status sft_checkpoint_load(SftTrainer *t, bool *found);
/* Write the present values as the best so far; name out (in t->arena). */
Status sft_checkpoint_best(SftTrainer *t, const char **name);
/* Load the best values. */
Status sft_checkpoint_load_best(SftTrainer *t);

#endif
