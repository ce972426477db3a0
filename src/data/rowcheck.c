/* data/rowcheck.c -- see rowcheck.h. */
#include "data/rowcheck.h"

#include "base/log.h"
#include "data/split.h"

enum { HISTORY = 10 };
static const char *const part_names[3] = {"train", "valid", "test"};

/* Part of each row in our list, by event: -1 for first events. */
static int8_t *parts_by_event(const Intake *c, const int64_t *begin, const ExactRows *made) {
    int8_t *part = ARENA_NEW(c->arena, int8_t, c->n_events);
    for (int64_t e = 0; e < c->n_events; e++) part[e] = -1;
    for (int8_t p = 0; p < 3; p++)
        for (int64_t r = 0; r < made->n[p]; r++) part[begin[made->row[p][r].user] + made->row[p][r].position] = p;
    return part;
}

static int64_t event_of(const int64_t *begin, const ExactRow *row) { return begin[row->user] + row->position; }

/* Shipped rows with a known time that stand at the same place among such rows as ours do. */
static int64_t count_in_place(const Intake *c, const int64_t *begin, const ExactRow *shipped, int64_t n_shipped, const ExactRow *made, int64_t n_made) {
    int64_t same = 0, m = 0;
    for (int64_t r = 0; r < n_shipped; r++) {
        if (c->event[event_of(begin, &shipped[r])].time_s == 0) continue;
        while (m < n_made && made[m].time_s == 0) m++;
        if (m == n_made) break;
        same += event_of(begin, &shipped[r]) == event_of(begin, &made[m]);
        m++;
    }
    return same;
}

void rowcheck_compare(const Intake *c, const int64_t *begin, const ExactRows *shipped, RowCheck *check) {
    *check = (RowCheck){.done = false};
    static const SplitRatio ratio = {{8, 1, 1}};
    bool timed = false;
    for (int64_t e = 0; e < c->n_events && !timed; e++) timed = c->event[e].time_s != 0;
    if (!timed) {
        log_info("the source has no times: its own rows are taken as they are, no rows of ours can be compared with them");
        return;
    }
    ExactRows *made;
    if (split_rows_by_time(c, begin, &ratio, true, &made) != OK) {
        log_warn("the shipped rows were not compared with rows of our own: %s", status_message());
        status_clear();
        return;
    }
    int8_t *part_of = parts_by_event(c, begin, made);
    check->done = true;
    for (int p = 0; p < 3; p++) {
        RowCheckPart *one = &check->part[p];
        one->shipped = shipped->n[p];
        one->made = made->n[p];
        for (int64_t r = 0; r < shipped->n[p]; r++) {
            const ExactRow *row = &shipped->row[p][r];
            bool history = row->length == (row->position < HISTORY ? row->position : HISTORY);
            one->other_history += !history;
            one->equal += history && part_of[event_of(begin, row)] == p;
            one->timed += c->event[event_of(begin, row)].time_s != 0;
        }
        one->in_place = count_in_place(c, begin, shipped->row[p], shipped->n[p], made->row[p], made->n[p]);
        log_info("%-5s rows: %lld shipped, %lld made here; %lld equal (user, history, target), %lld of %lld with a known time in the same place", part_names[p],
                 (long long)one->shipped, (long long)one->made, (long long)one->equal, (long long)one->in_place, (long long)one->timed);
    }
}

/* Every row equal, and in place wherever a place is known. */
static bool all_same(const RowCheck *check) {
    bool same = check->done;
    for (int p = 0; p < 3; p++) {
        const RowCheckPart *one = &check->part[p];
        same = same && one->shipped == one->made && one->equal == one->shipped && one->in_place == one->timed;
    }
    return same;
}

cJSON *rowcheck_json(const RowCheck *check) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "same", all_same(check));
    for (int p = 0; p < 3; p++) {
        const RowCheckPart *one = &check->part[p];
        cJSON *part = cJSON_AddObjectToObject(root, part_names[p]);
        cJSON_AddNumberToObject(part, "shipped", (double)one->shipped);
        cJSON_AddNumberToObject(part, "made", (double)one->made);
        cJSON_AddNumberToObject(part, "equal", (double)one->equal);
        cJSON_AddNumberToObject(part, "timed", (double)one->timed);
        cJSON_AddNumberToObject(part, "in_place", (double)one->in_place);
        cJSON_AddNumberToObject(part, "other_history", (double)one->other_history);
    }
    return root;
}
