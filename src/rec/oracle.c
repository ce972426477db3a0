/* rec/oracle.c -- see oracle.h. Keys of the oracle files are raw user ids and ASINs; the data set's users.tsv and items.jsonl lead to them. */
#include "rec/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "data/oracle.h"
#include "io/stream.h"

static const char fix_folder[] = "give the oracle folder that 00_sample wrote beside the raw files of this data set";

typedef struct OracleScorer {
    Scorer scorer;
    const Dataset *data;
    const Oracle *oracle;
    const char **user_id; /* (n_users) raw ids */
    int64_t *oracle_item; /* (N) item number in the oracle files */
    double *p;            /* scratch (oracle's items) */
} OracleScorer;

/* users.tsv: header `user TAB id`, then a user a line. */
static Status read_users(const Dataset *d, Arena *arena, const char **user_id)
{
    const char *path = arena_printf(arena, "%s/users.tsv", d->dir);
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *line;
    size_t length;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &length)) {
        if (line_number(reader) == 1 && strcmp(line, "user\tid") == 0) continue;
        char *end;
        const long long user = strtoll(line, &end, 10);
        if (end == line || *end != '\t' || user < 0 || user >= d->n_users)
            status = FAIL(E_INPUT, "rebuild the folder with 02_preprocess", "%s:%lld: no valid user index", path, (long long)line_number(reader));
        else user_id[user] = arena_strdup(arena, end + 1);
    }
    const Status closed = line_close(reader);
    return status != OK ? status : closed;
}

static Status score(void *self, const Rows *rows, int64_t first, int64_t n, real *out)
{
    OracleScorer *s = self;
    const Dataset *d = s->data;
    Arena *tmp = arena_create("oracle");
    Status status = OK;
    for (int64_t r = 0; r < n && status == OK; r++) {
        const char *user = s->user_id[rows->user[first + r]], *asin = d->text[rows->target[first + r]].id;
        const int64_t event = user != NULL ? oracle_find(s->oracle, user, asin) : -1;
        if (event < 0) {
            status = FAIL(E_INPUT, fix_folder, "row %lld: the oracle knows no event of user %s with item %s", (long long)(first + r),
                          user != NULL ? user : "(unknown)", asin);
            break;
        }
        const ArenaMark mark = arena_mark(tmp);
        oracle_probability(s->oracle, event, tmp, s->p);
        for (int64_t i = 0; i < d->N; i++) out[r * d->N + i] = (real)s->p[s->oracle_item[i]];
        arena_release(tmp, mark);
    }
    arena_destroy(tmp);
    return status;
}

Status oracle_scorer(const Dataset *d, const char *oracle_dir, Arena *arena, Scorer **scorer)
{
    REQUIRE(d->text != NULL, "data set without text");
    if (!d->simulated) return FAIL(E_INPUT, "use it on the embedded sample only", "%s: real data has no oracle", d->dir);
    OracleScorer *s = ARENA_NEW(arena, OracleScorer, 1);
    Oracle *oracle;
    TRY(oracle_load(oracle_dir, arena, &oracle));
    s->data = d;
    s->oracle = oracle;
    s->p = ARENA_NEW(arena, double, oracle_n_items(oracle));
    s->oracle_item = ARENA_NEW(arena, int64_t, d->N);
    for (int64_t i = 0; i < d->N; i++) {
        s->oracle_item[i] = oracle_item(oracle, d->text[i].id);
        if (s->oracle_item[i] < 0) return FAIL(E_INPUT, fix_folder, "%s: item %s is not in %s/items.tsv", d->dir, d->text[i].id, oracle_dir);
    }
    s->user_id = ARENA_NEW(arena, const char *, d->n_users);
    TRY(read_users(d, arena, s->user_id));
    s->scorer = (Scorer){.name = "oracle", .self = s, .score = score};
    *scorer = &s->scorer;
    return OK;
}
