/* data/events.c -- see events.h. */
#include "data/events.h"

#include <stdlib.h>
#include <string.h>

#include "io/stream.h"

static const char fix_rebuild[] = "the data set folder is damaged or of another version; rebuild it with 02_preprocess (make data)";

static Status fail_at(LineReader *reader, const char *path, const char *what) {
    int64_t number = line_number(reader);
    (void)line_close(reader);
    return FAIL(E_INPUT, fix_rebuild, "%s:%lld: %s", path, (long long)number, what);
}

/* One number at *text, moving behind it; false when there is none. */
static bool next_number(const char **text, int64_t *value) {
    if (**text < '0' || **text > '9') return false;
    char *end;
    *value = strtoll(*text, &end, 10);
    *text = end;
    return true;
}

/* times.tsv: lengths and times of the sequences; users in order, none left out. */
static Status read_times(const Dataset *d, Arena *arena, Events *e) {
    const char *path = arena_printf(arena, "%s/times.tsv", d->dir), *p;
    LineReader *reader;
    TRY(line_open(path, &reader));
    size_t length, capacity = 0;
    e->n_users = d->n_users;
    e->offset = ARENA_NEW(arena, int64_t, d->n_users + 1);
    ARENA_GROW(arena, e->time_s, capacity, d->n_interactions);
    int64_t users = -1; /* the header comes first */
    for (; line_next(reader, &p, &length); users++) {
        if (users < 0) {
            if (strcmp(p, "user\ttimes") != 0) return fail_at(reader, path, "expected the header `user\ttimes`");
            continue;
        }
        int64_t user, time;
        if (users == d->n_users || !next_number(&p, &user) || user != users || *p++ != '\t') return fail_at(reader, path, "users must come in order");
        do {
            if (!next_number(&p, &time) || (*p && *p != ' ')) return fail_at(reader, path, "malformed time");
            ARENA_GROW(arena, e->time_s, capacity, e->n + 1);
            e->time_s[e->n++] = time;
        } while (*p++ == ' ');
        e->offset[users + 1] = e->n;
    }
    TRY(line_close(reader));
    if (users != d->n_users || e->n != d->n_interactions)
        return FAIL(E_INPUT, fix_rebuild, "%s: %lld users and %lld events, the set has %lld and %lld", path, (long long)users, (long long)e->n, (long long)d->n_users,
                    (long long)d->n_interactions);
    return OK;
}

/* Put the items of a row where they belong; false when it does not fit the user's sequence. */
static bool place_row(Events *e, int32_t user, const int32_t *history, int64_t length, int32_t target, EventPart part) {
    int64_t begin = e->offset[user];
    if (begin + length >= e->offset[user + 1]) return false;
    memcpy(e->item + begin, history, (size_t)length * sizeof *history);
    e->item[begin + length] = target;
    e->part[begin + length] = (uint8_t)part;
    return true;
}

Status events_load(const Dataset *d, Arena *arena, Events **events) {
    Events *e = ARENA_NEW(arena, Events, 1);
    TRY(read_times(d, arena, e));
    e->item = ARENA_NEW(arena, int32_t, e->n);
    e->part = ARENA_NEW(arena, uint8_t, e->n);
    memset(e->item, -1, (size_t)e->n * sizeof *e->item);
    memset(e->part, EVENT_CONTEXT, (size_t)e->n);
    const struct { const Rows *rows; EventPart part; const char *name; } evaluated[] = {{&d->valid, EVENT_VALID, "valid"}, {&d->test, EVENT_TEST, "test"}};
    for (int k = 0; k < 2; k++) {
        const Rows *rows = evaluated[k].rows;
        for (int64_t r = 0; r < rows->n; r++)
            if (!place_row(e, rows->user[r], rows->history + rows->offset[r], rows->offset[r + 1] - rows->offset[r], rows->target[r], evaluated[k].part))
                return FAIL(E_INPUT, fix_rebuild, "%s/%s.tsv: row %lld does not fit the user's times", d->dir, evaluated[k].name, (long long)r);
    }
    for (int64_t s = 0; s < d->train.n; s++) {
        int64_t begin = e->offset[d->train.user[s]], n = d->train.offset[s + 1] - d->train.offset[s];
        if (begin + n > e->offset[d->train.user[s] + 1]) return FAIL(E_INPUT, fix_rebuild, "%s/train.tsv: sequence %lld does not fit the user's times", d->dir, (long long)s);
        memcpy(e->item + begin, d->train.items + d->train.offset[s], (size_t)n * sizeof *e->item);
        memset(e->part + begin, EVENT_TRAIN, (size_t)n);
    }
    for (int64_t i = 0; i < e->n; i++)
        if (e->item[i] < 0) return FAIL(E_INPUT, "a user with one event has no row under a protocol by time: prepare the set with --core-users 2 or more",
                                        "%s: an event of times.tsv is in no other file", d->dir);
    *events = e;
    return OK;
}
