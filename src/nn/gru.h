/* nn/gru.h -- GRU4Rec (Hidasi et al. 2016): one gated recurrent layer over packed item sequences.
 *
 * x_t = item_emb[item]; h starts at 0 in each sequence. Rows of the gate weights: reset, update, new.
 *   r = s(W_ir x + b_ir + W_hr h + b_hr);  z = s(W_iz x + b_iz + W_hz h + b_hz)
 *   n = tanh(W_in x + b_in + r * (W_hn h + b_hn));  h' = (1 - z) * n + z * h
 * Output "tied": h itself (hidden width = embedding width); "dense_tied": dense(h), back to the embedding width. Scores = output item_emb^T.
 * Dropout on the embedding and on h before the output.
 *
 * Deviations from the paper
 *  1. Cross-entropy over all items at every position (seqmodel.h) in place of session-parallel batches with a ranking loss on sampled items.
 *  2. Output and input embeddings are one matrix.
 *
 * The gates are computed in host memory between matrix products of the backend: on `cuda` every time step crosses the bus.
 */
#ifndef DIGR_NN_GRU_H
#define DIGR_NN_GRU_H

#include "nn/seqmodel.h"

typedef struct GruConfig {
    int64_t N, E, C;  /* items, embedding width, hidden width */
    bool dense;       /* dense_tied; false requires E = C */
    int64_t max_len;  /* longest sequence */
} GruConfig;

/* Weights, listed once: field, name, rows, columns (0 = vector). dense only when config.dense. */
#define GRU_WEIGHTS(X)                                   \
    X(w_ih, "gru.weight_ih_l0", 3 * c->C, c->E)          \
    X(w_hh, "gru.weight_hh_l0", 3 * c->C, c->C)          \
    X(b_ih, "gru.bias_ih_l0", 3 * c->C, 0)               \
    X(b_hh, "gru.bias_hh_l0", 3 * c->C, 0)
#define GRU_DENSE_WEIGHTS(X)                             \
    X(w_dense, "dense.weight", c->E, c->C)               \
    X(b_dense, "dense.bias", c->E, 0)

SeqModel *gru_create(Backend *be, const GruConfig *config, int64_t max_tokens, bool with_gradients);
/* gru_init -- embedding N(0, 1/sqrt(E)); gates and dense N(0, 1/sqrt(3C)) (the variance of the usual uniform choice), biases 0. */
void gru_init(SeqModel *m, uint64_t seed);
const GruConfig *gru_config(const SeqModel *m);
/* gru_hidden -- h (T,C) of the last forward pass, before dropout and dense; backend memory. */
const real *gru_hidden(const SeqModel *m);

#endif
