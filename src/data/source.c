/* data/source.c -- see source.h. */
#include "data/source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/atomic.h"
#include "io/stream.h"

enum { MAX_STEMS = 64, MAX_FILES = 16 };

const char *const source_form_names[SOURCE_FORMS] = {"nothing usable", "sequences", "amazon", "sasrec", "lc-rec", "minionerec", "recbole"};

/* The stems that a form's files have in a folder. */
typedef struct Stems { const char *stem[MAX_STEMS]; int64_t n; } Stems;

SourceForm source_form_by_name(const char *name) {
    for (int f = 1; f < SOURCE_FORMS; f++)
        if (strcmp(name, source_form_names[f]) == 0) return (SourceForm)f;
    return SOURCE_NONE;
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), k = strlen(suffix);
    return n > k && strcmp(name + n - k, suffix) == 0;
}

static bool has_prefix(const char *name, const char *prefix) { return strncasecmp(name, prefix, strlen(prefix)) == 0; }

static const char *cut(Arena *arena, const char *name, const char *suffix) { return arena_strndup(arena, name, strlen(name) - strlen(suffix)); }

static void stems_add(Stems *s, const char *stem) {
    for (int64_t i = 0; i < s->n; i++)
        if (strcmp(s->stem[i], stem) == 0) return;
    if (s->n < MAX_STEMS) s->stem[s->n++] = stem;
}

/* ---- looking into a folder ---- */

/* Does the file begin like `user item [item ...]`, in whole numbers? */
static bool begins_with_numbers(const char *path) {
    LineReader *reader;
    const char *line;
    size_t n, words = 0, digits = 0;
    if (line_open(path, &reader) != OK) return status_clear(), false;
    bool numbers = line_next(reader, &line, &n);
    for (size_t i = 0; numbers && i <= n; i++) {
        char c = i < n ? line[i] : ' ';
        if (c >= '0' && c <= '9') digits++;
        else if (c == ' ' || c == '\t' || (c == '\r' && i + 1 == n)) words += digits > 0, digits = 0;
        else numbers = false;
    }
    if (line_close(reader) != OK) status_clear(); /* a damaged file is reported when it is read */
    return numbers && words >= 2;
}

static bool sasrec_name(const char *name) {
    static const char *const others[] = {"sequences.txt", "timestamps.txt", "users.txt", "README.txt", "requirements.txt"};
    if (!has_suffix(name, ".txt") || has_suffix(name, "_sample.txt") || has_suffix(name, "_neg.txt")) return false; /* S3-Rec's negatives */
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(name, others[i]) == 0) return false;
    return true;
}

