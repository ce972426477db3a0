/* data/registry.c -- see registry.h. */
#include "data/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/atomic.h"

const char *const registry_sequence_files[] = {"sequences.txt", "items.jsonl", "timestamps.txt", "users.txt", "minionerec_train.tsv",
                                               "minionerec_valid.tsv", "minionerec_test.tsv", "train.tsv", "valid.tsv", "test.tsv", NULL};

static Status parse_file(const char *path, const cJSON *json, Arena *arena, RegistryFile *file) {
    const char *role, *name;
    TRY(json_get_string(path, json, "role", &role));
    TRY(json_get_string(path, json, "name", &name));
    file->role = arena_strdup(arena, role);
    file->name = arena_strdup(arena, name);
    file->sha256 = arena_strdup(arena, json_opt_string(json, "sha256", ""));
    file->bytes = (int64_t)json_opt_number(json, "bytes", 0);
    file->optional = strcmp(role, "captions") == 0;
    const cJSON *urls = cJSON_GetObjectItemCaseSensitive(json, "urls");
    for (const cJSON *one = urls ? urls->child : NULL; one; one = one->next) {
        if (!cJSON_IsString(one) || file->n_urls == REGISTRY_MAX_URLS) return FAIL(E_INPUT, "shorten the list", "%s: urls of %s: at most %d texts", path, name, REGISTRY_MAX_URLS);
        file->url[file->n_urls++] = arena_strdup(arena, one->valuestring);
    }
    return OK;
}

/* A word of the recipe; it must be one of `choices` ("a|b|c"; NULL: any text). */
static Status parse_word(const char *path, const char *name, const cJSON *json, const char *key, const char *choices, Arena *arena, const char **word) {
    const char *text = json_opt_string(json, key, NULL);
    *word = text ? arena_strdup(arena, text) : NULL;
    if (!text || !choices) return OK;
    for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == strlen(text) && strncmp(p, text, strlen(text)) == 0) return OK;
    return FAIL(E_INPUT, "see src/data/filter.h", "%s: filter.%s of %s is `%s`, expected one of %s", path, key, name, text, choices);
}

static Status parse_filter(const char *path, const char *name, const cJSON *json, Arena *arena, FilterSettings *f) {
    *f = (FilterSettings){.title_words = -1};
    if (!json) return OK;
    TRY(parse_word(path, name, json, "duplicates", "drop|keep", arena, &f->duplicates));
    TRY(parse_word(path, name, json, "repeats", "keep|first|last", arena, &f->repeats));
    TRY(parse_word(path, name, json, "items", "any|with-metadata|titled", arena, &f->items));
    TRY(parse_word(path, name, json, "from", NULL, arena, &f->from));
    TRY(parse_word(path, name, json, "to", NULL, arena, &f->to));
    f->title_words = (int64_t)json_opt_number(json, "title_words", -1);
    f->core_users = (int64_t)json_opt_number(json, "core_users", 0);
    f->core_items = (int64_t)json_opt_number(json, "core_items", 0);
    return OK;
}

static Status parse_entry(const char *path, const cJSON *json, Arena *arena, RegistryEntry *entry) {
    const char *name, *label, *release;
    const cJSON *files;
    TRY(json_get_string(path, json, "name", &name));
    TRY(json_get_string(path, json, "label", &label));
    TRY(json_get_string(path, json, "release", &release));
    TRY(json_get_bool(path, json, "simulated", &entry->simulated));
    TRY(json_get_array(path, json, "files", &files));
    entry->name = arena_strdup(arena, name);
    entry->label = arena_strdup(arena, label);
    entry->release = arena_strdup(arena, release);
    entry->folder = arena_strdup(arena, json_opt_string(json, "folder", name));
    entry->hint = arena_strdup(arena, json_opt_string(json, "hint", ""));
    entry->licence = arena_strdup(arena, json_opt_string(json, "licence", ""));
    entry->homepage = arena_strdup(arena, json_opt_string(json, "homepage", ""));
    entry->note = arena_strdup(arena, json_opt_string(json, "note", ""));
    entry->expected_source = "";
    TRY(parse_filter(path, name, cJSON_GetObjectItemCaseSensitive(json, "filter"), arena, &entry->filter));
    entry->expected_raw = json_opt_bool(json, "expected_raw", false);
    for (const cJSON *one = files->child; one; one = one->next) {
        if (entry->n_files == REGISTRY_MAX_FILES) return FAIL(E_INPUT, "shorten the list", "%s: %s has more than %d files", path, name, REGISTRY_MAX_FILES);
        TRY(parse_file(path, one, arena, &entry->file[entry->n_files++]));
    }
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(json, "expected");
    if (!expected) return OK;
    entry->expected_source = arena_strdup(arena, json_opt_string(expected, "source", ""));
    TRY(json_get_int(path, expected, "users", &entry->users));
    TRY(json_get_int(path, expected, "items", &entry->items));
    return json_get_int(path, expected, "interactions", &entry->interactions);
}

