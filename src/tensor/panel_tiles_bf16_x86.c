/* tensor/panel_tiles_bf16_x86.c -- products of panel_tiles.h and the rows between them. The vector work on one square is done while the tile registers are
 * busy with the next.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "base/status.h"
#include "tensor/amx_inline.h"
#include "tensor/panel_tiles.h"

enum { PANEL_BYTES = 24 << 10 }; /* of panels that are used together */

bool panel_tiles_available(void)
{
    return sizeof(real) == sizeof(float) && tiles_available();
}

static int64_t panels(const PanelMatrix *w)
{
    return w->paired ? (w->n / 2 + 15) / 16 : (w->n + 31) / 32;
}

size_t panel_tiles_bytes(const PanelMatrix *w)
{
    return (size_t)(panels(w) * tiles_stride(w->k)) * sizeof(Bf16);
}

void panel_tiles_pack(const PanelMatrix *w, const real *W)
{
    const void *from = W;
    const float *x = from;
    Bf16 *out = w->data;
    REQUIRE(panel_tiles_available(), "tile products on a processor or in a build without them");
    if (!w->paired) {
        tiles_pack(true, w->k, w->n, x, w->k, out);
        return;
    }
    const int64_t F = w->n / 2, stride = tiles_stride(w->k);
    for (int64_t j = 0; j < F; j += 16, out += stride) {
        tiles_columns_group(F - j, w->k, x + j * w->k, w->k, 0, out);
        tiles_columns_group(F - j, w->k, x + (F + j) * w->k, w->k, 1, out);
    }
}

/* --- products -------------------------------------------------------------------------------------------------- */

/* What happens to a square. */
typedef struct Target {
    bool swiglu, add;
    int64_t m, first, end, ld;
    float *C;
    Bf16 *y;
} Target;

AMX_INLINE void finish_linear(const Target *t, int64_t i, int64_t j, const float *c)
{
    const int64_t h = t->m - i < 32 ? t->m - i : 32;
    const __mmask16 low = (__mmask16)(lanes_of(t->end - j) & ~lanes_of(t->first - j)), high = (__mmask16)(lanes_of(t->end - j - 16) & ~lanes_of(t->first - j - 16));
    float *out = t->C + i * t->ld + j;
    for (int64_t r = 0; r < h; r++, c += 32, out += t->ld) {
        __m512 x = _mm512_load_ps(c), y = _mm512_load_ps(c + 16);
        if (t->add) {
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(low, out));
            y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(high, out + 16));
        }
        _mm512_mask_storeu_ps(out, low, x);
        _mm512_mask_storeu_ps(out + 16, high, y);
    }
}

/* silu(g) u */
AMX_INLINE void finish_swiglu(const Target *t, int64_t i, int64_t j, const float *c)
{
    const int64_t h = t->m - i < 32 ? t->m - i : 32;
    Bf16 *out = t->y + i * t->ld + j / 2;
    for (int64_t r = 0; r < h; r++, c += 32, out += t->ld) {
        const __m512 g = _mm512_load_ps(c), u = _mm512_load_ps(c + 16);
        lanes_store(out, _mm512_mul_ps(_mm512_mul_ps(g, lanes_sigmoid(g)), u));
    }
}

AMX_INLINE void finish(const Target *t, int64_t i, int64_t j, const float *c)
{
    if (t->swiglu) {
        finish_swiglu(t, i, j, c);
    } else {
        finish_linear(t, i, j, c);
    }
}

/* Where a product stands: the square that waits for its vector work. */
typedef struct Turn {
    _Alignas(64) float c[2][TILES_SQUARE];
    int64_t i, j;
    int turn;
    bool waiting; /* c[1 - turn] holds the square (i, j) */
} Turn;

