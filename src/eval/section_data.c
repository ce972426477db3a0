/* section_data.c -- data statistics, text at hand, interest mining. */
#include <string.h>

#include "eval/sections.h"

/* ------------------------------------------------------------------ data */

static Status statistics_row(Table *t, Results *r, const SetResults *s)
{
    const cJSON *meta;
    double users, events;
    TRY(results_document(r, s->data_dir, "meta.json", &meta));
    table_row(t);
    table_text(t, s->label);
    table_text(t, s->simulated ? "simulated" : "real");
    static const char *const counts[] = {"counts.users", "counts.items", "counts.interactions", "counts.train_sequences", "counts.valid_rows", "counts.test_rows"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) section_number(t, meta, counts[i]);
    const bool known = results_number(meta, "counts.users", &users) && results_number(meta, "counts.interactions", &events) && users > 0;
    if (known) {
        table_number(t, events / users);
        table_number(t, events / users / (double)s->N);
    } else {
        table_none(t);
        table_none(t);
    }
    section_number(t, meta, "max_history");
    table_text(t, s->protocol);
    double met;
    if (results_number(meta, "expected.met", &met)) table_text(t, met > 0 ? "met" : "NOT MET");
    else table_none(t);
    return OK;
}

static const char *const TEXT_FIELDS[] = {"title", "brand", "categories", "description", "keywords", "caption"};
enum { N_TEXT_FIELDS = 6 };

static Status text_row(Table *t, Results *r, const SetResults *s)
{
    const cJSON *meta, *coverage = NULL, *embed = NULL;
    const Entry *e = section_spokesman(r, s, PART_mine), *x = e != NULL && e->dir[PART_embed][0] != '\0' ? e : section_spokesman(r, s, PART_embed);
    TRY(results_document(r, s->data_dir, "meta.json", &meta));
    if (e != NULL) TRY(results_document(r, e->dir[PART_mine], "coverage.json", &coverage));
    if (x != NULL) TRY(results_document(r, x->dir[PART_embed], "embed.json", &embed));
    table_row(t);
    table_text(t, s->label);
    for (int f = 0; f < N_TEXT_FIELDS; f++) {
        double n;
        const char *key = arena_printf(r->arena, "text.%s", TEXT_FIELDS[f]);
        if (results_number(meta, key, &n)) table_number(t, n / (double)s->N);
        else table_none(t);
    }
    double answered = 0.0;
    if (!results_number(coverage, "items_with_interests", &answered) && section_spokesman(r, s, PART_tokenize) == NULL) {
        for (int i = 0; i < 3; i++) table_none(t); /* no method of this run looks at the text */
        return OK;
    }
    table_number(t, answered);
    section_number(t, embed, "items_with.interests");
    table_number(t, (double)s->N - answered);
    return OK;
}

/* Every step of the filtering: only as files. */
static Status filter_table(Results *r, const char *out)
{
    static const char *const counts[] = {"users", "items", "interactions"};
    Table *t = table_create(r->arena, "filter", "Steps of the filtering");
    table_column(t, COLUMN_TEXT, "dataset", 0);
    table_column(t, COLUMN_TEXT, "step", 0);
    for (int i = 0; i < 3; i++) table_column(t, COLUMN_COUNT, counts[i], 0);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *meta;
        TRY(results_document(r, r->set[k].data_dir, "meta.json", &meta));
        const cJSON *steps = cJSON_GetObjectItemCaseSensitive(meta, "filter");
        for (const cJSON *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
            const cJSON *name = cJSON_GetObjectItemCaseSensitive(s, "step");
            table_row(t);
            table_text(t, r->set[k].id);
            table_text(t, cJSON_IsString(name) ? name->valuestring : "?");
            for (int i = 0; i < 3; i++) section_number(t, s, counts[i]);
        }
    }
    return table_write_files(t, out);
}

