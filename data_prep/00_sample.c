/* 00_sample -- the embedded sample, written in the raw Amazon 2014 format.
 *
 * In:  the authored catalogue (data_prep/sample): items, and the interests planted in them
 * Out: reviews_Sample_<Cat>_5.json.gz, meta_Sample_<Cat>.json.gz, captions.jsonl; oracle/ apart from them; manifest.json
 *
 * The users are simulated (data/simulate.h) and every table made from them says so.
 * Deviations from the paper: the paper has no sample; this stage exists so that everything runs without a network. */
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "data/oracle.h"
#include "data/rawsample.h"
#include "data/sample.h"
#include "data/simulate.h"
#include "base/atomic.h"
#include "io/manifest.h"

static const char *items_dir, *category, *out;
static int64_t n_users, seed;
static SimSettings settings;

static const CliOption options[] = {
    {"items", CLI_STR, &items_dir, "data_prep/sample", 0, 0, "DIR", "the authored catalogue", NULL},
    {"category", CLI_ENUM, &category, NULL, 0, 0, "", "which of its categories", "beauty|sports|instruments"},
    {"users", CLI_INT, &n_users, "2000", 1, 1e6, "", "simulated users", NULL},
    {"zipf", CLI_REAL, &settings.zipf, "0.8", 0, 3, "", "popularity of the item at random rank r is 1/r^zipf", NULL},
    {"prevalence", CLI_REAL, &settings.prevalence, "0.7", 0, 3, "", "the same for interests", NULL},
    {"noise", CLI_REAL, &settings.noise, "0.1", 1e-6, 1, "", "share of choices by popularity alone", NULL},
    {"chain", CLI_REAL, &settings.chain, "0.4", 0, 1, "", "share of choices that complement the previous item: its interest, another leaf category", NULL},
    {"drift", CLI_REAL, &settings.drift, "0.8", 0, 10, "", "standard deviation of an interest's logit over one year", NULL},
    {"more-events", CLI_REAL, &settings.more_events, "7", 0, 100, "", "mean number of events above 5, cut at 40", NULL},
    {"seed", CLI_INT, &seed, "2026", 0, 9e15, "", "random seed", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder", NULL},
    CLI_END};

static Status run(Arena *arena) {
    SampleCatalogue *c;
    TRY(sample_load(items_dir, category, arena, &c));
    log_info("%s: %lld items, %lld interests, %lld users to simulate", category, (long long)c->n_items, (long long)c->n_interests, (long long)n_users);
    if (cli_dry_run()) return OK;
    TRY(dir_make(out));
    (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    ChoiceModel *m = simulate_model(c, &settings, (uint64_t)seed, arena);
    SimUser *users = simulate_users(c, m, &settings, (uint64_t)seed, n_users, arena);
    int64_t n_events = 0;
    for (int64_t u = 0; u < n_users; u++) n_events += users[u].n_events;

    RawSamplePaths paths = rawsample_paths(out, category, arena);
    TRY(rawsample_write(&paths, c->item, c->n_items, users, n_users, (uint64_t)seed));
    const char *oracle = arena_printf(arena, "%s/oracle", out);
    TRY(oracle_write(oracle, c, m, users, n_users));
    log_info("%lld simulated events in %s", (long long)n_events, paths.reviews);

    Manifest *manifest = manifest_begin("00_sample", cli_json(options));
    manifest_input(manifest, sample_path(arena, items_dir, arena_printf(arena, "items_%s.jsonl", category)));
    manifest_input(manifest, sample_path(arena, items_dir, arena_printf(arena, "interests_%s.json", category)));
    manifest_output(manifest, paths.reviews);
    manifest_output(manifest, paths.meta);
    manifest_output(manifest, paths.captions);
    manifest_output(manifest, arena_printf(arena, "%s/model.json", oracle));
    manifest_output(manifest, arena_printf(arena, "%s/items.tsv", oracle));
    manifest_output(manifest, arena_printf(arena, "%s/events.tsv", oracle));
    manifest_note_bool(manifest, "simulated", true);
    manifest_note_number(manifest, "events", (double)n_events);
    return manifest_end(manifest, out);
}

int main(int argc, char **argv) {
    cli_parse("00_sample", "the embedded sample in the raw Amazon format, with simulated users", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
