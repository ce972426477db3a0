/* rec/baseline.c -- the training loop (see baseline.h). */
#include "rec/baseline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "nn/adamw.h"

#define STATE_FORMAT "digr-baseline/1"

typedef struct EpochRecord {
    int64_t step; /* steps taken so far */
    double loss, grad_norm, lr, hr, ndcg, seconds; /* means over the epoch; seconds so far */
} EpochRecord;

typedef struct Trainer {
    const Dataset *data;
    SeqModel *model;
    const TrainOptions *o;
    const char *dir;
    char key[SHA256_HEX];
    Arena *arena;
    AdamW adamw;
    SeqBatch *batch;
    SeqLoss *loss;
    real *logp;           /* (batch_tokens) host */
    real *dout;           /* (batch_tokens,C) backend */
    Window *window;       /* of this epoch */
    int64_t *order;
    int64_t n_windows, tokens_per_epoch;
    real *best;           /* host copy of the best weights */
    EpochRecord *log;     /* (epochs) */
    int64_t epoch;        /* completed */
    int64_t best_epoch;   /* 0 = none yet */
    double seconds_before; /* spent by interrupted runs */
    double start_s, checkpoint_at_s;
    int64_t saved_epoch, saved_best; /* what training.json on disk names; 0 = nothing */
    bool resumed;
} Trainer;

/* --- windows --------------------------------------------------------------------------------------------------------- */

int64_t baseline_windows_max(const Sequences *q, const TrainOptions *o)
{
    int64_t n = 0;
    for (int64_t s = 0; s < q->n; s++) n += (q->offset[s + 1] - q->offset[s]) / o->history + 2;
    return n;
}

int64_t baseline_windows(const Sequences *q, const TrainOptions *o, int64_t epoch, Window *out)
{
    const int64_t H = o->history;
    int64_t n = 0;
    for (int64_t s = 0; s < q->n; s++) {
        const int64_t begin = q->offset[s], length = q->offset[s + 1] - begin;
        if (length < 2) continue;
        if (length <= H + 1) {
            out[n++] = (Window){begin, length};
        } else if (!o->random_windows) {
            out[n++] = (Window){begin + length - (H + 1), H + 1};
        } else { /* cuts at cut, cut + H, ...: a window ends with the item that the next one starts with */
            Rng rng = rng_make(o->seed, RNG_STAGE_BASELINE, RNG_AUGMENT, (uint32_t)epoch, (uint64_t)s);
            const int64_t cut = 1 + (int64_t)rng_below(&rng, (uint64_t)H);
            int64_t from = 0;
            for (int64_t to = cut; from < length - 1; to += H) {
                if (to > length - 1) to = length - 1;
                out[n++] = (Window){begin + from, to - from + 1};
                from = to;
            }
        }
    }
    return n;
}

static void plan_epoch(Trainer *t, int64_t epoch)
{
    t->n_windows = baseline_windows(&t->data->train, t->o, epoch, t->window);
    for (int64_t i = 0; i < t->n_windows; i++) t->order[i] = i;
    Rng rng = rng_make(t->o->seed, RNG_STAGE_BASELINE, RNG_SHUFFLE, (uint32_t)epoch, 0);
    rng_shuffle_i64(&rng, t->order, t->n_windows);
}

/* --- checkpoints ----------------------------------------------------------------------------------------------------- */

/* What a checkpoint must share with this run to be continued: everything that decides the numbers, but not how long to go on. */
static void make_key(Trainer *t)
{
    const TrainOptions *o = t->o;
    const Dataset *d = t->data;
    Sha256 *h = sha256_begin();
    sha256_add_field(h, STATE_FORMAT);
    sha256_add_field(h, t->model->kind);
    sha256_add_field(h, o->identity);
    sha256_add_field(h, arena_printf(t->arena, "%llu %lld %lld %lld %lld %.17g %.17g %.17g %.17g %d %s %d", (unsigned long long)o->seed,
                                     (long long)o->patience, (long long)o->batch_tokens, (long long)o->history, (long long)o->warmup_steps,
                                     o->lr, o->weight_decay, o->clip, o->dropout, (int)o->random_windows, t->model->be->name,
                                     t->model->be->threads));
    sha256_add(h, &d->N, sizeof d->N);
    sha256_add(h, d->train.offset, (size_t)(d->train.n + 1) * sizeof *d->train.offset);
    sha256_add(h, d->train.items, (size_t)d->train.offset[d->train.n] * sizeof *d->train.items);
    sha256_add(h, d->valid.offset, (size_t)(d->valid.n + 1) * sizeof *d->valid.offset);
    sha256_add(h, d->valid.history, (size_t)d->valid.offset[d->valid.n] * sizeof *d->valid.history);
    sha256_add(h, d->valid.target, (size_t)d->valid.n * sizeof *d->valid.target);
    sha256_finish(h, t->key);
}

