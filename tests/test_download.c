/* tests/test_download.c -- fetching over HTTP (tests/mock_server.h) and file://; 01_download's sources, lock file and probe. */
#include "data_util.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "io/download.h"
#include "mock_server.h"
#include "suite.h"

enum { BODY = 300000 };
static char body[BODY + 1], other[BODY + 1]; /* what the server serves before and after a change */
static Arena *arena;
static MockServer *server;

/* ---- what the server does ---- */

static void answer(const MockRequest *request, MockResponse *response, void *user)
{
    (void)user;
    const char *path = request->path;
    bool first = request->nth == 0, changed = strcmp(path, "/changed") == 0 && !first;
    if (strcmp(path, "/missing") == 0 || strstr(path, "sequences.txt") != NULL) {
        mock_text(response, 404, "nobody");
        response->headers = "ETag: \"page\"\r\n";
        return;
    }
    if (strcmp(path, "/broken") == 0 || (strcmp(path, "/once") == 0 && first)) {
        mock_text(response, 503, "bye");
        return;
    }
    if (strcmp(path, "/slow") == 0) response->delay_ms = 20000;
    if (strcmp(path, "/norange") == 0) mock_text(response, 200, body), response->headers = "ETag: \"v1\"\r\n";
    else mock_file(request, response, changed ? other : body, BODY, changed ? "\"v2\"" : "\"v1\"");
    if ((strcmp(path, "/cut") == 0 || strcmp(path, "/changed") == 0) && first) response->cut_at = BODY / 3;
}

static void setup(void)
{
    scratch_make();
    arena = arena_create("test");
    for (int i = 0; i < BODY; i++) body[i] = (char)('a' + (i / 7 + i % 13) % 26), other[i] = (char)('A' + i % 25);
    server = mock_start(answer, NULL);
}

static void teardown(void)
{
    mock_stop(server);
    arena_destroy(arena);
    scratch_remove();
}

static const char *url(const char *path) { return mock_url(server, path); }

static Status fetch(const char *path, const char *sha256, int64_t bytes, DownloadResult *result)
{
    DownloadFile file = {.url = url(path), .path = in_scratch("file"), .bytes = bytes, .sha256 = sha256, .limits = {.pause_s = 0.01}};
    return download_fetch(&file, result);
}

static void assert_got(const char *expected)
{
    size_t n;
    const char *got = read_bytes(in_scratch("file"), &n);
    ck_assert_uint_eq(n, BODY);
    ck_assert(memcmp(got, expected, BODY) == 0);
    ck_assert_int_ne(system(arena_printf(arena, "ls -d '%s'/file.* >/dev/null 2>&1", scratch)), 0); /* no parts */
}

/* What an earlier call left: n bytes from `path`, where they were called `tag` and the whole had `total`. */
static void leave_part(const char *from, const char *data, size_t n, const char *path, const char *tag, int64_t total)
{
    char hex[SHA256_HEX];
    sha256_buffer(from, strlen(from), hex);
    const char *part = arena_printf(arena, "%s.part-%.8s", in_scratch("file"), hex);
    write_bytes(part, data, n);
    if (path != NULL) write_text(arena_printf(arena, "%s.from", part), arena_printf(arena, "%s\n%s\n%lld\n", url(path), tag, (long long)total));
}

static void assert_requests(const char *expected) { ck_assert_str_eq(mock_log(server), expected); }

START_TEST(a_file_is_fetched_and_verified)
{
    DownloadResult result;
    char sha256[SHA256_HEX];
    sha256_buffer(body, BODY, sha256);
    ck_assert_msg(fetch("/ok", sha256, BODY, &result) == OK, "%s", status_message());
    assert_got(body);
    ck_assert_int_eq(result.bytes, BODY);
    ck_assert_int_eq(result.resumed_at, 0);
    ck_assert_str_eq(result.sha256, sha256);

    ck_assert_int_eq(unlink(in_scratch("file")), 0);
    ck_assert_int_eq(fetch("/ok", "0000000000000000000000000000000000000000000000000000000000000000", 0, &result), E_INPUT);
    ck_assert(strstr(status_message(), "SHA-256") && strstr(status_message(), sha256));
    ck_assert_int_eq(fetch("/ok", "", BODY - 1, &result), E_INPUT);
    ck_assert(strstr(status_message(), "300000 bytes, expected 299999"));
    ck_assert(!path_exists(in_scratch("file")) && path_exists(in_scratch("file.rejected"))); /* to be looked at */
}
END_TEST

