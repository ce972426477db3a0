/* tensor/topscan_internal.h -- what topscan.c and topscan_screen.c share. */
#ifndef DIGR_TENSOR_TOPSCAN_INTERNAL_H
#define DIGR_TENSOR_TOPSCAN_INTERNAL_H

#include <stdbool.h>

#include "base/arena.h"
#include "tensor/gemm_kernel.h"
#include "tensor/topscan.h"
#include "tensor/topscreen.h"

enum { PANELS = 4 }; /* that meet an item tile while it is in the first-level cache */

typedef __typeof__(_Generic((real)0, float: (int32_t)0, double: (int64_t)0)) Mask; /* as wide as real */
typedef Mask MaskVec __attribute__((vector_size(GEMM_VEC_BYTES), may_alias));
enum { PER_WORD = 8 / (int)sizeof(real), WORDS = GEMM_COLS / PER_WORD }; /* lanes in 64 bits */

/* One panel of rows on its way over the items. */
typedef struct Panel {
    int64_t first, n;              /* rows of the scan, n <= GEMM_COLS */
    real *x;                       /* (C,COLS) */
    _Alignas(64) real threshold[GEMM_COLS]; /* worst kept score of a full list, else -INFINITY; +INFINITY in lanes without a row */
    _Alignas(64) real limit[GEMM_COLS];
    _Alignas(64) Mask before[GEMM_COLS]; /* items found before the target */
    real target[GEMM_COLS];
    int64_t next;                  /* lowest target that was not passed yet */
    int64_t filled[GEMM_COLS];
} Panel;

typedef struct Worker {
    Panel panel[PANELS];
    real *x, *rows;                /* (PANELS,C,COLS); (GEMM_ROWS,C) items copied together */
    _Alignas(64) real tile[GEMM_ROWS * GEMM_COLS];
} Worker;

/* Before and after a panel's items. */
void topscan_open_panel(const TopScan *t, Worker *w, Panel *p);
void topscan_close_panel(const TopScan *t, Worker *w, const Panel *p);
/* Scores of GEMM_ROWS items and a panel's rows to `tile` (GEMM_ROWS,GEMM_COLS). */
void topscan_products(const TopScan *t, const Panel *p, const real *items, real *tile);
bool topscan_left_out(const TopScan *t, int64_t row, int32_t item);
/* An item with a higher id than all before it, into the list of lane u. */
void topscan_enter(const TopScan *t, Panel *p, int64_t u, int32_t item, real s);
/* PANELS panels from row `first` on, over all items. */
void topscan_rows(const TopScan *t, Worker *w, int64_t first);

/* topscan_screened -- the scan with a screen before it (topscreen.h); false, and nothing done, where that is not possible or does not pay. */
bool topscan_screened(const TopScan *t, int threads, Worker *worker, Arena *arena);

#endif
