/* rec/sft.c -- the training loop. Contract in sft.h; validation in sft_validate.c, files in sft_checkpoint.c.
 *
 * Deviations from the paper:
 *   1. A small Qwen3-style decoder trained from scratch instead of a pretrained 7B model with LoRA.
 *   2. Loss at every SID token of a training sequence, once an epoch, instead of one example for each prefix: the same targets, a tenth of the work.
 */
#include "rec/sft.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "base/rng.h"
#include "rec/sft_internal.h"

static const char log_header[] = "step\tepoch\tloss\tlr\tgrad_norm\ttokens_per_s\tvalid_loss\tvalid_HR@10\tvalid_NDCG@10\n";

/* Samples from *at on, as many as fit. Returns the number of samples taken. */
static int64_t fill_batch(Batch *b, const SftInput *in, int64_t epoch, const int64_t *sample, int64_t n_samples, int64_t at, int32_t *token, int32_t *target)
{
    int64_t taken = 0;
    batch_clear(b);
    for (; at + taken < n_samples; ++taken) {
        real weight;
        int64_t id = sample[at + taken], n = tasks_write(in->tasks, epoch, id, token, target, &weight);
        if (!batch_add(b, in->builder->vocab, id, n, token, target, weight)) break;
    }
    return taken;
}

int64_t sft_steps_per_epoch(const SftOptions *o, const SftInput *in)
{
    Arena *tmp = arena_create("sft_steps");
    Batch *b = batch_create(tmp, in->be, o->batch_tokens, o->batch_tokens / 2 + 1);
    int32_t *token = ARENA_NEW(tmp, int32_t, o->batch_tokens), *target = ARENA_NEW(tmp, int32_t, o->batch_tokens);
    int64_t *sample, n = tasks_epoch(in->tasks, 0, tmp, &sample), steps = 0;
    for (int64_t at = 0; at < n; ++steps) at += fill_batch(b, in, 0, sample, n, at, token, target);
    batch_destroy(b);
    arena_destroy(tmp);
    return steps;
}

/* --- log ------------------------------------------------------------------------------------------------------------------------------ */

/* Open log.tsv and cut what was written after the checkpoint. */
static Status open_log(SftTrainer *t, bool resumed)
{
    const char *path = arena_printf(t->arena, "%s/log.tsv", t->dir);
    t->log = fopen(path, resumed ? "r+" : "w");
    if (t->log == NULL) return FAIL(E_RESOURCE, "is the folder writable?", "%s: cannot be opened: %s", path, strerror(errno));
    if (resumed) {
        if (ftruncate(fileno(t->log), t->s.log_bytes) != 0 || fseek(t->log, 0, SEEK_END) != 0)
            return FAIL(E_RESOURCE, NULL, "%s: cannot be cut to %lld bytes: %s", path, (long long)t->s.log_bytes, strerror(errno));
        return OK;
    }
    fputs(log_header, t->log);
    return OK;
}

static Status flush_log(SftTrainer *t)
{
    if (fflush(t->log) != 0 || ferror(t->log)) return FAIL(E_RESOURCE, "is the disk full?", "%s/log.tsv: cannot be written", t->dir);
    t->s.log_bytes = ftell(t->log);
    return OK;
}

static Status log_training(SftTrainer *t, double grad_norm)
{
    double now = time_now_s(), seconds = now - t->interval_start_s;
    fprintf(t->log, "%lld\t%lld\t%.6g\t%.6g\t%.6g\t%.0f\t-\t-\t-\n", (long long)t->s.step, (long long)t->s.epoch, t->s.loss_sum / t->s.weight_sum,
            adamw_lr(&t->opt, t->s.step - 1), grad_norm, (double)t->interval_tokens / (seconds > 1e-9 ? seconds : 1e-9));
    t->s.loss_sum = t->s.weight_sum = 0;
    t->interval_start_s = now;
    t->interval_tokens = 0;
    return flush_log(t);
}

/* --- one step ------------------------------------------------------------------------------------------------------------------------- */

/* Where a non-finite value appeared, for people: the batch by its place in the epoch and its first sample. */
static Status not_finite(const SftTrainer *t, const char *what)
{
    int64_t id = t->batch->sample[0];
    return FAIL(E_NUMERIC, "lower --lr or raise --warmup; the last checkpoint stays in the folder", "step %lld (epoch %lld, batch of %lld sequences from sample %lld: %s %lld): %s is not finite",
                (long long)t->s.step, (long long)t->s.epoch, (long long)t->batch->B, (long long)t->s.at, tasks_name(tasks_task_of(id)), (long long)tasks_index_of(id), what);
}

