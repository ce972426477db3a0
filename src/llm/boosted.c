/* llm/boosted.c -- see boosted.h. */
#include "llm/boosted.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/quantile.h"
#include "llm/logistic.h"

enum { MAX_CUTS = 31, N_BINS = MAX_CUTS + 1, MIN_ROWS = 10 };
static const double shrinkage = 0.1, penalty = 1;

/* ---- features as bins */

typedef struct Bins {
    int64_t n;
    int p;
    double (*cut)[MAX_CUTS]; /* (p) ascending, distinct; bin b holds x <= cut[b], the last bin the rest */
    int *n_cuts;             /* (p) */
    uint8_t *bin;            /* (n,p) */
} Bins;

static void cut_feature(Bins *bins, const double *x, int f, double *sorted) {
    for (int64_t i = 0; i < bins->n; i++) sorted[i] = x[i * bins->p + f];
    quantile_sort(sorted, bins->n);
    int c = 0;
    for (int k = 1; k <= MAX_CUTS; k++) {
        double value = sorted[k * bins->n / N_BINS];
        if (value >= sorted[bins->n - 1]) break; /* nothing would lie to its right */
        if (c == 0 || value > bins->cut[f][c - 1]) bins->cut[f][c++] = value;
    }
    bins->n_cuts[f] = c;
    for (int64_t i = 0; i < bins->n; i++) {
        int b = 0;
        while (b < c && x[i * bins->p + f] > bins->cut[f][b]) b++;
        bins->bin[i * bins->p + f] = (uint8_t)b;
    }
}

static Bins make_bins(int64_t n, int p, const double *x, Arena *arena) {
    Bins bins = {.n = n, .p = p};
    bins.cut = (double(*)[MAX_CUTS])arena_alloc(arena, (size_t)p, sizeof *bins.cut);
    bins.n_cuts = ARENA_NEW(arena, int, p);
    bins.bin = ARENA_NEW(arena, uint8_t, n * p);
    double *sorted = ARENA_NEW(arena, double, n);
    for (int f = 0; f < p; f++) cut_feature(&bins, x, f, sorted);
    return bins;
}

/* ---- one tree */

typedef struct Sums { double g, h; int64_t n; } Sums;
typedef struct Question { int feature, cut; Sums left, right; } Question;

static void add(Sums *a, const Sums *b) {
    a->g += b->g;
    a->h += b->h;
    a->n += b->n;
}

static double worth(Sums s) { return s.g * s.g / (s.h + penalty); }

/* The best question for the rows of node `node`. */
static Question best_question(const Bins *bins, const Sums *row, const uint8_t *at, int node, Sums *histogram) {
    Sums all = {0};
    memset(histogram, 0, (size_t)bins->p * N_BINS * sizeof *histogram);
    for (int64_t i = 0; i < bins->n; i++) {
        if (at[i] != node) continue;
        add(&all, &row[i]);
        for (int f = 0; f < bins->p; f++) add(&histogram[f * N_BINS + bins->bin[i * bins->p + f]], &row[i]);
    }
    Question best = {.feature = -1, .left = all};
    double gain = 0;
    for (int f = 0; f < bins->p; f++) {
        Sums left = {0};
        for (int c = 0; c < bins->n_cuts[f]; c++) {
            add(&left, &histogram[f * N_BINS + c]);
            Sums right = {all.g - left.g, all.h - left.h, all.n - left.n};
            if (left.n < MIN_ROWS || right.n < MIN_ROWS) continue;
            double g = worth(left) + worth(right) - worth(all);
            if (!(g > gain + 1e-12)) continue;
            gain = g;
            best = (Question){f, c, left, right};
        }
    }
    return best;
}

static void send_rows(const Bins *bins, const Question *q, int node, int left, int right, uint8_t *at) {
    for (int64_t i = 0; i < bins->n; i++)
        if (at[i] == node) at[i] = (uint8_t)(q->feature < 0 || bins->bin[i * bins->p + q->feature] <= q->cut ? left : right);
}

static void ask(const Bins *bins, const Question *q, int slot, BoostedTree *tree) {
    tree->feature[slot] = q->feature;
    tree->cut[slot] = q->feature < 0 ? 0 : bins->cut[q->feature][q->cut];
}

static double leaf(Sums s) { return -shrinkage * s.g / (s.h + penalty); }

/* Nodes while it grows: 0 root, then 1 and 2, then 3 to 6, the leaves in order. On return `at` holds the leaf of each row plus 3. */
static void grow(const Bins *bins, const Sums *row, uint8_t *at, Sums *histogram, BoostedTree *tree) {
    memset(at, 0, (size_t)bins->n);
    Question root = best_question(bins, row, at, 0, histogram);
    ask(bins, &root, 0, tree);
    send_rows(bins, &root, 0, 1, 2, at);
    for (int side = 0; side < 2; side++) {
        Question q = best_question(bins, row, at, 1 + side, histogram);
        ask(bins, &q, 1 + side, tree);
        send_rows(bins, &q, 1 + side, 3 + 2 * side, 4 + 2 * side, at);
        tree->leaf[2 * side] = leaf(q.left);
        tree->leaf[2 * side + 1] = leaf(q.right);
    }
}

/* ---- rounds */

Status boosted_fit(int64_t n, int p, const double *x, const int *y, int n_rounds, Arena *arena, Boosted *model) {
    REQUIRE(p >= 1 && n_rounds >= 0, "%d features, %d rounds", p, n_rounds);
    int64_t positives = 0;
    for (int64_t i = 0; i < n; i++) positives += y[i];
    if (positives == 0 || positives == n)
        return FAIL(E_INPUT, "judge more interests, with both outcomes", "a classifier cannot be fitted: %lld of %lld labels are 1", (long long)positives, (long long)n);
    for (int64_t i = 0; i < n * p; i++)
        if (!isfinite(x[i])) return FAIL(E_NUMERIC, NULL, "boosted trees: feature %lld of row %lld is not finite", (long long)(i % p), (long long)(i / p));
    *model = (Boosted){log((double)positives / (double)(n - positives)), n_rounds, ARENA_NEW(arena, BoostedTree, n_rounds)};
    Arena *scratch = arena_create("boosted");
    Bins bins = make_bins(n, p, x, scratch);
    double *odds = ARENA_NEW(scratch, double, n);
    Sums *row = ARENA_NEW(scratch, Sums, n), *histogram = ARENA_NEW(scratch, Sums, p * N_BINS);
    uint8_t *at = ARENA_NEW(scratch, uint8_t, n);
    for (int64_t i = 0; i < n; i++) odds[i] = model->bias;
    for (int r = 0; r < n_rounds; r++) {
        for (int64_t i = 0; i < n; i++) {
            double mu = logistic_sigmoid(odds[i]);
            row[i] = (Sums){mu - y[i], mu * (1 - mu), 1};
        }
        grow(&bins, row, at, histogram, &model->tree[r]);
        for (int64_t i = 0; i < n; i++) odds[i] += model->tree[r].leaf[at[i] - 3];
    }
    arena_destroy(scratch);
    return OK;
}

static bool goes_left(const BoostedTree *t, int node, const double *x) { return t->feature[node] < 0 || x[t->feature[node]] <= t->cut[node]; }

double boosted_predict(const Boosted *m, const double *x) {
    double odds = m->bias;
    for (int r = 0; r < m->n_rounds; r++) {
        const BoostedTree *t = &m->tree[r];
        int side = !goes_left(t, 0, x), inner = !goes_left(t, 1 + side, x);
        odds += t->leaf[2 * side + inner];
    }
    return logistic_sigmoid(odds);
}
