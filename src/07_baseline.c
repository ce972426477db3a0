/* 07_baseline -- control rows: rank the whole catalogue for every valid and test row.
 *
 *   popularity    training counts (rec/popularity.h)          transitions  next-item counts, nothing learnt (rec/transitions.h)
 *   sasrec        SASRec, full-softmax cross-entropy (nn/sasrec.h, rec/baseline.h)
 *   gru4rec       GRU4Rec, trained the same way (nn/gru.h)
 *   oracle        knows the latent interests of simulated users (rec/oracle.h)
 *
 * Input: a prepared data set (--data). Output: valid.run, test.run (nothing masked) and, for leave-last-out, test.masked.run (history
 * items removed), 20 items a row; trained methods also config.json, model.safetensors, log.tsv. Selection looks at valid rows only.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "eval/run.h"
#include "io/manifest.h"
#include "nn/gru.h"
#include "nn/sasrec.h"
#include "rec/baseline.h"
#include "rec/oracle.h"
#include "rec/popularity.h"
#include "rec/transitions.h"

static const char *data_dir, *out_dir, *oracle_dir, *method, *activation, *windows, *backend_name, *precision;
static int64_t seed, threads, dim, hidden, layers, heads, ffn_multiple, history, batch_tokens, warmup, epochs, patience, last_items;
static double dropout, lr, weight_decay, clip, decay, checkpoint_s;
static bool scale_embedding;

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "prepared data set (02_preprocess)", NULL},
    {"out", CLI_STR, &out_dir, NULL, 0, 0, "DIR", "output folder", NULL},
    {"method", CLI_ENUM, &method, NULL, 0, 0, "", "ranker", "popularity|transitions|sasrec|gru4rec|oracle"},
    {"oracle", CLI_STR, &oracle_dir, "", 0, 0, "DIR", "oracle folder of the simulated sample (method oracle)", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 1e15, "", "seed of initialisation, shuffling, windows and dropout", NULL},
    {"history", CLI_INT, &history, "0", 0, 4096, "items", "items of history a model sees; 0 = 50, or the data set's for chrono", NULL},
    {"dim", CLI_INT, &dim, "64", 1, 4096, "", "width of item embeddings", NULL},
    {"hidden", CLI_INT, &hidden, "0", 0, 4096, "", "gru4rec: hidden width, with a dense layer back to --dim; 0 = --dim, without", NULL},
    {"layers", CLI_INT, &layers, "2", 1, 16, "", "sasrec: blocks", NULL},
    {"heads", CLI_INT, &heads, "2", 1, 64, "", "sasrec: attention heads", NULL},
    {"ffn-multiple", CLI_INT, &ffn_multiple, "4", 1, 16, "", "sasrec: feed-forward width / --dim", NULL},
    {"activation", CLI_ENUM, &activation, "gelu", 0, 0, "", "sasrec: feed-forward activation", "gelu|relu"},
    {"scale-embedding", CLI_FLAG, &scale_embedding, "1", 0, 1, "", "sasrec: multiply item embeddings by sqrt(dim) at the input", NULL},
    {"dropout", CLI_REAL, &dropout, "0.5", 0, 0.95, "", "on the embedding, attention and both residual branches", NULL},
    {"windows", CLI_ENUM, &windows, "auto", 0, 0, "", "training windows; auto = random for chrono, else last", "auto|last|random"},
    {"batch-tokens", CLI_INT, &batch_tokens, "0", 0, 1e6, "tokens", "positions a step; 0 = 1024, or 512 for chrono", NULL},
    {"lr", CLI_REAL, &lr, "1e-3", 0, 1, "", "learning rate after warm-up", NULL},
    {"warmup", CLI_INT, &warmup, "100", 0, 1e6, "steps", "linear warm-up", NULL},
    {"weight-decay", CLI_REAL, &weight_decay, "0.01", 0, 10, "", "AdamW weight decay of matrices", NULL},
    {"clip", CLI_REAL, &clip, "5", 0, 1e6, "", "largest gradient norm; 0 = no clipping", NULL},
    {"epochs", CLI_INT, &epochs, "200", 1, 1e5, "", "most passes over the training windows", NULL},
    {"patience", CLI_INT, &patience, "-1", -1, 1e5, "epochs", "stop after so many without a better valid NDCG@10; 0 = never, -1 = 4, or 6 for chrono", NULL},
    {"checkpoint-seconds", CLI_REAL, &checkpoint_s, "20", 0, 1e6, "s", "least time between checkpoints", NULL},
    {"last-items", CLI_INT, &last_items, "3", 1, 1000, "items", "transitions: items of history that count", NULL},
    {"decay", CLI_REAL, &decay, "0.6", 0, 1, "", "transitions: weight of each older item relative to the next newer one", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    {"backend", CLI_ENUM, &backend_name, "cpu", 0, 0, "", "where the arithmetic happens", "cpu|ref|cuda"},
    {"precision", CLI_ENUM, &precision, "fp32", 0, 0, "", "of matrix products; bf16 is faster where the processor has it", "fp32|bf16"},
    CLI_END};

static bool trained(void) { return strcmp(method, "sasrec") == 0 || strcmp(method, "gru4rec") == 0; }

/* Settings that follow from the protocol unless they were given. */
static void settle_options(const Dataset *d)
{
    const bool chrono = strncmp(d->protocol, "chrono-", 7) == 0;
    if (history == 0) history = chrono ? d->max_history : 50;
    if (batch_tokens == 0) batch_tokens = chrono ? 512 : 1024;
    if (batch_tokens < history) batch_tokens = history;
    if (patience < 0) patience = chrono ? 6 : 4;
    if (strcmp(windows, "auto") == 0) windows = chrono ? "random" : "last";
}

