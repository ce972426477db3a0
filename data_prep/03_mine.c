/* 03_mine -- MLIM: the ensemble's recorded answers -> merged deep interests of every item; and the tools of the cache of answers.
 *
 *   03_mine [replay] --data D --set S --out O   a data set folder, cache/responses, paper/prompts -> interests.jsonl, coverage.json, manifest.json
 *   03_mine import --answers FILE ...           answers collected outside (a file keyed by item) -> appended to a file of cache/responses
 *   03_mine merge A B... [--out C]              files of answers become one; without --out, A gets what it lacks
 *   03_mine verify [--data D --set S]           every frame, every response parsed, and, given a data set, every key recomputed from today's templates and texts;
 *                                               exit 3 on a difference; --out FILE writes the set's answers with the digests that explain a later drift
 *   03_mine show ITEM --data D --set S          one item's prompts, recorded answers, merged interests (and, with --labels, their labels), on stdout
 *   03_mine record ...                          asks a model: hands over to 03_record beside this program, with its options (see `03_record --help`)
 *
 * The command may also be written `--mode NAME`.
 * None of these but record opens a socket: they work on recorded answers only, and this program holds no code that could ask a model anything.
 *
 * Deviations from the paper:
 * 1. The answers at hand are one model's, asked in three ways; agreement among them is weaker evidence than among different models.
 * 2. How the paper joins and ranks the members' interests is not published; llm/merge.h says how it is done here. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/manifest.h"
#include "llm/answerfile.h"
#include "llm/cachemerge.h"
#include "llm/mine.h"

static const char *mode, *data_dir, *responses_path, *prompts_dir, *set, *members, *strategy, *on_missing, *on_drift, *out;
static const char *answers, *template_id, *model, *date, *item_name, *labels_dir, *on_conflict;
static int n_words; /* of the command line that follow the command: files to merge, an item to show */
static const char *const *words;
static bool with_prompts;
static int64_t top;

static const CliOption options[] = {
    {"mode", CLI_ENUM, &mode, "replay", 0, 0, "", "what to do (record: see 03_record --help)", "replay|import|merge|verify|show|record"},
    {"data", CLI_STR, &data_dir, "", 0, 0, "DIR", "data set folder written by 02_preprocess", NULL},
    {"set", CLI_STR, &set, "", 0, 0, "NAME", "set the answers belong to, e.g. industrial, sample-beauty", NULL},
    {"responses", CLI_STR, &responses_path, "cache/responses", 0, 0, "PATH", "recorded answers: a folder, or one .jsonl.zst file (import: the file to extend)", NULL},
    {"prompts", CLI_STR, &prompts_dir, "paper/prompts", 0, 0, "DIR", "templates and ensemble.json", NULL},
    {"members", CLI_STR, &members, "claude:mine/v1", 0, 0, "LIST", "ensemble: model:template, or rules:offline/v1, separated by commas", NULL},
    {"strategy", CLI_STR, &strategy, "union", 0, 0, "", "union | agree>=N | single:MEMBER", NULL},
    {"top", CLI_INT, &top, "8", 1, 64, "", "interests kept per item (K)", NULL},
    {"on-missing", CLI_ENUM, &on_missing, "refuse", 0, 0, "", "an item without a recorded answer: stop with exit 3, or go on without it", "refuse|skip"},
    {"on-drift", CLI_ENUM, &on_drift, "use", 0, 0, "", "an answer to an earlier wording of the item's text: use and count it, or treat it as missing", "use|refuse"},
    {"out", CLI_STR, &out, "", 0, 0, "PATH", "replay: output folder; merge: the file to write; verify: write the set's answers there, with digests of what their prompts are made of", NULL},
    {"answers", CLI_STR, &answers, "", 0, 0, "FILE", "import: answers, one JSON object a line", NULL},
    {"template", CLI_STR, &template_id, "", 0, 0, "ID", "import: template the answers were given to, e.g. mine/v1", NULL},
    {"model", CLI_STR, &model, "claude", 0, 0, "", "import: model that answered", NULL},
    {"date", CLI_STR, &date, "", 0, 0, "", "import: when, e.g. 2026-11", NULL},
    {"item", CLI_STR, &item_name, "", 0, 0, "ID", "show: raw id or item index", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "show: folder written by 04_label", NULL},
    {"on-conflict", CLI_ENUM, &on_conflict, "refuse", 0, 0, "", "merge: two answers to one prompt: stop with exit 3, or keep the earlier or the later input's", "refuse|first|last"},
    {"with-prompts", CLI_FLAG, &with_prompts, "1", 0, 1, "", "show: print the rendered prompts too", NULL},
    CLI_END};

static Status need(const char *value, const char *flag) {
    if (*value) return OK;
    return FAIL(E_USAGE, "see `03_mine --help`", "03_mine %s needs --%s", mode, flag);
}

