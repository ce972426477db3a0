/* rec/popularity.c -- see popularity.h. */
#include "rec/popularity.h"

#include <string.h>

typedef struct Popularity {
    Scorer scorer;
    int64_t N;
    real *count; /* (N) */
} Popularity;

static Status score(void *self, const Rows *rows, int64_t first, int64_t n, real *out)
{
    (void)rows;
    (void)first;
    const Popularity *p = self;
    for (int64_t i = 0; i < n; i++) memcpy(out + i * p->N, p->count, (size_t)p->N * sizeof *out);
    return OK;
}

Scorer *popularity_create(const Dataset *d, Arena *arena)
{
    Popularity *p = ARENA_NEW(arena, Popularity, 1);
    int64_t *count = ARENA_NEW(arena, int64_t, d->N);
    dataset_popularity(d, count);
    p->N = d->N;
    p->count = ARENA_NEW(arena, real, d->N);
    for (int64_t i = 0; i < d->N; i++) p->count[i] = (real)count[i];
    p->scorer = (Scorer){.name = "popularity", .self = p, .score = score};
    return &p->scorer;
}

const real *popularity_scores(const Scorer *s)
{
    const Popularity *p = s->self;
    return p->count;
}
