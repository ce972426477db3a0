/* data/import_amazon.c -- raw Amazon reviews and metadata (2014 and 2018 releases). One line in memory at a time. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "data/import.h"
#include "data/pyliteral.h"
#include "data/textclean.h"
#include "io/stream.h"

/* What to do with one parsed line; on a fault of the line, FAIL and return it. */
typedef struct LineJob {
    Intake *intake;
    const char *path;
    LedgerSort sort;
    MetaSyntax syntax;
    Fault fault; /* kind of the fault just recorded by `take` */
    Status (*take)(struct LineJob *job, int64_t line, const cJSON *tree);
} LineJob;

static Status each_line(LineJob *job) {
    LineReader *reader;
    TRY(line_open(job->path, &reader));
    Progress progress;
    bool long_read = line_file_bytes(reader) > 8 << 20; /* else it is over before a bar could be seen */
    if (long_read) progress_begin(&progress, "MiB", line_file_bytes(reader) >> 20, 0);
    const char *text;
    size_t n;
    Ledger *ledger = job->intake->ledger;
    while (line_next(reader, &text, &n)) {
        int64_t number = line_number(reader);
        ledger_seen(ledger, job->sort, 1);
        if (long_read && number % 4096 == 0) progress_update(&progress, line_bytes_read(reader) >> 20, "%s", job->path);
        size_t bad = utf8_invalid_at(text, n);
        if (bad < n) {
            ledger_reject(ledger, job->sort, FAULT_UTF8, 1, job->path, number, "byte 0x%02x at column %zu is not UTF-8", (unsigned)(unsigned char)text[bad], bad + 1);
            continue;
        }
        cJSON *tree;
        job->fault = FAULT_SYNTAX;
        Status status = job->syntax == META_PYTHON ? pyliteral_parse_line(job->path, number, text, n, &tree)
                                                   : json_parse_line(job->path, number, text, n, &tree);
        if (status == OK) {
            job->fault = FAULT_FIELD;
            status = job->take(job, number, tree);
            cJSON_Delete(tree);
        }
        if (status != OK) ledger_reject_status(ledger, job->sort, job->fault, 1, job->path, number);
    }
    if (long_read) progress_end(&progress);
    return line_close(reader);
}

static Status get_key(const LineJob *job, int64_t line, const cJSON *tree, const char *key, const char **value) {
    char where[512];
    snprintf(where, sizeof where, "%s:%lld", job->path, (long long)line);
    TRY(json_get_string(where, tree, key, value));
    for (const char *p = *value; *p; p++)
        if ((unsigned char)*p <= ' ') return FAIL(E_INPUT, NULL, "%s: \"%s\" holds white space", where, key);
    return **value ? OK : FAIL(E_INPUT, NULL, "%s: \"%s\" is empty", where, key);
}

static Status take_review(LineJob *job, int64_t line, const cJSON *tree) {
    const char *user, *asin;
    double time;
    TRY(get_key(job, line, tree, "reviewerID", &user));
    TRY(get_key(job, line, tree, "asin", &asin));
    TRY(json_get_number(job->path, tree, "unixReviewTime", &time));
    if (!(time >= TIME_MIN_S && time < (double)TIME_MAX_S) || floor(time) < time) {
        job->fault = FAULT_TIME;
        return FAIL(E_INPUT, NULL, "unixReviewTime %.17g is no second between 1995 and 2100", time);
    }
    Intake *c = job->intake;
    intake_add_event(c, strtable_add(c->users, user), strtable_add(c->items, asin), (int64_t)time);
    return OK;
}

/* ---- metadata ---- */

/* Append clean(text) to *joined behind `glue`; empty texts leave no trace. */
static void join_clean(Arena *arena, const char **joined, const char *glue, const char *text) {
    const char *clean = text_clean(arena, text);
    if (*clean) *joined = **joined ? arena_printf(arena, "%s%s%s", *joined, glue, clean) : clean;
}

