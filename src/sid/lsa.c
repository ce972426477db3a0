/* sid/lsa.c -- TF-IDF weighting and truncated SVD on LAPACK. Dense matrices here are row-major; LAPACK reads a row-major (r,c) matrix as a
 * column-major (c,r) one, so its LQ factorisation orthonormalises our columns in place. */
#include "sid/lsa.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"

void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dorglq_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work, const int *lwork, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *iwork,
             const int *liwork, int *info);

enum { EXACT_AT_MOST = 1024, OVERSAMPLE = 64, MAX_ITERATIONS = 200 };
static const double CONVERGED = 1e-7;

/* --- TF-IDF ------------------------------------------------------------------------------------------------------------------------------ */

void lsa_idf(const Csr *counts, double *idf)
{
    Arena *scratch = arena_create("lsa_idf");
    int64_t *last = ARENA_NEW(scratch, int64_t, counts->n_cols); /* 1 + the last row that had the column */
    memset(idf, 0, (size_t)counts->n_cols * sizeof *idf);
    for (int64_t i = 0; i < counts->n_rows; i++)
        for (int64_t e = counts->indptr[i]; e < counts->indptr[i + 1]; e++) {
            int32_t t = counts->index[e];
            REQUIRE(t >= 0 && t < counts->n_cols, "column %d of %lld", t, (long long)counts->n_cols);
            if (last[t] != i + 1) idf[t] += 1.0;
            last[t] = i + 1;
        }
    for (int64_t t = 0; t < counts->n_cols; t++) idf[t] = log((1.0 + (double)counts->n_rows) / (1.0 + idf[t])) + 1.0;
    arena_destroy(scratch);
}

double lsa_tf(double count, bool sublinear)
{
    if (count <= 0) return 0;
    return sublinear ? 1.0 + log(count) : count;
}

void lsa_tfidf(const Csr *counts, const double *idf, bool sublinear, double *value)
{
    for (int64_t i = 0; i < counts->n_rows; i++) {
        double squares = 0;
        for (int64_t e = counts->indptr[i]; e < counts->indptr[i + 1]; e++) {
            value[e] = lsa_tf(counts->value[e], sublinear) * idf[counts->index[e]];
            squares += value[e] * value[e];
        }
        double scale = squares > 0 ? 1.0 / sqrt(squares) : 0;
        for (int64_t e = counts->indptr[i]; e < counts->indptr[i + 1]; e++) value[e] *= scale;
    }
}

/* --- sparse products --------------------------------------------------------------------------------------------------------------------- */

static Csr transpose(const Csr *x, Arena *arena)
{
    int64_t nnz = x->indptr[x->n_rows];
    int64_t *indptr = ARENA_NEW(arena, int64_t, x->n_cols + 1), *at = ARENA_NEW(arena, int64_t, x->n_cols);
    int32_t *index = ARENA_NEW(arena, int32_t, nnz);
    double *value = ARENA_NEW(arena, double, nnz);
    for (int64_t e = 0; e < nnz; e++) indptr[x->index[e] + 1]++;
    for (int64_t t = 0; t < x->n_cols; t++) {
        indptr[t + 1] += indptr[t];
        at[t] = indptr[t];
    }
    for (int64_t i = 0; i < x->n_rows; i++)
        for (int64_t e = x->indptr[i]; e < x->indptr[i + 1]; e++) {
            int64_t to = at[x->index[e]]++;
            index[to] = (int32_t)i;
            value[to] = x->value[e];
        }
    return (Csr){x->n_cols, x->n_rows, indptr, index, value};
}

/* y (n_rows,p) = x w, w (n_cols,p). One thread per row: the same bytes for any number of threads. */
static void multiply(const Csr *x, int64_t p, const double *w, double *y)
{
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < x->n_rows; i++) {
        double *row = y + i * p;
        memset(row, 0, (size_t)p * sizeof *row);
        for (int64_t e = x->indptr[i]; e < x->indptr[i + 1]; e++) {
            const double *from = w + x->index[e] * p;
            double v = x->value[e];
            for (int64_t j = 0; j < p; j++) row[j] += v * from[j];
        }
    }
}

/* --- dense factorisations ---------------------------------------------------------------------------------------------------------------- */

