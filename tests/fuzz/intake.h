/* tests/fuzz/intake.h -- what the targets of the import adapters share: files from sections of the input, one import, and what must hold of what came in. */
#ifndef DIGR_TESTS_FUZZ_INTAKE_H
#define DIGR_TESTS_FUZZ_INTAKE_H

#include <string.h>

#include "base/status.h"
#include "data/filter.h"
#include "data/import.h"
#include "data/textclean.h"
#include "fuzz.h"

static inline Intake *fuzz_intake(Arena *arena)
{
    Intake *c = intake_create(arena, ledger_create(arena));
    if (c->steps == NULL) c->steps = cJSON_CreateArray();
    return c;
}

static inline void fuzz_check_text(const char *text, bool utf8)
{
    size_t n = text != NULL ? strlen(text) : 0;
    FUZZ_CHECK(!utf8 || utf8_invalid_at(text != NULL ? text : "", n) == n, "a text that is no UTF-8");
}

/* fuzz_check_intake -- after an import that went well: keys, events and texts are in range, and the steps that follow take them. Leaves what the 2-core keeps. */
static inline void fuzz_check_intake(Intake *c, const ExactRows *rows)
{
    int64_t users = strtable_count(c->users), items = strtable_count(c->items);
    for (int64_t e = 0; e < c->n_events; e++)
        FUZZ_CHECK(c->event[e].user >= 0 && c->event[e].user < users && c->event[e].item >= 0 && c->event[e].item < items, "event %lld", (long long)e);
    for (int64_t i = 0; i < items; i++) fuzz_check_text(strtable_get(c->items, i), true);
    for (int64_t i = 0; i < users; i++) fuzz_check_text(strtable_get(c->users, i), true);
    for (int s = 0; s < 3 && rows != NULL; s++)
        for (int64_t r = 0; r < rows->n[s]; r++) {
            const ExactRow *row = &rows->row[s][r];
            FUZZ_CHECK(row->user >= 0 && row->user < users && row->position >= 0 && row->length >= 0, "row %lld of part %d", (long long)r, s);
        }
    const bool *described = filter_described(c);
    intake_complete_text(c);
    for (int64_t i = 0; i < items && i < c->n_text; i++) {
        FUZZ_CHECK(c->text[i].id != NULL && c->text[i].title != NULL && c->text[i].brand != NULL && c->text[i].description != NULL, "item %lld has no text", (long long)i);
        fuzz_check_text(c->text[i].title, true);
        fuzz_check_text(c->text[i].brand, true);
        fuzz_check_text(c->text[i].description, true);
    }
    intake_sort(c);
    cJSON_Delete(intake_ties_json(c));
    FilterSettings nothing = {0}, filter = filter_resolve(&nothing, &nothing, !c->ordered);
    filter.core_users = filter.core_items = 2;
    if (filter_apply(c, &filter, described) != OK) return;
    for (int64_t e = 0; e < c->n_events; e++) FUZZ_CHECK(c->event[e].user >= 0 && c->event[e].user < users && c->event[e].item < items, "filtered event %lld", (long long)e);
}

static inline void fuzz_end_intake(Intake *c)
{
    cJSON_Delete(ledger_json(c->ledger));
    cJSON_Delete(c->steps);
}

/* fuzz_adapter -- files of these names (NULL ends them) from the sections of the input, read as `form`. */
static inline void fuzz_adapter(SourceForm form, const char *const *names, const uint8_t *data, size_t n)
{
    const uint8_t *section;
    size_t n_section;
    const char *dir = fuzz_folder();
    for (; *names != NULL && fuzz_section(&data, &n, &section, &n_section); names++)
        if (n_section > 0) fuzz_put(*names, section, n_section);
    Arena *arena = arena_create("fuzz");
    RegistryEntry entry = {.name = "T", .label = "T", .release = "", .folder = "T", .hint = "", .licence = "", .homepage = "", .note = "", .expected_source = ""};
    Source source = {0};
    if (source_find(&entry, dir, source_form_names[form], "", arena, &source) == OK && source.form == form) {
        Intake *c = fuzz_intake(arena);
        ExactRows *rows = NULL;
        if (import_foreign(c, &source, &rows) == OK) fuzz_check_intake(c, rows);
        else FUZZ_CHECK(*status_message() != '\0', "refused without a reason");
        fuzz_end_intake(c);
    }
    arena_destroy(arena);
}

#endif
