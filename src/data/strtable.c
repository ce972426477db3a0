/* data/strtable.c -- open addressing with linear probing; slots hold number + 1, 0 is empty; at most half full. */
#include "data/strtable.h"

#include <string.h>

#include "base/hash.h"
#include "base/status.h"

struct StringTable {
    Arena *arena;
    const char **text; /* by number */
    uint64_t *hash;    /* by number */
    size_t text_capacity, hash_capacity;
    int64_t count;
    int64_t *slot;
    size_t n_slots; /* a power of two */
};

StringTable *strtable_create(Arena *arena) {
    StringTable *t = ARENA_NEW(arena, StringTable, 1);
    t->arena = arena;
    t->n_slots = 1024;
    t->slot = ARENA_NEW(arena, int64_t, t->n_slots);
    return t;
}

/* The slot where `text` is, or the empty one where it belongs. */
static size_t strtable_slot(const StringTable *t, const char *text, uint64_t hash) {
    size_t s = hash & (t->n_slots - 1);
    while (t->slot[s]) {
        int64_t i = t->slot[s] - 1;
        if (t->hash[i] == hash && strcmp(t->text[i], text) == 0) break;
        s = (s + 1) & (t->n_slots - 1);
    }
    return s;
}

static void strtable_rehash(StringTable *t) {
    t->n_slots *= 2;
    t->slot = ARENA_NEW(t->arena, int64_t, t->n_slots);
    for (int64_t i = 0; i < t->count; i++) {
        size_t s = t->hash[i] & (t->n_slots - 1);
        while (t->slot[s]) s = (s + 1) & (t->n_slots - 1);
        t->slot[s] = i + 1;
    }
}

int64_t strtable_add(StringTable *t, const char *text) {
    uint64_t hash = fnv1a64(text, strlen(text));
    size_t s = strtable_slot(t, text, hash);
    if (t->slot[s]) return t->slot[s] - 1;
    if ((size_t)(t->count + 1) * 2 > t->n_slots) {
        strtable_rehash(t);
        s = strtable_slot(t, text, hash);
    }
    ARENA_GROW(t->arena, t->text, t->text_capacity, t->count + 1);
    ARENA_GROW(t->arena, t->hash, t->hash_capacity, t->count + 1);
    t->text[t->count] = arena_strdup(t->arena, text);
    t->hash[t->count] = hash;
    t->slot[s] = t->count + 1;
    return t->count++;
}

int64_t strtable_find(const StringTable *t, const char *text) {
    size_t s = strtable_slot(t, text, fnv1a64(text, strlen(text)));
    return t->slot[s] - 1;
}

int64_t strtable_count(const StringTable *t) { return t->count; }

const char *strtable_get(const StringTable *t, int64_t number) {
    REQUIRE(number >= 0 && number < t->count, "string %lld of %lld", (long long)number, (long long)t->count);
    return t->text[number];
}
