/* tests/bench/bench_beam.c -- users/s of constrained beam search: a random S model (or another) over a random catalogue.
 *
 *   bench_beam [--layers 4 --width 128 --items 12000 --users 2048 --history 8 --beam 20 --unseen 0 --score mask --batch 0 --threads 0]
 *
 * A prompt holds `history` items (3 tokens each and <bos>). Weights and SIDs are random, so the search meets as many prefixes as a trained model or more.
 */
#include <string.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/rng.h"
#include "rec/beam_model.h"

static int64_t layers, width, items, codes, users, history, beam, batch, threads, repeats;
static bool unseen;
static const char *score;

static const CliOption options[] = {
    {"layers", CLI_INT, &layers, "4", 1, 64, "", "transformer layers", NULL},
    {"width", CLI_INT, &width, "128", 16, 4096, "", "hidden size; heads of 32", NULL},
    {"items", CLI_INT, &items, "12000", 1, 10000000, "", "catalogue", NULL},
    {"codes", CLI_INT, &codes, "256", 2, 65536, "", "codes a level", NULL},
    {"users", CLI_INT, &users, "2048", 1, 10000000, "", "prompts", NULL},
    {"history", CLI_INT, &history, "8", 0, 1000, "items", "of a prompt", NULL},
    {"beam", CLI_INT, &beam, "20", 1, 10000, "", "width", NULL},
    {"unseen", CLI_FLAG, &unseen, "0", 0, 1, "", "also rank without the history", NULL},
    {"score", CLI_ENUM, &score, "mask", 0, 0, "", "scores", "mask|renorm"},
    {"batch", CLI_INT, &batch, "0", 0, 100000, "", "prompts a batch; 0 = default", NULL},
    {"repeats", CLI_INT, &repeats, "3", 1, 1000, "", "the best is printed", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    CLI_END};

static BeamModel make_model(Arena *a, Backend *be, Rng *r)
{
    BeamModel m = {0};
    int32_t *code = ARENA_NEW(a, int32_t, items * 3);
    for (int64_t i = 0; i < items * 3; i++) code[i] = (int32_t)rng_below(r, (uint64_t)codes);
    m.catalogue = catalogue_from_codes(a, items, 3, codes, code);
    m.vocab = vocab_create(a, m.catalogue, -1, NULL, 0);
    MUST(trie_from_catalogue(a, m.catalogue, m.vocab->sid_base, &m.trie));
    m.builder = (SequenceBuilder){.vocab = m.vocab, .catalogue = m.catalogue, .max_history = history > 0 ? history : 1};
    m.max_prompt = sequence_prompt_capacity(&m.builder);
    DecoderConfig config = {.V = m.vocab->V, .C = width, .L = layers, .H = width / 32, .Hkv = width / 32, .D = 32, .F = 3 * width, .rope_theta = 1e4,
                            .rms_eps = 1e-6, .tied = true};
    m.decoder = decoder_create(be, &config, m.max_prompt, false);
    decoder_init(m.decoder, 1);
    return m;
}

int main(int argc, char **argv)
{
    cli_parse("bench_beam", "users/s of constrained beam search", options, argc, argv);
    Arena *a = arena_create("bench");
    Backend *be = backend_cpu((int)threads);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    BeamModel m = make_model(a, be, &r);
    int64_t *offset = ARENA_NEW(a, int64_t, users + 1), top_k = beam < 20 ? beam : 20;
    int32_t *h = ARENA_NEW(a, int32_t, users * history + 1), *target = ARENA_NEW(a, int32_t, users), *item = ARENA_NEW(a, int32_t, 2 * users * top_k);
    for (int64_t u = 0; u < users; u++) offset[u + 1] = (u + 1) * history;
    for (int64_t i = 0; i < users * history; i++) h[i] = (int32_t)rng_below(&r, (uint64_t)items);
    Rows rows = {.n = users, .user = target, .offset = offset, .history = h, .target = target};
    BeamSearch *s = beam_create(m.decoder, m.trie, &(BeamOptions){.width = beam, .top_k = top_k, .unseen = unseen, .max_prompt = m.max_prompt,
                                                                  .max_prompts = batch, .score = strcmp(score, "mask") == 0 ? BEAM_MASK : BEAM_RENORM});
    double best = 0;
    for (int64_t k = 0; k < repeats; k++) {
        double start = time_now_s();
        MUST(beam_rank_rows(s, &m.builder, &rows, NULL, users, &(BeamResult){.item = item, .unseen_item = item + users * top_k}, NULL));
        double rate = (double)users / (time_now_s() - start);
        if (rate > best) best = rate;
    }
    log_info("%lld layers, width %lld, vocabulary %lld, %lld items, prompts of %lld tokens, beam %lld, %lld prompts a batch: %.0f users/s", (long long)layers,
             (long long)width, (long long)m.vocab->V, (long long)items, (long long)(1 + 3 * history), (long long)beam,
             (long long)beam_options(s)->max_prompts, best);
    beam_destroy(s);
    decoder_destroy(m.decoder);
    be->destroy(be);
    arena_destroy(a);
    return 0;
}
