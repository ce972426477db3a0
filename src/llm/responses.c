/* llm/responses.c -- records of recorded answers and their index; frames.c holds the file format; see responses.h. */
#include "llm/responses.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/log.h"
#include "llm/frames.h"

enum { RECORDS_PER_FRAME = 512, KEY_DIGITS = 64 };

struct Responses {
    Arena *arena;
    Response *at;
    size_t n, capacity;
    const char **files;
    size_t n_files, files_capacity;
    int64_t *by_key, *by_identity; /* open addressing, -1 = free; by_key holds the first record of a key */
    int64_t *next, *last;          /* per record: the next one with its key; of a first one: the last */
    size_t n_slots;                /* a power of two */
    ResponsesReport report;
    ino_t *inode; /* of the files, and their devices: a file that is named twice is read once */
    dev_t *device;
    size_t inode_capacity, device_capacity;
};

/* ---- records */

typedef struct Reading { Responses *cache; const char *path; } Reading;

/* A small reader of flat JSON objects (strings, and "usage": null or two whole numbers): three times as fast as building a tree, and what it does not
 * take it leaves to cJSON, whose verdict then counts. Strings are unescaped in place in the frame's text, which stays in the arena. */
static char *scan_string(char *p, char **value) {
    char *out = *value = p;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) return NULL;
        if (*p != '\\') {
            *out++ = *p;
            continue;
        }
        p++;
        const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t", *hit = *p ? strchr(from, *p) : NULL;
        if (!hit) return NULL; /* \u and faults */
        *out++ = to[hit - from];
    }
    *out = 0;
    return p + 1;
}

static const char **record_field(Response *r, const char *name) {
    const struct { const char *name; const char **at; } fields[] = {
        {"key", &r->key}, {"provider", &r->provider}, {"model", &r->model}, {"template", &r->template_id}, {"set", &r->set},
        {"item", &r->item}, {"response", &r->response}, {"date", &r->date}, {"interest", &r->interest}, {"origin", &r->origin},
        {"image", &r->image}, {"thinking", &r->thinking}, {"fault", &r->fault}, {"parts", &r->parts}};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        if (strcmp(name, fields[f].name) == 0) return fields[f].at;
    return NULL;
}

/* {"in":12,"out":34}, as record_line writes it */
static char *scan_usage(char *p, Response *r) {
    static const char in[] = "{\"in\":", out[] = ",\"out\":";
    char *end;
    if (strncmp(p, in, sizeof in - 1) != 0 || !isdigit((unsigned char)p[sizeof in - 1])) return NULL;
    r->tokens_in = strtoll(p + sizeof in - 1, &end, 10);
    if (strncmp(end, out, sizeof out - 1) != 0 || !isdigit((unsigned char)end[sizeof out - 1])) return NULL;
    r->tokens_out = strtoll(end + sizeof out - 1, &end, 10);
    r->has_usage = true;
    return *end == '}' ? end + 1 : NULL;
}

/* true when the whole line was taken; it is modified either way */
static bool scan_record(char *p, Response *r) {
    if (*p++ != '{') return false;
    for (;;) {
        char *name, *value;
        if (*p++ != '"' || !(p = scan_string(p, &name)) || *p++ != ':') return false;
        if (*p == '"') {
            const char **at = record_field(r, name);
            if (!(p = scan_string(p + 1, &value)) || !at || *at) return false;
            *at = value;
        } else if (strcmp(name, "usage") == 0 && strncmp(p, "null", 4) == 0) {
            p += 4;
        } else if (strcmp(name, "usage") != 0 || !(p = scan_usage(p, r))) {
            return false;
        }
        if (*p == '}') return p[1] == 0;
        if (*p++ != ',') return false;
    }
}

static Status tree_record(const char *path, int64_t line, const char *text, size_t n, Arena *arena, Response *r) {
    cJSON *tree;
    TRY(json_parse_line(path, line, text, n, &tree));
    *r = (Response){0};
    for (const cJSON *m = tree->child; m; m = m->next) {
        const char **at = record_field(r, m->string);
        if (at && cJSON_IsString(m)) *at = arena_strdup(arena, m->valuestring);
    }
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(tree, "usage");
    const cJSON *in = cJSON_GetObjectItemCaseSensitive(usage, "in"), *out = cJSON_GetObjectItemCaseSensitive(usage, "out");
    if (cJSON_IsNumber(in) && cJSON_IsNumber(out)) {
        r->has_usage = true;
        r->tokens_in = (int64_t)in->valuedouble;
        r->tokens_out = (int64_t)out->valuedouble;
    }
    cJSON_Delete(tree);
    return OK;
}

