/* data/import_recbole.c -- RecBole's atomic files: tables with a `name:type` header, tab-separated.
 *
 * RecBole reads them with pandas, so a field that begins with a quote and is well quoted is read without its quotes, as it would be there. A field that
 * begins with a quote and is not well quoted is taken as it stands, and counted (pandas would swallow what follows it). */
#include <stdlib.h>
#include <string.h>

#include "data/import_parts.h"
#include "data/rowstore.h"
#include "data/split.h"
#include "data/textclean.h"
#include "io/stream.h"

enum { MAX_FIELDS = 128 };

/* A table and the line at hand. */
typedef struct Atomic {
    Intake *c;
    const char *path, *name[MAX_FIELDS]; /* field names without their types */
    LineReader *reader;
    Arena *tmp;                          /* the line */
    char *field[MAX_FIELDS];
    int64_t n;
} Atomic;

static const char fix_header[] = "the first line of an atomic file names its fields as `name:type`, separated by tabs";

/* ---- tables ---- */

/* Cut a copy of the line at its tabs; how many fields, -1 when there are too many. */
static int64_t cut_fields(char *line, char *field[MAX_FIELDS]) {
    int64_t n = 0;
    for (char *p = line; p; n++) {
        if (n == MAX_FIELDS) return -1;
        char *tab = strchr(p, '\t');
        if (tab) *tab = '\0';
        field[n] = p;
        p = tab ? tab + 1 : NULL;
    }
    return n;
}

/* Take a well-formed pair of quotes off, in place; false when the field begins with a quote but is not well quoted. */
static bool unquote(char *field) {
    if (field[0] != '"') return true;
    size_t n = strlen(field);
    if (n < 2 || field[n - 1] != '"') return false;
    for (size_t i = 1; i + 1 < n; i++)
        if (field[i] == '"' && (field[++i] != '"' || i + 1 >= n)) return false;
    char *out = field;
    for (size_t i = 1; i + 1 < n; i++) {
        *out++ = field[i];
        i += field[i] == '"';
    }
    *out = '\0';
    return true;
}

/* The next line, cut; false at the end. *fault: the line is unusable, with its kind. */
static bool atomic_next(Atomic *a, const char **fault, Fault *kind) {
    const char *line;
    size_t n;
    if (!line_next(a->reader, &line, &n)) return false;
    arena_destroy(a->tmp);
    a->tmp = arena_create("atomic line");
    if (n > 0 && line[n - 1] == '\r') n--;
    char *copy = arena_strndup(a->tmp, line, n);
    *fault = NULL;
    *kind = FAULT_UTF8;
    if (utf8_invalid_at(copy, n) < n) return *fault = "bytes that are no UTF-8", true;
    *kind = FAULT_SYNTAX;
    if (strlen(copy) < n) return *fault = "NUL byte", true;
    int64_t fields = cut_fields(copy, a->field);
    if (a->n && fields != a->n) return *fault = "another number of fields than the header", true;
    if (!a->n) a->n = fields;
    for (int64_t i = 0; i < fields; i++)
        if (!unquote(a->field[i])) ledger_note(a->c->ledger, "unbalanced_quotes_taken_literally", 1);
    return true;
}

static Status atomic_close(Atomic *a) {
    arena_destroy(a->tmp);
    return line_close(a->reader);
}

static Status atomic_open(Atomic *a, Intake *c, const char *path) {
    const char *fault = "the file is empty";
    Fault kind;
    *a = (Atomic){.c = c, .path = path};
    TRY(line_open(path, &a->reader));
    if (atomic_next(a, &fault, &kind) && !fault && a->n < 1) fault = "too many fields";
    for (int64_t i = 0; !fault && i < a->n; i++) {
        char *colon = strrchr(a->field[i], ':');
        static const char *const types[] = {"token", "token_seq", "float", "float_seq"};
        bool typed = false;
        for (int t = 0; colon && t < 4; t++) typed = typed || strcmp(colon + 1, types[t]) == 0;
        if (!typed) fault = "a field of the header has no type";
        else a->name[i] = arena_strndup(c->arena, a->field[i], (size_t)(colon - a->field[i]));
    }
    if (!fault) return OK;
    Status status = atomic_close(a);
    return status != OK ? status : FAIL(E_INPUT, fix_header, "%s:1: %s", path, fault);
}

/* Column of the first of these names (separated by |) that is there; -1: none. */
static int64_t column(const Atomic *a, const char *names) {
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, "|");
        for (int64_t i = 0; i < a->n; i++)
            if (strlen(a->name[i]) == n && strncmp(a->name[i], p, n) == 0) return i;
        p += n + (p[n] == '|');
    }
    return -1;
}

