/* tensor/topscan_screen.c -- the scan of topscan.c after a screen in bfloat16 (topscreen.h): two passes on tile registers, then float scores of what is left,
 * from the same kernel that scores everything in the plain scan. Rows whose screen leaves too much are scanned.
 *
 * Deviations from the paper: none.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "tensor/panel_tiles.h"
#include "tensor/topscan_internal.h"

enum { SCREENS = PANELS * GEMM_COLS / SCREEN_ROWS > 0 ? PANELS * GEMM_COLS / SCREEN_ROWS : 1, SPLIT = SCREEN_ROWS / GEMM_COLS, LEAST_ITEMS = 2048, MOST_WIDTH = 4096 };

/* Lengths of vectors x = x' + x" + r: |x|, |x-x'|, |x"|, |r|; or the largest of each. */
typedef struct Lengths { double whole, off, rest, left; } Lengths;

/* The items as bfloat16, and their part of the bounds. */
typedef struct Items {
    int64_t ld, group, groups;
    Bf16 *rows, *rest;
    Lengths most;
} Items;

typedef struct Bench { /* of a worker */
    Screen screen[SCREENS];
    Bf16 *x, *rest, *rounded;
    float *over;
} Bench;

/* A number of bfloat16 as the tile registers see it. */
static double seen(Bf16 x)
{
    return (x & 0x7f80u) == 0 ? 0 : (double)tiles_float(x);
}

/* C numbers rounded, and the rest of them, as rows of tiles.h; over: room for C. */
static Lengths round_row(int64_t C, const float *v, float *over, Bf16 *rounded, Bf16 *rest)
{
    Lengths l = {0};
    tiles_rows(1, C, v, C, rounded, tiles_round(C));
    for (int64_t i = 0; i < C; i++) over[i] = v[i] - (float)seen(rounded[i]);
    tiles_rows(1, C, over, C, rest, tiles_round(C));
    for (int64_t i = 0; i < C; i++) {
        const double x = (double)v[i], off = x - seen(rounded[i]), second = seen(rest[i]);
        l.whole += x * x;
        l.off += off * off;
        l.rest += second * second;
        l.left += (off - second) * (off - second);
    }
    return (Lengths){sqrt(l.whole), sqrt(l.off), sqrt(l.rest), sqrt(l.left)};
}

/* E and F of topscreen.h for a row. */
typedef struct Bounds { double E, F; } Bounds;
static Bounds bounds(const Lengths *t, int64_t C, const Lengths *x)
{
    const double k = (double)tiles_round(C), safe = 1 + 0x1p-20, u = 0x1p-24, tiny = k * 0x1p-126;
    return (Bounds){safe * (x->off * t->whole + (x->whole + x->off) * t->off + 4.04 * k * u * (x->whole + x->off) * (t->whole + t->off) + 8 * tiny),
                    safe * (x->rest * t->rest + x->left * t->whole + (x->whole + x->left) * t->left +
                            8.08 * k * u * (x->whole + x->off + x->rest) * (t->whole + t->off + t->rest) + 24 * tiny)};
}

static float below(double x) { return nextafterf((float)x, -INFINITY); }
static float above(double x) { return nextafterf((float)x, INFINITY); }

static void round_items(const TopScan *t, int threads, Arena *arena, Items *items)
{
    const void *table = t->table;
    const float *from = table;
    const int64_t C = t->C, squares = (t->N + 31) / 32;
    items->ld = tiles_round(C) + 32;
    items->group = (squares + SCREEN_GROUPS - 1) / SCREEN_GROUPS;
    items->groups = (squares + items->group - 1) / items->group;
    items->rows = arena_alloc(arena, (size_t)(squares * 32 * items->ld), sizeof(Bf16));
    items->rest = arena_alloc(arena, (size_t)(squares * 32 * items->ld), sizeof(Bf16));
    double whole = 0, off = 0, rest = 0, left = 0;
    bool finite = true;
#pragma omp parallel for num_threads(threads) reduction(max : whole, off, rest, left) reduction(&& : finite)
    for (int64_t i = 0; i < t->N; i++) {
        float over[MOST_WIDTH];
        const Lengths l = round_row(C, from + i * C, over, items->rows + i * items->ld, items->rest + i * items->ld);
        whole = l.whole > whole ? l.whole : whole;
        off = l.off > off ? l.off : off;
        rest = l.rest > rest ? l.rest : rest;
        left = l.left > left ? l.left : left;
        finite = finite && isfinite(l.whole + l.off + l.rest + l.left);
    }
    items->most = (Lengths){finite ? whole : INFINITY, off, rest, left};
}

