/* io/safetensors.c -- see safetensors.h. Every number of the header is checked before it is used. */
#include "io/safetensors.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"

static const char *const FIX = "the file is damaged or not safetensors; write it again";

struct Safetensors {
    Arena *arena;
    cJSON *header;
    unsigned char *map;
    size_t bytes;
    Tensor *tensor;
    int64_t n;
};

static const struct { const char *name; TensorType type; int64_t size; } TYPES[] = {
    {"F32", TENSOR_F32, 4}, {"F64", TENSOR_F64, 8}, {"I32", TENSOR_I32, 4}, {"I64", TENSOR_I64, 8},
    {"BF16", TENSOR_BF16, 2}, {"F16", TENSOR_F16, 2}, {"U8", TENSOR_U8, 1},
};
enum { N_TYPES = (int)(sizeof TYPES / sizeof TYPES[0]) };

static bool whole(const cJSON *x, double limit, int64_t *value)
{
    if (!cJSON_IsNumber(x) || !(x->valuedouble >= 0) || !(x->valuedouble <= limit) || x->valuedouble != floor(x->valuedouble)) return false;
    *value = (int64_t)x->valuedouble;
    return true;
}

static Status read_tensor(const char *path, const cJSON *entry, const unsigned char *data, int64_t data_bytes, Tensor *t)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(entry, "dtype"), *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    int k = 0;
    while (k < N_TYPES && !(cJSON_IsString(type) && strcmp(type->valuestring, TYPES[k].name) == 0)) k++;
    if (k == N_TYPES) return FAIL(E_INPUT, FIX, "%s: tensor '%s' has an unknown dtype", path, entry->string);
    *t = (Tensor){.name = entry->string, .type = TYPES[k].type, .count = 1};
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > TENSOR_MAX_DIMS)
        return FAIL(E_INPUT, FIX, "%s: tensor '%s' has no usable shape", path, entry->string);
    for (const cJSON *d = shape->child; d != NULL; d = d->next) {
        int64_t size = 0;
        if (!whole(d, 0x1p52, &size) || (size != 0 && t->count > ((int64_t)1 << 52) / size))
            return FAIL(E_INPUT, FIX, "%s: tensor '%s' has an absurd shape", path, entry->string);
        t->shape[t->n_dims++] = size;
        t->count *= size;
    }
    int64_t begin = 0, end = 0;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !whole(cJSON_GetArrayItem(offsets, 0), (double)data_bytes, &begin) ||
        !whole(cJSON_GetArrayItem(offsets, 1), (double)data_bytes, &end) || end - begin != t->count * TYPES[k].size)
        return FAIL(E_INPUT, FIX, "%s: tensor '%s' has offsets that do not fit its shape or the file", path, entry->string);
    t->data = data + begin;
    return OK;
}

static Status read_header(const char *path, Safetensors *f)
{
    uint64_t n = 0;
    if (f->bytes < 8) return FAIL(E_INPUT, FIX, "%s: %zu bytes are no safetensors file", path, f->bytes);
    for (int i = 7; i >= 0; i--) n = (n << 8) | f->map[i];
    if (n > f->bytes - 8) return FAIL(E_INPUT, FIX, "%s: header of %llu bytes in a file of %zu", path, (unsigned long long)n, f->bytes);
    f->header = cJSON_ParseWithLength((const char *)f->map + 8, (size_t)n);
    if (!cJSON_IsObject(f->header)) return FAIL(E_INPUT, FIX, "%s: header is not a JSON object", path);
    f->tensor = ARENA_NEW(f->arena, Tensor, cJSON_GetArraySize(f->header));
    for (const cJSON *e = f->header->child; e != NULL; e = e->next) {
        if (strcmp(e->string, "__metadata__") == 0) continue;
        TRY(read_tensor(path, e, f->map + 8 + n, (int64_t)(f->bytes - 8 - n), &f->tensor[f->n]));
        for (int64_t i = 0; i < f->n; i++)
            if (strcmp(f->tensor[i].name, e->string) == 0) return FAIL(E_INPUT, FIX, "%s: tensor '%s' twice", path, e->string);
        f->n++;
    }
    return OK;
}

Status safetensors_open(const char *path, Safetensors **file)
{
    *file = NULL;
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        int reason = errno;
        if (fd >= 0) (void)close(fd);
        return FAIL(E_INPUT, "check the path; an earlier stage may not have run", "%s: %s", path,
                    reason != 0 ? strerror(reason) : "not a regular file");
    }
    Arena *arena = arena_create("safetensors");
    Safetensors *f = ARENA_NEW(arena, Safetensors, 1);
    f->arena = arena;
    f->bytes = (size_t)info.st_size;
    void *map = f->bytes > 0 ? mmap(NULL, f->bytes, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    (void)close(fd);
    f->map = map == MAP_FAILED ? NULL : map;
    Status s = f->map == NULL ? FAIL(E_INPUT, FIX, "%s: empty or unreadable", path) : read_header(path, f);
    if (s != OK) safetensors_close(f);
    else *file = f;
    return s;
}

