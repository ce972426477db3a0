/* rec/grpo_train.c -- the GRPO loop. Contract in grpo_train.h.
 *
 * Deviations from the paper:
 *   1. lambda_valid, lambda_pref, epsilon and the learning-rate schedule are not published; ours are options.
 *   2. Constrained rollouts are always valid items, so the valid term is constant and cancels in the advantages; it is logged all the same.
 *   3. One completion that was drawn several times goes through the decoder once, with its count: the same gradient.
 */
#include "rec/grpo_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "io/stream.h"
#include "nn/adamw.h"
#include "rec/grpo_update.h"

static const char LOG_HEADER[] =
    "step\treward\texact\tvalid\tlcp\tquality_bonus\tpolicy_loss\tkl\tclip_fraction\tzero_advantage_share\thit_share\tdistinct_items\tgrad_norm\tlr"
    "\tvalid_NDCG@10\tvalid_HR@10";
enum { LOG_NDCG = 14, LOG_HR = 15, LOG_COLUMNS = 16 };

typedef struct Score { double ndcg10, hr10; } Score;

typedef struct Trainer {
    const GrpoTrainOptions *o;
    const GrpoTrainInput *in;
    const char *dir, *log_path, *checkpoint_path;
    Arena *arena;
    FILE *log;
    Params *params;
    AdamW adam;
    Rollout *rollout, *reference;
    GrpoUpdate *update;
    BeamSearch *beam;
    /* events: the prefix of length event_cut of training sequence event_sequence, in permuted order `order` */
    int64_t n_events;
    int32_t *event_sequence, *event_cut;
    int64_t *order;
    /* one step */
    int64_t *offset, *index;   /* (prompts+1), (prompts) */
    int32_t *token, *target;   /* (prompts*max_prompt), (prompts) */
    int32_t *item;             /* (prompts,G) */
    real *old, *ref;           /* (prompts,G,SID_MAX) */
    double *reward, *advantage; /* (prompts,G) */
    /* validation */
    int64_t n_valid, *select;
    int32_t *ranked;           /* (n_valid,beam) */
    Score sft, best, last;
    int64_t best_step;
} Trainer;

typedef struct StepStats {
    double reward, exact, valid, lcp, bonus, flat_share, hit_share, distinct, grad_norm;
    GrpoLoss loss;
} StepStats;

/* ---- set-up ------------------------------------------------------------------------------------------------------------ */

static Status list_events(Trainer *t)
{
    const Sequences *s = &t->in->data->train;
    for (int64_t i = 0; i < s->n; i++)
        if (s->offset[i + 1] - s->offset[i] > 1) t->n_events += s->offset[i + 1] - s->offset[i] - 1;
    if (t->n_events == 0) return FAIL(E_INPUT, "use a larger data set", "%s: no training sequence has two items", t->in->data->dir);
    t->event_sequence = ARENA_NEW(t->arena, int32_t, t->n_events);
    t->event_cut = ARENA_NEW(t->arena, int32_t, t->n_events);
    t->order = ARENA_NEW(t->arena, int64_t, t->n_events);
    int64_t e = 0;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t cut = 1; cut < s->offset[i + 1] - s->offset[i]; cut++) {
            t->event_sequence[e] = (int32_t)i;
            t->event_cut[e++] = (int32_t)cut;
        }
    return OK;
}

