/* io/download.c -- see download.h. */
#include "io/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/arena.h"
#include "base/log.h"
#include "io/part.h"

enum { STALL_BYTES_S = 200, HEAD = 64, PROGRESS_BYTES = 1 << 16 };

typedef enum Next { GIVE_UP, AGAIN_LATER, AGAIN_NOW } Next;

typedef struct Transfer {
    const DownloadFile *file;
    DownloadLimits limits;
    DownloadResult *result;
    Arena *arena;
    CURL *curl;
    Part part;
    bool local;              /* file:// */
    /* what was learnt in this call; each makes at most one more attempt */
    bool no_range;           /* this address gives wrong ranges */
    bool asked_rest;         /* what seemed complete was not */
    bool refetched;          /* it was pieced together, and wrong */
    bool pieced;             /* bytes of more than one answer */
    /* this attempt */
    int64_t offset;          /* asked for from here on */
    int64_t at;              /* place in the file of the next byte of the body */
    char head[HEAD];         /* the body's first bytes, looked at together */
    size_t n_head;
    bool started;            /* they were looked at */
    char validator[512];     /* from this response */
    int64_t range_from, range_total; /* Content-Range; -1: none, not told */
    long http_status;
    int64_t total;
    const char *objection;   /* the body is something else: a phrase */
    const char *range_fault; /* the range is not the one we asked for: a phrase */
    const char *no_space;
    int write_errno;
    double wait_s;           /* Retry-After */
    double window_s;         /* since when we count bytes */
    int64_t window_bytes;
    bool stalled;
    bool in_progress;
    Progress progress;
} Transfer;

bool download_is_url(const char *text) {
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0 || strncmp(text, "file://", 7) == 0;
}

static CURL *curl_open(const char *url, double connect_s) {
    static bool ready;
    if (!ready) curl_global_init(CURL_GLOBAL_DEFAULT);
    ready = true;
    CURL *curl = curl_easy_init();
    REQUIRE(curl, "libcurl gives no handle");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L); /* libcurl never follows to file:// */
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_s * 1000));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "digr");
    return curl;
}

static const char *file_name(const Transfer *t) {
    const char *slash = strrchr(t->file->path, '/');
    return slash ? slash + 1 : t->file->path;
}

/* ---- headers ---- */

/* "bytes 10-19/20", "bytes 10-19/x" with x = *, "bytes x/20" */
static void read_content_range(Transfer *t, const char *value) {
    if (strncasecmp(value, "bytes", 5) != 0) return;
    value += 5 + strspn(value + 5, " \t");
    const char *slash = strchr(value, '/');
    if (*value >= '0' && *value <= '9') t->range_from = strtoll(value, NULL, 10);
    if (slash && slash[1] >= '0' && slash[1] <= '9') t->range_total = strtoll(slash + 1, NULL, 10);
}

/* A strong ETag, else Last-Modified. Weak tags do not promise the same bytes. */
static size_t on_header(char *line, size_t size, size_t count, void *user) {
    Transfer *t = user;
    size_t n = size * count;
    char text[512];
    if (n >= sizeof text) return n; /* no header of interest is that long */
    memcpy(text, line, n);
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) { /* a redirect's headers do not count */
        t->validator[0] = '\0';
        t->range_from = t->range_total = -1;
    }
    const char *value = strchr(text, ':');
    if (!value) return n;
    value += 1 + strspn(value + 1, " \t");
    bool etag = strncasecmp(text, "ETag:", 5) == 0 && strncmp(value, "W/", 2) != 0;
    bool date = strncasecmp(text, "Last-Modified:", 14) == 0 && t->validator[0] != '"';
    if (etag || date) snprintf(t->validator, sizeof t->validator, "%s", value);
    if (strncasecmp(text, "Content-Range:", 14) == 0) read_content_range(t, value);
    return n;
}

/* ---- the body ---- */

static bool cannot_write(Transfer *t) {
    t->write_errno = errno;
    return false;
}

/* The bytes at hand are of this response's edition from here on. A range need not repeat validator and size. */
static bool adopt(Transfer *t) {
    bool range = t->offset > 0 && t->at == t->offset;
    if (part_describe(&t->part, t->validator[0] || !range ? t->validator : t->part.validator, t->total >= 0 || !range ? t->total : t->part.total)) return true;
    return cannot_write(t);
}

static bool check_space(Transfer *t) {
    struct statvfs disk;
    if (t->total < 0 || statvfs(t->part.path, &disk) != 0) return true;
    int64_t need = t->total - t->part.bytes, have = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (need <= have) return true;
    t->write_errno = ENOSPC;
    t->no_space = arena_printf(t->arena, "; %lld KiB are still to come and %lld KiB are free", (long long)(need >> 10), (long long)(have >> 10));
    return false;
}

