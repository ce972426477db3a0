/* sid/lsa.h -- latent semantic analysis: TF-IDF rows and their truncated singular value decomposition, in double precision.
 *
 * Deviations from the paper: the paper embeds text with a 0.6-8B language model; LSA is the embedded default because it needs no download, no
 * GPU and gives the same figures everywhere. Any other embedding can be put in its place as a `.npy` file (05_embed --import).
 */
#ifndef DIGR_SID_LSA_H
#define DIGR_SID_LSA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* Sparse rows: the entries of row i are indptr[i]..indptr[i+1). */
typedef struct Csr {
    int64_t n_rows, n_cols;
    const int64_t *indptr; /* (n_rows+1) */
    const int32_t *index;  /* (indptr[n_rows]) column, each in [0,n_cols) */
    const double *value;
} Csr;

/* lsa_idf -- idf(t) = ln((1+n_rows)/(1+df)) + 1, df = rows with an entry in column t. counts may hold a column twice per row: counted once.
 * idf out (n_cols) */
void lsa_idf(const Csr *counts, double *idf);
/* lsa_tf -- count, or 1 + ln(count) when sublinear; 0 for 0. */
double lsa_tf(double count, bool sublinear);
/* lsa_tfidf -- value out (indptr[n_rows]): tf * idf, each row divided by its L2 norm (an empty row stays 0). */
void lsa_tfidf(const Csr *counts, const double *idf, bool sublinear, double *value);

typedef enum LsaMethod {
    LSA_AUTO,     /* exact when the smaller side has at most 1,024 rows or columns */
    LSA_EXACT,    /* eigen-decomposition of the Gram matrix of the smaller side */
    LSA_ITERATIVE /* randomised subspace iteration with Rayleigh-Ritz, until the k values move by less than 1e-7 of the largest */
} LsaMethod;

/* lsa_svd -- X = U S V^T without centring; the k largest singular triplets.
 * sigma     out (k)   descending; 0 beyond the rank
 * embedding out (n_rows,k) row-major, U_k S_k; the sign of a column makes its entry of largest magnitude positive
 * Returns OK, or E_NUMERIC when LAPACK does not converge or a value is not finite. iterations may be NULL. */
Status lsa_svd(const Csr *x, int64_t k, LsaMethod method, uint64_t seed, Arena *scratch, double *sigma, double *embedding, int64_t *iterations);

/* lsa_postprocess -- in place: column j *= sigma_j^(-whiten) (whiten 0: U S, 0.5: U S^1/2, 1: U; columns with sigma 0 stay 0), then, if
 * `normalise`, each row divided by its L2 norm (rows of zeros stay). */
void lsa_postprocess(int64_t n_rows, int64_t k, const double *sigma, double whiten, bool normalise, double *embedding);

#endif
