/* tensor/backend.h -- the one interface behind which all heavy arithmetic happens.
 *
 * ROOM tensor: backends. Depends on base. `ref` is naive loops and the executable specification; `cpu` overrides with
 * register-tile matrix products and fused OpenMP kernels; `cuda` keeps the same contract on a GPU. No model code lives here.
 *
 * Conventions: row-major; `ld*` = elements between rows; pointers are in the backend's memory (host memory for ref and cpu);
 * ops are ordered, as on one stream; results are the same bytes for the same inputs and thread count (no atomics).
 * `acc` variants add to their output, all others overwrite it. Shapes follow base/dims.h. Wrong shapes are REQUIREd.
 * No op allocates except `alloc` (a backend may hold scratch that grows to the largest request).
 */
#ifndef DIGR_TENSOR_BACKEND_H
#define DIGR_TENSOR_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dims.h"
#include "base/status.h"

enum { TARGET_IGNORED = -100 };

/* Packed variable-length sequences: tokens of sequence b are rows offset[b]..offset[b+1). */
typedef struct Packed {
    int64_t B, T, max_len;
    const int32_t *offset;   /* (B+1) backend memory */
    const int32_t *pos;      /* (T) position inside its sequence, backend memory */
    const int32_t *h_offset; /* (B+1) the same offsets in host memory */
} Packed;

/* Dropout as a pure function of (key, counter): element i of a call keeps its value (scaled by 1/(1-p)) iff
 * u16(i) >= round(p * 65536), where u16(i) is the i-th 16-bit half-word of Philox4x32-10 with key `key` and counters
 * (i/8 low, i/8 high, call low, call high). p = 0 is the identity. The backward pass repeats the call on the gradient.
 * first: i of the array's first element, for an op on a part of the call's elements. */
typedef struct Dropout { double p; uint64_t key, call, first; } Dropout;

typedef struct Backend Backend;
struct Backend {
    const char *name;   /* "ref" | "cpu" | "cuda" */
    int threads;
    void *self;         /* private */
    bool bf16;          /* products round their factors to bfloat16 */
    int lanes;          /* single-threaded backends over the same memory that can work side by side: threads of cpu, else 1 */
    /* work(lane backend i, i, arg) for every i in [0,lanes), side by side; returns when all are done. Not from within a lane. */
    void (*each_lane)(Backend *be, void (*work)(Backend *lane, int i, void *arg), void *arg);

    /* --- memory ------------------------------------------------------------------------------------------------ */
    void *(*alloc)(Backend *be, size_t bytes);   /* zero-filled, 64-byte aligned; out of memory ends with exit 4 */
    void (*release)(Backend *be, void *p);       /* NULL allowed */
    void (*upload)(Backend *be, void *dst, const void *host_src, size_t bytes);
    Status (*download)(Backend *be, void *host_dst, const void *src, size_t bytes); /* waits; reports device faults */
    void (*zero)(Backend *be, void *p, size_t bytes);
    void (*copy)(Backend *be, void *dst, const void *src, size_t bytes);
    /* dst[i*ldd + j] = src[i*lds + j] for rows x cols; no overlap */
    void (*copy_2d)(Backend *be, int64_t rows, int64_t cols, const real *src, int64_t lds, real *dst, int64_t ldd);
    void (*destroy)(Backend *be);

    /* --- dense ------------------------------------------------------------------------------------------------- */
    /* C(m,n) = alpha * op(A)(m,k) op(B)(k,n) + beta * C; beta 0 never reads C. ta: A is stored (k,m); tb: B is stored (n,k).
     * A linear layer y = x W^T is gemm(false, true, T, out, in, 1, x, in, W, in, 0, y, out). */
    void (*gemm)(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda,
                 const real *B, int64_t ldb, real beta, real *C, int64_t ldc);
    /* x(T,C) += bias(C), in place */
    void (*add_bias)(Backend *be, int64_t T, int64_t C, real *x, int64_t ldx, const real *bias);
    /* dbias(C) += column sums of dy(T,C) */
    void (*bias_bwd_acc)(Backend *be, int64_t T, int64_t C, const real *dy, int64_t ldy, real *dbias);

