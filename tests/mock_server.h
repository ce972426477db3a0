/* tests/mock_server.h -- an HTTP/1.1 server for tests: loopback only, a port of its own, in a process of its own, and as faulty as a test wants it.
 *
 *   static void answer(const MockRequest *request, MockResponse *response, void *user)
 *   {
 *       mock_file(request, response, data, n, "\"v1\"");          // 200, or 206 and 416 when the client asks for a range
 *       if (request->nth == 0) response->cut_at = 1000;           // the first time: closed after 1000 bytes of the body
 *   }
 *   MockServer *server = mock_start(answer, NULL);
 *   ... fetch(mock_url(server, "/x")); ...
 *   mock_stop(server);
 *
 * One loop over epoll serves hundreds of keep-alive connections at once; the handler runs in it and must not block (a delay is a field of the response). The
 * server is a fork of the test: the handler sees the test's memory as it was at mock_start, and keeps its own state in plain static variables. What both
 * sides see: the log of requests and mock_shared(). The server ends with mock_stop, and with the process that started it. */
#ifndef DIGR_TESTS_MOCK_SERVER_H
#define DIGR_TESTS_MOCK_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct MockServer MockServer;

typedef struct MockRequest {
    const char *method, *path, *query; /* "/x?a=1" is path "/x", query "a=1" */
    const char *headers;               /* as received: lines ended by \r\n */
    const char *body;                  /* NUL-terminated */
    size_t n_body;
    int64_t nth;                       /* how many requests with this method and path came before */
    Arena *arena;                      /* lives until the response is sent: for texts the handler makes */
} MockRequest;

/* What to answer. The handler gets it filled in as "200, no body"; everything but status, headers and body is a fault or an oddity. */
typedef struct MockResponse {
    int status;
    const char *headers;       /* more header lines, each ended by \r\n */
    const void *body;          /* must live until it is sent: static, or in request->arena */
    size_t n_body;
    int delay_ms;              /* nothing is sent before that */
    int64_t cut_at;            /* close after so many bytes of the body; -1: no */
    bool reset;                /* with cut_at: by RST instead of FIN */
    int64_t stall_at;          /* fall silent after so many bytes of the body, and stay connected; -1: no */
    int64_t drip_bytes;        /* send so many bytes at a time, ... */
    int drip_ms;               /* ... and pause so long after each */
    int64_t declared_length;   /* Content-Length, when it is not n_body (MOCK_TRUE_LENGTH); MOCK_NO_LENGTH: none */
    bool chunked;              /* chunked instead of Content-Length */
    bool bad_chunk;            /* chunked, and the second chunk's size is no number */
    bool http10;               /* HTTP/1.0: connection closed at the end */
    bool close;                /* Connection: close */
    const char *raw;           /* this text instead of status line and headers; the body follows */
    bool drop;                 /* close without a word */
} MockResponse;

enum { MOCK_TRUE_LENGTH = -1, MOCK_NO_LENGTH = -2 };

/* mock_header -- a request header's value in request->arena, "" when absent; the name in any case. */
const char *mock_header(const MockRequest *request, const char *name);

/* mock_file -- the right answer for a file of n bytes: HEAD, Range with If-Range, 416. etag NULL: none, and If-Range never holds. */
void mock_file(const MockRequest *request, MockResponse *response, const void *data, size_t n, const char *etag);

/* mock_text -- status and a body of text. */
void mock_text(MockResponse *response, int status, const char *text);

typedef void (*MockHandler)(const MockRequest *request, MockResponse *response, void *user);

MockServer *mock_start(MockHandler handler, void *user);
void mock_stop(MockServer *server); /* NULL is allowed */
int mock_port(const MockServer *server);
/* mock_url -- "http://127.0.0.1:PORT" and path; lives as long as the server. */
const char *mock_url(MockServer *server, const char *path);
/* mock_refused_url -- an address at which connections are refused, as long as the server lives. */
const char *mock_refused_url(MockServer *server, const char *path);

/* ---- what the server saw ---- */

typedef struct MockEntry {
    char method[8], path[120], if_range[64], range[32]; /* range: "" or "4321-" */
    int64_t range_from;     /* 0 without a range */
    int64_t n_body;         /* of the request */
    int64_t body_sent;      /* of the response, so far */
    double at_s;            /* arrival, since mock_start */
    int status;             /* of the response; 0: raw or dropped */
} MockEntry;

int64_t mock_count(const MockServer *server);
const MockEntry *mock_entry(const MockServer *server, int64_t i);
/* mock_body_sent -- body bytes of all responses since mock_forget. */
int64_t mock_body_sent(const MockServer *server);
/* mock_log -- "GET /x 4321\n" for each request (method, path, start of the range), in order of arrival. Lives as long as the server. */
const char *mock_log(MockServer *server);
/* mock_forget -- empties the log; request->nth starts from 0 again. */
void mock_forget(MockServer *server);
int64_t mock_peak_connections(const MockServer *server);
/* Requests whose answer was under way at the same time (delays included). */
int64_t mock_peak_requests(const MockServer *server);

/* mock_shared -- MOCK_SHARED numbers that test and handler both see; zero at the start. In a handler: mock_shared(NULL). */
enum { MOCK_SHARED = 32 };
volatile int64_t *mock_shared(MockServer *server);

#endif
