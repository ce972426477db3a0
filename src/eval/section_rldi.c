/* section_rldi.c -- RLDI: the classifier that keeps or drops an interest, by classifier.json of 04_label: figures with intervals by origin of the judged interests,
 * against confidence alone, "all positive" and heavier models; calibration. */
#include <string.h>

#include "eval/sections.h"

enum { MAX_SHOWN_BINS = 50, N_SUBSET = 4 };
static const char *const SUBSET[N_SUBSET] = {"all", "mined", "swapped", "generic"};

/* classifier.json of the set, NULL where it has no classifier. */
static Status classifier_of(Results *r, const SetResults *s, const cJSON **tree)
{
    const Entry *e = section_spokesman(r, s, PART_labels);
    *tree = NULL;
    if (e != NULL) TRY(results_document(r, e->dir[PART_labels], "classifier.json", tree));
    return OK;
}

static const cJSON *member(const cJSON *tree, const char *key) { return cJSON_GetObjectItemCaseSensitive(tree, key); }

static const char *predictor_label(const char *key)
{
    static const char *const label[][2] = {{"classifier", "classifier"}, {"confidence_only", "confidence alone"}, {"all_positive", "all positive"},
        {"logistic", "logistic regression"}, {"logistic_space", "logistic regression with text embedding"}, {"boosted", "boosted trees"}};
    for (size_t i = 0; i < sizeof label / sizeof *label; i++)
        if (strcmp(key, label[i][0]) == 0) return label[i][1];
    return key;
}

/* ------------------------------------------------------------------ overview */

static const struct { const char *header, *path; ColumnKind kind; int decimals; } OVERVIEW[] = {
    {"Judged", "judged", COLUMN_COUNT, 0}, {"Held out", "held_out_rows", COLUMN_COUNT, 0}, {"Positive share", "base_rate", COLUMN_PERCENT, 1},
    {"Accuracy", "accuracy", COLUMN_NUMBER, 3}, {"AUC", "auc", COLUMN_NUMBER, 3}, {"F1", "f1", COLUMN_NUMBER, 3},
    {"AUC, mined alone", "held_out.classifier.mined.auc", COLUMN_NUMBER, 3}, {"AUC by confidence", "held_out.confidence_only.all.auc", COLUMN_NUMBER, 3},
    {"Interests", "interests", COLUMN_COUNT, 0}, {"Kept", "labelled_positive", COLUMN_COUNT, 0}, {"Mean quality", "mean_quality", COLUMN_NUMBER, 3}};
enum { N_OVERVIEW = sizeof OVERVIEW / sizeof *OVERVIEW };

static Status overview(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "classifier", "RLDI: the classifier that keeps or drops an interest, on judged interests held out from its training");
    table_column(t, COLUMN_TEXT, "Data set", 0);
    for (int i = 0; i < N_OVERVIEW; i++) table_column(t, OVERVIEW[i].kind, OVERVIEW[i].header, OVERVIEW[i].decimals);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *tree;
        TRY(classifier_of(r, &r->set[k], &tree));
        if (tree == NULL) continue;
        table_row(t);
        table_text(t, section_set_name(&r->set[k], d->arena));
        for (int i = 0; i < N_OVERVIEW; i++) section_number(t, tree, OVERVIEW[i].path);
    }
    table_note(t, "Judged rows are mined interests and planted negatives (an interest of another item, an empty phrase); the planted ones are easy, so the AUC among mined ones alone "
               "stands beside. AUC by confidence: the answering model's own confidence as the score. Labels were given by the model that mined, not by people.");
    doc_table(d, t, false);
    return OK;
}

/* ------------------------------------------------------------------ figures */

static const struct { const char *header, *key; } FIGURE[] = {{"Accuracy", "accuracy"}, {"AUC", "auc"}, {"F1", "f1"}, {"Log loss", "log_loss"}, {"Brier score", "brier"}};
enum { N_FIGURE = sizeof FIGURE / sizeof *FIGURE };

typedef struct Estimate { bool has, bounded; double value, low, high; } Estimate;

