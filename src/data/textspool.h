/* data/textspool.h -- many texts at fixed addresses, kept in a file instead of memory.
 *
 * The texts of a large catalogue (a GB and more) are written once, and read twice: by filters and when the data set is written. They lie in a file without a name in
 * the output folder, mapped into memory; the pages of it that were written or read are let go again and again, so that few of them count as memory of the
 * process. The system may keep them cached, and takes that memory back when it is needed elsewhere. */
#ifndef DIGR_DATA_TEXTSPOOL_H
#define DIGR_DATA_TEXTSPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct TextSpool TextSpool;

/* textspool_open -- a spool in folder `dir`, which must exist. E_RESOURCE: no file can be made or mapped there. */
Status textspool_open(const char *dir, Arena *arena, TextSpool **spool);
/* textspool_keep -- a copy of text[0..n), at its address until textspool_close. E_RESOURCE: the disk is full. */
Status textspool_keep(TextSpool *s, const char *text, size_t n, const char **copy);
/* textspool_rest -- lets go of the pages in memory; every text stays where it is. To be called now and then while many are read. */
void textspool_rest(TextSpool *s);
int64_t textspool_bytes(const TextSpool *s);
void textspool_close(TextSpool *s); /* NULL is allowed */

#endif