/* permute_events -- the order of pass `pass` over all events. */
static void permute_events(Trainer *t, int64_t pass)
{
    for (int64_t e = 0; e < t->n_events; e++) t->order[e] = e;
    Rng r = rng_make(t->o->seed, RNG_STAGE_GRPO, RNG_SHUFFLE, (uint32_t)pass, 0);
    rng_shuffle_i64(&r, t->order, t->n_events);
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* choose_valid -- the subset of valid rows that 08_sft uses under the same seed. */
static Status choose_valid(Trainer *t)
{
    int64_t n_rows = t->in->data->valid.n;
    if (n_rows == 0) return FAIL(E_INPUT, "prepare the data set again", "%s: no valid rows to select by", t->in->data->dir);
    t->n_valid = t->o->valid_rows > 0 && t->o->valid_rows < n_rows ? t->o->valid_rows : n_rows;
    t->select = ARENA_NEW(t->arena, int64_t, n_rows);
    for (int64_t i = 0; i < n_rows; i++) t->select[i] = i;
    Rng r = rng_make(t->o->seed, RNG_STAGE_SFT, RNG_SPLIT, 0, 0);
    rng_shuffle_i64(&r, t->select, n_rows);
    qsort(t->select, (size_t)t->n_valid, sizeof *t->select, by_number);
    t->ranked = ARENA_NEW(t->arena, int32_t, t->n_valid * t->o->beam);
    return OK;
}

static void alloc_step(Trainer *t)
{
    int64_t P = t->o->prompts, n = P * t->o->G;
    t->offset = ARENA_NEW(t->arena, int64_t, P + 1);
    t->index = ARENA_NEW(t->arena, int64_t, P);
    t->token = ARENA_NEW(t->arena, int32_t, P * t->in->policy->max_prompt);
    t->target = ARENA_NEW(t->arena, int32_t, P);
    t->item = ARENA_NEW(t->arena, int32_t, n);
    t->old = ARENA_NEW(t->arena, real, n * SID_MAX);
    t->ref = ARENA_NEW(t->arena, real, n * SID_MAX);
    t->reward = ARENA_NEW(t->arena, double, n);
    t->advantage = ARENA_NEW(t->arena, double, n);
}

static Status trainer_create(Trainer *t)
{
    const GrpoTrainOptions *o = t->o;
    BeamModel *policy = t->in->policy, *reference = t->in->reference;
    t->params = decoder_params(policy->decoder);
    t->adam = (AdamW){.lr = o->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = o->weight_decay, .max_norm = o->clip,
                      .min_lr_ratio = o->min_lr_ratio, .warmup_steps = o->warmup_steps * o->updates, .total_steps = o->steps * o->updates};
    TRY(list_events(t));
    TRY(choose_valid(t));
    if (o->beam > t->in->data->N || o->beam < 10) return FAIL(E_USAGE, "use 10 to the number of items", "--beam %lld", (long long)o->beam);
    alloc_step(t);
    RolloutOptions rollout = {.method = o->method, .G = o->G, .temperature = o->temperature, .max_prompt = policy->max_prompt, .seed = o->seed};
    t->rollout = rollout_create(policy->decoder, policy->trie, &rollout);
    rollout.method = ROLLOUT_SAMPLE; /* the reference only scores */
    t->reference = rollout_create(reference->decoder, reference->trie, &rollout);
    t->update = grpo_update_create(policy->decoder, policy->trie, o->batch_tokens, o->temperature, &o->loss);
    t->beam = beam_create(policy->decoder, policy->trie, &(BeamOptions){.width = o->beam, .top_k = o->beam, .score = beam_model_score(policy),
                                                                        .max_prompt = policy->max_prompt});
    return OK;
}

static void trainer_destroy(Trainer *t)
{
    if (t->log) (void)fclose(t->log);
    beam_destroy(t->beam);
    grpo_update_destroy(t->update);
    rollout_destroy(t->reference);
    rollout_destroy(t->rollout);
    arena_destroy(t->arena);
}

/* ---- validation and keeping the best ------------------------------------------------------------------------------------ */

static Status validate(Trainer *t, Score *score)
{
    const Rows *rows = &t->in->data->valid;
    int64_t k = t->o->beam;
    *score = (Score){0, 0};
    TRY(beam_rank_rows(t->beam, &t->in->policy->builder, rows, t->select, t->n_valid, &(BeamResult){.item = t->ranked}, NULL));
    for (int64_t i = 0; i < t->n_valid; i++)
        for (int64_t rank = 1; rank <= 10; rank++) {
            if (t->ranked[i * k + rank - 1] != rows->target[t->select[i]]) continue;
            score->hr10 += 1;
            score->ndcg10 += 1 / log2((double)rank + 1);
            break;
        }
    score->hr10 /= (double)t->n_valid;
    score->ndcg10 /= (double)t->n_valid;
    return OK;
}

/* evaluate -- judge the present weights as those of `step`, and keep them when they are the best so far. */
static Status evaluate(Trainer *t, int64_t step, Score *score)
{
    TRY(validate(t, score));
    t->last = *score;
    if (step == 0) t->sft = *score;
    if (step > 0 && !(score->ndcg10 > t->best.ndcg10)) return OK;
    t->best = *score;
    t->best_step = step;
    return decoder_save(t->in->policy->decoder, t->dir);
}

/* ---- one step ----------------------------------------------------------------------------------------------------------- */

static void choose_prompts(Trainer *t, int64_t step)
{
    const Sequences *s = &t->in->data->train;
    int64_t T = 0;
    for (int64_t p = 0; p < t->o->prompts; p++) {
        int64_t draw = (step - 1) * t->o->prompts + p;
        if (p == 0 || draw % t->n_events == 0) permute_events(t, draw / t->n_events);
        int64_t e = t->order[draw % t->n_events], first = s->offset[t->event_sequence[e]], cut = t->event_cut[e];
        t->offset[p] = T;
        t->index[p] = draw;
        T += sequence_prompt(&t->in->policy->builder, s->items + first, cut, t->token + T);
        t->target[p] = s->items[first + cut];
    }
    t->offset[t->o->prompts] = T;
}

static void score_completions(Trainer *t, StepStats *stats)
{
    const BeamModel *m = t->in->policy;
    int64_t P = t->o->prompts, G = t->o->G;
    double share = 1 / (double)(P * G);
    for (int64_t p = 0; p < P; p++) {
        int32_t target_sid[SID_MAX], sid[SID_MAX];
        sequence_answer(&m->builder, t->target[p], target_sid);
        double q = t->in->quality[t->target[p]], hits = 0;
        for (int64_t g = p * G; g < (p + 1) * G; g++) {
            int64_t n = sequence_answer(&m->builder, t->item[g], sid), same = p * G;
            Reward r = reward_of(m->trie, &t->o->reward, m->catalogue->Q, t->target[p], target_sid, q, sid, n);
            t->reward[g] = r.total;
            stats->reward += r.total * share;
            stats->exact += (double)r.exact * share;
            stats->valid += (double)r.valid * share;
            stats->lcp += (double)r.lcp * share;
            stats->bonus += (double)r.exact * t->o->reward.alpha * q * share;
            hits += (double)r.exact;
            while (t->item[same] != t->item[g]) same++;
            stats->distinct += same == g ? 1 / (double)P : 0;
        }
        stats->hit_share += hits > 0 ? 1 / (double)P : 0;
    }
}

static Status train_step(Trainer *t, int64_t step, StepStats *stats)
{
    const GrpoTrainOptions *o = t->o;
    *stats = (StepStats){0};
    choose_prompts(t, step);
    TRY(rollout_generate(t->rollout, o->prompts, t->offset, t->token, t->index, 0, &(Rollouts){t->item, t->old}));
    TRY(rollout_score(t->reference, o->prompts, t->offset, t->token, &(Rollouts){t->item, t->ref}));
    score_completions(t, stats);
    stats->flat_share = (double)grpo_advantages(o->prompts, o->G, 1e-6, t->reward, t->advantage) / (double)o->prompts;
    GrpoBatch batch = {.n = o->prompts, .G = o->G, .offset = t->offset, .token = t->token, .item = t->item, .old = t->old, .ref = t->ref,
                       .advantage = t->advantage};
    for (int64_t u = 0; u < o->updates; u++) {
        GrpoLoss loss;
        double norm;
        params_zero_grad(t->params);
        TRY(grpo_update_run(t->update, &batch, &loss, NULL));
        TRY(adamw_step(&t->adam, t->params, &norm));
        double share = 1 / (double)o->updates;
        stats->loss.policy += loss.policy * share;
        stats->loss.kl += loss.kl * share;
        stats->loss.clip_fraction += loss.clip_fraction * share;
        stats->grad_norm += norm * share;
    }
    return OK;
}

/* ---- log and checkpoints ------------------------------------------------------------------------------------------------ */

static Status log_check(Trainer *t)
{
    if (fflush(t->log) != 0 || ferror(t->log)) return FAIL(E_RESOURCE, "is the disk full?", "%s: cannot be written", t->log_path);
    return OK;
}

static Status log_step(Trainer *t, int64_t step, const StepStats *s, const Score *score)
{
    if (s == NULL) {
        fprintf(t->log, "%lld\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-", (long long)step);
    } else {
        fprintf(t->log, "%lld\t%.6f\t%.6f\t%.6f\t%.6f\t%.6f\t%.6g\t%.6g\t%.6f\t%.6f\t%.6f\t%.4f\t%.6g\t%.6g", (long long)step, s->reward, s->exact, s->valid,
                s->lcp, s->bonus, s->loss.policy, s->loss.kl, s->loss.clip_fraction, s->flat_share, s->hit_share, s->distinct, s->grad_norm,
                adamw_lr(&t->adam, t->adam.step - 1));
    }
    if (score == NULL) {
        fprintf(t->log, "\t-\t-\n");
    } else {
        fprintf(t->log, "\t%.17g\t%.17g\n", score->ndcg10, score->hr10);
    }
    return log_check(t);
}

/* read_log_row -- step, and the score when there is one; false for a row that is not whole. */
static bool read_log_row(const char *line, int64_t *step, Score *score, bool *scored)
{
    const char *column[LOG_COLUMNS];
    int n = 0;
    for (const char *p = line; p != NULL && n < LOG_COLUMNS; n++) {
        column[n] = p;
        p = strchr(p, '\t');
        if (p != NULL) p++;
    }
    if (n != LOG_COLUMNS) return false;
    char *end;
    *step = strtoll(column[0], &end, 10);
    if (end == column[0] || *end != '\t') return false;
    *scored = *column[LOG_NDCG] != '-';
    if (*scored) *score = (Score){strtod(column[LOG_NDCG], NULL), strtod(column[LOG_HR], NULL)};
    return true;
}

/* restore_log -- keep the rows up to `step`, and learn from them what was best. */
static Status restore_log(Trainer *t, int64_t step)
{
    AtomicFile *file;
    LineReader *reader;
    const char *line;
    size_t n;
    TRY(line_open(t->log_path, &reader));
    TRY(atomic_open(t->log_path, &file));
    int64_t rows = 0;
    while (line_next(reader, &line, &n)) {
        int64_t at = -1;
        Score score;
        bool scored = false;
        if (line_number(reader) > 1 && (!read_log_row(line, &at, &score, &scored) || at > step)) break;
        fprintf(atomic_stream(file), "%s\n", line);
        if (line_number(reader) == 1) continue;
        rows++;
        if (!scored) continue;
        t->last = score;
        if (at == 0) t->sft = score;
        if (at > 0 && !(score.ndcg10 > t->best.ndcg10)) continue;
        t->best = score;
        t->best_step = at;
    }
    TRY(line_close(reader));
    TRY(atomic_commit(file));
    if (rows != step + 1)
        return FAIL(E_INPUT, "delete the folder to start over", "%s: %lld rows for %lld steps", t->log_path, (long long)rows, (long long)step);
    return OK;
}

static Status begin_anew(Trainer *t)
{
    (void)unlink(t->checkpoint_path);
    t->log = fopen(t->log_path, "w");
    if (t->log == NULL) return FAIL(E_RESOURCE, "check the folder's permissions", "%s: cannot be written", t->log_path);
    fprintf(t->log, "%s\n", LOG_HEADER);
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "fingerprint", t->in->fingerprint);
    Status status = json_write_file(arena_printf(t->arena, "%s/run.json", t->dir), tree);
    cJSON_Delete(tree);
    return status;
}

