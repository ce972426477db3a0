/* nn/seqmodel.c -- batches of packed item sequences and the tiled full-softmax loss (see seqmodel.h).
 *
 * Why tiles: with T = 1024 positions and N = 12,101 items the scores would take 50 MB, four times over with their gradient. A tile of R rows is
 * scored, normalised, turned into its own gradient in place and folded into dout and demb while it is still in cache:
 *   S = O E^T;  logp, lse = xent(S);  S := weight (softmax - onehot);  dO = S E;  dE += S^T O.
 * In bfloat16 on tile registers: seqloss_tiles.h.
 */
#include "nn/seqmodel.h"

#include <tgmath.h>

#include "nn/seqloss_tiles.h"

void seqmodel_destroy(SeqModel *m)
{
    if (m != NULL) m->destroy(m->self);
}

/* --- batches --------------------------------------------------------------------------------------------------------- */

SeqBatch *seqbatch_create(Backend *be, Arena *arena, int64_t capacity)
{
    REQUIRE(capacity >= 1, "capacity %lld", (long long)capacity);
    SeqBatch *b = ARENA_NEW(arena, SeqBatch, 1);
    b->be = be;
    b->capacity = capacity;
    b->item = ARENA_NEW(arena, int32_t, capacity);
    b->target = ARENA_NEW(arena, int32_t, capacity);
    b->pos = ARENA_NEW(arena, int32_t, capacity);
    b->offset = ARENA_NEW(arena, int32_t, capacity + 1);
    b->be_pos = be->alloc(be, (size_t)capacity * sizeof *b->be_pos);
    b->be_offset = be->alloc(be, (size_t)(capacity + 1) * sizeof *b->be_offset);
    return b;
}

void seqbatch_destroy(SeqBatch *b)
{
    if (b == NULL) return;
    b->be->release(b->be, b->be_pos);
    b->be->release(b->be, b->be_offset);
}

void seqbatch_clear(SeqBatch *b)
{
    b->B = b->T = b->max_len = 0;
    b->offset[0] = 0;
}

void seqbatch_add(SeqBatch *b, int64_t n, const int32_t *item, const int32_t *target)
{
    REQUIRE(n >= 1 && b->T + n <= b->capacity, "%lld tokens after %lld of %lld", (long long)n, (long long)b->T, (long long)b->capacity);
    for (int64_t i = 0; i < n; i++) {
        b->item[b->T + i] = item[i];
        b->target[b->T + i] = target != NULL ? target[i] : TARGET_IGNORED;
        b->pos[b->T + i] = (int32_t)i;
    }
    b->T += n;
    b->offset[++b->B] = (int32_t)b->T;
    if (n > b->max_len) b->max_len = n;
}

const Packed *seqbatch_packed(SeqBatch *b)
{
    b->be->upload(b->be, b->be_pos, b->pos, (size_t)b->T * sizeof *b->pos);
    b->be->upload(b->be, b->be_offset, b->offset, (size_t)(b->B + 1) * sizeof *b->offset);
    b->pk = (Packed){.B = b->B, .T = b->T, .max_len = b->max_len, .offset = b->be_offset, .pos = b->be_pos, .h_offset = b->offset};
    return &b->pk;
}

/* --- loss ------------------------------------------------------------------------------------------------------------ */

struct SeqLoss {
    Backend *be;
    int64_t N, C, max_tokens, tile;
    real *scores;    /* (tile,N) backend */
    real *logp, *lse, *weight; /* (max_tokens) backend */
    int32_t *target; /* (max_tokens) backend */
    real *h_weight;  /* (max_tokens) host */
    SeqTiles *tiles; /* NULL: the general way */
    Arena *arena;
};

/* A tile of scores of about 8 MB: it fits a share of the last-level cache, and is tall enough for the matrix products to run at full speed. */
enum { TILE_BYTES = 8 << 20, TILE_MIN = 32, TILE_STEP = 16 };