START_TEST(a_broken_transfer_is_continued)
{
    DownloadResult result;
    ck_assert_msg(fetch("/cut", "", 0, &result) == OK, "%s", status_message());
    assert_got(body);
    ck_assert_int_eq(result.resumed_at, BODY / 3);
    assert_requests("GET /cut 0\nGET /cut 100000\n");
}
END_TEST

START_TEST(a_later_call_continues_what_an_earlier_one_left)
{
    DownloadResult result;
    leave_part(url("/ok"), body, 4321, "/ok", "\"v1\"", BODY);
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    ck_assert_int_eq(result.resumed_at, 4321);
    assert_requests("GET /ok 4321\n");
}
END_TEST

START_TEST(what_cannot_be_trusted_is_read_anew)
{
    DownloadResult result;
    leave_part(url("/ok"), other, 5000, NULL, "", -1); /* nobody knows where this is from */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    leave_part(url("/ok"), other, 5000, "/else", "\"v1\"", BODY); /* from another address */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    leave_part(url("/ok"), other, 5000, "/ok", "\"v0\"", BODY); /* an older version there */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    leave_part(url("/ok"), other, BODY + 1, "/ok", "\"v1\"", BODY); /* more than there can be */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    leave_part(url("/norange"), other, 5000, "/norange", "\"v1\"", BODY); /* the server knows no ranges */
    ck_assert_int_eq(fetch("/norange", "", 0, &result), OK);
    assert_got(body);
    assert_requests("GET /ok 0\nGET /ok 0\nGET /ok 5000\nGET /ok 0\nGET /norange 5000\n");
}
END_TEST

START_TEST(what_is_complete_is_not_fetched_again)
{
    DownloadResult result;
    leave_part(url("/ok"), body, BODY, "/ok", "\"v1\"", -1); /* the server says that there is no more (416) */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    ck_assert_int_eq(result.resumed_at, BODY);
    assert_requests("GET /ok 300000\n");
    ck_assert_int_eq(unlink(in_scratch("file")), 0);
    leave_part(url("/ok"), body, BODY, "/ok", "\"v1\"", BODY); /* nobody needs to be asked */
    ck_assert_int_eq(fetch("/ok", "", 0, &result), OK);
    assert_got(body);
    ck_assert_int_eq(result.transferred, 0);
    assert_requests("GET /ok 300000\n");
}
END_TEST

/* The bytes at hand are not thrown away for a server that knows no ranges: what it sends is compared with them. */
START_TEST(a_server_without_ranges_costs_nothing_that_is_at_hand)
{
    DownloadResult result;
    char sha256[SHA256_HEX];
    leave_part(url("/norange"), body, 200000, "/norange", "\"v1\"", BODY);
    sha256_buffer(body, BODY, sha256);
    ck_assert_int_eq(fetch("/norange", sha256, BODY, &result), OK);
    assert_got(body);
    ck_assert_int_eq(result.resumed_at, 0);
    ck_assert_int_eq(result.transferred, BODY);
}
END_TEST

START_TEST(a_file_that_changes_in_between_is_not_glued)
{
    DownloadResult result;
    ck_assert_int_eq(fetch("/changed", "", 0, &result), OK);
    assert_got(other);
    assert_requests("GET /changed 0\nGET /changed 100000\n");
}
END_TEST

