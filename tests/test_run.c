/* tests/test_run.c -- TREC run files: what is written comes back, what is wrong is refused with file and line. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/rng.h"
#include "eval/metrics.h"
#include "eval/run.h"
#include "suite.h"

static Arena *arena;
static char path[64];

static void setup(void)
{
    arena = arena_create("test");
    snprintf(path, sizeof path, "/tmp/test_run_%d.run", (int)getpid());
}

static void teardown(void)
{
    (void)unlink(path);
    arena_destroy(arena);
}

static Status read_text(const char *text, Run **run)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return run_read(path, 3, 10, arena, run);
}

/* The file is refused, and the message says `line` and `what`. */
static void refused(const char *text, int line, const char *what)
{
    Run *run;
    char where[128];
    ck_assert_msg(read_text(text, &run) == E_INPUT, "accepted: %s", text);
    snprintf(where, sizeof where, "%s:%d: ", path, line);
    ck_assert_msg(strstr(status_message(), where) != NULL, "\"%s\" does not name %s", status_message(), where);
    ck_assert_msg(strstr(status_message(), what) != NULL, "\"%s\" does not say \"%s\"", status_message(), what);
    ck_assert_msg(status_fix()[0] != '\0', "no remedy");
}

START_TEST(round_trip_is_exact)
{
    enum { ROWS = 700, N = 1000 };
    static int32_t item[ROWS * RUN_DEPTH];
    static real score[ROWS * RUN_DEPTH];
    static int64_t n[ROWS];
    for (int r = 0; r < ROWS; r++) {
        Rng rng = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)r);
        n[r] = (int64_t)rng_below(&rng, RUN_DEPTH + 1);
        for (int64_t i = 0; i < n[r]; i++) {
            item[r * RUN_DEPTH + i] = (int32_t)rng_below(&rng, N);
            score[r * RUN_DEPTH + i] = (real)(rng_normal(&rng) * pow(10.0, (double)rng_below(&rng, 30) - 15.0));
        }
        metrics_sort(item + r * RUN_DEPTH, score + r * RUN_DEPTH, n[r]);
    }
    ck_assert_int_eq(run_write(path, "round/trip", ROWS, RUN_DEPTH, n, item, score), OK);
    Run *run;
    ck_assert_int_eq(run_read(path, ROWS, N, arena, &run), OK);
    ck_assert_str_eq(run->tag, "round/trip");
    int64_t at = 0, empty = 0;
    for (int r = 0; r < ROWS; r++) {
        ck_assert_int_eq(run->offset[r + 1] - run->offset[r], n[r]);
        empty += n[r] == 0;
        for (int64_t i = 0; i < n[r]; i++, at++) {
            ck_assert_int_eq(run->item[at], item[r * RUN_DEPTH + i]);
            ck_assert((real)run->score[at] == score[r * RUN_DEPTH + i]);
        }
    }
    ck_assert_int_eq(run->n_empty_rows, empty);
    ck_assert_int_eq(run->n_predictions, at);
    ck_assert_int_eq(run->n_reordered, 0);
}
END_TEST

START_TEST(counts_and_ties)
{
    Run *run;
    /* row 2 first; row 0 missing; ties of row 1 against the item order; item 4 twice; an invalid prediction; comments, blanks and tabs */
    ck_assert_int_eq(read_text("# a comment\n\n2 Q0 9 1 3.5 m\n1\tQ0\t4 1 2 m\r\n1 Q0 3 2 2.0 m\n1 Q0 4 3 1 m\n1 Q0 -1 4 -1e-3 m\n", &run), OK);
    ck_assert_int_eq(run->n_predictions, 5);
    ck_assert_int_eq(run->n_empty_rows, 1);
    ck_assert_int_eq(run->n_duplicates, 1);
    ck_assert_int_eq(run->n_invalid, 1);
    ck_assert_int_eq(run->n_reordered, 1);
    const int32_t want[] = {3, 4, 4, -1, 9};
    for (int i = 0; i < 5; i++) ck_assert_int_eq(run->item[i], want[i]);
    ck_assert_int_eq(run->offset[1], 0);
    ck_assert_int_eq(run->offset[2], 4);
}
END_TEST

START_TEST(close_scores_are_no_tie)
{
    Run *run; /* equal as float, not as double: the order of the file stands */
    ck_assert_int_eq(read_text("0 Q0 7 1 1.00000000001 m\n0 Q0 2 2 1.0 m\n", &run), OK);
    ck_assert_int_eq(run->item[0], 7);
    ck_assert_int_eq(run->n_reordered, 0);
}
END_TEST

START_TEST(deeper_predictions_are_counted)
{
    char text[4096] = "";
    for (int k = 1; k <= 25; k++) sprintf(text + strlen(text), "0 Q0 %d %d %d m\n", k % 10, k, 100 - k);
    Run *run;
    ck_assert_int_eq(read_text(text, &run), OK);
    ck_assert_int_eq(run->n_predictions, RUN_DEPTH);
    ck_assert_int_eq(run->n_deeper, 5);
    ck_assert_int_eq(run->n_duplicates, 10);
}
END_TEST

