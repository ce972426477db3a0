/* tensor/topscreen_bf16_x86.c -- see topscreen.h. A square of scores is 32 items down, 32 rows across; it is looked at while the tile registers are busy with
 * the next one.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "tensor/amx_inline.h"
#include "tensor/topscreen.h"

typedef struct Square { int64_t item, h; Screen *s; float *most; } Square;

AMX_INLINE void keep_maxima(const Square *q, const float *c)
{
    __m512 a = _mm512_load_ps(q->most), b = _mm512_load_ps(q->most + 16), a2 = a, b2 = b;
    int64_t i = 0;
    for (; i + 2 <= q->h; i += 2, c += 64) {
        a = _mm512_max_ps(a, _mm512_load_ps(c));
        b = _mm512_max_ps(b, _mm512_load_ps(c + 16));
        a2 = _mm512_max_ps(a2, _mm512_load_ps(c + 32));
        b2 = _mm512_max_ps(b2, _mm512_load_ps(c + 48));
    }
    if (i < q->h) {
        a = _mm512_max_ps(a, _mm512_load_ps(c));
        b = _mm512_max_ps(b, _mm512_load_ps(c + 16));
    }
    _mm512_store_ps(q->most, _mm512_max_ps(a, a2));
    _mm512_store_ps(q->most + 16, _mm512_max_ps(b, b2));
}

/* Sixteen lanes of one item: those it is kept for; `count` grows where it is before the target. */
AMX_INLINE __mmask16 kept_lanes(__m512 a, __m512 enough, bool ranks, __m512 low, __m512 high, __m512i *count)
{
    const __mmask16 list = _mm512_cmp_ps_mask(a, enough, _CMP_GE_OQ);
    if (!ranks) return list;
    const __mmask16 over = _mm512_cmp_ps_mask(a, high, _CMP_GT_OQ);
    *count = _mm512_mask_add_epi32(*count, over, *count, _mm512_set1_epi32(1));
    return (__mmask16)(list | (_mm512_cmp_ps_mask(a, low, _CMP_GE_OQ) & ~over));
}

AMX_INLINE void keep_items(const Square *q, bool ranks, const float *c)
{
    Screen *s = q->s;
    uint32_t lanes[32], any = 0;
    const __m512 e0 = _mm512_load_ps(s->enough), e1 = _mm512_load_ps(s->enough + 16), l0 = _mm512_load_ps(s->low), l1 = _mm512_load_ps(s->low + 16);
    const __m512 h0 = _mm512_load_ps(s->high), h1 = _mm512_load_ps(s->high + 16);
    __m512i b0 = _mm512_load_si512(s->before), b1 = _mm512_load_si512(s->before + 16);
    for (int64_t i = 0; i < q->h; i++) {
        const uint32_t first = kept_lanes(_mm512_load_ps(c + 32 * i), e0, ranks, l0, h0, &b0), second = kept_lanes(_mm512_load_ps(c + 32 * i + 16), e1, ranks, l1, h1, &b1);
        lanes[i] = first | second << 16;
        any |= (uint32_t)(lanes[i] != 0) << i;
    }
    if (ranks) {
        _mm512_store_si512(s->before, b0);
        _mm512_store_si512(s->before + 16, b1);
    }
    for (; any != 0; any &= any - 1) {
        const int i = __builtin_ctz(any);
        for (uint32_t m = lanes[i]; m != 0; m &= m - 1) {
            const int u = __builtin_ctz(m);
            const int32_t at = s->kept[u]++;
            if (at >= SCREEN_MOST) continue;
            s->item[u * SCREEN_MOST + at] = (int32_t)(q->item + i);
            s->a[u * SCREEN_MOST + at] = c[32 * i + u];
        }
    }
}

enum { MAXIMA, ITEMS, ITEMS_AND_RANKS };

AMX_INLINE void look(int what, const Square *q, const float *c)
{
    if (what == MAXIMA) {
        keep_maxima(q, c);
    } else {
        keep_items(q, what == ITEMS_AND_RANKS, c);
    }
}

