/* data/sample.c -- reading the embedded catalogue. In: JSON lines and a JSON list, plain or zstd. Out: SampleCatalogue. */
#include "data/sample.h"

#include <string.h>

#include "base/json.h"
#include "data/strtable.h"
#include "base/atomic.h"
#include "io/stream.h"

static const char fix_restore[] = "restore data_prep/sample from version control";

const char *sample_path(Arena *arena, const char *dir, const char *file) {
    const char *plain = arena_printf(arena, "%s/%s", dir, file);
    return path_exists(plain) ? plain : arena_printf(arena, "%s.zst", plain);
}

static Status read_whole(const char *path, Arena *arena, char **text, size_t *bytes) {
    LineReader *reader;
    TRY(line_open(path, &reader));
    size_t capacity = 0;
    *bytes = 0;
    const char *line;
    size_t n;
    while (line_next(reader, &line, &n)) {
        ARENA_GROW(arena, *text, capacity, *bytes + n + 1);
        memcpy(*text + *bytes, line, n);
        *bytes += n;
        (*text)[(*bytes)++] = '\n';
    }
    return line_close(reader);
}

static Status parse_interests(const char *path, const cJSON *list, Arena *arena, SampleCatalogue *c, StringTable *ids) {
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) < 1) return FAIL(E_INPUT, fix_restore, "%s: expected a list of interests", path);
    c->n_interests = cJSON_GetArraySize(list);
    c->interest_id = ARENA_NEW(arena, const char *, c->n_interests);
    c->interest_name = ARENA_NEW(arena, const char *, c->n_interests);
    int64_t k = 0;
    for (const cJSON *one = list->child; one; one = one->next, k++) {
        const char *id, *name;
        TRY(json_get_string(path, one, "id", &id));
        TRY(json_get_string(path, one, "name", &name));
        if (strtable_add(ids, id) != k) return FAIL(E_INPUT, fix_restore, "%s: interest %s is listed twice", path, id);
        c->interest_id[k] = strtable_get(ids, k);
        c->interest_name[k] = arena_strdup(arena, name);
    }
    return OK;
}

static Status read_interests(const char *dir, Arena *arena, SampleCatalogue *c, StringTable *ids) {
    const char *path = sample_path(arena, dir, arena_printf(arena, "interests_%s.json", c->category));
    char *text = NULL;
    size_t bytes;
    TRY(read_whole(path, arena, &text, &bytes));
    cJSON *list = text ? cJSON_ParseWithLength(text, bytes) : NULL;
    if (!list) return FAIL(E_INPUT, fix_restore, "%s: not JSON", path);
    Status status = parse_interests(path, list, arena, c, ids);
    cJSON_Delete(list);
    return status;
}

static Status parse_item(const char *where, const cJSON *line, Arena *arena, SampleItem *item, const char **path_text) {
    const char *id, *title, *brand, *description, *visual;
    const cJSON *categories;
    TRY(json_get_string(where, line, "id", &id));
    TRY(json_get_string(where, line, "title", &title));
    TRY(json_get_string(where, line, "brand", &brand));
    TRY(json_get_string(where, line, "description", &description));
    TRY(json_get_string(where, line, "visual", &visual));
    TRY(json_get_number(where, line, "price", &item->price));
    TRY(json_get_array(where, line, "categories", &categories));
    item->id = arena_strdup(arena, id);
    item->title = arena_strdup(arena, title);
    item->brand = arena_strdup(arena, brand);
    item->description = arena_strdup(arena, description);
    item->visual = arena_strdup(arena, visual);
    item->n_categories = cJSON_GetArraySize(categories);
    if (item->n_categories < 1) return FAIL(E_INPUT, fix_restore, "%s: no category", where);
    const char **names = ARENA_NEW(arena, const char *, item->n_categories);
    int64_t i = 0;
    *path_text = "";
    for (const cJSON *one = categories->child; one; one = one->next) {
        if (!cJSON_IsString(one)) return FAIL(E_INPUT, fix_restore, "%s: a category is not a string", where);
        names[i++] = arena_strdup(arena, one->valuestring);
        *path_text = arena_printf(arena, "%s > %s", *path_text, one->valuestring);
    }
    item->categories = names;
    return OK;
}

static Status parse_latent(const char *where, const cJSON *line, const StringTable *ids, double *latent) {
    const cJSON *object;
    TRY(json_get_object(where, line, "latent", &object));
    for (const cJSON *one = object->child; one; one = one->next) {
        int64_t k = strtable_find(ids, one->string);
        if (k < 0) return FAIL(E_INPUT, fix_restore, "%s: unknown interest %s", where, one->string);
        if (!cJSON_IsNumber(one) || !(one->valuedouble >= 0)) return FAIL(E_INPUT, fix_restore, "%s: the weight of %s is no positive number", where, one->string);
        latent[k] = one->valuedouble;
    }
    return OK;
}

static Status read_items(const char *dir, Arena *arena, SampleCatalogue *c, const StringTable *interests) {
    const char *path = sample_path(arena, dir, arena_printf(arena, "items_%s.jsonl", c->category));
    StringTable *ids = strtable_create(arena), *leaves = strtable_create(arena);
    size_t items = 0, leaf = 0, latent = 0;
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t length;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &length)) {
        int64_t i = c->n_items;
        cJSON *tree;
        const char *where = arena_printf(arena, "%s:%lld", path, (long long)line_number(reader)), *leaf_path = "";
        status = json_parse_line(path, line_number(reader), line, length, &tree);
        if (status != OK) break;
        ARENA_GROW(arena, c->item, items, i + 1);
        ARENA_GROW(arena, c->leaf, leaf, i + 1);
        ARENA_GROW(arena, c->latent, latent, (i + 1) * c->n_interests);
        memset(c->latent + i * c->n_interests, 0, (size_t)c->n_interests * sizeof *c->latent);
        status = parse_item(where, tree, arena, &c->item[i], &leaf_path);
        if (status == OK) status = parse_latent(where, tree, interests, c->latent + i * c->n_interests);
        cJSON_Delete(tree);
        if (status != OK) break;
        c->leaf[i] = (int32_t)strtable_add(leaves, leaf_path);
        if (strtable_add(ids, c->item[i].id) != i) status = FAIL(E_INPUT, fix_restore, "%s: item %s appears twice", where, c->item[i].id);
        c->n_items++;
    }
    Status closed = status == OK ? line_close(reader) : (line_close(reader), status);
    if (closed != OK) return closed;
    return c->n_items > 0 ? OK : FAIL(E_INPUT, fix_restore, "%s: no items", path);
}

Status sample_load(const char *dir, const char *category, Arena *arena, SampleCatalogue **catalogue) {
    SampleCatalogue *c = ARENA_NEW(arena, SampleCatalogue, 1);
    c->category = arena_strdup(arena, category);
    StringTable *interests = strtable_create(arena);
    TRY(read_interests(dir, arena, c, interests));
    TRY(read_items(dir, arena, c, interests));
    *catalogue = c;
    return OK;
}