/* A range is taken only when it is the one we asked for, of the edition we have. */
static const char *fault_of_range(Transfer *t) {
    const Part *p = &t->part;
    if (t->range_from != t->offset) return arena_printf(t->arena, "the range begins at %lld instead of %lld", (long long)t->range_from, (long long)t->offset);
    if (t->offset == 0) return NULL;
    if (p->validator[0] && t->validator[0] && strcmp(p->validator, t->validator) != 0) return "the range is of another edition of the file";
    if (p->total >= 0 && t->range_total >= 0 && p->total != t->range_total) return "the range is of a file of another size";
    return NULL;
}

static const char *fault_of_whole(Transfer *t, size_t n) {
    char head[HEAD];
    const char *asked = t->file->url, *objection = content_objection(t->file->content, t->head, n);
    char *given = NULL;
    curl_easy_getinfo(t->curl, CURLINFO_EFFECTIVE_URL, &given);
    if (strncmp(asked, "https:", 6) == 0 && given && strncasecmp(given, "http:", 5) == 0) return "a redirection from https to http";
    if (objection || t->part.bytes == 0) return objection;
    ssize_t have = part_peek(&t->part, head, sizeof head);
    if (have >= 4 && content_form(head, (size_t)have) != content_form(t->head, n)) return "another kind of file than the bytes at hand";
    return NULL;
}

/* At the first bytes: what is this, and where does it belong? False: stop. */
static bool body_starts(Transfer *t) {
    t->started = true;
    curl_off_t length = -1;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    bool range = t->local ? t->offset > 0 : t->http_status == 206;
    if (range && !t->local && (t->range_fault = fault_of_range(t))) return false;
    t->at = range ? t->offset : 0;
    t->total = t->local ? t->total : range ? t->range_total : (int64_t)length;
    if (t->at == 0 && (t->objection = fault_of_whole(t, t->n_head))) return false;
    if (!check_space(t)) return false;
    t->in_progress = true;
    progress_begin(&t->progress, "KiB", t->total > 0 ? t->total >> 10 : 0, t->at >> 10);
    if (t->part.bytes > 0 && t->at == t->part.bytes) t->pieced = true;
    return t->at < t->part.bytes || adopt(t);
}

/* Bytes that are at hand are compared, not written; the first that differs ends what is at hand. */
static bool deliver(Transfer *t, const char *data, size_t n) {
    if (!t->started && !body_starts(t)) return false;
    if (n > 0 && t->at < t->part.bytes) {
        size_t known = (int64_t)n < t->part.bytes - t->at ? n : (size_t)(t->part.bytes - t->at);
        int64_t same = part_agrees(&t->part, t->at, data, known);
        if (same < 0) return cannot_write(t);
        t->at += same;
        data += same;
        n -= (size_t)same;
        if (same < (int64_t)known && !part_truncate(&t->part, t->at)) return cannot_write(t);
        if (t->at == t->part.bytes && !adopt(t)) return false;
    }
    if (n == 0) return true;
    if (!part_append(&t->part, data, n)) return cannot_write(t);
    t->at = t->part.bytes;
    progress_update(&t->progress, t->at >> 10, "%s", file_name(t));
    return true;
}

static bool is_body_wanted(const Transfer *t) { return t->local || t->http_status == 200 || t->http_status == 206; }

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    Transfer *t = user;
    size_t n = size * count, take = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->http_status);
    t->result->transferred += (int64_t)n;
    if (!is_body_wanted(t)) return n; /* an error page is not the file */
    if (t->n_head < HEAD) {
        take = n < HEAD - t->n_head ? n : HEAD - t->n_head;
        memcpy(t->head + t->n_head, data, take);
        t->n_head += take;
        if (t->n_head < HEAD) return n;
        if (!deliver(t, t->head, HEAD)) return 0;
    }
    return deliver(t, data + take, n - take) ? n : 0;
}

/* Called at least once a second. (libcurl's own limit averages over several seconds: too slow for short limits.) */
static int on_time(void *user, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now) {
    Transfer *t = user;
    (void)total, (void)now, (void)upload_total, (void)upload_now;
    double since_s = time_now_s() - t->window_s;
    if (since_s < t->limits.stall_s) return 0;
    if ((double)(t->result->transferred - t->window_bytes) < STALL_BYTES_S * since_s) return t->stalled = true, 1;
    t->window_s += since_s;
    t->window_bytes = t->result->transferred;
    return 0;
}

