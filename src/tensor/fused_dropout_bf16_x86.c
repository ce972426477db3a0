/* tensor/fused_dropout_bf16_x86.c -- dropout of fused.h: Philox4x32-10 on sixteen counters at a time, masks kept as bits.
 *
 * Deviations from the paper: none.
 */
#include "base/status.h"
#include "tensor/dropout.h"
#include "tensor/fused.h"
#include "tensor/lanes_x86.h"

/* Four words of each of eight counters, a word in the low half of a 64-bit lane. */
typedef struct Words { __m512i x0, x1, x2, x3; } Words;

LANES_INLINE Words words_of(__m512i block, Dropout d)
{
    const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57);
    Words w = {block, _mm512_srli_epi64(block, 32), _mm512_set1_epi64((int64_t)(d.call & 0xffffffffu)), _mm512_set1_epi64((int64_t)(d.call >> 32))};
    uint32_t k0 = (uint32_t)d.key, k1 = (uint32_t)(d.key >> 32);
    for (int round = 0; round < 10; round++) { /* only low halves are read: what lies above them does not matter */
        const __m512i a = _mm512_mul_epu32(w.x0, m0), b = _mm512_mul_epu32(w.x2, m1);
        w.x0 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(b, 32), w.x1), _mm512_set1_epi64((int64_t)k0));
        w.x2 = _mm512_xor_si512(_mm512_xor_si512(_mm512_srli_epi64(a, 32), w.x3), _mm512_set1_epi64((int64_t)k1));
        w.x1 = b;
        w.x3 = a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return w;
}

/* Keeps of the 64 elements of eight counters, element j in bit j. */
LANES_INLINE uint64_t keeps_of(__m512i block, Dropout d, __m512i threshold)
{
    const Words w = words_of(block, d);
    const __m512i low = _mm512_mask_blend_epi32(0xaaaa, w.x0, _mm512_slli_epi64(w.x1, 32)); /* words 0 and 1 of each counter: its elements 0 to 3 */
    const __m512i high = _mm512_mask_blend_epi32(0xaaaa, w.x2, _mm512_slli_epi64(w.x3, 32));
    const __m512i first = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), second = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    const uint64_t a = _mm512_cmpge_epu16_mask(_mm512_permutex2var_epi64(low, first, high), threshold);
    const uint64_t b = _mm512_cmpge_epu16_mask(_mm512_permutex2var_epi64(low, second, high), threshold);
    return a | b << 32;
}

/* Masks of elements [64*at, 64*at+64) of the call. */
LANES_TARGET static uint64_t keeps_at(uint64_t at, Dropout d)
{
    const __m512i block = _mm512_add_epi64(_mm512_set1_epi64((int64_t)(at * 8)), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    return keeps_of(block, d, _mm512_set1_epi16((int16_t)(uint16_t)dropout_threshold(d)));
}

LANES_TARGET void fused_dropout(int64_t n, Dropout d, bool add, const float *x, float *y, uint32_t *bits)
{
    REQUIRE(n % 32 == 0 && d.first % 32 == 0 && d.p >= 0 && dropout_threshold(d) < 65536, "dropout of %lld elements from %llu", (long long)n, (unsigned long long)d.first);
    const __m512 factor = _mm512_set1_ps((float)dropout_factor(d));
    uint64_t keeps = 0, at = UINT64_MAX;
    for (int64_t i = 0; i < n; i += 32) {
        const uint64_t element = d.first + (uint64_t)i;
        if (element / 64 != at) keeps = keeps_at(at = element / 64, d);
        const uint32_t word = (uint32_t)(keeps >> (element % 64));
        bits[i / 32] = word;
        for (int half = 0; half < 2; half++) {
            const __mmask16 mask = (__mmask16)(word >> (16 * half));
            const __m512 v = _mm512_maskz_mul_ps(mask, _mm512_loadu_ps(x + i + 16 * half), factor);
            _mm512_storeu_ps(y + i + 16 * half, add ? _mm512_add_ps(_mm512_loadu_ps(y + i + 16 * half), v) : v);
        }
    }
}

LANES_TARGET void fused_dropout_again(int64_t n, const uint32_t *bits, float factor, float *x)
{
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 mask = (__mmask16)(bits[i / 32] >> (i % 32));
        _mm512_storeu_ps(x + i, _mm512_maskz_mul_ps(mask, _mm512_loadu_ps(x + i), f));
    }
}

LANES_TARGET void fused_dropout_slices(int64_t T, int64_t C, const uint32_t *bits, float factor, const float *x, Bf16 *out, int64_t height)
{
    const __m512 f = _mm512_set1_ps(factor);
    for (int64_t t = 0; t < T; t++, x += C, out += 32) {
        for (int64_t c = 0; c < C; c += 32, bits++) {
            const __m512 low = _mm512_maskz_mul_ps((__mmask16)*bits, _mm512_loadu_ps(x + c), f);
            const __m512 high = _mm512_maskz_mul_ps((__mmask16)(*bits >> 16), _mm512_loadu_ps(x + c + 16), f);
            lanes_store_32(out + c * height, low, high);
        }
    }
}