static void note_recbole(const char *name, Arena *arena, Stems *stems) {
    static const char *const suffixes[] = {".train.inter", ".valid.inter", ".test.inter", ".inter"};
    size_t i = 0, n = sizeof suffixes / sizeof *suffixes;
    while (i < n && !has_suffix(name, suffixes[i])) i++;
    if (i < n) stems_add(stems, cut(arena, name, suffixes[i]));
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Names in a folder, sorted: what is found must not depend on the file system's order. */
static int64_t list_folder(const char *dir, Arena *arena, const char ***names) {
    DIR *folder = opendir(dir);
    size_t capacity = 0;
    int64_t n = 0;
    *names = NULL;
    if (!folder) return 0;
    for (const struct dirent *one; (one = readdir(folder)) != NULL;) {
        ARENA_GROW(arena, *names, capacity, n + 1);
        (*names)[n++] = arena_strdup(arena, one->d_name);
    }
    closedir(folder);
    if (n) qsort(*names, (size_t)n, sizeof **names, compare_names);
    return n;
}

static void find_stems(const char *dir, Arena *arena, Stems found[SOURCE_FORMS]) {
    const char **names;
    int64_t n = list_folder(dir, arena, &names);
    for (int64_t i = 0; i < n; i++) {
        note_recbole(names[i], arena, &found[SOURCE_RECBOLE]);
        if (has_suffix(names[i], ".inter.json")) stems_add(&found[SOURCE_LCREC], cut(arena, names[i], ".inter.json"));
        if (sasrec_name(names[i]) && begins_with_numbers(arena_printf(arena, "%s/%s", dir, names[i]))) stems_add(&found[SOURCE_SASREC], cut(arena, names[i], ".txt"));
    }
    n = list_folder(arena_printf(arena, "%s/train", dir), arena, &names);
    for (int64_t i = 0; i < n; i++)
        if (has_suffix(names[i], ".csv")) stems_add(&found[SOURCE_MINIONEREC], cut(arena, names[i], ".csv"));
}

/* The name under which the registry's files go: "Beauty" of reviews_Beauty_5.json.gz. */
static const char *entry_stem(const RegistryEntry *entry, Arena *arena) {
    if (entry->n_files == 0) return entry->name;
    const char *name = entry->file[0].name, *end = strstr(name, "_5.json");
    if (has_prefix(name, "reviews_")) name += strlen("reviews_");
    return end && end > name ? arena_strndup(arena, name, (size_t)(end - name)) : entry->name;
}

/* The stem meant: the one asked for, the only one, or the one that is the data set's name. */
static Status choose_stem(const RegistryEntry *entry, const char *dir, SourceForm form, const Stems *stems, const char *wanted, Arena *arena, const char **stem) {
    const char *candidates[] = {wanted, entry->name, entry_stem(entry, arena)}, *all = "";
    for (int c = *wanted ? 0 : 1; c < (*wanted ? 1 : 3) && stems->n > (*wanted ? 0 : 1); c++) {
        const char *exact = NULL, *longer = NULL;
        int64_t n_longer = 0;
        for (int64_t i = 0; i < stems->n; i++) {
            if (strcasecmp(stems->stem[i], candidates[c]) == 0) exact = stems->stem[i];
            if (has_prefix(stems->stem[i], candidates[c])) longer = stems->stem[i], n_longer++;
        }
        *stem = exact ? exact : n_longer == 1 ? longer : NULL;
        if (*stem) return OK;
    }
    if (stems->n == 1 && !*wanted) return *stem = stems->stem[0], OK;
    for (int64_t i = 0; i < stems->n; i++) all = arena_printf(arena, "%s%s%s", all, *all ? ", " : "", stems->stem[i]);
    if (*wanted) return FAIL(E_INPUT, "give one of them", "%s: no %s files named %s; here are %s", dir, source_form_names[form], wanted, all);
    return FAIL(E_INPUT, "say which with --stem", "%s: %s files of several data sets: %s", dir, source_form_names[form], all);
}

/* ---- the files of a form ---- */

typedef struct FileList { SourceFile file[MAX_FILES]; int64_t n; } FileList;

static void list_add(FileList *l, const char *name, bool optional) {
    REQUIRE(l->n < MAX_FILES, "more than %d files in a form", MAX_FILES);
    l->file[l->n++] = (SourceFile){name, optional};
}

/* Where a MiniOneRec folder keeps STEM.item.json: the longest name that begins the CSV files' stem. */
static void add_beside_csv(const char *dir, const char *stem, Arena *arena, FileList *l) {
    static const char *const places[] = {"", "index/", "info/"}, *const suffixes[] = {".item.json", ".index.json", ".user2id", ".item2id", ".simulated"};
    for (int s = 0; s < 5; s++) {
        const char *best = NULL;
        size_t best_length = 0;
        for (int p = 0; p < 3; p++) {
            const char **names;
            int64_t n = dir ? list_folder(arena_printf(arena, "%s/%s", dir, places[p]), arena, &names) : 0;
            for (int64_t i = 0; i < n; i++) {
                size_t length = strlen(names[i]) > strlen(suffixes[s]) ? strlen(names[i]) - strlen(suffixes[s]) : 0;
                if (!has_suffix(names[i], suffixes[s]) || length <= best_length || strncmp(names[i], stem, length) != 0) continue;
                best = arena_printf(arena, "%s%s", places[p], names[i]);
                best_length = length;
            }
        }
        if (!dir) best = arena_printf(arena, "%s%s", stem, suffixes[s]);
        if (best) list_add(l, best, true);
    }
}

/* dir NULL: of a place that cannot be listed. */
static void list_files(const RegistryEntry *entry, const char *dir, SourceForm form, const char *stem, Arena *arena, FileList *l) {
#define NAMED(suffix) arena_printf(arena, "%s%s", stem, suffix)
    switch (form) {
    case SOURCE_SEQUENCES:
        for (int f = 0; registry_sequence_files[f]; f++) list_add(l, registry_sequence_files[f], f >= REGISTRY_SEQUENCE_NEEDED);
        break;
    case SOURCE_RAW:
        for (int64_t f = 0; f < entry->n_files; f++) list_add(l, entry->file[f].name, entry->file[f].optional);
        break;
    case SOURCE_SASREC:
        list_add(l, NAMED(".txt"), false);
        list_add(l, NAMED("_item2attributes.json"), true);
        break;
    case SOURCE_LCREC:
        list_add(l, NAMED(".inter.json"), false);
        list_add(l, NAMED(".item.json"), true);
        list_add(l, NAMED(".index.json"), true);
        break;
    case SOURCE_MINIONEREC:
        list_add(l, arena_printf(arena, "train/%s.csv", stem), false);
        list_add(l, arena_printf(arena, "valid/%s.csv", stem), false);
        list_add(l, arena_printf(arena, "test/%s.csv", stem), false);
        list_add(l, arena_printf(arena, "info/%s.txt", stem), true);
        add_beside_csv(dir, stem, arena, l);
        break;
    case SOURCE_RECBOLE: {
        bool split = dir && !path_exists(arena_printf(arena, "%s/%s.inter", dir, stem));
        list_add(l, NAMED(".inter"), split);
        list_add(l, NAMED(".train.inter"), !split);
        list_add(l, NAMED(".valid.inter"), !split);
        list_add(l, NAMED(".test.inter"), !split);
        list_add(l, NAMED(".item"), true);
        break;
    }
    default: break;
    }
    if (form != SOURCE_SASREC && form != SOURCE_LCREC && form != SOURCE_RECBOLE) return;
    list_add(l, NAMED(".user2id"), true);
    list_add(l, NAMED(".item2id"), true);
    list_add(l, NAMED(".simulated"), true);
#undef NAMED
}

static void take_list(const FileList *l, Arena *arena, Source *source) {
    SourceFile *files = ARENA_NEW(arena, SourceFile, MAX_FILES);
    source->n_files = 0;
    for (int64_t f = 0; f < l->n; f++) {
        bool there = !*source->dir || path_exists(arena_printf(arena, "%s/%s", source->dir, l->file[f].name));
        if (there || !l->file[f].optional) files[source->n_files++] = l->file[f];
    }
    source->file = files;
}

void source_remote(const RegistryEntry *entry, SourceForm form, const char *stem, Arena *arena, Source *source) {
    FileList list = {.n = 0};
    *source = (Source){.form = form, .dir = "", .stem = arena_strdup(arena, *stem ? stem : entry_stem(entry, arena))};
    list_files(entry, NULL, form, source->stem, arena, &list);
    take_list(&list, arena, source);
}

Status source_find(const RegistryEntry *entry, const char *dir, const char *form, const char *stem, Arena *arena, Source *source) {
    Stems found[SOURCE_FORMS] = {{.n = 0}};
    SourceForm wanted = source_form_by_name(form), is = SOURCE_NONE;
    RegistryForms own = registry_forms(entry, dir);
    *source = (Source){.form = SOURCE_NONE, .dir = arena_strdup(arena, dir), .stem = ""};
    find_stems(dir, arena, found);
    if (own.sequences && wanted != SOURCE_RAW) stems_add(&found[SOURCE_SEQUENCES], ""); /* counts before raw files */
    else if (own.raw) stems_add(&found[SOURCE_RAW], "");
    const char *all = "";
    int64_t n = 0;
    for (int f = 1; f < SOURCE_FORMS; f++) {
        if (found[f].n == 0 || (wanted && wanted != (SourceForm)f)) continue;
        is = (SourceForm)f;
        n++;
        all = arena_printf(arena, "%s%s%s", all, *all ? " and " : "", source_form_names[f]);
    }
    if (n == 0) return OK;
    if (n > 1) return FAIL(E_INPUT, "say which with --form", "%s: files of several forms are here: %s", dir, all);
    if (is != SOURCE_SEQUENCES && is != SOURCE_RAW) TRY(choose_stem(entry, dir, is, &found[is], stem, arena, &source->stem));
    source->form = is;
    FileList list = {.n = 0};
    list_files(entry, dir, is, source->stem, arena, &list);
    take_list(&list, arena, source);
    return OK;
}

const char *source_path(const Source *source, const char *suffix, Arena *arena) {
    for (int64_t f = 0; f < source->n_files; f++)
        if (has_suffix(source->file[f].name, suffix)) return arena_printf(arena, "%s/%s", source->dir, source->file[f].name);
    return NULL;
}
