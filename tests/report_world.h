/* tests/report_world.h -- a report of the fixture run (report_fixture.h) in a temporary folder, and how to look into it. Included by one test file of a program. */
#ifndef DIGR_TESTS_REPORT_WORLD_H
#define DIGR_TESTS_REPORT_WORLD_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/report.h"
#include "eval/results.h"
#include "report_fixture.h"

static Arena *arena;
static char root[64];
static const char *index_path;
static Results *results;

static inline void setup(void)
{
    arena = arena_create("test");
    strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/test_report_XXXXXX" : "/tmp/test_report_XXXXXX"); /* many small files, each synced */
    ck_assert_ptr_nonnull(mkdtemp(root));
    index_path = fixture_write(arena, root);
    ck_assert_msg(results_load(index_path, arena, &results) == OK, "%s", status_message());
}

static inline void teardown(void)
{
    results_close(results);
    ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", root)), 0);
    arena_destroy(arena);
}

static inline const char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is not there", path);
    fseek(f, 0, SEEK_END);
    const size_t n = (size_t)ftell(f);
    rewind(f);
    char *text = arena_alloc(arena, n + 1, 1);
    ck_assert_uint_eq(fread(text, 1, n, f), n);
    fclose(f);
    return text;
}

static inline const char *make_report(Doc **doc)
{
    const char *out = arena_printf(arena, "%s/report", root);
    const ReportOptions o = {.out = out, .seed = 7};
    ck_assert_int_eq(dir_make(out), OK);
    ck_assert_msg(report_write(results, &o, doc) == OK, "%s", status_message());
    return out;
}

static inline void contains(const char *text, const char *what) { ck_assert_msg(strstr(text, what) != NULL, "missing: %s", what); }
static inline void lacks(const char *text, const char *what) { ck_assert_msg(strstr(text, what) == NULL, "present: %s", what); }

static inline const char *printed(void (*write)(const Table *, FILE *), const Table *t)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    write(t, f);
    fclose(f);
    const char *copy = arena_strdup(arena, text);
    free(text);
    return copy;
}

#endif
