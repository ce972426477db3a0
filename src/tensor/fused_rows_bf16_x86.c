/* tensor/fused_rows_bf16_x86.c -- norms, SwiGLU, residuals and the loss of fused.h: one pass over rows or squares that are in cache.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "tensor/fused.h"
#include "tensor/lanes_x86.h"

/* --- RMSNorm: C is a multiple of 32 ---------------------------------------------------------------------------- */

LANES_TARGET static float square_sum(int64_t C, const float *x)
{
    __m512 a = _mm512_setzero_ps(), b = a;
    for (int64_t c = 0; c < C; c += 32) {
        const __m512 u = _mm512_loadu_ps(x + c), v = _mm512_loadu_ps(x + c + 16);
        a = _mm512_fmadd_ps(u, u, a);
        b = _mm512_fmadd_ps(v, v, b);
    }
    return lanes_sum(_mm512_add_ps(a, b));
}

LANES_TARGET static void norm_row(int64_t C, const float *x, const float *w, float r, Bf16 *h, int64_t height)
{
    const __m512 rr = _mm512_set1_ps(r);
    for (int64_t c = 0; c < C; c += 32) {
        const __m512 low = _mm512_mul_ps(_mm512_loadu_ps(w + c), _mm512_mul_ps(_mm512_loadu_ps(x + c), rr));
        const __m512 high = _mm512_mul_ps(_mm512_loadu_ps(w + c + 16), _mm512_mul_ps(_mm512_loadu_ps(x + c + 16), rr));
        lanes_store_32(h + c * height, low, high);
    }
}

void fused_norm(int64_t T, int64_t C, const float *x, const float *w, float eps, float *r, Bf16 *h, int64_t height)
{
    for (int64_t t = 0; t < T; t++, x += C, h += 32) {
        r[t] = 1 / sqrtf(square_sum(C, x) / (float)C + eps);
        norm_row(C, x, w, r[t], h, height);
    }
}

void fused_norm_again(int64_t T, int64_t C, const float *x, const float *w, const float *r, Bf16 *h, int64_t height)
{
    for (int64_t t = 0; t < T; t++, x += C, h += 32) norm_row(C, x, w, r[t], h, height);
}

LANES_TARGET void fused_norm_bwd(int64_t T, int64_t C, const float *x, const float *w, const float *r, const float *dh, bool add, float *dx, float *dw)
{
    for (int64_t t = 0; t < T; t++, x += C, dh += C, dx += C) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t c = 0; c < C; c += 16)
            sum = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_loadu_ps(dh + c), _mm512_loadu_ps(w + c)), _mm512_loadu_ps(x + c), sum);
        const __m512 rt = _mm512_set1_ps(r[t]), k = _mm512_set1_ps(lanes_sum(sum) * r[t] * r[t] * r[t] / (float)C);
        for (int64_t c = 0; c < C; c += 16) {
            const __m512 xr = _mm512_loadu_ps(x + c), d = _mm512_mul_ps(_mm512_loadu_ps(dh + c), rt);
            const __m512 own = _mm512_fnmadd_ps(k, xr, _mm512_mul_ps(d, _mm512_loadu_ps(w + c)));
            _mm512_storeu_ps(dx + c, add ? _mm512_add_ps(_mm512_loadu_ps(dx + c), own) : own);
            _mm512_storeu_ps(dw + c, _mm512_fmadd_ps(d, xr, _mm512_loadu_ps(dw + c)));
        }
    }
}

/* --- squares of a product -------------------------------------------------------------------------------------- */

LANES_TARGET void fused_store(void *store, int64_t i, int64_t j, const float *c)
{
    const FusedStore *s = store;
    Bf16 *y = s->y + j * s->height + i * 32;
    for (int r = 0; r < 32; r++, c += 32, y += 32) lanes_store_32(y, _mm512_load_ps(c), _mm512_load_ps(c + 16));
}

LANES_TARGET void fused_residual(void *residual, int64_t i, int64_t j, const float *c)
{
    const FusedResidual *s = residual;
    const float *x = s->x + i * s->ld + j;
    float *y = s->y + i * s->ld + j;
    for (int r = 0; r < 32; r++, c += 32, x += s->ld, y += s->ld) {
        _mm512_storeu_ps(y, _mm512_add_ps(_mm512_loadu_ps(x), _mm512_load_ps(c)));
        _mm512_storeu_ps(y + 16, _mm512_add_ps(_mm512_loadu_ps(x + 16), _mm512_load_ps(c + 16)));
    }
}

