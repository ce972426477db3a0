/* tensor/backend_cpu_attention.c -- causal attention over packed short sequences, forward and backward.
 *
 * A thread takes one (sequence, key head) at a time and walks it in blocks of BLOCK query rows: scores of a block (BLOCK,n), their softmax
 * and the product with the values stay in L1/L2, on the register tiles of gemm_kernel.h. Score rows are padded with -infinity to a whole
 * number of vectors, so that no loop has a remainder. Items do not share outputs: which thread takes one does not matter.
 *
 * Deviations from the paper: none.
 */
#include <omp.h>
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/dropout.h"
#include "tensor/gemm_kernel.h"
#include "tensor/vmath.h"

enum { BLOCK = 4 * GEMM_ROWS, LANES = VMATH_LANES, PAD = GEMM_COLS > LANES ? GEMM_COLS : LANES };

/* The arguments of the op, and a thread's share of scratch. */
typedef struct Attention {
    const Packed *pk;
    int64_t H, Hkv, D, ldq, ldkv, lddq, lddkv;
    real scale;
    Dropout drop;
    const real *q, *k, *v, *out_in, *dout;
    real *out, *lse, *dq, *dk, *dv;
} Attention;

typedef struct AttentionScratch {
    real *kt, *vn;          /* packed keys (D,n), values (n,D); backward: kt, vt (D,n) and kn (n,D) */
    real *vt, *kn, *rows;   /* rows: packed queries or output gradients of a block, (BLOCK,D) */
    real *p, *dp, *keep;    /* (BLOCK,pad) */
    real *packed_a, *tile;
} AttentionScratch;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* Carves a thread's share; with base NULL only measures. Returns the number of elements. */
static int64_t carve(real *base, int64_t n, int64_t D, bool backward, AttentionScratch *s)
{
    const int64_t pad = round_up(n, PAD), wide = round_up(D, GEMM_COLS), deep = n > D ? n : D;
    const int64_t columns = BLOCK * (pad + GEMM_ROWS), rows = deep * GEMM_ROWS; /* transposed scores; a short block of rows */
    int64_t at = 0;
#define TAKE(field, count)                        \
    do {                                          \
        s->field = base != NULL ? base + at : NULL; \
        at += round_up((count), LANES);           \
    } while (0)
    TAKE(kt, D * pad);
    TAKE(p, BLOCK * pad);
    TAKE(keep, pad);
    TAKE(packed_a, columns > rows ? columns : rows);
    TAKE(tile, GEMM_ROWS * GEMM_COLS);
    if (backward) {
        TAKE(vt, D * pad);
        TAKE(kn, n * wide);
        TAKE(dp, BLOCK * pad);
        TAKE(rows, BLOCK * wide);
    } else {
        TAKE(vn, n * wide);
    }
#undef TAKE
    return at;
}

/* keep[s] = factor of probability (row,s): 0 or 1/(1-p); row = t*H + h. */
static void keep_row(const Attention *a, int64_t row, int64_t n, real *keep)
{
    const uint32_t threshold = dropout_threshold(a->drop);
    const real factor = dropout_factor(a->drop);
    const int64_t begin = (int64_t)a->drop.first + row * a->pk->max_len, end = begin + n;
    uint16_t u16[DROPOUT_CHUNK];
    for (int64_t chunk = begin / DROPOUT_CHUNK; chunk * DROPOUT_CHUNK < end; chunk++) {
        dropout_chunk(a->drop, (uint64_t)chunk, u16);
        const int64_t from = chunk * DROPOUT_CHUNK > begin ? chunk * DROPOUT_CHUNK : begin;
        const int64_t to = (chunk + 1) * DROPOUT_CHUNK < end ? (chunk + 1) * DROPOUT_CHUNK : end;
        for (int64_t e = from; e < to; e++) keep[e - begin] = u16[e - chunk * DROPOUT_CHUNK] >= threshold ? factor : 0;
    }
}

/* x[0..pad) := softmax of its first n elements, zero beyond; returns the log-sum-exp. pad is a multiple of LANES. */
static real softmax_row(int64_t n, int64_t pad, real *x)
{
    for (int64_t s = n; s < pad; s++) x[s] = -(real)INFINITY;
    const real max = vmath_max(pad, x);
    real lane[LANES] = {0};
    for (int64_t s = 0; s < pad; s += LANES) {
        for (int j = 0; j < LANES; j++) {
            x[s + j] = vmath_exp(x[s + j] - max);
            lane[j] += x[s + j];
        }
    }
    const real sum = vmath_sum_lanes(lane), scale = 1 / sum;
    for (int64_t s = 0; s < pad; s += LANES) {
        for (int j = 0; j < LANES; j++) x[s + j] *= scale;
    }
    return max + log(sum);
}