SeqLoss *seqloss_create(Backend *be, int64_t N, int64_t C, int64_t max_tokens, int64_t tile)
{
    REQUIRE(N >= 1 && C >= 1 && max_tokens >= 1 && tile >= 0, "N %lld C %lld", (long long)N, (long long)C);
    if (tile == 0) {
        tile = TILE_BYTES / (N * (int64_t)sizeof(real)) / TILE_STEP * TILE_STEP;
        if (tile < TILE_MIN) tile = TILE_MIN;
    }
    if (tile > max_tokens) tile = max_tokens;
    Arena *arena = arena_create("sequence loss");
    SeqLoss *l = ARENA_NEW(arena, SeqLoss, 1);
    *l = (SeqLoss){.be = be, .N = N, .C = C, .max_tokens = max_tokens, .tile = tile, .arena = arena};
    l->tiles = seqtiles_create(be, arena, N, C);
    if (l->tiles != NULL) return l;
    l->scores = be->alloc(be, (size_t)(tile * N) * sizeof(real));
    l->logp = be->alloc(be, (size_t)max_tokens * sizeof(real));
    l->lse = be->alloc(be, (size_t)max_tokens * sizeof(real));
    l->weight = be->alloc(be, (size_t)max_tokens * sizeof(real));
    l->target = be->alloc(be, (size_t)max_tokens * sizeof(int32_t));
    l->h_weight = ARENA_NEW(arena, real, max_tokens);
    return l;
}

void seqloss_destroy(SeqLoss *l)
{
    if (l == NULL) return;
    Backend *be = l->be;
    be->release(be, l->scores);
    be->release(be, l->logp);
    be->release(be, l->lse);
    be->release(be, l->weight);
    be->release(be, l->target);
    seqtiles_destroy(l->tiles);
    arena_destroy(l->arena);
}

int64_t seqloss_tile(const SeqLoss *l) { return l->tile; }

static Status run_general(SeqLoss *l, int64_t T, const real *out, const int32_t *target, const real *emb, double weight, real *dout, real *demb, real *logp)
{
    Backend *be = l->be;
    const int64_t N = l->N, C = l->C;
    for (int64_t t = 0; t < T; t++) l->h_weight[t] = (real)weight;
    be->upload(be, l->weight, l->h_weight, (size_t)T * sizeof(real));
    be->upload(be, l->target, target, (size_t)T * sizeof(int32_t));
    for (int64_t t = 0; t < T; t += l->tile) {
        const int64_t n = T - t < l->tile ? T - t : l->tile;
        be->gemm(be, false, true, n, N, C, 1, out + t * C, C, emb, C, 0, l->scores, N);
        be->xent(be, n, N, l->scores, N, l->target + t, NULL, NULL, l->logp + t, l->lse + t);
        if (dout == NULL) continue;
        be->xent_bwd(be, n, N, l->scores, N, l->target + t, NULL, NULL, l->lse + t, l->weight + t);
        be->gemm(be, false, false, n, C, N, 1, l->scores, N, emb, C, 0, dout + t * C, C);
        be->gemm(be, true, false, N, C, n, 1, l->scores, N, out + t * C, C, 1, demb, C);
    }
    return be->download(be, logp, l->logp, (size_t)T * sizeof(real));
}

Status seqloss_run(SeqLoss *l, int64_t T, const real *out, const int32_t *target, const real *emb, double weight, real *dout,
                   real *demb, real *logp)
{
    REQUIRE(T >= 1 && T <= l->max_tokens, "T %lld of %lld", (long long)T, (long long)l->max_tokens);
    if (l->tiles != NULL) {
        REQUIRE(sizeof(real) == sizeof(float), "bfloat16 in a build in double");
        seqtiles_run(l->tiles, T, (const void *)out, target, (const void *)emb, weight, (void *)dout, (void *)demb, (void *)logp);
    } else {
        TRY(run_general(l, T, out, target, emb, weight, dout, demb, logp));
    }
    for (int64_t t = 0; t < T; t++)
        if (!isfinite(logp[t]))
            return FAIL(E_NUMERIC, "lower the learning rate", "log-probability of target %d at position %lld of the batch is not finite",
                        (int)target[t], (long long)t);
    return OK;
}
