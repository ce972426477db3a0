/* tests/test_record_stage.c -- 03_record as people run it: mining, photos, captions, judging, replay of what was recorded; a dry run, an interrupt, a proxy; the key in no
 * file and no line; vectors through the same cache. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/json.h"
#include "llm/embed.h"
#include "record_support.h"

static RecordWorld w;
static const char *providers, *prompts, *photos;

/* providers.json with the mock in all three styles, and a copy of the prompts whose ensemble.json knows its models. */
static void setup(void) {
    record_world_begin(&w, API_OPENAI);
    providers = support_path(&w.base, "providers.json");
    prompts = support_path(&w.base, "prompts");
    photos = support_path(&w.base, "photos");
    ck_assert_int_eq(system(arena_printf(w.base.arena, "cp -r paper/prompts '%s' && mkdir '%s'", prompts, photos)), 0);
    cJSON *tree;
    const char *path = arena_printf(w.base.arena, "%s/ensemble.json", prompts);
    MUST(json_read_file(path, &tree));
    static const char *const names[] = {"mock-o", "mock-a", "mock-g"};
    for (int k = 0; k < 3; k++) cJSON_AddStringToObject(cJSON_GetObjectItemCaseSensitive(tree, "models"), names[k], k == 0 ? "openai-mock" : k == 1 ? "anthropic-mock" : "gemini-mock");
    MUST(json_write_file(path, tree));
    cJSON_Delete(tree);
    for (int i = 0; i < 4; i++) { /* photos of four of the six items */
        const char *file = arena_printf(w.base.arena, "%s/%s.jpg", photos, w.base.d->text[i].id), *bytes = arena_printf(w.base.arena, "\xff\xd8\xff photo %d", i);
        support_write(file, bytes, strlen(bytes));
    }
}

static void serve(void) {
    record_world_serve(&w);
    static const char one[] = "\"%s-mock\": {\"style\": \"%s\", \"base_url\": \"%s\", \"key_env\": \"" RECORD_KEY_ENV "\", \"models\": {\"mock-%c\": {\"usd_per_million_in\": 1, "
                              "\"usd_per_million_out\": 2, \"price_source\": \"a test\", \"image\": true, \"image_tokens\": 500, \"image_tokens_source\": \"a test\", \"json_schema\": true, \"thinking\": true}}}";
    const char *text = "{\"providers\": {";
    for (int k = 0; k < 3; k++) {
        const char *style = provider_style_name((ApiStyle)k);
        text = arena_printf(w.base.arena, "%s%s%s", text, k ? ", " : "", arena_printf(w.base.arena, one, style, style, mock_url(w.server, k == API_GEMINI ? "/v1beta" : "/v1"), *style));
    }
    text = arena_printf(w.base.arena, "%s}}", text);
    support_write(providers, text, strlen(text));
}

static void teardown(void) { record_world_end(&w); }

static int64_t requests(void) { return mock_shared(w.server)[LLM_N_REQUESTS]; }

static int record_program(const char *program, const char *model, const char *template_id, const char *more, char **output) {
    const char *arguments = arena_printf(w.base.arena, "%s --data " FIXTURE "/data --set mini --providers '%s' --prompts '%s' --model %s --template %s --responses '%s/cache/mini.jsonl.zst' "
                                         "--out '%s/out' --retry-wait 0.01 %s", program, providers, prompts, model, template_id, w.base.dir, w.base.dir, more);
    return support_run(&w.base, arguments, output);
}

/* No file below the test's folder, and no text of any record, has the key; the providers' file and what programs printed are among them. */
static void expect_no_key(void) {
    const char *command = arena_printf(w.base.arena, "! grep -rqF -e '%s' -e '%.12s' '%s'", RECORD_KEY, RECORD_KEY, w.base.dir);
    ck_assert_msg(system(command) == 0, "the key is in a file");
    const char *file = support_path(&w.base, "cache/mini.jsonl.zst");
    if (!path_exists(file)) return;
    Responses *c;
    MUST(responses_open(file, w.base.arena, &c));
    for (int64_t i = 0; i < responses_count(c); i++) ck_assert_ptr_null(strstr(response_line(responses_at(c, i), w.base.arena), RECORD_KEY));
}