void safetensors_close(Safetensors *f)
{
    if (f == NULL) return;
    cJSON_Delete(f->header);
    if (f->map != NULL) (void)munmap(f->map, f->bytes);
    arena_destroy(f->arena);
}

int64_t safetensors_count(const Safetensors *f) { return f->n; }

const Tensor *safetensors_at(const Safetensors *f, int64_t i)
{
    REQUIRE(i >= 0 && i < f->n, "tensor %lld of %lld", (long long)i, (long long)f->n);
    return &f->tensor[i];
}

const Tensor *safetensors_find(const Safetensors *f, const char *name)
{
    for (int64_t i = 0; i < f->n; i++)
        if (strcmp(f->tensor[i].name, name) == 0) return &f->tensor[i];
    return NULL;
}

const char *safetensors_metadata(const Safetensors *f, const char *key)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(f->header, "__metadata__"), key);
    return cJSON_IsString(m) ? m->valuestring : NULL;
}

static double half_to_double(uint16_t h)
{
    int exponent = (h >> 10) & 31;
    double fraction = (double)(h & 1023) / 1024, sign = (h & 0x8000) != 0 ? -1 : 1;
    if (exponent == 0) return sign * ldexp(fraction, -14);
    if (exponent == 31) return fraction == 0 ? sign * (double)INFINITY : (double)NAN;
    return sign * ldexp(1 + fraction, exponent - 15);
}

Status tensor_to_real(const Tensor *t, real *out)
{
    const unsigned char *p = t->data;
    for (int64_t i = 0; i < t->count; i++) {
        if (t->type == TENSOR_F32) {
            float x;
            memcpy(&x, p + 4 * i, sizeof x);
            out[i] = (real)x;
        } else if (t->type == TENSOR_F64) {
            double x;
            memcpy(&x, p + 8 * i, sizeof x);
            out[i] = (real)x;
        } else if (t->type == TENSOR_BF16) {
            uint16_t h;
            memcpy(&h, p + 2 * i, sizeof h);
            uint32_t bits = (uint32_t)h << 16;
            float x;
            memcpy(&x, &bits, sizeof x);
            out[i] = (real)x;
        } else if (t->type == TENSOR_F16) {
            uint16_t h;
            memcpy(&h, p + 2 * i, sizeof h);
            out[i] = (real)half_to_double(h);
        } else {
            return FAIL(E_INPUT, FIX, "tensor '%s' holds integers, floating point expected", t->name);
        }
    }
    return OK;
}

static int64_t type_size(TensorType type)
{
    for (int k = 0; k < N_TYPES; k++)
        if (TYPES[k].type == type) return TYPES[k].size;
    REQUIRE(false, "tensor type %d", (int)type);
    return 0;
}

static cJSON *build_header(const Tensor *tensors, int64_t n, const char *const *metadata, int n_meta)
{
    cJSON *header = cJSON_CreateObject();
    if (n_meta > 0) {
        cJSON *meta = cJSON_AddObjectToObject(header, "__metadata__");
        for (int i = 0; i < n_meta; i++) (void)cJSON_AddStringToObject(meta, metadata[2 * i], metadata[2 * i + 1]);
    }
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        cJSON *entry = cJSON_AddObjectToObject(header, tensors[i].name);
        const char *type = NULL;
        for (int k = 0; k < N_TYPES; k++)
            if (TYPES[k].type == tensors[i].type) type = TYPES[k].name;
        (void)cJSON_AddStringToObject(entry, "dtype", type);
        cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
        for (int d = 0; d < tensors[i].n_dims; d++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensors[i].shape[d]));
        int64_t end = at + tensors[i].count * type_size(tensors[i].type);
        cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end));
        at = end;
    }
    return header;
}

Status safetensors_write(const char *path, const Tensor *tensors, int64_t n, const char *const *metadata, int n_meta)
{
    cJSON *header = build_header(tensors, n, metadata, n_meta);
    char *text = cJSON_PrintUnformatted(header);
    cJSON_Delete(header);
    REQUIRE(text != NULL, "no memory for a safetensors header");
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char start[8];
    for (int i = 0; i < 8; i++) start[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    AtomicFile *f = NULL;
    Status s = atomic_open(path, &f);
    if (s == OK) {
        s = atomic_write(f, start, sizeof start);
        if (s == OK) s = atomic_write(f, text, length);
        if (s == OK) s = atomic_write(f, "       ", padded - length);
        for (int64_t i = 0; i < n && s == OK; i++)
            s = atomic_write(f, tensors[i].data, (size_t)(tensors[i].count * type_size(tensors[i].type)));
        if (s == OK) s = atomic_commit(f);
        else atomic_abandon(f);
    }
    cJSON_free(text);
    return s;
}
