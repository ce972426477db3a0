/* tests/test_embedder.c -- vectors of a model, from asking to 05_embed: recorded (killed, resumed, in another file), replayed without a network, refused when a text has changed. */
#include <fcntl.h>
#include <math.h>

#include "base/json.h"
#include "eval/evaluation.h"
#include "eval/sections.h"
#include "io/npy.h"
#include "llm/drift.h"
#include "no_sockets.h"
#include "record_support.h"
#include "sid/embedder.h"

static RecordWorld w;
static const char *data, *providers;

static void setup(void) {
    record_world_begin(&w, API_OPENAI);
    data = support_path(&w.base, "data");
    providers = support_path(&w.base, "providers.json");
    ck_assert_int_eq(system(arena_printf(w.base.arena, "cp -r " FIXTURE "/data '%s'", data)), 0);
    /* labelled interests of the six items, a good one (the same for three items) and a bad one each */
    static const char *const members[] = {"m"};
    Interest z[6][2];
    ItemInterests items[6];
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 2; j++)
            z[i][j] = (Interest){.text = arena_printf(w.base.arena, j == 0 ? "good use %d" : "bad use %d", j == 0 ? i / 3 : i), .facet = FACET_GOAL, .has_confidence = true,
                                 .confidence = 0.5, .n_agree = 1, .members = members, .has_label = true, .score = 0.9 - 0.8 * j, .label = 1 - j};
        items[i] = (ItemInterests){.n = 2, .at = z[i], .has_quality = true, .quality = 0.5};
    }
    MUST(dir_make(support_path(&w.base, "labels")));
    MUST(interests_save(support_path(&w.base, "labels/labels.jsonl"), items, 6, true));
}

static void serve(void) {
    record_world_serve(&w);
    const char *text = arena_printf(w.base.arena, "{\"providers\": {\"mock\": {\"style\": \"openai\", \"base_url\": \"%s\", \"key_env\": \"" RECORD_KEY_ENV "\", \"models\": {"
                                        "\"emb\": {\"kind\": \"embedding\", \"usd_per_million_in\": 1, \"price_source\": \"a test\", \"texts_per_request\": 2}}}}}", mock_url(w.server, "/v1"));
    support_write(providers, text, strlen(text));
}

static void teardown(void) { record_world_end(&w); }

static int64_t requests(void) { return mock_shared(w.server)[LLM_N_REQUESTS]; }

static int record(const char *file, const char *more, char **text) {
    return support_run(&w.base, arena_printf(w.base.arena, "03_record --data '%s' --set mini --providers '%s' --model emb --template embed/full-v1 --labels '%s/labels' --responses '%s/%s' "
                                             "--out '%s/out' --retry-wait 0.01 %s", data, providers, w.base.dir, w.base.dir, file, w.base.dir, more), text);
}

static int embed(const char *file, const char *more, char **text) {
    return support_run(&w.base, arena_printf(w.base.arena, "05_embed --data '%s' --set mini --providers '%s' --embedder recorded --model emb --labels '%s/labels' --embeddings '%s/%s' "
                                             "--out '%s/e' %s", data, providers, w.base.dir, w.base.dir, file, w.base.dir, more), text);
}

/* embeddings.npy holds the mock's vector of each item's text, to the bit; an item without text has zeros. */
static void expect_vectors(InterestUse use) {
    Dataset *d;
    ItemInterests *interests;
    float *at;
    int64_t rows, dim;
    MUST(dataset_load(data, true, w.base.arena, &d));
    MUST(interests_load(support_path(&w.base, "labels/labels.jsonl"), d->N, true, w.base.arena, &interests));
    MUST(npy_read_f32(support_path(&w.base, "e/embeddings.npy"), w.base.arena, &at, &rows, &dim));
    ck_assert(rows == d->N && dim == LLM_DIM);
    for (int64_t i = 0; i < rows; i++) {
        float want[LLM_DIM] = {0};
        const char *text = itemdoc_whole(&d->text[i], &interests[i], use, w.base.arena);
        if (use == INTERESTS_POSITIVE && *text) ck_assert(strstr(text, "good use") != NULL && strstr(text, "bad use") == NULL);
        if (*text) mock_llm_vector(text, want);
        ck_assert_msg(memcmp(want, at + i * dim, sizeof want) == 0, "item %lld", (long long)i);
    }
}

