/* data/prepare.c -- see prepare.h. */
#include "data/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "data/captionfile.h"
#include "data/intake.h"
#include "data/export.h"
#include "data/import.h"
#include "data/rowstore.h"
#include "data/rowcheck.h"
#include "data/split.h"
#include "base/atomic.h"

typedef struct Prepare {
    Arena *arena;
    const RegistryEntry *entry;
    const PrepareSettings *settings;
    const char *raw, *out;
    SourceForm form;
    Source source;
    ExactRows *shipped;  /* the split that came with another form, NULL: none */
    int64_t n_read;      /* events read: shipped rows serve while all are there */
    Intake *intake;
    FilterSettings filter; /* resolved */
    Split split;
    RowCheck check;        /* when rows were shipped */
    Numbering users, items;
    CaptionCount captions; /* of settings->captions */
    Manifest *manifest;
} Prepare;

static const char *raw_path(Prepare *p, const char *role) {
    const RegistryFile *file = registry_file(p->entry, role);
    const char *path = file ? arena_printf(p->arena, "%s/%s", p->raw, file->name) : NULL;
    return path && path_exists(path) ? path : NULL;
}

static Status read_source(Prepare *p) {
    p->intake->min_rating = p->settings->filter.min_rating;
    if (p->intake->min_rating > 0 && p->form != SOURCE_RAW)
        return FAIL(E_USAGE, "leave --min-rating out, or give the raw reviews", "%s: --min-rating needs raw reviews; other people's sequences hold no ratings", p->raw);
    if (p->form != SOURCE_RAW) {
        for (int64_t f = 0; f < p->source.n_files; f++) {
            const char *path = arena_printf(p->arena, "%s/%s", p->raw, p->source.file[f].name);
            if (path_exists(path)) manifest_input(p->manifest, path);
        }
        if (p->form == SOURCE_SEQUENCES) return import_sequences(p->intake, p->raw);
        return import_foreign(p->intake, &p->source, &p->shipped);
    }
    const char *roles[] = {"reviews", "meta", "captions"}, *path[3];
    for (int r = 0; r < 3; r++)
        if ((path[r] = raw_path(p, roles[r]))) manifest_input(p->manifest, path[r]);
    if (!path[0]) return FAIL(E_INPUT, "get it with 01_download", "%s: no reviews file of %s", p->raw, p->entry->name);
    const char *release = p->entry->release;
    MetaSyntax syntax = strcmp(release, "amazon-2014") == 0 ? META_PYTHON : strcmp(release, "amazon-2023") == 0 ? META_JSON_2023 : META_JSON;
    ReadSettings read = {.passes = p->settings->passes};
    filter_least(&p->filter, &read.least_user, &read.least_item);
    return import_amazon(p->intake, path[0], path[1], syntax, path[2], &read);
}

static Status filter(Prepare *p, const bool *described) {
    Intake *c = p->intake;
    intake_step(c, c->counted_ahead ? "rare ones passed over" : "read");
    intake_sort(c);
    int64_t before = c->n_events;
    TRY(filter_apply(c, &p->filter, described));
    if (c->n_events == 0)
        return FAIL(E_INPUT, "lower --k-core, loosen the filters, or give more data", "%s: nothing of %lld interactions is left after filtering", p->raw, (long long)before);
    return OK;
}

static Status split(Prepare *p) {
    Intake *c = p->intake;
    const PrepareSettings *s = p->settings;
    bool shuffle = strcmp(s->ties, "shuffle") == 0;
    if (shuffle) intake_shuffle_ties(c, s->ties_seed >= 0 ? (uint64_t)s->ties_seed : s->seed);
    p->split.begin = split_begin(c);
    if (strcmp(s->protocol, "leave-last-out") == 0) {
        if (s->ratio && *s->ratio) return FAIL(E_USAGE, "leave --ratio out, or use --protocol chrono-8-1-1", "--ratio does not apply to leave-last-out");
        if (p->shipped && !shuffle && c->n_events == p->n_read) TRY(rowstore_check(c, p->split.begin, p->shipped, p->raw, true));
        split_leave_last_out(c, &p->split);
    } else {
        SplitRatio ratio;
        TRY(split_parse_ratio(s->ratio, &ratio));
        bool as_shipped = !shuffle && ratio.part[0] == 8 && ratio.part[1] == 1 && ratio.part[2] == 1;
        ExactRows *rows = as_shipped ? p->shipped : NULL;
        if (rows && c->n_events != p->n_read)
            return FAIL(E_INPUT, "the files are filtered already: use --k-core 1", "%s: the rows that came with the data hold %lld events, %lld are left after filtering",
                        p->raw, (long long)p->n_read, (long long)c->n_events);
        if (rows) TRY(rowstore_check(c, p->split.begin, rows, p->raw, false));
        if (p->form == SOURCE_SEQUENCES && as_shipped) TRY(import_exact_rows(c, p->raw, p->split.begin, &rows));
        if (rows) rowcheck_compare(c, p->split.begin, rows, &p->check);
        TRY(split_chrono(c, rows, &ratio, &p->split));
    }
    if (s->max_history > 0) p->split.max_history = s->max_history;
    return OK;
}

