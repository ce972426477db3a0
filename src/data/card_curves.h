/* data/card_curves.h -- the curves of a data card as arrays of [x, y] (card.h). */
#ifndef DIGR_DATA_CARD_CURVES_H
#define DIGR_DATA_CARD_CURVES_H

#include <cjson/cJSON.h>

#include "data/events.h"

/* card_curves -- "popularity": rank (from 1, about 200 of them, evenly on a logarithmic scale, the last included) and its interactions; "lorenz": share of the
 * items, most popular first (in percent steps), and of the interactions on them; "per_user": events and how many users have so many; "months": {"train",
 * "valid", "test"}: year as a fraction (the month's begin) and interactions of that month, months without any included. Caller deletes. */
cJSON *card_curves(const Dataset *d, const Events *e, const int64_t *per_item, const int64_t *per_user, Arena *tmp);

#endif
