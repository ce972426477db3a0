/* data/exchange_forms.c -- the writers of RecBole's, LC-Rec's and S3-Rec's files; MiniOneRec's: exchange_minionerec.c. */
#include <string.h>

#include "data/csv.h"
#include "data/exchange_parts.h"

/* ---- RecBole ---- */

/* A field as RecBole's reader (pandas) takes it back: in quotes when it begins with one. */
static void write_field(Exchange *x, FILE *f, const char *text) {
    const char *flat = exchange_flat(x, text);
    if (flat[0] != '"') {
        fputs(flat, f);
        return;
    }
    fputc('"', f);
    for (const char *p = flat; *p; p++) {
        if (*p == '"') fputc('"', f);
        fputc(*p, f);
    }
    fputc('"', f);
}

static void recbole_events(Exchange *x, FILE *f, int which) {
    (void)which;
    fprintf(f, "user_id:token\titem_id:token\t%sposition:float\n", x->n_timed ? "timestamp:float\t" : "");
    for (int64_t u = 0; u < x->d->n_users; u++) {
        for (int64_t e = x->e->offset[u]; e < x->e->offset[u + 1]; e++) {
            fprintf(f, "%lld\t%d\t", (long long)u, x->e->item[e]);
            if (x->n_timed) fprintf(f, "%lld\t", (long long)x->e->time_s[e]);
            fprintf(f, "%lld\n", (long long)(e - x->e->offset[u]));
        }
    }
}

static void recbole_rows(Exchange *x, FILE *f, int part) {
    fprintf(f, "user_id:token\titem_id_list:token_seq\titem_id:token%s\n", x->n_timed ? "\ttimestamp:float" : "");
    for (int64_t r = 0; r < x->n_rows[part]; r++) {
        const ExchangeRow *row = &x->row[part][r];
        int64_t target = x->e->offset[row->user] + row->position, first = exchange_window(x, row);
        fprintf(f, "%d\t", row->user);
        for (int64_t e = first; e < target; e++) fprintf(f, "%s%d", e > first ? " " : "", x->e->item[e]);
        fprintf(f, "\t%d", x->e->item[target]);
        if (x->n_timed) fprintf(f, "\t%lld", (long long)x->e->time_s[target]);
        fputc('\n', f);
    }
}

static void recbole_items(Exchange *x, FILE *f, int which) {
    (void)which;
    fprintf(f, "item_id:token\ttitle:token_seq\tbrand:token\tcategories:token_seq\tdescription:token_seq\tkeywords:token_seq\tcaption:token_seq\n");
    for (int64_t i = 0; i < x->d->N; i++) {
        const ItemText *t = &x->d->text[i];
        const char *const texts[] = {t->title, t->brand, t->categories, t->description, t->keywords, t->caption};
        ArenaMark mark = arena_mark(x->arena);
        fprintf(f, "%lld", (long long)i);
        for (int k = 0; k < 6; k++) {
            fputc('\t', f);
            write_field(x, f, texts[k]);
        }
        fputc('\n', f);
        arena_release(x->arena, mark);
    }
}

static void recbole_config(Exchange *x, FILE *f, int which) {
    (void)which;
    fprintf(f, "# RecBole: the rows of the split as they are. To let RecBole split %s.inter itself, leave benchmark_filename and\n"
               "# alias_of_item_id out, load [user_id, item_id, position], and set TIME_FIELD: position (timestamps have ties%s).\n"
               "USER_ID_FIELD: user_id\nITEM_ID_FIELD: item_id\nTIME_FIELD: %s\nMAX_ITEM_LIST_LENGTH: %lld\n"
               "load_col:\n    inter: [user_id, item_id_list, item_id%s]\n    item: [item_id, title, brand, categories]\n"
               "benchmark_filename: [train, valid, test]\nalias_of_item_id: [item_id_list]\n"
               "eval_args:\n    order: TO\n    group_by: ~\n    mode: full\n", x->stem, x->n_timed < x->d->n_interactions ? ", and some are unknown" : "",
            x->n_timed ? "timestamp" : "position", (long long)x->d->max_history, x->n_timed ? ", timestamp" : "");
}

