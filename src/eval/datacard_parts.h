/* eval/datacard_parts.h -- what the files of a data card share: access to its numbers, and the sections. */
#ifndef DIGR_EVAL_DATACARD_PARTS_H
#define DIGR_EVAL_DATACARD_PARTS_H

#include <cjson/cJSON.h>

#include "eval/doc.h"
#include "eval/results.h"

/* A number of the card by dotted path, 0 when absent. */
static inline double card_number(const cJSON *card, const char *dotted)
{
    double value = 0;
    return results_number(card, dotted, &value) ? value : 0;
}

/* A text of the card: section and key of meta.json ("" = the top), "" when absent. */
static inline const char *card_text(const cJSON *card, const char *section, const char *key)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(card, "meta");
    if (section[0] != '\0') at = cJSON_GetObjectItemCaseSensitive(at, section);
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(at, key);
    return cJSON_IsString(text) ? text->valuestring : "";
}

static inline const char *card_count(const cJSON *card, const char *dotted, Arena *arena) { return table_count((int64_t)card_number(card, dotted), arena); }

/* "1,234 (12.3 %)" of a whole; "1,234" when the whole is 0. */
static inline const char *card_share(double part, double whole, Arena *arena)
{
    const char *count = table_count((int64_t)part, arena);
    return whole > 0 ? arena_printf(arena, "%s (%.1f %%)", count, 100.0 * part / whole) : count;
}

static inline const char *card_percent(double share, Arena *arena) { return arena_printf(arena, "%.1f %%", 100.0 * share); }

/* datacard_split.c: rows, cold items, repeats, ties, leakage, shipped rows */
void datacard_splits(Doc *d, const cJSON *card);
void datacard_ties(Doc *d, const cJSON *card);
void datacard_leakage(Doc *d, const cJSON *card);
void datacard_rows_check(Doc *d, const cJSON *card);

#endif
