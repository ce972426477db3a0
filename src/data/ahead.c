/* data/ahead.c -- see ahead.h. Two open-addressing tables, at most three quarters full; each size lives in an arena of its own, so that growing gives the old
 * one back. Additions wait in a short queue while the memory of their slot is fetched. */
#include "data/ahead.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"

enum { FIRST_SLOTS = 1 << 12, QUEUE = 16 };

typedef struct Tally {
    Arena *arena;
    uint64_t *print;  /* 0: empty */
    uint16_t *count;  /* stays at its largest */
    size_t n_slots;   /* a power of two */
    int64_t n, least;
    uint64_t queue[QUEUE];
    uint32_t queued;  /* ever */
    uint32_t done;
} Tally;

struct Ahead {
    Arena *arena;
    Tally user, item;
    int64_t events;
};

static void tally_allocate(Tally *t, size_t n_slots) {
    t->arena = arena_create("counting ahead");
    t->n_slots = n_slots;
    t->print = ARENA_NEW(t->arena, uint64_t, n_slots);
    t->count = ARENA_NEW(t->arena, uint16_t, n_slots);
}

/* The slot where the fingerprint is, or the empty one where it belongs. */
static inline size_t tally_slot(const Tally *t, uint64_t print) {
    size_t s = print & (t->n_slots - 1);
    while (t->print[s] && t->print[s] != print) s = (s + 1) & (t->n_slots - 1);
    return s;
}

static void tally_grow(Tally *t) {
    const Tally old = *t;
    tally_allocate(t, old.n_slots * 2);
    for (size_t i = 0; i < old.n_slots; i++) {
        if (!old.print[i]) continue;
        const size_t s = tally_slot(t, old.print[i]);
        t->print[s] = old.print[i];
        t->count[s] = old.count[i];
    }
    arena_destroy(old.arena);
}

static void tally_add_now(Tally *t, uint64_t print) {
    size_t s = tally_slot(t, print);
    if (!t->print[s]) {
        if ((size_t)(t->n + 1) * 4 > t->n_slots * 3) {
            tally_grow(t);
            s = tally_slot(t, print);
        }
        t->print[s] = print;
        t->n++;
    }
    if (t->count[s] < UINT16_MAX) t->count[s]++;
}

static void tally_finish(Tally *t) {
    while (t->done != t->queued) tally_add_now(t, t->queue[t->done++ % QUEUE]);
}

static inline void tally_add(Tally *t, uint64_t print) {
    if (t->queued - t->done == QUEUE) tally_add_now(t, t->queue[t->done++ % QUEUE]);
    t->queue[t->queued++ % QUEUE] = print;
    __builtin_prefetch(&t->print[print & (t->n_slots - 1)]);
    __builtin_prefetch(&t->count[print & (t->n_slots - 1)], 1);
}

/* Events of ids that have enough; `all` when a count that has reached its largest hides how many. */
static int64_t tally_most(const Tally *t, int64_t all) {
    int64_t sum = 0;
    for (size_t s = 0; s < t->n_slots; s++) {
        if (t->count[s] == UINT16_MAX) return all;
        if (t->count[s] >= t->least) sum += t->count[s];
    }
    return sum;
}

static inline uint64_t fingerprint(const char *id, size_t n) {
    const uint64_t print = hash64(id, n);
    return print ? print : 1;
}

Ahead *ahead_create(int64_t least_user, int64_t least_item) {
    Arena *arena = arena_create("counting ahead");
    Ahead *a = ARENA_NEW(arena, Ahead, 1);
    a->arena = arena;
    a->user.least = least_user < UINT16_MAX ? least_user : UINT16_MAX;
    a->item.least = least_item < UINT16_MAX ? least_item : UINT16_MAX;
    tally_allocate(&a->user, FIRST_SLOTS);
    tally_allocate(&a->item, FIRST_SLOTS);
    return a;
}

void ahead_destroy(Ahead *a) {
    if (!a) return;
    arena_destroy(a->user.arena);
    arena_destroy(a->item.arena);
    arena_destroy(a->arena);
}

void ahead_count(Ahead *a, const char *user, size_t user_length, const char *item, size_t item_length) {
    tally_add(&a->user, fingerprint(user, user_length));
    tally_add(&a->item, fingerprint(item, item_length));
    a->events++;
}

static bool tally_enough(Tally *t, uint64_t print) {
    tally_finish(t);
    return t->least <= 1 || t->count[tally_slot(t, print)] >= t->least;
}

bool ahead_keeps_user(Ahead *a, const char *user, size_t n) { return tally_enough(&a->user, fingerprint(user, n)); }
bool ahead_keeps_item(Ahead *a, const char *item, size_t n) { return tally_enough(&a->item, fingerprint(item, n)); }

int64_t ahead_events(const Ahead *a) { return a->events; }

int64_t ahead_users(Ahead *a) {
    tally_finish(&a->user);
    return a->user.n;
}

int64_t ahead_items(Ahead *a) {
    tally_finish(&a->item);
    return a->item.n;
}

int64_t ahead_most_kept(Ahead *a) {
    tally_finish(&a->user);
    tally_finish(&a->item);
    const int64_t by_user = tally_most(&a->user, a->events), by_item = tally_most(&a->item, a->events);
    return by_user < by_item ? by_user : by_item;
}
