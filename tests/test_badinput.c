/* tests/test_badinput.c -- bad input and bad places for stages 00, 01 and 02, from outside: one clear error each, with file, line, remedy and exit code;
 * nothing half-written stays behind. */
#include "prepare_util.h"

#include <errno.h>
#include <sys/mount.h>
#include "suite.h"

#define T "12623040"
static const char EVENTS[] = "U A " T "01;U B " T "02;U C " T "03;V A " T "01;V B " T "02;V C " T "03;";

static void setup(void)
{
    prepare_setup();
    write_raw(EVENTS, "A;B;C;");
    write_text(in_scratch("registry.json"),
               "{\"format\": \"digr-datasets/1\", \"datasets\": [{\"name\": \"tiny\", \"label\": \"Tiny\", \"release\": \"amazon-2014\", \"simulated\": false, \"files\": [\n"
               "{\"role\": \"reviews\", \"name\": \"reviews.json.gz\"}, {\"role\": \"meta\", \"name\": \"meta.json.gz\"}, {\"role\": \"captions\", \"name\": \"captions.jsonl\"}]}]}\n");
}

static int preprocess(const char *more)
{
    return run_program("02_preprocess", arena_printf(arena, "--dataset tiny --registry '%s' --raw '%s' --k-core 1 --out '%s' %s", in_scratch("registry.json"),
                                                     in_scratch("raw"), in_scratch("out"), more));
}

static void assert_nothing_complete(void)
{
    ck_assert(!path_exists(in_scratch("out/manifest.json")));
    ck_assert(!path_exists(in_scratch("out/meta.json")));
}

START_TEST(good_input_passes)
{
    ck_assert_msg(preprocess("") == 0, "%s", program_output);
    ck_assert(path_exists(in_scratch("out/manifest.json")));
    ck_assert_str_eq(read_bytes(in_scratch("out/rejected.tsv"), NULL), "file\tline\tkind\treason\n");
}
END_TEST

/* A complete folder that is written again and fails is complete no more. */
START_TEST(a_failed_second_run_leaves_no_old_manifest)
{
    ck_assert_int_eq(preprocess(""), 0);
    ck_assert(path_exists(in_scratch("out/manifest.json")));
    write_gzip(in_scratch("raw/reviews.json.gz"), "nonsense\n");
    ck_assert_int_eq(preprocess(""), 3);
    ck_assert(!path_exists(in_scratch("out/manifest.json")));
}
END_TEST

START_TEST(truncated_gzip_is_exit_3_whatever_is_allowed)
{
    static const char *const files[] = {"raw/reviews.json.gz", "raw/meta.json.gz"};
    for (int f = 0; f < 2; f++) {
        size_t n;
        const char *path = in_scratch(files[f]), *whole = read_bytes(path, &n);
        write_bytes(path, whole, n - 9);
        ck_assert_int_eq(preprocess(f ? "--max-loss 1" : ""), 3);
        assert_one_error(3);
        assert_said("truncated gzip stream");
        assert_said(path);
        assert_said("after line ");
        assert_nothing_complete();
        write_bytes(path, whole, n);
    }
}
END_TEST

