/* tests/fuzz/fuzz_amazon.c -- raw Amazon files: the first byte says which release, then reviews, metadata and captions. Two passes over the reviews keep the same events and
 * texts as one. */
#include "intake.h"

static Status read_in(Intake *c, int64_t passes, const char *const *path, MetaSyntax syntax)
{
    const ReadSettings settings = {.passes = passes, .least_user = 2, .least_item = 2};
    TRY(import_amazon(c, path[0], path[1], syntax, path[2], &settings));
    fuzz_check_intake(c, NULL);
    return OK;
}

static void check_same(const Intake *a, const Intake *b)
{
    FUZZ_CHECK(a->n_events == b->n_events, "one pass keeps %lld events, two passes %lld", (long long)a->n_events, (long long)b->n_events);
    for (int64_t e = 0; e < a->n_events; e++) {
        const Event *x = &a->event[e];
        const char *user = strtable_get(a->users, x->user), *item = strtable_get(a->items, x->item);
        int64_t found = 0;
        for (int64_t k = 0; k < b->n_events; k++) {
            const Event *y = &b->event[k];
            if (x->time_s != y->time_s || strcmp(user, strtable_get(b->users, y->user)) != 0 || strcmp(item, strtable_get(b->items, y->item)) != 0) continue;
            FUZZ_CHECK(strcmp(a->text[x->item].title, b->text[y->item].title) == 0, "%s: `%s`, in two passes `%s`", item, a->text[x->item].title, b->text[y->item].title);
            found++;
        }
        FUZZ_CHECK(found > 0, "%s and %s are lost in two passes", user, item);
    }
}

void fuzz_amazon(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    MetaSyntax syntax = (MetaSyntax)(data[0] % 3);
    const uint8_t *section;
    size_t n_section;
    const char *path[3] = {NULL, NULL, NULL};
    data++, n--;
    for (int s = 0; s < 3 && fuzz_section(&data, &n, &section, &n_section); s++)
        if (s == 0 || n_section > 0) path[s] = fuzz_file(s, section, n_section);
    Arena *arena = arena_create("fuzz");
    Intake *one = fuzz_intake(arena), *two = fuzz_intake(arena);
    Status status = read_in(one, 1, path, syntax), again = read_in(two, 2, path, syntax);
    FUZZ_CHECK((status == OK) == (again == OK), "one pass ends with %d, two passes with %d: %s", (int)status, (int)again, status_message());
    if (status == OK) check_same(one, two);
    fuzz_end_intake(one);
    fuzz_end_intake(two);
    arena_destroy(arena);
}
