/* tensor/panel_rows.c -- what lies between the products of cached decoding, on rows that are in the cache, for the thread that calls; see panel.h.
 *
 * Deviations from the paper: none.
 */
#include <string.h>
#include <tgmath.h>

#include "base/status.h"
#include "tensor/panel.h"

/* y = w * x / rms(x); y may be x */
static inline __attribute__((always_inline)) void norm_row(int64_t n, const real *x, const real *w, real eps, real *y)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    const real r = 1 / sqrt(sum / (real)n + eps);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = w[i] * (x[i] * r);
}

void panel_rmsnorm(int64_t m, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y, int64_t ldy)
{
    for (int64_t t = 0; t < m; t++) norm_row(C, x + t * ldx, w, eps, y + t * ldy);
}

void panel_rope_table(int64_t positions, int64_t D, double theta, real *table)
{
    REQUIRE(D % 2 == 0, "rotary head size %lld is odd", (long long)D);
    for (int64_t i = 0; i < D / 2; i++) {
        const double f = pow(theta, -2.0 * (double)i / (double)D);
        for (int64_t p = 0; p < positions; p++) {
            table[p * D + i] = (real)cos((double)p * f);
            table[p * D + D / 2 + i] = (real)sin((double)p * f);
        }
    }
}

/* co: cosines of the position's angles, then sines */
static inline __attribute__((always_inline)) void turn(int64_t half, const real *co, real *u)
{
    const real *si = co + half;
    real *v = u + half;
#pragma omp simd
    for (int64_t i = 0; i < half; i++) {
        const real a = u[i], b = v[i];
        u[i] = a * co[i] - b * si[i];
        v[i] = b * co[i] + a * si[i];
    }
}

/* One row; D is known to the compiler where the caller's is. */
static inline __attribute__((always_inline)) void heads_of_row(const PanelHeads *f, int64_t D, const real *co, real *x)
{
    for (int64_t h = 0; h < f->H + f->Hkv; h++, x += D) {
        if (f->qn != NULL) norm_row(D, x, h < f->H ? f->qn : f->kn, f->eps, x);
        turn(D / 2, co, x);
    }
}

void panel_heads(const PanelHeads *f, int64_t m, const int32_t *pos, real *qkv, real *k, real *v, int64_t ldkv)
{
    const int64_t D = f->D, q = f->H * D, kv = f->Hkv * D, ld = q + 2 * kv;
    for (int64_t t = 0; t < m; t++, qkv += ld) {
        const real *co = f->rope + pos[t] * D;
        for (int64_t i = 0; f->bias != NULL && i < ld; i++) qkv[i] += f->bias[i];
        if (D == 32) {
            heads_of_row(f, 32, co, qkv);
        } else if (D == 64) {
            heads_of_row(f, 64, co, qkv);
        } else {
            heads_of_row(f, D, co, qkv);
        }
        memcpy(k + t * ldkv, qkv + q, (size_t)kv * sizeof(real));
        memcpy(v + t * ldkv, qkv + q + kv, (size_t)kv * sizeof(real));
    }
}
