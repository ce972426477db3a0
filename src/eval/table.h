/* eval/table.h -- one table, five forms: Markdown, CSV, LaTeX, HTML and aligned text. A cell keeps its numbers; every form formats them itself, so the
 * CSV has the full precision of what the others round.
 *
 *   Table *t = table_create(arena, "main", "Main results");
 *   table_column(t, COLUMN_TEXT, "Method", 0);
 *   table_column(t, COLUMN_SPREAD, "HR@10", 4);
 *   table_group(t, "Beauty");                       // optional: heading above the following rows
 *   table_row(t); table_text(t, "SASRec"); table_spread(t, spread);
 *   table_best(t, 1);                               // marks the highest of column 1 in the last group
 *   table_note(t, "mean ± sd over %d seeds", 3);
 */
#ifndef DIGR_EVAL_TABLE_H
#define DIGR_EVAL_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"
#include "eval/significance.h"

typedef enum ColumnKind {
    COLUMN_TEXT,
    COLUMN_COUNT,    /* whole number, thousands separated */
    COLUMN_NUMBER,   /* `decimals` decimals */
    COLUMN_PERCENT,  /* a share, printed as "12.3 %" */
    COLUMN_CHANGE,   /* a relative difference, printed as "+12.3 %" */
    COLUMN_SPREAD,   /* mean ± sd; the mean alone for one seed */
    COLUMN_INTERVAL, /* signed difference [low, high] */
    COLUMN_ESTIMATE  /* value [low, high], without a sign */
} ColumnKind;

typedef struct Cell {
    bool present, best, bounded; /* bounded: an interval or estimate has its low and high */
    const char *text;
    double value, low, high;  /* SPREAD: mean, sd, n */
} Cell;

typedef struct Column { ColumnKind kind; const char *header; int decimals; bool has_best; } Column;
typedef struct Row { const char *group; bool strong; Cell *cell; } Row; /* group: non-NULL = heading row */

enum { TABLE_COLUMNS = 24, TABLE_NOTES = 16 };

typedef struct Table {
    Arena *arena;
    const char *id, *title;
    int n_columns, n_notes;
    Column column[TABLE_COLUMNS];
    const char *note[TABLE_NOTES];
    int64_t n_rows;
    size_t cap_rows;
    Row *row;
    int filled;  /* cells of the last row so far */
} Table;

Table *table_create(Arena *arena, const char *id, const char *title); /* strings are copied here and below */
void table_column(Table *t, ColumnKind kind, const char *header, int decimals);
void table_group(Table *t, const char *label);
void table_row(Table *t);
void table_strong(Table *t);                 /* the row begun last is the one the reader looks for */
void table_text(Table *t, const char *text);
void table_number(Table *t, double value);   /* COUNT, NUMBER, PERCENT, CHANGE */
void table_spread(Table *t, Spread spread);
void table_interval(Table *t, double difference, double low, double high); /* INTERVAL, ESTIMATE */
void table_unbounded(Table *t, double value); /* the same, where no interval can be given: the value alone */
void table_none(Table *t);                   /* an empty cell: "does not apply" or "not measured" */
/* table_best -- mark the highest value of a column among the rows since the last group; ties are all marked. Rows flagged in skip (by row index since the
 * group, n_skip of them) take no part. */
void table_best(Table *t, int column, const bool *skip, int64_t n_skip);
void table_note(Table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t table_n_data_rows(const Table *t);

/* table_cell -- display text of a cell, in `arena`; "" for an empty one. */
const char *table_cell(const Table *t, const Cell *cell, int column, Arena *arena);

/* table_count -- a whole number with its thousands separated, in `arena`. */
const char *table_count(int64_t value, Arena *arena);

void table_markdown(const Table *t, FILE *out);
void table_csv(const Table *t, FILE *out);
void table_latex(const Table *t, FILE *out);
void table_html(const Table *t, FILE *out);
void table_plain(const Table *t, FILE *out);
/* table_write_files -- DIR/id.csv and DIR/id.tex, atomically. */
Status table_write_files(const Table *t, const char *dir);

#endif
