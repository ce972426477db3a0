/* llm/record_run.c -- asking: the source of http_run, the budget, and what becomes of each reply; see record.h. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/log.h"
#include "llm/answer.h"
#include "llm/base64.h"
#include "llm/record_parts.h"
#include "llm/vectors.h"

enum { SHOWN_FAILURES = 10, HOPELESS_AT_FIRST = 8, HOPELESS_LATER = 64, LEDGER_EVERY_S = 10, SYNC_EVERY_S = 2 };

/* A request: questions [first, first + n) of the plan. */
typedef struct Job { int64_t first, n; double worst_usd; int malformed; } Job;

typedef struct Recording {
    const RecordSettings *s;
    const RecordPlan *plan;
    RecordCount *count;
    Arena *arena;
    Journal *journal;
    Ledger *ledger;
    const char *errors_path;
    Job *job;                 /* room for every way of halving them */
    int64_t n_jobs, next_job, settled;
    int64_t failed_in_row;    /* requests since the last answer */
    double reserved_usd, start_s, synced_s, ledger_s;
    bool stop;
    Status status;            /* what ended the run, with its message kept apart: later failures must not replace it */
    char message[512], fix[256];
    Progress progress;
} Recording;

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    if (++interrupts > 1) _Exit(130);
}

/* Ends the run with the failure that was recorded last; the first one counts. */
static HttpVerdict give_up(Recording *r, Status status) {
    r->stop = true;
    if (r->status != OK) return HTTP_STOP;
    r->status = status;
    (void)snprintf(r->message, sizeof r->message, "%s", status_message());
    (void)snprintf(r->fix, sizeof r->fix, "%s", status_fix());
    return HTTP_STOP;
}

static Question *first_of(const Recording *r, int64_t job) { return &r->plan->at[r->job[job].first]; }
static int64_t size_of(const Recording *r, int64_t job) { return r->job[job].n; }
static void add_job(Recording *r, int64_t first, int64_t n) { r->job[r->n_jobs++] = (Job){.first = first, .n = n}; }

/* ---- what is sent */

static bool next(void *user, Arena *arena, int64_t *job, HttpCall *call, double *tokens) {
    Recording *r = user;
    const RecordSettings *s = r->s;
    if (r->next_job == r->n_jobs || r->stop) return false;
    *job = r->next_job++;
    const Question *q = first_of(r, *job);
    int64_t n = size_of(r, *job);
    if (s->prompt) {
        ChatRequest request = {.prompt = s->prompt, .rendered = q->text, .with_schema = s->with_schema, .max_output_tokens = s->max_output_tokens};
        Photo photo;
        if (q->photo) {
            Status status = photo_load(q->photo, arena, &photo);
            if (status == OK && strcmp(photo.reference, q->image) != 0) status = FAIL(E_INPUT, "run it again", "%s: changed while answers were recorded", q->photo);
            if (status != OK) {
                r->next_job--;
                (void)give_up(r, status);
                return false;
            }
            request.photo = &photo;
        }
        chat_call(s->provider, s->model, &request, arena, call);
    } else {
        const char **texts = ARENA_NEW(arena, const char *, n);
        for (int64_t k = 0; k < n; k++) texts[k] = q[k].text;
        vectors_call(s->provider, s->model, texts, n, arena, call);
    }
    r->job[*job].worst_usd = record_worst_usd(s, (int64_t)call->n_text, q->photo != NULL);
    *tokens = (double)call->n_text / 4 + (q->photo && s->model->image_tokens > 0 ? (double)s->model->image_tokens : 0) + (s->prompt ? (double)s->max_output_tokens : 0);
    return true;
}

static bool begin(void *user, int64_t job, int attempt) {
    Recording *r = user;
    double worst = r->job[job].worst_usd;
    (void)attempt;
    if (r->s->max_usd >= 0 && r->count->usd + r->count->usd_uncounted + r->reserved_usd + worst > r->s->max_usd) {
        r->count->budget_reached = true; /* unless what is under way turns out cheaper: see end */
        return false;
    }
    r->reserved_usd += worst;
    return true;
}