static const char *file_of(const Trainer *t, const char *kind, int64_t epoch)
{
    return arena_printf(t->arena, "%s/%s-%lld.safetensors", t->dir, kind, (long long)epoch);
}

static const char *state_path(const Trainer *t) { return arena_printf(t->arena, "%s/training.json", t->dir); }

static double seconds_so_far(const Trainer *t) { return t->seconds_before + time_now_s() - t->start_s; }

static Status write_log(const Trainer *t)
{
    AtomicFile *file;
    TRY(atomic_open(arena_printf(t->arena, "%s/log.tsv", t->dir), &file));
    FILE *f = atomic_stream(file);
    (void)fprintf(f, "epoch\tstep\tloss\tgrad_norm\tlr\tvalid_hr10\tvalid_ndcg10\tbest\tseconds\n");
    double best = -1;
    for (int64_t e = 0; e < t->epoch; e++) {
        const EpochRecord *r = &t->log[e];
        const bool is_best = r->ndcg > best;
        if (is_best) best = r->ndcg;
        (void)fprintf(f, "%lld\t%lld\t%.6f\t%.6f\t%.9g\t%.6f\t%.6f\t%d\t%.2f\n", (long long)(e + 1), (long long)r->step, r->loss, r->grad_norm,
                      r->lr, r->hr, r->ndcg, (int)is_best, r->seconds);
    }
    return atomic_commit(file);
}

static Status write_state(const Trainer *t)
{
    cJSON *tree = cJSON_CreateObject(), *epochs = cJSON_CreateArray();
    cJSON_AddStringToObject(tree, "format", STATE_FORMAT);
    cJSON_AddStringToObject(tree, "key", t->key);
    cJSON_AddNumberToObject(tree, "epoch", (double)t->epoch);
    cJSON_AddNumberToObject(tree, "best_epoch", (double)t->best_epoch);
    for (int64_t e = 0; e < t->epoch; e++) {
        const EpochRecord *r = &t->log[e];
        char row[256]; /* 17 digits: cJSON's own numbers may come back one unit in the last place off, which would decide a tie differently */
        (void)snprintf(row, sizeof row, "[%lld, %.17g, %.17g, %.17g, %.17g, %.17g, %.17g]", (long long)r->step, r->loss, r->grad_norm, r->lr, r->hr, r->ndcg, r->seconds);
        cJSON_AddItemToArray(epochs, cJSON_CreateRaw(row));
    }
    cJSON_AddItemToObject(tree, "epochs", epochs);
    const Status status = json_write_file(state_path(t), tree);
    cJSON_Delete(tree);
    return status;
}

/* Swap `value` in for the model's weights and save them as `path`; the weights come back afterwards. */
static Status save_weights(Trainer *t, const real *value, const char *path)
{
    Params *p = t->model->params;
    Backend *be = t->model->be;
    const size_t bytes = (size_t)p->count * sizeof(real);
    const ArenaMark mark = arena_mark(t->arena);
    real *now = arena_alloc_raw(t->arena, (size_t)p->count, sizeof *now);
    TRY(be->download(be, now, p->value, bytes));
    be->upload(be, p->value, value, bytes);
    const Status status = params_save(p, path);
    be->upload(be, p->value, now, bytes);
    arena_release(t->arena, mark);
    return status;
}

