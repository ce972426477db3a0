/* section_sids.c -- quality of the semantic ids, one row a data set and variant of the tokens. */
#include <string.h>

#include "base/json.h"
#include "eval/sections.h"

/* sid_quality.json of 06_tokenize. */
static const struct { const char *header, *path; ColumnKind kind; int decimals; } QUALITY[] = {
    {"Distinct tuples", "distinct_tuples", COLUMN_COUNT, 0}, {"Collided", "collision_rate", COLUMN_PERCENT, 2}, {"Largest group", "largest_group", COLUMN_COUNT, 0},
    {"K", "codes_per_level", COLUMN_COUNT, 0}, {"Used, level 1", "level.0.used", COLUMN_COUNT, 0}, {"level 2", "level.1.used", COLUMN_COUNT, 0}, {"level 3", "level.2.used", COLUMN_COUNT, 0},
    {"Perplexity, level 1", "level.0.perplexity", COLUMN_NUMBER, 1}, {"Purity, 1 code", "prefix.0.purity_leaf", COLUMN_PERCENT, 1},
    {"by chance", "prefix.0.chance_leaf", COLUMN_PERCENT, 1}, {"Neighbours, 1 code", "neighbours.same_first_code", COLUMN_PERCENT, 1},
    {"by chance ", "neighbours.chance_first", COLUMN_PERCENT, 1}, {"Reconstruction MSE", "training.reconstruction_mse", COLUMN_NUMBER, 4}};
enum { N_QUALITY = sizeof QUALITY / sizeof *QUALITY };

static bool seen_before(const SetResults *s, int64_t m)
{
    for (int64_t k = 0; k < m; k++)
        if (strcmp(s->method[k].entry[0]->dir[PART_tokenize], s->method[m].entry[0]->dir[PART_tokenize]) == 0) return true;
    return false;
}

/* Says so where the vectors behind the SIDs are not LSA's. */
static Status embedder_note(Table *t, Results *r, const SetResults *s, const MethodResults *method)
{
    const cJSON *tree;
    TRY(results_document(r, method->entry[0]->dir[PART_embed], "embed.json", &tree));
    const char *how = json_opt_string(tree, "method", "lsa");
    if (strcmp(how, "recorded") == 0)
        table_note(t, "%s, %s: made from recorded vectors of the embedding model %s (%s).", s->label, method->label, json_opt_string(tree, "model", "?"), json_opt_string(tree, "provider", "?"));
    if (strcmp(how, "npy") == 0) table_note(t, "%s, %s: made from vectors of a file, %s.", s->label, method->label, json_opt_string(tree, "imported_from", "?"));
    return OK;
}

static Status quality_rows(Table *t, Results *r, const SetResults *s)
{
    bool headed = false;
    for (int64_t m = 0; m < s->n_methods; m++) {
        const cJSON *tree;
        const MethodResults *method = &s->method[m];
        if (method->entry[0]->dir[PART_tokenize][0] == '\0' || seen_before(s, m)) continue;
        TRY(results_document(r, method->entry[0]->dir[PART_tokenize], "sid_quality.json", &tree));
        if (tree == NULL) continue;
        if (!headed) table_group(t, s->label);
        headed = true;
        table_row(t);
        table_text(t, method->label);
        for (int i = 0; i < N_QUALITY; i++) {
            double value;
            if (results_number(tree, QUALITY[i].path, &value)) table_number(t, value);
            else table_none(t);
        }
        TRY(embedder_note(t, r, s, method));
    }
    return OK;
}

Status section_sids(Doc *d, Results *r, const ReportOptions *o)
{
    (void)o;
    Table *t = table_create(d->arena, "sids", "Quality of the semantic ids (first seed of each distinct tokenisation)");
    table_column(t, COLUMN_TEXT, "SIDs of", 0);
    for (int i = 0; i < N_QUALITY; i++) table_column(t, QUALITY[i].kind, QUALITY[i].header, QUALITY[i].decimals);
    for (int64_t k = 0; k < r->n_sets; k++) TRY(quality_rows(t, r, &r->set[k]));
    table_note(t, "Distinct tuples: different code triples; Collided: items that share theirs with another item. K: codes a level; Used: how many of them. Purity: of two items with the same first code, how "
               "often both have the same leaf category. Neighbours: how often an item's ten nearest by embedding share its first code. Shuffled SIDs must fall back to chance.");
    if (table_n_data_rows(t) == 0) return OK;
    doc_heading(d, 2, "sids", "Semantic ids");
    doc_table(d, t, true);
    return OK;
}
