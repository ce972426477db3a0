/* tests/test_classifier.c -- logistic regression, the features' two rules of honesty, training on judged rows, 04_label. */
#include <math.h>

#include "base/json.h"
#include "base/rng.h"
#include "llm/label.h"
#include "llm_support.h"
#include "sid/textspace.h"

static Support s;

static void setup(void) { support_begin(&s); }
static void teardown(void) { support_end(&s); }

/* ---- logistic regression */

START_TEST(one_binary_feature_has_a_closed_form) {
    /* x = 0: 3 of 10 positive; x = 1: 8 of 10. Without penalty b = ln(3/7), b + w = ln(8/2). */
    double x[20];
    int y[20];
    for (int i = 0; i < 20; i++) {
        x[i] = i / 10;
        y[i] = i < 10 ? i < 3 : i < 18;
    }
    Logistic m;
    MUST(logistic_fit(20, 1, x, y, 1e-9, s.arena, &m));
    ck_assert(fabs(m.bias - log(3.0 / 7)) < 1e-6);
    ck_assert(fabs(m.bias + m.w[0] - log(4.0)) < 1e-6);
    ck_assert(fabs(logistic_predict(&m, x + 19) - 0.8) < 1e-6);
}
END_TEST

/* At the optimum the gradient is zero, and any step away raises the loss: checked without the code under test. */
START_TEST(the_solution_is_the_minimum) {
    enum { N = 57, P = 3 };
    const double lambda = 0.7;
    double x[N * P];
    int y[N];
    Rng rng = rng_make(5, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    for (int i = 0; i < N * P; i++) x[i] = rng_normal(&rng);
    for (int i = 0; i < N; i++) y[i] = x[i * P] - 0.5 * x[i * P + 2] + rng_normal(&rng) > 0.3;
    Logistic m;
    MUST(logistic_fit(N, P, x, y, lambda, s.arena, &m));
    double gradient[P + 1] = {0};
    for (int i = 0; i < N; i++) {
        double t = m.bias;
        for (int k = 0; k < P; k++) t += m.w[k] * x[i * P + k];
        double residual = 1 / (1 + exp(-t)) - y[i];
        for (int k = 0; k < P; k++) gradient[k] += residual * x[i * P + k];
        gradient[P] += residual;
    }
    for (int k = 0; k < P; k++) gradient[k] += lambda * m.w[k];
    for (int k = 0; k <= P; k++) ck_assert_msg(fabs(gradient[k]) < 1e-6, "gradient %d is %g", k, gradient[k]);
    ck_assert_int_lt(m.iterations, 30);
}
END_TEST

START_TEST(separable_data_stay_finite_and_one_class_is_refused) {
    double x[10] = {-5, -4, -3, -2, -1, 1, 2, 3, 4, 5};
    int y[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    Logistic m;
    MUST(logistic_fit(10, 1, x, y, 0.1, s.arena, &m));
    ck_assert(isfinite(m.w[0]) && m.w[0] > 1 && fabs(m.bias) < 1e-6);
    for (int i = 0; i < 10; i++) ck_assert((logistic_predict(&m, x + i) > 0.5) == y[i]);
    ck_assert_int_eq(logistic_fit(10, 1, x, ones, 0.1, s.arena, &m), E_INPUT);
    ck_assert_int_eq(logistic_fit(0, 1, x, y, 0.1, s.arena, &m), E_INPUT);
    x[3] = (double)NAN;
    ck_assert_int_eq(logistic_fit(10, 1, x, y, 0.1, s.arena, &m), E_NUMERIC);
}
END_TEST

/* ---- features */

static ItemInterests *mined(void) {
    Responses *cache;
    Mined out;
    MineSettings m = {.set = "mini", .top = 8};
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    MUST(mine_members("claude:mine/v1,claude:mine/v1-brief", "union", "paper/prompts", s.e, s.arena, &m));
    MUST(mine_replay(s.d, cache, s.e, &m, s.arena, &out));
    return out.items;
}

START_TEST(features_see_what_they_should) {
    ItemInterests *items = mined();
    FeatureCorpus *c = features_corpus(s.d, items, s.arena);
    double row[N_FEATURES];
    bool known[N_FEATURES];
    Arena *scratch = arena_create("scratch");
    int own = features_match(c, 4, "keeping an espresso grinder clean", scratch);
    ck_assert_int_ge(own, 0);
    const Interest *z = features_own(c, 4, own);
    features_compute(c, 4, z->text, own, z, scratch, row, known);
    for (int f = 0; f < N_FEATURES; f++) ck_assert_msg(known[f] && isfinite(row[f]), "%s", feature_name((Feature)f));
    ck_assert(fabs(row[FEATURE_CONFIDENCE] - z->confidence) < 1e-15 && fabs(row[FEATURE_WORDS] - 5) < 1e-15);
    ck_assert(row[FEATURE_PROJECT + (int)z->facet] > 0.5 && row[FEATURE_PRACTICE] + row[FEATURE_GOAL] + row[FEATURE_PROJECT] < 1.5);
    /* the item's own text: all of it, some of it, none of it */
    features_compute(c, 4, "removing old coffee grounds", -1, NULL, scratch, row, known);
    ck_assert(row[FEATURE_TEXT_SHARE] > 0.999 && row[FEATURE_TITLE_SHARE] < 0.001);
    features_compute(c, 4, "zzz qqq", -1, NULL, scratch, row, known);
    ck_assert(row[FEATURE_TEXT_SHARE] <= 0 && row[FEATURE_TEXT_COSINE] <= 0 && row[FEATURE_UNSEEN] > 0.999 && row[FEATURE_AFFINITY] <= 0);
    ck_assert(!known[FEATURE_CONFIDENCE] && !known[FEATURE_AGREEMENT] && !known[FEATURE_GOAL] && known[FEATURE_WORDS]);
    /* the twin's interest is a neighbour's, but an equal text does not vouch for itself */
    features_compute(c, 1, "keeping a greenhouse supplied", -1, NULL, scratch, row, known);
    ck_assert(row[FEATURE_NEAR_SHARE] <= 0 && row[FEATURE_NEAR_COSINE] < 0.5);
    features_compute(c, 1, "keeping greenhouses supplied well", -1, NULL, scratch, row, known);
    ck_assert(row[FEATURE_NEAR_SHARE] > 0.3 && row[FEATURE_NEAR_COSINE] > 0.5);
    arena_destroy(scratch);
}
END_TEST

/* The space of item texts: an item's whole text lies on its item, words of no text nowhere; two words that share a text are near, though neither is in the other's item. */
START_TEST(the_space_of_texts_is_an_embedding) {
    ItemInterests *items = mined();
    FeatureCorpus *c = features_corpus(s.d, items, s.arena);
    Arena *scratch = arena_create("scratch");
    double row[N_FEATURES], before;
    bool known[N_FEATURES];
    const ItemText *t = &s.d->text[1];
    const char *whole = arena_printf(s.arena, "%s %s %s %s %s %s", t->title, t->brand, t->categories, t->description, t->keywords, t->caption);
    features_compute(c, 1, whole, -1, NULL, scratch, row, known);
    ck_assert(known[FEATURE_TEXT_SPACE] && row[FEATURE_TEXT_SPACE] <= 0); /* no space yet */
    FeatureMatrix m = features_matrix(c, s.arena);
    ck_assert_int_eq(m.n_rows, s.d->N);
    for (int64_t i = 0; i < m.n_rows; i++) {
        double square = 0;
        for (int64_t e = m.indptr[i]; e < m.indptr[i + 1]; e++) square += m.value[e] * m.value[e];
        ck_assert(m.indptr[i] == m.indptr[i + 1] || fabs(square - 1) < 1e-12);
    }
    MUST(textspace_build(c, 64, 1, s.arena)); /* more than the rank */
    features_compute(c, 1, whole, -1, NULL, scratch, row, known);
    ck_assert_msg(fabs(row[FEATURE_TEXT_SPACE] - 1) < 1e-9, "%g", row[FEATURE_TEXT_SPACE]);
    features_compute(c, 4, "zzz qqq", -1, NULL, scratch, row, known);
    ck_assert(row[FEATURE_TEXT_SPACE] <= 0 && row[FEATURE_TEXT_SPACE] >= 0);
    features_compute(c, 0, whole, -1, NULL, scratch, row, known);
    before = row[FEATURE_TEXT_SPACE];
    ck_assert_msg(before > 0.01 && before < 0.3, "%g", before); /* the saw shares its brand with the barrels, and a word with the knee pads: tools */
    features_compute(c, 0, "tools", -1, NULL, scratch, row, known);
    ck_assert_msg(row[FEATURE_TEXT_SPACE] > 2 * row[FEATURE_TEXT_COSINE] && row[FEATURE_TEXT_COSINE] > 0, "%g, %g", row[FEATURE_TEXT_SPACE], row[FEATURE_TEXT_COSINE]);
    MUST(textspace_build(c, 1, 1, s.arena)); /* one dimension, that of the barrels */
    features_compute(c, 2, "water", -1, NULL, scratch, row, known);
    ck_assert(fabs(row[FEATURE_TEXT_SPACE] - 1) < 1e-9);
    arena_destroy(scratch);
}
END_TEST

START_TEST(an_interest_is_not_its_own_witness) {
    /* one interest per item, nothing in common with anything: no support from siblings, neighbours or counts */
    ItemInterests *items = ARENA_NEW(s.arena, ItemInterests, s.d->N);
    static const char *const member[] = {"x:a"};
    for (int64_t i = 0; i < s.d->N; i++) {
        items[i] = (ItemInterests){1, ARENA_NEW(s.arena, Interest, 1), false, 0};
        items[i].at[0] = (Interest){.text = arena_printf(s.arena, "unheard%c pursuit%c here%c", '1' + (int)i, '1' + (int)i, '1' + (int)i), .has_confidence = true, .confidence = 0.5, .n_agree = 1, .members = member};
    }
    FeatureCorpus *c = features_corpus(s.d, items, s.arena);
    double row[N_FEATURES], swapped[N_FEATURES];
    bool known[N_FEATURES];
    Arena *scratch = arena_create("scratch");
    const char *text = items[3].at[0].text;
    ck_assert_ptr_eq(features_donor(c, text), &items[3].at[0]);
    features_compute(c, 3, text, 0, &items[3].at[0], scratch, row, known);
    ck_assert(row[FEATURE_SIBLING_SHARE] <= 0 && row[FEATURE_SIBLING_COSINE] <= 0 && row[FEATURE_NEAR_SHARE] <= 0 && row[FEATURE_AFFINITY] <= 0);
    ck_assert(row[FEATURE_UNSEEN] > 0.999 && row[FEATURE_REUSED] <= 0);
    /* swapped to an item that shares nothing either: the same row, but for what only the own item can know */
    features_compute(c, 5, text, features_match(c, 5, text, scratch), &items[3].at[0], scratch, swapped, known);
    for (int f = 0; f < N_ALWAYS; f++) ck_assert_msg(fabs(row[f] - swapped[f]) < 1e-12, "%s", feature_name((Feature)f));
    ck_assert(!known[FEATURE_CONFIDENCE] && !known[FEATURE_AGREEMENT] && known[FEATURE_GOAL]);
    arena_destroy(scratch);
}
END_TEST

/* ---- training on judged rows */

/* n_groups items with 6 rows each; feature 0 carries `signal` times the label, the rest is noise. Planted rows do not know their confidence. */
static Judged synthetic(int n_groups, double signal, uint64_t seed) {
    Judged j = {.n = 6 * n_groups, .n_groups = n_groups};
    j.at = ARENA_NEW(s.arena, JudgedRow, j.n);
    Rng rng = rng_make(seed, RNG_STAGE_TEST, RNG_NOISE, 0, 1);
    for (int64_t i = 0; i < j.n; i++) {
        JudgedRow *r = &j.at[i];
        *r = (JudgedRow){.group = i / 6, .set = "t", .item = "i", .interest = "z", .origin = i % 6 < 4 ? ORIGIN_MINED : i % 6 == 4 ? ORIGIN_SWAPPED : ORIGIN_GENERIC};
        r->label = rng_uniform(&rng) < 0.6;
        for (int f = 0; f < N_FEATURES; f++) {
            r->row[f] = rng_normal(&rng);
            r->known[f] = f < N_ALWAYS || r->origin == ORIGIN_MINED;
        }
        r->row[0] += signal * (2 * r->label - 1);
    }
    return j;
}

static Status train(const Judged *j, uint64_t seed, Classifier *k, ClassifierReport *report) {
    const ClassifierOptions options = {seed, 0.5, 200, 10};
    return classifier_train(j, &options, s.arena, k, report);
}

static double figure(const ClassifierReport *r, int subset, int predictor, Figure f) {
    ck_assert(r->figures[subset][predictor].has[f]);
    return r->figures[subset][predictor].value[f];
}

START_TEST(separable_rows_are_learnt) {
    Judged j = synthetic(100, 4, 1);
    Classifier k;
    ClassifierReport report;
    MUST(train(&j, 7, &k, &report));
    ck_assert_int_eq(report.held_out_items, 25);
    ck_assert_int_eq(report.train_items, 75);
    ck_assert_int_eq(report.n_held_out, 150); /* whole items are held out */
    ck_assert_int_eq(report.n_train, 450);
    double auc = figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_AUC), loss = figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_LOG_LOSS);
    ck_assert_msg(auc > 0.99 && figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_ACCURACY) > 0.97, "AUC %g", auc);
    ck_assert(figure(&report, 0, PREDICTOR_CONFIDENCE, FIGURE_AUC) < 0.65 && fabs(figure(&report, 0, PREDICTOR_ALL_POSITIVE, FIGURE_AUC) - 0.5) < 1e-12);
    int64_t n = 0;
    for (int subset = 1; subset < N_SUBSETS; subset++) n += report.figures[subset][0].n;
    ck_assert_int_eq(n, 150);
    const Figures *all = &report.figures[0][PREDICTOR_ALL_POSITIVE];
    ck_assert(fabs(all->value[FIGURE_ACCURACY] - (double)all->positives / 150) < 1e-12 && !all->has[FIGURE_LOG_LOSS]);
    /* better than the confidence alone, and the interval says so */
    const Interval *better = &report.versus[0][PREDICTOR_CONFIDENCE][FIGURE_AUC];
    ck_assert(better->bounded && better->low > 0.2 && better->low < better->value && better->value < better->high);
    /* the same seed holds out the same items, another seed others */
    ClassifierReport again, other;
    MUST(train(&j, 7, &k, &again));
    ck_assert(memcmp(&again, &report, sizeof report) == 0);
    MUST(train(&j, 8, &k, &other));
    ck_assert(figure(&other, 0, PREDICTOR_CLASSIFIER, FIGURE_LOG_LOSS) != loss);
}
END_TEST

