/* tests/bench/bench_rqvae.c -- training steps of the RQ-VAE a second: 768-512-256-128-32, three codebooks of 256, batches of 1024, AdamW.
 *
 * PyTorch trains the same model in turns with this program where `import torch` works (peer_torch_rqvae.py).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "bench/bench_ceiling.h"
#include "bench/bench_model.h"
#include "bench/bench_options.h"
#include "bench/bench_peer.h"
#include "io/blascore.h"
#include "nn/adamw.h"
#include "sid/rqvae.h"

static const char *precision, *peer;
static int64_t threads, rounds, batch;
static double seconds;

static const CliOption OPTIONS[] = {
    {"batch", CLI_INT, &batch, "1024", 1, 1 << 20, "rows", "of a step", NULL},
    BENCH_PRECISION(&precision),
    BENCH_THREADS(&threads),
    BENCH_SECONDS(&seconds, "2"),
    BENCH_ROUNDS(&rounds, "3"),
    BENCH_PEER(&peer, "peer_torch_rqvae.py"),
    CLI_END};

enum { MAX_STEPS = 100000 };

static const RqConfig CONFIG = {.n_layers = 4, .dims = {768, 512, 256, 128, 32}, .Q = 3, .K = 256, .beta = 0.25, .rq_weight = 1};

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("bench_rqvae", "training steps of the RQ-VAE a second", OPTIONS, argc, argv);
    Backend *be = backend_cpu((int)threads);
    MUST(backend_set_precision(be, precision));
    Arena *arena = arena_create("bench");
    const int64_t E = CONFIG.dims[0];
    real *x = ARENA_NEW(arena, real, batch * E), *device = be->alloc(be, (size_t)(batch * E) * sizeof(real));
    Rng g = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t i = 0; i < batch * E; i++) x[i] = (real)(0.036 * rng_normal(&g));
    be->upload(be, device, x, (size_t)(batch * E) * sizeof(real));
    RqModel *m = rqvae_create(be, &CONFIG, batch, true);
    rqvae_init(m, 1);
    AdamW opt = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-4, .total_steps = MAX_STEPS};
    double *took = ARENA_NEW(arena, double, MAX_STEPS), *torch = ARENA_NEW(arena, double, rounds), peak = 0;
    int64_t n = 0;
    Peer torch_program = {.program = peer};
    char arguments[80];
    snprintf(arguments, sizeof arguments, "--batch %lld --precision %s", (long long)batch, precision);
    for (int64_t round = 0; round < rounds; round++) {
        const double begin = time_now_s();
        for (int64_t k = -2; n < MAX_STEPS && (k < 2 || time_now_s() - begin < seconds); k++) { /* two steps to warm up */
            RqLoss loss;
            const double t0 = time_now_s();
            params_zero_grad(m->params);
            MUST(rqvae_forward(m, batch, device, &loss));
            rqvae_backward(m);
            MUST(adamw_step(&opt, m->params, NULL));
            if (k >= 0) took[n++] = time_now_s() - t0;
        }
        const double rate = ceiling_peak_gflops(be);
        if (rate > peak) peak = rate;
        torch[round] = peer_rate(&torch_program, arguments, be->threads, seconds);
    }
    double weights = 0;
    for (int i = 0; i < CONFIG.n_layers; i++) weights += 2.0 * (double)(CONFIG.dims[i] * CONFIG.dims[i + 1]); /* encoder and decoder */
    const double s = bench_median(took, n), other = bench_median(torch, rounds);
    const double flop = (double)batch * (6 * weights - 2 * (double)(E * CONFIG.dims[1]) + 2.0 * (double)(CONFIG.Q * CONFIG.K * CONFIG.dims[CONFIG.n_layers]));
    printf("{\"bench\":\"rqvae\",\"batch\":%lld,\"precision\":\"%s\",\"threads\":%d,\"steps\":%lld,\"steps_per_s\":%.1f,\"gflop_per_s\":%.1f,"
           "\"gemm_peak_gflop_per_s\":%.1f,\"share_of_peak\":%.3f,\"torch_steps_per_s\":%.1f,\"peak_mb\":%.0f}\n",
           (long long)batch, precision, be->threads, (long long)n, 1 / s, flop / s * 1e-9, peak, flop / s * 1e-9 / peak, other, bench_peak_mb());
    printf("\nRQ-VAE, training steps a second, batches of %lld, %d thread%s\nmeasured here, in this run:\n  digr %s %28.1f\n", (long long)batch, be->threads,
           be->threads == 1 ? "" : "s", precision, 1 / s);
    if (other > 0) printf("  PyTorch %s %25.1f\n", precision, other);
    else printf("  PyTorch: python3-torch is not installed, or left out\n");
    printf("measured elsewhere, 2 cores with AVX-512 and AMX, batches of 1024:\n  PyTorch 1.13 fp32 / bf16          29 / 62\n");
    rqvae_destroy(m);
    be->release(be, device);
    be->destroy(be);
    arena_destroy(arena);
    return 0;
}
