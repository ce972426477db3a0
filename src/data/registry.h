/* data/registry.h -- data_prep/datasets.json: the data sets by name, what their files are called, where they can be had, what must come out.
 *
 *   {"format": "digr-datasets/1", "datasets": [{
 *      "name": "beauty", "label": "Beauty (Amazon 2014)", "release": "amazon-2014" | "amazon-2018" | "amazon-2023", "simulated": false,
 *      "folder": "beauty",              sub-folder of a source that may hold it
 *      "files": [{"role": "reviews" | "meta" | "captions", "name": "...json.gz", "urls": ["https://..."], "bytes": n, "sha256": "..."}],
 *                                       urls in order of preference; bytes and sha256 where known
 *      "expected": {"users", "items", "interactions", "source"},   after filtering, and who printed them; absent: unknown
 *      "expected_raw": false,           whether raw files must give these counts as well (the sequence form always must)
 *      "filter": {"duplicates", "repeats", "items", "title_words", "from", "to", "core_users", "core_items"},   as in data/filter.h; what is absent is not said
 *      "licence", "homepage", "note":   texts for people: the terms the publisher states, where they stand, what to know about this entry
 *      "hint": "how to make it"}]}      shown when there is nothing to download
 */
#ifndef DIGR_DATA_REGISTRY_H
#define DIGR_DATA_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/filter.h"

enum { REGISTRY_MAX_FILES = 4, REGISTRY_MAX_URLS = 8 };

typedef struct RegistryFile {
    const char *role, *name, *sha256; /* sha256 "": unknown */
    const char *url[REGISTRY_MAX_URLS];
    int64_t n_urls, bytes;            /* bytes 0: unknown */
    bool optional;                    /* captions may be absent */
} RegistryFile;

typedef struct RegistryEntry {
    const char *name, *label, *release, *folder, *hint;
    const char *licence, *homepage, *note, *expected_source; /* "": not said */
    bool simulated, expected_raw;
    FilterSettings filter; /* the recipe for raw files */
    RegistryFile file[REGISTRY_MAX_FILES];
    int64_t n_files;
    int64_t users, items, interactions; /* expected; 0: unknown */
} RegistryEntry;

/* registry_find -- the entry `name` of the JSON file `path`, in arena. E_USAGE when there is none (lists the names). */
Status registry_find(const char *path, const char *name, Arena *arena, RegistryEntry **entry);
/* registry_file -- by role; NULL when the entry has none. */
const RegistryFile *registry_file(const RegistryEntry *entry, const char *role);

/* registry_find_or_own -- the entry `name`; where the registry has none and the form of the files is given (form is not "auto"), an entry for somebody's
 * own files under this new name: no addresses, no expected counts. E_USAGE also for a name that is no good for folders (a-z, 0-9, - and _). */
Status registry_find_or_own(const char *path, const char *name, const char *form, Arena *arena, RegistryEntry **entry);

/* What a folder holds: the sequence form (sequences.txt and items.jsonl), the entry's raw files. Other people's forms: source.h. */
typedef struct RegistryForms { bool sequences, raw; } RegistryForms;
RegistryForms registry_forms(const RegistryEntry *entry, const char *dir);
/* The files of the sequence form; needed ones first. NULL ends the list. */
extern const char *const registry_sequence_files[];
enum { REGISTRY_SEQUENCE_NEEDED = 2 };

#endif
