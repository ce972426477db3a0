/* llm/http.c -- see http.h.
 *
 * A Job is free, waiting for its time (a pause before another attempt, or fresh and held by a limit), or in flight on a libcurl handle. Handles are kept and used again. */
#include "llm/http.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "llm/pace.h"

enum { MAX_BODY = 64 << 20, JOBS_PER_SLOT = 3 };

typedef enum JobState { JOB_FREE, JOB_WAITING, JOB_FLYING } JobState;

typedef struct Job {
    JobState state;
    int64_t number;
    Arena *arena;
    HttpCall call;
    double tokens;           /* taken from the bucket */
    int attempt;             /* ended or under way */
    double not_before_s;
    /* in flight */
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    size_t n_body, capacity;
    bool too_long;
    int sends;               /* times this attempt went out */
    char retry_after[64];
    char problem[CURL_ERROR_SIZE];
} Job;

typedef struct Run {
    const HttpSettings *s;
    const HttpSource *source;
    HttpCount *count;
    Arena *arena;
    CURLM *multi;
    Job *job;
    int n_jobs, flying, waiting, n_idle;
    CURL **idle;
    Bucket requests, tokens;
    double hold_until_s;
    bool source_ended, stopping, held_by_budget;
    Status status;
} Run;

static const char *const fault_names[N_HTTP_FAULTS] = {"none", "timeout", "connection", "reset", "cut", "busy", "broken", "denied", "untrusted", "refused"};

const char *http_fault_name(HttpFault f) {
    REQUIRE((int)f >= 0 && f < N_HTTP_FAULTS, "fault %d", (int)f);
    return fault_names[f];
}

/* ---- one attempt */

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    Job *j = user;
    size_t n = size * count;
    if (j->n_body + n > MAX_BODY) {
        j->too_long = true;
        return 0;
    }
    ARENA_GROW(j->arena, j->body, j->capacity, j->n_body + n + 1);
    memcpy(j->body + j->n_body, data, n);
    j->n_body += n;
    j->body[j->n_body] = 0;
    return n;
}

static size_t on_header(char *line, size_t size, size_t count, void *user) {
    static const char name[] = "Retry-After:";
    Job *j = user;
    size_t n = size * count, skip = sizeof name - 1;
    if (n > skip && n - skip < sizeof j->retry_after && strncasecmp(line, name, skip) == 0) {
        memcpy(j->retry_after, line + skip, n - skip);
        j->retry_after[n - skip] = 0;
        j->retry_after[strcspn(j->retry_after, "\r\n")] = 0;
    }
    return n;
}

/* libcurl sends a request again by itself when a connection that was kept open turns out to be dead. That would be an attempt nobody counted, and perhaps a second bill. */
static int on_send(void *user, char *to_address, char *from_address, int to_port, int from_port) {
    Job *j = user;
    (void)to_address, (void)from_address, (void)to_port, (void)from_port;
    return j->sends++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void add_header(Job *j, const char *line) {
    struct curl_slist *longer = curl_slist_append(j->headers, line);
    REQUIRE(longer != NULL, "no memory for a header");
    j->headers = longer;
}

static void set_headers(const Run *r, Job *j) {
    for (int h = 0; h < j->call.n_headers; h++) add_header(j, j->call.header[h]);
    add_header(j, "Expect:"); /* no 100-continue round trip */
    if (!r->s->key || !j->call.key_header) return;
    ArenaMark mark = arena_mark(j->arena);
    char *line = arena_printf(j->arena, "%s%s", j->call.key_header, r->s->key);
    add_header(j, line);
    explicit_bzero(line, strlen(line));
    arena_release(j->arena, mark);
}

static void forget_headers(Job *j) {
    for (struct curl_slist *h = j->headers; h; h = h->next) explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(j->headers);
    j->headers = NULL;
}

static void launch(Run *r, Job *j) {
    j->curl = r->n_idle ? r->idle[--r->n_idle] : curl_easy_init();
    REQUIRE(j->curl != NULL, "libcurl gives no handle");
    j->attempt++;
    j->body = NULL;
    j->n_body = j->capacity = 0;
    j->too_long = false;
    j->sends = 0;
    j->retry_after[0] = j->problem[0] = 0;
    set_headers(r, j);
    CURL *c = j->curl;
    curl_easy_setopt(c, CURLOPT_URL, j->call.url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    const char *authorities = getenv("SSL_CERT_FILE"); /* as OpenSSL's own tools do; libcurl does not look by itself */
    if (authorities && *authorities) curl_easy_setopt(c, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "digr");
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, j->call.body);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)j->call.n_body);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, j->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, j);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, j);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, j);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, j->problem);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->s->connect_timeout_s * 1000));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(r->s->timeout_s * 1000));
    curl_easy_setopt(c, CURLOPT_PRIVATE, j);
    REQUIRE(curl_multi_add_handle(r->multi, c) == CURLM_OK, "libcurl takes no handle");
    j->state = JOB_FLYING;
    r->flying++;
    r->count->attempts++;
    r->count->retries += j->attempt > 1;
    if (r->flying > r->count->peak) r->count->peak = r->flying;
}