/* ---- numbering ---- */

typedef struct KeyedId { uint32_t key[2]; int64_t source; } KeyedId;
typedef struct IdSource { const char *(*id_of)(const Intake *, int64_t); const Intake *c; } IdSource;

static int compare_keyed(const void *a, const void *b, void *ids) {
    const KeyedId *x = a, *y = b;
    const IdSource *from = ids;
    for (int w = 0; w < 2; w++)
        if (x->key[w] != y->key[w]) return x->key[w] > y->key[w] ? 1 : -1;
    return strcmp(from->id_of(from->c, x->source), from->id_of(from->c, y->source));
}

/* Number the ids that are `used` in the order of Philox(seed, hash of id). */
static Numbering number_ids(Arena *arena, uint64_t seed, int64_t n, const bool *used, const char *(*id_of)(const Intake *, int64_t), const Intake *c) {
    Numbering numbering = {0, ARENA_NEW(arena, int32_t, n), ARENA_NEW(arena, int64_t, n)};
    ArenaMark mark = arena_mark(arena);
    KeyedId *ids = arena_alloc_raw(arena, (size_t)n, sizeof *ids);
    uint64_t stage_key = rng_key(seed, RNG_STAGE_PREPROCESS, RNG_PERMUTE);
    const uint32_t key[2] = {(uint32_t)stage_key, (uint32_t)(stage_key >> 32)};
    for (int64_t i = 0; i < n; i++) {
        numbering.number[i] = -1;
        if (!used[i]) continue;
        const char *id = id_of(c, i);
        uint64_t hash = fnv1a64(id, strlen(id));
        uint32_t counter[4] = {(uint32_t)hash, (uint32_t)(hash >> 32), 0, 0}, word[4];
        philox4x32(counter, key, word);
        ids[numbering.count++] = (KeyedId){{word[0], word[1]}, i};
    }
    qsort_r(ids, (size_t)numbering.count, sizeof *ids, compare_keyed, &(IdSource){id_of, c});
    for (int64_t k = 0; k < numbering.count; k++) {
        numbering.number[ids[k].source] = (int32_t)k;
        numbering.source[k] = ids[k].source;
    }
    arena_release(arena, mark);
    return numbering;
}

static const char *item_id(const Intake *c, int64_t i) { return c->text[i].id; }

static void number(Prepare *p) {
    Intake *c = p->intake;
    int64_t n_users = strtable_count(c->users), n_items = strtable_count(c->items);
    bool *user_used = ARENA_NEW(p->arena, bool, n_users), *item_used = ARENA_NEW(p->arena, bool, n_items);
    for (int64_t e = 0; e < c->n_events; e++) user_used[c->event[e].user] = item_used[c->event[e].item] = true;
    p->users = number_ids(p->arena, p->settings->seed, n_users, user_used, export_user_id, c);
    p->items = number_ids(p->arena, p->settings->seed, n_items, item_used, item_id, c);
}

/* ---- meta.json ---- */

static cJSON *source_json(const Prepare *p) {
    cJSON *source = cJSON_CreateObject();
    cJSON_AddStringToObject(source, "form", p->form == SOURCE_RAW ? "raw" : source_form_names[p->form]);
    if (*p->source.stem) cJSON_AddStringToObject(source, "stem", p->source.stem);
    cJSON_AddStringToObject(source, "release", p->entry->release);
    cJSON_AddStringToObject(source, "rows_from", p->split.rows_from);
    cJSON_AddStringToObject(source, "item_ids", p->intake->item_id_kind);
    if (p->form == SOURCE_RAW) cJSON_AddNumberToObject(source, "passes", p->intake->counted_ahead ? 2 : 1);
    return source;
}

