/* data/rawsample.c -- see rawsample.h. Ratings are drawn apart from everything else and mean nothing. */
#include "data/rawsample.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/atomic.h"
#include "io/gzip.h"

RawSamplePaths rawsample_paths(const char *dir, const char *category, Arena *arena) {
    char *name = arena_strdup(arena, category);
    name[0] = (char)toupper((unsigned char)name[0]);
    return (RawSamplePaths){arena_printf(arena, "%s/reviews_Sample_%s_5.json.gz", dir, name),
                            arena_printf(arena, "%s/meta_Sample_%s.json.gz", dir, name), arena_printf(arena, "%s/captions.jsonl", dir)};
}

/* ---- text forms ---- */

static char *put(char *out, const char *text) {
    size_t n = strlen(text);
    memcpy(out, text, n);
    return out + n;
}

/* text as a JSON string; UTF-8 stays as it is. */
static const char *json_quote(Arena *arena, const char *text) {
    char *quoted = arena_alloc_raw(arena, 6 * strlen(text) + 3, 1), *out = quoted;
    *out++ = '"';
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') *out++ = '\\', *out++ = *p;
        else if ((unsigned char)*p < 0x20) out += sprintf(out, "\\u%04x", (unsigned)(unsigned char)*p);
        else *out++ = *p;
    }
    *out++ = '"';
    *out = '\0';
    return quoted;
}

/* text as Python's repr() gives it: single quotes, unless the text has some and no double ones. */
static const char *python_quote(Arena *arena, const char *text) {
    char *quoted = arena_alloc_raw(arena, 4 * strlen(text) + 3, 1), *out = quoted;
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
    *out++ = quote;
    for (const char *p = text; *p; p++) {
        if (*p == quote || *p == '\\') *out++ = '\\', *out++ = *p;
        else if (*p == '\n') out = put(out, "\\n");
        else if ((unsigned char)*p < 0x20) out += sprintf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else *out++ = *p;
    }
    *out++ = quote;
    *out = '\0';
    return quoted;
}

/* ---- reviews ---- */

typedef struct RawEvent { int32_t item, user; int64_t time_s; } RawEvent;

static int compare_events(const void *a, const void *b) {
    const RawEvent *x = a, *y = b;
    if (x->item != y->item) return (x->item > y->item) - (x->item < y->item);
    if (x->time_s != y->time_s) return (x->time_s > y->time_s) - (x->time_s < y->time_s);
    return (x->user > y->user) - (x->user < y->user);
}

static int64_t collect_events(const SimUser *users, int64_t n_users, Arena *arena, RawEvent **events) {
    int64_t n = 0, out = 0;
    for (int64_t u = 0; u < n_users; u++) n += users[u].n_events;
    *events = ARENA_NEW(arena, RawEvent, n);
    for (int64_t u = 0; u < n_users; u++)
        for (int64_t e = 0; e < users[u].n_events; e++) (*events)[out++] = (RawEvent){users[u].item[e], (int32_t)u, users[u].time_s[e]};
    qsort(*events, (size_t)n, sizeof **events, compare_events);
    return n;
}

static void write_review(GzipFile *f, const SampleItem *item, const SimUser *user, int32_t user_number, int64_t time_s, uint64_t seed) {
    static const double share[] = {0.04, 0.04, 0.10, 0.22, 0.60};
    static const char *const words[] = {"Not for me.", "Could be better.", "It does the job.", "Good, would buy again.", "Very pleased with it."};
    Rng rng = rng_make(seed, RNG_STAGE_SAMPLE, RNG_NOISE, (uint32_t)user_number, (uint64_t)time_s);
    int64_t stars = rng_categorical(&rng, share, 5);
    time_t clock = (time_t)time_s;
    struct tm day;
    char date[32];
    gmtime_r(&clock, &day);
    snprintf(date, sizeof date, "%02d %d, %d", (day.tm_mon + 1) % 100, day.tm_mday % 100, (day.tm_year + 1900) % 10000);
    gzip_printf(f, "{\"reviewerID\": \"%s\", \"asin\": \"%s\", ", user->id, item->id);
    if (user_number % 8) gzip_printf(f, "\"reviewerName\": \"Simulated user %d\", ", user_number); /* some real lines lack it too */
    gzip_printf(f, "\"helpful\": [0, 0], \"reviewText\": \"%s (simulated)\", \"overall\": %lld.0, \"summary\": \"simulated\", ", words[stars], (long long)stars + 1);
    gzip_printf(f, "\"unixReviewTime\": %lld, \"reviewTime\": \"%s\"}\n", (long long)time_s, date);
}

static Status write_reviews(const char *path, const SampleItem *item, const SimUser *users, int64_t n_users, uint64_t seed, Arena *arena) {
    RawEvent *events;
    int64_t n = collect_events(users, n_users, arena, &events);
    GzipFile *f;
    TRY(gzip_open(path, &f));
    for (int64_t e = 0; e < n; e++) write_review(f, &item[events[e].item], &users[events[e].user], events[e].user, events[e].time_s, seed);
    return gzip_commit(f);
}

/* ---- items ---- */

static Status write_meta(const char *path, const SampleItem *item, int64_t n_items, Arena *arena) {
    GzipFile *f;
    TRY(gzip_open(path, &f));
    for (int64_t i = 0; i < n_items; i++) {
        ArenaMark mark = arena_mark(arena);
        gzip_printf(f, "{'asin': '%s', 'title': ", item[i].id);
        gzip_puts(f, python_quote(arena, item[i].title));
        gzip_printf(f, ", 'price': %.2f, 'imUrl': 'http://sample.invalid/%s.jpg', 'brand': ", item[i].price, item[i].id);
        gzip_puts(f, python_quote(arena, item[i].brand));
        gzip_puts(f, ", 'categories': [[");
        for (int64_t c = 0; c < item[i].n_categories; c++) {
            if (c) gzip_puts(f, ", ");
            gzip_puts(f, python_quote(arena, item[i].categories[c]));
        }
        gzip_puts(f, "]], 'description': ");
        gzip_puts(f, python_quote(arena, item[i].description));
        gzip_puts(f, "}\n");
        arena_release(arena, mark);
    }
    return gzip_commit(f);
}

static Status write_captions(const char *path, const SampleItem *item, int64_t n_items, Arena *arena) {
    AtomicFile *file;
    TRY(atomic_open(path, &file));
    for (int64_t i = 0; i < n_items; i++) {
        ArenaMark mark = arena_mark(arena);
        fprintf(atomic_stream(file), "{\"asin\": %s, \"caption\": %s}\n", json_quote(arena, item[i].id), json_quote(arena, item[i].visual));
        arena_release(arena, mark);
    }
    return atomic_commit(file);
}

Status rawsample_write(const RawSamplePaths *paths, const SampleItem *item, int64_t n_items, const SimUser *users, int64_t n_users, uint64_t seed) {
    Arena *arena = arena_create("raw sample");
    Status status = write_reviews(paths->reviews, item, users, n_users, seed, arena);
    if (status == OK) status = write_meta(paths->meta, item, n_items, arena);
    if (status == OK) status = write_captions(paths->captions, item, n_items, arena);
    arena_destroy(arena);
    return status;
}
