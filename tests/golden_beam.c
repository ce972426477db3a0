/* tests/golden_beam.c -- golden cases of kind beam: rec/beam.h with both scores at full width (every item scored), and a narrow beam. */
#include <string.h>

#include "golden.h"
#include "rec/beam.h"

Status golden_beam(GoldenCase *c);

static Decoder *decoder_of(GoldenCase *c)
{
    const char *type = golden_config_string(c, "model_type", "");
    REQUIRE(strcmp(type, "qwen2") == 0 || strcmp(type, "qwen3") == 0, "model type '%s'", type);
    int64_t H = (int64_t)golden_config(c, "num_attention_heads", 1), C = (int64_t)golden_config(c, "hidden_size", 0);
    DecoderConfig config = {
        .V = (int64_t)golden_config(c, "vocab_size", 0), .C = C, .L = (int64_t)golden_config(c, "num_hidden_layers", 0), .H = H,
        .Hkv = (int64_t)golden_config(c, "num_key_value_heads", (double)H), .D = (int64_t)golden_config(c, "head_dim", (double)(C / H)),
        .F = (int64_t)golden_config(c, "intermediate_size", 0), .rope_theta = golden_config(c, "rope_theta", 1e4),
        .rms_eps = golden_config(c, "rms_norm_eps", 1e-6), .attention_bias = golden_config(c, "attention_bias", 0) > 0,
        .qk_norm = golden_config(c, "qk_norm", 0) > 0, .tied = golden_config(c, "tie_word_embeddings", 0) > 0};
    int64_t T;
    golden_i32(c, "in.tokens", &T);
    Decoder *d = decoder_create(c->be, &config, T, false);
    Params *p = decoder_params(d);
    const char *name;
    for (int64_t i = 0; (name = golden_param(c, i)) != NULL; i++) {
        int64_t at = params_find(p, name), count;
        const real *value = golden_real(c, name, &count);
        REQUIRE(at >= 0 && p->list[at].count == count, "parameter %s", name);
        c->be->upload(c->be, params_value(p, at), value, (size_t)count * sizeof *value);
    }
    return d;
}

typedef struct Prompts {
    int64_t n, longest, *offset;
    const int32_t *token;
} Prompts;

static Prompts prompts_of(GoldenCase *c)
{
    Prompts p = {.token = golden_i32(c, "in.tokens", NULL)};
    const int32_t *length = golden_i32(c, "in.seq_lens", &p.n);
    p.offset = ARENA_NEW(c->arena, int64_t, p.n + 1);
    for (int64_t i = 0; i < p.n; i++) {
        p.offset[i + 1] = p.offset[i] + length[i];
        if (length[i] > p.longest) p.longest = length[i];
    }
    return p;
}

static Status ranked(GoldenCase *c, Decoder *d, const Trie *trie, const Prompts *p, BeamScore score, int64_t width, int64_t top_k, BeamResult *r)
{
    BeamSearch *s = beam_create(d, trie, &(BeamOptions){.width = width, .top_k = top_k, .score = score, .max_prompt = p->longest,
                                                        .max_prompts = p->n});
    r->item = ARENA_NEW(c->arena, int32_t, p->n * top_k);
    r->score = ARENA_NEW(c->arena, real, p->n * top_k);
    Status status = beam_search(s, p->n, p->offset, p->token, NULL, NULL, r);
    beam_destroy(s);
    return status;
}

static void expect_lists(GoldenCase *c, const char *what, const BeamResult *r, int64_t P, int64_t have, int64_t want)
{
    int32_t *item = ARENA_NEW(c->arena, int32_t, P * want);
    real *score = ARENA_NEW(c->arena, real, P * want);
    for (int64_t p = 0; p < P; p++) {
        memcpy(item + p * want, r->item + p * have, (size_t)want * sizeof *item);
        memcpy(score + p * want, r->score + p * have, (size_t)want * sizeof *score);
    }
    golden_expect_i32(c, arena_printf(c->arena, "out.%s.items", what), item, P * want);
    golden_expect_real(c, arena_printf(c->arena, "out.%s.scores", what), score, P * want);
}

static Status full_width(GoldenCase *c, Decoder *d, const Trie *trie, const Prompts *p, BeamScore score, const char *what, int64_t N)
{
    BeamResult r = {0};
    TRY(ranked(c, d, trie, p, score, N, N, &r));
    real *all = ARENA_NEW(c->arena, real, p->n * N);
    for (int64_t i = 0; i < p->n * N; i++) all[i / N * N + r.item[i]] = r.score[i];
    golden_expect_real(c, arena_printf(c->arena, "out.%s.all_scores", what), all, p->n * N);
    expect_lists(c, what, &r, p->n, N, (int64_t)golden_config(c, "top_k", (double)N));
    return OK;
}

Status golden_beam(GoldenCase *c)
{
    int64_t count;
    const int32_t *catalogue = golden_i32(c, "in.catalog", &count);
    const Tensor *shape = golden_tensor(c, "in.catalog");
    int64_t N = shape->shape[0];
    Trie *trie;
    TRY(trie_build(c->arena, N, shape->shape[1], catalogue, &trie));
    Decoder *d = decoder_of(c);
    Prompts p = prompts_of(c);
    TRY(full_width(c, d, trie, &p, BEAM_RENORM, "renorm", N));
    TRY(full_width(c, d, trie, &p, BEAM_MASK, "mask", N));
    int64_t narrow = (int64_t)golden_config(c, "narrow_beam", 0);
    if (narrow > 0) {
        int64_t want = golden_tensor(c, "out.narrow.items")->shape[1];
        REQUIRE(want <= narrow, "%lld results of a beam of %lld", (long long)want, (long long)narrow);
        BeamResult r = {0};
        TRY(ranked(c, d, trie, &p, BEAM_RENORM, narrow, narrow, &r));
        expect_lists(c, "narrow", &r, p.n, narrow, want);
    }
    decoder_destroy(d);
    return OK;
}