static cJSON *counts_json(const Prepare *p) {
    cJSON *counts = cJSON_CreateObject();
    int64_t sequences = 0;
    for (int64_t u = 0; u < strtable_count(p->intake->users); u++) sequences += p->split.train_end[u] > 0;
    cJSON_AddNumberToObject(counts, "users", (double)p->users.count);
    cJSON_AddNumberToObject(counts, "items", (double)p->items.count);
    cJSON_AddNumberToObject(counts, "interactions", (double)p->intake->n_events);
    cJSON_AddNumberToObject(counts, "train_sequences", (double)sequences);
    cJSON_AddNumberToObject(counts, "train_rows", (double)p->split.n_train);
    cJSON_AddNumberToObject(counts, "valid_rows", (double)p->split.n_valid);
    cJSON_AddNumberToObject(counts, "test_rows", (double)p->split.n_test);
    return counts;
}

static bool counts_met(const Prepare *p) {
    const RegistryEntry *e = p->entry;
    return p->users.count == e->users && p->items.count == e->items && p->intake->n_events == e->interactions;
}

static cJSON *captions_json(const Prepare *p) {
    cJSON *captions = cJSON_CreateObject();
    cJSON_AddNumberToObject(captions, "lines", (double)p->captions.lines);
    cJSON_AddNumberToObject(captions, "joined", (double)p->captions.joined);
    cJSON_AddNumberToObject(captions, "replaced", (double)p->captions.replaced);
    cJSON_AddNumberToObject(captions, "items_without", (double)(p->items.count - p->captions.joined));
    return captions;
}

static Status write_meta(Prepare *p) {
    const RegistryEntry *e = p->entry;
    cJSON *meta = cJSON_CreateObject();
    cJSON_AddStringToObject(meta, "name", e->name);
    cJSON_AddStringToObject(meta, "label", e->label);
    cJSON_AddBoolToObject(meta, "simulated", e->simulated);
    cJSON_AddStringToObject(meta, "licence", e->licence ? e->licence : "");
    cJSON_AddStringToObject(meta, "homepage", e->homepage ? e->homepage : "");
    cJSON_AddStringToObject(meta, "note", e->note ? e->note : "");
    cJSON_AddStringToObject(meta, "protocol", p->split.protocol);
    cJSON_AddNumberToObject(meta, "max_history", (double)p->split.max_history);
    cJSON_AddItemToObject(meta, "counts", counts_json(p));
    cJSON_AddItemToObject(meta, "text", export_text_counts(p->intake, &p->items));
    cJSON_AddItemToObject(meta, "filter", p->intake->steps);
    p->intake->steps = NULL;
    cJSON_AddItemToObject(meta, "source", source_json(p));
    cJSON_AddNumberToObject(meta, "seed", (double)p->settings->seed);
    cJSON_AddItemToObject(meta, "filter_settings", filter_json(&p->filter));
    cJSON *ties = intake_ties_json(p->intake);
    cJSON_AddStringToObject(ties, "rule", p->settings->ties);
    if (strcmp(p->settings->ties, "shuffle") == 0)
        cJSON_AddNumberToObject(ties, "seed", p->settings->ties_seed >= 0 ? (double)p->settings->ties_seed : (double)p->settings->seed);
    cJSON_AddItemToObject(meta, "ties", ties);
    cJSON_AddItemToObject(meta, "input", ledger_json(p->intake->ledger));
    if (p->captions.lines) cJSON_AddItemToObject(meta, "captions", captions_json(p));
    if (e->users) {
        cJSON *expected = cJSON_AddObjectToObject(meta, "expected");
        cJSON_AddNumberToObject(expected, "users", (double)e->users);
        cJSON_AddNumberToObject(expected, "items", (double)e->items);
        cJSON_AddNumberToObject(expected, "interactions", (double)e->interactions);
        cJSON_AddStringToObject(expected, "source", e->expected_source ? e->expected_source : "");
        cJSON_AddBoolToObject(expected, "met", counts_met(p));
    }
    if (p->check.done) cJSON_AddItemToObject(meta, "rows_check", rowcheck_json(&p->check));
    const char *path = arena_printf(p->arena, "%s/meta.json", p->out);
    Status status = json_write_file(path, meta);
    cJSON_Delete(meta);
    if (status == OK) manifest_output(p->manifest, path);
    return status;
}

