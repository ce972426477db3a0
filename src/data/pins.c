/* data/pins.c -- see pins.h. */
#include "data/pins.h"

#include <string.h>

#include "base/atomic.h"
#include "base/guard.h"
#include "base/json.h"
#include "base/log.h"

#define FORMAT "digr-lock/1"

/* *files points into *root (caller: cJSON_Delete). */
static Status read_pins(const char *path, cJSON **root, cJSON **files) {
    if (!path_exists(path)) {
        *root = cJSON_CreateObject();
        cJSON_AddStringToObject(*root, "format", FORMAT);
        *files = cJSON_AddObjectToObject(*root, "files");
        return OK;
    }
    TRY(json_read_file(path, root));
    *files = cJSON_GetObjectItemCaseSensitive(*root, "files");
    if (strcmp(json_opt_string(*root, "format", ""), FORMAT) == 0 && cJSON_IsObject(*files)) return OK;
    cJSON_Delete(*root);
    return FAIL(E_INPUT, "remove it; checksums are then recorded anew", "%s: no lock file of ours", path);
}

Status pins_find(const char *path, const char *name, Arena *arena, Pin *pin) {
    cJSON *root, *files;
    TRY(read_pins(path, &root, &files));
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(files, name);
    pin->sha256 = arena_strdup(arena, json_opt_string(one, "sha256", ""));
    pin->url = arena_strdup(arena, json_opt_string(one, "url", ""));
    pin->bytes = (int64_t)json_opt_number(one, "bytes", 0);
    cJSON_Delete(root);
    return OK;
}

static Status record(const char *path, const char *name, const Pin *pin, bool replace) {
    cJSON *root, *files;
    TRY(read_pins(path, &root, &files));
    const char *there = json_opt_string(cJSON_GetObjectItemCaseSensitive(files, name), "sha256", "");
    Status status = OK;
    if (*there && strcmp(there, pin->sha256) != 0 && !replace) {
        status = FAIL(E_INPUT, "two downloads of it brought different files; remove the entry of the wrong one and run it again", "%s: \"%s\" is recorded with SHA-256 %s, and now is %s",
                      path, name, there, pin->sha256);
    } else if (strcmp(there, pin->sha256) != 0) {
        cJSON_DeleteItemFromObjectCaseSensitive(files, name);
        cJSON *one = cJSON_AddObjectToObject(files, name);
        cJSON_AddNumberToObject(one, "bytes", (double)pin->bytes);
        cJSON_AddStringToObject(one, "sha256", pin->sha256);
        cJSON_AddStringToObject(one, "url", pin->url);
        log_info("%s: %lld bytes, SHA-256 %s recorded in %s", name, (long long)pin->bytes, pin->sha256, path);
        status = json_write_file(path, root);
    }
    cJSON_Delete(root);
    return status;
}

Status pins_record(const char *path, const char *name, const Pin *pin, bool replace) {
    Guard *guard;
    TRY(guard_take(path, "another process changes it", &guard));
    Status status = record(path, name, pin, replace);
    guard_drop(guard);
    return status;
}
