/* data/filter.c -- see filter.h. */
#include "data/filter.h"

#include <stdio.h>
#include <string.h>

/* ---- settings ---- */

static bool said(const char *value) { return value && strcmp(value, "recipe") != 0; }

static const char *first_said(const char *asked, const char *recipe, const char *otherwise) { return said(asked) ? asked : said(recipe) ? recipe : otherwise; }

static int64_t first_positive(int64_t asked, int64_t recipe, int64_t otherwise) { return asked > 0 ? asked : recipe > 0 ? recipe : otherwise; }

FilterSettings filter_resolve(const FilterSettings *asked, const FilterSettings *recipe, bool raw) {
    static const FilterSettings silent = {.title_words = -1};
    const FilterSettings *r = raw ? recipe : &silent;
    return (FilterSettings){.duplicates = first_said(asked->duplicates, r->duplicates, raw ? "drop" : "keep"),
                            .repeats = first_said(asked->repeats, r->repeats, "keep"),
                            .items = first_said(asked->items, r->items, "any"),
                            .from = first_said(asked->from, r->from, ""),
                            .to = first_said(asked->to, r->to, ""),
                            .title_words = asked->title_words >= 0 ? asked->title_words : r->title_words >= 0 ? r->title_words : 0,
                            .core_users = first_positive(asked->core_users, recipe->core_users, 5),
                            .core_items = first_positive(asked->core_items, recipe->core_items, 5),
                            .core_rounds = asked->core_rounds,
                            .min_rating = asked->min_rating};
}

cJSON *filter_json(const FilterSettings *f) {
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "min_rating", f->min_rating);
    cJSON_AddStringToObject(root, "from", f->from);
    cJSON_AddStringToObject(root, "to", f->to);
    cJSON_AddStringToObject(root, "duplicates", f->duplicates);
    cJSON_AddStringToObject(root, "repeats", f->repeats);
    cJSON_AddStringToObject(root, "items", f->items);
    cJSON_AddNumberToObject(root, "title_words", (double)f->title_words);
    cJSON_AddNumberToObject(root, "core_users", (double)f->core_users);
    cJSON_AddNumberToObject(root, "core_items", (double)f->core_items);
    cJSON_AddNumberToObject(root, "core_rounds", (double)f->core_rounds);
    return root;
}

/* ---- window ---- */

/* Days of the proleptic Gregorian calendar before year y, counted from 0000-03-01 with years that begin in March. */
static int64_t days_before(int64_t year, int64_t month, int64_t day) {
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
}

bool filter_parse_date(const char *text, int64_t *time_s) {
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int field[3] = {0, 0, 0};
    for (int i = 0; i < 10; i++) { /* 0123-56-89 */
        if (i == 4 || i == 7) {
            if (text[i] != '-') return false;
        } else {
            if (text[i] < '0' || text[i] > '9') return false; /* the end of a short text, too */
            int which = i < 4 ? 0 : i < 7 ? 1 : 2;
            field[which] = field[which] * 10 + (text[i] - '0');
        }
    }
    bool leap = (field[0] % 4 == 0 && field[0] % 100 != 0) || field[0] % 400 == 0;
    if (text[10] || field[0] < 1970 || field[1] < 1 || field[1] > 12 || field[2] < 1 || field[2] > month_days[field[1] - 1]) return false;
    if (field[1] == 2 && field[2] == 29 && !leap) return false;
    *time_s = (days_before(field[0], field[1], field[2]) - days_before(1970, 1, 1)) * 86400;
    return true;
}

static Status read_date(const char *name, const char *text, int64_t open, int64_t *time_s) {
    *time_s = open;
    if (!*text || filter_parse_date(text, time_s)) return OK;
    return FAIL(E_USAGE, "give YYYY-MM-DD, such as 2016-10-01", "--%s %s is no date", name, text);
}

static Status keep_window(Intake *c, const FilterSettings *f) {
    int64_t from, to, kept = 0;
    TRY(read_date("from", f->from, INT64_MIN, &from));
    TRY(read_date("to", f->to, INT64_MAX, &to));
    if (!*f->from && !*f->to) return OK;
    if (from >= to) return FAIL(E_USAGE, "--to names the first day after the window", "the window from %s to %s is empty", f->from, f->to);
    for (int64_t e = 0; e < c->n_events; e++)
        if (c->event[e].time_s == 0)
            return FAIL(E_INPUT, "leave --from and --to out, or complete the times", "user %s has an event without a time: nobody can tell whether it is in the window",
                        strtable_get(c->users, c->event[e].user));
    for (int64_t e = 0; e < c->n_events; e++)
        if (c->event[e].time_s >= from && c->event[e].time_s < to) c->event[kept++] = c->event[e];
    c->n_events = kept;
    intake_step(c, arena_printf(c->arena, "from %s to %s", *f->from ? f->from : "the first", *f->to ? f->to : "the last"));
    return OK;
}

/* ---- duplicates and repeats ---- */

/* One pass over each user's events, forwards or backwards: an event goes when the user had its item before (at the same second only: duplicates). */
static int64_t drop_seen(Intake *c, bool backwards, bool same_second) {
    ArenaMark mark = arena_mark(c->arena);
    int64_t n_items = strtable_count(c->items), n = c->n_events, kept = 0;
    int64_t *last_user = ARENA_NEW(c->arena, int64_t, n_items), *last_time = ARENA_NEW(c->arena, int64_t, n_items);
    bool *gone = ARENA_NEW(c->arena, bool, n);
    for (int64_t k = 0; k < n; k++) {
        int64_t e = backwards ? n - 1 - k : k;
        const Event *one = &c->event[e];
        gone[e] = last_user[one->item] == one->user + 1 && (!same_second || (one->time_s != 0 && last_time[one->item] == one->time_s));
        last_user[one->item] = one->user + 1;
        last_time[one->item] = one->time_s;
    }
    for (int64_t e = 0; e < n; e++)
        if (!gone[e]) c->event[kept++] = c->event[e];
    c->n_events = kept;
    arena_release(c->arena, mark);
    return n - kept;
}

