/* 02_card -- the data card of a prepared data set.
 *
 * In:  a data set folder of 02_preprocess
 * Out: card.json (every number: src/data/card.h), card.md and card.html (for people), card_*.csv and .tex (its tables), card_*.gp and .svg (its plots, with
 *      gnuplot), manifest.json
 *
 * --check 1 writes nothing: it prints one line, and exits 3 when published counts are not met or shipped rows are not those of our rule. */
#include <stdio.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "data/card.h"
#include "eval/datacard.h"
#include "io/manifest.h"

static const char *data, *out;
static bool check, print;

static const CliOption options[] = {
    {"data", CLI_STR, &data, NULL, 0, 0, "DIR", "data set folder", NULL},
    {"print", CLI_FLAG, &print, "0", 0, 1, "", "print the card on standard output, too", NULL},
    {"check", CLI_FLAG, &check, "0", 0, 1, "", "one line on counts and rows, no files; exit 3 when they are not the published ones", NULL},
    {"out", CLI_STR, &out, "", 0, 0, "DIR", "output folder (required unless --check 1)", NULL},
    CLI_END};

static Status make(Arena *arena, cJSON **card, bool *simulated) {
    Dataset *d;
    Events *e;
    cJSON *meta;
    TRY(dataset_load(data, true, arena, &d));
    TRY(events_load(d, arena, &e));
    TRY(json_read_file(arena_printf(arena, "%s/meta.json", data), &meta));
    *card = card_make(d, e, meta, arena);
    *simulated = d->simulated;
    cJSON_Delete(meta);
    return OK;
}

static Status check_card(const cJSON *card, Arena *arena) {
    bool good;
    printf("%s\n", datacard_line(card, arena, &good));
    return good ? OK : FAIL(E_INPUT, "make its data card and see what differs", "%s: not the published set", data);
}

static Status write_card(const cJSON *card, Arena *arena, Manifest *manifest) {
    const char *json = arena_printf(arena, "%s/card.json", out), *md = arena_printf(arena, "%s/card.md", out), *html = arena_printf(arena, "%s/card.html", out);
    Doc *doc;
    TRY(dir_make(out));
    TRY(datacard_build(card, out, arena, &doc));
    TRY(json_write_file(json, card));
    TRY(doc_write_markdown(doc, md));
    TRY(doc_write_html(doc, html, out));
    TRY(doc_write_tables(doc, out));
    manifest_output(manifest, json);
    manifest_output(manifest, md);
    manifest_output(manifest, html);
    manifest_note_number(manifest, "plots_missing", (double)doc->n_plots_missing);
    if (doc->n_plots_missing > 0) log_warn("plots left out: gnuplot was not found or failed (`apt-get install gnuplot-nox`); their scripts are %s/*.gp", out);
    if (print) doc_print(doc);
    log_info("%s", md);
    return OK;
}

static Status run(Arena *arena) {
    static const char *const inputs[] = {"meta.json", "items.jsonl", "train.tsv", "valid.tsv", "test.tsv", "times.tsv"};
    if (!check && !*out) return FAIL(E_USAGE, "see `02_card --help`", "02_card: --out is required");
    if (cli_dry_run()) {
        log_info("%s: would %s", data, check ? "be checked" : arena_printf(arena, "be described in %s", out));
        return OK;
    }
    if (!check) (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    cJSON *card;
    bool simulated;
    TRY(make(arena, &card, &simulated));
    if (check) {
        Status status = check_card(card, arena);
        cJSON_Delete(card);
        return status;
    }
    Manifest *manifest = manifest_begin("02_card", cli_json(options));
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) manifest_input(manifest, arena_printf(arena, "%s/%s", data, inputs[i]));
    Status status = write_card(card, arena, manifest);
    cJSON_Delete(card);
    TRY(status);
    manifest_note_bool(manifest, "simulated", simulated);
    return manifest_end(manifest, out);
}

int main(int argc, char **argv) {
    cli_parse("02_card", "the data card of a prepared data set: counts, texts, times, ties, leakage", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
