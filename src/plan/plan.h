/* plan/plan.h -- what `make reproduce` runs: the experiments of paper/experiments.json as steps with content-addressed outputs.
 *
 * ROOM plan: from a list of experiments to a list of commands, and their execution. Depends on base only; it knows stage programs by
 * name and option, never their code. Start reading at plan_build (plan.c), then schedule_run (schedule.c).
 *
 * A data set of experiments.json may be a variant: "of" names the one it is made from, whose members it takes over except those it has itself (label,
 * methods, seeds, options of a stage such as "02_preprocess": {"ties": "shuffle"}). Steps that the variants do not touch are shared.
 *
 * A step is one run of one stage program. Its output folder is cache/stages/<program>/<key>, where
 *     key = SHA-256(program file, every argument, every input file from outside)   (first 16 hex digits)
 * (from outside: data_prep/datasets.json, cache/responses, ...; of "05_embed" the file "embeddings" names, of "02_preprocess" the file "captions" names). "05_embed": {"embedder":
 * "recorded", "provider": P, "model": M, "embeddings": FILE} gives a row, a data set or all of them other vectors; its "set" is the data set's "answers", else its name (a variant's: that of its original).
 * Arguments name the folders of earlier steps, and those names contain their keys: a change anywhere upstream changes every key
 * downstream, and nothing else is redone. A step is complete when its manifest.json exists (stages write it last).
 */
#ifndef DIGR_PLAN_PLAN_H
#define DIGR_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

enum { PLAN_MAX_SETS = 32, STEP_MAX_ARGS = 128, STEP_MAX_INPUTS = 8 };

typedef struct Step {
    const char *program; /* "08_sft" */
    const char *title;   /* for people: "08_sft beauty full seed 1" */
    const char *args[STEP_MAX_ARGS];
    int n_args;
    int64_t inputs[STEP_MAX_INPUTS]; /* steps that must be complete before */
    int n_inputs;
    const char *out;     /* cache/stages/08_sft/0123456789abcdef */
    double cost_s;       /* estimate on one core, from experiments.json */
    bool complete;       /* manifest.json is there */
} Step;

typedef struct PlanOptions {
    const char *experiments; /* paper/experiments.json */
    const char *data;        /* sample | amazon | the name of one set */
    const char *bin;         /* folder of the stage programs */
    const char *stages;      /* cache/stages */
    const char *source;      /* DIGR_DATA, or "" */
    const char *form, *stem; /* of the source's files, as 01_download understands them; NULL or "": found out */
    const char *protocol;    /* of own files; NULL or "": leave-last-out */
    int64_t k_core;          /* of own files; 0: what 02_preprocess does by itself */
    const char *precision;   /* what an option "precision": "auto" of the experiments becomes: fp32 (NULL, too) or bf16, so that it is part of the key */
    const char *results;     /* results/<run>: the report's folder */
    int64_t seeds;           /* 0: as the experiments say */
    const char *only;        /* comma-separated methods; "@table" = every method of that table, the set's "optional" ones too; "" = the set's "methods"; "none" = the data
                                alone, without a report */
    const char *run, *run_name; /* make compare: a ranking file and its name; "" otherwise */
    bool complete_only;      /* make compare: methods whose results are there, and baselines that take under a minute */
} PlanOptions;

typedef struct Plan {
    Arena *arena;
    Step *steps;
    int64_t n;
    size_t capacity;
    struct { const char *name; int64_t step, card; } sets[PLAN_MAX_SETS]; /* 02_preprocess and 02_card step of each data set */
    int64_t n_sets;
    cJSON *index;            /* what 11_report reads; see src/11_report.c */
    cJSON *experiments;      /* paper/experiments.json; the steps point into it */
} Plan;

/* plan_own -- where `data` is no set of the experiments and a form is given: a set of that name with the settings and methods of "own". root: the
 * experiments. E_USAGE: no source, a name that is no good for folders, or a protocol for a set that has its own. Called by plan_build. */
Status plan_own(cJSON *root, const PlanOptions *options);
/* plan_build -- E_USAGE: unknown data set or method; E_INPUT: malformed experiments.json or a missing stage program. */
Status plan_build(const PlanOptions *options, Plan **plan);
void plan_destroy(Plan *plan);
/* plan_remaining_s -- sum of the estimates of the steps that are not complete. */
double plan_remaining_s(const Plan *plan);
int64_t plan_remaining(const Plan *plan);

/* plan_link_data -- <stages>/<data set> -> the prepared folder, <stages>/<data set>.card -> its data card: names for people. Prints where they are. */
Status plan_link_data(const Plan *plan, const char *stages);

/* schedule_run -- run what is not complete, `jobs` steps side by side, each with `threads` threads (OMP_NUM_THREADS). Of the steps that could begin, the one
 * with the longest chain of work behind it (by cost_s) goes first, so that no long one is left alone at the end. With one job the
 * steps' own progress bars are shown; with several, one line tells the whole. A step's messages are kept in <out>/stage.log. The first failure
 * stops the start of new steps, waits for the running ones, and is reported with the last lines of its log; its exit code is the status. */
Status schedule_run(Plan *plan, const char *bin, int64_t jobs, int64_t threads);

#endif
