/* base/json.c -- see json.h. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/atomic.h"

static const char *const FIX_SYNTAX = "repair or rebuild the file; `jq . FILE` points at the fault too";
static const char *const FIX_SHAPE = "rebuild the file with the stage that writes it, or correct it by hand";

static Status read_all(const char *path, Arena *arena, char **text, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return FAIL(E_INPUT, "check the path; an earlier stage may not have run", "%s: %s", path, strerror(errno));
    size_t capacity = 0, used = 0, got;
    char *buffer = NULL;
    do {
        ARENA_GROW(arena, buffer, capacity, used + 65536);
        got = fread(buffer + used, 1, capacity - used - 1, f);
        used += got;
    } while (got > 0);
    int failed = ferror(f);
    (void)fclose(f);
    if (failed) return FAIL(E_INPUT, "check the disk, and that the path is a file", "%s: read failed", path);
    buffer[used] = '\0';
    *text = buffer;
    *n = used;
    return OK;
}

static bool only_space(const char *p, const char *end)
{
    for (; p < end; p++)
        if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n') return false;
    return true;
}

static Status parse(const char *path, int64_t line, const char *text, size_t n, cJSON **tree)
{
    const char *end = NULL;
    *tree = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (*tree != NULL && only_space(end, text + n)) return OK;
    if (end == NULL || end > text + n) end = text;
    for (const char *p = text; p < end; p++) line += *p == '\n';
    cJSON_Delete(*tree);
    *tree = NULL;
    char near[33];
    (void)snprintf(near, sizeof near, "%.*s", (int)(text + n - end > 32 ? 32 : text + n - end), end);
    for (char *p = near; *p != '\0'; p++)
        if ((unsigned char)*p < ' ') *p = ' ';
    return FAIL(E_INPUT, FIX_SYNTAX, "%s:%lld: malformed JSON near '%s'", path, (long long)line, near);
}

Status json_read_file(const char *path, cJSON **tree)
{
    Arena *arena = arena_create("json file");
    char *text = NULL;
    size_t n = 0;
    Status s = read_all(path, arena, &text, &n);
    if (s == OK) s = parse(path, 1, text, n, tree);
    arena_destroy(arena);
    return s;
}

Status json_parse_line(const char *path, int64_t line, const char *text, size_t n, cJSON **tree)
{
    TRY(parse(path, line, text, n, tree));
    if (cJSON_IsObject(*tree)) return OK;
    cJSON_Delete(*tree);
    *tree = NULL;
    return FAIL(E_INPUT, FIX_SHAPE, "%s:%lld: expected a JSON object", path, (long long)line);
}

Status json_write_file(const char *path, const cJSON *tree)
{
    char *text = cJSON_Print(tree);
    if (text == NULL) return FAIL(E_RESOURCE, "free some memory", "%s: out of memory while printing JSON", path);
    AtomicFile *f = NULL;
    Status s = atomic_open(path, &f);
    if (s == OK) {
        s = atomic_write(f, text, strlen(text));
        if (s == OK) s = atomic_write(f, "\n", 1);
        if (s == OK) s = atomic_commit(f);
        else atomic_abandon(f);
    }
    cJSON_free(text);
    return s;
}

static Status wrong(const char *path, const char *key, const char *wanted, const cJSON *found)
{
    if (found == NULL) return FAIL(E_INPUT, FIX_SHAPE, "%s: missing \"%s\" (%s)", path, key, wanted);
    return FAIL(E_INPUT, FIX_SHAPE, "%s: \"%s\" must be %s", path, key, wanted);
}

Status json_get_string(const char *path, const cJSON *object, const char *key, const char **value)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(m)) return wrong(path, key, "a string", m);
    *value = m->valuestring;
    return OK;
}

Status json_get_number(const char *path, const cJSON *object, const char *key, double *value)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(m)) return wrong(path, key, "a number", m);
    *value = m->valuedouble;
    return OK;
}

Status json_get_int(const char *path, const cJSON *object, const char *key, int64_t *value)
{
    double x = 0;
    TRY(json_get_number(path, object, key, &x));
    if (!(fabs(x) <= 0x1p53) || x != floor(x)) return wrong(path, key, "a whole number", object);
    *value = (int64_t)x;
    return OK;
}

Status json_get_bool(const char *path, const cJSON *object, const char *key, bool *value)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsBool(m)) return wrong(path, key, "true or false", m);
    *value = cJSON_IsTrue(m) != 0;
    return OK;
}

Status json_get_array(const char *path, const cJSON *object, const char *key, const cJSON **value)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsArray(m)) return wrong(path, key, "a list", m);
    *value = m;
    return OK;
}

Status json_get_object(const char *path, const cJSON *object, const char *key, const cJSON **value)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsObject(m)) return wrong(path, key, "an object", m);
    *value = m;
    return OK;
}

const char *json_opt_string(const cJSON *object, const char *key, const char *initial)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(m) ? m->valuestring : initial;
}

double json_opt_number(const cJSON *object, const char *key, double initial)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(m) ? m->valuedouble : initial;
}

bool json_opt_bool(const cJSON *object, const char *key, bool initial)
{
    const cJSON *m = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsBool(m) ? cJSON_IsTrue(m) != 0 : initial;
}
