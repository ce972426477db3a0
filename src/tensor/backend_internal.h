/* tensor/backend_internal.h -- what the files of a backend share; not for users of the room. */
#ifndef DIGR_TENSOR_BACKEND_INTERNAL_H
#define DIGR_TENSOR_BACKEND_INTERNAL_H

#include "tensor/backend.h"

/* Fill the op table with the reference ops; cpu starts from this and overrides. */
void backend_ref_fill(Backend *be);
void backend_ref_fill_nn(Backend *be); /* normalisation, attention, loss: backend_ref_nn.c */

/* Zero-filled, 64-byte aligned host memory; out of memory ends the program with exit 4. */
void *backend_host_alloc(size_t bytes);
void backend_host_free(void *p);

#endif
