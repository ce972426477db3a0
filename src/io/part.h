/* io/part.h -- a file on its way: the bytes that came so far, and where they are from.
 *
 * The bytes of `target` from one address lie in `target.part-XXXXXXXX` (eight hex digits of the address's SHA-256), so that bytes of two mirrors never mix and a
 * mirror that fails leaves what another has brought alone. Beside it `....from` says, in three lines: the address; the validator (what the source calls this
 * edition of the file: ETag, date, or size and time of a local file; empty when it told none); the size of the whole, -1 when not told. Bytes without a
 * readable `.from` are of unknown origin and count for nothing. */
#ifndef DIGR_IO_PART_H
#define DIGR_IO_PART_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Part {
    const char *target, *url, *path, *from;
    int fd;              /* -1 while closed */
    int64_t bytes;       /* in the file now */
    int64_t total;       /* of the whole, -1: not told */
    bool described;      /* `.from` says so */
    char validator[512]; /* "": none */
} Part;

/* part_open -- opens or creates it, reads where it is from. E_RESOURCE: cannot create. */
Status part_open(const char *target, const char *url, Arena *arena, Part *part);
/* part_describe -- these are bytes of this edition, of so many: notes it in `.from` when it is news. False with errno; then the old `.from` stays. */
bool part_describe(Part *part, const char *validator, int64_t total);
/* part_truncate -- keeps the first `bytes`. False with errno. */
bool part_truncate(Part *part, int64_t bytes);
/* part_agrees -- how many of the n bytes at `at` are the same in the file. -1 with errno when it cannot be read. */
int64_t part_agrees(const Part *part, int64_t at, const char *data, size_t n);
/* part_peek -- the first bytes, at most n; -1 with errno. */
ssize_t part_peek(const Part *part, char *data, size_t n);
/* part_append -- false with errno; what fitted is kept and counted. */
bool part_append(Part *part, const char *data, size_t n);
/* part_flush -- to disk. False with errno. */
bool part_flush(const Part *part);

/* part_finish -- renames it to target and removes the parts of other addresses. E_RESOURCE */
Status part_finish(Part *part);
/* part_reject -- renames it to `target.rejected`: complete, and not what was expected; so it can be looked at. */
void part_reject(Part *part);
/* part_readmit -- before part_open: if the rejected file is from this address, it is a complete part again. */
void part_readmit(const char *target, const char *url);
/* part_leave -- closes it for another time; a part without a byte is removed. */
void part_leave(Part *part);

#endif