static Status check_options(void)
{
    if (strcmp(method, "oracle") == 0 && *oracle_dir == '\0') return FAIL(E_USAGE, "add --oracle DIR, the folder 00_sample wrote", "--method oracle needs --oracle");
    if (strcmp(method, "oracle") != 0 && *oracle_dir != '\0') return FAIL(E_USAGE, "leave --oracle out", "--oracle does not apply to --method %s", method);
    if (strcmp(method, "sasrec") == 0 && dim % heads != 0) return FAIL(E_USAGE, "choose --dim as a multiple of --heads", "--dim %lld is not a multiple of --heads %lld", (long long)dim, (long long)heads);
    if (strcmp(method, "gru4rec") != 0 && hidden != 0) return FAIL(E_USAGE, "leave --hidden out", "--hidden does not apply to --method %s", method);
    if (batch_tokens > 0 && history > batch_tokens) return FAIL(E_USAGE, "raise --batch-tokens", "--history %lld does not fit --batch-tokens %lld", (long long)history, (long long)batch_tokens);
    return OK;
}

static SeqModel *make_model(Backend *be, const Dataset *d)
{
    if (strcmp(method, "gru4rec") == 0) {
        const GruConfig c = {.N = d->N, .E = dim, .C = hidden > 0 ? hidden : dim, .dense = hidden > 0, .max_len = history};
        SeqModel *m = gru_create(be, &c, batch_tokens, true);
        gru_init(m, (uint64_t)seed);
        return m;
    }
    const SasrecConfig c = {.N = d->N, .C = dim, .L = layers, .H = heads, .F = ffn_multiple * dim, .max_len = history, .ln_eps = 1e-8,
                            .scale_embedding = scale_embedding, .gelu = strcmp(activation, "gelu") == 0};
    SeqModel *m = sasrec_create(be, &c, batch_tokens, true);
    sasrec_init(m, (uint64_t)seed);
    return m;
}

