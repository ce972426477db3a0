/* data/exchange_parts.h -- what the writers of exchange.h share. */
#ifndef DIGR_DATA_EXCHANGE_PARTS_H
#define DIGR_DATA_EXCHANGE_PARTS_H

#include <stdio.h>

#include "data/exchange.h"

/* exchange_file -- write out/name with `write`, whole or not at all; folders in name are made. */
Status exchange_file(Exchange *x, const char *out, const char *name, void (*write)(Exchange *x, FILE *f, int which), int which);

/* exchange_ids -- STEM.user2id (numbers `prefix` + index + first) and STEM.item2id (index + first). */
Status exchange_ids(Exchange *x, const char *out, const char *prefix, int first);
/* exchange_item_json -- STEM.item.json; exchange_index -- STEM.index.json where SIDs were given. */
Status exchange_item_json(Exchange *x, const char *out);
Status exchange_index(Exchange *x, const char *out);
/* exchange_flat -- text with tabs and line ends as spaces (counted in x->n_replaced), in x->arena or the text itself. */
const char *exchange_flat(Exchange *x, const char *text);
/* First event of the window of at most max_history events before a row's target. */
int64_t exchange_window(const Exchange *x, const ExchangeRow *row);

Status exchange_recbole(Exchange *x, const char *out);
Status exchange_lcrec(Exchange *x, const char *out);
Status exchange_minionerec(Exchange *x, const char *out);
Status exchange_sasrec(Exchange *x, const char *out);

#endif
