/* data/captionfile.c -- see captionfile.h. */
#include "data/captionfile.h"

#include "data/import_lines.h"

/* One line of the file, for the items of the data set: what is known so far. */
typedef struct Joining {
    Intake *c;
    const Numbering *items;
    StringTable *ids; /* number k is item k of the data set */
    bool *joined;     /* (items) */
    Arena *scratch;
    CaptionCount *count;
} Joining;

static Status take_line(const Joining *j, const LineFeed *feed, const Field *field, Fault *fault) {
    *fault = FAULT_FIELD;
    TRY(field_key(feed, "item", &field[0]));
    if (field[1].kind != FIELD_STRING || field[1].n == 0) return FAIL(E_INPUT, NULL, "\"caption\" is not a text, or empty");
    int64_t k = strtable_find_bytes(j->ids, field[0].text, field[0].n);
    *fault = k < 0 ? FAULT_UNKNOWN : FAULT_REPEATED;
    if (k < 0) return FAIL(E_INPUT, NULL, "item %.*s is not in the data set", (int)field[0].n, field[0].text);
    if (j->joined[k]) return FAIL(E_INPUT, NULL, "item %.*s has its caption already", (int)field[0].n, field[0].text);
    ItemText *t = &j->c->text[j->items->source[k]];
    j->count->replaced += *t->caption != '\0';
    t->caption = intake_keep_text(j->c, arena_strndup(j->scratch, field[1].text, field[1].n));
    j->joined[k] = true;
    j->count->joined++;
    return OK;
}

Status captionfile_join(Intake *c, const Numbering *items, const char *path, CaptionCount *count) {
    static const char *const names[] = {"item", "caption"};
    LineFeed feed;
    *count = (CaptionCount){0};
    TRY(lines_begin(&feed, path, c->ledger, LEDGER_CAPTIONS));
    Arena *arena = arena_create("captions"), *scratch = arena_create("caption");
    Joining j = {.c = c, .items = items, .ids = strtable_create(arena), .joined = ARENA_NEW(arena, bool, items->count), .scratch = scratch, .count = count};
    FieldScan *scan = fieldscan_create(arena, 2, names);
    for (int64_t k = 0; k < items->count; k++) strtable_add(j.ids, c->text[items->source[k]].id);
    while (lines_next(&feed)) {
        ArenaMark mark = arena_mark(scratch); /* of the scanner and the table, memory stays */
        Field field[2];
        Fault fault;
        count->lines++;
        if (lines_scan(&feed, scan, field) && take_line(&j, &feed, field, &fault) != OK) lines_reject(&feed, fault);
        arena_release(scratch, mark);
    }
    count->rejected = ledger_lost(c->ledger, LEDGER_CAPTIONS);
    fieldscan_destroy(scan);
    arena_destroy(scratch);
    arena_destroy(arena);
    return lines_end(&feed);
}
