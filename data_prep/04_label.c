/* 04_label -- RLDI: a binary classifier trained on judged interests scores every merged interest; quality q of every item.
 *
 * In:  a data set folder, interests.jsonl of 03_mine, judged interests of cache/responses (template judge/v1)
 * Out: labels.jsonl (interests with score, label; items with quality), classifier.json (held-out figures with intervals, calibration, weights), manifest.json
 *
 * Judged interests are asked for by `03_record --template judge/v1 --interests <folder of 03_mine>`; this program opens no socket.
 * --filter none accepts every interest: the "without RLDI" ablation.
 *
 * Deviations from the paper: 1. the classifier, see llm/classifier.h. 2. The judged interests are labels of the same model that mined them, not of people. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/blascore.h"
#include "io/manifest.h"
#include "llm/label.h"
#include "sid/textspace.h"

static const char *data_dir, *interests_dir, *responses_path, *set, *judged_sets, *judge, *filter, *out;
static double threshold;
static int64_t seed, resamples, bins, dim;

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder written by 02_preprocess", NULL},
    {"interests", CLI_STR, &interests_dir, NULL, 0, 0, "DIR", "folder written by 03_mine", NULL},
    {"set", CLI_STR, &set, NULL, 0, 0, "NAME", "set the judged interests belong to, e.g. industrial", NULL},
    {"responses", CLI_STR, &responses_path, "cache/responses", 0, 0, "PATH", "recorded answers: a folder, or one file", NULL},
    {"judge", CLI_STR, &judge, "judge/v1", 0, 0, "ID", "template of the judged interests", NULL},
    {"judged-sets", CLI_STR, &judged_sets, "", 0, 0, "LIST", "train on other sets instead: SET=DATA_DIR:INTERESTS_DIR, separated by commas", NULL},
    {"filter", CLI_ENUM, &filter, "logistic", 0, 0, "", "the classifier, or accept everything", "logistic|none"},
    {"threshold", CLI_REAL, &threshold, "0.5", 0, 1, "", "probability from which the label is 1", NULL},
    {"dim", CLI_INT, &dim, "64", 0, 1024, "", "dimensions of the space of item texts that one feature is measured in; 0 leaves it out", NULL},
    {"resamples", CLI_INT, &resamples, "2000", 200, 1000000, "", "resamples of the held-out items, for 95 % intervals", NULL},
    {"bins", CLI_INT, &bins, "10", 2, MAX_BINS, "", "bins of equal count, for the calibration", NULL},
    {"seed", CLI_INT, &seed, "2026", 0, 9e15, "", "random seed (which items are held out; resamples)", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder", NULL},
    CLI_END};

static Status load_set(const char *data, const char *mined, Arena *arena, Dataset **d, ItemInterests **items) {
    TRY(dataset_load(data, true, arena, d));
    return interests_load(arena_printf(arena, "%s/interests.jsonl", mined), (*d)->N, false, arena, items);
}

/* The corpus of features, with the space of item texts. */
static Status make_corpus(const Dataset *d, const ItemInterests *items, Arena *arena, FeatureCorpus **corpus) {
    *corpus = features_corpus(d, items, arena);
    return dim > 0 ? textspace_build(*corpus, dim, (uint64_t)seed, arena) : OK;
}

/* "SET=DATA_DIR:INTERESTS_DIR,..." */
static Status gather_others(const Responses *cache, Manifest *m, Arena *arena, Judged *judged) {
    char *rest = arena_strdup(arena, judged_sets);
    for (char *entry; (entry = strsep(&rest, ","));) {
        char *data = strchr(entry, '='), *mined = data ? strchr(data, ':') : NULL;
        if (!mined) return FAIL(E_USAGE, "write SET=DATA_DIR:INTERESTS_DIR", "--judged-sets \"%s\"", entry);
        *data++ = 0;
        *mined++ = 0;
        Dataset *d;
        ItemInterests *items;
        FeatureCorpus *corpus;
        int64_t before = judged->n;
        TRY(load_set(data, mined, arena, &d, &items));
        TRY(make_corpus(d, items, arena, &corpus));
        TRY(judged_gather(cache, entry, judge, d, corpus, arena, judged));
        log_info("set %s: %lld judged interests", entry, (long long)(judged->n - before));
        manifest_input(m, arena_printf(arena, "%s/items.jsonl", data));
        manifest_input(m, arena_printf(arena, "%s/interests.jsonl", mined));
    }
    return OK;
}

/* "0.947 [0.912, 0.975]", or as much of it as there is. */
static const char *interval_text(const Interval *i, Arena *arena) {
    if (!i->has) return "-";
    return i->bounded ? arena_printf(arena, "%.3f [%.3f, %.3f]", i->value, i->low, i->high) : arena_printf(arena, "%.3f [-]", i->value);
}