/* ---- what comes back */

static void count_usage(Recording *r, int64_t job, bool has_usage, int64_t in, int64_t out) {
    if (has_usage) {
        r->count->tokens_in += in;
        r->count->tokens_out += out;
        r->count->usd += record_usd(r->s->model, in, out);
    } else {
        r->count->uncounted++;
        r->count->usd_uncounted += r->job[job].worst_usd;
    }
}

/* Counts a request that failed; are they too many in a row? */
static bool fails_again(Recording *r) { return ++r->failed_in_row >= (r->count->answered > 0 ? HOPELESS_LATER : HOPELESS_AT_FIRST); }

static HttpVerdict give_up_hopeless(Recording *r, int64_t job, RecordFailure failure, const char *message) {
    return give_up(r, FAIL(E_RESOURCE, "check the server, --model, the providers' file and --max-output-tokens; then run it again, with --retry-errors 1 if it was one of these",
                           "%s: %lld requests in a row failed, the last one, item %s: %s: %s", r->s->provider->base_url, (long long)r->failed_in_row, first_of(r, job)->item,
                           record_failure_name(failure), message));
}

static HttpVerdict fail(Recording *r, int64_t job, RecordFailure failure, const HttpResult *result, const char *message) {
    int64_t n = size_of(r, job);
    r->count->failed[failure] += n;
    r->settled += n;
    for (int64_t k = 0; k < n; k++) {
        const Question *q = first_of(r, job) + k;
        int64_t shown = 0;
        for (int f = 0; f < N_RECORD_FAILURES; f++) shown += r->count->failed[f];
        if (shown <= SHOWN_FAILURES) log_warn("item %s: %s after %d attempts: %s", q->item, record_failure_name(failure), result->attempt, message);
        Status status = record_errors_add(r->errors_path, r->s, q, failure, result->status, result->attempt, message);
        if (status != OK) return give_up(r, status);
    }
    if (fails_again(r)) return give_up_hopeless(r, job, failure, message);
    if (!r->s->stop_on_error) return HTTP_DONE;
    return give_up(r, FAIL(E_RESOURCE, "--on-error skip goes on and lists what failed", "item %s: %s: %s", first_of(r, job)->item, record_failure_name(failure), message));
}

static HttpVerdict keep(Recording *r, const Question *q, Response *record) {
    record->key = q->key;
    record->provider = r->s->provider->name;
    record->model = r->s->model->name;
    record->template_id = r->s->template_id;
    record->set = r->s->set;
    record->item = q->item;
    record->interest = q->interest;
    record->origin = q->origin;
    record->image = q->image;
    record->parts = q->parts;
    record->date = r->s->date;
    Status status = journal_add(r->journal, record);
    if (status != OK) return give_up(r, status);
    r->count->answered++;
    r->failed_in_row = 0;
    r->count->malformed += record->fault != NULL;
    r->settled++;
    return HTTP_DONE;
}

static HttpVerdict chat_end(Recording *r, int64_t job, const HttpResult *result, Arena *arena, double *tokens_used) {
    const RecordSettings *s = r->s;
    Reply reply = chat_reply(s->provider->style, result->body, result->n_body, arena);
    count_usage(r, job, reply.has_usage, reply.tokens_in, reply.tokens_out);
    if (reply.has_usage) *tokens_used = (double)(reply.tokens_in + reply.tokens_out);
    if (reply.kind == REPLY_REFUSED) return fail(r, job, FAIL_REFUSED, result, *reply.detail ? reply.detail : reply.finish);
    if (reply.kind == REPLY_UNREADABLE) {
        r->count->asked_again_unreadable += !result->last;
        return result->last ? fail(r, job, FAIL_UNREADABLE, result, reply.detail) : HTTP_AGAIN;
    }
    const char *fault = answer_fault(s->prompt, reply.text, arena);
    if (reply.kind == REPLY_TRUNCATED && fault)
        return fail(r, job, FAIL_TRUNCATED, result, arena_printf(arena, "%s: more than --max-output-tokens %lld", reply.finish, (long long)s->max_output_tokens));
    if (fault && r->job[job].malformed < s->max_malformed && !result->last) {
        r->job[job].malformed++;
        r->count->asked_again_malformed++;
        return HTTP_AGAIN;
    }
    Response record = {.response = reply.text, .thinking = s->keep_thinking ? reply.thinking : NULL, .fault = fault, .has_usage = reply.has_usage,
                       .tokens_in = reply.tokens_in, .tokens_out = reply.tokens_out};
    return keep(r, first_of(r, job), &record);
}

