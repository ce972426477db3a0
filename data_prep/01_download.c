/* 01_download -- the raw files of a data set, at hand and verified.
 *
 * In:  a folder, a mirror, or the addresses in data_prep/datasets.json
 * Out: the files (linked, copied or downloaded), manifest.json; a lock file that pins the checksum of what was downloaded first
 *
 * --probe 1 only tells, within seconds, whether they can be had: exit 0 or 4. */
#include <unistd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/guard.h"
#include "base/log.h"
#include "data/acquire.h"

static const char *dataset, *registry, *out;
static AcquireSettings settings;
static bool probe;

static const CliOption options[] = {
    {"dataset", CLI_STR, &dataset, NULL, 0, 0, "NAME", "its name in the registry, or with --form a new name for your own files", NULL},
    {"registry", CLI_STR, &registry, "data_prep/datasets.json", 0, 0, "FILE", "the known data sets", NULL},
    {"source", CLI_STR, &settings.source, "", 0, 0, "DIR|URL", "folder or mirror that has the files (default: the registry's addresses)", NULL},
    {"form", CLI_ENUM, &settings.form, "auto", 0, 0, "", "what the source holds, where the files alone do not tell", SOURCE_FORM_CHOICES},
    {"stem", CLI_STR, &settings.stem, "", 0, 0, "NAME", "name of its files, such as Beauty of Beauty.inter, where there are several", NULL},
    {"copy", CLI_FLAG, &settings.copy, "0", 0, 1, "", "copy local files instead of linking them", NULL},
    {"lock", CLI_STR, &settings.lock, "", 0, 0, "FILE", "checksums of what was downloaded (default: cache/NAME.lock)", NULL},
    {"repin", CLI_FLAG, &settings.repin, "0", 0, 1, "", "take what is there now, also when it is not what the lock file recorded, and record it", NULL},
    {"attempts", CLI_INT, &settings.limits.attempts, "3", 1, 1000, "", "per address, in a row without progress", NULL},
    {"pause", CLI_REAL, &settings.limits.pause_s, "1", 1e-3, 3600, "s", "after the n-th failure n*n times this, or what the server asks for", NULL},
    {"stall", CLI_REAL, &settings.limits.stall_s, "60", 0.1, 86400, "s", "give up a transfer that is nearly silent for so long", NULL},
    {"probe", CLI_FLAG, &probe, "0", 0, 1, "", "only tell whether the files can be had (exit 0 or 4)", NULL},
    {"out", CLI_STR, &out, "", 0, 0, "DIR", "output folder (required unless --probe 1)", NULL},
    CLI_END};

static Status fill(const RegistryEntry *entry) {
    Manifest *manifest = manifest_begin("01_download", cli_json(options));
    manifest_input(manifest, registry);
    TRY(acquire_files(entry, &settings, out, manifest));
    manifest_note_string(manifest, "licence", entry->licence);
    return manifest_end(manifest, out);
}

static Status run(Arena *arena) {
    RegistryEntry *entry;
    TRY(registry_find_or_own(registry, dataset, settings.form, arena, &entry));
    if (probe) {
        TRY(acquire_probe(entry, &settings));
        log_info("%s can be had from %s", entry->label, *settings.source ? settings.source : "the registry's addresses");
        return OK;
    }
    log_info("%s: %s%s%s", entry->label, entry->licence, *entry->homepage ? " See " : "", entry->homepage);
    if (!*out) return FAIL(E_USAGE, "see `01_download --help`", "01_download: --out is required");
    if (!*settings.lock) {
        settings.lock = arena_printf(arena, "cache/%s.lock", entry->name);
        TRY(dir_make("cache"));
    }
    if (cli_dry_run()) {
        for (int64_t f = 0; f < entry->n_files; f++) log_info("%s (%s)", entry->file[f].name, entry->file[f].role);
        return acquire_probe(entry, &settings);
    }
    const char *manifest = arena_printf(arena, "%s/manifest.json", out);
    Guard *guard;
    TRY(dir_make(out));
    TRY(guard_take(manifest, "another process fills this folder", &guard));
    (void)unlink(manifest); /* a folder that is being rewritten is not complete */
    Status status = fill(entry);
    guard_drop(guard);
    return status;
}

int main(int argc, char **argv) {
    cli_parse("01_download", "a data set's raw files: linked, copied or downloaded, and verified", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
