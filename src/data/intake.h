/* data/intake.h -- interactions and item texts as read from a source, before filtering and splitting.
 *
 * Readers (import.h) fill it; then intake_sort, the filters (filter.h), and on request intake_shuffle_ties.
 * Events are kept as 24 bytes each; review texts are never kept. */
#ifndef DIGR_DATA_INTAKE_H
#define DIGR_DATA_INTAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "data/ledger.h"
#include "data/strtable.h"
#include "data/textspool.h"

typedef struct Event {
    int32_t user, item;
    int64_t time_s; /* 0: unknown */
    int64_t order;  /* the last word where times are equal: the part of a second above INTAKE_ORDER_BITS where the source has it, below it the position */
} Event;
enum { INTAKE_ORDER_BITS = 48 };

typedef struct Intake {
    Arena *arena;
    Ledger *ledger;
    StringTable *users, *items; /* the source's own keys, in order of first appearance */
    const char *const *user_id; /* (users) raw ids for output; NULL: the keys themselves */
    Event *event;
    int64_t n_events;
    size_t event_capacity, text_capacity;
    char *slab;           /* where intake_keep_text puts the next text */
    size_t slab_left;
    const char *spool_dir; /* where texts are kept in a file while large sources are read in two passes; NULL: in memory */
    TextSpool *spool;      /* whoever created the intake calls intake_close */
    ItemText *text;       /* (items) NULL id: the source has no line for this item */
    int64_t n_text;       /* items with room in `text` */
    const char *item_id_kind; /* "asin" | "source number" */
    bool ordered;         /* events of a user come in order (sequence form), times may be unknown */
    bool counted_ahead;   /* what cannot be in the core was passed over while reading (import.h); the step "read" is recorded */
    const bool *wanted;   /* (items) then: has events; texts of others are passed over. NULL: all are wanted */
    double min_rating;    /* readers of raw reviews pass over lines with a lower rating, and note them; 0: all lines */
    cJSON *steps;         /* array of {"step","users","items","interactions"}; owned by whoever created the intake */
} Intake;

enum { TIME_MIN_S = 788918400 }; /* 1995-01-01, the year of Amazon's first sale */
#define TIME_MAX_S INT64_C(4102444800) /* 2100-01-01 */

Intake *intake_create(Arena *arena, Ledger *ledger);
void intake_add_event(Intake *c, int64_t user, int64_t item, int64_t time_s);
/* intake_reserve -- room for n events at once, before the first: no copies while they come. Memory is used as they come. */
void intake_reserve(Intake *c, int64_t n);
/* intake_trim -- gives the memory behind the last event back to the system; room for as many events as before stays. */
void intake_trim(Intake *c);
/* intake_text -- the text slot of an item, zeroed at first (grows). */
ItemText *intake_text(Intake *c, int64_t item);
/* intake_keep_text -- a copy that lives as long as the intake, and costs its length: of memory, or with counted_ahead and a spool_dir of disk (textspool.h). */
const char *intake_keep_text(Intake *c, const char *text);
/* intake_texts_read -- to be called after the texts of item number `i` of a loop were read: lets go of spooled pages now and then. */
void intake_texts_read(const Intake *c, int64_t i);
/* intake_close -- frees what is not in the arena; its steps stay the caller's. */
void intake_close(Intake *c);
/* intake_step -- record counts of users and items that still have events, under a name. */
void intake_step(Intake *c, const char *name);
/* intake_step_counts -- the same with counts made elsewhere. */
void intake_step_counts(Intake *c, const char *name, int64_t users, int64_t items, int64_t events);

/* intake_sort -- by user, then time (raw form) and source order. Sequence form: source order alone. In place: 16 bytes a user more. */
void intake_sort(Intake *c);
/* intake_same_time -- whether the order of two events of a user is not known from their (known) times. */
bool intake_same_time(const Event *a, const Event *b);
/* intake_shuffle_ties -- events of a user with the same known time in random order (a function of seed and user key). */
void intake_shuffle_ties(Intake *c, uint64_t seed);
/* intake_ties_json -- how much order is not known, over pairs of adjacent events of one user: {"adjacent_pairs", "timed_pairs" (both times known),
 * "equal_time_pairs" (same second), "same_day_pairs" (same UTC day), "ascending_id_pairs" (same second, ids ascending; absent when ids are no ASINs),
 * "users_with_ties", "last_two_tied", "unknown_times" (events), "out_of_order_pairs"}; caller deletes. */
cJSON *intake_ties_json(const Intake *c);

#endif
