/* data/rowstore.c -- see rowstore.h. */
#include "data/rowstore.h"

#include <math.h>
#include <string.h>

#include "base/log.h"

static const char note_incomplete[] = "users_whose_first_rows_are_missing";

typedef struct Row { int32_t user, target; int64_t at, n, time_s, line, position; } Row; /* at: first history item in items; position: -1 rejected */

typedef struct Part { const char *path; Row *row; int64_t n; size_t capacity; } Part;

struct RowStore {
    Intake *c;
    Part part[3];
    int now;
    int32_t *items;  /* histories */
    int64_t *times;  /* (as items) 0: unknown */
    int64_t n_items;
    size_t items_capacity, times_capacity;
};

/* A user's sequence as it grows. */
typedef struct Chain { int32_t *item; int64_t *time_s; int64_t n; size_t item_capacity, time_capacity; } Chain;

RowStore *rowstore_create(Intake *c) {
    RowStore *s = ARENA_NEW(c->arena, RowStore, 1);
    s->c = c;
    return s;
}

void rowstore_file(RowStore *s, int part, const char *path) {
    s->now = part;
    s->part[part].path = path;
}

void rowstore_add(RowStore *s, const StoredRow *row) {
    Part *p = &s->part[s->now];
    Arena *arena = s->c->arena;
    REQUIRE(row->n >= 1, "a row without a history");
    ARENA_GROW(arena, p->row, p->capacity, p->n + 1);
    ARENA_GROW(arena, s->items, s->items_capacity, s->n_items + row->n);
    ARENA_GROW(arena, s->times, s->times_capacity, s->n_items + row->n);
    memcpy(s->items + s->n_items, row->history, (size_t)row->n * sizeof *row->history);
    for (int64_t i = 0; i < row->n; i++) s->times[s->n_items + i] = row->times ? row->times[i] : 0;
    p->row[p->n++] = (Row){(int32_t)row->user, row->target, s->n_items, row->n, row->time_s, row->line, -1};
    s->n_items += row->n;
}

/* Could `later` be the row right behind `earlier`? */
static bool follows(const RowStore *s, const Row *earlier, const Row *later) {
    if (later->n < earlier->n || later->n > earlier->n + 1 || s->items[later->at + later->n - 1] != earlier->target) return false;
    int64_t shared = later->n - 1; /* items before the last, which must be the end of the earlier history */
    return memcmp(s->items + later->at, s->items + earlier->at + earlier->n - shared, (size_t)shared * sizeof *s->items) == 0;
}

static bool all_follow(const RowStore *s, const Part *p, const int64_t *index, int64_t n, bool backwards) {
    for (int64_t k = 1; k < n; k++) {
        const Row *a = &p->row[index[k - 1]], *b = &p->row[index[k]];
        if (!(backwards ? follows(s, b, a) : follows(s, a, b))) return false;
    }
    return true;
}

static void chain_add(Chain *chain, Arena *arena, int32_t item, int64_t time_s) {
    ARENA_GROW(arena, chain->item, chain->item_capacity, chain->n + 1);
    ARENA_GROW(arena, chain->time_s, chain->time_capacity, chain->n + 1);
    chain->item[chain->n] = item;
    chain->time_s[chain->n++] = time_s;
}

/* The row at the end of the chain; false when it does not fit there. */
static bool chain_row(RowStore *s, Chain *chain, Arena *arena, Row *row) {
    if (chain->n == 0)
        for (int64_t i = 0; i < row->n; i++) chain_add(chain, arena, s->items[row->at + i], s->times[row->at + i]);
    if (row->n > chain->n || memcmp(chain->item + chain->n - row->n, s->items + row->at, (size_t)row->n * sizeof *s->items) != 0) return false;
    row->position = chain->n;
    chain_add(chain, arena, row->target, row->time_s);
    return true;
}