START_TEST(from_questions_to_replayed_interests) {
    w.llm.with_thinking = true;
    w.llm.faults[LLM_500] = 0.1;
    w.llm.faults[LLM_429] = 0.1;
    serve();
    char *text;
    static const char *const models[] = {"mock-o", "mock-a", "mock-g"};
    for (int k = 0; k < 3; k++) {
        ck_assert_msg(record_program(k == 1 ? "03_record" : k ? "03_mine record" : "03_mine --mode record", models[k], "mine/v1", "--max-usd 5", &text) == 0, "%s", text);
        ck_assert_ptr_nonnull(strstr(text, "estimate: "));
        ck_assert_ptr_nonnull(strstr(text, " 5 of 5 answered")); /* two of the six items have one text */
        expect_no_key();
    }
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, "03_mine verify --data " FIXTURE "/data --set mini --responses '%s/cache' --prompts '%s'", w.base.dir, prompts), &text) == 0, "%s", text);
    const char *replay = "03_mine --data " FIXTURE "/data --set mini --responses '%s/cache' --prompts '%s' --members mock-o:mine/v1,mock-a:mine/v1,mock-g:mine/v1 --out '%s/mined'";
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, replay, w.base.dir, prompts, w.base.dir), &text) == 0, "%s", text);
    ItemInterests *items;
    MUST(interests_load(support_path(&w.base, "mined/interests.jsonl"), 6, false, w.base.arena, &items));
    for (int i = 0; i < 6; i++) ck_assert(items[i].n >= 3 && items[i].at[0].n_agree == 3);
    const char *journal = support_path(&w.base, "cache/mini.jsonl.zst.journal"); /* a killed recording: replay says that there is more */
    support_write(journal, "{\"key\":", 7);
    ck_assert_int_eq(support_run(&w.base, arena_printf(w.base.arena, replay, w.base.dir, prompts, w.base.dir), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "mini.jsonl.zst.journal: newer answers"));
    /* judging what was mined */
    int64_t before = requests();
    ck_assert_msg(record_program("03_record", "mock-a", "judge/v1", arena_printf(w.base.arena, "--max-usd 5 --interests '%s/mined' --max-items 4", w.base.dir), &text) == 0, "%s", text);
    ck_assert_int_gt(requests(), before + 12);
    ck_assert(!path_exists(journal));
    ck_assert_int_ge(mock_shared(w.server)[LLM_N_SCHEMAS], 15);
    Responses *c;
    MUST(responses_open(support_path(&w.base, "cache"), w.base.arena, &c));
    int64_t labels = 0, origins = 0;
    for (int64_t i = 0; i < responses_count(c); i++) {
        const Response *r = responses_at(c, i);
        int label;
        ck_assert_str_eq(r->thinking, "First the thing, then its use.");
        if (strcmp(r->template_id, "judge/v1") != 0) continue;
        ck_assert(r->interest && r->origin && answer_parse_label(r->response, &label));
        labels++;
        origins += strcmp(r->origin, "mined") != 0;
    }
    ck_assert(labels > 12 && origins >= 4);
    expect_no_key();
    cJSON *ledger;
    MUST(json_read_file(support_path(&w.base, "out/ledger.json"), &ledger));
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(ledger, "runs")), 4);
    ck_assert_int_eq((int64_t)json_opt_number(cJSON_GetObjectItemCaseSensitive(ledger, "total"), "requests", 0), requests());
    cJSON_Delete(ledger);
}
END_TEST

