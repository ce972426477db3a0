/* data/import_meta.c -- item texts from raw Amazon metadata (2014: Python literals; 2018 and 2023: JSON) and caption files.
 *
 * Most lines of a metadata file are of items that nobody asked for: they are checked and passed over without a tree. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "data/import.h"
#include "data/import_lines.h"
#include "data/pyliteral.h"
#include "data/pyscan.h"
#include "data/textclean.h"

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

/* How a release names the texts; the first name that a line has counts. */
typedef struct MetaForm { const char *id, *brand, *paths[2], *keywords; } MetaForm;
static const MetaForm meta_forms[] = {[META_PYTHON] = {"asin", "brand", {"categories", "category"}, "feature"},
                                      [META_JSON] = {"asin", "brand", {"categories", "category"}, "feature"},
                                      [META_JSON_2023] = {"parent_asin", "store", {"categories", "main_category"}, "features"}};

static Status texts_of(const cJSON *tree, const MetaForm *form, Arena *arena, ItemText *text) {
    const char *from = form->paths[0];
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(tree, from);
    const bool empty = !paths || (cJSON_IsArray(paths) && !paths->child);
    if (empty && cJSON_HasObjectItem(tree, form->paths[1])) paths = cJSON_GetObjectItemCaseSensitive(tree, from = form->paths[1]);
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "title"), "title", " ", arena, &text->title));
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, form->brand), form->brand, " ", arena, &text->brand));
    TRY(join_texts(cJSON_GetObjectItemCaseSensitive(tree, "description"), "description", " ", arena, &text->description));
    TRY(join_texts(paths, from, " > ", arena, &text->categories));
    return join_texts(cJSON_GetObjectItemCaseSensitive(tree, form->keywords), form->keywords, "; ", arena, &text->keywords);
}

static Status keep_texts(Intake *c, Arena *scratch, const cJSON *tree, const MetaForm *form, int64_t item) {
    if (intake_text(c, item)->id) return ledger_note(c->ledger, "metadata_repeated", 1), OK;
    ArenaMark mark = arena_mark(scratch);
    ItemText text = {0};
    Status status = texts_of(tree, form, scratch, &text);
    if (status == OK) {
        const cJSON *title = cJSON_GetObjectItemCaseSensitive(tree, "title");
        if (cJSON_IsString(title) && strstr(title->valuestring, "<span id")) { /* a piece of a page, as MiniOneRec judges */
            ledger_note(c->ledger, "markup_titles_emptied", 1);
            text.title = "";
        }
        if (strstr(text.title, "getTime")) {
            ledger_note(c->ledger, "script_titles_emptied", 1);
            text.title = "";
        }
        const char **const fields[] = {&text.title, &text.brand, &text.categories, &text.description, &text.keywords};
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) *fields[f] = intake_keep_text(c, *fields[f]);
        text.id = strtable_get(c->items, item);
        *intake_text(c, item) = text;
    }
    arena_release(scratch, mark);
    return status;
}

/* The item that a line is about, by its id field: its number, or -1 when nobody asked for it. */
static Status item_of(Intake *c, const LineFeed *feed, const char *name, const Field *id, const char *other, int64_t *item) {
    TRY(field_key(feed, name, id));
    *item = strtable_find_bytes(c->items, id->text, id->n);
    if (*item >= 0 && c->wanted && !c->wanted[*item]) *item = -1;
    if (*item < 0) ledger_note(c->ledger, other, 1);
    return OK;
}

static void take_json(LineFeed *feed, Intake *c, const MetaForm *form, FieldScan *scan, Arena *scratch) {
    Field id;
    int64_t item;
    if (!lines_scan(feed, scan, &id)) return;
    Status status = item_of(c, feed, form->id, &id, "metadata_of_other_items", &item);
    if (status == OK && item >= 0) {
        cJSON *tree;
        status = json_parse_line(feed->path, feed->number, feed->text, feed->n, &tree);
        if (status == OK) status = keep_texts(c, scratch, tree, form, item);
        cJSON_Delete(tree);
    }
    if (status != OK) lines_reject(feed, FAULT_FIELD);
}

