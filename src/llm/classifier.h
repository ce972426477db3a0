/* llm/classifier.h -- RLDI: the binary classifier of interests, fitted to judged rows, and how good it is on items it has not seen.
 *
 * Items, not rows, are split: 25 % are held out, and every figure is of those. The strength of each model (penalty, or rounds) is chosen by log loss in 5 folds of the
 * other items. Three models compete there:
 *   logistic        logistic regression on all FEATURES (features.h) but text_space
 *   logistic_space  the same with text_space, the similarity of interest and item text as embeddings
 *   boosted         boosted trees (boosted.h) on the features that are known of every row. They see nothing else, because a tree can tell a value that was set to its
 *                   expectation from one that was measured (it lies off the grid of the others), and planted rows are those with unknown values
 * The plain one is kept unless a heavier one's out-of-fold log loss is lower by more than chance: the 95 % interval of the difference (figures.h, items drawn) lies below
 * zero; of several such, the one with the lowest loss. The held-out items choose nothing. What is applied is then fitted again on all rows, with its chosen strength.
 *
 * Deviations from the paper: its classifier (a fine-tuned language model) and its judged data are not published; this is what is described above.
 */
#ifndef DIGR_LLM_CLASSIFIER_H
#define DIGR_LLM_CLASSIFIER_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "llm/boosted.h"
#include "llm/figures.h"
#include "llm/judged.h"
#include "llm/logistic.h"

typedef enum ModelKind { MODEL_LOGISTIC, MODEL_LOGISTIC_SPACE, MODEL_BOOSTED, N_RIVALS, MODEL_CONFIDENCE = N_RIVALS } ModelKind; /* confidence: logistic regression on it alone */

const char *model_name(ModelKind k);

typedef struct Classifier {
    ModelKind kind;
    double strength;                            /* lambda, or number of rounds */
    double mean[N_FEATURES], scale[N_FEATURES]; /* of the known values of the rows it was fitted on */
    double *expected;                           /* (N_FEATURES, N_ALWAYS+1) what an unknown feature is set to: intercept and slopes on the features that are always known */
    Logistic logistic;
    Boosted boosted;
} Classifier;

typedef struct ClassifierOptions {
    uint64_t seed;      /* of the split and of the intervals */
    double threshold;   /* probability from which the label is 1 */
    int64_t resamples;  /* of the items, for intervals; at least 2 */
    int n_bins;         /* of the calibration, 1 to MAX_BINS */
} ClassifierOptions;

/* What is measured on the held-out rows: the model that is kept, confidence alone, "all positive", and the models that are not kept. */
typedef enum PredictorId { PREDICTOR_CLASSIFIER, PREDICTOR_CONFIDENCE, PREDICTOR_ALL_POSITIVE, PREDICTOR_RIVAL, N_PREDICTORS = PREDICTOR_RIVAL + N_RIVALS - 1 } PredictorId;
enum { N_SUBSETS = 1 + N_ORIGINS, MAX_BINS = 50 }; /* subsets: [0] all rows, [1 + origin] */

const char *subset_name(int subset);

typedef struct Calibration { int n_bins; double error; CalibrationBin bin[MAX_BINS]; } Calibration;

typedef struct ClassifierReport {
    ClassifierOptions options;
    int64_t n_train, n_held_out, train_items, held_out_items;
    ModelKind kept, rival[N_RIVALS - 1]; /* rival: the others, in order */
    double strength[N_RIVALS], fold_loss[N_RIVALS]; /* chosen, and its mean log loss over the folds */
    Interval minus_plain[N_RIVALS];                 /* mean log loss over the folds, minus that of MODEL_LOGISTIC; [MODEL_LOGISTIC] is absent */
    Figures figures[N_SUBSETS][N_PREDICTORS];
    Interval own[N_SUBSETS][N_PREDICTORS][N_FIGURES];
    Interval versus[N_SUBSETS][N_PREDICTORS][N_FIGURES]; /* the classifier minus that predictor */
    Calibration calibration[N_SUBSETS][N_PREDICTORS];    /* of predictors that give probabilities */
} ClassifierReport;

/* classifier_train -- split, choose, fit, measure, fit again on all rows. E_INPUT: fewer than 20 judged items, or one class only. */
Status classifier_train(const Judged *judged, const ClassifierOptions *options, Arena *arena, Classifier *final, ClassifierReport *report);

/* predictor_name -- "classifier", "confidence_only", "all_positive"; of a rival the name of its model. */
const char *predictor_name(const ClassifierReport *report, int predictor);

double classifier_score(const Classifier *k, const double *row, const bool *known);

/* classifier_json -- classifier.json: figures by origin with intervals, comparisons, calibration, and the weights in units of one standard deviation. What is not
 * defined is not there. (classifier_json.c) */
cJSON *classifier_json(const Judged *judged, const Classifier *k, const ClassifierReport *report);

#endif
