/* data/oracle.c -- writing and reading the oracle files (format in oracle.h). */
#include "data/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/strtable.h"
#include "base/atomic.h"
#include "io/stream.h"

#define ORACLE_FORMAT "digr-oracle/1"
static const char items_header[] = "asin\tpopularity\tleaf\tlatent";
static const char events_header[] = "user\tasin\ttimestamp\tweights";
static const char fix_sample[] = "write it again with 00_sample";

struct Oracle {
    ChoiceModel model;
    StringTable *asins, *users, *pairs; /* pair "user\tasin" -> event number */
    int64_t n_events;
    int32_t *item;     /* (n_events) */
    int64_t *user;     /* (n_events) */
    int64_t *first;    /* (n_events) number of the user's first event */
    double *weight;    /* (n_events,n_interests) */
};

/* ---- writing ---- */

static Status write_model(const char *dir, const SampleCatalogue *c, const ChoiceModel *m, Arena *arena) {
    cJSON *root = cJSON_CreateObject(), *list = cJSON_CreateArray();
    cJSON_AddStringToObject(root, "format", ORACLE_FORMAT);
    cJSON_AddBoolToObject(root, "simulated", true);
    cJSON_AddStringToObject(root, "category", c->category);
    cJSON_AddNumberToObject(root, "noise", m->noise);
    cJSON_AddNumberToObject(root, "chain", m->chain);
    for (int64_t k = 0; k < c->n_interests; k++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "id", c->interest_id[k]);
        cJSON_AddStringToObject(one, "name", c->interest_name[k]);
        cJSON_AddItemToArray(list, one);
    }
    cJSON_AddItemToObject(root, "interests", list);
    Status status = json_write_file(arena_printf(arena, "%s/model.json", dir), root);
    cJSON_Delete(root);
    return status;
}

static Status write_items(const char *dir, const SampleCatalogue *c, const ChoiceModel *m, Arena *arena) {
    AtomicFile *file;
    TRY(atomic_open(arena_printf(arena, "%s/items.tsv", dir), &file));
    FILE *f = atomic_stream(file);
    fprintf(f, "%s\n", items_header);
    for (int64_t i = 0; i < c->n_items; i++) {
        fprintf(f, "%s\t%.17g\t%d\t", c->item[i].id, m->popularity[i], c->leaf[i]);
        const char *space = "";
        for (int64_t k = 0; k < c->n_interests; k++) {
            double w = c->latent[i * c->n_interests + k];
            if (w > 0) fprintf(f, "%s%lld:%.17g", space, (long long)k, w), space = " ";
        }
        fputc('\n', f);
    }
    return atomic_commit(file);
}

static Status write_events(const char *dir, const SampleCatalogue *c, const SimUser *users, int64_t n_users, Arena *arena) {
    AtomicFile *file;
    TRY(atomic_open(arena_printf(arena, "%s/events.tsv", dir), &file));
    FILE *f = atomic_stream(file);
    fprintf(f, "%s\n", events_header);
    for (int64_t u = 0; u < n_users; u++) {
        const SimUser *user = &users[u];
        for (int64_t e = 0; e < user->n_events; e++) {
            fprintf(f, "%s\t%s\t%lld\t", user->id, c->item[user->item[e]].id, (long long)user->time_s[e]);
            for (int64_t a = 0; a < user->n_active; a++)
                fprintf(f, "%s%d:%.17g", a ? " " : "", user->active[a], user->weight[e * SIM_MAX_ACTIVE + a]);
            fputc('\n', f);
        }
    }
    return atomic_commit(file);
}

Status oracle_write(const char *dir, const SampleCatalogue *c, const ChoiceModel *m, const SimUser *users, int64_t n_users) {
    Arena *arena = arena_create("oracle paths");
    Status status = dir_make(dir);
    if (status == OK) status = write_model(dir, c, m, arena);
    if (status == OK) status = write_items(dir, c, m, arena);
    if (status == OK) status = write_events(dir, c, users, n_users, arena);
    arena_destroy(arena);
    return status;
}

/* ---- reading ---- */

/* Cut the next tab-separated field off *rest; NULL when there is none. */
static char *next_field(char **rest) {
    char *field = *rest;
    if (!field) return NULL;
    char *tab = strchr(field, '\t');
    if (tab) *tab = '\0';
    *rest = tab ? tab + 1 : NULL;
    return field;
}

static bool parse_number(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && *end == '\0';
}

/* "k:w k:w" into w (n); false on a fault. */
static bool parse_weights(char *text, int64_t n, double *w) {
    memset(w, 0, (size_t)n * sizeof *w);
    for (char *save = NULL, *pair = strtok_r(text, " ", &save); pair; pair = strtok_r(NULL, " ", &save)) {
        char *end;
        long long k = strtoll(pair, &end, 10);
        if (end == pair || *end != ':' || k < 0 || k >= n) return false;
        if (!parse_number(end + 1, &w[k]) || !(w[k] >= 0)) return false;
    }
    return true;
}

static Status load_model(const char *path, Oracle *o) {
    cJSON *root;
    TRY(json_read_file(path, &root));
    const char *format;
    const cJSON *interests;
    Status status = json_get_string(path, root, "format", &format);
    if (status == OK && strcmp(format, ORACLE_FORMAT) != 0) status = FAIL(E_INPUT, fix_sample, "%s: format %s, expected " ORACLE_FORMAT, path, format);
    if (status == OK) status = json_get_number(path, root, "noise", &o->model.noise);
    if (status == OK) status = json_get_number(path, root, "chain", &o->model.chain);
    if (status == OK) status = json_get_array(path, root, "interests", &interests);
    if (status == OK) o->model.n_interests = cJSON_GetArraySize(interests);
    cJSON_Delete(root);
    return status;
}

