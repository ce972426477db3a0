/* 11_report.c -- stage 11: tables, plots and findings of a run, or the check of a run against committed reference results.
 *
 * In   --index FILE (format: src/eval/results.h), which names the folders of the earlier stages; paper/published.json where the index names it
 * Out  DIR/report.md, report.html (self-contained), <table>.csv and <table>.tex, <plot>.gp and .svg (with gnuplot), manifest.json; the main tables
 *      also go to standard output
 * With --verify FILE the results are compared with FILE instead (src/eval/expected.h): one line a row, exit 3 when one does not pass.
 * With --write-expected FILE the reference file is written (beside the report, or alone without --out).
 *
 * Deviations from the paper: 1. It prints single numbers; here every trained row is mean ± sd over seeds, with paired intervals and tests.
 */
#include <stdio.h>

#include "base/cli.h"
#include "base/log.h"
#include "eval/expected.h"
#include "eval/report.h"
#include "base/atomic.h"
#include "io/manifest.h"

static const char *index_path, *out, *verify, *write_expected;
static int64_t seed;

static const CliOption OPTIONS[] = {
    {"index", CLI_STR, &index_path, NULL, 0, 0, "FILE", "finished experiments, written by reproduce", NULL},
    {"out", CLI_STR, &out, "", 0, 0, "DIR", "folder of the report", NULL},
    {"verify", CLI_STR, &verify, "", 0, 0, "FILE", "compare with these reference results instead", NULL},
    {"write-expected", CLI_STR, &write_expected, "", 0, 0, "FILE", "write these results as reference", NULL},
    {"seed", CLI_INT, &seed, "20260221", 0, 4e15, "", "seed of bootstrap and sign flips", NULL},
    CLI_END};

static Status check(Results *r)
{
    Verdict v;
    TRY(expected_verify(r, verify, &v));
    if (v.n_fail == 0) return OK;
    return FAIL(E_INPUT, "compare compiler, BLAS and options in the manifest.json files of both runs, then the rows above", "%lld of %lld rows differ from %s",
                (long long)v.n_fail, (long long)(v.n_fail + v.n_pass), verify);
}

static Status record(const Results *r, const Doc *doc)
{
    Manifest *m = manifest_begin("11_report", cli_json(OPTIONS));
    bool simulated = false;
    manifest_input(m, index_path);
    if (r->published[0] != '\0') manifest_input(m, r->published);
    for (int64_t i = 0; i < r->n_entries; i++) {
        manifest_input(m, arena_printf(r->arena, "%s/metrics.json", r->entry[i].dir[PART_evaluate]));
        for (int q = 0; q < r->entry[i].ev->n_splits; q++)
            manifest_input(m, arena_printf(r->arena, "%s/%s", r->entry[i].dir[PART_evaluate], evaluation_ranks_file(r->entry[i].ev->split[q].split)));
    }
    for (int64_t k = 0; k < r->n_sets; k++) simulated = simulated || r->set[k].simulated;
    manifest_output(m, arena_printf(r->arena, "%s/report.md", out));
    manifest_output(m, arena_printf(r->arena, "%s/report.html", out));
    manifest_output(m, arena_printf(r->arena, "%s/all_metrics.csv", out));
    for (int64_t b = 0; b < doc->n_blocks; b++)
        if (doc->block[b].kind == BLOCK_TABLE) manifest_output(m, arena_printf(r->arena, "%s/%s.csv", out, doc->block[b].table->id));
    manifest_note_bool(m, "simulated", simulated);
    manifest_note_number(m, "plots_missing", (double)doc->n_plots_missing);
    return manifest_end(m, out);
}

static Status report(Results *r)
{
    const ReportOptions options = {.out = out, .seed = (uint64_t)seed};
    Doc *doc;
    TRY(dir_make(out));
    TRY(report_write(r, &options, &doc));
    if (doc->n_plots_missing > 0)
        log_warn("%lld plots left out: gnuplot was not found or failed (`apt-get install gnuplot-nox`); their scripts are %s/*.gp", (long long)doc->n_plots_missing, out);
    TRY(record(r, doc));
    doc_print(doc);
    log_info("%s/report.html, %s/report.md", out, out);
    return OK;
}

static Status run(Results *r)
{
    if (cli_dry_run()) {
        printf("%lld entries in %lld data sets; would write %s\n", (long long)r->n_entries, (long long)r->n_sets, verify[0] != '\0' ? "nothing" : out);
        return OK;
    }
    if (verify[0] != '\0') return check(r);
    if (write_expected[0] != '\0') TRY(expected_write(r, write_expected));
    return out[0] != '\0' ? report(r) : OK;
}

int main(int argc, char **argv)
{
    cli_parse("11_report", "tables, plots and findings of a run", OPTIONS, argc, argv);
    if (out[0] == '\0' && verify[0] == '\0' && write_expected[0] == '\0')
        MUST(FAIL(E_USAGE, "add --out DIR", "one of --out, --verify and --write-expected is needed"));
    Arena *arena = arena_create("report");
    Results *r = NULL;
    MUST(results_load(index_path, arena, &r));
    MUST(run(r));
    results_close(r);
    arena_destroy(arena);
    return 0;
}
