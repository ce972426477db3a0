/* 10_evaluate.c -- stage 10: rank all items for the valid and test rows, and judge the rankings.
 *
 * In:  --data (02_preprocess), and either --sids (06_tokenize) with --model (08_sft or 09_grpo), or --run: a folder of ranking files (07_baseline), or one
 *      ranking file of the test rows (anyone's). Rankings of every origin are judged by the same code, eval/run.h and eval/metrics.h, which state the rules.
 * Out: valid.run, test.run, test.masked.run (of a model), metrics.json, ranks.npy, ranks.<split>.npy, manifest.json
 *
 * A model's lists are the best 20 items of a beam search in which every beam is a real item (rec/beam.h). test.masked: the search runs on the catalogue
 * without the items of the row's history; only with protocol leave-last-out, where no user repeats an item.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/hash.h"
#include "base/log.h"
#include "eval/evaluation.h"
#include "base/atomic.h"
#include "io/manifest.h"
#include "rec/beam_model.h"

static const char *data_dir, *sids_dir, *model_dir, *run_path, *out, *backend_name, *precision, *score_name, *tag;
static int64_t seed, threads, beam;

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder of 02_preprocess", NULL},
    {"sids", CLI_STR, &sids_dir, "", 0, 0, "DIR", "folder of 06_tokenize; needed with --model, gives --run its SID-level metrics", NULL},
    {"model", CLI_STR, &model_dir, "", 0, 0, "DIR", "folder of 08_sft or 09_grpo", NULL},
    {"run", CLI_STR, &run_path, "", 0, 0, "PATH", "judge ranking files instead: a folder, or one file of the test rows", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder", NULL},
    {"beam", CLI_INT, &beam, "20", 1, 100000, "", "beam width", NULL},
    {"score", CLI_ENUM, &score_name, "auto", 0, 0, "", "log-softmax over the vocabulary (mask), or over the allowed tokens (renorm); auto: as trained", "auto|mask|renorm"},
    {"tag", CLI_STR, &tag, "digr", 0, 0, "", "name in the ranking files", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 4294967295.0, "", "unused: nothing here is random; kept so that every stage has one", NULL},
    {"backend", CLI_ENUM, &backend_name, "cpu", 0, 0, "", "where the arithmetic runs", "cpu|ref|cuda"},
    {"precision", CLI_ENUM, &precision, "fp32", 0, 0, "", "of matrix products; bf16 is faster where the processor has it", "fp32|bf16"},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "0 = all cores", NULL},
    CLI_END};

typedef struct Job {
    Arena *arena;
    Dataset *data;
    Catalogue *catalogue; /* NULL without --sids */
    int32_t *group;       /* (N) items with the same RQ codes have the same number; NULL without --sids */
    BeamModel *model;     /* NULL with --run */
    Manifest *manifest;
    Evaluation ev;
} Job;

static int64_t first_with_codes(const Catalogue *c, int64_t item, int64_t *slots, int64_t n_slots)
{
    const int32_t *code = c->code + item * SID_MAX;
    uint64_t h = fnv1a64(code, (size_t)c->Q * sizeof *code);
    for (int64_t s = (int64_t)(h % (uint64_t)n_slots);; s = (s + 1) % n_slots) {
        if (slots[s] == 0) slots[s] = item + 1;
        if (memcmp(c->code + (slots[s] - 1) * SID_MAX, code, (size_t)c->Q * sizeof *code) == 0) return slots[s] - 1;
    }
}

/* group_items -- items that share their RQ codes (and are told apart by a suffix only) form a group. */
static Status group_items(Job *j)
{
    const char *path = arena_printf(j->arena, "%s/sids.index.json", sids_dir);
    TRY(catalogue_read(path, j->arena, j->data->N, &j->catalogue));
    int64_t N = j->data->N, n_slots = 2 * N + 1, *slots = ARENA_NEW(j->arena, int64_t, n_slots), *size = ARENA_NEW(j->arena, int64_t, N);
    j->group = ARENA_NEW(j->arena, int32_t, N);
    for (int64_t i = 0; i < N; i++) {
        j->group[i] = (int32_t)first_with_codes(j->catalogue, i, slots, n_slots);
        size[j->group[i]]++;
    }
    j->ev.has_sids = true;
    for (int64_t i = 0; i < N; i++) j->ev.n_collided_items += size[j->group[i]] > 1;
    if (j->model == NULL) manifest_input(j->manifest, path);
    return OK;
}

/* judge_file -- one ranking file, already on disk; every ranking is judged from its file. */
static Status judge_file(Job *j, const char *split, const char *path, const Rows *rows)
{
    Run *run;
    TRY(run_read(path, rows->n, j->data->N, j->arena, &run));
    const Judgement *d = evaluation_judge(&j->ev, split, run, rows->target, j->group, j->arena);
    j->ev.method = run->tag;
    log_info("%-11s %lld rows: HR@10 %.4f, NDCG@10 %.4f, HR@5 %.4f, NDCG@5 %.4f; %lld empty, %lld invalid, %lld duplicate", split, (long long)d->n_rows,
             d->value[METRIC_HR_10], d->value[METRIC_NDCG_10], d->value[METRIC_HR_5], d->value[METRIC_NDCG_5], (long long)d->n_empty_rows,
             (long long)d->n_invalid, (long long)d->n_duplicates);
    return OK;
}

