/* data/export.c -- see export.h. Rows of valid.tsv and test.tsv: by user number (leave-last-out), in order of time (chrono-8-1-1). Histories are whole. */
#include "data/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

enum { TEXTS = 6 };
static const char *const text_names[TEXTS] = {"title", "brand", "categories", "description", "keywords", "caption"};

static const char *item_text(const ItemText *t, int which) {
    const char *const texts[TEXTS] = {t->title, t->brand, t->categories, t->description, t->keywords, t->caption};
    return texts[which];
}

const char *export_user_id(const Intake *c, int64_t user) { return c->user_id ? c->user_id[user] : strtable_get(c->users, user); }

cJSON *export_text_counts(const Intake *c, const Numbering *items) {
    cJSON *counts = cJSON_CreateObject();
    int64_t n[TEXTS] = {0};
    for (int64_t i = 0; i < items->count; i++) {
        for (int t = 0; t < TEXTS; t++) n[t] += *item_text(&c->text[items->source[i]], t) != '\0';
        intake_texts_read(c, i);
    }
    for (int t = 0; t < TEXTS; t++) cJSON_AddNumberToObject(counts, text_names[t], (double)n[t]);
    return counts;
}

static Status write_items(const Intake *c, const Numbering *items, FILE *f) {
    for (int64_t i = 0; i < items->count; i++) {
        const ItemText *t = &c->text[items->source[i]];
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "item", (double)i);
        cJSON_AddStringToObject(line, "id", t->id);
        for (int k = 0; k < TEXTS; k++) cJSON_AddStringToObject(line, text_names[k], item_text(t, k));
        char *text = cJSON_PrintUnformatted(line);
        cJSON_Delete(line);
        if (!text) return FAIL(E_RESOURCE, NULL, "out of memory while writing item %lld", (long long)i);
        fprintf(f, "%s\n", text);
        cJSON_free(text);
        intake_texts_read(c, i);
    }
    return OK;
}

static void write_users(const Intake *c, const Numbering *users, FILE *f) {
    fprintf(f, "user\tid\n");
    for (int64_t u = 0; u < users->count; u++) fprintf(f, "%lld\t%s\n", (long long)u, export_user_id(c, users->source[u]));
}

/* Items of events [begin, end), space-separated. */
static void write_list(const Intake *c, const Numbering *items, int64_t begin, int64_t end, FILE *f) {
    for (int64_t e = begin; e < end; e++) fprintf(f, "%s%d", e > begin ? " " : "", items->number[c->event[e].item]);
}

static void write_train(const Intake *c, const Split *s, const Numbering *users, const Numbering *items, FILE *f) {
    fprintf(f, "user\titems\n");
    for (int64_t u = 0; u < users->count; u++) {
        int64_t source = users->source[u], begin = s->begin[source], n = s->train_end[source];
        if (n == 0) continue;
        fprintf(f, "%lld\t", (long long)u);
        write_list(c, items, begin, begin + n, f);
        fputc('\n', f);
    }
}

/* Every event's time, in the order of the whole sequence; where an event has none but the row of which it is the target has one, that. */
static void write_times(const Intake *c, const Split *s, const Numbering *users, FILE *f) {
    ArenaMark mark = arena_mark(c->arena);
    bool unknown = false;
    for (int64_t e = 0; e < c->n_events && !unknown; e++) unknown = c->event[e].time_s == 0;
    int64_t *from_rows = unknown ? ARENA_NEW(c->arena, int64_t, c->n_events) : NULL;
    for (int part = 0; part < 2 && unknown; part++) {
        const ExactRow *rows = part == 0 ? s->valid : s->test;
        for (int64_t r = 0, n = part == 0 ? s->n_valid : s->n_test; r < n; r++) {
            int64_t *at = &from_rows[s->begin[rows[r].user] + rows[r].position];
            if (*at == 0) *at = rows[r].time_s;
        }
    }
    fprintf(f, "user\ttimes\n");
    for (int64_t u = 0; u < users->count; u++) {
        int64_t source = users->source[u];
        fprintf(f, "%lld\t", (long long)u);
        for (int64_t e = s->begin[source]; e < s->begin[source + 1]; e++) {
            const int64_t time = c->event[e].time_s == 0 && unknown ? from_rows[e] : c->event[e].time_s;
            fprintf(f, "%s%lld", e > s->begin[source] ? " " : "", (long long)time);
        }
        fputc('\n', f);
    }
    arena_release(c->arena, mark);
}

static void write_row(const Intake *c, const Split *s, const ExactRow *row, const Numbering *users, const Numbering *items, FILE *f) {
    int64_t begin = s->begin[row->user], target = begin + row->position;
    int64_t time = row->time_s ? row->time_s : c->event[target].time_s;
    fprintf(f, "%d\t", users->number[row->user]);
    write_list(c, items, begin, target, f);
    fprintf(f, "\t%d\t%lld\n", items->number[c->event[target].item], (long long)time);
}

static void write_rows(const Intake *c, const Split *s, const ExactRow *rows, int64_t n, const Numbering *users, const Numbering *items, FILE *f) {
    fprintf(f, "user\thistory\ttarget\ttimestamp\n");
    if (strcmp(s->protocol, "leave-last-out") != 0) {
        for (int64_t r = 0; r < n; r++) write_row(c, s, &rows[r], users, items, f);
        return;
    }
    ArenaMark mark = arena_mark(c->arena);
    int32_t *row_of = ARENA_NEW(c->arena, int32_t, users->count); /* number + 1; one row a user at most */
    for (int64_t r = 0; r < n; r++) row_of[users->number[rows[r].user]] = (int32_t)r + 1;
    for (int64_t u = 0; u < users->count; u++)
        if (row_of[u]) write_row(c, s, &rows[row_of[u] - 1], users, items, f);
    arena_release(c->arena, mark);
}

Status export_all(const Intake *c, const Split *s, const Numbering *users, const Numbering *items, const char *out, Manifest *manifest) {
    static const char *const names[] = {"items.jsonl", "users.tsv", "train.tsv", "valid.tsv", "test.tsv", "times.tsv"};
    for (int which = 0; which < 6; which++) {
        const char *path = arena_printf(c->arena, "%s/%s", out, names[which]);
        AtomicFile *file;
        TRY(atomic_open(path, &file));
        FILE *f = atomic_stream(file);
        Status status = OK;
        switch (which) {
        case 0: status = write_items(c, items, f); break;
        case 1: write_users(c, users, f); break;
        case 2: write_train(c, s, users, items, f); break;
        case 3: write_rows(c, s, s->valid, s->n_valid, users, items, f); break;
        case 4: write_rows(c, s, s->test, s->n_test, users, items, f); break;
        default: write_times(c, s, users, f); break;
        }
        if (status != OK) {
            atomic_abandon(file);
            return status;
        }
        TRY(atomic_commit(file));
        manifest_output(manifest, path);
    }
    return OK;
}
