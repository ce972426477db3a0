/* data/intake.c -- see intake.h. */
#include "data/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"

enum { DAY_S = 86400 };

Intake *intake_create(Arena *arena, Ledger *ledger) {
    Intake *c = ARENA_NEW(arena, Intake, 1);
    c->arena = arena;
    c->ledger = ledger;
    c->users = strtable_create(arena);
    c->items = strtable_create(arena);
    c->item_id_kind = "asin";
    c->steps = cJSON_CreateArray();
    return c;
}

void intake_add_event(Intake *c, int64_t user, int64_t item, int64_t time_s) {
    ARENA_GROW(c->arena, c->event, c->event_capacity, c->n_events + 1);
    c->event[c->n_events] = (Event){(int32_t)user, (int32_t)item, time_s, c->n_events};
    c->n_events++;
}

void intake_reserve(Intake *c, int64_t n) {
    REQUIRE(c->n_events == 0, "events are there already");
    c->event = arena_alloc_raw(c->arena, (size_t)(n > 0 ? n : 1), sizeof *c->event);
    c->event_capacity = (size_t)(n > 0 ? n : 1);
}

void intake_trim(Intake *c) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)(c->event + c->event_capacity) & ~(page - 1);
    const uintptr_t begin = ((uintptr_t)(c->event + c->n_events) + page - 1) & ~(page - 1);
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* private pages: gone, and zero when they are used again */
}

/* A copy in the spool; NULL when there is none, or no longer: then memory has to do. */
static const char *keep_on_disk(Intake *c, const char *text, size_t n) {
    if (!c->counted_ahead || !c->spool_dir) return NULL;
    const char *copy;
    Status status = c->spool ? OK : textspool_open(c->spool_dir, c->arena, &c->spool);
    if (status == OK) status = textspool_keep(c->spool, text, n, &copy);
    if (status == OK) return copy;
    log_warn("%s; the other texts are kept in memory", status_message());
    status_clear();
    c->spool_dir = NULL;
    return NULL;
}

const char *intake_keep_text(Intake *c, const char *text) {
    enum { SLAB_BYTES = 1 << 18 };
    const size_t n = strlen(text) + 1;
    if (n == 1) return "";
    const char *on_disk = keep_on_disk(c, text, n - 1);
    if (on_disk) return on_disk;
    if (n > SLAB_BYTES / 16) return arena_strdup(c->arena, text);
    if (n > c->slab_left) {
        c->slab = arena_alloc_raw(c->arena, SLAB_BYTES, 1);
        c->slab_left = SLAB_BYTES;
    }
    char *copy = c->slab;
    memcpy(copy, text, n);
    c->slab += n;
    c->slab_left -= n;
    return copy;
}

void intake_texts_read(const Intake *c, int64_t i) {
    enum { EVERY = 1 << 9 }; /* the system maps up to 64 KiB around a page that is read */
    if (c->spool && i % EVERY == EVERY - 1) textspool_rest(c->spool);
}

void intake_close(Intake *c) {
    textspool_close(c->spool);
    c->spool = NULL;
}

ItemText *intake_text(Intake *c, int64_t item) {
    if (item >= c->n_text) {
        ARENA_GROW(c->arena, c->text, c->text_capacity, item + 1);
        memset(c->text + c->n_text, 0, (size_t)(item + 1 - c->n_text) * sizeof *c->text);
        c->n_text = item + 1;
    }
    return &c->text[item];
}

void intake_step(Intake *c, const char *name) {
    ArenaMark mark = arena_mark(c->arena);
    int64_t n_users = strtable_count(c->users), n_items = strtable_count(c->items), users = 0, items = 0;
    bool *user_seen = ARENA_NEW(c->arena, bool, n_users), *item_seen = ARENA_NEW(c->arena, bool, n_items);
    for (int64_t e = 0; e < c->n_events; e++) {
        users += !user_seen[c->event[e].user];
        items += !item_seen[c->event[e].item];
        user_seen[c->event[e].user] = item_seen[c->event[e].item] = true;
    }
    arena_release(c->arena, mark);
    intake_step_counts(c, name, users, items, c->n_events);
}

void intake_step_counts(Intake *c, const char *name, int64_t users, int64_t items, int64_t events) {
    cJSON *step = cJSON_CreateObject();
    cJSON_AddStringToObject(step, "step", name);
    cJSON_AddNumberToObject(step, "users", (double)users);
    cJSON_AddNumberToObject(step, "items", (double)items);
    cJSON_AddNumberToObject(step, "interactions", (double)events);
    cJSON_AddItemToArray(c->steps, step);
    log_info("%-24s %8lld users %8lld items %9lld interactions", name, (long long)users, (long long)items, (long long)events);
}

static int compare_by_time(const void *a, const void *b) {
    const Event *x = a, *y = b;
    if (x->user != y->user) return (x->user > y->user) - (x->user < y->user);
    if (x->time_s != y->time_s) return (x->time_s > y->time_s) - (x->time_s < y->time_s);
    return (x->order > y->order) - (x->order < y->order);
}

