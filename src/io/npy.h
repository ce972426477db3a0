/* io/npy.h -- NumPy .npy version 1.0, little-endian, C order: '<f4', '<f8' (read only), '<i4', '<i8'. */
#ifndef DIGR_IO_NPY_H
#define DIGR_IO_NPY_H

#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"

/* npy_read_f32 -- (rows, cols) into `arena`; a 1-d file gives cols = 1. f8 is narrowed. E_INPUT on any fault. */
Status npy_read_f32(const char *path, Arena *arena, float **data, int64_t *rows, int64_t *cols);
Status npy_read_i32(const char *path, Arena *arena, int32_t **data, int64_t *rows, int64_t *cols);
/* npy_write_* -- atomic; cols 1 writes a 1-d array. */
Status npy_write_f32(const char *path, const float *data, int64_t rows, int64_t cols);
Status npy_write_i32(const char *path, const int32_t *data, int64_t rows, int64_t cols);

#endif
