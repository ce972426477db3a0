/* llm/label.c -- see label.h. */
#include "llm/label.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "data/strtable.h"
#include "llm/answer.h"
#include "llm/quality.h"

enum { FOLDS = 5, MIN_ITEMS = 20, SHOWN_FAULTS = 5 };
static const double held_out_share = 0.25;
static const double lambdas[] = {0.1, 1, 10, 100};

static const char *const origin_names[N_ORIGINS] = {"mined", "swapped", "generic"};

const char *origin_name(Origin o) {
    REQUIRE((int)o >= 0 && o < N_ORIGINS, "origin %d", (int)o);
    return origin_names[o];
}

/* ---- judged rows */

static Status parse_origin(const Response *r, Origin *origin) {
    for (int o = 0; o < N_ORIGINS; o++)
        if (r->origin && strcmp(r->origin, origin_names[o]) == 0) {
            *origin = (Origin)o;
            return OK;
        }
    return FAIL(E_INPUT, "origins are mined, swapped and generic", "judged interest of item %s, set %s: origin \"%s\"", r->item, r->set, r->origin ? r->origin : "");
}

static Status add_row(const Response *r, int64_t item, int64_t group, int label, const FeatureCorpus *c, Arena *arena, Judged *judged) {
    size_t need = (size_t)judged->n + 1;
    ARENA_GROW(arena, judged->at, judged->capacity, need);
    JudgedRow *row = &judged->at[judged->n];
    *row = (JudgedRow){.group = group, .set = r->set, .item = r->item, .interest = r->interest, .label = label};
    TRY(parse_origin(r, &row->origin));
    Arena *scratch = arena_create("features");
    int own = features_match(c, item, r->interest, scratch);
    const Interest *known = features_own(c, item, own);
    if (!known) known = features_donor(c, r->interest);
    features_compute(c, item, r->interest, own, known, scratch, row->row, row->known);
    arena_destroy(scratch);
    judged->n++;
    return OK;
}

Status label_gather(const Responses *cache, const char *set, const char *template_id, const Dataset *d, const FeatureCorpus *c, Arena *arena, Judged *judged) {
    StringTable *ids = strtable_create(arena), *groups = strtable_create(arena);
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    for (int64_t k = 0; k < responses_count(cache); k++) {
        const Response *r = responses_at(cache, k);
        if (r->superseded || !r->interest || strcmp(r->set, set) != 0 || strcmp(r->template_id, template_id) != 0) continue;
        int64_t item = strtable_find(ids, r->item);
        int label;
        if (item < 0) judged->n_outside++;
        else if (!answer_parse_label(r->response, &label)) {
            if (judged->n_malformed++ < SHOWN_FAULTS) log_warn("set %s, item %s: malformed label \"%s\"", set, r->item, r->response);
        } else {
            TRY(add_row(r, item, judged->n_groups + strtable_add(groups, r->item), label, c, arena, judged));
        }
    }
    judged->n_groups += strtable_count(groups);
    return OK;
}

/* ---- fitting */

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
        for (int a = 0; a < N_ALWAYS; a++) x[a] = (r->row[a] - k->mean[a]) / k->scale[a];
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
            x[f] = (row[f] - k->mean[f]) / k->scale[f];
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
    if (k->model.n_weights == N_FEATURES) return logistic_predict(&k->model, x);
    return logistic_predict(&k->model, x + FEATURE_CONFIDENCE); /* confidence only */
}

/* n_weights: N_FEATURES, or 1 for the confidence alone (unknown ones at the mean, as nothing else is looked at). */
static Status fit(const Judged *judged, const int64_t *rows, int64_t n, int n_weights, double lambda, Arena *arena, Classifier *k) {
    standardise(k, judged, rows, n);
    k->expected = ARENA_NEW(arena, double, N_FEATURES * (N_ALWAYS + 1));
    for (int f = N_ALWAYS; f < N_FEATURES && n_weights > 1; f++) TRY(expect_feature(k, judged, rows, n, f, k->expected + (int64_t)f * (N_ALWAYS + 1)));
    k->lambda = lambda;
    Arena *scratch = arena_create("fit");
    double *x = ARENA_NEW(scratch, double, n * n_weights);
    int *y = ARENA_NEW(scratch, int, n);
    for (int64_t i = 0; i < n; i++) {
        const JudgedRow *r = &judged->at[rows[i]];
        double all[N_FEATURES];
        standard_row(k, r->row, r->known, all);
        memcpy(x + i * n_weights, n_weights == 1 ? all + FEATURE_CONFIDENCE : all, (size_t)n_weights * sizeof *x);
        y[i] = r->label;
    }
    Status status = logistic_fit(n, n_weights, x, y, lambda, arena, &k->model);
    arena_destroy(scratch);
    return status;
}

/* Rows whose group's part lies in [lo,hi) when `inside`, else the others. */
static int64_t select_rows(const Judged *judged, const int64_t *part, int64_t lo, int64_t hi, bool inside, int64_t *rows) {
    int64_t n = 0;
    for (int64_t i = 0; i < judged->n; i++) {
        int64_t p = part[judged->at[i].group];
        if ((p >= lo && p < hi) == inside) rows[n++] = i;
    }
    return n;
}

