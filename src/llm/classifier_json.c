/* llm/classifier_json.c -- classifier.json; see classifier.h. */
#include "llm/classifier.h"

static void add_number(cJSON *o, const char *name, double value) { (void)cJSON_AddNumberToObject(o, name, value); }
static void add_count(cJSON *o, const char *name, int64_t value) { add_number(o, name, (double)value); }

static void add_bounds(cJSON *o, const char *name, const Interval *i) {
    const double bounds[] = {i->low, i->high};
    if (i->bounded) (void)cJSON_AddItemToObject(o, name, cJSON_CreateDoubleArray(bounds, 2));
}

/* {"value", "low", "high"} */
static void add_interval(cJSON *o, const char *name, const Interval *i) {
    if (!i->has) return;
    cJSON *out = cJSON_AddObjectToObject(o, name);
    add_number(out, "value", i->value);
    if (!i->bounded) return;
    add_number(out, "low", i->low);
    add_number(out, "high", i->high);
}

static void add_figures(cJSON *parent, const char *name, const Figures *f, const Interval *own) {
    cJSON *o = cJSON_AddObjectToObject(parent, name);
    add_count(o, "n", f->n);
    add_count(o, "positives", f->positives);
    add_count(o, "predicted_positive", f->predicted);
    for (int k = 0; k < N_FIGURES; k++)
        if (f->has[k]) add_number(o, figure_name((Figure)k), f->value[k]);
    cJSON *interval = cJSON_AddObjectToObject(o, "interval");
    for (int k = 0; k < N_FIGURES; k++) add_bounds(interval, figure_name((Figure)k), &own[k]);
}

static void add_held_out(cJSON *o, const ClassifierReport *r) {
    cJSON *held = cJSON_AddObjectToObject(o, "held_out"), *versus = cJSON_AddObjectToObject(o, "classifier_minus");
    for (int p = 0; p < N_PREDICTORS; p++) {
        cJSON *own = cJSON_AddObjectToObject(held, predictor_name(r, p));
        cJSON *minus = p == PREDICTOR_CLASSIFIER ? NULL : cJSON_AddObjectToObject(versus, predictor_name(r, p));
        for (int s = 0; s < N_SUBSETS; s++) {
            add_figures(own, subset_name(s), &r->figures[s][p], r->own[s][p]);
            cJSON *subset = minus ? cJSON_AddObjectToObject(minus, subset_name(s)) : NULL;
            for (int k = 0; k < N_FIGURES && subset; k++) add_interval(subset, figure_name((Figure)k), &r->versus[s][p][k]);
        }
    }
}

static void add_bins(cJSON *parent, const char *name, const Calibration *c) {
    if (c->n_bins == 0) return;
    cJSON *o = cJSON_AddObjectToObject(parent, name), *bins;
    add_number(o, "expected_calibration_error", c->error);
    bins = cJSON_AddArrayToObject(o, "bins");
    for (int b = 0; b < c->n_bins; b++) {
        const CalibrationBin *bin = &c->bin[b];
        cJSON *j = cJSON_CreateObject();
        add_count(j, "n", bin->n);
        add_count(j, "positives", bin->positives);
        add_number(j, "lowest", bin->lowest);
        add_number(j, "highest", bin->highest);
        add_number(j, "mean_score", bin->mean);
        add_number(j, "share", bin->share);
        add_number(j, "low", bin->low);
        add_number(j, "high", bin->high);
        (void)cJSON_AddItemToArray(bins, j);
    }
}

static void add_calibration(cJSON *o, const ClassifierReport *r) {
    cJSON *calibration = cJSON_AddObjectToObject(o, "calibration");
    add_count(calibration, "requested_bins", r->options.n_bins);
    for (int p = 0; p < N_PREDICTORS; p++) {
        if (p == PREDICTOR_ALL_POSITIVE) continue;
        cJSON *predictor = cJSON_AddObjectToObject(calibration, predictor_name(r, p));
        for (int s = 0; s < N_SUBSETS; s++) add_bins(predictor, subset_name(s), &r->calibration[s][p]);
    }
}

static void add_selection(cJSON *o, const ClassifierReport *r) {
    cJSON *selection = cJSON_AddObjectToObject(o, "selection");
    (void)cJSON_AddStringToObject(selection, "kept", model_name(r->kept));
    for (int k = 0; k < N_RIVALS; k++) {
        cJSON *model = cJSON_AddObjectToObject(selection, model_name((ModelKind)k));
        add_number(model, k == MODEL_BOOSTED ? "rounds" : "lambda", r->strength[k]);
        add_number(model, "fold_log_loss", r->fold_loss[k]);
        add_interval(model, "minus_logistic", &r->minus_plain[k]);
    }
}

/* What is applied: the weights of the logistic regression, or the number of trees; and how features were standardised. */
static void add_applied(cJSON *o, const Classifier *k) {
    cJSON *applied = cJSON_AddObjectToObject(o, "applied"), *features;
    bool logistic = k->kind != MODEL_BOOSTED;
    (void)cJSON_AddStringToObject(applied, "model", model_name(k->kind));
    add_number(applied, "bias", logistic ? k->logistic.bias : k->boosted.bias);
    if (!logistic) add_count(applied, "trees", k->boosted.n_rounds);
    features = cJSON_AddArrayToObject(applied, "weights");
    for (int f = 0; f < N_FEATURES; f++) {
        cJSON *w = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(w, "feature", feature_name((Feature)f));
        if (logistic) add_number(w, "weight", k->logistic.w[f]);
        add_number(w, "mean", k->mean[f]);
        add_number(w, "sd", k->scale[f]);
        (void)cJSON_AddItemToArray(features, w);
    }
}

cJSON *classifier_json(const Judged *judged, const Classifier *k, const ClassifierReport *report) {
    cJSON *o = cJSON_CreateObject();
    const Figures *all = &report->figures[0][PREDICTOR_CLASSIFIER];
    (void)cJSON_AddStringToObject(o, "filter", model_name(report->kept));
    add_count(o, "judged", judged->n);
    add_count(o, "judged_outside_data", judged->n_outside);
    add_count(o, "judged_malformed", judged->n_malformed);
    add_count(o, "train_rows", report->n_train);
    add_count(o, "train_items", report->train_items);
    add_count(o, "held_out_rows", report->n_held_out);
    add_count(o, "held_out_items", report->held_out_items);
    if (report->kept != MODEL_BOOSTED) add_number(o, "lambda", report->strength[report->kept]);
    add_number(o, "threshold", report->options.threshold);
    add_count(o, "resamples", report->options.resamples);
    add_count(o, "seed", (int64_t)report->options.seed);
    const Figure headline[] = {FIGURE_ACCURACY, FIGURE_AUC, FIGURE_F1};
    for (int i = 0; i < 3; i++)
        if (all->has[headline[i]]) add_number(o, figure_name(headline[i]), all->value[headline[i]]);
    if (all->n > 0) add_number(o, "base_rate", (double)all->positives / (double)all->n);
    add_selection(o, report);
    add_held_out(o, report);
    add_calibration(o, report);
    add_applied(o, k);
    return o;
}
