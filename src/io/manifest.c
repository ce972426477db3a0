/* io/manifest.c -- see manifest.h. */
#include "io/manifest.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "io/build_info.h"

struct Manifest {
    Arena *arena;
    cJSON *tree, *inputs, *outputs, *notes;
    double start_s;
    Status status; /* first failure of an input or output, reported at the end */
};

Manifest *manifest_begin(const char *program, cJSON *options)
{
    Arena *arena = arena_create("manifest");
    Manifest *m = ARENA_NEW(arena, Manifest, 1);
    m->arena = arena;
    m->start_s = log_opened_s() > 0 ? log_opened_s() : time_now_s(); /* some stages list their inputs when the work is done */
    m->tree = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(m->tree, "program", program);
    (void)cJSON_AddItemToObject(m->tree, "options", options);
    m->inputs = cJSON_AddArrayToObject(m->tree, "inputs");
    m->outputs = cJSON_AddArrayToObject(m->tree, "outputs");
    m->notes = cJSON_AddObjectToObject(m->tree, "notes");
    return m;
}

static void add_file(Manifest *m, cJSON *list, const char *path)
{
    char hex[SHA256_HEX];
    int64_t bytes = 0;
    Status s = sha256_file(path, hex, &bytes);
    if (s != OK) {
        if (m->status == OK) m->status = s;
        return;
    }
    cJSON *entry = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(entry, "path", path);
    (void)cJSON_AddStringToObject(entry, "sha256", hex);
    (void)cJSON_AddNumberToObject(entry, "bytes", (double)bytes);
    cJSON_AddItemToArray(list, entry);
}

void manifest_input(Manifest *m, const char *path) { add_file(m, m->inputs, path); }

void manifest_output(Manifest *m, const char *path) { add_file(m, m->outputs, path); }

void manifest_note_string(Manifest *m, const char *key, const char *value) { (void)cJSON_AddStringToObject(m->notes, key, value); }

void manifest_note_number(Manifest *m, const char *key, double value) { (void)cJSON_AddNumberToObject(m->notes, key, value); }

void manifest_note_bool(Manifest *m, const char *key, bool value) { (void)cJSON_AddBoolToObject(m->notes, key, value); }

void manifest_note_json(Manifest *m, const char *key, cJSON *value) { (void)cJSON_AddItemToObject(m->notes, key, value); }

static void add_environment(Manifest *m)
{
    cJSON *e = cJSON_AddObjectToObject(m->tree, "environment");
    const char *commit = getenv("DIGR_COMMIT");
    (void)cJSON_AddStringToObject(e, "commit", commit != NULL && commit[0] != '\0' ? commit : "unknown");
    (void)cJSON_AddStringToObject(e, "compiler", BUILD_COMPILER);
    (void)cJSON_AddStringToObject(e, "flags", BUILD_FLAGS);
    (void)cJSON_AddStringToObject(e, "blas", openblas_get_config());
    (void)cJSON_AddStringToObject(e, "blas_core", openblas_get_corename());
    (void)cJSON_AddNumberToObject(e, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
    struct utsname name;
    if (uname(&name) == 0) {
        (void)cJSON_AddStringToObject(e, "system", name.sysname);
        (void)cJSON_AddStringToObject(e, "machine", name.machine);
    }
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)cJSON_AddStringToObject(e, "finished", stamp);
    (void)cJSON_AddNumberToObject(e, "seconds", time_now_s() - m->start_s);
    (void)cJSON_AddNumberToObject(e, "peak_memory_bytes", (double)peak_memory_bytes());
}

Status manifest_end(Manifest *m, const char *out_dir)
{
    add_environment(m);
    Status s = m->status;
    if (s == OK) {
        char *path = arena_printf(m->arena, "%s/manifest.json", out_dir);
        s = json_write_file(path, m->tree);
    }
    cJSON_Delete(m->tree);
    arena_destroy(m->arena);
    return s;
}