/* Eigenvalues (ascending) of the symmetric a (n,n); a is overwritten by the eigenvectors, one per row. */
static Status eigen_symmetric(int64_t n, double *a, double *w, Arena *scratch)
{
    ArenaMark mark = arena_mark(scratch);
    int size = (int)n, lwork = -1, liwork = -1, info = 0, n_int = 0;
    double n_real = 0;
    dsyevd_("V", "U", &size, a, &size, w, &n_real, &lwork, &n_int, &liwork, &info);
    lwork = (int)n_real;
    liwork = n_int;
    double *work = ARENA_NEW(scratch, double, lwork);
    int *iwork = ARENA_NEW(scratch, int, liwork);
    dsyevd_("V", "U", &size, a, &size, w, work, &lwork, iwork, &liwork, &info);
    arena_release(scratch, mark);
    return info == 0 ? OK : FAIL(E_NUMERIC, "check the input for values that are not finite", "dsyevd: info %d on a %d x %d matrix", info, size, size);
}

/* Columns of y (n,p) made orthonormal, n >= p. */
static Status orthonormalise(int64_t n, int64_t p, double *y, Arena *scratch)
{
    ArenaMark mark = arena_mark(scratch);
    int rows = (int)p, cols = (int)n, lwork = (int)p * 64, info = 0; /* 64: at least LAPACK's block size, so the blocked code is used */
    double *tau = ARENA_NEW(scratch, double, p), *work = ARENA_NEW(scratch, double, lwork);
    dgelqf_(&rows, &cols, y, &rows, tau, work, &lwork, &info);
    if (info == 0) dorglq_(&rows, &cols, &rows, y, &rows, tau, work, &lwork, &info);
    arena_release(scratch, mark);
    return info == 0 ? OK : FAIL(E_NUMERIC, NULL, "LQ factorisation: info %d on a %d x %d matrix", info, cols, rows);
}

/* --- truncated SVD ----------------------------------------------------------------------------------------------------------------------- */

/* Gram matrix x x^T of sparse rows, (n_rows,n_rows). */
static void gram(const Csr *x, const Csr *xt, double *g)
{
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t i = 0; i < x->n_rows; i++) {
        double *row = g + i * x->n_rows;
        memset(row, 0, (size_t)x->n_rows * sizeof *row);
        for (int64_t e = x->indptr[i]; e < x->indptr[i + 1]; e++) {
            int32_t t = x->index[e];
            for (int64_t f = xt->indptr[t]; f < xt->indptr[t + 1]; f++) row[xt->index[f]] += x->value[e] * xt->value[f];
        }
    }
}

/* Singular value of eigenvalue w; what rounding leaves of a zero eigenvalue is zero. */
static double root(double w, double largest)
{
    return w > largest * 1e-14 ? sqrt(w) : 0.0;
}

static Status svd_exact(const Csr *x, const Csr *xt, int64_t k, Arena *scratch, double *sigma, double *embedding)
{
    bool wide = x->n_rows <= x->n_cols;
    int64_t n = wide ? x->n_rows : x->n_cols, r = k < n ? k : n;
    double *g = ARENA_NEW(scratch, double, n * n), *w = ARENA_NEW(scratch, double, n), *v = ARENA_NEW(scratch, double, n * r);
    gram(wide ? x : xt, wide ? xt : x, g);
    TRY(eigen_symmetric(n, g, w, scratch));
    for (int64_t j = 0; j < r; j++) sigma[j] = root(w[n - 1 - j], w[n - 1]);
    if (wide) { /* eigenvectors are U: E = U S */
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < r; j++) embedding[i * k + j] = sigma[j] * g[(n - 1 - j) * n + i];
        return OK;
    }
    for (int64_t i = 0; i < n; i++) /* eigenvectors are V: E = X V */
        for (int64_t j = 0; j < r; j++) v[i * r + j] = sigma[j] > 0 ? g[(n - 1 - j) * n + i] : 0.0;
    double *xv = ARENA_NEW(scratch, double, x->n_rows * r);
    multiply(x, r, v, xv);
    for (int64_t i = 0; i < x->n_rows; i++) memcpy(embedding + i * k, xv + i * r, (size_t)r * sizeof *xv);
    return OK;
}