static void update_ema(SftTrainer *t)
{
    if (t->ema == NULL) return;
    Backend *be = t->in->be;
    double n = (double)t->s.step, warm = (1 + n) / (10 + n), decay = warm < t->o->ema ? warm : t->o->ema; /* short memory at first */
    be->axpby(be, t->params->count, (real)(1 - decay), t->params->value, (real)decay, t->ema);
}

static Status train_step(SftTrainer *t, double *grad_norm)
{
    const SftOptions *o = t->o;
    Batch *b = t->batch;
    double weight = 0, loss = 0;
    for (int64_t i = 0; i < b->T; ++i) weight += (double)b->weight[i];
    REQUIRE(weight > 0, "a batch without targets");
    for (int64_t i = 0; i < b->T; ++i) b->weight[i] = (real)((double)b->weight[i] / weight);
    Dropout drop = {.p = o->dropout, .key = rng_key(o->seed, RNG_STAGE_SFT, RNG_DROPOUT), .call = (uint64_t)t->s.step};
    params_zero_grad(t->params);
    TRY(sft_loss_step(t, b, drop));
    for (int64_t i = 0; i < b->T; ++i) loss -= (double)b->weight[i] * (double)t->logp[i];
    if (!isfinite(loss)) return not_finite(t, "the loss");
    Status status = adamw_step(&t->opt, t->params, grad_norm);
    if (status == E_NUMERIC) return not_finite(t, "the gradient");
    TRY(status);
    update_ema(t);
    t->s.loss_sum += loss * weight;
    t->s.weight_sum += weight;
    t->interval_tokens += b->T;
    ++t->s.step;
    return OK;
}

/* --- epochs --------------------------------------------------------------------------------------------------------------------------- */

/* Judge the averaged weights; keep them when they are the best; write a checkpoint either way. */
static Status evaluate(SftTrainer *t)
{
    SftScore score;
    const char *best = NULL;
    sft_swap_ema(t);
    Status status = sft_validate(t, &score);
    if (status == OK) {
        ++t->s.since_best;
        if (t->s.best_epoch == 0 || score.ndcg10 > t->s.best_ndcg10) {
            t->s.since_best = 0;
            t->s.best_step = t->s.step;
            t->s.best_epoch = t->s.epoch;
            t->s.best_ndcg10 = score.ndcg10;
            t->s.best_hr10 = score.hr10;
            t->s.best_valid_loss = score.loss;
            status = sft_checkpoint_best(t, &best);
        }
    }
    sft_swap_ema(t);
    TRY(status);
    fprintf(t->log, "%lld\t%lld\t-\t-\t-\t-\t%.6g\t%.6f\t%.6f\n", (long long)t->s.step, (long long)t->s.epoch, score.loss, score.hr10, score.ndcg10);
    TRY(flush_log(t));
    log_info("epoch %lld: valid loss %.4f, HR@10 %.4f, NDCG@10 %.4f%s", (long long)t->s.epoch, score.loss, score.hr10, score.ndcg10,
             t->s.since_best == 0 ? " (best)" : "");
    TRY(sft_checkpoint_save(t, best));
    t->interval_start_s = time_now_s();
    t->interval_tokens = 0;
    return OK;
}

static bool stops_here(const SftTrainer *t, int64_t first_step)
{
    return t->o->stop_after_steps > 0 && t->s.step - first_step >= t->o->stop_after_steps;
}

static Status train_epoch(SftTrainer *t, Progress *progress, int64_t first_step)
{
    const SftOptions *o = t->o;
    ArenaMark mark = arena_mark(t->epoch_arena);
    t->n_samples = tasks_epoch(t->in->tasks, t->s.epoch, t->epoch_arena, &t->sample);
    double smooth = 0, grad_norm = 0;
    while (t->s.at < t->n_samples && !stops_here(t, first_step)) {
        double sum_before = t->s.loss_sum, weight_before = t->s.weight_sum;
        int64_t taken = fill_batch(t->batch, t->in, t->s.epoch, t->sample, t->n_samples, t->s.at, t->token, t->target);
        TRY(train_step(t, &grad_norm));
        t->s.at += taken;
        double loss = (t->s.loss_sum - sum_before) / (t->s.weight_sum - weight_before);
        smooth = smooth > 0 ? 0.95 * smooth + 0.05 * loss : loss;
        progress_update(progress, t->s.step, "epoch %lld, loss %.3f", (long long)t->s.epoch + 1, smooth);
        if (t->s.step % o->log_steps == 0) TRY(log_training(t, grad_norm));
        if (o->checkpoint_steps > 0 && t->s.step % o->checkpoint_steps == 0 && t->s.at < t->n_samples) TRY(sft_checkpoint_save(t, NULL));
    }
    arena_release(t->epoch_arena, mark);
    return OK;
}

