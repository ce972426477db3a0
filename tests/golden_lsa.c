/* tests/golden_lsa.c -- golden cases of kind `lsa`: idf, TF-IDF rows, singular values and the Gram matrix of E = U_k S_k, by both SVD methods. */
#include "golden.h"

#include <string.h>

#include "sid/lsa.h"

Status golden_lsa(GoldenCase *c);

static const real *to_real(Arena *arena, const double *x, int64_t n)
{
    real *out = ARENA_NEW(arena, real, n);
    for (int64_t i = 0; i < n; i++) out[i] = (real)x[i];
    return out;
}

static void check_svd(GoldenCase *c, const Csr *x, int64_t k, LsaMethod method)
{
    int64_t n = x->n_rows, wide = k + 1; /* one more than k for the ratio of the cut */
    double *sigma = ARENA_NEW(c->arena, double, wide), *e = ARENA_NEW(c->arena, double, n * wide), *gram = ARENA_NEW(c->arena, double, n * n);
    Status status = lsa_svd(x, wide, method, 7, c->arena, sigma, e, NULL);
    golden_check(c, status == OK, "lsa_svd: %s", status == OK ? "" : status_message());
    if (golden_expects(c, "s_k_plus_1_over_s_k")) golden_expect_scalar(c, "s_k_plus_1_over_s_k", sigma[k] / sigma[k - 1]);
    status = lsa_svd(x, k, method, 7, c->arena, sigma, e, NULL);
    golden_check(c, status == OK, "lsa_svd: %s", status == OK ? "" : status_message());
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t l = 0; l < k; l++) gram[i * n + j] += e[i * k + l] * e[j * k + l];
    golden_expect_real(c, "out.singular_values", to_real(c->arena, sigma, k), k);
    golden_expect_real(c, "out.gram", to_real(c->arena, gram, n * n), n * n);
}

Status golden_lsa(GoldenCase *c)
{
    int64_t n = (int64_t)golden_config(c, "n_docs", 0), m = (int64_t)golden_config(c, "n_terms", 0), k = (int64_t)golden_config(c, "k", 0), nnz = 0;
    bool sublinear = golden_config(c, "sublinear_tf", 0) != 0;
    const char *norm = golden_config_string(c, "norm", "l2");
    if (golden_config(c, "smooth_idf", 1) == 0 || strcmp(norm, "l2") != 0)
        return FAIL(E_INPUT, NULL, "%s: only smoothed idf and l2 rows are supported", c->dir);
    const int32_t *indptr = golden_i32(c, "in.indptr", NULL), *index = golden_i32(c, "in.indices", &nnz), *counts = golden_i32(c, "in.counts", NULL);
    int64_t *at = ARENA_NEW(c->arena, int64_t, n + 1);
    double *value = ARENA_NEW(c->arena, double, nnz), *weighted = ARENA_NEW(c->arena, double, nnz), *idf = ARENA_NEW(c->arena, double, m);
    for (int64_t i = 0; i <= n; i++) at[i] = indptr[i];
    for (int64_t e = 0; e < nnz; e++) value[e] = counts[e];
    Csr x = {n, m, at, index, value};
    lsa_idf(&x, idf);
    lsa_tfidf(&x, idf, sublinear, weighted);
    x.value = weighted;

    double *dense = ARENA_NEW(c->arena, double, n * m);
    for (int64_t i = 0; i < n; i++)
        for (int64_t e = at[i]; e < at[i + 1]; e++) dense[i * m + index[e]] = weighted[e];
    golden_expect_real(c, "out.idf", to_real(c->arena, idf, m), m);
    golden_expect_real(c, "out.tfidf_dense", to_real(c->arena, dense, n * m), n * m);
    check_svd(c, &x, k, LSA_EXACT);
    check_svd(c, &x, k, LSA_ITERATIVE);
    return OK;
}
