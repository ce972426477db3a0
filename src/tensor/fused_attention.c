/* tensor/fused_attention.c -- causal attention of one sequence with QK-norm and rotary positions, forward and backward, its products on tiles; see fused.h.
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
#include "tensor/vmath.h"

enum { BLOCK = 32, MAX_D = 256 };

/* N: n rounded up, E: D rounded up, both to 32. */
typedef struct Scratch {
    int64_t N, E;
    Bf16 *k, *v, *q, *d;            /* (N,E) rows, zero past n and D */
    Bf16 *kt, *vt, *kp, *vp;        /* panels of K^T, V^T, K, V */
    Bf16 *qt, *dt;                  /* (E,N) rows of Q^T, dO^T */
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
    TAKE(v, N * E);
    TAKE(q, N * E);
    TAKE(d, N * E);
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

int64_t fused_attention_scratch(const FusedAttention *a, int64_t n)
{
    Scratch s;
    return carve(NULL, n, a->D, &s);
}

/* --- rows of a head -------------------------------------------------------------------------------------------- */

#define ROW static inline __attribute__((always_inline))

/* x / rms(x), times w; returns 1/rms. */
ROW float normalise(int64_t D, float *x, const float *w, float eps)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < D; i++) sum += x[i] * x[i];
    const float r = 1 / sqrtf(sum / (float)D + eps);
#pragma omp simd
    for (int64_t i = 0; i < D; i++) x[i] = w[i] * (x[i] * r);
    return r;
}

/* sign 1: forward; -1: back */
ROW void turn(int64_t D, const float *co, float sign, float *x)
{
    const float *si = co + D / 2;
    float *y = x + D / 2;
#pragma omp simd
    for (int64_t i = 0; i < D / 2; i++) {
        const float u = x[i], v = y[i], s = sign * si[i];
        x[i] = u * co[i] - v * s;
        y[i] = v * co[i] + u * s;
    }
}

ROW void rows_in(int64_t D, const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *x, int64_t ldx, const float *w, Bf16 *out, int64_t E)
{
    float y[MAX_D];
    for (int64_t t = 0; t < n; t++, x += ldx, out += E) {
#pragma omp simd
        for (int64_t i = 0; i < D; i++) y[i] = tiles_float(x[i]);
        if (w != NULL) normalise(D, y, w, a->eps);
        turn(D, a->rope + pos[t] * D, 1, y);
#pragma omp simd
        for (int64_t i = 0; i < D; i++) out[i] = tiles_bf16(y[i]);
    }
}

/* Queries or keys of a head, ready for the product; rows past n and columns past D zero. */
static void head_in(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *x, int64_t ldx, const float *w, Bf16 *out, const Scratch *s)
{
    memset(out + n * s->E, 0, (size_t)((s->N - n) * s->E) * sizeof *out);
    if (a->D == 32) {
        rows_in(32, a, n, pos, x, ldx, w, out, 32);
    } else if (a->D == 64) {
        rows_in(64, a, n, pos, x, ldx, w, out, 64);
    } else {
        for (int64_t t = 0; t < n; t++) memset(out + t * s->E + a->D, 0, (size_t)(s->E - a->D) * sizeof *out);
        rows_in(a->D, a, n, pos, x, ldx, w, out, s->E);
    }
}

/* Values or output gradients of a head: as they are, padded with zeros. */
static void head_copy(int64_t n, int64_t D, const Bf16 *x, int64_t ldx, Bf16 *out, const Scratch *s)
{
    for (int64_t t = 0; t < n; t++) {
        memcpy(out + t * s->E, x + t * ldx, (size_t)D * sizeof *out);
        memset(out + t * s->E + D, 0, (size_t)(s->E - D) * sizeof *out);
    }
    memset(out + n * s->E, 0, (size_t)((s->N - n) * s->E) * sizeof *out);
}

ROW void rows_back(int64_t D, const FusedAttention *a, int64_t n, const int32_t *pos, const float *g, int64_t ldg, const Bf16 *x, int64_t ldx, const float *w,
                   float *dw, Bf16 *dx)
{
    float y[MAX_D], raw[MAX_D];
    for (int64_t t = 0; t < n; t++, g += ldg, x += ldx, dx += ldx) {
#pragma omp simd
        for (int64_t i = 0; i < D; i++) y[i] = g[i];
        turn(D, a->rope + pos[t] * D, -1, y);
        if (w != NULL) {
            float square = 0, sum = 0;
#pragma omp simd reduction(+ : square, sum)
            for (int64_t i = 0; i < D; i++) {
                raw[i] = tiles_float(x[i]);
                square += raw[i] * raw[i];
                sum += y[i] * w[i] * raw[i];
            }
            const float r = 1 / sqrtf(square / (float)D + a->eps), k = sum * r * r * r / (float)D;
#pragma omp simd
            for (int64_t i = 0; i < D; i++) {
                dw[i] += y[i] * (raw[i] * r);
                y[i] = r * (y[i] * w[i]) - k * raw[i];
            }
        }
#pragma omp simd
        for (int64_t i = 0; i < D; i++) dx[i] = tiles_bf16(y[i]);
    }
}

