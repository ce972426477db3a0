/* sid/textspace.c -- see textspace.h. */
#include "sid/textspace.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>

#include "sid/lsa.h"

/* axes (n_cols,k) = X^T (U S) S^-2 S^-1/2 */
static double *fold_in(const Csr *x, int64_t k, int64_t stride, const double *sigma, const double *embedding, Arena *arena) {
    double *axes = ARENA_NEW(arena, double, x->n_cols * k);
    for (int64_t i = 0; i < x->n_rows; i++)
        for (int64_t e = x->indptr[i]; e < x->indptr[i + 1]; e++)
            for (int64_t j = 0; j < k; j++) axes[x->index[e] * k + j] += x->value[e] * embedding[i * stride + j];
    for (int64_t j = 0; j < k; j++) {
        double scale = 1 / (sigma[j] * sigma[j] * sqrt(sigma[j]));
        for (int64_t s = 0; s < x->n_cols; s++) axes[s * k + j] *= scale;
    }
    return axes;
}

Status textspace_build(FeatureCorpus *c, int64_t dim, uint64_t seed, Arena *arena) {
    Arena *scratch = arena_create("text space");
    FeatureMatrix m = features_matrix(c, scratch);
    Csr x = {m.n_rows, m.n_cols, m.indptr, m.index, m.value};
    double *sigma = ARENA_NEW(scratch, double, dim), *embedding = ARENA_NEW(scratch, double, x.n_rows * dim);
    Status status = OK;
    if (x.indptr[x.n_rows] > 0) {
        int omp_threads = omp_get_max_threads(), blas_threads = openblas_get_num_threads();
        omp_set_num_threads(1);
        openblas_set_num_threads(1);
        status = lsa_svd(&x, dim, LSA_AUTO, seed, scratch, sigma, embedding, NULL);
        omp_set_num_threads(omp_threads);
        openblas_set_num_threads(blas_threads);
        int64_t k = 0;
        while (k < dim && sigma[k] > 1e-9 * sigma[0]) k++;
        if (status == OK) features_set_space(c, k, fold_in(&x, k, dim, sigma, embedding, arena));
    }
    arena_destroy(scratch);
    return status;
}
