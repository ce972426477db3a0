/* io/safetensors.h -- the safetensors format: 8-byte little-endian header length n, n bytes of JSON
 * {name: {"dtype","shape","data_offsets"}}, data. Readers check every offset, overlap and size against the file.
 *
 * Reading maps the file; tensors point into the map and live until safetensors_close.
 */
#ifndef DIGR_IO_SAFETENSORS_H
#define DIGR_IO_SAFETENSORS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"

enum { TENSOR_MAX_DIMS = 8 };
typedef enum TensorType { TENSOR_F32, TENSOR_F64, TENSOR_I32, TENSOR_I64, TENSOR_BF16, TENSOR_F16, TENSOR_U8 } TensorType;

typedef struct Tensor {
    const char *name;
    TensorType type;
    int n_dims;
    int64_t shape[TENSOR_MAX_DIMS];
    int64_t count;      /* product of shape (1 for a scalar) */
    const void *data;   /* row-major; not necessarily aligned beyond the element size */
} Tensor;

typedef struct Safetensors Safetensors;

/* E_INPUT names file and fault. */
Status safetensors_open(const char *path, Safetensors **file);
void safetensors_close(Safetensors *file);
int64_t safetensors_count(const Safetensors *file);
const Tensor *safetensors_at(const Safetensors *file, int64_t i);
const Tensor *safetensors_find(const Safetensors *file, const char *name); /* NULL when absent */
/* Value of a __metadata__ key, NULL when absent. */
const char *safetensors_metadata(const Safetensors *file, const char *key);
/* tensor_to_real -- convert (F32, F64, BF16, F16) into out (count elements). E_INPUT for other types. */
Status tensor_to_real(const Tensor *t, real *out);

/* safetensors_write -- atomic; tensors in the given order, data aligned to 8 bytes from the start of the data section.
 * metadata: n_meta pairs key, value (2*n_meta strings), may be NULL with n_meta 0. */
Status safetensors_write(const char *path, const Tensor *tensors, int64_t n, const char *const *metadata, int n_meta);

#endif
