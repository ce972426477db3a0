/* llm/answerfile.c -- see answerfile.h. */
#include "llm/answerfile.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "data/strtable.h"
#include "io/stream.h"
#include "llm/answer.h"
#include "llm/drift.h"

enum { SHOWN_FAULTS = 10 };

typedef struct Import {
    const AnswerFile *f;
    const Dataset *d;
    const Responses *cache;
    const Ensemble *e;
    Arena *arena;
    StringTable *ids;       /* raw id -> item of d */
    StringTable *new_keys;  /* key and item -> index into records */
    Response *records;
    size_t capacity;
    ImportCount *count;
} Import;

static Status raw_id(const Import *im, int64_t line, const cJSON *item, const char **id) {
    if (cJSON_IsString(item)) {
        *id = item->valuestring;
        return OK;
    }
    int64_t number = cJSON_IsNumber(item) && fabs(item->valuedouble) < 1e15 ? (int64_t)item->valuedouble : -1;
    if (number < 0 || (double)number != item->valuedouble)
        return FAIL(E_INPUT, "name items by their raw ids", "%s:%lld: \"item\" is neither a string nor a whole number", im->f->path, (long long)line);
    *id = arena_printf(im->arena, "%lld", (long long)number);
    return OK;
}

/* The response as the model would have written it: the line without "item". */
static Status mining_response(const Import *im, int64_t line, cJSON *tree, Response *r, const char **fault) {
    cJSON_Delete(cJSON_DetachItemFromObjectCaseSensitive(tree, "item"));
    char *text = cJSON_PrintUnformatted(tree);
    if (!text) return FAIL(E_RESOURCE, NULL, "%s:%lld: no memory", im->f->path, (long long)line);
    r->response = arena_strdup(im->arena, text);
    cJSON_free(text);
    *fault = answer_parse(im->f->prompt, r->response, im->arena).fault;
    return OK;
}

static Status judge_response(const Import *im, const cJSON *tree, Response *r, const char **fault) {
    const char *interest, *origin;
    int64_t label;
    TRY(json_get_string(im->f->path, tree, "interest", &interest));
    TRY(json_get_string(im->f->path, tree, "origin", &origin));
    TRY(json_get_int(im->f->path, tree, "label", &label));
    r->interest = arena_strdup(im->arena, interest);
    r->origin = arena_strdup(im->arena, origin);
    r->response = arena_printf(im->arena, "%lld", (long long)label);
    int parsed;
    *fault = answer_parse_label(r->response, &parsed) ? NULL : "a label other than 0 or 1";
    return OK;
}

static Status add_new(Import *im, int64_t line, const Response *r) {
    const Response *old = responses_find(im->cache, r->key, r->set, r->item);
    if (old && (strcmp(old->set, r->set) != 0 || strcmp(old->item, r->item) != 0)) old = NULL; /* another item with the same text */
    const char *name = arena_printf(im->arena, "%s %s", r->key, r->item);
    int64_t earlier = strtable_find(im->new_keys, name);
    if (!old && earlier >= 0) old = &im->records[earlier];
    if (old) {
        im->count->present++;
        if (strcmp(old->response, r->response) == 0) return OK;
        return FAIL(E_INPUT, "remove the line, or record it under another template id", "%s:%lld: item %s has another recorded answer to this very prompt", im->f->path,
                    (long long)line, r->item);
    }
    strtable_add(im->new_keys, name);
    size_t need = (size_t)im->count->added + 1;
    ARENA_GROW(im->arena, im->records, im->capacity, need);
    im->records[im->count->added++] = *r;
    return OK;
}

static Status import_tree(Import *im, int64_t line, cJSON *tree) {
    const AnswerFile *f = im->f;
    const char *id = NULL, *fault = NULL;
    TRY(raw_id(im, line, cJSON_GetObjectItemCaseSensitive(tree, "item"), &id));
    int64_t item = strtable_find(im->ids, id);
    im->count->lines++;
    if (item < 0) {
        im->count->not_in_data++;
        return OK;
    }
    Response r = {.provider = f->provider, .model = f->model, .template_id = f->prompt->id, .set = f->set, .item = im->d->text[item].id, .date = f->date};
    TRY(f->prompt->is_judge ? judge_response(im, tree, &r, &fault) : mining_response(im, line, tree, &r, &fault));
    if (fault) {
        if (im->count->malformed++ < SHOWN_FAULTS) log_warn("%s:%lld: %s; left out", f->path, (long long)line, fault);
        return OK;
    }
    char *key = arena_alloc(im->arena, SHA256_HEX, 1);
    prompt_key(r.provider, r.model, r.template_id, prompt_render(im->e, f->prompt, f->set, &im->d->text[item], r.interest, im->arena), key);
    r.key = key;
    r.parts = drift_parts(im->e, f->prompt, f->set, &im->d->text[item], im->arena);
    return add_new(im, line, &r);
}

Status answerfile_import(const AnswerFile *f, const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena, Response **records,
                         ImportCount *count) {
    *count = (ImportCount){0};
    Import im = {.f = f, .d = d, .cache = cache, .e = e, .arena = arena, .ids = strtable_create(arena), .new_keys = strtable_create(arena), .count = count};
    for (int64_t i = 0; i < d->N; i++) strtable_add(im.ids, d->text[i].id);
    if (strtable_count(im.ids) != d->N) return FAIL(E_INPUT, "rebuild it with 02_preprocess", "%s: two items share an id", d->dir);
    LineReader *reader;
    TRY(line_open(f->path, &reader));
    const char *text;
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &text, &n)) {
        cJSON *tree;
        int64_t line = line_number(reader);
        status = json_parse_line(f->path, line, text, n, &tree);
        if (status != OK) break;
        status = import_tree(&im, line, tree);
        cJSON_Delete(tree);
    }
    Status closed = line_close(reader);
    TRY(closed != OK ? closed : status);
    *records = im.records;
    return OK;
}
