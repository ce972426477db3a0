/* llm/classifier.c -- see classifier.h. */
#include "llm/classifier.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { FOLDS = 5, MIN_ITEMS = 20, N_STRENGTHS = 5 };
static const double held_out_share = 0.25;
static const double strengths[N_RIVALS][N_STRENGTHS] = {[MODEL_LOGISTIC] = {0.1, 1, 10, 100, 1000}, [MODEL_LOGISTIC_SPACE] = {0.1, 1, 10, 100, 1000},
    [MODEL_BOOSTED] = {12, 25, 50, 100, 200}};

const char *model_name(ModelKind k) {
    static const char *const names[] = {"logistic", "logistic_space", "boosted", "confidence"};
    REQUIRE((int)k >= 0 && k <= MODEL_CONFIDENCE, "model %d", (int)k);
    return names[k];
}

const char *predictor_name(const ClassifierReport *report, int p) {
    static const char *const names[PREDICTOR_RIVAL] = {"classifier", "confidence_only", "all_positive"};
    REQUIRE(p >= 0 && p < N_PREDICTORS, "predictor %d", p);
    return p < PREDICTOR_RIVAL ? names[p] : model_name(report->rival[p - PREDICTOR_RIVAL]);
}

const char *subset_name(int subset) { return subset == 0 ? "all" : origin_name((Origin)(subset - 1)); }

/* ---- fitting */

/* What a model does not look at is 0 in its rows, and gets no weight. */
static bool looks_at(ModelKind kind, int f) { return kind != MODEL_LOGISTIC || f != FEATURE_TEXT_SPACE; }

/* How many columns a model is given: trees get those that are known of every row, the confidence alone is one. */
static int n_columns(ModelKind kind) { return kind == MODEL_CONFIDENCE ? 1 : kind == MODEL_BOOSTED ? N_ALWAYS : N_FEATURES; }

/* Mean and standard deviation of the known values; a constant feature gets scale 1. */
static void standardise(Classifier *k, const Judged *judged, const int64_t *rows, int64_t n) {
    for (int f = 0; f < N_FEATURES; f++) {
        double sum = 0, square = 0;
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++) {
            const JudgedRow *r = &judged->at[rows[i]];
            if (!r->known[f]) continue;
            sum += r->row[f];
            count++;
        }
        k->mean[f] = count ? sum / (double)count : 0;
        for (int64_t i = 0; i < n; i++) {
            const JudgedRow *r = &judged->at[rows[i]];
            if (r->known[f]) square += (r->row[f] - k->mean[f]) * (r->row[f] - k->mean[f]);
        }
        k->scale[f] = count && square > 1e-12 * (double)count ? sqrt(square / (double)count) : 1;
    }
}

/* Least squares, with a small ridge, of feature f on the always known ones (standardised), over the rows that know f. All-zero coefficients, hence the mean, when
 * too few rows do. Why not the mean for all: planted negatives have no confidence, and mined interests with little support have a low one; set to the mean, a
 * confidence would tell the two apart, and its weight would come out negative. */
static Status expect_feature(const Classifier *k, const Judged *judged, const int64_t *rows, int64_t n, int f, double *coefficients) {
    enum { P = N_ALWAYS + 1 };
    double xx[P * P] = {0}, xy[P] = {0};
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        const JudgedRow *r = &judged->at[rows[i]];
        if (!r->known[f]) continue;
        double x[P], y = (r->row[f] - k->mean[f]) / k->scale[f];
        for (int a = 0; a < N_ALWAYS; a++) x[a] = looks_at(k->kind, a) ? (r->row[a] - k->mean[a]) / k->scale[a] : 0;
        x[N_ALWAYS] = 1;
        for (int a = 0; a < P; a++) {
            xy[a] += x[a] * y;
            for (int b = 0; b <= a; b++) xx[a * P + b] += x[a] * x[b];
        }
        count++;
    }
    if (count < 2 * P) return OK;
    for (int a = 0; a < P; a++) xx[a * P + a] += 1;
    if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', P, 1, xx, P, xy, 1) != 0) return FAIL(E_NUMERIC, NULL, "regression of %s: not positive definite", feature_name((Feature)f));
    memcpy(coefficients, xy, sizeof xy);
    return OK;
}

