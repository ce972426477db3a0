/* nn/sasrec.h -- SASRec (Kang & McAuley 2018) with pre-normalisation, over packed sequences.
 *
 * x = item_emb[item] * (sqrt(C) if scale_embedding) + pos_emb[position], positions from 0 at the left; dropout.
 * Per layer: h = LN(x; ln1); q,k,v = h W^T + b; causal attention within the sequence (dropout on the probabilities), scale 1/sqrt(C/H);
 * x += dropout(att W_o^T + b_o); x += dropout(fc2(act(fc1(LN(x; ln2))))). Output = LN(x; final_ln); scores = output item_emb^T (tied, unscaled,
 * no bias). No padding item: ids 0..N-1, all of them in the softmax.
 *
 * Deviations from the paper
 *  1. Cross-entropy over all items at every position (seqmodel.h) in place of binary cross-entropy with one sampled negative.
 *  2. Residuals around normalised sub-layers (pre-norm); the original normalises the query only.
 *  3. The feed-forward width is a parameter (original: C), the activation relu or gelu (original: relu), no dropout inside it.
 */
#ifndef DIGR_NN_SASREC_H
#define DIGR_NN_SASREC_H

#include "nn/seqmodel.h"

typedef struct SasrecConfig {
    int64_t N, C, L, H, F; /* items, width, layers, heads, feed-forward width */
    int64_t max_len;       /* rows of the position table */
    double ln_eps;
    bool scale_embedding, gelu;
} SasrecConfig;

/* Per-layer weights, listed once: field, name, rows, columns (0 = a vector of `rows`), initial value of a vector. q, k and v are adjacent, so
 * that they are one matrix product. */
#define SASREC_LAYER_WEIGHTS(X)                    \
    X(ln1_w, "ln1.weight", c->C, 0, 1)             \
    X(ln1_b, "ln1.bias", c->C, 0, 0)               \
    X(wq, "attn.q_proj.weight", c->C, c->C, 0)     \
    X(wk, "attn.k_proj.weight", c->C, c->C, 0)     \
    X(wv, "attn.v_proj.weight", c->C, c->C, 0)     \
    X(bq, "attn.q_proj.bias", c->C, 0, 0)          \
    X(bk, "attn.k_proj.bias", c->C, 0, 0)          \
    X(bv, "attn.v_proj.bias", c->C, 0, 0)          \
    X(wo, "attn.out_proj.weight", c->C, c->C, 0)   \
    X(bo, "attn.out_proj.bias", c->C, 0, 0)        \
    X(ln2_w, "ln2.weight", c->C, 0, 1)             \
    X(ln2_b, "ln2.bias", c->C, 0, 0)               \
    X(w1, "ffn.fc1.weight", c->F, c->C, 0)         \
    X(b1, "ffn.fc1.bias", c->F, 0, 0)              \
    X(w2, "ffn.fc2.weight", c->C, c->F, 0)         \
    X(b2, "ffn.fc2.bias", c->C, 0, 0)

/* sasrec_create -- parameters zero. C must be a multiple of H. max_tokens: largest packed T (buffers are allocated once). */
SeqModel *sasrec_create(Backend *be, const SasrecConfig *config, int64_t max_tokens, bool with_gradients);
/* sasrec_init -- matrices and embeddings N(0, 0.02), norms 1 and 0, biases 0. */
void sasrec_init(SeqModel *m, uint64_t seed);
const SasrecConfig *sasrec_config(const SeqModel *m);

#endif