START_TEST(recorded_then_replayed_without_a_network) {
    char *text;
    w.llm.faults[LLM_500] = w.llm.faults[LLM_429] = w.llm.faults[LLM_WRONG_SCHEMA] = 0.1;
    serve();
    ck_assert_int_eq(record("v/mini.jsonl.zst", "--dry-run --max-usd 1", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "the texts of 6 of 6 items"));
    ck_assert_ptr_nonnull(strstr(text, "in 3 requests")); /* two a request: the provider's limit */
    ck_assert_int_eq(requests(), 0);
    ck_assert_int_eq(record("v/mini.jsonl.zst", "", &text), 2); /* it costs money: no cap, no request */
    ck_assert_ptr_nonnull(strstr(text, "--max-usd"));
    ck_assert_msg(record("v/mini.jsonl.zst", "--max-usd 1", &text) == 0, "%s", text);
    cJSON *ledger;
    MUST(json_read_file(support_path(&w.base, "out/ledger.json"), &ledger));
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(ledger, "total");
    ck_assert_int_eq((int64_t)json_opt_number(total, "answered", 0), 5); /* two of the six have one text */
    ck_assert_int_eq((int64_t)json_opt_number(total, "requests", 0), requests());
    ck_assert(json_opt_number(total, "usd", 0) > 0);
    cJSON_Delete(ledger);
    int64_t before = requests();
    ck_assert_int_eq(record("v/mini.jsonl.zst", "--max-usd 1", &text), 0);
    ck_assert_int_eq(requests(), before);
    mock_stop(w.server);
    w.server = NULL;
    (void)unsetenv(RECORD_KEY_ENV);
    ck_assert_msg(embed("v/mini.jsonl.zst", "", &text) == 0, "%s", text);
    expect_vectors(INTERESTS_POSITIVE);
    ck_assert_int_eq(embed("v", "", &text), 0); /* a folder */
    expect_vectors(INTERESTS_POSITIVE);
    cJSON *info;
    MUST(json_read_file(support_path(&w.base, "e/embed.json"), &info));
    ck_assert_str_eq(json_opt_string(info, "method", ""), "recorded");
    ck_assert_str_eq(json_opt_string(info, "provider", ""), "mock");
    ck_assert_int_eq((int64_t)json_opt_number(info, "interests_used", 0), 6);
    cJSON_Delete(info);
    size_t n;
    ck_assert_ptr_nonnull(strstr(support_read(&w.base, support_path(&w.base, "e/manifest.json"), &n), "v/mini.jsonl.zst"));
    /* the same by hand, in a child that must not touch a socket */
    const char *bin = getenv("BIN"), *program = arena_printf(w.base.arena, "%s/05_embed", bin ? bin : "cache/build/bin");
    const char *const command[] = {program, "--quiet", "--data", data, "--set", "mini", "--provider", "mock", "--embedder", "recorded", "--model", "emb", "--labels",
                                   support_path(&w.base, "labels"), "--embeddings", support_path(&w.base, "v/mini.jsonl.zst"), "--out", support_path(&w.base, "e"), NULL};
    int control = run_without_sockets(NULL);
    if (control == -1) {
        fprintf(stderr, "skipped: seccomp filters are not permitted here\n");
        return;
    }
    ck_assert(WIFSIGNALED(control) && WTERMSIG(control) == SIGSYS);
    int state = run_without_sockets(command);
    ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "05_embed: state %x", (unsigned)state);
    expect_vectors(INTERESTS_POSITIVE);
}
END_TEST

START_TEST(killed_and_resumed) {
    w.llm.delay_ms = 150;
    serve();
    const char *bin = getenv("BIN"), *program = arena_printf(w.base.arena, "%s/03_record", bin ? bin : "cache/build/bin");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)execl(program, program, "--quiet", "--data", data, "--set", "mini", "--providers", providers, "--model", "emb", "--template", "embed/full-v1", "--labels",
                    support_path(&w.base, "labels"), "--responses", support_path(&w.base, "v.jsonl.zst"), "--out", support_path(&w.base, "out"), "--concurrency", "1", "--batch", "1",
                    "--max-usd", "1", (char *)NULL);
        _exit(78);
    }
    while (requests() < 4) ck_assert_msg(waitpid(child, NULL, WNOHANG) == 0 && usleep(1000) == 0, "it ended by itself");
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert(WIFSIGNALED(state));
    char *text;
    ck_assert_int_eq(embed("v.jsonl.zst", "", &text), 3); /* three answers are in the journal: not there yet */
    ck_assert_int_eq(record("v.jsonl.zst", "--max-usd 1", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "3 answers of an interrupted run taken over"));
    ck_assert_ptr_nonnull(strstr(text, "6 asked for: 4 in the cache already"));
    ck_assert_int_eq(requests(), 4 + 1); /* the one under way was lost; two texts are left, in one request */
    ck_assert_msg(embed("v.jsonl.zst", "", &text) == 0, "%s", text);
    expect_vectors(INTERESTS_POSITIVE);
}
END_TEST

