/* data/dataset.h -- a prepared data set: what 02_preprocess writes and every later stage reads.
 *
 * ROOM data: from what others publish to what our stages read. Depends on base and io.
 * Start reading here (the prepared folder), then prepare.h (how it is made: source.h tells what a folder holds, import.h reads it, intake.h filters,
 * split.h splits, export.h writes, ledger.h counts what was wrong), card.h (what the set is like), registry.h and acquire.h (where sources come from),
 * exchange.h (prepared sets in other people's forms), sample.h, simulate.h and oracle.h (the embedded sample).
 *
 * Folder layout (all text is UTF-8; items and users are indices 0..N-1, 0..n_users-1, assigned in a seeded random order,
 * never in ASIN order: in the 2014 sets equal-time events come sorted by ASIN and ids in that order would leak):
 *   meta.json      "name", "label" (for tables), "simulated" (bool), "protocol" ("leave-last-out" | "chrono-8-1-1" or another ratio), "max_history",
 *                  "counts": {"users", "items", "interactions", "train_sequences", "train_rows", "valid_rows", "test_rows"},
 *                  "filter": [{"step", "users", "items", "interactions"}, ...] from the raw data to the last 5-core round,
 *                  "text": {"title", "brand", "categories", "description", "keywords", "caption"}: how many items have each,
 *                  and what was rejected, dropped or tied (see data/prepare.h)
 *   items.jsonl    line i is item i: {"item": i, "id", "title", "brand", "categories": "A > B > C", "description", "keywords", "caption"}; missing text is
 *                  ""; nothing else (never a latent label). "id" is the ASIN, or the source's own item number where some items have no ASIN
 *                  (Industrial; meta.json source.item_ids says which). Several category paths are separated by " | ".
 *   users.tsv      header `user\tid`; raw id
 *   train.tsv      header `user\titems`; one training sequence a line, items space-separated in time order
 *   valid.tsv, test.tsv  header `user\thistory\ttarget\ttimestamp`; one evaluated row a line; history may be long:
 *                  consumers keep its last `max_history` items
 *   times.tsv      header `user\ttimes`; one user a line: Unix seconds of all his events, trained on or evaluated, in order; 0: unknown (events.h)
 * leave-last-out: train = all but the last two events, valid target = last but one, test target = last (its history includes the valid item).
 * chrono-8-1-1: rows in global time order, 8:1:1; a user's train rows form one training sequence.
 */
#ifndef DIGR_DATA_DATASET_H
#define DIGR_DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct ItemText {
    const char *id, *title, *brand, *categories, *description, *keywords, *caption; /* "" when missing, never NULL */
} ItemText;

/* Evaluated rows in compressed form: row r has history[offset[r]..offset[r+1]) and target[r]. */
typedef struct Rows {
    int64_t n;
    int32_t *user;     /* (n) */
    int64_t *offset;   /* (n+1) */
    int32_t *history;  /* (offset[n]) oldest first */
    int32_t *target;   /* (n) */
} Rows;

/* Training sequences: sequence s has items[offset[s]..offset[s+1]). */
typedef struct Sequences {
    int64_t n;
    int32_t *user;
    int64_t *offset;
    int32_t *items;
} Sequences;

typedef struct Dataset {
    const char *dir, *name, *label, *protocol;
    bool simulated;
    int64_t n_users, N, n_interactions, max_history;
    ItemText *text;     /* (N) */
    Sequences train;
    Rows valid, test;
} Dataset;

/* dataset_load -- read a folder into `arena` (everything lives there). Validates: item indices in range (file and line named),
 * counts equal to meta.json. with_text false skips items.jsonl (text = NULL). */
Status dataset_load(const char *dir, bool with_text, Arena *arena, Dataset **dataset);

/* dataset_popularity -- number of training events of each item, out (N). */
void dataset_popularity(const Dataset *d, int64_t *count);

#endif
