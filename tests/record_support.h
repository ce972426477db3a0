/* tests/record_support.h -- what the tests of record mode share: a model behind a mock server, many questions, counters read from where the records are. */
#ifndef DIGR_TESTS_RECORD_SUPPORT_H
#define DIGR_TESTS_RECORD_SUPPORT_H

#include "llm/chat.h"
#include "llm/record.h"
#include "llm_support.h"
#include "mock_llm.h"

#define RECORD_KEY "sk-test-9f8e7d6c5b4a39281706f5e4d3c2b1a0"
#define RECORD_KEY_ENV "DIGR_TEST_API_KEY"

typedef struct RecordWorld {
    Support base;
    MockLlm llm;
    MockServer *server;
    Provider provider;
    Model model;
    Template *prompt;
    RecordSettings s;
} RecordWorld;

static inline void record_world_begin(RecordWorld *w, ApiStyle style) {
    support_begin(&w->base);
    w->llm = (MockLlm){.key = RECORD_KEY, .retry_after = "0", .seed = 7};
    w->server = NULL;
    w->provider = (Provider){.name = "mock", .key_env = RECORD_KEY_ENV, .style = style};
    w->model = (Model){.name = "mock-1", .id = "mock-1-2026", .takes_images = true, .takes_schema = true, .has_prices = true, .usd_in = 1, .usd_out = 10, .image_tokens = 200,
                       .max_tokens_field = "max_tokens"};
    MUST(template_load("paper/prompts", "mine/v1", w->base.arena, &w->prompt));
    w->s = (RecordSettings){.provider = &w->provider, .model = &w->model, .prompt = w->prompt, .template_id = "mine/v1", .set = "many", .date = "2026-11-20", .max_malformed = 2,
                            .max_output_tokens = 300, .batch = 1, .with_schema = true, .keep_thinking = true, .max_usd = 1000};
    w->s.responses = support_path(&w->base, "cache/many.jsonl.zst");
    w->s.ledger = support_path(&w->base, "ledger.json");
    w->s.http = (HttpSettings){.concurrency = 16, .max_attempts = 12, .connect_timeout_s = 30, .timeout_s = 60, .first_pause_s = 0.002, .max_pause_s = 2, .seed = 1};
    (void)setenv(RECORD_KEY_ENV, RECORD_KEY, 1);
}

/* After w->llm is set up. */
static inline void record_world_serve(RecordWorld *w) {
    w->server = mock_start(mock_llm_answer, &w->llm);
    w->provider.base_url = mock_url(w->server, w->provider.style == API_GEMINI ? "/v1beta" : "/v1");
}

static inline void record_world_end(RecordWorld *w) {
    mock_stop(w->server);
    support_end(&w->base);
}

/* n items "item 17" with title "tool number 17", asked with w->prompt. */
static inline Question *record_questions(RecordWorld *w, int64_t n) {
    Question *q = ARENA_NEW(w->base.arena, Question, n);
    for (int64_t i = 0; i < n; i++) {
        ItemText text = {.id = arena_printf(w->base.arena, "item %lld", (long long)i), .title = arena_printf(w->base.arena, "tool number %lld", (long long)i),
                         .brand = "", .categories = "", .description = "", .keywords = "", .caption = ""};
        q[i] = (Question){.item = text.id, .text = prompt_render(w->base.e, w->prompt, "many", &text, NULL, w->base.arena)};
    }
    return q;
}

/* Every item from 0 to n - 1 exactly once, with the answer to its own title and the right key; returns how many carry a fault. */
static inline int64_t record_expect_all(RecordWorld *w, int64_t n) {
    Responses *c;
    ck_assert_msg(responses_open(w->s.responses, w->base.arena, &c) == OK, "%s", status_message());
    ck_assert_int_eq(responses_count(c), n);
    bool *seen = ARENA_NEW(w->base.arena, bool, n);
    int64_t faults = 0;
    for (int64_t k = 0; k < n; k++) {
        const Response *r = responses_at(c, k);
        long long i;
        ck_assert_int_eq(sscanf(r->item, "item %lld", &i), 1);
        ck_assert(i >= 0 && i < n && !seen[i]);
        seen[i] = true;
        Arena *scratch = arena_create("check");
        ItemText text = {.id = r->item, .title = arena_printf(scratch, "tool number %lld", i), .brand = "", .categories = "", .description = "", .keywords = "", .caption = ""};
        char key[SHA256_HEX];
        prompt_key("mock", "mock-1", w->prompt->id, prompt_render(w->base.e, w->prompt, "many", &text, NULL, scratch), key);
        ck_assert_str_eq(r->key, key);
        faults += r->fault != NULL;
        if (!r->fault) ck_assert_ptr_nonnull(strstr(r->response, arena_printf(scratch, "working with tool number %lld\"", i)));
        arena_destroy(scratch);
    }
    return faults;
}

/* Lines of the errors file; 0 when there is none. */
static inline int64_t record_error_lines(RecordWorld *w, const char *containing) {
    const char *path = record_errors_path(w->s.responses, w->base.arena);
    if (!path_exists(path)) return 0;
    size_t n;
    int64_t lines = 0;
    char *rest = support_read(&w->base, path, &n);
    for (char *line; (line = strsep(&rest, "\n"));) lines += *line && strstr(line, containing) != NULL;
    return lines;
}

#endif
