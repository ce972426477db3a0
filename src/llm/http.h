/* llm/http.h -- many requests at once over libcurl's multi interface: bounded concurrency, rate limits, pauses and attempts. The only file of this room that opens a
 * socket, and only record.c calls it.
 *
 * TLS certificates and host names are verified (against the system's authorities, or the file SSL_CERT_FILE names). Proxies come from the environment (https_proxy, no_proxy). Redirects are not followed: a key goes where it was sent and nowhere
 * else. The key is put into a header when a request is sent; what a server answers is searched for it and every occurrence is made "[key]" before anybody sees it.
 */
#ifndef DIGR_LLM_HTTP_H
#define DIGR_LLM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "llm/chat.h"

typedef enum HttpFault {
    HTTP_FINE,         /* 2xx, the body is there */
    HTTP_TIMEOUT, HTTP_CONNECT, HTTP_RESET, HTTP_CUT, /* no answer: too slow; no connection or no trust; broken; a body that ended early or is not HTTP */
    HTTP_BUSY,         /* 408, 409, 425, 429, 503, 529: later */
    HTTP_BROKEN,       /* other 5xx */
    HTTP_DENIED,       /* 401, 403 */
    HTTP_UNTRUSTED,    /* no valid certificate, or a URL that libcurl cannot use */
    HTTP_REFUSED,      /* other 4xx, 3xx */
    N_HTTP_FAULTS
} HttpFault;

const char *http_fault_name(HttpFault f); /* "timeout", "connection", ... */

typedef struct HttpResult {
    HttpFault fault;
    int status;              /* 0: no answer */
    const char *body;        /* NUL-terminated, "" when none; of any status */
    size_t n_body;
    const char *problem;     /* what libcurl says; "" when it came through */
    bool maybe_billed;       /* the request went out and its answer did not come whole: the provider may have counted it */
    int attempt;             /* 1: the first */
    bool last;               /* no further attempt is allowed, ... */
    bool stopping;           /* ... because nothing new is started any more */
} HttpResult;

typedef enum HttpVerdict { HTTP_DONE, HTTP_AGAIN, HTTP_STOP } HttpVerdict; /* STOP: done, and nothing new is started */

/* What the caller of http_run provides. `job` numbers are the caller's. */
typedef struct HttpSource {
    void *user;
    /* next -- a new job; its call lives in `arena` until it is done. false: there are no more, unless one that is under way makes some: asked again when it has ended. */
    bool (*next)(void *user, Arena *arena, int64_t *job, HttpCall *call, double *tokens);
    /* begin -- may this attempt start (the budget)? false: not now; it is asked again when something has ended. */
    bool (*begin)(void *user, int64_t job, int attempt);
    /* end -- an attempt has ended. *tokens_used: what it really counted, for the rate limit; < 0: unknown. AGAIN is not allowed when result->last. */
    HttpVerdict (*end)(void *user, int64_t job, const HttpResult *result, Arena *arena, double *tokens_used);
    /* abandoned -- the job will not be finished (after STOP, or because begin said no and nothing is under way). */
    void (*abandoned)(void *user, int64_t job);
    /* tick -- now and then, at least once a second. true: start nothing new (an interrupt). */
    bool (*tick)(void *user, int in_flight, int waiting);
} HttpSource;

typedef struct HttpSettings {
    const char *key;               /* NULL: none is sent */
    int concurrency, max_attempts;
    double connect_timeout_s, timeout_s; /* of one attempt */
    double first_pause_s, max_pause_s;
    double requests_per_minute, tokens_per_minute; /* 0: no limit */
    uint64_t seed;
} HttpSettings;

typedef struct HttpCount {
    int64_t attempts, retries, abandoned;
    int64_t by_fault[N_HTTP_FAULTS];
    int64_t paused;      /* times a Retry-After held everything back */
    int64_t peak;        /* most attempts under way at once */
    double waited_s;     /* time in which only the rate limit or a Retry-After kept it from starting another */
} HttpCount;

/* http_run -- until source->next is at its end and every job is done, or abandoned. A Retry-After longer than max_pause_s ends the run with E_RESOURCE.
 * E_RESOURCE also: libcurl cannot be used. What happens to single requests is no error here. */
Status http_run(const HttpSettings *s, const HttpSource *source, HttpCount *count);

#endif
