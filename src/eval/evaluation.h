/* eval/evaluation.h -- a ranking judged against the rows of a split, and the folder 10_evaluate leaves behind:
 *
 *   metrics.json            everything below but the ranks
 *   ranks.npy               int32 (test rows): rank of each target, 0 = not found
 *   ranks.valid.npy, ranks.test.masked.npy   the same for the other splits judged
 *
 * metrics.json: {"dataset","label","simulated","protocol","items","method","beam","sids": null | {"collided_items","collision_rate"},
 *   "splits": {"valid": S, "test": S, "test.masked": S}} with
 *   S = {"n_rows","n_found","n_predictions","n_empty_rows","n_duplicates","n_invalid","invalid_rate","n_deeper","n_reordered","ranks",
 *        "metrics": {"HR@1",...,"MRR"}, "sid_level": null | {the same metrics}}
 *
 *   Judgement *j;
 *   TRY(run_read(path, rows->n, N, arena, &run));
 *   evaluation_judge(&ev, "test", run, rows->target, group_or_NULL, arena);
 *   TRY(evaluation_write(&ev, out));
 */
#ifndef DIGR_EVAL_EVALUATION_H
#define DIGR_EVAL_EVALUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "eval/metrics.h"
#include "eval/run.h"

enum { EVALUATION_SPLITS = 3 };

typedef struct Judgement {
    const char *split;               /* "valid", "test" or "test.masked" (history items removed from the ranking) */
    int64_t n_rows, n_found;         /* rows judged; targets found within RUN_DEPTH */
    int64_t n_predictions, n_empty_rows, n_duplicates, n_invalid, n_deeper, n_reordered; /* as in Run */
    int32_t *rank;                   /* (n_rows) */
    double value[METRIC_COUNT];      /* item level */
    bool has_sid_level;
    double sid_value[METRIC_COUNT];  /* SID level, when has_sid_level */
} Judgement;

typedef struct Evaluation {
    const char *dataset, *label, *protocol; /* as in the data set's meta.json */
    bool simulated;
    int64_t N;                       /* items ranked */
    const char *method;              /* tag of the run */
    int64_t beam;                    /* beam width; 0 = every item was scored */
    bool has_sids;
    int64_t n_collided_items;        /* items that share their RQ codes with another one, when has_sids */
    int n_splits;
    Judgement split[EVALUATION_SPLITS];
} Evaluation;

/* evaluation_judge -- add one split. target in (run->n_rows); group in (N) class of each item by RQ codes, NULL = no SID level.
 * Returns the new judgement (inside `ev`, ranks in `arena`). */
const Judgement *evaluation_judge(Evaluation *ev, const char *split, const Run *run, const int32_t *target, const int32_t *group, Arena *arena);

/* evaluation_find -- the judgement of a split; NULL when it was not judged. */
const Judgement *evaluation_find(const Evaluation *ev, const char *split);

/* evaluation_ranks_file -- name of a split's rank file inside the folder (static storage). */
const char *evaluation_ranks_file(const char *split);

/* evaluation_write / _read -- metrics.json and the rank files of `dir`. Reading checks that they agree: E_INPUT when the printed metrics are
 * not those of the ranks (to 1e-12). */
Status evaluation_write(const Evaluation *ev, const char *dir);
Status evaluation_read(const char *dir, Arena *arena, Evaluation **ev);

#endif
