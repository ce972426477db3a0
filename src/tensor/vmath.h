/* tensor/vmath.h -- exp, sigmoid, tanh and the normal distribution as straight-line code that the compiler can vectorise.
 *
 * In float: x = n ln2 + r with |r| <= ln2/2, e^r by a polynomial of degree 7, scaled by 2^n in two steps so that overflow gives
 * infinity and underflow goes through the denormals to 0. Largest error about 1 unit in the last place (test_tensor.c measures it).
 * NaN stays NaN. In double: the library's exp.
 */
#ifndef DIGR_TENSOR_VMATH_H
#define DIGR_TENSOR_VMATH_H

#include <math.h>
#include <stdint.h>

#include "base/dims.h"

typedef union FloatBits { float f; int32_t i; uint32_t u; } FloatBits;

static inline float vmath_exp_f32(float x)
{
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    /* 1.5 * 2^23: adding it rounds to the nearest integer, which then sits in the low bits */
    FloatBits t = {.f = fmaf(x, 1.44269504088896341f, 12582912.0f)};
    float n = t.f - 12582912.0f;
    float r = fmaf(n, -0.693145751953125f, x);
    r = fmaf(n, -1.42860682030941723e-6f, r);
    float p = 1.9841270e-4f;
    p = fmaf(p, r, 1.3888889e-3f);
    p = fmaf(p, r, 8.3333333e-3f);
    p = fmaf(p, r, 4.1666667e-2f);
    p = fmaf(p, r, 1.6666667e-1f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r * r, r) + 1.0f;
    int32_t k = t.i - 0x4b400000, half = k >> 1;
    /* unsigned: NaN leaves any bits in k, and a product with NaN is NaN whatever the factor */
    FloatBits a = {.i = (int32_t)((uint32_t)(half + 127) << 23)}, b = {.i = (int32_t)((uint32_t)(k - half + 127) << 23)};
    return p * a.f * b.f;
}

#define vmath_exp(x) _Generic((x), float: vmath_exp_f32, double: exp)(x)

/* vmath_sigmoid -- 1 / (1 + e^-x). vmath_tanh -- in float below 5/8 an odd polynomial of degree 11 (Cephes), above 1 - 2 / (e^(2|x|) + 1), which loses
 * nothing there. Both right to 3 units in the last place (test_tensor.c). */
#define vmath_sigmoid(x) (1 / (1 + vmath_exp(-(x))))

static inline float vmath_tanh_f32(float x)
{
    const float a = fabsf(x), z = x * x;
    const float outer = 1.0f - 2.0f / (vmath_exp_f32(a + a) + 1.0f);
    float p = -5.70498872745e-3f;
    p = fmaf(p, z, 2.06390887954e-2f);
    p = fmaf(p, z, -5.37397155531e-2f);
    p = fmaf(p, z, 1.33314422036e-1f);
    p = fmaf(p, z, -3.33332819422e-1f);
    const float inner = fmaf(p * z, x, x);
    return a < 0.625f ? inner : copysignf(outer, x);
}

#define vmath_tanh(x) _Generic((x), float: vmath_tanh_f32, double: tanh)(x)

/* vmath_normal -- Phi(x) and phi(x) of the standard normal distribution: *cdf and *pdf.
 * In float, with z = |x|: Phi(-z) = e^(-z^2/2) P(q) / (z+3), q = (z-3)/(z+3), P of degree 10 for z <= 15.2 (relative error 1.2e-9 before rounding); beyond,
 * the result is 0 or 1. The rounding error of z^2 is put back through the exponential. Either tail is right to 5 units in the last
 * place, far out too (test_tensor.c); the library's erfcf of a rounded x/sqrt(2) is off by z^2 units. */
static inline void vmath_normal_f32(float x, float *cdf, float *pdf)
{
    float z = x < 0 ? -x : x;
    z = z > 15.0f ? 15.0f : z;
    const float square = z * z, left_out = fmaf(z, z, -square), r = 1.0f / (z + 3.0f), q = (z - 3.0f) * r;
    float e = vmath_exp_f32(-0.5f * square);
    e = fmaf(-0.5f * left_out, e, e);
    float p = 5.5535499e-5f;
    p = fmaf(p, q, 1.3337855e-4f);
    p = fmaf(p, q, -2.4476503e-4f);
    p = fmaf(p, q, -1.0345584e-3f);
    p = fmaf(p, q, 1.0241760e-3f);
    p = fmaf(p, q, 6.9699581e-3f);
    p = fmaf(p, q, -1.0462290e-2f);
    p = fmaf(p, q, -4.7262768e-2f);
    p = fmaf(p, q, 2.3001768e-1f);
    p = fmaf(p, q, -5.0933199e-1f);
    p = fmaf(p, q, 7.2908369e-1f);
    const float tail = p * r * e;
    *cdf = x < 0 ? tail : 1.0f - tail;
    *pdf = 0.398942280401432678f * e;
}

static inline void vmath_normal_f64(double x, double *cdf, double *pdf)
{
    *cdf = 0.5 * erfc(-x * 0.70710678118654752440);
    *pdf = 0.39894228040143267794 * exp(-0.5 * x * x);
}

#define vmath_normal(x, cdf, pdf) _Generic((x), float: vmath_normal_f32, double: vmath_normal_f64)(x, cdf, pdf)

enum { VMATH_LANES = 16 };

/* vmath_sum_lanes -- the sum of 16 numbers in pairs: a few vector instructions, not a chain of 15. */
static inline real vmath_sum_lanes(const real x[VMATH_LANES])
{
    real a[8], b[4];
    for (int j = 0; j < 8; j++) a[j] = x[j] + x[j + 8];
    for (int j = 0; j < 4; j++) b[j] = a[j] + a[j + 4];
    return (b[0] + b[2]) + (b[1] + b[3]);
}

static inline real vmath_larger(real a, real b)
{
    return a > b ? a : b;
}

/* vmath_max -- the largest of x[0..n), -infinity when n is 0; NaN is passed over (the exponentials that follow keep it). */
static inline real vmath_max(int64_t n, const real *x)
{
    real lane[VMATH_LANES], max = -(real)INFINITY, a[8], b[4];
    for (int j = 0; j < VMATH_LANES; j++) lane[j] = -(real)INFINITY;
    int64_t i = 0;
    for (; i + VMATH_LANES <= n; i += VMATH_LANES) {
        for (int j = 0; j < VMATH_LANES; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
    }
    for (; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int j = 0; j < 8; j++) a[j] = vmath_larger(lane[j], lane[j + 8]);
    for (int j = 0; j < 4; j++) b[j] = vmath_larger(a[j], a[j + 4]);
    return vmath_larger(max, vmath_larger(vmath_larger(b[0], b[2]), vmath_larger(b[1], b[3])));
}

#endif