START_TEST(noise_is_not_learnt) {
    Classifier k;
    ClassifierReport report;
    double sum = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        Judged j = synthetic(150, 0, seed);
        MUST(train(&j, seed, &k, &report));
        double auc = figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_AUC);
        ck_assert_msg(fabs(auc - 0.5) < 0.15, "AUC %g on noise", auc);
        sum += auc;
    }
    ck_assert_msg(fabs(sum / 5 - 0.5) < 0.06, "mean AUC %g on noise", sum / 5);
}
END_TEST

/* Two rivals, each with a chance of 2.5 % to look better on noise. Kept without looking at the interval, a rival would win on about half of these sets. */
START_TEST(nothing_heavier_wins_on_noise) {
    Classifier k;
    ClassifierReport report;
    int kept = 0, lower = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        Judged j = synthetic(100, 0, seed);
        MUST(train(&j, seed, &k, &report));
        kept += report.kept != MODEL_LOGISTIC;
        lower += report.fold_loss[MODEL_LOGISTIC_SPACE] < report.fold_loss[MODEL_LOGISTIC] || report.fold_loss[MODEL_BOOSTED] < report.fold_loss[MODEL_LOGISTIC];
    }
    ck_assert_msg(kept <= 2 && lower > 5, "%d kept, %d lower", kept, lower);
}
END_TEST