static Status train_epochs(SftTrainer *t, bool *finished)
{
    const SftOptions *o = t->o;
    Progress progress;
    int64_t first_step = t->s.step;
    progress_begin(&progress, "steps", t->opt.total_steps, t->s.step);
    t->interval_start_s = time_now_s();
    *finished = true;
    while (t->s.epoch < o->epochs && t->s.since_best < o->patience) {
        TRY(train_epoch(t, &progress, first_step));
        if (t->s.at < t->n_samples) { /* asked to stop inside the epoch */
            *finished = false;
            break;
        }
        ++t->s.epoch;
        t->s.at = 0;
        if (t->s.epoch % o->eval_every == 0 || t->s.epoch == o->epochs) TRY(evaluate(t));
    }
    progress_end(&progress);
    return *finished ? OK : sft_checkpoint_save(t, NULL);
}

/* --- whole run ------------------------------------------------------------------------------------------------------------------------ */

static void open_trainer(SftTrainer *t)
{
    const SftOptions *o = t->o;
    Backend *be = t->in->be;
    t->arena = arena_create("sft");
    t->epoch_arena = arena_create("sft epoch");
    t->decoder = decoder_create(be, &t->in->config, o->batch_tokens, true);
    t->params = decoder_params(t->decoder);
    decoder_init(t->decoder, o->seed);
    if (o->ema > 0) {
        t->ema = be->alloc(be, (size_t)t->params->count * sizeof(real));
        be->copy(be, t->ema, t->params->value, (size_t)t->params->count * sizeof(real));
    }
    t->batch = batch_create(t->arena, be, o->batch_tokens, o->batch_tokens / 2 + 1);
    t->token = ARENA_NEW(t->arena, int32_t, o->batch_tokens);
    t->target = ARENA_NEW(t->arena, int32_t, o->batch_tokens);
    t->logp = ARENA_NEW(t->arena, real, o->batch_tokens);
    sft_loss_create(t);
    t->opt = (AdamW){.lr = o->lr, .beta1 = 0.9, .beta2 = o->beta2, .eps = 1e-8, .weight_decay = o->weight_decay, .max_norm = o->clip,
                     .min_lr_ratio = o->min_lr_ratio, .warmup_steps = o->warmup_steps};
    t->opt.total_steps = o->epochs * sft_steps_per_epoch(o, t->in);
    if (t->opt.total_steps <= t->opt.warmup_steps) t->opt.total_steps = t->opt.warmup_steps + 1;
}

static void close_trainer(SftTrainer *t)
{
    if (t->log != NULL) fclose(t->log);
    sft_validator_destroy(t);
    sft_loss_destroy(t);
    batch_destroy(t->batch);
    if (t->ema != NULL) t->in->be->release(t->in->be, t->ema);
    decoder_destroy(t->decoder);
    arena_destroy(t->epoch_arena);
    arena_destroy(t->arena);
}

static Status run(SftTrainer *t, SftResult *result)
{
    bool resumed, finished;
    TRY(sft_validator_create(t));
    TRY(sft_checkpoint_load(t, &resumed));
    TRY(open_log(t, resumed));
    if (resumed) log_info("continuing at step %lld (epoch %lld)", (long long)t->s.step, (long long)t->s.epoch);
    TRY(train_epochs(t, &finished));
    if (finished) {
        TRY(sft_checkpoint_load_best(t));
        TRY(decoder_save(t->decoder, t->dir));
    }
    *result = (SftResult){finished, t->params->count, t->s.step, t->s.epoch, t->s.best_epoch, t->s.best_step, t->s.best_ndcg10, t->s.best_hr10, t->s.best_valid_loss};
    return OK;
}

Status sft_train(const SftOptions *o, const SftInput *in, const char *dir, SftResult *result)
{
    if (in->data->train.n == 0 || in->data->valid.n == 0)
        return FAIL(E_INPUT, "rebuild the data set with 02_preprocess", "%s: %lld training sequences, %lld validation rows", in->data->dir,
                    (long long)in->data->train.n, (long long)in->data->valid.n);
    REQUIRE(o->softmax == SOFTMAX_FULL || o->renorm, "a restricted softmax needs renormalised beam scores");
    TRY(dir_make(dir));
    SftTrainer t = {.o = o, .in = in, .dir = dir};
    open_trainer(&t);
    Status status = run(&t, result);
    close_trainer(&t);
    return status;
}
