/* tests/test_record.c -- record mode against a mock of the three API styles: nothing lost, nothing twice, bounds kept, the key nowhere. */
#include <signal.h>
#include <time.h>

#include "base/json.h"
#include "record_support.h"

enum { MANY = 10000 };
static RecordWorld w;

static void setup(void) { record_world_begin(&w, API_OPENAI); }
static void teardown(void) { record_world_end(&w); }

static void bad_day(void) { /* 5 % of all requests */
    static const LlmFault faults[] = {LLM_429, LLM_429_LATER, LLM_500, LLM_503, LLM_529, LLM_DROP, LLM_RESET, LLM_CUT, LLM_BAD_CHUNK, LLM_INVALID_JSON, LLM_EMPTY,
                                       LLM_WRONG_STYLE, LLM_WRONG_SCHEMA, LLM_CHATTY};
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) w.llm.faults[faults[k]] = 0.0498 / (sizeof faults / sizeof *faults);
    w.llm.faults[LLM_STALL] = 0.0002; /* each costs the whole time limit */
    w.s.http.timeout_s = 3;
}

static int64_t shared(int counter) { return mock_shared(w.server)[counter]; }

static double seconds_since(const struct timespec *a) {
    struct timespec b;
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    return (double)(b.tv_sec - a->tv_sec) + 1e-9 * (double)(b.tv_nsec - a->tv_nsec);
}

START_TEST(ten_thousand_requests_on_a_bad_day) {
    bad_day();
    record_world_serve(&w);
    RecordCount c;
    struct timespec start;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    ck_assert_msg(record_all(&w.s, record_questions(&w, MANY), MANY, false, &c) == OK, "%s", status_message());
    double s = seconds_since(&start);
    int64_t lost = 0, faults = 0;
    for (int f = 1; f < N_HTTP_FAULTS; f++) lost += c.http.by_fault[f];
    for (int f = 0; f < N_LLM_FAULTS; f++) faults += shared(LLM_N_FAULT + f);
    printf("%d questions, %lld requests, %lld faults injected (%.1f %%), %lld attempts lost on the way, %lld unreadable and %lld malformed asked again: %.2f s\n", MANY,
           (long long)c.http.attempts, (long long)faults, 100 * (double)faults / (double)c.http.attempts, (long long)lost, (long long)c.asked_again_unreadable,
           (long long)c.asked_again_malformed, s);
    ck_assert_int_eq(c.answered, MANY);
    ck_assert_int_eq(record_expect_all(&w, MANY), c.malformed);
    ck_assert_int_le(c.malformed, 10); /* three malformed answers in a row are rare */
    ck_assert_int_eq(c.http.attempts, MANY + c.http.retries);
    ck_assert_int_eq(c.http.retries, lost + c.asked_again_unreadable + c.asked_again_malformed);
    ck_assert_int_gt(faults, 350);
    for (int f = 0; f < N_LLM_FAULTS; f++) ck_assert(w.llm.faults[f] <= 0.0005 || shared(LLM_N_FAULT + f) > 5);
    ck_assert_int_eq(shared(LLM_N_REQUESTS), c.http.attempts);
    ck_assert_int_le(c.http.peak, w.s.http.concurrency);
    ck_assert(!path_exists(support_path(&w.base, "cache/many.jsonl.zst.journal")));
    ck_assert(!path_exists(support_path(&w.base, "cache/many.errors.jsonl")));
    /* once more: nothing is asked */
    int64_t before = shared(LLM_N_REQUESTS);
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, MANY), MANY, false, &c), OK);
    ck_assert_int_eq(shared(LLM_N_REQUESTS), before);
    ck_assert_int_eq(record_expect_all(&w, MANY), record_expect_all(&w, MANY));
}
END_TEST

/* Records in a child until the server has seen so many requests, then kills it. */
static void record_and_kill(int64_t n, int64_t requests) {
    Question *q = record_questions(&w, n);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        RecordCount c;
        (void)record_all(&w.s, q, n, false, &c);
        _exit(0);
    }
    int64_t target = shared(LLM_N_REQUESTS) + requests;
    while (shared(LLM_N_REQUESTS) < target) {
        ck_assert_msg(waitpid(child, NULL, WNOHANG) == 0, "it was done before it could be killed");
        (void)usleep(200);
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert(WIFSIGNALED(state));
}

