/* data/import_exact.c -- the rows of a published split, checked against the sequences they were cut from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/import.h"
#include "base/atomic.h"
#include "io/stream.h"

static const char *const part_names[3] = {"train", "valid", "test"};
static const char fix_exact[] = "these rows belong to other sequences; remove them to split by time instead";

/* Item of the next word before `stop` at *text; -1 when unknown or malformed. *text moves to the stop. */
static int64_t next_item(const Intake *c, const char **text, char stop) {
    char word[32];
    size_t n = 0;
    const char *p = *text;
    while (*p && *p != ' ' && *p != stop && n < sizeof word - 1) word[n++] = *p++;
    word[n] = '\0';
    if (*p == ' ') p++;
    *text = p;
    return strtable_find(c->items, word);
}

/* One row; position is how many rows this user had before, plus one. NULL when it is the window of the sequence that ends there. */
static const char *check_row(const Intake *c, const int64_t *begin, int64_t *position, const char *line, bool timed, ExactRow *row) {
    char user[64];
    const char *tab = strchr(line, '\t');
    if (!tab || (size_t)(tab - line) >= sizeof user) return "expected user, history, target, timestamp";
    memcpy(user, line, (size_t)(tab - line));
    user[tab - line] = '\0';
    int64_t u = strtable_find(c->users, user);
    if (u < 0) return "unknown user";
    const char *history = tab + 1, *history_end = strchr(history, '\t'), *p = history;
    if (!history_end || history_end == history) return "empty history";
    int64_t at = ++position[u], n = begin[u + 1] - begin[u], length = 1;
    for (const char *q = history; q < history_end; q++) length += *q == ' ';
    if (at >= n || length > at) return "more rows than the user's sequence has";
    for (int64_t k = at - length; k < at; k++)
        if (next_item(c, &p, '\t') != c->event[begin[u] + k].item) return "the history is no window of the user's sequence";
    if (p != history_end) return "malformed history";
    p++;
    if (next_item(c, &p, '\t') != c->event[begin[u] + at].item) return "the target does not follow its history in the user's sequence";
    char *end = NULL;
    long long time = *p == '\t' ? strtoll(p + 1, &end, 10) : 0;
    if (timed != (*p == '\t') || time < 0 || (end ? *end : *p)) return "malformed timestamp";
    *row = (ExactRow){(int32_t)u, (int32_t)at, (int32_t)length, time};
    return NULL;
}

static Status read_part(const Intake *c, const char *path, const int64_t *begin, int64_t *position, ExactRow **rows, int64_t *n_rows) {
    LineReader *reader;
    TRY(line_open(path, &reader));
    size_t capacity = 0, length;
    const char *line, *fault = NULL;
    int64_t bad = 0;
    bool timed = false;
    while (!fault && line_next(reader, &line, &length)) {
        bad = line_number(reader);
        if (bad == 1) {
            timed = strcmp(line, "user\thistory\ttarget\ttimestamp") == 0;
            fault = timed || strcmp(line, "user\thistory\ttarget") == 0 ? NULL : "expected the header user, history, target, timestamp";
            continue;
        }
        ARENA_GROW(c->arena, *rows, capacity, *n_rows + 1);
        fault = check_row(c, begin, position, line, timed, &(*rows)[*n_rows]);
        (*n_rows)++;
    }
    TRY(line_close(reader));
    return fault ? FAIL(E_INPUT, fix_exact, "%s:%lld: %s", path, (long long)bad, fault) : OK;
}

Status import_exact_rows(const Intake *c, const char *dir, const int64_t *begin, ExactRows **rows) {
    *rows = NULL;
    const char *prefix = "minionerec_";
    if (!path_exists(arena_printf(c->arena, "%s/%strain.tsv", dir, prefix))) prefix = "";
    if (!path_exists(arena_printf(c->arena, "%s/%strain.tsv", dir, prefix))) return OK;
    ExactRows *r = ARENA_NEW(c->arena, ExactRows, 1);
    int64_t *position = ARENA_NEW(c->arena, int64_t, strtable_count(c->users));
    for (int part = 0; part < 3; part++) {
        const char *path = arena_printf(c->arena, "%s/%s%s.tsv", dir, prefix, part_names[part]);
        TRY(read_part(c, path, begin, position, &r->row[part], &r->n[part]));
    }
    for (int64_t u = 0; u < strtable_count(c->users); u++)
        if (position[u] + 1 != begin[u + 1] - begin[u])
            return FAIL(E_INPUT, fix_exact, "%s/%s*.tsv: user %s has %lld rows, the sequence has %lld events", dir, prefix, strtable_get(c->users, u),
                        (long long)position[u], (long long)(begin[u + 1] - begin[u]));
    *rows = r;
    return OK;
}
