/* data/split.c -- see split.h. */
#include "data/split.h"

#include <stdlib.h>

int64_t *split_begin(const Intake *c) {
    int64_t n_users = strtable_count(c->users);
    int64_t *begin = ARENA_NEW(c->arena, int64_t, n_users + 1);
    for (int64_t e = 0; e < c->n_events; e++) begin[c->event[e].user + 1]++;
    for (int64_t u = 0; u < n_users; u++) begin[u + 1] += begin[u];
    return begin;
}

void split_leave_last_out(const Intake *c, Split *s) {
    int64_t n_users = strtable_count(c->users);
    s->protocol = "leave-last-out";
    s->max_history = 20;
    s->rows_from = "order";
    s->n_train = s->n_valid = s->n_test = 0;
    s->valid = ARENA_NEW(c->arena, ExactRow, n_users);
    s->test = ARENA_NEW(c->arena, ExactRow, n_users);
    s->train_end = ARENA_NEW(c->arena, int64_t, n_users);
    for (int64_t u = 0; u < n_users; u++) {
        int64_t first = s->begin[u], n = s->begin[u + 1] - first;
        s->train_end[u] = n >= 3 ? n - 2 : n;
        if (s->train_end[u] > 1) s->n_train += s->train_end[u] - 1;
        if (n < 3) continue;
        s->valid[s->n_valid++] = (ExactRow){(int32_t)u, (int32_t)(n - 2), 0, c->event[first + n - 2].time_s};
        s->test[s->n_test++] = (ExactRow){(int32_t)u, (int32_t)(n - 1), 0, c->event[first + n - 1].time_s};
    }
}

static int compare_rows(const void *a, const void *b) {
    const ExactRow *x = a, *y = b;
    if (x->time_s != y->time_s) return (x->time_s > y->time_s) - (x->time_s < y->time_s);
    if (x->user != y->user) return (x->user > y->user) - (x->user < y->user);
    return (x->position > y->position) - (x->position < y->position);
}

Status split_parse_ratio(const char *text, SplitRatio *ratio) {
    *ratio = (SplitRatio){{8, 1, 1}};
    if (!text || !*text) return OK;
    const char *p = text;
    for (int i = 0; i < 3; i++) {
        int64_t value = 0;
        const char *digits = p;
        while (*p >= '0' && *p <= '9' && p - digits < 4) value = value * 10 + (*p++ - '0');
        if (p == digits || value < 1 || value > 1000 || *p != (i < 2 ? ':' : '\0')) return FAIL(E_USAGE, "give train:valid:test, such as 8:1:1", "--ratio %s is no ratio", text);
        ratio->part[i] = value;
        p += i < 2;
    }
    return OK;
}

Status split_rows_by_time(const Intake *c, const int64_t *begin, const SplitRatio *ratio, bool unknown_first, ExactRows **rows) {
    int64_t n_users = strtable_count(c->users), n = 0;
    ExactRow *all = ARENA_NEW(c->arena, ExactRow, c->n_events);
    for (int64_t u = 0; u < n_users; u++) {
        for (int64_t e = begin[u]; e < begin[u + 1]; e++) {
            if (c->event[e].time_s == 0 && !unknown_first)
                return FAIL(E_INPUT, "use --protocol leave-last-out, or add the exact rows of the split to the folder",
                            "chrono-8-1-1 needs every time, but user %s has an event without one", strtable_get(c->users, u));
            if (e > begin[u] && c->event[e].time_s && c->event[e].time_s < c->event[e - 1].time_s)
                return FAIL(E_INPUT, "sort the source by time", "user %s: times go backwards at event %lld", strtable_get(c->users, u), (long long)(e - begin[u]));
            if (e > begin[u]) all[n++] = (ExactRow){(int32_t)u, (int32_t)(e - begin[u]), 0, c->event[e].time_s};
        }
    }
    qsort(all, (size_t)n, sizeof *all, compare_rows);
    int64_t sum = ratio->part[0] + ratio->part[1] + ratio->part[2];
    ExactRows *r = ARENA_NEW(c->arena, ExactRows, 1);
    r->n[0] = n * ratio->part[0] / sum;
    r->n[1] = n * (ratio->part[0] + ratio->part[1]) / sum - r->n[0];
    r->n[2] = n - r->n[0] - r->n[1];
    for (int64_t part = 0, at = 0; part < 3; at += r->n[part++]) r->row[part] = all + at;
    *rows = r;
    return OK;
}

Status split_chrono(const Intake *c, const ExactRows *rows, const SplitRatio *ratio, Split *s) {
    s->protocol = arena_printf(c->arena, "chrono-%lld-%lld-%lld", (long long)ratio->part[0], (long long)ratio->part[1], (long long)ratio->part[2]);
    s->max_history = 10;
    s->rows_from = rows ? "shipped rows" : "time";
    ExactRows *built = NULL;
    if (!rows) TRY(split_rows_by_time(c, s->begin, ratio, false, &built));
    const ExactRows *r = rows ? rows : built;
    s->n_train = r->n[0];
    s->n_valid = r->n[1];
    s->n_test = r->n[2];
    s->valid = r->row[1];
    s->test = r->row[2];
    s->train_end = ARENA_NEW(c->arena, int64_t, strtable_count(c->users));
    for (int64_t i = 0; i < r->n[0]; i++) {
        const ExactRow *row = &r->row[0][i];
        int64_t *end = &s->train_end[row->user];
        int64_t expected = *end ? *end : 1;
        REQUIRE(row->position == expected, "train rows of user %d are no prefix", row->user);
        *end = row->position + 1;
    }
    return OK;
}