START_TEST(killed_in_the_middle_and_resumed) {
    enum { N = 3000, KILLS = 4 };
    bad_day();
    w.llm.faults[LLM_STALL] = 0;
    w.s.http.timeout_s = 60; /* an answer that comes too late for us would count as wasted below */
    w.llm.faults[LLM_WRONG_SCHEMA] = w.llm.faults[LLM_CHATTY] = 0;
    record_world_serve(&w);
    for (int k = 0; k < KILLS; k++) record_and_kill(N, 350 + 77 * k);
    int64_t asked = shared(LLM_N_GOOD);
    RecordCount c;
    ck_assert_msg(record_all(&w.s, record_questions(&w, N), N, false, &c) == OK, "%s", status_message());
    ck_assert_int_eq(record_expect_all(&w, N), 0);
    /* good answers that are in no record: under way when the program was killed, one for each connection and kill at most */
    int64_t wasted = shared(LLM_N_GOOD) - N;
    printf("killed %d times within %d questions: %lld good answers before the last run, %lld in no record\n", KILLS, N, (long long)asked, (long long)wasted);
    ck_assert_int_le(wasted, KILLS * w.s.http.concurrency);
    ck_assert_int_lt(c.answered, N - 600);
}
END_TEST

START_TEST(all_styles_answer_all_kinds) {
    const char *title = "title: tool";
    for (int style = API_OPENAI; style <= API_GEMINI; style++) {
        RecordWorld v;
        record_world_begin(&v, (ApiStyle)style);
        v.llm.with_thinking = true;
        record_world_serve(&v);
        RecordCount c;
        ck_assert_msg(record_all(&v.s, record_questions(&v, 20), 20, false, &c) == OK, "%s", status_message());
        ck_assert_int_eq(record_expect_all(&v, 20), 0);
        ck_assert_int_eq(mock_shared(v.server)[LLM_N_SCHEMAS], 20);
        ck_assert_int_eq(c.tokens_in, mock_shared(v.server)[LLM_TOKENS_IN]);
        ck_assert_int_eq(c.tokens_out, mock_shared(v.server)[LLM_TOKENS_OUT]);
        ck_assert_double_eq_tol(c.usd, ((double)c.tokens_in * 1 + (double)c.tokens_out * 10) / 1e6, 1e-9);
        Responses *cache;
        MUST(responses_open(v.s.responses, v.base.arena, &cache));
        const Response *r = responses_at(cache, 0);
        ck_assert_str_eq(r->thinking, "First the thing, then its use.");
        ck_assert(r->has_usage && r->tokens_in > 100 && r->tokens_out > 10);
        ck_assert_str_eq(r->date, "2026-11-20");
        ck_assert_ptr_null(r->image);
        ck_assert_ptr_null(strstr(r->response, title));
        record_world_end(&v);
    }
}
END_TEST

