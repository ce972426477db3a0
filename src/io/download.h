/* io/download.h -- fetching one file over https, http or file:// (libcurl): resumed, verified, and there whole or not at all.
 *
 * Bytes go to a part file (part.h), one for each address. A broken transfer leaves it, and the next attempt or call asks only for the rest (Range with
 * If-Range: its ETag or date; a local file is the same while its size and time are). Nothing a server says is believed without need:
 *   - a range other than the one asked for, or of another edition or size, is not used: the whole file is asked for instead;
 *   - "200, here is everything" in place of a range is compared with the bytes at hand, and writing goes on where they end or differ;
 *   - a page in place of the file (HTML, XML, no JSON where JSON must be), an empty answer, another kind of file than the bytes at hand: not written at all;
 *   - when all is there: size and SHA-256 where they are known, else gzip and zstd are read to their end. What ends too early is asked for the rest once, and
 *     kept. What differs is fetched once more from the start if it was pieced together, else set aside as `path.rejected` (the next success removes it).
 * Then the file is renamed to its name. Addresses without a validator are resumed only when the SHA-256 is known.
 *
 * One process at a time for one path: the caller sees to that (base/guard.h). */
#ifndef DIGR_IO_DOWNLOAD_H
#define DIGR_IO_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "io/content.h"

/* 0 anywhere: the default. */
typedef struct DownloadLimits {
    int64_t attempts;       /* in a row without 64 KiB of progress; 3 */
    double pause_s;         /* after the n-th failure n*n times this, or what Retry-After says; 1 */
    double longest_pause_s; /* a server that asks for more (Retry-After) is given up; 60 */
    double stall_s;         /* give up a transfer below 200 bytes/s for so long (looked at once a second); 60 */
    double connect_s;       /* 20 */
} DownloadLimits;

typedef struct DownloadResult {
    int64_t bytes, resumed_at; /* resumed_at: bytes the last attempt built on */
    int64_t transferred;       /* body bytes received in this call, over all attempts */
    bool local_fault;          /* the failure is ours (disk full, folder not writable): another address will not help */
    char sha256[SHA256_HEX];
} DownloadResult;

typedef struct DownloadFile {
    const char *url, *path;
    int64_t bytes;       /* expected size, 0: unknown */
    const char *sha256;  /* expected, "": unknown */
    const char *remedy;  /* what to do when size or checksum differ; NULL: "give another --source" */
    ContentKind content; /* what it must look like */
    DownloadLimits limits;
    bool readmit;        /* take up `path.rejected` again if it is from this address */
    /* Called before the file gets its name, e.g. to record its checksum; NULL: none. A failure is passed on, and the part stays. */
    Status (*verified)(void *user, const char *url, const DownloadResult *result);
    void *user;
} DownloadFile;

/* download_is_url -- does it start with a scheme we fetch (https://, http://, file://)? */
bool download_is_url(const char *text);

/* download_fetch -- attempts with pauses on what may pass (time-outs, stalls, broken connections, 5xx, 429, 408).
 * E_RESOURCE: not reachable, not there, broken off, or the disk is full; E_INPUT: what came is not the file. Messages name file, address and reason. */
Status download_fetch(const DownloadFile *file, DownloadResult *result);

/* download_probe -- is it there? Answers within timeout_s; the body is not read, and a page of HTML is not it. bytes: its size, -1 when not told; NULL to skip. */
bool download_probe(const char *url, double timeout_s, int64_t *bytes);

#endif
