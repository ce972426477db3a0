/* sid/kmeans.h -- nearest codes, and k-means with k-means++ seeding (Arthur & Vassilvitskii 2007), on a backend.
 *
 * Distances are squared Euclidean; ties take the lowest index. Deterministic in (inputs, seed): sums over points run in a fixed order.
 */
#ifndef DIGR_SID_KMEANS_H
#define DIGR_SID_KMEANS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/rng.h"
#include "base/status.h"
#include "tensor/backend.h"

/* Nearest-code search of up to max_rows vectors at a time among K codes. */
typedef struct Nearest {
    Backend *be;
    int64_t max_rows, K, Z;
    real *dot;              /* (max_rows,K) backend memory */
    bool on_host;           /* the backend's memory is the host's: no copy of dot */
    real *h_dot, *h_square; /* (max_rows,K), (K) host */
    real *h_book;           /* (K,Z) host */
} Nearest;

Nearest *nearest_create(Backend *be, int64_t max_rows, int64_t K, int64_t Z, Arena *arena);
void nearest_destroy(Nearest *s); /* releases backend memory; the arena keeps the rest */
/* nearest_find -- code[b] = argmin_k ||x_b - book_k||^2. x (B,Z), book (K,Z) backend memory; code (B) host.
 * E_NUMERIC if a distance is not finite. */
Status nearest_find(Nearest *s, int64_t B, const real *x, const real *book, int32_t *code);

typedef struct KmeansResult {
    double inertia;      /* mean squared distance of a point to its centroid */
    int64_t iterations;  /* Lloyd iterations run */
    int64_t reseeded;    /* empty clusters moved to the point worst served */
} KmeansResult;

/* kmeans_fit -- K centroids of n points.
 * x        in   (n,Z)  host
 * rng      the seeding draws come from it
 * centroid out  (K,Z)  host
 * code     out  (n)    host, nearest centroid of each point; NULL to skip
 * Stops after max_iterations, or when no point changes its cluster. With fewer distinct points than K the surplus centroids equal points.
 * n >= 1. E_NUMERIC if x is not finite. */
Status kmeans_fit(Backend *be, int64_t n, int64_t Z, int64_t K, const real *x, int64_t max_iterations, Rng *rng, real *centroid, int32_t *code,
                  KmeansResult *result);

#endif
