/* tensor/topscan.c -- see topscan.h.
 *
 * Rows are columns of a panel (gemm_kernel.h), items the rows that are multiplied with it: comparisons then run down the registers, a lane a row, and one
 * test tells whether any of GEMM_ROWS items enters any of GEMM_COLS lists. An item has a higher id than all before it, so it enters a list only with a
 * score above the worst kept one; and it stands before the target when its score is above the target's, or equal and its id is lower: `>=` on the
 * way to the target is `>` against the next number below. Where the processor has tile registers, most items are left out beforehand (topscan_screen.c).
 *
 * Deviations from the paper: none.
 */
#include <math.h>
#include <omp.h>
#include <string.h>
#include <tgmath.h>

#include "base/status.h"
#include "tensor/topscan_internal.h"

void topscan_products(const TopScan *t, const Panel *p, const real *items, real *tile)
{
    gemm_tile(t->C, items, t->C, 1, p->x, 1, 0, tile, GEMM_COLS);
}

bool topscan_left_out(const TopScan *t, int64_t row, int32_t item)
{
    if (t->ex_offset == NULL) return false;
    for (int64_t i = t->ex_offset[row]; i < t->ex_offset[row + 1]; i++)
        if (t->ex_item[i] == item) return true;
    return false;
}

/* --- before and after the items -------------------------------------------------------------------------------- */

void topscan_open_panel(const TopScan *t, Worker *w, Panel *p)
{
    for (int64_t k = 0; k < t->C; k++)
        for (int64_t u = 0; u < GEMM_COLS; u++) p->x[k * GEMM_COLS + u] = u < p->n ? t->x[(p->first + u) * t->ldx + k] : 0;
    for (int64_t u = 0; u < GEMM_COLS; u++) {
        p->threshold[u] = u < p->n && t->top > 0 ? -(real)INFINITY : (real)INFINITY;
        p->limit[u] = p->target[u] = (real)INFINITY;
        p->before[u] = 0;
        p->filled[u] = 0;
    }
    p->next = t->N;
    for (int64_t u = 0; t->target != NULL && u < p->n; u++)
        if (t->target[p->first + u] < p->next) p->next = t->target[p->first + u];
    for (int64_t u0 = 0; t->target != NULL && u0 < p->n; u0 += GEMM_ROWS) { /* the targets' scores lie on the diagonal */
        for (int64_t i = 0; i < GEMM_ROWS; i++) {
            const int64_t row = p->first + (u0 + i < p->n ? u0 + i : 0);
            memcpy(w->rows + i * t->C, t->table + t->target[row] * t->C, (size_t)t->C * sizeof(real));
        }
        topscan_products(t, p, w->rows, w->tile);
        for (int64_t u = u0; u < p->n && u < u0 + GEMM_ROWS; u++) {
            p->target[u] = w->tile[(u - u0) * GEMM_COLS + u];
            p->limit[u] = nextafter(p->target[u], -(real)INFINITY);
        }
    }
}

/* Items that are left out and were counted as standing before the target of lane u. */
static int64_t counted_in_vain(const TopScan *t, Worker *w, const Panel *p, int64_t u)
{
    const int64_t row = p->first + u, begin = t->ex_offset[row], end = t->ex_offset[row + 1];
    int64_t count = 0;
    for (int64_t at = begin; at < end; at += GEMM_ROWS) {
        const int64_t h = end - at < GEMM_ROWS ? end - at : GEMM_ROWS;
        for (int64_t i = 0; i < h; i++) memcpy(w->rows + i * t->C, t->table + t->ex_item[at + i] * t->C, (size_t)t->C * sizeof(real));
        topscan_products(t, p, w->rows, w->tile);
        for (int64_t i = 0; i < h; i++) {
            const int32_t item = t->ex_item[at + i];
            const real s = w->tile[i * GEMM_COLS + u];
            bool repeat = false;
            for (int64_t k = begin; k < at + i; k++) repeat = repeat || t->ex_item[k] == item;
            count += !repeat && (s > p->target[u] || (s == p->target[u] && item < t->target[row]));
        }
    }
    return count;
}

void topscan_close_panel(const TopScan *t, Worker *w, const Panel *p)
{
    for (int64_t u = 0; u < p->n; u++) {
        const int64_t row = p->first + u;
        if (t->top > 0) t->length[row] = p->filled[u];
        if (t->target == NULL) continue;
        const bool out = topscan_left_out(t, row, t->target[row]);
        t->target_score[row] = out ? -(real)INFINITY : p->target[u];
        t->rank[row] = out ? 0 : (int32_t)(1 + (int64_t)p->before[u] - (t->ex_offset != NULL ? counted_in_vain(t, w, p, u) : 0));
    }
}

/* --- items ----------------------------------------------------------------------------------------------------- */

void topscan_enter(const TopScan *t, Panel *p, int64_t u, int32_t item, real s)
{
    const int64_t row = p->first + u;
    real *score = t->score + row * t->top;
    int32_t *list = t->item + row * t->top;
    if (!(s > p->threshold[u]) || topscan_left_out(t, row, item)) return;
    int64_t at = p->filled[u] < t->top ? p->filled[u]++ : t->top - 1;
    for (; at > 0 && score[at - 1] < s; at--) {
        score[at] = score[at - 1];
        list[at] = list[at - 1];
    }
    score[at] = s;
    list[at] = item;
    if (p->filled[u] == t->top) p->threshold[u] = score[t->top - 1];
}