START_TEST(what_may_pass_is_tried_again_and_what_will_not_is_told)
{
    DownloadResult result;
    ck_assert_int_eq(fetch("/once", "", 0, &result), OK);
    assert_got(body);
    ck_assert_int_eq(fetch("/missing", "", 0, &result), E_RESOURCE);
    ck_assert(strstr(status_message(), "answered 404"));
    assert_requests("GET /once 0\nGET /once 0\nGET /missing 0\n");
    ck_assert_int_eq(fetch("/broken", "", 0, &result), E_RESOURCE);
    ck_assert(strstr(status_message(), "answered 503"));
    assert_requests("GET /once 0\nGET /once 0\nGET /missing 0\nGET /broken 0\nGET /broken 0\nGET /broken 0\n");
    DownloadFile nowhere = {.url = "ftp://127.0.0.1/x", .path = in_scratch("x"), .sha256 = ""};
    ck_assert_int_eq(download_fetch(&nowhere, &result), E_USAGE);
    nowhere = (DownloadFile){.url = arena_printf(arena, "file://%s", in_scratch("none")), .path = in_scratch("x"), .sha256 = ""};
    ck_assert_int_eq(download_fetch(&nowhere, &result), E_RESOURCE);
    nowhere = (DownloadFile){.url = url("/ok"), .path = in_scratch("no/folder/x"), .sha256 = ""};
    ck_assert_int_eq(download_fetch(&nowhere, &result), E_RESOURCE);
    ck_assert(strstr(status_message(), "cannot create"));
}
END_TEST

START_TEST(the_probe_answers_in_time)
{
    int64_t bytes;
    ck_assert(download_probe(url("/ok"), 5, &bytes));
    ck_assert_int_eq(bytes, BODY);
    ck_assert(!download_probe(url("/missing"), 5, NULL));
    ck_assert(!download_probe("http://127.0.0.1:1/", 5, NULL));
    ck_assert(!download_probe("not a url", 5, NULL));
    write_text(in_scratch("there"), "x");
    ck_assert(download_probe(arena_printf(arena, "file://%s", in_scratch("there")), 5, NULL));
    ck_assert(!download_probe(arena_printf(arena, "file://%s", in_scratch("absent")), 5, NULL));
    double start = time_now_s();
    ck_assert(!download_probe(url("/slow"), 0.5, NULL));
    ck_assert_double_lt(time_now_s() - start, 5);
}
END_TEST

/* ---- 01_download ---- */

static int download(const char *source, const char *more)
{
    write_text(in_scratch("registry.json"),
               "{\"format\": \"digr-datasets/1\", \"datasets\": [{\"name\": \"tiny\", \"label\": \"Tiny\", \"release\": \"amazon-2014\", \"simulated\": false, \"files\": [\n"
               "{\"role\": \"reviews\", \"name\": \"reviews.txt\"}, {\"role\": \"meta\", \"name\": \"meta.txt\"}]}]}\n");
    return run_program("01_download", arena_printf(arena, "--dataset tiny --registry '%s' --source '%s' --lock '%s' --out '%s' --pause 0.01 %s", in_scratch("registry.json"), source,
                                                   in_scratch("lock"), in_scratch("out"), more));
}

START_TEST(a_mirror_is_fetched_pinned_and_not_fetched_twice)
{
    ck_assert_msg(download(url(""), "") == 0, "%s", program_output);
    ck_assert_uint_eq(strlen(read_bytes(in_scratch("out/reviews.txt"), NULL)), BODY);
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("lock"), NULL), "tiny/reviews.txt"));
    assert_requests("HEAD /tiny/sequences.txt 0\nHEAD /tiny/reviews.txt 0\nGET /tiny/reviews.txt 0\nGET /tiny/meta.txt 0\n");
    ck_assert_int_eq(download(url("/"), ""), 0);
    assert_said("is here already");
    assert_requests("HEAD /tiny/sequences.txt 0\nHEAD /tiny/reviews.txt 0\nGET /tiny/reviews.txt 0\nGET /tiny/meta.txt 0\n"
                    "HEAD /tiny/sequences.txt 0\nHEAD /tiny/reviews.txt 0\n");
    /* another content under the same name: refused, and nothing of it stays */
    ck_assert_int_eq(dir_make(in_scratch("mirror/tiny")), OK);
    write_bytes(in_scratch("mirror/tiny/reviews.txt"), other, BODY);
    write_text(in_scratch("mirror/tiny/meta.txt"), "x");
    ck_assert_int_eq(unlink(in_scratch("out/reviews.txt")), 0);
    ck_assert_int_eq(download(arena_printf(arena, "file://%s", in_scratch("mirror")), ""), 3);
    assert_said("SHA-256");
    ck_assert(!path_exists(in_scratch("out/reviews.txt")));
}
END_TEST

