/* data/import_sequences.c -- the sequence form: one line a user. Items must be known to items.jsonl. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/import_parts.h"
#include "data/textclean.h"
#include "base/atomic.h"
#include "io/stream.h"

static const char fix_times[] = "timestamps.txt must have the lines of sequences.txt, word for word; remove it to go without times";

/* ---- items.jsonl ---- */

static const char *opt_text(const cJSON *tree, const char *key, Arena *arena) { return arena_strdup(arena, json_opt_string(tree, key, "")); }

Status import_category_text(const char *where, const cJSON *list, Arena *arena, const char **text) {
    *text = "";
    if (!list || cJSON_IsNull(list)) return OK;
    if (!cJSON_IsArray(list)) return FAIL(E_INPUT, NULL, "%s: \"categories\" is not a list", where);
    for (const cJSON *one = list->child; one; one = one->next) {
        const char *part;
        if (cJSON_IsString(one)) part = one->valuestring;
        else TRY(import_category_text(where, one, arena, &part));
        const char *glue = cJSON_IsString(one) ? " > " : " | ";
        if (*part) *text = arena_printf(arena, "%s%s%s", *text, **text ? glue : "", part);
    }
    return OK;
}

static Status take_item(Intake *c, const char *where, const cJSON *tree, Fault *fault) {
    int64_t number;
    ItemText text = {0};
    char key[32];
    TRY(json_get_int(where, tree, "item", &number));
    TRY(import_category_text(where, cJSON_GetObjectItemCaseSensitive(tree, "categories"), c->arena, &text.categories));
    snprintf(key, sizeof key, "%lld", (long long)number);
    int64_t known = strtable_count(c->items), item = strtable_add(c->items, key);
    if (item < known) {
        *fault = FAULT_REPEATED;
        return FAIL(E_INPUT, NULL, "%s: item %s has a line already", where, key);
    }
    text.id = opt_text(tree, "asin", c->arena);
    text.title = opt_text(tree, "title", c->arena);
    text.brand = opt_text(tree, "brand", c->arena);
    text.description = opt_text(tree, "description", c->arena);
    text.keywords = opt_text(tree, "keywords", c->arena);
    text.caption = opt_text(tree, "image_caption", c->arena);
    *intake_text(c, item) = text;
    return OK;
}

static Status read_items(Intake *c, const char *path) {
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t n;
    while (line_next(reader, &line, &n)) {
        int64_t number = line_number(reader);
        ledger_seen(c->ledger, LEDGER_ITEMS, 1);
        if (utf8_invalid_at(line, n) < n) {
            ledger_reject(c->ledger, LEDGER_ITEMS, FAULT_UTF8, 1, path, number, "byte %zu is not UTF-8", utf8_invalid_at(line, n) + 1);
            continue;
        }
        cJSON *tree;
        Fault fault = FAULT_SYNTAX;
        Status status = json_parse_line(path, number, line, n, &tree);
        if (status == OK) {
            char where[512];
            snprintf(where, sizeof where, "%s:%lld", path, (long long)number);
            fault = FAULT_FIELD;
            status = take_item(c, where, tree, &fault);
            cJSON_Delete(tree);
        }
        if (status != OK) ledger_reject_status(c->ledger, LEDGER_ITEMS, fault, 1, path, number);
    }
    return line_close(reader);
}

/* ASINs serve as ids only when every item has its own; else the source's numbers do, as other people's files use them. */
static void choose_item_ids(Intake *c) {
    ArenaMark mark = arena_mark(c->arena);
    StringTable *ids = strtable_create(c->arena);
    int64_t n = strtable_count(c->items), distinct = 0;
    for (int64_t i = 0; i < n; i++)
        if (c->text[i].id[0] && strtable_add(ids, c->text[i].id) == distinct) distinct++;
    arena_release(c->arena, mark);
    if (distinct == n) return;
    c->item_id_kind = "source number";
    for (int64_t i = 0; i < n; i++) c->text[i].id = strtable_get(c->items, i);
}

