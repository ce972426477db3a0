/* tests/llm_support.h -- what the tests of the room llm share: a temporary folder, the small data set of tests/fixtures/llm, imported answers, running a program. */
#ifndef DIGR_TESTS_LLM_SUPPORT_H
#define DIGR_TESTS_LLM_SUPPORT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "llm/answerfile.h"
#include "llm/mine.h"
#include "suite.h"

#define FIXTURE "tests/fixtures/llm"

typedef struct Support { char dir[64]; Arena *arena; Dataset *d; Ensemble *e; } Support;

static inline void support_begin(Support *s) {
    (void)snprintf(s->dir, sizeof s->dir, "%s/digr-test-XXXXXX", getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    s->arena = arena_create("test");
    MUST(dataset_load(FIXTURE "/data", true, s->arena, &s->d));
    MUST(ensemble_load("paper/prompts", s->arena, &s->e));
}

static inline void support_end(Support *s) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    ck_assert_int_eq(system(command), 0);
    arena_destroy(s->arena);
}

static inline const char *support_path(const Support *s, const char *name) { return arena_printf(s->arena, "%s/%s", s->dir, name); }

static inline Status support_import(Support *s, const char *answers, const char *template_id, const char *to, ImportCount *count) {
    Template *t;
    TRY(template_load("paper/prompts", template_id, s->arena, &t));
    AnswerFile f = {answers, "mini", "claude", "anthropic", "2026-11", t};
    Responses *cache = responses_empty(s->arena);
    if (path_exists(to)) TRY(responses_open(to, s->arena, &cache));
    Response *records;
    TRY(answerfile_import(&f, s->d, cache, s->e, s->arena, &records, count));
    return responses_append(to, records, count->added);
}

/* Everything of the fixture, in <dir>/mini.jsonl.zst; returns that path. */
static inline const char *support_cache(Support *s) {
    const char *to = support_path(s, "mini.jsonl.zst");
    ImportCount count;
    MUST(support_import(s, FIXTURE "/answers_v1.jsonl", "mine/v1", to, &count));
    MUST(support_import(s, FIXTURE "/answers_brief.jsonl", "mine/v1-brief", to, &count));
    MUST(support_import(s, FIXTURE "/judged.jsonl", "judge/v1", to, &count));
    return to;
}

static inline void support_write(const char *path, const char *text, size_t n) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static inline char *support_read(const Support *s, const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = arena_alloc(s->arena, *n + 1, 1);
    ck_assert_uint_eq(fread(text, 1, *n, f), *n);
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

/* The folder of the programs is BIN, as set by make test. */
static inline int support_run(Support *s, const char *arguments, char **output) {
    const char *bin = getenv("BIN"), *log = support_path(s, "output.txt");
    const char *command = arena_printf(s->arena, "'%s'/%s >'%s' 2>&1", bin ? bin : "cache/build/bin", arguments, log);
    int state = system(command);
    size_t n;
    *output = support_read(s, log, &n);
    ck_assert_msg(WIFEXITED(state), "%s", *output);
    return WEXITSTATUS(state);
}

static inline int support_finish(Suite *suite) {
    const int failed = suite_run(suite);
    return failed ? 1 : 0;
}

#endif
