/* sid/kmeans.c -- nearest codes by one matrix product, k-means++ seeding, Lloyd iterations with empty clusters re-seeded. */
#include "sid/kmeans.h"

#include <string.h>
#include <tgmath.h>

enum { ROWS_AT_ONCE = 2048 };

Nearest *nearest_create(Backend *be, int64_t max_rows, int64_t K, int64_t Z, Arena *arena)
{
    Nearest *s = ARENA_NEW(arena, Nearest, 1);
    *s = (Nearest){.be = be, .max_rows = max_rows, .K = K, .Z = Z};
    s->on_host = strcmp(be->name, "cuda") != 0;
    s->dot = be->alloc(be, (size_t)(max_rows * K) * sizeof *s->dot);
    s->h_dot = ARENA_NEW(arena, real, max_rows * K);
    s->h_square = ARENA_NEW(arena, real, K);
    s->h_book = ARENA_NEW(arena, real, K * Z);
    return s;
}

void nearest_destroy(Nearest *s)
{
    if (s) s->be->release(s->be, s->dot);
}

/* The lowest code of the least distance square - 2 dot (||x||^2 is common to all codes of a row); 0 when there is none. False unless that distance is finite. */
static bool nearest_of_row(int64_t K, const real *square, const real *dot, int32_t *code)
{
    enum { LANES = 16 };
    real least = (real)INFINITY, lane[LANES];
    int64_t k = 0;
    for (int j = 0; j < LANES; j++) lane[j] = (real)INFINITY;
    for (; k + LANES <= K; k += LANES) {
        for (int j = 0; j < LANES; j++) {
            const real d = square[k + j] - 2 * dot[k + j];
            lane[j] = d < lane[j] ? d : lane[j];
        }
    }
    for (int j = 0; j < LANES; j++) least = lane[j] < least ? lane[j] : least;
    for (; k < K; k++) {
        const real d = square[k] - 2 * dot[k];
        least = d < least ? d : least;
    }
    *code = 0;
    for (k = 0; k < K && !(square[k] - 2 * dot[k] == least);) k++;
    *code = k < K ? (int32_t)k : 0;
    return isfinite(least);
}

Status nearest_find(Nearest *s, int64_t B, const real *x, const real *book, int32_t *code)
{
    REQUIRE(B >= 0 && B <= s->max_rows, "%lld rows, at most %lld", (long long)B, (long long)s->max_rows);
    Backend *be = s->be;
    int64_t K = s->K, Z = s->Z;
    if (B == 0) return OK;
    be->gemm(be, false, true, B, K, Z, 1, x, Z, book, Z, 0, s->dot, K);
    const real *h_dot = s->dot;
    if (!s->on_host) {
        TRY(be->download(be, s->h_dot, s->dot, (size_t)(B * K) * sizeof(real)));
        h_dot = s->h_dot;
    }
    TRY(be->download(be, s->h_book, book, (size_t)(K * Z) * sizeof(real)));
    for (int64_t k = 0; k < K; k++) {
        double square = 0;
        for (int64_t j = 0; j < Z; j++) square += (double)s->h_book[k * Z + j] * (double)s->h_book[k * Z + j];
        s->h_square[k] = (real)square;
    }
    int64_t bad = 0;
#pragma omp parallel for num_threads(be->threads) schedule(static) reduction(+ : bad) if (B * K > 1 << 16)
    for (int64_t b = 0; b < B; b++) bad += !nearest_of_row(K, s->h_square, h_dot + b * K, code + b);
    if (bad) return FAIL(E_NUMERIC, "lower the learning rate or check the embeddings", "distances of %lld of %lld vectors are not finite", (long long)bad, (long long)B);
    return OK;
}