/* Both files first, then training.json, which names them; only then the files it named before may go. */
static Status checkpoint(Trainer *t)
{
    TRY(adamw_save(&t->adamw, t->model->params, file_of(t, "checkpoint", t->epoch)));
    if (t->best_epoch != t->saved_best) TRY(save_weights(t, t->best, file_of(t, "best", t->best_epoch)));
    TRY(write_state(t));
    TRY(write_log(t));
    if (t->saved_epoch > 0 && t->saved_epoch != t->epoch) (void)unlink(file_of(t, "checkpoint", t->saved_epoch));
    if (t->saved_best > 0 && t->saved_best != t->best_epoch) (void)unlink(file_of(t, "best", t->saved_best));
    t->saved_epoch = t->epoch;
    t->saved_best = t->best_epoch;
    t->checkpoint_at_s = time_now_s();
    return OK;
}

static Status read_epochs(Trainer *t, const char *path, const cJSON *tree)
{
    const cJSON *epochs, *row;
    TRY(json_get_int(path, tree, "epoch", &t->epoch));
    TRY(json_get_int(path, tree, "best_epoch", &t->best_epoch));
    TRY(json_get_array(path, tree, "epochs", &epochs));
    if (t->epoch < 1 || t->best_epoch < 1 || t->best_epoch > t->epoch || cJSON_GetArraySize(epochs) != t->epoch)
        return FAIL(E_INPUT, "delete that folder and run the stage again", "%s: inconsistent epochs", path);
    if (t->epoch > t->o->epochs) t->log = ARENA_NEW(t->arena, EpochRecord, t->epoch);
    int64_t e = 0;
    cJSON_ArrayForEach(row, epochs)
    {
        double v[7];
        for (int i = 0; i < 7; i++) {
            const cJSON *x = cJSON_GetArrayItem(row, i);
            if (!cJSON_IsNumber(x)) return FAIL(E_INPUT, "delete that folder and run the stage again", "%s: malformed epoch %lld", path, (long long)(e + 1));
            v[i] = x->valuedouble;
        }
        t->log[e++] = (EpochRecord){(int64_t)v[0], v[1], v[2], v[3], v[4], v[5], v[6]};
    }
    return OK;
}

static Status restore(Trainer *t)
{
    const char *path = state_path(t);
    if (!path_exists(path)) return OK;
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    if (strcmp(json_opt_string(tree, "format", ""), STATE_FORMAT) != 0 || strcmp(json_opt_string(tree, "key", ""), t->key) != 0) {
        log_warn("the checkpoint in %s is of other options, data or threads: starting over", t->dir);
        cJSON_Delete(tree);
        return baseline_clean(t->dir);
    }
    const Status status = read_epochs(t, path, tree);
    cJSON_Delete(tree);
    TRY(status);
    Params *p = t->model->params;
    Backend *be = t->model->be;
    TRY(params_load(p, file_of(t, "best", t->best_epoch)));
    TRY(be->download(be, t->best, p->value, (size_t)p->count * sizeof(real)));
    TRY(adamw_load(&t->adamw, p, file_of(t, "checkpoint", t->epoch)));
    t->saved_epoch = t->epoch;
    t->saved_best = t->best_epoch;
    t->seconds_before = t->log[t->epoch - 1].seconds;
    t->resumed = true;
    log_info("resuming after epoch %lld (best %lld)", (long long)t->epoch, (long long)t->best_epoch);
    return OK;
}

Status baseline_clean(const char *dir)
{
    Arena *arena = arena_create("checkpoint names");
    const char *path = arena_printf(arena, "%s/training.json", dir);
    Status status = OK;
    if (path_exists(path)) {
        cJSON *tree;
        status = json_read_file(path, &tree);
        if (status == OK) {
            const long long epoch = (long long)json_opt_number(tree, "epoch", 0), best = (long long)json_opt_number(tree, "best_epoch", 0);
            (void)unlink(path); /* first: without it the other two mean nothing */
            (void)unlink(arena_printf(arena, "%s/checkpoint-%lld.safetensors", dir, epoch));
            (void)unlink(arena_printf(arena, "%s/best-%lld.safetensors", dir, best));
            cJSON_Delete(tree);
        }
    }
    arena_destroy(arena);
    return status;
}

/* --- one epoch ------------------------------------------------------------------------------------------------------- */