/* Sum of held-out log losses over the folds: groups with part >= first take part, part modulo FOLDS is the fold. */
static Status fold_loss(const Judged *judged, const int64_t *part, int64_t first, double lambda, double *loss) {
    Arena *arena = arena_create("folds");
    int64_t *train = ARENA_NEW(arena, int64_t, judged->n), *test = ARENA_NEW(arena, int64_t, judged->n);
    double *score = ARENA_NEW(arena, double, judged->n);
    int *label = ARENA_NEW(arena, int, judged->n);
    *loss = 0;
    Status status = OK;
    for (int fold = 0; fold < FOLDS && status == OK; fold++) {
        int64_t n_train = 0, n_test = 0;
        for (int64_t i = 0; i < judged->n; i++) {
            int64_t p = part[judged->at[i].group];
            if (p < first) continue;
            if (p % FOLDS == fold) test[n_test++] = i;
            else train[n_train++] = i;
        }
        Classifier k;
        status = fit(judged, train, n_train, N_FEATURES, lambda, arena, &k);
        for (int64_t i = 0; i < n_test && status == OK; i++) {
            const JudgedRow *r = &judged->at[test[i]];
            score[i] = classifier_score(&k, r->row, r->known);
            label[i] = r->label;
        }
        if (status == OK) *loss += binary_scores(n_test, score, label, 0.5, arena).log_loss * (double)n_test;
    }
    arena_destroy(arena);
    return status;
}

/* Figures over all rows and by origin. k NULL: everything is predicted 1, with equal scores. */
static void measure(const Judged *judged, const int64_t *rows, int64_t n, const Classifier *k, double threshold, BinaryScores *out) {
    Arena *scratch = arena_create("figures");
    double *score = ARENA_NEW(scratch, double, n);
    int *label = ARENA_NEW(scratch, int, n);
    for (int o = -1; o < N_ORIGINS; o++) {
        int64_t m = 0;
        for (int64_t i = 0; i < n; i++) {
            const JudgedRow *r = &judged->at[rows[i]];
            if (o >= 0 && r->origin != (Origin)o) continue;
            score[m] = k ? classifier_score(k, r->row, r->known) : 1;
            label[m++] = r->label;
        }
        out[1 + o] = binary_scores(m, score, label, threshold, scratch);
    }
    arena_destroy(scratch);
}

Status label_train(const Judged *judged, uint64_t seed, double threshold, Arena *arena, Classifier *final, ClassifierReport *report) {
    *report = (ClassifierReport){.threshold = threshold};
    if (judged->n_groups < MIN_ITEMS)
        return FAIL(E_INPUT, "judge more items, or name other judged sets with --judged-sets", "only %lld items have judged interests; %d are needed",
                    (long long)judged->n_groups, MIN_ITEMS);
    int64_t *part = ARENA_NEW(arena, int64_t, judged->n_groups), *train = ARENA_NEW(arena, int64_t, judged->n), *test = ARENA_NEW(arena, int64_t, judged->n);
    for (int64_t g = 0; g < judged->n_groups; g++) part[g] = g;
    Rng rng = rng_make(seed, RNG_STAGE_LABEL, RNG_SPLIT, 0, 0);
    rng_shuffle_i64(&rng, part, judged->n_groups);
    int64_t first = (int64_t)(held_out_share * (double)judged->n_groups);
    int64_t n_test = select_rows(judged, part, 0, first, true, test), n_train = select_rows(judged, part, 0, first, false, train);
    report->n_train = n_train;
    report->n_held_out = n_test;
    report->held_out_items = first;
    report->train_items = judged->n_groups - first;
    double best = 0;
    for (size_t l = 0; l < sizeof lambdas / sizeof *lambdas; l++) {
        double loss;
        TRY(fold_loss(judged, part, first, lambdas[l], &loss));
        if (l == 0 || loss < best) best = loss, report->lambda = lambdas[l];
    }
    Classifier held, confidence;
    TRY(fit(judged, train, n_train, N_FEATURES, report->lambda, arena, &held));
    TRY(fit(judged, train, n_train, 1, report->lambda, arena, &confidence));
    measure(judged, test, n_test, &held, threshold, report->classifier);
    measure(judged, test, n_test, &confidence, threshold, report->confidence_only);
    measure(judged, test, n_test, NULL, threshold, report->all_positive);
    int64_t n_all = select_rows(judged, part, 0, judged->n_groups, true, test);
    return fit(judged, test, n_all, N_FEATURES, report->lambda, arena, final);
}

/* ---- applying */

static Status apply_quality(ItemInterests *item, Arena *scratch) {
    double *confidence = ARENA_NEW(scratch, double, item->n);
    bool *has_confidence = ARENA_NEW(scratch, bool, item->n);
    int *label = ARENA_NEW(scratch, int, item->n);
    for (int j = 0; j < item->n; j++) {
        confidence[j] = item->at[j].confidence;
        has_confidence[j] = item->at[j].has_confidence;
        label[j] = item->at[j].label;
    }
    item->has_quality = item->n > 0;
    return item->n > 0 ? item_quality(item->n, confidence, has_confidence, label, &item->quality) : OK;
}

