/* tensor/fused_rows.c -- norms, SwiGLU, residuals and the loss of fused.h: one pass over rows or squares that are in cache.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "tensor/fused.h"
#include "tensor/vmath.h"

/* --- RMSNorm --------------------------------------------------------------------------------------------------- */

static inline float dot(int64_t n, const float *x, const float *y)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static inline void norm_row(int64_t C, const float *x, const float *w, float r, Bf16 *h)
{
#pragma omp simd
    for (int64_t c = 0; c < C; c++) h[c] = tiles_bf16(w[c] * (x[c] * r));
}

void fused_norm(int64_t T, int64_t C, const float *x, const float *w, float eps, float *r, Bf16 *h)
{
    for (int64_t t = 0; t < T; t++, x += C, h += C) {
        r[t] = 1 / sqrtf(dot(C, x, x) / (float)C + eps);
        norm_row(C, x, w, r[t], h);
    }
}

void fused_norm_again(int64_t T, int64_t C, const float *x, const float *w, const float *r, Bf16 *h)
{
    for (int64_t t = 0; t < T; t++, x += C, h += C) norm_row(C, x, w, r[t], h);
}

void fused_norm_bwd(int64_t T, int64_t C, const float *x, const float *w, const float *r, const float *dh, bool add, float *dx, float *dw)
{
    for (int64_t t = 0; t < T; t++, x += C, dh += C, dx += C) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < C; c++) sum += dh[c] * w[c] * x[c];
        const float rt = r[t], k = sum * rt * rt * rt / (float)C;
        if (add) {
#pragma omp simd
            for (int64_t c = 0; c < C; c++) dx[c] += rt * (dh[c] * w[c]) - k * x[c];
        } else {
#pragma omp simd
            for (int64_t c = 0; c < C; c++) dx[c] = rt * (dh[c] * w[c]) - k * x[c];
        }
#pragma omp simd
        for (int64_t c = 0; c < C; c++) dw[c] += dh[c] * (x[c] * rt);
    }
}

/* --- squares of a product -------------------------------------------------------------------------------------- */

void fused_store(void *store, int64_t i, int64_t j, const float *c)
{
    const FusedStore *s = store;
    for (int r = 0; r < 32; r++, c += 32) {
        Bf16 *y = s->y + (i + r) * s->ld + j;
#pragma omp simd
        for (int x = 0; x < 32; x++) y[x] = tiles_bf16(c[x]);
    }
}

void fused_residual(void *residual, int64_t i, int64_t j, const float *c)
{
    const FusedResidual *s = residual;
    for (int r = 0; r < 32; r++, c += 32) {
        const float *x = s->x + (i + r) * s->ld + j;
        float *y = s->y + (i + r) * s->ld + j;
#pragma omp simd
        for (int q = 0; q < 32; q++) y[q] = x[q] + c[q];
    }
}

void fused_swiglu(void *swiglu, int64_t i, int64_t j, const float *c)
{
    const FusedSwiglu *s = swiglu;
    for (int r = 0; r < 32; r++, c += 32) {
        Bf16 *gu = s->gu + (i + r) * 2 * s->F + j, *act = s->act + (i + r) * s->F + j / 2;
#pragma omp simd
        for (int x = 0; x < 32; x++) gu[x] = tiles_bf16(c[x]);
#pragma omp simd
        for (int x = 0; x < 16; x++) act[x] = tiles_bf16(c[x] / (1 + vmath_exp_f32(-c[x])) * c[x + 16]);
    }
}

void fused_swiglu_bwd(void *swiglu, int64_t i, int64_t j, const float *c)
{
    const FusedSwiglu *s = swiglu;
    for (int r = 0; r < 32; r++) {
        const int64_t at = (i + r) * 2 * s->F + 2 * j;
        for (int half = 0; half < 2; half++, c += 16) {
            const Bf16 *gu = s->gu + at + 32 * half;
            Bf16 *dgu = s->dgu + at + 32 * half, *act = s->act + (i + r) * s->F + j + 16 * half;
#pragma omp simd
            for (int x = 0; x < 16; x++) {
                const float g = tiles_float(gu[x]), u = tiles_float(gu[x + 16]), sigmoid = 1 / (1 + vmath_exp_f32(-g)), silu = g * sigmoid, d = c[x];
                act[x] = tiles_bf16(silu * u);
                dgu[x] = tiles_bf16(d * u * (sigmoid + silu * (1 - sigmoid)));
                dgu[x + 16] = tiles_bf16(d * silu);
            }
        }
    }
}

/* --- loss ------------------------------------------------------------------------------------------------------ */

/* x[0..n) := exp(x - max); returns the sum. *max out. */
static inline float exponentials(int64_t n, float *x, float *max)
{
    float m = -INFINITY, sum = 0;
#pragma omp simd reduction(max : m)
    for (int64_t j = 0; j < n; j++) m = x[j] > m ? x[j] : m;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) {
        x[j] = vmath_exp_f32(x[j] - m);
        sum += x[j];
    }
    *max = m;
    return sum;
}

void fused_xent(int64_t n, int64_t ld, float *logits, int64_t first, int64_t lo, int64_t hi, const int32_t *range, const int32_t *target, const float *weight,
                float *logp, Bf16 *d)
{
    for (int64_t i = 0; i < n; i++, logits += ld) {
        const int64_t from = (range != NULL ? range[2 * i] : lo) - first, to = (range != NULL ? range[2 * i + 1] : hi) - first, at = target[i] - first;
        float *x = logits + from, max;
        const float own = logits[at], sum = exponentials(to - from, x, &max);
        logp[i] = own - max - logf(sum);
        if (d == NULL) continue;
        Bf16 *out = d + i * ld;
        const float scale = weight[i] / sum;
        memset(out, 0, (size_t)from * sizeof *out);
#pragma omp simd
        for (int64_t j = from; j < to; j++) out[j] = tiles_bf16(logits[j] * scale);
        memset(out + to, 0, (size_t)(ld - to) * sizeof *out);
        out[at] = tiles_bf16(logits[at] * scale - weight[i]);
    }
}
