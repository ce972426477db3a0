/* base/arena.h -- the only source of host memory outside backends (malloc appears only in arena.c and
 * tensor/backend_*.c; lint enforces it).
 *
 * An arena grows in chunks; every block is 64-byte aligned. One arena per lifetime: a run, a step (released
 * to a mark each step), scratch. Blocks are never freed one by one. Under AddressSanitizer the space between
 * blocks and released space is poisoned.
 *
 *   Arena *a = arena_create("scratch");
 *   ArenaMark mark = arena_mark(a);
 *   float *x = ARENA_NEW(a, float, n);
 *   arena_release(a, mark);            // x is gone
 *   arena_destroy(a);
 *
 * When the system has no memory the program ends with exit code 4, naming the arena and the size: callers
 * never see NULL.
 */
#ifndef DIGR_BASE_ARENA_H
#define DIGR_BASE_ARENA_H

#include <stddef.h>

typedef struct Arena Arena;
typedef struct ArenaMark { void *chunk; size_t used; } ArenaMark;

/* name must outlive the arena (a literal). */
Arena *arena_create(const char *name);
void arena_destroy(Arena *arena); /* NULL is allowed */

/* arena_alloc -- `count` elements of `size` bytes, zero-filled; count 0 gives a valid unique pointer. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
/* arena_alloc_raw -- the same, contents undefined (large buffers that are written before they are read). */
void *arena_alloc_raw(Arena *arena, size_t count, size_t size);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t length);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

ArenaMark arena_mark(const Arena *arena);
void arena_release(Arena *arena, ArenaMark mark);
size_t arena_used_bytes(const Arena *arena);
size_t arena_peak_bytes(const Arena *arena);

#define ARENA_NEW(arena, type, count) ((type *)arena_alloc((arena), (size_t)(count), sizeof(type)))

/* arena_grow -- growable array inside an arena: returns storage for at least `need` elements, keeping the first
 * `*capacity` elements of `old`; doubles, so that n appends copy O(n). The old block stays until release. */
void *arena_grow(Arena *arena, void *old, size_t *capacity, size_t need, size_t size);
#define ARENA_GROW(arena, ptr, cap, need) \
    ((ptr) = arena_grow((arena), (ptr), &(cap), (size_t)(need), sizeof *(ptr)))

#endif