/* ---- its end */

static HttpFault classify(CURLcode rc, long status, const Job *j) {
    if (rc == CURLE_OPERATION_TIMEDOUT) return HTTP_TIMEOUT;
    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_RESOLVE_PROXY || rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PROXY)
        return HTTP_CONNECT;
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_URL_MALFORMAT) return HTTP_UNTRUSTED;
    if (rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR || rc == CURLE_GOT_NOTHING || (rc == CURLE_ABORTED_BY_CALLBACK && j->sends > 1)) return HTTP_RESET;
    if (rc != CURLE_OK || j->too_long) return HTTP_CUT;
    if (status >= 200 && status < 300) return HTTP_FINE;
    if (status == 401 || status == 403) return HTTP_DENIED;
    if (status == 408 || status == 409 || status == 425 || status == 429 || status == 503 || status == 529) return HTTP_BUSY;
    return status >= 500 ? HTTP_BROKEN : HTTP_REFUSED;
}

/* Servers have been seen to echo headers; nothing that looks at a body may find the key in it. Same length, so that nothing moves. */
static void redact(char *text, size_t n, const char *key) {
    size_t length = key ? strlen(key) : 0;
    if (length == 0) return;
    for (char *p = text; (p = memmem(p, n - (size_t)(p - text), key, length)); p += length) {
        memset(p, '*', length);
        if (length >= 5) memcpy(p, "[key]", 5);
    }
}

/* Everybody waits: the server has said so. */
static void hold_back(Run *r, double seconds) {
    double until = time_now_s() + seconds;
    if (seconds <= 0) return;
    r->count->paused++;
    if (until > r->hold_until_s) r->hold_until_s = until;
    if (seconds > r->s->max_pause_s && r->status == OK) {
        r->stopping = true;
        r->status = FAIL(E_RESOURCE, "a quota, perhaps; run it again later: what has been answered is kept", "the server asks to wait %.0f seconds, more than %.0f", seconds,
                         r->s->max_pause_s);
    }
}

static void release(Job *j) {
    arena_destroy(j->arena);
    *j = (Job){0};
}

static void settle(Run *r, Job *j, CURLcode rc) {
    long status = 0;
    curl_easy_getinfo(j->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(r->multi, j->curl);
    forget_headers(j);
    curl_easy_reset(j->curl);
    r->idle[r->n_idle++] = j->curl;
    j->curl = NULL;
    r->flying--;
    if (j->body) redact(j->body, j->n_body, r->s->key);
    redact(j->problem, strlen(j->problem), r->s->key);
    HttpResult result = {.fault = classify(rc, status, j), .status = (int)status, .body = j->body ? j->body : "", .n_body = j->n_body, .attempt = j->attempt};
    result.problem = rc == CURLE_OK ? "" : rc == CURLE_ABORTED_BY_CALLBACK ? "the connection was closed" : *j->problem ? j->problem : curl_easy_strerror(rc);
    result.maybe_billed = j->sends > 0 && rc != CURLE_OK && result.fault != HTTP_CONNECT && result.fault != HTTP_UNTRUSTED;
    double wait = retry_after(j->retry_after, (int64_t)time(NULL));
    if (result.fault == HTTP_BUSY || result.fault == HTTP_BROKEN) hold_back(r, wait);
    result.stopping = r->stopping;
    result.last = j->attempt >= r->s->max_attempts || r->stopping;
    r->count->by_fault[result.fault]++;
    double used = -1;
    HttpVerdict verdict = r->source->end(r->source->user, j->number, &result, j->arena, &used);
    r->source_ended = false;
    if (used >= 0) bucket_give_back(&r->tokens, j->tokens - used);
    r->held_by_budget = false; /* what was set aside for it is free again */
    if (verdict == HTTP_STOP) r->stopping = true;
    if (verdict != HTTP_AGAIN) {
        release(j);
        return;
    }
    REQUIRE(!result.last, "another attempt where none is allowed");
    j->state = JOB_WAITING;
    j->not_before_s = time_now_s() + retry_pause(r->s->seed, j->number, j->attempt, r->s->first_pause_s, r->s->max_pause_s);
    r->waiting++;
}

/* ---- starting */

/* A waiting job whose time has come, else a new one; NULL when there is none. */
static Job *choose(Run *r, double now) {
    Job *free_job = NULL, *due = NULL;
    for (int i = 0; i < r->n_jobs; i++) {
        Job *j = &r->job[i];
        if (j->state == JOB_FREE && !free_job) free_job = j;
        if (j->state == JOB_WAITING && j->not_before_s <= now && (!due || j->not_before_s < due->not_before_s)) due = j;
    }
    if (due || !free_job || r->source_ended || r->waiting >= r->n_jobs - r->s->concurrency) return due;
    Job *j = free_job;
    j->arena = arena_create("request");
    if (!r->source->next(r->source->user, j->arena, &j->number, &j->call, &j->tokens)) {
        r->source_ended = true;
        release(j);
        return NULL;
    }
    j->state = JOB_WAITING;
    j->not_before_s = 0;
    r->waiting++;
    return j;
}

/* Starts what may start; returns the seconds after which to look again. */
static double start_jobs(Run *r) {
    while (!r->stopping && !r->held_by_budget && r->flying < r->s->concurrency) {
        double now = time_now_s();
        if (now < r->hold_until_s) return r->hold_until_s - now;
        Job *j = choose(r, now);
        if (!j) break;
        double wait = fmax(bucket_wait(&r->requests, now, 1), bucket_wait(&r->tokens, now, j->tokens));
        if (wait > 0) return wait;
        if (!r->source->begin(r->source->user, j->number, j->attempt + 1)) {
            r->held_by_budget = true;
            break;
        }
        bucket_take(&r->requests, now, 1);
        bucket_take(&r->tokens, now, j->tokens);
        r->waiting--;
        launch(r, j);
    }
    double first = 1, now = time_now_s();
    for (int i = 0; i < r->n_jobs; i++)
        if (r->job[i].state == JOB_WAITING && r->job[i].not_before_s > now && r->flying < r->s->concurrency) first = fmin(first, r->job[i].not_before_s - now);
    return first;
}

static void abandon_waiting(Run *r) {
    for (int i = 0; i < r->n_jobs; i++)
        if (r->job[i].state == JOB_WAITING) {
            r->source->abandoned(r->source->user, r->job[i].number);
            r->count->abandoned++;
            r->waiting--;
            release(&r->job[i]);
        }
}

static void collect(Run *r) {
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(r->multi, &left));) {
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode rc = m->data.result; /* m is gone once its handle is removed */
        char *job;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &job);
        settle(r, (Job *)(void *)job, rc);
    }
}

