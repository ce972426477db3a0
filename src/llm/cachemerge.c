/* llm/cachemerge.c -- see cachemerge.h. */
#include "llm/cachemerge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "data/strtable.h"
#include "llm/frames.h"
#include "llm/responses.h"

enum { LINES_PER_FRAME = 512, SHOWN_CONFLICTS = 10 };

typedef struct Line {
    const char *text;     /* as read, with its '\n' */
    size_t n;
    const char *response, *from;
    int input;
} Line;

typedef struct Merging {
    Arena *arena;
    StringTable *names;   /* key, set and item -> index into at */
    Line *at;
    size_t n, capacity;
    int input;
    const char *path;
    OnConflict on_conflict;
    MergedCache *count;
} Merging;

static void conflict(Merging *m, const Response *r, const Line *old) {
    if (m->count->conflicts++ >= SHOWN_CONFLICTS) return;
    log_warn("set %s, item %s, %s of %s: two answers to one prompt (key %.12s...)", r->set, r->item, r->template_id, r->model, r->key);
    log_warn("  %s: %.200s", old->from, old->response);
    log_warn("  %s: %.200s", m->path, r->response);
}

static void add_line(Merging *m, const Response *r, Line line) {
    const char *name = arena_printf(m->arena, "%s %s\t%s", r->key, r->set, r->item);
    int64_t known = strtable_count(m->names), id = strtable_add(m->names, name);
    m->count->read++;
    if (id == known) {
        ARENA_GROW(m->arena, m->at, m->capacity, m->n + 1);
        m->at[m->n++] = line;
        return;
    }
    Line *old = &m->at[id];
    if (old->input == m->input) {
        m->count->superseded++;
        *old = line;
    } else if (strcmp(old->response, r->response) == 0) {
        m->count->identical++;
    } else {
        conflict(m, r, old);
        if (m->on_conflict == CONFLICT_LAST) *old = line;
    }
}

static Status read_frame(void *user, int64_t frame, char *text, size_t n_text) {
    Merging *m = user;
    int64_t number = 0;
    for (char *p = text; p < text + n_text;) {
        char *end = memchr(p, '\n', (size_t)(text + n_text - p));
        if (!end) return FAIL(E_INPUT, NULL, "%s: frame %lld does not end with a whole line", m->path, (long long)frame);
        size_t n = (size_t)(end - p);
        const char *copy = arena_strndup(m->arena, p, n + 1); /* parsing changes the text */
        Response r;
        *end = 0;
        TRY(response_parse(m->path, frame, ++number, p, n, m->arena, &r));
        add_line(m, &r, (Line){copy, n + 1, r.response, m->path, m->input});
        p = end + 1;
    }
    return OK;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static Status read_input(Merging *m, const char *path) {
    FramesReport report;
    Responses *folder;
    m->input++;
    m->path = path;
    if (!is_folder(path)) return frames_walk(path, m->arena, read_frame, m, &report);
    Arena *names = arena_create("folder");
    Status status = responses_open(path, names, &folder); /* for the list of its files, in name order */
    for (int64_t f = 0; status == OK && f < responses_n_files(folder); f++) {
        m->path = arena_strdup(m->arena, responses_file(folder, f));
        status = frames_walk(m->path, m->arena, read_frame, m, &report);
    }
    arena_destroy(names);
    return status;
}

/* All lines but those of input number `skip_input` (they are numbered from 1), in frames. */
static Status write_lines(Merging *m, const char *path, int skip_input) {
    FrameWriter *writer;
    Arena *arena = arena_create("frame");
    Status status = frames_append_begin(path, &writer);
    bool open = status == OK;
    for (size_t i = 0; i < m->n && status == OK;) {
        ArenaMark mark = arena_mark(arena);
        char *text = NULL;
        size_t used = 0, capacity = 0;
        for (int k = 0; k < LINES_PER_FRAME && i < m->n; i++) {
            if (m->at[i].input == skip_input) continue;
            ARENA_GROW(arena, text, capacity, used + m->at[i].n);
            memcpy(text + used, m->at[i].text, m->at[i].n);
            used += m->at[i].n;
            m->count->written++;
            k++;
        }
        if (used) status = frames_append(writer, text, used);
        arena_release(arena, mark);
    }
    arena_destroy(arena);
    if (open) {
        Status closed = frames_append_end(writer);
        if (status == OK) status = closed;
    }
    return status;
}

static Status write_whole(Merging *m, const char *out) {
    const char *fresh = arena_printf(m->arena, "%s.tmp", out);
    (void)unlink(fresh);
    Status status = write_lines(m, fresh, 0);
    if (status == OK && rename(fresh, out) != 0) status = FAIL(E_RESOURCE, NULL, "%s: cannot rename: %s", fresh, strerror(errno));
    if (status != OK) (void)unlink(fresh);
    return status;
}

Status cache_merge(int n, const char *const *inputs, const char *out, OnConflict on_conflict, Arena *arena, MergedCache *count) {
    *count = (MergedCache){.inputs = n};
    if (n < 2) return FAIL(E_USAGE, "03_mine merge A B --out C, or 03_mine merge A B to add to A what it lacks", "merging takes two inputs or more");
    if (!*out && is_folder(inputs[0])) return FAIL(E_USAGE, "name the file to extend, or give --out", "%s: a folder cannot be appended to", inputs[0]);
    Merging m = {.arena = arena, .names = strtable_create(arena), .on_conflict = on_conflict, .count = count};
    for (int i = 0; i < n; i++) TRY(read_input(&m, inputs[i]));
    if (count->conflicts && on_conflict == CONFLICT_REFUSE)
        return FAIL(E_INPUT, "--on-conflict first keeps the earlier input's answers, last the later one's", "%lld prompts have different answers; nothing was written",
                    (long long)count->conflicts);
    return *out ? write_whole(&m, out) : write_lines(&m, inputs[0], 1);
}