/* --- forward --------------------------------------------------------------------------------------------------- */

/* Query rows [i0,i1) of head h in the sequence that begins at row `first`. */
static void forward_block(const Attention *a, int64_t first, int64_t n, int64_t h, int64_t i0, int64_t i1, AttentionScratch *s)
{
    const int64_t D = a->D, pad = round_up(i1, LANES), ld = round_up(n, PAD), wide = round_up(i1, GEMM_COLS); /* whole tiles, masked below */
    cpu_gemm_block(false, i1 - i0, wide, D, a->q + (first + i0) * a->ldq + h * D, a->ldq, s->kt, D * GEMM_COLS, a->scale, 0, s->p, ld,
                   s->packed_a, s->tile);
    for (int64_t i = i0; i < i1; i++) {
        real *p = s->p + (i - i0) * ld;
        const int64_t row = (first + i) * a->H + h;
        a->lse[row] = softmax_row(i + 1, pad, p);
        if (!(a->drop.p > 0)) continue;
        keep_row(a, row, i + 1, s->keep);
        for (int64_t j = 0; j <= i; j++) p[j] *= s->keep[j];
    }
    cpu_gemm_block(false, i1 - i0, D, i1, s->p, ld, s->vn, n * GEMM_COLS, 1, 0, a->out + ((first + i0) * a->H + h) * D, a->H * D,
                   s->packed_a, s->tile);
}

static void forward_item(const Attention *a, int64_t b, int64_t g, AttentionScratch *s)
{
    const int64_t first = a->pk->h_offset[b], n = a->pk->h_offset[b + 1] - first, D = a->D, group = a->H / a->Hkv;
    cpu_pack_b(true, D, n, a->k + first * a->ldkv + g * D, a->ldkv, s->kt);
    cpu_pack_b(false, n, D, a->v + first * a->ldkv + g * D, a->ldkv, s->vn);
    for (int64_t h = g * group; h < (g + 1) * group; h++) {
        for (int64_t i = 0; i < n; i += BLOCK) forward_block(a, first, n, h, i, i + BLOCK < n ? i + BLOCK : n, s);
    }
}

/* --- backward -------------------------------------------------------------------------------------------------- */

/* Row i: p = scores on entry, dp = dout v^T; on return p = kept probabilities (for dv), dp = gradient of the scores. */
static void backward_row(const Attention *a, int64_t first, int64_t h, int64_t i, int64_t pad, real *restrict p, real *restrict dp, real *restrict keep)
{
    const int64_t D = a->D, row = (first + i) * a->H + h, n = i + 1;
    const real *o = a->out_in + row * D, *d = a->dout + row * D, lse = a->lse[row], scale = a->scale;
    real delta = 0;
#pragma omp simd reduction(+ : delta)
    for (int64_t c = 0; c < D; c++) delta += o[c] * d[c];
    for (int64_t s = n; s < pad; s++) p[s] = -(real)INFINITY;
    for (int64_t s = n; s < pad; s++) dp[s] = 0; /* may hold anything: 0 times that must be 0 */
    if (a->drop.p > 0) {
        keep_row(a, row, n, keep);
        for (int64_t s = n; s < pad; s++) keep[s] = 0;
        for (int64_t s = 0; s < pad; s += LANES) {
            for (int j = 0; j < LANES; j++) {
                const real x = vmath_exp(p[s + j] - lse);
                p[s + j] = keep[s + j] * x;
                dp[s + j] = scale * x * (keep[s + j] * dp[s + j] - delta);
            }
        }
        return;
    }
    for (int64_t s = 0; s < pad; s += LANES) {
        for (int j = 0; j < LANES; j++) {
            const real x = vmath_exp(p[s + j] - lse);
            p[s + j] = x;
            dp[s + j] = scale * x * (dp[s + j] - delta);
        }
    }
}