/* From the data cards: what a reader of the results should know about the rows. */
static Status cards_table(Doc *d, Results *r)
{
    static const struct { const char *header; ColumnKind kind; const char *part, *whole; } columns[] = {
        {"Gini of the items", COLUMN_NUMBER, "size.gini_items", NULL}, {"Median history", COLUMN_COUNT, "history.test.median", NULL},
        {"Cold targets", COLUMN_PERCENT, "cold.test_targets", "repeats.test.rows"}, {"Target in history", COLUMN_PERCENT, "repeats.test.in_history", "repeats.test.rows"},
        {"Target is the item before", COLUMN_PERCENT, "repeats.test.previous_item", "repeats.test.rows"}, {"Adjacent events tied", COLUMN_PERCENT, "ties.equal_time_pairs", "ties.timed_pairs"},
        {"of these sorted by ASIN", COLUMN_PERCENT, "ties.ascending_id_pairs", "ties.equal_time_pairs"}, {"Target tied", COLUMN_PERCENT, "ties.test.target_tied", "ties.test.timed"},
        {"Training events after the target", COLUMN_PERCENT, "leakage.test.train_events_after_target", NULL}};
    enum { N = sizeof columns / sizeof *columns };
    const char *where = "";
    Table *t = table_create(d->arena, "cards", "From the data cards: the test rows");
    table_column(t, COLUMN_TEXT, "Data set", 0);
    for (int i = 0; i < N; i++) table_column(t, columns[i].kind, columns[i].header, columns[i].kind == COLUMN_NUMBER ? 3 : 1);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const Entry *e = section_spokesman(r, &r->set[k], PART_card);
        const cJSON *card = NULL;
        if (e != NULL) TRY(results_document(r, e->dir[PART_card], "card.json", &card));
        if (card == NULL) continue;
        where = arena_printf(d->arena, "%s%s%s: `%s/card.md`", where, where[0] != '\0' ? "; " : "", r->set[k].label, e->dir[PART_card]);
        table_row(t);
        table_text(t, r->set[k].label);
        for (int i = 0; i < N; i++) {
            double part, whole = 1, timed = 1;
            if (strncmp(columns[i].part, "leakage", 7) == 0) (void)results_number(card, "leakage.test.timed", &timed);
            const bool known = results_number(card, columns[i].part, &part) && (columns[i].whole == NULL || results_number(card, columns[i].whole, &whole));
            if (known && whole > 0 && timed > 0) table_number(t, part / whole);
            else table_none(t);
        }
    }
    table_note(t, "Cold: a target that is in no training sequence. Tied: events of a user at the same second, whose order is the source's; sorted: half would be by chance. Training events "
               "after the target: share that happened later than the test event, mean over the rows: 0 %% under a split by time. Empty: times or ASINs are not known.");
    doc_table(d, t, true);
    if (where[0] != '\0') doc_text(d, "Data cards, with the counts after each filter step, history lengths, time spans, texts, ties and leakage: %s.", where);
    return OK;
}

Status section_data(Doc *d, Results *r, const ReportOptions *o)
{
    TRY(filter_table(r, o->out));
    doc_heading(d, 2, "data", "Data");
    Table *t = table_create(d->arena, "data", "Data statistics");
    static const char *const counts[] = {"Users", "Items", "Interactions", "Train sequences", "Valid rows", "Test rows"};
    table_column(t, COLUMN_TEXT, "Data set", 0);
    table_column(t, COLUMN_TEXT, "Behaviour", 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) table_column(t, COLUMN_COUNT, counts[i], 0);
    table_column(t, COLUMN_NUMBER, "Events per user", 1);
    table_column(t, COLUMN_PERCENT, "Density", 3);
    table_column(t, COLUMN_COUNT, "History", 0);
    table_column(t, COLUMN_TEXT, "Protocol", 0);
    table_column(t, COLUMN_TEXT, "Published counts", 0);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(statistics_row(t, r, &r->set[k]));
    table_note(t, "After filtering (steps: `filter.csv`). Ranking is over all items. History: how many of the latest events a model may see.");
    doc_table(d, t, true);

    Table *x = table_create(d->arena, "text", "Text at hand: share of items with each field, and items with and without recorded answers");
    table_column(x, COLUMN_TEXT, "Data set", 0);
    for (int f = 0; f < N_TEXT_FIELDS; f++) table_column(x, COLUMN_PERCENT, TEXT_FIELDS[f], 0);
    table_column(x, COLUMN_COUNT, "Items with mined interests", 0);
    table_column(x, COLUMN_COUNT, "of these embedded", 0);
    table_column(x, COLUMN_COUNT, "Items on shallow text alone", 0);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(text_row(x, r, &r->set[k]));
    table_note(x, "Items without recorded answers use their shallow text alone (title, brand, categories, description, keywords, caption). Embedded: items whose embedding uses at "
               "least one interest that the classifier kept.");
    doc_table(d, x, true);
    return cards_table(d, r);
}

/* ------------------------------------------------------------------ interests */

Status section_interests(Doc *d, Results *r, const ReportOptions *o)
{
    (void)o;
    bool any = false;
    for (int64_t k = 0; k < r->n_sets; k++) any = any || section_spokesman(r, &r->set[k], PART_mine) != NULL;
    if (!any) return OK;
    doc_heading(d, 2, "interests", "Mined interests");
    return section_members(d, r);
}
