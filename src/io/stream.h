/* io/stream.h -- line reader over plain, gzip (zlib) and zstd files, recognised by content, never by name.
 *
 * ROOM io: files and formats. Depends on base only. stream (line reading), npy, safetensors, manifest, download; atomic outputs are in
 * base/atomic.h.
 *
 *   LineReader *r;
 *   TRY(line_open(path, &r));
 *   const char *line; size_t n;
 *   while (line_next(r, &line, &n)) { ... line is NUL-terminated, without '\n' ... }
 *   TRY(line_close(r));   // E_INPUT: truncated or corrupt stream (names file, byte offset, line)
 *
 * Constant memory: one line at a time (a line over 64 MiB is E_INPUT at close).
 */
#ifndef DIGR_IO_STREAM_H
#define DIGR_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct LineReader LineReader;

Status line_open(const char *path, LineReader **reader);      /* E_INPUT: cannot open */
bool line_next(LineReader *reader, const char **line, size_t *n); /* false: end or error */
int64_t line_number(const LineReader *reader);                /* 1-based number of the last line returned */
int64_t line_bytes_read(const LineReader *reader);            /* compressed bytes consumed, for progress */
int64_t line_file_bytes(const LineReader *reader);
Status line_close(LineReader *reader);                        /* frees; reports what ended the stream */

#endif
