/* tensor/backend_cpu_attention.c -- rotary positions, causal attention over packed short sequences, and decoding with shared prefixes.
 *
 * A thread takes one (sequence, head) at a time: its keys and values (tens of rows of D) stay in L1.
 *
 * Deviations from the paper: none.
 */
#include <omp.h>
#include <string.h>
#include <tgmath.h>

#include "tensor/backend.h"
#include "tensor/backend_cpu_internal.h"
#include "tensor/dropout.h"
#include "tensor/vmath.h"

static void cpu_rope(Backend *be, int64_t T, int64_t H, int64_t D, const int32_t *pos, real theta, int sign, real *x,
                     int64_t ldx)
{
    REQUIRE(D % 2 == 0, "rotary head size %lld is odd", (long long)D);
    const int64_t half = D / 2;
    int64_t max_pos = 0;
    for (int64_t t = 0; t < T; t++) max_pos = pos[t] > max_pos ? pos[t] : max_pos;
    int64_t stride;
    real *table = cpu_scratch(be, (max_pos + 1) * D, &stride); /* cos and sin of every position in use */
    for (int64_t i = 0; i < half; i++) {
        double f = pow((double)theta, -2.0 * (double)i / (double)D);
        for (int64_t p = 0; p <= max_pos; p++) {
            table[p * D + i] = (real)cos((double)p * f);
            table[p * D + half + i] = (real)(sign * sin((double)p * f));
        }
    }
    int threads = cpu_threads(be, T * H * D);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const real *co = table + pos[t] * D, *si = co + half;
        for (int64_t h = 0; h < H; h++) {
            real *u = x + t * ldx + h * D, *v = u + half;
            for (int64_t i = 0; i < half; i++) {
                real a = u[i], b = v[i];
                u[i] = a * co[i] - b * si[i];
                v[i] = b * co[i] + a * si[i];
            }
        }
    }
}

static real dot(int64_t n, const real *a, const real *b)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add_scaled(int64_t n, real alpha, const real *x, real *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

/* x[i] := exp(x[i] - max x); returns the sum, *max the maximum. */
static real exp_row(int64_t n, real *x, real *max)
{
    real m = vmath_max(n, x), sum = 0;
    for (int64_t i = 0; i < n; i++) x[i] = vmath_exp(x[i] - m);
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i];
    *max = m;
    return sum;
}

/* keep[s] = factor of probability (t,h,s): 0 or 1/(1-p). */
static void keep_row(const Packed *pk, Dropout drop, int64_t row, int64_t n, real *keep)
{
    const uint32_t threshold = dropout_threshold(drop);
    const real factor = dropout_factor(drop);
    uint32_t u16[DROPOUT_BLOCK];
    uint64_t loaded = UINT64_MAX;
    for (int64_t s = 0; s < n; s++) {
        uint64_t e = (uint64_t)(row * pk->max_len + s);
        if (e / DROPOUT_BLOCK != loaded) {
            loaded = e / DROPOUT_BLOCK;
            dropout_bits(drop, loaded, u16);
        }
        keep[s] = u16[e % DROPOUT_BLOCK] >= threshold ? factor : 0;
    }
}

static void cpu_attention(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                          const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, real *out, real *lse)
{
    REQUIRE(H % Hkv == 0, "%lld query heads over %lld key heads", (long long)H, (long long)Hkv);
    int threads = cpu_threads(be, pk->T * H * D * 8);
    int64_t stride;
    real *scratch = cpu_scratch(be, 2 * pk->max_len, &stride);
#pragma omp parallel num_threads(threads)
    {
        int me = omp_get_thread_num();
        real *p = scratch + me * stride, *keep = p + pk->max_len;
#pragma omp for schedule(static, 1)
        for (int64_t bh = 0; bh < pk->B * H; bh++) {
            const int64_t b = bh / H, h = bh % H, g = h * Hkv / H, first = pk->h_offset[b], end = pk->h_offset[b + 1];
            const real *kh = k + first * ldkv + g * D, *vh = v + first * ldkv + g * D;
            for (int64_t t = first; t < end; t++) {
                const int64_t n = t - first + 1;
                const real *qt = q + t * ldq + h * D;
                for (int64_t s = 0; s < n; s++) p[s] = scale * dot(D, qt, kh + s * ldkv);
                real max, sum = exp_row(n, p, &max);
                lse[t * H + h] = max + log(sum);
                if (drop.p > 0) {
                    keep_row(pk, drop, t * H + h, n, keep);
                    for (int64_t s = 0; s < n; s++) p[s] *= keep[s];
                }
                real *o = out + (t * H + h) * D;
                memset(o, 0, (size_t)D * sizeof(real));
                for (int64_t s = 0; s < n; s++) add_scaled(D, p[s] / sum, vh + s * ldkv, o);
            }
        }
    }
}

