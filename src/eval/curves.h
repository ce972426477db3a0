/* eval/curves.h -- columns of a stage's log.tsv (tab-separated, header line, "-" = nothing measured at that step). */
#ifndef DIGR_EVAL_CURVES_H
#define DIGR_EVAL_CURVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Log {
    int64_t n_columns, n_rows;
    const char **name;   /* (n_columns) */
    double **value;      /* (n_columns)(n_rows); NaN = nothing measured */
} Log;

/* log_read -- DIR/log.tsv; *log = NULL when dir is "" or the file is not there. E_INPUT: a line with another number of columns, or text that is no
 * number (file and line named). A last line without its end, left by an interrupted run, is dropped. */
Status log_read(const char *dir, Arena *arena, Log **log);

/* log_column -- first column whose name is one of `names` ("a|b|c", tried in this order, upper and lower case alike); -1 when none. */
int64_t log_column(const Log *log, const char *names);

/* log_curve -- the measured points of column y over column x, averaged in at most `bins` runs of neighbours. Returns their number; xs, ys in `arena`. */
int64_t log_curve(const Log *log, int64_t x, int64_t y, int64_t bins, Arena *arena, double **xs, double **ys);

#endif