/* A figure of a predictor on a subset, with its interval. */
static Estimate figure_of(const cJSON *tree, const char *predictor, const char *subset, const char *key, Arena *arena)
{
    const char *at = arena_printf(arena, "held_out.%s.%s", predictor, subset);
    Estimate e = {0};
    e.has = results_number(tree, arena_printf(arena, "%s.%s", at, key), &e.value);
    e.bounded = e.has && results_number(tree, arena_printf(arena, "%s.interval.%s.0", at, key), &e.low) && results_number(tree, arena_printf(arena, "%s.interval.%s.1", at, key), &e.high);
    return e;
}

/* {"value", "low", "high"} at a dotted path. */
static Estimate difference_at(const cJSON *tree, const char *at, Arena *arena)
{
    Estimate e = {0};
    e.has = results_number(tree, arena_printf(arena, "%s.value", at), &e.value);
    e.bounded = e.has && results_number(tree, arena_printf(arena, "%s.low", at), &e.low) && results_number(tree, arena_printf(arena, "%s.high", at), &e.high);
    return e;
}

/* The classifier minus another predictor. */
static Estimate classifier_minus(const cJSON *tree, const char *predictor, const char *subset, const char *key, Arena *arena)
{
    return difference_at(tree, arena_printf(arena, "classifier_minus.%s.%s.%s", predictor, subset, key), arena);
}

static void estimate_cell(Table *t, Estimate e)
{
    if (!e.has) table_none(t);
    else if (e.bounded) table_interval(t, e.value, e.low, e.high);
    else table_unbounded(t, e.value);
}

static void figure_rows(Table *t, const cJSON *tree, const char *subset, Arena *arena)
{
    const cJSON *held = member(tree, "held_out");
    for (const cJSON *p = held != NULL ? held->child : NULL; p != NULL; p = p->next) {
        double n, positives;
        const cJSON *figures = member(p, subset);
        if (!results_number(figures, "n", &n) || !results_number(figures, "positives", &positives) || !(n > 0)) continue;
        table_row(t);
        if (strcmp(p->string, "classifier") == 0) table_strong(t);
        table_text(t, predictor_label(p->string));
        table_text(t, subset);
        table_number(t, n);
        table_number(t, positives / n);
        for (int f = 0; f < N_FIGURE; f++) estimate_cell(t, figure_of(tree, p->string, subset, FIGURE[f].key, arena));
    }
}

static Status figures_table(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "rldi", "RLDI: figures on held-out judged interests, by where the interest came from");
    double resamples = 0;
    table_column(t, COLUMN_TEXT, "Predictor", 0);
    table_column(t, COLUMN_TEXT, "Interests", 0);
    table_column(t, COLUMN_COUNT, "Rows", 0);
    table_column(t, COLUMN_PERCENT, "Judged 1", 1);
    for (int f = 0; f < N_FIGURE; f++) table_column(t, COLUMN_ESTIMATE, arena_printf(d->arena, "%s [95 %%]", FIGURE[f].header), 3);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *tree;
        TRY(classifier_of(r, &r->set[k], &tree));
        if (member(tree, "classifier_minus") == NULL) continue;
        (void)results_number(tree, "resamples", &resamples);
        table_group(t, section_set_name(&r->set[k], d->arena));
        for (int s = 0; s < N_SUBSET; s++) figure_rows(t, tree, SUBSET[s], d->arena);
    }
    table_note(t, "Intervals: bootstrap over items, %s resamples; the rows of an item stay together. They speak of other items, not of other training rows. A figure that the rows do "
               "not define is left empty (AUC needs both classes, F1 a positive label, log loss a probability); a figure without an interval is undefined in more than 5 %% of the "
               "resamples. An interval of width 0 means that every row is right, or every row wrong, not that it must be so elsewhere.", table_count((int64_t)resamples, d->arena));
    table_note(t, "mined: interests of that very item. swapped, generic: planted as known negatives, an interest of another item and an empty phrase; they have no confidence of their "
               "own, so confidence alone cannot tell them apart.");
    doc_table(d, t, false);
    return OK;
}