/* ---- sequences.txt, timestamps.txt ---- */

/* Cut the next space-separated word off *rest; NULL at the end. Double spaces give empty words. */
static char *next_word(char **rest) {
    char *word = *rest;
    if (!word) return NULL;
    char *space = strchr(word, ' ');
    if (space) *space = '\0';
    *rest = space ? space + 1 : NULL;
    return word;
}

static int64_t count_words(const char *line) {
    int64_t n = 1;
    for (const char *p = line; *p; p++) n += *p == ' ';
    return n;
}

static bool parse_time(const char *word, int64_t *time) {
    char *end;
    long long value = strtoll(word, &end, 10);
    *time = value;
    return end != word && *end == '\0';
}

typedef struct SequenceFiles { const char *sequences, *timestamps; LineReader *times; } SequenceFiles;

/* One user's line; times: the user's line of timestamps.txt, NULL when there is none. */
static void take_sequence(Intake *c, const SequenceFiles *f, int64_t number, char *line, char *times) {
    Ledger *l = c->ledger;
    int64_t n = count_words(line) - 1;
    ledger_seen(l, LEDGER_INTERACTIONS, n > 0 ? n : 1);
    char *rest = line, *user = next_word(&rest);
    if (!*user || !rest) {
        ledger_reject(l, LEDGER_INTERACTIONS, FAULT_SYNTAX, n > 0 ? n : 1, f->sequences, number, "expected `user item item ...`");
        return;
    }
    int64_t known = strtable_count(c->users), u = strtable_add(c->users, user);
    if (u < known) {
        ledger_reject(l, LEDGER_INTERACTIONS, FAULT_REPEATED, n, f->sequences, number, "user %s has a line already", user);
        return;
    }
    if (times) next_word(&times); /* the user, compared already */
    for (char *word = next_word(&rest); word; word = next_word(&rest)) {
        int64_t item = strtable_find(c->items, word), time = 0;
        const char *time_word = next_word(&times);
        if (item < 0) {
            ledger_reject(l, LEDGER_INTERACTIONS, *word ? FAULT_UNKNOWN : FAULT_SYNTAX, 1, f->sequences, number, "item `%s` of user %s is not in items.jsonl", word, user);
        } else if (time_word && (!parse_time(time_word, &time) || (time && (time < TIME_MIN_S || time >= TIME_MAX_S)))) {
            ledger_reject(l, LEDGER_INTERACTIONS, FAULT_TIME, 1, f->timestamps, number, "`%s` is neither 0 nor a second between 1995 and 2100", time_word);
        } else {
            intake_add_event(c, u, item, time);
        }
    }
}

/* The user's line of timestamps.txt: the same user, the same number of words. */
static Status match_times(const SequenceFiles *f, int64_t number, const char *sequence, Arena *arena, char **times) {
    const char *line;
    size_t n;
    if (!line_next(f->times, &line, &n)) return FAIL(E_INPUT, fix_times, "%s: ends before line %lld of %s", f->timestamps, (long long)number, f->sequences);
    size_t user = strcspn(sequence, " ");
    bool same_user = strcspn(line, " ") == user && memcmp(line, sequence, user) == 0;
    if (!same_user || count_words(line) != count_words(sequence))
        return FAIL(E_INPUT, fix_times, "%s:%lld: user or length differs from %s", f->timestamps, (long long)number, f->sequences);
    *times = arena_strndup(arena, line, n);
    return OK;
}

