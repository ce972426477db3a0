/* tests/bench/bench_train.c -- training speed of the decoder: forward, loss, backward and AdamW on packed random sequences.
 *
 * One JSON line a size: tokens_per_s is the median step of this program; in the same run, in turns with it, OpenBLAS does nothing but the step's
 * matrix products (gemm_ceiling), and PyTorch trains the same model where `import torch` works (peer_torch.py). The table at the end adds figures
 * that others published or measured elsewhere, labelled so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_model.h"
#include "bench/bench_options.h"
#include "bench/bench_peer.h"
#include "bench/bench_trainer.h"
#include "io/blascore.h"

static const char *size, *backend, *precision, *peer;
static int64_t seq, tokens, threads, rounds;
static double seconds, dropout;

static const CliOption OPTIONS[] = {
    BENCH_SIZE(&size, "S|M|L|all"),
    BENCH_SEQ(&seq),
    BENCH_TOKENS(&tokens),
    BENCH_PRECISION(&precision),
    BENCH_DROPOUT(&dropout),
    BENCH_THREADS(&threads),
    {"backend", CLI_ENUM, &backend, "cpu", 0, 0, "", "where to compute", "ref|cpu|cuda"},
    BENCH_SECONDS(&seconds, "3"),
    BENCH_ROUNDS(&rounds, "3"),
    BENCH_PEER(&peer, "peer_torch.py"),
    CLI_END};

enum { MAX_STEPS = 20000 };

/* Tokens a second, S M L; 0: not given. Sequences of 80, 8,000 tokens a step, 2 cores with AVX-512 and AMX. */
static const struct { const char *who; double rate[3]; } ELSEWHERE[] = {
    {"PyTorch 1.13 fp32", {15300, 4100, 1260}},
    {"PyTorch 1.13 bf16 autocast", {30200, 8900, 3430}},
    {"llm.c (GPT-2 shape) fp32", {4500, 1000, 0}},
};

typedef struct Result {
    char size;
    double rate, best, gflops, peak, ceiling, torch, mb;
    int64_t steps;
} Result;

/* Steps for `seconds`, at least two; their times go to took[*n..). */
static void measure(Trainer *t, double *took, int64_t *n)
{
    const double begin = time_now_s();
    trainer_step(t); /* warm up */
    for (int64_t k = 0; *n < MAX_STEPS && (k < 2 || time_now_s() - begin < seconds); k++) {
        const double t0 = time_now_s();
        trainer_step(t);
        took[(*n)++] = time_now_s() - t0;
    }
}

/* Tokens a second of PyTorch, or 0 (peer_rate). */
static double measure_torch(Peer *p, const DecoderConfig *c, int n_threads)
{
    char arguments[300];
    snprintf(arguments, sizeof arguments, "--layers %lld --width %lld --ffn %lld --heads %lld --vocab %lld --seq %lld --tokens %lld --precision %s",
             (long long)c->L, (long long)c->C, (long long)c->F, (long long)c->H, (long long)c->V, (long long)(seq > 0 ? seq : 80), (long long)tokens, precision);
    return peer_rate(p, arguments, n_threads, seconds);
}

