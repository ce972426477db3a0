/* nn/seqloss_tiles.c -- full-softmax loss in bfloat16 (see seqloss_tiles.h). Products round their factors to bfloat16 as those of the backend do.
 *
 * The item embedding is packed once a call, for both directions. 32 rows of scores stay in L2 from their product to their gradient, for which each exponential
 * is taken once; the gradient is written as bfloat16 and, after up to CHUNK rows, folded into the sum for demb, a span of items at a time.
 *
 * Deviations from the paper: none.
 */
#include "nn/seqloss_tiles.h"

#include <string.h>

#include "base/status.h"
#include "tensor/fused.h"
#include "tensor/tiles.h"

enum { GROUP = TILES_STEP /* rows */, CHUNK = 256 /* rows */, SPAN = 512 /* items: their share of the gradient stays in L2 */ };

struct SeqTiles {
    Backend *be;
    int64_t N, C, ld;      /* ld: N rounded up to 32 */
    Bf16 *into, *back;     /* panels of E^T (C,N), and of E (N,C) */
    Bf16 *rows, *turned;   /* slices (CHUNK,C) of `out`, and (C,CHUNK) */
    Bf16 *dscores;         /* slices (CHUNK,ld) */
    Bf16 *panels;          /* a thread: (CHUNK,SPAN) of dscores */
    float *scores, *drows; /* a thread: (GROUP,ld), (GROUP,C) */
    float *sum;            /* blocks (C,N) */
    float weight[CHUNK], logp[CHUNK];
    int32_t target[CHUNK];
};

SeqTiles *seqtiles_create(Backend *be, Arena *arena, int64_t N, int64_t C)
{
    if (!be->bf16 || !tiles_available() || C % TILES_STEP != 0) return NULL;
    SeqTiles *s = ARENA_NEW(arena, SeqTiles, 1);
    const int64_t ld = tiles_round(N), threads = be->threads;
    *s = (SeqTiles){.be = be, .N = N, .C = C, .ld = ld};
    struct { Bf16 **at; int64_t n; } half[] = {{&s->into, C * ld}, {&s->back, C * ld}, {&s->rows, CHUNK * C}, {&s->turned, CHUNK * C},
                                               {&s->dscores, CHUNK * ld}, {&s->panels, threads * CHUNK * SPAN}};
    struct { float **at; int64_t n; } full[] = {{&s->scores, threads * GROUP * ld}, {&s->drows, threads * GROUP * C}, {&s->sum, C * ld}};
    for (size_t i = 0; i < sizeof half / sizeof *half; i++) *half[i].at = be->alloc(be, (size_t)half[i].n * sizeof(Bf16));
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) *full[i].at = be->alloc(be, (size_t)full[i].n * sizeof(float));
    return s;
}

void seqtiles_destroy(SeqTiles *s)
{
    if (s == NULL) return;
    void *owned[] = {s->into, s->back, s->rows, s->turned, s->dscores, s->panels, s->scores, s->drows, s->sum};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) s->be->release(s->be, owned[i]);
}

/* Rows of `back`, which only gradients need, stay zero past N, as allocated. */
static void pack(SeqTiles *s, const float *emb, bool gradients)
{
    const int64_t N = s->N, C = s->C;
#pragma omp parallel for schedule(static) num_threads(s->be->threads)
    for (int64_t j = 0; j < N; j += SPAN) {
        const int64_t n = N - j < SPAN ? N - j : SPAN;
        tiles_pack(true, C, n, emb + j * C, C, s->into + j / TILES_STEP * tiles_stride(C));
        for (int64_t i = j; gradients && i < j + n; i += TILES_HALF)
            tiles_rows_group(N - i < TILES_HALF ? N - i : TILES_HALF, C, emb + i * C, C, i / TILES_STEP, (int)(i / TILES_HALF % 2), s->back, tiles_stride(N));
    }
}

/* Rows [i, i+n) of the chunk, n at most GROUP: scores, log-probabilities and, unless dout is NULL, both gradients by the scores and by `out`. */
static void group(SeqTiles *s, int thread, int64_t i, int64_t n, float *dout)
{
    const int64_t N = s->N, C = s->C, ld = s->ld;
    float *scores = s->scores + thread * GROUP * ld, *drows = s->drows + thread * GROUP * C;
    Bf16 *d = s->dscores + i * TILES_STEP;
    tiles_slices_product(n, ld, C, s->rows + i * TILES_STEP, CHUNK, s->into, tiles_stride(C), false, scores, ld);
    fused_xent(n, ld, scores, 0, 0, N, NULL, s->target + i, s->weight + i, s->logp + i, dout != NULL ? d : NULL, CHUNK);
    if (dout == NULL) return;
    tiles_slices_product(n, C, ld, d, CHUNK, s->back, tiles_stride(N), false, drows, C);
    memcpy(dout, drows, (size_t)(n * C) * sizeof *dout);
}

/* sum += out^T dscores of n rows. */
static void fold(SeqTiles *s, int64_t n)
{
    const int64_t C = s->C, ld = s->ld;
    const int threads = s->be->threads;
    tiles_slices_transpose(n, C, s->rows, CHUNK, s->turned);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int t = 0; t < threads; t++) {
        Bf16 *panels = s->panels + (int64_t)t * CHUNK * SPAN;
        for (int64_t j = t * SPAN; j < ld; j += threads * SPAN) {
            const int64_t w = ld - j < SPAN ? ld - j : SPAN;
            tiles_slices_pair(n, w, s->dscores + j * CHUNK, CHUNK, panels, tiles_stride(n));
            tiles_slices_blocks(C, w, n, s->turned, C, panels, tiles_stride(n), true, s->sum + j / TILES_STEP * TILES_SQUARE, ld / TILES_STEP);
        }
    }
}

void seqtiles_run(SeqTiles *s, int64_t T, const float *out, const int32_t *target, const float *emb, double weight, float *dout, float *demb, float *logp)
{
    const int64_t C = s->C;
    const int threads = s->be->threads;
    pack(s, emb, dout != NULL);
    if (dout != NULL) memset(s->sum, 0, (size_t)(C * s->ld) * sizeof *s->sum);
    for (int64_t t = 0; t < T; t += CHUNK) {
        const int64_t n = T - t < CHUNK ? T - t : CHUNK;
        for (int64_t i = 0; i < n; i++) {
            const bool ignored = target[t + i] == TARGET_IGNORED;
            REQUIRE(ignored || (target[t + i] >= 0 && target[t + i] < s->N), "target %d of row %lld", target[t + i], (long long)(t + i));
            s->target[i] = ignored ? 0 : target[t + i];
            s->weight[i] = ignored ? 0 : (float)weight;
        }
        tiles_slices(n, C, out + t * C, C, s->rows, CHUNK);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
        for (int k = 0; k < threads; k++)
            for (int64_t i = k * GROUP; i < n; i += threads * GROUP) group(s, k, i, n - i < GROUP ? n - i : GROUP, dout != NULL ? dout + (t + i) * C : NULL);
        for (int64_t i = 0; i < n; i++) logp[t + i] = target[t + i] == TARGET_IGNORED ? 0 : s->logp[i];
        if (dout != NULL) fold(s, n);
    }
    if (dout != NULL) tiles_blocks_add(true, C, s->N, s->sum, s->ld / TILES_STEP, demb, C);
}