static HttpVerdict vectors_end(Recording *r, int64_t job, const HttpResult *result, Arena *arena, double *tokens_used) {
    int64_t n = size_of(r, job);
    VectorsReply reply = vectors_reply(result->body, result->n_body, n, arena);
    count_usage(r, job, reply.has_usage, reply.tokens_in, 0);
    if (reply.has_usage) *tokens_used = (double)reply.tokens_in;
    if (reply.fault) {
        r->count->asked_again_unreadable += !result->last;
        return result->last ? fail(r, job, FAIL_UNREADABLE, result, reply.fault) : HTTP_AGAIN;
    }
    for (int64_t k = 0; k < n; k++) {
        Response record = {.response = base64_encode(reply.at + k * reply.dim, (size_t)reply.dim * sizeof *reply.at, arena), .has_usage = n == 1 && reply.has_usage,
                           .tokens_in = n == 1 ? reply.tokens_in : 0}; /* a batch is counted as a whole */
        HttpVerdict verdict = keep(r, first_of(r, job) + k, &record);
        if (verdict != HTTP_DONE) return verdict;
    }
    return HTTP_DONE;
}

/* One text of many may be what a server refuses: both halves are asked again, until it stands alone. */
static HttpVerdict halve(Recording *r, int64_t job, const char *message) {
    const Job whole = r->job[job];
    if (fails_again(r)) {
        r->count->left += whole.n;
        return give_up_hopeless(r, job, FAIL_REJECTED, message);
    }
    add_job(r, whole.first, whole.n / 2);
    add_job(r, whole.first + whole.n / 2, whole.n - whole.n / 2);
    r->count->halved++;
    return HTTP_DONE;
}

static HttpVerdict lost(Recording *r, int64_t job, const HttpResult *result, Arena *arena, double *tokens_used) {
    const RecordSettings *s = r->s;
    const char *said = chat_error_message(result->body, result->n_body, arena);
    if (result->maybe_billed) count_usage(r, job, false, 0, 0);
    else if (result->status == 0) *tokens_used = 0;
    if (result->fault == HTTP_DENIED) {
        r->count->left += size_of(r, job);
        return give_up(r, FAIL(E_RESOURCE, arena_printf(arena, "check the key in %s, and that it may use this model", s->provider->key_env ? s->provider->key_env : "(no key is sent)"),
                               "%s answers %d: the key is not accepted", s->provider->base_url, result->status)); /* its message may quote the key: not shown */
    }
    const char *message = result->status >= 300 ? arena_printf(arena, "HTTP %d%s%s", result->status, *said ? ": " : "", said) : result->problem;
    if (result->fault == HTTP_UNTRUSTED) {
        r->count->left += size_of(r, job);
        return give_up(r, FAIL(E_RESOURCE, "install ca-certificates, correct the address in the providers' file, or, for a server of your own, name its certificate in SSL_CERT_FILE", "%s: %s", s->provider->base_url, result->problem));
    }
    if (result->fault == HTTP_REFUSED) return size_of(r, job) > 1 ? halve(r, job, message) : fail(r, job, FAIL_REJECTED, result, message);
    if (!result->last) return HTTP_AGAIN;
    if (result->stopping && result->attempt < s->http.max_attempts) {
        r->count->left += size_of(r, job);
        return HTTP_DONE;
    }
    return fail(r, job, FAIL_NETWORK, result, message);
}

