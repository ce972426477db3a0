/* data/import.h -- readers of what the field passes around, into an Intake. Faulty records go to the intake's ledger with file and line; a stream that
 * is truncated or corrupt ends the run at once (E_INPUT), because nobody can know how much is missing. */
#ifndef DIGR_DATA_IMPORT_H
#define DIGR_DATA_IMPORT_H

#include "data/intake.h"
#include "data/source.h"

typedef enum MetaSyntax { META_PYTHON, META_JSON, META_JSON_2023 } MetaSyntax; /* Amazon 2014, 2018, 2023 */

/* import_amazon -- a release of the Amazon reviews, plain, gzip or zstd.
 *   reviews  2014, 2018: JSON lines with reviewerID, asin, unixReviewTime. 2023: JSON lines with user_id, parent_asin, timestamp (milliseconds: an event
 *            keeps its second, and the rest decides the order within it), or the release's CSV files, known by their first line
 *            `user_id,parent_asin,rating,timestamp` (and `,history`, which is passed over). Texts are checked and passed over.
 *   meta     asin (2023: parent_asin), and where present title, brand (2023: store), description (text or list), categories (list of paths, 2014; one path,
 *            2023, or main_category where that is empty) or category (one path, 2018), feature (2023: features). 2014: Python literals.
 *   captions JSON lines with asin and caption. meta and captions may be NULL.
 * Rules, each counted in the ledger: the first of several lines on one item counts; lines on items without reviews are skipped; a title that is page script
 * ("getTime") or page markup ("<span id") is no title; with c->min_rating, lines rated lower are passed over; lines that the fast scanners leave to cJSON or
 * pyliteral.h. Texts pass text_clean. */
typedef struct ReadSettings {
    int64_t passes;                 /* 1 or 2; 0: 2 for files above 256 MiB, else 1 (pipes, too) */
    int64_t least_user, least_item; /* filter_least: what two passes may pass over */
} ReadSettings;

/* Two passes over the reviews (data/ahead.h) read a file of any size in the memory of its ids: events that cannot be in the core, and ids without others, are
 * never kept. Texts are kept of items in the core of what was read only, in a file of the output folder (textspool.h). The data set is the same. The step "read" has the counts of the whole file; what follows it
 * (duplicates, repeats, the rounds of the core) is counted among the events that were kept. settings NULL: one pass. */
Status import_amazon(Intake *c, const char *reviews, const char *meta, MetaSyntax syntax, const char *captions, const ReadSettings *settings);

/* import_sequences -- sequences.txt (`user item item ...`, in time order), items.jsonl, and where present timestamps.txt (the same shape, Unix seconds,
 * 0 = unknown) and users.txt (`user rawid`) of `dir`. Texts are taken as they are. */
Status import_sequences(Intake *c, const char *dir);

/* Other people's forms (source.h). Texts are taken as they are, but for descriptions that are Python lists in a text, as MiniOneRec writes them: their parts
 * are joined by a space (counted). Items without a line of text in a catalogue that is there are unknown; without a catalogue every item is taken.
 * *rows: the split that came with the data, NULL when there is none. Event order is the files'; times are 0 where the form has none.
 *
 * import_sasrec -- STEM.txt; S3-Rec's one line a user, or, where the first two lines have two words each, SASRec's one line an event. The attributes of
 * STEM_item2attributes.json have numbers, no names: an item's keywords become "attribute_12 attribute_45". Users may appear once (S3-Rec).
 * import_lcrec -- {"user": [item, ...]}; items are numbers or texts.
 * import_minionerec -- columns user_id, history_item_id, item_id are needed; lists are Python's. history_item_title, history_item_sid, item_title are
 * compared in length or content with what is known; history_timestamp, timestamp (as ReRe has) give times. Catalogue: STEM.item.json, else info/STEM.txt,
 * else the titles of the rows.
 * import_recbole -- fields by name: user_id or session_id, item_id, timestamp, position; item_id_list in benchmark files. .inter without position is
 * sorted by timestamp, then by line. Where benchmark files stand beside STEM.inter they must be rows of its sequences. Of .item: item_id, title
 * (movie_title, item_title, name), brand, categories (category, genre, class), description, keywords, caption. Ratings and .user are not read. */
typedef struct ExactRows ExactRows;
Status import_sasrec(Intake *c, const Source *source);
Status import_lcrec(Intake *c, const Source *source);
Status import_minionerec(Intake *c, const Source *source, ExactRows **rows);
Status import_recbole(Intake *c, const Source *source, ExactRows **rows);
Status import_foreign(Intake *c, const Source *source, ExactRows **rows); /* the one of these that source->form names */

/* intake_complete_text -- after reading: every item gets an id and no field stays NULL. */
void intake_complete_text(Intake *c);

/* Rows of an exact split that came with the sequences: minionerec_{train,valid,test}.tsv, or {train,valid,test}.tsv, with header
 * `user\thistory\ttarget\ttimestamp`, the last column being absent where no time is known. */
typedef struct ExactRow {
    int32_t user, position; /* key number; target = sequence[position] */
    int32_t length;         /* of the history as shipped; 0 for rows made here, whose history is all before the target */
    int64_t time_s;         /* 0: unknown */
} ExactRow;
struct ExactRows { int64_t n[3]; ExactRow *row[3]; }; /* train, valid, test */

/* import_exact_rows -- *rows NULL when dir has no such files. A user's rows over the three files are its positions 1, 2, 3, ...; each row must be a window
 * of the user's sequence (E_INPUT names file and line). begin (users+1): first event of each user in c->event, which must be in source order. */
Status import_exact_rows(const Intake *c, const char *dir, const int64_t *begin, ExactRows **rows);

#endif