static int64_t count_repeats(const Intake *c) {
    ArenaMark mark = arena_mark(c->arena);
    int64_t *last_user = ARENA_NEW(c->arena, int64_t, strtable_count(c->items)), repeats = 0;
    for (int64_t e = 0; e < c->n_events; e++) {
        repeats += last_user[c->event[e].item] == c->event[e].user + 1;
        last_user[c->event[e].item] = c->event[e].user + 1;
    }
    arena_release(c->arena, mark);
    return repeats;
}

static void drop_duplicates(Intake *c, const FilterSettings *f) {
    bool drop = strcmp(f->duplicates, "drop") == 0;
    ledger_note(c->ledger, "duplicate_lines_dropped", drop ? drop_seen(c, false, true) : 0);
    intake_step(c, drop ? "duplicates dropped" : "duplicates kept");
    if (strcmp(f->repeats, "keep") == 0) {
        ledger_note(c->ledger, "repeated_items_kept", count_repeats(c));
        return;
    }
    bool last = strcmp(f->repeats, "last") == 0;
    ledger_note(c->ledger, "repeated_items_dropped", drop_seen(c, last, false));
    intake_step(c, last ? "last of repeats kept" : "first of repeats kept");
}

/* ---- items ---- */

static int64_t count_words(const char *text) {
    int64_t n = *text != '\0';
    for (; *text; text++) n += *text == ' ';
    return n;
}

/* Drop the events of items that are not `kept`. */
static void keep_items(Intake *c, const bool *kept_item, const char *step) {
    int64_t kept = 0;
    for (int64_t e = 0; e < c->n_events; e++)
        if (kept_item[c->event[e].item]) c->event[kept++] = c->event[e];
    c->n_events = kept;
    intake_step(c, step);
}

static void filter_items(Intake *c, const FilterSettings *f, const bool *described) {
    int64_t n = strtable_count(c->items);
    if (strcmp(f->items, "with-metadata") == 0) keep_items(c, described, "items without metadata dropped");
    bool *good = ARENA_NEW(c->arena, bool, n);
    if (strcmp(f->items, "titled") == 0) {
        for (int64_t i = 0; i < n; i++) {
            good[i] = strlen(intake_text(c, i)->title) > 1;
            intake_texts_read(c, i);
        }
        keep_items(c, good, "untitled items dropped");
    }
    if (f->title_words > 0) {
        for (int64_t i = 0; i < n; i++) {
            good[i] = count_words(intake_text(c, i)->title) <= f->title_words;
            intake_texts_read(c, i);
        }
        keep_items(c, good, arena_printf(c->arena, "titles over %lld words dropped", (long long)f->title_words));
    }
}

bool *filter_described(const Intake *c) {
    int64_t n = strtable_count(c->items);
    bool *described = ARENA_NEW(c->arena, bool, n);
    for (int64_t i = 0; i < n; i++) described[i] = i < c->n_text && c->text[i].id != NULL;
    return described;
}

/* ---- core ---- */

/* Keep events whose user (or item) has at least k; returns whether any went. */
static bool drop_rare(Intake *c, bool by_user, int64_t k) {
    ArenaMark mark = arena_mark(c->arena);
    int64_t *count = ARENA_NEW(c->arena, int64_t, strtable_count(by_user ? c->users : c->items)), kept = 0;
    for (int64_t e = 0; e < c->n_events; e++) count[by_user ? c->event[e].user : c->event[e].item]++;
    for (int64_t e = 0; e < c->n_events; e++)
        if (count[by_user ? c->event[e].user : c->event[e].item] >= k) c->event[kept++] = c->event[e];
    bool dropped = kept < c->n_events;
    c->n_events = kept;
    arena_release(c->arena, mark);
    return dropped;
}

static void keep_core(Intake *c, const FilterSettings *f) {
    const char *name = f->core_users == f->core_items ? arena_printf(c->arena, "%lld-core", (long long)f->core_users)
                                                      : arena_printf(c->arena, "%lld-core of users, %lld-core of items", (long long)f->core_users, (long long)f->core_items);
    for (int64_t round = 1; f->core_rounds == 0 || round <= f->core_rounds; round++) {
        bool users = drop_rare(c, true, f->core_users), items = drop_rare(c, false, f->core_items);
        if (!users && !items) {
            if (round == 1) intake_step(c, arena_printf(c->arena, "%s, no change", name));
            return;
        }
        intake_step(c, arena_printf(c->arena, "%s, round %lld%s", name, (long long)round, round == f->core_rounds ? " (the last asked for)" : ""));
    }
}

void filter_least(const FilterSettings *f, int64_t *user, int64_t *item) {
    *user = f->core_users;
    *item = f->core_rounds == 0 ? f->core_items : 1;
}

void filter_core_ahead(Intake *c, int64_t least_user, int64_t least_item) {
    bool users = true, items = true;
    while (users || items) {
        users = drop_rare(c, true, least_user);
        items = drop_rare(c, false, least_item);
    }
}

Status filter_apply(Intake *c, const FilterSettings *f, const bool *described) {
    TRY(keep_window(c, f));
    drop_duplicates(c, f);
    filter_items(c, f, described);
    keep_core(c, f);
    return OK;
}
