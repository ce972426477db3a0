/* llm/judged.h -- interests with a recorded verdict (template judge/v1), as rows of features with a label: what the classifier learns from.
 *
 * Judged rows have an origin. `mined`: an interest of that very item. `swapped`: one of another item; `generic`: an empty phrase. The last two were planted as known
 * negatives; the judge's own label counts in every case (a swapped interest that happens to fit is a positive). */
#ifndef DIGR_LLM_JUDGED_H
#define DIGR_LLM_JUDGED_H

#include <stdbool.h>
#include <stdint.h>

#include "data/dataset.h"
#include "llm/features.h"
#include "llm/responses.h"

typedef enum Origin { ORIGIN_MINED, ORIGIN_SWAPPED, ORIGIN_GENERIC, N_ORIGINS } Origin;

const char *origin_name(Origin o);

/* Judged rows, growing: judged_gather adds those of one set. */
typedef struct Judged {
    int64_t n, n_groups, n_outside, n_malformed; /* outside: the item is not in the data set */
    size_t capacity;
    struct JudgedRow *at;
} Judged;

typedef struct JudgedRow {
    int64_t group;             /* item, numbered over all sets */
    const char *set, *item, *interest;
    Origin origin;
    int label;
    double row[N_FEATURES];
    bool known[N_FEATURES];
} JudgedRow;

/* judged_gather -- the judged interests of `set` that `template_id` recorded, with their features. Malformed labels are counted; an unknown origin is E_INPUT. */
Status judged_gather(const Responses *cache, const char *set, const char *template_id, const Dataset *d, const FeatureCorpus *c, Arena *arena, Judged *judged);

#endif
