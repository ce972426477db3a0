/* tests/bench/bench_eval.c -- seconds to score every item for every user with inner products and keep the best: what 07_baseline's ranking does.
 *
 * In turns: the fused scan (tensor/topscan.h), and a product stored in tiles with the best found by rec/baseline_rank.h; their lists must be equal.
 */
#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_decode.h"
#include "rec/baseline_rank.h"
#include "tensor/topscan.h"

static int64_t users, items, width, top, threads, rounds;
static const char *peer;

static const CliOption OPTIONS[] = {
    {"users", CLI_INT, &users, "20000", 1, 10000000, "", "rows", NULL},
    {"items", CLI_INT, &items, "12000", 1, 10000000, "", "catalogue", NULL},
    {"width", CLI_INT, &width, "64", 1, 4096, "", "of the vectors", NULL},
    {"top", CLI_INT, &top, "20", 1, 128, "", "items kept for a user", NULL},
    {"rounds", CLI_INT, &rounds, "9", 1, 1000, "", "the median is printed", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    {"peer", CLI_STR, &peer, "tests/bench/peer_torch_eval.py", 0, 0, "", "PyTorch program to run in turns; empty: none", NULL},
    CLI_END};

enum { WAYS = 2, TILE = 128 };
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

/* Seconds of the PyTorch program; 0 when it is left out or not installed. */
static double measure_torch(int n_threads)
{
    if (peer[0] == '\0') return 0;
    char command[400];
    snprintf(command, sizeof command,
             "for p in python3 /usr/bin/python3; do $p -c 'import torch' 2>/dev/null && exec $p '%s' --users %lld --items %lld --width %lld --top %lld --threads %d; done",
             peer, (long long)users, (long long)items, (long long)width, (long long)top, n_threads);
    FILE *f = popen(command, "r");
    double s = 0;
    if (f != NULL && fscanf(f, "%lf", &s) != 1) s = 0;
    if (f != NULL) pclose(f);
    return s;
}

int main(int argc, char **argv)
{
    cli_parse("bench_eval", "full scoring of users times items", OPTIONS, argc, argv);
    Arena *a = arena_create("bench");
    Backend *be = backend_cpu((int)threads);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    real *x = uniform(a, &r, users * width), *table = uniform(a, &r, items * width), *scores = ARENA_NEW(a, real, TILE * items);
    Lists l[WAYS];
    double *wall[WAYS], *cpu[WAYS], *torch = ARENA_NEW(a, double, rounds), peak = 0;
    for (int i = 0; i < WAYS; i++) {
        l[i] = (Lists){ARENA_NEW(a, int32_t, users * top), ARENA_NEW(a, real, users * top), ARENA_NEW(a, int64_t, users)};
        wall[i] = ARENA_NEW(a, double, rounds);
        cpu[i] = ARENA_NEW(a, double, rounds);
    }
    const TopScan scan = {.n = users, .N = items, .C = width, .x = x, .ldx = width, .table = table, .top = top, .item = l[0].item, .score = l[0].score,
                          .length = l[0].length};
    for (int64_t k = -1; k < rounds; k++) { /* one round to warm up */
        for (int i = 0; i < WAYS; i++) {
            const double t = time_now_s(), c = decode_cpu_s();
            if (i == 0) {
                topscan_run(&scan, be->threads);
            } else {
                stored(be, x, table, scores, &l[1]);
            }
            if (k < 0) continue;
            wall[i][k] = time_now_s() - t;
            cpu[i][k] = decode_cpu_s() - c;
        }
        if (k < 0) continue;
        const double rate = ceiling_peak_gflops(be);
        if (rate > peak) peak = rate;
        torch[k] = k < 3 ? measure_torch(be->threads) : torch[k - 1];
    }
    REQUIRE(memcmp(l[0].item, l[1].item, (size_t)(users * top) * sizeof(int32_t)) == 0, "the two ways rank differently");
    const double flop = 2.0 * (double)users * (double)items * (double)width, torch_s = bench_median(torch, rounds);
    double s[WAYS];
    for (int i = 0; i < WAYS; i++) {
        s[i] = bench_median(wall[i], rounds);
        printf("{\"bench\":\"eval\",\"way\":\"%s\",\"users\":%lld,\"items\":%lld,\"width\":%lld,\"top\":%lld,\"threads\":%d,\"seconds\":%.4f,\"cpu_seconds\":%.4f,"
               "\"users_per_s\":%.0f,\"gflop_per_s\":%.1f,\"gemm_peak_gflop_per_s\":%.1f,\"share_of_peak\":%.3f,\"torch_seconds\":%.4f,\"peak_mb\":%.0f}\n", WAY_NAMES[i],
               (long long)users, (long long)items, (long long)width, (long long)top, be->threads, s[i], bench_median(cpu[i], rounds), (double)users / s[i],
               flop / s[i] * 1e-9, peak, flop / s[i] * 1e-9 / peak, torch_s, (double)peak_memory_bytes() / 1048576.0);
    }
    printf("\n%lld users x %lld items, width %lld, best %lld: seconds, %d threads\nmeasured here, in this run:\n", (long long)users, (long long)items,
           (long long)width, (long long)top, be->threads);
    printf("  digr: scan without storing scores %24.3f\n  digr: product in tiles, then a threshold scan %12.3f\n", s[0], s[1]);
    if (torch_s > 0) {
        printf("  PyTorch matmul and topk %34.3f\n", torch_s);
    } else {
        printf("  PyTorch: python3-torch is not installed, or left out\n");
    }
    printf("measured elsewhere, 2 cores with AVX-512 and AMX, 20000 x 12000, width 64, best 20:\n"
           "  PyTorch 1.13 fp32, bf16 %26.3f  %.3f\n  OpenBLAS tiles and a threshold scan %22.3f\n", 0.35, 0.275, 0.167);
    be->destroy(be);
    arena_destroy(a);
    return 0;
}