/* The model's own settings: what is needed to use model.safetensors, and what a checkpoint must agree with. */
static cJSON *model_json(const SeqModel *m)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model_type", m->kind);
    cJSON_AddNumberToObject(o, "num_items", (double)m->N);
    cJSON_AddNumberToObject(o, "max_len", (double)m->max_len);
    if (strcmp(m->kind, "gru4rec") == 0) {
        const GruConfig *c = gru_config(m);
        cJSON_AddNumberToObject(o, "embedding_size", (double)c->E);
        cJSON_AddNumberToObject(o, "hidden_size", (double)c->C);
        cJSON_AddStringToObject(o, "output", c->dense ? "dense_tied" : "tied");
        return o;
    }
    const SasrecConfig *c = sasrec_config(m);
    cJSON_AddNumberToObject(o, "hidden_size", (double)c->C);
    cJSON_AddNumberToObject(o, "num_layers", (double)c->L);
    cJSON_AddNumberToObject(o, "num_heads", (double)c->H);
    cJSON_AddNumberToObject(o, "ffn_dim", (double)c->F);
    cJSON_AddStringToObject(o, "activation", c->gelu ? "gelu" : "relu");
    cJSON_AddNumberToObject(o, "layer_norm_eps", c->ln_eps);
    cJSON_AddBoolToObject(o, "scale_embedding", c->scale_embedding);
    return o;
}