/* A faulty line among good ones: the place and reason, and what rejected.tsv then says. */
static const struct { const char *file, *line, *reason, *kind; } bad_lines[] = {
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", ", "malformed JSON", "syntax"},
    {"reviews", "", "malformed JSON", "syntax"},
    {"reviews", "[1, 2]", "expected a JSON object", "syntax"},
    {"reviews", "{\"asin\": \"A\", \"unixReviewTime\": 1262304000}", "missing \"reviewerID\"", "field"},
    {"reviews", "{\"reviewerID\": \"W\", \"unixReviewTime\": 1262304000}", "missing \"asin\"", "field"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": 12, \"unixReviewTime\": 1262304000}", "\"asin\" must be", "field"},
    {"reviews", "{\"reviewerID\": \"\", \"asin\": \"A\", \"unixReviewTime\": 1262304000}", "\"reviewerID\" is empty", "field"},
    {"reviews", "{\"reviewerID\": \"a b\", \"asin\": \"A\", \"unixReviewTime\": 1262304000}", "white space", "field"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\"}", "missing \"unixReviewTime\"", "field"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", \"unixReviewTime\": 0}", "no second between 1995 and 2100", "time"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", \"unixReviewTime\": -5}", "no second", "time"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", \"unixReviewTime\": 1262304000000}", "no second", "time"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", \"unixReviewTime\": 1262304000.5}", "no second", "time"},
    {"reviews", "{\"reviewerID\": \"W\", \"asin\": \"A\", \"reviewText\": \"caf\xe9\", \"unixReviewTime\": 1262304000}", "byte 0xe9 at column 52 is not UTF-8", "utf8"},
    {"meta", "{'asin': 'A', 'title': 'open}", "string without an end", "syntax"},
    {"meta", "{\"asin\": \"A\", \"title\": null}", "column 24: expected a value", "syntax"},
    {"meta", "{'title': 'no asin'}", "missing \"asin\"", "field"},
    {"meta", "{'asin': 'A', 'title': 3}", "\"title\" is neither a text nor a list", "field"},
    {"meta", "{'asin': 'A', 'categories': [[1]]}", "\"categories\" holds something that is no text", "field"},
    {"meta", "{'asin': 'A', 'title': '\xff'}", "is not UTF-8", "utf8"},
};

START_TEST(a_bad_line_is_told_counted_and_limited)
{
    bool reviews = bad_lines[_i].file[0] == 'r';
    const char *first = reviews ? reviews_text("U A " T "01;U B " T "02;") : metadata_text("C;B;");
    const char *rest = reviews ? reviews_text("U C " T "03;V A " T "01;V B " T "02;V C " T "03;") : metadata_text("A;");
    const char *path = in_scratch(reviews ? "raw/reviews.json.gz" : "raw/meta.json.gz");
    write_gzip(path, arena_printf(arena, "%s%s\n%s", first, bad_lines[_i].line, rest));
    const char *place = arena_printf(arena, "%s:3: ", path);

    ck_assert_int_eq(preprocess(""), 3);
    assert_one_error(3);
    assert_said(arena_printf(arena, "error: %s", place));
    assert_said(bad_lines[_i].reason);
    assert_said("--max-loss");
    assert_nothing_complete();
    const char *listed = read_bytes(in_scratch("out/rejected.tsv"), NULL);
    ck_assert_ptr_nonnull(strstr(listed, arena_printf(arena, "%s\t3\t%s\t", path, bad_lines[_i].kind)));

    ck_assert_msg(preprocess("--max-loss 0.25") == 0, "%s", program_output); /* 1 of 7 interactions, or of 4 items */
    assert_said(arena_printf(arena, "%srejected (%s)", place, bad_lines[_i].kind));
    ck_assert_double_eq(meta_number("out", reviews ? "input.interactions_rejected" : "input.items_rejected"), 1);
    ck_assert_double_eq(meta_number("out", arena_printf(arena, "input.kinds.%s", bad_lines[_i].kind)), 1);
    ck_assert_double_eq(meta_number("out", "counts.interactions"), 6);
}
END_TEST

