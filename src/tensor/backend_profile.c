/* tensor/backend_profile.c -- one forwarding function an op; the list of ops is that of backend.h. Not for use from within a lane of its own.
 *
 * Deviations from the paper: none.
 */
#include "tensor/backend_profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tensor/backend_internal.h"

/* op, its parameters after the backend, their names, multiplications and additions */
#define PROFILE_OPS(X) \
    X(add_bias, (int64_t T, int64_t C, real *x, int64_t ldx, const real *bias), (T, C, x, ldx, bias), 0) \
    X(bias_bwd_acc, (int64_t T, int64_t C, const real *dy, int64_t ldy, real *dbias), (T, C, dy, ldy, dbias), 0) \
    X(axpy, (int64_t n, real alpha, const real *x, real *y), (n, alpha, x, y), 0) \
    X(axpby, (int64_t n, real alpha, const real *x, real beta, real *y), (n, alpha, x, beta, y), 0) \
    X(scale, (int64_t n, real alpha, real *x), (n, alpha, x), 0) \
    X(dropout, (int64_t n, Dropout d, const real *x, real *y), (n, d, x, y), 0) \
    X(dropout_acc, (int64_t n, Dropout d, const real *x, real *y), (n, d, x, y), 0) \
    X(relu, (int64_t n, const real *x, real *y), (n, x, y), 0) \
    X(relu_bwd, (int64_t n, const real *y, const real *dy, real *dx), (n, y, dy, dx), 0) \
    X(gelu, (int64_t n, const real *x, real *y), (n, x, y), 0) \
    X(gelu_bwd, (int64_t n, const real *x, const real *dy, real *dx), (n, x, dy, dx), 0) \
    X(swiglu, (int64_t T, int64_t F, const real *gu, real *y), (T, F, gu, y), 0) \
    X(swiglu_bwd, (int64_t T, int64_t F, const real *gu, const real *dy, real *dgu), (T, F, gu, dy, dgu), 0) \
    X(embed, (int64_t T, int64_t C, const int32_t *ids, const real *table, real scale, real *y), (T, C, ids, table, scale, y), 0) \
    X(embed_bwd_acc, (int64_t T, int64_t C, const int32_t *ids, const real *dy, real scale, real *dtable), (T, C, ids, dy, scale, dtable), 0) \
    X(gather_rows, (int64_t n, int64_t C, const int32_t *row, const real *x, real *y), (n, C, row, x, y), 0) \
    X(scatter_rows_acc, (int64_t n, int64_t C, const int32_t *row, const real *dy, real *dx), (n, C, row, dy, dx), 0) \
    X(rmsnorm, (int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, real eps, real *y, int64_t ldy, real *r), (T, C, x, ldx, w, eps, y, \
      ldy, r), 0) \
    X(rmsnorm_bwd, (int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r, const real *dy, int64_t ldy, real *dx, int64_t \
      lddx, real *dw), (T, C, x, ldx, w, r, dy, ldy, dx, lddx, dw), 0) \
    X(rmsnorm_bwd_acc, (int64_t T, int64_t C, const real *x, int64_t ldx, const real *w, const real *r, const real *dy, int64_t ldy, real *dx, \
      int64_t lddx, real *dw), (T, C, x, ldx, w, r, dy, ldy, dx, lddx, dw), 0) \
    X(layernorm, (int64_t T, int64_t C, const real *x, const real *w, const real *b, real eps, real *y, real *stats), (T, C, x, w, b, eps, y, stats), \
      0) \
    X(layernorm_bwd, (int64_t T, int64_t C, const real *x, const real *w, const real *stats, const real *dy, real *dx, real *dw, real *db), (T, C, x, \
      w, stats, dy, dx, dw, db), 0) \
    X(rope, (int64_t T, int64_t H, int64_t D, const int32_t *pos, real theta, int sign, real *x, int64_t ldx), (T, H, D, pos, theta, sign, x, ldx), \
      0) \
    X(attention, (const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop, const real *q, int64_t ldq, const real *k, const \
      real *v, int64_t ldkv, real *out, real *lse), (pk, H, Hkv, D, scale, drop, q, ldq, k, v, ldkv, out, lse), pairs(pk) * 4.0 * (double)(H * D)) \
    X(attention_bwd, (const Packed *pk, int64_t H, int64_t Hkv, int64_t D, real scale, Dropout drop, const real *q, int64_t ldq, const real *k, const \
      real *v, int64_t ldkv, const real *out, const real *lse, const real *dout, real *dq, int64_t lddq, real *dk, real *dv, int64_t lddkv), (pk, H, \
      Hkv, D, scale, drop, q, ldq, k, v, ldkv, out, lse, dout, dq, lddq, dk, dv, lddkv), pairs(pk) * 10.0 * (double)(H * D)) \
    X(attention_decode, (int64_t R, int64_t H, int64_t Hkv, int64_t D, real scale, const real *q, int64_t ldq, const int32_t *owner, const int32_t \
      *prefix_offset, const real *pk_k, const real *pk_v, int64_t S, int64_t n_suf, const real *suf_k, const real *suf_v, real *out), (R, H, Hkv, D, \
      scale, q, ldq, owner, prefix_offset, pk_k, pk_v, S, n_suf, suf_k, suf_v, out), 0) \
    X(xent, (int64_t n, int64_t V, const real *logits, int64_t ld, const int32_t *target, const int32_t *range, const uint8_t *allowed, real *logp, \
      real *lse), (n, V, logits, ld, target, range, allowed, logp, lse), 0) \
    X(xent_bwd, (int64_t n, int64_t V, real *logits, int64_t ld, const int32_t *target, const int32_t *range, const uint8_t *allowed, const real \
      *lse, const real *weight), (n, V, logits, ld, target, range, allowed, lse, weight), 0) \
    X(adamw, (int64_t n, real *p, const real *g, real *m, real *v, double gscale, double lr, double b1, double b2, double eps, double wd, double bc1, \
      double bc2), (n, p, g, m, v, gscale, lr, b1, b2, eps, wd, bc1, bc2), 0)

