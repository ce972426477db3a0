/* data/import_sasrec.c -- plain sequences in whole numbers: S3-Rec's `user item item ...`, SASRec's `user item`. */
#include <stdio.h>
#include <string.h>

#include "data/import_parts.h"
#include "data/jsonmembers.h"
#include "data/textclean.h"
#include "io/stream.h"

typedef struct SasrecFile { Intake *c; const char *path; int64_t line; bool pairs; Arena *tmp; } SasrecFile;

/* Words of a line, cut in place at single spaces (pairs: also at a tab); -1 when one is no whole number. */
static int64_t cut_words(char *line, bool pairs, Arena *arena, char ***words) {
    size_t capacity = 0;
    int64_t n = 0;
    *words = NULL;
    for (char *p = line; p;) {
        char *end = strpbrk(p, pairs ? " \t" : " ");
        if (end) *end = '\0';
        if (!*p || p[strspn(p, "0123456789")] || strlen(p) > 18) return -1;
        ARENA_GROW(arena, *words, capacity, n + 1);
        (*words)[n++] = p;
        p = end ? end + 1 : NULL;
    }
    return n;
}

static void take_line(SasrecFile *f, char *line, size_t length) {
    Intake *c = f->c;
    char **word;
    if (length > 0 && line[length - 1] == '\r') line[--length] = '\0';
    int64_t n = strlen(line) == length ? cut_words(line, f->pairs, f->tmp, &word) : -1, events = n > 1 ? n - 1 : 1;
    ledger_seen(c->ledger, LEDGER_INTERACTIONS, events);
    if (n < 2 || (f->pairs && n != 2)) {
        ledger_reject(c->ledger, LEDGER_INTERACTIONS, FAULT_SYNTAX, events, f->path, f->line, "expected `user item%s` in whole numbers, one space apart",
                      f->pairs ? "" : " item ...");
        return;
    }
    int64_t known = strtable_count(c->users), user = strtable_add(c->users, word[0]);
    if (user < known && !f->pairs) {
        ledger_reject(c->ledger, LEDGER_INTERACTIONS, FAULT_REPEATED, events, f->path, f->line, "user %s has a line already", word[0]);
        return;
    }
    for (int64_t k = 1; k < n; k++) intake_add_event(c, user, strtable_add(c->items, word[k]), 0);
}

/* Two words in each of the first two lines: one event a line. */
static Status find_pairs(SasrecFile *f) {
    LineReader *reader;
    const char *line;
    size_t n;
    TRY(line_open(f->path, &reader));
    f->pairs = true;
    for (int i = 0; i < 2 && line_next(reader, &line, &n); i++) {
        int64_t words = 1;
        for (size_t k = 0; k + 1 < n; k++) words += line[k] == ' ' || line[k] == '\t';
        f->pairs = f->pairs && words == 2;
    }
    return line_close(reader);
}

/* Attribute numbers as keywords. */
static void take_attributes(Intake *c, const char *path, const Member *member) {
    const char *text = "", *fault = member->value && cJSON_IsArray(member->value) ? NULL : "expected {\"item\": [attribute, ...]}";
    ledger_seen(c->ledger, LEDGER_ITEMS, 1);
    for (const cJSON *one = fault ? NULL : member->value->child; one && !fault; one = one->next) {
        if (!cJSON_IsNumber(one) || one->valuedouble < 0 || one->valuedouble != (double)one->valueint) fault = "an attribute is no whole number";
        else text = arena_printf(c->arena, "%s%sattribute_%d", text, *text ? " " : "", one->valueint);
    }
    if (!member->value) status_clear();
    if (fault) {
        ledger_reject(c->ledger, LEDGER_ITEMS, member->utf8 ? FAULT_FIELD : FAULT_UTF8, 1, path, member->line, "%s", fault);
        return;
    }
    int64_t item = strtable_find(c->items, member->key);
    if (item < 0) ledger_note(c->ledger, "attributes_of_other_items", 1);
    else if (intake_text(c, item)->keywords) ledger_reject(c->ledger, LEDGER_ITEMS, FAULT_REPEATED, 1, path, member->line, "item %s is there already", member->key);
    else intake_text(c, item)->keywords = text;
}

static Status read_attributes(Intake *c, const char *path) {
    MemberReader *reader;
    Member member;
    TRY(member_open(path, &reader));
    while (member_next(reader, &member)) take_attributes(c, path, &member);
    return member_close(reader);
}

Status import_sasrec(Intake *c, const Source *source) {
    SasrecFile f = {.c = c, .path = source_path(source, ".txt", c->arena)};
    const char *attributes = source_path(source, "_item2attributes.json", c->arena), *line;
    LineReader *reader;
    size_t n;
    c->ordered = true;
    TRY(find_pairs(&f));
    TRY(line_open(f.path, &reader));
    f.tmp = arena_create("sequence line");
    while (line_next(reader, &line, &n)) {
        ArenaMark mark = arena_mark(f.tmp);
        f.line = line_number(reader);
        take_line(&f, arena_strndup(f.tmp, line, n), n);
        arena_release(f.tmp, mark);
    }
    arena_destroy(f.tmp);
    TRY(line_close(reader));
    if (attributes) TRY(read_attributes(c, attributes));
    return import_ids(c, source);
}
