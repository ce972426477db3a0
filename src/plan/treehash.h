/* plan/treehash.h -- files from outside in a step's key. */
#ifndef DIGR_PLAN_TREEHASH_H
#define DIGR_PLAN_TREEHASH_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"

/* treehash_add -- a file, or all of a folder in name order (hidden ones left out): name and content of files up to 64 MiB; beyond that name, size and modification time (a raw
 * review file is gigabytes). E_INPUT: not there. */
Status treehash_add(Sha256 *h, const char *path, Arena *arena);

#endif
