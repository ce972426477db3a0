/* data/import_lcrec.c -- LC-Rec's and LETTER's JSON files: STEM.inter.json and STEM.item.json. */
#include <math.h>
#include <stdio.h>

#include "data/import_parts.h"
#include "data/jsonmembers.h"

/* Key number of an item that is written as a number or a text; -1 when it is neither or unknown. *name: for messages. */
static int64_t item_number(Intake *c, const cJSON *value, bool closed, char name[64]) {
    name[0] = '\0';
    if (cJSON_IsString(value)) snprintf(name, 64, "%s", value->valuestring);
    else if (cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble && fabs(value->valuedouble) < 9e15) snprintf(name, 64, "%.0f", value->valuedouble);
    if (import_key_fault(name)) return -1;
    return closed ? strtable_find(c->items, name) : strtable_add(c->items, name);
}

/* closed: a catalogue was read, and knows every item. */
static void take_user(Intake *c, const char *path, const Member *member, bool closed) {
    Ledger *l = c->ledger;
    int64_t n = cJSON_IsArray(member->value) ? cJSON_GetArraySize(member->value) : 0;
    const char *bad = import_key_fault(member->key);
    ledger_seen(l, LEDGER_INTERACTIONS, n > 0 ? n : 1);
    if (bad || n == 0) {
        ledger_reject(l, LEDGER_INTERACTIONS, FAULT_FIELD, n > 0 ? n : 1, path, member->line, "user %s: %s", member->key, bad ? bad : "not a list of items, or an empty one");
        return;
    }
    int64_t known = strtable_count(c->users), user = strtable_add(c->users, member->key);
    if (user < known) {
        ledger_reject(l, LEDGER_INTERACTIONS, FAULT_REPEATED, n, path, member->line, "user %s is there already", member->key);
        return;
    }
    for (const cJSON *one = member->value->child; one; one = one->next) {
        char name[64];
        int64_t item = item_number(c, one, closed, name);
        if (item >= 0) intake_add_event(c, user, item, 0);
        else if (*name) ledger_reject(l, LEDGER_INTERACTIONS, FAULT_UNKNOWN, 1, path, member->line, "item `%s` of user %s is not in the catalogue", name, member->key);
        else ledger_reject(l, LEDGER_INTERACTIONS, FAULT_FIELD, 1, path, member->line, "user %s: an item is neither a whole number nor a text", member->key);
    }
}

Status import_lcrec(Intake *c, const Source *source) {
    const char *items = source_path(source, ".item.json", c->arena), *path = source_path(source, ".inter.json", c->arena);
    MemberReader *reader;
    Member member;
    c->ordered = true;
    if (items) TRY(import_item_json(c, items));
    TRY(member_open(path, &reader));
    while (member_next(reader, &member)) {
        if (member.value) {
            take_user(c, path, &member, items != NULL);
            continue;
        }
        ledger_seen(c->ledger, LEDGER_INTERACTIONS, 1);
        ledger_reject_status(c->ledger, LEDGER_INTERACTIONS, member.utf8 ? FAULT_SYNTAX : FAULT_UTF8, 1, path, member.line);
    }
    TRY(member_close(reader));
    return import_ids(c, source);
}
