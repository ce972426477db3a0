/* base/guard.h -- one process at a time: a lock around work on a file, given back when the process ends, however it ends.
 *
 *   Guard *g;
 *   TRY(guard_take("cache/beauty.lock", "another process writes it", &g));   // waits, and says so once
 *   ... read, change, replace cache/beauty.lock ...
 *   guard_drop(g);
 *
 * The lock is flock() on `path.busy`, which is removed again by the last who held it. Only those who ask are kept apart. */
#ifndef DIGR_BASE_GUARD_H
#define DIGR_BASE_GUARD_H

#include "base/status.h"

typedef struct Guard Guard;

/* guard_take -- waiting: what is told, once, when somebody else has it. E_RESOURCE: `path.busy` cannot be created or locked. */
Status guard_take(const char *path, const char *waiting, Guard **guard);
void guard_drop(Guard *guard); /* NULL allowed */

#endif