START_TEST(a_folder_is_linked_or_copied)
{
    ck_assert_int_eq(dir_make(in_scratch("folder/tiny")), OK);
    write_text(in_scratch("folder/tiny/reviews.txt"), "r");
    ck_assert_int_eq(download(in_scratch("folder"), ""), 4); /* meta is missing */
    assert_one_error(4);
    assert_said("three ways on");
    write_text(in_scratch("folder/tiny/meta.txt"), "m");
    ck_assert_int_eq(download(in_scratch("folder"), ""), 0);
    char target[8];
    ck_assert_int_gt(readlink(in_scratch("out/meta.txt"), target, sizeof target), 0);
    ck_assert_int_eq(download(in_scratch("folder/tiny"), "--copy 1"), 0);
    ck_assert_int_eq(readlink(in_scratch("out/meta.txt"), target, sizeof target), -1);
    ck_assert_str_eq(read_bytes(in_scratch("out/meta.txt"), NULL), "m");
    ck_assert(!path_exists(in_scratch("lock"))); /* local folders are not pinned */
    write_text(in_scratch("folder/tiny/sequences.txt"), "1 1 1 1\n"); /* the sequence form counts before raw files */
    write_text(in_scratch("folder/tiny/items.jsonl"), "{\"item\": 1}\n");
    ck_assert_int_eq(download(in_scratch("folder"), ""), 0);
    ck_assert(path_exists(in_scratch("out/sequences.txt")));
    ck_assert(!path_exists(in_scratch("out/users.txt")));
}
END_TEST

START_TEST(the_probe_of_a_data_set_is_exit_0_or_4)
{
    ck_assert_int_eq(download(url(""), "--probe 1"), 0);
    ck_assert_int_eq(download("http://127.0.0.1:1", "--probe 1"), 4);
    assert_one_error(4);
    ck_assert_int_eq(download(in_scratch("nowhere"), "--probe 1"), 4);
    assert_said("make reproduce DATA=sample");
    ck_assert(!path_exists(in_scratch("out")));
    ck_assert_int_eq(run_program("01_download", "--dataset sample-beauty --probe 1"), 4);
    assert_said("00_sample --category beauty");
}
END_TEST

START_TEST(a_full_disk_is_exit_4)
{
    ck_assert_int_eq(dir_make(in_scratch("out")), OK);
    if (mount("tmpfs", in_scratch("out"), "tmpfs", 0, "size=64k") != 0) {
        (void)printf("test_download: full disk skipped, cannot mount a tmpfs here: %s\n", strerror(errno));
        return;
    }
    int code = download(url(""), "");
    bool whole = path_exists(in_scratch("out/reviews.txt"));
    ck_assert_int_eq(umount(in_scratch("out")), 0);
    ck_assert_int_eq(code, 4);
    assert_one_error(4);
    assert_said("No space left on device");
    assert_said("292 KiB are still to come and 64 KiB are free"); /* told before a byte is fetched */
    ck_assert(!whole);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("download");
    TCase *t = tcase_create("download");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_file_is_fetched_and_verified);
    tcase_add_test(t, a_broken_transfer_is_continued);
    tcase_add_test(t, a_later_call_continues_what_an_earlier_one_left);
    tcase_add_test(t, what_cannot_be_trusted_is_read_anew);
    tcase_add_test(t, what_is_complete_is_not_fetched_again);
    tcase_add_test(t, a_server_without_ranges_costs_nothing_that_is_at_hand);
    tcase_add_test(t, a_file_that_changes_in_between_is_not_glued);
    tcase_add_test(t, what_may_pass_is_tried_again_and_what_will_not_is_told);
    tcase_add_test(t, the_probe_answers_in_time);
    tcase_add_test(t, a_mirror_is_fetched_pinned_and_not_fetched_twice);
    tcase_add_test(t, a_folder_is_linked_or_copied);
    tcase_add_test(t, the_probe_of_a_data_set_is_exit_0_or_4);
    tcase_add_test(t, a_full_disk_is_exit_4);
    suite_add_tcase(s, t);
    return suite_run(s);
}
