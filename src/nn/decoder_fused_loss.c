/* nn/decoder_fused_loss.c -- the output head of the fused step: rows that have a target, grouped by the columns that they allow, as decoder_loss.c.
 *
 * A block of logits stays in cache from its product to its gradient. Columns are taken from the panel that holds the first allowed one to the panel that holds
 * the last; what is allowed decides inside.
 *
 * Deviations from the paper: none.
 */
#include "nn/decoder_fused_internal.h"

/* Predictions [begin,end) of the order, their columns [lo,hi) or ranges of their own. */
typedef struct Group { int64_t begin, end, lo, hi; const int32_t *range; } Group;

/* Hidden states of predictions [first,first+n) side by side: rows 0 to n of lane->rows. */
static void gather(const FusedPiece *p, int64_t first, int64_t n)
{
    const FusedLane *lane = p->lane;
    const int64_t *row = lane->order + first;
    for (int64_t c = 0; c < p->d->config.C; c += 32)
        for (int64_t i = 0; i < n; i++) memcpy(lane->rows + c * lane->entries + i * 32, lane->h + c * lane->room + row[i] * 32, 32 * sizeof(Bf16));
}

/* Rows [i,i+n) of lane->dlogits (.,ld), columns from step `step` of the vocabulary on, bring their gradients to the hidden states of predictions row[0..n). */
static void scatter(const FusedPiece *p, int64_t i, int64_t n, int64_t ld, int64_t step, const int64_t *row)
{
    FusedLane *lane = p->lane;
    const int64_t C = p->d->config.C;
    tiles_slices_product(n, C, ld, lane->dlogits + i * 32, lane->entries, p->f->head_in + step * 2 * TILES_TILE, tiles_stride(p->d->config.V), false, lane->drows, C);
    for (int64_t r = 0; r < n; r++) {
        float *dh = lane->dh + row[r] * C;
        for (int64_t c = 0; c < C; c++) dh[c] += lane->drows[r * C + c];
    }
}

/* The head's gradient from n rows of lane->rows and lane->dlogits (.,ld). */
static void head_gradient(const FusedPiece *p, int64_t n, int64_t ld, int64_t step)
{
    FusedLane *lane = p->lane;
    const int64_t C = p->d->config.C;
    tiles_slices_transpose(n, C, lane->rows, lane->entries, lane->turned);
    tiles_slices_pair(n, ld, lane->dlogits, lane->entries, lane->panels, tiles_stride(n));
    tiles_slices_blocks(C, ld, n, lane->turned, C, lane->panels, tiles_stride(n), true, lane->head_sum + step * TILES_SQUARE,
                        tiles_round(p->d->config.V) / TILES_STEP);
}

static void begin_loss(const FusedPiece *p)
{
    FusedLane *lane = p->lane;
    const int64_t C = p->d->config.C;
    memset(lane->dh, 0, (size_t)(p->T * C) * sizeof *lane->dh);
    if (p->fresh) memset(lane->head_sum, 0, (size_t)tiles_blocks(C, p->d->config.V) * sizeof *lane->head_sum);
}

static void group_loss(const FusedPiece *p, Group g)
{
    FusedLane *lane = p->lane;
    const int64_t C = p->d->config.C, n = g.end - g.begin, first = g.lo / TILES_STEP * TILES_STEP, ld = tiles_round(g.hi - first), step = first / TILES_STEP;
    int64_t block = FUSED_LOGITS / ld / TILES_STEP * TILES_STEP;
    if (block < TILES_STEP) block = TILES_STEP;
    gather(p, g.begin, n);
    for (int64_t i = 0; i < n; i += block) {
        const int64_t rows = n - i < block ? n - i : block, at = g.begin + i;
        tiles_slices_product(rows, ld, C, lane->rows + i * 32, lane->entries, p->f->head_out + step * tiles_stride(C), tiles_stride(C), false, lane->logits, ld);
        fused_xent(rows, ld, lane->logits, first, g.lo, g.hi, g.range != NULL ? g.range + 2 * at : NULL, lane->target + at, lane->weight + at, lane->logp + at,
                   lane->dlogits + i * 32, lane->entries);
        scatter(p, i, rows, ld, step, lane->order + at);
    }
    head_gradient(p, n, ld, step);
}

void fused_loss(const FusedPiece *p)
{
    FusedLane *lane = p->lane;
    const int64_t V = p->d->config.V;
    const int32_t *target = p->target + p->t0, *range = p->range != NULL ? p->range + 2 * p->t0 : NULL;
    bool grouped;
    begin_loss(p);
    const int64_t n = decoder_order_rows(p->T, target, range, lane->order, &grouped);
    for (int64_t t = 0; t < p->T; t++) p->logp[p->t0 + t] = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t t = lane->order[i];
        lane->target[i] = target[t];
        lane->weight[i] = p->weight[p->t0 + t];
        lane->range[2 * i] = range != NULL ? range[2 * t] : 0;
        lane->range[2 * i + 1] = range != NULL ? range[2 * t + 1] : (int32_t)V;
    }
    for (int64_t i = 0; i < n;) {
        Group g = {i, i, 0, V, range != NULL && !grouped ? lane->range : NULL};
        if (grouped) {
            g.lo = lane->range[2 * i];
            g.hi = lane->range[2 * i + 1];
        }
        while (g.end < n && (!grouped || (lane->range[2 * g.end] == g.lo && lane->range[2 * g.end + 1] == g.hi))) g.end++;
        group_loss(p, g);
        i = g.end;
    }
    for (int64_t i = 0; i < n; i++) p->logp[p->t0 + lane->order[i]] = lane->logp[i];
}

void fused_tree_loss(const FusedPiece *p)
{
    FusedLane *lane = p->lane;
    const DecoderTree *tree = p->tree;
    const int64_t C = p->d->config.C, ld = tiles_round(p->d->config.V), first = tree->entry[p->first], n = tree->entry[p->end] - first;
    begin_loss(p);
    for (int64_t i = 0; i < n; i++) lane->order[i] = tree->row[first + i] - p->t0;
    gather(p, 0, n);
    for (int64_t b = p->first; b < p->end; b++) {
        const int64_t at = tree->entry[b] - first, rows = tree->entry[b + 1] - tree->entry[b];
        if (rows == 0) continue;
        tiles_slices_product(rows, ld, C, lane->rows + at * 32, lane->entries, p->f->head_out, tiles_stride(C), false, lane->logits, ld);
        tree->loss(tree->arg, (int)(lane - p->f->lane), b, lane->logits, ld);
        tiles_slices(rows, ld, lane->logits, ld, lane->dlogits + at * 32, lane->entries);
        scatter(p, at, rows, ld, 0, lane->order + at);
    }
    head_gradient(p, n, ld, 0);
}
