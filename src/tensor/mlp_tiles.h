/* tensor/mlp_tiles.h -- what becomes of the squares of a multilayer perceptron's products (tiles_slices_each of tiles.h): bias, ReLU, its gradient, the
 * difference from what should have come out. bfloat16 arrays are slices of one `height`; all 32 rows of a square are written there, floats only in rows
 * below `rows`. Widths are multiples of 32. For the thread that calls; only where tiles_available.
 */
#ifndef DIGR_TENSOR_MLP_TILES_H
#define DIGR_TENSOR_MLP_TILES_H

#include "tensor/tiles.h"

typedef struct MlpKeep {
    int64_t rows, height, first; /* `first` is added to the row of a square */
    const float *bias;
    Bf16 *y;                     /* slices out */
    const Bf16 *mask;            /* slices: the outputs of the ReLU */
    float *out;                  /* (rows, ld) */
    int64_t ld;
    const float *x;              /* mlp_tiles_recon: (rows, ld) */
    float *diff;
    float scale;
} MlpKeep;

void mlp_tiles_relu(void *keep, int64_t i, int64_t j, const float *c);     /* y = max(c + bias, 0) */
void mlp_tiles_relu_bwd(void *keep, int64_t i, int64_t j, const float *c); /* y = c where mask > 0, else 0 */
void mlp_tiles_out(void *keep, int64_t i, int64_t j, const float *c);      /* out = c + bias (NULL: c) */
/* out = c + bias, diff = out - x, y = scale * diff */
void mlp_tiles_recon(void *keep, int64_t i, int64_t j, const float *c);
/* mlp_tiles_sums -- sum (32) += the columns of a slice, n rows of it, in order. */
void mlp_tiles_sums(int64_t n, const Bf16 *slice, float *sum);

#endif
