/* tensor/lanes_x86.h -- sixteen floats at a time for the *_bf16_x86.c files: bfloat16 in and out, pairs, transposes, exp, log, sums.
 * Each function carries its target; lanes_available tells at run time whether it may be called. */
#ifndef DIGR_TENSOR_LANES_X86_H
#define DIGR_TENSOR_LANES_X86_H

#include <immintrin.h>
#include <stdint.h>

#include "tensor/tiles.h"

#define LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define LANES_INLINE LANES_TARGET static inline __attribute__((always_inline))

/* lanes_available -- whether this processor has what LANES_TARGET names. */
static inline bool lanes_available(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("fma");
}

LANES_INLINE __mmask16 lanes_of(int64_t n)
{
    if (n <= 0) return 0;
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

LANES_INLINE __m512 lanes_widen(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

LANES_INLINE __m512 lanes_load(const Bf16 *x)
{
    return lanes_widen(_mm256_loadu_si256((const __m256i *)x));
}

LANES_INLINE __m512 lanes_load_some(__mmask16 mask, const Bf16 *x)
{
    return lanes_widen(_mm256_maskz_loadu_epi16(mask, x));
}

LANES_INLINE void lanes_store(Bf16 *y, __m512 x)
{
    _mm256_storeu_si256((__m256i *)y, (__m256i)_mm512_cvtneps_pbh(x));
}

LANES_INLINE void lanes_store_some(__mmask16 mask, Bf16 *y, __m512 x)
{
    _mm256_mask_storeu_epi16(y, mask, (__m256i)_mm512_cvtneps_pbh(x));
}

/* 32 floats, low first */
LANES_INLINE void lanes_store_32(Bf16 *y, __m512 low, __m512 high)
{
    _mm512_storeu_si512(y, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* 32 neighbours of a row, n of them there. */
LANES_INLINE __m512i lanes_round_32(const float *x, int64_t n)
{
    const __m512 low = _mm512_maskz_loadu_ps(lanes_of(n), x), high = _mm512_maskz_loadu_ps(lanes_of(n - 16), x + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* x[i] holds row i of a 16 x 16 square of 32-bit words on entry, column i on return. */
LANES_INLINE void lanes_transpose_16(__m512i x[16])
{
    __m512i y[16];
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int i = 0; i < 16; i += 8) {
        for (int j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0x88);
            y[i + j + 4] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0xdd);
        }
    }
    for (int j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0x88);
        x[j + 8] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0xdd);
    }
}

/* Two rows of 16 floats as 16 pairs. */
LANES_INLINE __m512i lanes_pair_16(const float *first, const float *second, __mmask16 mask)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512 low = first != NULL ? _mm512_maskz_loadu_ps(mask, first) : _mm512_setzero_ps();
    const __m512 high = second != NULL ? _mm512_maskz_loadu_ps(mask, second) : _mm512_setzero_ps();
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* The polynomial of vmath.h; overflow to infinity, underflow to 0, NaN stays. */
LANES_INLINE __m512 lanes_exp(__m512 x)
{
    x = _mm512_max_ps(_mm512_set1_ps(-126.0f), x); /* NaN in the second place is kept */
    x = _mm512_min_ps(_mm512_set1_ps(89.0f), x);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)), 8 /* to nearest, no exceptions */);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0.693145751953125f), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-1.42860682030941723e-6f), r);
    __m512 p = _mm512_set1_ps(1.9841270e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3888889e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3333333e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1666667e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666667e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* 2^x: x = n + r, |r| <= 1/2, a polynomial of degree 6 in r (relative error below 2^-23 before rounding), scaled by 2^n. Overflow gives infinity, underflow 0,
 * NaN stays. */
LANES_INLINE __m512 lanes_exp2(__m512 x)
{
    const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), r = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(1.5403530e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3333558e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.6181291e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5504109e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4022651e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9314718e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* Natural logarithm of positive normal x: x = m 2^e with m in [3/4,3/2), a polynomial of degree 9 in m - 1, fitted at Chebyshev's nodes (relative error
 * below 2^-23 before rounding). Infinity and NaN stay. */
LANES_INLINE __m512 lanes_log(__m512 x)
{
    const __m512 one = _mm512_set1_ps(1.0f), m = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
    const __m512 down = _mm512_getexp_ps(x), e = _mm512_mask_add_ps(down, _mm512_cmp_ps_mask(m, one, _CMP_LT_OQ), down, one), t = _mm512_sub_ps(m, one);
    __m512 p = _mm512_set1_ps(5.8909348e-2f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.2385737e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.4920058e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.6761579e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.9978936e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-2.4996849e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(3.3333531e-1f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-5.0000013e-1f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(t, t), t);
    return _mm512_fmadd_ps(e, _mm512_set1_ps(0.69314718f), p);
}

/* 1/x for normal x of moderate size: an estimate of 14 bits and one step of Newton's, 2^-23 at worst; infinity gives 0. */
LANES_INLINE __m512 lanes_reciprocal(__m512 x)
{
    const __m512 y = _mm512_rcp14_ps(x), z = _mm512_fmadd_ps(_mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0f)), y, y);
    return _mm512_mask_mov_ps(z, _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_EQ_OQ), y);
}

/* 1 / (1 + e^-x), right to a unit or two in the last place; NaN stays. */
LANES_INLINE __m512 lanes_sigmoid(__m512 x)
{
    return lanes_reciprocal(_mm512_add_ps(_mm512_set1_ps(1.0f), lanes_exp2(_mm512_mul_ps(x, _mm512_set1_ps(-1.44269504f)))));
}

/* In pairs, always the same way. */
LANES_INLINE float lanes_sum(__m512 x)
{
    return _mm512_reduce_add_ps(x);
}

#endif
