/* eval/datacard.h -- a data card for people, from the numbers of data/card.h: what the set is, how it was made, what its texts, times and splits are like,
 * and what an evaluation on it can and cannot say. */
#ifndef DIGR_EVAL_DATACARD_H
#define DIGR_EVAL_DATACARD_H

#include <cjson/cJSON.h>

#include "eval/doc.h"

/* datacard_build -- card: a tree of card_make. Plots (popularity, lorenz and history lengths; interactions over time) are drawn into `out`. */
Status datacard_build(const cJSON *card, const char *out, Arena *arena, Doc **doc);
/* datacard_line -- one line for a terminal: name, counts, whether the published ones are met, whether shipped rows equal our own; *good false when not. */
const char *datacard_line(const cJSON *card, Arena *arena, bool *good);

#endif
