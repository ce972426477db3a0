/* tests/bench/bench_scale_tasks.h -- what bench_scale measures at one size: each task sets up, warms up, and gives the median seconds of its work. */
#ifndef DIGR_TESTS_BENCH_SCALE_TASKS_H
#define DIGR_TESTS_BENCH_SCALE_TASKS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/log.h"
#include "bench/bench_decode.h"
#include "bench/bench_trainer.h"
#include "rec/beam_model.h"
#include "sid/rqvae.h"
#include "tensor/topscan.h"

typedef struct ScaleSettings {
    const char *precision, *bin, *dir; /* dir: made-up data sets */
    double seconds;                    /* how long to repeat */
    int64_t users, items;              /* where the other one grows */
} ScaleSettings;

/* Median seconds of work(context), after one call to warm up. */
static inline double scale_repeat_s(const ScaleSettings *s, void (*work)(void *), void *context)
{
    enum { MOST = 1000 };
    double took[MOST];
    int64_t n = 0;
    work(context);
    const double begin = time_now_s();
    while (n == 0 || (n < MOST && time_now_s() - begin < s->seconds)) {
        const double from = time_now_s();
        work(context);
        took[n++] = time_now_s() - from;
    }
    return bench_median(took, n);
}

static inline Backend *scale_backend(const ScaleSettings *s, int threads)
{
    Backend *be = backend_cpu(threads);
    MUST(backend_set_precision(be, s->precision));
    return be;
}

/* ---- training steps */

static inline void scale_train_work(void *trainer) { trainer_step(trainer); }

static inline double scale_train_s(const ScaleSettings *s, int64_t width, int64_t tokens, int64_t seq, int threads)
{
    Backend *be = scale_backend(s, threads);
    DecoderConfig config = bench_config('S');
    config.C = width;
    config.F = 4 * width;
    config.D = 32;
    config.H = config.Hkv = width / config.D;
    Trainer t = trainer_open(be, arena_create("scale"), &config, tokens, seq, 0);
    return scale_repeat_s(s, scale_train_work, &t);
}

/* ---- beam search, model S, beam 20 */

typedef struct ScaleBeam {
    BeamSearch *search;
    DecodeModel model;
    Rows rows;
    BeamResult result;
} ScaleBeam;

static inline void scale_beam_work(void *context)
{
    ScaleBeam *b = context;
    MUST(beam_rank_rows(b->search, &b->model.builder, &b->rows, NULL, b->rows.n, &b->result, NULL));
}

static inline double scale_beam_s(const ScaleSettings *s, int64_t users, int64_t items, int threads)
{
    enum { HISTORY = 20, WIDTH = 20 };
    Arena *a = arena_create("scale");
    Backend *be = scale_backend(s, threads);
    const DecoderConfig config = bench_config('S');
    ScaleBeam b = {.model = decode_model(a, be, &config, items, HISTORY), .rows = decode_rows(a, users, HISTORY, items)};
    b.search = beam_create(b.model.decoder, b.model.trie, &(BeamOptions){.width = WIDTH, .top_k = WIDTH, .max_prompt = b.model.max_prompt, .score = BEAM_RENORM});
    b.result.item = ARENA_NEW(a, int32_t, users * WIDTH);
    return scale_repeat_s(s, scale_beam_work, &b);
}

/* ---- every item scored for every user, inner products of 64, best 20 */

typedef struct ScaleScan { TopScan scan; int threads; } ScaleScan;

static inline void scale_scan_work(void *context)
{
    const ScaleScan *c = context;
    topscan_run(&c->scan, c->threads);
}

static inline double scale_scan_s(const ScaleSettings *s, int64_t users, int64_t items, int threads)
{
    enum { WIDTH = 64, TOP = 20 };
    Arena *a = arena_create("scale");
    real *x = ARENA_NEW(a, real, users * WIDTH), *table = ARENA_NEW(a, real, items * WIDTH);
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t i = 0; i < users * WIDTH; i++) x[i] = (real)(rng_uniform(&r) - 0.5);
    for (int64_t i = 0; i < items * WIDTH; i++) table[i] = (real)(rng_uniform(&r) - 0.5);
    ScaleScan c = {{.n = users, .N = items, .C = WIDTH, .x = x, .ldx = WIDTH, .table = table, .top = TOP, .item = ARENA_NEW(a, int32_t, users * TOP),
                    .score = ARENA_NEW(a, real, users * TOP), .length = ARENA_NEW(a, int64_t, users)}, threads};
    return scale_repeat_s(s, scale_scan_work, &c);
}

/* ---- one epoch of the RQ-VAE over all items in batches of 1,024, and their codes */

