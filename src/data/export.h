/* data/export.h -- writing the files of a data set folder (format in dataset.h). */
#ifndef DIGR_DATA_EXPORT_H
#define DIGR_DATA_EXPORT_H

#include <cjson/cJSON.h>

#include "data/intake.h"
#include "data/split.h"
#include "io/manifest.h"

/* Source keys to the numbers 0..count-1 of the data set, and back. */
typedef struct Numbering {
    int64_t count;
    int32_t *number; /* (keys) -1: not in the data set */
    int64_t *source; /* (count) */
} Numbering;

const char *export_user_id(const Intake *c, int64_t user); /* the raw id of a user key */
/* export_text_counts -- {"title": n, ...}: items with such text; caller deletes. */
cJSON *export_text_counts(const Intake *c, const Numbering *items);
/* export_all -- items.jsonl, users.tsv, train.tsv, valid.tsv, test.tsv, times.tsv; each is atomic and named to the manifest. */
Status export_all(const Intake *c, const Split *s, const Numbering *users, const Numbering *items, const char *out, Manifest *manifest);

#endif