static Status find_entry(const char *path, const cJSON *root, const char *name, Arena *arena, RegistryEntry *entry) {
    const cJSON *list;
    const char *format, *names = "";
    TRY(json_get_string(path, root, "format", &format));
    if (strcmp(format, "digr-datasets/1") != 0) return FAIL(E_INPUT, "give a registry in the form of data_prep/datasets.json", "%s: format %s, expected digr-datasets/1", path, format);
    TRY(json_get_array(path, root, "datasets", &list));
    for (const cJSON *one = list->child; one; one = one->next) {
        const char *its_name;
        TRY(json_get_string(path, one, "name", &its_name));
        if (strcmp(its_name, name) == 0) return parse_entry(path, one, arena, entry);
        names = arena_printf(arena, "%s%s%s", names, *names ? ", " : "", its_name);
    }
    return FAIL(E_USAGE, arena_printf(arena, "known data sets: %s; add others to %s", names, path), "unknown data set `%s`", name);
}

Status registry_find(const char *path, const char *name, Arena *arena, RegistryEntry **entry) {
    cJSON *root;
    TRY(json_read_file(path, &root));
    *entry = ARENA_NEW(arena, RegistryEntry, 1);
    Status status = find_entry(path, root, name, arena, *entry);
    cJSON_Delete(root);
    return status;
}

const RegistryFile *registry_file(const RegistryEntry *entry, const char *role) {
    for (int64_t f = 0; f < entry->n_files; f++)
        if (strcmp(entry->file[f].role, role) == 0) return &entry->file[f];
    return NULL;
}

static bool has_file(const char *dir, const char *name) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && path_exists(path);
}

RegistryForms registry_forms(const RegistryEntry *entry, const char *dir) {
    RegistryForms forms = {true, entry->n_files > 0};
    for (int f = 0; f < REGISTRY_SEQUENCE_NEEDED; f++) forms.sequences = forms.sequences && has_file(dir, registry_sequence_files[f]);
    for (int64_t f = 0; f < entry->n_files; f++) forms.raw = forms.raw && (entry->file[f].optional || has_file(dir, entry->file[f].name));
    return forms;
}

Status registry_find_or_own(const char *path, const char *name, const char *form, Arena *arena, RegistryEntry **entry) {
    Status found = registry_find(path, name, arena, entry);
    if (found != E_USAGE) return found;
    if (strcmp(form, "auto") == 0)
        return FAIL(E_USAGE, arena_printf(arena, "%s; or say with --form what your own files are", status_fix()), "unknown data set `%s`", name);
    status_clear();
    if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")]) return FAIL(E_USAGE, "use a-z, 0-9, - and _", "`%s` is no name for a data set", name);
    *entry = ARENA_NEW(arena, RegistryEntry, 1);
    **entry = (RegistryEntry){.name = arena_strdup(arena, name), .label = arena_strdup(arena, name), .release = "own files",
                              .folder = arena_strdup(arena, name), .hint = "", .licence = "", .homepage = "", .note = "",
                              .expected_source = "", .filter = {.title_words = -1}};
    return OK;
}
