/* 03_mine -- MLIM: the ensemble's recorded answers -> merged deep interests of every item.
 *
 * --mode replay (default)  in: a data set folder, cache/responses, paper/prompts   out: interests.jsonl, coverage.json, manifest.json
 * --mode import            answers collected outside (a file keyed by item) -> appended to a file of cache/responses
 * --mode verify            every frame, every key recomputed from today's templates and item texts, every response parsed; exit 3 on a difference
 * --mode show              one item's prompts, recorded answers and merged interests, on stdout
 *
 * This program never opens a socket: it works on recorded answers only and cannot ask a model anything.
 *
 * Deviations from the paper:
 * 1. The answers at hand are one model's, asked in three ways; agreement among them is weaker evidence than among different models.
 * 2. How the paper joins and ranks the members' interests is not published; llm/merge.h says how it is done here. */
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/manifest.h"
#include "llm/answerfile.h"
#include "llm/mine.h"

static const char *mode, *data_dir, *responses_path, *prompts_dir, *set, *members, *strategy, *on_missing, *on_drift, *out;
static const char *answers, *template_id, *model, *date, *item_name;
static bool with_prompts;
static int64_t top;

static const CliOption options[] = {
    {"mode", CLI_ENUM, &mode, "replay", 0, 0, "", "what to do", "replay|import|verify|show"},
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder written by 02_preprocess", NULL},
    {"set", CLI_STR, &set, NULL, 0, 0, "NAME", "set the answers belong to, e.g. industrial, sample-beauty", NULL},
    {"responses", CLI_STR, &responses_path, "cache/responses", 0, 0, "PATH", "recorded answers: a folder, or one .jsonl.zst file (import: the file to extend)", NULL},
    {"prompts", CLI_STR, &prompts_dir, "paper/prompts", 0, 0, "DIR", "templates and ensemble.json", NULL},
    {"members", CLI_STR, &members, "claude:mine/v1", 0, 0, "LIST", "ensemble, model:template separated by commas", NULL},
    {"strategy", CLI_STR, &strategy, "union", 0, 0, "", "union | agree>=N | single:MEMBER", NULL},
    {"top", CLI_INT, &top, "8", 1, 64, "", "interests kept per item (K)", NULL},
    {"on-missing", CLI_ENUM, &on_missing, "refuse", 0, 0, "", "an item without a recorded answer: stop with exit 3, or go on without it", "refuse|skip"},
    {"on-drift", CLI_ENUM, &on_drift, "use", 0, 0, "", "an answer to an earlier wording of the item's text: use and count it, or treat it as missing", "use|refuse"},
    {"out", CLI_STR, &out, "", 0, 0, "DIR", "replay: output folder", NULL},
    {"answers", CLI_STR, &answers, "", 0, 0, "FILE", "import: answers, one JSON object a line", NULL},
    {"template", CLI_STR, &template_id, "", 0, 0, "ID", "import: template the answers were given to, e.g. mine/v1", NULL},
    {"model", CLI_STR, &model, "claude", 0, 0, "", "import: model that answered", NULL},
    {"date", CLI_STR, &date, "", 0, 0, "", "import: when, e.g. 2026-11", NULL},
    {"item", CLI_STR, &item_name, "", 0, 0, "ID", "show: raw id or item index", NULL},
    {"with-prompts", CLI_FLAG, &with_prompts, "1", 0, 1, "", "show: print the rendered prompts too", NULL},
    CLI_END};

static Status need(const char *value, const char *flag) {
    if (*value) return OK;
    return FAIL(E_USAGE, "see `03_mine --help`", "03_mine: --mode %s needs --%s", mode, flag);
}

static Status settings_make(const Ensemble *e, Arena *arena, MineSettings *s) {
    *s = (MineSettings){.set = set, .top = (int)top, .refuse_missing = strcmp(on_missing, "refuse") == 0, .refuse_drift = strcmp(on_drift, "refuse") == 0};
    return mine_members(members, strategy, prompts_dir, e, arena, s);
}

