/* tests/test_faults.c -- 01_download against servers that break off, stall, lie, or serve something else.
 *
 * Each row of the table is one fault. With it: the program ends either with the whole file, byte for byte (another attempt, the rest, another address), or with the exit
 * code and the words of the row, no file, nothing recorded. Then the fault is taken away and the program is run again: it must end with the whole file, and the server must
 * not have sent more than was missing. */
#include "data_util.h"

#include <signal.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "mock_server.h"

enum { LINES = 9000, CUT = 100000, FAULT = 0 /* number in mock_shared: row + 1, 0: none */ };
#define NAME "reviews_Tiny_5.json.gz"

typedef struct Fault Fault;
struct Fault {
    const char *name;
    void (*answer)(const MockRequest *request, MockResponse *response); /* of the first address */
    int code;              /* with the fault */
    const char *says;      /* with the fault */
    int64_t more;          /* bytes sent when the fault is gone: at most; -1: all of the file */
    enum { ALONE, MIRROR = 1, PINNED = 2, TO_OTHER = 4, REFUSED = 8 } setting;
    const char *options;
};

static char *file, *other; /* two editions, gzip */
static size_t n_file, n_other;
static char sum[SHA256_HEX], other_sum[SHA256_HEX];
static Arena *arena;
static MockServer *server;

/* ---- the faults ---- */

static void good(const MockRequest *q, MockResponse *r) { mock_file(q, r, file, n_file, "\"v1\""); }
static bool is_head(const MockRequest *q) { return strcmp(q->method, "HEAD") == 0; }