static double distance(int64_t Z, const real *a, const real *b)
{
    double sum = 0;
    for (int64_t j = 0; j < Z; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

/* k-means++: the first centroid is a uniform draw, every next one a point drawn with probability proportional to its squared distance to the
 * nearest centroid so far (uniform once all distances are 0). */
static void seed_plus_plus(int threads, int64_t n, int64_t Z, int64_t K, const real *x, Rng *rng, real *centroid, double *nearest)
{
    for (int64_t i = 0; i < n; i++) nearest[i] = INFINITY;
    for (int64_t k = 0; k < K; k++) {
        double total = 0;
        for (int64_t i = 0; i < n; i++) total += nearest[i];
        int64_t pick = k > 0 && total > 0 ? rng_categorical(rng, nearest, n) : (int64_t)rng_below(rng, (uint64_t)n);
        memcpy(centroid + k * Z, x + pick * Z, (size_t)Z * sizeof *x);
#pragma omp parallel for num_threads(threads) schedule(static) if (n * Z > 1 << 16)
        for (int64_t i = 0; i < n; i++) {
            double d = distance(Z, x + i * Z, centroid + k * Z);
            if (d < nearest[i]) nearest[i] = d;
        }
    }
}

/* Means of the clusters; empty ones take the points worst served, each once. Returns how many were empty. */
static int64_t update(int64_t n, int64_t Z, int64_t K, const real *x, const int32_t *code, double *sum, int64_t *count, double *served, real *centroid)
{
    memset(sum, 0, (size_t)(K * Z) * sizeof *sum);
    memset(count, 0, (size_t)K * sizeof *count);
    for (int64_t i = 0; i < n; i++) {
        count[code[i]]++;
        for (int64_t j = 0; j < Z; j++) sum[code[i] * Z + j] += (double)x[i * Z + j];
        served[i] = distance(Z, x + i * Z, centroid + code[i] * Z);
    }
    int64_t n_empty = 0;
    for (int64_t k = 0; k < K; k++) {
        if (count[k] > 0) {
            for (int64_t j = 0; j < Z; j++) centroid[k * Z + j] = (real)(sum[k * Z + j] / (double)count[k]);
            continue;
        }
        int64_t worst = 0;
        for (int64_t i = 1; i < n; i++)
            if (served[i] > served[worst]) worst = i;
        if (!(served[worst] > 0)) continue; /* as many centroids as distinct points: nothing left to serve */
        memcpy(centroid + k * Z, x + worst * Z, (size_t)Z * sizeof *x);
        served[worst] = 0;
        n_empty++;
    }
    return n_empty;
}

static Status assign(Nearest *s, int64_t n, int64_t Z, const real *x_device, const real *book, int32_t *code)
{
    for (int64_t i = 0; i < n; i += ROWS_AT_ONCE)
        TRY(nearest_find(s, n - i < ROWS_AT_ONCE ? n - i : ROWS_AT_ONCE, x_device + i * Z, book, code + i));
    return OK;
}

static Status lloyd(Backend *be, Nearest *s, int64_t n, int64_t Z, int64_t K, const real *x, const real *x_device, real *book, int64_t max_iterations,
                    Arena *scratch, real *centroid, int32_t *code, KmeansResult *result)
{
    int32_t *before = ARENA_NEW(scratch, int32_t, n);
    double *sum = ARENA_NEW(scratch, double, K * Z), *served = ARENA_NEW(scratch, double, n);
    int64_t *count = ARENA_NEW(scratch, int64_t, K);
    size_t book_bytes = (size_t)(K * Z) * sizeof(real);
    *result = (KmeansResult){0};
    be->upload(be, book, centroid, book_bytes);
    TRY(assign(s, n, Z, x_device, book, code));
    while (result->iterations < max_iterations) {
        int64_t empty = update(n, Z, K, x, code, sum, count, served, centroid);
        memcpy(before, code, (size_t)n * sizeof *code);
        be->upload(be, book, centroid, book_bytes);
        TRY(assign(s, n, Z, x_device, book, code));
        result->iterations++;
        result->reseeded += empty;
        if (empty == 0 && memcmp(before, code, (size_t)n * sizeof *code) == 0) break;
    }
    for (int64_t i = 0; i < n; i++) result->inertia += distance(Z, x + i * Z, centroid + code[i] * Z) / (double)n;
    return OK;
}

Status kmeans_fit(Backend *be, int64_t n, int64_t Z, int64_t K, const real *x, int64_t max_iterations, Rng *rng, real *centroid, int32_t *code,
                  KmeansResult *result)
{
    REQUIRE(n >= 1 && Z >= 1 && K >= 1, "n %lld Z %lld K %lld", (long long)n, (long long)Z, (long long)K);
    for (int64_t i = 0; i < n * Z; i++)
        if (!isfinite(x[i])) return FAIL(E_NUMERIC, NULL, "k-means: point %lld is not finite", (long long)(i / Z));
    Arena *scratch = arena_create("kmeans");
    KmeansResult ignored;
    int32_t *assigned = code ? code : ARENA_NEW(scratch, int32_t, n);
    seed_plus_plus(be->threads, n, Z, K, x, rng, centroid, ARENA_NEW(scratch, double, n));
    real *x_device = be->alloc(be, (size_t)(n * Z) * sizeof *x), *book = be->alloc(be, (size_t)(K * Z) * sizeof *x);
    Nearest *s = nearest_create(be, n < ROWS_AT_ONCE ? n : ROWS_AT_ONCE, K, Z, scratch);
    be->upload(be, x_device, x, (size_t)(n * Z) * sizeof *x);
    Status status = lloyd(be, s, n, Z, K, x, x_device, book, max_iterations, scratch, centroid, assigned, result ? result : &ignored);
    nearest_destroy(s);
    be->release(be, book);
    be->release(be, x_device);
    arena_destroy(scratch);
    return status;
}
