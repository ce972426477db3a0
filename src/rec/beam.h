/* rec/beam.h -- beam search over the trie of real SIDs: prompts in, ranked items out.
 *
 * ROOM rec (this part): ranking and reinforcement. Start here, then reward.h, grpo.h, rollout.h. Depends on base, io, data, tensor, nn, sid.
 *
 * score(item) = sum over the tokens of its SID of log p(token | prompt, earlier tokens of the SID), no length normalisation:
 *   BEAM_MASK    log p is the log-softmax over the whole vocabulary; tokens the trie does not allow are dropped. The default.
 *   BEAM_RENORM  log p is the log-softmax over the tokens the trie allows after the prefix: exp(score) sums to 1 over the catalogue.
 * After each token the best `width` prefixes are kept. A prefix that is a whole SID is finished: it stays among the candidates and is compared
 * by its sum with the ones that still grow (SIDs with and without a suffix). Every result is a real item. width >= N is exact: the same as scoring
 * every item. Order: score descending; equal scores: the prefix that leads to the lowest item id first, so equal items by item id.
 *
 * Excluded items (the masked metric): with `unseen`, a second list comes from the same search run on the trie without the prompt's excluded items:
 * a prefix is dropped as soon as nothing but excluded items lies below it, so that `width` beams go to items that count. Log-probabilities are those
 * of the unmasked search (the softmax of BEAM_RENORM still runs over all allowed tokens). Both searches share the prompt's keys and values and every
 * prefix that is in both.
 *
 * All buffers are allocated by beam_create; a search allocates nothing (histories far longer than usual grow one of them, once).
 */
#ifndef DIGR_REC_BEAM_H
#define DIGR_REC_BEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dims.h"
#include "base/log.h"
#include "base/status.h"
#include "data/dataset.h"
#include "nn/decoder.h"
#include "rec/sequence.h"
#include "sid/trie.h"

typedef enum BeamScore { BEAM_MASK, BEAM_RENORM } BeamScore;

typedef struct BeamOptions {
    int64_t width;       /* W: prefixes kept after each token, >= 1 */
    int64_t top_k;       /* items returned for a prompt, 1..width */
    BeamScore score;
    bool unseen;         /* also rank without the excluded items */
    int64_t max_prompt;  /* longest prompt, in tokens */
    int64_t max_prompts; /* prompts decoded together, of all threads; 0: a good default for `width` */
} BeamOptions;

typedef struct BeamSearch BeamSearch;

/* beam_create -- the decoder and the trie must outlive the search; parameters may change between searches (validation while training). */
BeamSearch *beam_create(Decoder *d, const Trie *trie, const BeamOptions *options);
void beam_destroy(BeamSearch *s); /* NULL allowed */
const BeamOptions *beam_options(const BeamSearch *s);

/* Work done since the search was made: prompts, prefixes that went through the decoder (one token each), and logits computed. */
typedef struct BeamWork { int64_t prompts, prompt_tokens, rows, logits; } BeamWork;
BeamWork beam_work(const BeamSearch *s);

/* Results for n prompts, caller's host memory. Lists shorter than top_k (fewer items than top_k) end with item -1, score -INFINITY. */
typedef struct BeamResult {
    int32_t *item;        /* (n,top_k) best first */
    real *score;          /* (n,top_k); NULL to skip */
    int32_t *unseen_item; /* (n,top_k) without the excluded items; used only with options.unseen */
    real *unseen_score;   /* (n,top_k); NULL to skip */
} BeamResult;

/* beam_search -- n prompts of any number.
 * offset    (n+1) host: prompt i is token[offset[i]..offset[i+1]), 1..max_prompt tokens
 * ex_offset (n+1), ex_item host: items to leave out of the second list (repeats allowed); NULL without options.unseen
 * E_NUMERIC: a log-probability is not a number. E_INPUT: an empty allowed set (no item in the trie, or every item excluded); a prompt of
 * 0 or more than max_prompt tokens. */
Status beam_search(BeamSearch *s, int64_t n, const int64_t *offset, const int32_t *token, const int64_t *ex_offset,
                   const int32_t *ex_item, const BeamResult *result);

/* beam_rank_rows -- ranked items of evaluated rows: what validation, test and selection call. max_prompt must be at least
 * sequence_prompt_capacity(builder).
 * select   (n) host row numbers, or NULL for rows 0..n-1; result rows are in the same order
 * progress updated with the number of rows done; NULL for none
 * With options.unseen every item of a row's whole history is excluded from the second list. */
Status beam_rank_rows(BeamSearch *s, const SequenceBuilder *builder, const Rows *rows, const int64_t *select, int64_t n,
                      const BeamResult *result, Progress *progress);

#endif
