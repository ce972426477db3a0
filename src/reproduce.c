/* src/reproduce.c -- `make reproduce` and `make compare`: decide on the data, plan, estimate, run, report.
 *
 * Inputs: paper/experiments.json, the stage programs, real data where there is any. Output: results/<run>/.
 * DATA=auto takes the three Amazon sets when their files are at hand (DIGR_DATA, cache/raw), or when they can be fetched and a GPU is usable; else the
 * embedded sample. The first line says which, and how to get the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/log.h"
#include "plan/plan.h"
#include "tensor/backend.h"

static const char *data, *source, *form, *stem, *protocol, *bin, *stages, *results, *experiments, *only, *run, *run_name, *precision;
static int64_t seeds, jobs, threads, k_core;
static bool cards;

static const CliOption OPTIONS[] = {
    {"data", CLI_STR, &data, "auto", 0, 0, "", "auto, sample, amazon or the name of one set", NULL},
    {"source", CLI_STR, &source, "", 0, 0, "", "folder or URL of the real data (DIGR_DATA)", NULL},
    {"form", CLI_STR, &form, "", 0, 0, "", "what the source holds, where its files do not tell; makes --data a new name for own files (01_download --help)", NULL},
    {"stem", CLI_STR, &stem, "", 0, 0, "NAME", "name of the source's files, such as Beauty of Beauty.inter, where there are several", NULL},
    {"protocol", CLI_STR, &protocol, "", 0, 0, "", "how to split own files: leave-last-out (default) or chrono-8-1-1", NULL},
    {"k-core", CLI_INT, &k_core, "0", 0, 1e6, "events", "filter of own files; 0: 5", NULL},
    {"seeds", CLI_INT, &seeds, "0", 0, 100, "", "seeds of every trained row; 0: as paper/experiments.json says", NULL},
    {"jobs", CLI_INT, &jobs, "0", 0, 64, "", "steps side by side; 0: one a core", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "threads a step; 0: cores divided by jobs", NULL},
    {"precision", CLI_ENUM, &precision, "auto", 0, 0, "", "of the products of training and judging; auto: bf16 where the processor has tile registers (AMX), else fp32", "auto|fp32|bf16"},
    {"methods", CLI_STR, &only, "", 0, 0, "", "comma-separated methods instead of all; @ensemble: the methods of that table; none: prepare the data only", NULL},
    {"run", CLI_STR, &run, "", 0, 0, "FILE", "a ranking file to judge beside the others (make compare)", NULL},
    {"name", CLI_STR, &run_name, "", 0, 0, "", "its name in the tables", NULL},
    {"cards", CLI_FLAG, &cards, "0", 0, 1, "", "print the data card of each set (make card)", NULL},
    {"bin", CLI_STR, &bin, "cache/build/bin", 0, 0, "DIR", "the stage programs", NULL},
    {"stages", CLI_STR, &stages, "cache/stages", 0, 0, "DIR", "content-addressed outputs", NULL},
    {"results", CLI_STR, &results, "", 0, 0, "DIR", "where the report goes; default results/<data>", NULL},
    {"experiments", CLI_STR, &experiments, "paper/experiments.json", 0, 0, "FILE", "what to run", NULL},
    CLI_END};

static const char *const AMAZON[] = {"beauty", "sports", "instruments"};

/* probe -- is the set at hand (folder, cache) or fetchable within a few seconds? 01_download answers. */
static bool probe(Arena *arena, const char *name)
{
    char *command = arena_printf(arena, "'%s/01_download' --quiet --probe 1 --dataset %s --source '%s' --out '%s/probe' >/dev/null 2>&1", bin, name, source, stages);
    return system(command) == 0;
}

static const char *choose_data(Arena *arena)
{
    if (strcmp(data, "auto") != 0) return data;
    bool local = source[0] != '\0' || path_exists("cache/raw/beauty");
    bool all = local; /* without a GPU a download of three sets would lead to hours of training: not behind the user's back */
    for (int i = 0; i < 3 && all; i++) all = probe(arena, AMAZON[i]);
    if (all) {
        (void)fprintf(stderr, "data: the Amazon sets beauty, sports, instruments, from %s (DATA=sample takes the embedded sample instead)\n",
                      source[0] != '\0' ? source : "cache/raw");
        return "amazon";
    }
    (void)fprintf(stderr, "data: the embedded sample, SIMULATED users (for real data: `make reproduce DATA=amazon`, or DIGR_DATA=<folder or URL>)\n");
    return "sample";
}

