/* tests/bench/bench_ceiling.h -- what matrix products alone allow on this machine: the largest rate measured, and the time that OpenBLAS needs for
 * exactly the products of a training step. */
#ifndef DIGR_TESTS_BENCH_CEILING_H
#define DIGR_TESTS_BENCH_CEILING_H

#include <cblas.h>

#include "base/log.h"
#include "bench/bench_model.h"

/* One linear layer of a step on T tokens, forward and both gradients, by OpenBLAS: seconds, the median of `repeats`. */
static inline double ceiling_linear_s(int64_t T, int64_t out, int64_t in, int repeats)
{
    const size_t n[3] = {(size_t)(T * in), (size_t)(T * out), (size_t)(out * in)};
    Arena *a = arena_create("ceiling");
    float *x = ARENA_NEW(a, float, n[0]), *y = ARENA_NEW(a, float, n[1]), *w = ARENA_NEW(a, float, n[2]), *dw = ARENA_NEW(a, float, n[2]);
    for (size_t i = 0; i < n[0]; i++) x[i] = (float)(i % 97) * 0.01f - 0.5f;
    for (size_t i = 0; i < n[2]; i++) w[i] = (float)(i % 83) * 0.001f - 0.04f;
    double took[64];
    const int t = (int)T, o = (int)out, c = (int)in;
    for (int r = -1; r < repeats; r++) {
        const double begin = time_now_s();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, t, o, c, 1, x, c, w, c, 0, y, o);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, o, c, t, 1, y, o, x, c, 0, dw, c);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, t, c, o, 1, y, o, w, c, 0, x, c);
        if (r >= 0) took[r] = time_now_s() - begin;
        for (size_t i = 0; i < n[0]; i++) x[i] = (float)(i % 97) * 0.01f - 0.5f; /* the product has grown */
    }
    arena_destroy(a);
    return bench_median(took, repeats);
}

/* Seconds of all matrix products of a step on T tokens. */
static inline double ceiling_step_s(const DecoderConfig *c, int64_t T, int repeats)
{
    const int64_t HD = c->H * c->D, kv = c->Hkv * c->D;
    const double layer = ceiling_linear_s(T, HD + 2 * kv, c->C, repeats) + ceiling_linear_s(T, c->C, HD, repeats) +
                         ceiling_linear_s(T, 2 * c->F, c->C, repeats) + ceiling_linear_s(T, c->C, c->F, repeats);
    return (double)c->L * layer + ceiling_linear_s(T, c->V, c->C, repeats);
}

/* The best rate of a large square product on the backend, GFLOP/s. */
static inline double ceiling_peak_gflops(Backend *be)
{
    enum { N = 960 };
    real *a = be->alloc(be, (size_t)N * N * sizeof(real)), *b = be->alloc(be, (size_t)N * N * sizeof(real)), *c = be->alloc(be, (size_t)N * N * sizeof(real));
    double best = 1e9;
    for (int r = 0; r < 12; r++) {
        const double begin = time_now_s();
        be->gemm(be, false, false, N, N, N, 1, a, N, b, N, 0, c, N);
        const double s = time_now_s() - begin;
        if (s < best) best = s;
    }
    be->release(be, a);
    be->release(be, b);
    be->release(be, c);
    return 2.0 * N * N * N / best * 1e-9;
}

#endif