static Status train(const Dataset *d, SeqModel *m, Arena *arena, Manifest *manifest)
{
    cJSON *config = model_json(m);
    char *identity = cJSON_PrintUnformatted(config);
    const TrainOptions o = {.seed = (uint64_t)seed, .epochs = epochs, .patience = patience, .batch_tokens = batch_tokens,
                            .history = history, .warmup_steps = warmup, .lr = lr, .weight_decay = weight_decay, .clip = clip, .dropout = dropout,
                            .random_windows = strcmp(windows, "random") == 0, .checkpoint_s = checkpoint_s, .identity = arena_strdup(arena, identity)};
    cJSON_free(identity);
    TrainResult r;
    Status status = baseline_train(d, m, &o, out_dir, &r);
    if (status == OK) status = json_write_file(arena_printf(arena, "%s/config.json", out_dir), config);
    cJSON_Delete(config);
    TRY(status);
    log_info("%lld parameters | %lld epochs, best %lld: valid HR@10 %.4f NDCG@10 %.4f | %.1f s (%.1f s to best)", (long long)m->params->count,
             (long long)r.epochs, (long long)r.best_epoch, r.best_hr, r.best_ndcg, r.seconds, r.seconds_to_best);
    manifest_note_number(manifest, "parameters", (double)m->params->count);
    manifest_note_number(manifest, "epochs", (double)r.epochs);
    manifest_note_number(manifest, "best_epoch", (double)r.best_epoch);
    manifest_note_number(manifest, "steps", (double)r.steps);
    manifest_note_number(manifest, "valid_ndcg10", r.best_ndcg);
    manifest_note_number(manifest, "train_seconds", r.seconds);
    manifest_note_number(manifest, "train_seconds_to_best", r.seconds_to_best);
    manifest_note_bool(manifest, "resumed", r.resumed);
    static const char *const files[] = {"config.json", "model.safetensors", "log.tsv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) manifest_output(manifest, arena_printf(arena, "%s/%s", out_dir, files[i]));
    return OK;
}

/* Rank one split, write its run file, print its figures. */
static Status write_ranking(const Dataset *d, const Scorer *scorer, const Rows *rows, const char *split, bool masked, int n_threads, Manifest *manifest)
{
    Arena *arena = arena_create("ranking");
    Ranking *r;
    Status status = rank_rows(scorer, rows, d->N, RUN_DEPTH, masked, n_threads, arena, &r);
    const char *path = arena_printf(arena, "%s/%s.run", out_dir, split);
    if (status == OK) status = run_write(path, scorer->name, r->n, r->top, r->length, r->item, r->score);
    if (status == OK) {
        double hr5, ndcg5, hr10, ndcg10;
        rank_metrics(r->rank, r->n, 5, &hr5, &ndcg5);
        rank_metrics(r->rank, r->n, 10, &hr10, &ndcg10);
        log_info("%-11s %lld rows: HR@5 %.4f NDCG@5 %.4f HR@10 %.4f NDCG@10 %.4f", split, (long long)r->n, hr5, ndcg5, hr10, ndcg10);
        manifest_output(manifest, path);
    }
    arena_destroy(arena);
    return status;
}

static Status write_all(const Dataset *d, const Scorer *scorer, int n_threads, Manifest *manifest)
{
    TRY(write_ranking(d, scorer, &d->valid, "valid", false, n_threads, manifest));
    TRY(write_ranking(d, scorer, &d->test, "test", false, n_threads, manifest));
    if (strcmp(d->protocol, "leave-last-out") != 0) return OK;
    return write_ranking(d, scorer, &d->test, "test.masked", true, n_threads, manifest);
}

static Status run(const Dataset *d, Backend *be, Arena *arena, Manifest *manifest)
{
    Scorer *scorer = NULL;
    if (!trained()) {
        if (strcmp(method, "popularity") == 0) scorer = popularity_create(d, arena);
        else if (strcmp(method, "transitions") == 0) scorer = transitions_create(d, last_items, decay, arena);
        else TRY(oracle_scorer(d, oracle_dir, arena, &scorer));
        return write_all(d, scorer, be->threads, manifest);
    }
    SeqModel *m = make_model(be, d);
    Status status = train(d, m, arena, manifest);
    if (status == OK) {
        scorer = baseline_scorer(m, d, history, arena);
        status = write_all(d, scorer, be->threads, manifest);
        baseline_scorer_destroy(scorer);
    }
    seqmodel_destroy(m);
    return status;
}

/* What an earlier run left: a folder that is being rewritten is not complete, and results of another method are not this one's. Checkpoints stay. */
static void remove_old_results(Arena *arena)
{
    static const char *const files[] = {"manifest.json", "valid.run", "test.run", "test.masked.run", "model.safetensors", "config.json", "log.tsv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(arena_printf(arena, "%s/%s", out_dir, files[i]));
}

static void note_inputs(Manifest *manifest, Arena *arena)
{
    static const char *const data_files[] = {"meta.json", "train.tsv", "valid.tsv", "test.tsv", "users.tsv", "items.jsonl"};
    static const char *const oracle_files[] = {"model.json", "items.tsv", "events.tsv"};
    const bool oracle = strcmp(method, "oracle") == 0;
    for (size_t i = 0; i < (oracle ? 6u : 4u); i++) manifest_input(manifest, arena_printf(arena, "%s/%s", data_dir, data_files[i]));
    for (size_t i = 0; oracle && i < 3; i++) manifest_input(manifest, arena_printf(arena, "%s/%s", oracle_dir, oracle_files[i]));
}

int main(int argc, char **argv)
{
    cli_parse("07_baseline", "control rows: rank the whole catalogue for every valid and test row", options, argc, argv);
    MUST(check_options());
    Arena *arena = arena_create("07_baseline");
    Dataset *d;
    MUST(dataset_load(data_dir, strcmp(method, "oracle") == 0, arena, &d));
    settle_options(d);
    log_info("%s on %s: %lld items, %lld training sequences, %lld valid and %lld test rows", method, d->label, (long long)d->N,
             (long long)d->train.n, (long long)d->valid.n, (long long)d->test.n);
    if (trained()) log_info("history %lld, windows %s, batch of %lld tokens, patience %lld", (long long)history, windows, (long long)batch_tokens, (long long)patience);
    if (cli_dry_run()) return 0;
    MUST(dir_make(out_dir));
    remove_old_results(arena);
    Backend *be;
    MUST(backend_open(backend_name, (int)threads, &be));
    MUST(backend_set_precision(be, precision));
    Manifest *manifest = manifest_begin("07_baseline", cli_json(options));
    note_inputs(manifest, arena);
    manifest_note_bool(manifest, "simulated", d->simulated);
    MUST(run(d, be, arena, manifest));
    MUST(manifest_end(manifest, out_dir));
    if (trained()) MUST(baseline_clean(out_dir));
    be->destroy(be);
    arena_destroy(arena);
    return 0;
}