START_TEST(photos_are_shown_and_captioned) {
    serve();
    char *text;
    const char *more = arena_printf(w.base.arena, "--max-usd 5 --images '%s'", photos);
    ck_assert_int_eq(record_program("03_record", "mock-g", "mine/v1-photo", "--max-usd 5", &text), 2);
    ck_assert_ptr_nonnull(strstr(text, "--images"));
    ck_assert_msg(record_program("03_record", "mock-g", "mine/v1-photo", more, &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "2 items have no photo"));
    ck_assert_msg(record_program("03_record", "mock-o", "caption/v1", more, &text) == 0, "%s", text);
    ck_assert_int_eq(mock_shared(w.server)[LLM_N_PHOTOS], 8);
    Responses *c;
    MUST(responses_open(support_path(&w.base, "cache/mini.jsonl.zst"), w.base.arena, &c));
    ck_assert_int_eq(responses_count(c), 8);
    for (int64_t i = 0; i < 8; i++) ck_assert_int_eq(strncmp(responses_at(c, i)->image, "sha256:", 7), 0);
    const Response *caption = responses_find_identity(c, "mini", w.base.d->text[0].id, "mock-o", "caption/v1", NULL);
    ck_assert_ptr_nonnull(strstr(caption->response, w.base.d->text[0].title));
    /* captions, for 02_preprocess */
    size_t n;
    char *captions = support_read(&w.base, support_path(&w.base, "out/captions.jsonl"), &n);
    ck_assert_ptr_nonnull(strstr(captions, w.base.d->text[0].title));
    int64_t before = requests();
    ck_assert_int_eq(record_program("03_record", "mock-o", "caption/v1", more, &text), 0);
    ck_assert_int_eq(requests(), before); /* nothing twice */
    const char *file = arena_printf(w.base.arena, "%s/%s.jpg", photos, w.base.d->text[0].id);
    support_write(file, "\xff\xd8\xff another", 11);
    ck_assert_int_eq(record_program("03_record", "mock-o", "caption/v1", more, &text), 0);
    ck_assert_int_eq(requests(), before + 1); /* another photo is another question */
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, "03_mine verify --data " FIXTURE "/data --set mini --responses '%s/cache' --prompts '%s'", w.base.dir, prompts), &text) == 0, "%s", text);
    expect_no_key();
}
END_TEST

/* What a model saw in photos reaches prompts and embeddings: 03_record, 02_preprocess --captions, 03_mine show, 05_embed. */
START_TEST(captions_reach_prompts_and_embeddings) {
    char *text;
    size_t n;
    const char *raw = support_path(&w.base, "raw"), *dir = w.base.dir, *lines = "";
    for (int i = 0; i < 4; i++) { /* of the four that have photos, a source without captions */
        const ItemText *t = &w.base.d->text[i];
        lines = arena_printf(w.base.arena, "%s{\"item\": %d, \"asin\": \"%s\", \"title\": \"%s\"}\n", lines, i, t->id, t->title);
    }
    MUST(dir_make(raw));
    support_write(support_path(&w.base, "raw/items.jsonl"), lines, strlen(lines));
    static const char sequences[] = "u1 0 1 2 3\nu2 3 2 1 0\nu3 1 3 0 2\n";
    support_write(support_path(&w.base, "raw/sequences.txt"), sequences, sizeof sequences - 1);
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, "02_preprocess --dataset mine --form sequences --raw '%s' --k-core 1 --out '%s/plain'", raw, dir), &text) == 0, "%s", text);
    serve();
    const char *ask = "03_record --data '%s/plain' --set mine --providers '%s' --prompts '%s' --model mock-o --template caption/v1 --responses '%s/cache/%s.jsonl.zst' --out '%s/out' --images '%s' "
                      "--max-usd 1 %s";
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, ask, dir, providers, prompts, dir, "one", dir, photos, "--items A1,A2"), &text) == 0, "%s", text);
    ck_assert_int_eq(requests(), 2);
    /* the others into another file: what the first file holds is known, and captions.jsonl has them all */
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, ask, dir, providers, prompts, dir, "two", dir, photos, arena_printf(w.base.arena, "--known '%s/cache'", dir)), &text) == 0, "%s", text);
    ck_assert_int_eq(requests(), 4);
    ck_assert_ptr_nonnull(strstr(text, "2 questions are answered in other files"));
    ck_assert_ptr_nonnull(strstr(text, "captions of 4 of 4 items"));
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, "02_preprocess --dataset mine --form sequences --raw '%s' --k-core 1 --out '%s/seen' --captions '%s/out/captions.jsonl'", raw, dir, dir), &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "captions of 4 of 4 items (0 in the place of the source's own); 0 of 4 lines rejected"));
    Dataset *plain, *seen;
    MUST(dataset_load(support_path(&w.base, "plain"), true, w.base.arena, &plain));
    MUST(dataset_load(support_path(&w.base, "seen"), true, w.base.arena, &seen));
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(plain->text[i].id, seen->text[i].id); /* the same numbers */
        ck_assert_str_eq(plain->text[i].caption, "");
        ck_assert_str_eq(seen->text[i].caption, arena_printf(w.base.arena, "The photo shows %s on a bench.", seen->text[i].title));
    }
    const char *show = "03_mine show A1 --data '%s/%s' --set mine --responses '%s/cache' --prompts '%s' --members mock-o:mine/v1-visual --on-missing skip";
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, show, dir, "seen", dir, prompts), &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "caption: The photo shows Bow Saw, 21 in on a bench."));
    ck_assert_msg(support_run(&w.base, arena_printf(w.base.arena, "05_embed --data '%s/seen' --interests none --dim 2 --texts 1 --out '%s/e'", dir, dir), &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "caption: 4 of 4 items"));
    ck_assert_ptr_nonnull(strstr(support_read(&w.base, support_path(&w.base, "e/texts.jsonl"), &n), "Bow Saw, 21 in. The photo shows Bow Saw, 21 in on a bench."));
    ck_assert_int_eq(support_run(&w.base, arena_printf(w.base.arena, "02_preprocess --dataset mine --form sequences --raw '%s' --k-core 1 --out '%s/x' --captions '%s/raw/items.jsonl'", raw, dir, dir), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "items.jsonl:1: "));
}
END_TEST