/* The trap that the imputation is there for: mined rows are nearly all positive, planted rows all negative and without a confidence. A confidence that follows
 * another feature, and says nothing beyond it, must not become a tell of having been mined. */
START_TEST(an_unknown_confidence_is_no_tell) {
    Judged j = synthetic(200, 0, 3);
    Rng rng = rng_make(3, RNG_STAGE_TEST, RNG_NOISE, 0, 2);
    for (int64_t i = 0; i < j.n; i++) {
        JudgedRow *r = &j.at[i];
        bool is_mined = r->origin == ORIGIN_MINED;
        r->label = is_mined;
        r->row[0] = rng_normal(&rng) + (is_mined ? 0.8 : -0.8);
        r->row[FEATURE_CONFIDENCE] = 0.5 + 0.1 * r->row[0];
    }
    Classifier k;
    ClassifierReport report;
    MUST(train(&j, 1, &k, &report));
    ck_assert(k.logistic.w[0] > 0);
    ck_assert_msg(k.logistic.w[FEATURE_CONFIDENCE] > -0.05, "weight of the confidence: %g", k.logistic.w[FEATURE_CONFIDENCE]);
    ck_assert(fabs(k.logistic.w[FEATURE_TEXT_SPACE]) < 1e-12); /* the plain model does not look there */
    /* nor may a tree tell a value that was measured from one that was set to its expectation: it would tell planted rows from mined ones without looking at them */
    ck_assert_int_eq(report.kept, MODEL_LOGISTIC);
    ck_assert_msg(report.fold_loss[MODEL_BOOSTED] > report.fold_loss[MODEL_LOGISTIC] - 0.02, "%g, %g", report.fold_loss[MODEL_BOOSTED], report.fold_loss[MODEL_LOGISTIC]);
}
END_TEST

