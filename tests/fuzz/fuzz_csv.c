/* tests/fuzz/fuzz_csv.c -- records that are read, written and read again are the same. */
#include <string.h>

#include "base/status.h"
#include "data/csv.h"
#include "fuzz.h"

typedef struct Cells { const char **at; size_t n, capacity, ends, capacity_ends; int64_t *end; } Cells; /* end: behind the last cell of each record */

/* All records without a fault; an empty line is no record. */
static Status read_all(Arena *arena, const char *path, char separator, Cells *c, int64_t *faults)
{
    CsvReader *reader;
    CsvRecord record;
    FUZZ_CHECK(csv_open(path, separator, &reader) == OK, "%s", status_message());
    while (csv_next(reader, &record)) {
        FUZZ_CHECK(record.fault != NULL || record.n >= 1, "a record without cells");
        *faults += record.fault != NULL;
        if (record.fault != NULL || (record.n == 1 && record.cell[0][0] == '\0')) continue;
        for (int64_t i = 0; i < record.n; i++) {
            ARENA_GROW(arena, c->at, c->capacity, c->n + 1);
            c->at[c->n++] = arena_strdup(arena, record.cell[i]);
        }
        ARENA_GROW(arena, c->end, c->capacity_ends, c->ends + 1);
        c->end[c->ends++] = (int64_t)c->n;
    }
    return csv_close(reader);
}

void fuzz_csv(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    char separator = data[0] % 2 == 0 ? ',' : '\t';
    Arena *arena = arena_create("fuzz");
    Cells first = {0}, again = {0};
    int64_t faults = 0;
    (void)read_all(arena, fuzz_file(0, data + 1, n - 1), separator, &first, &faults);
    size_t room = 4 * n + 4096, cell = 0;
    char *copy = arena_alloc(arena, room, 1);
    FILE *f = fmemopen(copy, room, "w");
    for (size_t r = 0; r < first.ends; r++)
        for (; (int64_t)cell < first.end[r]; cell++) {
            csv_write(f, first.at[cell], separator);
            (void)fputc((int64_t)cell + 1 < first.end[r] ? separator : '\n', f);
        }
    (void)fflush(f);
    size_t length = (size_t)ftell(f);
    (void)fclose(f);
    faults = 0;
    FUZZ_CHECK(read_all(arena, fuzz_file(1, copy, length), separator, &again, &faults) == OK && faults == 0, "%s", status_message());
    FUZZ_CHECK(first.ends == again.ends && first.n == again.n, "%zu records with %zu cells, written and read: %zu with %zu", first.ends, first.n, again.ends, again.n);
    for (size_t r = 0; r < first.ends; r++) FUZZ_CHECK(first.end[r] == again.end[r], "record %zu", r);
    for (size_t i = 0; i < first.n; i++) FUZZ_CHECK(strcmp(first.at[i], again.at[i]) == 0, "cell %zu: `%s`, now `%s`", i, first.at[i], again.at[i]);
    arena_destroy(arena);
}
