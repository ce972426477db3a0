/* tests/prepare_util.h -- running prepare_dataset on small sources, and looking at what came out by raw ids. */
#ifndef DIGR_TESTS_PREPARE_UTIL_H
#define DIGR_TESTS_PREPARE_UTIL_H

#include "data_util.h"

#include "base/arena.h"
#include "base/json.h"
#include "data/dataset.h"
#include "data/prepare.h"

static Arena *arena;
static RegistryEntry entry;
static PrepareSettings settings;

/* Checked fixture: defaults that keep everything. Source and result are the folders raw/ and out/ of the scratch folder. */
static inline void prepare_setup(void)
{
    scratch_make();
    arena = arena_create("test");
    ck_assert_int_eq(dir_make(in_scratch("raw")), OK);
    entry = (RegistryEntry){.name = "tiny", .label = "Tiny", .release = "amazon-2014", .folder = "tiny", .hint = "", .filter = {.title_words = -1}, .n_files = 3};
    entry.file[0] = (RegistryFile){.role = "reviews", .name = "reviews.json.gz", .sha256 = ""};
    entry.file[1] = (RegistryFile){.role = "meta", .name = "meta.json.gz", .sha256 = ""};
    entry.file[2] = (RegistryFile){.role = "captions", .name = "captions.jsonl", .sha256 = "", .optional = true};
    settings = (PrepareSettings){.protocol = "leave-last-out", .ties = "file", .filter = {.title_words = -1, .core_users = 1, .core_items = 1}, .check_counts = true, .max_loss = 0, .seed = 1, .ties_seed = -1};
}

static inline void prepare_teardown(void)
{
    arena_destroy(arena);
    scratch_remove();
}

static inline Status prepare_run(const char *out)
{
    Manifest *manifest = manifest_begin("test", cJSON_CreateObject());
    Status status = prepare_dataset(&entry, in_scratch("raw"), &settings, in_scratch(out), manifest);
    char message[1024], fix[512]; /* manifest_end must not hide the reason */
    (void)snprintf(message, sizeof message, "%s", status_message());
    (void)snprintf(fix, sizeof fix, "%s", status_fix());
    (void)manifest_end(manifest, status == OK ? in_scratch(out) : scratch);
    if (status != OK) (void)FAIL(status, fix, "%s", message);
    return status;
}

static inline Dataset *prepare_load(const char *out)
{
    Dataset *d = NULL;
    ck_assert_msg(prepare_run(out) == OK, "%s", status_message());
    ck_assert_msg(dataset_load(in_scratch(out), true, arena, &d) == OK, "%s", status_message());
    return d;
}

static inline void assert_fails(Status code, const char *message)
{
    ck_assert_int_eq(prepare_run("out"), code);
    ck_assert_msg(strstr(status_message(), message) != NULL, "`%s` not in: %s", message, status_message());
    ck_assert(!path_exists(in_scratch("out/meta.json")));
}

/* A number of meta.json by path, such as "counts.users" or "filter.2.items"; -1 when absent. */
static inline double meta_number(const char *out, const char *path)
{
    cJSON *meta;
    char file[300], name[64];
    (void)snprintf(file, sizeof file, "%s/meta.json", in_scratch(out));
    ck_assert_int_eq(json_read_file(file, &meta), OK);
    const cJSON *at = meta;
    for (const char *p = path; at != NULL && *p != '\0';) {
        size_t n = strcspn(p, ".");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, p);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name)) : cJSON_GetObjectItemCaseSensitive(at, name);
        p += n + (p[n] == '.');
    }
    double value = cJSON_IsNumber(at) ? at->valuedouble : cJSON_IsBool(at) ? (double)cJSON_IsTrue(at) : -1;
    cJSON_Delete(meta);
    return value;
}

/* "U:A,B,C|..." of sequences or rows in order of the raw user id, so that the numbering does not show. */
static inline const char *user_id(const char *out, int32_t user)
{
    static char id[8][64];
    static int turn;
    char *text = read_bytes(in_scratch(arena_printf(arena, "%s/users.tsv", out)), NULL), *line = strchr(text, '\n') + 1;
    for (int32_t u = 0; u < user; u++) line = strchr(line, '\n') + 1;
    turn = (turn + 1) % 8;
    ck_assert_int_eq(sscanf(line, "%*d\t%63s", id[turn]), 1);
    return id[turn];
}

