/* eval/results.h -- the finished experiments of a run, read from its index and grouped: data set -> method -> one entry a seed.
 *
 * Index (JSON, written by `reproduce`):
 *   {"run": "results/sample", "title": "sample", "published": "paper/published.json", "simulated": true,
 *    "entries": [{"dataset", "dataset_label", "method", "method_label", "seed", "table": ["main", "ablation", "ensemble"],
 *                 "variant_of": the data set that this one is a variant of, where it is one,
 *                 "role": optional, see below, "settings": optional short text,
 *                 "data": DIR, "evaluate": DIR, and, where the method has them, "raw", "card", "mine", "labels", "embed", "tokenize", "sft", "rl", "baseline": DIR}]}
 * A folder that is absent or "" does not apply. Folders are relative to the working directory.
 *
 * Roles decide what a row is compared with. Without "role" they follow from the method's name:
 *   full       "deepinterest": the paper's method           baseline   "popularity", "transitions", "sasrec", "gru4rec"
 *   oracle     "oracle": knows what no method may know      external   "external": a ranking file given by a user
 *   variant    everything else: a change of the full method
 *
 * All entries of a data set must come from the same data: same protocol, same number of items and of rows in each split (E_INPUT otherwise), because
 * comparisons are paired by row.
 */
#ifndef DIGR_EVAL_RESULTS_H
#define DIGR_EVAL_RESULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"
#include "eval/evaluation.h"
#include "eval/significance.h"

typedef enum Role { ROLE_FULL, ROLE_BASELINE, ROLE_VARIANT, ROLE_ORACLE, ROLE_EXTERNAL, ROLE_COUNT } Role;

/* The stage folders an entry may have. */
#define RESULT_PARTS(X) X(raw) X(data) X(card) X(mine) X(labels) X(embed) X(tokenize) X(sft) X(rl) X(baseline) X(evaluate)
#define RESULT_PART_ID(name) PART_##name,
typedef enum Part { RESULT_PARTS(RESULT_PART_ID) PART_COUNT } Part;
#undef RESULT_PART_ID

typedef struct Entry {
    const char *dataset, *dataset_label, *variant_of, *method, *method_label, *settings; /* variant_of, settings: "" when not given */
    Role role;
    int64_t seed;
    bool in_main, in_ablation, in_ensemble;
    const char *dir[PART_COUNT]; /* "" = does not apply */
    Evaluation *ev;
} Entry;

typedef struct MethodResults {
    const char *id, *label, *settings;
    Role role;
    bool in_main, in_ablation, in_ensemble;
    int64_t n;
    Entry **entry;      /* (n) by ascending seed */
} MethodResults;

typedef struct SetResults {
    const char *id, *label, *protocol, *data_dir;
    bool simulated;
    int64_t N, n_valid, n_test;
    int64_t n_methods;
    MethodResults *method;
    /* NULL where the run has none */
    const MethodResults *full, *popularity, *oracle, *without_interests, *without_rl;
    const MethodResults *strongest; /* baseline with the highest mean NDCG@10 on the validation rows: nothing is selected on the test split */
} SetResults;

typedef struct Results {
    Arena *arena;
    const char *path, *run, *title, *published; /* published "" when not given */
    int64_t n_entries, n_sets;
    Entry *entry;
    SetResults *set;
    int64_t n_documents;
    size_t cap_documents;
    struct ResultsDocument { const char *path; cJSON *tree; } *document;
} Results;

Status results_load(const char *index_path, Arena *arena, Results **results);
void results_close(Results *results); /* frees the JSON trees; NULL allowed */

/* results_document -- DIR/name as a tree that lives until results_close; *tree = NULL when dir is "" or the file is not there. E_INPUT: malformed. */
Status results_document(Results *results, const char *dir, const char *name, const cJSON **tree);
/* results_number -- number or bool at a dotted path such as "counts.users" or "level.0.used" (arrays by index); false when absent. */
bool results_number(const cJSON *tree, const char *dotted, double *value);

const MethodResults *results_find(const SetResults *set, const char *method_id);
/* Mean and sd over seeds of a metric on a split; n = 0 when no seed was judged on it. */
Spread results_spread(const MethodResults *m, const char *split, MetricId metric);
Spread results_sid_spread(const MethodResults *m, const char *split, MetricId metric);
/* results_gains -- gain of each row of the split, averaged over the seeds; out (rows). false when a seed was not judged on it. */
bool results_gains(const MethodResults *m, const char *split, MetricId metric, double *out);
/* results_compare -- a against b on the rows of a split, by significance.h; false when either was not judged on it. */
bool results_compare(const SetResults *set, const MethodResults *a, const MethodResults *b, const char *split, MetricId metric, uint64_t seed,
                     Comparison *c);
/* Has any method of the set rows in this split? */
bool results_has_split(const SetResults *set, const char *split);

#endif
