/* data/prepare.h -- from a source folder to a data set folder (the work of 02_preprocess).
 *
 * Steps, each counted in meta.json: read, filter (filter.h), (shuffle ties), split (split.h), number, write. Items and users are numbered by a keyed hash of their ids: an order that depends on the seed and the ids alone, neither on the source's order nor
 * on anything the users did.
 *
 * meta.json beyond dataset.h:
 *   "source": {"form" (source.h; amazon is "raw"), "release", "rows_from", "item_ids": "asin" | "source number" | "raw id", and of other people's forms
 *              "stem"}
 *   "licence", "homepage", "note": from datasets.json
 *   "seed", "filter_settings": filter_json, "ties": {"rule": "file" | "shuffle", "seed", counts of intake_ties_json}
 *   "input": ledger_json (what was read, rejected, or treated by a rule)
 *   "captions": of --captions, where given: {"lines", "joined", "replaced" (the source's own), "items_without"}
 *   "expected": counts of datasets.json, who printed them ("source") and "met", where known
 *   "rows_check": rows made by our own rule against the rows shipped with the source (rowcheck.h), where rows were shipped */
#ifndef DIGR_DATA_PREPARE_H
#define DIGR_DATA_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "data/source.h"
#include "io/manifest.h"

typedef struct PrepareSettings {
    const char *protocol, *ties; /* "leave-last-out" | "chrono-8-1-1"; "file" | "shuffle" */
    const char *ratio;           /* chrono: "A:B:C", NULL or "" = 8:1:1 */
    int64_t max_history;         /* 0: the protocol's own */
    FilterSettings filter;       /* what was asked for; datasets.json fills the rest */
    bool check_counts;
    const char *form, *stem;     /* what the folder holds and its files' name (source.h); NULL: found out */
    int64_t passes;              /* over raw reviews: 1 or 2; 0: by the size of the file (import.h) */
    const char *captions;        /* file of recorded captions (captionfile.h); NULL or "": none */
    double max_loss;             /* share of records */
    uint64_t seed;               /* of the numbering */
    int64_t ties_seed;           /* of --ties shuffle; -1: as seed. Its own, so that two shuffles differ in nothing but the order */
} PrepareSettings;

/* prepare_dataset -- reads `raw`, writes meta.json, items.jsonl, users.tsv, train.tsv, valid.tsv, test.tsv, times.tsv, rejected.tsv into `out`. manifest gets inputs
 * and outputs. E_INPUT: nothing usable, too much lost, or other counts than expected. */
Status prepare_dataset(const RegistryEntry *entry, const char *raw, const PrepareSettings *settings, const char *out, Manifest *manifest);

#endif
