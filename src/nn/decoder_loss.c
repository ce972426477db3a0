/* nn/decoder_loss.c -- the output head: only rows that have a target go through it, in blocks of logits that stay in cache.
 *
 * When column ranges are given, rows are grouped by range and only those columns of the output matrix are used at all.
 *
 * Deviations from the paper: none.
 */
#include "nn/decoder_internal.h"

typedef struct HeadBlock { int64_t begin, end, lo, hi; } HeadBlock; /* gathered rows, columns [lo,hi) */

int64_t decoder_order_rows(int64_t T, const int32_t *target, const int32_t *range, int64_t *order, bool *grouped)
{
    enum { MAX_GROUPS = 64 };
    int32_t lo[MAX_GROUPS], hi[MAX_GROUPS];
    int64_t count[MAX_GROUPS] = {0}, start[MAX_GROUPS], n_groups = 0, n = 0;
    *grouped = range != NULL;
    for (int64_t t = 0; t < T; t++) {
        if (target[t] == TARGET_IGNORED) continue;
        n++;
        if (!*grouped) continue;
        int64_t g = 0;
        while (g < n_groups && (lo[g] != range[2 * t] || hi[g] != range[2 * t + 1])) g++;
        if (g == MAX_GROUPS) {
            *grouped = false;
            continue;
        }
        if (g == n_groups) {
            lo[g] = range[2 * t];
            hi[g] = range[2 * t + 1];
            n_groups++;
        }
        count[g]++;
    }
    int64_t next = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        start[g] = next;
        next += count[g];
    }
    int64_t i = 0;
    for (int64_t t = 0; t < T; t++) {
        if (target[t] == TARGET_IGNORED) continue;
        if (*grouped) {
            int64_t g = 0;
            while (lo[g] != range[2 * t] || hi[g] != range[2 * t + 1]) g++;
            order[start[g]++] = t;
        } else {
            order[i++] = t;
        }
    }
    return n;
}

/* The block that begins at gathered row `begin`. */
static HeadBlock next_block(const Decoder *d, int64_t begin, int64_t n, const int32_t *range, bool grouped)
{
    HeadBlock b = {begin, begin, 0, d->config.V};
    if (grouped) {
        b.lo = range[2 * d->order[begin]];
        b.hi = range[2 * d->order[begin] + 1];
    }
    const int64_t most = d->logits_count / (b.hi - b.lo);
    while (b.end < n && b.end - begin < most) {
        const int32_t *r = grouped ? range + 2 * d->order[b.end] : NULL;
        if (grouped && (r[0] != b.lo || r[1] != b.hi)) break;
        b.end++;
    }
    return b;
}

/* logits of gathered rows [begin,end) in columns [lo,hi): (end-begin, hi-lo) contiguous */
static void block_logits(Decoder *d, HeadBlock b, const real *rows, real *logits)
{
    const int64_t C = d->config.C, width = b.hi - b.lo;
    const real *W = params_value(d->params, d->head) + b.lo * C;
    d->be->gemm(d->be, false, true, b.end - b.begin, width, C, 1, rows, C, W, C, 0, logits, width);
}

/* From dlogits of the block: gradient of its gathered rows, and of the output matrix. */
static void block_backward(Decoder *d, HeadBlock b, const real *rows, const real *dlogits, real *drows)
{
    Backend *be = d->be;
    const int64_t C = d->config.C, width = b.hi - b.lo, n = b.end - b.begin;
    const real *W = params_value(d->params, d->head) + b.lo * C;
    be->gemm(be, false, false, n, C, width, 1, dlogits, width, W, C, 0, drows, C);
    if (d->params->grad == NULL) return;
    be->gemm(be, true, false, width, C, n, 1, dlogits, width, rows, C, 1, params_grad(d->params, d->head) + b.lo * C, C);
}

/* Scatter the gathered rows' gradients and run the layers backwards. */
static void backward_from_rows(Decoder *d, int64_t n)
{
    Backend *be = d->be;
    const int64_t C = d->config.C;
    be->zero(be, d->dh, (size_t)(d->packed.T * C) * sizeof(real));
    be->scatter_rows_acc(be, n, C, d->row, d->rows_dx, d->dh);
    decoder_backward(d, d->dh);
}

