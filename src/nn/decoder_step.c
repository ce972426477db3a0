/* nn/decoder_step.c -- forward, loss and gradients of a batch in one go, in pieces.
 *
 * The batch is cut between sequences into pieces of about PIECE tokens, as many for each lane of the backend. A lane goes through its pieces one after
 * another, with buffers for one piece only, so that activations stay in cache and threads wait for each other once a step instead of at every op. Lanes share
 * the parameters; the first adds to the decoder's gradients, the others to blocks of their own, which are added in lane order at the end.
 *
 * Deviations from the paper: none.
 */
#include <string.h>

#include "nn/decoder_fused.h"
#include "nn/decoder_internal.h"

enum { PIECE = 512 /* tokens */ };

struct DecoderLane {
    Decoder *d;              /* shares parameters; buffers for one piece */
    int32_t *h_offset, *offset; /* (sequences+1) of a piece: host, backend */
    int64_t sequences;       /* room */
    bool used;               /* its gradients are not zero */
    Status status;
};

/* One step as the lanes see it. Piece j of n: sequences [bound[j], bound[j+1]). */
typedef struct Step {
    Decoder *d;
    const Packed *pk;
    const int32_t *tokens, *target, *range;
    Dropout drop;
    const real *weight;
    real *logp;
    int64_t n_pieces, *bound;
} Step;

void decoder_cut(const Packed *pk, int64_t n, int64_t *bound)
{
    int64_t b = 0;
    bound[0] = 0;
    for (int64_t j = 1; j < n; j++) {
        const int64_t aim = pk->T * j / n;
        while (b < pk->B && pk->h_offset[b + 1] <= aim) b++;
        bound[j] = b < pk->B && pk->h_offset[b + 1] - aim < aim - pk->h_offset[b] ? b + 1 : b;
        if (bound[j] < bound[j - 1]) bound[j] = bound[j - 1];
    }
    bound[n] = pk->B;
}

/* Buffers for T tokens in B sequences. */
static void fit_lane(DecoderLane *lane, Decoder *d, Backend *be, int i, int64_t T, int64_t B)
{
    if (lane->d == NULL || lane->d->max_tokens < T) {
        real *grad = i == 0 ? d->params->grad : lane->d != NULL ? lane->d->params->grad : NULL;
        if (grad == NULL) grad = be->alloc(be, (size_t)d->params->count * sizeof(real));
        if (lane->d != NULL) decoder_view_destroy(lane->d);
        lane->d = decoder_view_create(d, be, grad, T + T / 8);
        be->release(be, lane->offset); /* goes with the arena of the other one's h_offset */
        lane->offset = NULL;
        lane->sequences = 0;
    }
    lane->d->params->value = d->params->value;
    if (lane->sequences >= B) return;
    be->release(be, lane->offset);
    lane->sequences = B + B / 4;
    lane->h_offset = ARENA_NEW(lane->d->arena, int32_t, lane->sequences + 1);
    lane->offset = be->alloc(be, (size_t)(lane->sequences + 1) * sizeof(int32_t));
}

static Status run_piece(const Step *s, DecoderLane *lane, Backend *be, int i, int64_t first, int64_t end)
{
    const int64_t t0 = s->pk->h_offset[first], T = s->pk->h_offset[end] - t0, B = end - first;
    if (T == 0) return OK;
    fit_lane(lane, s->d, be, i, T, B);
    Packed piece = {.B = B, .T = T, .offset = lane->offset, .pos = s->pk->pos + t0, .h_offset = lane->h_offset};
    for (int64_t b = 0; b <= B; b++) {
        lane->h_offset[b] = s->pk->h_offset[first + b] - (int32_t)t0;
        const int64_t n = b > 0 ? lane->h_offset[b] - lane->h_offset[b - 1] : 0;
        if (n > piece.max_len) piece.max_len = n;
    }
    be->upload(be, lane->offset, lane->h_offset, (size_t)(B + 1) * sizeof(int32_t));
    Dropout drop = s->drop;
    drop.first += (uint64_t)(t0 * s->d->config.C);
    decoder_forward(lane->d, &piece, s->tokens + t0, drop);
    lane->used = true;
    return decoder_loss(lane->d, s->target + t0, s->range != NULL ? s->range + 2 * t0 : NULL, s->weight + t0, s->logp + t0);
}

static void run_lane(Backend *be, int i, void *arg)
{
    const Step *s = arg;
    DecoderLane *lane = &s->d->lane[i];
    lane->status = OK;
    const int64_t each = s->n_pieces / s->d->n_lanes;
    for (int64_t j = i * each; j < (i + 1) * each && lane->status == OK; j++) lane->status = run_piece(s, lane, be, i, s->bound[j], s->bound[j + 1]);
}

/* The lanes' gradients join the decoder's, in lane order. */
static Status collect(Decoder *d)
{
    Backend *be = d->be;
    Status status = OK;
    for (int i = 0; i < d->n_lanes; i++) {
        DecoderLane *lane = &d->lane[i];
        if (status == OK) status = lane->status;
        if (i == 0 || !lane->used) continue;
        be->axpy(be, d->params->count, 1, lane->d->params->grad, d->params->grad);
        be->zero(be, lane->d->params->grad, (size_t)d->params->count * sizeof(real));
        lane->used = false;
    }
    return status;
}

Status decoder_step(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop, const int32_t *target, const int32_t *range,
                    const real *weight, real *logp)
{
    REQUIRE(d->with_gradients && pk->T >= 1, "a training step on %lld tokens%s", (long long)pk->T, d->with_gradients ? "" : " without gradients");
    int64_t n = (pk->T + PIECE - 1) / PIECE;
    n = (n + d->be->lanes - 1) / d->be->lanes * d->be->lanes;
    if (decoder_fused_fits(d)) return decoder_fused_step(d, pk, tokens, drop, target, range, weight, logp);
    if (d->lora != NULL || n == 1) {
        decoder_forward(d, pk, tokens, drop);
        return decoder_loss(d, target, range, weight, logp);
    }
    ArenaMark mark = arena_mark(d->arena);
    if (d->lane == NULL) {
        d->n_lanes = d->be->lanes;
        d->lane = ARENA_NEW(d->arena, DecoderLane, d->n_lanes);
        mark = arena_mark(d->arena);
    }
    Step s = {.d = d, .pk = pk, .tokens = tokens, .target = target, .range = range, .drop = drop, .weight = weight, .logp = logp, .n_pieces = n};
    s.bound = ARENA_NEW(d->arena, int64_t, n + 1);
    decoder_cut(pk, n, s.bound);
    d->be->each_lane(d->be, run_lane, &s);
    arena_release(d->arena, mark);
    return collect(d);
}

void decoder_lanes_destroy(Decoder *d)
{
    for (int i = 0; d->lane != NULL && i < d->n_lanes; i++) {
        DecoderLane *lane = &d->lane[i];
        if (lane->d == NULL) continue;
        d->be->release(d->be, lane->offset);
        if (i > 0) d->be->release(d->be, lane->d->params->grad);
        decoder_view_destroy(lane->d);
    }
}