static Status settings_make(const Ensemble *e, Arena *arena, MineSettings *s) {
    *s = (MineSettings){.set = set, .top = (int)top, .refuse_missing = strcmp(on_missing, "refuse") == 0, .refuse_drift = strcmp(on_drift, "refuse") == 0};
    return mine_members(members, strategy, prompts_dir, e, arena, s);
}

static Status write_mined(const Dataset *d, const Responses *cache, const MineSettings *s, const Mined *mined, Arena *arena) {
    const char *interests = arena_printf(arena, "%s/interests.jsonl", out), *coverage = arena_printf(arena, "%s/coverage.json", out);
    TRY(dir_make(out));
    (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    TRY(interests_save(interests, mined->items, d->N, false));
    cJSON *tree = mine_coverage(d, s, mined);
    Status status = json_write_file(coverage, tree);
    cJSON_Delete(tree);
    TRY(status);
    Manifest *m = manifest_begin("03_mine", cli_json(options));
    manifest_input(m, arena_printf(arena, "%s/items.jsonl", data_dir));
    for (int64_t f = 0; f < responses_n_files(cache); f++) manifest_input(m, responses_file(cache, f));
    for (int k = 0; k < s->n_members; k++)
        if (s->members[k].prompt) manifest_input(m, s->members[k].prompt->path);
    manifest_output(m, interests);
    manifest_output(m, coverage);
    manifest_note_bool(m, "simulated", d->simulated);
    int64_t drifted = 0, missing = 0, refused = 0;
    for (int k = 0; k < s->n_members; k++) {
        drifted += mined->coverage[k].by_identity;
        missing += mined->coverage[k].missing;
        refused += mined->coverage[k].drift_refused;
    }
    manifest_note_number(m, "answers_for_an_earlier_text", (double)drifted);
    manifest_note_number(m, "answers_refused_for_drift", (double)refused);
    manifest_note_number(m, "answers_missing", (double)missing);
    manifest_note_number(m, "answers_malformed", (double)mined->n_malformed);
    if (mined->n_drifted) manifest_note_json(m, "first_drifted", mine_drift_json(d, s, mined));
    return manifest_end(m, out);
}

static Status replay(const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena) {
    MineSettings s;
    Mined mined;
    TRY(need(out, "out"));
    TRY(settings_make(e, arena, &s));
    if (cli_dry_run()) return log_info("would look up %lld items x %d members", (long long)d->N, s.n_members), OK;
    Status status = mine_replay(d, cache, e, &s, arena, &mined);
    mine_log(d, &s, &mined);
    TRY(status);
    return write_mined(d, cache, &s, &mined, arena);
}

static Status import(const Dataset *d, const Ensemble *e, Arena *arena) {
    AnswerFile f = {answers, set, model, NULL, date, NULL};
    Template *t;
    Responses *cache = responses_empty(arena);
    Response *records;
    ImportCount count;
    TRY(need(answers, "answers"));
    TRY(need(template_id, "template"));
    TRY(need(date, "date"));
    TRY(ensemble_provider(e, model, &f.provider));
    TRY(template_load(prompts_dir, template_id, arena, &t));
    f.prompt = t;
    if (path_exists(responses_path)) TRY(responses_open(responses_path, arena, &cache));
    TRY(answerfile_import(&f, d, cache, e, arena, &records, &count));
    log_info("%s: %lld lines; %lld new, %lld already recorded, %lld of items outside the data set, %lld malformed", answers, (long long)count.lines,
             (long long)count.added, (long long)count.present, (long long)count.not_in_data, (long long)count.malformed);
    if (cli_dry_run() || count.added == 0) return OK;
    return responses_append(responses_path, records, count.added);
}

static Status merge(Arena *arena) {
    MergedCache count;
    OnConflict rule = strcmp(on_conflict, "first") == 0 ? CONFLICT_FIRST : strcmp(on_conflict, "last") == 0 ? CONFLICT_LAST : CONFLICT_REFUSE;
    if (cli_dry_run()) return log_info("would merge %d inputs into %s", n_words, *out ? out : n_words ? words[0] : "?"), OK;
    TRY(cache_merge(n_words, words, out, rule, arena, &count));
    log_info("%lld records in %lld inputs: %lld superseded, %lld in more than one input, %lld conflicts; %lld %s %s", (long long)count.read, (long long)count.inputs,
             (long long)count.superseded, (long long)count.identical, (long long)count.conflicts, (long long)count.written, *out ? "written to" : "appended to",
             *out ? out : words[0]);
    return OK;
}

static Status verify(const Responses *cache, const Ensemble *e, Arena *arena) {
    VerifyCount count;
    Dataset *d;
    if (!*data_dir && !*set) {
        TRY(mine_verify_responses(cache, prompts_dir, arena, &count));
        return log_info("%lld answers: every frame whole, every response well-formed; no key was recomputed (that takes --data and --set)", (long long)count.of_set), OK;
    }
    TRY(need(data_dir, "data"));
    TRY(need(set, "set"));
    TRY(dataset_load(data_dir, true, arena, &d));
    Status status = mine_verify(d, cache, e, prompts_dir, set, arena, &count);
    log_info("set %s: %lld answers; %lld keys recomputed and equal, %lld drifted, %lld malformed, %lld of items outside the data set", set, (long long)count.of_set,
             (long long)count.right, (long long)count.drifted, (long long)count.malformed, (long long)count.absent);
    if (*out && !cli_dry_run()) {
        int64_t n;
        TRY(mine_digest(d, cache, e, prompts_dir, set, out, arena, &n));
        log_info("%s: %lld answers, %lld of them with the digests of today's prompts", out, (long long)count.of_set, (long long)n);
    }
    return status;
}

static Status show(const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena) {
    MineSettings s;
    ItemInterests *labels = NULL;
    if (n_words == 1) item_name = words[0];
    TRY(need(item_name, "item"));
    TRY(settings_make(e, arena, &s));
    if (*labels_dir) TRY(interests_load(arena_printf(arena, "%s/labels.jsonl", labels_dir), d->N, true, arena, &labels));
    int64_t item = -1;
    for (int64_t i = 0; i < d->N && item < 0; i++)
        if (strcmp(d->text[i].id, item_name) == 0 || strcmp(arena_printf(arena, "%lld", (long long)i), item_name) == 0) item = i;
    if (item < 0) return FAIL(E_INPUT, "give a raw id, or an index of items.jsonl", "%s: no item \"%s\"", data_dir, item_name);
    return mine_show(d, item, cache, e, &s, with_prompts, labels ? &labels[item] : NULL, arena);
}

static Status run(Arena *arena) {
    Dataset *d = NULL;
    Ensemble *e;
    Responses *cache;
    if (n_words && strcmp(mode, "merge") != 0 && !(strcmp(mode, "show") == 0 && n_words == 1))
        return FAIL(E_USAGE, "see `03_mine --help`", "03_mine %s: unexpected argument '%s'", mode, words[0]);
    if (strcmp(mode, "merge") == 0) return merge(arena);
    TRY(ensemble_load(prompts_dir, arena, &e));
    bool is_verify = strcmp(mode, "verify") == 0;
    if (!is_verify) {
        TRY(need(data_dir, "data"));
        TRY(need(set, "set"));
        TRY(dataset_load(data_dir, true, arena, &d));
    }
    if (strcmp(mode, "import") == 0) return import(d, e, arena);
    TRY(responses_open(responses_path, arena, &cache));
    const ResponsesReport *r = responses_report(cache);
    log_info("%s: %lld recorded answers in %lld frames of %lld files; %lld superseded, %lld bytes of torn ends dropped", responses_path, (long long)r->n_records,
             (long long)r->n_frames, (long long)r->n_files, (long long)r->n_superseded, (long long)r->torn_bytes);
    responses_warn_journals(cache, -1);
    if (is_verify) return verify(cache, e, arena);
    if (strcmp(mode, "show") == 0) return show(d, cache, e, arena);
    return replay(d, cache, e, arena);
}

/* `03_mine merge A B --out C` is `03_mine --mode merge --out C` with the words A and B. Returns the number of arguments in `rest`. */
static int take_command(int argc, char **argv, char **rest, const char **found) {
    static char mode_flag[] = "--mode";
    int n = 0, i = 1;
    rest[n++] = argv[0];
    if (argc > 1 && argv[1][0] != '-') {
        rest[n++] = mode_flag;
        rest[n++] = argv[i++];
    }
    for (; n == 3 && i < argc && argv[i][0] != '-'; i++) found[n_words++] = argv[i];
    while (i < argc) rest[n++] = argv[i++];
    rest[n] = NULL;
    return n;
}

/* Becomes 03_record when asked to record; its options are its own. */
static void hand_over(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool two = strcmp(argv[i], "--mode") == 0 && i + 1 < argc && strcmp(argv[i + 1], "record") == 0;
        if (!two && strcmp(argv[i], "--mode=record") != 0 && !(i == 1 && strcmp(argv[i], "record") == 0)) continue;
        memmove(argv + i, argv + i + 1 + two, (size_t)(argc - i - two) * sizeof *argv); /* the NULL at the end comes along */
        Arena *arena = arena_create("command");
        const char *slash = strrchr(argv[0], '/');
        char *program = arena_printf(arena, "%.*s03_record", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
        argv[0] = program;
        (void)(slash ? execv(program, argv) : execvp(program, argv));
        MUST(FAIL(E_RESOURCE, "run `make build`", "%s: cannot be run: %s", program, strerror(errno)));
    }
}

int main(int argc, char **argv) {
    hand_over(argc, argv);
    Arena *arena = arena_create("run");
    char **rest = ARENA_NEW(arena, char *, argc + 2);
    const char **found = ARENA_NEW(arena, const char *, argc + 1);
    int n = take_command(argc, argv, rest, found);
    words = found;
    cli_parse("03_mine", "recorded answers of language models -> deep interests of every item. Commands: replay (default), import, merge A B..., verify, show ITEM", options, n, rest);
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