/* The sequence form: what replaces which file, the exit code, and what is said. */
static const struct { const char *file, *text, *said; } bad_sequences[] = {
    {"sequences.txt", "1 5 6 99\n2 6 5 6\n", "sequences.txt:1: item `99` of user 1 is not in items.jsonl"},
    {"sequences.txt", "1 5 6 5\n1 6 5 6\n", "sequences.txt:2: user 1 has a line already"},
    {"sequences.txt", "1 5 6 5\n2\n", "sequences.txt:2: expected `user item item ...`"},
    {"sequences.txt", "1 5  6\n2 6 5 6\n", "sequences.txt:1: item `` of user 1"},
    {"sequences.txt", "1 5 6 5 \n2 6 5 6\n", "sequences.txt:1: item `` of user 1"},
    {"timestamps.txt", "1 1262304000 1262304000 1262304000\n3 0 0 0\n", "timestamps.txt:2: user or length differs"},
    {"timestamps.txt", "1 1262304000 1262304000 1262304000\n2 0 0\n", "timestamps.txt:2: user or length differs"},
    {"timestamps.txt", "1 1262304000 1262304000 1262304000\n", "timestamps.txt: ends before line 2"},
    {"timestamps.txt", "1 0 0 0\n2 0 0 0\n3 0\n", "timestamps.txt: more lines than"},
    {"timestamps.txt", "1 0 0 5\n2 0 0 0\n", "timestamps.txt:1: `5` is neither 0 nor a second"},
    {"timestamps.txt", "1 0 x 0\n2 0 0 0\n", "timestamps.txt:1: `x` is neither 0 nor a second"},
    {"items.jsonl", "{\"item\": 5, \"asin\": \"I5\"}\n{\"item\": 6, \"asin\"\n", "items.jsonl:2: malformed JSON"},
    {"items.jsonl", "{\"item\": 5, \"asin\": \"I5\"}\n{\"item\": 6}\n{\"item\": 5}\n", "items.jsonl:3: item 5 has a line already"},
    {"items.jsonl", "{\"asin\": \"I5\"}\n", "items.jsonl:1: missing \"item\""},
    {"items.jsonl", "{\"item\": 5, \"categories\": 3}\n", "items.jsonl:1: \"categories\" is not a list"},
    {"users.txt", "1 A\n2\n", "users.txt:2: malformed or repeated"},
    {"users.txt", "1 A\n2 A\n", "users.txt:2: malformed or repeated"},
};

START_TEST(a_bad_sequence_source_is_told)
{
    write_sequences("1 5 6 5\n2 6 5 6\n", "1 0 0 0\n2 0 0 0\n", "5;6;");
    ck_assert_msg(preprocess("") == 0, "%s", program_output);
    ck_assert_int_eq(unlink(in_scratch("out/meta.json")), 0);
    ck_assert_int_eq(unlink(in_scratch("out/manifest.json")), 0);
    write_text(in_scratch(arena_printf(arena, "raw/%s", bad_sequences[_i].file)), bad_sequences[_i].text);
    if (bad_sequences[_i].file[0] == 's') ck_assert_int_eq(unlink(in_scratch("raw/timestamps.txt")), 0);
    ck_assert_int_eq(preprocess(""), 3);
    assert_one_error(3);
    assert_said(bad_sequences[_i].said);
    assert_nothing_complete();
}
END_TEST

START_TEST(wrong_usage_is_exit_2_and_missing_input_exit_3)
{
    ck_assert_int_eq(preprocess("--protocol random"), 2);
    assert_one_error(2);
    assert_said("leave-last-out|chrono-8-1-1");
    ck_assert_int_eq(preprocess("--max-loss 2"), 2);
    ck_assert_int_eq(preprocess("--max-loss 0.1%"), 2);
    ck_assert_int_eq(run_program("02_preprocess", "--dataset nothing --raw x --out y"), 2);
    assert_said("known data sets: beauty, ");
    ck_assert_int_eq(run_program("02_preprocess", arena_printf(arena, "--dataset beauty --raw '%s' --out y", scratch)), 3);
    assert_one_error(3);
    assert_said("01_download");
    ck_assert_int_eq(run_program("02_preprocess", "--dataset beauty --registry no/such.json --raw x --out y"), 3);
    assert_one_error(3);
    ck_assert_int_eq(run_program("00_sample", "--category books --out x"), 2);
    ck_assert_int_eq(run_program("00_sample", arena_printf(arena, "--items '%s' --category beauty --out '%s'", scratch, in_scratch("s"))), 3);
    assert_one_error(3);
    assert_said("interests_beauty.json");
    ck_assert_int_eq(run_program("01_download", "--dataset sample-beauty"), 2);
    assert_said("--out is required");
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_exit_4)
{
    write_text(in_scratch("file"), "in the way\n");
    const char *below = in_scratch("file/out");
    ck_assert_int_eq(run_program("02_preprocess", arena_printf(arena, "--dataset tiny --registry '%s' --raw '%s' --k-core 1 --out '%s'", in_scratch("registry.json"),
                                                               in_scratch("raw"), below)), 4);
    assert_one_error(4);
    assert_said(in_scratch("file"));
    ck_assert_int_eq(run_program("00_sample", arena_printf(arena, "--category beauty --users 5 --out '%s'", below)), 4);
    assert_one_error(4);
    ck_assert_int_eq(run_program("01_download", arena_printf(arena, "--dataset tiny --registry '%s' --source '%s' --lock '%s' --out '%s'", in_scratch("registry.json"),
                                                             in_scratch("raw"), in_scratch("lock"), below)), 4);
    assert_one_error(4);
}
END_TEST

