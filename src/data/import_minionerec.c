/* data/import_minionerec.c -- MiniOneRec's train, valid and test CSV files with their catalogue.
 *
 * Every row is read whole and checked: lists must have equal lengths, ids must be in the catalogue. Titles and SIDs in the rows repeat what the catalogue
 * says; where they say something else this is counted by name in the ledger, and the catalogue's word is taken. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/csv.h"
#include "data/import_parts.h"
#include "data/pyliteral.h"
#include "data/rowstore.h"
#include "data/textclean.h"
#include "io/stream.h"

enum { USER, HISTORY, TARGET, TITLES, TITLE, SIDS, SID, TIMES, TIME, COLUMNS, NEEDED = 3 };
static const char *const column_names[COLUMNS] = {"user_id", "history_item_id", "item_id", "history_item_title", "item_title", "history_item_sid", "item_sid",
                                                  "history_timestamp", "timestamp"};
static const char *const part_folders[3] = {"train/", "valid/", "test/"};

typedef struct Reader {
    Intake *c;
    const char *path;
    bool closed;             /* a catalogue was read, and knows every item */
    int column[COLUMNS];     /* -1: not there */
    RowStore *rows;
    int32_t *history;
    int64_t *times;
    size_t history_capacity, times_capacity;
    Fault fault;             /* kind of the last fault */
} Reader;

/* ---- info/STEM.txt: `sid TAB title TAB item` ---- */

static const char *take_info(Intake *c, char *line, Fault *fault) {
    char *item = strrchr(line, '\t'), *title = strchr(line, '\t');
    *fault = FAULT_SYNTAX;
    if (!title || title == item) return "expected `sid TAB title TAB item`";
    *item++ = '\0'; /* a title may hold tabs */
    *title++ = '\0';
    *fault = FAULT_FIELD;
    if (import_key_fault(item)) return import_key_fault(item);
    int64_t known = strtable_count(c->items), number = strtable_add(c->items, item);
    *fault = FAULT_REPEATED;
    if (number < known) return "this item has a line already";
    *intake_text(c, number) = (ItemText){.id = strtable_get(c->items, number), .title = arena_strdup(c->arena, title)};
    return NULL;
}

static Status read_info(Intake *c, const char *path) {
    LineReader *reader;
    const char *line;
    size_t n;
    TRY(line_open(path, &reader));
    Arena *tmp = arena_create("info line");
    while (line_next(reader, &line, &n)) {
        ArenaMark mark = arena_mark(tmp);
        Fault fault = FAULT_UTF8;
        if (n > 0 && line[n - 1] == '\r') n--;
        char *copy = arena_strndup(tmp, line, n);
        ledger_seen(c->ledger, LEDGER_ITEMS, 1);
        const char *bad = utf8_invalid_at(copy, n) < n ? "bytes that are no UTF-8" : strlen(copy) < n ? "NUL byte" : take_info(c, copy, &fault);
        if (bad) ledger_reject(c->ledger, LEDGER_ITEMS, fault, 1, path, line_number(reader), "%s", bad);
        arena_release(tmp, mark);
    }
    arena_destroy(tmp);
    return line_close(reader);
}

/* ---- rows ---- */

static const char *cell(const Reader *r, const CsvRecord *record, int column) { return r->column[column] < 0 ? NULL : record->cell[r->column[column]]; }

/* A Python list, or NULL and a fault. */
static cJSON *list_of(Reader *r, const CsvRecord *record, int column) {
    const char *text = cell(r, record, column);
    cJSON *list;
    r->fault = FAULT_SYNTAX;
    if (pyliteral_parse_line(r->path, record->line, text, strlen(text), &list) != OK) return status_clear(), NULL;
    if (cJSON_IsArray(list)) return list;
    cJSON_Delete(list);
    return NULL;
}

static int64_t item_number(Reader *r, const char *name) {
    r->fault = import_key_fault(name) ? FAULT_FIELD : FAULT_UNKNOWN;
    if (import_key_fault(name)) return -1;
    return r->closed ? strtable_find(r->c->items, name) : strtable_add(r->c->items, name);
}

static const char *take_history(Reader *r, const CsvRecord *record, int64_t *n) {
    cJSON *list = list_of(r, record, HISTORY);
    const char *fault = !list ? "history_item_id is no Python list" : !list->child ? "history_item_id is empty" : NULL;
    *n = 0;
    if (list && !list->child) r->fault = FAULT_FIELD;
    for (const cJSON *one = list ? list->child : NULL; one && !fault; one = one->next) {
        char name[64] = "";
        if (cJSON_IsString(one)) snprintf(name, sizeof name, "%s", one->valuestring);
        else if (cJSON_IsNumber(one) && floor(one->valuedouble) == one->valuedouble && fabs(one->valuedouble) < 9e15) snprintf(name, sizeof name, "%.0f", one->valuedouble);
        int64_t item = item_number(r, name);
        if (item < 0) fault = *name ? "an item of the history is not in the catalogue" : "an item of the history is no number or text";
        ARENA_GROW(r->c->arena, r->history, r->history_capacity, *n + 1);
        r->history[(*n)++] = (int32_t)item;
    }
    cJSON_Delete(list);
    return fault;
}

static const char *take_times(Reader *r, const CsvRecord *record, int64_t n) {
    cJSON *list = list_of(r, record, TIMES);
    const char *fault = !list ? "history_timestamp is no Python list" : NULL;
    int64_t k = 0;
    for (const cJSON *one = list ? list->child : NULL; one && !fault; one = one->next) {
        char text[64];
        snprintf(text, sizeof text, "%.17g", cJSON_IsNumber(one) ? one->valuedouble : -1);
        ARENA_GROW(r->c->arena, r->times, r->times_capacity, k + 1);
        r->fault = FAULT_TIME;
        if (!import_time(text, &r->times[k++])) fault = "history_timestamp holds something that is neither 0 nor a second between 1995 and 2100";
    }
    cJSON_Delete(list);
    r->fault = fault ? r->fault : FAULT_FIELD;
    return fault ? fault : k == n ? NULL : "history_timestamp and history_item_id differ in length";
}

