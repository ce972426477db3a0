/* rec/beam_heap.h -- the prefixes of a beam search, and a heap that keeps the best of them with the worst on top. */
#ifndef DIGR_REC_BEAM_HEAP_H
#define DIGR_REC_BEAM_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* A prefix: a node of the trie and the sum of its log-probabilities. row: the decoder row that holds it, -1 for finished ones.
 * The score is always a value of `real`, so that lists are in order for whoever reads the scores as printed. */
typedef struct Beam {
    double score;
    int32_t node, low, row; /* low: lowest item id below node, breaks ties */
} Beam;

static inline bool worse(const Beam *a, const Beam *b)
{
    return a->score < b->score || (a->score == b->score && a->low > b->low);
}

static inline void sift_down(Beam *h, int64_t n, int64_t i)
{
    Beam x = h[i];
    for (;;) {
        int64_t c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && worse(&h[c + 1], &h[c])) c++;
        if (!worse(&h[c], &x)) break;
        h[i] = h[c];
        i = c;
    }
    h[i] = x;
}

static inline void sift_up(Beam *h, int64_t i)
{
    Beam x = h[i];
    while (i > 0) {
        int64_t up = (i - 1) / 2;
        if (!worse(&x, &h[up])) break;
        h[i] = h[up];
        i = up;
    }
    h[i] = x;
}

static inline void heap_offer(Beam *h, int64_t *n, int64_t capacity, Beam x)
{
    if (*n < capacity) {
        h[*n] = x;
        sift_up(h, (*n)++);
    } else if (worse(&h[0], &x)) {
        h[0] = x;
        sift_down(h, capacity, 0);
    }
}

/* heap_drain -- heap to `out`, best first. */
static inline void heap_drain(Beam *h, int64_t n, Beam *out)
{
    for (int64_t left = n; left > 0; left--) {
        out[left - 1] = h[0];
        h[0] = h[left - 1];
        sift_down(h, left - 1, 0);
    }
}

#endif