/* Row numbers of each user in one part: index[begin[u]..begin[u+1]). */
static void group_rows(const Part *p, int64_t n_users, Arena *arena, int64_t **begin, int64_t **index) {
    *begin = ARENA_NEW(arena, int64_t, n_users + 2);
    *index = ARENA_NEW(arena, int64_t, p->n);
    for (int64_t r = 0; r < p->n; r++) (*begin)[p->row[r].user + 2]++;
    for (int64_t u = 0; u < n_users; u++) (*begin)[u + 2] += (*begin)[u + 1];
    for (int64_t r = 0; r < p->n; r++) (*index)[(*begin)[p->row[r].user + 1]++] = r;
}

static void reverse(int64_t *index, int64_t n) {
    for (int64_t k = 0; k < n / 2; k++) {
        int64_t swap = index[k];
        index[k] = index[n - 1 - k];
        index[n - 1 - k] = swap;
    }
}

/* Chain the rows of one user; *first is where its first row stands in its sequence. Faults go to the ledger. */
static void chain_user(RowStore *s, int64_t user, int64_t *begin[3], int64_t *index[3], Chain *chain, Arena *arena, int64_t *first) {
    Intake *c = s->c;
    chain->n = 0;
    *first = -1;
    for (int part = 0; part < 3; part++) {
        Part *p = &s->part[part];
        int64_t *rows = index[part] + begin[part][user], n = begin[part][user + 1] - begin[part][user];
        bool backwards = n > 1 && !all_follow(s, p, rows, n, false) && all_follow(s, p, rows, n, true);
        if (backwards) reverse(rows, n);
        for (int64_t k = 0; k < n; k++) {
            Row *row = &p->row[rows[k]];
            if (!chain_row(s, chain, arena, row)) {
                ledger_reject(c->ledger, LEDGER_INTERACTIONS, FAULT_FIELD, 1, p->path, row->line, "the history is no end of user %s's sequence up to here",
                              strtable_get(c->users, user));
            } else if (*first < 0) {
                *first = row->position;
            }
        }
        if (backwards && part == 0) reverse(rows, n); /* for collect_rows: in the order of the file */
    }
}

/* The rows that chained, in the order of their files; a user's train rows get their places in ascending order whatever the file's. */
static ExactRows *collect_rows(RowStore *s) {
    Arena *arena = s->c->arena;
    int64_t n_users = strtable_count(s->c->users), *next = ARENA_NEW(arena, int64_t, n_users);
    ExactRows *rows = ARENA_NEW(arena, ExactRows, 1);
    for (int part = 0; part < 3; part++) {
        const Part *p = &s->part[part];
        rows->row[part] = ARENA_NEW(arena, ExactRow, p->n);
        for (int64_t r = 0; r < p->n; r++) {
            const Row *row = &p->row[r];
            if (row->position < 0) continue;
            int64_t position = part == 0 ? ++next[row->user] : row->position;
            rows->row[part][rows->n[part]++] = (ExactRow){row->user, (int32_t)position, position == row->position ? (int32_t)row->n : 0, position == row->position ? row->time_s : 0};
        }
    }
    return rows;
}

void rowstore_finish(RowStore *s, ExactRows **rows) {
    Intake *c = s->c;
    Arena *tmp = arena_create("rows");
    int64_t n_users = strtable_count(c->users), *begin[3], *index[3], incomplete = 0;
    Chain chain = {.n = 0};
    for (int part = 0; part < 3; part++) group_rows(&s->part[part], n_users, tmp, &begin[part], &index[part]);
    c->ordered = true;
    for (int64_t u = 0; u < n_users; u++) {
        int64_t first;
        chain_user(s, u, begin, index, &chain, tmp, &first);
        incomplete += first > 1;
        for (int64_t k = 0; k < chain.n; k++) intake_add_event(c, u, chain.item[k], chain.time_s[k]);
    }
    arena_destroy(tmp);
    if (incomplete) ledger_note(c->ledger, note_incomplete, incomplete);
    *rows = incomplete ? NULL : collect_rows(s);
}