/* The remedy of the message, run as it stands but for the ledger's place, records what is missing. */
static void run_remedy(const char *text, const char *more) {
    static const char end[] = " --out results/record --max-usd 1";
    const char *from = strchr(strstr(text, "fix: "), '`') + 1, *to = strchr(from, '`');
    ck_assert(to != NULL && (size_t)(to - from) > sizeof end && strncmp(to - (sizeof end - 1), end, sizeof end - 1) == 0);
    const char *command = arena_printf(w.base.arena, "%.*s --out '%s/out' --max-usd 1 %s >'%s/remedy.txt' 2>&1", (int)(to - from) - (int)(sizeof end - 1), from, w.base.dir, more, w.base.dir);
    ck_assert_msg(system(command) == 0, "%s", command);
}

START_TEST(missing_and_changed_texts_are_refused_with_the_command) {
    char *text;
    serve();
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "", &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "6 of 6 vectors of emb (embed/full-v1) are not recorded, the first for item A1"));
    ck_assert_int_eq(record("v/mini.jsonl.zst", "--max-usd 1 --items A1,A2,A5", &text), 0);
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "", &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "2 of 6 vectors of emb (embed/full-v1) are not recorded, the first for item A4")); /* "2" has the text of A2 */
    int64_t before = requests();
    run_remedy(text, "--dry-run");
    ck_assert_int_eq(requests(), before);
    run_remedy(text, "");
    ck_assert_msg(embed("v/mini.jsonl.zst", "", &text) == 0, "%s", text);
    expect_vectors(INTERESTS_POSITIVE);
    /* the title of one item reads differently, another loses its text */
    ck_assert_int_eq(system(arena_printf(w.base.arena, "sed -i 's/Knee Pads/Knee Cushions/' '%s/items.jsonl'", data)), 0);
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "", &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "1 of 6 vectors of emb (embed/full-v1) are not recorded, the first for item A6; 1 of them only for another text of the item than today's (item A6: title)"));
    /* other interests in the text are other texts */
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "--interests all", &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "6 of 6 vectors"));
    ck_assert_ptr_nonnull(strstr(text, "5 of them only for another text of the item than today's (item A1: interests)"));
    ck_assert_ptr_nonnull(strstr(text, "--with-interests all")); /* "2" had no record of its own */
    run_remedy(text, "");
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "--interests all", &text), 0);
    expect_vectors(INTERESTS_ALL);
    ck_assert_str_eq(drift_names("title=00a1 brand=00a2 caption=00a3", "title=00a1 brand=00a4 interests=00a5", w.base.arena), "brand, interests, caption");
    ck_assert_str_eq(drift_names("title=00a1", "title=00a1", w.base.arena), "");
    /* other names are other questions */
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "--interests all --template embed/other", &text), 3);
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "--interests all --provider somebody", &text), 3);
    ck_assert_int_eq(embed("v/mini.jsonl.zst", "--interests all --template mine/v1", &text), 2);
    ck_assert_int_eq(support_run(&w.base, arena_printf(w.base.arena, "05_embed --data '%s' --interests none --embeddings x.npy --out '%s/e'", data, w.base.dir), &text), 2);
    ck_assert_ptr_nonnull(strstr(text, "--embedder"));
    ck_assert_int_eq(record("v/mini.jsonl.zst", "--max-usd 1 --images x", &text), 2);
}
END_TEST

START_TEST(items_without_text_have_zeros) {
    char *text;
    serve();
    ck_assert_int_eq(system(arena_printf(w.base.arena, "sed -i 's/\"title\": \"Tuning Fork\"/\"title\": \"\"/; s/\"categories\": \"Music\"/\"categories\": \"\"/' '%s/items.jsonl'", data)), 0);
    ck_assert_int_eq(record("v.jsonl.zst", "--max-usd 1 --with-interests none --labels ''", &text), 2); /* an option twice */
    ck_assert_int_eq(record("v.jsonl.zst", "--max-usd 1 --with-interests none", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "1 items have no text"));
    ck_assert_msg(embed("v.jsonl.zst", "--interests none", &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "1 items have no text"));
    expect_vectors(INTERESTS_NONE);
}
END_TEST

