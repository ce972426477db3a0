/* llm/journal.c -- see journal.h. */
#include "llm/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "llm/frames.h"

enum { LINES_PER_FRAME = 512 };
static const size_t frame_bytes = (size_t)8 << 20; /* vectors are long: fold earlier */

struct Journal {
    Arena *arena, *lines; /* lines: what is in the file and not yet in a frame */
    const char *responses, *path;
    int fd;
    char *text;
    size_t n, capacity;
    int64_t n_lines;
};

static Status cannot(const Journal *j, const char *what) {
    return FAIL(E_RESOURCE, "free some space or check the folder, then run it again: what was answered is kept", "%s: cannot %s: %s", j->path, what, strerror(errno));
}

static void forget_lines(Journal *j) {
    arena_destroy(j->lines);
    j->lines = arena_create("journal lines");
    j->text = NULL;
    j->n = j->capacity = 0;
    j->n_lines = 0;
}

/* A frame first, then the journal is emptied: a crash in between leaves both, and the next opening sees the duplicates. */
static Status fold(Journal *j) {
    if (j->n == 0) return OK;
    FrameWriter *writer;
    TRY(frames_append_begin(j->responses, &writer));
    Status status = frames_append(writer, j->text, j->n), ended = frames_append_end(writer);
    TRY(status);
    TRY(ended);
    if (ftruncate(j->fd, 0) != 0 || lseek(j->fd, 0, SEEK_SET) != 0) return cannot(j, "be emptied");
    forget_lines(j);
    return OK;
}

static void keep_line(Journal *j, const char *line, size_t n) {
    ARENA_GROW(j->lines, j->text, j->capacity, j->n + n);
    memcpy(j->text + j->n, line, n);
    j->n += n;
    j->n_lines++;
}

/* Opens and locks; again when the file was removed between the two (by a run that ended). */
static Status lock(Journal *j) {
    for (;;) {
        struct stat open_one, named;
        j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (j->fd < 0) return cannot(j, "be opened");
        if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
            bool busy = errno == EWOULDBLOCK;
            Status status = busy ? FAIL(E_RESOURCE, "wait until it is done, or give another --responses", "%s: another run is recording into it", j->responses) : cannot(j, "be locked");
            close(j->fd);
            return status;
        }
        if (fstat(j->fd, &open_one) == 0 && stat(j->path, &named) == 0 && open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev) return OK;
        close(j->fd);
    }
}

static Status read_whole(Journal *j, Arena *arena, char **text, size_t *n) {
    size_t capacity = 0;
    *text = NULL;
    *n = 0;
    for (;;) {
        ARENA_GROW(arena, *text, capacity, *n + 65536);
        ssize_t got = pread(j->fd, *text + *n, 65536, (off_t)*n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot(j, "be read");
        if (got == 0) return OK;
        *n += (size_t)got;
    }
}

static Status recover_lines(Journal *j, Arena *arena, int64_t *recovered) {
    char *text;
    size_t n;
    TRY(read_whole(j, arena, &text, &n));
    if (n == 0) return OK;
    Responses *known = responses_empty(arena);
    if (path_exists(j->responses)) TRY(responses_open(j->responses, arena, &known));
    int64_t line = 0;
    for (char *p = text; p < text + n;) {
        char *end = memchr(p, '\n', (size_t)(text + n - p));
        if (!end) {
            log_warn("%s: the last %zd bytes are an unfinished line of an interrupted run; dropped", j->path, text + n - p);
            break;
        }
        size_t length = (size_t)(end - p);
        const char *whole = arena_strndup(arena, p, length + 1); /* parsing changes the text */
        *end = 0;
        Response r;
        TRY(response_parse(j->path, 0, ++line, p, length, arena, &r));
        const Response *old = responses_find(known, r.key, r.set, r.item);
        if (!old || strcmp(old->set, r.set) != 0 || strcmp(old->item, r.item) != 0) {
            keep_line(j, whole, length + 1);
            ++*recovered;
        }
        p = end + 1;
    }
    if (j->n > 0) return fold(j);
    return ftruncate(j->fd, 0) == 0 ? OK : cannot(j, "be emptied");
}

Status journal_open(const char *responses, Journal **journal, int64_t *recovered) {
    Arena *arena = arena_create("journal");
    Journal *j = ARENA_NEW(arena, Journal, 1);
    *j = (Journal){.arena = arena, .responses = arena_strdup(arena, responses), .path = arena_printf(arena, "%s.journal", responses), .fd = -1};
    j->lines = arena_create("journal lines");
    *recovered = 0;
    char *dir = arena_strdup(arena, responses), *slash = strrchr(dir, '/');
    if (slash && slash > dir) *slash = 0;
    Status status = slash && slash > dir ? dir_make(dir) : OK;
    if (status == OK) status = lock(j);
    if (status == OK) {
        Arena *scratch = arena_create("journal recovery");
        status = recover_lines(j, scratch, recovered);
        arena_destroy(scratch);
        if (status != OK) close(j->fd);
    }
    if (status != OK) {
        arena_destroy(j->lines);
        arena_destroy(arena);
        return status;
    }
    *journal = j;
    return OK;
}

Status journal_add(Journal *j, const Response *r) {
    const char *line = response_line(r, j->lines);
    size_t n = strlen(line);
    off_t before = (off_t)j->n;
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(j->fd, line + done, n - done, before + (off_t)done);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) {
            Status status = cannot(j, "be written");
            if (ftruncate(j->fd, before) != 0) log_warn("%s: an unfinished line stays at its end; the next run drops it", j->path);
            return status;
        }
        done += (size_t)k;
    }
    keep_line(j, line, n);
    return j->n_lines >= LINES_PER_FRAME || j->n >= frame_bytes ? fold(j) : OK;
}

Status journal_sync(Journal *j) { return fdatasync(j->fd) == 0 ? OK : cannot(j, "reach the disk"); }

Status journal_close(Journal *j) {
    if (!j) return OK;
    Status status = fold(j);
    if (status == OK) (void)unlink(j->path); /* still under the lock */
    close(j->fd);
    arena_destroy(j->lines);
    arena_destroy(j->arena);
    return status;
}