/* The tree of a line that pyscan has passed over, or could not; false: malformed, and was rejected. */
static bool python_tree(LineFeed *feed, cJSON **tree) {
    if (!lines_utf8(feed)) return false;
    if (pyliteral_parse_line(feed->path, feed->number, feed->text, feed->n, tree) == OK) return true;
    lines_reject(feed, FAULT_SYNTAX);
    return false;
}

static void take_python(LineFeed *feed, Intake *c, const MetaForm *form, const FieldScan *scan, Arena *scratch) {
    Field id;
    int64_t item = -1;
    cJSON *tree = NULL;
    const bool recognised = pyscan_line(form->id, feed->text, feed->n, &id);
    if (!recognised) {
        ledger_note(c->ledger, "metadata_lines_read_by_tree", 1);
        if (!python_tree(feed, &tree)) return;
        fieldscan_tree(scan, tree, &id);
    }
    Status status = item_of(c, feed, form->id, &id, "metadata_of_other_items", &item);
    if (status == OK && item >= 0) {
        if (!tree && !python_tree(feed, &tree)) return;
        status = keep_texts(c, scratch, tree, form, item);
    }
    cJSON_Delete(tree);
    if (status != OK) lines_reject(feed, FAULT_FIELD);
}

Status import_meta(Intake *c, const char *path, MetaSyntax syntax) {
    const MetaForm *form = &meta_forms[syntax];
    LineFeed feed;
    TRY(lines_begin(&feed, path, c->ledger, LEDGER_ITEMS));
    Arena *arena = arena_create("metadata"), *scratch = arena_create("metadata of one item");
    FieldScan *scan = fieldscan_create(arena, 1, &form->id);
    while (lines_next(&feed)) {
        if (syntax == META_PYTHON) take_python(&feed, c, form, scan, scratch);
        else take_json(&feed, c, form, scan, scratch);
    }
    if (fieldscan_fallbacks(scan)) ledger_note(c->ledger, "metadata_lines_read_by_cjson", fieldscan_fallbacks(scan));
    fieldscan_destroy(scan);
    arena_destroy(scratch);
    arena_destroy(arena);
    return lines_end(&feed);
}

Status import_captions(Intake *c, const char *path) {
    static const char *const names[] = {"asin", "caption"};
    LineFeed feed;
    TRY(lines_begin(&feed, path, c->ledger, LEDGER_ITEMS));
    Arena *arena = arena_create("captions");
    FieldScan *scan = fieldscan_create(arena, 2, names);
    while (lines_next(&feed)) {
        Field field[2];
        int64_t item;
        if (!lines_scan(&feed, scan, field)) continue;
        Status status = item_of(c, &feed, names[0], &field[0], "captions_of_other_items", &item);
        if (status == OK && field[1].kind != FIELD_STRING) status = FAIL(E_INPUT, NULL, "\"caption\" is not a text");
        if (status != OK) {
            lines_reject(&feed, FAULT_FIELD);
            continue;
        }
        if (item < 0) continue;
        ArenaMark mark = arena_mark(arena);
        intake_text(c, item)->caption = intake_keep_text(c, text_clean(arena, arena_strndup(arena, field[1].text, field[1].n)));
        arena_release(arena, mark);
    }
    fieldscan_destroy(scan);
    arena_destroy(arena);
    return lines_end(&feed);
}

void intake_complete_text(Intake *c) {
    int64_t n = strtable_count(c->items), without = 0;
    for (int64_t i = 0; i < n; i++) {
        ItemText *t = intake_text(c, i);
        without += !t->id && (!c->wanted || c->wanted[i]);
        if (!t->id) t->id = strtable_get(c->items, i);
        const char **const fields[] = {&t->title, &t->brand, &t->categories, &t->description, &t->keywords, &t->caption};
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            if (!*fields[f]) *fields[f] = "";
    }
    if (without) ledger_note(c->ledger, "items_without_metadata", without);
}
