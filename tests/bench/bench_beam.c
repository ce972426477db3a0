/* tests/bench/bench_beam.c -- users/s of constrained beam search at two model sizes over a random catalogue, beside PyTorch's.
 *
 * 20 items of 4 codes make a prompt of 80 tokens. Weights and SIDs are random, so the search meets as many prefixes as a trained model or more.
 * Scores: `mask` is the softmax over the vocabulary, what peers compute; `renorm` the softmax over what the trie allows, what 10_evaluate uses for models
 * that 08_sft trained by default (logits of one level's columns, nothing for prefixes with one continuation). Rounds alternate, medians are printed.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_decode.h"
#include "bench/bench_options.h"
#include "io/blascore.h"
#include "rec/beam_model.h"

static int64_t items, users, history, beam, batch, threads, rounds;
static bool unseen;
static const char *precision, *size, *peer;
static double seconds;

static const CliOption OPTIONS[] = {
    BENCH_SIZE(&size, "S|M|L|all"),
    {"beam", CLI_INT, &beam, "0", 0, 10000, "", "width; 0: 20 and 50", NULL},
    {"batch", CLI_INT, &batch, "32", 0, 100000, "", "prompts decoded together; 0 = default", NULL},
    BENCH_ITEMS(&items),
    BENCH_HISTORY(&history),
    {"unseen", CLI_FLAG, &unseen, "0", 0, 1, "", "also rank without the history", NULL},
    {"users", CLI_INT, &users, "512", 1, 10000000, "", "of a round", NULL},
    BENCH_ROUNDS(&rounds, "5"),
    BENCH_PRECISION(&precision),
    BENCH_THREADS(&threads),
    BENCH_PEER(&peer, "peer_torch_beam.py"),
    BENCH_SECONDS(&seconds, "2"),
    CLI_END};

enum { N_SCORES = 2, MAX_CASES = 6, PEER_ROUNDS = 3 };
static const char *const PRECISIONS[] = {"fp32", "bf16"};
static const BeamScore SCORES[N_SCORES] = {BEAM_MASK, BEAM_RENORM};
static const char *const SCORE_NAMES[N_SCORES] = {"mask", "renorm"};

typedef struct Case {
    char size;
    int64_t beam;
    double rate[N_SCORES], torch[2];
} Case;

/* What users wait for, and the same when the threads have the cores to themselves. */
typedef struct Clock { double wall, cpu; } Clock;
static Clock clock_now(void) { return (Clock){time_now_s(), decode_cpu_s()}; }

static BeamSearch *open_search(const DecodeModel *m, BeamScore score, int64_t width)
{
    return beam_create(m->decoder, m->trie, &(BeamOptions){.width = width, .top_k = width < 20 ? width : 20, .unseen = unseen, .max_prompt = m->max_prompt,
                                                           .max_prompts = batch, .score = score});
}

static void one_round(BeamSearch *s, const DecodeModel *m, const Rows *rows, int32_t *item)
{
    MUST(beam_rank_rows(s, &m->builder, rows, NULL, users, &(BeamResult){.item = item, .unseen_item = item + users * 20}, NULL));
}

/* Multiplications and additions of the work that was done. */
static double flop_of(const DecoderConfig *c, const BeamWork *w)
{
    const double n = (double)w->prompt_tokens / (double)w->prompts, own = decode_prompt_flop(c, n);
    return (double)w->prompts * own + (double)w->rows * decode_row_flop(c, n) + 2.0 * (double)w->logits * (double)c->C;
}

