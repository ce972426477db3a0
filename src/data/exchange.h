/* data/exchange.h -- a prepared data set in other people's forms (source.h), so that their code runs on exactly our splits (the work of 02_export).
 *
 * Users and items are our indices 0..n-1 (S3-Rec and SASRec: 1..n, as their code wants 0 for padding); STEM.user2id and STEM.item2id lead back to the raw
 * ids, `raw id TAB number`. Read back with 02_preprocess, the same seed, --k-core 1 and the same protocol, a form gives the same sequences, rows, ids and
 * texts, byte by byte, but for what it cannot carry:
 *
 *   recbole      STEM.inter with every event (timestamp where any is known, position), STEM.{train,valid,test}.inter with the rows of the protocol,
 *                histories cut to max_history; STEM.item; STEM.yaml. Tabs and line ends in texts become spaces (counted).
 *   lc-rec       STEM.inter.json, STEM.item.json, with SIDs STEM.index.json. No times; the split is leave-last-out whatever the protocol was.
 *   minionerec   train, valid and test CSV files with the rows of the protocol, STEM.item.json, with SIDs STEM.index.json, info/STEM.txt and the SID
 *                columns. history_timestamp and timestamp are added where any time is known. A user with one event has no row, and is not carried.
 *   sasrec       STEM.txt (S3-Rec), STEM_item2attributes.json (brand and category names as numbers, names in STEM_attributes.tsv), pairs/STEM.txt
 *                (SASRec). No times, no texts; the split is leave-last-out whatever the protocol was.
 *
 * Train rows stand in order of time when every time is known and the protocol is by time, else by user. */
#ifndef DIGR_DATA_EXCHANGE_H
#define DIGR_DATA_EXCHANGE_H

#include "base/arena.h"
#include "data/events.h"
#include "data/source.h"
#include "data/strtable.h"
#include "io/manifest.h"

typedef struct ExchangeRow { int32_t user; int64_t position; } ExchangeRow; /* target = e->item[e->offset[user] + position] */

typedef struct Exchange {
    Arena *arena;
    Dataset *d;
    const char *licence, *homepage, *stem;
    const char **user_id;    /* (n_users) raw ids */
    const Events *e;         /* every user's whole sequence */
    int64_t n_timed;         /* events with a known time */
    ExchangeRow *row[3];     /* train, valid, test */
    int64_t n_rows[3];
    const char **sid;        /* (N) "<a_1><b_2><c_3>", NULL: no SIDs given */
    const char *sid_file;
    const char *id_prefix;   /* of user numbers in the form being written: "A22" in MiniOneRec's */
    int id_first;            /* first number of users and items in the form being written */
    StringTable *attributes; /* of the form being written, numbered from 0 */
    int64_t n_replaced;      /* texts that lost a tab or line end, in the form being written */
    Manifest *manifest;
} Exchange;

/* exchange_load -- reads a prepared folder and checks it: train.tsv, valid.tsv and test.tsv must fit each other, row by row (E_INPUT names the file). sids: folder with sids.index.json of 06_tokenize, or "". stem: names of the files to be written. */
Status exchange_load(const char *dir, const char *sids, const char *stem, Arena *arena, Manifest *manifest, Exchange **x);

/* exchange_write -- one form into `out`, with a README.txt that says what it is; each file is named to the manifest. E_USAGE for forms that are not
 * exported (sequences, amazon). */
Status exchange_write(Exchange *x, SourceForm form, const char *out);

#endif
