/* tensor/panel_tiles.h -- the products of cached decoding (panel.h) on tile registers, with what lies between them: rows stay bfloat16 from where they are
 * made to the product that reads them, residuals and sums are float. For the thread that calls; only where tiles_available, in float builds.
 *
 * Rows given as A are in the layout `rows` of tiles.h: zero from k to the next multiple of 32, and 31 readable rows (of anything) behind the last one.
 * Matrices are PanelMatrix with n, k and paired given; a paired one has 16 gates and their 16 ups in a panel.
 */
#ifndef DIGR_TENSOR_PANEL_TILES_H
#define DIGR_TENSOR_PANEL_TILES_H

#include "tensor/panel.h"
#include "tensor/tiles.h"

/* panel_tiles_available -- tiles_available, and a float build. */
bool panel_tiles_available(void);
/* panel_tiles_bytes, panel_tiles_pack -- as panel_bytes and panel_pack. */
size_t panel_tiles_bytes(const PanelMatrix *w);
void panel_tiles_pack(const PanelMatrix *w, const real *W);

/* panel_tiles_rmsnorm -- rows of panel_rmsnorm's result; ldy at least C rounded up to 32. */
void panel_tiles_rmsnorm(int64_t m, int64_t C, const real *x, int64_t ldx, const real *w, real eps, Bf16 *y, int64_t ldy);
/* panel_tiles_linear -- C (m,n) = A W^T, or += with `add`; only columns [first,end) of rows below m are written. */
void panel_tiles_linear(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, int64_t first, int64_t end, bool add, real *C, int64_t ldc);
/* panel_tiles_swiglu -- y (m,n/2) in rows: silu(A G^T) * (A U^T); ldy at least n/2 rounded up to 32. */
void panel_tiles_swiglu(const PanelMatrix *w, int64_t m, const Bf16 *A, int64_t lda, Bf16 *y, int64_t ldy);
/* panel_tiles_heads -- panel_heads without the copies of keys and values; D even and at most PANEL_TILES_HEAD (REQUIREd). */
enum { PANEL_TILES_HEAD = 256 };
void panel_tiles_heads(const PanelHeads *f, int64_t m, const int32_t *pos, real *qkv);

/* --- attention, one head --------------------------------------------------------------------------------------- */

/* Keys (n,D) of a prompt as panels of K^T, values as panels of V: tiles_panels(D, n) elements each. */
void panel_tiles_keep(int64_t n, int64_t D, const real *k, const real *v, int64_t ld, Bf16 *kt, Bf16 *vn);
/* What the two below need, 64-byte aligned; n: most keys of a row. */
size_t panel_tiles_scratch_bytes(int64_t n, int64_t D);
/* panel_tiles_causal -- out (n,D) as bfloat16: row i of q over keys 0..i. scale > 0. */
void panel_tiles_causal(int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, Bf16 *out, int64_t ldo, void *scratch);
/* panel_tiles_beams -- out (R,D): every row of q over the n keys of the prompt and its n_suf own ones, rows D wide at k + r*beam + i*ld. n + own->n is what the scratch is for. */
typedef struct PanelSuffix {
    int64_t n, beam, ld;
    const real *k, *v;
} PanelSuffix;
void panel_tiles_beams(int64_t R, int64_t n, int64_t D, real scale, const real *q, int64_t ldq, const Bf16 *kt, const Bf16 *vn, const PanelSuffix *own, Bf16 *out,
                       int64_t ldo, void *scratch);

#endif
