/* llm/cachemerge.h -- files of recorded answers, made by different people or machines, become one.
 *
 * Records are the same when key, set and item agree. Of the same records inside one input the later counts, as everywhere. Between inputs: the same response is kept once, as
 * the first input has it; another response is a conflict. Order: the records of the first input in their order, then those of the second that are new, and so on; lines are
 * copied as they are.
 */
#ifndef DIGR_LLM_CACHEMERGE_H
#define DIGR_LLM_CACHEMERGE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum OnConflict { CONFLICT_REFUSE, CONFLICT_FIRST, CONFLICT_LAST } OnConflict; /* the whole merge fails; the earlier input's answer stays; the later one's counts */

typedef struct MergedCache { int64_t inputs, read, superseded, identical, conflicts, written; } MergedCache;

/* cache_merge -- inputs: files, or folders of *.jsonl.zst.
 * out "": what the first input (a file) lacks is appended to it; a crash leaves at most a torn last frame, which readers drop. Otherwise `out` is written beside and renamed: it
 * is there whole or not at all; it may be one of the inputs.
 * E_INPUT: an input is damaged or holds malformed records; conflicts under CONFLICT_REFUSE (the first ten are logged). Nothing is written then. E_USAGE: fewer than two inputs, a
 * folder to append to. */
Status cache_merge(int n, const char *const *inputs, const char *out, OnConflict on_conflict, Arena *arena, MergedCache *count);

#endif