static bool is_key(const char *key) { return strspn(key, "0123456789abcdef") == KEY_DIGITS && key[KEY_DIGITS] == 0; }

Status response_parse(const char *path, int64_t frame, int64_t line, char *text, size_t n, Arena *arena, Response *r) {
    ArenaMark mark = arena_mark(arena);
    char *copy = arena_strndup(arena, text, n); /* scanning unescapes in place */
    *r = (Response){0};
    if (scan_record(text, r)) arena_release(arena, mark);
    else TRY(tree_record(path, line, copy, n, arena, r));
    if (!r->key || !is_key(r->key) || !r->provider || !r->model || !r->template_id || !r->set || !r->item || !r->response || !r->date)
        return FAIL(E_INPUT, "a record has key, provider, model, template, set, item, response and date", "%s: frame %lld, line %lld: not a record of an answer",
                    path, (long long)frame, (long long)line);
    return OK;
}

static Status add_record(const char *path, int64_t frame, int64_t line, char *text, size_t n, Responses *c) {
    Response r;
    TRY(response_parse(path, frame, line, text, n, c->arena, &r));
    r.file = (int64_t)c->n_files; /* it joins the list when it has been read */
    ARENA_GROW(c->arena, c->at, c->capacity, c->n + 1);
    c->at[c->n++] = r;
    return OK;
}

static Status read_frame(void *user, int64_t frame, char *text, size_t n_text) {
    const Reading *reading = user;
    if (n_text == 0 || text[n_text - 1] != '\n')
        return FAIL(E_INPUT, NULL, "%s: frame %lld does not end with a whole line", reading->path, (long long)frame);
    int64_t line = 0;
    reading->cache->report.text_bytes += (int64_t)n_text;
    for (char *p = text; p < text + n_text; line++) {
        char *end = memchr(p, '\n', (size_t)(text + n_text - p));
        *end = 0;
        TRY(add_record(reading->path, frame, line + 1, p, (size_t)(end - p), reading->cache));
        p = end + 1;
    }
    return OK;
}

static Status read_file(const char *path, Responses *c) {
    Reading reading = {c, path};
    FramesReport frames;
    struct stat st;
    if (responses_find_file(c, path) >= 0) return OK;
    if (stat(path, &st) != 0) return FAIL(E_INPUT, NULL, "%s: %s", path, strerror(errno));
    TRY(frames_walk(path, c->arena, read_frame, &reading, &frames));
    c->report.n_torn_files += frames.torn_bytes > 0;
    c->report.torn_bytes += frames.torn_bytes;
    c->report.n_frames += frames.n_frames;
    ARENA_GROW(c->arena, c->files, c->files_capacity, c->n_files + 1);
    ARENA_GROW(c->arena, c->inode, c->inode_capacity, c->n_files + 1);
    ARENA_GROW(c->arena, c->device, c->device_capacity, c->n_files + 1);
    c->inode[c->n_files] = st.st_ino;
    c->device[c->n_files] = st.st_dev;
    c->files[c->n_files++] = path;
    return OK;
}

/* ---- index */

static uint64_t hash_text(uint64_t h, const char *text) {
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u; /* 0xff never occurs in UTF-8: ("ab","c") and ("a","bc") differ */
}

static uint64_t identity_hash(const char *set, const char *item, const char *model, const char *template_id, const char *interest) {
    uint64_t h = hash_text(hash_text(hash_text(hash_text(14695981039346656037u, set), item), model), template_id);
    return interest ? hash_text(h, interest) : h;
}

static bool same_identity(const Response *r, const char *set, const char *item, const char *model, const char *template_id, const char *interest) {
    return strcmp(r->item, item) == 0 && strcmp(r->template_id, template_id) == 0 && strcmp(r->set, set) == 0 && strcmp(r->model, model) == 0 &&
           (r->interest ? interest && strcmp(r->interest, interest) == 0 : !interest);
}

static uint64_t key_hash(const char *key) { return hash_text(14695981039346656037u, key); }

