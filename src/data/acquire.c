/* data/acquire.c -- see acquire.h. */
#include "data/acquire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/download.h"

enum { PROBE_S = 4 };
#define LOCK_FORMAT "digr-lock/1"

/* ---- where the files are ---- */

typedef struct Place {
    Source source;
    bool local;
    const char *base; /* folder or URL of one; "": the registry's addresses */
} Place;

static const char *wanted_form(const AcquireSettings *s) { return s->form ? s->form : "auto"; }
static const char *wanted_stem(const AcquireSettings *s) { return s->stem ? s->stem : ""; }

static Status unavailable(const RegistryEntry *entry, const char *source, Arena *arena) {
    const char *first = entry->n_files ? entry->file[0].name : "sequences.txt";
    const char *others = entry->simulated ? entry->hint
                                          : arena_printf(arena,
                                                         "three ways on: a mirror (--source https://HOST/PATH with %s/%s under it), a folder (--source DIR, with DIR/%s "
                                                         "or DIR/%s/sequences.txt and items.jsonl), or the embedded sample (make reproduce DATA=sample)",
                                                         entry->folder, first, first, entry->folder);
    return FAIL(E_RESOURCE, others, "%s: not available from %s", entry->label, *source ? source : "the addresses of data_prep/datasets.json");
}

static Status find_local(const RegistryEntry *entry, const AcquireSettings *settings, Arena *arena, Place *place, bool *found) {
    const char *candidates[] = {arena_printf(arena, "%s/%s", settings->source, entry->folder), settings->source};
    *found = false;
    for (int i = 0; i < 2 && !*found; i++) {
        *place = (Place){.local = true, .base = candidates[i]};
        TRY(source_find(entry, candidates[i], wanted_form(settings), wanted_stem(settings), arena, &place->source));
        *found = place->source.form != SOURCE_NONE;
    }
    return OK;
}

static bool find_remote(const RegistryEntry *entry, const AcquireSettings *settings, Arena *arena, Place *place) {
    const char *url = settings->source;
    SourceForm wanted = source_form_by_name(wanted_form(settings));
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/') n--;
    const char *root = arena_strndup(arena, url, n);
    const char *candidates[] = {arena_printf(arena, "%s/%s", root, entry->folder), root};
    const SourceForm forms[] = {wanted ? wanted : SOURCE_SEQUENCES, SOURCE_RAW};
    for (int i = 0; i < 4; i++) {
        if (i % 2 && (wanted || entry->n_files == 0)) continue;
        *place = (Place){.base = candidates[i / 2]};
        source_remote(entry, forms[i % 2], wanted_stem(settings), arena, &place->source);
        const SourceFile *first = &place->source.file[0]; /* the first file tells */
        if (download_probe(arena_printf(arena, "%s/%s", candidates[i / 2], first->name), PROBE_S, NULL)) return true;
    }
    return false;
}

/* The first address of the registry that answers, for the first file; the others are tried when their turn comes. */
static bool registry_answers(const RegistryEntry *entry) {
    for (int64_t f = 0; f < entry->n_files; f++) {
        bool there = false;
        for (int64_t u = 0; u < entry->file[f].n_urls && !there; u++) there = download_probe(entry->file[f].url[u], PROBE_S, NULL);
        if (!there && !entry->file[f].optional) return false;
    }
    return entry->n_files > 0;
}

static Status find_place(const RegistryEntry *entry, const AcquireSettings *settings, bool probe, Arena *arena, Place *place) {
    bool found;
    if (!*settings->source) {
        *place = (Place){.base = ""};
        source_remote(entry, SOURCE_RAW, "", arena, &place->source);
        found = entry->n_files > 0 && entry->file[0].n_urls > 0 && (!probe || registry_answers(entry));
    } else if (download_is_url(settings->source)) {
        found = find_remote(entry, settings, arena, place);
    } else {
        TRY(find_local(entry, settings, arena, place, &found));
    }
    return found ? OK : unavailable(entry, settings->source, arena);
}

Status acquire_probe(const RegistryEntry *entry, const AcquireSettings *settings) {
    Arena *arena = arena_create("probe");
    Place place;
    Status status = find_place(entry, settings, true, arena, &place);
    arena_destroy(arena);
    return status;
}

/* ---- lock file ---- */

