/* tests/bench/bench_eval.c -- seconds to score every item for every user with inner products and keep the best: what 07_baseline's ranking does.
 *
 * In turns: the fused scan (tensor/topscan.h), and a product stored in tiles with the best found by rec/baseline_rank.h; their lists must be equal.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_decode.h"
#include "bench/bench_options.h"
#include "io/blascore.h"
#include "rec/baseline_rank.h"
#include "tensor/topscan.h"

static int64_t users, items, width, top, threads, rounds;
static const char *peer;

static const CliOption OPTIONS[] = {
    {"users", CLI_INT, &users, "20000", 1, 10000000, "", "rows", NULL},
    BENCH_ITEMS(&items),
    {"width", CLI_INT, &width, "64", 1, 4096, "", "of the vectors", NULL},
    {"top", CLI_INT, &top, "20", 1, 128, "", "items kept for a user", NULL},
    BENCH_ROUNDS(&rounds, "9"),
    BENCH_THREADS(&threads),
    BENCH_PEER(&peer, "peer_torch_eval.py"),
    CLI_END};

enum { WAYS = 2, TILE = 128, PEER_ROUNDS = 3 };
static const char *const WAY_NAMES[WAYS] = {"scan", "stored"};

typedef struct Lists {
    int32_t *item;
    real *score;
    int64_t *length;
} Lists;

static real *uniform(Arena *a, Rng *r, int64_t n)
{
    real *x = ARENA_NEW(a, real, n);
    for (int64_t i = 0; i < n; i++) x[i] = (real)(rng_uniform(r) - 0.5);
    return x;
}

/* Scores of TILE rows at a time as one product, then a threshold scan over each row of them. */
static void stored(Backend *be, const real *x, const real *table, real *scores, const Lists *l)
{
    for (int64_t at = 0; at < users; at += TILE) {
        const int64_t n = users - at < TILE ? users - at : TILE;
        be->gemm(be, false, true, n, items, width, 1, x + at * width, width, table, width, 0, scores, items);
#pragma omp parallel for num_threads(be->threads)
        for (int64_t i = 0; i < n; i++)
            l->length[at + i] = rank_top(scores + i * items, items, top, l->item + (at + i) * top, l->score + (at + i) * top);
    }
}

/* Seconds of PyTorch, or 0 (peer_rate). */
static double measure_torch(Peer *p, const char *precision, int n_threads)
{
    char arguments[200];
    snprintf(arguments, sizeof arguments, "--users %lld --items %lld --width %lld --top %lld --precision %s", (long long)users, (long long)items, (long long)width,
             (long long)top, precision);
    const double rate = peer_rate(p, arguments, n_threads, 1);
    return rate > 0 ? (double)users / rate : 0;
}

typedef struct Times { double *wall[WAYS], *cpu[WAYS], *torch[2], peak; } Times;

/* One round of everything; round -1 warms up and is not kept. */
static void run_round(Backend *be, const TopScan *scan, const Lists *second, real *scores, int64_t k, Peer torch_program[2], Times *t)
{
    for (int i = 0; i < WAYS; i++) {
        const double wall = time_now_s(), cpu = decode_cpu_s();
        if (i == 0) {
            topscan_run(scan, be->threads);
        } else {
            stored(be, scan->x, scan->table, scores, second);
        }
        if (k < 0) continue;
        t->wall[i][k] = time_now_s() - wall;
        t->cpu[i][k] = decode_cpu_s() - cpu;
    }
    if (k < 0) return;
    const double rate = ceiling_peak_gflops(be);
    if (rate > t->peak) t->peak = rate;
    for (int i = 0; i < 2 && k < PEER_ROUNDS; i++) t->torch[i][k] = measure_torch(&torch_program[i], i == 0 ? "fp32" : "bf16", be->threads);
}

static void print_results(const Times *t, int n_threads)
{
    const double flop = 2.0 * (double)users * (double)items * (double)width;
    const int64_t n = rounds < PEER_ROUNDS ? rounds : PEER_ROUNDS;
    const double torch[2] = {bench_median(t->torch[0], n), bench_median(t->torch[1], n)};
    double s[WAYS];
    for (int i = 0; i < WAYS; i++) {
        s[i] = bench_median(t->wall[i], rounds);
        printf("{\"bench\":\"eval\",\"way\":\"%s\",\"users\":%lld,\"items\":%lld,\"width\":%lld,\"top\":%lld,\"threads\":%d,\"seconds\":%.4f,\"cpu_seconds\":%.4f,"
               "\"users_per_s\":%.0f,\"gflop_per_s\":%.1f,\"gemm_peak_gflop_per_s\":%.1f,\"share_of_peak\":%.3f,\"torch_fp32_seconds\":%.4f,"
               "\"torch_bf16_seconds\":%.4f,\"peak_mb\":%.0f}\n", WAY_NAMES[i], (long long)users, (long long)items, (long long)width, (long long)top, n_threads, s[i],
               bench_median(t->cpu[i], rounds), (double)users / s[i], flop / s[i] * 1e-9, t->peak, flop / s[i] * 1e-9 / t->peak, torch[0], torch[1],
               (double)peak_memory_bytes() / 1048576.0);
    }
    printf("\n%lld users x %lld items, width %lld, best %lld: seconds, %d threads\nmeasured here, in this run:\n", (long long)users, (long long)items,
           (long long)width, (long long)top, n_threads);
    printf("  digr: scan without storing scores %24.3f\n  digr: product in tiles, then a threshold scan %12.3f\n", s[0], s[1]);
    if (torch[0] > 0) {
        printf("  PyTorch matmul and topk, fp32, bf16 %22.3f  %.3f\n", torch[0], torch[1]);
    } else {
        printf("  PyTorch: python3-torch is not installed, or left out\n");
    }
    printf("measured elsewhere, 2 cores with AVX-512 and AMX, 20000 x 12000, width 64, best 20:\n"
           "  PyTorch 1.13 fp32, bf16 %34.3f  %.3f\n  OpenBLAS tiles and a threshold scan %22.3f\n", 0.35, 0.275, 0.167);
}

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("bench_eval", "full scoring of users times items", OPTIONS, argc, argv);
    Arena *a = arena_create("bench");
    Backend *be = backend_cpu((int)threads);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    real *x = uniform(a, &r, users * width), *table = uniform(a, &r, items * width), *scores = ARENA_NEW(a, real, TILE * items);
    Lists l[WAYS];
    Times t = {0};
    Peer torch_program[2] = {{.program = peer}, {.program = peer}};
    for (int i = 0; i < WAYS; i++) {
        l[i] = (Lists){ARENA_NEW(a, int32_t, users * top), ARENA_NEW(a, real, users * top), ARENA_NEW(a, int64_t, users)};
        t.wall[i] = ARENA_NEW(a, double, rounds);
        t.cpu[i] = ARENA_NEW(a, double, rounds);
    }
    for (int i = 0; i < 2; i++) t.torch[i] = ARENA_NEW(a, double, PEER_ROUNDS);
    const TopScan scan = {.n = users, .N = items, .C = width, .x = x, .ldx = width, .table = table, .top = top, .item = l[0].item, .score = l[0].score,
                          .length = l[0].length};
    for (int64_t k = -1; k < rounds; k++) run_round(be, &scan, &l[1], scores, k, torch_program, &t);
    REQUIRE(memcmp(l[0].item, l[1].item, (size_t)(users * top) * sizeof(int32_t)) == 0, "the two ways rank differently");
    print_results(&t, be->threads);
    be->destroy(be);
    arena_destroy(a);
    return 0;
}