static HttpVerdict end(void *user, int64_t job, const HttpResult *result, Arena *arena, double *tokens_used) {
    Recording *r = user;
    r->reserved_usd = fmax(0, r->reserved_usd - r->job[job].worst_usd);
    r->count->budget_reached = false;
    if (result->fault != HTTP_FINE) return lost(r, job, result, arena, tokens_used);
    return r->s->prompt ? chat_end(r, job, result, arena, tokens_used) : vectors_end(r, job, result, arena, tokens_used);
}

static void abandoned(void *user, int64_t job) {
    Recording *r = user;
    r->count->left += size_of(r, job);
}

static bool tick(void *user, int in_flight, int waiting) {
    Recording *r = user;
    double now = time_now_s();
    progress_update(&r->progress, r->settled, "%d under way, %d waiting | %lld tried again | %.4f USD", in_flight, waiting, (long long)r->count->http.retries,
                    r->count->usd + r->count->usd_uncounted);
    Status status = OK;
    if (now - r->synced_s > SYNC_EVERY_S) {
        status = journal_sync(r->journal);
        r->synced_s = now;
    }
    if (status == OK && now - r->ledger_s > LEDGER_EVERY_S) {
        r->count->seconds = now - r->start_s;
        status = record_ledger_write(r->ledger, r->count, false);
        r->ledger_s = now;
    }
    if (status != OK) (void)give_up(r, status);
    if (interrupts > 0) r->count->interrupted = true;
    return r->stop || interrupts > 0;
}

/* ---- the run */

static Status outcome(Recording *r, Status http) {
    const RecordCount *c = r->count;
    if (r->status != OK) return FAIL(r->status, *r->fix ? r->fix : NULL, "%s", r->message);
    if (http != OK) return http;
    if (c->interrupted && c->left > 0) return FAIL(E_RESOURCE, "run it again: it goes on where it stopped", "interrupted; %lld questions are left", (long long)c->left);
    if (c->budget_reached && c->left > 0)
        return FAIL(E_RESOURCE, "run it again with a higher --max-usd: what was answered is kept and not asked again",
                    "the next request could go beyond --max-usd %.4f (spent %.4f, and up to %.4f on attempts whose count never came); %lld questions are left", r->s->max_usd, c->usd,
                    c->usd_uncounted, (long long)c->left);
    return OK;
}

static Status run(Recording *r) {
    HttpSettings http = r->s->http;
    TRY(provider_key(r->s->provider, &http.key));
    http.requests_per_minute = r->s->model->requests_per_minute;
    http.tokens_per_minute = r->s->model->tokens_per_minute;
    TRY(record_ledger_begin(r->s, r->plan, r->arena, &r->ledger));
    TRY(record_ledger_write(r->ledger, r->count, false));
    interrupts = 0;
    struct sigaction on = {.sa_handler = on_interrupt}, old_int, old_term;
    sigaction(SIGINT, &on, &old_int);
    sigaction(SIGTERM, &on, &old_term);
    HttpSource source = {r, next, begin, end, abandoned, tick};
    progress_begin(&r->progress, r->s->prompt ? "answers" : "vectors", r->plan->n, 0);
    Status status = http_run(&http, &source, &r->count->http);
    progress_end(&r->progress);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    for (int64_t job = r->next_job; job < r->n_jobs; job++) r->count->left += size_of(r, job);
    r->count->seconds = time_now_s() - r->start_s;
    status = outcome(r, status);
    if (status != OK) { /* its message must outlive what the ledger may say */
        (void)give_up(r, status);
        r->status = status;
    }
    Status written = record_ledger_write(r->ledger, r->count, true);
    record_ledger_end(r->ledger);
    return status != OK ? FAIL(status, *r->fix ? r->fix : NULL, "%s", r->message) : written;
}

