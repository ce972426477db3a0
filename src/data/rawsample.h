/* data/rawsample.h -- the embedded sample in the raw Amazon 2014 format, so that it takes the same way in as real data.
 *
 *   reviews_Sample_<Cat>_5.json.gz  one JSON object a line, by ASIN and then by time, as Amazon's files are
 *   meta_Sample_<Cat>.json.gz       one *Python literal* a line, as the 2014 metadata are
 *   captions.jsonl                  {"asin", "caption"}: what the item's photo would show
 *
 * Only SampleItem and the simulated events are read: nothing latent can get in. */
#ifndef DIGR_DATA_RAWSAMPLE_H
#define DIGR_DATA_RAWSAMPLE_H

#include <stdint.h>

#include "base/status.h"
#include "data/sample.h"
#include "data/simulate.h"

typedef struct RawSamplePaths { const char *reviews, *meta, *captions; } RawSamplePaths;

/* rawsample_paths -- file names inside dir, in arena. */
RawSamplePaths rawsample_paths(const char *dir, const char *category, Arena *arena);
Status rawsample_write(const RawSamplePaths *paths, const SampleItem *item, int64_t n_items, const SimUser *users, int64_t n_users, uint64_t seed);

#endif
