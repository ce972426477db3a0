/* data/card.c -- see card.h: one function a section. */
#include "data/card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/card_curves.h"

enum { DAY_S = 86400 };

typedef struct Card {
    const Dataset *d;
    const Events *e;
    Arena *tmp;
    int64_t *per_item, *per_user; /* (N), (n_users) events */
    bool *trained;                /* (N) in a training sequence */
} Card;

static void put(cJSON *object, const char *key, double value) { cJSON_AddNumberToObject(object, key, value); }

static double share(int64_t part, int64_t whole) { return whole > 0 ? (double)part / (double)whole : 0; }

/* ---- size ---- */

static int compare_counts(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t *sorted_copy(Arena *arena, const int64_t *x, int64_t n) {
    int64_t *copy = ARENA_NEW(arena, int64_t, n);
    if (n > 0) memcpy(copy, x, (size_t)n * sizeof *x);
    qsort(copy, (size_t)n, sizeof *copy, compare_counts);
    return copy;
}

/* Quantiles by nearest rank: the smallest value that at least q n values do not exceed. */
static cJSON *summary(Arena *tmp, const int64_t *x, int64_t n) {
    static const struct { const char *name; int64_t percent; } at[] = {{"min", 0}, {"q25", 25}, {"median", 50}, {"q75", 75}, {"q90", 90}, {"q99", 99}, {"max", 100}};
    ArenaMark mark = arena_mark(tmp);
    cJSON *o = cJSON_CreateObject();
    int64_t *s = sorted_copy(tmp, x, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)s[i];
    put(o, "n", (double)n);
    for (size_t k = 0; k < sizeof at / sizeof *at && n > 0; k++) {
        int64_t rank = (at[k].percent * n + 99) / 100;
        put(o, at[k].name, (double)s[rank > 0 ? rank - 1 : 0]);
    }
    if (n > 0) put(o, "mean", sum / (double)n);
    arena_release(tmp, mark);
    return o;
}

static double gini(Arena *tmp, const int64_t *x, int64_t n) {
    ArenaMark mark = arena_mark(tmp);
    int64_t *s = sorted_copy(tmp, x, n);
    double weighted = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        weighted += (double)(2 * (i + 1) - n - 1) * (double)s[i];
        sum += (double)s[i];
    }
    arena_release(tmp, mark);
    return sum > 0 ? weighted / ((double)n * sum) : 0;
}

/* Share of the interactions on the most popular `percent` of the items (rounded up). */
static double top_share(Arena *tmp, const int64_t *x, int64_t n, int64_t percent) {
    ArenaMark mark = arena_mark(tmp);
    int64_t *s = sorted_copy(tmp, x, n), top = (n * percent + 99) / 100, inside = 0, all = 0;
    for (int64_t i = 0; i < n; i++) {
        all += s[i];
        if (i >= n - top) inside += s[i];
    }
    arena_release(tmp, mark);
    return share(inside, all);
}

static cJSON *size_json(const Card *c) {
    const Dataset *d = c->d;
    cJSON *o = cJSON_CreateObject();
    put(o, "density", (double)c->e->n / ((double)d->n_users * (double)d->N));
    cJSON_AddItemToObject(o, "per_user", summary(c->tmp, c->per_user, d->n_users));
    cJSON_AddItemToObject(o, "per_item", summary(c->tmp, c->per_item, d->N));
    put(o, "gini_users", gini(c->tmp, c->per_user, d->n_users));
    put(o, "gini_items", gini(c->tmp, c->per_item, d->N));
    put(o, "top_1_percent", top_share(c->tmp, c->per_item, d->N, 1));
    put(o, "top_10_percent", top_share(c->tmp, c->per_item, d->N, 10));
    return o;
}

/* ---- history ---- */

static cJSON *history_json(const Card *c, const Rows *rows) {
    ArenaMark mark = arena_mark(c->tmp);
    int64_t *length = ARENA_NEW(c->tmp, int64_t, rows->n), longer = 0;
    for (int64_t r = 0; r < rows->n; r++) {
        length[r] = rows->offset[r + 1] - rows->offset[r];
        longer += length[r] > c->d->max_history;
    }
    cJSON *o = summary(c->tmp, length, rows->n);
    put(o, "longer_than_seen", (double)longer);
    arena_release(c->tmp, mark);
    return o;
}

