/* rec/sequence.h -- the one builder of sequences and prompts: SFT, GRPO and evaluation all call these functions.
 *
 *   prompt of a history h_1..h_n:  <bos> sid(h_m) .. sid(h_n)      the last max_history items, oldest first
 *   answer for a target item:      sid(target)                     no end token; 3 codes, a suffix only where the catalogue has one
 *   training sequence:             prompt, then the answers: every SID token is a target at the position before it
 *
 * A Batch packs such sequences without padding and keeps, for each, the id of the sample it came from: targets are written by the call that
 * writes the tokens, so they cannot come apart.
 */
#ifndef DIGR_REC_SEQUENCE_H
#define DIGR_REC_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "rec/vocab.h"
#include "sid/catalogue.h"
#include "tensor/backend.h"

typedef struct SequenceBuilder {
    const Vocab *vocab;
    const Catalogue *catalogue;
    int64_t max_history; /* items of history a prompt keeps */
} SequenceBuilder;

/* Tokens the longest prompt can have: 1 + max_history * longest SID. */
int64_t sequence_prompt_capacity(const SequenceBuilder *s);
/* sequence_prompt -- history (n) oldest first; token out, sequence_prompt_capacity() long. Returns the number written (1 for an empty history). */
int64_t sequence_prompt(const SequenceBuilder *s, const int32_t *history, int64_t n, int32_t *token);
/* sequence_answer -- the target's SID tokens, out SID_MAX long. Returns the number written. */
int64_t sequence_answer(const SequenceBuilder *s, int32_t item, int32_t *token);
/* sequence_append_items -- SID tokens of n items one after another (no BOS, no limit). Returns the number written. */
int64_t sequence_append_items(const SequenceBuilder *s, const int32_t *item, int64_t n, int32_t *token);
/* sequence_shift -- next-token targets: target[i] = token[i+1] where i+1 >= first, else TARGET_IGNORED; the last is ignored.
 * first: index of the first token that is an answer (1 = loss at every token after <bos>). */
void sequence_shift(const int32_t *token, int64_t n, int64_t first, int32_t *target);

/* A packed batch in host memory, with a Packed view whose offset and pos are in backend memory. */
typedef struct Batch {
    Backend *be;
    int64_t max_tokens, max_sequences;
    int64_t B, T, n_targets;
    int64_t *sample;  /* (B) caller's id of each sequence */
    int32_t *offset;  /* (B+1) */
    int32_t *token;   /* (T) */
    int32_t *target;  /* (T) TARGET_IGNORED = none */
    int32_t *range;   /* (T,2) softmax columns by the target's level (vocab_range); [0,V) where there is no target */
    real *weight;     /* (T) relative weight of each target's loss; 0 where none */
    int32_t *pos;     /* (T) */
    int32_t *be_offset, *be_pos; /* backend memory */
    Packed packed;    /* valid after batch_finish */
} Batch;

/* batch_create -- host memory from `arena`, backend memory until batch_destroy. */
Batch *batch_create(Arena *arena, Backend *be, int64_t max_tokens, int64_t max_sequences);
void batch_destroy(Batch *b); /* backend memory only; NULL allowed */
void batch_clear(Batch *b);
/* batch_add -- append a sequence of n >= 1 tokens. target (n) or NULL (no targets: prompts). weight: of each of its targets.
 * Returns false, changing nothing, when it does not fit. */
bool batch_add(Batch *b, const Vocab *v, int64_t sample, int64_t n, const int32_t *token, const int32_t *target, real weight);
/* batch_finish -- positions, upload; returns the Packed view (valid until the next batch_clear). */
const Packed *batch_finish(Batch *b);

#endif