Status exchange_recbole(Exchange *x, const char *out) {
    static const char *const parts[3] = {"train", "valid", "test"};
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.inter", x->stem), recbole_events, 0));
    for (int p = 0; p < 3; p++) TRY(exchange_file(x, out, arena_printf(x->arena, "%s.%s.inter", x->stem, parts[p]), recbole_rows, p));
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.item", x->stem), recbole_items, 0));
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.yaml", x->stem), recbole_config, 0));
    return exchange_ids(x, out, "", 0);
}

/* ---- LC-Rec ---- */

static void lcrec_events(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t u = 0; u < x->d->n_users; u++) {
        fprintf(f, "%s\"%lld\": [", u ? ",\n" : "{\n", (long long)u);
        for (int64_t e = x->e->offset[u]; e < x->e->offset[u + 1]; e++) fprintf(f, "%s%d", e > x->e->offset[u] ? ", " : "", x->e->item[e]);
        fputc(']', f);
    }
    fprintf(f, "\n}\n");
}

Status exchange_lcrec(Exchange *x, const char *out) {
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.inter.json", x->stem), lcrec_events, 0));
    TRY(exchange_item_json(x, out));
    TRY(exchange_index(x, out));
    return exchange_ids(x, out, "", 0);
}

/* ---- S3-Rec, SASRec ---- */

static void sasrec_users(Exchange *x, FILE *f, int pairs) {
    for (int64_t u = 0; u < x->d->n_users; u++) {
        if (!pairs) fprintf(f, "%lld", (long long)u + 1);
        for (int64_t e = x->e->offset[u]; e < x->e->offset[u + 1]; e++) {
            if (pairs) fprintf(f, "%lld %d\n", (long long)u + 1, x->e->item[e] + 1);
            else fprintf(f, " %d", x->e->item[e] + 1);
        }
        if (!pairs) fputc('\n', f);
    }
}

/* Numbers of the names in "A > B | C" and of the brand; each once an item, in order. In the files they begin at 1. */
static int64_t item_attributes(Exchange *x, const ItemText *t, int64_t **list) {
    int64_t n = 0;
    size_t capacity = 0;
    *list = NULL;
    const char *const texts[] = {t->categories, t->brand};
    for (int k = 0; k < 2; k++) {
        for (const char *p = texts[k]; *p;) {
            const char *level = k == 0 ? strstr(p, " > ") : NULL, *path = k == 0 ? strstr(p, " | ") : NULL;
            const char *end = level && (!path || level < path) ? level : path ? path : p + strlen(p);
            int64_t number = strtable_add(x->attributes, arena_strndup(x->arena, p, (size_t)(end - p))), known = 0;
            while (known < n && (*list)[known] != number) known++;
            ARENA_GROW(x->arena, *list, capacity, n + 1);
            if (known == n) (*list)[n++] = number;
            p = *end ? end + 3 : end;
        }
    }
    return n;
}

static void sasrec_attributes(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t i = 0; i < x->d->N; i++) {
        int64_t *list, n = item_attributes(x, &x->d->text[i], &list);
        fprintf(f, "%s\"%lld\": [", i ? ", " : "{", (long long)i + 1);
        for (int64_t k = 0; k < n; k++) fprintf(f, "%s%lld", k ? ", " : "", (long long)list[k] + 1);
        fputc(']', f);
    }
    fprintf(f, "}\n");
}

static void sasrec_names(Exchange *x, FILE *f, int which) {
    (void)which;
    fprintf(f, "attribute\tname\n");
    for (int64_t a = 0; a < strtable_count(x->attributes); a++) fprintf(f, "%lld\t%s\n", (long long)a + 1, exchange_flat(x, strtable_get(x->attributes, a)));
}

Status exchange_sasrec(Exchange *x, const char *out) {
    TRY(exchange_file(x, out, arena_printf(x->arena, "%s.txt", x->stem), sasrec_users, 0));
    TRY(exchange_file(x, out, arena_printf(x->arena, "pairs/%s.txt", x->stem), sasrec_users, 1));
    Arena *own = arena_create("attributes");
    x->attributes = strtable_create(own);
    Status status = exchange_file(x, out, arena_printf(x->arena, "%s_item2attributes.json", x->stem), sasrec_attributes, 0);
    if (status == OK) status = exchange_file(x, out, arena_printf(x->arena, "%s_attributes.tsv", x->stem), sasrec_names, 0);
    arena_destroy(own);
    return status != OK ? status : exchange_ids(x, out, "", 1);
}
