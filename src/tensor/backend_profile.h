/* tensor/backend_profile.h -- where the time goes: a backend that passes every op on to another one and counts calls, seconds and arithmetic. */
#ifndef DIGR_TENSOR_BACKEND_PROFILE_H
#define DIGR_TENSOR_BACKEND_PROFILE_H

#include <stdio.h>

#include "tensor/backend.h"

/* backend_profile -- wraps `inner`, which must outlive it and is not destroyed with it. */
Backend *backend_profile(Backend *inner);
void backend_profile_reset(Backend *be);
/* backend_profile_print -- the ops by time, over `steps` equal steps of `seconds` together: calls, ms and share of a step, GFLOP/s of products; the last
 * row is what was spent outside the ops, or waiting. Time is counted thread by thread (lanes of backend.h): a step of n threads has n times its length to give
 * away, and rates are those of one thread. */
void backend_profile_print(const Backend *be, FILE *out, int64_t steps, double seconds);

#endif
