/* data/dataset.c -- reading a prepared data set folder into memory, strictly.
 *
 * In: a folder as described in dataset.h. Every index is range-checked and every count compared with meta.json, so that a
 * half-copied or edited folder stops here, with file and line, and not in a training run. */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "io/stream.h"

static const char fix_rebuild[] = "rebuild the folder with 02_preprocess";

/* A tab-separated file with a fixed header, read line by line. */
typedef struct Table {
    const char *path;
    LineReader *reader;
} Table;

static Status table_open(Table *t, Arena *arena, const char *dir, const char *file, const char *header) {
    t->path = arena_printf(arena, "%s/%s", dir, file);
    TRY(line_open(t->path, &t->reader));
    const char *line;
    size_t n;
    if (!line_next(t->reader, &line, &n) || strcmp(line, header) != 0) {
        Status status = line_close(t->reader);
        return status != OK ? status : FAIL(E_INPUT, fix_rebuild, "%s:1: expected the header `%s`", t->path, header);
    }
    return OK;
}

/* Close after a fault found by us: the fault is what is reported. */
static Status table_fail(Table *t, const char *what) {
    int64_t number = line_number(t->reader);
    (void)line_close(t->reader);
    return FAIL(E_INPUT, fix_rebuild, "%s:%lld: %s", t->path, (long long)number, what);
}

/* Parse a decimal in [0, limit) at *text and move behind it; false when there is none. */
static bool parse_index(const char **text, int64_t limit, int64_t *value) {
    const char *p = *text;
    int64_t v = 0;
    if (*p < '0' || *p > '9') return false;
    while (*p >= '0' && *p <= '9') {
        if (v > (INT64_MAX - 9) / 10) return false;
        v = v * 10 + (*p++ - '0');
    }
    *text = p;
    *value = v;
    return v < limit;
}

/* Append the space-separated items of *text to list until `stop`; false on a fault. May append none. */
static bool parse_items(Arena *arena, const char **text, char stop, int64_t N, int32_t **list, size_t *capacity, int64_t *count) {
    const char *p = *text;
    while (*p != stop) {
        int64_t item;
        if (!parse_index(&p, N, &item)) return false;
        if (*p == ' ') {
            if (p[1] == stop) return false;
            p++;
        } else if (*p != stop) {
            return false;
        }
        ARENA_GROW(arena, *list, *capacity, *count + 1);
        (*list)[(*count)++] = (int32_t)item;
    }
    *text = p;
    return true;
}

static Status read_sequences(const char *dir, const char *file, const Dataset *d, Arena *arena, Sequences *s) {
    Table t;
    TRY(table_open(&t, arena, dir, file, "user\titems"));
    size_t users = 0, offsets = 0, items = 0;
    int64_t n_items = 0;
    memset(s, 0, sizeof *s);
    ARENA_GROW(arena, s->offset, offsets, 1);
    s->offset[0] = 0;
    ARENA_GROW(arena, s->user, users, 1);
    ARENA_GROW(arena, s->items, items, 1);
    const char *p;
    size_t length;
    while (line_next(t.reader, &p, &length)) {
        int64_t user;
        if (!parse_index(&p, d->n_users, &user) || *p++ != '\t') return table_fail(&t, "no valid user index");
        int64_t before = n_items;
        if (!parse_items(arena, &p, '\0', d->N, &s->items, &items, &n_items)) return table_fail(&t, "an item is malformed or out of range");
        if (n_items == before) return table_fail(&t, "empty sequence");
        ARENA_GROW(arena, s->user, users, s->n + 1);
        ARENA_GROW(arena, s->offset, offsets, s->n + 2);
        s->user[s->n] = (int32_t)user;
        s->offset[++s->n] = n_items;
    }
    return line_close(t.reader);
}

static Status read_rows(const char *dir, const char *file, const Dataset *d, Arena *arena, Rows *rows) {
    Table t;
    TRY(table_open(&t, arena, dir, file, "user\thistory\ttarget\ttimestamp"));
    size_t users = 0, offsets = 0, items = 0, targets = 0;
    int64_t n_items = 0;
    memset(rows, 0, sizeof *rows);
    ARENA_GROW(arena, rows->offset, offsets, 1);
    rows->offset[0] = 0;
    ARENA_GROW(arena, rows->user, users, 1);
    ARENA_GROW(arena, rows->target, targets, 1);
    ARENA_GROW(arena, rows->history, items, 1);
    const char *p;
    size_t length;
    while (line_next(t.reader, &p, &length)) {
        int64_t user, target, time;
        if (!parse_index(&p, d->n_users, &user) || *p++ != '\t') return table_fail(&t, "no valid user index");
        int64_t before = n_items;
        if (!parse_items(arena, &p, '\t', d->N, &rows->history, &items, &n_items)) return table_fail(&t, "an item of the history is malformed or out of range");
        if (n_items == before) return table_fail(&t, "empty history");
        p++;
        if (!parse_index(&p, d->N, &target) || *p++ != '\t') return table_fail(&t, "the target is malformed or out of range");
        if (!parse_index(&p, INT64_MAX, &time) || *p) return table_fail(&t, "the timestamp is malformed");
        ARENA_GROW(arena, rows->user, users, rows->n + 1);
        ARENA_GROW(arena, rows->target, targets, rows->n + 1);
        ARENA_GROW(arena, rows->offset, offsets, rows->n + 2);
        rows->user[rows->n] = (int32_t)user;
        rows->target[rows->n] = (int32_t)target;
        rows->offset[++rows->n] = n_items;
    }
    return line_close(t.reader);
}

