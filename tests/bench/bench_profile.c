/* tests/bench/bench_profile.c -- where the time of a training step goes, by op. The step is bench_train's. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bench/bench_model.h"
#include "bench/bench_options.h"
#include "bench/bench_trainer.h"
#include "nn/decoder_fused.h"
#include "tensor/backend_profile.h"

static const char *size, *precision;
static int64_t seq, tokens, threads;
static double seconds, dropout;

static const CliOption OPTIONS[] = {
    BENCH_SIZE(&size, "S|M|L|all"),
    BENCH_SEQ(&seq),
    BENCH_TOKENS(&tokens),
    BENCH_PRECISION(&precision),
    BENCH_DROPOUT(&dropout),
    {"threads", CLI_INT, &threads, "1", 0, 1024, "", "0: all cores", NULL},
    BENCH_SECONDS(&seconds, "3"),
    CLI_END};

/* Seconds are of all lanes together. */
static void print_phases(Decoder *d, int64_t steps, double wall_s, int lanes)
{
    double s[N_FUSED_PHASES], sum = 0, whole = wall_s * lanes;
    decoder_fused_times(d, s);
    printf("%-44s %10s %7s\n", "part of the fused bf16 step", "ms/step", "%");
    for (int k = 0; k < N_FUSED_PHASES; k++) {
        sum += s[k];
        printf("%-44s %10.3f %6.1f%%\n", decoder_fused_phase((FusedPhase)k), 1e3 * s[k] / (double)steps, 100 * s[k] / whole);
    }
    printf("%-44s %10.3f %6.1f%%\n", "optimiser, and lanes that wait", 1e3 * (whole - sum) / (double)steps, 100 * (whole - sum) / whole);
}

static bool is_fused(char name, Backend *plain)
{
    const DecoderConfig config = bench_config(name);
    Decoder *d = decoder_create(plain, &config, 1, true);
    const bool fits = decoder_fused_fits(d);
    decoder_destroy(d);
    return fits;
}

static void profile_size(char name, Backend *plain)
{
    Arena *arena = arena_create("bench");
    const bool fused = is_fused(name, plain); /* its ops are not the backend's */
    Backend *be = fused ? plain : backend_profile(plain);
    const DecoderConfig config = bench_config(name);
    Trainer t = trainer_open(be, arena, &config, tokens, seq, dropout);
    double begin = 0, end = 0;
    int64_t steps = 0;
    for (int64_t k = -1; k < 2 || end - begin < seconds; k++) { /* one step to warm up */
        if (k == 0) {
            double none[N_FUSED_PHASES];
            if (fused) decoder_fused_times(t.d, none);
            else backend_profile_reset(be);
            begin = time_now_s();
        }
        trainer_step(&t);
        end = time_now_s();
        steps = k + 1;
    }
    printf("{\"bench\":\"profile\",\"size\":\"%c\",\"seq\":%lld,\"tokens\":%lld,\"precision\":\"%s\",\"threads\":%d,\"steps\":%lld,\"tokens_per_s\":%.0f}\n",
           name, (long long)seq, (long long)tokens, precision, be->threads, (long long)steps, (double)(tokens * steps) / (end - begin));
    if (fused) print_phases(t.d, steps, end - begin, be->lanes);
    else backend_profile_print(be, stdout, steps, end - begin);
    printf("\n");
    trainer_close(&t);
    if (!fused) be->destroy(be);
    arena_destroy(arena);
}

int main(int argc, char **argv)
{
    cli_parse("bench_profile", "where a training step's time goes, by op", OPTIONS, argc, argv);
    Backend *be = backend_cpu((int)threads);
    MUST(backend_set_precision(be, precision));
    for (const char *s = strcmp(size, "all") == 0 ? "SML" : size; *s != '\0'; s++) profile_size(*s, be);
    be->destroy(be);
    return 0;
}
