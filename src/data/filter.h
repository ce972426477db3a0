/* data/filter.h -- which interactions are kept: named steps between reading and splitting, each with its counts in meta.json ("filter").
 *
 * Steps, in this order; a step that was not asked for leaves no line:
 *   min rating  raw reviews rated lower are passed over while reading: they are counted among the rules, and "read" counts what is left
 *   window      [from, to): events at or after 00:00 UTC of the first day, before 00:00 UTC of the second. Every event must have a time.
 *   duplicates  drop | keep: of events with the same user, item and (known) second the first in the source stays, or all do
 *   repeats     keep | first | last: a user's further events with an item he had before, at another time, stay, or only the first or last event does
 *   items       any | with-metadata | titled: events of items without a metadata line go, or of items whose title has fewer than two characters
 *   title words events of items whose title has more words than this (words: between single spaces, after text_clean) go; 0: no limit
 *   core        users with fewer than core_users events go, then items with fewer than core_items, until nothing changes (the largest set in which both
 *               hold: the order of dropping does not matter), or for core_rounds rounds (1: one pass, as some do; users may then have fewer again)
 *
 * Recipes of others, as far as their code tells; data_prep/datasets.json uses these names ("filter"), for raw files only:
 *   LC-Rec, LETTER (2018): all ratings; duplicates drop, repeats first, items with-metadata, 5-core until nothing changes. The k-core of the
 *                          published 5-core file is the same set, because it contains every such set.
 *   MiniOneRec (2018):     the published 5-core file; titles that are page markup (`<span id`) or missing go, items titled, title words 20,
 *                          window by whole months (its end, 00:00 of a month's first day, is included there: give the day after as --to), duplicates and
 *                          repeats keep, 5-core until nothing changes. When fewer items than wanted are left it moves the window's begin back a year.
 *   S3-Rec, P5, TIGER (2014): the published 5-core file as it is; a further 5-core changes nothing.
 *   Amazon Reviews 2023's own 5-core: all reviews by parent_asin; repeats first, 5-core until nothing changes. */
#ifndef DIGR_DATA_FILTER_H
#define DIGR_DATA_FILTER_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/status.h"
#include "data/intake.h"

typedef struct FilterSettings {
    const char *duplicates, *repeats, *items; /* as above; NULL or "recipe": not said */
    const char *from, *to;                    /* YYYY-MM-DD; "": open; NULL or "recipe": not said */
    int64_t title_words;                      /* -1: not said */
    double min_rating;                        /* 0: all; for raw reviews only */
    int64_t core_users, core_items;           /* 0: not said; 1 keeps all */
    int64_t core_rounds;                      /* 0: until nothing changes */
} FilterSettings;

/* filter_resolve -- what holds: `asked` where it says something, else `recipe` (for the sequence form, raw false, its core alone), else duplicates drop (sequences: keep,
 * others filtered them), repeats keep, items any, no window, no limit, 5-core. */
FilterSettings filter_resolve(const FilterSettings *asked, const FilterSettings *recipe, bool raw);
/* filter_json -- the resolved settings for meta.json; caller deletes. */
cJSON *filter_json(const FilterSettings *f);

/* filter_described -- whether each item has a metadata line, (items) in c->arena; call before intake_complete_text. */
bool *filter_described(const Intake *c);
/* filter_apply -- all steps on sorted events (intake_sort). described: from filter_described. E_USAGE: no date; E_INPUT: a window over unknown times. */
Status filter_apply(Intake *c, const FilterSettings *f, const bool *described);

/* filter_least -- with fewer events than this, as read, a user or an item cannot be left in the end whatever the other steps do; 1: it can. (With limited rounds
 * nothing is known of items: a user with few items may go before they are counted.) */
void filter_least(const FilterSettings *f, int64_t *user, int64_t *item);
/* filter_core_ahead -- drop events of users and items with fewer events than that until nothing changes, in their order as read; no step is recorded. */
void filter_core_ahead(Intake *c, int64_t least_user, int64_t least_item);

/* filter_parse_date -- seconds of 00:00 UTC of YYYY-MM-DD; false when it is no date. */
bool filter_parse_date(const char *text, int64_t *time_s);

#endif
