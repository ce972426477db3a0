/* data/strtable.h -- strings to dense numbers 0,1,2,... in order of first addition (ids of users and items). */
#ifndef DIGR_DATA_STRTABLE_H
#define DIGR_DATA_STRTABLE_H

#include <stdint.h>

#include "base/arena.h"

typedef struct StringTable StringTable;

StringTable *strtable_create(Arena *arena); /* lives in `arena`, copies what is added */
int64_t strtable_add(StringTable *t, const char *text);        /* its number, old or new */
int64_t strtable_find(const StringTable *t, const char *text); /* -1 when absent */
/* the same for n bytes without a NUL among them */
int64_t strtable_add_bytes(StringTable *t, const char *text, size_t n);
int64_t strtable_find_bytes(const StringTable *t, const char *text, size_t n);
int64_t strtable_count(const StringTable *t);
const char *strtable_get(const StringTable *t, int64_t number);

#endif
