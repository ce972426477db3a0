/* plan/treehash.c -- see treehash.h. */
#include "plan/treehash.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGE_FILE = 64 << 20 };

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static Status hash_folder(Sha256 *h, const char *path, Arena *arena)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, visible, alphasort);
    Status s = n < 0 ? FAIL(E_INPUT, "check the path and its permissions", "%s: cannot list the folder", path) : OK;
    for (int i = 0; i < n; i++) {
        if (s == OK) s = treehash_add(h, arena_printf(arena, "%s/%s", path, list[i]->d_name), arena);
        free(list[i]);
    }
    free(list);
    return s;
}

Status treehash_add(Sha256 *h, const char *path, Arena *arena)
{
    struct stat info;
    if (stat(path, &info) != 0) return FAIL(E_INPUT, "check the path", "%s: not found", path);
    if (S_ISDIR(info.st_mode)) return hash_folder(h, path, arena);
    char hex[SHA256_HEX];
    if (info.st_size <= LARGE_FILE) TRY(sha256_file(path, hex, NULL));
    else (void)snprintf(hex, sizeof hex, "%lld at %lld", (long long)info.st_size, (long long)info.st_mtime);
    const char *slash = strrchr(path, '/');
    sha256_add_field(h, slash != NULL ? slash + 1 : path);
    sha256_add_field(h, hex);
    return OK;
}
