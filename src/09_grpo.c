/* 09_grpo.c -- stage 09: reinforcement of the SFT model by GRPO with the interest-aware reward (paper section on RL).
 *
 * In:  --data (02_preprocess: training sequences, valid rows for selection), --sids (06_tokenize), --labels (04_label: item quality q; "" = q 0),
 *      --model (08_sft)
 * Out: config.json, model.safetensors (the best weights by valid NDCG@10, the SFT start included), tokenizer files, sft.json (settings of the start),
 *      log.tsv (every step), grpo.json (SFT, best and last on the same valid rows), manifest.json
 *
 * Deviations from the paper: see rec/grpo_train.c. Test rows are not read.
 */
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "io/manifest.h"
#include "rec/grpo_train.h"

static const char *data_dir, *sids_dir, *labels_dir, *model_dir, *out, *backend_name, *precision, *ratio_name, *method_name;
static int64_t seed, threads;
static GrpoTrainOptions o;

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder of 02_preprocess", NULL},
    {"sids", CLI_STR, &sids_dir, NULL, 0, 0, "DIR", "folder of 06_tokenize", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "folder of 04_label, for the quality of items; absent: q = 0", NULL},
    {"model", CLI_STR, &model_dir, NULL, 0, 0, "DIR", "folder of 08_sft", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder; continues an interrupted run", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 4294967295.0, "", "seed of every random choice", NULL},
    {"steps", CLI_INT, &o.steps, "100", 1, 1000000, "", "rollout steps", NULL},
    {"prompts", CLI_INT, &o.prompts, "64", 1, 65536, "", "prompts a step", NULL},
    {"group", CLI_INT, &o.G, "8", 2, 1024, "", "completions a prompt (G)", NULL},
    {"updates", CLI_INT, &o.updates, "1", 1, 100, "", "optimiser steps on each batch of rollouts", NULL},
    {"rollout", CLI_ENUM, &method_name, "sample", 0, 0, "", "independent draws, or the G best of a beam search", "sample|beam"},
    {"temperature", CLI_REAL, &o.temperature, "1", 0.01, 100, "", "of the policy: sampling, ratio and KL", NULL},
    {"ratio", CLI_ENUM, &ratio_name, "token", 0, 0, "", "importance ratio by token, or by sequence (GSPO)", "token|sequence"},
    {"epsilon", CLI_REAL, &o.loss.epsilon, "0.2", 1e-6, 10, "", "clip of the ratio", NULL},
    {"kl", CLI_REAL, &o.loss.beta, "1e-3", 0, 100, "", "weight of the KL to the SFT model", NULL},
    {"alpha", CLI_REAL, &o.reward.alpha, "0.5", 0, 100, "", "reward: weight of q * exact", NULL},
    {"lambda-valid", CLI_REAL, &o.reward.valid, "0.1", 0, 100, "", "reward: weight of a valid item", NULL},
    {"lambda-pref", CLI_REAL, &o.reward.pref, "0.3", 0, 100, "", "reward: weight of the common prefix, LCP/levels", NULL},
    {"lr", CLI_REAL, &o.lr, "1e-5", 0, 1, "", "peak learning rate", NULL},
    {"min-lr-ratio", CLI_REAL, &o.min_lr_ratio, "0.1", 0, 1, "", "end of the cosine; 1 = constant after warm-up", NULL},
    {"warmup", CLI_INT, &o.warmup_steps, "5", 0, 1000000, "steps", "linear warm-up", NULL},
    {"weight-decay", CLI_REAL, &o.weight_decay, "0", 0, 100, "", "decoupled, matrices only", NULL},
    {"clip", CLI_REAL, &o.clip, "1", 0, 1000, "", "gradient norm; 0 = off", NULL},
    {"batch-tokens", CLI_INT, &o.batch_tokens, "8192", 64, 1048576, "tokens", "of a micro-batch", NULL},
    {"eval-every", CLI_INT, &o.eval_every, "20", 1, 1000000, "steps", "between evaluations", NULL},
    {"valid-rows", CLI_INT, &o.valid_rows, "2000", 0, 1e9, "rows", "of the validation subset (that of 08_sft); 0 = all", NULL},
    {"beam", CLI_INT, &o.beam, "20", 10, 1000, "", "beam width of validation", NULL},
    {"checkpoint-every", CLI_INT, &o.checkpoint_every, "20", 1, 1000000, "steps", "between checkpoints", NULL},
    {"backend", CLI_ENUM, &backend_name, "cpu", 0, 0, "", "where the arithmetic runs", "cpu|ref|cuda"},
    {"precision", CLI_ENUM, &precision, "fp32", 0, 0, "", "of matrix products; bf16 is faster where the processor has it", "fp32|bf16"},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    CLI_END};