static void f_none(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 500, "never asked"); }
static void f_dropped(const MockRequest *q, MockResponse *r) { (void)q, r->drop = true; }
static void f_cut(const MockRequest *q, MockResponse *r) { good(q, r), r->cut_at = CUT; }
static void f_cut_once(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    if (q->nth == 0) r->cut_at = CUT;
}
static void f_cut_early(const MockRequest *q, MockResponse *r) { good(q, r), r->cut_at = *mock_header(q, "Range") != '\0' ? 0 : CUT; }
static void f_reset(const MockRequest *q, MockResponse *r) { f_cut_early(q, r), r->reset = true; }
static void f_stall(const MockRequest *q, MockResponse *r) { good(q, r), r->stall_at = CUT; }
static void f_silent(const MockRequest *q, MockResponse *r) { good(q, r), r->delay_ms = 60000; }
static void f_drip(const MockRequest *q, MockResponse *r) { good(q, r), r->drip_bytes = 5, r->drip_ms = 100; }
static void f_longer(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    if (*mock_header(q, "Range") == '\0') r->declared_length = (int64_t)n_file + 1000;
}
static void f_longer_no_range(const MockRequest *q, MockResponse *r)
{
    mock_text(r, 200, ""), r->headers = "ETag: \"v1\"\r\n";
    r->body = file, r->n_body = n_file, r->declared_length = (int64_t)n_file + 1000;
    (void)q;
}
static void f_shorter(const MockRequest *q, MockResponse *r) { mock_file(q, r, file, CUT, "\"v1\""); }
static void f_no_length(const MockRequest *q, MockResponse *r) { f_cut(q, r), r->http10 = true, r->declared_length = MOCK_NO_LENGTH; }
static void f_no_length_no_range(const MockRequest *q, MockResponse *r)
{
    (void)q;
    r->body = file, r->n_body = CUT, r->http10 = true, r->declared_length = MOCK_NO_LENGTH;
}
static void f_bad_chunk(const MockRequest *q, MockResponse *r) { good(q, r), r->bad_chunk = true; }
static void f_cut_chunk(const MockRequest *q, MockResponse *r) { f_cut_early(q, r), r->chunked = true; }
static void f_redirect(MockResponse *r, const char *to) { mock_text(r, 302, "moved"), r->headers = to; }
static void f_circle(const MockRequest *q, MockResponse *r) { (void)q, f_redirect(r, "Location: /a/" NAME "?again\r\n"); }
static void f_to_page(const MockRequest *q, MockResponse *r) { (void)q, f_redirect(r, "Location: /page\r\n"); }
static void f_to_file(const MockRequest *q, MockResponse *r) { (void)q, f_redirect(r, "Location: file:///etc/hostname\r\n"); }
static void f_page(const MockRequest *q, MockResponse *r)
{
    (void)q;
    r->headers = "Content-Type: text/html\r\nETag: \"page\"\r\n";
    mock_text(r, 200, "\r\n<!DOCTYPE html>\n<html><body>Please sign in to go on, there is more of this page than fits into sixty-four bytes.</body></html>\n");
}
static void f_page_late(const MockRequest *q, MockResponse *r) /* first half a file, then a page without a word about a range */
{
    if (q->nth == 0) f_cut(q, r);
    else f_page(q, r);
}
static void f_json(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 200, "{\"error\": \"quota exceeded\"}\n"), r->headers = "Content-Type: application/json\r\n"; }
static void f_empty(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 200, ""); }
static void f_nothing(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 204, ""); }
static void f_encoding(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    r->headers = arena_printf(q->arena, "%sContent-Encoding: gzip\r\n", r->headers);
}
static void f_404(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 404, "nobody"); }
static void f_503(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 503, "later"); }
static void f_429_once(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    if (q->nth == 0) mock_text(r, 429, "slower"), r->headers = "Retry-After: 1\r\n";
}
static void f_429_long(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 429, "tomorrow"), r->headers = "Retry-After: 86400\r\n"; }
static void f_garbage(const MockRequest *q, MockResponse *r) { (void)q, mock_text(r, 200, "body"), r->raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n"; }
static void f_huge_header(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    char *huge = arena_alloc(q->arena, 400000, 1);
    memset(huge, 'x', 399000);
    r->headers = arena_printf(q->arena, "X-Huge: %s\r\n", huge);
}
static void f_range_ignored(const MockRequest *q, MockResponse *r)
{
    r->body = file, r->n_body = n_file, r->headers = "ETag: \"v1\"\r\n";
    if (q->nth == 0) r->cut_at = CUT;
}
static void f_range_elsewhere(const MockRequest *q, MockResponse *r) /* says so, but begins too late */
{
    f_cut_once(q, r);
    if (r->status == 206) r->body = (const char *)r->body + 7, r->n_body -= 7, r->headers = arena_printf(q->arena, "Content-Range: bytes %d-%zu/%zu\r\n", CUT + 7, n_file - 1, n_file);
}
static void f_range_wrong_bytes(const MockRequest *q, MockResponse *r) /* says the right thing and sends other bytes */
{
    f_cut_once(q, r);
    if (r->status == 206) r->body = other + 1000, r->n_body = n_file - CUT;
}
static void f_range_unasked(const MockRequest *q, MockResponse *r) /* 206 of the first part */
{
    good(q, r);
    if (*mock_header(q, "Range") == '\0') r->status = 206, r->n_body = CUT, r->headers = arena_printf(q->arena, "ETag: \"v1\"\r\nContent-Range: bytes 0-%d/%zu\r\n", CUT - 1, n_file);
}
static void f_range_unsaid(const MockRequest *q, MockResponse *r) { good(q, r), r->status = 206, r->headers = "ETag: \"v1\"\r\n"; }
static void f_range_refused(const MockRequest *q, MockResponse *r)
{
    f_cut_once(q, r);
    if (*mock_header(q, "Range") != '\0') mock_text(r, 416, ""), r->headers = "Content-Range: bytes */12\r\n";
}
static void f_changed(const MockRequest *q, MockResponse *r)
{
    if (q->nth == 0) f_cut(q, r);
    else mock_file(q, r, other, n_other, "\"v2\"");
}
static void f_changed_no_if(const MockRequest *q, MockResponse *r) /* and If-Range is ignored: the end of the new edition */
{
    if (q->nth == 0 || *mock_header(q, "Range") == '\0') {
        f_changed(q, r);
        return;
    }
    r->status = 206, r->body = other + CUT, r->n_body = n_other - CUT;
    r->headers = arena_printf(q->arena, "ETag: \"v2\"\r\nContent-Range: bytes %d-%zu/%zu\r\n", CUT, n_other - 1, n_other);
}
static void f_other(const MockRequest *q, MockResponse *r) { mock_file(q, r, other, n_other, "\"v2\""); }
static void f_damaged(const MockRequest *q, MockResponse *r)
{
    good(q, r);
    char *bytes = arena_alloc(q->arena, n_file, 1);
    memcpy(bytes, file, n_file);
    bytes[n_file / 2] ^= 8;
    if (r->status == 200) r->body = bytes;
}
static void f_twice(const MockRequest *q, MockResponse *r) /* the whole file, two times */
{
    char *bytes = arena_alloc(q->arena, 2 * n_file, 1);
    memcpy(bytes, file, n_file), memcpy(bytes + n_file, file, n_file);
    mock_file(q, r, bytes, 2 * n_file, "\"v3\"");
}

enum { ALL = -1 };

static const Fault faults[] = {
    {"connection refused", f_none, 4, "not available", ALL, REFUSED, ""},
    {"connection refused, and a mirror", f_none, 0, "the next address follows", 0, REFUSED | MIRROR, ""},
    {"closed without a word", f_dropped, 4, "Empty reply", ALL, ALONE, ""},
    {"broken off once", f_cut_once, 0, "attempt 2 of 2", 0, ALONE, ""},
    {"broken off again and again, a little later each time", f_cut, 0, "attempt 2 of 2", 0, ALONE, ""},
    {"broken off, and the rest is never sent", f_cut_early, 4, "100000 bytes are at hand", CUT, ALONE, ""},
    {"broken off, and a mirror", f_cut_early, 0, "the next address follows", 0, MIRROR, ""},
    {"reset", f_reset, 4, "100000 bytes are at hand", CUT, ALONE, ""},
    {"stalled half-way", f_stall, 4, "silent for", CUT, ALONE, "--attempts 1 --stall 0.5"},
    {"stalled from the start", f_silent, 4, "silent for", ALL, ALONE, "--attempts 1 --stall 0.5"},
    {"50 bytes a second", f_drip, 4, "silent for", ALL, ALONE, "--attempts 1 --stall 0.5"},
    {"Content-Length too long", f_longer, 0, "attempt 2 of 2", 0, ALONE, ""},
    {"Content-Length too long, no ranges, checksum known", f_longer_no_range, 0, "attempt 2 of 2", 0, PINNED, ""},
    {"Content-Length too short", f_shorter, 3, "the gzip data ends too early", CUT, ALONE, ""},
    {"Content-Length too short, checksum known", f_shorter, 3, "100000 bytes, expected", CUT, PINNED, ""},
    {"no length, and broken off", f_no_length, 0, "", 0, ALONE, ""},
    {"no length, broken off, no ranges", f_no_length_no_range, 3, "the gzip data ends too early", ALL, ALONE, ""},
    {"garbage between chunks", f_bad_chunk, 4, "try again", ALL, ALONE, ""},
    {"broken off between chunks", f_cut_chunk, 4, "bytes are at hand", ALL, ALONE, ""},
    {"redirected in circles", f_circle, 4, "redirects", ALL, ALONE, ""},
    {"redirected to a page", f_to_page, 3, "an HTML or XML page instead of the file", ALL, ALONE, ""},
    {"redirected to a file of this machine", f_to_file, 4, "not supported", ALL, ALONE, ""},
    {"a page with status 200", f_page, 3, "an HTML or XML page instead of the file", ALL, ALONE, ""},
    {"a page with status 200, and a mirror", f_page, 0, "an HTML or XML page", 0, MIRROR, ""},
    {"a page in place of the rest", f_page_late, 3, "an HTML or XML page instead of the file", CUT, ALONE, ""},
    {"JSON with status 200", f_json, 3, "neither gzip nor zstd instead of the file", ALL, ALONE, ""},
    {"empty", f_empty, 4, "the answer is empty", ALL, ALONE, ""},
    {"204 No Content", f_nothing, 4, "brings no file", ALL, ALONE, ""},
    {"Content-Encoding: gzip, to be left alone", f_encoding, 0, "", 0, ALONE, ""},
    {"404", f_404, 4, "answered 404", ALL, ALONE, ""},
    {"404, and a mirror", f_404, 0, "answered 404", 0, MIRROR, ""},
    {"503", f_503, 4, "answered 503", ALL, ALONE, ""},
    {"429, come back in a second", f_429_once, 0, "come back in 1 s", 0, ALONE, ""},
    {"429, come back tomorrow", f_429_long, 4, "come back in 86400 s", ALL, ALONE, ""},
    {"not HTTP", f_garbage, 4, "HTTP/0.9", ALL, ALONE, ""},
    {"a header of 400 kB", f_huge_header, 4, "", ALL, ALONE, ""},
    {"ranges ignored", f_range_ignored, 0, "attempt 2 of 2", 0, ALONE, ""},
    {"a range from elsewhere", f_range_elsewhere, 0, "the range begins at 100007 instead of 100000", 0, ALONE, ""},
    {"a range with other bytes", f_range_wrong_bytes, 0, "damaged gzip data; asking once more", 0, ALONE, ""},
    {"a range with other bytes, checksum known", f_range_wrong_bytes, 0, "asking once more", 0, PINNED, ""},
    {"206 without being asked, the first part", f_range_unasked, 0, "ends after 100000 of", 0, ALONE, ""},
    {"206 without saying of what", f_range_unsaid, 4, "the range begins at -1", ALL, ALONE, ""},
    {"416 and another size", f_range_refused, 0, "no such range", 0, ALONE, ""},
    {"changed mid-way", f_changed, 0, "", 0, TO_OTHER, ""},
    {"changed mid-way, If-Range ignored", f_changed_no_if, 0, "the range is of another edition", 0, TO_OTHER, ""},
    {"changed mid-way, checksum known", f_changed, 3, "--repin 1", ALL, PINNED, ""},
    {"another file than the recorded one", f_other, 3, "--repin 1", ALL, PINNED, ""},
    {"another file than the recorded one, and a mirror", f_other, 0, "set aside", 0, PINNED | MIRROR, ""},
    {"a flipped bit", f_damaged, 3, "damaged gzip data", ALL, ALONE, ""},
    {"a flipped bit, and a mirror", f_damaged, 0, "damaged gzip data", 0, MIRROR, ""},
    {"twice as much as recorded", f_twice, 3, "bytes, expected", ALL, PINNED, ""},
};

static void answer(const MockRequest *request, MockResponse *response, void *user)
{
    (void)user;
    int64_t fault = mock_shared(NULL)[FAULT];
    if (strcmp(request->path, "/page") == 0) f_page(request, response);
    else if (strncmp(request->path, "/a/", 3) == 0 && fault > 0 && !is_head(request)) faults[fault - 1].answer(request, response);
    else good(request, response);
}

/* ---- fixtures ---- */

static char *make_edition(uint64_t seed, size_t *n)
{
    GzipFile *f;
    ck_assert_int_eq(gzip_open(in_scratch("edition"), &f), OK);
    Rng rng = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (int i = 0; i < LINES; i++) gzip_printf(f, "{\"reviewerID\": \"A%llx\", \"asin\": \"B%06d\", \"unixReviewTime\": %d}\n", (unsigned long long)rng_u64(&rng), i % 997, 1300000000 + i);
    ck_assert_int_eq(gzip_commit(f), OK);
    return read_bytes(in_scratch("edition"), n);
}

static void setup(void)
{
    scratch_make();
    arena = arena_create("test");
    file = make_edition(1, &n_file);
    other = make_edition(2, &n_other);
    ck_assert(n_file > 3 * CUT / 2 && n_other > 3 * CUT / 2);
    sha256_buffer(file, n_file, sum);
    sha256_buffer(other, n_other, other_sum);
    server = mock_start(answer, NULL);
}

static void teardown(void)
{
    mock_stop(server);
    arena_destroy(arena);
    scratch_remove();
}

/* ---- the program ---- */

static void write_registry(const char *first, const char *second)
{
    write_text(in_scratch("registry.json"),
               arena_printf(arena,
                            "{\"format\": \"digr-datasets/1\", \"datasets\": [{\"name\": \"tiny\", \"label\": \"Tiny\", \"release\": \"amazon-2014\", \"simulated\": false, \"files\": [\n"
                            "{\"role\": \"reviews\", \"name\": \"" NAME "\", \"urls\": [\"%s\"%s%s%s]}]}]}\n",
                            first, second != NULL ? ", \"" : "", second != NULL ? second : "", second != NULL ? "\"" : ""));
}

static void write_pin(const char *sha256, size_t bytes)
{
    write_text(in_scratch("lock"), arena_printf(arena, "{\"format\": \"digr-lock/1\", \"files\": {\"tiny/" NAME "\": {\"bytes\": %zu, \"sha256\": \"%s\", \"url\": \"http://first/\"}}}\n", bytes, sha256));
}

static const char *arguments(const char *options)
{
    return arena_printf(arena, "--dataset tiny --registry '%s' --lock '%s' --out '%s' --pause 0.01 %s", in_scratch("registry.json"), in_scratch("lock"), in_scratch("out"),
                        strstr(options, "--attempts") != NULL ? options : arena_printf(arena, "--attempts 2 %s", options));
}

static bool is_pinned(const char *sha256) { return path_exists(in_scratch("lock")) && strstr(read_bytes(in_scratch("lock"), NULL), sha256) != NULL; }
static int64_t files_in(const char *pattern)
{
    char text[64];
    FILE *f = popen(arena_printf(arena, "ls -A %s/%s 2>/dev/null | wc -l", in_scratch("out"), pattern), "r");
    ck_assert(f != NULL && fgets(text, sizeof text, f) != NULL);
    (void)pclose(f);
    return atoll(text);
}

static const char *why(const Fault *f, const char *what) { return arena_printf(arena, "%s: %s\n%s\n%s", f->name, what, program_output, mock_log(server)); }

static void assert_whole(const Fault *f, const char *expected, size_t n, const char *sha256)
{
    size_t have;
    ck_assert_msg(path_exists(in_scratch("out/" NAME)), "%s", why(f, "the file is not there"));
    const char *got = read_bytes(in_scratch("out/" NAME), &have);
    ck_assert_msg(have == n && memcmp(got, expected, n) == 0, "%s", why(f, "the bytes differ"));
    ck_assert_msg(is_pinned(sha256), "%s", why(f, "not recorded"));
    ck_assert_msg(files_in("") == 2, "%s", why(f, "something is left over")); /* the file and manifest.json */
}

static void check_fault(const Fault *f)
{
    int64_t missing = f->more == ALL ? (int64_t)n_file : (int64_t)n_file - f->more;
    bool to_other = f->setting & TO_OTHER, pinned = f->setting & PINNED;
    ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s' '%s'", in_scratch("out"), in_scratch("lock"))), 0);
    write_registry(f->setting & REFUSED ? mock_refused_url(server, "/a/" NAME) : mock_url(server, "/a/" NAME), f->setting & MIRROR ? mock_url(server, "/b/" NAME) : NULL);
    if (pinned) write_pin(sum, n_file);
    mock_forget(server);
    mock_shared(server)[FAULT] = f - faults + 1;
    int code = run_program("01_download", arguments(f->options));
    ck_assert_msg(code == f->code, "%s", why(f, arena_printf(arena, "exit %d, expected %d", code, f->code)));
    ck_assert_msg(strstr(program_output, f->says) != NULL, "%s", why(f, arena_printf(arena, "expected `%s`", f->says)));
    mock_shared(server)[FAULT] = 0;
    if (code == 0) {
        assert_whole(f, to_other ? other : file, to_other ? n_other : n_file, to_other ? other_sum : sum);
        return;
    }
    assert_one_error(code);
    ck_assert_msg(strstr(strstr(program_output, "error: "), NAME) != NULL, "%s", why(f, "the error does not name the file"));
    ck_assert_msg(!path_exists(in_scratch("out/" NAME)) && !path_exists(in_scratch("out/manifest.json")), "%s", why(f, "half a result is there"));
    ck_assert_msg(pinned == is_pinned(sum) && !is_pinned(other_sum), "%s", why(f, "the lock file changed"));
    ck_assert_msg(files_in("*.busy") == 0, "%s", why(f, "a guard is left"));
    if (f->setting & REFUSED) write_registry(mock_url(server, "/a/" NAME), NULL);
    mock_forget(server);
    ck_assert_msg(run_program("01_download", arguments("")) == 0, "%s", why(f, "the fault is gone, and it fails"));
    assert_whole(f, file, n_file, sum);
    ck_assert_msg(mock_body_sent(server) <= missing, "%s", why(f, arena_printf(arena, "%lld bytes were sent, %lld were missing", (long long)mock_body_sent(server), (long long)missing)));
}

START_TEST(no_fault_loses_a_byte)
{
    int n = (int)(sizeof faults / sizeof faults[0]), handled = 0;
    for (int i = 0; i < n; i++) {
        check_fault(&faults[i]);
        handled++;
    }
    (void)printf("test_faults: %d faults injected, %d handled\n", n, handled);
    ck_assert_int_ge(n, 24);
}
END_TEST

/* Each of two addresses breaks off: both keep what they brought, apart, and the next call goes on with the first. */
START_TEST(two_addresses_do_not_mix)
{
    write_registry(mock_url(server, "/a/" NAME), mock_url(server, "/a/copy/" NAME));
    for (int i = 0; i < (int)(sizeof faults / sizeof faults[0]); i++)
        if (faults[i].answer == f_cut_early) mock_shared(server)[FAULT] = i + 1;
    ck_assert_int_eq(run_program("01_download", arguments("")), 4);
    ck_assert_int_eq(files_in("*.part-*[0-9a-f]"), 2);
    ck_assert_int_eq(files_in("*.part-*.from"), 2);
    mock_shared(server)[FAULT] = 0;
    mock_forget(server);
    ck_assert_int_eq(run_program("01_download", arguments("")), 0);
    ck_assert_int_eq(mock_body_sent(server), (int64_t)n_file - CUT);
    ck_assert_int_eq(files_in(""), 2);
}
END_TEST

/* Trust on first use: refused, kept aside, taken on purpose -- then without sending it again. */
START_TEST(a_new_edition_is_taken_on_purpose_only)
{
    write_registry(mock_url(server, "/a/" NAME), NULL);
    write_pin(other_sum, n_file);
    ck_assert_int_eq(run_program("01_download", arguments("")), 3);
    assert_one_error(3);
    assert_said("--repin 1");
    size_t n;
    ck_assert(memcmp(read_bytes(in_scratch("out/" NAME ".rejected"), &n), file, n_file) == 0 && n == n_file);
    mock_forget(server);
    ck_assert_msg(run_program("01_download", arguments("--repin 1")) == 0, "%s", program_output);
    ck_assert_int_eq(mock_body_sent(server), 0);
    ck_assert(is_pinned(sum) && !is_pinned(other_sum));
    ck_assert_int_eq(files_in(""), 2);
}
END_TEST

/* ---- ends that are not the network's ---- */

START_TEST(a_killed_download_is_continued)
{
    write_registry(mock_url(server, "/a/" NAME), NULL);
    for (int i = 0; i < (int)(sizeof faults / sizeof faults[0]); i++)
        if (faults[i].answer == f_stall) mock_shared(server)[FAULT] = i + 1;
    const char *bin = getenv("BIN");
    const char *command = arena_printf(arena, "exec '%s/01_download' %s >/dev/null 2>&1", bin != NULL ? bin : "cache/build/bin", arguments(""));
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    for (int wait = 0; wait < 3000; wait++) { /* until the bytes lie in the part file */
        if (mock_count(server) > 0 && mock_body_sent(server) == CUT && system(arena_printf(arena, "find '%s' -name '*.part-*[0-9a-f]' -size %dc | grep -q .", in_scratch("out"), CUT)) == 0) break;
        (void)usleep(10000);
    }
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    (void)waitpid(child, NULL, 0);
    ck_assert_int_eq(files_in("*.part-*[0-9a-f]"), 1);
    mock_shared(server)[FAULT] = 0;
    mock_forget(server);
    ck_assert_msg(run_program("01_download", arguments("")) == 0, "%s", program_output);
    ck_assert_int_eq(mock_body_sent(server), (int64_t)n_file - CUT);
    ck_assert(is_pinned(sum));
    ck_assert_int_eq(files_in(""), 2);
}
END_TEST

/* A limit on the size of files stands for a full disk: 128 blocks of 512 bytes. */
static int run_limited(const char *options)
{
    const char *bin = getenv("BIN");
    return WEXITSTATUS(system(arena_printf(arena, "trap '' XFSZ; ulimit -f 128; exec '%s/01_download' %s >'%s' 2>&1", bin != NULL ? bin : "cache/build/bin", arguments(options),
                                           in_scratch("said"))));
}

static void check_limited(const char *url)
{
    write_registry(url, mock_url(server, "/b/" NAME));
    write_text(in_scratch("said"), "");
    int code = run_limited("");
    ck_assert_msg(code == 4, "exit %d: %s", code, read_bytes(in_scratch("said"), NULL));
    const char *said = read_bytes(in_scratch("said"), NULL);
    ck_assert_msg(strstr(said, "cannot write: File too large") && strstr(said, "will be kept and continued"), "%s", said);
    ck_assert_int_eq(files_in("*.part-*[0-9a-f]"), 1); /* the mirror was not asked */
    mock_forget(server);
    ck_assert_msg(run_program("01_download", arguments("")) == 0, "%s", program_output);
    ck_assert_int_le(mock_body_sent(server), (int64_t)n_file - 65536);
    size_t n;
    ck_assert(memcmp(read_bytes(in_scratch("out/" NAME), &n), file, n_file) == 0 && n == n_file);
    ck_assert_int_eq(files_in(""), 2);
}

START_TEST(a_full_disk_keeps_what_came) { check_limited(mock_url(server, "/a/" NAME)); }
END_TEST

START_TEST(a_local_file_is_continued_too)
{
    write_bytes(in_scratch("a source.gz"), file, n_file);
    check_limited(arena_printf(arena, "file://%s/a%%20source.gz", scratch));
    assert_said("[####"); /* began where it had ended: */
    ck_assert_int_eq(mock_count(server), 0);
    /* and one that changed is taken anew */
    ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s' '%s'", in_scratch("out"), in_scratch("lock"))), 0);
    ck_assert_int_eq(run_limited(""), 4);
    write_bytes(in_scratch("a source.gz"), other, n_other);
    ck_assert_msg(run_program("01_download", arguments("")) == 0, "%s", program_output);
    ck_assert(is_pinned(other_sum));
    size_t n;
    ck_assert(memcmp(read_bytes(in_scratch("out/" NAME), &n), other, n_other) == 0 && n == n_other);
}
END_TEST

/* Four processes want the same file at once: it is sent once. */
START_TEST(processes_wait_for_each_other)
{
    enum { N = 4 };
    write_registry(mock_url(server, "/a/" NAME), NULL);
    const char *bin = getenv("BIN");
    const char *one = arena_printf(arena, "'%s/01_download' --quiet %s", bin != NULL ? bin : "cache/build/bin", arguments(""));
    const char *command = "true";
    for (int i = 0; i < N; i++) command = arena_printf(arena, "%s & (%s >'%s%d' 2>&1; echo \"exit $?\" >>'%s%d')", command, one, in_scratch("said"), i, in_scratch("said"), i);
    ck_assert_int_eq(system(arena_printf(arena, "%s & wait", command)), 0);
    for (int i = 0; i < N; i++) {
        const char *said = read_bytes(arena_printf(arena, "%s%d", in_scratch("said"), i), NULL);
        ck_assert_msg(strstr(said, "exit 0") != NULL, "%s", said);
    }
    ck_assert_int_eq(mock_body_sent(server), (int64_t)n_file);
    ck_assert(is_pinned(sum));
    ck_assert_int_eq(files_in(""), 2);
    size_t n;
    ck_assert(memcmp(read_bytes(in_scratch("out/" NAME), &n), file, n_file) == 0 && n == n_file);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("faults");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, no_fault_loses_a_byte);
    tcase_add_test(t, two_addresses_do_not_mix);
    tcase_add_test(t, a_new_edition_is_taken_on_purpose_only);
    tcase_add_test(t, a_killed_download_is_continued);
    tcase_add_test(t, a_full_disk_keeps_what_came);
    tcase_add_test(t, a_local_file_is_continued_too);
    tcase_add_test(t, processes_wait_for_each_other);
    suite_add_tcase(s, t);
    return suite_run(s);
}