enum {
    OP_gemm, OP_gemm_nn, OP_gemm_tn, OP_sum_squares, OP_memory, /* gemm by what is transposed: x W^T, dy W, dy^T x */
#define X(op, params, args, flop) OP_##op,
    PROFILE_OPS(X)
#undef X
    N_OPS
};

static const char *const NAMES[N_OPS] = {
    "gemm x W^T", "gemm dy W", "gemm dy^T x", "sum_squares", "copy, zero, upload",
#define X(op, params, args, flop) #op,
    PROFILE_OPS(X)
#undef X
};

/* Every op goes through here, or a wrapped backend would be handed the profile as its own state: 5 words of fields, 8 functions for
 * memory, the ops, of which gemm is listed three times and memory is none. */
_Static_assert(sizeof(Backend) == (5 + 8 + N_OPS - 3) * sizeof(void *), "an op of backend.h is missing from the list above");

typedef struct Profile {
    Backend *inner, **lane; /* (lanes) profiles of the lanes, NULL with one */
    int64_t calls[N_OPS];
    double seconds[N_OPS], flop[N_OPS];
    void (*work)(Backend *lane, int i, void *arg); /* of the each_lane that is running */
    void *arg;
} Profile;

static void count(Profile *of, int op, double begin, double flop)
{
    of->calls[op]++;
    of->seconds[op] += time_now_s() - begin;
    of->flop[op] += flop;
}

/* Queries times keys they see. */
static double pairs(const Packed *pk)
{
    double sum = 0;
    for (int64_t b = 0; b < pk->B; b++) {
        const double n = pk->h_offset[b + 1] - pk->h_offset[b];
        sum += n * (n + 1) / 2;
    }
    return sum;
}

/* --- the ops --------------------------------------------------------------------------------------------------- */

#define PARAMETERS(...) (Backend * be, __VA_ARGS__)
#define ARGUMENTS(...) (of->inner, __VA_ARGS__)
#define X(op, params, args, flop)             \
    static void profile_##op PARAMETERS params \
    {                                          \
        Profile *of = be->self;                \
        const double begin = time_now_s();     \
        of->inner->op ARGUMENTS args;          \
        count(of, OP_##op, begin, flop);       \
    }
PROFILE_OPS(X)
#undef X

static void profile_gemm(Backend *be, bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda,
                         const real *B, int64_t ldb, real beta, real *C, int64_t ldc)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    of->inner->gemm(of->inner, ta, tb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
    count(of, ta ? OP_gemm_tn : tb ? OP_gemm : OP_gemm_nn, begin, 2.0 * (double)m * (double)n * (double)k);
}

static double profile_sum_squares(Backend *be, int64_t n, const real *x)
{
    Profile *of = be->self;
    const double begin = time_now_s(), sum = of->inner->sum_squares(of->inner, n, x);
    count(of, OP_sum_squares, begin, 0);
    return sum;
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static void *profile_alloc(Backend *be, size_t bytes)
{
    Profile *of = be->self;
    return of->inner->alloc(of->inner, bytes);
}

static void profile_release(Backend *be, void *p)
{
    Profile *of = be->self;
    of->inner->release(of->inner, p);
}

static void profile_upload(Backend *be, void *dst, const void *host_src, size_t bytes)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    of->inner->upload(of->inner, dst, host_src, bytes);
    count(of, OP_memory, begin, 0);
}

static Status profile_download(Backend *be, void *host_dst, const void *src, size_t bytes)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    const Status status = of->inner->download(of->inner, host_dst, src, bytes);
    count(of, OP_memory, begin, 0);
    return status;
}

static void profile_zero(Backend *be, void *p, size_t bytes)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    of->inner->zero(of->inner, p, bytes);
    count(of, OP_memory, begin, 0);
}

static void profile_copy(Backend *be, void *dst, const void *src, size_t bytes)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    of->inner->copy(of->inner, dst, src, bytes);
    count(of, OP_memory, begin, 0);
}

