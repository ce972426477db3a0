/* tests/test_blascore.c -- io/blascore: which kernels suit which processor, and that a program which asks for them gets them.
 *
 * `test_blascore --core` is such a program: it settles, then prints the kernels in use.
 */
#include <cblas.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/blascore.h"
#include "suite.h"

#define AVX2 "fpu sse sse2 pni ssse3 fma avx f16c avx2 bmi2 "
#define AVX512 AVX2 "avx512f avx512dq avx512cd avx512bw avx512vl"

START_TEST(kernels_older_than_the_processor_are_replaced)
{
    static const struct { const char *reported, *flags, *better; } rows[] = {
        {"Prescott", AVX512, "SkylakeX"}, {"Haswell", AVX512 " amx_tile", "SkylakeX"}, {"Zen", AVX512, "SkylakeX"},
        {"Prescott", AVX2, "Haswell"}, {"Nehalem", " " AVX2 "\n", "Haswell"}, {"SANDYBRIDGE", AVX2, "Haswell"},
        {"Haswell", AVX2, NULL}, {"Zen", AVX2, NULL}, {"Excavator", AVX2, NULL}, {"SkylakeX", AVX512, NULL}, {"Cooperlake", AVX512, NULL},
        {"SapphireRapids", AVX512, NULL}, {"a core of tomorrow", AVX512, NULL}, {"neoversen1", "fp asimd evtstrm aes", NULL},
        {"Prescott", "fpu sse sse2 pni", NULL}, {"Prescott", "avx avx2 fma4", NULL}, {"Prescott", AVX2 "avx512f avx512vbmi", "Haswell"}, {"Prescott", "", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *better = blascore_for(rows[i].reported, rows[i].flags);
        ck_assert_msg((better == NULL) == (rows[i].better == NULL) && (better == NULL || strcmp(better, rows[i].better) == 0), "%s with '%s': %s", rows[i].reported,
                      rows[i].flags, better == NULL ? "none" : better);
    }
}
END_TEST

/* What `--core` prints with this before it. */
static void core_of(const char *environment, char *core, size_t n)
{
    char command[512], self[256];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert(length > 0);
    self[length] = '\0';
    (void)snprintf(command, sizeof command, "env %s '%s' --core", environment, self);
    FILE *f = popen(command, "r");
    ck_assert(f != NULL && fgets(core, (int)n, f) != NULL);
    ck_assert_int_eq(pclose(f), 0);
    core[strcspn(core, "\n")] = '\0';
}

START_TEST(a_program_starts_again_with_kernels_that_fit)
{
    char core[64], chosen[64], line[16384], *flags = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && flags == NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "flags", 5) == 0) flags = strchr(line, ':') + 1;
    if (f != NULL) (void)fclose(f);
    core_of("-u OPENBLAS_CORETYPE", core, sizeof core);
    ck_assert_msg(blascore_for(core, flags != NULL ? flags : "") == NULL, "%s is used", core);
    if (strstr(openblas_get_config(), "DYNAMIC_ARCH") == NULL || flags == NULL) return; /* there is one set of kernels only */
    core_of("OPENBLAS_CORETYPE=Nehalem", chosen, sizeof chosen); /* the user's own choice stays */
    ck_assert_str_eq(chosen, "Nehalem");
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--core") == 0) {
        blascore_settle(argv);
        puts(openblas_get_corename());
        return 0;
    }
    Suite *s = suite_create("blascore");
    TCase *t = tcase_create("blascore");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, kernels_older_than_the_processor_are_replaced);
    tcase_add_test(t, a_program_starts_again_with_kernels_that_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