LANES_TARGET void fused_swiglu(void *swiglu, int64_t i, int64_t j, const float *c)
{
    const FusedSwiglu *s = swiglu;
    Bf16 *gu = s->gu + j * s->height + i * 32, *act = s->act + j / 64 * 32 * s->height + i * 32 + j / 2 % 32;
    for (int r = 0; r < 32; r++, c += 32, gu += 32, act += 32) {
        const __m512 g = _mm512_load_ps(c), u = _mm512_load_ps(c + 16);
        lanes_store_32(gu, g, u);
        lanes_store(act, _mm512_mul_ps(_mm512_mul_ps(g, lanes_sigmoid(g)), u));
    }
}

LANES_TARGET void fused_swiglu_bwd(void *swiglu, int64_t i, int64_t j, const float *c)
{
    const FusedSwiglu *s = swiglu;
    const __m512 one = _mm512_set1_ps(1.0f);
    const Bf16 *gu = s->gu + 2 * j * s->height + i * 32;
    Bf16 *dgu = s->dgu + 2 * j * s->height + i * 32, *act = s->act + j * s->height + i * 32;
    for (int r = 0; r < 32; r++, gu += 32, dgu += 32, act += 32) {
        for (int half = 0; half < 2; half++, c += 16) {
            const Bf16 *own = gu + half * 32 * s->height;
            const __m512 g = lanes_load(own), u = lanes_load(own + 16), d = _mm512_load_ps(c);
            const __m512 sigmoid = lanes_sigmoid(g), silu = _mm512_mul_ps(g, sigmoid), slope = _mm512_fmadd_ps(silu, _mm512_sub_ps(one, sigmoid), sigmoid);
            lanes_store(act + 16 * half, _mm512_mul_ps(silu, u));
            lanes_store_32(dgu + half * 32 * s->height, _mm512_mul_ps(_mm512_mul_ps(d, u), slope), _mm512_mul_ps(d, silu));
        }
    }
}

/* --- loss ------------------------------------------------------------------------------------------------------ */

/* x[0..n) := exp(x - max); returns the sum. *max out. */
LANES_TARGET static float exponentials(int64_t n, float *x, float *max)
{
    const __m512 none = _mm512_set1_ps(-INFINITY);
    __m512 most = none, sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < n; j += 16) most = _mm512_max_ps(most, _mm512_mask_loadu_ps(none, lanes_of(n - j), x + j));
    *max = _mm512_reduce_max_ps(most);
    const __m512 m = _mm512_set1_ps(*max);
    for (int64_t j = 0; j < n; j += 16) {
        const __mmask16 mask = lanes_of(n - j);
        const __m512 e = lanes_exp(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + j), m));
        _mm512_mask_storeu_ps(x + j, mask, e);
        sum = _mm512_mask_add_ps(sum, mask, sum, e);
    }
    return lanes_sum(sum);
}

/* y, a row in slices: x[j] * factor for j in [from,to), 0 in the rest of [0,n). */
LANES_TARGET static void scaled(int64_t n, int64_t from, int64_t to, const float *x, float factor, Bf16 *y, int64_t height)
{
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t j = 0; j < n; j += 32) {
        const __mmask16 low = (__mmask16)(lanes_of(to - j) & ~lanes_of(from - j)), high = (__mmask16)(lanes_of(to - j - 16) & ~lanes_of(from - j - 16));
        lanes_store_32(y + j * height, _mm512_mul_ps(_mm512_maskz_loadu_ps(low, x + j), f), _mm512_mul_ps(_mm512_maskz_loadu_ps(high, x + j + 16), f));
    }
}

/* y -= log(x), up to sixteen of them */
LANES_TARGET static void subtract_logs(int64_t n, const float *x, float *y)
{
    const __mmask16 mask = lanes_of(n);
    const __m512 logs = lanes_log(_mm512_mask_loadu_ps(_mm512_set1_ps(1.0f), mask, x));
    _mm512_mask_storeu_ps(y, mask, _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, y), logs));
}

void fused_xent(int64_t n, int64_t ld, float *logits, int64_t first, int64_t lo, int64_t hi, const int32_t *range, const int32_t *target, const float *weight,
                float *logp, Bf16 *d, int64_t height)
{
    enum { GROUP = 16 };
    float sums[GROUP]; /* of the last rows, whose logarithms are taken together */
    for (int64_t i = 0; i < n; i++, logits += ld) {
        const int64_t from = (range != NULL ? range[2 * i] : lo) - first, to = (range != NULL ? range[2 * i + 1] : hi) - first, at = target[i] - first;
        float max;
        const float own = logits[at], sum = exponentials(to - from, logits + from, &max);
        logp[i] = own - max;
        sums[i % GROUP] = sum;
        if (i % GROUP == GROUP - 1 || i == n - 1) subtract_logs(i % GROUP + 1, sums, logp + i / GROUP * GROUP);
        if (d == NULL) continue;
        scaled(ld, from, to, logits, weight[i] / sum, d + i * 32, height);
        d[at / 32 * 32 * height + i * 32 + at % 32] = tiles_bf16(logits[at] * (weight[i] / sum) - weight[i]);
    }
}