static bool same_run(Trainer *t)
{
    const char *path = arena_printf(t->arena, "%s/run.json", t->dir);
    cJSON *tree;
    if (!path_exists(path) || !path_exists(t->checkpoint_path)) return false;
    if (json_read_file(path, &tree) != OK) {
        status_clear();
        return false;
    }
    bool same = strcmp(json_opt_string(tree, "fingerprint", ""), t->in->fingerprint) == 0;
    cJSON_Delete(tree);
    if (!same) log_warn("%s holds an interrupted run of other options or inputs: starting over", t->dir);
    return same;
}

/* resume -- step to continue after; 0 and an evaluated SFT model at a fresh start. */
static Status resume(Trainer *t, int64_t *step)
{
    *step = 0;
    if (same_run(t)) {
        TRY(adamw_load(&t->adam, t->params, t->checkpoint_path));
        *step = t->adam.step / t->o->updates;
        TRY(restore_log(t, *step));
        t->log = fopen(t->log_path, "a");
        if (t->log == NULL) return FAIL(E_RESOURCE, "check the folder's permissions", "%s: cannot be written", t->log_path);
        log_info("continuing after step %lld", (long long)*step);
        return OK;
    }
    TRY(begin_anew(t));
    Score score;
    TRY(evaluate(t, 0, &score));
    log_info("step 0 is the SFT model: valid NDCG@10 %.4f, HR@10 %.4f (%lld rows); it stays the choice unless a step beats it", score.ndcg10, score.hr10,
             (long long)t->n_valid);
    return log_step(t, 0, NULL, &score);
}

