/* sid/textspace.h -- the embedding space that one feature of the interest classifier is measured in: latent semantic analysis of the item texts. */
#ifndef DIGR_SID_TEXTSPACE_H
#define DIGR_SID_TEXTSPACE_H

#include "llm/features.h"

/* textspace_build -- truncated SVD X = U S V^T of features_matrix, and features_set_space with axes V_k S^-1/2: items lie at U_k S_k^1/2, as 05_embed puts them, and any
 * other text is folded in. k is `dim`, or less where the matrix has a lower rank (singular values below 1e-9 of the largest). Runs on one thread: the same bytes
 * whatever the number of threads. Without text no space is set. E_NUMERIC: as lsa_svd. */
Status textspace_build(FeatureCorpus *c, int64_t dim, uint64_t seed, Arena *arena);

#endif
