/* data/csv.c -- see csv.h. */
#include "data/csv.h"

#include <string.h>

#include "base/arena.h"
#include "data/textclean.h"
#include "io/stream.h"

struct CsvReader {
    Arena *arena;
    LineReader *lines;
    const char *path;
    char separator;
    char *text;              /* decoded cells, one behind the other */
    size_t length, capacity;
    size_t *begin;           /* (n) where each cell begins in text */
    const char **cell;
    size_t begin_capacity, cell_capacity;
    int64_t n, open_line;    /* open_line: the file ended inside the record that began there */
};

Status csv_open(const char *path, char separator, CsvReader **reader) {
    LineReader *lines;
    TRY(line_open(path, &lines));
    Arena *arena = arena_create("CSV");
    CsvReader *r = ARENA_NEW(arena, CsvReader, 1);
    r->arena = arena;
    r->lines = lines;
    r->path = arena_strdup(arena, path);
    r->separator = separator;
    *reader = r;
    return OK;
}

static void keep(CsvReader *r, char c) {
    if (r->length == r->capacity) ARENA_GROW(r->arena, r->text, r->capacity, r->length + 1);
    r->text[r->length++] = c;
}

static void begin_cell(CsvReader *r) {
    ARENA_GROW(r->arena, r->begin, r->begin_capacity, r->n + 1);
    r->begin[r->n++] = r->length;
}

/* The inside of a quoted cell, from behind its opening quote; goes on over lines. false: the file ends. *p is left behind the closing quote. */
static bool quoted_cell(CsvReader *r, const char **line, size_t *n, size_t *p) {
    for (;;) {
        for (; *p < *n; (*p)++) {
            char c = (*line)[*p];
            if (c != '"') {
                keep(r, c);
            } else if (*p + 1 < *n && (*line)[*p + 1] == '"') {
                keep(r, '"');
                (*p)++;
            } else {
                (*p)++;
                return true;
            }
        }
        if (!line_next(r->lines, line, n)) return false;
        keep(r, '\n');
        *p = 0;
    }
}

/* One record from its first line on; false when the file ends inside it. */
static bool read_record(CsvReader *r, const char *line, size_t n, const char **fault) {
    size_t p = 0;
    for (;;) {
        begin_cell(r);
        if (p < n && line[p] == '"') {
            p++;
            if (!quoted_cell(r, &line, &n, &p)) return false;
            if (p < n && line[p] != r->separator && !(line[p] == '\r' && p + 1 == n)) *fault = "text behind a closing quote";
        }
        for (; p < n && line[p] != r->separator; p++) {
            if (line[p] == '\r' && p + 1 == n) continue;
            if (line[p] == '\0') *fault = "NUL byte";
            keep(r, line[p]);
        }
        keep(r, '\0');
        if (p >= n) return true;
        p++;
    }
}

bool csv_next(CsvReader *r, CsvRecord *record) {
    const char *line;
    size_t n;
    if (!line_next(r->lines, &line, &n)) return false;
    int64_t number = line_number(r->lines);
    const char *fault = NULL;
    r->length = 0;
    r->n = 0;
    if (!read_record(r, line, n, &fault)) {
        r->open_line = number;
        return false;
    }
    ARENA_GROW(r->arena, r->cell, r->cell_capacity, r->n);
    for (int64_t i = 0; i < r->n; i++) {
        size_t end = i + 1 < r->n ? r->begin[i + 1] : r->length;
        r->cell[i] = r->text + r->begin[i];
        if (strlen(r->cell[i]) != end - r->begin[i] - 1) fault = "NUL byte";
        else if (utf8_invalid_at(r->cell[i], end - r->begin[i] - 1) != end - r->begin[i] - 1) fault = "bytes that are no UTF-8";
    }
    *record = (CsvRecord){r->cell, r->n, number, fault};
    return true;
}

Status csv_close(CsvReader *r) {
    Status status = line_close(r->lines);
    if (status == OK && r->open_line)
        status = FAIL(E_INPUT, "fetch the file again; it is cut off, or a quote is missing", "%s:%lld: the file ends inside a quoted cell", r->path, (long long)r->open_line);
    arena_destroy(r->arena);
    return status;
}

void csv_write(FILE *f, const char *cell, char separator) {
    size_t n = strlen(cell);
    bool plain = !strchr(cell, '"') && !strchr(cell, '\n') && !strchr(cell, '\r') && !strchr(cell, separator) && (n == 0 || (cell[0] != ' ' && cell[n - 1] != ' '));
    if (plain) {
        fputs(cell, f);
        return;
    }
    fputc('"', f);
    for (const char *p = cell; *p; p++) {
        if (*p == '"') fputc('"', f);
        fputc(*p, f);
    }
    fputc('"', f);
}