/* A price needs no rule for photos; a photo does. */
START_TEST(what_a_photo_counts_as_is_documented_or_given) {
    char *text;
    serve();
    size_t n;
    const char *more = arena_printf(w.base.arena, "--max-usd 5 --dry-run --images '%s'", photos);
    ck_assert_int_eq(record_program("03_record", "mock-g", "mine/v1-photo", more, &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "a photo counts as 500 tokens at most (a test)"));
    char *file = support_read(&w.base, providers, &n);
    static const char known[] = "\"image_tokens\": 500, \"image_tokens_source\": \"a test\", ", bare[] = "\"image_tokens\": 500, ";
    const char *cut[2] = {"", bare}; /* not known; known, and nobody says from where */
    for (int k = 0; k < 2; k++) {
        const char *rest = file, *changed = "";
        for (const char *at; (at = strstr(rest, known)); rest = at + sizeof known - 1) changed = arena_printf(w.base.arena, "%s%.*s%s", changed, (int)(at - rest), rest, cut[k]);
        changed = arena_printf(w.base.arena, "%s%s", changed, rest);
        support_write(providers, changed, strlen(changed));
        ck_assert_int_eq(record_program("03_record", "mock-g", "mine/v1-photo", more, &text), k == 0 ? 2 : 3);
        ck_assert_ptr_nonnull(strstr(text, k == 0 ? "--image-tokens" : "image_tokens_source"));
        if (k == 1) continue;
        ck_assert_int_eq(record_program("03_record", "mock-g", "mine/v1-photo", arena_printf(w.base.arena, "%s --image-tokens 700", more), &text), 0);
        ck_assert_ptr_nonnull(strstr(text, "a photo counts as 700 tokens at most (as --image-tokens says)"));
        ck_assert_int_eq(record_program("03_record", "mock-g", "mine/v1", "--max-usd 5 --dry-run", &text), 0);
    }
    ck_assert_int_eq(requests(), 0);
}
END_TEST

START_TEST(a_dry_run_asks_nothing_and_leaves_nothing) {
    serve();
    char *text;
    (void)unsetenv(RECORD_KEY_ENV);
    ck_assert_msg(record_program("03_record", "mock-o", "mine/v1", "--dry-run --max-usd 1", &text) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "USD with answers of usual length"));
    ck_assert_int_eq(requests(), 0);
    ck_assert(!path_exists(support_path(&w.base, "cache")) && !path_exists(support_path(&w.base, "out")));
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1", &text), 2); /* no key */
    ck_assert_ptr_nonnull(strstr(text, RECORD_KEY_ENV));
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "", &text), 2); /* no cap */
    ck_assert_ptr_nonnull(strstr(text, "--max-usd"));
    ck_assert_int_eq(record_program("03_record", "gpt-x", "mine/v1", "--max-usd 1", &text), 2);
    ck_assert_ptr_nonnull(strstr(text, "mock-a (anthropic-mock)"));
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1 --items A1,nobody", &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "nobody"));
    ck_assert_int_eq(record_program("03_record", "mock-o", "judge/v1", "--max-usd 1", &text), 2);
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1 --price-in 1", &text), 2);
    ck_assert_int_eq(requests(), 0);
}
END_TEST