static Status write_lists(Job *j, const char *split, const Rows *rows, int64_t k, const int32_t *item, const real *score)
{
    int64_t *n = ARENA_NEW(j->arena, int64_t, rows->n);
    for (int64_t r = 0; r < rows->n; r++)
        while (n[r] < k && item[r * k + n[r]] >= 0) n[r]++;
    const char *path = arena_printf(j->arena, "%s/%s.run", out, split);
    TRY(run_write(path, tag, rows->n, k, n, item, score));
    manifest_output(j->manifest, path);
    return judge_file(j, split, path, rows);
}

/* rank_split -- beam search over the rows of a split, its ranking file(s), and their metrics. */
static Status rank_split(Job *j, const char *split, const Rows *rows, const char *masked)
{
    int64_t k = beam < RUN_DEPTH ? beam : RUN_DEPTH;
    BeamScore score = strcmp(score_name, "auto") == 0 ? beam_model_score(j->model) : strcmp(score_name, "mask") == 0 ? BEAM_MASK : BEAM_RENORM;
    BeamSearch *s = beam_create(j->model->decoder, j->model->trie, &(BeamOptions){.width = beam, .top_k = k, .score = score, .unseen = masked != NULL,
                                                                                  .max_prompt = j->model->max_prompt});
    BeamResult r = {.item = ARENA_NEW(j->arena, int32_t, rows->n * k), .score = ARENA_NEW(j->arena, real, rows->n * k)};
    if (masked != NULL) {
        r.unseen_item = ARENA_NEW(j->arena, int32_t, rows->n * k);
        r.unseen_score = ARENA_NEW(j->arena, real, rows->n * k);
    }
    Progress progress;
    progress_begin(&progress, arena_printf(j->arena, "%s rows", split), rows->n, 0);
    double start = time_now_s();
    TRY(beam_rank_rows(s, &j->model->builder, rows, NULL, rows->n, &r, &progress));
    progress_end(&progress);
    log_info("%s: %.0f rows/s, beam %lld, %s scores", split, (double)rows->n / (time_now_s() - start), (long long)beam,
             score == BEAM_MASK ? "full-vocabulary" : "renormalised");
    beam_destroy(s);
    TRY(write_lists(j, split, rows, k, r.item, r.score));
    return masked != NULL ? write_lists(j, masked, rows, k, r.unseen_item, r.unseen_score) : OK;
}

static Status evaluate_model(Job *j)
{
    Backend *be;
    TRY(backend_open(backend_name, (int)threads, &be));
    TRY(backend_set_precision(be, precision));
    TRY(beam_model_open(be, model_dir, sids_dir, j->data->N, 0, false, j->arena, &j->model));
    beam_model_inputs(j->model, j->arena, j->manifest);
    TRY(group_items(j));
    j->ev.beam = beam;
    TRY(rank_split(j, "valid", &j->data->valid, NULL));
    TRY(rank_split(j, "test", &j->data->test, strcmp(j->data->protocol, "leave-last-out") == 0 ? "test.masked" : NULL));
    beam_model_close(j->model);
    be->destroy(be);
    return OK;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static Status evaluate_run(Job *j)
{
    if (*sids_dir != 0) TRY(group_items(j));
    bool folder = is_folder(run_path);
    const struct { const char *split; const Rows *rows; bool needed; } splits[] = {
        {"valid", &j->data->valid, false}, {"test", &j->data->test, true}, {"test.masked", &j->data->test, false}};
    for (int i = 0; i < 3; i++) {
        const char *path = folder ? arena_printf(j->arena, "%s/%s.run", run_path, splits[i].split) : run_path;
        if (!splits[i].needed && (!folder || !path_exists(path))) continue;
        TRY(judge_file(j, splits[i].split, path, splits[i].rows));
        manifest_input(j->manifest, path);
    }
    return OK;
}

static Status finish(Job *j)
{
    TRY(evaluation_write(&j->ev, out));
    manifest_output(j->manifest, arena_printf(j->arena, "%s/metrics.json", out));
    for (int i = 0; i < j->ev.n_splits; i++)
        manifest_output(j->manifest, arena_printf(j->arena, "%s/%s", out, evaluation_ranks_file(j->ev.split[i].split)));
    manifest_note_bool(j->manifest, "simulated", j->data->simulated);
    return manifest_end(j->manifest, out);
}

int main(int argc, char **argv)
{
    cli_parse("10_evaluate", "rank all items, and judge the rankings", options, argc, argv);
    bool model = *model_dir != 0;
    if (model == (*run_path != 0)) MUST(FAIL(E_USAGE, "give one of them", "either --model (with --sids) or --run is needed, not both"));
    if (model && *sids_dir == 0) MUST(FAIL(E_USAGE, "give the folder of 06_tokenize", "--model needs --sids"));
    Job j = {.arena = arena_create("10_evaluate")};
    MUST(dataset_load(data_dir, false, j.arena, &j.data));
    if (cli_dry_run()) {
        log_info("would judge %lld valid and %lld test rows over %lld items", (long long)j.data->valid.n, (long long)j.data->test.n, (long long)j.data->N);
        return 0;
    }
    MUST(dir_make(out));
    (void)unlink(arena_printf(j.arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    j.ev = (Evaluation){.dataset = j.data->name, .label = j.data->label, .protocol = j.data->protocol, .simulated = j.data->simulated, .N = j.data->N,
                        .method = tag};
    j.manifest = manifest_begin("10_evaluate", cli_json(options));
    static const char *const files[] = {"meta.json", "valid.tsv", "test.tsv"};
    for (int i = 0; i < 3; i++) manifest_input(j.manifest, arena_printf(j.arena, "%s/%s", data_dir, files[i]));
    MUST(model ? evaluate_model(&j) : evaluate_run(&j));
    MUST(finish(&j));
    arena_destroy(j.arena);
    return 0;
}