/* A text, a list of texts, or a list of lists (paths, separated by " | "), joined with glue. */
static Status join_texts(const cJSON *value, const char *key, const char *glue, Arena *arena, const char **joined) {
    *joined = "";
    if (!value || cJSON_IsNull(value)) return OK;
    if (cJSON_IsString(value)) return join_clean(arena, joined, glue, value->valuestring), OK;
    if (!cJSON_IsArray(value)) return FAIL(E_INPUT, NULL, "\"%s\" is neither a text nor a list", key);
    for (const cJSON *one = value->child; one; one = one->next) {
        if (cJSON_IsString(one)) {
            join_clean(arena, joined, glue, one->valuestring);
        } else if (cJSON_IsArray(one)) {
            const char *path;
            TRY(join_texts(one, key, glue, arena, &path));
            if (*path) *joined = **joined ? arena_printf(arena, "%s | %s", *joined, path) : path;
        } else {
            return FAIL(E_INPUT, NULL, "\"%s\" holds something that is no text", key);
        }
    }
    return OK;
}

static Status take_meta(LineJob *job, int64_t line, const cJSON *tree) {
    const char *asin;
    TRY(get_key(job, line, tree, "asin", &asin));
    Intake *c = job->intake;
    int64_t item = strtable_find(c->items, asin);
    if (item < 0) return ledger_note(c->ledger, "metadata_of_other_items", 1), OK;
    if (intake_text(c, item)->id) return ledger_note(c->ledger, "metadata_repeated", 1), OK;
    ItemText text = {0};
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(tree, "categories");
    if (!paths) paths = cJSON_GetObjectItemCaseSensitive(tree, "category");
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "title"), "title", " ", c->arena, &text.title));
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "brand"), "brand", " ", c->arena, &text.brand));
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "description"), "description", " ", c->arena, &text.description));
    TRY(join_texts(paths, "categories", " > ", c->arena, &text.categories));
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "feature"), "feature", "; ", c->arena, &text.keywords));
    if (strstr(text.title, "getTime")) {
        ledger_note(c->ledger, "script_titles_emptied", 1);
        text.title = "";
    }
    text.id = strtable_get(c->items, item);
    *intake_text(c, item) = text;
    return OK;
}

static Status take_caption(LineJob *job, int64_t line, const cJSON *tree) {
    const char *asin, *caption;
    TRY(get_key(job, line, tree, "asin", &asin));
    TRY(json_get_string(job->path, tree, "caption", &caption));
    int64_t item = strtable_find(job->intake->items, asin);
    if (item < 0) return ledger_note(job->intake->ledger, "captions_of_other_items", 1), OK;
    intake_text(job->intake, item)->caption = text_clean(job->intake->arena, caption);
    return OK;
}

Status import_amazon(Intake *c, const char *reviews, const char *meta, MetaSyntax syntax, const char *captions) {
    LineJob job = {c, reviews, LEDGER_INTERACTIONS, META_JSON, FAULT_SYNTAX, take_review};
    TRY(each_line(&job));
    if (meta) {
        job = (LineJob){c, meta, LEDGER_ITEMS, syntax, FAULT_SYNTAX, take_meta};
        TRY(each_line(&job));
    }
    if (captions) {
        job = (LineJob){c, captions, LEDGER_ITEMS, META_JSON, FAULT_SYNTAX, take_caption};
        TRY(each_line(&job));
    }
    return OK;
}

void intake_complete_text(Intake *c) {
    int64_t n = strtable_count(c->items), without = 0;
    for (int64_t i = 0; i < n; i++) {
        ItemText *t = intake_text(c, i);
        without += !t->id;
        if (!t->id) t->id = strtable_get(c->items, i);
        const char **const fields[] = {&t->title, &t->brand, &t->categories, &t->description, &t->keywords, &t->caption};
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            if (!*fields[f]) *fields[f] = "";
    }
    if (without) ledger_note(c->ledger, "items_without_metadata", without);
}
