/* tests/bench/bench_model.h -- what the training benches share: the three model sizes, a packed random batch, medians, peak memory. */
#ifndef DIGR_TESTS_BENCH_MODEL_H
#define DIGR_TESTS_BENCH_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "nn/decoder.h"

/* S, M, L: layers, width, feed-forward size, heads, vocabulary; otherwise the model of 08_sft (Qwen3: QK-norm, no biases, tied). */
static inline DecoderConfig bench_config(char size)
{
    const int64_t v[3][5] = {{4, 128, 512, 4, 1100}, {6, 256, 1024, 8, 1100}, {8, 512, 1408, 8, 2000}};
    const int64_t *s = v[size == 'L' ? 2 : size == 'M' ? 1 : 0];
    return (DecoderConfig){.L = s[0], .C = s[1], .F = s[2], .H = s[3], .Hkv = s[3], .D = s[1] / s[3], .V = s[4], .rope_theta = 1e4, .rms_eps = 1e-6,
                           .attention_bias = false, .qk_norm = true, .tied = true};
}

typedef struct BenchBatch {
    Packed pk;
    int32_t *token, *target;
    real *weight, *logp;
} BenchBatch;

/* `tokens` packed tokens in sequences of `seq` (0: mixed, 20 to 80), every position with a target. */
static inline BenchBatch bench_batch(Backend *be, Arena *a, int64_t V, int64_t tokens, int64_t seq)
{
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    BenchBatch b = {.token = ARENA_NEW(a, int32_t, tokens), .target = ARENA_NEW(a, int32_t, tokens), .weight = ARENA_NEW(a, real, tokens),
                    .logp = ARENA_NEW(a, real, tokens)};
    int32_t *offset = ARENA_NEW(a, int32_t, tokens + 1), *pos = ARENA_NEW(a, int32_t, tokens);
    while (b.pk.T < tokens) {
        int64_t n = seq > 0 ? seq : 20 + (int64_t)rng_below(&r, 61);
        if (n > tokens - b.pk.T) n = tokens - b.pk.T;
        for (int64_t i = 0; i < n; i++) {
            const int64_t t = b.pk.T + i;
            pos[t] = (int32_t)i;
            b.token[t] = (int32_t)rng_below(&r, (uint64_t)V);
            b.target[t] = (int32_t)rng_below(&r, (uint64_t)V);
            b.weight[t] = (real)(1.0 / (double)tokens);
        }
        b.pk.T += n;
        offset[++b.pk.B] = (int32_t)b.pk.T;
        if (n > b.pk.max_len) b.pk.max_len = n;
    }
    int32_t *d_offset = be->alloc(be, (size_t)(b.pk.B + 1) * sizeof(int32_t)), *d_pos = be->alloc(be, (size_t)tokens * sizeof(int32_t));
    be->upload(be, d_offset, offset, (size_t)(b.pk.B + 1) * sizeof(int32_t));
    be->upload(be, d_pos, pos, (size_t)tokens * sizeof(int32_t));
    b.pk.h_offset = offset;
    b.pk.offset = d_offset;
    b.pk.pos = d_pos;
    return b;
}

static inline void bench_batch_release(Backend *be, BenchBatch *b)
{
    union { const int32_t *in; int32_t *out; } offset = {.in = b->pk.offset}, pos = {.in = b->pk.pos};
    be->release(be, offset.out);
    be->release(be, pos.out);
}

/* Multiplications and additions of one training step: matrices (6 per weight and token) and causal attention. */
static inline double bench_flop(const DecoderConfig *c, const Packed *pk)
{
    const double HD = (double)(c->H * c->D), kv = (double)(c->Hkv * c->D), C = (double)c->C, F = (double)c->F;
    double pairs = 0; /* queries times keys they see */
    for (int64_t b = 0; b < pk->B; b++) {
        const double n = pk->h_offset[b + 1] - pk->h_offset[b];
        pairs += n * (n + 1) / 2;
    }
    const double layer = C * (HD + 2 * kv) + HD * C + 3 * C * F;
    return 6 * (double)pk->T * ((double)c->L * layer + C * (double)c->V) + 12 * (double)c->L * pairs * HD;
}

static inline int bench_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double bench_median(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, bench_ascending);
    return n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Peak resident memory since the last bench_memory_reset, in MB; 0 where /proc does not tell. */
static inline double bench_peak_mb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) kb = strtod(line + 6, NULL);
    }
    if (f != NULL) fclose(f);
    return kb / 1024;
}

static inline void bench_memory_reset(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL) return;
    fputs("5", f);
    fclose(f);
}

#endif
