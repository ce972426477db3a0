/* io/download.c -- see download.h. */
#include "io/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

enum { ATTEMPTS = 3, CONNECT_S = 20, STALL_S = 60, STALL_BYTES_S = 200 };

typedef struct Transfer {
    const DownloadFile *file;
    Arena *arena;
    const char *part, *from;       /* path.part, path.part.from */
    const char *validator;         /* of the bytes in `part`, "" when unknown */
    char new_validator[512];       /* from this response */
    int fd;
    int64_t offset;                /* bytes of `part` that this attempt builds on */
    int64_t written;               /* bytes in `part` now */
    long http_status;
    bool started;                  /* the first byte of the body was seen */
    int write_errno;
    CURL *curl;
    Progress progress;
} Transfer;

bool download_is_url(const char *text) {
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0 || strncmp(text, "file://", 7) == 0;
}

static CURL *curl_open(const char *url) {
    static bool ready;
    if (!ready) curl_global_init(CURL_GLOBAL_DEFAULT);
    ready = true;
    CURL *curl = curl_easy_init();
    REQUIRE(curl, "libcurl gives no handle");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "digr");
    return curl;
}

/* ---- the validator file: what the bytes in path.part come from ---- */

/* First line URL, second line validator. Unknown, or of another URL: nothing can be resumed. */
static void read_validator(Transfer *t) {
    t->validator = "";
    FILE *f = fopen(t->from, "r");
    if (!f) return;
    char url[4096], validator[512];
    bool whole = fgets(url, sizeof url, f) && fgets(validator, sizeof validator, f);
    fclose(f);
    if (!whole) return;
    url[strcspn(url, "\n")] = validator[strcspn(validator, "\n")] = '\0';
    if (strcmp(url, t->file->url) == 0) t->validator = arena_strdup(t->arena, validator);
}

static void write_validator(Transfer *t) {
    FILE *f = fopen(t->from, "w");
    if (!f) return; /* then the next call starts from the beginning */
    fprintf(f, "%s\n%s\n", t->file->url, t->new_validator);
    fclose(f);
}

/* A strong ETag, else Last-Modified. Weak tags do not promise the same bytes. */
static size_t on_header(char *line, size_t size, size_t count, void *user) {
    Transfer *t = user;
    size_t n = size * count;
    char text[512];
    size_t copy = n < sizeof text - 1 ? n : sizeof text - 1;
    memcpy(text, line, copy);
    text[copy] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) t->new_validator[0] = '\0'; /* a redirect's headers do not count */
    const char *value = strchr(text, ':');
    if (!value) return n;
    value += 1 + strspn(value + 1, " \t");
    bool etag = strncasecmp(text, "ETag:", 5) == 0 && strncmp(value, "W/", 2) != 0;
    bool date = strncasecmp(text, "Last-Modified:", 14) == 0 && t->new_validator[0] != '"';
    if (etag || date) snprintf(t->new_validator, sizeof t->new_validator, "%s", value);
    return n;
}

/* ---- the body ---- */

/* At the first byte: has the server granted the range? If it sends everything, begin anew. False: stop. */
static bool body_starts(Transfer *t) {
    t->started = true;
    if (t->http_status == 200 && t->offset > 0) {
        t->offset = t->written = 0;
        if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0) return t->write_errno = errno, false;
    }
    if (t->offset == 0 || t->new_validator[0]) write_validator(t); /* a 206 need not repeat it */
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    progress_begin(&t->progress, "KiB", length > 0 ? (t->offset + length) >> 10 : 0, t->offset >> 10);
    return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    Transfer *t = user;
    size_t n = size * count, done = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->http_status);
    if (t->http_status >= 400) return n; /* an error page is not the file */
    if (!t->started && !body_starts(t)) return 0;
    while (done < n) {
        ssize_t put = write(t->fd, data + done, n - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return t->write_errno = errno, 0;
        done += (size_t)put;
    }
    t->written += (int64_t)n;
    progress_update(&t->progress, t->written >> 10, "%s", t->file->path);
    return n;
}

/* ---- one attempt ---- */

static bool is_passing(CURLcode rc, long http_status) {
    switch (rc) {
    case CURLE_COULDNT_CONNECT: case CURLE_OPERATION_TIMEDOUT: case CURLE_PARTIAL_FILE: case CURLE_RECV_ERROR: case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING: case CURLE_HTTP2: case CURLE_HTTP2_STREAM: case CURLE_SSL_CONNECT_ERROR: return true;
    default: return http_status >= 500 || http_status == 429 || http_status == 408;
    }
}

static Status attempt_failed(const Transfer *t, CURLcode rc, const char *detail) {
    if (t->write_errno)
        return FAIL(E_RESOURCE, "free some space and run it again; what is there will be kept and continued", "%s: cannot write: %s", t->part, strerror(t->write_errno));
    if (t->http_status >= 400) return FAIL(E_RESOURCE, "give another --source", "%s: the server answered %ld", t->file->url, t->http_status);
    return FAIL(E_RESOURCE, "check the network and run it again; what is there will be continued", "%s: %s", t->file->url, *detail ? detail : curl_easy_strerror(rc));
}

