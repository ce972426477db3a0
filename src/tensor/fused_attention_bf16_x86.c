/* tensor/fused_attention_bf16_x86.c -- causal attention of one sequence with QK-norm and rotary positions, forward and backward, its products on tiles; see fused.h.
 *
 * A head is walked in blocks of 32 query rows; scores of a block and what becomes of them stay in L1. Only squares on and below the diagonal are computed.
 * With P the probabilities and dS the gradient of the scores of a head (n,n), the backward pass needs dQ = dS K, dK = dS^T Q and dV = P^T dO. The last two
 * are computed as dK^T = Q^T dS and dV^T = dO^T P: then P and dS are right factors, which needs their rows in pairs, and only the narrow Q, dO, dK and dV
 * are ever transposed.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "base/status.h"
#include "tensor/fused.h"
#include "tensor/lanes_x86.h"

enum { BLOCK = 32, MAX_D = 256 };

/* N: n rounded up, E: D rounded up, both to 32. */
typedef struct Scratch {
    int64_t N, E;
    Bf16 *k, *q;                    /* (N,E) rows, zero past n and D */
    Bf16 *kt, *vt, *kp, *vp;        /* panels of K^T, V^T, K, V */
    Bf16 *qt, *dt;                  /* slices of Q^T, dO^T (E,N) */
    Bf16 *p, *ds, *pp, *dsp;        /* (BLOCK,N) rows; panels (N,N) of P and dS */
    float *s, *dp, *o;              /* (BLOCK,N), (BLOCK,N), (BLOCK,E) */
    float *dkt, *dvt, *turned;      /* (E,N), (E,N), (N,E) */
    float *delta;                   /* (N) */
} Scratch;

/* Carves scratch; with base NULL only measures. Returns bytes. */
static int64_t carve(char *base, int64_t n, int64_t D, Scratch *s)
{
    const int64_t N = tiles_round(n), E = tiles_round(D);
    int64_t at = 0;
    s->N = N;
    s->E = E;
#define TAKE(field, count)                                            \
    do {                                                              \
        s->field = base != NULL ? (void *)(base + at) : NULL;         \
        at += ((int64_t)sizeof *s->field * (count) + 63) / 64 * 64;   \
    } while (0)
    TAKE(k, N * E);
    TAKE(q, N * E);
    TAKE(kt, N * E);
    TAKE(vt, N * E);
    TAKE(kp, N * E);
    TAKE(vp, N * E);
    TAKE(qt, N * E);
    TAKE(dt, N * E);
    TAKE(p, BLOCK * N);
    TAKE(ds, BLOCK * N);
    TAKE(pp, N * N);
    TAKE(dsp, N * N);
    TAKE(s, BLOCK * N);
    TAKE(dp, BLOCK * N);
    TAKE(o, BLOCK * E);
    TAKE(dkt, N * E);
    TAKE(dvt, N * E);
    TAKE(turned, N * E);
    TAKE(delta, N);
#undef TAKE
    return at;
}

int64_t fused_attention_scratch(int64_t n, int64_t D)
{
    Scratch s;
    return carve(NULL, n, D, &s);
}

/* --- rows of a head -------------------------------------------------------------------------------------------- */

/* A row of a head in vectors: the first half of its dimensions in lo, the second in hi, so that rotation works lane by lane. D/2 numbers each, masked. */
enum { MAX_HALVES = MAX_D / 2 / 16 };
typedef struct HeadRow { __m512 lo[MAX_HALVES], hi[MAX_HALVES]; } HeadRow;

#define EACH_VECTOR(q) for (int64_t q = 0; q < vectors; q++) /* of half a row */
#define MASK(q, D) lanes_of((D) / 2 - 16 * (q))

