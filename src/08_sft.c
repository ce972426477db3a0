/* 08_sft.c -- stage 08: supervised training of the generative model on semantic-id histories (paper section on SFT).
 *
 * In:  --data (02_preprocess), --sids (06_tokenize: sids.index.json), --labels (04_label: labels.jsonl; "" = no interests)
 * Out: config.json, model.safetensors (opens in transformers), vocab.json, merges.txt, tokenizer_config.json, log.tsv, sft.json, manifest.json
 *
 * Deviations from the paper: see rec/sft.c. Selection is by NDCG@10 on valid rows; test rows are not read.
 */
#include <stdio.h>
#include <string.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "io/manifest.h"
#include "rec/sft.h"

static const char *data_dir, *sids_dir, *labels_dir, *out, *backend_name, *precision, *window_name;
static int64_t seed, threads, layers, width, heads, kv_heads, ffn, max_history, merges;
static bool tied, qk_norm, bias, align, level_softmax, trie_softmax;
static SftOptions o;
static TaskOptions task;

#define TASK_OPTION(name, option, passes, unit) {"task-" option, CLI_REAL, &task.ratio[name], #passes, 0, 100, "passes", "passes of an epoch; one sample is one " unit, NULL},

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder of 02_preprocess", NULL},
    {"sids", CLI_STR, &sids_dir, NULL, 0, 0, "DIR", "folder of 06_tokenize", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "folder of 04_label, for the interest tasks", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder; continues an interrupted run", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 4294967295.0, "", "seed of every random choice", NULL},
    {"epochs", CLI_INT, &o.epochs, "24", 1, 100000, "", "at most this many passes", NULL},
    {"patience", CLI_INT, &o.patience, "3", 1, 100000, "", "evaluations without gain before stopping", NULL},
    {"eval-every", CLI_INT, &o.eval_every, "4", 1, 100000, "epochs", "between evaluations", NULL},
    {"valid-rows", CLI_INT, &o.valid_rows, "2000", 0, 1e9, "rows", "of the validation subset; 0 = all", NULL},
    {"beam", CLI_INT, &o.beam, "20", 10, 1000, "", "beam width of validation", NULL},
    {"batch-tokens", CLI_INT, &o.batch_tokens, "1024", 64, 1048576, "tokens", "packed into a batch, at most", NULL},
    {"lr", CLI_REAL, &o.lr, "2e-3", 0, 1, "", "peak learning rate", NULL},
    {"min-lr-ratio", CLI_REAL, &o.min_lr_ratio, "0.1", 0, 1, "", "end of the cosine; 1 = constant after warm-up", NULL},
    {"warmup", CLI_INT, &o.warmup_steps, "200", 0, 1000000, "steps", "linear warm-up", NULL},
    {"weight-decay", CLI_REAL, &o.weight_decay, "0.05", 0, 100, "", "decoupled, matrices only", NULL},
    {"beta2", CLI_REAL, &o.beta2, "0.98", 0, 1, "", "second-moment decay (the first is 0.9)", NULL},
    {"clip", CLI_REAL, &o.clip, "1", 0, 1000, "", "gradient norm; 0 = off", NULL},
    {"dropout", CLI_REAL, &o.dropout, "0.2", 0, 0.95, "", "embedding and residual branches", NULL},
    {"ema", CLI_REAL, &o.ema, "0.999", 0, 0.999999, "", "decay of the averaged weights that are judged and saved; 0 = off", NULL},
    {"level-softmax", CLI_FLAG, &level_softmax, "1", 0, 1, "", "softmax of a SID token over its level's codes; 0 = the vocabulary", NULL},
    {"trie-softmax", CLI_FLAG, &trie_softmax, "0", 0, 1, "", "softmax of a SID token over what the trie allows (then --level-softmax is idle)", NULL},
    {"renorm", CLI_FLAG, &o.renorm, "1", 0, 1, "", "beam scores renormalised over what the trie allows (always, with a restricted softmax)", NULL},
    {"layers", CLI_INT, &layers, "4", 1, 128, "", "transformer layers", NULL},
    {"width", CLI_INT, &width, "128", 8, 16384, "", "hidden size", NULL},
    {"heads", CLI_INT, &heads, "4", 1, 256, "", "attention heads", NULL},
    {"kv-heads", CLI_INT, &kv_heads, "0", 0, 256, "", "key/value heads; 0 = heads", NULL},
    {"ffn", CLI_INT, &ffn, "384", 8, 65536, "", "feed-forward size", NULL},
    {"tied", CLI_FLAG, &tied, "1", 0, 1, "", "share input and output embeddings", NULL},
    {"qk-norm", CLI_FLAG, &qk_norm, "1", 0, 1, "", "RMSNorm of queries and keys (Qwen3)", NULL},
    {"bias", CLI_FLAG, &bias, "0", 0, 1, "", "biases of q, k, v (Qwen2)", NULL},
    {"max-history", CLI_INT, &max_history, "0", 0, 10000, "items", "of a prompt; 0 = the data set's", NULL},
    {"window", CLI_ENUM, &window_name, "chunk", 0, 0, "", "sequences longer than max-history + 1", "full|random|chunk"},
    {"item-drop", CLI_REAL, &task.item_drop, "0", 0, 0.9, "", "chance to leave an item out of a training sequence", NULL},
    {"token-drop", CLI_REAL, &task.token_drop, "0", 0, 0.9, "", "chance to mask an input SID token", NULL},
    {"align", CLI_FLAG, &align, "0", 0, 1, "", "alignment tasks (text <-> SID)", NULL},
    {"align-weight", CLI_REAL, &task.align_weight, "0.5", 0, 100, "", "loss weight of their targets", NULL},
    TASK_LIST(TASK_OPTION)
    {"merges", CLI_INT, &merges, "1500", 0, 1000000, "", "BPE merges learnt from item text", NULL},
    {"max-text", CLI_INT, &task.max_text, "32", 1, 1000, "tokens", "kept of a title or of an item's interests", NULL},
    {"text-history", CLI_INT, &task.text_history, "5", 1, 1000, "items", "of a title history", NULL},
    {"log-steps", CLI_INT, &o.log_steps, "50", 1, 1000000, "steps", "between log rows", NULL},
    {"checkpoint-steps", CLI_INT, &o.checkpoint_steps, "500", 0, 1000000000, "steps", "between checkpoints; 0 = at evaluations only", NULL},
    {"backend", CLI_ENUM, &backend_name, "cpu", 0, 0, "", "where the arithmetic runs", "cpu|ref|cuda"},
    {"precision", CLI_ENUM, &precision, "fp32", 0, 0, "", "of matrix products; bf16 is faster where the processor has it", "fp32|bf16"},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    CLI_END};