/* ---- time ---- */

static void put_day(cJSON *o, const char *key, int64_t time_s) {
    time_t t = (time_t)time_s;
    struct tm date;
    char text[32] = "";
    if (gmtime_r(&t, &date)) (void)strftime(text, sizeof text, "%Y-%m-%d", &date);
    cJSON_AddStringToObject(o, key, text);
}

/* part EVENT_PARTS: all events. */
static cJSON *span_json(const Events *e, EventPart part) {
    cJSON *o = cJSON_CreateObject();
    int64_t first = INT64_MAX, last = 0, known = 0, n = 0;
    for (int64_t i = 0; i < e->n; i++) {
        if (part != EVENT_PARTS && e->part[i] != part) continue;
        n++;
        if (e->time_s[i] == 0) continue;
        known++;
        if (e->time_s[i] < first) first = e->time_s[i];
        if (e->time_s[i] > last) last = e->time_s[i];
    }
    put(o, "events", (double)n);
    put(o, "known", (double)known);
    if (known == 0) return o;
    put_day(o, "first", first);
    put_day(o, "last", last);
    put(o, "days", (double)(last / DAY_S - first / DAY_S + 1));
    return o;
}

static cJSON *time_json(const Card *c) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToObject(o, "all", span_json(c->e, EVENT_PARTS));
    cJSON_AddItemToObject(o, "train", span_json(c->e, EVENT_TRAIN));
    cJSON_AddItemToObject(o, "valid", span_json(c->e, EVENT_VALID));
    cJSON_AddItemToObject(o, "test", span_json(c->e, EVENT_TEST));
    return o;
}

/* ---- text ---- */

static int compare_titles(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static cJSON *text_json(const Card *c) {
    const Dataset *d = c->d;
    static const char *const names[] = {"title", "brand", "categories", "description", "keywords", "caption"};
    int64_t empty[6] = {0}, nothing = 0, n = 0, titles = 0, items = 0;
    ArenaMark mark = arena_mark(c->tmp);
    const char **title = ARENA_NEW(c->tmp, const char *, d->N);
    for (int64_t i = 0; i < d->N; i++) {
        const ItemText *t = &d->text[i];
        const char *const field[] = {t->title, t->brand, t->categories, t->description, t->keywords, t->caption};
        int64_t here = 0;
        for (int f = 0; f < 6; f++) {
            empty[f] += *field[f] == '\0';
            here += *field[f] != '\0';
        }
        nothing += here == 0;
        if (*t->title) title[n++] = t->title;
    }
    qsort(title, (size_t)n, sizeof *title, compare_titles);
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(title[i], title[end]) == 0;) end++;
        titles += end - i > 1;
        items += end - i > 1 ? end - i : 0;
    }
    arena_release(c->tmp, mark);
    cJSON *o = cJSON_CreateObject(), *missing = cJSON_AddObjectToObject(o, "empty");
    for (int f = 0; f < 6; f++) put(missing, names[f], (double)empty[f]);
    put(o, "items_without_any_text", (double)nothing);
    put(o, "duplicate_titles", (double)titles);
    put(o, "items_with_duplicate_title", (double)items);
    return o;
}

/* ---- cold items, repeats ---- */

static cJSON *cold_json(const Card *c) {
    cJSON *o = cJSON_CreateObject();
    int64_t items = 0;
    for (int64_t i = 0; i < c->d->N; i++) items += !c->trained[i];
    put(o, "items", (double)items);
    const Rows *rows[] = {&c->d->valid, &c->d->test};
    for (int k = 0; k < 2; k++) {
        int64_t cold = 0;
        for (int64_t r = 0; r < rows[k]->n; r++) cold += !c->trained[rows[k]->target[r]];
        put(o, k == 0 ? "valid_targets" : "test_targets", (double)cold);
    }
    return o;
}

