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

#include "base/log.h"
#include "base/atomic.h"
#include "data/pins.h"

enum { PROBE_S = 4 };

/* ---- where the files are ---- */

typedef struct Place {
    Source source;
    bool local;
    const char *base; /* folder or URL of one; "": the registry's addresses */
} Place;

static const char *wanted_form(const AcquireSettings *s) { return s->form ? s->form : "auto"; }
static const char *wanted_stem(const AcquireSettings *s) { return s->stem ? s->stem : ""; }

/* reason: what the last address said, NULL when that is not known */
static Status unavailable(const RegistryEntry *entry, const char *source, const char *reason, Arena *arena) {
    const char *first = entry->n_files ? entry->file[0].name : "sequences.txt";
    const char *others = entry->simulated && *entry->hint ? entry->hint
                                          : arena_printf(arena,
                                                         "three ways on: a mirror (--source https://HOST/PATH with %s/%s under it), a folder (--source DIR, with DIR/%s "
                                                         "or DIR/%s/sequences.txt and items.jsonl), or the embedded sample (make reproduce DATA=sample)",
                                                         entry->folder, first, first, entry->folder);
    const char *last = reason ? arena_printf(arena, " (%s)", reason) : "";
    if (reason) others = arena_printf(arena, "try again later (what has come so far is kept), or %s", others);
    return FAIL(E_RESOURCE, others, "%s: not available from %s%s", entry->label, *source ? source : "the addresses of its registry", last);
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
    return found ? OK : unavailable(entry, settings->source, NULL, arena);
}

Status acquire_probe(const RegistryEntry *entry, const AcquireSettings *settings) {
    Arena *arena = arena_create("probe");
    Place place;
    Status status = find_place(entry, settings, true, arena, &place);
    arena_destroy(arena);
    return status;
}

/* ---- one file ---- */

typedef struct Acquire {
    const RegistryEntry *entry;
    const AcquireSettings *settings;
    const char *out;
    Place place;
    bool local_fault; /* another address would not have helped */
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

/* What a file must be: as the registry says, else as it was recorded at the first download. */
typedef struct Expected {
    Acquire *a;
    const char *key;
    bool replace; /* what is recorded does not count */
} Expected;

static Status expect(Expected *e, const RegistryFile *known, DownloadFile *file) {
    Acquire *a = e->a;
    Pin pin;
    file->sha256 = known ? known->sha256 : "";
    file->bytes = known ? known->bytes : 0;
    file->remedy = "the registry says otherwise: give another --source, or correct the registry";
    e->replace = a->settings->repin || *file->sha256;
    if (e->replace) return OK;
    TRY(pins_find(a->settings->lock, e->key, a->arena, &pin));
    file->sha256 = pin.sha256;
    file->bytes = pin.bytes > 0 ? pin.bytes : file->bytes;
    file->remedy = *pin.sha256 ? arena_printf(a->arena, "it is not the file that was recorded first (\"%s\" in %s, from %s): give another --source, or, to take the new one on purpose, --repin 1",
                                              e->key, a->settings->lock, pin.url)
                               : NULL;
    return OK;
}

/* Recorded before it gets its name: a file that is there is recorded. */
static Status on_verified(void *user, const char *url, const DownloadResult *result) {
    const Expected *e = user;
    Pin pin = {result->sha256, url, result->bytes};
    return pins_record(e->a->settings->lock, e->key, &pin, e->replace);
}

/* The addresses in order. Of several failures the first that brought a wrong file is reported, else the last. */
static Status fetch_from(Acquire *a, DownloadFile *file, const char *const *urls, int64_t n_urls) {
    Status status = E_RESOURCE;
    const char *wrong = NULL, *fix = NULL;
    for (int64_t u = 0; u < n_urls && !a->local_fault; u++) {
        DownloadResult result;
        file->url = urls[u];
        status = download_fetch(file, &result);
        if (status == OK) return OK;
        a->local_fault = result.local_fault;
        if (status == E_INPUT && !wrong) wrong = arena_strdup(a->arena, status_message()), fix = arena_strdup(a->arena, status_fix());
        if (n_urls > 1) log_warn("%s%s", status_message(), u + 1 < n_urls && !a->local_fault ? "; the next address follows" : "");
    }
    return wrong && status != E_INPUT && !a->local_fault ? FAIL(E_INPUT, fix, "%s", wrong) : status;
}

/* What is called .gz or .zst must be packed: it was put there by somebody who packed it. Local files may be called what they like. */
static ContentKind content_of(const char *name) {
    size_t n = strlen(name);
    bool packed = (n > 3 && strcmp(name + n - 3, ".gz") == 0) || (n > 4 && strcmp(name + n - 4, ".zst") == 0);
    return (strstr(name, ".json") ? CONTENT_JSON : CONTENT_TEXT) | (packed ? CONTENT_PACKED : 0);
}

static Status take_remote(Acquire *a, const char *name, const RegistryFile *known) {
    const char *single[] = {arena_printf(a->arena, "%s/%s", a->place.base, name)};
    const char *const *urls = *a->place.base ? single : known ? known->url : NULL;
    int64_t n_urls = *a->place.base ? 1 : known ? known->n_urls : 0;
    Expected expected = {.a = a, .key = arena_printf(a->arena, "%s/%s", a->entry->name, name)};
    DownloadFile file = {.path = arena_printf(a->arena, "%s/%s", a->out, name), .content = content_of(name), .limits = a->settings->limits, .verified = on_verified, .user = &expected};
    TRY(expect(&expected, known, &file));
    if (have_already(&file)) return log_info("%s is here already", name), OK;
    file.readmit = !*file.sha256;
    return fetch_from(a, &file, urls, n_urls);
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
    if (status == E_RESOURCE && !a->place.local && !*a->place.base && !a->local_fault) return unavailable(a->entry, a->settings->source, status_message(), a->arena);
    return status;
}

Status acquire_files(const RegistryEntry *entry, const AcquireSettings *settings, const char *out, Manifest *manifest) {
    Arena *arena = arena_create("acquire");
    Acquire a = {.entry = entry, .settings = settings, .out = out, .arena = arena, .manifest = manifest};
    Status status = find_place(entry, settings, false, arena, &a.place);
    if (status == OK) status = dir_make(out);
    if (status == OK) status = take_all(&a);
    if (status == OK) {
        manifest_note_string(manifest, "form", a.place.source.form == SOURCE_RAW ? "raw" : source_form_names[a.place.source.form]);
        manifest_note_string(manifest, "from", *a.place.base ? a.place.base : "registry");
        const char *marker = source_path(&a.place.source, ".simulated", arena); /* of an export; may be one that a URL does not have */
        manifest_note_bool(manifest, "simulated", entry->simulated || (marker && path_exists(arena_printf(arena, "%s/%s", out, strrchr(marker, '/') + 1))));
    }
    arena_destroy(arena);
    return status;
}