/* Rows of one screen: their panels, and the bounds of each, NAN where there are none. */
static void open_screen(const TopScan *t, const Items *items, Bench *w, Screen *s, int64_t first, int64_t n, Bounds *bound)
{
    const void *all = t->x;
    const float *x = (const float *)all + first * t->ldx;
    const int64_t C = t->C, stride = tiles_stride(C), deep = tiles_round(C);
    Bf16 *panel = w->x + (s - w->screen) * stride, *rest = w->rest + (s - w->screen) * stride;
    for (int64_t u = 0; u < SCREEN_ROWS; u++) {
        bound[u] = (Bounds){NAN, NAN};
        s->kept[u] = s->before[u] = 0;
        memset(w->rounded + u * deep, 0, (size_t)deep * sizeof(Bf16));
        memset(w->rounded + (SCREEN_ROWS + u) * deep, 0, (size_t)deep * sizeof(Bf16));
        if (u >= n) continue;
        const Lengths l = round_row(C, x + u * t->ldx, w->over, w->rounded + u * deep, w->rounded + (SCREEN_ROWS + u) * deep);
        bound[u] = bounds(&items->most, C, &l);
    }
    tiles_pair_transposed(C, SCREEN_ROWS, w->rounded, deep, panel, stride);
    tiles_pair_transposed(C, SCREEN_ROWS, w->rounded + SCREEN_ROWS * deep, deep, rest, stride);
    s->x = panel;
    s->rest = rest;
}

/* What is kept of each row, after the first pass. Rows without a bound keep too much on purpose. */
static void set_limits(const TopScan *t, const Items *items, Screen *s, Panel *panel, int64_t first, int64_t n, const Bounds *bound)
{
    int32_t want[SCREEN_ROWS] = {0};
    float level[SCREEN_ROWS] = {0};
    for (int64_t u = 0; u < n; u++) {
        const int64_t out = t->ex_offset != NULL ? t->ex_offset[first + u + 1] - t->ex_offset[first + u] : 0;
        want[u] = (int32_t)(t->top + out < INT32_MAX ? t->top + out : INT32_MAX);
    }
    if (t->top > 0) topscreen_level(items->groups, s->most, want, level);
    for (int64_t u = 0; u < SCREEN_ROWS; u++) {
        s->enough[u] = s->low[u] = s->high[u] = INFINITY;
        if (u >= n) continue;
        const double target = (double)panel[u / GEMM_COLS].target[u % GEMM_COLS];
        const double E = bound[u].E, F = t->target != NULL ? bound[u].F : E;
        if (!isfinite(bound[u].E + bound[u].F) || (t->target != NULL && !isfinite(target))) {
            s->kept[u] = SCREEN_MOST + 1;
            continue;
        }
        if (t->top > 0) s->enough[u] = below((double)level[u] - E - F);
        if (t->target != NULL) {
            s->low[u] = below(target - F);
            s->high[u] = above(target + F);
        }
    }
}

/* Float scores of what lane u kept: into the list, and before the target. */
static void score_kept(const TopScan *t, Worker *w, const Screen *s, int64_t u, Panel *p)
{
    const int64_t lane = u % GEMM_COLS, n = s->kept[u], target = t->target != NULL ? t->target[p->first + lane] : -1;
    const int32_t *item = s->item + u * SCREEN_MOST;
    const float *a = s->a + u * SCREEN_MOST;
    p->before[lane] = s->before[u];
    for (int64_t at = 0; at < n; at += GEMM_ROWS) {
        const int64_t h = n - at < GEMM_ROWS ? n - at : GEMM_ROWS;
        for (int64_t i = 0; i < h; i++) memcpy(w->rows + i * t->C, t->table + item[at + i] * t->C, (size_t)t->C * sizeof(real));
        topscan_products(t, p, w->rows, w->tile);
        for (int64_t i = 0; i < h; i++) {
            const real score = w->tile[i * GEMM_COLS + lane];
            if (a[at + i] >= s->low[u] && !(a[at + i] > s->high[u])) p->before[lane] += score > p->target[lane] || (score == p->target[lane] && item[at + i] < target);
            if (a[at + i] >= s->enough[u]) topscan_enter(t, p, lane, item[at + i], score);
        }
    }
}