static void profile_copy_2d(Backend *be, int64_t rows, int64_t cols, const real *src, int64_t lds, real *dst, int64_t ldd)
{
    Profile *of = be->self;
    const double begin = time_now_s();
    of->inner->copy_2d(of->inner, rows, cols, src, lds, dst, ldd);
    count(of, OP_memory, begin, 0);
}

static void profile_destroy(Backend *be)
{
    Profile *of = be->self;
    for (int i = 0; of->lane != NULL && i < be->lanes; i++) of->lane[i]->destroy(of->lane[i]);
    backend_host_free(of->lane);
    backend_host_free(of);
    backend_host_free(be);
}

/* --- lanes ----------------------------------------------------------------------------------------------------- */

static void in_lane(Backend *lane, int i, void *arg)
{
    Profile *of = arg;
    Profile *own = of->lane[i]->self;
    own->inner = lane;
    of->work(of->lane[i], i, of->arg);
}

static void profile_each_lane(Backend *be, void (*work)(Backend *lane, int i, void *arg), void *arg)
{
    Profile *of = be->self;
    if (of->lane == NULL) {
        work(be, 0, arg);
        return;
    }
    of->work = work;
    of->arg = arg;
    of->inner->each_lane(of->inner, in_lane, of);
}

static Backend *wrap(Backend *inner, int lanes)
{
    Backend *be = backend_host_alloc(sizeof *be);
    Profile *of = backend_host_alloc(sizeof *of);
    of->inner = inner;
    *be = (Backend){.name = inner->name, .threads = inner->threads, .self = of, .bf16 = inner->bf16, .lanes = lanes, .each_lane = profile_each_lane,
        .alloc = profile_alloc, .release = profile_release, .upload = profile_upload, .download = profile_download,
        .zero = profile_zero, .copy = profile_copy, .copy_2d = profile_copy_2d, .destroy = profile_destroy, .gemm = profile_gemm,
        .sum_squares = profile_sum_squares};
#define X(op, params, args, flop) be->op = profile_##op;
    PROFILE_OPS(X)
#undef X
    return be;
}

Backend *backend_profile(Backend *inner)
{
    Backend *be = wrap(inner, inner->lanes);
    Profile *of = be->self;
    if (inner->lanes > 1) of->lane = backend_host_alloc((size_t)inner->lanes * sizeof *of->lane);
    for (int i = 0; of->lane != NULL && i < inner->lanes; i++) {
        of->lane[i] = wrap(inner, 1); /* its own lane is known when it runs */
        of->lane[i]->threads = 1;
    }
    return be;
}

/* --- the table ------------------------------------------------------------------------------------------------- */

static void clear(Profile *of)
{
    memset(of->calls, 0, sizeof of->calls);
    memset(of->seconds, 0, sizeof of->seconds);
    memset(of->flop, 0, sizeof of->flop);
}

void backend_profile_reset(Backend *be)
{
    Profile *of = be->self;
    clear(of);
    for (int i = 0; of->lane != NULL && i < be->lanes; i++) clear(of->lane[i]->self);
}

void backend_profile_print(const Backend *be, FILE *out, int64_t steps, double seconds)
{
    const Profile *of = be->self;
    Profile sum = *of;
    for (int op = 0; op < N_OPS; op++) sum.seconds[op] *= be->lanes; /* these had all threads */
    double step_ms = 1e3 * seconds / (double)steps * be->lanes, inside = 0;
    for (int i = 0; of->lane != NULL && i < be->lanes; i++) {
        const Profile *lane = of->lane[i]->self;
        for (int op = 0; op < N_OPS; op++) {
            sum.calls[op] += lane->calls[op];
            sum.seconds[op] += lane->seconds[op];
            sum.flop[op] += lane->flop[op];
        }
    }
    fprintf(out, "%-20s %10s %10s %7s %9s\n", "op", "calls", "ms/step", "%", "GFLOP/s");
    for (int shown = 0; shown < N_OPS; shown++) {
        int top = -1;
        for (int op = 0; op < N_OPS; op++) top = sum.calls[op] > 0 && (top < 0 || sum.seconds[op] > sum.seconds[top]) ? op : top;
        if (top < 0) break;
        const double ms = 1e3 * sum.seconds[top] / (double)steps;
        fprintf(out, "%-20s %10.0f %10.3f %6.1f%%", NAMES[top], (double)sum.calls[top] / (double)steps, ms, 100 * ms / step_ms);
        if (sum.flop[top] > 0) {
            fprintf(out, " %9.1f\n", sum.flop[top] / sum.seconds[top] * 1e-9); /* a thread */
        } else {
            fprintf(out, " %9s\n", "-");
        }
        inside += ms;
        sum.calls[top] = 0;
    }
    fprintf(out, "%-20s %10s %10.3f %6.1f%%\n", "outside the ops", "", step_ms - inside, 100 * (step_ms - inside) / step_ms);
}