typedef struct Inputs {
    Arena *arena;
    const char *sids, *labels; /* files; labels NULL when not used */
    const char **title, **interests;
    Dataset *data;
    Catalogue *catalogue;
    Trie *trie;
    Vocab *vocab;
    SequenceBuilder builder;
    TaskSet *tasks;
} Inputs;

/* Alignment tasks that have nothing to work on are switched off, aloud. */
static Status load_texts(Inputs *in)
{
    if (align) in->title = tasks_titles(in->arena, in->data);
    if (in->labels != NULL) TRY(tasks_interests(in->arena, in->data, labels_dir, &in->interests));
    for (int k = 0; k < N_TASKS; ++k) {
        bool interests = k == TASK_INTERESTS_TO_SID || k == TASK_SID_TO_INTERESTS;
        if (k != TASK_NEXT && (!align || (interests && in->interests == NULL))) task.ratio[k] = 0;
    }
    return OK;
}

static Vocab *make_vocab(Inputs *in)
{
    int64_t N = in->data->N, n = 0;
    const char **corpus = ARENA_NEW(in->arena, const char *, 2 * N);
    for (int64_t i = 0; i < N; ++i) {
        if (in->title != NULL && *in->title[i] != 0) corpus[n++] = in->title[i];
        if (in->interests != NULL && *in->interests[i] != 0) corpus[n++] = in->interests[i];
    }
    return vocab_create(in->arena, in->catalogue, n > 0 ? merges : -1, corpus, n);
}