/* Gradients of n rows of queries or keys, back through rotation and norm; x: the rows as they came. */
static void head_back(const FusedAttention *a, int64_t n, const int32_t *pos, const float *g, int64_t ldg, const Bf16 *x, int64_t ldx, const float *w, float *dw,
                      Bf16 *dx)
{
    if (a->D == 32) {
        rows_back(32, a, n, pos, g, ldg, x, ldx, w, dw, dx);
    } else if (a->D == 64) {
        rows_back(64, a, n, pos, g, ldg, x, ldx, w, dw, dx);
    } else {
        rows_back(a->D, a, n, pos, g, ldg, x, ldx, w, dw, dx);
    }
}

/* --- forward --------------------------------------------------------------------------------------------------- */

/* Row t of a block whose scores x reach to `wide`: x := exponentials, 0 past t; p = x in bfloat16. Returns the sum; *lse out. */
static float softmax_row(int64_t t, int64_t wide, float scale, float *x, Bf16 *p, float *lse)
{
    float max = -INFINITY, sum = 0;
    for (int64_t j = t + 1; j < wide; j++) x[j] = -INFINITY;
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < wide; j++) max = x[j] > max ? x[j] : max;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < wide; j++) {
        const float e = vmath_exp_f32(scale * (x[j] - max));
        sum += e;
        p[j] = tiles_bf16(e);
    }
    *lse = scale * max + logf(sum);
    return sum;
}

static void forward_head(const FusedAttention *a, int64_t n, int64_t h, Bf16 *out, int64_t ldo, float *lse, const Scratch *s)
{
    const int64_t N = s->N, E = s->E;
    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        const int64_t wide = i0 + BLOCK, rows = n - i0 < BLOCK ? n - i0 : BLOCK;
        float inverse[BLOCK];
        tiles_product(BLOCK, wide, a->D, s->q + i0 * E, E, s->kt, tiles_stride(a->D), false, s->s, N);
        for (int64_t i = 0; i < rows; i++) inverse[i] = 1 / softmax_row(i0 + i, wide, a->scale, s->s + i * N, s->p + i * N, &lse[(i0 + i) * a->H + h]);
        for (int64_t i = rows; i < BLOCK; i++) memset(s->p + i * N, 0, (size_t)wide * sizeof *s->p);
        tiles_product(BLOCK, a->D, wide, s->p, N, s->vp, tiles_stride(N), false, s->o, E);
        for (int64_t i = 0; i < rows; i++) {
            Bf16 *y = out + (i0 + i) * ldo + h * a->D;
            const float *o = s->o + i * E, f = inverse[i];
#pragma omp simd
            for (int64_t c = 0; c < a->D; c++) y[c] = tiles_bf16(o[c] * f);
        }
    }
}

void fused_attention(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, int64_t ldqkv, Bf16 *out, int64_t ldo, float *lse, void *scratch)
{
    REQUIRE(a->D <= MAX_D && a->D % 2 == 0 && a->H % a->Hkv == 0, "%lld heads of %lld", (long long)a->H, (long long)a->D);
    Scratch s;
    carve(scratch, n, a->D, &s);
    const int64_t D = a->D, group = a->H / a->Hkv;
    for (int64_t g = 0; g < a->Hkv; g++) {
        const Bf16 *k = qkv + (a->H + g) * D, *v = k + a->Hkv * D;
        head_in(a, n, pos, k, ldqkv, a->kn, s.k, &s);
        tiles_pair_transposed(D, s.N, s.k, s.E, s.kt, tiles_stride(D));
        tiles_pair(n, D, v, ldqkv, s.vp, tiles_stride(s.N));
        for (int64_t h = g * group; h < (g + 1) * group; h++) {
            head_in(a, n, pos, qkv + h * D, ldqkv, a->qn, s.q, &s);
            forward_head(a, n, h, out, ldo, lse, &s);
        }
    }
}

/* --- backward -------------------------------------------------------------------------------------------------- */

/* Row t: scores x and gradients dp of the probabilities, up to `wide`, to p and the scores' gradient ds, both 0 past t. */
static void backward_row(int64_t t, int64_t wide, float scale, float lse, float delta, float *x, const float *dp, Bf16 *p, Bf16 *ds)
{
    for (int64_t j = t + 1; j < wide; j++) x[j] = -INFINITY;
#pragma omp simd
    for (int64_t j = 0; j < wide; j++) {
        const float e = vmath_exp_f32(scale * x[j] - lse);
        p[j] = tiles_bf16(e);
        ds[j] = tiles_bf16(scale * e * (dp[j] - delta));
    }
}

