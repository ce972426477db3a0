/* tensor/amx_inline.h -- pieces of kernels that work on tile registers with something of their own between products: included by files that are compiled for
 * x86-64 only (*_bf16_x86.c), each function carrying its target; layouts are those of tiles.h. Only where tiles_available.
 *
 * A square is 32 x 32 sums: tiles 0 and 1 its first 16 rows, 2 and 3 the others. Where only 16 rows are wanted (`half`), tiles 2 and 3 are left alone.
 */
#ifndef DIGR_TENSOR_AMX_INLINE_H
#define DIGR_TENSOR_AMX_INLINE_H

#include <immintrin.h>

#include "tensor/tiles.h"

#define AMX_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16")))
#define AMX_INLINE AMX_TARGET static inline __attribute__((always_inline))

/* Eight tiles of 16 rows of 64 bytes. */
AMX_INLINE void amx_begin(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}

/* The square := rows of A (k = 32 n) times a panel. */
AMX_INLINE void amx_square(int64_t n, const Bf16 *a, int64_t lda, const Bf16 *b, bool half)
{
    if (half) {
        for (int64_t s = 0; s < n; s++, a += TILES_STEP, b += 2 * TILES_TILE) {
            _tile_loadd(4, a, lda * 2);
            _tile_loadd(6, b, 64);
            _tile_loadd(7, b + TILES_TILE, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        }
        return;
    }
    for (int64_t s = 0; s < n; s++, a += TILES_STEP, b += 2 * TILES_TILE) {
        _tile_loadd(4, a, lda * 2);
        _tile_loadd(6, b, 64);
        _tile_loadd(5, a + 16 * lda, lda * 2);
        _tile_loadd(7, b + TILES_TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
}

AMX_INLINE void amx_zero(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

AMX_INLINE void amx_load(const float *c, int64_t ldc, bool half)
{
    _tile_loadd(0, c, ldc * 4);
    _tile_loadd(1, c + 16, ldc * 4);
    if (half) return;
    _tile_loadd(2, c + 16 * ldc, ldc * 4);
    _tile_loadd(3, c + 16 * ldc + 16, ldc * 4);
}

AMX_INLINE void amx_store(float *c, int64_t ldc, bool half)
{
    _tile_stored(0, c, ldc * 4);
    _tile_stored(1, c + 16, ldc * 4);
    if (half) return;
    _tile_stored(2, c + 16 * ldc, ldc * 4);
    _tile_stored(3, c + 16 * ldc + 16, ldc * 4);
}

/* --- vectors of 16 floats -------------------------------------------------------------------------------------- */

AMX_INLINE __mmask16 amx_lanes(int64_t n)
{
    if (n <= 0) return 0;
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

/* 2^x: x = n + r, |r| <= 1/2, a polynomial of degree 6 in r (relative error below 2^-23 before rounding), scaled by 2^n. Overflow gives infinity, underflow 0, NaN stays. */
AMX_INLINE __m512 amx_exp2(__m512 x)
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

/* 1/x for normal x of moderate size: an estimate of 14 bits and one step of Newton's, 2^-23 at worst; infinity gives 0. */
AMX_INLINE __m512 amx_reciprocal(__m512 x)
{
    const __m512 y = _mm512_rcp14_ps(x), z = _mm512_fmadd_ps(_mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0f)), y, y);
    return _mm512_mask_mov_ps(z, _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_EQ_OQ), y);
}

/* 16 floats as bfloat16. */
AMX_INLINE void amx_put_bf16(Bf16 *y, __m512 x)
{
    _mm256_storeu_si256((__m256i *)(void *)y, (__m256i)_mm512_cvtneps_pbh(x));
}

#endif
