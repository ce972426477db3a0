/* 02_export -- a prepared data set in the files of RecBole, LC-Rec, MiniOneRec, S3-Rec and SASRec, so that their code runs on exactly our splits.
 *
 * In:  a data set folder (data/dataset.h), for SIDs the folder of 06_tokenize
 * Out: <out>/<format>/... with a README.txt each (data/exchange.h says which files, and what a form cannot carry), manifest.json */
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "data/exchange.h"

static const char *data, *formats, *name, *sids, *out;

static const CliOption options[] = {
    {"data", CLI_STR, &data, NULL, 0, 0, "DIR", "data set folder of 02_preprocess", NULL},
    {"format", CLI_STR, &formats, "recbole,lc-rec,minionerec,sasrec", 0, 0, "LIST", "which forms, separated by commas", NULL},
    {"name", CLI_STR, &name, "", 0, 0, "NAME", "what the files are called (default: the data set's name)", NULL},
    {"sids", CLI_STR, &sids, "", 0, 0, "DIR", "folder of 06_tokenize: its SIDs go into lc-rec and minionerec", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "output folder", NULL},
    CLI_END};

static Status check_name(const char *stem) {
    if (*stem && stem[0] != '.' && !strpbrk(stem, "/ \t\n")) return OK;
    return FAIL(E_USAGE, "give a plain name such as Beauty", "`%s` is no name for files", stem);
}

static Status run(Arena *arena) {
    Exchange *x;
    SourceForm list[SOURCE_FORMS];
    int n = 0;
    for (const char *p = formats; *p;) {
        size_t length = strcspn(p, ",");
        const char *one = arena_strndup(arena, p, length);
        SourceForm form = source_form_by_name(one);
        if (form < SOURCE_SASREC || n == SOURCE_FORMS) return FAIL(E_USAGE, "give some of recbole, lc-rec, minionerec, sasrec", "--format: `%s` is not exported", one);
        list[n++] = form;
        p += length + (p[length] == ',');
    }
    if (n == 0) return FAIL(E_USAGE, "give some of recbole, lc-rec, minionerec, sasrec", "--format: nothing to export");
    Manifest *manifest = manifest_begin("02_export", cli_json(options));
    TRY(exchange_load(data, sids, name, arena, manifest, &x));
    if (!*name) x->stem = x->d->name;
    TRY(check_name(x->stem));
    log_info("%s: %lld users, %lld items, %lld events, %s; rows %lld, %lld, %lld", x->d->label, (long long)x->d->n_users, (long long)x->d->N,
             (long long)x->d->n_interactions, x->d->protocol, (long long)x->n_rows[0], (long long)x->n_rows[1], (long long)x->n_rows[2]);
    if (cli_dry_run()) return OK;
    (void)unlink(arena_printf(arena, "%s/manifest.json", out)); /* a folder that is being rewritten is not complete */
    for (int k = 0; k < n; k++) {
        const char *folder = arena_printf(arena, "%s/%s", out, source_form_names[list[k]]);
        TRY(exchange_write(x, list[k], folder));
        log_info("%s: %s%s%s", source_form_names[list[k]], folder, x->n_replaced ? "; texts whose tabs or line ends became spaces: " : "",
                 x->n_replaced ? arena_printf(arena, "%lld", (long long)x->n_replaced) : "");
    }
    manifest_note_bool(manifest, "simulated", x->d->simulated);
    return manifest_end(manifest, out);
}

int main(int argc, char **argv) {
    cli_parse("02_export", "a prepared data set in the files of RecBole, LC-Rec, MiniOneRec, S3-Rec and SASRec", options, argc, argv);
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
