/* base/atomic.h -- files that appear whole or not at all: write `path.tmp`, flush, fsync, rename.
 *
 *   AtomicFile *f;
 *   TRY(atomic_open(path, &f));
 *   fprintf(atomic_stream(f), ...);
 *   TRY(atomic_commit(f));     // checks every earlier write: a full disk is E_RESOURCE here, nothing is renamed
 */
#ifndef DIGR_BASE_ATOMIC_H
#define DIGR_BASE_ATOMIC_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

typedef struct AtomicFile AtomicFile;

Status atomic_open(const char *path, AtomicFile **file); /* E_RESOURCE: cannot create */
FILE *atomic_stream(AtomicFile *file);
Status atomic_write(AtomicFile *file, const void *data, size_t bytes);
Status atomic_commit(AtomicFile *file);  /* always frees `file`; on failure the temporary is removed */
void atomic_abandon(AtomicFile *file);   /* removes the temporary; NULL allowed */

/* dir_make -- mkdir -p. */
Status dir_make(const char *path);
/* path_exists -- 1 when something readable is there. */
int path_exists(const char *path);

#endif
