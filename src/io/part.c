/* io/part.c -- see part.h. */
#include "io/part.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

enum { FROM_BYTES = 8192 };

/* ---- where it is from ---- */

static bool read_line(FILE *f, char *line, size_t n) {
    if (!fgets(line, (int)n, f)) return false;
    char *end = strchr(line, '\n');
    if (!end) return false; /* torn */
    *end = '\0';
    return true;
}

/* Does `path` describe bytes of this address? Then validator and total are taken over. */
static bool read_from(const char *path, Part *part) {
    char url[FROM_BYTES], total[32];
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool whole = read_line(f, url, sizeof url) && read_line(f, part->validator, sizeof part->validator) && read_line(f, total, sizeof total);
    fclose(f);
    char *end = total;
    if (whole) part->total = strtoll(total, &end, 10);
    whole = whole && end != total && *end == '\0' && strcmp(url, part->url) == 0;
    if (!whole) part->validator[0] = '\0', part->total = -1;
    return whole;
}

bool part_describe(Part *part, const char *validator, int64_t total) {
    if (part->described && strcmp(validator, part->validator) == 0 && total == part->total) return true;
    char fresh[FROM_BYTES];
    int n = snprintf(fresh, sizeof fresh, "%s.new", part->from);
    if (n < 0 || (size_t)n >= sizeof fresh) return errno = ENAMETOOLONG, false;
    FILE *f = fopen(fresh, "w");
    if (!f) return false;
    bool good = fprintf(f, "%s\n%s\n%lld\n", part->url, validator, (long long)total) > 0;
    good = fclose(f) == 0 && good && rename(fresh, part->from) == 0;
    int reason = errno;
    if (!good) return unlink(fresh), errno = reason, false;
    snprintf(part->validator, sizeof part->validator, "%s", validator);
    part->total = total;
    return part->described = true;
}

/* ---- the bytes ---- */

static const char *rejected(const Part *part, Arena *arena) { return arena_printf(arena, "%s.rejected", part->target); }

static void part_name(const char *target, const char *url, Arena *arena, Part *part) {
    char hex[SHA256_HEX];
    sha256_buffer(url, strlen(url), hex);
    *part = (Part){.target = target, .url = url, .fd = -1, .total = -1};
    part->path = arena_printf(arena, "%s.part-%.8s", target, hex);
    part->from = arena_printf(arena, "%s.from", part->path);
}

Status part_open(const char *target, const char *url, Arena *arena, Part *part) {
    struct stat info;
    part_name(target, url, arena, part);
    part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (part->fd < 0 || fstat(part->fd, &info) != 0) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot create: %s", part->path, strerror(errno));
    part->bytes = info.st_size;
    part->described = read_from(part->from, part) && (part->total < 0 || part->bytes <= part->total);
    if (part->described) return OK;
    part->validator[0] = '\0';
    part->total = -1;
    if (!part_truncate(part, 0)) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot write: %s", part->path, strerror(errno));
    return OK;
}

bool part_truncate(Part *part, int64_t bytes) {
    if (ftruncate(part->fd, bytes) != 0) return false;
    part->bytes = bytes;
    return true;
}

int64_t part_agrees(const Part *part, int64_t at, const char *data, size_t n) {
    char block[16384];
    size_t same = 0;
    while (same < n) {
        size_t want = n - same < sizeof block ? n - same : sizeof block;
        ssize_t got = pread(part->fd, block, want, at + (int64_t)same);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        for (ssize_t i = 0; i < got; i++)
            if (block[i] != data[same + (size_t)i]) return (int64_t)same + i;
        same += (size_t)got;
    }
    return (int64_t)same;
}

ssize_t part_peek(const Part *part, char *data, size_t n) { return pread(part->fd, data, n, 0); }

bool part_append(Part *part, const char *data, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(part->fd, data + done, n - done, part->bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        done += (size_t)put;
        part->bytes += put;
    }
    return true;
}

bool part_flush(const Part *part) { return fsync(part->fd) == 0; }

static void part_close(Part *part) {
    if (part->fd >= 0) close(part->fd); /* flushed before: nothing is left to fail */
    part->fd = -1;
}

/* ---- the end ---- */

static void remove_others(const Part *part, Arena *arena) {
    glob_t found = {0};
    const char *name = arena_printf(arena, "%s.part-", part->target);
    size_t n = strlen(name);
    char *pattern = arena_alloc(arena, 2 * n + 2, 1), *p = pattern; /* a path may hold what glob takes for a pattern */
    for (size_t i = 0; i < n; i++) {
        if (strchr("*?[\\", name[i])) *p++ = '\\';
        *p++ = name[i];
    }
    *p = '*';
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) unlink(found.gl_pathv[i]);
    globfree(&found);
}

Status part_finish(Part *part) {
    part_close(part);
    if (rename(part->path, part->target) != 0)
        return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot rename to %s: %s", part->path, part->target, strerror(errno));
    Arena *arena = arena_create("part");
    remove_others(part, arena);
    unlink(rejected(part, arena));
    unlink(arena_printf(arena, "%s.from", rejected(part, arena)));
    arena_destroy(arena);
    return OK;
}

void part_reject(Part *part) {
    Arena *arena = arena_create("part");
    part_close(part);
    if (rename(part->path, rejected(part, arena)) == 0) rename(part->from, arena_printf(arena, "%s.from", rejected(part, arena)));
    arena_destroy(arena);
}

void part_readmit(const char *target, const char *url) {
    Arena *arena = arena_create("part");
    Part part;
    part_name(target, url, arena, &part);
    const char *file = rejected(&part, arena), *from = arena_printf(arena, "%s.from", file);
    if (read_from(from, &part) && rename(file, part.path) == 0) rename(from, part.from);
    arena_destroy(arena);
}

void part_leave(Part *part) {
    part_close(part);
    if (part->bytes > 0) return;
    unlink(part->path);
    unlink(part->from);
}