/* A tmpfs of 48 KiB as output folder; needs the right to mount. */
START_TEST(a_full_disk_is_exit_4_and_leaves_no_half_file)
{
    const char *small = arena_strdup(arena, in_scratch("small"));
    ck_assert_int_eq(dir_make(small), OK);
    if (mount("tmpfs", small, "tmpfs", 0, "size=48k") != 0) {
        (void)printf("test_badinput: full disk skipped, cannot mount a tmpfs here: %s\n", strerror(errno));
        return;
    }
    int sample = run_program("00_sample", arena_printf(arena, "--category beauty --users 2000 --out '%s'", small));
    char *first = arena_strdup(arena, program_output);
    int left = system(arena_printf(arena, "ls -A '%s' | grep -v -e '^oracle$' >/dev/null && rm -rf '%s'/*", small, small));
    char *ids = arena_alloc(arena, 1, 1);
    for (int i = 0; i < 400; i++) ids = arena_printf(arena, "%sI%03d;", ids, i);
    const char *events = "";
    for (int i = 0; i < 400; i++) events = arena_printf(arena, "%sU I%03d %d;", events, i, 1262304000 + i);
    write_raw(events, ids);
    int copy = run_program("01_download", arena_printf(arena, "--dataset tiny --registry '%s' --source '%s' --copy 1 --lock '%s' --out '%s/d'", in_scratch("registry.json"),
                                                       in_scratch("raw"), in_scratch("lock"), small));
    ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s'/*", small)), 0);
    int prepared = run_program("02_preprocess", arena_printf(arena, "--dataset tiny --registry '%s' --raw '%s' --k-core 1 --out '%s'", in_scratch("registry.json"),
                                                             in_scratch("raw"), small));
    bool complete = path_exists(arena_printf(arena, "%s/manifest.json", small)), items = path_exists(arena_printf(arena, "%s/items.jsonl", small));
    bool temporary = path_exists(arena_printf(arena, "%s/items.jsonl.tmp", small));
    ck_assert_int_eq(umount(small), 0);
    ck_assert_msg(sample == 4, "00_sample: %s", first);
    ck_assert_msg(strstr(first, "No space left on device") != NULL && strstr(first, "fix: ") != NULL, "%s", first);
    ck_assert_int_ne(left, 0); /* the failed write removed its temporary file */
    ck_assert_int_eq(copy, 0); /* these files are small enough */
    ck_assert_int_eq(prepared, 4);
    assert_one_error(4);
    assert_said("No space left on device");
    ck_assert(!complete && !items && !temporary);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("badinput");
    TCase *t = tcase_create("badinput");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, prepare_teardown);
    tcase_add_test(t, good_input_passes);
    tcase_add_test(t, a_failed_second_run_leaves_no_old_manifest);
    tcase_add_test(t, truncated_gzip_is_exit_3_whatever_is_allowed);
    tcase_add_loop_test(t, a_bad_line_is_told_counted_and_limited, 0, (int)(sizeof bad_lines / sizeof *bad_lines));
    tcase_add_loop_test(t, a_bad_sequence_source_is_told, 0, (int)(sizeof bad_sequences / sizeof *bad_sequences));
    tcase_add_test(t, wrong_usage_is_exit_2_and_missing_input_exit_3);
    tcase_add_test(t, a_place_that_cannot_be_written_is_exit_4);
    tcase_add_test(t, a_full_disk_is_exit_4_and_leaves_no_half_file);
    suite_add_tcase(s, t);
    return suite_run(s);
}
