/* tests/test_programs.c -- every stage program from outside: exit codes, messages and remedies on wrong command lines and bad places.
 * The programs' folder comes from BIN (set by make test); default cache/build/bin. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "suite.h"

static const char *const PROGRAMS[] = {"00_sample", "01_download", "02_preprocess", "02_card", "02_export", "03_mine", "03_record", "04_label", "05_embed", "06_tokenize",
                                       "07_baseline", "08_sft", "09_grpo", "10_evaluate", "11_report", "reproduce"};
enum { N_PROGRAMS = (int)(sizeof PROGRAMS / sizeof PROGRAMS[0]) };

static char output[1 << 16];

/* run -- exit code of `BIN/program arguments`; stdout and stderr land in `output`. */
static int run(const char *program, const char *arguments)
{
    const char *bin = getenv("BIN");
    char command[1024];
    (void)snprintf(command, sizeof command, "'%s/%s' %s 2>&1", bin != NULL ? bin : "cache/build/bin", program, arguments);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(output, 1, sizeof output - 1, f);
    output[n] = '\0';
    int state = pclose(f);
    ck_assert_msg(WIFEXITED(state), "%s: ended by a signal", command);
    return WEXITSTATUS(state);
}

START_TEST(help_names_every_option_and_the_exit_codes)
{
    ck_assert_int_eq(run(PROGRAMS[_i], "--help"), 0);
    ck_assert_ptr_nonnull(strstr(output, "Usage:"));
    ck_assert_ptr_nonnull(strstr(output, "--dry-run"));
    ck_assert_ptr_nonnull(strstr(output, "Exit codes"));
}
END_TEST

START_TEST(an_unknown_flag_is_exit_2_with_a_remedy)
{
    ck_assert_int_eq(run(PROGRAMS[_i], "--no-such-flag 1"), 2);
    ck_assert_ptr_nonnull(strstr(output, "no-such-flag"));
    ck_assert_ptr_nonnull(strstr(output, "fix:"));
    ck_assert_int_eq(run(PROGRAMS[_i], "stray"), 2);
    ck_assert_ptr_nonnull(strstr(output, "stray"));
}
END_TEST

START_TEST(numbers_are_consumed_whole_and_checked)
{
    ck_assert_int_eq(run("reproduce", "--seeds 3x"), 2);
    ck_assert_int_eq(run("reproduce", "--seeds 101"), 2);
    ck_assert_int_eq(run("reproduce", "--seeds"), 2);
    ck_assert_int_eq(run("reproduce", "--seeds 1 --seeds 2"), 2);
    ck_assert_int_eq(run("reproduce", "--see 1"), 2); /* no abbreviations: a manifest must not depend on them */
    ck_assert_int_eq(run("reproduce", "--data nothing"), 2);
    ck_assert_ptr_nonnull(strstr(output, "unknown data set 'nothing'"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("programs");
    TCase *t = tcase_create("programs");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, help_names_every_option_and_the_exit_codes, 0, N_PROGRAMS);
    tcase_add_loop_test(t, an_unknown_flag_is_exit_2_with_a_remedy, 0, N_PROGRAMS);
    tcase_add_test(t, numbers_are_consumed_whole_and_checked);
    suite_add_tcase(s, t);
    return suite_run(s);
}