    /* --- element-wise ------------------------------------------------------------------------------------------ */
    void (*axpy)(Backend *be, int64_t n, real alpha, const real *x, real *y);          /* y += alpha x */
    void (*axpby)(Backend *be, int64_t n, real alpha, const real *x, real beta, real *y); /* y = alpha x + beta y */
    void (*scale)(Backend *be, int64_t n, real alpha, real *x);                        /* x *= alpha */
    void (*dropout)(Backend *be, int64_t n, Dropout d, const real *x, real *y);        /* y = dropout(x); x == y allowed */
    /* y += dropout(x): the residual branch in one pass */
    void (*dropout_acc)(Backend *be, int64_t n, Dropout d, const real *x, real *y);
    void (*relu)(Backend *be, int64_t n, const real *x, real *y);                      /* max(x, 0) */
    void (*relu_bwd)(Backend *be, int64_t n, const real *y, const real *dy, real *dx); /* dx = dy where y > 0, else 0 */
    void (*gelu)(Backend *be, int64_t n, const real *x, real *y);                      /* exact: x Phi(x) */
    void (*gelu_bwd)(Backend *be, int64_t n, const real *x, const real *dy, real *dx);
    /* gu (T,2F): gate = columns [0,F), up = [F,2F);  y (T,F) = silu(gate) * up */
    void (*swiglu)(Backend *be, int64_t T, int64_t F, const real *gu, real *y);
    void (*swiglu_bwd)(Backend *be, int64_t T, int64_t F, const real *gu, const real *dy, real *dgu);

    /* --- embedding --------------------------------------------------------------------------------------------- */
    /* y(T,C) = scale * table[id]; ids in [0,n_rows) */
    void (*embed)(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *table, real scale, real *y);
    /* dtable[id] += scale * dy; duplicates accumulate, in a fixed order */
    void (*embed_bwd_acc)(Backend *be, int64_t T, int64_t C, const int32_t *ids, const real *dy, real scale, real *dtable);
    /* y(n,C) = x[row[i]] and x[row[i]] += dy[i] (rows distinct): picking the positions that have a target */
    void (*gather_rows)(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *x, real *y);
    void (*scatter_rows_acc)(Backend *be, int64_t n, int64_t C, const int32_t *row, const real *dy, real *dx);

    /* --- normalisation ----------------------------------------------------------------------------------------- */
    /* y = w * x * r, r = 1/sqrt(mean(x^2)+eps), r stored (T) for the backward pass. Rows of length C, stride ldx / ldy.
     * Also used per head: T*H rows of length D. */
    void (*rmsnorm)(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y,
                    int64_t ldy, real *r);
    /* dx (overwritten; may be dy with the same stride) and dw += ; x is the op's input */
    void (*rmsnorm_bwd)(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                        const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw);
    /* The same with dx += : the residual branch in one pass */
    void (*rmsnorm_bwd_acc)(Backend *be, int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r,
                            const real *dy, int64_t ldy, real *dx, int64_t lddx, real *dw);
    /* y = (x-mean)/sqrt(var+eps)*w + b, population variance; stats (T,2) = mean, 1/sqrt(var+eps) */
    void (*layernorm)(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *b, real eps, real *y,
                      real *stats);
    void (*layernorm_bwd)(Backend *be, int64_t T, int64_t C, const real *x, const real *w, const real *stats,
                          const real *dy, real *dx, real *dw, real *db); /* dx overwritten, dw and db += */

