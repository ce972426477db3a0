/* nn/seqmodel.h -- what next-item models over packed item sequences have in common: SASRec (sasrec.h) and GRU4Rec (gru.h).
 *
 * A model maps packed item sequences to one output vector a position; the score of item i is the inner product of that vector with row i of
 * the model's own item embedding (tied output). The loss is the cross-entropy over ALL items, computed in tiles of rows together with its
 * backward pass, so that at most (tile, N) scores exist at a time and never (T, N).
 *
 * Start reading at SeqModel; then seqloss_run; then sasrec.c, whose forward and backward passes are straight lines.
 */
#ifndef DIGR_NN_SEQMODEL_H
#define DIGR_NN_SEQMODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "nn/params.h"
#include "tensor/backend.h"

/* One model, behind two functions. N items, C width of the output vector. */
typedef struct SeqModel SeqModel;
struct SeqModel {
    const char *kind; /* "sasrec" | "gru4rec" */
    void *self;
    Backend *be;
    Params *params;
    int64_t N, C;
    int64_t max_tokens; /* largest packed T of a forward pass */
    int64_t max_len;    /* longest sequence */
    int64_t item_emb;   /* index in params of the (N,C) item embedding, which is also the output matrix */
    /* out (T,C) backend memory, valid until the next call. items (T) host. drop.p 0 switches dropout off; every dropout of the pass takes its own
     * call number from drop.call upwards (at most SEQMODEL_CALLS of them). */
    const real *(*forward)(void *self, const Packed *pk, const int32_t *items, Dropout drop);
    /* dout (T,C) backend memory = gradient of the loss by the last forward's output; parameter gradients are ADDED. */
    void (*backward)(void *self, const real *dout);
    void (*destroy)(void *self);
};
enum { SEQMODEL_CALLS = 64 };

void seqmodel_destroy(SeqModel *m); /* parameters included; NULL allowed */

/* A batch of sequences under construction in host memory, and its copy in backend memory. */
typedef struct SeqBatch {
    Backend *be;
    int64_t capacity;  /* tokens, and sequences */
    int64_t B, T, max_len;
    int32_t *item;     /* (T) host */
    int32_t *target;   /* (T) host, TARGET_IGNORED where none */
    int32_t *offset;   /* (B+1) host */
    int32_t *pos;      /* (T) host, from 0 at the left of each sequence */
    int32_t *be_offset, *be_pos;
    Packed pk;
} SeqBatch;

SeqBatch *seqbatch_create(Backend *be, Arena *arena, int64_t capacity);
void seqbatch_destroy(SeqBatch *b); /* backend memory only: the rest lives in the arena */
void seqbatch_clear(SeqBatch *b);
/* seqbatch_add -- append one sequence of n >= 1 items; target (n) or NULL for none. REQUIREs room. */
void seqbatch_add(SeqBatch *b, int64_t n, const int32_t *item, const int32_t *target);
/* seqbatch_packed -- upload; the view stays valid until the next clear. */
const Packed *seqbatch_packed(SeqBatch *b);

/* Full-softmax cross-entropy over N items. */
typedef struct SeqLoss SeqLoss;
/* tile: rows whose scores exist at once; 0 chooses so that a tile of scores stays in the last-level cache. */
SeqLoss *seqloss_create(Backend *be, int64_t N, int64_t C, int64_t max_tokens, int64_t tile);
void seqloss_destroy(SeqLoss *l);
int64_t seqloss_tile(const SeqLoss *l);

/* seqloss_run -- scores = out E^T, row by row softmax over all N items, loss = sum over rows with a target of -weight * log softmax[target].
 * out     in   (T,C)  backend  the model's output
 * target  in   (T)    host     TARGET_IGNORED = no target
 * emb     in   (N,C)  backend  item embedding
 * weight  in                   gradient of the loss by each -logp (mean loss: 1/n_targets)
 * dout    out  (T,C)  backend  gradient by `out`; NULL = no backward pass
 * demb    acc  (N,C)  backend  gradient by `emb` is added; unused when dout is NULL
 * logp    out  (T)    host     log-probability of each target, 0 where ignored
 * E_NUMERIC when a log-probability is not finite. */
Status seqloss_run(SeqLoss *l, int64_t T, const real *out, const int32_t *target, const real *emb, double weight, real *dout,
                   real *demb, real *logp);

#endif
