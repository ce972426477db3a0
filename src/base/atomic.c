/* base/atomic.c -- see atomic.h. */
#include "base/atomic.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

static const char *const FIX_WRITE = "free disk space or choose a writable place, then run the same command again; nothing was replaced";

struct AtomicFile {
    Arena *arena;
    FILE *stream;
    char *path, *temporary;
};

Status atomic_open(const char *path, AtomicFile **file)
{
    Arena *arena = arena_create("atomic file");
    AtomicFile *f = ARENA_NEW(arena, AtomicFile, 1);
    f->arena = arena;
    f->path = arena_strdup(arena, path);
    f->temporary = arena_printf(arena, "%s.tmp", path);
    f->stream = fopen(f->temporary, "wb");
    if (f->stream == NULL) {
        Status s = FAIL(E_RESOURCE, FIX_WRITE, "%s: cannot write: %s", path, strerror(errno));
        arena_destroy(arena);
        *file = NULL;
        return s;
    }
    *file = f;
    return OK;
}

FILE *atomic_stream(AtomicFile *f) { return f->stream; }

Status atomic_write(AtomicFile *f, const void *data, size_t bytes)
{
    if (bytes == 0 || fwrite(data, 1, bytes, f->stream) == bytes) return OK;
    return FAIL(E_RESOURCE, FIX_WRITE, "%s: write failed: %s", f->path, strerror(errno));
}

Status atomic_commit(AtomicFile *f)
{
    errno = 0;
    bool bad = ferror(f->stream) != 0;
    bad = fflush(f->stream) != 0 || bad;
    bad = fsync(fileno(f->stream)) != 0 || bad;
    int reason = errno != 0 ? errno : EIO;
    if (fclose(f->stream) != 0) {
        bad = true;
        reason = errno;
    }
    if (!bad && rename(f->temporary, f->path) != 0) {
        bad = true;
        reason = errno;
    }
    Status s = OK;
    if (bad) {
        (void)unlink(f->temporary);
        s = FAIL(E_RESOURCE, FIX_WRITE, "%s: write failed: %s", f->path, strerror(reason));
    }
    arena_destroy(f->arena);
    return s;
}

void atomic_abandon(AtomicFile *f)
{
    if (f == NULL) return;
    (void)fclose(f->stream);
    (void)unlink(f->temporary);
    arena_destroy(f->arena);
}

Status dir_make(const char *path)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) return FAIL(E_USAGE, "give a shorter folder name", "folder name of %zu bytes", n);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return FAIL(E_RESOURCE, "choose a writable place", "%s: cannot create folder: %s", part, strerror(errno));
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return FAIL(E_RESOURCE, "choose another name", "%s: exists and is not a folder", path);
    return OK;
}

int path_exists(const char *path) { return access(path, R_OK) == 0; }