/* sign 1: forward; -1: back. co: cosines, then sines. */
LANES_INLINE void turn(int64_t vectors, int64_t D, const float *co, float sign, HeadRow *y)
{
    EACH_VECTOR(q)
    {
        const __m512 c = _mm512_maskz_loadu_ps(MASK(q, D), co + 16 * q), u = y->lo[q], v = y->hi[q];
        const __m512 s = _mm512_mul_ps(_mm512_set1_ps(sign), _mm512_maskz_loadu_ps(MASK(q, D), co + D / 2 + 16 * q));
        y->lo[q] = _mm512_fmsub_ps(u, c, _mm512_mul_ps(v, s));
        y->hi[q] = _mm512_fmadd_ps(v, c, _mm512_mul_ps(u, s));
    }
}

/* x: D numbers in a row. */
LANES_INLINE void row_load(int64_t vectors, int64_t D, const Bf16 *x, HeadRow *y)
{
    EACH_VECTOR(q)
    {
        y->lo[q] = lanes_load_some(MASK(q, D), x + 16 * q);
        y->hi[q] = lanes_load_some(MASK(q, D), x + D / 2 + 16 * q);
    }
}

LANES_INLINE void row_store(int64_t vectors, int64_t D, const HeadRow *y, Bf16 *x)
{
    EACH_VECTOR(q)
    {
        lanes_store_some(MASK(q, D), x + 16 * q, y->lo[q]);
        lanes_store_some(MASK(q, D), x + D / 2 + 16 * q, y->hi[q]);
    }
}

/* The same from and to slices `slice` elements apart. */
LANES_INLINE void row_gather(int64_t vectors, int64_t D, const Bf16 *x, int64_t slice, HeadRow *y)
{
    if (D <= 32) {
        row_load(vectors, D, x, y);
        return;
    }
    Bf16 whole[MAX_D];
    const int64_t end = D < MAX_D ? D : MAX_D;
    for (int64_t c = 0; c < end; c += 32) memcpy(whole + c, x + c / 32 * slice, 32 * sizeof *x);
    row_load(vectors, D, whole, y);
}

LANES_INLINE void row_scatter(int64_t vectors, int64_t D, const HeadRow *y, Bf16 *x, int64_t slice)
{
    if (D <= 32) {
        row_store(vectors, D, y, x);
        return;
    }
    Bf16 whole[MAX_D] = {0};
    const int64_t end = D < MAX_D ? D : MAX_D;
    row_store(vectors, D, y, whole);
    for (int64_t c = 0; c < end; c += 32) memcpy(x + c / 32 * slice, whole + c, 32 * sizeof *x);
}

/* 1 / rms of a row */
LANES_INLINE float row_rms(int64_t vectors, int64_t D, const HeadRow *x, float eps)
{
    __m512 sum = _mm512_setzero_ps();
    EACH_VECTOR(q) sum = _mm512_fmadd_ps(x->lo[q], x->lo[q], _mm512_fmadd_ps(x->hi[q], x->hi[q], sum));
    return 1 / sqrtf(lanes_sum(sum) / (float)D + eps);
}

LANES_INLINE void rows_in(int64_t vectors, int64_t D, const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *x, const float *w, Bf16 *out,
                          int64_t E)
{
    for (int64_t t = 0; t < n; t++, x += 32, out += E) {
        HeadRow y;
        row_gather(vectors, D, x, 32 * a->height, &y);
        if (w != NULL) {
            const __m512 r = _mm512_set1_ps(row_rms(vectors, D, &y, a->eps));
            EACH_VECTOR(q)
            {
                y.lo[q] = _mm512_mul_ps(_mm512_maskz_loadu_ps(MASK(q, D), w + 16 * q), _mm512_mul_ps(y.lo[q], r));
                y.hi[q] = _mm512_mul_ps(_mm512_maskz_loadu_ps(MASK(q, D), w + D / 2 + 16 * q), _mm512_mul_ps(y.hi[q], r));
            }
        }
        turn(vectors, D, a->rope + pos[t] * D, 1, &y);
        row_store(vectors, D, &y, out);
    }
}