static void deltas(int64_t n, int64_t D, const Bf16 *out, const Bf16 *dout, int64_t ld, float *delta)
{
    for (int64_t t = 0; t < n; t++) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < D; c++) sum += tiles_float(out[t * ld + c]) * tiles_float(dout[t * ld + c]);
        delta[t] = sum;
    }
}

/* One query head: its dqkv rows; dkt and dvt, or additions to them. */
static void backward_head(const FusedAttention *a, int64_t n, const int32_t *pos, int64_t h, const Bf16 *qkv, int64_t ldqkv, const float *lse, Bf16 *dqkv, float *dqn,
                          bool add, const Scratch *s)
{
    const int64_t N = s->N, E = s->E, D = a->D, stride = tiles_stride(N);
    for (int64_t i0 = 0; i0 < n; i0 += BLOCK) {
        const int64_t wide = i0 + BLOCK, rows = n - i0 < BLOCK ? n - i0 : BLOCK;
        tiles_product(BLOCK, wide, D, s->q + i0 * E, E, s->kt, tiles_stride(D), false, s->s, N);
        tiles_product(BLOCK, wide, D, s->d + i0 * E, E, s->vt, tiles_stride(D), false, s->dp, N);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t t = i0 + i;
            backward_row(t, wide, a->scale, lse[t * a->H + h], s->delta[t], s->s + i * N, s->dp + i * N, s->p + i * N, s->ds + i * N);
        }
        tiles_pair(rows, wide, s->p, N, s->pp + i0 / BLOCK * 2 * TILES_TILE, stride);
        tiles_pair(rows, wide, s->ds, N, s->dsp + i0 / BLOCK * 2 * TILES_TILE, stride);
        tiles_product(BLOCK, D, wide, s->ds, N, s->kp, stride, false, s->o, E);
        head_back(a, rows, pos + i0, s->o, E, qkv + i0 * ldqkv + h * D, ldqkv, a->qn, dqn, dqkv + i0 * ldqkv + h * D);
    }
    for (int64_t j = 0; j < n; j += BLOCK) {
        const int64_t at = j / BLOCK * (stride + 2 * TILES_TILE);
        tiles_product(E, BLOCK, N - j, s->dt + j, N, s->pp + at, stride, add, s->dvt + j, N);
        tiles_product(E, BLOCK, N - j, s->qt + j, N, s->dsp + at, stride, add, s->dkt + j, N);
    }
}

void fused_attention_bwd(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, int64_t ldqkv, const Bf16 *out, const Bf16 *dout, int64_t ldo,
                         const float *lse, Bf16 *dqkv, float *dqn, float *dkn, void *scratch)
{
    Scratch s;
    carve(scratch, n, a->D, &s);
    const int64_t D = a->D, N = s.N, E = s.E, group = a->H / a->Hkv;
    for (int64_t g = 0; g < a->Hkv; g++) {
        const Bf16 *k = qkv + (a->H + g) * D, *v = k + a->Hkv * D;
        Bf16 *dk = dqkv + (a->H + g) * D, *dv = dk + a->Hkv * D;
        head_in(a, n, pos, k, ldqkv, a->kn, s.k, &s);
        head_copy(n, D, v, ldqkv, s.v, &s);
        tiles_pair_transposed(D, N, s.k, E, s.kt, tiles_stride(D));
        tiles_pair_transposed(D, N, s.v, E, s.vt, tiles_stride(D));
        tiles_pair(N, D, s.k, E, s.kp, tiles_stride(N));
        for (int64_t h = g * group; h < (g + 1) * group; h++) {
            head_in(a, n, pos, qkv + h * D, ldqkv, a->qn, s.q, &s);
            head_copy(n, D, dout + h * D, ldo, s.d, &s);
            tiles_transpose(N, D, s.q, E, s.qt, N);
            tiles_transpose(N, D, s.d, E, s.dt, N);
            deltas(n, D, out + h * D, dout + h * D, ldo, s.delta);
            backward_head(a, n, pos, h, qkv, ldqkv, lse, dqkv, dqn, h > g * group, &s);
        }
        tiles_transpose_f32(E, N, s.dkt, N, s.turned, E);
        head_back(a, n, pos, s.turned, E, k, ldqkv, a->kn, dkn, dk);
        tiles_transpose_f32(E, N, s.dvt, N, s.turned, E);
        for (int64_t t = 0; t < n; t++) {
#pragma omp simd
            for (int64_t c = 0; c < D; c++) dv[t * ldqkv + c] = tiles_bf16(s.turned[t * E + c]);
        }
    }
}