static void bench_case(Case *k, Backend *be, Peer torch_program[2])
{
    Arena *a = arena_create("bench");
    bench_memory_reset();
    DecoderConfig config = bench_config(k->size);
    DecodeModel m = decode_model(a, be, &config, items, history);
    Rows rows = decode_rows(a, users, history, items);
    int32_t *item = ARENA_NEW(a, int32_t, 2 * users * 20);
    BeamSearch *s[N_SCORES];
    double *wall[N_SCORES], *cpu[N_SCORES], *torch[2], peak = 0, mb = 0;
    for (int i = 0; i < N_SCORES; i++) {
        s[i] = open_search(&m, SCORES[i], k->beam);
        wall[i] = ARENA_NEW(a, double, rounds);
        cpu[i] = ARENA_NEW(a, double, rounds);
        torch[i] = ARENA_NEW(a, double, rounds);
        one_round(s[i], &m, &rows, item); /* warm up */
    }
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < N_SCORES; i++) {
            const Clock from = clock_now();
            one_round(s[i], &m, &rows, item);
            const Clock to = clock_now();
            wall[i][r] = to.wall - from.wall;
            cpu[i][r] = to.cpu - from.cpu;
        }
        if (r == 0) mb = bench_peak_mb();
        const double rate = ceiling_peak_gflops(be);
        if (rate > peak) peak = rate;
        for (int i = 0; i < 2 && r < PEER_ROUNDS; i++)
            torch[i][r] = decode_peer(&torch_program[i], &config, 4 * history, items, k->beam, batch > 0 ? batch : 32, be->threads, PRECISIONS[i], seconds);
    }
    for (int i = 0; i < 2; i++) k->torch[i] = bench_median(torch[i], rounds < PEER_ROUNDS ? rounds : PEER_ROUNDS);
    for (int i = 0; i < N_SCORES; i++) {
        const double t = bench_median(wall[i], rounds), c = bench_median(cpu[i], rounds);
        const BeamWork w = beam_work(s[i]);
        const double flop = flop_of(&config, &w) / (double)(rounds + 1);
        k->rate[i] = (double)users / t;
        printf("{\"bench\":\"beam\",\"size\":\"%c\",\"beam\":%lld,\"score\":\"%s\",\"prompt\":%lld,\"items\":%lld,\"batch\":%lld,\"precision\":\"%s\",\"threads\":%d,"
               "\"users_per_s\":%.0f,\"users_per_cpu_s\":%.0f,\"rows_per_user\":%.1f,\"gflop_per_s\":%.1f,\"gemm_peak_gflop_per_s\":%.1f,\"share_of_peak\":%.3f,"
               "\"torch_fp32_users_per_s\":%.0f,\"torch_bf16_users_per_s\":%.0f,\"peak_mb\":%.0f}\n", k->size, (long long)k->beam, SCORE_NAMES[i],
               (long long)(4 * history), (long long)items, (long long)batch, precision, be->threads, k->rate[i], (double)users / c, (double)w.rows / (double)w.prompts,
               flop / t * 1e-9, peak, flop / t * 1e-9 / peak, k->torch[0], k->torch[1], mb);
        fflush(stdout);
        beam_destroy(s[i]);
    }
    decoder_destroy(m.decoder);
    arena_destroy(a);
}

/* Users a second on 2 cores with AVX-512 and AMX, PyTorch 1.13: S 20, S 50, M 20, M 50. */
static const double ELSEWHERE[2][4] = {{357, 222, 94, 56}, {680, 422, 217, 133}};

static void print_row(const char *name, const Case *k, int n, int what)
{
    printf("%-58s", name);
    for (int i = 0; i < n; i++) {
        double v = what < 2 ? k[i].rate[what] : what < 4 ? k[i].torch[what - 2] : 0;
        if (what >= 4 && k[i].size != 'L' && (k[i].beam == 20 || k[i].beam == 50))
            v = ELSEWHERE[what - 4][2 * (k[i].size == 'M') + (k[i].beam == 50)];
        if (v > 0) {
            printf("%8.0f", v);
        } else {
            printf("%8s", "-");
        }
    }
    printf("\n");
}

static void print_table(const Case *k, int n, int n_threads)
{
    printf("\nconstrained beam search, users a second, prompts of %lld tokens, %lld items, batches of %lld, %d thread%s\n%-58s", (long long)(4 * history),
           (long long)items, (long long)batch, n_threads, n_threads == 1 ? "" : "s", "");
    for (int i = 0; i < n; i++) printf("  %c %4lld", k[i].size, (long long)k[i].beam);
    printf("\nmeasured here, in this run:\n");
    const char *missing = k[0].torch[0] > 0 ? "" : " (python3-torch is not installed, or left out)";
    char name[80];
    for (int i = 0; i < N_SCORES; i++) {
        snprintf(name, sizeof name, "  digr %s, softmax over %s", precision, i == 0 ? "the vocabulary (as the peers)" : "allowed tokens (digr's default)");
        print_row(name, k, n, i);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "  PyTorch %s%s", PRECISIONS[i], missing);
        print_row(name, k, n, 2 + i);
    }
    printf("measured elsewhere, 2 cores with AVX-512 and AMX:\n");
    print_row("  PyTorch 1.13 fp32", k, n, 4);
    print_row("  PyTorch 1.13 bf16", k, n, 5);
}

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("bench_beam", "users/s of constrained beam search", OPTIONS, argc, argv);
    Backend *be = backend_cpu((int)threads);
    MUST(backend_set_precision(be, precision));
    Case k[MAX_CASES];
    int n = 0;
    for (const char *c = strcmp(size, "all") == 0 ? "SM" : size; *c != '\0'; c++) {
        if (beam != 50) k[n++] = (Case){.size = *c, .beam = beam > 0 ? beam : 20};
        if (beam == 0 || beam == 50) k[n++] = (Case){.size = *c, .beam = 50};
    }
    Peer torch_program[2] = {{.program = peer}, {.program = peer}};
    for (int i = 0; i < n; i++) bench_case(&k[i], be, torch_program);
    print_table(k, n, be->threads);
    be->destroy(be);
    return 0;
}
