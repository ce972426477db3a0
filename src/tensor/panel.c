/* tensor/panel.c -- see panel.h.
 *
 * A panel stays in the first-level cache while the tiles of all rows go over it. Edge tiles are computed whole into a small copy.
 *
 * Deviations from the paper: none.
 */
#include "tensor/panel.h"

#include <string.h>

#include "base/status.h"
#include "tensor/gemm_kernel.h"
#include "tensor/vmath.h"

_Static_assert((int)PANEL_PAD_ROWS >= (int)GEMM_ROWS, "tiles read this far");

enum { SHORT_ROWS = 6 }; /* the smaller of the two tiles */

static int64_t panels(const PanelMatrix *w)
{
    const int64_t width = w->paired ? GEMM_VEC : GEMM_COLS, n = w->paired ? w->n / 2 : w->n;
    return (n + width - 1) / width;
}

size_t panel_bytes(const PanelMatrix *w)
{
    return w->bf16 ? panel_bf16_bytes(w) : (size_t)(panels(w) * GEMM_COLS * w->k) * sizeof(real);
}

size_t panel_scratch_bytes(int64_t m, int64_t k, bool bf16)
{
    return bf16 ? panel_bf16_scratch_bytes(m, k) : 64;
}

/* Columns [at, at+width) of a panel := rows [first, first+width) of W, zero past row `end`. */
static void pack_columns(int64_t k, int64_t width, const real *W, int64_t first, int64_t end, real *out)
{
    for (int64_t j = 0; j < width; j++) {
        const bool there = first + j < end;
        for (int64_t p = 0; p < k; p++) out[p * GEMM_COLS + j] = there ? W[(first + j) * k + p] : 0;
    }
}

void panel_pack(const PanelMatrix *w, const real *W)
{
    if (w->bf16) {
        panel_bf16_pack(w, W);
        return;
    }
    real *out = w->data;
    for (int64_t i = 0; i < panels(w); i++, out += GEMM_COLS * w->k) {
        if (w->paired) {
            pack_columns(w->k, GEMM_VEC, W, i * GEMM_VEC, w->n / 2, out);
            pack_columns(w->k, GEMM_VEC, W, w->n / 2 + i * GEMM_VEC, w->n, out + GEMM_VEC);
        } else {
            pack_columns(w->k, GEMM_COLS, W, i * GEMM_COLS, w->n, out);
        }
    }
}

/* tile (rows,COLS) = h rows of A times a panel; returns nothing of the rows past h that anyone reads. */
static inline void whole_tile(int64_t k, int64_t h, const real *A, int64_t lda, const real *panel, real *tile)
{
    if (h <= SHORT_ROWS) {
        gemm_tile_6(k, A, lda, 1, panel, 1, 0, tile, GEMM_COLS);
    } else {
        gemm_tile(k, A, lda, 1, panel, 1, 0, tile, GEMM_COLS);
    }
}

void panel_linear(const PanelMatrix *w, int64_t m, const real *A, int64_t lda, int64_t first, int64_t end, bool add, real *C, int64_t ldc, void *scratch)
{
    REQUIRE(!w->paired && first >= 0 && end <= w->n, "columns %lld to %lld of %lld", (long long)first, (long long)end, (long long)w->n);
    if (w->bf16) {
        panel_bf16_linear(w, m, A, lda, first, end, add, C, ldc, scratch);
        return;
    }
    const real *data = w->data;
    _Alignas(64) real tile[GEMM_ROWS * GEMM_COLS];
    for (int64_t j = first / GEMM_COLS * GEMM_COLS; j < end; j += GEMM_COLS) {
        const real *panel = data + j * w->k;
        const int64_t from = j < first ? first - j : 0, to = end - j < GEMM_COLS ? end - j : GEMM_COLS;
        for (int64_t i = 0; i < m; i += GEMM_ROWS) {
            const int64_t h = m - i < GEMM_ROWS ? m - i : GEMM_ROWS;
            real *c = C + i * ldc + j;
            if (h == GEMM_ROWS && from == 0 && to == GEMM_COLS) {
                gemm_tile(w->k, A + i * lda, lda, 1, panel, 1, add ? 1 : 0, c, ldc);
                continue;
            }
            whole_tile(w->k, h, A + i * lda, lda, panel, tile);
            for (int64_t r = 0; r < h; r++) {
                for (int64_t x = from; x < to; x++) c[r * ldc + x] = tile[r * GEMM_COLS + x] + (add ? c[r * ldc + x] : 0);
            }
        }
    }
}

void panel_swiglu(const PanelMatrix *w, int64_t m, const real *A, int64_t lda, real *y, int64_t ldy, void *scratch)
{
    REQUIRE(w->paired, "a matrix of gates and ups is packed in pairs");
    if (w->bf16) {
        panel_bf16_swiglu(w, m, A, lda, y, ldy, scratch);
        return;
    }
    const real *data = w->data;
    _Alignas(64) real tile[GEMM_ROWS * GEMM_COLS];
    const int64_t F = w->n / 2;
    for (int64_t j = 0; j < F; j += GEMM_VEC) {
        const real *panel = data + j / GEMM_VEC * GEMM_COLS * w->k;
        const int64_t width = F - j < GEMM_VEC ? F - j : GEMM_VEC;
        for (int64_t i = 0; i < m; i += GEMM_ROWS) {
            const int64_t h = m - i < GEMM_ROWS ? m - i : GEMM_ROWS;
            whole_tile(w->k, h, A + i * lda, lda, panel, tile);
            for (int64_t r = 0; r < h; r++) {
                real *g = tile + r * GEMM_COLS, *u = g + GEMM_VEC;
                for (int x = 0; x < GEMM_VEC; x++) g[x] = g[x] / (1 + vmath_exp(-g[x])) * u[x];
                memcpy(y + (i + r) * ldy + j, g, (size_t)width * sizeof(real));
            }
        }
    }
}
