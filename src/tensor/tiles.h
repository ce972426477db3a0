/* tensor/tiles.h -- bfloat16 products on the tile registers of the processor (Intel AMX): the layouts they want, packing into them, and the product.
 *
 * Everything works on the calling thread, allocates nothing and adds in float. Numbers are rounded to bfloat16 to nearest, ties to even.
 *
 * Layouts. A step is TILES_STEP = 32 of the dimension that is summed over.
 *   rows    (m,k) bfloat16, row-major, `lda` elements apart; readable (finite) up to m and k rounded up to 32.
 *   panels  op(B) (k,n) in panels of 32 columns; of a panel, step s is two tiles (columns 0-15, 16-31), each 16 pairs of rows x 16 columns x 2:
 *           element (p,j) of op(B): panels[j/32 * stride + (p/32*2 + j%32/16) * 512 + p%32/2 * 32 + j%16 * 2 + p%2]
 *           zero past k and n. tiles_panels gives their size, tiles_stride the elements between panels.
 *   slices  (m,k) bfloat16 in slices of 32 columns, each contiguous: element (i,p): slices[p/32 * height*32 + i*32 + p%32], height at least m rounded up to 32.
 *           A tile of it is one piece of memory, and so is a square that a product writes: what training keeps between products.
 *   blocks  (m,n) float in squares of 32 x 32, each contiguous and row-major, squares in row-major order: sums over many products (weight gradients).
 */
#ifndef DIGR_TENSOR_TILES_H
#define DIGR_TENSOR_TILES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TILES_STEP = 32, TILES_HALF = 16, TILES_TILE = 512 /* elements */, TILES_SQUARE = 1024 };

typedef uint16_t Bf16;

static inline int64_t tiles_round(int64_t n) { return (n + TILES_STEP - 1) / TILES_STEP * TILES_STEP; }
static inline int64_t tiles_stride(int64_t k) { return tiles_round(k) * TILES_STEP; }
static inline int64_t tiles_panels(int64_t k, int64_t n) { return tiles_round(k) * tiles_round(n); }
static inline int64_t tiles_blocks(int64_t m, int64_t n) { return tiles_round(m) * tiles_round(n); }

static inline float tiles_float(Bf16 x)
{
    const uint32_t u = (uint32_t)x << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Rounded to nearest, ties to even; NaN stays one. */
static inline Bf16 tiles_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return (Bf16)(x != x ? (u >> 16) | 0x40u : rounded);
}

/* tiles_available -- the processor has AMX for bfloat16 and AVX512-BF16, and the kernel lets this process use them (asked for once). The functions below may
 * only be called where this is true. Threads made later may use them too. */
bool tiles_available(void);

/* --- packing --------------------------------------------------------------------------------------------------- */

/* tiles_rows -- float (m,k) to rows; columns from k to the next multiple of 32 become zero. */
void tiles_rows(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t ldo);
/* tiles_columns_group -- up to 16 (`valid`) rows of W (.,k), as columns: half `half` of one panel of op(B) = W^T. */
void tiles_columns_group(int64_t valid, int64_t k, const float *W, int64_t ldw, int half, Bf16 *panel);
/* tiles_rows_group -- up to 16 rows of W (.,n), as rows of op(B) = W: half `half` (pairs 0-7 or 8-15) of step `step` in every panel. */
void tiles_rows_group(int64_t valid, int64_t n, const float *W, int64_t ldw, int64_t step, int half, Bf16 *panels, int64_t stride);
/* tiles_pack -- op(B) (k,n) to panels; tb: B is stored (n,k). */
void tiles_pack(bool tb, int64_t k, int64_t n, const float *B, int64_t ldb, Bf16 *panels);
/* tiles_pair -- B (k,n), rows of bfloat16, to panels (stride apart): two rows interleaved. Rows from k to the next multiple of 32 count as zero. */
void tiles_pair(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride);
/* tiles_pair_transposed -- the same of op(B) = B^T, B (n,k) in rows, columns from k on already zero; rows of B from n to the next multiple of 32 are read. */
void tiles_pair_transposed(int64_t k, int64_t n, const Bf16 *B, int64_t ldb, Bf16 *panels, int64_t stride);
/* tiles_transpose -- X (k,m) bfloat16 to rows of X^T (m,k): out[i*ldo + p] = X[p*ldx + i]. Columns of `out` from k to the next multiple of 32 become zero,
 * rows from m to the next multiple of 32 hold what X has there (X is read up to m rounded up to 32). */
void tiles_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t ldx, Bf16 *out, int64_t ldo);
/* tiles_transpose_f32 -- out[j*ldo + i] = x[i*ldx + j], (m,n) both multiples of 16. */
void tiles_transpose_f32(int64_t m, int64_t n, const float *x, int64_t ldx, float *out, int64_t ldo);

/* --- slices ---------------------------------------------------------------------------------------------------- */

/* tiles_slices -- float (m,k), k a multiple of 32, to slices. */
void tiles_slices(int64_t m, int64_t k, const float *x, int64_t ldx, Bf16 *out, int64_t height);
/* tiles_slices_pair -- B (k,n) in slices of `height`, to panels, as tiles_pair. n is rounded up to 32: what lies there goes along. */
void tiles_slices_pair(int64_t k, int64_t n, const Bf16 *B, int64_t height, Bf16 *panels, int64_t stride);
/* tiles_slices_transpose -- X (k,m) in slices of `height` to slices of X^T (m,k), as high as m rounded up to 32. Columns from k on become zero. */
void tiles_slices_transpose(int64_t k, int64_t m, const Bf16 *X, int64_t height, Bf16 *out);
/* The products below with A (m,k) in slices. */
void tiles_slices_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc);
typedef void TilesKeep(void *arg, int64_t i, int64_t j, const float *c); /* see tiles_product_each */
void tiles_slices_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg);
void tiles_slices_blocks(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t height, const Bf16 *panels, int64_t stride, bool add, float *blocks, int64_t columns);

/* --- products: A rows (m,k), B panels (k,n) -------------------------------------------------------------------- */

/* tiles_product -- C (m,n) = A B, or += with `add`; C has room up to m and n rounded up to 32, where it is overwritten. */
void tiles_product(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, bool add, float *C, int64_t ldc);
/* tiles_product_each -- every 32 x 32 square c (row-major) of A B goes to keep(arg, i, j, c), where (i,j) is its first element; squares of one panel one after
 * another. What keep does with rows past m and columns past n is its own affair. */
void tiles_product_each(int64_t m, int64_t n, int64_t k, const Bf16 *A, int64_t lda, const Bf16 *panels, int64_t stride, TilesKeep *keep, void *arg);

/* tiles_slices_blocks -- the product into blocks, of which `columns` squares make a row.
 * tiles_blocks_add -- y (m,n) += blocks (m,n); transposed: y (n,m) += blocks^T. */
void tiles_blocks_add(bool transposed, int64_t m, int64_t n, const float *blocks, int64_t columns, float *y, int64_t ldy);
/* tiles_blocks_add_paired -- blocks (m,2n) whose every 32 columns are 16 of one matrix, then 16 of another: first (n,m) += the ones transposed, second (n,m) +=
 * the others. n is a multiple of 16. */
void tiles_blocks_add_paired(int64_t m, int64_t n, const float *blocks, float *first, float *second, int64_t ldy);

/* tiles_open, tiles_close -- between them this thread keeps its tile registers configured, so that small products need not do it each time. They nest. */
void tiles_open(void);
void tiles_close(void);

#endif
