/* rec/sft_validate.c -- how good the present weights are: beam search and target log-probability on a fixed subset of valid rows. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "rec/sft_internal.h"

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

Status sft_validator_create(SftTrainer *t)
{
    SftValidator *v = &t->valid;
    const SftOptions *o = t->o;
    int64_t n_rows = t->in->data->valid.n, capacity = sequence_prompt_capacity(t->in->builder);
    v->n = o->valid_rows > 0 && o->valid_rows < n_rows ? o->valid_rows : n_rows;
    v->select = ARENA_NEW(t->arena, int64_t, n_rows);
    for (int64_t i = 0; i < n_rows; ++i) v->select[i] = i;
    Rng r = rng_make(o->seed, RNG_STAGE_SFT, RNG_SPLIT, 0, 0);
    rng_shuffle_i64(&r, v->select, n_rows);
    qsort(v->select, (size_t)v->n, sizeof *v->select, by_number);
    v->item = ARENA_NEW(t->arena, int32_t, v->n * o->beam);
    v->batch = t->batch;
    v->logp = t->logp;
    if (capacity + SID_MAX > o->batch_tokens)
        return FAIL(E_USAGE, "raise --batch-tokens", "a prompt of %lld tokens does not fit a batch of %lld", (long long)capacity, (long long)o->batch_tokens);
    BeamOptions beam = {.width = o->beam, .top_k = o->beam, .score = o->renorm ? BEAM_RENORM : BEAM_MASK, .max_prompt = capacity};
    v->beam = beam_create(t->decoder, t->in->trie, &beam);
    return OK;
}

void sft_validator_destroy(SftTrainer *t) { beam_destroy(t->valid.beam); }

/* Mean over the subset of -log p(target's SID | prompt). */
static Status target_loss(SftTrainer *t, double *loss)
{
    const SequenceBuilder *builder = t->in->builder;
    const Rows *rows = &t->in->data->valid;
    SftValidator *v = &t->valid;
    *loss = 0;
    for (int64_t at = 0; at < v->n;) {
        batch_clear(v->batch);
        for (; at < v->n; ++at) {
            int64_t row = v->select[at], first = rows->offset[row];
            int64_t n = sequence_prompt(builder, rows->history + first, rows->offset[row + 1] - first, t->token), prompt = n;
            n += sequence_answer(builder, rows->target[row], t->token + n);
            sequence_shift(t->token, n, prompt, t->target);
            if (!batch_add(v->batch, builder->vocab, row, n, t->token, t->target, 1)) break;
        }
        decoder_forward(t->decoder, batch_finish(v->batch), v->batch->token, (Dropout){0});
        TRY(sft_loss(t, v->batch, NULL, v->logp));
        for (int64_t i = 0; i < v->batch->T; ++i) *loss -= (double)v->logp[i];
    }
    *loss /= (double)v->n;
    return OK;
}

Status sft_validate(SftTrainer *t, SftScore *score)
{
    SftValidator *v = &t->valid;
    int64_t k = t->o->beam;
    *score = (SftScore){0, 0, 0};
    TRY(target_loss(t, &score->loss));
    TRY(beam_rank_rows(v->beam, t->in->builder, &t->in->data->valid, v->select, v->n, &(BeamResult){.item = v->item}, NULL));
    for (int64_t i = 0; i < v->n; ++i) {
        int32_t target = t->in->data->valid.target[v->select[i]];
        for (int64_t rank = 1; rank <= k && rank <= 10; ++rank) {
            if (v->item[i * k + rank - 1] != target) continue;
            score->hr10 += 1;
            score->ndcg10 += 1 / log2((double)rank + 1);
            break;
        }
    }
    score->hr10 /= (double)v->n;
    score->ndcg10 /= (double)v->n;
    return OK;
}

void sft_swap_ema(SftTrainer *t)
{
    if (t->ema == NULL) return;
    real *value = t->params->value;
    Backend *be = t->in->be;
    /* value, ema <- ema, value without a third buffer: the gradient block is free between steps. */
    size_t bytes = (size_t)t->params->count * sizeof(real);
    be->copy(be, t->params->grad, value, bytes);
    be->copy(be, value, t->ema, bytes);
    be->copy(be, t->ema, t->params->grad, bytes);
}