/* One optimiser step on the batch; adds to the sums of the epoch. */
static Status train_step(Trainer *t, double *sum_loss, double *sum_norm)
{
    SeqModel *m = t->model;
    const int64_t T = t->batch->T;
    const Dropout drop = {.p = t->o->dropout, .key = rng_key(t->o->seed, RNG_STAGE_BASELINE, RNG_DROPOUT),
                          .call = (uint64_t)t->adamw.step * SEQMODEL_CALLS};
    real *dout = t->dout;
    params_zero_grad(m->params);
    const real *out = m->forward(m->self, seqbatch_packed(t->batch), t->batch->item, drop);
    TRY(seqloss_run(t->loss, T, out, t->batch->target, params_value(m->params, m->item_emb), 1 / (double)T, dout,
                    params_grad(m->params, m->item_emb), t->logp));
    m->backward(m->self, dout);
    double norm;
    TRY(adamw_step(&t->adamw, m->params, &norm));
    for (int64_t i = 0; i < T; i++) *sum_loss -= (double)t->logp[i];
    *sum_norm += norm;
    return OK;
}

static int64_t stop_epoch(const Trainer *t)
{
    const int64_t limit = t->o->epochs;
    if (t->o->patience == 0) return limit;
    return t->best_epoch + t->o->patience < limit ? t->best_epoch + t->o->patience : limit;
}

static Status train_epoch(Trainer *t, Progress *progress)
{
    const int64_t epoch = t->epoch + 1;
    plan_epoch(t, epoch);
    const int64_t first_step = t->adamw.step;
    double sum_loss = 0, sum_norm = 0;
    int64_t tokens = 0;
    seqbatch_clear(t->batch);
    for (int64_t i = 0; i <= t->n_windows; i++) {
        const Window w = i < t->n_windows ? t->window[t->order[i]] : (Window){0, 0};
        const bool last = i == t->n_windows;
        if (t->batch->B > 0 && (last || t->batch->T + w.n - 1 > t->o->batch_tokens)) {
            const Status status = train_step(t, &sum_loss, &sum_norm);
            if (status != OK) {
                log_warn("epoch %lld, step %lld, sequences %lld.. of the shuffled epoch", (long long)epoch, (long long)(t->adamw.step + 1),
                         (long long)(i - t->batch->B));
                return status;
            }
            tokens += t->batch->T;
            seqbatch_clear(t->batch);
            progress_update(progress, t->epoch * t->tokens_per_epoch + tokens, "epoch %lld | loss %.3f | best NDCG@10 %.4f (epoch %lld)",
                            (long long)epoch, sum_loss / (double)tokens, t->best_epoch > 0 ? t->log[t->best_epoch - 1].ndcg : 0,
                            (long long)t->best_epoch);
        }
        if (last) break;
        const int32_t *item = t->data->train.items + w.start;
        seqbatch_add(t->batch, w.n - 1, item, item + 1);
    }
    const double steps = (double)(t->adamw.step - first_step);
    t->log[t->epoch] = (EpochRecord){.step = t->adamw.step, .loss = sum_loss / (double)tokens, .grad_norm = sum_norm / steps,
                                     .lr = adamw_lr(&t->adamw, t->adamw.step - 1)};
    return OK;
}

/* Rank the valid targets; keep the weights if they are the best so far. */
static Status validate(Trainer *t, const Scorer *scorer)
{
    EpochRecord *r = &t->log[t->epoch];
    const ArenaMark mark = arena_mark(t->arena);
    Ranking *ranking;
    TRY(rank_rows(scorer, &t->data->valid, t->data->N, 0, false, t->model->be->threads, t->arena, &ranking));
    rank_metrics(ranking->rank, ranking->n, 10, &r->hr, &r->ndcg);
    arena_release(t->arena, mark);
    t->epoch++;
    r->seconds = seconds_so_far(t);
    if (t->best_epoch > 0 && !(r->ndcg > t->log[t->best_epoch - 1].ndcg)) return OK;
    t->best_epoch = t->epoch;
    Params *p = t->model->params;
    return t->model->be->download(t->model->be, t->best, p->value, (size_t)p->count * sizeof(real));
}

