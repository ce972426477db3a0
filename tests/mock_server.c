/* tests/mock_server.c -- see mock_server.h.
 *
 * A connection is READING a request, HELD (a delay, a stall), or SENDING the `wire`: head and body as bytes, made at once. `limit` is the place in the wire at which
 * a fault sets in. Everything of one request lives in the connection's arena and goes when the answer is out. */
#include "mock_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"

enum { MAX_CONNECTIONS = 1024, MAX_ENTRIES = 8192, MAX_REQUEST = 16 << 20, CHUNK = 4096, RESET_PAUSE_MS = 50 };

typedef struct Shared {
    volatile int64_t number[MOCK_SHARED];
    volatile int64_t n_entries, open_now, open_peak, busy_now, busy_peak;
    MockEntry entry[MAX_ENTRIES];
} Shared;

struct MockServer {
    Arena *arena;
    Shared *shared;
    pid_t pid;
    int port, refused_fd, refused_port;
};

typedef enum State { FREE, READING, HELD, SENDING } State;
typedef enum Ending { END_KEEP, END_CLOSE, END_RESET, END_STALL } Ending;

typedef struct Connection {
    State state;
    int fd;
    Arena *arena;
    char *in;
    size_t in_capacity, n_in, n_request; /* n_request: bytes of `in` that are the request being answered */
    bool continued;                      /* 100 Continue was sent */
    const char *wire;
    size_t n_wire, head_bytes, sent, limit;
    Ending ending;
    MockResponse response;
    MockEntry *entry;
    double wake_s;                       /* HELD: when to go on; 0: never */
    size_t drip_left;
} Connection;

typedef struct Loop {
    int listener, epoll;
    MockHandler handler;
    void *user;
    Connection connection[MAX_CONNECTIONS];
    double start_s;
} Loop;

static Shared *in_server; /* of this process, when it is a server */

/* ---- requests ---- */

const char *mock_header(const MockRequest *request, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = request->headers; *line != '\0';) {
        const char *end = strstr(line, "\r\n");
        if (end == NULL) end = line + strlen(line);
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1;
            while (value < end && (*value == ' ' || *value == '\t')) value++;
            return arena_strndup(request->arena, value, (size_t)(end - value));
        }
        line = *end != '\0' ? end + 2 : end;
    }
    return "";
}

void mock_text(MockResponse *response, int status, const char *text)
{
    response->status = status;
    response->body = text;
    response->n_body = strlen(text);
}

void mock_file(const MockRequest *request, MockResponse *response, const void *data, size_t n, const char *etag)
{
    const char *range = mock_header(request, "Range"), *if_range = mock_header(request, "If-Range");
    const char *tag = etag != NULL ? arena_printf(request->arena, "ETag: %s\r\n", etag) : "";
    bool partial = strncmp(range, "bytes=", 6) == 0 && (*if_range == '\0' || (etag != NULL && strcmp(if_range, etag) == 0));
    response->headers = arena_printf(request->arena, "%sAccept-Ranges: bytes\r\n", tag);
    response->body = data;
    response->n_body = n;
    if (!partial) return;
    char *end;
    size_t from = (size_t)strtoull(range + 6, &end, 10), to = n;
    if (*end == '-' && end[1] >= '0' && end[1] <= '9') to = (size_t)strtoull(end + 1, NULL, 10) + 1;
    if (to > n) to = n;
    if (from >= to) {
        response->status = 416;
        response->headers = arena_printf(request->arena, "%sContent-Range: bytes */%zu\r\n", tag, n);
        response->n_body = 0;
        return;
    }
    response->status = 206;
    response->headers = arena_printf(request->arena, "%sContent-Range: bytes %zu-%zu/%zu\r\n", tag, from, to - 1, n);
    response->body = (const char *)data + from;
    response->n_body = to - from;
}

