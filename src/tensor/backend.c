/* tensor/backend.c -- choosing a backend by name. */
#include "tensor/backend.h"

#include <string.h>

Status backend_open(const char *name, int threads, Backend **backend)
{
    *backend = NULL;
    if (strcmp(name, "ref") == 0) {
        *backend = backend_ref();
    } else if (strcmp(name, "cpu") == 0) {
        *backend = backend_cpu(threads);
    } else if (strcmp(name, "cuda") == 0) {
        *backend = backend_cuda();
        if (*backend == NULL) {
            return FAIL(E_RESOURCE, "use --backend cpu, or build where a CUDA toolkit is installed and run where a GPU is",
                        "backend cuda is not available: not built in, or no usable device");
        }
    } else {
        return FAIL(E_USAGE, "the backends are ref, cpu and cuda", "unknown backend '%s'", name);
    }
    return OK;
}