/* Ten questions of which one fails in a way that asking again does not help. */
static void expect_failure(LlmFault fault, const char *failure, int64_t requests) {
    RecordWorld v;
    record_world_begin(&v, API_OPENAI);
    v.llm.always_for = "tool number 7\n";
    v.llm.always = fault;
    v.s.http.max_attempts = 5;
    record_world_serve(&v);
    RecordCount c;
    ck_assert_msg(record_all(&v.s, record_questions(&v, 10), 10, false, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, 9);
    ck_assert_int_eq(mock_shared(v.server)[LLM_N_REQUESTS], requests);
    ck_assert_int_eq(record_error_lines(&v, failure), 1);
    ck_assert_int_eq(record_error_lines(&v, "\"item\":\"item 7\""), 1);
    ck_assert_int_eq(record_error_lines(&v, RECORD_KEY), 0);
    Responses *cache;
    MUST(responses_open(v.s.responses, v.base.arena, &cache));
    ck_assert_int_eq(responses_count(cache), 9);
    ck_assert_ptr_null(responses_find_identity(cache, "many", "item 7", "mock-1", "mine/v1", NULL));
    bool for_good = strcmp(failure, "network") != 0 && strcmp(failure, "unreadable") != 0;
    ck_assert_int_eq(record_all(&v.s, record_questions(&v, 10), 10, false, &c), OK); /* left alone, unless it may have passed */
    ck_assert_int_eq(mock_shared(v.server)[LLM_N_REQUESTS], for_good ? requests : requests + v.s.http.max_attempts);
    v.s.retry_errors = true;
    int64_t before = mock_shared(v.server)[LLM_N_REQUESTS];
    ck_assert_int_eq(record_all(&v.s, record_questions(&v, 10), 10, false, &c), OK);
    ck_assert_int_gt(mock_shared(v.server)[LLM_N_REQUESTS], before);
    v.s.stop_on_error = true;
    ck_assert_int_eq(record_all(&v.s, record_questions(&v, 10), 10, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "item 7"));
    record_world_end(&v);
}

START_TEST(what_cannot_be_answered_is_listed_and_never_an_answer) {
    expect_failure(LLM_400, "rejected", 10);
    expect_failure(LLM_404, "rejected", 10);
    expect_failure(LLM_REFUSED, "refused", 10);
    expect_failure(LLM_TRUNCATED, "truncated", 10);
    expect_failure(LLM_500, "network", 9 + 5);
    expect_failure(LLM_DROP, "network", 9 + 5);
    expect_failure(LLM_INVALID_JSON, "unreadable", 9 + 5);
    expect_failure(LLM_WRONG_STYLE, "unreadable", 9 + 5);
}
END_TEST

START_TEST(a_malformed_answer_is_asked_again_and_then_kept_as_it_is) {
    w.llm.always_for = "tool number 3\n";
    w.llm.always = LLM_WRONG_SCHEMA;
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 10), 10, false, &c), OK);
    ck_assert_int_eq(c.answered, 10);
    ck_assert_int_eq(c.malformed, 1);
    ck_assert_int_eq(c.asked_again_malformed, 2);
    ck_assert_int_eq(shared(LLM_N_REQUESTS), 12);
    ck_assert_int_eq(record_expect_all(&w, 10), 1);
    Responses *cache;
    MUST(responses_open(w.s.responses, w.base.arena, &cache));
    const Response *r = responses_find_identity(cache, "many", "item 3", "mock-1", "mine/v1", NULL);
    ck_assert_str_eq(r->fault, "no list \"interests\"");
    ck_assert_str_eq(r->response, "{\"themes\":[\"tools\"]}");
}
END_TEST

START_TEST(a_wrong_key_stops_at_once_and_is_not_shown) {
    w.llm.key = "sk-another";
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 200), 200, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "401"));
    ck_assert_ptr_null(strstr(status_message(), "sk-test"));
    ck_assert_ptr_null(strstr(status_message(), "Incorrect")); /* such messages quote the key */
    ck_assert_int_le(shared(LLM_N_REQUESTS), w.s.http.concurrency);
    ck_assert_int_eq(c.left, 200);
    ck_assert_int_eq(record_error_lines(&w, ""), 0);
    (void)unsetenv(RECORD_KEY_ENV);
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 200), 200, false, &c), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_message(), RECORD_KEY_ENV));
    (void)setenv(RECORD_KEY_ENV, RECORD_KEY "\n", 1);
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 200), 200, false, &c), E_USAGE);
    ck_assert_ptr_null(strstr(status_message(), "sk-test"));
}
END_TEST

START_TEST(everything_rejected_is_noticed) {
    w.llm.faults[LLM_404] = 1;
    w.s.http.concurrency = 1;
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 200), 200, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "8 requests in a row failed"));
    ck_assert_ptr_null(strstr(status_message(), RECORD_KEY)); /* the mock quotes what was sent */
    ck_assert_int_eq(shared(LLM_N_REQUESTS), 8);
    ck_assert_int_eq(c.left, 192);
    w.provider.base_url = mock_refused_url(w.server, "/v1"); /* nobody listens there */
    w.s.http.max_attempts = 2;
    w.s.http.first_pause_s = 1e-8; /* the second attempt is due before another question starts, however busy the machine is */
    w.s.retry_errors = true;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 200), 200, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "in a row failed"));
    ck_assert_int_eq(c.http.by_fault[HTTP_CONNECT], 16);
    ck_assert_double_eq(c.usd + c.usd_uncounted, 0); /* what never went out costs nothing */
    ck_assert_int_eq(c.left, 192);
}
END_TEST

