/* tests/fuzz/fuzz_safetensors.c -- headers of safetensors files. First byte even: the rest is the file. Odd: the rest is a header (to the first 0x1e) and data; the length
 * in front is made right, so that the JSON inside is reached. Every byte of every tensor is read. */
#include <limits.h>
#include <string.h>

#include "base/status.h"
#include "fuzz.h"
#include "io/safetensors.h"

static size_t size_of(TensorType type)
{
    static const size_t sizes[] = {4, 8, 4, 8, 2, 2, 1};
    return sizes[type];
}

static void read_all(const Safetensors *file)
{
    unsigned sum = 0;
    for (int64_t i = 0; i < safetensors_count(file); i++) {
        const Tensor *t = safetensors_at(file, i);
        int64_t count = 1;
        for (int d = 0; d < t->n_dims; d++) count *= t->shape[d];
        FUZZ_CHECK(count == t->count && t->count >= 0 && safetensors_find(file, t->name) != NULL, "%s: %lld elements", t->name, (long long)t->count);
        const unsigned char *bytes = t->data;
        for (size_t b = 0; b < (size_t)t->count * size_of(t->type); b++) sum = (sum + bytes[b]) % 65521;
        Arena *arena = arena_create("fuzz");
        if (t->count < 1 << 16) (void)tensor_to_real(t, ARENA_NEW(arena, real, t->count));
        arena_destroy(arena);
    }
    FUZZ_CHECK(sum < UINT_MAX, "%u", sum); /* the bytes are needed */
    (void)safetensors_metadata(file, "step");
    (void)safetensors_find(file, "absent");
}

void fuzz_safetensors(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    Arena *arena = arena_create("fuzz");
    const uint8_t *bytes = data + 1, *part;
    size_t n_bytes = n - 1, n_part;
    if (data[0] % 2 == 1) {
        (void)fuzz_section(&bytes, &n_bytes, &part, &n_part);
        size_t n_data = bytes != NULL ? n_bytes : 0;
        uint8_t *whole = arena_alloc(arena, 8 + n_part + n_data, 1);
        uint64_t length = n_part;
        memcpy(whole, &length, 8);
        memcpy(whole + 8, part, n_part);
        if (n_data > 0) memcpy(whole + 8 + n_part, bytes, n_data);
        bytes = whole, n_bytes = 8 + n_part + n_data;
    }
    Safetensors *file;
    if (safetensors_open(fuzz_file(0, bytes, n_bytes), &file) == OK) {
        read_all(file);
        safetensors_close(file);
    }
    arena_destroy(arena);
}