static Status train_all(Trainer *t, Scorer *scorer)
{
    TRY(restore(t));
    Progress progress;
    progress_begin(&progress, "tokens", stop_epoch(t) * t->tokens_per_epoch, t->epoch * t->tokens_per_epoch);
    while (t->epoch < t->o->epochs && (t->best_epoch == 0 || t->epoch < stop_epoch(t))) {
        progress.total = (t->best_epoch == 0 ? t->o->epochs : stop_epoch(t)) * t->tokens_per_epoch;
        TRY(train_epoch(t, &progress));
        TRY(validate(t, scorer));
        if (time_now_s() - t->checkpoint_at_s >= t->o->checkpoint_s) TRY(checkpoint(t));
    }
    progress_end(&progress);
    if (t->saved_epoch != t->epoch) TRY(checkpoint(t));
    return OK;
}

/* --- entry ----------------------------------------------------------------------------------------------------------- */

static Status set_up(Trainer *t)
{
    const TrainOptions *o = t->o;
    const Sequences *q = &t->data->train;
    SeqModel *m = t->model;
    REQUIRE(o->history >= 1 && o->history <= m->max_len && o->batch_tokens >= o->history && o->batch_tokens <= m->max_tokens && o->epochs >= 1,
            "history %lld, batch of %lld tokens", (long long)o->history, (long long)o->batch_tokens);
    REQUIRE(m->N == t->data->N && m->params->grad != NULL, "model of %lld items, data of %lld", (long long)m->N, (long long)t->data->N);
    const int64_t max = baseline_windows_max(q, o);
    t->window = ARENA_NEW(t->arena, Window, max);
    t->order = ARENA_NEW(t->arena, int64_t, max);
    t->n_windows = baseline_windows(q, o, 1, t->window);
    for (int64_t i = 0; i < t->n_windows; i++) t->tokens_per_epoch += t->window[i].n - 1;
    if (t->tokens_per_epoch == 0)
        return FAIL(E_INPUT, "prepare a larger data set", "%s: no training sequence has two items", t->data->dir);
    t->adamw = (AdamW){.lr = o->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = o->weight_decay, .max_norm = o->clip,
                       .min_lr_ratio = 1, .warmup_steps = o->warmup_steps, .total_steps = o->warmup_steps + 1};
    t->batch = seqbatch_create(m->be, t->arena, o->batch_tokens);
    t->loss = seqloss_create(m->be, m->N, m->C, o->batch_tokens, 0);
    t->dout = m->be->alloc(m->be, (size_t)(o->batch_tokens * m->C) * sizeof(real));
    t->logp = ARENA_NEW(t->arena, real, o->batch_tokens);
    t->best = ARENA_NEW(t->arena, real, m->params->count);
    t->log = ARENA_NEW(t->arena, EpochRecord, o->epochs);
    make_key(t);
    t->start_s = t->checkpoint_at_s = time_now_s();
    return OK;
}

static Status finish(Trainer *t, TrainResult *result)
{
    Params *p = t->model->params;
    Backend *be = t->model->be;
    be->upload(be, p->value, t->best, (size_t)p->count * sizeof(real));
    TRY(params_save(p, arena_printf(t->arena, "%s/model.safetensors", t->dir)));
    TRY(write_log(t)); /* a run that was stopped after its last epoch has nothing to train, but a log to write */
    const EpochRecord *last = &t->log[t->epoch - 1], *best = &t->log[t->best_epoch - 1];
    *result = (TrainResult){.epochs = t->epoch, .best_epoch = t->best_epoch, .steps = last->step, .tokens_per_epoch = t->tokens_per_epoch,
                            .best_hr = best->hr, .best_ndcg = best->ndcg, .loss = last->loss, .seconds = last->seconds,
                            .seconds_to_best = best->seconds, .resumed = t->resumed};
    return OK;
}

Status baseline_train(const Dataset *d, SeqModel *m, const TrainOptions *o, const char *dir, TrainResult *result)
{
    Arena *arena = arena_create("baseline training");
    Trainer *t = ARENA_NEW(arena, Trainer, 1);
    *t = (Trainer){.data = d, .model = m, .o = o, .dir = dir, .arena = arena};
    Status status = set_up(t);
    if (status == OK) {
        Scorer *scorer = baseline_scorer(m, d, o->history, arena);
        status = train_all(t, scorer);
        baseline_scorer_destroy(scorer);
        if (status == OK) status = finish(t, result);
    }
    m->be->release(m->be, t->dout);
    seqbatch_destroy(t->batch);
    seqloss_destroy(t->loss);
    arena_destroy(arena);
    return status;
}
