/* tests/bench/bench_trainer.h -- a decoder, its optimiser and one packed random batch: the training step that bench_train, bench_profile and bench_scale do. */
#ifndef DIGR_TESTS_BENCH_TRAINER_H
#define DIGR_TESTS_BENCH_TRAINER_H

#include "base/arena.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "nn/decoder.h"

typedef struct Trainer {
    Backend *be;
    Decoder *d;
    AdamW opt;
    BenchBatch b;
    double dropout;
    int64_t step;
} Trainer;

static inline Trainer trainer_open(Backend *be, Arena *arena, const DecoderConfig *config, int64_t tokens, int64_t seq, double dropout)
{
    Trainer t = {.be = be, .d = decoder_create(be, config, tokens, true), .b = bench_batch(be, arena, config->V, tokens, seq), .dropout = dropout,
                 .opt = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01, .max_norm = 1, .warmup_steps = 10, .total_steps = 100000}};
    decoder_init(t.d, 1);
    return t;
}

/* Forward, loss, backward and AdamW. */
static inline void trainer_step(Trainer *t)
{
    params_zero_grad(decoder_params(t->d));
    const Dropout drop = {.p = t->dropout, .key = 7, .call = (uint64_t)t->step++};
    MUST(decoder_step(t->d, &t->b.pk, t->b.token, drop, t->b.target, NULL, t->b.weight, t->b.logp));
    MUST(adamw_step(&t->opt, decoder_params(t->d), NULL));
}

static inline void trainer_close(Trainer *t)
{
    decoder_destroy(t->d);
    bench_batch_release(t->be, &t->b);
}

#endif