static cJSON *repeats_json(const Card *c) {
    const Events *e = c->e;
    ArenaMark mark = arena_mark(c->tmp);
    int64_t *seen = ARENA_NEW(c->tmp, int64_t, c->d->N), events = 0;
    for (int64_t u = 0; u < e->n_users; u++)
        for (int64_t i = e->offset[u]; i < e->offset[u + 1]; i++) {
            events += seen[e->item[i]] == u + 1;
            seen[e->item[i]] = u + 1;
        }
    arena_release(c->tmp, mark);
    cJSON *o = cJSON_CreateObject();
    put(o, "events", (double)events);
    const Rows *rows[] = {&c->d->valid, &c->d->test};
    for (int k = 0; k < 2; k++) {
        cJSON *part = cJSON_AddObjectToObject(o, k == 0 ? "valid" : "test");
        int64_t inside = 0, previous = 0;
        for (int64_t r = 0; r < rows[k]->n; r++) {
            bool found = false;
            for (int64_t h = rows[k]->offset[r]; h < rows[k]->offset[r + 1] && !found; h++) found = rows[k]->history[h] == rows[k]->target[r];
            inside += found;
            previous += rows[k]->history[rows[k]->offset[r + 1] - 1] == rows[k]->target[r];
        }
        put(part, "rows", (double)rows[k]->n);
        put(part, "in_history", (double)inside);
        put(part, "previous_item", (double)previous);
    }
    return o;
}

/* ---- ties ---- */

static bool tied(const Events *e, int64_t i) { return e->time_s[i] != 0 && e->time_s[i] == e->time_s[i - 1]; }

static cJSON *ties_rows_json(const Card *c, EventPart part) {
    const Events *e = c->e;
    int64_t rows = 0, timed = 0, target_tied = 0, window_tied = 0;
    for (int64_t u = 0; u < e->n_users; u++)
        for (int64_t i = e->offset[u] + 1; i < e->offset[u + 1]; i++) {
            if (e->part[i] != part) continue;
            int64_t from = i - c->d->max_history > e->offset[u] ? i - c->d->max_history : e->offset[u];
            bool window = false;
            for (int64_t k = from + 1; k <= i && !window; k++) window = tied(e, k);
            rows++;
            timed += e->time_s[i] != 0 && e->time_s[i - 1] != 0;
            target_tied += tied(e, i);
            window_tied += window;
        }
    cJSON *o = cJSON_CreateObject();
    put(o, "rows", (double)rows);
    put(o, "timed", (double)timed);
    put(o, "target_tied", (double)target_tied);
    put(o, "window_tied", (double)window_tied);
    return o;
}

static cJSON *ties_json(const Card *c, const cJSON *meta) {
    const cJSON *counts = cJSON_GetObjectItemCaseSensitive(meta, "ties");
    cJSON *o = counts ? cJSON_Duplicate(counts, true) : cJSON_CreateObject();
    cJSON_AddItemToObject(o, "valid", ties_rows_json(c, EVENT_VALID));
    cJSON_AddItemToObject(o, "test", ties_rows_json(c, EVENT_TEST));
    return o;
}

/* ---- leakage ---- */

/* First of the n ascending times that is later than t. */
static int64_t first_after(const int64_t *times, int64_t n, int64_t t) {
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (times[middle] <= t) low = middle + 1;
        else high = middle;
    }
    return low;
}