START_TEST(chosen_items_only) {
    serve();
    char *text;
    ck_assert_msg(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1 --items A1,A4", &text) == 0, "%s", text);
    ck_assert_int_eq(requests(), 2);
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1 --max-items 3 --concurrency 1", &text), 0);
    Responses *c;
    MUST(responses_open(support_path(&w.base, "cache/mini.jsonl.zst"), w.base.arena, &c));
    ck_assert_ptr_nonnull(responses_find_identity(c, "mini", "A1", "mock-o", "mine/v1", NULL));
    ck_assert_ptr_nonnull(responses_find_identity(c, "mini", "A4", "mock-o", "mine/v1", NULL));
    ck_assert_int_le(responses_count(c), 4);
}
END_TEST

START_TEST(a_wrong_key_is_not_shown_by_the_program) {
    w.llm.key = "another";
    serve();
    char *text;
    ck_assert_int_eq(record_program("03_record", "mock-a", "mine/v1", "--max-usd 1", &text), 4);
    ck_assert_ptr_nonnull(strstr(text, "401"));
    ck_assert_ptr_nonnull(strstr(text, RECORD_KEY_ENV));
    expect_no_key();
    w.llm.key = RECORD_KEY;
    mock_stop(w.server);
    w.llm.faults[LLM_400] = 1; /* the mock quotes all headers in its message */
    serve();
    ck_assert_int_eq(record_program("03_record", "mock-a", "mine/v1", "--max-usd 1", &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "you sent"));
    ck_assert_ptr_nonnull(strstr(text, "failed, rejected: 5"));
    expect_no_key();
}
END_TEST

/* Ctrl-C: what is under way is waited for, the rest is left; the same command again goes on. */
START_TEST(an_interrupt_loses_nothing) {
    w.llm.delay_ms = 300;
    serve();
    const char *bin = getenv("BIN");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int log = open(support_path(&w.base, "interrupted.txt"), O_WRONLY | O_CREAT, 0600);
        (void)dup2(log, 1);
        (void)dup2(log, 2);
        const char *program = arena_printf(w.base.arena, "%s/03_record", bin ? bin : "cache/build/bin"), *responses = support_path(&w.base, "cache/mini.jsonl.zst");
        (void)execl(program, program, "--data", FIXTURE "/data", "--set", "mini", "--providers", providers, "--prompts", prompts, "--model", "mock-o", "--template", "mine/v1",
                    "--responses", responses, "--out", support_path(&w.base, "out"), "--concurrency", "2", "--max-usd", "1", (char *)NULL);
        _exit(78);
    }
    while (requests() < 1) ck_assert_msg(waitpid(child, NULL, WNOHANG) == 0 && usleep(1000) == 0, "it ended by itself");
    ck_assert_int_eq(kill(child, SIGINT), 0);
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    size_t n;
    const char *log = support_read(&w.base, support_path(&w.base, "interrupted.txt"), &n);
    ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 4 && strstr(log, "interrupted"), "state %x: %s", (unsigned)state, log);
    Responses *c;
    MUST(responses_open(support_path(&w.base, "cache/mini.jsonl.zst"), w.base.arena, &c));
    int64_t kept = responses_count(c);
    ck_assert_int_eq(kept, requests());
    char *text;
    ck_assert_int_eq(record_program("03_record", "mock-o", "mine/v1", "--max-usd 1", &text), 0);
    ck_assert_int_eq(requests(), 5);
}
END_TEST

START_TEST(a_proxy_from_the_environment_is_used) {
    w.llm.key = NULL;
    record_world_serve(&w);
    w.provider.key_env = NULL; /* a key would not be sent over plain http to another machine */
    w.provider.base_url = "http://llm.invalid/v1";
    w.s.http.max_attempts = 1;
    (void)setenv("http_proxy", mock_url(w.server, ""), 1);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 1), 1, false, &c), OK);
    ck_assert_int_eq(mock_count(w.server), 1);
    ck_assert_str_eq(mock_entry(w.server, 0)->path, "http://llm.invalid/v1/chat/completions");
    ck_assert_int_eq(c.failed[FAIL_REJECTED], 1); /* the mock is no proxy */
    (void)unsetenv("http_proxy");
}
END_TEST

/* Requests are for vectors, `batch` texts each. */
static void ask_for_vectors(int64_t batch) {
    record_world_serve(&w);
    w.model.is_embedding = true;
    w.model.usd_out = 0;
    w.s.prompt = NULL;
    w.s.template_id = "embed/test-v1";
    w.s.batch = batch;
}