/* Where a user's rows stand, for messages. */
static const Row *a_row_of(const RowStore *s, int64_t *begin[3], int64_t *index[3], int64_t user, const char **path) {
    for (int part = 2; part >= 0; part--) {
        if (begin[part][user + 1] == begin[part][user]) continue;
        *path = s->part[part].path;
        return &s->part[part].row[index[part][begin[part][user + 1] - 1]];
    }
    return NULL;
}

static Status match_user(RowStore *s, int64_t user, const int64_t *own, int64_t *begin[3], int64_t *index[3], Chain *chain, Arena *tmp) {
    static const char fix[] = "these rows belong to other sequences; remove either the rows or the whole file";
    const Intake *c = s->c;
    int64_t first, n = own[user + 1] - own[user], bad = 0;
    chain_user(s, user, begin, index, chain, tmp, &first);
    while (bad < n && bad < chain->n && chain->item[bad] == c->event[own[user] + bad].item) bad++;
    const char *path = "";
    const Row *row = a_row_of(s, begin, index, user, &path);
    if (!row) return n <= 1 ? OK : FAIL(E_INPUT, fix, "%s: user %s has no row, but %lld events", s->part[0].path, strtable_get(c->users, user), (long long)n);
    if (bad == n && n == chain->n && first == 1) return OK;
    return FAIL(E_INPUT, fix, "%s:%lld: the rows of user %s give %lld events from its item %lld on, its sequence has %lld and differs at event %lld", path,
                (long long)row->line, strtable_get(c->users, user), (long long)chain->n, (long long)first, (long long)n, (long long)bad + 1);
}

Status rowstore_match(RowStore *s, const int64_t *own, ExactRows **rows) {
    Arena *tmp = arena_create("rows");
    int64_t n_users = strtable_count(s->c->users), *begin[3], *index[3];
    Chain chain = {.n = 0};
    Status status = OK;
    for (int part = 0; part < 3; part++) group_rows(&s->part[part], n_users, tmp, &begin[part], &index[part]);
    for (int64_t u = 0; u < n_users && status == OK; u++) status = match_user(s, u, own, begin, index, &chain, tmp);
    arena_destroy(tmp);
    if (status == OK) *rows = collect_rows(s);
    return status;
}

Status rowstore_check(const Intake *c, const int64_t *begin, const ExactRows *rows, const char *dir, bool leave_last_out) {
    int64_t n_users = strtable_count(c->users), n = rows->n[0] + rows->n[1] + rows->n[2], last = 0, evaluated = 0;
    for (int64_t u = 0; u < n_users; u++) evaluated += begin[u + 1] - begin[u] >= 3;
    for (int64_t r = 0; r < rows->n[2]; r++) last += rows->row[2][r].position == begin[rows->row[2][r].user + 1] - begin[rows->row[2][r].user] - 1;
    bool by_user = last == rows->n[2] && rows->n[2] >= evaluated && evaluated > 0;
    if (leave_last_out) {
        if (!by_user) log_warn("%s: the split that came with the files is another one; --protocol chrono-8-1-1 keeps it, leave-last-out makes its own", dir);
        return OK;
    }
    static const double share[3] = {0.8, 0.1, 0.1};
    bool as_named = true;
    for (int part = 0; part < 3; part++) as_named = as_named && fabs((double)rows->n[part] - share[part] * (double)n) <= 1 + 0.01 * (double)n;
    if (as_named && !(by_user && evaluated > 1)) return OK;
    return FAIL(E_INPUT, by_user ? "use --protocol leave-last-out, which gives these rows" : "remove the files of the split, and a split by time is made where times are known",
                "%s: the rows that came with the data (%lld train, %lld valid, %lld test) are no chrono-8-1-1 split%s", dir, (long long)rows->n[0], (long long)rows->n[1],
                (long long)rows->n[2], by_user ? ", but leave-last-out" : "");
}