/* ---- one attempt ---- */

static bool is_passing(CURLcode rc, long http_status) {
    switch (rc) {
    case CURLE_COULDNT_CONNECT: case CURLE_OPERATION_TIMEDOUT: case CURLE_PARTIAL_FILE: case CURLE_RECV_ERROR: case CURLE_SEND_ERROR: case CURLE_GOT_NOTHING:
    case CURLE_HTTP2: case CURLE_HTTP2_STREAM: case CURLE_SSL_CONNECT_ERROR: case CURLE_WEIRD_SERVER_REPLY: return true;
    default: return http_status >= 500 || http_status == 429 || http_status == 408;
    }
}

static Status broken_off(const Transfer *t, const char *reason) {
    const char *kept = t->part.bytes > 0 ? arena_printf(t->arena, "; %lld bytes are at hand", (long long)t->part.bytes) : "";
    return FAIL(E_RESOURCE, "check the network and run it again (what is at hand will be continued), or give another --source", "%s from %s: %s%s", file_name(t), t->file->url,
                reason, kept);
}

static Status cannot_keep(const Transfer *t) {
    t->result->local_fault = true;
    return FAIL(E_RESOURCE, "free some space and run it again; what is there will be kept and continued", "%s: cannot write: %s%s", t->part.path, strerror(t->write_errno),
                t->no_space ? t->no_space : "");
}

/* The answer came to its end without a fault of transport. Is it what was asked for? */
static Status examine_end(Transfer *t, Next *next) {
    *next = AGAIN_LATER;
    if (t->local && !t->started && t->offset == t->total && t->offset > 0) return OK;
    if (!t->started) return broken_off(t, "the answer is empty");
    if (t->at < t->part.bytes) {
        bool other = t->validator[0] && strcmp(t->validator, t->part.validator) != 0;
        if (!other) return broken_off(t, arena_printf(t->arena, "ends after %lld bytes, and there were more before", (long long)t->at));
        if (!part_truncate(&t->part, t->at) || !adopt(t)) return cannot_write(t), cannot_keep(t); /* a shorter edition */
    }
    if (t->part.total >= 0 && t->part.bytes < t->part.total) return broken_off(t, arena_printf(t->arena, "ends after %lld of %lld bytes", (long long)t->part.bytes, (long long)t->part.total));
    return OK;
}

static Status examine(Transfer *t, CURLcode rc, const char *detail, Next *next) {
    *next = GIVE_UP;
    if (t->write_errno) return cannot_keep(t);
    if (t->objection) return FAIL(E_INPUT, t->part.bytes ? arena_printf(t->arena, "give another --source; to begin anew here, remove %s", t->part.path) : "give another --source",
                                  "%s from %s: %s instead of the file", file_name(t), t->file->url, t->objection);
    bool range_refused = t->http_status == 416 && t->offset > 0;
    if (range_refused && t->range_total == t->part.bytes) return part_describe(&t->part, t->part.validator, t->range_total) ? OK : (cannot_write(t), cannot_keep(t));
    if (t->range_fault || range_refused) {
        if (!t->no_range) *next = AGAIN_NOW;
        t->no_range = true;
        return broken_off(t, t->range_fault ? t->range_fault : "no such range there");
    }
    *next = t->stalled || is_passing(rc, t->http_status) ? AGAIN_LATER : GIVE_UP;
    if (t->stalled) return broken_off(t, arena_printf(t->arena, "nearly silent for %.1f s", t->limits.stall_s));
    if (t->http_status >= 400) {
        const char *wait = t->wait_s > 0 ? arena_printf(t->arena, " and asks to come back in %.0f s", t->wait_s) : "";
        return FAIL(E_RESOURCE, "give another --source", "%s from %s: the server answered %ld%s", file_name(t), t->file->url, t->http_status, wait);
    }
    if (rc != CURLE_OK) return broken_off(t, *detail ? detail : curl_easy_strerror(rc));
    if (!is_body_wanted(t)) return FAIL(E_RESOURCE, "give another --source", "%s from %s: the server answered %ld, which brings no file", file_name(t), t->file->url, t->http_status);
    return examine_end(t, next);
}

