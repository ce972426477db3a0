/* run.c -- TREC run files. The writer formats integers by hand into a buffer and leaves the buffering to the atomic file. */
#include "eval/run.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "io/stream.h"

/* ------------------------------------------------------------------ writing */

enum { WRITER_BUFFER = 1 << 16, LINE_BYTES = 512, TAG_BYTES = 256 };

struct RunWriter {
    AtomicFile *file;
    Status status; /* first fault; told at close */
    const char *tag;
    size_t tag_bytes, used;
    char buffer[WRITER_BUFFER];
};

static char *put_int(char *p, int64_t value)
{
    char digits[24];
    int n = 0;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0) *p++ = '-';
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (n > 0) *p++ = digits[--n];
    return p;
}

static char *put_text(char *p, const char *text, size_t n)
{
    memcpy(p, text, n);
    return p + n;
}

static void writer_flush(RunWriter *w)
{
    if (w->status == OK && w->used > 0) w->status = atomic_write(w->file, w->buffer, w->used);
    w->used = 0;
}

Status run_writer_open(const char *path, const char *tag, Arena *arena, RunWriter **writer)
{
    const size_t bytes = strlen(tag);
    REQUIRE(bytes > 0 && bytes < TAG_BYTES && strpbrk(tag, " \t\r\n") == NULL, "run tag \"%s\"", tag);
    RunWriter *w = ARENA_NEW(arena, RunWriter, 1);
    w->tag = arena_strdup(arena, tag);
    w->tag_bytes = bytes;
    w->status = OK;
    TRY(atomic_open(path, &w->file));
    *writer = w;
    return OK;
}

void run_writer_add(RunWriter *w, int64_t row, int64_t n, const int32_t *item, const real *score)
{
    REQUIRE(n >= 0 && n <= RUN_DEPTH && row >= 0, "row %lld with %lld predictions", (long long)row, (long long)n);
    const int digits = sizeof(real) == sizeof(float) ? 9 : 17;
    for (int64_t i = 0; i < n; i++) {
        REQUIRE(i == 0 || score[i] < score[i - 1] || (score[i] == score[i - 1] && item[i] >= item[i - 1]),
                "row %lld: prediction %lld is out of order", (long long)row, (long long)i);
        if (w->used + LINE_BYTES > WRITER_BUFFER) writer_flush(w);
        char *p = w->buffer + w->used;
        p = put_int(p, row);
        p = put_text(p, " Q0 ", 4);
        p = put_int(p, item[i]);
        *p++ = ' ';
        p = put_int(p, i + 1);
        *p++ = ' ';
        p += snprintf(p, 64, "%.*g", digits, (double)score[i]);
        *p++ = ' ';
        p = put_text(p, w->tag, w->tag_bytes);
        *p++ = '\n';
        w->used = (size_t)(p - w->buffer);
    }
}

Status run_writer_close(RunWriter *w)
{
    writer_flush(w);
    if (w->status == OK) return atomic_commit(w->file);
    atomic_abandon(w->file);
    return w->status;
}

void run_writer_abandon(RunWriter *w)
{
    if (w != NULL) atomic_abandon(w->file);
}

Status run_write(const char *path, const char *tag, int64_t n_rows, int64_t stride, const int64_t *n, const int32_t *item, const real *score)
{
    Arena *arena = arena_create("run writer");
    RunWriter *w;
    Status status = run_writer_open(path, tag, arena, &w);
    if (status == OK) {
        for (int64_t r = 0; r < n_rows; r++) run_writer_add(w, r, n ? n[r] : stride, item + r * stride, score + r * stride);
        status = run_writer_close(w);
    }
    arena_destroy(arena);
    return status;
}

/* ------------------------------------------------------------------ reading */

typedef struct Field { const char *text; size_t n; } Field;

typedef struct Reader {
    const char *path;
    int64_t line;
    Arena *arena;
    int64_t N, n_rows;
    Run *run;
    int64_t row;              /* row being read, -1 before the first */
    int64_t rank;             /* last rank of it */
    double score;
    int64_t *start, *count;   /* (n_rows) where a row's predictions lie in item[]; count -1 = not seen yet */
    size_t item_cap, score_cap;
    size_t used;
} Reader;

static const char *const FIX = "write `row Q0 item rank score tag` as described in src/eval/run.h";

static int split_fields(const char *line, Field field[7])
{
    int n = 0;
    const char *p = line;
    while (n < 7) {
        p += strspn(p, " \t\r");
        if (*p == '\0') break;
        const size_t length = strcspn(p, " \t\r");
        field[n++] = (Field){p, length};
        p += length;
    }
    return n;
}

static bool field_int(Field f, int64_t *value)
{
    char *end;
    errno = 0;
    const long long v = strtoll(f.text, &end, 10);
    *value = v;
    return errno == 0 && end == f.text + f.n;
}

static bool field_real(Field f, double *value)
{
    char *end;
    *value = strtod(f.text, &end);
    return end == f.text + f.n && isfinite(*value);
}

#define BAD(rd, ...) bad_line((rd), arena_printf((rd)->arena, __VA_ARGS__))
static Status bad_line(const Reader *rd, const char *what)
{
    return FAIL(E_INPUT, FIX, "%s:%lld: %s", rd->path, (long long)rd->line, what);
}