static void standard_row(const Classifier *k, const double *row, const bool *known, double *x) {
    for (int f = 0; f < N_FEATURES; f++) {
        if (known[f]) {
            x[f] = looks_at(k->kind, f) ? (row[f] - k->mean[f]) / k->scale[f] : 0;
            continue;
        }
        const double *coefficients = k->expected + (int64_t)f * (N_ALWAYS + 1);
        x[f] = coefficients[N_ALWAYS];
        for (int a = 0; a < N_ALWAYS; a++) x[f] += coefficients[a] * x[a]; /* always known, and earlier */
    }
}

double classifier_score(const Classifier *k, const double *row, const bool *known) {
    double x[N_FEATURES];
    standard_row(k, row, known, x);
    switch (k->kind) {
    case MODEL_LOGISTIC:
    case MODEL_LOGISTIC_SPACE: return logistic_predict(&k->logistic, x);
    case MODEL_BOOSTED: return boosted_predict(&k->boosted, x);
    case MODEL_CONFIDENCE: return logistic_predict(&k->logistic, x + FEATURE_CONFIDENCE);
    }
    REQUIRE(false, "model %d", (int)k->kind);
    return 0;
}

/* For the confidence alone unknown ones are at the mean, as nothing else is looked at. */
static Status fit(const Judged *judged, const int64_t *rows, int64_t n, ModelKind kind, double strength, Arena *arena, Classifier *k) {
    bool alone = kind == MODEL_CONFIDENCE;
    int p = n_columns(kind);
    k->kind = kind;
    k->strength = strength;
    standardise(k, judged, rows, n);
    k->expected = ARENA_NEW(arena, double, N_FEATURES * (N_ALWAYS + 1));
    for (int f = N_ALWAYS; f < N_FEATURES && !alone; f++) TRY(expect_feature(k, judged, rows, n, f, k->expected + (int64_t)f * (N_ALWAYS + 1)));
    Arena *scratch = arena_create("fit");
    double *x = ARENA_NEW(scratch, double, n * p);
    int *y = ARENA_NEW(scratch, int, n);
    for (int64_t i = 0; i < n; i++) {
        const JudgedRow *r = &judged->at[rows[i]];
        double all[N_FEATURES];
        standard_row(k, r->row, r->known, all);
        memcpy(x + i * p, alone ? all + FEATURE_CONFIDENCE : all, (size_t)p * sizeof *x);
        y[i] = r->label;
    }
    Status status = kind == MODEL_BOOSTED ? boosted_fit(n, p, x, y, (int)strength, arena, &k->boosted) : logistic_fit(n, p, x, y, strength, arena, &k->logistic);
    arena_destroy(scratch);
    return status;
}

/* ---- choosing on the folds */

/* Rows whose group's part lies in [lo,hi). */
static int64_t select_rows(const Judged *judged, const int64_t *part, int64_t lo, int64_t hi, int64_t *rows) {
    int64_t n = 0;
    for (int64_t i = 0; i < judged->n; i++) {
        int64_t p = part[judged->at[i].group];
        if (p >= lo && p < hi) rows[n++] = i;
    }
    return n;
}

static double log_loss(double score, int label) {
    double p = fmin(fmax(score, 1e-12), 1 - 1e-12);
    return -log(label ? p : 1 - p);
}

