/* tests/bench/bench_rollout.c -- GRPO rollouts: G constrained completions a prompt, with their log-probabilities. Prompts/s and generated tokens/s of
 * sampling, and of scoring the same completions (what the reference model does), for a random model over a random catalogue of 4-code SIDs.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_decode.h"
#include "bench/bench_options.h"
#include "rec/rollout.h"

static int64_t items, prompts, history, group, threads, rounds;
static const char *precision, *size;

static const CliOption OPTIONS[] = {
    BENCH_SIZE(&size, "S|M|L|all"),
    {"group", CLI_INT, &group, "8", 1, 10000, "", "completions a prompt", NULL},
    {"prompts", CLI_INT, &prompts, "256", 1, 1000000, "", "of a call", NULL},
    BENCH_ITEMS(&items),
    BENCH_HISTORY(&history),
    BENCH_ROUNDS(&rounds, "5"),
    BENCH_PRECISION(&precision),
    BENCH_THREADS(&threads),
    CLI_END};

enum { WAYS = 2, LEVELS = 4 };
static const char *const WAY_NAMES[WAYS] = {"sample", "score"};
typedef struct Rates { char size; double rate[WAYS]; } Rates;

static Rates bench_size(char name, Backend *be)
{
    Arena *a = arena_create("bench");
    bench_memory_reset();
    DecoderConfig config = bench_config(name);
    DecodeModel m = decode_model(a, be, &config, items, history);
    Rows rows = decode_rows(a, prompts, history, items);
    int64_t *offset = ARENA_NEW(a, int64_t, prompts + 1), *index = ARENA_NEW(a, int64_t, prompts);
    int32_t *token = ARENA_NEW(a, int32_t, prompts * m.max_prompt);
    for (int64_t p = 0; p < prompts; p++) {
        offset[p + 1] = offset[p] + sequence_prompt(&m.builder, rows.history + p * history, history, token + offset[p]);
        index[p] = p;
    }
    Rollout *r = rollout_create(m.decoder, m.trie, &(RolloutOptions){.method = ROLLOUT_SAMPLE, .G = group, .temperature = 1, .max_prompt = m.max_prompt, .seed = 1});
    Rollouts out = {ARENA_NEW(a, int32_t, prompts * group), ARENA_NEW(a, real, prompts * group * SID_MAX)};
    double *wall[WAYS], *cpu[WAYS], peak = 0, mb = 0;
    for (int i = 0; i < WAYS; i++) {
        wall[i] = ARENA_NEW(a, double, rounds);
        cpu[i] = ARENA_NEW(a, double, rounds);
    }
    for (int64_t k = -1; k < rounds; k++) { /* one round to warm up */
        for (int i = 0; i < WAYS; i++) {
            const double t = time_now_s(), c = decode_cpu_s();
            MUST(i == 0 ? rollout_generate(r, prompts, offset, token, index, (uint32_t)(k + 1), &out) : rollout_score(r, prompts, offset, token, &out));
            if (k < 0) continue;
            wall[i][k] = time_now_s() - t;
            cpu[i][k] = decode_cpu_s() - c;
        }
        if (k == 0) mb = bench_peak_mb();
        const double rate = ceiling_peak_gflops(be);
        if (rate > peak) peak = rate;
    }
    Rates result = {.size = name};
    const double prefill = decode_prompt_flop(&config, (double)offset[prompts] / (double)prompts); /* most of the work; the rest depends on the draws */
    for (int i = 0; i < WAYS; i++) {
        const double t = bench_median(wall[i], rounds);
        result.rate[i] = (double)prompts / t;
        printf("{\"bench\":\"rollout\",\"size\":\"%c\",\"way\":\"%s\",\"group\":%lld,\"prompt\":%lld,\"items\":%lld,\"precision\":\"%s\",\"threads\":%d,"
               "\"prompts_per_s\":%.0f,\"prompts_per_cpu_s\":%.0f,\"tokens_per_s\":%.0f,\"prefill_gflop_per_s\":%.1f,\"gemm_peak_gflop_per_s\":%.1f,"
               "\"prefill_share_of_peak\":%.3f,\"peak_mb\":%.0f}\n", name, WAY_NAMES[i], (long long)group, (long long)(4 * history), (long long)items, precision, be->threads,
               result.rate[i], (double)prompts / bench_median(cpu[i], rounds), result.rate[i] * (double)(group * LEVELS), result.rate[i] * prefill * 1e-9, peak,
               result.rate[i] * prefill * 1e-9 / peak, mb);
    }
    fflush(stdout);
    rollout_destroy(r);
    decoder_destroy(m.decoder);
    arena_destroy(a);
    return result;
}

int main(int argc, char **argv)
{
    cli_parse("bench_rollout", "GRPO rollouts", OPTIONS, argc, argv);
    Backend *be = backend_cpu((int)threads);
    MUST(backend_set_precision(be, precision));
    Rates r[2];
    int n = 0;
    for (const char *c = strcmp(size, "all") == 0 ? "SM" : size; *c != '\0'; c++) r[n++] = bench_size(*c, be);
    printf("\nGRPO rollouts, %lld completions of %d tokens a prompt, prompts of %lld tokens, %d threads\n%-24s %12s %12s\n", (long long)group, LEVELS,
           (long long)(4 * history), be->threads, "", "prompts/s", "tokens/s");
    for (int i = 0; i < n; i++)
        for (int k = 0; k < WAYS; k++)
            printf("%c, %-21s %12.0f %12.0f\n", r[i].size, k == 0 ? "sampled" : "given, scored", r[i].rate[k], r[i].rate[k] * (double)(group * LEVELS));
    be->destroy(be);
    return 0;
}