static int compare_by_order(const void *a, const void *b) {
    const Event *x = a, *y = b;
    if (x->user != y->user) return (x->user > y->user) - (x->user < y->user);
    return (x->order > y->order) - (x->order < y->order);
}

/* End of the run of events of the user at `begin`. */
static int64_t user_end(const Intake *c, int64_t begin) {
    int64_t end = begin + 1;
    while (end < c->n_events && c->event[end].user == c->event[begin].user) end++;
    return end;
}

bool intake_same_time(const Event *a, const Event *b) { return a->time_s == b->time_s && a->order >> INTAKE_ORDER_BITS == b->order >> INTAKE_ORDER_BITS; }

/* Each event goes to the run of its user, what lay there to its own, and so on; then each run is sorted. The order is total, so the result is qsort's. */
void intake_sort(Intake *c) {
    const int64_t n_users = strtable_count(c->users);
    ArenaMark mark = arena_mark(c->arena);
    int64_t *begin = ARENA_NEW(c->arena, int64_t, n_users + 1), *next = ARENA_NEW(c->arena, int64_t, n_users);
    for (int64_t e = 0; e < c->n_events; e++) begin[c->event[e].user + 1]++;
    for (int64_t u = 0; u < n_users; u++) begin[u + 1] += next[u] = begin[u];
    for (int64_t u = 0; u < n_users; u++) {
        while (next[u] < begin[u + 1]) {
            const Event one = c->event[next[u]];
            if (one.user == u) {
                next[u]++;
                continue;
            }
            Event *place = &c->event[next[one.user]++];
            c->event[next[u]] = *place;
            *place = one;
        }
    }
    arena_release(c->arena, mark);
    for (int64_t from = 0, to; from < c->n_events; from = to) {
        to = user_end(c, from);
        if (to - from > 1) qsort(c->event + from, (size_t)(to - from), sizeof *c->event, c->ordered ? compare_by_order : compare_by_time);
    }
}

void intake_shuffle_ties(Intake *c, uint64_t seed) {
    for (int64_t begin = 0, end; begin < c->n_events; begin = end) {
        end = begin + 1;
        while (end < c->n_events && c->event[end].user == c->event[begin].user && intake_same_time(&c->event[end], &c->event[begin])) end++;
        if (c->event[begin].time_s == 0 || end - begin < 2) continue;
        const char *key = strtable_get(c->users, c->event[begin].user);
        Rng rng = rng_make(seed, RNG_STAGE_PREPROCESS, RNG_TIES, (uint32_t)c->event[begin].time_s, fnv1a64(key, strlen(key)));
        for (int64_t n = end - begin; n > 1; n--) {
            int64_t other = (int64_t)rng_below(&rng, (uint64_t)n);
            Event swap = c->event[begin + n - 1];
            c->event[begin + n - 1] = c->event[begin + other];
            c->event[begin + other] = swap;
        }
    }
}

cJSON *intake_ties_json(const Intake *c) {
    int64_t pairs = 0, timed = 0, equal = 0, same_day = 0, ascending = 0, unordered = 0, unknown = 0, users_tied = 0, last_tied = 0;
    for (int64_t begin = 0, end; begin < c->n_events; begin = end) {
        end = user_end(c, begin);
        bool tied = false, last = false;
        for (int64_t e = begin; e < end; e++) {
            unknown += c->event[e].time_s == 0;
            if (e == begin) continue;
            const Event *a = &c->event[e - 1], *b = &c->event[e];
            bool known = a->time_s && b->time_s;
            pairs++;
            timed += known;
            same_day += known && a->time_s / DAY_S == b->time_s / DAY_S;
            last = known && intake_same_time(a, b);
            unordered += known && a->time_s > b->time_s;
            equal += last;
            tied |= last;
            ascending += last && strcmp(c->text[a->item].id, c->text[b->item].id) < 0;
        }
        users_tied += tied;
        last_tied += last;
    }
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "adjacent_pairs", (double)pairs);
    cJSON_AddNumberToObject(root, "timed_pairs", (double)timed);
    cJSON_AddNumberToObject(root, "equal_time_pairs", (double)equal);
    cJSON_AddNumberToObject(root, "same_day_pairs", (double)same_day);
    if (strcmp(c->item_id_kind, "asin") == 0) cJSON_AddNumberToObject(root, "ascending_id_pairs", (double)ascending);
    cJSON_AddNumberToObject(root, "users_with_ties", (double)users_tied);
    cJSON_AddNumberToObject(root, "last_two_tied", (double)last_tied);
    cJSON_AddNumberToObject(root, "unknown_times", (double)unknown);
    cJSON_AddNumberToObject(root, "out_of_order_pairs", (double)unordered);
    return root;
}
