/* tests/test_figures.c -- figures of yes-or-no scores by hand, intervals by resampled items, calibration, and boosted trees. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/quantile.h"
#include "base/rng.h"
#include "llm/boosted.h"
#include "llm/figures.h"
#include "llm/logistic.h"
#include "suite.h"

static Arena *arena;

static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static bool near(double a, double b, double tolerance) { return fabs(a - b) <= tolerance; }

/* ---- figures */

START_TEST(figures_by_hand) {
    /* sorted: 0.1(0) 0.4(1) 0.4(0) 0.8(1) 0.9(1); pairs (positive, negative): 6; won: 0.4>0.1, 0.8>both, 0.9>both = 5, tied 0.4=0.4: 0.5 -> 5.5/6 */
    Figures f = figures_compute(5, (const double[]){0.9, 0.4, 0.1, 0.8, 0.4}, (const int[]){1, 0, 0, 1, 1}, NULL, NULL, 0.5, false, arena);
    for (int k = 0; k < N_FIGURES; k++) ck_assert_msg(f.has[k], "%s", figure_name((Figure)k));
    ck_assert(near(f.value[FIGURE_AUC], 5.5 / 6, 1e-12) && near(f.value[FIGURE_ACCURACY], 0.8, 1e-12) && near(f.value[FIGURE_PRECISION], 1, 1e-12));
    ck_assert(near(f.value[FIGURE_RECALL], 2.0 / 3, 1e-12) && near(f.value[FIGURE_F1], 0.8, 1e-12));
    ck_assert(near(f.value[FIGURE_LOG_LOSS], -(log(0.9) + log(0.6) + log(0.9) + log(0.8) + log(0.4)) / 5, 1e-12));
    ck_assert(near(f.value[FIGURE_BRIER], (0.01 + 0.16 + 0.01 + 0.04 + 0.36) / 5, 1e-12));
    ck_assert(f.n == 5 && f.positives == 3 && f.predicted == 2 && f.true_positives == 2);
    f = figures_compute(3, (const double[]){0.5, 0.5, 0.5}, (const int[]){1, 0, 1}, NULL, NULL, 0.5, false, arena);
    ck_assert(near(f.value[FIGURE_AUC], 0.5, 1e-12) && near(f.value[FIGURE_ACCURACY], 2.0 / 3, 1e-12)); /* at the threshold: positive */
    f = figures_compute(2, (const double[]){0.1, 0.2}, (const int[]){1, 0}, NULL, NULL, 0.5, false, arena);
    ck_assert(f.has[FIGURE_F1] && f.value[FIGURE_F1] <= 0 && f.value[FIGURE_F1] >= 0 && !f.has[FIGURE_PRECISION]); /* a positive that is missed: F1 is 0, and that is a figure */
}
END_TEST

START_TEST(what_is_not_defined_is_absent) {
    Figures f = figures_compute(2, (const double[]){1, 0}, (const int[]){1, 1}, NULL, NULL, 0.5, false, arena);
    ck_assert(!f.has[FIGURE_AUC] && f.has[FIGURE_F1] && isfinite(f.value[FIGURE_LOG_LOSS]));
    f = figures_compute(2, (const double[]){0.9, 0.2}, (const int[]){0, 0}, NULL, NULL, 0.5, false, arena);
    ck_assert(!f.has[FIGURE_AUC] && !f.has[FIGURE_F1] && !f.has[FIGURE_RECALL] && f.has[FIGURE_PRECISION] && near(f.value[FIGURE_ACCURACY], 0.5, 1e-12));
    f = figures_compute(2, (const double[]){1, 1}, (const int[]){0, 1}, NULL, NULL, 0.5, true, arena);
    ck_assert(!f.has[FIGURE_LOG_LOSS] && !f.has[FIGURE_BRIER] && f.has[FIGURE_AUC] && f.has[FIGURE_ACCURACY]);
    f = figures_compute(0, NULL, NULL, NULL, NULL, 0.5, false, arena);
    for (int k = 0; k < N_FIGURES; k++) ck_assert(!f.has[k]);
}
END_TEST

/* Pairs counted one by one; tied pairs are worth `tie`. */
static double naive_auc(int n, const double *score, const int *label, double tie) {
    double won = 0, pairs = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (!label[i] || label[j]) continue;
            pairs++;
            won += score[i] > score[j] ? 1 : score[i] < score[j] ? 0 : tie;
        }
    return won / pairs;
}