/* A heavier model is kept where it sees what the plain one cannot: labels by the signs of two features together; labels by the embedding. */
START_TEST(a_rival_that_wins_is_kept) {
    Judged j = synthetic(150, 0, 5);
    Classifier k;
    ClassifierReport report;
    for (int64_t i = 0; i < j.n; i++) j.at[i].label = (j.at[i].row[0] > 0) == (j.at[i].row[1] > 0);
    MUST(train(&j, 1, &k, &report));
    ck_assert(report.kept == MODEL_BOOSTED && k.kind == MODEL_BOOSTED && report.minus_plain[MODEL_BOOSTED].high < 0);
    ck_assert(report.rival[0] == MODEL_LOGISTIC && strcmp(predictor_name(&report, PREDICTOR_RIVAL), "logistic") == 0);
    double accuracy = figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_ACCURACY);
    ck_assert_msg(accuracy > 0.9 && figure(&report, 0, PREDICTOR_RIVAL, FIGURE_ACCURACY) < 0.7, "accuracy %g", accuracy);
    ck_assert(k.strength == k.boosted.n_rounds && (classifier_score(&k, j.at[0].row, j.at[0].known) > 0.5) == j.at[0].label);
    for (int64_t i = 0; i < j.n; i++) j.at[i].label = j.at[i].row[FEATURE_TEXT_SPACE] + 0.3 * j.at[i].row[0] > 0;
    MUST(train(&j, 1, &k, &report));
    ck_assert(report.kept == MODEL_LOGISTIC_SPACE && k.logistic.w[FEATURE_TEXT_SPACE] > 1);
    ck_assert(figure(&report, 0, PREDICTOR_CLASSIFIER, FIGURE_ACCURACY) > 0.95);
}
END_TEST

