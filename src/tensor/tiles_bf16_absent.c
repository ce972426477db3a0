/* tensor/tiles_bf16_absent.c -- linked in place of tiles_bf16_x86.c where the target is no x86-64: there are no tile registers, and nobody asks for them. */
#include "base/status.h"
#include "tensor/tiles.h"

bool tiles_available(void)
{
    return false;
}

#define NONE REQUIRE(false, "tile products where there are none")

void tiles_rows(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t ldo)
{
    (void)m, (void)k, (void)x, (void)ldx, (void)out, (void)ldo;
    NONE;
}

void tiles_columns_group(int64_t valid, int64_t k, const float *W, int64_t ldw, int half, Bf16 *panel)
{
    (void)valid, (void)k, (void)W, (void)ldw, (void)half, (void)panel;
    NONE;
}

void tiles_rows_group(int64_t valid, int64_t n, const float *W, int64_t ldw, int64_t step, int half, Bf16 *panels, int64_t stride)
{
    (void)valid, (void)n, (void)W, (void)ldw, (void)step, (void)half, (void)panels, (void)stride;
    NONE;
}

void tiles_pack(bool tb, int64_t k, int64_t n, const float *B, int64_t ldb, Bf16 *panels)
{
    (void)tb, (void)k, (void)n, (void)B, (void)ldb, (void)panels;
    NONE;
}

void tiles_pair(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride)
{
    (void)k, (void)n, (void)B, (void)ldb, (void)panels, (void)stride;
    NONE;
}

void tiles_pair_transposed(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride)
{
    (void)k, (void)n, (void)B, (void)ldb, (void)panels, (void)stride;
    NONE;
}

void tiles_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t ldx, Bf16 *out, int64_t ldo)
{
    (void)k, (void)m, (void)X, (void)ldx, (void)out, (void)ldo;
    NONE;
}

void tiles_transpose_f32(int64_t m, int64_t n, const float *x, int64_t ldx, float *out, int64_t ldo)
{
    (void)m, (void)n, (void)x, (void)ldx, (void)out, (void)ldo;
    NONE;
}

void tiles_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)A, (void)lda, (void)panels, (void)stride, (void)add, (void)C, (void)ldc;
    NONE;
}

void tiles_product_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg)
{
    (void)m, (void)n, (void)k, (void)A, (void)lda, (void)panels, (void)stride, (void)keep, (void)arg;
    NONE;
}

void tiles_blocks_add(bool transposed, int64_t m, int64_t n, const float *blocks, int64_t columns, float *y, int64_t ldy)
{
    (void)transposed, (void)m, (void)n, (void)blocks, (void)columns, (void)y, (void)ldy;
    NONE;
}

void tiles_blocks_add_paired(int64_t m, int64_t n, const float *blocks, float *first, float *second, int64_t ldy)
{
    (void)m, (void)n, (void)blocks, (void)first, (void)second, (void)ldy;
    NONE;
}

void tiles_open(void)
{
    NONE;
}

void tiles_close(void)
{
    NONE;
}

void tiles_slices(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t height)
{
    (void)m, (void)k, (void)x, (void)ldx, (void)out, (void)height;
    NONE;
}

void tiles_slices_pair(int64_t k, int64_t n, const Bf16 *B, int64_t height, Bf16 *panels, int64_t stride)
{
    (void)k, (void)n, (void)B, (void)height, (void)panels, (void)stride;
    NONE;
}

void tiles_slices_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t height, Bf16 *out)
{
    (void)k, (void)m, (void)X, (void)height, (void)out;
    NONE;
}

void tiles_slices_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)A, (void)height, (void)panels, (void)stride, (void)add, (void)C, (void)ldc;
    NONE;
}

void tiles_slices_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg)
{
    (void)m, (void)n, (void)k, (void)A, (void)height, (void)panels, (void)stride, (void)keep, (void)arg;
    NONE;
}

void tiles_slices_blocks(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *blocks, int64_t columns)
{
    (void)m, (void)n, (void)k, (void)A, (void)height, (void)panels, (void)stride, (void)add, (void)blocks, (void)columns;
    NONE;
}