/* How many requests with this method and path came since the log was emptied; by hash, so that tens of thousands stay quick. */
static int64_t count_earlier(const char *method, const char *path, bool first)
{
    static struct Seen { uint64_t hash; int64_t count; } seen[4096];
    enum { N_SEEN = sizeof seen / sizeof seen[0] };
    if (first) memset(seen, 0, sizeof seen);
    uint64_t hash = fnv1a64(path, strlen(path)) ^ fnv1a64(method, strlen(method)) << 1;
    size_t k = hash % N_SEEN;
    for (size_t tried = 0; seen[k].count > 0 && seen[k].hash != hash; k = (k + 1) % N_SEEN) REQUIRE(++tried < N_SEEN, "mock server: too many paths");
    seen[k].hash = hash;
    return seen[k].count++;
}

/* Also sets request->nth. */
static MockEntry *log_request(const Loop *loop, MockRequest *request)
{
    int64_t n = in_server->n_entries;
    if (n == MAX_ENTRIES) n = 0; /* the oldest go; no test comes that far and still counts */
    MockEntry *e = &in_server->entry[n];
    memset(e, 0, sizeof *e);
    (void)snprintf(e->method, sizeof e->method, "%s", request->method);
    (void)snprintf(e->path, sizeof e->path, "%s", request->path);
    (void)snprintf(e->if_range, sizeof e->if_range, "%s", mock_header(request, "If-Range"));
    request->nth = count_earlier(request->method, request->path, n == 0);
    const char *range = mock_header(request, "Range");
    if (strncmp(range, "bytes=", 6) == 0) (void)snprintf(e->range, sizeof e->range, "%s", range + 6);
    e->range_from = atoll(e->range);
    e->n_body = (int64_t)request->n_body;
    e->at_s = time_now_s() - loop->start_s;
    in_server->n_entries = n + 1;
    return e;
}

/* ---- responses ---- */

