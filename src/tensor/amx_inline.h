/* tensor/amx_inline.h -- the tile registers as tiles_bf16_x86.c and kernels with something of their own between products use them: included by files that are compiled for
 * x86-64 only (*_bf16_x86.c), each function carrying its target; layouts are those of tiles.h. Only where tiles_available, between
 * tiles_open and tiles_close.
 *
 * A square is 32 x 32 sums: tiles 0 and 1 its first 16 rows, 2 and 3 the others. Where only 16 rows are wanted (`half`), tiles 2 and 3 are left alone.
 */
#ifndef DIGR_TENSOR_AMX_INLINE_H
#define DIGR_TENSOR_AMX_INLINE_H

#include "tensor/lanes_x86.h"

#define AMX_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,amx-tile,amx-bf16")))
#define AMX_INLINE AMX_TARGET static inline __attribute__((always_inline))

/* The square += rows of A (k = 32 n) times a panel; elements between the rows of A, and between its steps. */
AMX_INLINE void amx_square(int64_t n, const Bf16 *a, int64_t row, int64_t step, const Bf16 *b, bool half)
{
    for (int64_t s = 0; s < n; s++, a += step, b += 2 * TILES_TILE) {
        _tile_loadd(4, a, row * 2);
        _tile_loadd(6, b, 64);
        if (!half) _tile_loadd(5, a + 16 * row, row * 2);
        _tile_loadd(7, b + TILES_TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        if (half) continue;
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

/* A share of the panels that are used next on its way to the cache. */
AMX_INLINE void amx_fetch_ahead(const Bf16 *panels, int64_t elements, int64_t part, int64_t parts)
{
    const int64_t lines = elements / 32, end = lines * (part + 1) / parts;
    for (int64_t i = lines * part / parts; i < end; i++) _mm_prefetch((const char *)(panels + i * 32), _MM_HINT_T0);
}

#endif