/* Queries or keys of a head, ready for the product; rows past n and columns past D stay as they are (clear_padding). */
LANES_TARGET static void head_in(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *x, const float *w, Bf16 *out, const Scratch *s)
{
    if (a->D == 32) {
        rows_in(1, 32, a, n, pos, x, w, out, 32);
    } else if (a->D < 32) {
        rows_in(1, a->D, a, n, pos, x, w, out, 32);
    } else if (a->D == 64) {
        rows_in(2, 64, a, n, pos, x, w, out, 64);
    } else {
        rows_in((a->D / 2 + 15) / 16, a->D, a, n, pos, x, w, out, s->E);
    }
}

/* What head_in leaves alone, once for all heads of a sequence. */
static void clear_padding(const FusedAttention *a, int64_t n, const Scratch *s)
{
    if (n == s->N && a->D == s->E) return;
    memset(s->k, 0, (size_t)(s->N * s->E) * sizeof *s->k);
    memset(s->q, 0, (size_t)(s->N * s->E) * sizeof *s->q);
}

/* dw += y x r and y := r w y - k x, the gradient through the norm, for one half of a row */
LANES_INLINE __m512 norm_back(__mmask16 mask, __m512 y, __m512 x, __m512 r, __m512 k, const float *w, __m512 *dw)
{
    const __m512 yr = _mm512_mul_ps(y, r);
    *dw = _mm512_fmadd_ps(yr, x, *dw);
    return _mm512_fnmadd_ps(k, x, _mm512_mul_ps(yr, _mm512_maskz_loadu_ps(mask, w)));
}

LANES_INLINE void rows_back(int64_t vectors, int64_t D, const FusedAttention *a, int64_t n, const int32_t *pos, const float *g, int64_t ldg, const Bf16 *x,
                            const float *w, float *dw, Bf16 *dx)
{
    HeadRow sums; /* of dw, in registers: from row to row a masked store would have to reach memory before it is read again */
    EACH_VECTOR(q)
    {
        sums.lo[q] = w != NULL ? _mm512_maskz_loadu_ps(MASK(q, D), dw + 16 * q) : _mm512_setzero_ps();
        sums.hi[q] = w != NULL ? _mm512_maskz_loadu_ps(MASK(q, D), dw + D / 2 + 16 * q) : _mm512_setzero_ps();
    }
    for (int64_t t = 0; t < n; t++, g += ldg, x += 32, dx += 32) {
        HeadRow y, raw;
        EACH_VECTOR(q)
        {
            y.lo[q] = _mm512_maskz_loadu_ps(MASK(q, D), g + 16 * q);
            y.hi[q] = _mm512_maskz_loadu_ps(MASK(q, D), g + D / 2 + 16 * q);
        }
        turn(vectors, D, a->rope + pos[t] * D, -1, &y);
        if (w != NULL) {
            row_gather(vectors, D, x, 32 * a->height, &raw);
            __m512 sum = _mm512_setzero_ps();
            EACH_VECTOR(q)
            {
                sum = _mm512_fmadd_ps(_mm512_mul_ps(y.lo[q], raw.lo[q]), _mm512_maskz_loadu_ps(MASK(q, D), w + 16 * q), sum);
                sum = _mm512_fmadd_ps(_mm512_mul_ps(y.hi[q], raw.hi[q]), _mm512_maskz_loadu_ps(MASK(q, D), w + D / 2 + 16 * q), sum);
            }
            const float r = row_rms(vectors, D, &raw, a->eps);
            const __m512 rr = _mm512_set1_ps(r), k = _mm512_set1_ps(lanes_sum(sum) * r * r * r / (float)D);
            EACH_VECTOR(q)
            {
                y.lo[q] = norm_back(MASK(q, D), y.lo[q], raw.lo[q], rr, k, w + 16 * q, &sums.lo[q]);
                y.hi[q] = norm_back(MASK(q, D), y.hi[q], raw.hi[q], rr, k, w + D / 2 + 16 * q, &sums.hi[q]);
            }
        }
        row_scatter(vectors, D, &y, dx, 32 * a->height);
    }
    if (w == NULL) return;
    EACH_VECTOR(q)
    {
        _mm512_mask_storeu_ps(dw + 16 * q, MASK(q, D), sums.lo[q]);
        _mm512_mask_storeu_ps(dw + D / 2 + 16 * q, MASK(q, D), sums.hi[q]);
    }
}