    /* --- attention --------------------------------------------------------------------------------------------- */
    /* In place on x (T, H*D) with row stride ldx: half rotation (Hugging Face), f_i = theta^(-2i/D):
     * (u_i, u_{i+D/2}) -> (u_i cos - u_{i+D/2} sin, u_{i+D/2} cos + u_i sin), angle = sign * pos * f_i. sign -1 inverts (= backward). */
    void (*rope)(Backend *be, int64_t T, int64_t H, int64_t D, const int32_t *pos, real theta, int sign, real *x, int64_t ldx);
    /* Causal attention inside each packed sequence. Query head j uses key/value head j*Hkv/H (integer division).
     * q (T,H*D), k and v (T,Hkv*D), strides ldq, ldkv; out (T,H*D) contiguous; lse (T,H) = log-sum-exp of the scaled scores.
     * drop: dropout on the attention probabilities; element index = (t*H + h)*max_len + (s - first row of the sequence). */
    void (*attention)(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                      const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, real *out, real *lse);
    /* dq, dk, dv overwritten (strides as q and k). */
    void (*attention_bwd)(Backend *be, const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop,
                          const real *q, int64_t ldq, const real *k, const real *v, int64_t ldkv, const real *out,
                          const real *lse, const real *dout, real *dq, int64_t lddq, real *dk, real *dv, int64_t lddkv);
    /* One new token for each of R beams that share prompt prefixes.
     * q (R,H*D) stride ldq. Beam r belongs to prompt owner[r]; prefix keys/values pk_k, pk_v are (T,Hkv*D) contiguous, rows
     * prefix_offset[owner]..prefix_offset[owner+1). Own suffix keys/values suf_k, suf_v: (R, S, Hkv*D), the first n_suf slots of each beam valid
     * (the new token's own key is already there). out (R,H*D). owner is ascending. */
    void (*attention_decode)(Backend *be, int64_t R, int64_t H, int64_t Hkv, int64_t D, real scale, const real *q, int64_t ldq,
                             const int32_t *owner, const int32_t *prefix_offset, const real *pk_k, const real *pk_v,
                             int64_t S, int64_t n_suf, const real *suf_k, const real *suf_v, real *out);

    /* --- loss -------------------------------------------------------------------------------------------------- */
    /* logits (n,V) stride ld. lse[i] = logsumexp over allowed columns, logp[i] = logits[i,target]-lse (0 where target is TARGET_IGNORED).
     * Allowed columns of row i: [range[2i], range[2i+1]) when range != NULL, and where allowed[i*V+v] != 0 when allowed != NULL. */
    void (*xent)(Backend *be, int64_t n, int64_t V, const real *logits, int64_t ld, const int32_t *target,
                 const int32_t *range, const uint8_t *allowed, real *logp, real *lse);
    /* In place: logits[i,v] := weight[i] * (softmax_v - [v == target]) on allowed columns, 0 elsewhere and for ignored rows.
     * weight (n) in backend memory. Mean loss: weight = 1/n_targets. */
    void (*xent_bwd)(Backend *be, int64_t n, int64_t V, real *logits, int64_t ld, const int32_t *target,
                     const int32_t *range, const uint8_t *allowed, const real *lse, const real *weight);

    /* --- optimiser --------------------------------------------------------------------------------------------- */
    double (*sum_squares)(Backend *be, int64_t n, const real *x); /* double accumulation, fixed order, host result */
    /* g *= gscale; p -= lr*wd*p; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr*(m/bc1)/(sqrt(v/bc2)+eps); (1-b) computed in
     * double. bc = 1 - b^t. */
    void (*adamw)(Backend *be, int64_t n, real *p, const real *g, real *m, real *v, double gscale, double lr, double b1,
                  double b2, double eps, double wd, double bc1, double bc2);
};

/* backend_ref -- naive loops, one thread; the specification. */
Backend *backend_ref(void);
/* backend_cpu -- register-tile matrix products and fused kernels, rows split over OpenMP threads; no BLAS is called. threads 0: as many as
 * OMP_NUM_THREADS allows, all cores when it is unset. The same source serves float and double builds. */
Backend *backend_cpu(int threads);
/* backend_cuda -- NULL when not built in or when no device is there. */
Backend *backend_cuda(void);
/* backend_open -- by name "ref" | "cpu" | "cuda"; E_RESOURCE when that backend is not available (never a silent fallback). */
Status backend_open(const char *name, int threads, Backend **backend);
/* backend_set_precision -- "fp32" (as created) or "bf16": from now on gemm rounds both factors to bfloat16 and adds in float; values, gradients, moments
 * and all other ops stay float. Before first use of the backend. E_RESOURCE where the processor or the backend cannot. */
Status backend_set_precision(Backend *be, const char *precision);
/* backend_best_precision -- "bf16" where the cpu backend has tile registers for it, which train several times faster; else "fp32". */
const char *backend_best_precision(void);

#endif
