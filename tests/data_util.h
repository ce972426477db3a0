/* tests/data_util.h -- small things the data tests share: a scratch folder, files in it, and running a stage program. */
#ifndef DIGR_TESTS_DATA_UTIL_H
#define DIGR_TESTS_DATA_UTIL_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/status.h"
#include "io/gzip.h"
#include "suite.h"

static char scratch[64];

/* Checked fixture: a fresh folder before each test, removed after it. */
static inline void scratch_make(void)
{
    (void)snprintf(scratch, sizeof scratch, "/tmp/digr-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static inline void scratch_remove(void)
{
    char command[256];
    (void)snprintf(command, sizeof command, "chmod -R u+w '%s' && rm -rf '%s'", scratch, scratch);
    ck_assert_int_eq(system(command), 0);
}

/* in_scratch -- path of a file or folder there; eight results stay valid. */
static inline const char *in_scratch(const char *name)
{
    static char path[8][256];
    static int turn;
    turn = (turn + 1) % 8;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", scratch, name);
    return path[turn];
}

static inline void write_bytes(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

static inline void write_gzip(const char *path, const char *text)
{
    GzipFile *f;
    ck_assert_int_eq(gzip_open(path, &f), OK);
    gzip_puts(f, text);
    ck_assert_int_eq(gzip_commit(f), OK);
}

/* read_bytes -- whole file, NUL-terminated; lives until the process ends. */
static inline char *read_bytes(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s: cannot open", path);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    ck_assert_int_ge(size, 0);
    rewind(f);
    static Arena *files;
    if (files == NULL) files = arena_create("files of a test");
    char *data = arena_alloc_raw(files, (size_t)size + 1, 1);
    ck_assert_uint_eq(fread(data, 1, (size_t)size, f), (size_t)size);
    data[size] = '\0';
    ck_assert_int_eq(fclose(f), 0);
    if (n != NULL) *n = (size_t)size;
    return data;
}

static inline bool same_bytes(const char *a, const char *b)
{
    size_t n, m;
    const char *x = read_bytes(a, &n), *y = read_bytes(b, &m);
    return n == m && memcmp(x, y, n) == 0;
}

static char program_output[1 << 16];

/* run_program -- exit code of a stage program (folder from BIN, set by make test); stdout and stderr land in program_output. */
static inline int run_program(const char *program, const char *arguments)
{
    const char *bin = getenv("BIN");
    char command[2048];
    (void)snprintf(command, sizeof command, "'%s/%s' %s 2>&1", bin != NULL ? bin : "cache/build/bin", program, arguments);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(program_output, 1, sizeof program_output - 1, f);
    program_output[n] = '\0';
    int state = pclose(f);
    ck_assert_msg(WIFEXITED(state), "%s: ended by a signal", command);
    return WEXITSTATUS(state);
}

/* Did the program say this, once? */
static inline void assert_said(const char *text)
{
    ck_assert_msg(strstr(program_output, text) != NULL, "expected `%s` in:\n%s", text, program_output);
}

static inline void assert_one_error(int code)
{
    char place[32];
    (void)snprintf(place, sizeof place, "(exit %d)", code);
    assert_said(place);
    assert_said("fix: ");
    const char *first = strstr(program_output, "error: ");
    ck_assert_msg(first != NULL && strstr(first + 1, "\nerror: ") == NULL, "expected one error in:\n%s", program_output);
}

#endif