static bool has_number(const cJSON *tree, const char *a, const char *b, const char *c, const char *d) {
    const char *path[] = {a, b, c, d};
    for (int i = 0; i < 4 && path[i]; i++) tree = cJSON_GetObjectItemCaseSensitive(tree, path[i]);
    return cJSON_IsNumber(tree);
}

START_TEST(the_file_holds_what_is_defined_and_no_more) {
    Judged j = synthetic(100, 1, 1);
    Classifier k;
    ClassifierReport report;
    for (int64_t i = 0; i < j.n; i++)
        if (j.at[i].origin == ORIGIN_GENERIC) j.at[i].label = 0;
    MUST(train(&j, 7, &k, &report));
    cJSON *o = classifier_json(&j, &k, &report);
    ck_assert(has_number(o, "held_out", "classifier", "mined", "auc") && has_number(o, "held_out", "boosted", "all", "brier"));
    ck_assert(!has_number(o, "held_out", "classifier", "generic", "auc") && !has_number(o, "held_out", "classifier", "generic", "f1"));
    ck_assert(has_number(o, "held_out", "classifier", "generic", "accuracy") && has_number(o, "held_out", "classifier", "generic", "log_loss"));
    ck_assert(has_number(o, "held_out", "all_positive", "all", "auc") && !has_number(o, "held_out", "all_positive", "all", "log_loss"));
    const cJSON *minus = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "classifier_minus"), "confidence_only");
    ck_assert(has_number(minus, "all", "accuracy", "low", NULL) && !has_number(minus, "generic", "auc", "value", NULL));
    const cJSON *calibration = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "calibration"), "classifier");
    const cJSON *bins = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(calibration, "all"), "bins");
    int64_t n = 0;
    for (const cJSON *b = bins->child; b; b = b->next) n += cJSON_GetObjectItemCaseSensitive(b, "n")->valueint;
    ck_assert_int_eq(n, report.n_held_out);
    ck_assert_int_eq(cJSON_GetArraySize(bins), 10);
    ck_assert(has_number(o, "selection", "boosted", "minus_logistic", "high") && !has_number(o, "selection", "logistic", "minus_logistic", "high"));
    cJSON_Delete(o);
}
END_TEST