START_TEST(empty_file_answers_nothing)
{
    Run *run;
    ck_assert_int_eq(read_text("", &run), OK);
    ck_assert_int_eq(run->n_empty_rows, 3);
    ck_assert_str_eq(run->tag, "");
}
END_TEST

START_TEST(bad_lines_are_refused)
{
    refused("0 Q0 1 1 2.0 m\n3 Q0 1 1 2.0 m\n", 2, "unknown row 3");
    refused("-1 Q0 1 1 2.0 m\n", 1, "unknown row -1");
    refused("0 Q0 10 1 2.0 m\n", 1, "unknown item 10");
    refused("0 Q0 -2 1 2.0 m\n", 1, "unknown item -2");
    refused("0 Q0 1 1 2.0 m\n0 Q0 2 2 2.5 m\n", 2, "rank and score disagree");
    refused("0 Q0 1 2 2.0 m\n", 1, "rank 2, expected 1");
    refused("0 Q0 1 1 2.0 m\n0 Q0 2 1 1.0 m\n", 2, "rank 1, expected 2");
    refused("0 Q0 1 1 2.0 m\n0 Q0 2 3 1.0 m\n", 2, "rank 3, expected 2");
    refused("0 Q0 1 1 2.0 m\n1 Q0 2 1 1.0 m\n\n0 Q0 2 1 1.0 m\n", 4, "row 0 appears in two places");
    refused("0 Q0 1 1 nan m\n", 1, "not a finite number");
    refused("0 Q0 1 1 1e999 m\n", 1, "not a finite number");
    refused("0 Q0 1 1 2.0x m\n", 1, "not a finite number");
    refused("0 Q0 1.5 1 2.0 m\n", 1, "not a whole number");
    refused("u17 Q0 1 1 2.0 m\n", 1, "not a whole number");
    refused("0 Q0 99999999999999999999 1 2.0 m\n", 1, "not a whole number");
    refused("0 Q0 1 1 2.0\n", 1, "expected 6");
    refused("0 Q0 1 1 2.0 m extra\n", 1, "expected 6");
    refused("0 0 1 1 2.0 m\n", 1, "expected Q0");
    refused("0 Q0 1 1 2.0 m\n0 Q0 2 2 1.0 n\n", 2, "tag \"n\"");
}
END_TEST

START_TEST(unreadable_and_unwritable)
{
    Run *run;
    RunWriter *writer;
    ck_assert_int_eq(run_read("/nonexistent.run", 3, 10, arena, &run), E_INPUT);
    ck_assert_int_eq(run_writer_open("/proc/none/x.run", "m", arena, &writer), E_RESOURCE);
    /* truncated gzip */
    FILE *f = fopen(path, "wb");
    fwrite("\x1f\x8b\x08\0\0\0\0\0\0\3abc", 1, 13, f);
    fclose(f);
    ck_assert_int_eq(run_read(path, 3, 10, arena, &run), E_INPUT);
}
END_TEST

START_TEST(nothing_appears_before_close)
{
    RunWriter *writer;
    const int32_t item[] = {1, 2};
    const real score[] = {2, 1};
    ck_assert_int_eq(run_writer_open(path, "m", arena, &writer), OK);
    run_writer_add(writer, 0, 2, item, score);
    ck_assert_int_ne(access(path, F_OK), 0);
    run_writer_abandon(writer);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(run_writer_open(path, "m", arena, &writer), OK);
    run_writer_add(writer, 0, 2, item, score);
    ck_assert_int_eq(run_writer_close(writer), OK);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    RunWriter *writer;
    const int32_t item[] = {1, 2};
    const real score[] = {2, 1};
    if (access("/dev/full", W_OK) != 0) return;
    /* the atomic file is a neighbour of its target, so a full device is reached by way of a link to it */
    ck_assert_int_eq(symlink("/dev/full", arena_printf(arena, "%s.tmp", path)), 0);
    Status status = run_writer_open(path, "m", arena, &writer);
    if (status == OK) {
        for (int64_t r = 0; r < 5000; r++) run_writer_add(writer, r, 2, item, score);
        status = run_writer_close(writer);
    }
    ck_assert_int_eq(status, E_RESOURCE);
    ck_assert_int_ne(access(path, F_OK), 0);
    (void)unlink(arena_printf(arena, "%s.tmp", path));
}
END_TEST

START_TEST(out_of_order_rows_are_a_bug)
{
    RunWriter *writer;
    const int32_t item[] = {2, 1};
    const real score[] = {1, 1};
    ck_assert_int_eq(run_writer_open(path, "m", arena, &writer), OK);
    run_writer_add(writer, 0, 2, item, score); /* equal scores, ids descending: exits with E_BUG */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, round_trip_is_exact);
    tcase_add_test(tc, counts_and_ties);
    tcase_add_test(tc, close_scores_are_no_tie);
    tcase_add_test(tc, deeper_predictions_are_counted);
    tcase_add_test(tc, empty_file_answers_nothing);
    tcase_add_test(tc, bad_lines_are_refused);
    tcase_add_test(tc, unreadable_and_unwritable);
    tcase_add_test(tc, nothing_appears_before_close);
    tcase_add_test(tc, a_full_disk_is_an_error);
    tcase_add_exit_test(tc, out_of_order_rows_are_a_bug, E_BUG);
    return suite_run(suite);
}
