/* tests/golden_beam.c -- golden cases of kind beam: rec/beam.h with both scores at full width (every item scored), and a narrow beam. */
#include <string.h>

#include "golden_model.h"
#include "rec/beam.h"

Status golden_beam(GoldenCase *c);

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
    Prompts p = prompts_of(c);
    Decoder *d = golden_model_create(c, p.longest);
    golden_model_fill(c, decoder_params(d), NULL);
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