/* A local file is of the same edition while its size and time of change are. */
static void describe_local(Transfer *t) {
    struct stat info;
    CURLU *parsed = curl_url();
    char *path = NULL;
    bool there = parsed && curl_url_set(parsed, CURLUPART_URL, t->file->url, 0) == CURLUE_OK && curl_url_get(parsed, CURLUPART_PATH, &path, CURLU_URLDECODE) == CURLUE_OK &&
                 stat(path, &info) == 0;
    t->total = there ? info.st_size : -1;
    if (there) snprintf(t->validator, sizeof t->validator, "%lld bytes of %lld.%09ld", (long long)info.st_size, (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    curl_free(path);
    curl_url_cleanup(parsed);
}

static void begin(Transfer *t) {
    t->at = 0;
    t->n_head = 0;
    t->started = t->in_progress = false;
    t->validator[0] = '\0';
    t->range_from = t->range_total = t->total = -1;
    t->http_status = 0;
    t->objection = t->range_fault = NULL;
    t->window_s = time_now_s();
    t->window_bytes = t->result->transferred;
    t->stalled = false;
    if (t->local) describe_local(t);
    bool same = t->local ? strcmp(t->validator, t->part.validator) == 0 : t->part.validator[0] || *t->file->sha256;
    t->offset = same && !t->no_range ? t->part.bytes : 0;
    if (t->asked_rest) t->part.total = -1; /* it was not true */
}

static Status attempt(Transfer *t, Next *next) {
    char detail[CURL_ERROR_SIZE] = "";
    begin(t);
    CURL *curl = t->curl = curl_open(t->file->url, t->limits.connect_s);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_time);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    struct curl_slist *headers = NULL;
    if (t->local) {
        curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->offset);
    } else {
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
        headers = curl_slist_append(headers, "Accept-Encoding: identity"); /* the file's own bytes */
        if (t->offset > 0) headers = curl_slist_append(headers, arena_printf(t->arena, "Range: bytes=%lld-", (long long)t->offset)); /* libcurl's own resume fails on a 200 */
        if (t->offset > 0 && t->part.validator[0]) headers = curl_slist_append(headers, arena_printf(t->arena, "If-Range: %s", t->part.validator));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &t->http_status);
    if (is_body_wanted(t) && !t->started && t->n_head > 0) deliver(t, t->head, t->n_head);
    if (t->in_progress) progress_end(&t->progress);
    if (!part_flush(&t->part) && !t->write_errno) t->write_errno = errno;
    t->result->resumed_at = t->http_status == 200 ? 0 : t->offset;
    curl_off_t wait_s = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait_s);
    t->wait_s = (double)wait_s;
    Status status = examine(t, rc, detail, next);
    curl_slist_free_all(headers);
    return curl_easy_cleanup(curl), status;
}

/* ---- is it the file? ---- */

/* It ends too early. The source may have lied about its length: the rest is asked for once. */
static Status too_short(Transfer *t, const char *reason, Next *next) {
    *next = t->asked_rest ? GIVE_UP : AGAIN_NOW;
    t->asked_rest = true;
    return FAIL(E_INPUT, t->file->remedy, "%s from %s: %s; the source gives no more", file_name(t), t->file->url, reason);
}

/* It is another file or a damaged one. Pieces that do not fit together are fetched once more in one. */
static Status wrong(Transfer *t, const char *reason, Next *next) {
    if (t->pieced && !t->refetched) {
        t->refetched = t->no_range = true;
        t->pieced = false;
        *next = AGAIN_NOW;
        if (!part_truncate(&t->part, 0)) return cannot_write(t), cannot_keep(t);
        return FAIL(E_INPUT, t->file->remedy, "%s from %s: %s", file_name(t), t->file->url, reason);
    }
    *next = GIVE_UP;
    part_reject(&t->part);
    return FAIL(E_INPUT, t->file->remedy, "%s from %s: %s; set aside as %s.rejected", file_name(t), t->file->url, reason, t->file->path);
}

static Status verify(Transfer *t, Next *next) {
    const DownloadFile *f = t->file;
    ContentVerdict verdict;
    const char *reason;
    *next = GIVE_UP;
    TRY(sha256_file(t->part.path, t->result->sha256, &t->result->bytes));
    int64_t bytes = t->result->bytes;
    if (*f->sha256 && strcmp(f->sha256, t->result->sha256) == 0) return OK;
    if (f->bytes > 0 && f->bytes != bytes) {
        reason = arena_printf(t->arena, "%lld bytes, expected %lld", (long long)bytes, (long long)f->bytes);
        return bytes < f->bytes ? too_short(t, reason, next) : wrong(t, reason, next);
    }
    if (*f->sha256) return wrong(t, arena_printf(t->arena, "SHA-256 %s, expected %s", t->result->sha256, f->sha256), next);
    TRY(content_check(f->content, t->part.path, &verdict, &reason));
    if (verdict == CONTENT_CUT) return too_short(t, reason, next);
    if (verdict == CONTENT_WRONG) return wrong(t, reason, next);
    if (t->part.total < 0) log_warn("%s from %s: the server did not tell its size", file_name(t), f->url);
    return OK;
}

