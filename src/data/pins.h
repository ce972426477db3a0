/* data/pins.h -- the lock file: what a downloaded file was when it was first seen, and must be from then on (trust on first use).
 *
 *   {"format": "digr-lock/1", "files": {"<data set>/<name>": {"bytes", "sha256", "url"}}}
 *
 * To take a new edition on purpose: remove the entry, or run 01_download with --repin 1. Several processes may use one lock file: it is read when it is needed, and
 * changed under a guard. */
#ifndef DIGR_DATA_PINS_H
#define DIGR_DATA_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Pin { const char *sha256, *url; int64_t bytes; } Pin; /* sha256 "": no such entry */

/* pins_find -- a missing lock file has no entries. E_INPUT: it is no lock file of ours. */
Status pins_find(const char *path, const char *name, Arena *arena, Pin *pin);

/* pins_record -- writes the entry, unless it is there already. E_INPUT: another checksum is there, and replace is false. */
Status pins_record(const char *path, const char *name, const Pin *pin, bool replace);

#endif
