/* data/exchange.c -- loading, checking, and what all forms share; see exchange.h. */
#include "data/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/log.h"
#include "data/exchange_parts.h"
#include "data/import_parts.h"
#include "data/jsonmembers.h"
#include "io/stream.h"

static const char fix_rebuild[] = "rebuild the folder with 02_preprocess";

/* ---- users.tsv ---- */

static bool take_number(const char **p, int64_t *value) {
    char *end;
    if (**p < '0' || **p > '9') return false;
    *value = strtoll(*p, &end, 10);
    *p = end;
    return true;
}

static const char *take_user(Exchange *x, int64_t u, const char *line) {
    int64_t number;
    if (u >= x->d->n_users) return "more users than meta.json says";
    if (!take_number(&line, &number) || number != u || *line++ != '\t' || !*line) return "expected `user TAB id`, users in order";
    x->user_id[u] = arena_strdup(x->arena, line);
    return NULL;
}

static Status read_users(Exchange *x) {
    const char *path = arena_printf(x->arena, "%s/users.tsv", x->d->dir), *line, *fault = NULL;
    LineReader *reader;
    size_t n;
    int64_t number = 0;
    TRY(line_open(path, &reader));
    while (!fault && line_next(reader, &line, &n)) {
        if (number++ == 0) fault = strcmp(line, "user\tid") == 0 ? NULL : "another header than expected";
        else fault = take_user(x, number - 2, line);
    }
    TRY(line_close(reader));
    if (!fault && number != x->d->n_users + 1) fault = "fewer users than meta.json says";
    return fault ? FAIL(E_INPUT, fix_rebuild, "%s:%lld: %s", path, (long long)number, fault) : OK;
}

/* ---- rows ---- */

static Status row_fail(const Exchange *x, const char *file, int64_t row) {
    return FAIL(E_INPUT, fix_rebuild, "%s/%s:%lld: not the sequence that the other files give", x->d->dir, file, (long long)row + 2);
}

static Status train_rows(Exchange *x) {
    const Sequences *s = &x->d->train;
    x->row[0] = ARENA_NEW(x->arena, ExchangeRow, s->offset[s->n]);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t n = s->offset[i + 1] - s->offset[i], u = s->user[i];
        if (n > x->e->offset[u + 1] - x->e->offset[u] || memcmp(s->items + s->offset[i], x->e->item + x->e->offset[u], (size_t)n * sizeof *x->e->item) != 0)
            return row_fail(x, "train.tsv", i);
        for (int64_t k = 1; k < n; k++) x->row[0][x->n_rows[0]++] = (ExchangeRow){(int32_t)u, k};
    }
    return OK;
}

static Status other_rows(Exchange *x, int part, const Rows *r, const char *file) {
    x->row[part] = ARENA_NEW(x->arena, ExchangeRow, r->n);
    for (int64_t i = 0; i < r->n; i++) {
        int64_t n = r->offset[i + 1] - r->offset[i], u = r->user[i], begin = x->e->offset[u];
        bool fits = n < x->e->offset[u + 1] - begin && memcmp(r->history + r->offset[i], x->e->item + begin, (size_t)n * sizeof *x->e->item) == 0;
        if (!fits || x->e->item[begin + n] != r->target[i]) return row_fail(x, file, i);
        x->row[part][x->n_rows[part]++] = (ExchangeRow){(int32_t)u, n};
    }
    return OK;
}

typedef struct TimedRow { int64_t time_s, order; ExchangeRow row; } TimedRow;

static int compare_timed(const void *a, const void *b) {
    const TimedRow *x = a, *y = b;
    if (x->time_s != y->time_s) return (x->time_s > y->time_s) - (x->time_s < y->time_s);
    return (x->order > y->order) - (x->order < y->order);
}

