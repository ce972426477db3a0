/* base/guard.c -- see guard.h. */
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

struct Guard {
    Arena *arena;
    const char *busy;
    int fd;
};

static const char *const FIX = "check that the folder can be written and allows locks";

/* Whoever held it may have removed the file while we waited; then our lock is on nothing, and it is done again. */
static bool still_there(int fd, const char *path)
{
    struct stat mine, there;
    return fstat(fd, &mine) == 0 && stat(path, &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static Status take(Guard *g, const char *path, const char *waiting)
{
    for (bool told = false;;) {
        g->fd = open(g->busy, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (g->fd < 0) return FAIL(E_RESOURCE, FIX, "%s: cannot create: %s", g->busy, strerror(errno));
        if (flock(g->fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK && !told) log_info("%s: %s; waiting for it", path, waiting);
            told = true;
            int rc;
            do rc = flock(g->fd, LOCK_EX);
            while (rc != 0 && errno == EINTR);
            if (rc != 0) {
                Status s = FAIL(E_RESOURCE, FIX, "%s: cannot lock: %s", g->busy, strerror(errno));
                (void)close(g->fd);
                return s;
            }
        }
        if (still_there(g->fd, g->busy)) return OK;
        (void)close(g->fd);
    }
}

Status guard_take(const char *path, const char *waiting, Guard **guard)
{
    Arena *arena = arena_create("guard");
    Guard *g = ARENA_NEW(arena, Guard, 1);
    g->arena = arena;
    g->busy = arena_printf(arena, "%s.busy", path);
    Status s = take(g, path, waiting);
    if (s != OK) arena_destroy(arena);
    else *guard = g;
    return s;
}

void guard_drop(Guard *g)
{
    if (g == NULL) return;
    (void)unlink(g->busy);
    (void)close(g->fd);
    arena_destroy(g->arena);
}