static void loop(Run *r) {
    for (;;) {
        if (r->source->tick(r->source->user, r->flying, r->waiting)) r->stopping = true;
        double pause = start_jobs(r), before = time_now_s();
        if (r->flying == 0) {
            if (r->stopping || r->held_by_budget) abandon_waiting(r);
            if (r->waiting == 0 && (r->stopping || r->held_by_budget || r->source_ended)) return;
        }
        int running;
        REQUIRE(curl_multi_perform(r->multi, &running) == CURLM_OK, "libcurl: perform");
        int64_t ended = r->count->attempts - r->flying;
        collect(r);
        if (r->count->attempts - r->flying > ended) continue; /* there is room for others at once */
        REQUIRE(curl_multi_poll(r->multi, NULL, 0, (int)(fmin(pause, 1) * 1000) + 1, NULL) == CURLM_OK, "libcurl: poll");
        bool was_held = r->flying < r->s->concurrency && !r->held_by_budget && !r->stopping && !(r->source_ended && r->waiting == 0);
        if (was_held) r->count->waited_s += time_now_s() - before;
    }
}

Status http_run(const HttpSettings *s, const HttpSource *source, HttpCount *count) {
    REQUIRE(s->concurrency >= 1 && s->max_attempts >= 1, "nothing could be sent");
    *count = (HttpCount){0};
    Arena *arena = arena_create("http");
    Run r = {.s = s, .source = source, .count = count, .arena = arena, .n_jobs = JOBS_PER_SLOT * s->concurrency};
    r.job = ARENA_NEW(arena, Job, r.n_jobs);
    r.idle = ARENA_NEW(arena, CURL *, s->concurrency);
    r.requests = bucket_make(s->requests_per_minute, time_now_s());
    r.tokens = bucket_make(s->tokens_per_minute, time_now_s());
    curl_global_init(CURL_GLOBAL_DEFAULT);
    r.multi = curl_multi_init();
    if (!r.multi) {
        arena_destroy(arena);
        return FAIL(E_RESOURCE, NULL, "libcurl cannot be used");
    }
    curl_multi_setopt(r.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)s->concurrency);
    curl_multi_setopt(r.multi, CURLMOPT_MAXCONNECTS, (long)s->concurrency);
    curl_multi_setopt(r.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    loop(&r);
    while (r.n_idle > 0) curl_easy_cleanup(r.idle[--r.n_idle]);
    curl_multi_cleanup(r.multi);
    Status status = r.status;
    arena_destroy(arena);
    return status;
}