typedef struct ScaleRq {
    RqModel *model;
    AdamW opt;
    const real *x;
    int64_t items;
    int32_t *code;
} ScaleRq;

enum { SCALE_RQ_BATCH = 1024 };

static inline void scale_rqvae_work(void *context)
{
    ScaleRq *q = context;
    RqLoss loss;
    for (int64_t at = 0; at < q->items; at += SCALE_RQ_BATCH) {
        const int64_t n = q->items - at < SCALE_RQ_BATCH ? q->items - at : SCALE_RQ_BATCH;
        params_zero_grad(q->model->params);
        MUST(rqvae_forward(q->model, n, q->x + at * q->model->cfg.dims[0], &loss));
        rqvae_backward(q->model);
        MUST(adamw_step(&q->opt, q->model->params, NULL));
    }
    MUST(rqvae_encode(q->model, q->items, q->x, q->code, NULL, NULL));
}

static inline double scale_rqvae_s(const ScaleSettings *s, int64_t items, int threads)
{
    static const RqConfig config = {.n_layers = 4, .dims = {768, 512, 256, 128, 32}, .Q = 3, .K = 256, .beta = 0.25, .rq_weight = 1};
    Arena *a = arena_create("scale");
    Backend *be = scale_backend(s, threads);
    const int64_t n = items * config.dims[0];
    real *x = ARENA_NEW(a, real, config.dims[0]), *device = be->alloc(be, (size_t)n * sizeof(real));
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t i = 0; i < items; i++) {
        for (int64_t k = 0; k < config.dims[0]; k++) x[k] = (real)(0.06 * (rng_uniform(&r) - 0.5));
        be->upload(be, device + i * config.dims[0], x, (size_t)config.dims[0] * sizeof(real));
    }
    ScaleRq q = {.model = rqvae_create(be, &config, SCALE_RQ_BATCH, true), .x = device, .items = items, .code = ARENA_NEW(a, int32_t, items * config.Q),
                 .opt = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-4, .total_steps = 100000}};
    rqvae_init(q.model, 1);
    return scale_repeat_s(s, scale_rqvae_work, &q);
}

/* ---- 02_preprocess on sequences of 9 events a user */

static inline const char *scale_prepare_dir(const ScaleSettings *s, Arena *a, int64_t users) { return arena_printf(a, "%s/%lld", s->dir, (long long)users); }

static inline FILE *scale_file(Arena *a, const char *dir, const char *name)
{
    FILE *f = fopen(arena_printf(a, "%s/%s", dir, name), "w");
    if (f == NULL) status_exit(FAIL(E_RESOURCE, "give another --dir", "%s: cannot write %s", dir, name));
    return f;
}

/* The files that 02_preprocess reads; an item is drawn with the square of a uniform number, so that some are popular. */
static inline void scale_prepare_write(const ScaleSettings *s, int64_t users)
{
    enum { EVENTS = 9 };
    Arena *a = arena_create("scale");
    const char *dir = scale_prepare_dir(s, a, users);
    MUST(dir_make(dir));
    FILE *items = scale_file(a, dir, "items.jsonl"), *sequences = scale_file(a, dir, "sequences.txt"), *times = scale_file(a, dir, "timestamps.txt");
    for (int64_t i = 1; i <= s->items; i++)
        fprintf(items, "{\"item\": %lld, \"asin\": \"I%08lld\", \"title\": \"thing number %lld\", \"description\": \"\", \"brand\": \"none\", \"categories\": [[\"things\"]]}\n",
                (long long)i, (long long)i, (long long)i);
    Rng r = rng_make(3, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int64_t u = 1; u <= users; u++) {
        fprintf(sequences, "%lld", (long long)u);
        fprintf(times, "%lld", (long long)u);
        for (int64_t k = 0; k < EVENTS; k++) {
            const double x = rng_uniform(&r);
            fprintf(sequences, " %lld", (long long)((double)s->items * x * x) + 1);
            fprintf(times, " %lld", (long long)(1300000000 + u + k * 86400));
        }
        fputc('\n', sequences);
        fputc('\n', times);
    }
    if ((fclose(items) | fclose(sequences) | fclose(times)) != 0) status_exit(FAIL(E_RESOURCE, "free some space, or give another --dir", "%s: cannot write", dir));
    arena_destroy(a);
}

static inline double scale_prepare_s(const ScaleSettings *s, int64_t users)
{
    Arena *a = arena_create("scale");
    const char *dir = scale_prepare_dir(s, a, users);
    const char *command = arena_printf(a, "'%s/02_preprocess' --quiet --dataset scale --form sequences --check-counts 0 --raw '%s' --out '%s/out'", s->bin, dir, dir);
    const double from = time_now_s();
    if (system(command) != 0) return -1;
    return time_now_s() - from;
}

#endif
