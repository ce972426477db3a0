/* tests/rl_world.h -- what the tests of beam search, rollouts and GRPO share: a small catalogue with collisions, its vocabulary and trie, a decoder with
 * lively random weights, random prompts, and the log-probability of every item by plain forward passes (no cache, no trie walk). */
#ifndef DIGR_TESTS_RL_WORLD_H
#define DIGR_TESTS_RL_WORLD_H

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "nn/decoder.h"
#include "rec/beam_model.h"

typedef struct World {
    Arena *arena;
    Backend *be;
    BeamModel m;
    int64_t N, V;
    int64_t P, *offset; /* prompts */
    int32_t *prompt;
    int64_t *ex_offset; /* their histories */
    int32_t *history;
} World;

/* Items 0..N-1 with codes in [0,K): small K makes collisions, hence SIDs of four tokens. config: all but V; sd: of the matrices. */
static inline World world_create_with(Arena *a, Backend *be, uint64_t seed, int64_t N, int64_t K, int64_t max_tokens, bool gradients, DecoderConfig config, double sd)
{
    enum { Q = 3, HISTORY = 4 };
    World w = {.arena = a, .be = be, .N = N};
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    int32_t *code = ARENA_NEW(a, int32_t, N * Q);
    for (int64_t i = 0; i < N * Q; i++) code[i] = (int32_t)rng_below(&r, (uint64_t)K);
    w.m.catalogue = catalogue_from_codes(a, N, Q, K, code);
    w.m.vocab = vocab_create(a, w.m.catalogue, -1, NULL, 0);
    w.m.builder = (SequenceBuilder){.vocab = w.m.vocab, .catalogue = w.m.catalogue, .max_history = HISTORY};
    w.m.max_prompt = sequence_prompt_capacity(&w.m.builder);
    w.V = w.m.vocab->V;
    MUST(trie_from_catalogue(a, w.m.catalogue, w.m.vocab->sid_base, &w.m.trie));
    config.V = w.V;
    w.m.decoder = decoder_create(be, &config, max_tokens > 0 ? max_tokens : w.m.max_prompt + SID_MAX, gradients);
    decoder_init(w.m.decoder, seed);
    Params *p = decoder_params(w.m.decoder);
    for (int64_t i = 0; i < p->n; i++)
        if (p->list[i].n_dims == 2) params_init_normal(p, i, sd, seed + 1);
    return w;
}

static inline World world_create(Arena *a, Backend *be, uint64_t seed, int64_t N, int64_t K, int64_t max_tokens, bool gradients)
{
    const DecoderConfig small = {.C = 12, .L = 2, .H = 3, .Hkv = 1, .D = 4, .F = 14, .rope_theta = 1e4, .rms_eps = 1e-6, .qk_norm = true};
    return world_create_with(a, be, seed, N, K, max_tokens, gradients, small, 0.6);
}

static inline void world_prompts(World *w, uint64_t seed, int64_t P)
{
    enum { LONGEST = 7 };
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 1, 0);
    w->P = P;
    w->offset = ARENA_NEW(w->arena, int64_t, P + 1);
    w->ex_offset = ARENA_NEW(w->arena, int64_t, P + 1);
    w->prompt = ARENA_NEW(w->arena, int32_t, P * w->m.max_prompt);
    w->history = ARENA_NEW(w->arena, int32_t, P * LONGEST);
    for (int64_t p = 0; p < P; p++) {
        int64_t n = (int64_t)rng_below(&r, LONGEST + 1);
        int32_t *h = w->history + w->ex_offset[p];
        for (int64_t i = 0; i < n; i++) h[i] = (int32_t)rng_below(&r, (uint64_t)w->N);
        w->ex_offset[p + 1] = w->ex_offset[p] + n;
        w->offset[p + 1] = w->offset[p] + sequence_prompt(&w->m.builder, h, n, w->prompt + w->offset[p]);
    }
}

/* Logits (V) of the token after prompt p followed by prefix[n], by an uncached forward pass. */
static inline void world_logits(World *w, int64_t p, const int32_t *prefix, int64_t n, real *logits)
{
    int64_t length = w->offset[p + 1] - w->offset[p], T = length + n;
    ArenaMark mark = arena_mark(w->arena);
    int32_t *token = ARENA_NEW(w->arena, int32_t, T), *pos = ARENA_NEW(w->arena, int32_t, T), offset[2] = {0, (int32_t)T};
    memcpy(token, w->prompt + w->offset[p], (size_t)length * sizeof *token);
    memcpy(token + length, prefix, (size_t)n * sizeof *token);
    for (int32_t i = 0; i < T; i++) pos[i] = i;
    /* The backends of the tests keep their memory on the host. */
    Packed pk = {.B = 1, .T = T, .max_len = T, .offset = offset, .pos = pos, .h_offset = offset};
    decoder_forward(w->m.decoder, &pk, token, (Dropout){0});
    int32_t row = (int32_t)T - 1;
    real *out = w->be->alloc(w->be, (size_t)w->V * sizeof(real));
    decoder_logits(w->m.decoder, 1, &row, out);
    memcpy(logits, out, (size_t)w->V * sizeof(real));
    w->be->release(w->be, out);
    arena_release(w->arena, mark);
}

/* log p of each token of a SID; allowed = those that some item continues the prefix with (renorm), else the whole vocabulary; logits/temperature. */
static inline double world_token_logp(World *w, int64_t p, const int32_t *sid, int64_t at, bool renorm, double temperature)
{
    real logits[512];
    REQUIRE(w->V <= 512, "V");
    world_logits(w, p, sid, at, logits);
    double sum = 0;
    for (int32_t v = 0; v < w->V; v++) {
        bool counted = !renorm;
        for (int32_t i = 0; i < w->N && !counted; i++) {
            int32_t other[SID_MAX];
            int64_t n = sequence_answer(&w->m.builder, i, other);
            counted = n > at && memcmp(other, sid, (size_t)at * sizeof *sid) == 0 && other[at] == v;
        }
        if (counted) sum += exp((double)logits[v] / temperature);
    }
    return (double)logits[sid[at]] / temperature - log(sum);
}

static inline double world_item_logp(World *w, int64_t p, int32_t item, bool renorm)
{
    int32_t sid[SID_MAX];
    int64_t n = sequence_answer(&w->m.builder, item, sid);
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += world_token_logp(w, p, sid, k, renorm, 1);
    return sum;
}

static inline void world_destroy(World *w) { decoder_destroy(w->m.decoder); }

#endif
