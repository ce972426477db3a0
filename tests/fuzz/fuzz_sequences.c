/* tests/fuzz/fuzz_sequences.c -- our own plain form: sequences.txt, items.jsonl, timestamps.txt, users.txt, and the rows of a shipped split. */
#include "intake.h"

void fuzz_sequences(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"sequences.txt", "items.jsonl", "timestamps.txt", "users.txt", "train.tsv", "valid.tsv", "test.tsv", NULL};
    const uint8_t *section;
    size_t n_section;
    const char *dir = fuzz_folder();
    for (const char *const *name = names; *name != NULL && fuzz_section(&data, &n, &section, &n_section); name++)
        if (n_section > 0) fuzz_put(*name, section, n_section);
    Arena *arena = arena_create("fuzz");
    Intake *c = fuzz_intake(arena);
    if (import_sequences(c, dir) == OK) {
        intake_sort(c);
        int64_t users = strtable_count(c->users), *begin = ARENA_NEW(arena, int64_t, users + 1);
        for (int64_t e = 0; e < c->n_events; e++) begin[c->event[e].user + 1]++;
        for (int64_t u = 0; u < users; u++) begin[u + 1] += begin[u];
        ExactRows *rows = NULL;
        if (import_exact_rows(c, dir, begin, &rows) != OK) rows = NULL;
        fuzz_check_intake(c, rows);
    }
    fuzz_end_intake(c);
    arena_destroy(arena);
}