static const char *reason(int status)
{
    static const struct { int status; const char *text; } known[] = {
        {200, "OK"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {302, "Found"}, {304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"},
        {403, "Forbidden"}, {404, "Not Found"}, {408, "Request Timeout"}, {413, "Content Too Large"}, {416, "Range Not Satisfiable"},
        {429, "Too Many Requests"}, {500, "Internal Server Error"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}, {529, "Overloaded"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status) return known[i].text;
    return "Answer";
}

static void put(char *to, size_t *n, const void *data, size_t bytes)
{
    if (bytes > 0) memcpy(to + *n, data, bytes);
    *n += bytes;
}

static void make_wire(Connection *c, const char *method)
{
    const MockResponse *r = &c->response;
    bool chunked = r->chunked || r->bad_chunk, to_the_end = (r->http10 || r->declared_length == MOCK_NO_LENGTH) && !chunked;
    const char *length = "";
    if (chunked) length = "Transfer-Encoding: chunked\r\n";
    else if (r->declared_length != MOCK_NO_LENGTH)
        length = arena_printf(c->arena, "Content-Length: %lld\r\n", r->declared_length == MOCK_TRUE_LENGTH ? (long long)r->n_body : (long long)r->declared_length);
    const char *head = r->raw != NULL ? r->raw
                                      : arena_printf(c->arena, "HTTP/1.%d %d %s\r\n%s%s%s\r\n", r->http10 ? 0 : 1, r->status, reason(r->status), length,
                                                     r->headers != NULL ? r->headers : "", r->close ? "Connection: close\r\n" : "");
    size_t n_body = strcmp(method, "HEAD") == 0 ? 0 : r->n_body, n = 0;
    char *wire = arena_alloc_raw(c->arena, strlen(head) + n_body + (n_body / CHUNK + 2) * 16, 1);
    put(wire, &n, head, strlen(head));
    c->head_bytes = n;
    if (!chunked) put(wire, &n, r->body, n_body);
    for (size_t at = 0; chunked && at < n_body; at += CHUNK) {
        size_t part = n_body - at < CHUNK ? n_body - at : CHUNK;
        char size[20];
        int digits = snprintf(size, sizeof size, r->bad_chunk && at > 0 ? "zz\r\n" : "%zx\r\n", part);
        put(wire, &n, size, (size_t)digits);
        put(wire, &n, (const char *)r->body + at, part);
        put(wire, &n, "\r\n", 2);
    }
    if (chunked) put(wire, &n, "0\r\n\r\n", 5);
    c->wire = wire;
    c->n_wire = c->limit = n;
    c->ending = r->close || to_the_end || r->raw != NULL || r->declared_length >= 0 || r->bad_chunk ? END_CLOSE : END_KEEP;
    int64_t at = r->stall_at >= 0 ? r->stall_at : r->cut_at;
    if (at < 0 || strcmp(method, "HEAD") == 0) return;
    if (c->head_bytes + (size_t)at < n) c->limit = c->head_bytes + (size_t)at;
    c->ending = r->stall_at >= 0 ? END_STALL : r->reset ? END_RESET : END_CLOSE;
}

static void watch(const Loop *loop, Connection *c, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void busy(int64_t change)
{
    in_server->busy_now += change;
    if (in_server->busy_now > in_server->busy_peak) in_server->busy_peak = in_server->busy_now;
}

static void hang_up(Connection *c, bool reset)
{
    if (reset) {
        struct linger now = {1, 0};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    (void)close(c->fd);
    if (c->state == HELD || c->state == SENDING) busy(-1);
    arena_destroy(c->arena);
    *c = (Connection){.state = FREE};
    in_server->open_now--;
}

static void hold(const Loop *loop, Connection *c, int ms)
{
    c->state = HELD;
    c->wake_s = ms > 0 ? time_now_s() + ms / 1000.0 : 0;
    watch(loop, c, EPOLLRDHUP);
}

/* The request `in[0..n_request)` has come whole. */
static void serve(Loop *loop, Connection *c, size_t n_head, size_t n_body)
{
    MockRequest request = {.arena = c->arena, .query = "", .n_body = n_body};
    char *line = arena_strndup(c->arena, c->in, n_head), *end = strstr(line, "\r\n");
    request.headers = end + 2;
    *end = '\0';
    char *space = strchr(line, ' ');
    char *path = space != NULL ? space + 1 : end;
    if (space != NULL) *space = '\0';
    path[strcspn(path, " ")] = '\0';
    char *query = strchr(path, '?');
    if (query != NULL) *query = '\0', request.query = query + 1;
    request.method = line;
    request.path = path;
    request.body = arena_strndup(c->arena, c->in + n_head, n_body);
    c->entry = log_request(loop, &request);
    c->response = (MockResponse){.status = 200, .body = "", .cut_at = -1, .stall_at = -1, .declared_length = MOCK_TRUE_LENGTH};
    loop->handler(&request, &c->response, loop->user);
    if (c->response.drop) {
        hang_up(c, false);
        return;
    }
    if (strcasecmp(mock_header(&request, "Connection"), "close") == 0) c->response.close = true;
    c->entry->status = c->response.raw != NULL ? 0 : c->response.status;
    make_wire(c, request.method);
    c->sent = 0;
    busy(+1);
    c->state = SENDING;
    c->drip_left = (size_t)c->response.drip_bytes;
    if (c->response.delay_ms > 0) hold(loop, c, c->response.delay_ms);
    else watch(loop, c, EPOLLOUT | EPOLLRDHUP);
}

/* Is a whole request there? Looks at what came so far; a request that is no HTTP ends the connection. */
static void examine(Loop *loop, Connection *c)
{
    c->in[c->n_in] = '\0';
    char *blank = strstr(c->in, "\r\n\r\n");
    if (blank == NULL) return;
    size_t n_head = (size_t)(blank - c->in) + 4;
    *blank = '\0';
    MockRequest probe = {.arena = c->arena};
    char *headers = strstr(c->in, "\r\n");
    probe.headers = headers != NULL ? headers + 2 : "";
    size_t n_body = (size_t)strtoull(mock_header(&probe, "Content-Length"), NULL, 10);
    bool wants_continue = strcasecmp(mock_header(&probe, "Expect"), "100-continue") == 0;
    *blank = '\r';
    if (n_body > MAX_REQUEST) {
        hang_up(c, true);
        return;
    }
    if (wants_continue && !c->continued) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
        c->continued = true;
    }
    if (c->n_in < n_head + n_body) return;
    c->n_request = n_head + n_body;
    serve(loop, c, n_head, n_body);
}

static void receive(Loop *loop, Connection *c)
{
    ARENA_GROW(c->arena, c->in, c->in_capacity, c->n_in + 16384);
    ssize_t got = recv(c->fd, c->in + c->n_in, c->in_capacity - c->n_in - 1, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        hang_up(c, false);
        return;
    }
    c->n_in += (size_t)got;
    examine(loop, c);
}

/* The answer is out: the next request may be in the buffer already. */
static void next_request(Loop *loop, Connection *c)
{
    Arena *fresh = arena_create("mock connection");
    size_t rest = c->n_in - c->n_request, capacity = 0;
    char *in = NULL;
    ARENA_GROW(fresh, in, capacity, rest + 16384);
    memcpy(in, c->in + c->n_request, rest);
    arena_destroy(c->arena);
    busy(-1);
    *c = (Connection){.state = READING, .fd = c->fd, .arena = fresh, .in = in, .in_capacity = capacity, .n_in = rest};
    watch(loop, c, EPOLLIN);
    if (rest > 0) examine(loop, c);
}

static void finish(Loop *loop, Connection *c)
{
    switch (c->ending) {
    case END_KEEP: next_request(loop, c); break;
    case END_CLOSE: hang_up(c, false); break;
    case END_STALL: hold(loop, c, 0); break;
    case END_RESET: /* a moment for the bytes before it to be read: a reset throws away what lies in the socket */
        if (c->wake_s > 0) hang_up(c, true);
        else hold(loop, c, RESET_PAUSE_MS);
        break;
    }
}

static void transmit(Loop *loop, Connection *c)
{
    size_t left = c->limit - c->sent;
    bool drips = c->response.drip_bytes > 0 && c->sent >= c->head_bytes;
    if (c->response.drip_bytes > 0 && !drips) left = c->head_bytes - c->sent;
    if (drips && left > c->drip_left) left = c->drip_left;
    ssize_t n = left > 0 ? send(c->fd, c->wire + c->sent, left, MSG_NOSIGNAL) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
        hang_up(c, false);
        return;
    }
    c->sent += (size_t)n;
    if (c->sent > c->head_bytes) c->entry->body_sent = (int64_t)(c->sent - c->head_bytes);
    if (c->sent == c->limit) {
        finish(loop, c);
    } else if (drips) {
        c->drip_left -= (size_t)n;
        if (c->drip_left == 0) {
            c->drip_left = (size_t)c->response.drip_bytes;
            hold(loop, c, c->response.drip_ms);
        }
    }
}

/* ---- the loop ---- */

static void welcome(Loop *loop)
{
    int fd = accept4(loop->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0) return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        Connection *c = &loop->connection[i];
        if (c->state != FREE) continue;
        *c = (Connection){.state = READING, .fd = fd, .arena = arena_create("mock connection")};
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &e);
        in_server->open_now++;
        if (in_server->open_now > in_server->open_peak) in_server->open_peak = in_server->open_now;
        return;
    }
    (void)close(fd);
}

static int wake(Loop *loop)
{
    double now = time_now_s(), first = now + 1;
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        Connection *c = &loop->connection[i];
        if (c->state != HELD || c->wake_s <= 0) continue;
        if (c->wake_s > now) {
            if (c->wake_s < first) first = c->wake_s;
        } else if (c->ending == END_RESET && c->sent == c->limit) {
            hang_up(c, true);
        } else {
            c->state = SENDING;
            c->wake_s = 0;
            watch(loop, c, EPOLLOUT | EPOLLRDHUP);
        }
    }
    return (int)((first - now) * 1000) + 1;
}

