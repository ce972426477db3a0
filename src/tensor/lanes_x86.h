/* tensor/lanes_x86.h -- sixteen floats at a time for the *_bf16_x86.c files: bfloat16 in and out, exp, sums. Only where tiles.h is available. */
#ifndef DIGR_TENSOR_LANES_X86_H
#define DIGR_TENSOR_LANES_X86_H

#include <immintrin.h>
#include <stdint.h>

#include "tensor/tiles.h"

#define LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#define LANES_INLINE LANES_TARGET static inline __attribute__((always_inline))

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

/* 1 / (1 + e^-x): an estimate of the reciprocal and one step of Newton's, right to a unit or two in the last place. e^-x is kept finite, NaN stays. */
LANES_INLINE __m512 lanes_sigmoid(__m512 x)
{
    const __m512 d = _mm512_add_ps(_mm512_set1_ps(1.0f), lanes_exp(_mm512_min_ps(_mm512_set1_ps(80.0f), _mm512_sub_ps(_mm512_setzero_ps(), x))));
    const __m512 y = _mm512_rcp14_ps(d);
    return _mm512_mul_ps(y, _mm512_fnmadd_ps(d, y, _mm512_set1_ps(2.0f)));
}

/* In pairs, always the same way. */
LANES_INLINE float lanes_sum(__m512 x)
{
    return _mm512_reduce_add_ps(x);
}

#endif
