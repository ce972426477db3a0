/* data/card.h -- the numbers of a data card: what a prepared data set is like, and what its protocol lets through.
 *
 * card_make joins meta.json (how the set was made) with what is measured on the files of the folder. All shares are in [0,1].
 *
 *   "format": "digr-card/1", "meta": meta.json as it is
 *   "size"     density; events per user and per item (min, q25, median, q75, q90, q99, max, mean); Gini of both (0: all equal); share of the interactions on
 *              the most popular 1 % and 10 % of the items; Gini = sum_i (2i - n - 1) x_i / (n sum x), x ascending
 *   "history"  events before the target, of valid and test rows; rows whose history is longer than max_history
 *   "time"     events with a known time; first and last day of all events, and of each part (train, valid, test)
 *   "text"     items without each text; items that share their (exact) title with another, and how many such titles there are
 *   "cold"     items in no training sequence; targets that are no training item
 *   "repeats"  events whose item the user had before; targets that are in their own history, and that are the very item before
 *   "ties"     pairs of adjacent events at the same second or (UTC) day, those in ascending order of ASIN, and rows the order of ties decides on:
 *              "target_tied": the target has the time of the event before it, so that another order of the source had made another target;
 *              "window_tied": two of the events a model sees, or the last of them and the target, have the same time
 *   "leakage"  targets earlier than the latest training event; the share of the training events that are later than a target, mean over the rows;
 *              users with rows of both parts, users of test rows with a training sequence; test rows whose history holds targets of valid or test rows
 *   "curves"   popularity (rank, interactions), Lorenz (share of items, share of interactions), histogram of the events per user, interactions a month
 *              of each part: arrays [x, y]
 * Unknown times take no part in what needs a time: every such count stands beside the number of rows or pairs it could be taken over. */
#ifndef DIGR_DATA_CARD_H
#define DIGR_DATA_CARD_H

#include <cjson/cJSON.h>

#include "data/dataset.h"
#include "data/events.h"

/* card_make -- d with text; meta: the tree of meta.json (not kept). Caller deletes. Scratch comes from tmp and is released. */
cJSON *card_make(const Dataset *d, const Events *e, const cJSON *meta, Arena *tmp);

#endif
