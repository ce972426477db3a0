/* tensor/backend_cpu_internal.h -- what the files of the cpu backend share.
 *
 * Every op is one OpenMP parallel region over a fixed split of its rows (thread i of n always gets the same ones), so results depend on
 * the thread count only. Column sums over rows go through per-thread partial sums, added in thread order.
 */
#ifndef DIGR_TENSOR_BACKEND_CPU_INTERNAL_H
#define DIGR_TENSOR_BACKEND_CPU_INTERNAL_H

#include "tensor/backend.h"
#include "tensor/backend_internal.h"

typedef struct CpuSelf {
    real *scratch;         /* grows to the largest request */
    int64_t scratch_count;
    real *rope;            /* (rope_positions, D): cos and sin of the last theta and head size */
    double rope_theta;
    int64_t rope_positions, rope_D;
    Backend **lane;        /* (lanes) single-threaded backends; NULL with one thread */
} CpuSelf;

/* cpu_scratch -- `count` elements per thread, 64-byte aligned, contents undefined; thread i uses [i*stride, ..) where stride is returned.
 * Valid until the next call. Not inside a parallel region. */
real *cpu_scratch(Backend *be, int64_t count, int64_t *stride);

/* Rows [begin, end) of thread i of n: parts differ by at most `grain`. */
typedef struct Span { int64_t begin, end; } Span;
static inline Span cpu_span(int64_t count, int64_t grain, int i, int n)
{
    int64_t blocks = (count + grain - 1) / grain;
    Span s = {blocks * i / n * grain, blocks * (i + 1) / n * grain};
    if (s.begin > count) s.begin = count;
    if (s.end > count) s.end = count;
    return s;
}

/* Threads worth using for `work` element operations: a parallel region costs some microseconds. */
static inline int cpu_threads(const Backend *be, int64_t work)
{
    return work < 16384 ? 1 : be->threads;
}

/* cpu_gemm_serial -- gemm of backend.h on the calling thread; scratch: cpu_gemm_scratch(n, k) elements, 64-byte aligned. */
int64_t cpu_gemm_scratch(int64_t n, int64_t k);
void cpu_gemm_serial(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda,
                     const real *B, int64_t ldb, real beta, real *C, int64_t ldc, real *scratch);

/* Its two halves, for kernels that use a packed matrix more than once.
 * cpu_pack_b: op(B) (kc,nc) into panels of GEMM_COLS columns, each (kc,GEMM_COLS) contiguous, the last one padded with zeros.
 * cpu_gemm_block: C (mc,nc) = alpha op(A) (mc,kc) B + beta C, panels of B `panel` elements apart (only their first kc rows are used);
 * packed_a: kc * (mc + GEMM_ROWS) elements when ta, else unused; tile: GEMM_ROWS * GEMM_COLS elements. */
void cpu_pack_b(bool tb, int64_t kc, int64_t nc, const real *B, int64_t ldb, real *out);
void cpu_gemm_block(bool ta, int64_t mc, int64_t nc, int64_t kc, const real *A, int64_t lda, const real *b, int64_t panel,
                    real alpha, real beta, real *C, int64_t ldc, real *packed_a, real *tile);

/* The same product with both factors rounded to bfloat16 (backend_cpu_bf16_x86.c, or _absent.c on other processors); scratch:
 * cpu_bf16_scratch(n, k) elements. Only to be called where cpu_bf16_available. */
bool cpu_bf16_available(void);
int64_t cpu_bf16_scratch(int64_t n, int64_t k);
void cpu_bf16_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                   int64_t ldb, real beta, real *C, int64_t ldc, real *scratch);

/* The same on tile registers (backend_cpu_tiles.c). Only to be called where tiles_available. */
int64_t cpu_tiles_scratch(int64_t n, int64_t k);
void cpu_tiles_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                    int64_t ldb, real beta, real *C, int64_t ldc, real *scratch);

void backend_cpu_fill_gemm(Backend *be);
void backend_cpu_fill_gemm_bf16(Backend *be);
void backend_cpu_fill_elementwise(Backend *be);
void backend_cpu_fill_norm(Backend *be);
void backend_cpu_fill_attention(Backend *be);
void backend_cpu_fill_decode(Backend *be); /* rope and attention_decode */
void backend_cpu_fill_loss(Backend *be);

#endif