/* A weight is a number of copies: figures of weighted rows are those of the rows written out. AUC against pairs, and against a count that forgets ties. */
START_TEST(weights_are_copies_and_auc_is_pairs) {
    enum { N = 33, G = 7 };
    double score[N], long_score[3 * N];
    int label[N], long_label[3 * N];
    int64_t group[N];
    const int32_t weight[G] = {0, 1, 2, 3, 1, 0, 1};
    Rng r = rng_make(3, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    int n = 0;
    for (int i = 0; i < N; i++) {
        score[i] = (double)rng_below(&r, 9) / 8.5; /* many ties */
        label[i] = (int)rng_below(&r, 2);
        group[i] = i % G;
        for (int c = 0; c < weight[group[i]]; c++) {
            long_score[n] = score[i];
            long_label[n++] = label[i];
        }
    }
    Figures a = figures_compute(N, score, label, group, weight, 0.4, false, arena), b = figures_compute(n, long_score, long_label, NULL, NULL, 0.4, false, arena);
    ck_assert(a.n == n && a.positives == b.positives && a.predicted == b.predicted && a.true_positives == b.true_positives);
    for (int k = 0; k < N_FIGURES; k++) ck_assert_msg(a.has[k] && near(a.value[k], b.value[k], 1e-12), "%s: %g, %g", figure_name((Figure)k), a.value[k], b.value[k]);
    ck_assert(near(b.value[FIGURE_AUC], naive_auc(n, long_score, long_label, 0.5), 1e-12));
    ck_assert(!near(b.value[FIGURE_AUC], naive_auc(n, long_score, long_label, 0), 0.01) && !near(b.value[FIGURE_AUC], naive_auc(n, long_score, long_label, 1), 0.01));
}
END_TEST

/* ---- intervals */

START_TEST(quantiles_interpolate) {
    double x[] = {4, 1, 3, 2};
    quantile_sort(x, 4);
    ck_assert(near(quantile_of(x, 4, 0), 1, 0) && near(quantile_of(x, 4, 1), 4, 0) && near(quantile_of(x, 4, 0.5), 2.5, 1e-15) && near(quantile_of(x, 4, 0.25), 1.75, 1e-15));
    ck_assert(near(quantile_of(x, 1, 0.975), 1, 0));
}
END_TEST

enum { MOST = 400 };
typedef struct Case { double score[MOST]; int label[MOST]; int64_t group[MOST]; ScoredRows rows; } Case;

static void finish(Case *c, int64_t n, int64_t n_groups) { c->rows = (ScoredRows){n, n_groups, c->group, c->label, 0.5}; }

static Interval interval_of(const Case *c, const bool *member, uint64_t seed, int64_t resamples, Figure f) {
    Figures figures;
    Interval own[1][N_FIGURES], versus[1][N_FIGURES];
    figures_bootstrap(&c->rows, member, 1, &(Predictor){c->score, false}, seed, resamples, arena, &figures, own, versus);
    ck_assert(own[0][f].has == figures.has[f] && !versus[0][f].has);
    return own[0][f];
}

START_TEST(degenerate_resamples) {
    static Case c;
    /* two items, one all right, one all wrong: a resample has accuracy 0, 1/2 or 1 with chances 1/4, 1/2, 1/4 */
    for (int i = 0; i < 10; i++) {
        c.label[i] = 1;
        c.group[i] = i / 5;
        c.score[i] = i < 5 ? 0.9 : 0.1;
    }
    finish(&c, 10, 2);
    Interval i = interval_of(&c, NULL, 1, 2000, FIGURE_ACCURACY);
    ck_assert(i.bounded && near(i.value, 0.5, 1e-12) && near(i.low, 0, 0) && near(i.high, 1, 0));
    ck_assert(!interval_of(&c, NULL, 1, 2000, FIGURE_AUC).has);
    finish(&c, 5, 1); /* one item: every resample is the sample */
    i = interval_of(&c, NULL, 1, 200, FIGURE_LOG_LOSS);
    ck_assert(i.bounded && near(i.low, i.value, 1e-15) && near(i.high, i.value, 1e-15));
    /* a lonely negative is left out of about a third of the resamples of its items: the AUC is there, an interval is not */
    for (int k = 0; k < 40; k++) {
        c.label[k] = k != 3;
        c.group[k] = k / 4;
        c.score[k] = k / 40.0;
    }
    finish(&c, 40, 10);
    i = interval_of(&c, NULL, 1, 1000, FIGURE_AUC);
    ck_assert(i.has && !i.bounded && near(i.value, 36.0 / 39, 1e-12));
    ck_assert(interval_of(&c, NULL, 1, 1000, FIGURE_BRIER).bounded);
    bool nothing[40] = {false};
    ck_assert(!interval_of(&c, nothing, 1, 200, FIGURE_ACCURACY).has);
}
END_TEST

/* Ten rows of an item that say the same are one observation. Items as they are, against the broken twin that takes every row for an item of its own. */
START_TEST(items_are_drawn_not_rows) {
    static Case c;
    enum { ITEMS = 40, ROWS = 10 };
    Rng r = rng_make(5, RNG_STAGE_TEST, RNG_NOISE, 0, 1);
    for (int g = 0; g < ITEMS; g++) {
        double score = rng_uniform(&r);
        for (int k = 0; k < ROWS; k++) {
            c.score[g * ROWS + k] = score;
            c.label[g * ROWS + k] = 1;
            c.group[g * ROWS + k] = g;
        }
    }
    finish(&c, ITEMS * ROWS, ITEMS);
    Interval items = interval_of(&c, NULL, 1, 2000, FIGURE_ACCURACY), same = interval_of(&c, NULL, 1, 2000, FIGURE_ACCURACY), other = interval_of(&c, NULL, 2, 2000, FIGURE_BRIER);
    ck_assert(memcmp(&items.low, &same.low, sizeof same.low) == 0 && memcmp(&items.high, &same.high, sizeof same.high) == 0);
    ck_assert(other.low != interval_of(&c, NULL, 1, 2000, FIGURE_BRIER).low);
    /* the mean over the 40 items has this standard error; 95 % is 1.96 of it on either side */
    double se = sqrt(items.value * (1 - items.value) / ITEMS);
    ck_assert_msg(near(items.high - items.low, 2 * 1.96 * se, 0.2 * 2 * 1.96 * se), "width %g, standard error %g", items.high - items.low, se);
    for (int i = 0; i < ITEMS * ROWS; i++) c.group[i] = i;
    finish(&c, ITEMS * ROWS, ITEMS * ROWS);
    Interval twin = interval_of(&c, NULL, 1, 2000, FIGURE_ACCURACY);
    double ratio = (items.high - items.low) / (twin.high - twin.low);
    ck_assert_msg(ratio > 2.5 && ratio < 4, "ratio %g, sqrt(10) is 3.16", ratio);
}
END_TEST

START_TEST(differences_are_paired) {
    static Case c;
    double twin[MOST], better[MOST];
    enum { N = 120 };
    Rng r = rng_make(6, RNG_STAGE_TEST, RNG_NOISE, 0, 2);
    for (int i = 0; i < N; i++) {
        c.label[i] = (int)rng_below(&r, 2);
        c.group[i] = i / 3;
        c.score[i] = twin[i] = rng_uniform(&r);
        better[i] = i % 12 == 0 ? 0.2 + 0.6 * c.label[i] : c.score[i]; /* right where the other guesses, on one row of twelve */
    }
    finish(&c, N, N / 3);
    Figures figures[3];
    Interval own[3][N_FIGURES], versus[3][N_FIGURES];
    const Predictor predictor[] = {{better, false}, {twin, false}, {better, true}};
    figures_bootstrap(&c.rows, NULL, 3, predictor, 1, 1000, arena, figures, own, versus);
    const Interval *d = &versus[1][FIGURE_LOG_LOSS];
    ck_assert(d->bounded && near(d->value, own[0][FIGURE_LOG_LOSS].value - own[1][FIGURE_LOG_LOSS].value, 1e-12));
    ck_assert(d->high - d->low < 0.7 * (own[0][FIGURE_LOG_LOSS].high - own[0][FIGURE_LOG_LOSS].low)); /* what they share cancels */
    ck_assert(versus[1][FIGURE_ACCURACY].low >= 0);                                                  /* never worse in any resample */
    ck_assert(versus[2][FIGURE_AUC].bounded && near(versus[2][FIGURE_AUC].low, 0, 0) && near(versus[2][FIGURE_AUC].high, 0, 0)); /* equal scores */
    ck_assert(!versus[2][FIGURE_BRIER].has && !own[2][FIGURE_BRIER].has);                             /* a predictor without probabilities */
    for (int k = 0; k < N_FIGURES; k++) ck_assert(!versus[0][k].has);
    double x[N];
    for (int i = 0; i < N; i++) x[i] = (better[i] >= 0.5) == c.label[i];
    Interval mean = figures_mean(N, x, c.group, N / 3, 1, 1000, arena); /* the same draws */
    ck_assert(near(mean.value, own[0][FIGURE_ACCURACY].value, 1e-12) && near(mean.low, own[0][FIGURE_ACCURACY].low, 1e-12) && near(mean.high, own[0][FIGURE_ACCURACY].high, 1e-12));
    ck_assert(!figures_mean(0, x, c.group, 1, 1, 200, arena).has);
}
END_TEST

/* ---- calibration */

/* Newcombe (1998), table I, method 3, to four decimals. */
START_TEST(wilson_is_wilson) {
    static const struct { int64_t k, n; double low, high; } known[] = {{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double low, high, mirror_low, mirror_high, p = (double)known[i].k / (double)known[i].n;
        wilson_interval(known[i].k, known[i].n, &low, &high);
        ck_assert_msg(near(low, known[i].low, 5e-5) && near(high, known[i].high, 5e-5), "%lld/%lld: %g %g", (long long)known[i].k, (long long)known[i].n, low, high);
        wilson_interval(known[i].n - known[i].k, known[i].n, &mirror_low, &mirror_high);
        ck_assert(near(mirror_low, 1 - high, 1e-12) && near(mirror_high, 1 - low, 1e-12));
        ck_assert(!near(high, p + 1.96 * sqrt(p * (1 - p) / (double)known[i].n), 1e-3)); /* the textbook interval is another one */
    }
}
END_TEST

START_TEST(bins_by_hand) {
    /* 7 rows in 3 bins: ends at 2, 4, 7; the tie 0.3 0.3 holds row 3 back in the first bin */
    const double score[] = {0.8, 0.1, 0.3, 0.9, 0.3, 0.5, 0.7};
    const int label[] = {1, 0, 1, 1, 0, 0, 1};
    CalibrationBin bin[5];
    ck_assert_int_eq(calibration_bins(7, score, label, 3, bin, arena), 3);
    ck_assert(bin[0].n == 3 && bin[0].positives == 1 && near(bin[0].lowest, 0.1, 0) && near(bin[0].highest, 0.3, 0) && near(bin[0].mean, 0.7 / 3, 1e-15));
    ck_assert(bin[1].n == 1 && bin[1].positives == 0 && near(bin[1].mean, 0.5, 0));
    ck_assert(bin[2].n == 3 && bin[2].positives == 3 && near(bin[2].mean, 0.8, 1e-15) && near(bin[2].share, 1, 0) && near(bin[2].high, 1, 0));
    ck_assert(near(calibration_error(3, bin), (3 * fabs(1.0 / 3 - 0.7 / 3) + 0.5 + 3 * 0.2) / 7, 1e-12));
    /* equal scores are one bin, whatever is asked for; more bins than rows are as many as rows */
    const double equal[] = {0.4, 0.4, 0.4, 0.4};
    ck_assert_int_eq(calibration_bins(4, equal, label, 3, bin, arena), 1);
    ck_assert(bin[0].n == 4 && near(bin[0].share, 0.75, 1e-15) && near(calibration_error(1, bin), 0.35, 1e-12));
    ck_assert_int_eq(calibration_bins(3, (const double[]){0.1, 0.2, 0.3}, label, 5, bin, arena), 3);
    ck_assert_int_eq(calibration_bins(0, NULL, NULL, 3, bin, arena), 0);
}
END_TEST

/* Labels drawn with the very probabilities that are said are calibrated; their broken twin says the square of them. */
START_TEST(honest_scores_have_a_small_error) {
    enum { N = 20000 };
    double *honest = ARENA_NEW(arena, double, N), *twin = ARENA_NEW(arena, double, N);
    int *label = ARENA_NEW(arena, int, N);
    CalibrationBin bin[10];
    Rng r = rng_make(7, RNG_STAGE_TEST, RNG_NOISE, 0, 3);
    for (int i = 0; i < N; i++) {
        honest[i] = rng_uniform(&r);
        twin[i] = honest[i] * honest[i];
        label[i] = rng_uniform(&r) < honest[i];
    }
    int n = calibration_bins(N, honest, label, 10, bin, arena), inside = 0;
    for (int b = 0; b < n; b++) inside += bin[b].mean >= bin[b].low && bin[b].mean <= bin[b].high && bin[b].n == N / 10;
    ck_assert_int_ge(inside, 8);
    ck_assert(calibration_error(n, bin) < 0.02);
    n = calibration_bins(N, twin, label, 10, bin, arena);
    ck_assert(calibration_error(n, bin) > 0.15); /* mean of x - x^2 is 1/6 */
}
END_TEST

/* ---- boosted trees */

START_TEST(one_round_by_hand) {
    /* x = 0: 5 of 20 positive, x = 1: 15 of 20. F_0 = 0, every mu 1/2: G = 10 - 5 and 10 - 15, H = 20/4 -> leaves -0.1 * 5/6 and +0.1 * 5/6 */
    double x[40];
    int y[40];
    for (int i = 0; i < 40; i++) {
        x[i] = i / 20;
        y[i] = i < 20 ? i < 5 : i < 35;
    }
    Boosted m;
    MUST(boosted_fit(40, 1, x, y, 1, arena, &m));
    ck_assert(near(m.bias, 0, 1e-15) && m.tree[0].feature[0] == 0 && m.tree[0].feature[1] < 0 && m.tree[0].feature[2] < 0);
    ck_assert(near(boosted_predict(&m, (const double[]){0}), 1 / (1 + exp(0.1 * 5 / 6)), 1e-15) && near(boosted_predict(&m, (const double[]){1}), 1 / (1 + exp(-0.1 * 5 / 6)), 1e-15));
    MUST(boosted_fit(40, 1, x, y, 300, arena, &m)); /* in the end: the shares, drawn a little to the middle by the penalty */
    ck_assert(near(boosted_predict(&m, (const double[]){0}), 0.25, 0.01) && near(boosted_predict(&m, (const double[]){1}), 0.75, 0.01));
    /* fewer than 10 rows on a side are no question */
    for (int i = 0; i < 40; i++) x[i] = i < 9;
    MUST(boosted_fit(40, 1, x, y, 5, arena, &m));
    ck_assert(m.tree[0].feature[0] < 0 && near(boosted_predict(&m, (const double[]){0}), boosted_predict(&m, (const double[]){1}), 1e-15));
}
END_TEST

START_TEST(trees_see_what_a_line_cannot) {
    enum { N = 600, P = 3 };
    double *x = ARENA_NEW(arena, double, N * P);
    int *y = ARENA_NEW(arena, int, N);
    Rng r = rng_make(8, RNG_STAGE_TEST, RNG_NOISE, 0, 4);
    for (int i = 0; i < N * P; i++) x[i] = rng_normal(&r);
    for (int i = 0; i < N; i++) y[i] = (x[i * P] > 0) == (x[i * P + 2] > 0);
    Boosted m;
    Logistic line;
    int right = 0, line_right = 0;
    MUST(boosted_fit(N / 2, P, x, y, 200, arena, &m));
    MUST(logistic_fit(N / 2, P, x, y, 1, arena, &line));
    for (int i = N / 2; i < N; i++) {
        right += (boosted_predict(&m, x + i * P) > 0.5) == y[i];
        line_right += (logistic_predict(&line, x + i * P) > 0.5) == y[i];
    }
    ck_assert_msg(right > 0.9 * N / 2 && line_right < 0.65 * N / 2, "%d and %d of %d", right, line_right, N / 2);
    int ones[3] = {1, 1, 1};
    ck_assert_int_eq(boosted_fit(3, P, x, ones, 5, arena, &m), E_INPUT);
    x[7] = (double)NAN;
    ck_assert_int_eq(boosted_fit(N, P, x, y, 5, arena, &m), E_NUMERIC);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("figures");
    TCase *t = tcase_create("figures");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, figures_by_hand);
    tcase_add_test(t, what_is_not_defined_is_absent);
    tcase_add_test(t, weights_are_copies_and_auc_is_pairs);
    tcase_add_test(t, quantiles_interpolate);
    tcase_add_test(t, degenerate_resamples);
    tcase_add_test(t, items_are_drawn_not_rows);
    tcase_add_test(t, differences_are_paired);
    tcase_add_test(t, wilson_is_wilson);
    tcase_add_test(t, bins_by_hand);
    tcase_add_test(t, honest_scores_have_a_small_error);
    tcase_add_test(t, one_round_by_hand);
    tcase_add_test(t, trees_see_what_a_line_cannot);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