Status label_apply(const Classifier *k, const FeatureCorpus *c, double threshold, int64_t N, ItemInterests *items) {
#pragma omp parallel
    {
        Arena *scratch = arena_create("apply");
#pragma omp for schedule(dynamic, 16)
        for (int64_t i = 0; i < N; i++)
            for (int j = 0; j < items[i].n; j++) {
                Interest *z = &items[i].at[j];
                double row[N_FEATURES];
                bool known[N_FEATURES];
                features_compute(c, i, z->text, j, z, scratch, row, known);
                z->score = classifier_score(k, row, known);
                z->label = z->score >= threshold;
                z->has_label = true;
            }
        arena_destroy(scratch);
    }
    Arena *scratch = arena_create("quality");
    Status status = OK;
    for (int64_t i = 0; i < N && status == OK; i++) {
        ArenaMark mark = arena_mark(scratch);
        status = apply_quality(&items[i], scratch);
        arena_release(scratch, mark);
    }
    arena_destroy(scratch);
    return status;
}

void label_accept_all(int64_t N, ItemInterests *items) {
    for (int64_t i = 0; i < N; i++) {
        for (int j = 0; j < items[i].n; j++) {
            items[i].at[j].score = 1;
            items[i].at[j].label = 1;
            items[i].at[j].has_label = true;
        }
        items[i].has_quality = items[i].n > 0;
        items[i].quality = items[i].n > 0;
    }
}

/* ---- classifier.json */

static cJSON *scores_json(const BinaryScores *b) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "n", (double)b->n);
    cJSON_AddNumberToObject(o, "positives", (double)b->positives);
    cJSON_AddNumberToObject(o, "predicted_positive", (double)(b->true_positives + b->false_positives));
    cJSON_AddNumberToObject(o, "accuracy", b->accuracy);
    if (b->has_auc) cJSON_AddNumberToObject(o, "auc", b->auc);
    else cJSON_AddNullToObject(o, "auc");
    cJSON_AddNumberToObject(o, "f1", b->f1);
    cJSON_AddNumberToObject(o, "precision", b->precision);
    cJSON_AddNumberToObject(o, "recall", b->recall);
    cJSON_AddNumberToObject(o, "log_loss", b->log_loss);
    return o;
}

static void add_figures(cJSON *parent, const char *name, const BinaryScores *scores) {
    cJSON *o = cJSON_AddObjectToObject(parent, name);
    cJSON_AddItemToObject(o, "all", scores_json(&scores[0]));
    for (int k = 0; k < N_ORIGINS; k++) cJSON_AddItemToObject(o, origin_names[k], scores_json(&scores[1 + k]));
}

cJSON *label_json(const Judged *judged, const Classifier *k, const ClassifierReport *report) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "filter", "logistic");
    cJSON_AddNumberToObject(o, "judged", (double)judged->n);
    cJSON_AddNumberToObject(o, "judged_outside_data", (double)judged->n_outside);
    cJSON_AddNumberToObject(o, "judged_malformed", (double)judged->n_malformed);
    cJSON_AddNumberToObject(o, "train_rows", (double)report->n_train);
    cJSON_AddNumberToObject(o, "train_items", (double)report->train_items);
    cJSON_AddNumberToObject(o, "held_out_rows", (double)report->n_held_out);
    cJSON_AddNumberToObject(o, "held_out_items", (double)report->held_out_items);
    cJSON_AddNumberToObject(o, "lambda", report->lambda);
    cJSON_AddNumberToObject(o, "threshold", report->threshold);
    const BinaryScores *all = &report->classifier[0];
    cJSON_AddNumberToObject(o, "accuracy", all->accuracy);
    if (all->has_auc) cJSON_AddNumberToObject(o, "auc", all->auc);
    else cJSON_AddNullToObject(o, "auc");
    cJSON_AddNumberToObject(o, "f1", all->f1);
    cJSON_AddNumberToObject(o, "base_rate", all->n ? (double)all->positives / (double)all->n : 0);
    cJSON *held = cJSON_AddObjectToObject(o, "held_out");
    add_figures(held, "classifier", report->classifier);
    add_figures(held, "confidence_only", report->confidence_only);
    add_figures(held, "all_positive", report->all_positive);
    cJSON *applied = cJSON_AddObjectToObject(o, "applied");
    cJSON_AddNumberToObject(applied, "bias", k->model.bias);
    cJSON *weights = cJSON_AddArrayToObject(applied, "weights");
    for (int f = 0; f < N_FEATURES; f++) {
        cJSON *w = cJSON_CreateObject();
        cJSON_AddStringToObject(w, "feature", feature_name((Feature)f));
        cJSON_AddNumberToObject(w, "weight", k->model.w[f]);
        cJSON_AddNumberToObject(w, "mean", k->mean[f]);
        cJSON_AddNumberToObject(w, "sd", k->scale[f]);
        cJSON_AddItemToArray(weights, w);
    }
    return o;
}