static Status load(Inputs *in)
{
    in->arena = arena_create("08_sft");
    in->sids = arena_printf(in->arena, "%s/sids.index.json", sids_dir);
    in->labels = align && *labels_dir != 0 ? arena_printf(in->arena, "%s/labels.jsonl", labels_dir) : NULL;
    TRY(dataset_load(data_dir, align, in->arena, &in->data));
    TRY(catalogue_read(in->sids, in->arena, in->data->N, &in->catalogue));
    TRY(load_texts(in));
    in->vocab = make_vocab(in);
    TRY(trie_from_catalogue(in->arena, in->catalogue, in->vocab->sid_base, &in->trie));
    in->builder = (SequenceBuilder){in->vocab, in->catalogue, max_history > 0 ? max_history : in->data->max_history};
    task.seed = (uint64_t)seed;
    task.window = strcmp(window_name, "full") == 0 ? WINDOW_FULL : strcmp(window_name, "random") == 0 ? WINDOW_RANDOM : WINDOW_CHUNK;
    task.max_tokens = o.batch_tokens;
    if (o.batch_tokens < 2 * task.max_text + 16 || o.batch_tokens < sequence_prompt_capacity(&in->builder) + SID_MAX)
        return FAIL(E_USAGE, "raise --batch-tokens", "a sample may need more than %lld tokens", (long long)o.batch_tokens);
    in->tasks = tasks_create(in->arena, &task, &in->builder, in->data, in->title, in->interests);
    for (int k = 0; k < N_TASKS; ++k)
        if (task.ratio[k] > 0) log_info("task %s: %lld samples, %g passes an epoch", tasks_name((Task)k), (long long)tasks_available(in->tasks, (Task)k), task.ratio[k]);
    return OK;
}

static int list_inputs(const Inputs *in, const char **path)
{
    int n = 0;
    static const char *const names[] = {"meta.json", "train.tsv", "valid.tsv", "items.jsonl"};
    for (int i = 0; i < (align ? 4 : 3); ++i) path[n++] = arena_printf(in->arena, "%s/%s", data_dir, names[i]);
    path[n++] = in->sids;
    if (in->labels != NULL) path[n++] = in->labels;
    return n;
}

/* Options (but for where and with how many threads) and contents of the inputs: what a checkpoint must agree with. */
static Status make_fingerprint(const Inputs *in, char hex[SHA256_HEX])
{
    const char *path[6];
    int n = list_inputs(in, path);
    Sha256 *h = sha256_begin();
    cJSON *tree = cli_json(options);
    static const char *const free_options[] = {"out", "threads", "data", "sids", "labels"};
    for (int i = 0; i < 5; ++i) cJSON_DeleteItemFromObjectCaseSensitive(tree, free_options[i]);
    char *text = cJSON_PrintUnformatted(tree);
    sha256_add_field(h, text);
    cJSON_free(text);
    cJSON_Delete(tree);
    Status status = OK;
    for (int i = 0; i < n && status == OK; ++i) {
        char file[SHA256_HEX];
        status = sha256_file(path[i], file, NULL);
        if (status == OK) sha256_add_field(h, file);
    }
    sha256_finish(h, hex);
    return status;
}