static void sort_train_rows(Exchange *x) {
    if (strcmp(x->d->protocol, "leave-last-out") == 0 || x->n_timed < x->d->n_interactions) return;
    ArenaMark mark = arena_mark(x->arena);
    TimedRow *rows = ARENA_NEW(x->arena, TimedRow, x->n_rows[0]);
    for (int64_t r = 0; r < x->n_rows[0]; r++) rows[r] = (TimedRow){x->e->time_s[x->e->offset[x->row[0][r].user] + x->row[0][r].position], r, x->row[0][r]};
    qsort(rows, (size_t)x->n_rows[0], sizeof *rows, compare_timed);
    for (int64_t r = 0; r < x->n_rows[0]; r++) x->row[0][r] = rows[r].row;
    arena_release(x->arena, mark);
}

/* ---- SIDs ---- */

static const char *take_sid(Exchange *x, const Member *member) {
    char *end;
    const char *text = "";
    long long item = strtoll(member->key, &end, 10);
    if (end == member->key || *end || item < 0 || item >= x->d->N) return "no item of this data set";
    if (x->sid[item]) return "an item twice";
    for (const cJSON *one = cJSON_IsArray(member->value) ? member->value->child : NULL; one; one = one->next) {
        if (!cJSON_IsString(one)) return "a token is no text";
        text = arena_printf(x->arena, "%s%s", text, one->valuestring);
    }
    x->sid[item] = text;
    return *text ? NULL : "no list of tokens";
}

static Status read_sids(Exchange *x, const char *dir) {
    MemberReader *reader;
    Member member;
    const char *fault = NULL;
    int64_t line = 0;
    x->sid_file = arena_printf(x->arena, "%s/sids.index.json", dir);
    x->sid = ARENA_NEW(x->arena, const char *, x->d->N);
    manifest_input(x->manifest, x->sid_file);
    TRY(member_open(x->sid_file, &reader));
    while (!fault && member_next(reader, &member)) {
        line = member.line;
        fault = member.value ? take_sid(x, &member) : "malformed JSON";
    }
    TRY(member_close(reader));
    for (int64_t i = 0; !fault && i < x->d->N; i++)
        if (!x->sid[i]) fault = "not every item has a SID";
    return fault ? FAIL(E_INPUT, "give the folder that 06_tokenize wrote for this data set", "%s:%lld: %s", x->sid_file, (long long)line, fault) : OK;
}

static Status read_licence(Exchange *x) {
    cJSON *meta;
    TRY(json_read_file(arena_printf(x->arena, "%s/meta.json", x->d->dir), &meta));
    x->licence = arena_strdup(x->arena, json_opt_string(meta, "licence", ""));
    x->homepage = arena_strdup(x->arena, json_opt_string(meta, "homepage", ""));
    cJSON_Delete(meta);
    return OK;
}

Status exchange_load(const char *dir, const char *sids, const char *stem, Arena *arena, Manifest *manifest, Exchange **exchange) {
    static const char *const files[] = {"meta.json", "items.jsonl", "users.tsv", "train.tsv", "valid.tsv", "test.tsv", "times.tsv"};
    Exchange *x = ARENA_NEW(arena, Exchange, 1);
    Events *events;
    x->arena = arena;
    x->manifest = manifest;
    x->stem = stem;
    TRY(dataset_load(dir, true, arena, &x->d));
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) manifest_input(manifest, arena_printf(arena, "%s/%s", dir, files[f]));
    TRY(read_licence(x));
    x->user_id = ARENA_NEW(arena, const char *, x->d->n_users);
    TRY(read_users(x));
    TRY(events_load(x->d, arena, &events));
    x->e = events;
    for (int64_t i = 0; i < events->n; i++) x->n_timed += events->time_s[i] > 0;
    TRY(train_rows(x));
    TRY(other_rows(x, 1, &x->d->valid, "valid.tsv"));
    TRY(other_rows(x, 2, &x->d->test, "test.tsv"));
    sort_train_rows(x);
    if (*sids) TRY(read_sids(x, sids));
    *exchange = x;
    return OK;
}

/* ---- shared by the writers ---- */

Status exchange_file(Exchange *x, const char *out, const char *name, void (*write)(Exchange *x, FILE *f, int which), int which) {
    const char *path = arena_printf(x->arena, "%s/%s", out, name), *slash = strrchr(path, '/');
    AtomicFile *file;
    TRY(dir_make(arena_strndup(x->arena, path, (size_t)(slash - path))));
    TRY(atomic_open(path, &file));
    write(x, atomic_stream(file), which);
    TRY(atomic_commit(file));
    manifest_output(x->manifest, path);
    return OK;
}