/* A vector that another file holds is not asked for again; the file is only read. */
START_TEST(other_files_are_known) {
    char *text;
    serve();
    ck_assert_int_eq(record("a/one.jsonl.zst", "--max-usd 1 --items A1,A2", &text), 0);
    ck_assert_int_eq(record("b/two.jsonl.zst", "--max-usd 1 --items A5", &text), 0);
    int64_t before = requests();
    const char *known = arena_printf(w.base.arena, "--max-usd 1 --known '%s/a/one.jsonl.zst,%s/b'", w.base.dir, w.base.dir);
    ck_assert_msg(record("c/three.jsonl.zst", known, &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "are answered in other files than"));
    Responses *c;
    MUST(responses_open(support_path(&w.base, "c/three.jsonl.zst"), w.base.arena, &c));
    ck_assert_int_eq(responses_count(c) + 3, 6 - 1); /* "2" has the text of A2 */
    ck_assert_int_eq(requests(), before + 1);
    MUST(responses_open_list(arena_printf(w.base.arena, "%s/a,%s/b", w.base.dir, w.base.dir), support_path(&w.base, "c/three.jsonl.zst"), w.base.arena, &c));
    ck_assert_int_eq(responses_n_files(c), 3);
    ck_assert_int_eq(responses_count(c), 5);
    ck_assert_int_eq(record("c/three.jsonl.zst", arena_printf(w.base.arena, "%s,%s/c", known, w.base.dir), &text), 0); /* the own file among them: read once */
    ck_assert_ptr_nonnull(strstr(text, "6 asked for: 6 in the cache already"));
    ck_assert_int_eq(requests(), before + 1);
    ck_assert_int_eq(record("c/three.jsonl.zst", "--max-usd 1 --known /nowhere", &text), 3);
}
END_TEST

/* The report says where vectors come from, when it is not LSA. */
START_TEST(the_report_names_the_embedder) {
    static const struct { const char *method, *embed; } rows[] = {
        {"plain", "{\"method\": \"lsa\"}"}, {"model", "{\"method\": \"recorded\", \"model\": \"emb\", \"provider\": \"mock\"}"},
        {"file", "{\"method\": \"npy\", \"imported_from\": \"v.npy\"}"}, {"old", "{}"}};
    const char *dir = w.base.dir, *text = "";
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Evaluation ev = {.dataset = "mini", .label = "FIXTURE", .protocol = "leave-last-out", .N = 6, .method = rows[k].method, .n_splits = 1};
        ev.split[0] = (Judgement){.split = "test", .n_rows = 6, .n_predictions = 6 * RUN_DEPTH, .rank = ARENA_NEW(w.base.arena, int32_t, 6)};
        metrics_compute(ev.split[0].rank, 6, ev.split[0].value);
        const char *folder = arena_printf(w.base.arena, "%s/%s", dir, rows[k].method), *quality = "{\"distinct_tuples\": 6}";
        MUST(dir_make(folder));
        MUST(evaluation_write(&ev, folder));
        support_write(arena_printf(w.base.arena, "%s/embed.json", folder), rows[k].embed, strlen(rows[k].embed));
        support_write(arena_printf(w.base.arena, "%s/sid_quality.json", folder), quality, strlen(quality));
        text = arena_printf(w.base.arena, "%s%s{\"dataset\": \"mini\", \"dataset_label\": \"FIXTURE\", \"method\": \"%s\", \"method_label\": \"Row %s\", \"seed\": 1, \"table\": [\"main\"], \"data\": "
                            "\"%s\", \"evaluate\": \"%s\", \"tokenize\": \"%s\", \"embed\": \"%s\"}", text, k ? ", " : "", rows[k].method, rows[k].method, data, folder, folder, folder);
    }
    text = arena_printf(w.base.arena, "{\"run\": \"x\", \"title\": \"FIXTURE\", \"entries\": [%s]}", text);
    support_write(support_path(&w.base, "index.json"), text, strlen(text));
    Results *r;
    size_t n;
    const ReportOptions options = {.out = dir, .seed = 1};
    ck_assert_msg(results_load(support_path(&w.base, "index.json"), w.base.arena, &r) == OK, "%s", status_message());
    Doc *doc = doc_create(w.base.arena, "FIXTURE", "");
    ck_assert_msg(section_sids(doc, r, &options) == OK, "%s", status_message());
    MUST(doc_write_markdown(doc, support_path(&w.base, "section.md")));
    results_close(r);
    const char *section = support_read(&w.base, support_path(&w.base, "section.md"), &n);
    ck_assert_ptr_nonnull(strstr(section, "Row model: made from recorded vectors of the embedding model emb (mock)."));
    ck_assert_ptr_nonnull(strstr(section, "Row file: made from vectors of a file, v.npy."));
    ck_assert(strstr(section, "Row plain: made") == NULL && strstr(section, "Row old: made") == NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("embedder");
    TCase *t = tcase_create("embedder");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, recorded_then_replayed_without_a_network);
    tcase_add_test(t, killed_and_resumed);
    tcase_add_test(t, missing_and_changed_texts_are_refused_with_the_command);
    tcase_add_test(t, items_without_text_have_zeros);
    tcase_add_test(t, other_files_are_known);
    tcase_add_test(t, the_report_names_the_embedder);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