static void log_member(const Member *m, const MemberCoverage *c, int64_t N) {
    if (!m->prompt) {
        log_info("%s: rules, no language model: %lld interests on %lld of %lld items", m->name, (long long)c->interests, (long long)c->by_rule, (long long)N);
        return;
    }
    log_info("%s: %lld of %lld items answered, %lld by key, %lld for an earlier text; %lld missing, %lld refused for drift, %lld malformed; %lld interests", m->name,
             (long long)(c->by_key + c->by_identity), (long long)N, (long long)c->by_key, (long long)c->by_identity, (long long)c->missing,
             (long long)c->drift_refused, (long long)c->malformed, (long long)c->interests);
    for (int k = 0; k < N_NOTES; k++)
        if (c->notes[k]) log_warn("%s: slightly off, taken as given: %s (%lld)", m->name, answer_note_name((AnswerNote)k), (long long)c->notes[k]);
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
    return manifest_end(m, out);
}

static Status replay(const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena) {
    MineSettings s;
    Mined mined;
    TRY(need(out, "out"));
    TRY(settings_make(e, arena, &s));
    if (cli_dry_run()) return log_info("would look up %lld items x %d members", (long long)d->N, s.n_members), OK;
    Status status = mine_replay(d, cache, e, &s, arena, &mined);
    for (int m = 0; m < s.n_members; m++) log_member(&s.members[m], &mined.coverage[m], d->N);
    for (int64_t k = 0; k < mined.n_malformed && k < 10; k++)
        log_warn("item %lld (%s), %s: malformed: %s", (long long)mined.malformed[k].item, d->text[mined.malformed[k].item].id,
                 s.members[mined.malformed[k].member].name, mined.malformed[k].why);
    TRY(status);
    int64_t kept = 0, with = 0;
    for (int64_t i = 0; i < d->N; i++) {
        kept += mined.items[i].n;
        with += mined.items[i].n > 0;
    }
    log_info("%lld interests given, %lld joined to an equal one, %lld below the agreement asked for, %lld beyond the top %lld: %lld kept, on %lld of %lld items",
             (long long)mined.merge.given, (long long)mined.merge.joined, (long long)mined.merge.below_agreement, (long long)mined.merge.beyond_top, (long long)top,
             (long long)kept, (long long)with, (long long)d->N);
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

static Status verify(const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena) {
    VerifyCount count;
    Status status = mine_verify(d, cache, e, prompts_dir, set, arena, &count);
    log_info("set %s: %lld answers; %lld keys recomputed and equal, %lld drifted, %lld malformed, %lld of items outside the data set", set, (long long)count.of_set,
             (long long)count.right, (long long)count.drifted, (long long)count.malformed, (long long)count.absent);
    return status;
}

static Status show(const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena) {
    MineSettings s;
    TRY(need(item_name, "item"));
    TRY(settings_make(e, arena, &s));
    int64_t item = -1;
    for (int64_t i = 0; i < d->N && item < 0; i++)
        if (strcmp(d->text[i].id, item_name) == 0 || strcmp(arena_printf(arena, "%lld", (long long)i), item_name) == 0) item = i;
    if (item < 0) return FAIL(E_INPUT, "give a raw id, or an index of items.jsonl", "%s: no item \"%s\"", data_dir, item_name);
    return mine_show(d, item, cache, e, &s, with_prompts, arena);
}

static Status run(Arena *arena) {
    Dataset *d;
    Ensemble *e;
    Responses *cache;
    TRY(ensemble_load(prompts_dir, arena, &e));
    TRY(dataset_load(data_dir, true, arena, &d));
    if (strcmp(mode, "import") == 0) return import(d, e, arena);
    TRY(responses_open(responses_path, arena, &cache));
    const ResponsesReport *r = responses_report(cache);
    log_info("%s: %lld recorded answers in %lld frames of %lld files; %lld superseded, %lld bytes of torn ends dropped", responses_path, (long long)r->n_records,
             (long long)r->n_frames, (long long)r->n_files, (long long)r->n_superseded, (long long)r->torn_bytes);
    if (strcmp(mode, "verify") == 0) return verify(d, cache, e, arena);
    if (strcmp(mode, "show") == 0) return show(d, cache, e, arena);
    return replay(d, cache, e, arena);
}

int main(int argc, char **argv) {
    cli_parse("03_mine", "recorded answers of language models -> deep interests of every item", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
