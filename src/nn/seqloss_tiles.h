/* nn/seqloss_tiles.h -- the full-softmax loss of seqmodel.h in bfloat16 on tile registers (tensor/tiles.h): what seqloss_run does there. */
#ifndef DIGR_NN_SEQLOSS_TILES_H
#define DIGR_NN_SEQLOSS_TILES_H

#include "base/arena.h"
#include "tensor/backend.h"

typedef struct SeqTiles SeqTiles;

/* seqtiles_create -- NULL where the backend has no such products or C is no multiple of 32. The struct lives in the arena. */
SeqTiles *seqtiles_create(Backend *be, Arena *arena, int64_t N, int64_t C);
void seqtiles_destroy(SeqTiles *s); /* backend memory only; NULL allowed */

/* seqtiles_run -- as seqloss_run, which sees to logp that is not finite. Results do not depend on the thread count. */
void seqtiles_run(SeqTiles *s, int64_t T, const float *out, const int32_t *target, const float *emb, double weight, float *dout, float *demb, float *logp);

#endif
