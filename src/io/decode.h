/* io/decode.h -- bytes of a plain, gzip or zstd source, recognised by content, decoded block by block (what stream.h splits into lines).
 *
 * gzip runs through ISA-L's igzip. The header and trailer of every member are checked here as strictly as zlib checks them (magic, method, reserved flags,
 * header CRC, CRC-32 and length of the text), members in a row are one stream, and anything else behind a member is an error. zstd frames in a row are one
 * stream, with their checksums. A source that ends inside a member or frame is truncated.
 *
 *   Decoder *d;
 *   TRY(decoder_open(path, arena, &d));
 *   while ((n = decoder_read(d, buffer, sizeof buffer)) > 0) ...
 *   if (decoder_fault(d)->kind != DECODE_FINE) ...
 *   decoder_close(d);
 *
 * A decoder may be used by one thread after the other, not by two at once. It records no error of its own (base/status.h): whoever owns it reports the fault.
 */
#ifndef DIGR_IO_DECODE_H
#define DIGR_IO_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Decoder Decoder;

typedef enum DecodeFaultKind { DECODE_FINE, DECODE_TRUNCATED, DECODE_CORRUPT, DECODE_READ_ERROR, DECODE_NO_MEMORY } DecodeFaultKind;

typedef struct DecodeFault {
    DecodeFaultKind kind;
    int64_t at_byte;     /* of the compressed source; for a truncation, its length */
    const char *codec;   /* "plain" | "gzip" | "zstd" */
    char reason[128];
} DecodeFault;

/* decoder_open -- E_INPUT: cannot open, or a folder. The decoder lives in `arena` and is ended by decoder_close. */
Status decoder_open(const char *path, Arena *arena, Decoder **decoder);
/* decoder_open_memory -- the same over n bytes that outlive the decoder; cannot fail. */
Decoder *decoder_open_memory(const void *data, size_t n, Arena *arena);

/* decoder_read -- up to `room` (> 0) bytes of text, as many as there are; 0: the end, or a fault (text in front of it was given out). */
size_t decoder_read(Decoder *d, char *out, size_t room);
const DecodeFault *decoder_fault(const Decoder *d);
int64_t decoder_bytes_read(const Decoder *d); /* compressed bytes taken from the source so far */
int64_t decoder_source_bytes(const Decoder *d); /* length of the source; 0 when it is not a regular file */
/* decoder_interrupt -- makes a decoder_read that waits for a pipe give up; may be called from another thread. */
void decoder_interrupt(Decoder *d);
void decoder_close(Decoder *d);

#endif