static void write_users(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t u = 0; u < x->d->n_users; u++) fprintf(f, "%s\t%s%lld\n", x->user_id[u], x->id_prefix, (long long)u + x->id_first);
}

static void write_items(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t i = 0; i < x->d->N; i++) fprintf(f, "%s\t%lld\n", x->d->text[i].id, (long long)i + x->id_first);
}

Status exchange_ids(Exchange *x, const char *out, const char *prefix, int first) {
    x->id_prefix = prefix;
    x->id_first = first;
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.user2id", x->stem), write_users, 0));
    return exchange_file(x, out, arena_printf(x->arena, "%s.item2id", x->stem), write_items, 0);
}

/* A description that looks like a Python list would be read as one: it is written as a list with itself as only part. */
static const char *shielded(Arena *arena, const char *text) {
    if (!import_python_list(arena, text)) return text;
    char *out = arena_alloc_raw(arena, 2 * strlen(text) + 8, 1), *p = out;
    *p++ = '[';
    *p++ = '"';
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') *p++ = '\\';
        *p++ = *c;
    }
    memcpy(p, "\"]", 3);
    return out;
}

static void write_item_json(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t i = 0; i < x->d->N; i++) {
        const ItemText *t = &x->d->text[i];
        ArenaMark mark = arena_mark(x->arena);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "title", t->title);
        cJSON_AddStringToObject(item, "description", shielded(x->arena, t->description));
        cJSON_AddStringToObject(item, "brand", t->brand);
        cJSON_AddStringToObject(item, "categories", t->categories);
        if (*t->keywords) cJSON_AddStringToObject(item, "keywords", t->keywords);
        if (*t->caption) cJSON_AddStringToObject(item, "caption", t->caption);
        char *text = cJSON_PrintUnformatted(item);
        REQUIRE(text, "out of memory while writing item %lld", (long long)i);
        fprintf(f, "%s\"%lld\": %s", i ? ",\n" : "{\n", (long long)i, text);
        cJSON_free(text);
        cJSON_Delete(item);
        arena_release(x->arena, mark);
    }
    fprintf(f, "\n}\n");
}

Status exchange_item_json(Exchange *x, const char *out) {
    return exchange_file(x, out, arena_printf(x->arena, "%s.item.json", x->stem), write_item_json, 0);
}

static void write_index(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t i = 0; i < x->d->N; i++) {
        fprintf(f, "%s\"%lld\": [", i ? ",\n" : "{\n", (long long)i);
        for (const char *p = x->sid[i]; *p;) { /* tokens are <...> */
            size_t n = strcspn(p, ">") + 1;
            fprintf(f, "%s\"%.*s\"", p > x->sid[i] ? ", " : "", (int)n, p);
            p += n;
        }
        fputc(']', f);
    }
    fprintf(f, "\n}\n");
}

Status exchange_index(Exchange *x, const char *out) {
    return x->sid ? exchange_file(x, out, arena_printf(x->arena, "%s.index.json", x->stem), write_index, 0) : OK;
}

const char *exchange_flat(Exchange *x, const char *text) {
    if (!text[strcspn(text, "\t\n\r")]) return text;
    char *copy = arena_strdup(x->arena, text);
    for (char *p = copy; *p; p++)
        if (*p == '\t' || *p == '\n' || *p == '\r') *p = ' ';
    x->n_replaced++;
    return copy;
}

int64_t exchange_window(const Exchange *x, const ExchangeRow *row) {
    int64_t n = row->position < x->d->max_history ? row->position : x->d->max_history;
    return x->e->offset[row->user] + row->position - n;
}

/* ---- README.txt ---- */