static Status versus_table(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "rldi_versus", "RLDI: the classifier minus another predictor, on the same held-out rows");
    table_column(t, COLUMN_TEXT, "Classifier minus", 0);
    table_column(t, COLUMN_TEXT, "Interests", 0);
    for (int f = 0; f < N_FIGURE; f++) table_column(t, COLUMN_INTERVAL, arena_printf(d->arena, "Δ%s [95 %%]", FIGURE[f].header), 3);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *tree;
        TRY(classifier_of(r, &r->set[k], &tree));
        const cJSON *minus = member(tree, "classifier_minus");
        if (minus == NULL) continue;
        table_group(t, section_set_name(&r->set[k], d->arena));
        for (const cJSON *p = minus->child; p != NULL; p = p->next)
            for (int s = 0; s < 2; s++) {
                table_row(t);
                table_text(t, predictor_label(p->string));
                table_text(t, SUBSET[s]);
                for (int f = 0; f < N_FIGURE; f++) estimate_cell(t, classifier_minus(tree, p->string, SUBSET[s], FIGURE[f].key, d->arena));
            }
    }
    table_note(t, "Paired: both are judged on the same resampled items. Accuracy, AUC and F1 are better when higher, log loss and Brier score when lower.");
    doc_table(d, t, false);
    return OK;
}

/* ------------------------------------------------------------------ heavier models */

static Status rivals_table(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "rldi_models", "RLDI: which model is kept, chosen by cross-validation on the items that are not held out");
    table_column(t, COLUMN_TEXT, "Model", 0);
    table_column(t, COLUMN_NUMBER, "Strength", 1);
    table_column(t, COLUMN_NUMBER, "Log loss", 4);
    table_column(t, COLUMN_INTERVAL, "Δ to plain [95 %]", 4);
    table_column(t, COLUMN_TEXT, "Kept", 0);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *tree;
        TRY(classifier_of(r, &r->set[k], &tree));
        const cJSON *selection = member(tree, "selection"), *kept = member(selection, "kept");
        if (!cJSON_IsString(kept)) continue;
        table_group(t, section_set_name(&r->set[k], d->arena));
        for (const cJSON *m = selection->child; m != NULL; m = m->next) {
            if (!cJSON_IsObject(m)) continue;
            table_row(t);
            table_text(t, predictor_label(m->string));
            section_number(t, m, member(m, "rounds") != NULL ? "rounds" : "lambda");
            section_number(t, m, "fold_log_loss");
            estimate_cell(t, difference_at(m, "minus_logistic", d->arena));
            table_text(t, strcmp(m->string, kept->valuestring) == 0 ? "yes" : "");
        }
    }
    table_note(t, "Five folds of items. Strength: the penalty of a logistic regression, the number of boosted trees; chosen on the same folds. A heavier model is kept only where the interval "
               "lies below 0.");
    doc_table(d, t, false);
    return OK;
}

/* ------------------------------------------------------------------ calibration */

/* The bins of a predictor on a subset, as columns. */
typedef struct Bins { int64_t n; double count[MAX_SHOWN_BINS], mean[MAX_SHOWN_BINS], share[MAX_SHOWN_BINS], low[MAX_SHOWN_BINS], high[MAX_SHOWN_BINS]; } Bins;

static bool bins_of(const cJSON *tree, const char *predictor, const char *subset, Bins *b, double *error)
{
    const cJSON *c = member(member(member(tree, "calibration"), predictor), subset), *bins = member(c, "bins");
    *b = (Bins){0};
    if (!cJSON_IsArray(bins) || !results_number(c, "expected_calibration_error", error)) return false;
    for (const cJSON *j = bins->child; j != NULL && b->n < MAX_SHOWN_BINS; j = j->next) {
        const int64_t i = b->n;
        if (results_number(j, "n", &b->count[i]) && results_number(j, "mean_score", &b->mean[i]) && results_number(j, "share", &b->share[i]) &&
            results_number(j, "low", &b->low[i]) && results_number(j, "high", &b->high[i])) b->n++;
    }
    return b->n > 0;
}