static size_t key_slot(const Responses *c, const char *key) {
    size_t s = key_hash(key) & (c->n_slots - 1);
    while (c->by_key[s] >= 0 && strcmp(c->at[c->by_key[s]].key, key) != 0) s = (s + 1) & (c->n_slots - 1);
    return s;
}

static size_t identity_slot(const Responses *c, const char *set, const char *item, const char *model, const char *template_id, const char *interest) {
    size_t s = identity_hash(set, item, model, template_id, interest) & (c->n_slots - 1);
    while (c->by_identity[s] >= 0 && !same_identity(&c->at[c->by_identity[s]], set, item, model, template_id, interest)) s = (s + 1) & (c->n_slots - 1);
    return s;
}

static bool is_of(const Response *r, const char *set, const char *item) { return strcmp(r->item, item) == 0 && strcmp(r->set, set) == 0; }

static void build_index(Responses *c) {
    for (c->n_slots = 16; c->n_slots < 2 * c->n; c->n_slots *= 2) continue;
    c->by_key = arena_alloc_raw(c->arena, c->n_slots, sizeof *c->by_key);
    c->by_identity = arena_alloc_raw(c->arena, c->n_slots, sizeof *c->by_identity);
    c->next = arena_alloc_raw(c->arena, c->n, sizeof *c->next);
    c->last = arena_alloc_raw(c->arena, c->n, sizeof *c->last);
    memset(c->by_key, 0xff, c->n_slots * sizeof *c->by_key);
    memset(c->by_identity, 0xff, c->n_slots * sizeof *c->by_identity);
    for (size_t i = 0; i < c->n; i++) {
        const Response *r = &c->at[i];
        c->next[i] = -1;
        c->last[i] = (int64_t)i;
        size_t s = key_slot(c, r->key);
        int64_t first = c->by_key[s];
        if (first < 0) c->by_key[s] = (int64_t)i;
        for (int64_t k = first; k >= 0; k = c->next[k])
            if (!c->at[k].superseded && is_of(&c->at[k], r->set, r->item)) {
                c->at[k].superseded = true;
                c->report.n_superseded++;
            }
        if (first >= 0) {
            c->next[c->last[first]] = (int64_t)i;
            c->last[first] = (int64_t)i;
        }
        c->by_identity[identity_slot(c, r->set, r->item, r->model, r->template_id, r->interest)] = (int64_t)i;
    }
    c->report.n_files = (int64_t)c->n_files;
    c->report.n_records = (int64_t)c->n;
}

const Response *responses_find(const Responses *c, const char *key, const char *set, const char *item) {
    int64_t first = c->by_key[key_slot(c, key)];
    if (first < 0) return NULL;
    for (int64_t k = first; k >= 0; k = c->next[k])
        if (!c->at[k].superseded && is_of(&c->at[k], set, item)) return &c->at[k];
    return &c->at[first];
}

const Response *responses_find_identity(const Responses *c, const char *set, const char *item, const char *model, const char *template_id,
                                        const char *interest) {
    int64_t i = c->by_identity[identity_slot(c, set, item, model, template_id, interest)];
    return i < 0 ? NULL : &c->at[i];
}

/* ---- opening */

static int is_response_file(const struct dirent *entry) {
    static const char end[] = ".jsonl.zst";
    size_t n = strlen(entry->d_name), m = sizeof end - 1;
    return n > m && entry->d_name[0] != '.' && strcmp(entry->d_name + n - m, end) == 0;
}


static Status read_folder(const char *dir, Responses *c) {
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, is_response_file, alphasort);
    if (n < 0) return FAIL(E_INPUT, "name a folder of recorded answers, such as cache/responses", "%s: %s", dir, strerror(errno));
    Status status = OK;
    for (int i = 0; i < n; i++) {
        if (status == OK) status = read_file(arena_printf(c->arena, "%s/%s", dir, entries[i]->d_name), c);
        free(entries[i]);
    }
    free(entries);
    TRY(status);
    if (n == 0) return FAIL(E_INPUT, "name a folder of recorded answers, such as cache/responses", "%s: no *.jsonl.zst files", dir);
    return OK;
}

Responses *responses_empty(Arena *arena) {
    Responses *c = ARENA_NEW(arena, Responses, 1);
    c->arena = arena;
    build_index(c);
    return c;
}