static void backward_block(const Attention *a, int64_t first, int64_t n, int64_t h, int64_t i0, int64_t i1, AttentionScratch *s)
{
    const int64_t D = a->D, pad = round_up(i1, LANES), ld = round_up(n, PAD), rows = i1 - i0, g = h * a->Hkv / a->H;
    const int64_t wide = round_up(i1, GEMM_COLS); /* whole tiles, masked in backward_row */
    const real *q = a->q + (first + i0) * a->ldq + h * D, *d = a->dout + ((first + i0) * a->H + h) * D;
    real *dk = a->dk + first * a->lddkv + g * D, *dv = a->dv + first * a->lddkv + g * D;
    cpu_gemm_block(false, rows, wide, D, q, a->ldq, s->kt, D * GEMM_COLS, a->scale, 0, s->p, ld, s->packed_a, s->tile);
    cpu_gemm_block(false, rows, wide, D, d, a->H * D, s->vt, D * GEMM_COLS, 1, 0, s->dp, ld, s->packed_a, s->tile);
    for (int64_t i = i0; i < i1; i++) {
        backward_row(a, first, h, i, pad, s->p + (i - i0) * ld, s->dp + (i - i0) * ld, s->keep);
    }
    cpu_gemm_block(false, rows, D, i1, s->dp, ld, s->kn, n * GEMM_COLS, 1, 0, a->dq + (first + i0) * a->lddq + h * D, a->lddq,
                   s->packed_a, s->tile);
    cpu_pack_b(false, rows, D, q, a->ldq, s->rows);
    cpu_gemm_block(true, i1, D, rows, s->dp, ld, s->rows, rows * GEMM_COLS, 1, 1, dk, a->lddkv, s->packed_a, s->tile);
    cpu_pack_b(false, rows, D, d, a->H * D, s->rows);
    cpu_gemm_block(true, i1, D, rows, s->p, ld, s->rows, rows * GEMM_COLS, 1, 1, dv, a->lddkv, s->packed_a, s->tile);
}

static void backward_item(const Attention *a, int64_t b, int64_t g, AttentionScratch *s)
{
    const int64_t first = a->pk->h_offset[b], n = a->pk->h_offset[b + 1] - first, D = a->D, group = a->H / a->Hkv;
    const real *k = a->k + first * a->ldkv + g * D, *v = a->v + first * a->ldkv + g * D;
    cpu_pack_b(true, D, n, k, a->ldkv, s->kt);
    cpu_pack_b(true, D, n, v, a->ldkv, s->vt);
    cpu_pack_b(false, n, D, k, a->ldkv, s->kn);
    for (int64_t i = 0; i < n; i++) {
        memset(a->dk + (first + i) * a->lddkv + g * D, 0, (size_t)D * sizeof(real));
        memset(a->dv + (first + i) * a->lddkv + g * D, 0, (size_t)D * sizeof(real));
    }
    for (int64_t h = g * group; h < (g + 1) * group; h++) {
        for (int64_t i = 0; i < n; i += BLOCK) backward_block(a, first, n, h, i, i + BLOCK < n ? i + BLOCK : n, s);
    }
}

/* --- the ops --------------------------------------------------------------------------------------------------- */

static void run(Backend *be, const Attention *a, bool backward)
{
    REQUIRE(a->H % a->Hkv == 0, "%lld query heads over %lld key heads", (long long)a->H, (long long)a->Hkv);
    const int threads = cpu_threads(be, a->pk->T * a->H * a->D * 16);
    AttentionScratch none;
    int64_t stride;
    real *scratch = cpu_scratch(be, carve(NULL, a->pk->max_len, a->D, backward, &none), &stride);
#pragma omp parallel num_threads(threads)
    {
        AttentionScratch s = {0};
        carve(scratch + omp_get_thread_num() * stride, a->pk->max_len, a->D, backward, &s);
#pragma omp for schedule(dynamic, 4)
        for (int64_t i = 0; i < a->pk->B * a->Hkv; i++) {
            if (backward) {
                backward_item(a, i / a->Hkv, i % a->Hkv, &s);
            } else {
                forward_item(a, i / a->Hkv, i % a->Hkv, &s);
            }
        }
    }
}

static void cpu_attention(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                          const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, real *out, real *lse)
{
    const Attention a = {.pk = pk, .H = H, .Hkv = Hkv, .D = D, .scale = scale, .drop = drop, .q = q, .ldq = ldq, .k = k, .v = v,
                         .ldkv = ldkv, .out = out, .lse = lse};
    run(be, &a, false);
}

static void cpu_attention_bwd(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                              const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, const real *out,
                              const real *lse, const real *dout, real *dq, int64_t lddq, real *dk, real *dv, int64_t lddkv)
{
    union { const real *in; real *out; } stored = {.in = lse}; /* read only in this direction */
    const Attention a = {.pk = pk, .H = H, .Hkv = Hkv, .D = D, .scale = scale, .drop = drop, .q = q, .ldq = ldq, .k = k, .v = v,
                         .ldkv = ldkv, .out_in = out, .lse = stored.out, .dout = dout, .dq = dq, .lddq = lddq, .dk = dk, .dv = dv,
                         .lddkv = lddkv};
    run(be, &a, true);
}

void backend_cpu_fill_attention(Backend *be)
{
    be->attention = cpu_attention;
    be->attention_bwd = cpu_attention_bwd;
}
