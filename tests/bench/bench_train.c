/* tests/bench/bench_train.c -- training speed of the decoder: forward, loss, backward and AdamW on packed random sequences.
 *
 * Prints one JSON line; `value` is tokens a second, the median over the steps taken in `--seconds`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/rng.h"
#include "nn/adamw.h"
#include "nn/decoder.h"

static const char *size, *backend;
static int64_t seq, tokens, threads, every;
static double seconds, dropout;

static const CliOption OPTIONS[] = {
    {"size", CLI_ENUM, &size, "S", 0, 0, "", "S: 4 layers of 128, M: 6 of 256, L: 8 of 512", "S|M|L"},
    {"seq", CLI_INT, &seq, "0", 0, 4096, "tokens", "sequence length; 0: mixed, 20 to 80", NULL},
    {"tokens", CLI_INT, &tokens, "8192", 64, 1 << 20, "tokens", "packed tokens of a step", NULL},
    {"every", CLI_INT, &every, "1", 1, 4096, "", "one position in so many has a target", NULL},
    {"dropout", CLI_REAL, &dropout, "0", 0, 0.9, "", "dropout probability", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0: all cores", NULL},
    {"backend", CLI_ENUM, &backend, "cpu", 0, 0, "", "where to compute", "ref|cpu|cuda"},
    {"seconds", CLI_REAL, &seconds, "4", 0.01, 3600, "s", "how long to measure", NULL},
    CLI_END};

static DecoderConfig config_of(const char *name)
{
    DecoderConfig c = {.V = 1100, .C = 128, .L = 4, .H = 4, .Hkv = 4, .D = 32, .F = 384, .rope_theta = 1e4, .rms_eps = 1e-6,
                       .attention_bias = true, .tied = true};
    if (strcmp(name, "M") == 0) c = (DecoderConfig){1100, 256, 6, 4, 4, 64, 768, 1e4, 1e-6, true, false, true};
    if (strcmp(name, "L") == 0) c = (DecoderConfig){1100, 512, 8, 8, 8, 64, 1536, 1e4, 1e-6, true, false, true};
    return c;
}

typedef struct Batch {
    Packed pk;
    int32_t *token, *target;
    real *weight, *logp;
} Batch;

static Batch make_batch(Backend *be, Arena *a, int64_t V)
{
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    Batch b = {.token = ARENA_NEW(a, int32_t, tokens), .target = ARENA_NEW(a, int32_t, tokens),
               .weight = ARENA_NEW(a, real, tokens), .logp = ARENA_NEW(a, real, tokens)};
    int32_t *offset = ARENA_NEW(a, int32_t, tokens + 1), *pos = ARENA_NEW(a, int32_t, tokens);
    while (b.pk.T < tokens) {
        int64_t n = seq > 0 ? seq : 20 + (int64_t)rng_below(&r, 61);
        if (n > tokens - b.pk.T) n = tokens - b.pk.T;
        for (int64_t i = 0; i < n; i++) {
            const int64_t t = b.pk.T + i;
            pos[t] = (int32_t)i;
            b.token[t] = (int32_t)rng_below(&r, (uint64_t)V);
            b.target[t] = (n - 1 - i) % every == 0 ? (int32_t)rng_below(&r, (uint64_t)V) : TARGET_IGNORED;
            b.weight[t] = (real)((double)every / (double)tokens);
        }
        b.pk.T += n;
        offset[++b.pk.B] = (int32_t)b.pk.T;
        if (n > b.pk.max_len) b.pk.max_len = n;
    }
    int32_t *d_offset = be->alloc(be, (size_t)(b.pk.B + 1) * sizeof(int32_t)), *d_pos = be->alloc(be, (size_t)tokens * sizeof(int32_t));
    be->upload(be, d_offset, offset, (size_t)(b.pk.B + 1) * sizeof(int32_t));
    be->upload(be, d_pos, pos, (size_t)tokens * sizeof(int32_t));
    b.pk.h_offset = offset;
    b.pk.offset = d_offset;
    b.pk.pos = d_pos;
    return b;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    enum { MAX_STEPS = 10000 };
    cli_parse("bench_train", "training speed of the decoder", OPTIONS, argc, argv);
    Backend *be;
    MUST(backend_open(backend, (int)threads, &be));
    Arena *arena = arena_create("bench");
    const DecoderConfig config = config_of(size);
    Decoder *d = decoder_create(be, &config, tokens, true);
    decoder_init(d, 1);
    Batch b = make_batch(be, arena, config.V);
    AdamW o = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01, .max_norm = 1, .warmup_steps = 10,
               .total_steps = MAX_STEPS};
    double *took = ARENA_NEW(arena, double, MAX_STEPS), begin = 0, begin_cpu = 0, phase[3] = {0};
    int64_t n = 0;
    for (int64_t step = -2; step < MAX_STEPS; step++) { /* two steps to warm up */
        const double t0 = time_now_s();
        if (step == 0) {
            begin = t0;
            begin_cpu = cpu_now_s();
        }
        params_zero_grad(decoder_params(d));
        decoder_forward(d, &b.pk, b.token, (Dropout){dropout, 7, (uint64_t)(step + 2)});
        const double t1 = time_now_s();
        MUST(decoder_loss(d, b.target, NULL, b.weight, b.logp));
        const double t2 = time_now_s();
        MUST(adamw_step(&o, decoder_params(d), NULL));
        const double t3 = time_now_s();
        if (step < 0) continue;
        took[n++] = t3 - t0;
        phase[0] += t1 - t0;
        phase[1] += t2 - t1;
        phase[2] += t3 - t2;
        if (t3 - begin > seconds) break;
    }
    qsort(took, (size_t)n, sizeof *took, ascending);
    printf("{\"bench\":\"train\",\"size\":\"%s\",\"seq\":%lld,\"tokens\":%lld,\"every\":%lld,\"dropout\":%g,\"backend\":\"%s\","
           "\"threads\":%d,\"steps\":%lld,\"forward_s\":%.4f,\"loss_backward_s\":%.4f,\"adamw_s\":%.4f,\"cpu_s\":%.4f,\"unit\":\"tokens/s\",\"value\":%.0f}\n",
           size, (long long)seq, (long long)tokens, (long long)every, dropout, be->name, be->threads, (long long)n,
           phase[0] / (double)n, phase[1] / (double)n, phase[2] / (double)n, (cpu_now_s() - begin_cpu) / (double)n,
           (double)tokens / took[n / 2]);
    decoder_destroy(d);
    be->destroy(be);
    arena_destroy(arena);
    return 0;
}