Status record_run(const RecordSettings *s, const RecordPlan *plan, Journal *journal, RecordCount *count) {
    *count = (RecordCount){0};
    if (plan->n == 0) return OK;
    Arena *arena = arena_create("record");
    Recording *r = ARENA_NEW(arena, Recording, 1);
    double now = time_now_s();
    *r = (Recording){.s = s, .plan = plan, .count = count, .arena = arena, .journal = journal, .start_s = now, .synced_s = now, .ledger_s = now};
    r->job = ARENA_NEW(arena, Job, 2 * plan->n);
    for (int64_t first = 0; first < plan->n; first += s->batch) add_job(r, first, plan->n - first < s->batch ? plan->n - first : s->batch);
    r->errors_path = record_errors_path(s->responses, arena);
    Status status = run(r);
    arena_destroy(arena);
    return status;
}

/* ---- all together */

static void print_outcome(const RecordSettings *s, const RecordPlan *plan, const RecordCount *c) {
    int64_t failed = 0;
    for (int f = 0; f < N_RECORD_FAILURES; f++) failed += c->failed[f];
    if (plan->n == 0) return;
    log_info("%lld of %lld answered (%lld malformed, kept as such), %lld failed, %lld left; %lld requests, %lld of them again; %lld tokens in, %lld out, %.4f USD",
             (long long)c->answered, (long long)plan->n, (long long)c->malformed, (long long)failed, (long long)c->left, (long long)c->http.attempts, (long long)c->http.retries,
             (long long)c->tokens_in, (long long)c->tokens_out, c->usd);
    for (int f = 1; f < N_HTTP_FAULTS; f++)
        if (c->http.by_fault[f]) log_info("  attempts lost, %s: %lld", http_fault_name((HttpFault)f), (long long)c->http.by_fault[f]);
    for (int f = 0; f < N_RECORD_FAILURES; f++)
        if (c->failed[f]) log_warn("failed, %s: %lld", record_failure_name((RecordFailure)f), (long long)c->failed[f]);
    if (c->halved) log_info("  requests refused as a whole and asked in halves: %lld", (long long)c->halved);
    if (c->uncounted) log_info("  %lld attempts whose token count never came: %.4f USD at worst", (long long)c->uncounted, c->usd_uncounted);
    if (failed == 0) return;
    Arena *scratch = arena_create("path");
    log_warn("what failed is listed in %s", record_errors_path(s->responses, scratch));
    arena_destroy(scratch);
}

static Status plan_and_run(const RecordSettings *s, Question *questions, int64_t n, Journal *journal, Arena *arena, RecordCount *count) {
    Responses *cache;
    RecordPlan plan;
    TRY(responses_open_list(s->known ? s->known : "", path_exists(s->responses) ? s->responses : NULL, arena, &cache));
    responses_warn_journals(cache, responses_find_file(cache, s->responses));
    TRY(record_plan(s, questions, n, cache, arena, &plan));
    RecordEstimate e = record_estimate(s, &plan);
    record_print_estimate(s, &plan, &e);
    if (!journal) return record_check(s);
    Status status = record_run(s, &plan, journal, count);
    print_outcome(s, &plan, count);
    return status;
}

Status record_all(const RecordSettings *s, Question *questions, int64_t n, bool dry_run, RecordCount *count) {
    Journal *journal = NULL;
    int64_t recovered = 0;
    *count = (RecordCount){0};
    if (!dry_run) { /* a dry run estimates first, and then says what is missing */
        TRY(record_check(s));
        TRY(journal_open(s->responses, &journal, &recovered));
    }
    if (recovered) log_info("%s: %lld answers of an interrupted run taken over", s->responses, (long long)recovered);
    Arena *arena = arena_create("recorded");
    Status status = plan_and_run(s, questions, n, journal, arena, count);
    arena_destroy(arena);
    if (status == OK) return journal_close(journal);
    char message[512], fix[256]; /* of what ended the run, whatever closing says */
    (void)snprintf(message, sizeof message, "%s", status_message());
    (void)snprintf(fix, sizeof fix, "%s", status_fix());
    if (journal_close(journal) != OK) log_warn("%s", status_message());
    return FAIL(status, *fix ? fix : NULL, "%s", message);
}