static Status print_cards(const Plan *plan)
{
    for (int64_t i = 0; i < plan->n_sets; i++) {
        char line[4096];
        const char *path = arena_printf(plan->arena, "%s/card.md", plan->steps[plan->sets[i].card].out);
        FILE *in = fopen(path, "r");
        if (in == NULL) return FAIL(E_INPUT, NULL, "%s: cannot read", path);
        while (fgets(line, sizeof line, in) != NULL) (void)fputs(line, stdout);
        (void)fclose(in);
    }
    return OK;
}

static void say_plan(const Plan *plan, const char *chosen, int64_t n_jobs, int64_t n_threads)
{
    double s = plan_remaining_s(plan) / (double)n_jobs; /* the estimates are for one step alone on one core */
    (void)fprintf(stderr, "reproduce %s: %lld steps, %lld to do, about %.0f minutes; %lld at a time, %lld thread%s each; stages in %s, report in %s\n",
                  chosen, (long long)plan->n, (long long)plan_remaining(plan), s < 60 ? 1 : s / 60, (long long)n_jobs, (long long)n_threads,
                  n_threads == 1 ? "" : "s", stages, results);
}

int main(int argc, char **argv)
{
    cli_parse("reproduce", "run the experiments and print the tables", OPTIONS, argc, argv);
    Arena *arena = arena_create("reproduce");
    if ((run[0] == '\0') != (run_name[0] == '\0'))
        MUST(FAIL(E_USAGE, "make compare RUN=my.run DATA=beauty NAME=MyMethod", "--run and --name go together"));
    if (run[0] != '\0' && strcmp(data, "auto") == 0)
        MUST(FAIL(E_USAGE, "make compare RUN=my.run DATA=beauty NAME=MyMethod", "a ranking file belongs to one data set: name it"));
    const char *chosen = choose_data(arena);
    if (results[0] == '\0')
        results = arena_printf(arena, "results/%s%s%s%s%s", run[0] != '\0' ? "compare-" : "", chosen, only[0] == '@' ? "-" : "", only[0] == '@' ? only + 1 : "",
                               seeds > 0 ? arena_printf(arena, "-%lldseeds", (long long)seeds) : "");
    int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) cores = 1;
    /* With batches of about a thousand tokens two steps of one thread each beat one step of two threads (REPRODUCE.md). */
    if (jobs == 0) jobs = cores < 64 ? cores : 64;
    if (threads == 0) threads = cores / jobs > 0 ? cores / jobs : 1;
    PlanOptions o = {.experiments = experiments, .data = chosen, .bin = bin, .stages = stages, .source = source, .form = form, .stem = stem, .protocol = protocol, .k_core = k_core,
                     .precision = strcmp(precision, "auto") == 0 ? backend_best_precision() : precision, .results = results, .seeds = seeds,
                     .only = only, .run = run, .run_name = run_name, .complete_only = run[0] != '\0'};
    Plan *plan = NULL;
    MUST(plan_build(&o, &plan));
    say_plan(plan, chosen, jobs, threads);
    if (cli_dry_run()) {
        for (int64_t i = 0; i < plan->n; i++)
            (void)printf("%s %s -> %s (about %.0f s)\n", plan->steps[i].complete ? "done" : "todo", plan->steps[i].title, plan->steps[i].out, plan->steps[i].cost_s);
    } else {
        MUST(schedule_run(plan, bin, jobs, threads));
        MUST(plan_link_data(plan, stages));
        if (cards) MUST(print_cards(plan));
        if (strcmp(only, "none") == 0) return 0;
        (void)fprintf(stderr, "report: %s/report.html, %s/report.md; every number's trail: %s/manifest.json\n", results, results, results);
    }
    plan_destroy(plan);
    arena_destroy(arena);
    return 0;
}
