/* rec/grpo_update.h -- one gradient of the GRPO loss: completions go through the policy's decoder, forward and backward.
 *
 * The same log-probabilities as the rollouts': logits/temperature, softmax over the tokens the trie allows. Equal completions of a prompt go through
 * the decoder once and count as often as they were drawn. Sequences are packed into micro-batches of at most `max_tokens`; gradients add up in the
 * decoder's parameters.
 */
#ifndef DIGR_REC_GRPO_UPDATE_H
#define DIGR_REC_GRPO_UPDATE_H

#include <stdint.h>

#include "nn/decoder.h"
#include "rec/grpo.h"
#include "sid/trie.h"

typedef struct GrpoUpdate GrpoUpdate;

/* d: created with gradients and room for max_tokens. max_tokens must hold the longest prompt with a completion. */
GrpoUpdate *grpo_update_create(Decoder *d, const Trie *trie, int64_t max_tokens, double temperature, const GrpoOptions *options);
void grpo_update_destroy(GrpoUpdate *u); /* NULL allowed */

/* Completions of n prompts: prompts as in beam_search, item (n,G), old and ref (n,G,SID_MAX), advantage (n,G); host memory. */
typedef struct GrpoBatch {
    int64_t n, G;
    const int64_t *offset;
    const int32_t *token, *item;
    const real *old, *ref;
    const double *advantage;
} GrpoBatch;

/* grpo_update_run -- adds the gradient of the loss to the parameters' gradients; loss may be NULL. lp: (n,G,SID_MAX) the policy's log-probabilities now,
 * NULL to skip. E_NUMERIC when the loss is not finite. */
Status grpo_update_run(GrpoUpdate *u, const GrpoBatch *b, GrpoLoss *loss, real *lp);

#endif