/* Subspace iteration: q spans the leading left singular vectors ever better as q := orth(x x^T q). Ritz values of x^T q tell when to stop. */
static Status svd_iterative(const Csr *x, const Csr *xt, int64_t k, uint64_t seed, Arena *scratch, double *sigma, double *embedding, int64_t *iterations)
{
    int64_t n = x->n_rows, m = x->n_cols, least = n < m ? n : m, p = k + OVERSAMPLE < least ? k + OVERSAMPLE : least, r = k < p ? k : p;
    double *q = ARENA_NEW(scratch, double, n * p), *z = ARENA_NEW(scratch, double, m * p), *small = ARENA_NEW(scratch, double, p * p),
           *w = ARENA_NEW(scratch, double, p), *last = ARENA_NEW(scratch, double, p);
    Rng rng = rng_make(seed, RNG_STAGE_EMBED, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < m * p; i++) z[i] = rng_normal(&rng);
    for (int64_t it = 1;; it++) {
        multiply(x, p, z, q);
        TRY(orthonormalise(n, p, q, scratch));
        multiply(xt, p, q, z);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)p, (int)p, (int)m, 1.0, z, (int)p, z, (int)p, 0.0, small, (int)p);
        TRY(eigen_symmetric(p, small, w, scratch));
        double moved = 0;
        for (int64_t j = 0; j < r; j++) {
            sigma[j] = root(w[p - 1 - j], w[p - 1]);
            moved = fmax(moved, fabs(sigma[j] - last[j]));
            last[j] = sigma[j];
        }
        if (iterations) *iterations = it;
        if (moved <= CONVERGED * sigma[0] || it == MAX_ITERATIONS) break;
    }
    double *basis = ARENA_NEW(scratch, double, p * k);
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < r; j++) basis[i * k + j] = sigma[j] * small[(p - 1 - j) * p + i];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)k, (int)p, 1.0, q, (int)p, basis, (int)k, 0.0, embedding, (int)k);
    return OK;
}

static void fix_signs(int64_t n, int64_t k, double *e)
{
    for (int64_t j = 0; j < k; j++) {
        double most = 0;
        for (int64_t i = 0; i < n; i++)
            if (fabs(e[i * k + j]) > fabs(most)) most = e[i * k + j];
        if (most < 0)
            for (int64_t i = 0; i < n; i++) e[i * k + j] = -e[i * k + j];
    }
}

Status lsa_svd(const Csr *x, int64_t k, LsaMethod method, uint64_t seed, Arena *scratch, double *sigma, double *embedding, int64_t *iterations)
{
    REQUIRE(k >= 1 && x->n_rows >= 1 && x->n_cols >= 1 && x->n_rows < INT32_MAX && x->n_cols < INT32_MAX, "svd of (%lld,%lld), k %lld",
            (long long)x->n_rows, (long long)x->n_cols, (long long)k);
    for (int64_t e = 0; e < x->indptr[x->n_rows]; e++)
        if (!isfinite(x->value[e])) return FAIL(E_NUMERIC, NULL, "entry %lld of the matrix is not finite", (long long)e);
    ArenaMark mark = arena_mark(scratch);
    memset(sigma, 0, (size_t)k * sizeof *sigma);
    memset(embedding, 0, (size_t)(x->n_rows * k) * sizeof *embedding);
    if (iterations) *iterations = 0;
    Csr xt = transpose(x, scratch);
    int64_t least = x->n_rows < x->n_cols ? x->n_rows : x->n_cols;
    bool exact = method == LSA_EXACT || (method == LSA_AUTO && least <= EXACT_AT_MOST);
    Status status = exact ? svd_exact(x, &xt, k, scratch, sigma, embedding) : svd_iterative(x, &xt, k, seed, scratch, sigma, embedding, iterations);
    if (status == OK) fix_signs(x->n_rows, k, embedding);
    arena_release(scratch, mark);
    return status;
}

void lsa_postprocess(int64_t n_rows, int64_t k, const double *sigma, double whiten, bool normalise, double *embedding)
{
    for (int64_t i = 0; i < n_rows; i++) {
        double *row = embedding + i * k, squares = 0;
        for (int64_t j = 0; j < k; j++) {
            row[j] = sigma[j] > 0 ? row[j] * pow(sigma[j], -whiten) : 0.0;
            squares += row[j] * row[j];
        }
        if (normalise && squares > 0)
            for (int64_t j = 0; j < k; j++) row[j] /= sqrt(squares);
    }
}
