/* data/strtable.c -- open addressing with linear probing, at most three quarters full. Ten million ids must be cheap: the strings lie one behind the other,
 * a string costs its bytes and about 30 more, and a lookup touches the slot, the pointer and the string. */
#include "data/strtable.h"

#include <string.h>

#include "base/hash.h"
#include "base/status.h"

enum { SLAB_BYTES = 1 << 16 };

typedef struct Slot { uint32_t hash, number; } Slot; /* number + 1; 0: empty */

struct StringTable {
    Arena *arena;
    const char **text; /* by number */
    size_t text_capacity;
    int64_t count;
    Slot *slot;
    size_t n_slots;    /* a power of two */
    char *slab;        /* where the next string goes */
    size_t slab_left;
};

StringTable *strtable_create(Arena *arena) {
    StringTable *t = ARENA_NEW(arena, StringTable, 1);
    t->arena = arena;
    t->n_slots = 1024;
    t->slot = ARENA_NEW(arena, Slot, t->n_slots);
    return t;
}

/* The slot where text[0..n) is, or the empty one where it belongs. */
static size_t strtable_slot(const StringTable *t, const char *text, size_t n, uint32_t hash) {
    size_t s = hash & (t->n_slots - 1);
    for (; t->slot[s].number; s = (s + 1) & (t->n_slots - 1)) {
        if (t->slot[s].hash != hash) continue;
        const char *there = t->text[t->slot[s].number - 1];
        if (strncmp(there, text, n) == 0 && there[n] == '\0') break;
    }
    return s;
}

static void strtable_rehash(StringTable *t) {
    const Slot *old = t->slot;
    const size_t n_old = t->n_slots;
    t->n_slots *= 2;
    t->slot = ARENA_NEW(t->arena, Slot, t->n_slots);
    for (size_t i = 0; i < n_old; i++) {
        if (!old[i].number) continue;
        size_t s = old[i].hash & (t->n_slots - 1);
        while (t->slot[s].number) s = (s + 1) & (t->n_slots - 1);
        t->slot[s] = old[i];
    }
}

static const char *strtable_keep(StringTable *t, const char *text, size_t n) {
    if (n + 1 > t->slab_left) {
        t->slab_left = n + 1 > SLAB_BYTES ? n + 1 : SLAB_BYTES;
        t->slab = arena_alloc_raw(t->arena, t->slab_left, 1);
    }
    char *copy = t->slab;
    memcpy(copy, text, n);
    copy[n] = '\0';
    t->slab += n + 1;
    t->slab_left -= n + 1;
    return copy;
}

int64_t strtable_add_bytes(StringTable *t, const char *text, size_t n) {
    const uint32_t hash = (uint32_t)hash64(text, n);
    size_t s = strtable_slot(t, text, n, hash);
    if (t->slot[s].number) return (int64_t)t->slot[s].number - 1;
    REQUIRE(t->count < INT32_MAX, "more than %d strings", INT32_MAX);
    if ((size_t)(t->count + 1) * 4 > t->n_slots * 3) {
        strtable_rehash(t);
        s = strtable_slot(t, text, n, hash);
    }
    ARENA_GROW(t->arena, t->text, t->text_capacity, t->count + 1);
    t->text[t->count] = strtable_keep(t, text, n);
    t->slot[s] = (Slot){hash, (uint32_t)t->count + 1};
    return t->count++;
}

int64_t strtable_find_bytes(const StringTable *t, const char *text, size_t n) {
    return (int64_t)t->slot[strtable_slot(t, text, n, (uint32_t)hash64(text, n))].number - 1;
}

int64_t strtable_add(StringTable *t, const char *text) { return strtable_add_bytes(t, text, strlen(text)); }
int64_t strtable_find(const StringTable *t, const char *text) { return strtable_find_bytes(t, text, strlen(text)); }
int64_t strtable_count(const StringTable *t) { return t->count; }

const char *strtable_get(const StringTable *t, int64_t number) {
    REQUIRE(number >= 0 && number < t->count, "string %lld of %lld", (long long)number, (long long)t->count);
    return t->text[number];
}
