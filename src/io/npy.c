/* io/npy.c -- see npy.h. Format: numpy.lib.format, version 1.0. */
#include "io/npy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

static const char *const FIX = "rebuild the file; it must be a little-endian C-order .npy of version 1.0";

typedef struct Header { char type[8]; int64_t rows, cols; } Header;

/* The header is a Python literal with three known keys; anything else is refused. */
static bool parse_header(const char *text, Header *h)
{
    const char *descr = strstr(text, "'descr':"), *order = strstr(text, "'fortran_order':"), *shape = strstr(text, "'shape':");
    if (descr == NULL || order == NULL || shape == NULL) return false;
    if (sscanf(descr, "'descr': '%7[^']'", h->type) != 1) return false;
    if (strncmp(order, "'fortran_order': False", 22) != 0) return false;
    h->cols = 1;
    const char *p = strchr(shape, '(');
    if (p == NULL) return false;
    char *end = NULL;
    h->rows = strtoll(p + 1, &end, 10);
    if (end == p + 1 || *end != ',') return false;
    p = end + 1;
    while (*p == ' ') p++;
    if (*p == ')') return h->rows >= 0;
    h->cols = strtoll(p, &end, 10);
    return end != p && *end == ')' && h->rows >= 0 && h->cols >= 0;
}

static Status read_raw(const char *path, Arena *arena, Header *h, void **data, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return FAIL(E_INPUT, "check the path; an earlier stage may not have run", "%s: %s", path, strerror(errno));
    unsigned char start[10];
    Status s = OK;
    char text[4096];
    size_t length = 0;
    if (fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY\x01\x00", 8) != 0)
        s = FAIL(E_INPUT, FIX, "%s: not a version 1.0 .npy file", path);
    if (s == OK) {
        length = (size_t)start[8] | ((size_t)start[9] << 8);
        if (length >= sizeof text || fread(text, 1, length, f) != length) s = FAIL(E_INPUT, FIX, "%s: header cut off", path);
    }
    if (s == OK) {
        text[length] = '\0';
        if (!parse_header(text, h)) s = FAIL(E_INPUT, FIX, "%s: unsupported header %.80s", path, text);
    }
    if (s == OK) {
        size_t size = strcmp(h->type, "<f4") == 0 || strcmp(h->type, "<i4") == 0   ? 4
                      : strcmp(h->type, "<f8") == 0 || strcmp(h->type, "<i8") == 0 ? 8
                                                                                   : 0;
        long at = ftell(f);
        (void)fseek(f, 0, SEEK_END);
        int64_t present = ftell(f) - at;
        (void)fseek(f, at, SEEK_SET);
        if (size == 0) s = FAIL(E_INPUT, FIX, "%s: element type '%s' is not supported", path, h->type);
        else if (h->cols != 0 && h->rows > INT64_MAX / 8 / h->cols) s = FAIL(E_INPUT, FIX, "%s: absurd shape", path);
        else if (present != h->rows * h->cols * (int64_t)size)
            s = FAIL(E_INPUT, FIX, "%s: %lld bytes of data, shape needs %lld", path, (long long)present,
                     (long long)(h->rows * h->cols * (int64_t)size));
        else {
            *bytes = (size_t)present;
            *data = arena_alloc_raw(arena, *bytes, 1);
            if (fread(*data, 1, *bytes, f) != *bytes) s = FAIL(E_INPUT, FIX, "%s: read failed", path);
        }
    }
    (void)fclose(f);
    return s;
}

Status npy_read_f32(const char *path, Arena *arena, float **data, int64_t *rows, int64_t *cols)
{
    Header h;
    void *raw = NULL;
    size_t bytes = 0;
    TRY(read_raw(path, arena, &h, &raw, &bytes));
    *rows = h.rows;
    *cols = h.cols;
    if (strcmp(h.type, "<f4") == 0) {
        *data = raw;
        return OK;
    }
    if (strcmp(h.type, "<f8") != 0) return FAIL(E_INPUT, FIX, "%s: holds '%s', floating point expected", path, h.type);
    const double *wide = raw;
    size_t n = bytes / sizeof(double);
    *data = arena_alloc_raw(arena, n, sizeof(float));
    for (size_t i = 0; i < n; i++) (*data)[i] = (float)wide[i];
    return OK;
}

Status npy_read_i32(const char *path, Arena *arena, int32_t **data, int64_t *rows, int64_t *cols)
{
    Header h;
    void *raw = NULL;
    size_t bytes = 0;
    TRY(read_raw(path, arena, &h, &raw, &bytes));
    *rows = h.rows;
    *cols = h.cols;
    if (strcmp(h.type, "<i4") == 0) {
        *data = raw;
        return OK;
    }
    if (strcmp(h.type, "<i8") != 0) return FAIL(E_INPUT, FIX, "%s: holds '%s', integers expected", path, h.type);
    const int64_t *wide = raw;
    size_t n = bytes / sizeof(int64_t);
    *data = arena_alloc_raw(arena, n, sizeof(int32_t));
    for (size_t i = 0; i < n; i++) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX) return FAIL(E_INPUT, FIX, "%s: element %zu exceeds 32 bits", path, i);
        (*data)[i] = (int32_t)wide[i];
    }
    return OK;
}

static Status write_raw(const char *path, const char *type, const void *data, int64_t rows, int64_t cols, size_t size)
{
    char header[256];
    int n = cols == 1 ? snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld,), }", type, (long long)rows)
                      : snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %lld), }", type,
                                 (long long)rows, (long long)cols);
    int padded = (10 + n + 1 + 63) / 64 * 64 - 10; /* data starts on a 64-byte boundary */
    memset(header + n, ' ', (size_t)(padded - n));
    header[padded - 1] = '\n';
    unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(padded & 255), (unsigned char)(padded >> 8)};
    AtomicFile *f = NULL;
    TRY(atomic_open(path, &f));
    Status s = atomic_write(f, start, sizeof start);
    if (s == OK) s = atomic_write(f, header, (size_t)padded);
    if (s == OK) s = atomic_write(f, data, (size_t)rows * (size_t)cols * size);
    if (s != OK) {
        atomic_abandon(f);
        return s;
    }
    return atomic_commit(f);
}

Status npy_write_f32(const char *path, const float *data, int64_t rows, int64_t cols)
{
    return write_raw(path, "<f4", data, rows, cols, sizeof *data);
}

Status npy_write_i32(const char *path, const int32_t *data, int64_t rows, int64_t cols)
{
    return write_raw(path, "<i4", data, rows, cols, sizeof *data);
}