/* Only text is looked at further: a NUL would hide the rest of the line. The line of timestamps.txt is passed over with it. */
static bool is_text(Intake *c, const SequenceFiles *f, int64_t number, const char *line, size_t n) {
    bool utf8 = utf8_invalid_at(line, n) == n;
    if (utf8 && strlen(line) == n) return true;
    int64_t lost = 0;
    for (size_t i = 0; i < n; i++) lost += line[i] == ' ';
    ledger_seen(c->ledger, LEDGER_INTERACTIONS, lost > 0 ? lost : 1);
    ledger_reject(c->ledger, LEDGER_INTERACTIONS, utf8 ? FAULT_SYNTAX : FAULT_UTF8, lost > 0 ? lost : 1, f->sequences, number, utf8 ? "NUL byte" : "bytes that are no UTF-8");
    return false;
}

static Status read_users_lines(Intake *c, SequenceFiles *f, LineReader *reader) {
    const char *line;
    size_t n;
    while (line_next(reader, &line, &n)) {
        Arena *tmp = arena_create("sequence line"); /* c->arena grows while the line lives */
        char *copy = arena_strndup(tmp, line, n), *times = NULL;
        bool text = is_text(c, f, line_number(reader), copy, n);
        Status status = OK;
        if (f->times && text) status = match_times(f, line_number(reader), copy, tmp, &times);
        else if (f->times && !line_next(f->times, &line, &n)) status = FAIL(E_INPUT, fix_times, "%s: ends before line %lld of %s", f->timestamps, (long long)line_number(reader), f->sequences);
        if (status == OK && text) take_sequence(c, f, line_number(reader), copy, times);
        arena_destroy(tmp);
        TRY(status);
    }
    return OK;
}

static Status read_sequences(Intake *c, const char *dir) {
    SequenceFiles f = {arena_printf(c->arena, "%s/sequences.txt", dir), arena_printf(c->arena, "%s/timestamps.txt", dir), NULL};
    LineReader *reader;
    TRY(line_open(f.sequences, &reader));
    Status status = path_exists(f.timestamps) ? line_open(f.timestamps, &f.times) : OK;
    if (status == OK) status = read_users_lines(c, &f, reader);
    if (f.times) {
        const char *line;
        size_t n;
        if (status == OK && line_next(f.times, &line, &n)) status = FAIL(E_INPUT, fix_times, "%s: more lines than %s", f.timestamps, f.sequences);
        Status closed = line_close(f.times);
        if (closed != OK) status = closed; /* the cause of whatever came after */
    }
    Status closed = line_close(reader);
    return closed != OK ? closed : status;
}

/* ---- users.txt ---- */

static Status read_user_ids(Intake *c, const char *path) {
    int64_t n_users = strtable_count(c->users), found = 0;
    const char **ids = ARENA_NEW(c->arena, const char *, n_users);
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t n;
    int64_t bad = 0;
    StringTable *seen = strtable_create(c->arena);
    while (!bad && line_next(reader, &line, &n)) {
        bool text = utf8_invalid_at(line, n) == n && memchr(line, '\0', n) == NULL;
        char *rest = arena_strndup(c->arena, line, n), *key = next_word(&rest);
        if (!text || !rest || !*rest || strchr(rest, ' ') || strchr(rest, '\t')) {
            bad = line_number(reader);
            break;
        }
        int64_t u = strtable_find(c->users, key), known = strtable_count(seen);
        if (u < 0 || strcmp(rest, "-") == 0) continue; /* "-": unknown */
        if (strtable_add(seen, rest) < known || ids[u]) bad = line_number(reader);
        ids[u] = rest;
        found++;
    }
    TRY(line_close(reader));
    if (bad) return FAIL(E_INPUT, "each user and each raw id may appear once, as `user rawid`", "%s:%lld: malformed or repeated", path, (long long)bad);
    if (found == n_users) c->user_id = ids; /* else numbers serve as ids */
    return OK;
}

Status import_sequences(Intake *c, const char *dir) {
    c->ordered = true;
    TRY(read_items(c, arena_printf(c->arena, "%s/items.jsonl", dir)));
    choose_item_ids(c);
    TRY(read_sequences(c, dir));
    const char *users = arena_printf(c->arena, "%s/users.txt", dir);
    return path_exists(users) ? read_user_ids(c, users) : OK;
}