START_TEST(too_little_to_train_on_is_an_error) {
    Judged few = synthetic(10, 4, 1), one = synthetic(40, 4, 1);
    Classifier k;
    ClassifierReport report;
    ck_assert_int_eq(train(&few, 1, &k, &report), E_INPUT);
    for (int64_t i = 0; i < one.n; i++) one.at[i].label = 1;
    ck_assert_int_eq(train(&one, 1, &k, &report), E_INPUT);
}
END_TEST

START_TEST(judged_rows_are_gathered_once) {
    ItemInterests *items = mined();
    Responses *cache;
    Judged j = {0};
    MUST(responses_open(s.dir, s.arena, &cache));
    FeatureCorpus *c = features_corpus(s.d, items, s.arena);
    MUST(judged_gather(cache, "mini", "judge/v1", s.d, c, s.arena, &j));
    ck_assert_int_eq(j.n, 4);
    ck_assert_int_eq(j.n_groups, 2);
    ck_assert_int_eq(j.at[1].origin, ORIGIN_GENERIC);
    ck_assert(j.at[0].known[FEATURE_CONFIDENCE] && !j.at[1].known[FEATURE_CONFIDENCE] && !j.at[1].known[FEATURE_GOAL]);
    ck_assert(j.at[2].origin == ORIGIN_SWAPPED && !j.at[2].known[FEATURE_CONFIDENCE] && j.at[2].known[FEATURE_GOAL]);
    MUST(judged_gather(cache, "another set", "judge/v1", s.d, c, s.arena, &j));
    ck_assert_int_eq(j.n, 4);
}
END_TEST

/* ---- the program */