static void log_figures(const ClassifierReport *r, Arena *arena) {
    log_info("%-16s %-8s %5s  %8s  %-22s %-22s %-22s", "on held-out rows", "origin", "rows", "positive", "accuracy", "AUC", "F1");
    for (int p = 0; p < N_PREDICTORS; p++)
        for (int s = 0; s < N_SUBSETS; s++) {
            const Figures *f = &r->figures[s][p];
            const Interval *i = r->own[s][p];
            log_info("%-16s %-8s %5lld  %8lld  %-22s %-22s %-22s", predictor_name(r, p), subset_name(s), (long long)f->n, (long long)f->positives,
                     interval_text(&i[FIGURE_ACCURACY], arena), interval_text(&i[FIGURE_AUC], arena), interval_text(&i[FIGURE_F1], arena));
        }
    for (int k = 0; k < N_RIVALS; k++) {
        const Interval *d = &r->minus_plain[k];
        log_info("folds: %-14s log loss %.4f with strength %g%s%s", model_name((ModelKind)k), r->fold_loss[k], r->strength[k],
                 d->bounded ? arena_printf(arena, ", difference to plain %+.4f [%+.4f, %+.4f]", d->value, d->low, d->high) : "", (ModelKind)k == r->kept ? ": kept" : "");
    }
}

static Status run_classifier(const Dataset *d, ItemInterests *items, Manifest *m, Arena *arena, cJSON **json) {
    Responses *cache;
    Judged judged = {0};
    Classifier classifier;
    ClassifierReport report;
    FeatureCorpus *corpus;
    TRY(make_corpus(d, items, arena, &corpus));
    TRY(responses_open(responses_path, arena, &cache));
    for (int64_t f = 0; f < responses_n_files(cache); f++) manifest_input(m, responses_file(cache, f));
    TRY(*judged_sets ? gather_others(cache, m, arena, &judged) : judged_gather(cache, set, judge, d, corpus, arena, &judged));
    if (judged.n == 0)
        return FAIL(E_INPUT, "--judged-sets trains on other sets; --filter none accepts everything", "no judged interests (%s) of set %s", judge, *judged_sets ? judged_sets : set);
    const ClassifierOptions settings = {(uint64_t)seed, threshold, resamples, (int)bins};
    TRY(classifier_train(&judged, &settings, arena, &classifier, &report));
    log_info("%lld judged interests, %lld of items outside the data set; trained on %lld of %lld items, held out %lld rows of %lld items", (long long)judged.n,
             (long long)judged.n_outside, (long long)report.n_train, (long long)report.train_items, (long long)report.n_held_out, (long long)report.held_out_items);
    log_figures(&report, arena);
    TRY(label_apply(&classifier, corpus, threshold, d->N, items));
    *json = classifier_json(&judged, &classifier, &report);
    return OK;
}

static Status run(Arena *arena) {
    Dataset *d;
    ItemInterests *items;
    TRY(load_set(data_dir, interests_dir, arena, &d, &items));
    int64_t n = 0, positive = 0, with = 0;
    double quality = 0;
    for (int64_t i = 0; i < d->N; i++) n += items[i].n;
    if (cli_dry_run()) return log_info("would label %lld interests of %lld items", (long long)n, (long long)d->N), OK;
    TRY(dir_make(out));
    (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    Manifest *m = manifest_begin("04_label", cli_json(options));
    manifest_input(m, arena_printf(arena, "%s/items.jsonl", data_dir));
    manifest_input(m, arena_printf(arena, "%s/interests.jsonl", interests_dir));
    cJSON *json = NULL;
    if (n == 0 || strcmp(filter, "none") == 0) {
        if (n == 0) log_warn("no item has an interest: nothing to label");
        label_accept_all(d->N, items);
        json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "filter", "none");
    } else {
        TRY(run_classifier(d, items, m, arena, &json));
    }
    for (int64_t i = 0; i < d->N; i++) {
        with += items[i].has_quality;
        quality += items[i].has_quality ? items[i].quality : 0;
        for (int j = 0; j < items[i].n; j++) positive += items[i].at[j].label;
    }
    log_info("%lld of %lld interests labelled 1; mean quality %.4f over %lld of %lld items", (long long)positive, (long long)n, with ? quality / (double)with : 0,
             (long long)with, (long long)d->N);
    cJSON_AddNumberToObject(json, "interests", (double)n);
    cJSON_AddNumberToObject(json, "labelled_positive", (double)positive);
    cJSON_AddNumberToObject(json, "items_with_quality", (double)with);
    cJSON_AddNumberToObject(json, "mean_quality", with ? quality / (double)with : 0);
    const char *labels = arena_printf(arena, "%s/labels.jsonl", out), *report = arena_printf(arena, "%s/classifier.json", out);
    TRY(interests_save(labels, items, d->N, true));
    TRY(json_write_file(report, json));
    cJSON_Delete(json);
    manifest_output(m, labels);
    manifest_output(m, report);
    manifest_note_bool(m, "simulated", d->simulated);
    return manifest_end(m, out);
}

int main(int argc, char **argv) {
    blascore_settle(argv);
    cli_parse("04_label", "a classifier of interests, and the quality of every item", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
