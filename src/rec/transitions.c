/* rec/transitions.c -- see transitions.h. The counts are kept as sorted rows (CSR), built by a counting sort. */
#include "rec/transitions.h"

#include <math.h>

#include "rec/popularity.h"

typedef struct Transitions {
    Scorer scorer;
    int64_t N, n_last;
    double decay;
    int64_t *start; /* (N+1) entries of row i: start[i]..start[i+1) */
    int32_t *next;  /* distinct successors, ascending within a row */
    double *weight; /* c / sqrt(a b) */
    const real *popularity;
    double popularity_max;
} Transitions;

static Status score(void *self, const Rows *rows, int64_t first, int64_t n, real *out)
{
    const Transitions *t = self;
    for (int64_t r = 0; r < n; r++) {
        real *s = out + r * t->N;
        for (int64_t j = 0; j < t->N; j++) s[j] = (real)(TRANSITIONS_POPULARITY_WEIGHT * (double)t->popularity[j] / t->popularity_max);
        const int64_t begin = rows->offset[first + r], end = rows->offset[first + r + 1];
        double w = 1;
        for (int64_t k = end - 1; k >= begin && k >= end - t->n_last; k--, w *= t->decay) {
            const int32_t i = rows->history[k];
            for (int64_t e = t->start[i]; e < t->start[i + 1]; e++) s[t->next[e]] += (real)(w * t->weight[e]);
        }
    }
    return OK;
}

/* Pairs (i, j) sorted by i, then j: two stable counting passes. */
static int64_t sorted_pairs(const Dataset *d, Arena *tmp, int32_t **from, int32_t **to)
{
    const Sequences *q = &d->train;
    int64_t n = 0;
    for (int64_t s = 0; s < q->n; s++)
        if (q->offset[s + 1] > q->offset[s]) n += q->offset[s + 1] - q->offset[s] - 1;
    int32_t *key[2], *value[2];
    for (int p = 0; p < 2; p++) {
        key[p] = ARENA_NEW(tmp, int32_t, n);
        value[p] = ARENA_NEW(tmp, int32_t, n);
    }
    int64_t at = 0;
    for (int64_t s = 0; s < q->n; s++)
        for (int64_t i = q->offset[s]; i + 1 < q->offset[s + 1]; i++) {
            key[0][at] = q->items[i];
            value[0][at++] = q->items[i + 1];
        }
    int64_t *place = ARENA_NEW(tmp, int64_t, d->N + 1);
    for (int pass = 0; pass < 2; pass++) { /* by value, then by key */
        const int a = pass, b = 1 - pass;
        const int32_t *by = pass == 0 ? value[a] : key[a];
        for (int64_t i = 0; i <= d->N; i++) place[i] = 0;
        for (int64_t i = 0; i < n; i++) place[by[i] + 1]++;
        for (int64_t i = 0; i < d->N; i++) place[i + 1] += place[i];
        for (int64_t i = 0; i < n; i++) {
            const int64_t to_place = place[by[i]]++;
            key[b][to_place] = key[a][i];
            value[b][to_place] = value[a][i];
        }
    }
    *from = key[0];
    *to = value[0];
    return n;
}

Scorer *transitions_create(const Dataset *d, int64_t n_last, double decay, Arena *arena)
{
    REQUIRE(n_last >= 1 && decay >= 0, "n_last %lld decay %g", (long long)n_last, decay);
    Transitions *t = ARENA_NEW(arena, Transitions, 1);
    t->N = d->N;
    t->n_last = n_last;
    t->decay = decay;
    t->popularity = popularity_scores(popularity_create(d, arena));
    t->popularity_max = 1;
    for (int64_t i = 0; i < d->N; i++)
        if ((double)t->popularity[i] > t->popularity_max) t->popularity_max = (double)t->popularity[i];

    Arena *tmp = arena_create("transition counts");
    int32_t *from, *to;
    const int64_t n = sorted_pairs(d, tmp, &from, &to);
    double *a = ARENA_NEW(tmp, double, d->N), *b = ARENA_NEW(tmp, double, d->N);
    for (int64_t i = 0; i < n; i++) {
        a[from[i]] += 1;
        b[to[i]] += 1;
    }
    t->start = ARENA_NEW(arena, int64_t, d->N + 1);
    t->next = ARENA_NEW(arena, int32_t, n);
    t->weight = ARENA_NEW(arena, double, n);
    int64_t entries = 0;
    for (int64_t i = 0; i < n; entries++) {
        int64_t same = i;
        while (same < n && from[same] == from[i] && to[same] == to[i]) same++;
        t->next[entries] = to[i];
        t->weight[entries] = (double)(same - i) / sqrt(a[from[i]] * b[to[i]]);
        t->start[from[i] + 1]++;
        i = same;
    }
    for (int64_t i = 0; i < d->N; i++) t->start[i + 1] += t->start[i];
    arena_destroy(tmp);
    t->scorer = (Scorer){.name = "transitions", .self = t, .score = score};
    return &t->scorer;
}