START_TEST(the_program_accepts_all_or_says_what_is_missing) {
    char *text;
    (void)support_cache(&s);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine --data %s/data --set mini --responses %s --out %s/mined", FIXTURE, s.dir, s.dir), &text), 0);
    const char *base = arena_printf(s.arena, "04_label --data %s/data --interests %s/mined --responses %s --set mini --out %s/labels", FIXTURE, s.dir, s.dir, s.dir);
    ck_assert_int_eq(support_run(&s, base, &text), 3); /* 2 judged items are too few */
    ck_assert_ptr_nonnull(strstr(text, "20 are needed"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --judged-sets nonsense", base), &text), 2);
    ck_assert(!path_exists(support_path(&s, "labels/manifest.json")));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --filter none", base), &text), 0);
    ItemInterests *items;
    MUST(interests_load(support_path(&s, "labels/labels.jsonl"), s.d->N, true, s.arena, &items));
    for (int64_t i = 0; i < s.d->N; i++) {
        ck_assert(items[i].has_quality && items[i].quality == 1);
        for (int k = 0; k < items[i].n; k++) ck_assert(items[i].at[k].label == 1);
    }
    ck_assert(path_exists(support_path(&s, "labels/manifest.json")) && path_exists(support_path(&s, "labels/classifier.json")));
    support_write(support_path(&s, "mined/interests.jsonl"), "{\"item\":0,\"interests\":[]}\n", 26);
    ck_assert_int_eq(support_run(&s, base, &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "interests.jsonl"));
}
END_TEST

/* The embedded sample through 00, 02, 03 and 04: every committed answer is found by its key, the classifier is worth having, threads do not change a byte. */
START_TEST(the_sample_end_to_end) {
    char *text;
    const char *dir = s.dir;
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "00_sample --category sports --users 1000 --out %s/raw", dir), &text), 0);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "02_preprocess --dataset sample-sports --raw %s/raw --out %s/data", dir, dir), &text), 0);
    const char *mine = arena_printf(s.arena, "03_mine --data %s/data --set sample-sports", dir);
    ck_assert_msg(support_run(&s, arena_printf(s.arena, "%s --mode verify", mine), &text) == 0, "%s", text);
    const char *members = "--members claude:mine/v1,claude:mine/v1-visual,claude:mine/v1-brief --on-drift refuse";
    ck_assert_msg(support_run(&s, arena_printf(s.arena, "%s %s --out %s/mined", mine, members, dir), &text) == 0, "%s", text);
    const char *label = arena_printf(s.arena, "04_label --data %s/data --interests %s/mined --set sample-sports", dir, dir);
    ck_assert_int_eq(setenv("OMP_NUM_THREADS", "1", 1), 0);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --out %s/one", label, dir), &text), 0);
    ck_assert_int_eq(setenv("OMP_NUM_THREADS", "2", 1), 0);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --out %s/two", label, dir), &text), 0);
    size_t n, m;
    const char *a = support_read(&s, support_path(&s, "one/labels.jsonl"), &n), *b = support_read(&s, support_path(&s, "two/labels.jsonl"), &m);
    ck_assert(n == m && memcmp(a, b, n) == 0);
    cJSON *json;
    double accuracy, auc, base;
    MUST(json_read_file(support_path(&s, "one/classifier.json"), &json));
    MUST(json_get_number("classifier.json", json, "accuracy", &accuracy));
    MUST(json_get_number("classifier.json", json, "auc", &auc));
    MUST(json_get_number("classifier.json", json, "base_rate", &base));
    ck_assert_msg(auc > 0.9 && accuracy > base + 0.1, "AUC %g, accuracy %g, base rate %g", auc, accuracy, base);
    cJSON_Delete(json);
    /* another set without judged interests of its own learns from this one */
    label = arena_printf(s.arena, "04_label --data %s/data --interests %s/mined --set unjudged", dir, dir);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --out %s/three", label, dir), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "--judged-sets"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --judged-sets sample-sports=%s/data:%s/mined --out %s/three", label, dir, dir, dir), &text), 0);
    b = support_read(&s, support_path(&s, "three/labels.jsonl"), &m);
    ck_assert(n == m && memcmp(a, b, n) == 0); /* here it is the same data under another name */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("classifier");
    TCase *t = tcase_create("classifier");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, one_binary_feature_has_a_closed_form);
    tcase_add_test(t, the_solution_is_the_minimum);
    tcase_add_test(t, separable_data_stay_finite_and_one_class_is_refused);
    tcase_add_test(t, features_see_what_they_should);
    tcase_add_test(t, the_space_of_texts_is_an_embedding);
    tcase_add_test(t, an_interest_is_not_its_own_witness);
    tcase_add_test(t, separable_rows_are_learnt);
    tcase_add_test(t, noise_is_not_learnt);
    tcase_add_test(t, nothing_heavier_wins_on_noise);
    tcase_add_test(t, an_unknown_confidence_is_no_tell);
    tcase_add_test(t, a_rival_that_wins_is_kept);
    tcase_add_test(t, the_file_holds_what_is_defined_and_no_more);
    tcase_add_test(t, too_little_to_train_on_is_an_error);
    tcase_add_test(t, judged_rows_are_gathered_once);
    tcase_add_test(t, the_program_accepts_all_or_says_what_is_missing);
    tcase_add_test(t, the_sample_end_to_end);
    suite_add_tcase(suite, t);
    return support_finish(suite);
}
