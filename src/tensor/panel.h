/* tensor/panel.h -- weights kept in panels, and the products of cached decoding on them, for the thread that calls.
 *
 * Training multiplies each weight matrix a few times and then changes it; decoding multiplies the same matrices by a few dozen rows thousands of times.
 * So they are packed once into the panels that the register tiles of gemm_kernel.h read (GEMM_COLS columns, contiguous over k), and rows come in chunks
 * small enough that everything between two products stays in the second-level cache. Host memory only: this serves the cpu backend.
 *
 * Row matrices given as A must have GEMM_ROWS readable rows after the last one (their contents do not matter): tiles are whole.
 * Each result is one accumulator that adds over k in order: it depends neither on the other rows nor on their number.
 */
#ifndef DIGR_TENSOR_PANEL_H
#define DIGR_TENSOR_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dims.h"

typedef struct PanelMatrix {
    int64_t n, k;  /* y (m,n) = x (m,k) W^T, W (n,k) */
    bool paired;   /* columns n/2 + j beside columns j: gate and up */
    bool bf16;     /* weights and rows are rounded to bfloat16, sums stay float (panel_bf16_x86.c); only where panel_bf16_available */
    void *data;    /* panel_bytes(), 64-byte aligned */
} PanelMatrix;

enum { PANEL_PAD_ROWS = 12 }; /* rows to leave behind the last row of A */

/* panel_bytes -- size of data; the other fields are given. For paired matrices n is both halves together. */
size_t panel_bytes(const PanelMatrix *w);
/* panel_scratch_bytes -- what the products need for m rows; 64-byte aligned. */
size_t panel_scratch_bytes(int64_t m, int64_t k, bool bf16);
/* panel_pack -- W (n,k), contiguous, into w->data. */
void panel_pack(const PanelMatrix *w, const real *W);

/* panel_linear -- C (m,n) = A W^T, or C += A W^T with `add`; only columns [first,end) are written. Not for paired matrices. */
void panel_linear(const PanelMatrix *w, int64_t m, const real *A, int64_t lda, int64_t first, int64_t end, bool add, real *C, int64_t ldc, void *scratch);
/* panel_swiglu -- y (m,n/2) = silu(A G^T) * (A U^T), G the first half of a paired W's rows and U the second. */
void panel_swiglu(const PanelMatrix *w, int64_t m, const real *A, int64_t lda, real *y, int64_t ldy, void *scratch);

/* panel_rmsnorm -- y = w * x / sqrt(mean(x^2) + eps) for m rows of C. */
void panel_rmsnorm(int64_t m, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y, int64_t ldy);
/* panel_rope_table -- (positions,D): cosines of the D/2 angles of backend.h's rope, then sines. */
void panel_rope_table(int64_t positions, int64_t D, double theta, real *table);
/* panel_heads -- m rows of qkv ((H+2Hkv)*D wide, in place): bias, RMSNorm of each query and key head, rope; copies of keys and values to rows of k and v. */
typedef struct PanelHeads {
    int64_t H, Hkv, D;
    const real *bias, *qn, *kn; /* NULL: none; qn and kn together */
    real eps;
    const real *rope;           /* panel_rope_table */
} PanelHeads;
void panel_heads(const PanelHeads *f, int64_t m, const int32_t *pos, real *qkv, real *k, real *v, int64_t ldkv);

/* The products in bfloat16, float builds only: panel_bf16_x86.c, or panel_bf16_absent.c on other processors. Called by the above. */
bool panel_bf16_available(void);
size_t panel_bf16_bytes(const PanelMatrix *w);
size_t panel_bf16_scratch_bytes(int64_t m, int64_t k);
void panel_bf16_pack(const PanelMatrix *w, const void *W);
void panel_bf16_linear(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, int64_t first, int64_t end, bool add, void *C, int64_t ldc, void *scratch);
void panel_bf16_swiglu(const PanelMatrix *w, int64_t m, const void *A, int64_t lda, void *y, int64_t ldy, void *scratch);

#endif
