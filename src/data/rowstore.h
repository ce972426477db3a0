/* data/rowstore.h -- sequences back from rows (history, target): what MiniOneRec's CSV files and RecBole's benchmark files hold.
 *
 * A user's rows over train, valid and test must chain: each history is the end of what came before (all of it, or a window: MiniOneRec keeps 10 items,
 * UniSRec-style files 50), and its target comes next. Inside one file a user's rows may stand in ascending or in descending order (UniSRec writes the latest
 * first). A row that does not chain is rejected with its file and line, and nothing is guessed in its place.
 *
 * Memory: 4 bytes for every history item, 40 for a row. */
#ifndef DIGR_DATA_ROWSTORE_H
#define DIGR_DATA_ROWSTORE_H

#include "data/import.h"

typedef struct RowStore RowStore;

typedef struct StoredRow {
    int64_t user;            /* key number in c->users */
    const int32_t *history;  /* (n) key numbers in c->items, oldest first; n >= 1 */
    int64_t n;
    int32_t target;
    int64_t time_s;          /* of the target; 0: unknown */
    const int64_t *times;    /* (n) of the history, or NULL */
    int64_t line;
} StoredRow;

RowStore *rowstore_create(Intake *c);
/* rowstore_file -- rows added from here on are those of `part` (0 train, 1 valid, 2 test) and stand in `path`. */
void rowstore_file(RowStore *s, int part, const char *path);
void rowstore_add(RowStore *s, const StoredRow *row); /* copies */
/* rowstore_finish -- adds every user's sequence to c (c->ordered is set) and gives the rows as exact rows. *rows is NULL, with a note in the ledger, when
 * some user's first row begins with more than one item: its earlier rows are missing, so the rows are no whole split. */
void rowstore_finish(RowStore *s, ExactRows **rows);
/* rowstore_check -- may these rows stand as the split that `protocol` names? leave-last-out makes its own rows: a warning when the files' test rows are
 * others. chrono-8-1-1 takes the files' rows: E_INPUT when they are a leave-last-out split, or when a part is more than 1 % of all rows away from 8:1:1. */
Status rowstore_check(const Intake *c, const int64_t *begin, const ExactRows *rows, const char *dir, bool leave_last_out);
/* rowstore_match -- for rows that stand beside the sequences they were cut from: c's events are those sequences, sorted, begin as in import_exact_rows.
 * E_INPUT naming file and line when a user's rows do not give its sequence. */
Status rowstore_match(RowStore *s, const int64_t *begin, ExactRows **rows);

#endif