/* *again: a failure that may pass, or a range that the server refused. */
static Status attempt(Transfer *t, bool *again) {
    struct stat info;
    char detail[CURL_ERROR_SIZE] = "";
    *again = false;
    t->fd = open(t->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (t->fd < 0) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot create: %s", t->part, strerror(errno));
    read_validator(t);
    bool local = strncmp(t->file->url, "file://", 7) == 0;
    t->offset = fstat(t->fd, &info) == 0 && *t->validator ? info.st_size : 0;
    if (local) t->offset = 0; /* a local file is fast, and it has no validator */
    if (ftruncate(t->fd, t->offset) != 0 || lseek(t->fd, t->offset, SEEK_SET) != t->offset) t->write_errno = errno;
    t->written = t->offset;
    t->started = false;
    t->http_status = 0;
    t->new_validator[0] = '\0';
    t->curl = curl_open(t->file->url);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_S);
    curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    struct curl_slist *headers = NULL;
    if (t->offset > 0) { /* Range by hand: libcurl's own resume fails on a server that sends everything */
        headers = curl_slist_append(headers, arena_printf(t->arena, "Range: bytes=%lld-", (long long)t->offset));
        headers = curl_slist_append(headers, arena_printf(t->arena, "If-Range: %s", t->validator));
        curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode rc = t->write_errno ? CURLE_WRITE_ERROR : curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->http_status);
    if (t->started) progress_end(&t->progress);
    curl_slist_free_all(headers);
    curl_easy_cleanup(t->curl);
    bool synced = fsync(t->fd) == 0;
    if (!synced && !t->write_errno) t->write_errno = errno;
    if (close(t->fd) != 0 && !t->write_errno) t->write_errno = errno;
    if (rc == CURLE_OK && t->http_status < 400 && !t->write_errno) return OK;
    if (t->http_status == 416) { /* there is nothing behind what we have: begin anew */
        unlink(t->part);
        *again = true;
    } else {
        *again = !t->write_errno && is_passing(rc, t->http_status);
    }
    return attempt_failed(t, rc, detail);
}

/* ---- all together ---- */

static Status verify(const Transfer *t, DownloadResult *result) {
    static const char fix[] = "the source serves another or a damaged file; give another --source";
    const DownloadFile *f = t->file;
    TRY(sha256_file(t->part, result->sha256, &result->bytes));
    bool size_differs = f->bytes > 0 && f->bytes != result->bytes, sum_differs = *f->sha256 && strcmp(f->sha256, result->sha256) != 0;
    if (!size_differs && !sum_differs) return OK;
    unlink(t->part);
    unlink(t->from);
    if (size_differs) return FAIL(E_INPUT, fix, "%s: %lld bytes, expected %lld", f->url, (long long)result->bytes, (long long)f->bytes);
    return FAIL(E_INPUT, fix, "%s: SHA-256 %s, expected %s", f->url, result->sha256, f->sha256);
}

static Status fetch(Transfer *t, DownloadResult *result) {
    bool again = true;
    Status status = OK;
    for (int n = 1; again && n <= ATTEMPTS; n++) {
        status = attempt(t, &again);
        if (status == OK) break;
        if (again && n < ATTEMPTS) {
            log_warn("%s; attempt %d of %d follows", status_message(), n + 1, ATTEMPTS);
            sleep((unsigned)(n * n));
        }
    }
    if (status != OK) return status;
    result->resumed_at = t->offset;
    TRY(verify(t, result));
    if (rename(t->part, t->file->path) != 0) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot rename to %s: %s", t->part, t->file->path, strerror(errno));
    unlink(t->from);
    return OK;
}

Status download_fetch(const DownloadFile *file, DownloadResult *result) {
    memset(result, 0, sizeof *result);
    if (!download_is_url(file->url)) return FAIL(E_USAGE, "use https://, http:// or file://", "%s: not a URL that can be fetched", file->url);
    Arena *arena = arena_create("download");
    Transfer t = {.file = file, .arena = arena, .fd = -1};
    t.part = arena_printf(arena, "%s.part", file->path);
    t.from = arena_printf(arena, "%s.part.from", file->path);
    Status status = fetch(&t, result);
    arena_destroy(arena);
    return status;
}

bool download_probe(const char *url, double timeout_s, int64_t *bytes) {
    if (!download_is_url(url)) return false;
    CURL *curl = curl_open(url);
    curl_off_t length = -1;
    long http_status = 0;
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_s * 1000));
    FILE *nowhere = fopen("/dev/null", "w"); /* a file:// probe prints headers as body */
    if (nowhere) curl_easy_setopt(curl, CURLOPT_WRITEDATA, nowhere);
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http_status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_cleanup(curl);
    if (nowhere) fclose(nowhere);
    if (bytes) *bytes = length;
    return rc == CURLE_OK && http_status < 400;
}