typedef struct Inputs {
    Arena *arena;
    const char *labels; /* file; NULL without labels */
    Dataset *data;
    BeamModel *policy, *reference;
    double *quality;
} Inputs;

static Status load(Inputs *in, Backend *be)
{
    in->arena = arena_create("09_grpo");
    in->labels = *labels_dir != 0 ? arena_printf(in->arena, "%s/labels.jsonl", labels_dir) : NULL;
    TRY(dataset_load(data_dir, false, in->arena, &in->data));
    in->quality = ARENA_NEW(in->arena, double, in->data->N);
    if (in->labels != NULL) {
        int64_t unknown;
        TRY(grpo_read_quality(in->labels, in->data->N, in->arena, &in->quality, &unknown));
        log_info("item quality known for %lld of %lld items; the others count q = 0", (long long)(in->data->N - unknown), (long long)in->data->N);
    } else {
        log_info("no labels: the alpha * q * exact term is 0");
    }
    TRY(beam_model_open(be, model_dir, sids_dir, in->data->N, o.batch_tokens, true, in->arena, &in->policy));
    TRY(beam_model_open(be, model_dir, sids_dir, in->data->N, 0, false, in->arena, &in->reference));
    if (o.batch_tokens < in->policy->max_prompt + SID_MAX)
        return FAIL(E_USAGE, "raise --batch-tokens", "a prompt and its completion may need %lld tokens", (long long)(in->policy->max_prompt + SID_MAX));
    return OK;
}

static int list_inputs(const Inputs *in, const char **path)
{
    int n = 0;
    static const char *const data[] = {"meta.json", "train.tsv", "valid.tsv"}, *const model[] = {"config.json", "model.safetensors", "vocab.json", "sft.json"};
    for (int i = 0; i < 3; i++) path[n++] = arena_printf(in->arena, "%s/%s", data_dir, data[i]);
    for (int i = 0; i < 4; i++) path[n++] = arena_printf(in->arena, "%s/%s", model_dir, model[i]);
    path[n++] = arena_printf(in->arena, "%s/sids.index.json", sids_dir);
    if (in->labels != NULL) path[n++] = in->labels;
    return n;
}

/* Options (but for where and with how many threads) and contents of the inputs: what a checkpoint must agree with. */
static Status make_fingerprint(const Inputs *in, char hex[SHA256_HEX])
{
    const char *path[10];
    int n = list_inputs(in, path);
    Sha256 *h = sha256_begin();
    cJSON *tree = cli_json(options);
    static const char *const places[] = {"out", "threads", "data", "sids", "labels", "model"};
    for (int i = 0; i < 6; i++) cJSON_DeleteItemFromObjectCaseSensitive(tree, places[i]);
    char *text = cJSON_PrintUnformatted(tree);
    sha256_add_field(h, text);
    cJSON_free(text);
    cJSON_Delete(tree);
    Status status = OK;
    for (int i = 0; i < n && status == OK; i++) {
        char file[SHA256_HEX];
        status = sha256_file(path[i], file, NULL);
        if (status == OK) sha256_add_field(h, file);
    }
    sha256_finish(h, hex);
    return status;
}

