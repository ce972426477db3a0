/* io/download.h -- fetching one file over https, http or file:// (libcurl): resumed, verified, and there whole or not at all.
 *
 * Bytes go to `path.part`; a broken transfer leaves it, and the next call asks only for the rest (Range), provided that the server still has the same
 * file: its ETag or Last-Modified is kept in `path.part.from` and sent as If-Range. A server that ignores Range is read from the start. When all is
 * there, size and SHA-256 are compared, and the file is renamed. */
#ifndef DIGR_IO_DOWNLOAD_H
#define DIGR_IO_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

typedef struct DownloadFile {
    const char *url, *path;
    int64_t bytes;       /* expected size, 0: unknown */
    const char *sha256;  /* expected, "": unknown */
} DownloadFile;

typedef struct DownloadResult {
    int64_t bytes, resumed_at; /* resumed_at: bytes that were there already */
    char sha256[SHA256_HEX];
} DownloadResult;

/* download_is_url -- does it start with a scheme we fetch (https://, http://, file://)? */
bool download_is_url(const char *text);

/* download_fetch -- three attempts with pauses on what may pass (time-outs, broken connections, 5xx, 429).
 * E_RESOURCE: not reachable, not there, or the disk is full (`path.part` stays for the next time); E_INPUT: size or checksum differ (`path.part` is removed). */
Status download_fetch(const DownloadFile *file, DownloadResult *result);

/* download_probe -- is it there? Answers within timeout_s; the body is not read. bytes: its size, -1 when not told; NULL to skip. */
bool download_probe(const char *url, double timeout_s, int64_t *bytes);

#endif