/* The square at (i, j), `steps` deep. Squares that lie whole in the result go there at once, the others through a copy. */
AMX_INLINE void square(const Target *t, Turn *w, int64_t steps, int64_t i, int64_t j, const Bf16 *A, int64_t lda, const Bf16 *panel, bool add)
{
    const bool half = t->m - i <= 16, direct = !t->swiglu && (t->m - i == 16 || t->m - i >= 32) && j >= t->first && j + 32 <= t->end;
    if (direct && add) {
        amx_load(t->C + i * t->ld + j, t->ld, half);
    } else {
        amx_zero();
    }
    amx_square(steps, A + i * lda, lda, TILES_STEP, panel, half);
    if (w->waiting) finish(t, w->i, w->j, w->c[1 - w->turn]);
    w->waiting = !direct;
    if (direct) {
        amx_store(t->C + i * t->ld + j, t->ld, half);
        return;
    }
    amx_store(w->c[w->turn], 32, half);
    w->turn = 1 - w->turn;
    w->i = i;
    w->j = j;
}

/* Columns [j0,j1) of A times panels, the first of which begins at column j0. As many panels as fit the first-level cache beside 32 rows of A meet those
 * rows together. */
AMX_INLINE void product(const Target *t, int64_t k, int64_t j0, int64_t j1, const Bf16 *A, int64_t lda, const Bf16 *data)
{
    Turn w = {.turn = 0};
    const int64_t steps = tiles_round(k) / 32, stride = tiles_stride(k), blocks = (t->m + 31) / 32;
    const int64_t together = PANEL_BYTES / (stride * 2) > 1 ? PANEL_BYTES / (stride * 2) : 1, wide = 32 * together;
    tiles_open();
    for (int64_t j = j0; j < j1; j += wide, data += together * stride) {
        const int64_t end = j + wide < j1 ? j + wide : j1, panels_ahead = end + wide < j1 ? together : (j1 - end + 31) / 32;
        for (int64_t i = 0; i < t->m; i += 32) {
            if (panels_ahead > 0) amx_fetch_ahead(data + together * stride, panels_ahead * stride, i / 32, blocks);
            const Bf16 *panel = data;
            for (int64_t c = j; c < end; c += 32, panel += stride) square(t, &w, steps, i, c, A, lda, panel, t->add);
        }
    }
    if (w.waiting) finish(t, w.i, w.j, w.c[1 - w.turn]);
    tiles_close();
}

AMX_TARGET void panel_tiles_linear(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, int64_t first, int64_t end, bool add, real *C, int64_t ldc)
{
    REQUIRE(!w->paired && first >= 0 && end <= w->n, "columns %lld to %lld of %lld", (long long)first, (long long)end, (long long)w->n);
    void *out = C;
    const Bf16 *data = w->data;
    const int64_t j0 = first / 32 * 32;
    const Target t = {.swiglu = false, .add = add, .m = m, .first = first, .end = end, .ld = ldc, .C = out};
    if (first < end) product(&t, w->k, j0, end, A, lda, data + j0 / 32 * tiles_stride(w->k));
}

AMX_TARGET void panel_tiles_swiglu(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, Bf16 *y, int64_t ldy)
{
    REQUIRE(w->paired, "a matrix of gates and ups is packed in pairs");
    const int64_t F = w->n / 2, done = (F + 15) / 16 * 16;
    const Target t = {.swiglu = true, .m = m, .ld = ldy, .y = y};
    product(&t, w->k, 0, 2 * done, A, lda, w->data);
    for (int64_t i = 0; i < m && done % 32 != 0; i++) memset(y + i * ldy + done, 0, 16 * sizeof *y);
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

AMX_TARGET void panel_tiles_rmsnorm(int64_t m, int64_t C, const real *x, int64_t ldx, const real *w, real eps, Bf16 *y, int64_t ldy)
{
    const void *vx = x, *vw = w;
    const float *row = vx, *weight = vw;
    for (int64_t t = 0; t < m; t++, row += ldx, y += ldy) {
        __m512 a = _mm512_setzero_ps(), b = _mm512_setzero_ps();
        for (int64_t c = 0; c < C; c += 32) {
            const __m512 u = _mm512_maskz_loadu_ps(lanes_of(C - c), row + c), v = _mm512_maskz_loadu_ps(lanes_of(C - c - 16), row + c + 16);
            a = _mm512_fmadd_ps(u, u, a);
            b = _mm512_fmadd_ps(v, v, b);
        }
        const __m512 r = _mm512_set1_ps(1 / sqrtf(_mm512_reduce_add_ps(_mm512_add_ps(a, b)) / (float)C + (float)eps));
        for (int64_t c = 0; c < C; c += 32) {
            const __mmask16 low = lanes_of(C - c), high = lanes_of(C - c - 16);
            const __m512 u = _mm512_mul_ps(_mm512_maskz_loadu_ps(low, row + c), r), v = _mm512_mul_ps(_mm512_maskz_loadu_ps(high, row + c + 16), r);
            lanes_store(y + c, _mm512_mul_ps(u, _mm512_maskz_loadu_ps(low, weight + c)));
            lanes_store(y + c + 16, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(high, weight + c + 16)));
        }
    }
}