static Status calibration_table(Doc *d, Results *r)
{
    Table *t = table_create(d->arena, "rldi_calibration", "RLDI: calibration of the classifier on held-out judged interests");
    Bins b;
    double error;
    table_column(t, COLUMN_TEXT, "Interests", 0);
    table_column(t, COLUMN_COUNT, "Rows", 0);
    table_column(t, COLUMN_NUMBER, "Mean probability", 3);
    table_column(t, COLUMN_ESTIMATE, "Judged 1 [95 %]", 3);
    for (int64_t k = 0; k < r->n_sets; k++) {
        const cJSON *tree;
        TRY(classifier_of(r, &r->set[k], &tree));
        for (int s = 0, first = 1; s < 2; s++) {
            if (!bins_of(tree, "classifier", SUBSET[s], &b, &error)) continue;
            if (first) table_group(t, section_set_name(&r->set[k], d->arena));
            first = 0;
            for (int64_t i = 0; i < b.n; i++) {
                table_row(t);
                table_text(t, SUBSET[s]);
                table_number(t, b.count[i]);
                table_number(t, b.mean[i]);
                table_interval(t, b.share[i], b.low[i], b.high[i]);
            }
        }
    }
    table_note(t, "Bins of equal count by probability; equal probabilities are never parted. Interval: Wilson's, for the share of rows that were judged 1; it takes rows as independent.");
    doc_table(d, t, false);
    return OK;
}

static void add_series(Panel *panel, const cJSON *tree, const char *predictor, const char *subset, uint32_t color, Arena *arena)
{
    Bins *b = ARENA_NEW(arena, Bins, 1);
    double error;
    if (!bins_of(tree, predictor, subset, b, &error)) return;
    (void)panel_line(panel, (Series){.label = arena_printf(arena, "%s %.3f", predictor_label(predictor), error), .color = color, .n = b->n, .x = b->mean, .y = b->share, .low = b->low,
        .high = b->high});
}

static Status plots(Doc *d, const SetResults *s, const cJSON *tree, const ReportOptions *o)
{
    static const double ends[] = {0, 1};
    static const struct { const char *key; uint32_t color; } shown[] = {{"classifier", PLOT_GREEN}, {"confidence_only", PLOT_ORANGE}, {"all_positive", PLOT_GREY}};
    Plot *plot = plot_create(d->arena, arena_printf(d->arena, "calibration_%s", s->id), arena_printf(d->arena, "%s: calibration on held-out judged interests (in the key: expected calibration error)", section_set_name(s, d->arena)), 2);
    for (int k = 0; k < 2; k++) {
        Panel *panel = plot_panel(plot, d->arena, PANEL_LINES, k == 0 ? "all judged interests" : "mined interests alone", "probability that is said (mean of the bin)", "share judged 1");
        add_series(panel, tree, "classifier", SUBSET[k], PLOT_GREEN, d->arena);
        add_series(panel, tree, "confidence_only", SUBSET[k], PLOT_ORANGE, d->arena);
        if (panel->n_series > 0) (void)panel_line(panel, (Series){.label = "", .color = PLOT_GREY, .dashed = true, .n = 2, .x = ends, .y = ends});
    }
    TRY(doc_plot(d, plot, o->out));
    Plot *bars = plot_create(d->arena, arena_printf(d->arena, "rldi_%s", s->id), arena_printf(d->arena, "%s: accuracy on held-out judged interests", section_set_name(s, d->arena)), 1);
    Panel *panel = plot_panel(bars, d->arena, PANEL_BARS, "", "accuracy (whisker: 95 % interval over items)", "");
    for (int k = 0; k < N_SUBSET; k++)
        for (size_t p = 0; p < sizeof shown / sizeof *shown; p++) {
            const Estimate e = figure_of(tree, shown[p].key, SUBSET[k], "accuracy", d->arena);
            if (!e.has) continue;
            (void)panel_bar(panel, (Bar){arena_printf(d->arena, "%s: %s", SUBSET[k], predictor_label(shown[p].key)), shown[p].color, e.value, e.bounded ? e.low : e.value,
                e.bounded ? e.high : e.value});
        }
    return doc_plot(d, bars, o->out);
}

/* ------------------------------------------------------------------ sentences */

static const char *verdict(Estimate e)
{
    return !e.bounded ? "no interval can be given" : e.low > 0 ? "better" : e.high < 0 ? "worse" : "no difference can be told from zero";
}