/* Out-of-fold log loss of the n rows, those of groups with part >= first; part modulo FOLDS is the fold. loss out (n), *mean their mean. */
static Status fold_losses(const Judged *judged, const int64_t *part, const int64_t *rows, int64_t n, ModelKind kind, double strength, double *loss, double *mean) {
    Arena *arena = arena_create("folds");
    int64_t *train = ARENA_NEW(arena, int64_t, n);
    Status status = OK;
    *mean = 0;
    for (int fold = 0; fold < FOLDS && status == OK; fold++) {
        int64_t n_train = 0;
        for (int64_t i = 0; i < n; i++)
            if (part[judged->at[rows[i]].group] % FOLDS != fold) train[n_train++] = rows[i];
        Classifier k;
        status = fit(judged, train, n_train, kind, strength, arena, &k);
        for (int64_t i = 0; i < n && status == OK; i++) {
            const JudgedRow *r = &judged->at[rows[i]];
            if (part[r->group] % FOLDS != fold) continue;
            loss[i] = log_loss(classifier_score(&k, r->row, r->known), r->label);
            *mean += loss[i] / (double)n;
        }
    }
    arena_destroy(arena);
    return status;
}

/* The strength of each model, and which one is kept. */
static Status choose(const Judged *judged, const int64_t *part, const int64_t *rows, int64_t n, ClassifierReport *report) {
    Arena *arena = arena_create("choose");
    double *best[N_RIVALS], *loss = ARENA_NEW(arena, double, n), *difference = ARENA_NEW(arena, double, n);
    int64_t *group = ARENA_NEW(arena, int64_t, n);
    Status status = OK;
    for (int kind = 0; kind < N_RIVALS; kind++) {
        best[kind] = ARENA_NEW(arena, double, n);
        for (int s = 0; s < N_STRENGTHS && status == OK; s++) {
            double mean;
            status = fold_losses(judged, part, rows, n, (ModelKind)kind, strengths[kind][s], loss, &mean);
            if (status != OK || (s > 0 && !(mean < report->fold_loss[kind]))) continue;
            report->fold_loss[kind] = mean;
            report->strength[kind] = strengths[kind][s];
            memcpy(best[kind], loss, (size_t)n * sizeof *loss);
        }
    }
    for (int64_t i = 0; i < n; i++) group[i] = part[judged->at[rows[i]].group] - report->held_out_items;
    report->kept = MODEL_LOGISTIC;
    for (int kind = MODEL_LOGISTIC + 1; kind < N_RIVALS && status == OK; kind++) {
        for (int64_t i = 0; i < n; i++) difference[i] = best[kind][i] - best[MODEL_LOGISTIC][i];
        Interval *d = &report->minus_plain[kind];
        *d = figures_mean(n, difference, group, report->train_items, report->options.seed, report->options.resamples, arena);
        if (d->bounded && d->high < 0 && report->fold_loss[kind] < report->fold_loss[report->kept]) report->kept = (ModelKind)kind;
    }
    for (int kind = 0, r = 0; kind < N_RIVALS; kind++)
        if ((ModelKind)kind != report->kept) report->rival[r++] = (ModelKind)kind;
    arena_destroy(arena);
    return status;
}

/* ---- measuring on the held-out rows */

static void calibrate(const ScoredRows *rows, const bool *member, const double *score, int n_bins, Arena *scratch, Calibration *out) {
    double *s = ARENA_NEW(scratch, double, rows->n);
    int *label = ARENA_NEW(scratch, int, rows->n);
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        if (!member[i]) continue;
        s[n] = score[i];
        label[n++] = rows->label[i];
    }
    out->n_bins = calibration_bins(n, s, label, n_bins, out->bin, scratch);
    out->error = calibration_error(out->n_bins, out->bin);
}