static void screen_rows(const TopScan *t, const Items *items, Worker *w, Bench *b, int64_t first)
{
    Bounds bound[SCREENS][SCREEN_ROWS];
    int64_t n[SCREENS];
    int screens = 0, panels = 0;
    for (; screens < SCREENS && first + screens * SCREEN_ROWS < t->n; screens++) {
        const int64_t at = first + screens * SCREEN_ROWS;
        n[screens] = t->n - at < SCREEN_ROWS ? t->n - at : SCREEN_ROWS;
        for (int64_t r = 0; r < n[screens]; r += GEMM_COLS, panels++) {
            Panel *p = &w->panel[panels];
            p->first = at + r;
            p->n = n[screens] - r < GEMM_COLS ? n[screens] - r : GEMM_COLS;
            p->x = w->x + panels * GEMM_COLS * t->C;
            topscan_open_panel(t, w, p);
        }
        open_screen(t, items, b, &b->screen[screens], at, n[screens], bound[screens]);
    }
    if (t->top > 0) topscreen_maxima(t->N, t->C, items->rows, items->ld, items->group, screens, b->screen);
    for (int k = 0; k < screens; k++) set_limits(t, items, &b->screen[k], &w->panel[k * SPLIT], first + k * SCREEN_ROWS, n[k], bound[k]);
    topscreen_collect(t->N, t->C, items->rows, t->target != NULL ? items->rest : NULL, items->ld, screens, b->screen);
    bool scan = false;
    for (int k = 0; k < screens; k++) {
        for (int64_t u = 0; u < n[k]; u++) {
            scan = scan || b->screen[k].kept[u] > SCREEN_MOST;
            if (!scan) score_kept(t, w, &b->screen[k], u, &w->panel[k * SPLIT + u / GEMM_COLS]);
        }
    }
    if (scan) { /* the lists are begun anew */
        topscan_rows(t, w, first);
        return;
    }
    for (int k = 0; k < panels; k++) topscan_close_panel(t, w, &w->panel[k]);
}

bool topscan_screened(const TopScan *t, int threads, Worker *worker, Arena *arena)
{
    if (t->plain || !panel_tiles_available() || t->N < LEAST_ITEMS || t->C > MOST_WIDTH || SPLIT * GEMM_COLS != SCREEN_ROWS) return false;
    Items items;
    round_items(t, threads, arena, &items);
    if (!isfinite(items.most.whole)) return false;
    Bench *bench = arena_alloc(arena, (size_t)threads, sizeof *bench);
    for (int i = 0; i < threads; i++) {
        bench[i].x = arena_alloc(arena, (size_t)(SCREENS * tiles_stride(t->C)), sizeof(Bf16));
        bench[i].rest = arena_alloc(arena, (size_t)(SCREENS * tiles_stride(t->C)), sizeof(Bf16));
        bench[i].rounded = arena_alloc(arena, (size_t)(2 * SCREEN_ROWS * tiles_round(t->C)), sizeof(Bf16));
        bench[i].over = arena_alloc(arena, (size_t)t->C, sizeof(float));
        for (int k = 0; k < SCREENS; k++) {
            Screen *s = &bench[i].screen[k];
            s->most = arena_alloc(arena, (size_t)(items.groups * SCREEN_ROWS), sizeof(float));
            s->item = arena_alloc(arena, SCREEN_ROWS * SCREEN_MOST, sizeof(int32_t));
            s->a = arena_alloc(arena, SCREEN_ROWS * SCREEN_MOST, sizeof(float));
        }
    }
#pragma omp parallel num_threads(threads)
    {
        const int i = omp_get_thread_num();
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < t->n; first += SCREENS * SCREEN_ROWS) screen_rows(t, &items, &worker[i], &bench[i], first);
    }
    return true;
}