/* ---- all together ---- */

static bool is_complete(const Transfer *t) {
    const Part *p = &t->part;
    return !t->asked_rest && p->bytes > 0 && (p->bytes == p->total || p->bytes == t->file->bytes);
}

static void pause_for(double s) {
    struct timespec rest = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) continue;
}

static Status fetch(Transfer *t) {
    int64_t best = t->part.bytes;
    t->pieced = best > 0;
    for (int64_t n = 1;; n++) {
        Next next = GIVE_UP;
        bool complete = is_complete(t);
        if (complete) t->result->resumed_at = t->part.bytes;
        Status status = complete ? OK : attempt(t, &next);
        if (status == OK) status = verify(t, &next);
        if (status == OK || next == GIVE_UP) return status;
        if (t->part.bytes >= best + PROGRESS_BYTES) n = 1, best = t->part.bytes;
        if (next == AGAIN_NOW) {
            log_warn("%s; asking once more", status_message());
            n--;
            continue;
        }
        if (n >= t->limits.attempts || t->wait_s > t->limits.longest_pause_s) return status;
        double pause_s = t->limits.pause_s * (double)(n * n);
        if (pause_s < t->wait_s) pause_s = t->wait_s;
        log_warn("%s; attempt %lld of %lld follows", status_message(), (long long)n + 1, (long long)t->limits.attempts);
        pause_for(pause_s < t->limits.longest_pause_s ? pause_s : t->limits.longest_pause_s);
    }
}

static Status fetch_and_name(Transfer *t) {
    const DownloadFile *f = t->file;
    if (f->readmit) part_readmit(f->path, f->url);
    Status status = part_open(f->path, f->url, t->arena, &t->part);
    if (status != OK) return t->result->local_fault = true, status;
    status = fetch(t);
    if (status == OK && f->verified) status = f->verified(f->user, f->url, t->result);
    if (status == OK) status = part_finish(&t->part);
    if (status != OK) part_leave(&t->part);
    return status;
}

Status download_fetch(const DownloadFile *file, DownloadResult *result) {
    memset(result, 0, sizeof *result);
    if (!download_is_url(file->url)) return FAIL(E_USAGE, "use https://, http:// or file://", "%s: not a URL that can be fetched", file->url);
    DownloadFile f = *file;
    if (!f.remedy) f.remedy = "the source serves another or a damaged file; give another --source";
    DownloadLimits l = f.limits;
    if (l.attempts <= 0) l.attempts = 3;
    if (l.pause_s <= 0) l.pause_s = 1;
    if (l.longest_pause_s <= 0) l.longest_pause_s = 60;
    if (l.stall_s <= 0) l.stall_s = 60;
    if (l.connect_s <= 0) l.connect_s = 20;
    Arena *arena = arena_create("download");
    Transfer *t = ARENA_NEW(arena, Transfer, 1);
    *t = (Transfer){.file = &f, .limits = l, .result = result, .arena = arena, .local = strncmp(f.url, "file://", 7) == 0};
    Status status = fetch_and_name(t);
    arena_destroy(arena);
    return status;
}

/* ---- probe ---- */

/* A file:// probe gives headers as body; of a GET the first byte is enough. */
static size_t on_probe(char *data, size_t size, size_t count, void *user) {
    const bool *get = user;
    (void)data;
    return *get ? 0 : size * count;
}

static bool probe(const char *url, double timeout_s, bool get, long *http_status, int64_t *bytes) {
    CURL *curl = curl_open(url, timeout_s);
    curl_off_t length = -1;
    const char *type = NULL;
    curl_easy_setopt(curl, CURLOPT_NOBODY, get ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_s * 1000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_probe);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &get);
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, http_status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    bool page = type && strncasecmp(type, "text/html", 9) == 0;
    curl_easy_cleanup(curl);
    *bytes = length;
    return (rc == CURLE_OK || (get && rc == CURLE_WRITE_ERROR)) && *http_status < 400 && !page;
}

bool download_probe(const char *url, double timeout_s, int64_t *bytes) {
    if (!download_is_url(url)) return false;
    long http_status = 0;
    int64_t length = -1;
    double start_s = time_now_s();
    bool there = probe(url, timeout_s, false, &http_status, &length);
    double left_s = timeout_s - (time_now_s() - start_s);
    bool no_head = http_status == 403 || http_status == 405 || http_status == 501; /* some servers know only GET */
    if (!there && no_head && left_s > 0) there = probe(url, left_s, true, &http_status, &length);
    if (bytes) *bytes = length;
    return there;
}
