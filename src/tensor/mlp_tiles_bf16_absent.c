/* tensor/mlp_tiles_bf16_absent.c -- linked in place of mlp_tiles_bf16_x86.c where the target is no x86-64. */
#include "base/status.h"
#include "tensor/mlp_tiles.h"

static void absent(const void *keep, int64_t i, int64_t j, const float *c)
{
    REQUIRE(keep == NULL && c == NULL && i < 0 && j < 0, "tile products where there are none");
}

void mlp_tiles_relu(void *keep, int64_t i, int64_t j, const float *c) { absent(keep, i, j, c); }
void mlp_tiles_relu_bwd(void *keep, int64_t i, int64_t j, const float *c) { absent(keep, i, j, c); }
void mlp_tiles_out(void *keep, int64_t i, int64_t j, const float *c) { absent(keep, i, j, c); }
void mlp_tiles_recon(void *keep, int64_t i, int64_t j, const float *c) { absent(keep, i, j, c); }
void mlp_tiles_sums(int64_t n, const Bf16 *slice, float *sum) { absent(slice, n, n, sum); }