typedef struct OracleRows { /* growing arrays of one file */
    Arena *arena;
    double *popularity, *latent;
    int32_t *leaf;
    size_t popularity_capacity, latent_capacity, leaf_capacity, item_capacity, user_capacity, first_capacity, weight_capacity;
} OracleRows;

static bool add_item(Oracle *o, OracleRows *rows, char *line) {
    char *asin = next_field(&line), *popularity = next_field(&line), *leaf = next_field(&line), *latent = next_field(&line);
    int64_t i = o->model.n_items, I = o->model.n_interests;
    double leaf_number;
    if (!latent || line) return false;
    ARENA_GROW(rows->arena, rows->popularity, rows->popularity_capacity, i + 1);
    ARENA_GROW(rows->arena, rows->leaf, rows->leaf_capacity, i + 1);
    ARENA_GROW(rows->arena, rows->latent, rows->latent_capacity, (i + 1) * I);
    if (!parse_number(popularity, &rows->popularity[i]) || !(rows->popularity[i] > 0)) return false;
    if (!parse_number(leaf, &leaf_number) || !(leaf_number >= 0 && leaf_number <= INT32_MAX)) return false;
    rows->leaf[i] = (int32_t)leaf_number;
    if (!parse_weights(latent, I, rows->latent + i * I) || strtable_add(o->asins, asin) != i) return false;
    o->model.n_items++;
    return true;
}

static bool add_event(Oracle *o, OracleRows *rows, char *line) {
    char *user = next_field(&line), *asin = next_field(&line), *time = next_field(&line), *weights = next_field(&line);
    int64_t e = o->n_events, I = o->model.n_interests;
    double seconds;
    if (!weights || line || !parse_number(time, &seconds)) return false;
    int64_t item = strtable_find(o->asins, asin), known_users = strtable_count(o->users), u = strtable_add(o->users, user);
    bool same_user = e > 0 && u == o->user[e - 1];
    if (item < 0 || (!same_user && u < known_users)) return false; /* a user's events lie together */
    ARENA_GROW(rows->arena, o->item, rows->item_capacity, e + 1);
    ARENA_GROW(rows->arena, o->user, rows->user_capacity, e + 1);
    ARENA_GROW(rows->arena, o->first, rows->first_capacity, e + 1);
    ARENA_GROW(rows->arena, o->weight, rows->weight_capacity, (e + 1) * I);
    o->item[e] = (int32_t)item;
    o->user[e] = u;
    o->first[e] = same_user ? o->first[e - 1] : e;
    if (!parse_weights(weights, I, o->weight + e * I)) return false;
    o->n_events++;
    return strtable_add(o->pairs, arena_printf(rows->arena, "%s\t%s", user, asin)) == e;
}

static Status load_table(const char *path, const char *header, Oracle *o, OracleRows *rows, bool (*add)(Oracle *, OracleRows *, char *)) {
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t n;
    int64_t bad = 0;
    while (!bad && line_next(reader, &line, &n)) {
        bool first = line_number(reader) == 1;
        if (first ? strcmp(line, header) != 0 : !add(o, rows, arena_strndup(rows->arena, line, n))) bad = line_number(reader);
    }
    TRY(line_close(reader));
    if (bad) return FAIL(E_INPUT, fix_sample, "%s:%lld: expected `%s`", path, (long long)bad, header);
    return OK;
}

Status oracle_load(const char *dir, Arena *arena, Oracle **oracle) {
    Oracle *o = ARENA_NEW(arena, Oracle, 1);
    OracleRows rows = {.arena = arena};
    o->asins = strtable_create(arena);
    o->users = strtable_create(arena);
    o->pairs = strtable_create(arena);
    TRY(load_model(arena_printf(arena, "%s/model.json", dir), o));
    TRY(load_table(arena_printf(arena, "%s/items.tsv", dir), items_header, o, &rows, add_item));
    TRY(load_table(arena_printf(arena, "%s/events.tsv", dir), events_header, o, &rows, add_event));
    o->model.latent = rows.latent;
    o->model.popularity = rows.popularity;
    o->model.leaf = rows.leaf;
    *oracle = o;
    return OK;
}

int64_t oracle_n_items(const Oracle *o) { return o->model.n_items; }
int64_t oracle_n_interests(const Oracle *o) { return o->model.n_interests; }
int64_t oracle_item(const Oracle *o, const char *asin) { return strtable_find(o->asins, asin); }
const char *oracle_asin(const Oracle *o, int64_t item) { return strtable_get(o->asins, item); }

int64_t oracle_find(const Oracle *o, const char *user, const char *asin) {
    char key[512];
    int n = snprintf(key, sizeof key, "%s\t%s", user, asin);
    return n > 0 && (size_t)n < sizeof key ? strtable_find(o->pairs, key) : -1;
}

void oracle_weights(const Oracle *o, int64_t event, double *w) {
    REQUIRE(event >= 0 && event < o->n_events, "event %lld", (long long)event);
    memcpy(w, o->weight + event * o->model.n_interests, (size_t)o->model.n_interests * sizeof *w);
}

void oracle_probability(const Oracle *o, int64_t event, Arena *tmp, double *p) {
    REQUIRE(event >= 0 && event < o->n_events, "event %lld", (long long)event);
    ArenaMark mark = arena_mark(tmp);
    bool *taken = ARENA_NEW(tmp, bool, o->model.n_items);
    for (int64_t e = o->first[event]; e < event; e++) taken[o->item[e]] = true;
    int64_t previous = event > o->first[event] ? o->item[event - 1] : -1;
    choice_probability(&o->model, o->weight + event * o->model.n_interests, previous, taken, tmp, p);
    arena_release(tmp, mark);
}
