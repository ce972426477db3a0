/* io/gzip.c -- zlib's deflate in front of an atomic file. */
#include "io/gzip.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/atomic.h"

enum { OUT_BYTES = 1 << 16, PRINTF_BYTES = 1 << 12, LEVEL = 6 };

struct GzipFile {
    Arena *arena;
    AtomicFile *file;
    z_stream zlib;
    unsigned char *out;
    Status status; /* of the first write that failed; its message stays recorded for the commit */
};

Status gzip_open(const char *path, GzipFile **file) {
    AtomicFile *atomic;
    TRY(atomic_open(path, &atomic));
    Arena *arena = arena_create("gzip writer");
    GzipFile *f = ARENA_NEW(arena, GzipFile, 1);
    f->arena = arena;
    f->file = atomic;
    f->out = arena_alloc_raw(arena, OUT_BYTES, 1);
    int rc = deflateInit2(&f->zlib, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) {
        atomic_abandon(atomic);
        arena_destroy(arena);
        return FAIL(E_RESOURCE, NULL, "%s: zlib cannot start (code %d)", path, rc);
    }
    *file = f;
    return OK;
}

static void deflate_all(GzipFile *f, const void *data, size_t bytes, int flush) {
    f->zlib.next_in = (z_const Bytef *)data;
    f->zlib.avail_in = (uInt)bytes;
    do {
        f->zlib.next_out = f->out;
        f->zlib.avail_out = OUT_BYTES;
        int rc = deflate(&f->zlib, flush);
        REQUIRE(rc != Z_STREAM_ERROR, "deflate: inconsistent stream state");
        size_t have = OUT_BYTES - f->zlib.avail_out;
        if (f->status == OK && have) f->status = atomic_write(f->file, f->out, have);
    } while (f->zlib.avail_out == 0);
}

void gzip_write(GzipFile *f, const void *data, size_t bytes) {
    const unsigned char *p = data;
    while (bytes > 0) { /* avail_in is 32-bit */
        size_t part = bytes < (1u << 30) ? bytes : (1u << 30);
        deflate_all(f, p, part, Z_NO_FLUSH);
        p += part;
        bytes -= part;
    }
}

void gzip_puts(GzipFile *f, const char *text) { gzip_write(f, text, strlen(text)); }

void gzip_printf(GzipFile *f, const char *format, ...) {
    char text[PRINTF_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    REQUIRE(n >= 0 && (size_t)n < sizeof text, "gzip_printf: %d bytes", n);
    gzip_write(f, text, (size_t)n);
}

Status gzip_commit(GzipFile *f) {
    deflate_all(f, "", 0, Z_FINISH);
    Status status = f->status;
    AtomicFile *file = f->file;
    deflateEnd(&f->zlib);
    arena_destroy(f->arena);
    if (status != OK) {
        atomic_abandon(file);
        return status;
    }
    return atomic_commit(file);
}

void gzip_abandon(GzipFile *f) {
    if (!f) return;
    atomic_abandon(f->file);
    deflateEnd(&f->zlib);
    arena_destroy(f->arena);
}