/* What the provider would bill, faults included, never exceeds the cap; and it is used well. */
static void expect_budget(double cap, bool no_usage) {
    RecordWorld v;
    record_world_begin(&v, API_ANTHROPIC);
    v.llm.faults[LLM_CUT] = v.llm.faults[LLM_INVALID_JSON] = v.llm.faults[LLM_500] = v.llm.faults[LLM_WRONG_SCHEMA] = 0.03;
    v.llm.tokens_out = 300; /* as many as are allowed */
    v.llm.no_usage = no_usage;
    v.s.max_usd = cap;
    record_world_serve(&v);
    RecordCount c;
    ck_assert_int_eq(record_all(&v.s, record_questions(&v, 2000), 2000, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "--max-usd"));
    double billed = ((double)mock_shared(v.server)[LLM_TOKENS_IN] * v.model.usd_in + (double)mock_shared(v.server)[LLM_TOKENS_OUT] * v.model.usd_out) / 1e6;
    ck_assert_msg(billed <= cap, "billed %f of %f", billed, cap);
    ck_assert_msg(c.usd + c.usd_uncounted <= cap, "spent %f + %f of %f", c.usd, c.usd_uncounted, cap);
    ck_assert_msg(billed > 0.5 * cap || no_usage, "billed only %f of %f", billed, cap);
    ck_assert_int_eq(c.answered + c.left, 2000);
    ck_assert_int_gt(c.answered, 0);
    ck_assert(c.budget_reached);
    v.s.max_usd = 1000; /* resumed with more */
    int64_t had = c.answered;
    ck_assert_msg(record_all(&v.s, record_questions(&v, 2000), 2000, false, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, 2000 - had);
    (void)record_expect_all(&v, 2000);
    record_world_end(&v);
}

START_TEST(the_cap_is_never_exceeded) {
    expect_budget(0.05, false);
    expect_budget(0.4, false);
    expect_budget(0.4, true);
    record_world_serve(&w);
    RecordCount c;
    w.s.max_usd = 0.000001; /* not even one */
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 10), 10, false, &c), E_RESOURCE);
    ck_assert_int_eq(shared(LLM_N_REQUESTS), 0);
    ck_assert_int_eq(c.left, 10);
    w.s.max_usd = -1;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 10), 10, false, &c), E_USAGE);
    w.model.has_prices = false;
    w.s.max_usd = 5;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 10), 10, false, &c), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_message(), "price"));
    w.model.has_prices = true;
    w.model.usd_in = w.model.usd_out = 0;
    w.s.max_usd = -1; /* free: no cap is needed */
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 10), 10, false, &c), OK);
}
END_TEST

/* By any time t after the start at most capacity + rate * t requests have arrived. Late arrivals (a busy machine) cannot break this. */
START_TEST(the_rate_limit_is_kept) {
    w.model.requests_per_minute = 1200; /* 20 a second, 20 at once */
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 45), 45, false, &c), OK);
    ck_assert_int_eq(mock_count(w.server), 45);
    for (int64_t i = 0; i < 45; i++) {
        double t = mock_entry(w.server, i)->at_s;
        ck_assert_msg((double)(i + 1) <= 20 + 20 * t + 1e-6, "request %lld arrived %.3f s after the start", (long long)i, t);
    }
    ck_assert(c.http.waited_s > 0);
}
END_TEST

START_TEST(no_more_are_under_way_than_allowed) {
    w.llm.delay_ms = 3;
    w.s.http.concurrency = 9;
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 300), 300, false, &c), OK);
    ck_assert_int_eq(c.http.peak, 9);
    ck_assert_int_le(mock_peak_requests(w.server), 9);
    ck_assert_int_le(mock_peak_connections(w.server), 9);
    ck_assert_int_gt(mock_peak_requests(w.server), 1);
}
END_TEST

START_TEST(retry_after_holds_everybody_back) {
    w.llm.always_for = "tool number 0\n";
    w.llm.always = LLM_429_LATER;
    w.llm.retry_after = "1";
    w.s.http.max_attempts = 2;
    w.s.http.concurrency = 1;
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 3), 3, false, &c), OK);
    ck_assert_int_eq(c.http.paused, 2);
    ck_assert_int_eq(mock_count(w.server), 4);
    double gap = mock_entry(w.server, 1)->at_s - mock_entry(w.server, 0)->at_s;
    ck_assert_msg(gap > 0.9, "%.3f s", gap);
    mock_stop(w.server);
    w.llm.retry_after = "86400"; /* a day: the run ends, and says so */
    record_world_serve(&w);
    w.s.set = "other"; /* nothing of it is known yet */
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 3), 1, false, &c), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "86400"));
    ck_assert_int_eq(c.left, 1);
}
END_TEST

