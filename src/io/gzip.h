/* io/gzip.h -- writing a gzip file: atomic, and the same bytes every time (no name and no time in the header).
 *
 *   GzipFile *f;
 *   TRY(gzip_open(path, &f));
 *   gzip_write(f, text, n);        // errors are kept until the commit
 *   TRY(gzip_commit(f));           // E_RESOURCE: nothing appears under `path`
 */
#ifndef DIGR_IO_GZIP_H
#define DIGR_IO_GZIP_H

#include <stddef.h>

#include "base/status.h"

typedef struct GzipFile GzipFile;

Status gzip_open(const char *path, GzipFile **file); /* E_RESOURCE: cannot create */
void gzip_write(GzipFile *file, const void *data, size_t bytes);
void gzip_puts(GzipFile *file, const char *text);
void gzip_printf(GzipFile *file, const char *format, ...) __attribute__((format(printf, 2, 3))); /* at most 4 KiB */
Status gzip_commit(GzipFile *file); /* always frees `file` */
void gzip_abandon(GzipFile *file);  /* removes the temporary; NULL allowed */

#endif
