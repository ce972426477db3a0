/* tensor/attend_tiles_bf16_x86.c -- attention of panel_tiles.h: 32 rows of queries at a time, scores and weighted values on tile registers. The exponentials
 * of a row are rounded to bfloat16 unscaled; their sum, in float, divides the weighted values.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "base/status.h"
#include "tensor/amx_inline.h"
#include "tensor/panel_tiles.h"

/* A block of up to 32 rows. */
typedef struct Block {
    int64_t D, deep;        /* deep: D in whole steps */
    int64_t wide, ldp;      /* most keys in whole steps; elements between rows of score and p */
    Bf16 *q;                /* (32,deep) */
    float *score;           /* (32,ldp) */
    Bf16 *p;                /* (32,ldp) exponentials */
    float *sum;             /* (32,deep) weighted values */
    float *total;           /* (32) sums of exponentials */
    float *own;             /* (32,most own keys) */
} Block;

void panel_tiles_keep(int64_t n, int64_t D, const real *k, const real *v, int64_t ld, Bf16 *kt, Bf16 *vn)
{
    const void *vk = k, *vv = v;
    tiles_pack(true, D, n, vk, ld, kt);
    tiles_pack(false, n, D, vv, ld, vn);
}

/* n: most keys; own: the same. Returns bytes; base NULL only measures. */
static size_t carve(char *base, int64_t n, int64_t own, int64_t D, Block *b)
{
    const int64_t deep = tiles_round(D), wide = tiles_round(n), ldp = wide + 32;
    const size_t bytes[] = {(size_t)(32 * deep) * 2, (size_t)(32 * ldp) * 4, (size_t)(32 * ldp) * 2, (size_t)(32 * deep) * 4, 32 * 4, (size_t)(tiles_round(own) * 32) * 4};
    void *part[6];
    size_t at = 0;
    for (int i = 0; i < 6; i++) {
        part[i] = base != NULL ? base + at : NULL;
        at += (bytes[i] + 63) / 64 * 64;
    }
    *b = (Block){.D = D, .deep = deep, .wide = wide, .ldp = ldp, .q = part[0], .score = part[1], .p = part[2], .sum = part[3], .total = part[4], .own = part[5]};
    return at;
}

size_t panel_tiles_scratch_bytes(int64_t n, int64_t D)
{
    Block b;
    return carve(NULL, n, n, D, &b);
}

/* Scores of h rows of q against the first `columns` keys. */
AMX_INLINE void scores(const Block *b, int64_t h, int64_t columns, const float *q, int64_t ldq, const Bf16 *kt)
{
    const bool half = h <= 16;
    tiles_rows(h, b->D, q, ldq, b->q, b->deep);
    for (int64_t j = 0; j < columns; j += 32, kt += tiles_stride(b->D)) {
        amx_zero();
        amx_square(b->deep / 32, b->q, b->deep, TILES_STEP, kt, half);
        amx_store(b->score + j, b->ldp, half);
    }
}

/* Rows of p := 2^(c (score - top)) of n scores, zero up to `columns`; top: the largest of them and of the own n_own ones, which are replaced by their
 * exponentials. Returns the sum of all. */
AMX_INLINE float exponentials(int64_t n, int64_t columns, float c, const float *x, Bf16 *p, int64_t n_own, float *own)
{
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < n; j += 16) most = _mm512_max_ps(most, _mm512_mask_loadu_ps(most, lanes_of(n - j), x + j));
    for (int64_t j = 0; j < n_own; j += 16) most = _mm512_max_ps(most, _mm512_mask_loadu_ps(most, lanes_of(n_own - j), own + j));
    const __m512 factor = _mm512_set1_ps(c), top = _mm512_set1_ps(_mm512_reduce_max_ps(most) * c);
    for (int64_t j = 0; j < columns; j += 16) {
        const __mmask16 mask = lanes_of(n - j);
        const __m512 e = _mm512_maskz_mov_ps(mask, lanes_exp2(_mm512_fmsub_ps(_mm512_maskz_loadu_ps(mask, x + j), factor, top)));
        sum = _mm512_add_ps(sum, e);
        lanes_store(p + j, e);
    }
    for (int64_t j = 0; j < n_own; j += 16) {
        const __mmask16 mask = lanes_of(n_own - j);
        const __m512 e = _mm512_maskz_mov_ps(mask, lanes_exp2(_mm512_fmsub_ps(_mm512_maskz_loadu_ps(mask, own + j), factor, top)));
        sum = _mm512_add_ps(sum, e);
        _mm512_mask_storeu_ps(own + j, mask, e);
    }
    return _mm512_reduce_add_ps(sum);
}