AMX_INLINE void pass(int what, int64_t N, int64_t C, const Bf16 *table, const Bf16 *rest, int64_t ld, int64_t group, int n, Screen *s)
{
    _Alignas(64) float c[2][TILES_SQUARE];
    const int64_t steps = tiles_round(C) / 32;
    Square waiting = {.s = NULL};
    int turn = 0;
    tiles_open();
    for (int64_t i = 0; i < N; i += 32) {
        for (int k = 0; k < n; k++, turn ^= 1) {
            amx_zero();
            amx_square(steps, table + i * ld, ld, TILES_STEP, s[k].x, false);
            if (what == ITEMS_AND_RANKS) {
                amx_square(steps, table + i * ld, ld, TILES_STEP, s[k].rest, false);
                amx_square(steps, rest + i * ld, ld, TILES_STEP, s[k].x, false);
            }
            if (waiting.s != NULL) look(what, &waiting, c[turn ^ 1]);
            amx_store(c[turn], 32, false);
            waiting = (Square){.item = i, .h = N - i < 32 ? N - i : 32, .s = &s[k], .most = what == MAXIMA ? s[k].most + i / 32 / group * 32 : NULL};
        }
    }
    if (waiting.s != NULL) look(what, &waiting, c[turn ^ 1]);
    tiles_close();
}

AMX_TARGET void topscreen_maxima(int64_t N, int64_t C, const Bf16 *table, int64_t ld, int64_t group, int n, Screen *s)
{
    const int64_t groups = ((N + 31) / 32 + group - 1) / group;
    for (int k = 0; k < n; k++) {
        for (int64_t i = 0; i < groups * 32; i++) s[k].most[i] = -INFINITY;
    }
    pass(MAXIMA, N, C, table, NULL, ld, group, n, s);
}

AMX_TARGET void topscreen_collect(int64_t N, int64_t C, const Bf16 *table, const Bf16 *rest, int64_t ld, int n, Screen *s)
{
    if (rest != NULL) {
        pass(ITEMS_AND_RANKS, N, C, table, rest, ld, 1, n, s);
    } else {
        pass(ITEMS, N, C, table, NULL, ld, 1, n, s);
    }
}

enum { HALVINGS = 10 };

AMX_TARGET void topscreen_level(int64_t groups, const float *most, const int32_t *want, float *out)
{
    for (int half = 0; half < 2; half++, most += 16, want += 16, out += 16) {
        const __m512i enough = _mm512_loadu_si512(want), one = _mm512_set1_epi32(1);
        __m512 low = _mm512_set1_ps(INFINITY), high = _mm512_set1_ps(-INFINITY);
        for (int64_t g = 0; g < groups; g++) {
            const __m512 x = _mm512_loadu_ps(most + g * 32);
            low = _mm512_min_ps(low, x);
            high = _mm512_max_ps(high, x);
        }
        for (int k = 0; k < HALVINGS; k++) { /* low: all that are wanted reach it */
            const __m512 middle = _mm512_add_ps(_mm512_mul_ps(low, _mm512_set1_ps(0.5f)), _mm512_mul_ps(high, _mm512_set1_ps(0.5f)));
            __m512i count = _mm512_setzero_si512();
            for (int64_t g = 0; g < groups; g++)
                count = _mm512_mask_add_epi32(count, _mm512_cmp_ps_mask(_mm512_loadu_ps(most + g * 32), middle, _CMP_GE_OQ), count, one);
            const __mmask16 reached = _mm512_cmpge_epi32_mask(count, enough);
            low = _mm512_mask_mov_ps(low, reached, middle);
            high = _mm512_mask_mov_ps(middle, reached, high);
        }
        const __mmask16 few = _mm512_cmpgt_epi32_mask(enough, _mm512_set1_epi32((int32_t)groups));
        _mm512_storeu_ps(out, _mm512_mask_mov_ps(low, few, _mm512_set1_ps(-INFINITY)));
    }
}
