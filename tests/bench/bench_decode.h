/* tests/bench/bench_decode.h -- what the benches of decoding share: a random model over a random catalogue of 4-code SIDs, prompts, operation counts, and
 * PyTorch run beside. */
#ifndef DIGR_TESTS_BENCH_DECODE_H
#define DIGR_TESTS_BENCH_DECODE_H

#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "bench/bench_model.h"
#include "bench/bench_peer.h"
#include "data/dataset.h"
#include "rec/sequence.h"
#include "sid/trie.h"

typedef struct DecodeModel {
    Catalogue *catalogue;
    Vocab *vocab;
    Trie *trie;
    SequenceBuilder builder;
    Decoder *decoder;
    int64_t max_prompt;
} DecodeModel;

/* 4 levels of 256 codes, drawn at random. The vocabulary is the configuration's (larger than the catalogue needs). */
static inline DecodeModel decode_model(Arena *a, Backend *be, const DecoderConfig *config, int64_t items, int64_t history)
{
    enum { LEVELS = 4, CODES = 256 };
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    DecodeModel m = {0};
    int32_t *code = ARENA_NEW(a, int32_t, items * LEVELS);
    for (int64_t i = 0; i < items * LEVELS; i++) code[i] = (int32_t)rng_below(&r, CODES);
    m.catalogue = catalogue_from_codes(a, items, LEVELS, CODES, code);
    m.vocab = vocab_create(a, m.catalogue, -1, NULL, 0);
    MUST(trie_from_catalogue(a, m.catalogue, m.vocab->sid_base, &m.trie));
    m.builder = (SequenceBuilder){.vocab = m.vocab, .catalogue = m.catalogue, .max_history = history};
    m.max_prompt = sequence_prompt_capacity(&m.builder);
    REQUIRE(config->V >= m.vocab->V, "vocabulary of %lld, %lld needed", (long long)config->V, (long long)m.vocab->V);
    m.decoder = decoder_create(be, config, m.max_prompt + 8, false);
    decoder_init(m.decoder, 1);
    return m;
}

static inline Rows decode_rows(Arena *a, int64_t users, int64_t history, int64_t items)
{
    Rng r = rng_make(2, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    int64_t *offset = ARENA_NEW(a, int64_t, users + 1);
    int32_t *h = ARENA_NEW(a, int32_t, users * history), *zero = ARENA_NEW(a, int32_t, users);
    for (int64_t u = 0; u < users; u++) offset[u + 1] = (u + 1) * history;
    for (int64_t i = 0; i < users * history; i++) h[i] = (int32_t)rng_below(&r, (uint64_t)items);
    return (Rows){.n = users, .user = zero, .offset = offset, .history = h, .target = zero};
}

/* Multiplications and additions: a prompt of n tokens (the last layer does for the last token what follows the keys and values), a row after it; both
 * without logits. */
static inline double decode_prompt_flop(const DecoderConfig *c, double n)
{
    const double HD = (double)(c->H * c->D), kv = (double)(c->Hkv * c->D), C = (double)c->C, L = (double)c->L;
    const double in = 2 * C * (HD + 2 * kv), out = 2 * HD * C + 6 * C * (double)c->F;
    return n * (L * in + (L - 1) * out) + out + 4 * HD * ((L - 1) * n * (n + 1) / 2 + n);
}

static inline double decode_row_flop(const DecoderConfig *c, double n)
{
    const double HD = (double)(c->H * c->D), kv = (double)(c->Hkv * c->D), C = (double)c->C;
    return (double)c->L * (2 * C * (HD + 2 * kv) + 2 * HD * C + 6 * C * (double)c->F + 4 * HD * (n + 1));
}

/* Processor seconds of all threads. */
static inline double decode_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Users a second of PyTorch's search, or 0 (peer_rate). */
static inline double decode_peer(Peer *p, const DecoderConfig *c, int64_t prompt, int64_t items, int64_t beam, int64_t batch, int threads, const char *precision,
                                 double seconds)
{
    char arguments[400];
    snprintf(arguments, sizeof arguments,
             "--layers %lld --width %lld --ffn %lld --heads %lld --vocab %lld --prompt %lld --items %lld --beam %lld --batch %lld --precision %s", (long long)c->L,
             (long long)c->C, (long long)c->F, (long long)c->H, (long long)c->V, (long long)prompt, (long long)items, (long long)beam, (long long)batch, precision);
    return peer_rate(p, arguments, threads, seconds);
}

#endif