/* "AUC 0.955 [0.930, 0.977] against 0.545 of confidence alone: +0.410 [+0.351, +0.468], better" */
static const char *against(const cJSON *tree, const char *predictor, const char *subset, int f, Arena *arena)
{
    const Estimate own = figure_of(tree, "classifier", subset, FIGURE[f].key, arena), other = figure_of(tree, predictor, subset, FIGURE[f].key, arena);
    const Estimate d = classifier_minus(tree, predictor, subset, FIGURE[f].key, arena);
    if (!own.has || !other.has || !d.has) return "";
    const char *interval = own.bounded ? arena_printf(arena, " [%.3f, %.3f]", own.low, own.high) : "";
    const char *bounds = d.bounded ? arena_printf(arena, " [%+.3f, %+.3f]", d.low, d.high) : "";
    return arena_printf(arena, " %s %.3f%s against %.3f of %s: %+.3f%s, %s.", FIGURE[f].header, own.value, interval, other.value, predictor_label(predictor), d.value, bounds, verdict(d));
}

static const char *calibration_text(const cJSON *tree, const char *subset, Arena *arena)
{
    Bins b;
    double error;
    int64_t inside = 0;
    if (!bins_of(tree, "classifier", subset, &b, &error)) return "";
    for (int64_t i = 0; i < b.n; i++) inside += b.mean[i] >= b.low[i] && b.mean[i] <= b.high[i];
    return arena_printf(arena, "expected calibration error %.3f, and in %lld of %lld bins the mean probability lies within the interval of the share judged 1", error, (long long)inside,
                        (long long)b.n);
}

/* What the folds said of heavier models. */
static const char *rivals_text(const cJSON *tree, Arena *arena)
{
    const cJSON *selection = member(tree, "selection"), *kept = member(selection, "kept");
    const char *text = "";
    for (const cJSON *m = selection != NULL ? selection->child : NULL; m != NULL; m = m->next) {
        const Estimate e = difference_at(m, "minus_logistic", arena);
        if (!e.bounded) continue;
        text = arena_printf(arena, "%s%s%s %+.4f [%+.4f, %+.4f]", text, text[0] != '\0' ? "; " : "", predictor_label(m->string), e.value, e.low, e.high);
    }
    if (text[0] == '\0' || !cJSON_IsString(kept)) return "";
    return arena_printf(arena, "Heavier models, log loss on the folds minus that of the plain one: %s. Kept: %s.", text, predictor_label(kept->valuestring));
}

static void say(Doc *d, const SetResults *s, const cJSON *tree)
{
    double rows = 0, items = 0;
    Arena *a = d->arena;
    (void)results_number(tree, "held_out_rows", &rows);
    (void)results_number(tree, "held_out_items", &items);
    const char *name = section_set_name(s, a), *mined = calibration_text(tree, "mined", a);
    doc_say(d, "%s, RLDI on %.0f held-out judged interests of %.0f items, planted negatives among them:%s%s", name, rows, items, against(tree, "confidence_only", "all", 1, a), against(tree, "all_positive", "all", 0, a));
    doc_say(d, "%s, mined interests alone:%s%s", name, against(tree, "confidence_only", "mined", 1, a), against(tree, "all_positive", "mined", 0, a));
    doc_say(d, "%s, calibration: %s%s%s.", name, calibration_text(tree, "all", a), mined[0] != '\0' ? "; among mined interests alone " : "", mined);
    const char *rivals = rivals_text(tree, a);
    if (rivals[0] != '\0') doc_say(d, "%s: %s", name, rivals);
}

Status section_rldi(Doc *d, Results *r, const ReportOptions *o)
{
    int64_t n = 0;
    const cJSON *tree;
    for (int64_t k = 0; k < r->n_sets; k++) {
        TRY(classifier_of(r, &r->set[k], &tree));
        n += tree != NULL;
    }
    if (n == 0) return OK;
    doc_heading(d, 2, "rldi", "RLDI: the classifier of interests");
    TRY(overview(d, r));
    for (int64_t k = 0; k < r->n_sets; k++) {
        TRY(classifier_of(r, &r->set[k], &tree));
        if (member(tree, "classifier_minus") == NULL) continue; /* everything was accepted */
        say(d, &r->set[k], tree);
        TRY(plots(d, &r->set[k], tree, o));
    }
    TRY(figures_table(d, r));
    TRY(versus_table(d, r));
    TRY(rivals_table(d, r));
    return calibration_table(d, r);
}
