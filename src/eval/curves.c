/* curves.c -- see curves.h. */
#include "eval/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/atomic.h"
#include "io/stream.h"

static void read_header(const char *line, Arena *arena, Log *log)
{
    log->n_columns = 1;
    for (const char *p = line; *p != '\0'; p++) log->n_columns += *p == '\t';
    log->name = ARENA_NEW(arena, const char *, log->n_columns);
    log->value = ARENA_NEW(arena, double *, log->n_columns);
    for (int64_t c = 0; c < log->n_columns; c++) {
        const size_t n = strcspn(line, "\t\r");
        log->name[c] = arena_strndup(arena, line, n);
        line += strcspn(line, "\t");
        line += *line == '\t';
    }
}

/* One row into cell[n_columns]; returns the number of columns found, or -1 when one is no number. */
static int64_t read_cells(const char *line, int64_t n_columns, double *cell)
{
    int64_t c = 0;
    for (const char *p = line;; p++, c++) {
        const size_t n = strcspn(p, "\t\r");
        if (c < n_columns) {
            char *end;
            const bool none = n == 0 || (n == 1 && p[0] == '-');
            cell[c] = none ? (double)NAN : strtod(p, &end);
            if (!none && end != p + n) return -1;
        }
        p += strcspn(p, "\t");
        if (*p == '\0') return c + 1;
    }
}

static Status read_rows(const char *path, LineReader *reader, Arena *arena, Log *log)
{
    const char *line;
    size_t n, *capacity = NULL;
    double *cell = NULL;
    int64_t bad = 0;
    while (line_next(reader, &line, &n)) {
        if (log->n_columns == 0) {
            read_header(line, arena, log);
            capacity = ARENA_NEW(arena, size_t, log->n_columns);
            cell = ARENA_NEW(arena, double, log->n_columns);
            continue;
        }
        if (bad > 0) break; /* a bad line that is not the last one */
        if (read_cells(line, log->n_columns, cell) != log->n_columns) {
            bad = line_number(reader);
            continue;
        }
        for (int64_t c = 0; c < log->n_columns; c++) {
            ARENA_GROW(arena, log->value[c], capacity[c], log->n_rows + 1);
            log->value[c][log->n_rows] = cell[c];
        }
        log->n_rows++;
    }
    if (bad > 0 && line_number(reader) > bad) return FAIL(E_INPUT, "train it again", "%s:%lld: not %lld numbers", path, (long long)bad, (long long)log->n_columns);
    return OK;
}

Status log_read(const char *dir, Arena *arena, Log **out)
{
    *out = NULL;
    const char *path = arena_printf(arena, "%s/log.tsv", dir);
    if (dir[0] == '\0' || !path_exists(path)) return OK;
    LineReader *reader;
    Log *log = ARENA_NEW(arena, Log, 1);
    TRY(line_open(path, &reader));
    const Status status = read_rows(path, reader, arena, log);
    if (status != OK) {
        const char *message = arena_strdup(arena, status_message());
        (void)line_close(reader);
        return FAIL(status, "train it again", "%s", message);
    }
    *out = log;
    return line_close(reader);
}

int64_t log_column(const Log *log, const char *names)
{
    for (const char *p = names; *p != '\0';) {
        const size_t n = strcspn(p, "|");
        for (int64_t c = 0; c < log->n_columns; c++)
            if (strlen(log->name[c]) == n && strncasecmp(log->name[c], p, n) == 0) return c;
        p += n;
        p += *p == '|';
    }
    return -1;
}

int64_t log_curve(const Log *log, int64_t x, int64_t y, int64_t bins, Arena *arena, double **xs, double **ys)
{
    int64_t measured = 0, n = 0;
    if (x < 0 || y < 0) return 0;
    for (int64_t r = 0; r < log->n_rows; r++) measured += isfinite(log->value[x][r]) && isfinite(log->value[y][r]);
    const int64_t width = (measured + bins - 1) / bins > 0 ? (measured + bins - 1) / bins : 1;
    *xs = ARENA_NEW(arena, double, measured / width + 1);
    *ys = ARENA_NEW(arena, double, measured / width + 1);
    double sum_x = 0.0, sum_y = 0.0;
    int64_t held = 0;
    for (int64_t r = 0; r < log->n_rows; r++) {
        if (!isfinite(log->value[x][r]) || !isfinite(log->value[y][r])) continue;
        sum_x += log->value[x][r];
        sum_y += log->value[y][r];
        if (++held < width) continue;
        (*xs)[n] = sum_x / (double)held;
        (*ys)[n++] = sum_y / (double)held;
        sum_x = sum_y = 0.0;
        held = 0;
    }
    if (held > 0) {
        (*xs)[n] = sum_x / (double)held;
        (*ys)[n++] = sum_y / (double)held;
    }
    return n;
}
