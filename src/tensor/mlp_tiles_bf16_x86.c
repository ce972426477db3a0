/* tensor/mlp_tiles_bf16_x86.c -- see mlp_tiles.h.
 *
 * Deviations from the paper: none.
 */
#include "tensor/amx_inline.h"
#include "tensor/mlp_tiles.h"

AMX_INLINE Bf16 *place(const MlpKeep *k, Bf16 *y, int64_t i, int64_t j)
{
    return y + j * k->height + (k->first + i) * 32;
}

AMX_INLINE __m512i both(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

AMX_TARGET void mlp_tiles_relu(void *keep, int64_t i, int64_t j, const float *c)
{
    const MlpKeep *k = keep;
    Bf16 *y = place(k, k->y, i, j);
    const __m512 b0 = _mm512_loadu_ps(k->bias + j), b1 = _mm512_loadu_ps(k->bias + j + 16), zero = _mm512_setzero_ps();
    for (int r = 0; r < 32; r++, c += 32, y += 32) {
        const __m512 low = _mm512_max_ps(_mm512_add_ps(_mm512_loadu_ps(c), b0), zero), high = _mm512_max_ps(_mm512_add_ps(_mm512_loadu_ps(c + 16), b1), zero);
        _mm512_storeu_si512(y, both(low, high));
    }
}

AMX_TARGET void mlp_tiles_relu_bwd(void *keep, int64_t i, int64_t j, const float *c)
{
    const MlpKeep *k = keep;
    Bf16 *y = place(k, k->y, i, j);
    const Bf16 *mask = k->mask + (y - k->y);
    for (int r = 0; r < 32; r++, c += 32, y += 32, mask += 32) {
        const __mmask32 on = _mm512_cmpgt_epi16_mask(_mm512_loadu_si512(mask), _mm512_setzero_si512()); /* positive numbers are positive integers */
        _mm512_storeu_si512(y, _mm512_maskz_mov_epi16(on, both(_mm512_loadu_ps(c), _mm512_loadu_ps(c + 16))));
    }
}

AMX_TARGET void mlp_tiles_out(void *keep, int64_t i, int64_t j, const float *c)
{
    const MlpKeep *k = keep;
    const int64_t at = k->first + i, h = k->rows - at < 32 ? k->rows - at : 32;
    float *out = k->out + at * k->ld + j;
    const __m512 b0 = k->bias != NULL ? _mm512_loadu_ps(k->bias + j) : _mm512_setzero_ps(), b1 = k->bias != NULL ? _mm512_loadu_ps(k->bias + j + 16) : b0;
    for (int64_t r = 0; r < h; r++, c += 32, out += k->ld) {
        _mm512_storeu_ps(out, _mm512_add_ps(_mm512_loadu_ps(c), b0));
        _mm512_storeu_ps(out + 16, _mm512_add_ps(_mm512_loadu_ps(c + 16), b1));
    }
}

AMX_TARGET void mlp_tiles_recon(void *keep, int64_t i, int64_t j, const float *c)
{
    const MlpKeep *k = keep;
    const int64_t at = k->first + i, h = k->rows - at < 32 ? k->rows - at : 32;
    float *out = k->out + at * k->ld + j, *diff = k->diff + at * k->ld + j;
    const float *x = k->x + at * k->ld + j;
    Bf16 *y = place(k, k->y, i, j);
    const __m512 b0 = _mm512_loadu_ps(k->bias + j), b1 = _mm512_loadu_ps(k->bias + j + 16), scale = _mm512_set1_ps(k->scale);
    for (int64_t r = 0; r < h; r++, c += 32, out += k->ld, diff += k->ld, x += k->ld, y += 32) {
        const __m512 low = _mm512_add_ps(_mm512_loadu_ps(c), b0), high = _mm512_add_ps(_mm512_loadu_ps(c + 16), b1);
        const __m512 d0 = _mm512_sub_ps(low, _mm512_loadu_ps(x)), d1 = _mm512_sub_ps(high, _mm512_loadu_ps(x + 16));
        _mm512_storeu_ps(out, low);
        _mm512_storeu_ps(out + 16, high);
        _mm512_storeu_ps(diff, d0);
        _mm512_storeu_ps(diff + 16, d1);
        _mm512_storeu_si512(y, both(_mm512_mul_ps(d0, scale), _mm512_mul_ps(d1, scale)));
    }
}

AMX_TARGET void mlp_tiles_sums(int64_t n, const Bf16 *slice, float *sum)
{
    __m512 low = _mm512_loadu_ps(sum), high = _mm512_loadu_ps(sum + 16);
    for (int64_t i = 0; i < n; i++, slice += 32) {
        const __m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)slice));
        const __m512i b = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(slice + 16)));
        low = _mm512_add_ps(low, (__m512)_mm512_slli_epi32(a, 16));
        high = _mm512_add_ps(high, (__m512)_mm512_slli_epi32(b, 16));
    }
    _mm512_storeu_ps(sum, low);
    _mm512_storeu_ps(sum + 16, high);
}