static const char *const forms[SOURCE_FORMS] = {
    [SOURCE_RECBOLE] = "RecBole atomic files. STEM.inter holds every event; STEM.train.inter, STEM.valid.inter and STEM.test.inter hold the rows of the split\n"
                       "(benchmark files; STEM.yaml names them). The order of events is `position`; `timestamp` is in Unix seconds, 0 = unknown.",
    [SOURCE_LCREC] = "LC-Rec and LETTER files. The code that reads them takes each user's last item as test and the last but one as validation target.",
    [SOURCE_MINIONEREC] = "MiniOneRec files: one row of the split a line of train/, valid/ and test/.",
    [SOURCE_SASREC] = "S3-Rec (STEM.txt, one line a user) and SASRec (pairs/STEM.txt, one line an event) files; numbers begin at 1. The code that reads\n"
                      "them takes each user's last item as test and the last but one as validation target."};

static void write_readme(Exchange *x, FILE *f, int which) {
    const Dataset *d = x->d;
    fprintf(f, "%s, exported from a data set prepared by digr.\n%s\n\n%s\n\n", d->label, d->simulated ? "SIMULATED users: results say nothing about people." : "", forms[which]);
    fprintf(f, "STEM is %s. Protocol of the prepared set: %s, histories of at most %lld items.\n", x->stem, d->protocol, (long long)d->max_history);
    if ((which == SOURCE_LCREC || which == SOURCE_SASREC) && strcmp(d->protocol, "leave-last-out") != 0)
        fprintf(f, "NOTE: this form has no place for that split; code that reads it will split by leave-last-out instead.\n");
    fprintf(f, "%lld users, %lld items, %lld events, %lld of them with a known time; rows: %lld train, %lld valid, %lld test.\n", (long long)d->n_users, (long long)d->N,
            (long long)d->n_interactions, (long long)x->n_timed, (long long)x->n_rows[0], (long long)x->n_rows[1], (long long)x->n_rows[2]);
    fprintf(f, "Users and items are numbered at random; STEM.user2id and STEM.item2id lead back (`raw id TAB number`).\n");
    if (x->n_replaced) fprintf(f, "%lld texts had tabs or line ends, which are spaces here.\n", (long long)x->n_replaced);
    if (which == SOURCE_MINIONEREC && !x->sid) fprintf(f, "There are no SIDs in these files: export again with --sids, or make them with MiniOneRec's own tools.\n");
    fprintf(f, "\nThe texts of reviews are not included: neither here nor in the prepared set. Item texts are the catalogue's.\n");
    if (*x->licence) fprintf(f, "Terms of the source: %s%s%s%s\n", x->licence, *x->homepage ? " (" : "", x->homepage, *x->homepage ? ")" : "");
}

static void write_simulated(Exchange *x, FILE *f, int which) {
    (void)which;
    fprintf(f, "The users of %s are simulated. 02_preprocess reads this file's presence: keep it with the others.\n", x->d->label);
}

Status exchange_write(Exchange *x, SourceForm form, const char *out) {
    Status status = E_USAGE;
    x->n_replaced = 0;
    const char *const stale[] = {arena_printf(x->arena, "%s/%s.simulated", out, x->stem), arena_printf(x->arena, "%s/%s.index.json", out, x->stem),
                                 arena_printf(x->arena, "%s/info/%s.txt", out, x->stem)}; /* of an earlier export, which this one may not write */
    for (int f = 0; f < 3; f++) (void)unlink(stale[f]);
    switch (form) {
    case SOURCE_RECBOLE: status = exchange_recbole(x, out); break;
    case SOURCE_LCREC: status = exchange_lcrec(x, out); break;
    case SOURCE_MINIONEREC: status = exchange_minionerec(x, out); break;
    case SOURCE_SASREC: status = exchange_sasrec(x, out); break;
    default: return FAIL(E_USAGE, "give recbole, lc-rec, minionerec or sasrec", "nothing is exported as %s", source_form_names[form]);
    }
    TRY(status);
    if (x->d->simulated) TRY(exchange_file(x, out, arena_printf(x->arena, "%s.simulated", x->stem), write_simulated, 0));
    if ((form == SOURCE_LCREC || form == SOURCE_SASREC) && strcmp(x->d->protocol, "leave-last-out") != 0)
        log_warn("%s files cannot carry the %s split: code that reads them will split by leave-last-out", source_form_names[form], x->d->protocol);
    return exchange_file(x, out, "README.txt", write_readme, (int)form);
}
