/* data/import.h -- readers of what the field passes around, into an Intake. Faulty records go to the intake's ledger with file and line; a stream that
 * is truncated or corrupt ends the run at once (E_INPUT), because nobody can know how much is missing. */
#ifndef DIGR_DATA_IMPORT_H
#define DIGR_DATA_IMPORT_H

#include "data/intake.h"

typedef enum MetaSyntax { META_PYTHON, META_JSON, META_JSON_2023 } MetaSyntax; /* Amazon 2014, 2018, 2023 */

/* import_amazon -- a release of the Amazon reviews, plain, gzip or zstd.
 *   reviews  2014, 2018: JSON lines with reviewerID, asin, unixReviewTime. 2023: JSON lines with user_id, parent_asin, timestamp (milliseconds: an event
 *            keeps its second, and the rest decides the order within it), or the release's CSV files, known by their first line
 *            `user_id,parent_asin,rating,timestamp` (and `,history`, which is passed over). Texts are checked and passed over.
 *   meta     asin (2023: parent_asin), and where present title, brand (2023: store), description (text or list), categories (list of paths, 2014; one path,
 *            2023, or main_category where that is empty) or category (one path, 2018), feature (2023: features). 2014: Python literals.
 *   captions JSON lines with asin and caption. meta and captions may be NULL.
 * Rules, each counted in the ledger: the first of several lines on one item counts; lines on items without reviews are skipped; a title that is page script
 * ("getTime") is no title; lines outside the strict grammar of JSON that cJSON reads all the same. Texts pass text_clean. */
Status import_amazon(Intake *c, const char *reviews, const char *meta, MetaSyntax syntax, const char *captions);

/* import_sequences -- sequences.txt (`user item item ...`, in time order), items.jsonl, and where present timestamps.txt (the same shape, Unix seconds,
 * 0 = unknown) and users.txt (`user rawid`) of `dir`. Texts are taken as they are. */
Status import_sequences(Intake *c, const char *dir);

/* intake_complete_text -- after reading: every item gets an id and no field stays NULL. */
void intake_complete_text(Intake *c);

/* Rows of an exact split that came with the sequences: minionerec_{train,valid,test}.tsv, or {train,valid,test}.tsv, with header
 * `user\thistory\ttarget\ttimestamp`, the last column being absent where no time is known. */
typedef struct ExactRow {
    int32_t user, position; /* key number; target = sequence[position] */
    int32_t length;         /* of the history as shipped; 0 for rows made here, whose history is all before the target */
    int64_t time_s;         /* 0: unknown */
} ExactRow;
typedef struct ExactRows { int64_t n[3]; ExactRow *row[3]; } ExactRows; /* train, valid, test */

/* import_exact_rows -- *rows NULL when dir has no such files. A user's rows over the three files are its positions 1, 2, 3, ...; each row must be a window
 * of the user's sequence (E_INPUT names file and line). begin (users+1): first event of each user in c->event, which must be in source order. */
Status import_exact_rows(const Intake *c, const char *dir, const int64_t *begin, ExactRows **rows);

#endif
