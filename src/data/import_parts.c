/* data/import_parts.c -- see import_parts.h. */
#include "data/import_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/jsonmembers.h"
#include "data/pyliteral.h"
#include "data/textclean.h"
#include "io/stream.h"

const char *import_key_fault(const char *key) {
    if (!*key) return "an empty id";
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f) return "white space in an id";
    return NULL;
}

bool import_time(const char *text, int64_t *time_s) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !((value >= TIME_MIN_S && value < (double)TIME_MAX_S) || value == 0) || floor(value) < value) return false;
    *time_s = (int64_t)value;
    return true;
}

const char *import_python_list(Arena *arena, const char *text) {
    size_t n = strlen(text);
    if (n < 2 || text[0] != '[' || text[n - 1] != ']' || strchr(text, '\n')) return NULL;
    cJSON *list;
    if (pyliteral_parse_line("", 0, text, n, &list) != OK) return status_clear(), NULL;
    const char *joined = cJSON_IsArray(list) && list->child ? "" : NULL;
    for (const cJSON *one = list->child; one && joined; one = one->next) {
        if (!cJSON_IsString(one)) joined = NULL;
        else if (*one->valuestring) joined = *joined ? arena_printf(arena, "%s %s", joined, one->valuestring) : arena_strdup(arena, one->valuestring);
    }
    cJSON_Delete(list);
    return joined;
}

/* ---- STEM.item.json ---- */

static Status plain_text(const char *where, const cJSON *value, const char *key, Arena *arena, const char **text) {
    *text = "";
    if (!value || cJSON_IsNull(value)) return OK;
    if (cJSON_IsString(value)) return *text = arena_strdup(arena, value->valuestring), OK;
    if (!cJSON_IsArray(value)) return FAIL(E_INPUT, NULL, "%s: \"%s\" is neither a text nor a list", where, key);
    for (const cJSON *one = value->child; one; one = one->next) {
        if (!cJSON_IsString(one)) return FAIL(E_INPUT, NULL, "%s: \"%s\" holds something that is no text", where, key);
        if (*one->valuestring) *text = arena_printf(arena, "%s%s%s", *text, **text ? " " : "", one->valuestring);
    }
    return OK;
}

static Status take_item(Intake *c, const char *where, const Member *member, Fault *fault) {
    static const char *const keys[] = {"title", "brand", "description", "keywords", "caption"};
    ItemText text = {0};
    const char **const fields[] = {&text.title, &text.brand, &text.description, &text.keywords, &text.caption};
    const char *bad = import_key_fault(member->key);
    *fault = FAULT_FIELD;
    if (bad) return FAIL(E_INPUT, NULL, "%s: %s", where, bad);
    if (!cJSON_IsObject(member->value)) return FAIL(E_INPUT, NULL, "%s: item %s is no object", where, member->key);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) TRY(plain_text(where, cJSON_GetObjectItemCaseSensitive(member->value, keys[k]), keys[k], c->arena, fields[k]));
    const cJSON *categories = cJSON_GetObjectItemCaseSensitive(member->value, "categories");
    if (cJSON_IsString(categories)) text.categories = arena_strdup(c->arena, categories->valuestring);
    else TRY(import_category_text(where, categories, c->arena, &text.categories));
    const cJSON *description = cJSON_GetObjectItemCaseSensitive(member->value, "description");
    const char *joined = cJSON_IsString(description) ? import_python_list(c->arena, text.description) : NULL;
    if (joined) text.description = joined;
    int64_t known = strtable_count(c->items), item = strtable_add(c->items, member->key);
    *fault = FAULT_REPEATED;
    if (item < known) return FAIL(E_INPUT, NULL, "%s: item %s is there already", where, member->key);
    if (joined) ledger_note(c->ledger, "descriptions_that_were_python_lists", 1);
    text.id = strtable_get(c->items, item);
    *intake_text(c, item) = text;
    return OK;
}

Status import_item_json(Intake *c, const char *path) {
    MemberReader *reader;
    Member member;
    TRY(member_open(path, &reader));
    while (member_next(reader, &member)) {
        char where[512];
        Fault fault = member.utf8 ? FAULT_SYNTAX : FAULT_UTF8;
        snprintf(where, sizeof where, "%s:%lld", path, (long long)member.line);
        ledger_seen(c->ledger, LEDGER_ITEMS, 1);
        if (!member.value || take_item(c, where, &member, &fault) != OK) ledger_reject_status(c->ledger, LEDGER_ITEMS, fault, 1, path, member.line);
    }
    return member_close(reader);
}

/* ---- STEM.user2id, STEM.item2id ---- */

static Status read_map(Intake *c, const char *path, const StringTable *keys, const char **raw) {
    static const char fix[] = "each line is `raw id TAB number`, each id and number once; without the file the numbers serve as ids";
    LineReader *reader;
    const char *line, *fault = NULL;
    size_t n;
    int64_t bad = 0;
    StringTable *seen = strtable_create(c->arena);
    TRY(line_open(path, &reader));
    while (!fault && line_next(reader, &line, &n)) {
        char *id = arena_strndup(c->arena, line, n), *number = strchr(id, '\t');
        size_t length = strlen(id);
        bad = line_number(reader);
        if (length > 0 && id[length - 1] == '\r') id[--length] = '\0';
        if (!number || length < n - (n > 0 && line[n - 1] == '\r') || utf8_invalid_at(id, length) < length) {
            fault = "malformed line";
            continue;
        }
        *number++ = '\0';
        int64_t known = strtable_count(seen), key = strtable_find(keys, number);
        fault = import_key_fault(id) ? import_key_fault(id) : import_key_fault(number);
        if (!fault && (strtable_add(seen, id) < known || (key >= 0 && raw[key]))) fault = "an id or number that was there already";
        if (!fault && key >= 0) raw[key] = id;
    }
    TRY(line_close(reader));
    if (fault) return FAIL(E_INPUT, fix, "%s:%lld: %s", path, (long long)bad, fault);
    for (int64_t k = 0; k < strtable_count(keys); k++)
        if (!raw[k]) return FAIL(E_INPUT, fix, "%s: no raw id for %s", path, strtable_get(keys, k));
    return OK;
}

Status import_ids(Intake *c, const Source *source) {
    const char *users = source_path(source, ".user2id", c->arena), *items = source_path(source, ".item2id", c->arena);
    int64_t n_items = strtable_count(c->items), n_users = strtable_count(c->users);
    const char **raw = ARENA_NEW(c->arena, const char *, n_items);
    c->item_id_kind = items ? "raw id" : "source number";
    if (items) TRY(read_map(c, items, c->items, raw));
    for (int64_t i = 0; i < n_items; i++) intake_text(c, i)->id = items ? raw[i] : strtable_get(c->items, i);
    if (!users) return OK;
    raw = ARENA_NEW(c->arena, const char *, n_users);
    TRY(read_map(c, users, c->users, raw));
    c->user_id = raw;
    return OK;
}

Status import_foreign(Intake *c, const Source *source, ExactRows **rows) {
    *rows = NULL;
    switch (source->form) {
    case SOURCE_SASREC: return import_sasrec(c, source);
    case SOURCE_LCREC: return import_lcrec(c, source);
    case SOURCE_MINIONEREC: return import_minionerec(c, source, rows);
    case SOURCE_RECBOLE: return import_recbole(c, source, rows);
    default: break;
    }
    REQUIRE(false, "%s is read elsewhere", source_form_names[source->form]);
    return E_BUG;
}