static Status item_from_json(const char *where, const cJSON *line, int64_t index, Arena *arena, ItemText *item) {
    static const char *const keys[] = {"id", "title", "brand", "categories", "description", "keywords", "caption"};
    const char **const fields[] = {&item->id, &item->title, &item->brand, &item->categories, &item->description, &item->keywords, &item->caption};
    int64_t number;
    TRY(json_get_int(where, line, "item", &number));
    if (number != index) return FAIL(E_INPUT, fix_rebuild, "%s: item %lld where %lld is expected", where, (long long)number, (long long)index);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const char *text;
        TRY(json_get_string(where, line, keys[k], &text));
        *fields[k] = arena_strdup(arena, text);
    }
    return OK;
}

static Status read_text(const char *dir, const Dataset *d, Arena *arena, ItemText **text) {
    const char *path = arena_printf(arena, "%s/items.jsonl", dir);
    LineReader *reader;
    TRY(line_open(path, &reader));
    ItemText *items = ARENA_NEW(arena, ItemText, d->N);
    int64_t n = 0;
    const char *line;
    size_t length;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &length)) {
        if (n >= d->N) {
            (void)line_close(reader);
            return FAIL(E_INPUT, fix_rebuild, "%s:%lld: more items than the %lld of meta.json", path, (long long)n + 1, (long long)d->N);
        }
        cJSON *tree;
        status = json_parse_line(path, n + 1, line, length, &tree);
        if (status != OK) break;
        char where[4200];
        snprintf(where, sizeof where, "%s:%lld", path, (long long)n + 1);
        status = item_from_json(where, tree, n, arena, &items[n]);
        cJSON_Delete(tree);
        n++;
    }
    if (status != OK) {
        (void)line_close(reader); /* a stream error, had there been one, would have ended the loop with status OK */
        return status;
    }
    TRY(line_close(reader));
    if (n != d->N) return FAIL(E_INPUT, fix_rebuild, "%s: %lld items, meta.json says %lld", path, (long long)n, (long long)d->N);
    *text = items;
    return OK;
}

static Status check_count(const char *path, const cJSON *counts, const char *key, int64_t found) {
    int64_t expected;
    TRY(json_get_int(path, counts, key, &expected));
    if (expected != found)
        return FAIL(E_INPUT, fix_rebuild, "%s: counts.%s is %lld, the files hold %lld", path, key, (long long)expected, (long long)found);
    return OK;
}

static Status read_meta(const char *path, const cJSON *meta, Arena *arena, Dataset *d, const cJSON **counts) {
    const char *name, *label, *protocol;
    TRY(json_get_string(path, meta, "name", &name));
    TRY(json_get_string(path, meta, "label", &label));
    TRY(json_get_string(path, meta, "protocol", &protocol));
    TRY(json_get_bool(path, meta, "simulated", &d->simulated));
    TRY(json_get_int(path, meta, "max_history", &d->max_history));
    TRY(json_get_object(path, meta, "counts", counts));
    TRY(json_get_int(path, *counts, "users", &d->n_users));
    TRY(json_get_int(path, *counts, "items", &d->N));
    TRY(json_get_int(path, *counts, "interactions", &d->n_interactions));
    if (d->N < 1 || d->N > INT32_MAX || d->n_users < 1 || d->n_users > INT32_MAX || d->max_history < 1)
        return FAIL(E_INPUT, fix_rebuild, "%s: users, items and max_history must be positive", path);
    d->name = arena_strdup(arena, name);
    d->label = arena_strdup(arena, label);
    d->protocol = arena_strdup(arena, protocol);
    return OK;
}

static Status load_files(const char *path, const cJSON *meta, bool with_text, Arena *arena, Dataset *d) {
    const cJSON *counts;
    TRY(read_meta(path, meta, arena, d, &counts));
    TRY(read_sequences(d->dir, "train.tsv", d, arena, &d->train));
    TRY(read_rows(d->dir, "valid.tsv", d, arena, &d->valid));
    TRY(read_rows(d->dir, "test.tsv", d, arena, &d->test));
    TRY(check_count(path, counts, "train_sequences", d->train.n));
    TRY(check_count(path, counts, "valid_rows", d->valid.n));
    TRY(check_count(path, counts, "test_rows", d->test.n));
    if (with_text) TRY(read_text(d->dir, d, arena, &d->text));
    return OK;
}

Status dataset_load(const char *dir, bool with_text, Arena *arena, Dataset **dataset) {
    Dataset *d = ARENA_NEW(arena, Dataset, 1);
    d->dir = arena_strdup(arena, dir);
    const char *path = arena_printf(arena, "%s/meta.json", dir);
    cJSON *meta;
    TRY(json_read_file(path, &meta));
    Status status = load_files(path, meta, with_text, arena, d);
    cJSON_Delete(meta);
    if (status == OK) *dataset = d;
    return status;
}

void dataset_popularity(const Dataset *d, int64_t *count) {
    memset(count, 0, (size_t)d->N * sizeof *count);
    for (int64_t e = 0; e < d->train.offset[d->train.n]; e++) count[d->train.items[e]]++;
}