static Status read_place(const char *path, Responses *c) {
    struct stat st;
    if (stat(path, &st) != 0) return FAIL(E_INPUT, "name a folder of recorded answers, such as cache/responses", "%s: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? read_folder(path, c) : read_file(arena_strdup(c->arena, path), c);
}

Status responses_open_list(const char *list, const char *last, Arena *arena, Responses **cache) {
    Responses *c = ARENA_NEW(arena, Responses, 1);
    c->arena = arena;
    char *rest = arena_strdup(arena, list);
    for (char *path; (path = strsep(&rest, ","));)
        if (*path) TRY(read_place(path, c));
    if (last && *last) TRY(read_place(last, c));
    build_index(c);
    *cache = c;
    return OK;
}

Status responses_open(const char *path, Arena *arena, Responses **cache) { return responses_open_list("", path, arena, cache); }

const ResponsesReport *responses_report(const Responses *c) { return &c->report; }
int64_t responses_count(const Responses *c) { return (int64_t)c->n; }
int64_t responses_n_files(const Responses *c) { return (int64_t)c->n_files; }

const Response *responses_at(const Responses *c, int64_t i) {
    REQUIRE(i >= 0 && (size_t)i < c->n, "record %lld of %zu", (long long)i, c->n);
    return &c->at[i];
}

const char *responses_file(const Responses *c, int64_t i) {
    REQUIRE(i >= 0 && (size_t)i < c->n_files, "file %lld of %zu", (long long)i, c->n_files);
    return c->files[i];
}

int64_t responses_find_file(const Responses *c, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return -1;
    for (size_t i = 0; i < c->n_files; i++)
        if (c->inode[i] == st.st_ino && c->device[i] == st.st_dev) return (int64_t)i;
    return -1;
}

void responses_warn_journals(const Responses *c, int64_t except) {
    for (int64_t f = 0; f < responses_n_files(c); f++)
        if (f != except && path_exists(arena_printf(c->arena, "%s.journal", c->files[f])))
            log_warn("%s.journal: newer answers, of a recording that is under way or was killed; the next 03_record into this file takes them over", c->files[f]);
}

/* ---- appending */

static void add_optional(cJSON *o, const char *name, const char *value) {
    if (value) cJSON_AddStringToObject(o, name, value);
}

const char *response_line(const Response *r, Arena *arena) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "key", r->key);
    cJSON_AddStringToObject(o, "provider", r->provider);
    cJSON_AddStringToObject(o, "model", r->model);
    cJSON_AddStringToObject(o, "template", r->template_id);
    cJSON_AddStringToObject(o, "set", r->set);
    cJSON_AddStringToObject(o, "item", r->item);
    add_optional(o, "interest", r->interest);
    add_optional(o, "origin", r->origin);
    add_optional(o, "image", r->image);
    cJSON_AddStringToObject(o, "response", r->response);
    add_optional(o, "thinking", r->thinking);
    add_optional(o, "fault", r->fault);
    add_optional(o, "parts", r->parts);
    cJSON *usage = r->has_usage ? cJSON_AddObjectToObject(o, "usage") : cJSON_AddNullToObject(o, "usage");
    if (r->has_usage) {
        cJSON_AddNumberToObject(usage, "in", (double)r->tokens_in);
        cJSON_AddNumberToObject(usage, "out", (double)r->tokens_out);
    }
    cJSON_AddStringToObject(o, "date", r->date);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    REQUIRE(text != NULL, "no memory to print a record");
    const char *line = arena_printf(arena, "%s\n", text);
    cJSON_free(text);
    return line;
}

Status responses_append(const char *path, const Response *records, int64_t n) {
    Arena *arena = arena_create("frame");
    FrameWriter *writer;
    Status status = frames_append_begin(path, &writer);
    for (int64_t i = 0; i < n && status == OK;) {
        ArenaMark mark = arena_mark(arena);
        char *text = NULL;
        size_t used = 0, capacity = 0;
        for (int k = 0; k < RECORDS_PER_FRAME && i < n; k++, i++) {
            const char *line = response_line(&records[i], arena);
            size_t length = strlen(line);
            ARENA_GROW(arena, text, capacity, used + length);
            memcpy(text + used, line, length);
            used += length;
        }
        status = frames_append(writer, text, used);
        if (status != OK) frames_append_end(writer);
        arena_release(arena, mark);
    }
    arena_destroy(arena);
    if (status != OK) return status;
    return frames_append_end(writer);
}
