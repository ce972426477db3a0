/* llm/questions.c -- see questions.h. */
#include "llm/questions.h"

#include <string.h>

#include "base/rng.h"
#include "data/strtable.h"
#include "io/stream.h"
#include "llm/drift.h"

/* Phrases that would fit anything: a judge that says yes to them judges nothing. */
static const char *const generic_phrases[] = {"saving money", "a good quality product", "everyday use", "making life easier", "a nice gift", "being happy with a purchase",
                                              "getting things done", "useful for many people", "having the right thing", "improving daily life", "good value for the price",
                                              "something for everyone"};
enum { N_GENERIC = sizeof generic_phrases / sizeof *generic_phrases, DRAWS = 64 };

typedef struct List { Arena *arena; Question *at; size_t n, capacity; } List;

static void add(List *list, const QuestionSource *s, int64_t item, const char *interest, const char *origin, const char *photo) {
    ARENA_GROW(list->arena, list->at, list->capacity, list->n + 1);
    list->at[list->n++] = (Question){.item = s->d->text[item].id, .interest = interest, .origin = origin, .photo = photo,
                                     .text = prompt_render(s->ensemble, s->prompt, s->set, &s->d->text[item], interest, list->arena),
                                     .parts = drift_parts(s->ensemble, s->prompt, s->set, &s->d->text[item], list->arena)};
}

static bool has(const ItemInterests *z, const char *text) {
    for (int j = 0; j < z->n; j++)
        if (strcmp(z->at[j].text, text) == 0) return true;
    return false;
}

/* An interest of another item that this one does not have; NULL when 64 draws find none. */
static const char *swapped(const QuestionSource *s, int64_t item, Rng *r) {
    for (int k = 0; k < DRAWS; k++) {
        const ItemInterests *other = &s->interests[rng_below(r, (uint64_t)s->d->N)];
        if (other->n == 0 || other == &s->interests[item]) continue;
        const char *text = other->at[rng_below(r, (uint64_t)other->n)].text;
        if (!has(&s->interests[item], text)) return text;
    }
    return NULL;
}

static void ask_judge(const QuestionSource *s, int64_t item, int64_t place, List *list, QuestionCount *count) {
    Rng r = rng_make(s->seed, RNG_STAGE_LABEL, RNG_SAMPLE, 0, (uint64_t)item);
    const ItemInterests *z = &s->interests[item];
    for (int j = 0; j < z->n; j++) add(list, s, item, z->at[j].text, "mined", NULL);
    count->mined += z->n;
    const char *foreign = swapped(s, item, &r), *empty = generic_phrases[rng_below(&r, N_GENERIC)];
    if (foreign) add(list, s, item, foreign, "swapped", NULL);
    count->swapped += foreign != NULL;
    if (place % 2 || has(z, empty)) return;
    add(list, s, item, empty, "generic", NULL);
    count->generic++;
}

Status questions_make(const QuestionSource *s, Arena *arena, Question **questions, int64_t *n, QuestionCount *count) {
    int64_t N = s->d->N;
    *count = (QuestionCount){0};
    List list = {.arena = arena};
    int64_t *order = ARENA_NEW(arena, int64_t, N);
    for (int64_t i = 0; i < N; i++) order[i] = i;
    if (s->prompt->is_judge) {
        if (!s->interests) return FAIL(E_USAGE, "give --interests, the folder 03_mine wrote", "a judge judges merged interests");
        Rng r = rng_make(s->seed, RNG_STAGE_LABEL, RNG_SHUFFLE, 0, 0);
        rng_shuffle_i64(&r, order, N);
    }
    for (int64_t k = 0; k < N && (s->max_items == 0 || count->items < s->max_items); k++) {
        int64_t i = order[k];
        if (s->wanted && !s->wanted[i]) continue;
        if (s->prompt->is_judge) {
            count->without_interests += s->interests[i].n == 0;
            if (s->interests[i].n > 0) ask_judge(s, i, count->items++, &list, count);
            continue;
        }
        const char *photo = s->photos ? photos_find(s->photos, s->d->text[i].id, arena) : NULL;
        if (s->photos && !photo) {
            count->without_photo++;
            continue;
        }
        add(&list, s, i, NULL, NULL, photo);
        count->items++;
    }
    *questions = list.at;
    *n = (int64_t)list.n;
    return OK;
}

/* ---- --items */

static Status mark(const StringTable *ids, const Dataset *d, const char *id, bool *wanted) {
    int64_t i = strtable_find(ids, id);
    if (i < 0) return FAIL(E_INPUT, "ids are those of items.jsonl", "--items: no item \"%s\" in %s", id, d->dir);
    wanted[i] = true;
    return OK;
}

Status questions_wanted(const char *list, const Dataset *d, Arena *arena, const bool **out_wanted) {
    *out_wanted = NULL;
    if (!*list) return OK;
    bool *wanted = ARENA_NEW(arena, bool, d->N);
    StringTable *ids = strtable_create(arena);
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    *out_wanted = wanted;
    if (*list != '@') {
        char *rest = arena_strdup(arena, list);
        for (char *id; (id = strsep(&rest, ","));) TRY(mark(ids, d, id, wanted));
        return OK;
    }
    LineReader *reader;
    TRY(line_open(list + 1, &reader));
    const char *id;
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &id, &n))
        if (n > 0) status = mark(ids, d, id, wanted);
    Status closed = line_close(reader);
    return status != OK ? status : closed;
}