static Status check_expected(const Prepare *p) {
    const RegistryEntry *e = p->entry;
    if (!e->users || counts_met(p)) return OK;
    bool binding = p->settings->check_counts && (p->form != SOURCE_RAW || e->expected_raw);
    log_warn("counts differ from the published ones: %lld users, %lld items, %lld interactions; published %lld, %lld, %lld", (long long)p->users.count,
             (long long)p->items.count, (long long)p->intake->n_events, (long long)e->users, (long long)e->items, (long long)e->interactions);
    if (!binding) return OK;
    return FAIL(E_INPUT, "compare the source with the one in data_prep/datasets.json, or go on with --check-counts 0",
                "%s: %lld users, %lld items, %lld interactions after filtering; %lld, %lld, %lld are published for %s", p->raw, (long long)p->users.count,
                (long long)p->items.count, (long long)p->intake->n_events, (long long)e->users, (long long)e->items, (long long)e->interactions, e->label);
}

/* --captions, when it is known which items the data set has. */
static Status join_captions(Prepare *p) {
    const char *path = p->settings->captions;
    if (!path || !*path) return OK;
    manifest_input(p->manifest, path);
    TRY(captionfile_join(p->intake, &p->items, path, &p->captions));
    log_info("%s: captions of %lld of %lld items (%lld in the place of the source's own); %lld of %lld lines rejected", path, (long long)p->captions.joined, (long long)p->items.count,
             (long long)p->captions.replaced, (long long)p->captions.rejected, (long long)p->captions.lines);
    if (p->captions.lines == 0) return FAIL(E_INPUT, "it is written by 03_record --template caption/...", "%s: no captions", path);
    TRY(ledger_write(p->intake->ledger, p->out));
    return ledger_check(p->intake->ledger, p->settings->max_loss, p->out);
}

/* ---- all together ---- */

static Status prepare_all(Prepare *p) {
    Intake *c = p->intake;
    p->filter = filter_resolve(&p->settings->filter, &p->entry->filter, p->form == SOURCE_RAW);
    TRY(dir_make(p->out));
    c->spool_dir = p->out;
    TRY(read_source(p));
    p->n_read = c->n_events;
    TRY(ledger_write(c->ledger, p->out));
    TRY(ledger_check(c->ledger, p->settings->max_loss, p->out));
    const bool *described = filter_described(c);
    intake_complete_text(c);
    TRY(filter(p, described));
    TRY(split(p));
    number(p);
    TRY(check_expected(p));
    TRY(join_captions(p));
    manifest_output(p->manifest, arena_printf(p->arena, "%s/rejected.tsv", p->out));
    TRY(export_all(c, &p->split, &p->users, &p->items, p->out, p->manifest));
    return write_meta(p);
}

Status prepare_dataset(const RegistryEntry *entry, const char *raw, const PrepareSettings *settings, const char *out, Manifest *manifest) {
    Arena *arena = arena_create("preprocess");
    Prepare p = {.arena = arena, .entry = entry, .settings = settings, .raw = raw, .out = out, .manifest = manifest};
    Status status = source_find(entry, raw, settings->form ? settings->form : "auto", settings->stem ? settings->stem : "", arena, &p.source);
    p.form = p.source.form;
    RegistryEntry marked = *entry; /* simulated users stay simulated under any name */
    if (status == OK && source_path(&p.source, ".simulated", arena)) marked.simulated = true;
    p.entry = &marked;
    if (status == OK && p.form == SOURCE_NONE)
        status = FAIL(E_INPUT, "get the files with 01_download, or point --raw at a folder that has them (forms: src/data/source.h)",
                      "%s: neither sequences.txt and items.jsonl nor the raw files of %s nor another form are here", raw, entry->name);
    if (status != OK) return arena_destroy(arena), status;
    p.intake = intake_create(arena, ledger_create(arena));
    status = prepare_all(&p);
    manifest_note_bool(manifest, "simulated", marked.simulated);
    intake_close(p.intake);
    if (status == OK) log_info("peak memory %lld MiB", (long long)(peak_memory_bytes() >> 20));
    cJSON_Delete(p.intake->steps);
    arena_destroy(arena);
    return status;
}