static inline int compare_texts(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static inline const char *join_sorted(const char **part, int64_t n)
{
    const char *text = "";
    qsort(part, (size_t)n, sizeof *part, compare_texts);
    for (int64_t i = 0; i < n; i++) text = arena_printf(arena, "%s%s%s", text, i ? " " : "", part[i]);
    return text;
}

static inline const char *list_ids(const Dataset *d, const int32_t *items, int64_t n)
{
    const char *text = "";
    for (int64_t i = 0; i < n; i++) text = arena_printf(arena, "%s%s%s", text, i ? "," : "", d->text[items[i]].id);
    return text;
}

static inline const char *train_text(const Dataset *d, const char *out)
{
    const char **part = ARENA_NEW(arena, const char *, d->train.n);
    const Sequences *s = &d->train;
    for (int64_t i = 0; i < s->n; i++)
        part[i] = arena_printf(arena, "%s:%s", user_id(out, s->user[i]), list_ids(d, s->items + s->offset[i], s->offset[i + 1] - s->offset[i]));
    return join_sorted(part, s->n);
}

/* Rows in file order when `sorted` is false. */
static inline const char *rows_text(const Dataset *d, const Rows *r, const char *out, bool sorted)
{
    const char **part = ARENA_NEW(arena, const char *, r->n);
    for (int64_t i = 0; i < r->n; i++)
        part[i] = arena_printf(arena, "%s:%s>%s", user_id(out, r->user[i]), list_ids(d, r->history + r->offset[i], r->offset[i + 1] - r->offset[i]), d->text[r->target[i]].id);
    if (sorted) return join_sorted(part, r->n);
    const char *text = "";
    for (int64_t i = 0; i < r->n; i++) text = arena_printf(arena, "%s%s%s", text, i ? " " : "", part[i]);
    return text;
}

/* ---- raw sources from short notation ---- */

/* events "user item time;user item time;..." as 2014 reviews. */
static inline const char *reviews_text(const char *events)
{
    const char *text = "";
    char user[32], item[32];
    long long time;
    int used;
    for (const char *p = events; sscanf(p, " %31s %31s %lld;%n", user, item, &time, &used) == 3; p += used)
        text = arena_printf(arena, "%s{\"reviewerID\": \"%s\", \"asin\": \"%s\", \"overall\": 5.0, \"reviewText\": \"x\", \"unixReviewTime\": %lld}\n", text, user, item,
                            time);
    return text;
}

/* items "A;B;..." as 2014 metadata with title "title of A". */
static inline const char *metadata_text(const char *items)
{
    const char *text = "";
    char item[32];
    int used;
    for (const char *p = items; sscanf(p, " %31[^;];%n", item, &used) == 1; p += used)
        text = arena_printf(arena, "%s{'asin': '%s', 'title': 'title of %s', 'categories': [['Root', 'Leaf']]}\n", text, item, item);
    return text;
}

static inline void write_raw(const char *events, const char *items)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text(events));
    write_gzip(in_scratch("raw/meta.json.gz"), metadata_text(items));
}

/* items "0;1;..." as items.jsonl of the sequence form, asin "I<n>". */
static inline void write_sequences(const char *sequences, const char *timestamps, const char *items)
{
    const char *text = "";
    int item, used;
    for (const char *p = items; sscanf(p, " %d;%n", &item, &used) == 1; p += used)
        text = arena_printf(arena, "%s{\"item\": %d, \"asin\": \"I%d\", \"title\": \"t%d\", \"categories\": []}\n", text, item, item, item);
    write_text(in_scratch("raw/items.jsonl"), text);
    write_text(in_scratch("raw/sequences.txt"), sequences);
    if (timestamps != NULL) write_text(in_scratch("raw/timestamps.txt"), timestamps);
}

#endif
