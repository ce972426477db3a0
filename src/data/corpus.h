/* data/corpus.h -- interactions and item texts as read from a source, before filtering and splitting.
 *
 * Readers (import.h) fill it; the steps below reduce it in this order: corpus_sort, corpus_drop_duplicates, corpus_shuffle_ties, corpus_core.
 * Events are kept as 24 bytes each; review texts are never kept. */
#ifndef DIGR_DATA_CORPUS_H
#define DIGR_DATA_CORPUS_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "data/ledger.h"
#include "data/strtable.h"

typedef struct Event {
    int32_t user, item;
    int64_t time_s; /* 0: unknown */
    int64_t order;  /* position in the source: the last word where times are equal */
} Event;

typedef struct Corpus {
    Arena *arena;
    Ledger *ledger;
    StringTable *users, *items; /* the source's own keys, in order of first appearance */
    const char *const *user_id; /* (users) raw ids for output; NULL: the keys themselves */
    Event *event;
    int64_t n_events;
    size_t event_capacity, text_capacity;
    ItemText *text;       /* (items) NULL id: the source has no line for this item */
    int64_t n_text;       /* items with room in `text` */
    const char *item_id_kind; /* "asin" | "source number" */
    bool ordered;         /* events of a user come in order (sequence form), times may be unknown */
    cJSON *steps;         /* array of {"step","users","items","interactions"}; owned by whoever created the corpus */
} Corpus;

enum { TIME_MIN_S = 788918400 }; /* 1995-01-01, the year of Amazon's first sale */
#define TIME_MAX_S INT64_C(4102444800) /* 2100-01-01 */

Corpus *corpus_create(Arena *arena, Ledger *ledger);
void corpus_add_event(Corpus *c, int64_t user, int64_t item, int64_t time_s);
/* corpus_text -- the text slot of an item, zeroed at first (grows). */
ItemText *corpus_text(Corpus *c, int64_t item);
/* corpus_step -- record counts of users and items that still have events, under a name. */
void corpus_step(Corpus *c, const char *name);

/* corpus_sort -- by user, then time (raw form) and source order. Sequence form: source order alone. */
void corpus_sort(Corpus *c);
/* corpus_drop_duplicates -- after corpus_sort. Raw form: a line with user, item and time of an earlier one is dropped and noted. Both forms: repeats of
 * an item by a user at another time are kept and noted, or with keep_repeats false only the first is kept. */
void corpus_drop_duplicates(Corpus *c, bool keep_repeats);
/* corpus_shuffle_ties -- events of a user with the same known time in random order (a function of seed and user key). */
void corpus_shuffle_ties(Corpus *c, uint64_t seed);
/* corpus_drop_untitled -- events of items without a title. */
void corpus_drop_untitled(Corpus *c);
/* corpus_core -- drop users, then items, with fewer than k events, until nothing changes; one step recorded a round. */
void corpus_core(Corpus *c, int64_t k);
/* corpus_ties_json -- how much order is not known: {"equal_time_pairs", "adjacent_pairs", "users_with_ties", "last_two_tied", "ascending_id_pairs",
 * "unknown_times", "out_of_order_pairs"}; caller deletes. */
cJSON *corpus_ties_json(const Corpus *c);

#endif
