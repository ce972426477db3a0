/* data/sample.h -- the authored catalogue of the embedded sample: three categories of 480 items with planted latent interests.
 *
 * Two kinds of knowledge are kept apart from the first line on. SampleItem is what a shop would show. `latent` says which interests an
 * item serves: it drives the simulated users and the oracle row, and must reach nothing else (tests/test_sample.c proves it). The field
 * `explicit` of the files is not read at all. */
#ifndef DIGR_DATA_SAMPLE_H
#define DIGR_DATA_SAMPLE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct SampleItem {
    const char *id, *title, *brand, *description, *visual; /* visual: what a photo would show */
    const char *const *categories;                         /* root to leaf */
    int64_t n_categories;
    double price;
} SampleItem;

typedef struct SampleCatalogue {
    const char *category; /* "beauty" */
    int64_t n_items, n_interests;
    SampleItem *item;                                 /* (n_items) */
    int32_t *leaf;                                    /* (n_items) number of the whole category path, by first appearance */
    double *latent;                                   /* (n_items,n_interests) >= 0 */
    const char **interest_id, **interest_name;        /* (n_interests) */
} SampleCatalogue;

/* sample_load -- read `dir`/items_<category>.jsonl and interests_<category>.json (either may end in .zst) into arena.
 * E_INPUT names file and line: missing field, unknown interest, negative weight, repeated id. */
Status sample_load(const char *dir, const char *category, Arena *arena, SampleCatalogue **catalogue);
/* sample_path -- dir/file, or dir/file.zst where only the compressed form is there. */
const char *sample_path(Arena *arena, const char *dir, const char *file);

#endif