/* model: of the predictors, NULL where everything is predicted 1. */
static void measure(const Judged *judged, const int64_t *part, const int64_t *test, int64_t n, const Classifier *const model[N_PREDICTORS], ClassifierReport *report) {
    const ClassifierOptions *o = &report->options;
    Arena *scratch = arena_create("figures");
    int64_t *group = ARENA_NEW(scratch, int64_t, n);
    int *label = ARENA_NEW(scratch, int, n);
    bool *member = ARENA_NEW(scratch, bool, n);
    Predictor predictor[N_PREDICTORS];
    for (int64_t i = 0; i < n; i++) {
        group[i] = part[judged->at[test[i]].group];
        label[i] = judged->at[test[i]].label;
    }
    for (int p = 0; p < N_PREDICTORS; p++) {
        double *score = ARENA_NEW(scratch, double, n);
        for (int64_t i = 0; i < n; i++) score[i] = model[p] ? classifier_score(model[p], judged->at[test[i]].row, judged->at[test[i]].known) : 1;
        predictor[p] = (Predictor){score, model[p] == NULL};
    }
    ScoredRows rows = {n, report->held_out_items, group, label, o->threshold};
    for (int subset = 0; subset < N_SUBSETS; subset++) {
        for (int64_t i = 0; i < n; i++) member[i] = subset == 0 || (int)judged->at[test[i]].origin == subset - 1;
        figures_bootstrap(&rows, member, N_PREDICTORS, predictor, o->seed, o->resamples, scratch, report->figures[subset], report->own[subset], report->versus[subset]);
        for (int p = 0; p < N_PREDICTORS; p++)
            if (!predictor[p].verdicts) calibrate(&rows, member, predictor[p].score, o->n_bins, scratch, &report->calibration[subset][p]);
    }
    arena_destroy(scratch);
}

Status classifier_train(const Judged *judged, const ClassifierOptions *options, Arena *arena, Classifier *final, ClassifierReport *report) {
    REQUIRE(options->n_bins >= 1 && options->n_bins <= MAX_BINS, "%d bins", options->n_bins);
    *report = (ClassifierReport){.options = *options};
    if (judged->n_groups < MIN_ITEMS)
        return FAIL(E_INPUT, "judge more items, or name other judged sets with --judged-sets", "only %lld items have judged interests; %d are needed",
                    (long long)judged->n_groups, MIN_ITEMS);
    int64_t *part = ARENA_NEW(arena, int64_t, judged->n_groups), *train = ARENA_NEW(arena, int64_t, judged->n), *test = ARENA_NEW(arena, int64_t, judged->n);
    for (int64_t g = 0; g < judged->n_groups; g++) part[g] = g;
    Rng rng = rng_make(options->seed, RNG_STAGE_LABEL, RNG_SPLIT, 0, 0);
    rng_shuffle_i64(&rng, part, judged->n_groups);
    report->held_out_items = (int64_t)(held_out_share * (double)judged->n_groups);
    report->train_items = judged->n_groups - report->held_out_items;
    report->n_held_out = select_rows(judged, part, 0, report->held_out_items, test);
    report->n_train = select_rows(judged, part, report->held_out_items, judged->n_groups, train);
    TRY(choose(judged, part, train, report->n_train, report));
    Classifier held[N_PREDICTORS];
    const Classifier *model[N_PREDICTORS] = {NULL};
    for (int p = 0; p < N_PREDICTORS; p++) {
        if (p == PREDICTOR_ALL_POSITIVE) continue;
        ModelKind kind = p == PREDICTOR_CLASSIFIER ? report->kept : p == PREDICTOR_CONFIDENCE ? MODEL_CONFIDENCE : report->rival[p - PREDICTOR_RIVAL];
        TRY(fit(judged, train, report->n_train, kind, report->strength[kind == MODEL_CONFIDENCE ? MODEL_LOGISTIC : kind], arena, &held[p]));
        model[p] = &held[p];
    }
    measure(judged, part, test, report->n_held_out, model, report);
    int64_t n_all = select_rows(judged, part, 0, judged->n_groups, test);
    return fit(judged, test, n_all, report->kept, report->strength[report->kept], arena, final);
}
