/* llm/frames.c -- see frames.h. */
#include "llm/frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/log.h"

enum { ZSTD_LEVEL = 19 };
static const size_t max_frame_bytes = (size_t)1 << 28; /* text of one frame: bounds what a damaged header can ask for */

typedef struct Mapped { const unsigned char *at; size_t n; } Mapped;

static Status map_file(const char *path, int fd, Mapped *m) {
    struct stat st;
    if (fstat(fd, &st) != 0) return FAIL(E_INPUT, NULL, "%s: %s", path, strerror(errno));
    m->n = (size_t)st.st_size;
    void *at = m->n ? mmap(NULL, m->n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (at == MAP_FAILED) return FAIL(E_INPUT, NULL, "%s: cannot map %zu bytes: %s", path, m->n, strerror(errno));
    m->at = at;
    return OK;
}

static void unmap(Mapped m) {
    if (m.n) munmap((void *)(uintptr_t)m.at, m.n);
}

/* Bytes of the frame that starts at `at` when it is whole and its checksum holds, with its text in *text (arena, NUL-terminated); 0 otherwise. */
static size_t whole_frame(ZSTD_DCtx *context, const unsigned char *at, size_t n, Arena *arena, char **text, size_t *n_text) {
    size_t frame = ZSTD_findFrameCompressedSize(at, n);
    if (ZSTD_isError(frame)) return 0;
    unsigned long long size = ZSTD_getFrameContentSize(at, frame);
    if (size == ZSTD_CONTENTSIZE_ERROR || (size != ZSTD_CONTENTSIZE_UNKNOWN && size > max_frame_bytes)) return 0;
    size_t room = size == ZSTD_CONTENTSIZE_UNKNOWN ? 4 * frame : (size_t)size; /* unknown: written by another tool */
    do {
        *text = arena_alloc_raw(arena, room + 1, 1);
        *n_text = ZSTD_decompressDCtx(context, *text, room, at, frame);
        room *= 2;
    } while (ZSTD_isError(*n_text) && size == ZSTD_CONTENTSIZE_UNKNOWN && room <= max_frame_bytes);
    if (ZSTD_isError(*n_text)) return 0;
    (*text)[*n_text] = 0;
    return frame;
}

/* Does any whole frame begin after `at`? Then what is wrong at `at` is damage, not an interrupted append. */
static bool frames_follow(ZSTD_DCtx *context, const unsigned char *at, size_t n, Arena *arena) {
    static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    bool found = false;
    for (size_t i = 1; i + sizeof magic < n && !found; i++) {
        const unsigned char *next = memmem(at + i, n - i, magic, sizeof magic);
        if (!next) break;
        i = (size_t)(next - at);
        ArenaMark mark = arena_mark(arena);
        char *text;
        size_t n_text;
        found = whole_frame(context, next, n - i, arena, &text, &n_text) > 0 && n_text > 0;
        arena_release(arena, mark);
    }
    return found;
}

static Status walk(const char *path, Mapped file, Arena *arena, Status (*visit)(void *, int64_t, char *, size_t), void *user, FramesReport *report) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    REQUIRE(context != NULL, "no memory for a zstd context");
    Status status = OK;
    size_t offset = 0;
    *report = (FramesReport){0};
    while (offset < file.n && status == OK) {
        char *text;
        size_t n_text, frame = whole_frame(context, file.at + offset, file.n - offset, arena, &text, &n_text);
        if (frame == 0) {
            if (frames_follow(context, file.at + offset, file.n - offset, arena))
                status = FAIL(E_INPUT, "restore the file (`git checkout`, or a copy); nothing was changed",
                              "%s: frame %lld at byte %zu is damaged, and whole frames follow it", path, (long long)report->n_frames, offset);
            break;
        }
        if (visit) status = visit(user, report->n_frames, text, n_text);
        offset += frame;
        report->n_frames++;
    }
    ZSTD_freeDCtx(context);
    report->whole_bytes = (int64_t)offset;
    report->torn_bytes = (int64_t)(file.n - offset);
    return status;
}