/* Gradients of n rows of queries or keys, back through rotation and norm; x: the rows as they came. */
LANES_TARGET static void head_back(const FusedAttention *a, int64_t n, const int32_t *pos, const float *g, int64_t ldg, const Bf16 *x, const float *w, float *dw, Bf16 *dx)
{
    if (a->D == 32) {
        rows_back(1, 32, a, n, pos, g, ldg, x, w, dw, dx);
    } else if (a->D < 32) {
        rows_back(1, a->D, a, n, pos, g, ldg, x, w, dw, dx);
    } else if (a->D == 64) {
        rows_back(2, 64, a, n, pos, g, ldg, x, w, dw, dx);
    } else {
        rows_back((a->D / 2 + 15) / 16, a->D, a, n, pos, g, ldg, x, w, dw, dx);
    }
}

/* --- forward --------------------------------------------------------------------------------------------------- */

/* Which of rows j to j+15 row t sees; `from`: where its branch begins, not before `stem`. */
LANES_INLINE __mmask16 seen(int64_t t, int64_t j, int64_t stem, int64_t from)
{
    return (__mmask16)(lanes_of(t + 1 - j) & ~(lanes_of(from - j) & ~lanes_of(stem - j)));
}

/* Row t of a block whose scores x reach to `wide`: p = exponentials, 0 for what it does not see. Returns their sum; *top: the largest score. */
LANES_TARGET static float softmax_row(int64_t t, int64_t wide, int64_t stem, int64_t from, float scale, const float *x, Bf16 *p, float *top)
{
    const __m512 none = _mm512_set1_ps(-INFINITY), f = _mm512_set1_ps(scale);
    __m512 most = none, sum = _mm512_setzero_ps();
    for (int64_t j = 0; j <= t; j += 16) most = _mm512_max_ps(most, _mm512_mask_loadu_ps(none, seen(t, j, stem, from), x + j));
    const float max = scale * _mm512_reduce_max_ps(most);
    for (int64_t j = 0; j < wide; j += 16) {
        const __mmask16 mask = seen(t, j, stem, from);
        const __m512 e = _mm512_maskz_mov_ps(mask, lanes_exp(_mm512_fmsub_ps(f, _mm512_maskz_loadu_ps(mask, x + j), _mm512_set1_ps(max))));
        sum = _mm512_add_ps(sum, e);
        lanes_store(p + j, e);
    }
    *top = max;
    return lanes_sum(sum);
}

/* E numbers of a row, times factor, to slices. */
LANES_TARGET static void scaled_row(int64_t E, const float *x, float factor, Bf16 *y, int64_t slice)
{
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t c = 0; c < E; c += 32, y += slice) lanes_store_32(y, _mm512_mul_ps(_mm512_loadu_ps(x + c), f), _mm512_mul_ps(_mm512_loadu_ps(x + c + 16), f));
}

/* top := top + log(sum), sum := 1 / sum for the rows of a block */
LANES_TARGET static void finish_rows(float top[BLOCK], float sum[BLOCK])
{
    for (int i = 0; i < BLOCK; i += 16) {
        const __m512 s = _mm512_loadu_ps(sum + i);
        _mm512_storeu_ps(top + i, _mm512_add_ps(_mm512_loadu_ps(top + i), lanes_log(s)));
        _mm512_storeu_ps(sum + i, _mm512_div_ps(_mm512_set1_ps(1.0f), s));
    }
}