static Result bench_size(char name, Backend *be)
{
    Arena *arena = arena_create("bench");
    const DecoderConfig config = bench_config(name);
    bench_memory_reset();
    Trainer t = trainer_open(be, arena, &config, tokens, seq, dropout);
    double *took = ARENA_NEW(arena, double, MAX_STEPS), *ceiling = ARENA_NEW(arena, double, rounds), *torch = ARENA_NEW(arena, double, rounds);
    Result r = {.size = name};
    Peer torch_program = {.program = peer};
    for (int64_t k = 0; k < rounds; k++) {
        measure(&t, took, &r.steps);
        if (k == 0) r.mb = bench_peak_mb();
        const double peak = ceiling_peak_gflops(be);
        if (peak > r.peak) r.peak = peak;
        ceiling[k] = (double)tokens / ceiling_step_s(&config, tokens, 3);
        torch[k] = measure_torch(&torch_program, &config, be->threads);
    }
    const double s = bench_median(took, r.steps);
    r.best = (double)tokens / took[0]; /* in order now */
    r.rate = (double)tokens / s;
    r.gflops = bench_flop(&config, &t.b.pk) / s * 1e-9;
    r.ceiling = bench_median(ceiling, rounds);
    r.torch = bench_median(torch, rounds);
    printf("{\"bench\":\"train\",\"size\":\"%c\",\"seq\":%lld,\"tokens\":%lld,\"precision\":\"%s\",\"backend\":\"%s\",\"threads\":%d,\"steps\":%lld,"
           "\"tokens_per_s\":%.0f,\"fastest_step_tokens_per_s\":%.0f,\"gflop_per_s\":%.1f,\"gemm_peak_gflop_per_s\":%.1f,\"share_of_peak\":%.3f,\"gemm_ceiling_tokens_per_s\":%.0f,"
           "\"blas_core\":\"%s\",\"share_of_ceiling\":%.3f,\"torch_tokens_per_s\":%.0f,\"peak_mb\":%.0f}\n",
           name, (long long)seq, (long long)tokens, precision, be->name, be->threads, (long long)r.steps, r.rate, r.best, r.gflops, r.peak, r.gflops / r.peak, r.ceiling,
           openblas_get_corename(), r.rate / r.ceiling, r.torch, r.mb);
    fflush(stdout);
    trainer_close(&t);
    arena_destroy(arena);
    return r;
}

static void print_row(const char *who, const double *rate, const Result *r, int n)
{
    printf("%-44s", who);
    for (int i = 0; i < n; i++) {
        const double v = rate[r[i].size == 'L' ? 2 : r[i].size == 'M' ? 1 : 0];
        if (v > 0) {
            printf("%12.0f", v);
        } else {
            printf("%12s", "-");
        }
    }
    printf("\n");
}

static void print_table(const Result *r, int n, int n_threads)
{
    double digr[3] = {0}, ceiling[3] = {0}, torch[3] = {0};
    char name[64];
    for (int i = 0; i < n; i++) {
        const int at = r[i].size == 'L' ? 2 : r[i].size == 'M' ? 1 : 0;
        digr[at] = r[i].rate;
        ceiling[at] = r[i].ceiling;
        torch[at] = r[i].torch;
    }
    printf("\ntraining, tokens a second, sequences of %lld%s, %lld tokens a step, %d thread%s\n%-44s", (long long)(seq > 0 ? seq : 80), seq > 0 ? "" : " at most",
           (long long)tokens, n_threads, n_threads == 1 ? "" : "s", "");
    for (int i = 0; i < n; i++) printf("%12c", r[i].size);
    printf("\nmeasured here, in this run:\n");
    snprintf(name, sizeof name, "  digr %s", precision);
    print_row(name, digr, r, n);
    snprintf(name, sizeof name, "  ceiling: OpenBLAS fp32 GEMMs (%s)", openblas_get_corename());
    print_row(name, ceiling, r, n);
    snprintf(name, sizeof name, "  PyTorch %s%s", precision, torch[0] + torch[1] + torch[2] > 0 ? "" : " (python3-torch is not installed, or left out)");
    print_row(name, torch, r, n);
    printf("measured elsewhere, 2 cores with AVX-512 and AMX, sequences of 80:\n");
    for (size_t i = 0; i < sizeof ELSEWHERE / sizeof *ELSEWHERE; i++) {
        snprintf(name, sizeof name, "  %s", ELSEWHERE[i].who);
        print_row(name, ELSEWHERE[i].rate, r, n);
    }
}

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("bench_train", "training speed of the decoder", OPTIONS, argc, argv);
    Backend *be;
    MUST(backend_open(backend, (int)threads, &be));
    MUST(backend_set_precision(be, precision));
    openblas_set_num_threads(be->threads);
    Result r[3];
    int n = 0;
    for (const char *s = strcmp(size, "all") == 0 ? "SML" : size; *s != '\0'; s++) r[n++] = bench_size(*s, be);
    print_table(r, n, be->threads);
    be->destroy(be);
    return 0;
}
