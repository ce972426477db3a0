/* io/stream.h -- line reader over plain, gzip and zstd sources, recognised by content, never by name.
 *
 * ROOM io: files and formats. Depends on base only. stream (line reading; decode is the bytes below it), gzip (writing), npy, safetensors, manifest,
 * download; atomic outputs are in base/atomic.h.
 *
 *   LineReader *r;
 *   TRY(line_open(path, &r));
 *   const char *line; size_t n;
 *   while (line_next(r, &line, &n)) { ... line is NUL-terminated, without '\n' ... }
 *   TRY(line_close(r));   // E_INPUT: truncated or corrupt stream (names file, byte offset, line)
 *
 * Constant memory: a few blocks and one line (a line over 64 MiB is E_INPUT at close). Sources over a MiB, and pipes, are read and decoded by a thread of
 * their own beside the caller; what the caller sees does not depend on it: the same lines, then the same fault. line_close may come at any time and leaves
 * no thread behind.
 */
#ifndef DIGR_IO_STREAM_H
#define DIGR_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct LineReader LineReader;

Status line_open(const char *path, LineReader **reader);      /* E_INPUT: cannot open */
/* line_open_memory -- lines of a plain, gzip or zstd source of n bytes in memory that outlives the reader; `name` stands for the path in messages. */
LineReader *line_open_memory(const char *name, const void *data, size_t n);
bool line_next(LineReader *reader, const char **line, size_t *n); /* false: end or error; the line is the caller's to change until the next call */
int64_t line_number(const LineReader *reader);                /* 1-based number of the last line returned */
int64_t line_bytes_read(const LineReader *reader);            /* compressed bytes consumed, for progress */
int64_t line_file_bytes(const LineReader *reader);
int64_t line_text_bytes(const LineReader *reader);            /* decoded bytes of the lines returned so far, ends included */
Status line_close(LineReader *reader);                        /* frees; reports what ended the stream */

/* line_open_tuned -- the same with blocks of a given size, decoded beside the caller or by it (tests, measurements). */
typedef struct LineTuning { size_t block_bytes; bool beside; } LineTuning;
Status line_open_tuned(const char *path, LineTuning tuning, LineReader **reader);

#endif