/* Close the row being read: sort equal scores by item id, count duplicates. */
static void finish_row(Reader *rd)
{
    if (rd->row < 0) return;
    Run *run = rd->run;
    int32_t *item = run->item + rd->start[rd->row];
    const double *score = run->score + rd->start[rd->row];
    const int64_t n = rd->count[rd->row];
    bool sorted = true;
    for (int64_t i = 1; i < n; i++) {
        const int32_t it = item[i];
        int64_t at = i;
        for (; at > 0 && score[at] == score[at - 1] && it < item[at - 1]; at--) item[at] = item[at - 1];
        item[at] = it;
        sorted = sorted && at == i;
    }
    run->n_reordered += !sorted;
    for (int64_t i = 0; i < n; i++) {
        run->n_invalid += item[i] < 0;
        bool seen = false;
        for (int64_t j = 0; j < i && item[i] >= 0 && !seen; j++) seen = item[j] == item[i];
        run->n_duplicates += seen;
    }
}

static Status begin_row(Reader *rd, int64_t row)
{
    finish_row(rd);
    if (rd->count[row] >= 0) return BAD(rd, "row %lld appears in two places", (long long)row);
    rd->row = row;
    rd->rank = 0;
    rd->start[row] = (int64_t)rd->used;
    rd->count[row] = 0;
    return OK;
}

static Status read_line(Reader *rd, const char *line)
{
    Field f[7];
    const int n = split_fields(line, f);
    if (n == 0 || f[0].text[0] == '#') return OK;
    if (n != 6) return BAD(rd, "%s fields, expected 6", n > 6 ? "more than six" : n == 1 ? "one" : "too few");
    int64_t row, item, rank;
    double score;
    if (!field_int(f[0], &row)) return BAD(rd, "row \"%.*s\" is not a whole number", (int)f[0].n, f[0].text);
    if (f[1].n != 2 || memcmp(f[1].text, "Q0", 2) != 0) return BAD(rd, "second field \"%.*s\", expected Q0", (int)f[1].n, f[1].text);
    if (!field_int(f[2], &item)) return BAD(rd, "item \"%.*s\" is not a whole number", (int)f[2].n, f[2].text);
    if (!field_int(f[3], &rank)) return BAD(rd, "rank \"%.*s\" is not a whole number", (int)f[3].n, f[3].text);
    if (!field_real(f[4], &score)) return BAD(rd, "score \"%.*s\" is not a finite number", (int)f[4].n, f[4].text);
    Run *run = rd->run;
    if (run->tag[0] == '\0') run->tag = arena_strndup(rd->arena, f[5].text, f[5].n);
    if (strlen(run->tag) != f[5].n || memcmp(run->tag, f[5].text, f[5].n) != 0)
        return BAD(rd, "tag \"%.*s\", earlier lines have \"%s\"", (int)f[5].n, f[5].text, run->tag);
    if (row < 0 || row >= rd->n_rows) return BAD(rd, "unknown row %lld, expected [0,%lld)", (long long)row, (long long)rd->n_rows);
    if (row != rd->row) TRY(begin_row(rd, row));
    if (item < -1 || item >= rd->N) return BAD(rd, "unknown item %lld, expected [0,%lld) or -1", (long long)item, (long long)rd->N);
    if (rank != rd->rank + 1) return BAD(rd, "rank %lld, expected %lld", (long long)rank, (long long)rd->rank + 1);
    if (rank > 1 && score > rd->score)
        return BAD(rd, "rank and score disagree: score %.9g at rank %lld after %.9g", score, (long long)rank, rd->score);
    rd->rank = rank;
    rd->score = score;
    if (rank > RUN_DEPTH) {
        run->n_deeper++;
        return OK;
    }
    ARENA_GROW(rd->arena, run->item, rd->item_cap, rd->used + 1);
    ARENA_GROW(rd->arena, run->score, rd->score_cap, rd->used + 1);
    run->item[rd->used] = (int32_t)item;
    run->score[rd->used++] = score;
    rd->count[row]++;
    return OK;
}

/* Put the rows, read in file order, into row order. */
static void order_rows(Reader *rd)
{
    Run *run = rd->run;
    int32_t *item = arena_alloc_raw(rd->arena, rd->used + 1, sizeof *item);
    double *score = arena_alloc_raw(rd->arena, rd->used + 1, sizeof *score);
    run->offset = ARENA_NEW(rd->arena, int64_t, run->n_rows + 1);
    int64_t at = 0;
    for (int64_t r = 0; r < run->n_rows; r++) {
        run->offset[r] = at;
        for (int64_t i = 0; i < rd->count[r]; i++, at++) {
            item[at] = run->item[rd->start[r] + i];
            score[at] = run->score[rd->start[r] + i];
        }
        run->n_empty_rows += rd->count[r] <= 0;
    }
    run->offset[run->n_rows] = run->n_predictions = at;
    run->item = item;
    run->score = score;
}

Status run_read(const char *path, int64_t n_rows, int64_t N, Arena *arena, Run **out)
{
    Reader rd = {.path = path, .arena = arena, .N = N, .n_rows = n_rows, .row = -1};
    rd.run = ARENA_NEW(arena, Run, 1);
    rd.run->tag = "";
    rd.run->n_rows = n_rows;
    rd.start = ARENA_NEW(arena, int64_t, n_rows);
    rd.count = ARENA_NEW(arena, int64_t, n_rows);
    for (int64_t r = 0; r < n_rows; r++) rd.count[r] = -1;
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &n)) {
        rd.line = line_number(reader);
        status = strlen(line) == n ? read_line(&rd, line) : BAD(&rd, "a NUL byte in the line");
    }
    if (status != OK) {
        /* line_close may record a fault of its own; the line's comes first. */
        const char *message = arena_strdup(arena, status_message());
        (void)line_close(reader);
        return FAIL(status, FIX, "%s", message);
    }
    TRY(line_close(reader));
    finish_row(&rd);
    order_rows(&rd);
    *out = rd.run;
    return OK;
}
