/* tests/test_fuzz_corpus.c -- every fuzz target on its committed seeds: readers that crashed once do not again, with every compiler and under the sanitizers. */
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/status.h"
#include "fuzz/fuzz.h"
#include "suite.h"

#define CORPUS "tests/fuzz/corpus"

typedef struct Target { const char *name; void (*run)(const uint8_t *data, size_t n); } Target;

#define TARGET(name) {#name, fuzz_##name},
static const Target targets[] = {FUZZ_TARGETS(TARGET)};
enum { N_TARGETS = sizeof targets / sizeof targets[0] };

static const char *volatile current; /* the input of a crash */

static void on_abort(int signal)
{
    (void)signal;
    (void)printf("input: %s, or a beginning of it\n", current);
    (void)fflush(stdout);
}

static void run_file(const Target *t, const char *path)
{
    struct stat info;
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL && fstat(fileno(f), &info) == 0, "%s", path);
    Arena *arena = arena_create("seed");
    uint8_t *data = arena_alloc_raw(arena, (size_t)info.st_size, 1);
    ck_assert_uint_eq(fread(data, 1, (size_t)info.st_size, f), (size_t)info.st_size);
    (void)fclose(f);
    current = path;
    t->run(data, (size_t)info.st_size);
    for (size_t n = 0; n < (size_t)info.st_size && n < 64; n++) t->run(data, n); /* and what is left of it when it is cut */
    status_clear();
    arena_destroy(arena);
}

START_TEST(a_target_takes_its_seeds)
{
    const Target *t = &targets[_i];
    char path[512];
    int n = 0;
    (void)snprintf(path, sizeof path, CORPUS "/%s", t->name);
    DIR *folder = opendir(path);
    (void)signal(SIGABRT, on_abort);
    ck_assert_msg(folder != NULL, "%s: no seeds", path);
    for (const struct dirent *one; (one = readdir(folder)) != NULL;) {
        if (one->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, CORPUS "/%s/%s", t->name, one->d_name);
        run_file(t, path);
        n++;
    }
    (void)closedir(folder);
    ck_assert_msg(n > 0, "%s: no seeds", t->name);
}
END_TEST

START_TEST(every_folder_of_seeds_has_its_target)
{
    DIR *folder = opendir(CORPUS);
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *one; (one = readdir(folder)) != NULL;) {
        bool known = one->d_name[0] == '.' || strchr(one->d_name, '.') != NULL;
        for (int i = 0; i < N_TARGETS && !known; i++) known = strcmp(one->d_name, targets[i].name) == 0;
        ck_assert_msg(known, "%s: no such target", one->d_name);
    }
    (void)closedir(folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuzz corpus");
    TCase *t = tcase_create("fuzz corpus");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_target_takes_its_seeds, 0, N_TARGETS);
    tcase_add_test(t, every_folder_of_seeds_has_its_target);
    suite_add_tcase(s, t);
    return suite_run(s);
}
