/* section_published.c -- numbers reported by others, in tables of their own: never in a column with measured ones. */
#include <string.h>

#include "base/json.h"
#include "eval/sections.h"
#include "base/atomic.h"

static const char *const PUBLISHED_METRICS[] = {"HR@3", "NDCG@3", "HR@5", "NDCG@5", "HR@10", "NDCG@10"};
enum { N_PUBLISHED = 6 };

/* Our set "beauty" answers to published "beauty"; a simulated set answers to nothing. */
static const SetResults *set_of(const Results *r, const char *published)
{
    for (int64_t k = 0; k < r->n_sets; k++)
        if (!r->set[k].simulated && strcmp(r->set[k].id, published) == 0) return &r->set[k];
    return NULL;
}

static Status published_row(Table *t, const char *path, const cJSON *row)
{
    const char *model, *protocol, *source, *status;
    const cJSON *metrics;
    TRY(json_get_string(path, row, "model", &model));
    TRY(json_get_string(path, row, "protocol", &protocol));
    TRY(json_get_string(path, row, "source", &source));
    TRY(json_get_string(path, row, "status", &status));
    TRY(json_get_object(path, row, "metrics", &metrics));
    table_row(t);
    table_text(t, model);
    for (int i = 0; i < N_PUBLISHED; i++) {
        double value;
        if (results_number(metrics, PUBLISHED_METRICS[i], &value)) table_number(t, value);
        else table_none(t);
    }
    table_text(t, protocol);
    table_text(t, source);
    table_text(t, status);
    return OK;
}

static Status rows_of_set(Table *t, const char *path, const cJSON *rows, const SetResults *s, bool *used, const cJSON *sources)
{
    bool headed = false;
    for (const cJSON *row = rows->child; row != NULL; row = row->next) {
        const char *dataset;
        TRY(json_get_string(path, row, "dataset", &dataset));
        if (strcmp(dataset, s->id) != 0) continue;
        if (!headed) table_group(t, s->label);
        headed = true;
        TRY(published_row(t, path, row));
        int64_t i = 0;
        for (const cJSON *source = sources->child; source != NULL; source = source->next, i++)
            used[i] = used[i] || strcmp(source->string, json_opt_string(row, "source", "")) == 0;
    }
    return OK;
}

static Status claims(Doc *d, const char *path, const cJSON *root)
{
    static const char *const keys[] = {"paper", "claim", "value", "source"}, *const headers[] = {"Paper", "Claim", "Value", "Source"};
    const cJSON *list;
    TRY(json_get_array(path, root, "claims", &list));
    Table *t = table_create(d->arena, "claims", "Claims made about the paper, each with its source");
    for (int i = 0; i < 4; i++) table_column(t, COLUMN_TEXT, headers[i], 0);
    for (const cJSON *c = list->child; c != NULL; c = c->next) {
        table_row(t);
        for (int i = 0; i < 4; i++) {
            const char *text;
            TRY(json_get_string(path, c, keys[i], &text));
            table_text(t, text);
        }
    }
    table_note(t, "The paper's full tables were not available to us. What this artifact measured stands in the tables above.");
    doc_table(d, t, false);
    return OK;
}

static Status published(Doc *d, const Results *r, const char *path, const cJSON *root)
{
    const cJSON *rows, *sources;
    TRY(json_get_array(path, root, "rows", &rows));
    TRY(json_get_object(path, root, "sources", &sources));
    bool *used = ARENA_NEW(d->arena, bool, cJSON_GetArraySize(sources) + 1);
    Table *t = table_create(d->arena, "published", "REPORTED BY OTHERS, not measured here");
    table_column(t, COLUMN_TEXT, "Model", 0);
    for (int i = 0; i < N_PUBLISHED; i++) table_column(t, COLUMN_NUMBER, PUBLISHED_METRICS[i], 4);
    table_column(t, COLUMN_TEXT, "Protocol", 0);
    table_column(t, COLUMN_TEXT, "Source", 0);
    table_column(t, COLUMN_TEXT, "Status", 0);
    int64_t n_simulated = 0;
    for (int64_t k = 0; k < r->n_sets; k++) {
        n_simulated += r->set[k].simulated;
        if (set_of(r, r->set[k].id) != NULL) TRY(rows_of_set(t, path, rows, &r->set[k], used, sources));
    }
    int64_t i = 0;
    for (const cJSON *source = sources->child; source != NULL; source = source->next, i++)
        if (used[i] && cJSON_IsString(source)) table_note(t, "%s: %s", source->string, source->valuestring);
    doc_heading(d, 2, "published", "Reported elsewhere");
    doc_text(d, "Numbers printed by others are facts about other people's runs: other code, other tuning, often another protocol (masking, beam width, SID-level hits). They "
             "stand apart from what was measured here and are not ranked against it.");
    if (n_simulated == r->n_sets) doc_text(d, "This run used simulated data: no published number is comparable, so none is shown beside the sets.");
    doc_table(d, t, false);
    return claims(d, path, root);
}

Status section_published(Doc *d, Results *r, const ReportOptions *o)
{
    (void)o;
    if (r->published[0] == '\0') return OK;
    cJSON *root;
    TRY(json_read_file(r->published, &root));
    const Status status = published(d, r, r->published, root);
    cJSON_Delete(root);
    return status;
}