START_TEST(the_ledger_adds_up) {
    w.llm.faults[LLM_500] = 0.1;
    record_world_serve(&w);
    RecordCount a, b;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 50), 50, false, &a), OK);
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 80), 80, false, &b), OK);
    cJSON *tree;
    MUST(json_read_file(w.s.ledger, &tree));
    const cJSON *runs = cJSON_GetObjectItemCaseSensitive(tree, "runs"), *total = cJSON_GetObjectItemCaseSensitive(tree, "total");
    const cJSON *second = cJSON_GetArrayItem(runs, 1);
    ck_assert_int_eq(cJSON_GetArraySize(runs), 2);
    ck_assert_int_eq((int64_t)json_opt_number(second, "known", -1), 50);
    ck_assert_int_eq((int64_t)json_opt_number(second, "to_ask", -1), 30);
    ck_assert_int_eq((int64_t)json_opt_number(total, "answered", -1), 80);
    ck_assert_int_eq((int64_t)json_opt_number(total, "requests", -1), shared(LLM_N_REQUESTS));
    ck_assert_int_eq((int64_t)json_opt_number(total, "tokens_in", -1), shared(LLM_TOKENS_IN));
    ck_assert_int_eq((int64_t)json_opt_number(total, "tokens_out", -1), shared(LLM_TOKENS_OUT));
    ck_assert_int_eq((int64_t)json_opt_number(cJSON_GetObjectItemCaseSensitive(second, "attempts_lost"), "broken", -1), b.http.by_fault[HTTP_BROKEN]);
    ck_assert(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(second, "ended")));
    cJSON_Delete(tree);
}
END_TEST

START_TEST(a_journal_left_behind_is_folded_in_without_duplicates) {
    record_world_serve(&w);
    RecordCount c;
    ck_assert_int_eq(record_all(&w.s, record_questions(&w, 5), 5, false, &c), OK);
    Responses *cache;
    MUST(responses_open(w.s.responses, w.base.arena, &cache));
    Response fresh = *responses_at(cache, 0);
    fresh.item = "item 5";
    const char *journal = support_path(&w.base, "cache/many.jsonl.zst.journal");
    const char *known = response_line(responses_at(cache, 2), w.base.arena), *new = response_line(&fresh, w.base.arena);
    const char *text = arena_printf(w.base.arena, "%s%s%.40s", known, new, new); /* known, new, torn */
    support_write(journal, text, strlen(text));
    Journal *j, *second;
    int64_t recovered;
    ck_assert_int_eq(journal_open(w.s.responses, &j, &recovered), OK);
    ck_assert_int_eq(recovered, 1);
    ck_assert_int_eq(journal_open(w.s.responses, &second, &recovered), E_RESOURCE);
    ck_assert_ptr_nonnull(strstr(status_message(), "another run"));
    ck_assert_int_eq(journal_close(j), OK);
    MUST(responses_open(w.s.responses, w.base.arena, &cache));
    ck_assert_int_eq(responses_count(cache), 6);
    ck_assert_int_eq(responses_report(cache)->n_superseded, 0);
    ck_assert(!path_exists(journal));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("record");
    TCase *t = tcase_create("record");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, ten_thousand_requests_on_a_bad_day);
    tcase_add_test(t, killed_in_the_middle_and_resumed);
    tcase_add_test(t, all_styles_answer_all_kinds);
    tcase_add_test(t, what_cannot_be_answered_is_listed_and_never_an_answer);
    tcase_add_test(t, a_malformed_answer_is_asked_again_and_then_kept_as_it_is);
    tcase_add_test(t, a_wrong_key_stops_at_once_and_is_not_shown);
    tcase_add_test(t, everything_rejected_is_noticed);
    tcase_add_test(t, the_cap_is_never_exceeded);
    tcase_add_test(t, the_rate_limit_is_kept);
    tcase_add_test(t, no_more_are_under_way_than_allowed);
    tcase_add_test(t, retry_after_holds_everybody_back);
    tcase_add_test(t, the_ledger_adds_up);
    tcase_add_test(t, a_journal_left_behind_is_folded_in_without_duplicates);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