static Status write_summary(const Inputs *in, const SftResult *r)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "dataset", in->data->name);
    cJSON_AddBoolToObject(tree, "simulated", in->data->simulated);
    cJSON_AddNumberToObject(tree, "parameters", (double)r->n_params);
    cJSON_AddNumberToObject(tree, "max_history", (double)in->builder.max_history);
    cJSON_AddStringToObject(tree, "softmax", trie_softmax ? "trie" : level_softmax ? "level" : "full");
    cJSON_AddBoolToObject(tree, "level_softmax", o.renorm); /* read by 10_evaluate: rank by renormalised scores */
    cJSON_AddNumberToObject(tree, "steps", (double)r->steps);
    cJSON_AddNumberToObject(tree, "epochs", (double)r->epochs);
    cJSON_AddNumberToObject(tree, "best_epoch", (double)r->best_epoch);
    cJSON_AddNumberToObject(tree, "best_step", (double)r->best_step);
    cJSON_AddNumberToObject(tree, "valid_NDCG@10", r->best_ndcg10);
    cJSON_AddNumberToObject(tree, "valid_HR@10", r->best_hr10);
    cJSON_AddNumberToObject(tree, "valid_loss", r->best_valid_loss);
    Status status = json_write_file(arena_printf(in->arena, "%s/sft.json", out), tree);
    cJSON_Delete(tree);
    return status;
}

static Status write_manifest(const Inputs *in, const SftResult *r)
{
    const char *path[6];
    int n = list_inputs(in, path);
    Manifest *m = manifest_begin("08_sft", cli_json(options));
    for (int i = 0; i < n; ++i) manifest_input(m, path[i]);
    static const char *const outputs[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json", "log.tsv", "sft.json"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) manifest_output(m, arena_printf(in->arena, "%s/%s", out, outputs[i]));
    manifest_note_bool(m, "simulated", in->data->simulated);
    manifest_note_number(m, "parameters", (double)r->n_params);
    manifest_note_number(m, "valid_NDCG@10", r->best_ndcg10);
    return manifest_end(m, out);
}

int main(int argc, char **argv)
{
    cli_parse("08_sft", "supervised training of the generative model", options, argc, argv);
    o.seed = (uint64_t)seed;
    o.softmax = trie_softmax ? SOFTMAX_TRIE : level_softmax ? SOFTMAX_LEVEL : SOFTMAX_FULL;
    o.renorm = o.renorm || o.softmax != SOFTMAX_FULL;
    if (width % heads != 0 || (width / heads) % 2 != 0 || (kv_heads > 0 && heads % kv_heads != 0))
        MUST(FAIL(E_USAGE, "width / heads must be even, and heads a multiple of kv-heads", "width %lld, heads %lld, kv-heads %lld", (long long)width,
                  (long long)heads, (long long)kv_heads));
    Inputs in = {0};
    MUST(load(&in));
    Backend *be;
    MUST(backend_open(backend_name, (int)threads, &be));
    MUST(backend_set_precision(be, precision));
    char fingerprint[SHA256_HEX];
    MUST(make_fingerprint(&in, fingerprint));
    SftInput input = {.be = be, .data = in.data, .builder = &in.builder, .trie = in.trie, .tasks = in.tasks, .fingerprint = fingerprint,
                      .config = {.V = in.vocab->V, .C = width, .L = layers, .H = heads, .Hkv = kv_heads > 0 ? kv_heads : heads, .D = width / heads, .F = ffn,
                                 .rope_theta = 10000, .rms_eps = 1e-6, .attention_bias = bias, .qk_norm = qk_norm, .tied = tied}};
    if (cli_dry_run()) {
        int64_t steps = sft_steps_per_epoch(&o, &input);
        log_info("would train on %lld sequences: %lld steps an epoch, at most %lld; vocabulary %lld", (long long)in.data->train.n, (long long)steps,
                 (long long)(steps * o.epochs), (long long)in.vocab->V);
        return 0;
    }
    SftResult result;
    MUST(sft_train(&o, &input, out, &result));
    MUST(vocab_save(in.vocab, out));
    MUST(write_summary(&in, &result));
    MUST(write_manifest(&in, &result));
    MUST(sft_finish(out));
    log_info("%s: best epoch %lld of %lld, valid HR@10 %.4f, NDCG@10 %.4f (%lld rows, beam %lld)", out, (long long)result.best_epoch, (long long)result.epochs,
             result.best_hr10, result.best_ndcg10, (long long)(o.valid_rows > 0 && o.valid_rows < in.data->valid.n ? o.valid_rows : in.data->valid.n), (long long)o.beam);
    be->destroy(be);
    arena_destroy(in.arena);
    return 0;
}