static _Noreturn void run(Loop *loop)
{
    loop->start_s = time_now_s();
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[64];
    REQUIRE(loop->epoll >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->listener, &e) == 0, "mock server: epoll: %s", strerror(errno));
    for (;;) {
        int n = epoll_wait(loop->epoll, ready, 64, wake(loop));
        for (int i = 0; i < n; i++) {
            Connection *c = ready[i].data.ptr;
            if (c == NULL) welcome(loop);
            else if (c->state == READING) receive(loop, c);
            else if (c->state == SENDING && (ready[i].events & EPOLLOUT) != 0) transmit(loop, c);
            else if (c->state != FREE && (ready[i].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) hang_up(c, false);
        }
    }
}

/* ---- the test's side ---- */

static int bound(int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0,
            "mock server: no loopback port: %s", strerror(errno));
    *port = ntohs(address.sin_port);
    return fd;
}

MockServer *mock_start(MockHandler handler, void *user)
{
    Arena *arena = arena_create("mock server");
    MockServer *s = ARENA_NEW(arena, MockServer, 1);
    s->arena = arena;
    s->shared = mmap(NULL, sizeof *s->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(s->shared != MAP_FAILED, "mock server: no shared memory: %s", strerror(errno));
    int listener = bound(&s->port);
    REQUIRE(listen(listener, 512) == 0, "mock server: listen: %s", strerror(errno));
    s->refused_fd = bound(&s->refused_port); /* bound and not listening: refuses, and nobody else gets the port */
    (void)setenv("no_proxy", "127.0.0.1", 1);
    pid_t parent = getpid();
    s->pid = fork();
    REQUIRE(s->pid >= 0, "mock server: fork: %s", strerror(errno));
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(0);
        in_server = s->shared;
        Loop *loop = ARENA_NEW(arena, Loop, 1);
        loop->listener = listener;
        loop->handler = handler;
        loop->user = user;
        (void)fcntl(listener, F_SETFL, O_NONBLOCK);
        run(loop);
    }
    (void)close(listener);
    return s;
}