static Status write_summary(const Inputs *in, const GrpoTrainResult *r)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "dataset", in->data->name);
    cJSON_AddBoolToObject(tree, "simulated", in->data->simulated);
    cJSON_AddNumberToObject(tree, "steps", (double)r->steps);
    cJSON_AddNumberToObject(tree, "valid_rows", (double)r->n_valid);
    cJSON_AddNumberToObject(tree, "beam", (double)o.beam);
    const struct { const char *name; double ndcg10, hr10; } points[] = {
        {"sft", r->sft_ndcg10, r->sft_hr10}, {"best", r->best_ndcg10, r->best_hr10}, {"last", r->last_ndcg10, r->last_hr10}};
    for (int i = 0; i < 3; i++) {
        cJSON *point = cJSON_AddObjectToObject(tree, points[i].name);
        cJSON_AddNumberToObject(point, "valid_NDCG@10", points[i].ndcg10);
        cJSON_AddNumberToObject(point, "valid_HR@10", points[i].hr10);
    }
    cJSON_AddNumberToObject(tree, "best_step", (double)r->best_step);
    cJSON_AddBoolToObject(tree, "kept_sft", r->best_step == 0);
    Status status = json_write_file(arena_printf(in->arena, "%s/grpo.json", out), tree);
    cJSON_Delete(tree);
    return status;
}

static Status write_manifest(const Inputs *in, const GrpoTrainResult *r)
{
    const char *path[10];
    int n = list_inputs(in, path);
    Manifest *m = manifest_begin("09_grpo", cli_json(options));
    for (int i = 0; i < n; i++) manifest_input(m, path[i]);
    static const char *const outputs[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json", "sft.json", "log.tsv",
                                          "grpo.json"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) manifest_output(m, arena_printf(in->arena, "%s/%s", out, outputs[i]));
    manifest_note_bool(m, "simulated", in->data->simulated);
    manifest_note_number(m, "best_step", (double)r->best_step);
    manifest_note_number(m, "valid_NDCG@10", r->best_ndcg10);
    manifest_note_number(m, "sft_valid_NDCG@10", r->sft_ndcg10);
    return manifest_end(m, out);
}

static void report(const GrpoTrainResult *r)
{
    log_info("valid NDCG@10 (%lld rows, beam %lld): SFT %.4f, best %.4f, last %.4f; HR@10: %.4f, %.4f, %.4f", (long long)r->n_valid, (long long)o.beam,
             r->sft_ndcg10, r->best_ndcg10, r->last_ndcg10, r->sft_hr10, r->best_hr10, r->last_hr10);
    if (r->best_step == 0) {
        log_info("no step beat the SFT model on the valid rows: the model kept is the SFT model");
    } else {
        log_info("kept the weights of step %lld of %lld", (long long)r->best_step, (long long)r->steps);
    }
}

int main(int argc, char **argv)
{
    cli_parse("09_grpo", "reinforcement of the SFT model by GRPO", options, argc, argv);
    o.seed = (uint64_t)seed;
    o.loss.ratio = strcmp(ratio_name, "token") == 0 ? GRPO_TOKEN : GRPO_SEQUENCE;
    o.method = strcmp(method_name, "sample") == 0 ? ROLLOUT_SAMPLE : ROLLOUT_BEAM;
    if (o.method == ROLLOUT_BEAM && (o.temperature < 1 || o.temperature > 1))
        MUST(FAIL(E_USAGE, "leave --temperature at 1 with --rollout beam", "a beam search has no temperature"));
    Backend *be;
    MUST(backend_open(backend_name, (int)threads, &be));
    MUST(backend_set_precision(be, precision));
    Inputs in = {0};
    MUST(load(&in, be));
    if (cli_dry_run()) {
        log_info("would take %lld steps of %lld prompts x %lld completions, %lld evaluations", (long long)o.steps, (long long)o.prompts, (long long)o.G,
                 (long long)(o.steps / o.eval_every + 1));
        return 0;
    }
    char fingerprint[SHA256_HEX];
    MUST(make_fingerprint(&in, fingerprint));
    (void)unlink(arena_printf(in.arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    GrpoTrainInput input = {.be = be, .data = in.data, .policy = in.policy, .reference = in.reference, .quality = in.quality, .fingerprint = fingerprint};
    GrpoTrainResult result;
    MUST(grpo_train(&o, &input, out, &result));
    MUST(beam_model_copy_extras(in.policy, in.arena, out));
    MUST(write_summary(&in, &result));
    MUST(write_manifest(&in, &result));
    MUST(grpo_train_finish(out));
    report(&result);
    beam_model_close(in.policy);
    beam_model_close(in.reference);
    be->destroy(be);
    arena_destroy(in.arena);
    return 0;
}
