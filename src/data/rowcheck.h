/* data/rowcheck.h -- are the rows that our rule makes the rows that others ship? Checked row by row: user, history, target.
 *
 * Our rule (split.h, chrono-8-1-1, history at most 10) is run on the sequences and their times, as if no rows had been shipped, and both lists are
 * compared. Rows without a known time cannot be placed: they are put first, which says that they train; whether the shipped list agrees is part of
 * the check. A shipped row is
 *   equal     when our list of the same part has the row: this user, this history (the last 10 before the target), this target
 *   in place  when it stands at the same place, too: for valid and test among all rows, for train among the rows with a known time
 * The histories themselves were compared with the sequences, item by item, when the rows were read (import_exact_rows). */
#ifndef DIGR_DATA_ROWCHECK_H
#define DIGR_DATA_ROWCHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "data/import.h"

typedef struct RowCheckPart {
    int64_t shipped, made;       /* rows of both lists */
    int64_t equal, in_place;     /* shipped rows */
    int64_t timed;               /* shipped rows whose target has a known time */
    int64_t other_history;       /* shipped rows whose history is not the last 10 before the target */
} RowCheckPart;

typedef struct RowCheck {
    bool done;           /* false: no times, or times that contradict the order of the sequences: nothing was compared */
    RowCheckPart part[3];
} RowCheck;

/* rowcheck_compare -- events in source order; begin as of split_begin. Never fails; logs the verdict. */
void rowcheck_compare(const Intake *c, const int64_t *begin, const ExactRows *shipped, RowCheck *check);
cJSON *rowcheck_json(const RowCheck *check); /* caller deletes */

#endif