enum { HALVES_MOST = PANEL_TILES_HEAD / 32 /* vectors of half a head */ };
#define EACH_HALF(i) for (int i = 0; i < v; i++)
#define HALF_MASK(i) lanes_of(D / 2 - 16 * (i))

/* A head whose halves take v vectors (the compiler knows v and D where the caller does): normed with w unless that is NULL, then turned by the angles at co
 * (cosines, then sines). */
AMX_INLINE void head_row(int v, int64_t D, float eps, const float *w, const float *co, float *x)
{
    __m512 u[HALVES_MOST], z[HALVES_MOST];
    EACH_HALF(i)
    {
        u[i] = _mm512_maskz_loadu_ps(HALF_MASK(i), x + 16 * i);
        z[i] = _mm512_maskz_loadu_ps(HALF_MASK(i), x + D / 2 + 16 * i);
    }
    if (w != NULL) {
        __m512 sum = _mm512_setzero_ps();
        EACH_HALF(i) sum = _mm512_fmadd_ps(u[i], u[i], _mm512_fmadd_ps(z[i], z[i], sum));
        const __m512 r = _mm512_set1_ps(1 / sqrtf(_mm512_reduce_add_ps(sum) / (float)D + eps));
        EACH_HALF(i)
        {
            u[i] = _mm512_mul_ps(_mm512_mul_ps(u[i], r), _mm512_maskz_loadu_ps(HALF_MASK(i), w + 16 * i));
            z[i] = _mm512_mul_ps(_mm512_mul_ps(z[i], r), _mm512_maskz_loadu_ps(HALF_MASK(i), w + D / 2 + 16 * i));
        }
    }
    EACH_HALF(i)
    {
        const __m512 c = _mm512_maskz_loadu_ps(HALF_MASK(i), co + 16 * i), s = _mm512_maskz_loadu_ps(HALF_MASK(i), co + D / 2 + 16 * i);
        _mm512_mask_storeu_ps(x + 16 * i, HALF_MASK(i), _mm512_fnmadd_ps(z[i], s, _mm512_mul_ps(u[i], c)));
        _mm512_mask_storeu_ps(x + D / 2 + 16 * i, HALF_MASK(i), _mm512_fmadd_ps(u[i], s, _mm512_mul_ps(z[i], c)));
    }
}

AMX_TARGET void panel_tiles_heads(const PanelHeads *f, int64_t m, const int32_t *pos, real *qkv)
{
    const void *rope = f->rope, *qn = f->qn, *kn = f->kn, *b = f->bias;
    const float *table = rope, *bias = b;
    void *all = qkv;
    float *x = all;
    const int64_t D = f->D, ld = (f->H + 2 * f->Hkv) * D;
    REQUIRE(D % 2 == 0 && D <= PANEL_TILES_HEAD, "a head of %lld", (long long)D);
    for (int64_t t = 0; t < m; t++, x += ld) {
        const float *co = table + pos[t] * D;
        for (int64_t i = 0; bias != NULL && i < ld; i++) x[i] += bias[i];
        for (int64_t h = 0; h < f->H + f->Hkv; h++) {
            const float *w = h < f->H ? qn : kn;
            if (D == 32) {
                head_row(1, 32, (float)f->eps, w, co, x + h * D);
            } else if (D == 64) {
                head_row(2, 64, (float)f->eps, w, co, x + h * D);
            } else if (D < 32) {
                head_row(1, D, (float)f->eps, w, co, x + h * D);
            } else {
                head_row((int)((D / 2 + 15) / 16), D, (float)f->eps, w, co, x + h * D);
            }
        }
    }
}
