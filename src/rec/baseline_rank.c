/* rec/baseline_rank.c -- see baseline_rank.h.
 *
 * The top list: items come in ascending id, so an item enters only with a score strictly above the worst one kept (an equal score has a higher
 * id than everything kept). The kept ones form a heap with the worst entry at its root; blocks whose maximum does not pass the threshold are
 * skipped by one vectorised comparison.
 */
#include "rec/baseline_rank.h"

#include <math.h>

#include "tensor/topscan.h"

enum { BLOCK = 64, TILE_ROWS = 128, VECTOR_ROWS = 4096 };

typedef struct Entry { real score; int32_t item; } Entry;

/* Does `a` stand after `b` in a ranking? */
static bool worse(Entry a, Entry b) { return a.score < b.score || (a.score == b.score && a.item > b.item); }

/* Heap of n entries, every parent worse than its children: sink the root. */
static void sink(Entry *heap, int64_t n, int64_t at)
{
    const Entry e = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && worse(heap[child + 1], heap[child])) child++;
        if (!worse(heap[child], e)) break;
        heap[at] = heap[child];
    }
    heap[at] = e;
}

static void rise(Entry *heap, int64_t at)
{
    const Entry e = heap[at];
    for (int64_t parent; at > 0 && worse(e, heap[parent = (at - 1) / 2]); at = parent) heap[at] = heap[parent];
    heap[at] = e;
}

static bool any_above(const real *score, int64_t n, real threshold)
{
    int found = 0;
    for (int64_t i = 0; i < n; i++) found |= score[i] > threshold;
    return found != 0;
}

enum { MAX_TOP = 128 };

int64_t rank_top(const real *score, int64_t N, int64_t top, int32_t *item, real *score_out)
{
    REQUIRE(top >= 1 && top <= MAX_TOP, "top %lld of at most %d", (long long)top, (int)MAX_TOP);
    Entry heap[MAX_TOP];
    int64_t n = 0;
    for (int64_t block = 0; block < N; block += BLOCK) {
        const int64_t end = block + BLOCK < N ? block + BLOCK : N;
        if (n == top && !any_above(score + block, end - block, heap[0].score)) continue;
        for (int64_t i = block; i < end; i++) {
            if (score[i] == -(real)INFINITY) continue;
            if (n < top) {
                heap[n] = (Entry){score[i], (int32_t)i};
                rise(heap, n++);
            } else if (score[i] > heap[0].score) {
                heap[0] = (Entry){score[i], (int32_t)i};
                sink(heap, n, 0);
            }
        }
    }
    for (int64_t left = n; left > 0; left--) { /* worst first, from the back */
        item[left - 1] = heap[0].item;
        score_out[left - 1] = heap[0].score;
        heap[0] = heap[left - 1];
        sink(heap, left - 1, 0);
    }
    return n;
}

/* 1 + items before the target in the order; 0 when the target is excluded. */
static int32_t rank_of(const real *score, int64_t N, int32_t target)
{
    const real s = score[target];
    if (s == -(real)INFINITY) return 0;
    int32_t before = 0;
    for (int64_t i = 0; i < target; i++) before += score[i] >= s;
    for (int64_t i = target + 1; i < N; i++) before += score[i] > s;
    return before + 1;
}

static void rank_one(const Rows *rows, int64_t r, bool mask_history, real *score, int64_t N, Ranking *out)
{
    if (mask_history)
        for (int64_t i = rows->offset[r]; i < rows->offset[r + 1]; i++) score[rows->history[i]] = -(real)INFINITY;
    out->rank[r] = rank_of(score, N, rows->target[r]);
    if (out->top > 0) out->length[r] = rank_top(score, N, out->top, out->item + r * out->top, out->score + r * out->top);
}

/* After the target's rank is known: was every number that mattered a number? */
static Status check_row(const Rows *rows, int64_t r, real target_score, const Ranking *out)
{
    bool ok = isfinite(target_score) || target_score == -(real)INFINITY;
    for (int64_t i = 0; out->top > 0 && i < out->length[r]; i++) ok = ok && isfinite(out->score[r * out->top + i]);
    if (ok) return OK;
    return FAIL(E_NUMERIC, "the model diverged: look at its log.tsv", "row %lld (user %d): a score is not finite", (long long)r,
                (int)rows->user[r]);
}

/* Tiles of rows with all their scores. */
static Status rank_stored(const Scorer *scorer, const Rows *rows, int64_t N, bool mask_history, int threads, Arena *tmp, Ranking *out)
{
    real *score = arena_alloc_raw(tmp, (size_t)(TILE_ROWS * N), sizeof *score);
    for (int64_t first = 0; first < rows->n; first += TILE_ROWS) {
        const int64_t n = rows->n - first < TILE_ROWS ? rows->n - first : TILE_ROWS;
        TRY(scorer->score(scorer->self, rows, first, n, score));
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t i = 0; i < n; i++) rank_one(rows, first + i, mask_history, score + i * N, N, out);
        for (int64_t i = 0; i < n; i++) TRY(check_row(rows, first + i, score[i * N + rows->target[first + i]], out));
    }
    return OK;
}

/* The same from vectors. */
static Status rank_vectors(const Scorer *scorer, const Rows *rows, int64_t N, bool mask_history, int threads, Arena *tmp, Ranking *out)
{
    real *target_score = ARENA_NEW(tmp, real, VECTOR_ROWS);
    for (int64_t first = 0; first < rows->n; first += VECTOR_ROWS) {
        const int64_t n = rows->n - first < VECTOR_ROWS ? rows->n - first : VECTOR_ROWS;
        TopScan t = {.n = n, .N = N, .C = scorer->C, .ldx = scorer->C, .table = scorer->table, .ex_offset = mask_history ? rows->offset + first : NULL,
                     .ex_item = rows->history, .target = rows->target + first, .top = out->top, .rank = out->rank + first, .target_score = target_score,
                     .item = out->item + first * out->top, .score = out->score + first * out->top, .length = out->length + first};
        TRY(scorer->vectors(scorer->self, rows, first, n, &t.x));
        topscan_run(&t, threads);
        for (int64_t i = 0; i < n; i++) TRY(check_row(rows, first + i, target_score[i], out));
    }
    return OK;
}

Status rank_rows(const Scorer *scorer, const Rows *rows, int64_t N, int64_t top, bool mask_history, int threads, Arena *arena,
                 Ranking **ranking)
{
    Ranking *out = ARENA_NEW(arena, Ranking, 1);
    *out = (Ranking){.n = rows->n, .top = top};
    out->rank = ARENA_NEW(arena, int32_t, rows->n);
    out->length = ARENA_NEW(arena, int64_t, rows->n);
    out->item = ARENA_NEW(arena, int32_t, rows->n * top);
    out->score = ARENA_NEW(arena, real, rows->n * top);
    *ranking = out;
    Arena *tmp = arena_create("full ranking");
    Status status = (scorer->vectors ? rank_vectors : rank_stored)(scorer, rows, N, mask_history, threads, tmp, out);
    arena_destroy(tmp);
    return status;
}

void rank_metrics(const int32_t *rank, int64_t n, int32_t k, double *hr, double *ndcg)
{
    double hits = 0, gain = 0;
    for (int64_t i = 0; i < n; i++)
        if (rank[i] >= 1 && rank[i] <= k) {
            hits += 1;
            gain += 1 / log2((double)rank[i] + 1);
        }
    *hr = n > 0 ? hits / (double)n : 0;
    *ndcg = n > 0 ? gain / (double)n : 0;
}