/* The lists beside the ids must have their length; titles that differ from the catalogue's are counted. */
static const char *check_list(Reader *r, const CsvRecord *record, int column, int64_t n) {
    cJSON *list = list_of(r, record, column);
    if (!list) return column == TITLES ? "history_item_title is no Python list" : "history_item_sid is no Python list";
    r->fault = FAULT_FIELD;
    bool same_length = cJSON_GetArraySize(list) == n;
    int64_t k = 0;
    for (const cJSON *one = list->child; one && column == TITLES && same_length; one = one->next, k++) {
        const char *title = intake_text(r->c, r->history[k])->title;
        if (title && (!cJSON_IsString(one) || strcmp(one->valuestring, title) != 0)) ledger_note(r->c->ledger, "row_titles_unlike_the_catalogue", 1);
    }
    cJSON_Delete(list);
    return same_length ? NULL : column == TITLES ? "history_item_title and history_item_id differ in length" : "history_item_sid and history_item_id differ in length";
}

static const char *take_target(Reader *r, const CsvRecord *record, StoredRow *row) {
    const char *name = cell(r, record, TARGET), *title = cell(r, record, TITLE), *time = cell(r, record, TIME);
    int64_t item = item_number(r, name);
    if (item < 0) return r->fault == FAULT_FIELD ? "item_id is no id" : "item_id is not in the catalogue";
    row->target = (int32_t)item;
    ItemText *text = intake_text(r->c, item);
    if (title && !r->closed && !text->title) text->title = arena_strdup(r->c->arena, title);
    else if (title && text->title && strcmp(title, text->title) != 0) ledger_note(r->c->ledger, "row_titles_unlike_the_catalogue", 1);
    r->fault = FAULT_TIME;
    return time && !import_time(time, &row->time_s) ? "timestamp is neither 0 nor a second between 1995 and 2100" : NULL;
}

static const char *take_row(Reader *r, const CsvRecord *record, int64_t n_columns) {
    StoredRow row = {.line = record->line};
    const char *user, *fault;
    r->fault = FAULT_SYNTAX;
    if (record->fault) return record->fault;
    if (record->n != n_columns) return "another number of cells than the header";
    user = cell(r, record, USER);
    r->fault = FAULT_FIELD;
    if (import_key_fault(user)) return import_key_fault(user);
    fault = take_history(r, record, &row.n);
    if (!fault && r->column[TITLES] >= 0) fault = check_list(r, record, TITLES, row.n);
    if (!fault && r->column[SIDS] >= 0) fault = check_list(r, record, SIDS, row.n);
    if (!fault && r->column[TIMES] >= 0) fault = take_times(r, record, row.n);
    if (!fault) fault = take_target(r, record, &row);
    if (fault) return fault;
    row.user = strtable_add(r->c->users, user);
    row.history = r->history;
    row.times = r->column[TIMES] >= 0 ? r->times : NULL;
    rowstore_add(r->rows, &row);
    return NULL;
}

static const char *find_columns(Reader *r, const CsvRecord *header) {
    for (int k = 0; k < COLUMNS; k++) {
        r->column[k] = -1;
        for (int64_t i = 0; i < header->n; i++) {
            if (strcmp(header->cell[i], column_names[k]) != 0) continue;
            if (r->column[k] >= 0) return "a column twice";
            r->column[k] = (int)i;
        }
    }
    for (int k = 0; k < NEEDED; k++)
        if (r->column[k] < 0) return "expected the columns user_id, history_item_id and item_id";
    return header->fault;
}

static Status read_rows(Reader *r) {
    CsvReader *csv;
    CsvRecord record;
    int64_t n_columns = 0;
    const char *bad_header = "the file is empty";
    TRY(csv_open(r->path, ',', &csv));
    while (csv_next(csv, &record)) {
        if (n_columns == 0) {
            n_columns = record.n;
            bad_header = find_columns(r, &record);
            if (bad_header) break;
            continue;
        }
        ledger_seen(r->c->ledger, LEDGER_INTERACTIONS, 1);
        const char *fault = take_row(r, &record, n_columns);
        if (fault) ledger_reject(r->c->ledger, LEDGER_INTERACTIONS, fault == record.fault && strstr(fault, "UTF-8") ? FAULT_UTF8 : r->fault, 1, r->path, record.line, "%s", fault);
    }
    TRY(csv_close(csv));
    return bad_header ? FAIL(E_INPUT, "give MiniOneRec's CSV files with their header", "%s:1: %s", r->path, bad_header) : OK;
}

Status import_minionerec(Intake *c, const Source *source, ExactRows **rows) {
    Reader r = {.c = c, .rows = rowstore_create(c)};
    const char *items = source_path(source, ".item.json", c->arena), *info = source_path(source, ".txt", c->arena);
    if (items) TRY(import_item_json(c, items));
    else if (info) TRY(read_info(c, info));
    r.closed = items || info;
    for (int part = 0; part < 3; part++) {
        r.path = arena_printf(c->arena, "%s/%s%s.csv", source->dir, part_folders[part], source->stem);
        rowstore_file(r.rows, part, r.path);
        TRY(read_rows(&r));
    }
    rowstore_finish(r.rows, rows);
    return import_ids(c, source);
}
