/* io/atomic.h -- the atomic files of base/atomic.h, under the name that readers of this room look for. */
#ifndef DIGR_IO_ATOMIC_H
#define DIGR_IO_ATOMIC_H
#include "base/atomic.h"
#endif
