/* llm/photos.c -- see photos.h. */
#include "llm/photos.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "data/strtable.h"
#include "io/stream.h"

struct Photos {
    const char *dir;       /* a folder of files; NULL: a list */
    StringTable *ids;
    const char **place;    /* of each id */
    size_t capacity;
};

static bool is_url(const char *text) { return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0; }

static Status add_line(Photos *p, const char *path, const char *folder, int64_t line, const char *text, Arena *arena) {
    const char *tab = strchr(text, '\t');
    if (!tab || tab == text || !tab[1] || strchr(tab + 1, '\t'))
        return FAIL(E_INPUT, "a line is the item's raw id, a tab, and a URL or a path", "%s:%lld: not a photo", path, (long long)line);
    const char *id = arena_strndup(arena, text, (size_t)(tab - text)), *place = tab + 1;
    int64_t n = strtable_count(p->ids), k = strtable_add(p->ids, id);
    if (k < n) return FAIL(E_INPUT, NULL, "%s:%lld: item %s again", path, (long long)line, id);
    ARENA_GROW(arena, p->place, p->capacity, n + 1);
    p->place[k] = is_url(place) || *place == '/' ? arena_strdup(arena, place) : arena_printf(arena, "%s%s", folder, place);
    return OK;
}

static Status read_list(Photos *p, const char *path, Arena *arena) {
    const char *slash = strrchr(path, '/'), *folder = slash ? arena_strndup(arena, path, (size_t)(slash - path) + 1) : "";
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *text;
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &text, &n))
        if (n > 0) status = add_line(p, path, folder, line_number(reader), text, arena);
    Status closed = line_close(reader);
    return status != OK ? status : closed;
}

Status photos_open(const char *path, Arena *arena, Photos **photos) {
    struct stat st;
    if (stat(path, &st) != 0) return FAIL(E_INPUT, "name a folder of photos, or a list of them", "%s: %s", path, strerror(errno));
    Photos *p = ARENA_NEW(arena, Photos, 1);
    p->ids = strtable_create(arena);
    if (S_ISDIR(st.st_mode)) p->dir = arena_strdup(arena, path);
    else TRY(read_list(p, path, arena));
    *photos = p;
    return OK;
}

const char *photos_find(const Photos *p, const char *id, Arena *arena) {
    static const char *const ends[] = {"jpg", "jpeg", "png", "webp", "gif"};
    if (!p->dir) {
        int64_t k = strtable_find(p->ids, id);
        return k < 0 ? NULL : p->place[k];
    }
    if (strchr(id, '/')) return NULL;
    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
        ArenaMark mark = arena_mark(arena);
        const char *path = arena_printf(arena, "%s/%s.%s", p->dir, id, ends[e]);
        if (path_exists(path)) return path;
        arena_release(arena, mark);
    }
    return NULL;
}
