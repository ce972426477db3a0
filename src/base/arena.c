/* base/arena.c -- see arena.h. Chunks are linked newest first; a block never spans chunks. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sanitize.h"
#include "base/status.h"

enum { ALIGN = 64, FIRST_CHUNK = 1 << 16, LARGEST_CHUNK = 1 << 26 };

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *previous;
    size_t capacity, used; /* bytes of data */
    unsigned char *data;   /* 64-byte aligned */
};

struct Arena {
    const char *name;
    Chunk *top;
    Chunk *spare; /* the largest chunk that a release emptied: mark, allocate, release in a loop must not go to the system each time */
    size_t next_chunk, held, peak;
};

static _Noreturn void out_of_memory(const char *name, size_t bytes)
{
    status_exit(FAIL(E_RESOURCE, "close other programs, or use a smaller batch or data set",
                     "out of memory: arena '%s' needs %zu more bytes", name, bytes));
}

static size_t round_up(size_t bytes) { return (bytes + (ALIGN - 1)) & ~(size_t)(ALIGN - 1); }

static void chunk_free(Chunk *c)
{
    if (c == NULL) return;
    SANITIZE_UNPOISON(c->data, c->capacity);
    free(c->data);
    free(c);
}

static void chunk_push(Arena *a, size_t step)
{
    Chunk *c = a->spare;
    if (c != NULL && c->capacity >= step) {
        a->spare = NULL;
        c->previous = a->top;
        a->top = c;
        return;
    }
    size_t capacity = a->next_chunk > step ? a->next_chunk : step;
    if (a->next_chunk < LARGEST_CHUNK) a->next_chunk *= 2;
    c = malloc(sizeof *c);
    if (c == NULL) out_of_memory(a->name, sizeof *c);
    c->data = aligned_alloc(ALIGN, capacity);
    if (c->data == NULL) out_of_memory(a->name, capacity);
    c->capacity = capacity;
    c->used = 0;
    c->previous = a->top;
    a->top = c;
    SANITIZE_POISON(c->data, capacity);
}

Arena *arena_create(const char *name)
{
    Arena *a = calloc(1, sizeof *a);
    if (a == NULL) out_of_memory(name, sizeof *a);
    a->name = name;
    a->next_chunk = FIRST_CHUNK;
    return a;
}

static void chunk_pop(Arena *a)
{
    Chunk *c = a->top;
    a->top = c->previous;
    SANITIZE_POISON(c->data, c->used);
    c->used = 0;
    if (a->spare != NULL && a->spare->capacity >= c->capacity) {
        chunk_free(c);
    } else {
        chunk_free(a->spare);
        a->spare = c;
    }
}

void arena_destroy(Arena *a)
{
    if (a == NULL) return;
    while (a->top != NULL) chunk_pop(a);
    chunk_free(a->spare);
    free(a);
}

void *arena_alloc_raw(Arena *a, size_t count, size_t size)
{
    REQUIRE(size != 0 && count <= (SIZE_MAX / 2) / size, "arena '%s': %zu x %zu bytes overflow", a->name, count, size);
    size_t bytes = count * size;
    size_t step = round_up(bytes == 0 ? 1 : bytes) + SANITIZE_RED_ZONE;
    if (a->top == NULL || a->top->capacity - a->top->used < step) chunk_push(a, step);
    void *p = a->top->data + a->top->used;
    a->top->used += step;
    a->held += step;
    if (a->held > a->peak) a->peak = a->held;
    SANITIZE_UNPOISON(p, bytes);
    return p;
}

void *arena_alloc(Arena *a, size_t count, size_t size)
{
    void *p = arena_alloc_raw(a, count, size);
    return memset(p, 0, count * size);
}

char *arena_strndup(Arena *a, const char *text, size_t length)
{
    char *copy = arena_alloc_raw(a, length + 1, 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(Arena *a, const char *text) { return arena_strndup(a, text, strlen(text)); }

char *arena_printf(Arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    REQUIRE(n >= 0, "bad format '%s'", format);
    char *text = arena_alloc_raw(a, (size_t)n + 1, 1);
    (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

ArenaMark arena_mark(const Arena *a)
{
    return (ArenaMark){a->top, a->top != NULL ? a->top->used : 0};
}

void arena_release(Arena *a, ArenaMark mark)
{
    while (a->top != mark.chunk) {
        REQUIRE(a->top != NULL, "arena '%s': released to a mark of another arena", a->name);
        a->held -= a->top->used;
        chunk_pop(a);
    }
    if (a->top == NULL) return;
    REQUIRE(mark.used <= a->top->used, "arena '%s': released to a later mark", a->name);
    a->held -= a->top->used - mark.used;
    SANITIZE_POISON(a->top->data + mark.used, a->top->used - mark.used);
    a->top->used = mark.used;
}

size_t arena_used_bytes(const Arena *a) { return a->held; }

size_t arena_peak_bytes(const Arena *a) { return a->peak; }

void *arena_grow(Arena *a, void *old, size_t *capacity, size_t need, size_t size)
{
    if (old != NULL && need <= *capacity) return old;
    size_t wanted = *capacity < 8 ? 16 : *capacity * 2;
    if (wanted < need) wanted = need;
    void *fresh = arena_alloc_raw(a, wanted, size);
    if (old != NULL) memcpy(fresh, old, *capacity * size);
    memset((unsigned char *)fresh + *capacity * size, 0, (wanted - *capacity) * size);
    *capacity = wanted;
    return fresh;
}
