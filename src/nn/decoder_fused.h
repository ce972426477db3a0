/* nn/decoder_fused.h -- decoder_step in bfloat16 on tile registers (decoder_fused.c); decoder_tree_step is for rec/grpo_tree.c. */
#ifndef DIGR_NN_DECODER_FUSED_H
#define DIGR_NN_DECODER_FUSED_H

#include "nn/decoder_internal.h"

/* decoder_fused_fits -- whether the fused step can take this decoder: a bf16 backend on a processor with tile registers, no adapters, no biases, widths that
 * are multiples of 32. */
bool decoder_fused_fits(const Decoder *d);
/* decoder_fused_step -- decoder_step of decoder.h, its arguments. */
Status decoder_fused_step(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop, const int32_t *target, const int32_t *range, const real *weight,
                          real *logp);
/* decoder_tree_step -- forward and backward over sequences that branch, for a loss of the caller's: many continuations of one stem for the price of one.
 * Sequence b: stem[b] tokens, then branches one after another. Row t (of the batch) sees its sequence's stem up to itself and the rows [start[t], t] of its
 * branch, where start[t], counted in the sequence, is where its branch begins, 0 in the stem; pk->pos continues the stem's in every branch.
 * Predictions: entry[b]..entry[b+1] belong to sequence b, row[e] is the row of the batch (any of the sequence's, repeats allowed) whose logits are wanted.
 * loss(arg, lane, b, logits, ld): logits (entries of b, ld >= V) in, their gradients out; columns from V on must be left zero or become so. Called on the lane's
 * thread, sequence after sequence of its share; which lane has which sequences depends on batch and lane count alone. Gradients are added. decoder_fused_fits. */
typedef struct DecoderTree {
    const int32_t *stem, *start; /* (B), (T) */
    const int64_t *entry;        /* (B+1) */
    const int32_t *row;          /* (entries) */
    void (*loss)(void *arg, int lane, int64_t b, float *logits, int64_t ld);
    void *arg;
} DecoderTree;
void decoder_tree_step(Decoder *d, const Packed *pk, const int32_t *tokens, const DecoderTree *tree);
/* Where the time of fused steps goes, summed over lanes: what a pass does between two entries counts for the later one. */
#define FUSED_PHASES(X)                                                                                    \
    X(PACK, "weights into panels") X(EMBED, "embedding") X(QKV, "norm, q k v") X(ATTENTION, "attention")   \
    X(OUT, "output projection, residual") X(UP, "norm, gates and ups, SwiGLU") X(DOWN, "down projection, residual") \
    X(LOSS, "final norm, head, loss, its gradients") X(MLP_BACK, "MLP backward") X(MLP_SUM, "MLP weight gradients")  \
    X(OUT_BACK, "output projection backward") X(ATTENTION_BACK, "attention backward") X(QKV_BACK, "q k v backward, norm")  \
    X(ATTENTION_SUM, "attention weight gradients") X(COLLECT, "sums into gradients, embedding gradient")
typedef enum FusedPhase {
#define X(name, text) FUSED_##name,
    FUSED_PHASES(X)
#undef X
    N_FUSED_PHASES
} FusedPhase;
/* decoder_fused_times -- seconds of each phase since the last call, which begin anew; 0 where the fused step was not used. */
void decoder_fused_times(Decoder *d, double seconds[N_FUSED_PHASES]);
const char *decoder_fused_phase(FusedPhase phase);
void decoder_fused_destroy(DecoderFused *f); /* NULL allowed */

#endif