typedef struct Lock {
    const char *path;
    cJSON *root, *files;
    bool changed;
} Lock;

static Status lock_open(const char *path, Lock *lock) {
    *lock = (Lock){.path = path};
    if (!path_exists(path)) {
        lock->root = cJSON_CreateObject();
        cJSON_AddStringToObject(lock->root, "format", LOCK_FORMAT);
        lock->files = cJSON_AddObjectToObject(lock->root, "files");
        return OK;
    }
    TRY(json_read_file(path, &lock->root));
    const char *format = json_opt_string(lock->root, "format", "");
    lock->files = cJSON_GetObjectItemCaseSensitive(lock->root, "files");
    if (strcmp(format, LOCK_FORMAT) == 0 && cJSON_IsObject(lock->files)) return OK;
    cJSON_Delete(lock->root);
    return FAIL(E_INPUT, "remove it; checksums are then recorded anew", "%s: no lock file of ours", path);
}

/* Expected checksum of a file: what the registry knows, else what the lock file recorded. */
static void lock_expect(const Lock *lock, const char *name, Arena *arena, DownloadFile *file) {
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(lock->files, name);
    if (!one || *file->sha256) return;
    file->sha256 = arena_strdup(arena, json_opt_string(one, "sha256", ""));
    file->bytes = (int64_t)json_opt_number(one, "bytes", 0);
}

static void lock_record(Lock *lock, const char *name, const char *url, const DownloadResult *result) {
    if (cJSON_GetObjectItemCaseSensitive(lock->files, name)) return;
    cJSON *one = cJSON_AddObjectToObject(lock->files, name);
    cJSON_AddNumberToObject(one, "bytes", (double)result->bytes);
    cJSON_AddStringToObject(one, "sha256", result->sha256);
    cJSON_AddStringToObject(one, "url", url);
    lock->changed = true;
    log_info("%s: %lld bytes, SHA-256 %s recorded in %s", name, (long long)result->bytes, result->sha256, lock->path);
}

static Status lock_close(Lock *lock) {
    Status status = lock->changed ? json_write_file(lock->path, lock->root) : OK;
    cJSON_Delete(lock->root);
    return status;
}

/* ---- one file ---- */

typedef struct Acquire {
    const RegistryEntry *entry;
    const AcquireSettings *settings;
    const char *out;
    Place place;
    Lock lock;
    Arena *arena;
    Manifest *manifest;
} Acquire;

static Status copy_file(const char *from, const char *to) {
    FILE *in = fopen(from, "rb");
    if (!in) return FAIL(E_INPUT, "check its permissions", "%s: cannot open: %s", from, strerror(errno));
    AtomicFile *file;
    Status status = atomic_open(to, &file);
    if (status != OK) return fclose(in), status;
    char block[1 << 16];
    for (size_t n; status == OK && (n = fread(block, 1, sizeof block, in)) > 0;) status = atomic_write(file, block, n);
    if (status == OK && ferror(in)) status = FAIL(E_INPUT, "check the disk it is on", "%s: read error", from);
    fclose(in);
    if (status != OK) return atomic_abandon(file), status;
    return atomic_commit(file);
}

static Status take_local(Acquire *a, const char *name, const char *sha256) {
    const char *from = arena_printf(a->arena, "%s/%s", a->place.base, name), *to = arena_printf(a->arena, "%s/%s", a->out, name);
    char absolute[PATH_MAX], hex[SHA256_HEX];
    if (!realpath(from, absolute)) return FAIL(E_INPUT, "a link may point nowhere; check the source folder", "%s: %s", from, strerror(errno));
    if (*sha256) {
        TRY(sha256_file(absolute, hex, NULL));
        if (strcmp(hex, sha256) != 0) return FAIL(E_INPUT, "this is another or a damaged file", "%s: SHA-256 %s, expected %s", from, hex, sha256);
    }
    char existing[PATH_MAX];
    struct stat info;
    bool linked = lstat(to, &info) == 0 && S_ISLNK(info.st_mode);
    if (realpath(to, existing) && strcmp(existing, absolute) == 0 && !(linked && a->settings->copy)) return OK; /* the source is the target, or is linked */
    if (a->settings->copy) return copy_file(absolute, to);
    if (unlink(to) != 0 && errno != ENOENT) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot replace: %s", to, strerror(errno));
    if (symlink(absolute, to) != 0) return FAIL(E_RESOURCE, "use --copy 1", "%s: cannot link to %s: %s", to, absolute, strerror(errno));
    return OK;
}