static void check_targets(const Decoder *d, int64_t T, const int32_t *target, const int32_t *range)
{
    for (int64_t t = 0; t < T; t++) {
        if (target[t] == TARGET_IGNORED) continue;
        int64_t lo = range != NULL ? range[2 * t] : 0, hi = range != NULL ? range[2 * t + 1] : d->config.V;
        REQUIRE(lo >= 0 && hi <= d->config.V && target[t] >= lo && target[t] < hi, "target %d of row %lld is outside [%lld,%lld)",
                target[t], (long long)t, (long long)lo, (long long)hi);
    }
}

void decoder_check_batch(const Decoder *d, const Packed *pk, const int32_t *tokens, const int32_t *target, const int32_t *range)
{
    decoder_check_tokens(d, pk->T, tokens);
    check_targets(d, pk->T, target, range);
}

Status decoder_loss(Decoder *d, const int32_t *target, const int32_t *range, const real *weight, real *logp)
{
    Backend *be = d->be;
    const int64_t T = d->packed.T, C = d->config.C;
    REQUIRE(T > 0, "decoder_loss before decoder_forward");
    REQUIRE(weight == NULL || d->with_gradients, "loss with gradients of a decoder created without");
    check_targets(d, T, target, range);
    for (int64_t t = 0; t < T; t++) logp[t] = 0;
    bool grouped;
    const int64_t n = decoder_order_rows(T, target, range, d->order, &grouped);
    if (n == 0) return OK;
    for (int64_t i = 0; i < n; i++) {
        const int64_t t = d->order[i], shift = grouped ? range[2 * t] : 0;
        d->h_row[i] = (int32_t)t;
        d->h_target[i] = target[t] - (int32_t)shift;
        d->h_weight[i] = weight != NULL ? weight[t] : 0;
        d->h_range[2 * i] = range != NULL ? range[2 * t] : 0;
        d->h_range[2 * i + 1] = range != NULL ? range[2 * t + 1] : 0;
    }
    be->upload(be, d->row, d->h_row, (size_t)n * sizeof(int32_t));
    be->upload(be, d->target, d->h_target, (size_t)n * sizeof(int32_t));
    be->upload(be, d->range, d->h_range, (size_t)(2 * n) * sizeof(int32_t));
    be->upload(be, d->weight, d->h_weight, (size_t)n * sizeof(real));
    be->gather_rows(be, n, C, d->row, d->hidden, d->rows_x);
    for (int64_t i = 0; i < n;) {
        const HeadBlock b = next_block(d, i, n, range, grouped);
        const int64_t rows = b.end - b.begin, width = b.hi - b.lo;
        const int32_t *columns = range != NULL && !grouped ? d->range + 2 * i : NULL;
        block_logits(d, b, d->rows_x + i * C, d->logits);
        be->xent(be, rows, width, d->logits, width, d->target + i, columns, NULL, d->logp + i, d->loss_lse + i);
        if (weight != NULL) {
            be->xent_bwd(be, rows, width, d->logits, width, d->target + i, columns, NULL, d->loss_lse + i, d->weight + i);
            block_backward(d, b, d->rows_x + i * C, d->logits, d->rows_dx + i * C);
        }
        i = b.end;
    }
    if (weight != NULL) backward_from_rows(d, n);
    TRY(be->download(be, d->h_logp, d->logp, (size_t)n * sizeof(real)));
    for (int64_t i = 0; i < n; i++) logp[d->h_row[i]] = d->h_logp[i];
    return OK;
}

static void gather(Decoder *d, int64_t n, const int32_t *row)
{
    REQUIRE(n >= 0 && n <= d->max_tokens && d->packed.T > 0, "%lld rows, room for %lld", (long long)n, (long long)d->max_tokens);
    for (int64_t i = 0; i < n; i++) {
        REQUIRE(row[i] >= 0 && row[i] < d->packed.T, "row %d of %lld", row[i], (long long)d->packed.T);
    }
    d->be->upload(d->be, d->row, row, (size_t)n * sizeof(int32_t));
    d->be->gather_rows(d->be, n, d->config.C, d->row, d->hidden, d->rows_x);
}

void decoder_backward_rows(Decoder *d, int64_t n, const int32_t *row, const real *dlogits)
{
    if (n == 0) return;
    gather(d, n, row);
    block_backward(d, (HeadBlock){0, n, 0, d->config.V}, d->rows_x, dlogits, d->rows_dx);
    backward_from_rows(d, n);
}

void decoder_logits(Decoder *d, int64_t n, const int32_t *row, real *logits)
{
    if (n == 0) return;
    gather(d, n, row);
    block_logits(d, (HeadBlock){0, n, 0, d->config.V}, d->rows_x, logits);
}