static void forward_head(const FusedAttention *a, int64_t n, int64_t h, Bf16 *out, float *lse, const Scratch *s)
{
    const int64_t N = s->N, E = s->E;
    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        const int64_t wide = i0 + BLOCK, rows = n - i0 < BLOCK ? n - i0 : BLOCK;
        float top[BLOCK] = {0}, sum[BLOCK] = {0};
        tiles_product(BLOCK, wide, a->D, s->q + i0 * E, E, s->kt, tiles_stride(a->D), false, s->s, N);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t t = i0 + i;
            sum[i] = softmax_row(t, wide, a->stem, a->start != NULL ? a->start[t] : 0, a->scale, s->s + i * N, s->p + i * N, &top[i]);
        }
        finish_rows(top, sum);
        for (int64_t i = 0; i < rows; i++) lse[(i0 + i) * a->H + h] = top[i];
        for (int64_t i = rows; i < BLOCK; i++) memset(s->p + i * N, 0, (size_t)wide * sizeof *s->p);
        tiles_product(BLOCK, E, wide, s->p, N, s->vp, tiles_stride(N), false, s->o, E);
        for (int64_t i = 0; i < rows; i++) scaled_row(E, s->o + i * E, sum[i], out + (i0 + i) * 32, 32 * a->height);
    }
}

void fused_attention(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, Bf16 *out, float *lse, void *scratch)
{
    REQUIRE(a->D <= MAX_D && a->D % 2 == 0 && a->H % a->Hkv == 0, "%lld heads of %lld", (long long)a->H, (long long)a->D);
    Scratch s;
    carve(scratch, n, a->D, &s);
    clear_padding(a, n, &s);
    const int64_t D = a->D, group = a->H / a->Hkv, head = s.E * a->height; /* elements of a head's slices */
    for (int64_t g = 0; g < a->Hkv; g++) {
        const Bf16 *k = qkv + (a->H + g) * head, *v = k + a->Hkv * head;
        head_in(a, n, pos, k, a->kn, s.k, &s);
        tiles_pair_transposed(D, s.N, s.k, s.E, s.kt, tiles_stride(D));
        tiles_slices_pair(n, D, v, a->height, s.vp, tiles_stride(s.N));
        for (int64_t h = g * group; h < (g + 1) * group; h++) {
            head_in(a, n, pos, qkv + h * head, a->qn, s.q, &s);
            forward_head(a, n, h, out + h * head, lse, &s);
        }
    }
}

/* --- backward -------------------------------------------------------------------------------------------------- */

/* Row t: scores x and gradients dp of the probabilities, up to `wide`, to p and the scores' gradient ds, both 0 for what it does not see. */
LANES_TARGET static void backward_row(int64_t t, int64_t wide, int64_t stem, int64_t from, float scale, float lse, float delta, const float *x, const float *dp, Bf16 *p, Bf16 *ds)
{
    const __m512 f = _mm512_set1_ps(scale), l = _mm512_set1_ps(lse), shift = _mm512_set1_ps(delta);
    for (int64_t j = 0; j < wide; j += 16) {
        const __mmask16 mask = seen(t, j, stem, from);
        const __m512 e = _mm512_maskz_mov_ps(mask, lanes_exp(_mm512_fmsub_ps(f, _mm512_maskz_loadu_ps(mask, x + j), l)));
        lanes_store(p + j, e);
        lanes_store(ds + j, _mm512_mul_ps(_mm512_mul_ps(f, e), _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, dp + j), shift)));
    }
}

LANES_TARGET static void deltas(int64_t n, int64_t E, const Bf16 *out, const Bf16 *dout, int64_t slice, float *delta)
{
    for (int64_t t = 0; t < n; t++, out += 32, dout += 32) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t c = 0; c < E; c += 16) {
            const int64_t at = c / 32 * slice + c % 32;
            sum = _mm512_fmadd_ps(lanes_load(out + at), lanes_load(dout + at), sum);
        }
        delta[t] = lanes_sum(sum);
    }
}

