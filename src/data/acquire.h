/* data/acquire.h -- getting a data set's files to hand (the work of 01_download).
 *
 * A source is a folder (read in place: the files are linked, or copied on request), a URL of a folder (https://, http://, file://), or "" for the addresses
 * of the registry. Under a folder or URL, `<folder>/` of the data set is looked at first, then the place itself; the sequence form counts before raw files.
 * Folders may hold the other forms of source.h; a URL cannot be listed, so there the form has to be given (and the stem, where it is not the registry's).
 * Downloaded files are checked against the registry where it knows their checksums, else against the lock file (pins.h): the first download writes size and
 * SHA-256 there (trust on first use), later ones must agree. A page of HTML or half a gzip file is not recorded but refused (download.h).
 * The registry's addresses of a file are tried in order; what each has brought so far stays apart from the others. Whoever fills `out` holds a guard on its
 * manifest.json (base/guard.h), so that two processes do not write the same files: 01_download does. */
#ifndef DIGR_DATA_ACQUIRE_H
#define DIGR_DATA_ACQUIRE_H

#include <stdbool.h>

#include "data/source.h"
#include "io/download.h"
#include "io/manifest.h"

typedef struct AcquireSettings {
    const char *source, *lock; /* lock: path of the lock file */
    bool copy;                 /* copy local files instead of linking them */
    const char *form, *stem;   /* what the source holds and its files' name (source.h); NULL: found out */
    bool repin;                /* what the lock file says does not count, and is written anew */
    DownloadLimits limits;
} AcquireSettings;

/* acquire_files -- puts the files into `out`. E_RESOURCE with the ways on when they cannot be had; E_INPUT for a wrong checksum, or another file. The manifest gets every
 * file as output, and notes "form", "from" and "simulated". */
Status acquire_files(const RegistryEntry *entry, const AcquireSettings *settings, const char *out, Manifest *manifest);

/* acquire_probe -- can they be had? Answers within a few seconds and fetches nothing. OK, or the same E_RESOURCE. */
Status acquire_probe(const RegistryEntry *entry, const AcquireSettings *settings);

#endif