Status frames_walk(const char *path, Arena *arena, Status (*visit)(void *, int64_t, char *, size_t), void *user, FramesReport *report) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(E_INPUT, NULL, "%s: %s", path, strerror(errno));
    Mapped file;
    Status status = map_file(path, fd, &file);
    close(fd);
    TRY(status);
    status = walk(path, file, arena, visit, user, report);
    unmap(file);
    if (status == OK && report->torn_bytes)
        log_warn("%s: the last %lld bytes are an unfinished frame (an interrupted append); dropped", path, (long long)report->torn_bytes);
    return status;
}

/* ---- appending */

struct FrameWriter {
    Arena *arena;
    ZSTD_CCtx *context;
    const char *path;
    int fd;
    off_t end; /* after the last whole frame */
};

static Status cut_torn_end(FrameWriter *w) {
    Mapped file;
    TRY(map_file(w->path, w->fd, &file));
    ArenaMark mark = arena_mark(w->arena);
    FramesReport report;
    Status status = walk(w->path, file, w->arena, NULL, NULL, &report);
    arena_release(w->arena, mark);
    unmap(file);
    TRY(status);
    w->end = (off_t)report.whole_bytes;
    if (report.torn_bytes == 0) return OK;
    log_warn("%s: cutting off %lld bytes of an interrupted append", w->path, (long long)report.torn_bytes);
    if (ftruncate(w->fd, w->end) != 0) return FAIL(E_RESOURCE, NULL, "%s: cannot cut: %s", w->path, strerror(errno));
    return OK;
}

Status frames_append_begin(const char *path, FrameWriter **writer) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return FAIL(E_RESOURCE, NULL, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX) != 0) {
        int error = errno;
        close(fd);
        return FAIL(E_RESOURCE, NULL, "%s: cannot lock: %s", path, strerror(error));
    }
    Arena *arena = arena_create("frames");
    FrameWriter *w = ARENA_NEW(arena, FrameWriter, 1);
    *w = (FrameWriter){arena, ZSTD_createCCtx(), arena_strdup(arena, path), fd, 0};
    REQUIRE(w->context != NULL, "no memory for a zstd context");
    ZSTD_CCtx_setParameter(w->context, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(w->context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(w->context, ZSTD_c_contentSizeFlag, 1);
    Status status = cut_torn_end(w);
    if (status != OK) {
        frames_append_end(w);
        return status;
    }
    *writer = w;
    return OK;
}

static Status write_all(FrameWriter *w, const char *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(w->fd, bytes + done, n - done, w->end + (off_t)done);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return FAIL(E_RESOURCE, "free some space, then run it again", "%s: cannot append: %s", w->path, strerror(errno));
        done += (size_t)k;
    }
    if (fsync(w->fd) != 0) return FAIL(E_RESOURCE, "free some space, then run it again", "%s: cannot append: %s", w->path, strerror(errno));
    return OK;
}

Status frames_append(FrameWriter *w, const char *text, size_t n_text) {
    REQUIRE(n_text > 0 && n_text <= max_frame_bytes && text[n_text - 1] == '\n', "a frame of %zu bytes must hold whole lines", n_text);
    ArenaMark mark = arena_mark(w->arena);
    size_t room = ZSTD_compressBound(n_text);
    char *packed = arena_alloc_raw(w->arena, room, 1);
    size_t n = ZSTD_compress2(w->context, packed, room, text, n_text);
    REQUIRE(!ZSTD_isError(n), "zstd: %s", ZSTD_getErrorName(n));
    Status status = write_all(w, packed, n);
    arena_release(w->arena, mark);
    if (status == OK) w->end += (off_t)n;
    else if (ftruncate(w->fd, w->end) != 0) log_warn("%s: an unfinished frame stays at its end; readers will drop it", w->path);
    return status;
}

Status frames_append_end(FrameWriter *w) {
    ZSTD_freeCCtx(w->context);
    int failed = close(w->fd), error = errno; /* gives the lock back */
    Status status = failed ? FAIL(E_RESOURCE, NULL, "%s: %s", w->path, strerror(error)) : OK;
    arena_destroy(w->arena);
    return status;
}