void mock_stop(MockServer *s)
{
    if (s == NULL) return;
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    (void)close(s->refused_fd);
    (void)munmap(s->shared, sizeof *s->shared);
    arena_destroy(s->arena);
}

int mock_port(const MockServer *s) { return s->port; }
const char *mock_url(MockServer *s, const char *path) { return arena_printf(s->arena, "http://127.0.0.1:%d%s", s->port, path); }
const char *mock_refused_url(MockServer *s, const char *path) { return arena_printf(s->arena, "http://127.0.0.1:%d%s", s->refused_port, path); }
int64_t mock_count(const MockServer *s) { return s->shared->n_entries; }
int64_t mock_peak_connections(const MockServer *s) { return s->shared->open_peak; }
int64_t mock_peak_requests(const MockServer *s) { return s->shared->busy_peak; }
volatile int64_t *mock_shared(MockServer *s) { return s != NULL ? s->shared->number : in_server->number; }

const MockEntry *mock_entry(const MockServer *s, int64_t i)
{
    REQUIRE(i >= 0 && i < s->shared->n_entries, "mock server: request %lld of %lld", (long long)i, (long long)s->shared->n_entries);
    return &s->shared->entry[i];
}

int64_t mock_body_sent(const MockServer *s)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < s->shared->n_entries; i++) sum += s->shared->entry[i].body_sent;
    return sum;
}

const char *mock_log(MockServer *s)
{
    int64_t n = s->shared->n_entries;
    size_t room = (size_t)n * 160 + 1, at = 0;
    char *text = arena_alloc(s->arena, room, 1);
    for (int64_t i = 0; i < n; i++) {
        const MockEntry *e = &s->shared->entry[i];
        at += (size_t)snprintf(text + at, room - at, "%s %s %lld\n", e->method, e->path, (long long)e->range_from);
    }
    return text;
}

void mock_forget(MockServer *s) { s->shared->n_entries = 0; }
