/* llm/label.h -- RLDI: the binary classifier of interests. Judged interests (template judge/v1) train it, every merged interest gets its verdict.
 *
 * Judged rows have an origin. `mined`: an interest of that very item. `swapped`: one of another item; `generic`: an empty phrase. The judge's own label counts in every
 * case (a swapped interest that happens to fit is a positive). Items, not rows, are split: 25 % are held out, and every figure is of those; the strength of the penalty
 * is chosen by log loss in 5 folds of the other items. The classifier that is applied is then fitted again on all rows with that penalty.
 *
 * Deviations from the paper: its classifier (a fine-tuned language model) and its judged data are not published; this is a logistic regression on FEATURES (features.h).
 */
#ifndef DIGR_LLM_LABEL_H
#define DIGR_LLM_LABEL_H

#include <stdint.h>
#include <cjson/cJSON.h>

#include "data/dataset.h"
#include "llm/features.h"
#include "llm/interests.h"
#include "llm/logistic.h"
#include "llm/responses.h"

typedef enum Origin { ORIGIN_MINED, ORIGIN_SWAPPED, ORIGIN_GENERIC, N_ORIGINS } Origin;

const char *origin_name(Origin o);

/* Judged rows, growing: label_gather adds those of one set. */
typedef struct Judged {
    int64_t n, n_groups, n_outside, n_malformed; /* outside: the item is not in the data set */
    size_t capacity;
    struct JudgedRow *at;
} Judged;

typedef struct JudgedRow {
    int64_t group;             /* item, numbered over all sets */
    const char *set, *item, *interest;
    Origin origin;
    int label;
    double row[N_FEATURES];
    bool known[N_FEATURES];
} JudgedRow;

/* label_gather -- the judged interests of `set` that `template_id` recorded, with their features. Malformed labels are counted; an unknown origin is E_INPUT. */
Status label_gather(const Responses *cache, const char *set, const char *template_id, const Dataset *d, const FeatureCorpus *c, Arena *arena, Judged *judged);

typedef struct Classifier {
    double mean[N_FEATURES], scale[N_FEATURES]; /* of the known values of the rows it was fitted on */
    double *expected;                           /* (N_FEATURES, N_ALWAYS+1) what an unknown feature is set to: intercept and slopes on the features that are always known */
    Logistic model;
    double lambda;
} Classifier;

typedef struct ClassifierReport {
    int64_t n_train, n_held_out, train_items, held_out_items;
    double threshold, lambda;
    /* held-out figures: [0] all rows, [1 + origin] */
    BinaryScores classifier[1 + N_ORIGINS], confidence_only[1 + N_ORIGINS], all_positive[1 + N_ORIGINS];
} ClassifierReport;

/* label_train -- split, choose lambda, fit, measure, fit again on all rows. E_INPUT: fewer than 20 judged items, or one class only. */
Status label_train(const Judged *judged, uint64_t seed, double threshold, Arena *arena, Classifier *final, ClassifierReport *report);

double classifier_score(const Classifier *k, const double *row, const bool *known);

/* label_apply -- score, label and quality of every interest of every item. E_INPUT: quality undefined (see quality.h). */
Status label_apply(const Classifier *k, const FeatureCorpus *c, double threshold, int64_t N, ItemInterests *items);

/* label_accept_all -- the ablation without RLDI: score 1, label 1, quality 1 where an item has interests. */
void label_accept_all(int64_t N, ItemInterests *items);

/* label_json -- classifier.json: figures by origin, and the weights in units of one standard deviation. */
cJSON *label_json(const Judged *judged, const Classifier *k, const ClassifierReport *report);

#endif