START_TEST(vectors_are_recorded_and_replayed) {
    enum { N = 205, BATCH = 16 };
    static const LlmFault faults[] = {LLM_500, LLM_CUT, LLM_INVALID_JSON, LLM_WRONG_SCHEMA, LLM_429};
    for (int k = 0; k < 5; k++) w.llm.faults[faults[k]] = 0.06;
    ask_for_vectors(BATCH);
    EmbedText texts[N];
    for (int i = 0; i < N; i++) texts[i] = (EmbedText){.item = arena_printf(w.base.arena, "item %d", i), .text = arena_printf(w.base.arena, "text of item %d", i / 2 * 2)}; /* pairs share a text */
    RecordCount c;
    ck_assert_msg(embed_record(&w.s, texts, N, false, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, 103);
    ck_assert_int_eq(c.http.attempts - c.http.retries, 7);
    Responses *cache;
    float *v;
    int64_t dim;
    MUST(responses_open(w.s.responses, w.base.arena, &cache));
    ck_assert_msg(embed_replay(cache, &(EmbedSource){"mock", "mock-1", "embed/test-v1", "many", NULL}, texts, N, w.base.arena, &v, &dim) == OK, "%s", status_message());
    ck_assert_int_eq(dim, LLM_DIM);
    for (int i = 0; i < N; i++) {
        float want[LLM_DIM];
        mock_llm_vector(texts[i].text, want);
        ck_assert_int_eq(memcmp(v + i * dim, want, sizeof want), 0); /* the very floats */
    }
    int64_t before = requests();
    ck_assert_int_eq(embed_record(&w.s, texts, N, false, &c), OK);
    ck_assert_int_eq(requests(), before);
    texts[7].text = "changed";
    ck_assert_int_eq(embed_replay(cache, &(EmbedSource){"mock", "mock-1", "embed/test-v1", "many", NULL}, texts, N, w.base.arena, &v, &dim), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "1 of 205"));
    ck_assert_ptr_nonnull(strstr(status_message(), "item 7"));
    texts[8].text = "";
    ck_assert_int_eq(embed_record(&w.s, texts, N, false, &c), E_INPUT);
}
END_TEST

/* A text that the server refuses costs its own vector, not those of the texts that travel with it; a server that refuses everything is noticed early. */
START_TEST(a_refused_text_stands_alone) {
    enum { N = 100, BATCH = 32 };
    w.llm.always_for = "poison";
    w.llm.always = LLM_400;
    ask_for_vectors(BATCH);
    EmbedText texts[N];
    for (int i = 0; i < N; i++)
        texts[i] = (EmbedText){.item = arena_printf(w.base.arena, "item %d", i), .text = arena_printf(w.base.arena, i == 7 || i == 99 ? "poison %d" : "text %d", i)};
    RecordCount c;
    ck_assert_msg(embed_record(&w.s, texts, N, false, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, N - 2);
    ck_assert_int_eq(c.failed[FAIL_REJECTED], 2);
    ck_assert_int_eq(c.left, 0);
    ck_assert_int_eq(c.halved, 5 + 2); /* 32 to 1, and 4 to 1 */
    for (int i = 0; i < N; i++) texts[i].text = arena_printf(w.base.arena, "poison %d", i);
    w.s.retry_errors = true;
    ck_assert_int_eq(embed_record(&w.s, texts, N, false, &c), E_RESOURCE);
    ck_assert_int_le(c.http.attempts, 8 + w.s.http.concurrency);
    ck_assert_int_eq(c.answered, 0);
    ck_assert_int_eq(c.left + c.failed[FAIL_REJECTED], N);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("record_stage");
    TCase *t = tcase_create("record_stage");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, from_questions_to_replayed_interests);
    tcase_add_test(t, photos_are_shown_and_captioned);
    tcase_add_test(t, captions_reach_prompts_and_embeddings);
    tcase_add_test(t, what_a_photo_counts_as_is_documented_or_given);
    tcase_add_test(t, a_dry_run_asks_nothing_and_leaves_nothing);
    tcase_add_test(t, chosen_items_only);
    tcase_add_test(t, a_wrong_key_is_not_shown_by_the_program);
    tcase_add_test(t, an_interrupt_loses_nothing);
    tcase_add_test(t, a_proxy_from_the_environment_is_used);
    tcase_add_test(t, vectors_are_recorded_and_replayed);
    tcase_add_test(t, a_refused_text_stands_alone);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