/* ---- the loop ----------------------------------------------------------------------------------------------------------- */

static Status run(Trainer *t, bool *finished)
{
    const GrpoTrainOptions *o = t->o;
    int64_t done;
    TRY(resume(t, &done));
    Progress progress;
    int64_t last = o->stop_after > 0 && done + o->stop_after < o->steps ? done + o->stop_after : o->steps;
    progress_begin(&progress, "steps", o->steps, done);
    for (int64_t step = done + 1; step <= last; step++) {
        StepStats stats;
        Score score;
        TRY(train_step(t, step, &stats));
        bool judged = step % o->eval_every == 0 || step == o->steps;
        if (judged) TRY(evaluate(t, step, &score));
        TRY(log_step(t, step, &stats, judged ? &score : NULL));
        if (step % o->checkpoint_every == 0 || step == last) TRY(adamw_save(&t->adam, t->params, t->checkpoint_path));
        progress_update(&progress, step, "reward %.3f | hit %.3f | kl %.2g | best valid NDCG@10 %.4f (step %lld)", stats.reward, stats.hit_share,
                        stats.loss.kl, t->best.ndcg10, (long long)t->best_step);
    }
    progress_end(&progress);
    *finished = last == o->steps;
    return OK;
}

Status grpo_train(const GrpoTrainOptions *o, const GrpoTrainInput *in, const char *dir, GrpoTrainResult *result)
{
    Trainer t = {.o = o, .in = in, .dir = dir, .arena = arena_create("grpo")};
    t.log_path = arena_printf(t.arena, "%s/log.tsv", dir);
    t.checkpoint_path = arena_printf(t.arena, "%s/checkpoint.safetensors", dir);
    *result = (GrpoTrainResult){0};
    Status status = dir_make(dir);
    if (status == OK) status = trainer_create(&t);
    if (status == OK) status = run(&t, &result->finished);
    if (status == OK) {
        *result = (GrpoTrainResult){.finished = result->finished, .steps = t.adam.step / o->updates, .best_step = t.best_step, .sft_ndcg10 = t.sft.ndcg10,
                                    .sft_hr10 = t.sft.hr10, .best_ndcg10 = t.best.ndcg10, .best_hr10 = t.best.hr10, .last_ndcg10 = t.last.ndcg10,
                                    .last_hr10 = t.last.hr10, .n_valid = t.n_valid};
    }
    trainer_destroy(&t);
    return status;
}