/* One query head: its gradients dq; dkt and dvt, or additions to them. q, dout: its rows. */
static void backward_head(const FusedAttention *a, int64_t n, const int32_t *pos, int64_t h, const Bf16 *q, const Bf16 *dout, const float *lse, Bf16 *dq, float *dqn,
                          bool add, const Scratch *s)
{
    const int64_t N = s->N, E = s->E, D = a->D, stride = tiles_stride(N);
    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        const int64_t wide = i0 + BLOCK, rows = n - i0 < BLOCK ? n - i0 : BLOCK;
        tiles_product(BLOCK, wide, D, s->q + i0 * E, E, s->kt, tiles_stride(D), false, s->s, N);
        tiles_slices_product(BLOCK, wide, D, dout + i0 * 32, a->height, s->vt, tiles_stride(D), false, s->dp, N);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t t = i0 + i;
            backward_row(t, wide, a->stem, a->start != NULL ? a->start[t] : 0, a->scale, lse[t * a->H + h], s->delta[t], s->s + i * N, s->dp + i * N, s->p + i * N,
                         s->ds + i * N);
        }
        tiles_pair(rows, wide, s->p, N, s->pp + i0 / BLOCK * 2 * TILES_TILE, stride);
        tiles_pair(rows, wide, s->ds, N, s->dsp + i0 / BLOCK * 2 * TILES_TILE, stride);
        tiles_product(BLOCK, D, wide, s->ds, N, s->kp, stride, false, s->o, E);
        head_back(a, rows, pos + i0, s->o, E, q + i0 * 32, a->qn, dqn, dq + i0 * 32);
    }
    for (int64_t j = 0; j < n; j += BLOCK) {
        const int64_t at = j / BLOCK * (stride + 2 * TILES_TILE);
        tiles_slices_product(E, BLOCK, N - j, s->dt + j * E, E, s->pp + at, stride, add, s->dvt + j, N);
        tiles_slices_product(E, BLOCK, N - j, s->qt + j * E, E, s->dsp + at, stride, add, s->dkt + j, N);
    }
}

void fused_attention_bwd(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, const Bf16 *out, const Bf16 *dout, const float *lse, Bf16 *dqkv,
                         float *dqn, float *dkn, void *scratch)
{
    Scratch s;
    carve(scratch, n, a->D, &s);
    clear_padding(a, n, &s);
    const int64_t D = a->D, N = s.N, E = s.E, group = a->H / a->Hkv, slice = 32 * a->height, head = E * a->height;
    for (int64_t g = 0; g < a->Hkv; g++) {
        const Bf16 *k = qkv + (a->H + g) * head, *v = k + a->Hkv * head;
        Bf16 *dk = dqkv + (a->H + g) * head, *dv = dk + a->Hkv * head;
        head_in(a, n, pos, k, a->kn, s.k, &s);
        tiles_pair_transposed(D, N, s.k, E, s.kt, tiles_stride(D));
        for (int64_t c = 0; c < E; c += 32) tiles_pair_transposed(32, n, v + c * a->height, 32, s.vt + c / 32 * 2 * TILES_TILE, tiles_stride(D));
        tiles_pair(N, D, s.k, E, s.kp, tiles_stride(N));
        for (int64_t h = g * group; h < (g + 1) * group; h++) {
            head_in(a, n, pos, qkv + h * head, a->qn, s.q, &s);
            for (int64_t t = 0; t < N; t += 32)
                for (int64_t c = 0; c < E; c += 32) tiles_transpose(32, 32, s.q + t * E + c, E, s.qt + t * E + c * 32, 32);
            tiles_slices_transpose(n, E, dout + h * head, a->height, s.dt);
            deltas(n, E, out + h * head, dout + h * head, slice, s.delta);
            backward_head(a, n, pos, h, qkv + h * head, dout + h * head, lse, dqkv + h * head, dqn, h > g * group, &s);
        }
        tiles_transpose_f32(E, N, s.dkt, N, s.turned, E);
        head_back(a, n, pos, s.turned, E, k, a->kn, dkn, dk);
        tiles_transpose_f32(E, N, s.dvt, N, s.turned, E);
        for (int64_t t = 0; t < n; t++) scaled_row(E, s.turned + t * E, 1, dv + t * 32, slice);
    }
}
