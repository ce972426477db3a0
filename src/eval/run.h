/* eval/run.h -- ranking files in TREC format, written fast and read strictly.
 *
 * One prediction a line, six fields separated by blanks:
 *     row Q0 item rank score tag
 * row   index of the row in valid.tsv / test.tsv, from 0      rank   1, 2, 3, ... without gaps within a row
 * item  item index in [0,N), or -1: an invalid prediction      score  finite, never rising with the rank
 * Q0    the literal (TREC's unused field)                      tag    name of the run, the same on every line
 * The lines of a row stand together; rows may come in any order and may be missing (they count 0, see metrics.h). Lines that are empty or
 * start with '#' are comments. A file may be gzip or zstd compressed.
 *
 * Scores are written with 9 digits (17 in the double build), so rounding what was read to `real` gives the very same numbers back.
 */
#ifndef DIGR_EVAL_RUN_H
#define DIGR_EVAL_RUN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"

enum { RUN_DEPTH = 20 }; /* predictions a row that are written and judged */

/* ------------------------------------------------------------------ writing */

typedef struct RunWriter RunWriter;

/* run_writer_open -- atomic: nothing appears under `path` before run_writer_close. tag: without blanks. The writer lives in `arena`.
 * E_RESOURCE: cannot create. */
Status run_writer_open(const char *path, const char *tag, Arena *arena, RunWriter **writer);
/* run_writer_add -- predictions of one row, n <= RUN_DEPTH, already sorted by rule 2 of metrics.h (REQUIREd). */
void run_writer_add(RunWriter *writer, int64_t row, int64_t n, const int32_t *item, const real *score);
/* run_writer_close -- E_RESOURCE on any write fault; the file is then not there. */
Status run_writer_close(RunWriter *writer);
void run_writer_abandon(RunWriter *writer);

/* run_write -- a whole run at once. item, score in (n_rows,stride), row-major; n (n_rows) predictions in each row, NULL = all `stride`. */
Status run_write(const char *path, const char *tag, int64_t n_rows, int64_t stride, const int64_t *n, const int32_t *item, const real *score);

/* ------------------------------------------------------------------ reading */

typedef struct Run {
    const char *tag;        /* "" for a file without predictions */
    int64_t n_rows;         /* rows of the split, answered or not */
    int64_t *offset;        /* (n_rows+1) predictions of row r: item[offset[r]..offset[r+1]) */
    int32_t *item;          /* sorted by rule 2 */
    double *score;
    int64_t n_predictions;  /* kept */
    int64_t n_duplicates;   /* predictions naming an item for the second time or more in their row (they keep their slots) */
    int64_t n_invalid;      /* item -1 */
    int64_t n_empty_rows;   /* rows without a prediction */
    int64_t n_deeper;       /* predictions beyond RUN_DEPTH, not judged */
    int64_t n_reordered;    /* rows whose equal scores did not stand by item id and were sorted by rule 2 */
} Run;

/* run_read -- into `arena`. E_INPUT, naming file and line: not six fields, a number that is not one, a row outside [0,n_rows), an item outside
 * [-1,N), ranks not 1,2,3,..., a score that is not finite or rises with the rank, a row that appears in two places, two tags, bad compression. */
Status run_read(const char *path, int64_t n_rows, int64_t N, Arena *arena, Run **run);

#endif