/* Sums of values weighted with p, k of them in whole steps. */
AMX_INLINE void weigh(const Block *b, int64_t h, int64_t columns, const Bf16 *vn, int64_t stride)
{
    const bool half = h <= 16;
    for (int64_t j = 0; j < b->D; j += 32, vn += stride) {
        amx_zero();
        amx_square(columns / 32, b->p, b->ldp, TILES_STEP, vn, half);
        amx_store(b->sum + j, b->deep, half);
    }
}

/* Row r of out := (sum + own exponentials times own values) / total. */
AMX_INLINE void put_row(const Block *b, int64_t r, const PanelSuffix *own, int64_t beam, Bf16 *out)
{
    const float *values = NULL, *e = NULL;
    if (own != NULL) {
        const void *v = own->v;
        values = (const float *)v + beam * own->beam;
        e = b->own + r * tiles_round(own->n);
    }
    const __m512 scale = _mm512_set1_ps(1 / b->total[r]);
    for (int64_t c = 0; c < b->D; c += 16) {
        const __mmask16 mask = lanes_of(b->D - c);
        __m512 x = _mm512_loadu_ps(b->sum + r * b->deep + c);
        for (int64_t i = 0; own != NULL && i < own->n; i++)
            x = _mm512_fmadd_ps(_mm512_set1_ps(e[i]), _mm512_maskz_loadu_ps(mask, values + i * own->ld + c), x);
        _mm256_mask_storeu_epi16(out + c, mask, (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(x, scale)));
    }
}

AMX_TARGET void panel_tiles_causal(int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, Bf16 *out, int64_t ldo, void *scratch)
{
    Block b;
    carve(scratch, n, 0, D, &b);
    const void *vq = q;
    const float *rows = vq, c = (float)scale * 1.44269504f;
    tiles_open();
    for (int64_t i = 0; i < n; i += 32, rows += 32 * ldq, out += 32 * ldo) {
        const int64_t h = n - i < 32 ? n - i : 32, columns = i + 32;
        scores(&b, h, columns, rows, ldq, kt);
        for (int64_t r = 0; r < h; r++) b.total[r] = exponentials(i + r + 1, columns, c, b.score + r * b.ldp, b.p + r * b.ldp, 0, NULL);
        weigh(&b, h, columns, vn, tiles_stride(n));
        for (int64_t r = 0; r < h; r++) put_row(&b, r, NULL, 0, out + r * ldo);
    }
    tiles_close();
}

/* Scores of row q against the own keys of a beam. */
AMX_INLINE void own_scores(int64_t D, const float *q, const PanelSuffix *own, int64_t beam, float *out)
{
    const void *k = own->k;
    const float *key = (const float *)k + beam * own->beam;
    for (int64_t i = 0; i < own->n; i++, key += own->ld) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t c = 0; c < D; c += 16) {
            const __mmask16 mask = lanes_of(D - c);
            sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, q + c), _mm512_maskz_loadu_ps(mask, key + c), sum);
        }
        out[i] = _mm512_reduce_add_ps(sum);
    }
}

AMX_TARGET void panel_tiles_beams(int64_t R, int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, const PanelSuffix *own,
                                  Bf16 *out, int64_t ldo, void *scratch)
{
    Block b;
    carve(scratch, n, own->n, D, &b);
    const void *vq = q;
    const float *rows = vq, c = (float)scale * 1.44269504f;
    tiles_open();
    for (int64_t i = 0; i < R; i += 32, rows += 32 * ldq, out += 32 * ldo) {
        const int64_t h = R - i < 32 ? R - i : 32;
        scores(&b, h, b.wide, rows, ldq, kt);
        for (int64_t r = 0; r < h; r++) {
            float *mine = b.own + r * tiles_round(own->n);
            own_scores(D, rows + r * ldq, own, i + r, mine);
            b.total[r] = exponentials(n, b.wide, c, b.score + r * b.ldp, b.p + r * b.ldp, own->n, mine);
        }
        weigh(&b, h, b.wide, vn, tiles_stride(n));
        for (int64_t r = 0; r < h; r++) put_row(&b, r, own, i + r, out + r * ldo);
    }
    tiles_close();
}
