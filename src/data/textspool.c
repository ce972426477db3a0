/* data/textspool.c -- see textspool.h. Addresses are reserved at once (no memory), disk space as it is needed: a page that the disk has no room for would be a SIGBUS. */
#include "data/textspool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RESERVED_BYTES ((size_t)1 << 38)
enum { STEP_BYTES = 1 << 22 };

struct TextSpool {
    int file;
    char *base;
    size_t used, backed, rested; /* bytes kept; with disk space; let go of while writing */
};

Status textspool_open(const char *dir, Arena *arena, TextSpool **spool) {
    TextSpool *s = ARENA_NEW(arena, TextSpool, 1);
    char *path = arena_printf(arena, "%s/texts-XXXXXX", dir);
    s->file = mkostemp(path, O_CLOEXEC);
    if (s->file < 0) return FAIL(E_RESOURCE, "check that the folder can be written", "%s: cannot make a file: %s", dir, strerror(errno));
    (void)unlink(path);
    s->base = mmap(NULL, RESERVED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, s->file, 0);
    if (s->base == MAP_FAILED) {
        const int error = errno;
        (void)close(s->file);
        return FAIL(E_RESOURCE, "raise the limit on address space (ulimit -v), or use --passes 1", "%s: cannot map a file: %s", dir, strerror(error));
    }
    *spool = s;
    return OK;
}

static Status back(TextSpool *s, size_t need) {
    if (need > RESERVED_BYTES) return FAIL(E_RESOURCE, NULL, "item texts of more than %zu GiB", RESERVED_BYTES >> 30);
    while (s->backed < need) {
        const int error = posix_fallocate(s->file, (off_t)s->backed, STEP_BYTES);
        if (error) return FAIL(E_RESOURCE, "make room on the disk of the output folder", "cannot keep %zu MiB of item texts: %s", need >> 20, strerror(error));
        s->backed += STEP_BYTES;
    }
    return OK;
}

Status textspool_keep(TextSpool *s, const char *text, size_t n, const char **copy) {
    TRY(back(s, s->used + n + 1));
    char *at = s->base + s->used;
    memcpy(at, text, n);
    at[n] = '\0';
    s->used += n + 1;
    *copy = at;
    const size_t whole = s->used / STEP_BYTES * STEP_BYTES; /* steps that are full */
    if (whole > s->rested) {
        (void)madvise(s->base + s->rested, whole - s->rested, MADV_DONTNEED); /* of a shared mapping: the file keeps what was written */
        s->rested = whole;
    }
    return OK;
}

void textspool_rest(TextSpool *s) {
    if (s->used) (void)madvise(s->base, s->used, MADV_DONTNEED);
}

int64_t textspool_bytes(const TextSpool *s) { return (int64_t)s->used; }

void textspool_close(TextSpool *s) {
    if (!s) return;
    (void)munmap(s->base, RESERVED_BYTES);
    (void)close(s->file);
}
