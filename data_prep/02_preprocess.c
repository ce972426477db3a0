/* 02_preprocess -- from a source to a data set folder.
 *
 * In:  raw Amazon files (2014: JSON reviews, Python-literal metadata; 2018: JSON), the sequence form (sequences.txt, items.jsonl, ...), or the files of
 *      S3-Rec, SASRec, LC-Rec, LETTER, MiniOneRec or RecBole (data/source.h); on request captions.jsonl of 03_record (--captions, data/captionfile.h)
 *      Filters and their order: src/data/filter.h; splits: src/data/split.h. "recipe": what datasets.json says for raw files of this set.
 * Out: meta.json, items.jsonl, users.tsv, train.tsv, valid.tsv, test.tsv, times.tsv (data/dataset.h), rejected.tsv, manifest.json
 *
 * Deviations from the paper: none known; the paper names 5-core filtering and leave-one-out, and we meet its counts to the unit. */
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "data/prepare.h"

static const char *dataset, *registry, *raw, *out;
static PrepareSettings settings;
static int64_t seed, k_core;

static const CliOption options[] = {
    {"dataset", CLI_STR, &dataset, NULL, 0, 0, "NAME", "its name in the registry, or with --form a new name for your own files", NULL},
    {"registry", CLI_STR, &registry, "data_prep/datasets.json", 0, 0, "FILE", "the known data sets", NULL},
    {"raw", CLI_STR, &raw, NULL, 0, 0, "DIR", "folder with the source files", NULL},
    {"form", CLI_ENUM, &settings.form, "auto", 0, 0, "", "what the folder holds, where the files alone do not tell (src/data/source.h)", SOURCE_FORM_CHOICES},
    {"stem", CLI_STR, &settings.stem, "", 0, 0, "NAME", "name of its files, such as Beauty of Beauty.inter, where there are several", NULL},
    {"protocol", CLI_ENUM, &settings.protocol, "leave-last-out", 0, 0, "", "how to split", "leave-last-out|chrono-8-1-1"},
    {"ratio", CLI_STR, &settings.ratio, "", 0, 0, "A:B:C", "train:valid:test of the chrono protocol, instead of 8:1:1", NULL},
    {"max-history", CLI_INT, &settings.max_history, "0", 0, 1e6, "events", "how much of a history models may see; 0: 20, or 10 for chrono", NULL},
    {"min-rating", CLI_REAL, &settings.filter.min_rating, "0", 0, 5, "stars", "raw reviews rated lower are passed over; 0: all count", NULL},
    {"from", CLI_STR, &settings.filter.from, "recipe", 0, 0, "DATE", "first day (YYYY-MM-DD, UTC) of the time window; empty: open", NULL},
    {"to", CLI_STR, &settings.filter.to, "recipe", 0, 0, "DATE", "first day after the time window; empty: open", NULL},
    {"duplicates", CLI_ENUM, &settings.filter.duplicates, "recipe", 0, 0, "", "events with the same user, item and second (recipe: drop)", "recipe|drop|keep"},
    {"repeats", CLI_ENUM, &settings.filter.repeats, "recipe", 0, 0, "", "a user's further events with one item (recipe: keep)", "recipe|keep|first|last"},
    {"items", CLI_ENUM, &settings.filter.items, "recipe", 0, 0, "", "which items stay (recipe: any)", "recipe|any|with-metadata|titled"},
    {"title-words", CLI_INT, &settings.filter.title_words, "-1", -1, 1e6, "words", "longest title an item may have; 0: no limit, -1: recipe", NULL},
    {"k-core", CLI_INT, &k_core, "0", 0, 1e6, "events", "users and items need at least as many; 0: recipe, else 5", NULL},
    {"core-users", CLI_INT, &settings.filter.core_users, "0", 0, 1e6, "events", "the same for users alone; 0: as --k-core", NULL},
    {"core-items", CLI_INT, &settings.filter.core_items, "0", 0, 1e6, "events", "the same for items alone; 0: as --k-core", NULL},
    {"core-rounds", CLI_INT, &settings.filter.core_rounds, "0", 0, 1000, "rounds", "stop the core after so many rounds; 0: when nothing changes", NULL},
    {"ties", CLI_ENUM, &settings.ties, "file", 0, 0, "", "events of a user at the same second: order of the source, or random", "file|shuffle"},
    {"ties-seed", CLI_INT, &settings.ties_seed, "-1", -1, 9e15, "", "random seed of --ties shuffle; -1: as --seed, which numbers the items too", NULL},
    {"passes", CLI_INT, &settings.passes, "0", 0, 2, "", "over raw reviews: 1 keeps all events, 2 only those that can be in the core; 0: 2 above 256 MiB", NULL},
    {"captions", CLI_STR, &settings.captions, "", 0, 0, "FILE", "captions of photos for the items' texts: captions.jsonl of 03_record --template caption/...", NULL},
    {"max-loss", CLI_REAL, &settings.max_loss, "0.001", 0, 1, "share", "stop when more records than this are unusable", NULL},
    {"check-counts", CLI_FLAG, &settings.check_counts, "1", 0, 1, "", "stop when the counts are not the published ones", NULL},
    {"seed", CLI_INT, &seed, "2026", 0, 9e15, "", "random seed", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder", NULL},
    CLI_END};

static Status run(Arena *arena) {
    RegistryEntry *entry;
    TRY(registry_find_or_own(registry, dataset, settings.form, arena, &entry));
    if (settings.filter.core_users == 0) settings.filter.core_users = k_core;
    if (settings.filter.core_items == 0) settings.filter.core_items = k_core;
    settings.seed = (uint64_t)seed;
    if (cli_dry_run()) {
        Source source;
        TRY(source_find(entry, raw, settings.form, settings.stem, arena, &source));
        log_info("%s: %s%s%s in %s; would write %s", entry->label, source_form_names[source.form], *source.stem ? ", " : "", source.stem, raw, out);
        return OK;
    }
    (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    Manifest *manifest = manifest_begin("02_preprocess", cli_json(options));
    manifest_input(manifest, registry);
    TRY(prepare_dataset(entry, raw, &settings, out, manifest));
    return manifest_end(manifest, out);
}

int main(int argc, char **argv) {
    cli_parse("02_preprocess", "raw reviews or sequences to a filtered, split, numbered data set", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