/* A thread takes one (sequence, key head): the query heads that share it are summed in order. */
static void cpu_attention_bwd(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                              const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, const real *out,
                              const real *lse, const real *dout, real *dq, int64_t lddq, real *dk, real *dv, int64_t lddkv)
{
    int threads = cpu_threads(be, pk->T * H * D * 16);
    const int64_t group = H / Hkv;
    int64_t stride;
    real *scratch = cpu_scratch(be, pk->max_len, &stride);
#pragma omp parallel num_threads(threads)
    {
        int me = omp_get_thread_num();
        real *keep = scratch + me * stride;
#pragma omp for schedule(static, 1)
        for (int64_t bg = 0; bg < pk->B * Hkv; bg++) {
            const int64_t b = bg / Hkv, g = bg % Hkv, first = pk->h_offset[b], end = pk->h_offset[b + 1];
            const real *kh = k + first * ldkv + g * D, *vh = v + first * ldkv + g * D;
            real *dkh = dk + first * lddkv + g * D, *dvh = dv + first * lddkv + g * D;
            for (int64_t s = 0; s < end - first; s++) {
                memset(dkh + s * lddkv, 0, (size_t)D * sizeof(real));
                memset(dvh + s * lddkv, 0, (size_t)D * sizeof(real));
            }
            for (int64_t h = g * group; h < (g + 1) * group; h++) {
                for (int64_t t = first; t < end; t++) {
                    const int64_t n = t - first + 1;
                    const real *qt = q + t * ldq + h * D, *d = dout + (t * H + h) * D;
                    real *dqt = dq + t * lddq + h * D, delta = dot(D, d, out + (t * H + h) * D), L = lse[t * H + h];
                    memset(dqt, 0, (size_t)D * sizeof(real));
                    if (drop.p > 0) keep_row(pk, drop, t * H + h, n, keep);
                    for (int64_t s = 0; s < n; s++) {
                        real p = vmath_exp(scale * dot(D, qt, kh + s * ldkv) - L), kp = drop.p > 0 ? keep[s] : 1;
                        real ds = scale * p * (kp * dot(D, d, vh + s * ldkv) - delta);
                        add_scaled(D, ds, kh + s * ldkv, dqt);
                        add_scaled(D, ds, qt, dkh + s * lddkv);
                        add_scaled(D, kp * p, d, dvh + s * lddkv);
                    }
                }
            }
        }
    }
}

static void cpu_attention_decode(Backend *be, int64_t R, int64_t H, int64_t Hkv, int64_t D, real scale, const real *q,
                                 int64_t ldq, const int32_t *owner, const int32_t *prefix_offset, const real *pk_k,
                                 const real *pk_v, int64_t S, int64_t n_suf, const real *suf_k, const real *suf_v, real *out)
{
    const int64_t width = Hkv * D;
    int64_t longest = 0;
    for (int64_t r = 0; r < R; r++) {
        int64_t n = prefix_offset[owner[r] + 1] - prefix_offset[owner[r]];
        longest = n > longest ? n : longest;
    }
    int threads = cpu_threads(be, R * H * D * (longest + n_suf));
    int64_t stride;
    real *scratch = cpu_scratch(be, longest + n_suf, &stride);
#pragma omp parallel num_threads(threads)
    {
        real *p = scratch + omp_get_thread_num() * stride;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < R; r++) {
            const int64_t first = prefix_offset[owner[r]], np = prefix_offset[owner[r] + 1] - first;
            for (int64_t h = 0; h < H; h++) {
                const int64_t g = h * Hkv / H;
                const real *qr = q + r * ldq + h * D, *kp = pk_k + first * width + g * D, *vp = pk_v + first * width + g * D;
                const real *ks = suf_k + r * S * width + g * D, *vs = suf_v + r * S * width + g * D;
                for (int64_t i = 0; i < np; i++) p[i] = scale * dot(D, qr, kp + i * width);
                for (int64_t i = 0; i < n_suf; i++) p[np + i] = scale * dot(D, qr, ks + i * width);
                real max, sum = exp_row(np + n_suf, p, &max), *o = out + (r * H + h) * D;
                memset(o, 0, (size_t)D * sizeof(real));
                for (int64_t i = 0; i < np; i++) add_scaled(D, p[i] / sum, vp + i * width, o);
                for (int64_t i = 0; i < n_suf; i++) add_scaled(D, p[np + i] / sum, vs + i * width, o);
            }
        }
    }
}

void backend_cpu_fill_attention(Backend *be)
{
    be->rope = cpu_rope;
    be->attention = cpu_attention;
    be->attention_bwd = cpu_attention_bwd;
    be->attention_decode = cpu_attention_decode;
}
