/* tests/fuzz/support.c -- see fuzz.h. */
#include "fuzz.h"

#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/status.h"

const char *fuzz_file(int slot, const void *data, size_t n)
{
    static int fd[4] = {-1, -1, -1, -1};
    static char path[4][32];
    if (fd[slot] < 0) {
        fd[slot] = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(fd[slot] >= 0, "no file in memory");
        (void)snprintf(path[slot], sizeof path[slot], "/proc/self/fd/%d", fd[slot]);
    }
    bool good = ftruncate(fd[slot], 0) == 0 && pwrite(fd[slot], data, n, 0) == (ssize_t)n;
    FUZZ_CHECK(good, "cannot write a file in memory");
    return path[slot];
}

static char folder[64];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type;
    return at->level > 0 ? remove(path) : 0;
}

static void remove_folder(void)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    (void)rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "%s/digr-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(folder) != NULL, "no folder");
        (void)atexit(remove_folder);
    }
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return folder;
}

void fuzz_put(const char *name, const void *data, size_t n)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    FUZZ_CHECK(dir_make(path) == OK, "%s", status_message());
    *slash = '/';
    FILE *f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL && fwrite(data, 1, n, f) == n, "%s: cannot write", path);
    (void)fclose(f);
}

char *fuzz_line(Arena *arena, const void *data, size_t n)
{
    char *text = arena_alloc_raw(arena, n + 1, 1);
    if (n > 0) memcpy(text, data, n);
    text[n] = '\0';
    return text;
}

bool fuzz_section(const uint8_t **data, size_t *n, const uint8_t **section, size_t *n_section)
{
    if (*data == NULL) return false;
    const uint8_t *end = *n > 0 ? memchr(*data, 0x1e, *n) : NULL;
    *section = *data;
    *n_section = end != NULL ? (size_t)(end - *data) : *n;
    *n -= *n_section + (end != NULL);
    *data = end != NULL ? end + 1 : NULL;
    return true;
}

/* Linked with --wrap: warnings about hostile input are as they should be and not printed; a broken invariant is a crash, so that libFuzzer notices it and keeps the
 * input. */
void __wrap_log_warn(const char *format, ...);
void __wrap_log_info(const char *format, ...);
_Noreturn void __wrap_status_abort(const char *file, int line, const char *condition, const char *format, ...);

void __wrap_log_warn(const char *format, ...) { (void)format; }
void __wrap_log_info(const char *format, ...) { (void)format; }

void __wrap_status_abort(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)printf("fuzz: %s:%d: REQUIRE(%s): ", file, line, condition);
    (void)vprintf(format, args);
    (void)printf("\n");
    (void)fflush(stdout);
    va_end(args);
    abort();
}