static Status need_columns(Atomic *a, int64_t x, int64_t y, const char *what) {
    if (x >= 0 && y >= 0) return OK;
    Status status = atomic_close(a);
    return status != OK ? status : FAIL(E_INPUT, fix_header, "%s:1: expected the fields %s", a->path, what);
}

/* ---- STEM.item ---- */

static const char *take_item(Atomic *a, int64_t id, const int64_t *at, Fault *kind) {
    Intake *c = a->c;
    const char *bad = import_key_fault(a->field[id]);
    *kind = FAULT_FIELD;
    if (bad) return bad;
    int64_t known = strtable_count(c->items), item = strtable_add(c->items, a->field[id]);
    *kind = FAULT_REPEATED;
    if (item < known) return "this item has a line already";
    const char *text[6];
    for (int k = 0; k < 6; k++) text[k] = at[k] >= 0 ? arena_strdup(c->arena, a->field[at[k]]) : "";
    *intake_text(c, item) = (ItemText){strtable_get(c->items, item), text[0], text[1], text[2], text[3], text[4], text[5]};
    return NULL;
}

static Status read_items(Intake *c, const char *path) {
    static const char *const names[6] = {"title|movie_title|item_title|name", "brand", "categories|category|genre|class", "description", "keywords", "caption"};
    Atomic a;
    const char *fault;
    Fault kind;
    int64_t at[6];
    TRY(atomic_open(&a, c, path));
    int64_t id = column(&a, "item_id");
    TRY(need_columns(&a, id, id, "item_id"));
    for (int k = 0; k < 6; k++) at[k] = column(&a, names[k]);
    while (atomic_next(&a, &fault, &kind)) {
        ledger_seen(c->ledger, LEDGER_ITEMS, 1);
        if (!fault) fault = take_item(&a, id, at, &kind);
        if (fault) ledger_reject(c->ledger, LEDGER_ITEMS, kind, 1, path, line_number(a.reader), "%s", fault);
    }
    return atomic_close(&a);
}

/* ---- STEM.inter ---- */

static int64_t item_number(Intake *c, const char *name, bool closed) { return closed ? strtable_find(c->items, name) : strtable_add(c->items, name); }

typedef struct Columns { int64_t user, item, time, position, list; } Columns;

/* Next position of each user, grown as users come. */
typedef struct Positions { int64_t *next; int64_t n; size_t capacity; } Positions;

static bool position_is_next(Intake *c, Positions *p, int64_t user, const char *text) {
    char *end;
    double value = strtod(text, &end);
    while (p->n <= user) {
        ARENA_GROW(c->arena, p->next, p->capacity, p->n + 1);
        p->next[p->n++] = 0;
    }
    return end != text && *end == '\0' && value == (double)p->next[user]++;
}

static const char *take_event(Atomic *a, const Columns *at, bool closed, Positions *positions, Fault *kind) {
    Intake *c = a->c;
    int64_t time = 0;
    *kind = FAULT_FIELD;
    if (import_key_fault(a->field[at->user])) return import_key_fault(a->field[at->user]);
    if (import_key_fault(a->field[at->item])) return import_key_fault(a->field[at->item]);
    *kind = FAULT_TIME;
    if (at->time >= 0 && !import_time(a->field[at->time], &time)) return "timestamp is neither 0 nor a second between 1995 and 2100";
    *kind = FAULT_UNKNOWN;
    int64_t item = item_number(c, a->field[at->item], closed), user = strtable_add(c->users, a->field[at->user]);
    bool in_place = at->position < 0 || position_is_next(c, positions, user, a->field[at->position]); /* counted for rejected events too */
    if (item < 0) return "this item is not in the .item file";
    *kind = FAULT_FIELD;
    if (!in_place) return "position is not the number of the user's earlier events";
    intake_add_event(c, user, item, time);
    return NULL;
}

static Status read_events(Intake *c, const char *path, bool closed) {
    Atomic a;
    const char *fault;
    Fault kind;
    Positions positions = {.n = 0};
    TRY(atomic_open(&a, c, path));
    Columns at = {column(&a, "user_id|session_id"), column(&a, "item_id"), column(&a, "timestamp"), column(&a, "position"), -1};
    TRY(need_columns(&a, at.user, at.item, "user_id (or session_id) and item_id"));
    c->ordered = at.time < 0 || at.position >= 0;
    while (atomic_next(&a, &fault, &kind)) {
        ledger_seen(c->ledger, LEDGER_INTERACTIONS, 1);
        if (!fault) fault = take_event(&a, &at, closed, &positions, &kind);
        if (fault) ledger_reject(c->ledger, LEDGER_INTERACTIONS, kind, 1, path, line_number(a.reader), "%s", fault);
    }
    return atomic_close(&a);
}