static cJSON *leakage_rows_json(const Card *c, EventPart part, const int64_t *train, int64_t n_train) {
    const Events *e = c->e;
    int64_t rows = 0, timed = 0, early = 0, context = 0, users = 0, users_trained = 0;
    double later = 0;
    for (int64_t u = 0; u < e->n_users; u++) {
        bool any = false;
        for (int64_t i = e->offset[u]; i < e->offset[u + 1]; i++) {
            if (e->part[i] != part) continue;
            rows++;
            any = true;
            context += i > e->offset[u] && (e->part[i - 1] == EVENT_VALID || e->part[i - 1] == EVENT_TEST);
            if (e->time_s[i] == 0 || n_train == 0) continue;
            int64_t after = n_train - first_after(train, n_train, e->time_s[i]);
            timed++;
            early += after > 0;
            later += (double)after / (double)n_train;
        }
        users += any;
        users_trained += any && e->part[e->offset[u]] == EVENT_TRAIN;
    }
    cJSON *o = cJSON_CreateObject();
    put(o, "rows", (double)rows);
    put(o, "timed", (double)timed);
    put(o, "before_latest_train", (double)early);
    put(o, "train_events_after_target", timed > 0 ? later / (double)timed : 0);
    put(o, "history_holds_evaluated", (double)context);
    put(o, "users", (double)users);
    put(o, "users_trained", (double)users_trained);
    return o;
}

static cJSON *leakage_json(const Card *c) {
    const Events *e = c->e;
    ArenaMark mark = arena_mark(c->tmp);
    int64_t *train = ARENA_NEW(c->tmp, int64_t, e->n), n_train = 0, both = 0;
    for (int64_t i = 0; i < e->n; i++)
        if (e->part[i] == EVENT_TRAIN && e->time_s[i] != 0) train[n_train++] = e->time_s[i];
    qsort(train, (size_t)n_train, sizeof *train, compare_counts);
    for (int64_t u = 0; u < e->n_users; u++) {
        bool valid = false, test = false;
        for (int64_t i = e->offset[u]; i < e->offset[u + 1]; i++) {
            valid |= e->part[i] == EVENT_VALID;
            test |= e->part[i] == EVENT_TEST;
        }
        both += valid && test;
    }
    cJSON *o = cJSON_CreateObject();
    put(o, "train_events_timed", (double)n_train);
    if (n_train > 0) put_day(o, "latest_train", train[n_train - 1]);
    put(o, "users_in_valid_and_test", (double)both);
    cJSON_AddItemToObject(o, "valid", leakage_rows_json(c, EVENT_VALID, train, n_train));
    cJSON_AddItemToObject(o, "test", leakage_rows_json(c, EVENT_TEST, train, n_train));
    arena_release(c->tmp, mark);
    return o;
}

/* ---- all together ---- */

cJSON *card_make(const Dataset *d, const Events *e, const cJSON *meta, Arena *tmp) {
    ArenaMark mark = arena_mark(tmp);
    Card c = {.d = d, .e = e, .tmp = tmp, .per_item = ARENA_NEW(tmp, int64_t, d->N), .per_user = ARENA_NEW(tmp, int64_t, d->n_users), .trained = ARENA_NEW(tmp, bool, d->N)};
    for (int64_t u = 0; u < e->n_users; u++) c.per_user[u] = e->offset[u + 1] - e->offset[u];
    for (int64_t i = 0; i < e->n; i++) {
        c.per_item[e->item[i]]++;
        if (e->part[i] == EVENT_TRAIN) c.trained[e->item[i]] = true;
    }
    cJSON *card = cJSON_CreateObject(), *history = cJSON_CreateObject();
    cJSON_AddStringToObject(card, "format", "digr-card/1");
    cJSON_AddItemToObject(card, "meta", cJSON_Duplicate(meta, true));
    cJSON_AddItemToObject(card, "size", size_json(&c));
    cJSON_AddItemToObject(history, "valid", history_json(&c, &d->valid));
    cJSON_AddItemToObject(history, "test", history_json(&c, &d->test));
    cJSON_AddItemToObject(card, "history", history);
    cJSON_AddItemToObject(card, "time", time_json(&c));
    cJSON_AddItemToObject(card, "text", text_json(&c));
    cJSON_AddItemToObject(card, "cold", cold_json(&c));
    cJSON_AddItemToObject(card, "repeats", repeats_json(&c));
    cJSON_AddItemToObject(card, "ties", ties_json(&c, meta));
    cJSON_AddItemToObject(card, "leakage", leakage_json(&c));
    cJSON_AddItemToObject(card, "curves", card_curves(d, e, c.per_item, c.per_user, tmp));
    arena_release(tmp, mark);
    return card;
}