Status grpo_train_finish(const char *dir)
{
    static const char *const names[] = {"checkpoint.safetensors", "run.json"};
    Arena *a = arena_create("paths");
    Status status = OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = arena_printf(a, "%s/%s", dir, names[i]);
        if (unlink(path) != 0 && path_exists(path)) status = FAIL(E_RESOURCE, NULL, "%s: cannot be removed", path);
    }
    arena_destroy(a);
    return status;
}

Status grpo_read_quality(const char *path, int64_t N, Arena *arena, double **quality, int64_t *n_unknown)
{
    LineReader *reader;
    const char *line;
    size_t n;
    Status status = OK;
    int64_t at = 0;
    *quality = ARENA_NEW(arena, double, N);
    *n_unknown = 0;
    TRY(line_open(path, &reader));
    for (; status == OK && line_next(reader, &line, &n); at++) {
        cJSON *tree;
        int64_t item = -1;
        status = json_parse_line(path, line_number(reader), line, n, &tree);
        if (status != OK) break;
        const cJSON *q = cJSON_GetObjectItemCaseSensitive(tree, "quality");
        status = json_get_int(path, tree, "item", &item);
        if (status == OK && (item != at || at >= N || (!cJSON_IsNull(q) && !(cJSON_IsNumber(q) && q->valuedouble >= 0 && q->valuedouble <= 1))))
            status = FAIL(E_INPUT, "run 04_label again", "%s:%lld: expected item %lld with a quality in [0,1] or null", path, (long long)line_number(reader),
                          (long long)at);
        if (status == OK) {
            (*quality)[item] = cJSON_IsNumber(q) ? q->valuedouble : 0;
            *n_unknown += cJSON_IsNumber(q) ? 0 : 1;
        }
        cJSON_Delete(tree);
    }
    Status closed = line_close(reader);
    if (status != OK) return status;
    TRY(closed);
    if (at != N) return FAIL(E_INPUT, "run 04_label again", "%s: %lld items, the data set has %lld", path, (long long)at, (long long)N);
    return OK;
}
