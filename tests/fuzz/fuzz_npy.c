/* tests/fuzz/fuzz_npy.c -- .npy headers. First byte even: the rest is the file. Odd: magic, version and the length of the header are put in front. What is read, written
 * and read again is the same. */
#include <string.h>

#include "base/status.h"
#include "fuzz.h"
#include "io/npy.h"

static void check_i32(Arena *arena, const char *path)
{
    int32_t *a, *b;
    int64_t rows, cols, rows_again, cols_again;
    if (npy_read_i32(path, arena, &a, &rows, &cols) != OK) return;
    FUZZ_CHECK(rows >= 0 && cols >= 0, "%lld x %lld", (long long)rows, (long long)cols);
    if (rows == 0 || cols == 0) return;
    const char *copy = arena_printf(arena, "%s/copy.npy", fuzz_folder());
    FUZZ_CHECK(npy_write_i32(copy, a, rows, cols) == OK && npy_read_i32(copy, arena, &b, &rows_again, &cols_again) == OK, "%s", status_message());
    FUZZ_CHECK(rows == rows_again && cols == cols_again && memcmp(a, b, (size_t)(rows * cols) * sizeof *a) == 0, "changed by writing and reading");
}

void fuzz_npy(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    Arena *arena = arena_create("fuzz");
    const uint8_t *bytes = data + 1;
    size_t n_bytes = n - 1;
    if (data[0] % 2 == 1) {
        const uint8_t *rest = bytes, *header;
        size_t n_rest = n_bytes, n_header;
        (void)fuzz_section(&rest, &n_rest, &header, &n_header);
        size_t n_data = rest != NULL ? n_rest : 0;
        uint8_t *whole = arena_alloc(arena, 10 + n_header + n_data, 1);
        memcpy(whole, "\x93NUMPY\x01\x00", 8);
        whole[8] = (uint8_t)n_header, whole[9] = (uint8_t)(n_header >> 8);
        memcpy(whole + 10, header, n_header);
        if (n_data > 0) memcpy(whole + 10 + n_header, rest, n_data);
        bytes = whole, n_bytes = 10 + n_header + n_data;
    }
    float *values;
    int64_t rows, cols;
    const char *path = fuzz_file(0, bytes, n_bytes);
    if (npy_read_f32(path, arena, &values, &rows, &cols) == OK) {
        volatile float sum = 0;
        for (int64_t i = 0; i < rows * cols; i++) sum = sum + values[i];
    }
    check_i32(arena, path);
    arena_destroy(arena);
}