/* ---- STEM.train.inter, STEM.valid.inter, STEM.test.inter ---- */

static const char *take_row(Atomic *a, const Columns *at, bool closed, RowStore *store, Fault *kind) {
    Intake *c = a->c;
    StoredRow row = {.line = line_number(a->reader)};
    int32_t *history = NULL;
    size_t capacity = 0;
    *kind = FAULT_FIELD;
    if (import_key_fault(a->field[at->user])) return import_key_fault(a->field[at->user]);
    if (import_key_fault(a->field[at->item])) return import_key_fault(a->field[at->item]);
    if (!*a->field[at->list]) return "item_id_list is empty";
    for (char *p = a->field[at->list]; p;) {
        char *space = strchr(p, ' ');
        if (space) *space = '\0';
        if (import_key_fault(p)) return "item_id_list is not ids one space apart";
        int64_t item = item_number(c, p, closed);
        *kind = FAULT_UNKNOWN;
        if (item < 0) return "an item of item_id_list is not in the .item file";
        *kind = FAULT_FIELD;
        ARENA_GROW(a->tmp, history, capacity, row.n + 1);
        history[row.n++] = (int32_t)item;
        p = space ? space + 1 : NULL;
    }
    int64_t item = item_number(c, a->field[at->item], closed);
    *kind = FAULT_UNKNOWN;
    if (item < 0) return "this item is not in the .item file";
    *kind = FAULT_TIME;
    if (at->time >= 0 && !import_time(a->field[at->time], &row.time_s)) return "timestamp is neither 0 nor a second between 1995 and 2100";
    row.user = strtable_add(c->users, a->field[at->user]);
    row.target = (int32_t)item;
    row.history = history;
    rowstore_add(store, &row);
    return NULL;
}

static Status read_rows(Intake *c, const char *path, bool closed, RowStore *store) {
    Atomic a;
    const char *fault;
    Fault kind;
    TRY(atomic_open(&a, c, path));
    Columns at = {column(&a, "user_id|session_id"), column(&a, "item_id"), column(&a, "timestamp"), -1, column(&a, "item_id_list")};
    TRY(need_columns(&a, at.user, at.item >= 0 ? at.list : -1, "user_id (or session_id), item_id_list and item_id"));
    while (atomic_next(&a, &fault, &kind)) {
        ledger_seen(c->ledger, LEDGER_INTERACTIONS, 1);
        if (!fault) fault = take_row(&a, &at, closed, store, &kind);
        if (fault) ledger_reject(c->ledger, LEDGER_INTERACTIONS, kind, 1, path, line_number(a.reader), "%s", fault);
    }
    return atomic_close(&a);
}

/* The named file of the source; NULL when it is not there. */
static const char *own_file(const Source *source, const char *suffix, Arena *arena) {
    const char *name = arena_printf(arena, "%s%s", source->stem, suffix);
    for (int64_t f = 0; f < source->n_files; f++)
        if (strcmp(source->file[f].name, name) == 0) return arena_printf(arena, "%s/%s", source->dir, name);
    return NULL;
}

Status import_recbole(Intake *c, const Source *source, ExactRows **rows) {
    static const char *const parts[3] = {".train.inter", ".valid.inter", ".test.inter"};
    const char *items = own_file(source, ".item", c->arena), *events = own_file(source, ".inter", c->arena);
    RowStore *store = rowstore_create(c);
    int n_parts = 0;
    if (items) TRY(read_items(c, items));
    if (events) TRY(read_events(c, events, items != NULL));
    for (int p = 0; p < 3; p++) {
        const char *path = own_file(source, parts[p], c->arena);
        if (!path) continue;
        n_parts++;
        rowstore_file(store, p, path);
        TRY(read_rows(c, path, items != NULL, store));
    }
    if (n_parts && n_parts < 3) return FAIL(E_INPUT, "give all three, or none beside the .inter file", "%s: only some of %s.{train,valid,test}.inter", source->dir, source->stem);
    if (n_parts && events) {
        intake_sort(c);
        TRY(rowstore_match(store, split_begin(c), rows));
    } else if (n_parts) {
        rowstore_finish(store, rows);
    }
    return import_ids(c, source);
}