/* Lane u of the tile: what is above the threshold goes into the list, a sorted one. */
static void enter(const TopScan *t, Panel *p, int64_t u, int64_t first, int64_t h, const real *tile)
{
    uint32_t above = 0;
    for (int64_t i = 0; i < h; i++) above |= (uint32_t)(tile[i * GEMM_COLS + u] > p->threshold[u]) << i;
    for (; above != 0; above &= above - 1) { /* the threshold may rise meanwhile */
        const int64_t i = __builtin_ctz(above);
        topscan_enter(t, p, u, (int32_t)(first + i), tile[i * GEMM_COLS + u]);
    }
}

/* The tile that holds the targets of some lanes: from here on only higher scores stand before them. The vectors count those of this tile; equal
 * scores with lower ids are added here. */
static void pass_targets(const TopScan *t, Panel *p, int64_t first, int64_t h, const real *tile)
{
    p->next = t->N;
    for (int64_t u = 0; u < p->n; u++) {
        const int64_t target = t->target[p->first + u];
        if (target >= first + h && target < p->next) p->next = target;
        if (target < first || target >= first + h) continue;
        p->limit[u] = p->target[u];
        for (int64_t i = 0; i < h && first + i < target; i++) p->before[u] += tile[i * GEMM_COLS + u] == p->target[u];
    }
}

/* Items [first, first+h) meet a panel; rows of `items` past h are not looked at. */
static void scan_tile(const TopScan *t, Panel *p, int64_t first, int64_t h, const real *items, real *tile)
{
    topscan_products(t, p, items, tile);
    if (p->next < first + h) pass_targets(t, p, first, h, tile);
    union { MaskVec half[2]; Mask lane[GEMM_COLS]; uint64_t word[WORDS]; } hit;
    for (int half = 0; half < 2; half++) {
        const GemmVec threshold = *(const GemmVec *)(p->threshold + half * GEMM_VEC), limit = *(const GemmVec *)(p->limit + half * GEMM_VEC);
        MaskVec found = {0}, before = *(const MaskVec *)(p->before + half * GEMM_VEC);
        for (int64_t i = 0; i < h; i++) {
            const GemmVec s = *(const GemmVec *)(tile + i * GEMM_COLS + half * GEMM_VEC);
            found |= (MaskVec)(s > threshold);
            before -= (MaskVec)(s > limit);
        }
        *(MaskVec *)(p->before + half * GEMM_VEC) = before;
        hit.half[half] = found;
    }
    for (int64_t k = 0; k < WORDS; k++) {
        if (hit.word[k] == 0) continue;
        for (int64_t u = k * PER_WORD; u < (k + 1) * PER_WORD; u++)
            if (hit.lane[u] != 0) enter(t, p, u, first, h, tile);
    }
}

/* `panels` panels from row `first` on, over all items. */
void topscan_rows(const TopScan *t, Worker *w, int64_t first)
{
    int panels = 0;
    for (; panels < PANELS && first + panels * GEMM_COLS < t->n; panels++) {
        Panel *p = &w->panel[panels];
        p->first = first + panels * GEMM_COLS;
        p->n = t->n - p->first < GEMM_COLS ? t->n - p->first : GEMM_COLS;
        p->x = w->x + panels * GEMM_COLS * t->C;
        topscan_open_panel(t, w, p);
    }
    for (int64_t i = 0; i < t->N; i += GEMM_ROWS) {
        const int64_t h = t->N - i < GEMM_ROWS ? t->N - i : GEMM_ROWS;
        const real *items = t->table + i * t->C;
        if (h < GEMM_ROWS) { /* tiles are whole */
            memcpy(w->rows, items, (size_t)(h * t->C) * sizeof(real));
            items = w->rows;
        }
        for (int k = 0; k < panels; k++) scan_tile(t, &w->panel[k], i, h, items, w->tile);
    }
    for (int k = 0; k < panels; k++) topscan_close_panel(t, w, &w->panel[k]);
}

void topscan_run(const TopScan *t, int threads)
{
    REQUIRE(t->top >= 0 && t->top <= TOPSCAN_MOST && t->N >= 1, "top %lld of %lld items", (long long)t->top, (long long)t->N);
    for (int64_t r = 0; t->target != NULL && r < t->n; r++) REQUIRE(t->target[r] >= 0 && t->target[r] < t->N, "target %d", t->target[r]);
    if (t->n == 0) return;
    const int64_t step = PANELS * GEMM_COLS;
    Arena *arena = arena_create("top scan");
    Worker *worker = arena_alloc(arena, (size_t)threads, sizeof *worker);
    for (int i = 0; i < threads; i++) {
        worker[i].x = arena_alloc(arena, (size_t)(step * t->C), sizeof(real));
        worker[i].rows = arena_alloc(arena, (size_t)(GEMM_ROWS * t->C), sizeof(real));
    }
    if (topscan_screened(t, threads, worker, arena)) {
        arena_destroy(arena);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        Worker *w = &worker[omp_get_thread_num()];
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < t->n; first += step) topscan_rows(t, w, first);
    }
    arena_destroy(arena);
}
