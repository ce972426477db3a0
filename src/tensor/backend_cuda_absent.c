/* tensor/backend_cuda_absent.c -- linked in place of the CUDA backend where there is no CUDA toolkit. */
#include <stddef.h>

#include "tensor/backend.h"

Backend *backend_cuda(void)
{
    return NULL;
}