/* Is a file of an earlier run there, with the expected checksum? */
static bool have_already(const DownloadFile *file) {
    char hex[SHA256_HEX];
    if (!*file->sha256 || !path_exists(file->path)) return false;
    bool same = sha256_file(file->path, hex, NULL) == OK && strcmp(hex, file->sha256) == 0;
    status_clear();
    return same;
}

static Status take_remote(Acquire *a, const char *name, const RegistryFile *known) {
    const char *const *urls = known ? known->url : NULL;
    const char *single[] = {arena_printf(a->arena, "%s/%s", a->place.base, name)};
    int64_t n_urls = known ? known->n_urls : 0;
    if (*a->place.base) urls = single, n_urls = 1;
    DownloadFile file = {.path = arena_printf(a->arena, "%s/%s", a->out, name), .sha256 = known ? known->sha256 : "", .bytes = known ? known->bytes : 0};
    const char *key = arena_printf(a->arena, "%s/%s", a->entry->name, name);
    lock_expect(&a->lock, key, a->arena, &file);
    if (have_already(&file)) return log_info("%s is here already", name), OK;
    Status status = E_RESOURCE;
    for (int64_t u = 0; u < n_urls && status != OK; u++) {
        DownloadResult result;
        file.url = urls[u];
        status = download_fetch(&file, &result);
        if (status == OK) lock_record(&a->lock, key, file.url, &result);
        else log_warn("%s", status_message());
    }
    return status;
}

static Status take(Acquire *a, const char *name, const RegistryFile *known, bool optional) {
    Status status;
    if (a->place.local) {
        if (optional && !path_exists(arena_printf(a->arena, "%s/%s", a->place.base, name))) return OK;
        status = take_local(a, name, known ? known->sha256 : "");
    } else {
        if (optional && *a->place.base && !download_probe(arena_printf(a->arena, "%s/%s", a->place.base, name), PROBE_S, NULL)) return OK;
        if (optional && !*a->place.base && (!known || !known->n_urls)) return OK;
        status = take_remote(a, name, known);
    }
    if (status == OK) manifest_output(a->manifest, arena_printf(a->arena, "%s/%s", a->out, name));
    return status;
}

static Status take_all(Acquire *a) {
    Status status = OK;
    const Source *source = &a->place.source;
    for (int64_t f = 0; f < source->n_files && status == OK; f++) {
        const char *slash = strrchr(source->file[f].name, '/');
        const RegistryFile *known = NULL;
        for (int64_t k = 0; k < a->entry->n_files && source->form == SOURCE_RAW; k++)
            if (strcmp(a->entry->file[k].name, source->file[f].name) == 0) known = &a->entry->file[k];
        if (slash) status = dir_make(arena_printf(a->arena, "%s/%.*s", a->out, (int)(slash - source->file[f].name), source->file[f].name));
        if (status == OK) status = take(a, source->file[f].name, known, source->file[f].optional);
    }
    Status closed = lock_close(&a->lock); /* what was fetched stays recorded, also when the next file failed */
    if (status == E_RESOURCE && !a->place.local && !*a->place.base) return unavailable(a->entry, a->settings->source, a->arena);
    return status != OK ? status : closed;
}

Status acquire_files(const RegistryEntry *entry, const AcquireSettings *settings, const char *out, Manifest *manifest) {
    Arena *arena = arena_create("acquire");
    Acquire a = {.entry = entry, .settings = settings, .out = out, .arena = arena, .manifest = manifest};
    Status status = find_place(entry, settings, false, arena, &a.place);
    if (status == OK) status = dir_make(out);
    if (status == OK) status = lock_open(settings->lock, &a.lock);
    if (status == OK) status = take_all(&a);
    if (status == OK) {
        manifest_note_string(manifest, "form", a.place.source.form == SOURCE_RAW ? "raw" : source_form_names[a.place.source.form]);
        manifest_note_string(manifest, "from", *a.place.base ? a.place.base : "registry");
    }
    arena_destroy(arena);
    return status;
}
