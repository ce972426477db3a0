/* 05_embed -- items to vectors. By default field-weighted TF-IDF and truncated SVD of title, brand, categories, description, keywords, caption and
 * mined interests; or the recorded vectors of an embedding model; or a file made elsewhere (--embedder, sid/embedder.h). Opens no socket.
 *
 * In:  --data DIR (02_preprocess), --labels DIR (04_label; "" with --interests none); recorded, npy: --embeddings
 * Out: embeddings.npy (N,E) float32, embed.json (what was used, singular values), optionally texts.jsonl (the text of each item as one string, for
 *      embedding models elsewhere; their answer comes back through --import)
 *
 * Deviations from the paper:
 *  1. The paper embeds with a language model; LSA is the default here (sid/lsa.h says why), --embedder recorded is the paper's way.
 *  2. Brand, category and keywords are used beside title, description, caption and interests: several public data sets have no other text.
 *  3. LSA: fields are weighted (options --w-*), and rows are brought to length 1 after the SVD (--normalise) with the spectrum flattened by
 *     sigma^-whiten (--whiten): the RQ-VAE sees directions, not the share of an item's text that the subspace explains.
 *  4. --w-companions > 0 adds behaviour of the train split to the text (the items an item is bought next to, as terms), the way LETTER and others
 *     give their identifiers a collaborative side. Off by default: the paper's identifiers are made from text alone. */
#include <cblas.h>
#include <omp.h>
#include <string.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/blascore.h"
#include "io/manifest.h"
#include "io/npy.h"
#include "sid/embedder.h"

static const char *out_dir, *data_dir, *labels_dir, *use_name, *embedder_name, *method_name, *import_path;
static EmbedderSettings settings;
static int64_t threads, seed;
static bool write_texts;

static const CliOption options[] = {
    {"out", CLI_STR, &out_dir, NULL, 0, 0, "DIR", "output folder", NULL},
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder (02_preprocess)", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "labelled interests (04_label); \"\" = none", NULL},
    {"interests", CLI_ENUM, &use_name, "positive", 0, 0, "", "which interests join the text", INTEREST_USE_CHOICES},
    {"embedder", CLI_ENUM, &embedder_name, "lsa", 0, 0, "", "where the vectors come from; --dim, --w-*, --whiten and what follows them are of lsa", EMBEDDER_CHOICES},
    {"embeddings", CLI_STR, &settings.embeddings, "", 0, 0, "PATH", "recorded: file or folder of 03_record --template embed/..., e.g. cache/embeddings/beauty.jsonl.zst; npy: an (N,E) file", NULL},
    {"set", CLI_STR, &settings.set, "", 0, 0, "NAME", "recorded: set the vectors belong to, e.g. industrial", NULL},
    {"model", CLI_STR, &settings.model, "", 0, 0, "NAME", "recorded: model that was asked", NULL},
    {"provider", CLI_STR, &settings.provider, "", 0, 0, "NAME", "recorded: who served it; \"\": the only one of --providers that has it", NULL},
    {"providers", CLI_STR, &settings.providers, "paper/providers.json", 0, 0, "FILE", "recorded: providers and models", NULL},
    {"template", CLI_STR, &settings.template_id, EMBEDDER_TEMPLATE, 0, 0, "ID", "recorded: kind of text that was embedded", NULL},
    {"dim", CLI_INT, &settings.dim, "128", 1, 4096, "", "E, dimensions of the embedding", NULL},
    {"w-title", CLI_REAL, &settings.weight[FIELD_TITLE], "1", 0, 100, "", "weight of the title (0 leaves a field out)", NULL},
    {"w-brand", CLI_REAL, &settings.weight[FIELD_BRAND], "0.5", 0, 100, "", "weight of the brand", NULL},
    {"w-categories", CLI_REAL, &settings.weight[FIELD_CATEGORIES], "0.5", 0, 100, "", "weight of the category path", NULL},
    {"w-description", CLI_REAL, &settings.weight[FIELD_DESCRIPTION], "0.5", 0, 100, "", "weight of the description", NULL},
    {"w-keywords", CLI_REAL, &settings.weight[FIELD_KEYWORDS], "0.5", 0, 100, "", "weight of the keywords", NULL},
    {"w-caption", CLI_REAL, &settings.weight[FIELD_CAPTION], "0.5", 0, 100, "", "weight of the image caption", NULL},
    {"w-interests", CLI_REAL, &settings.weight[FIELD_INTERESTS], "2", 0, 100, "", "weight of the mined interests", NULL},
    {"w-companions", CLI_REAL, &settings.weight[FIELD_COMPANIONS], "0", 0, 100, "", "weight of the items met in training sequences (deviation 4)", NULL},
    {"window", CLI_INT, &settings.window, "2", 1, 1000, "steps", "how near in a sequence a companion is", NULL},
    {"stop-words", CLI_FLAG, &settings.text.stop_words, "1", 0, 1, "", "drop English stop words", NULL},
    {"stem", CLI_FLAG, &settings.text.stem, "1", 0, 1, "", "remove plural endings", NULL},
    {"bigrams", CLI_FLAG, &settings.text.bigrams, "0", 0, 1, "", "add pairs of neighbouring words", NULL},
    {"sublinear", CLI_FLAG, &settings.sublinear, "1", 0, 1, "", "tf = 1 + ln(count) instead of count", NULL},
    {"min-df", CLI_INT, &settings.min_df, "2", 1, 1000000, "items", "leave out terms of fewer items", NULL},
    {"max-df", CLI_REAL, &settings.max_df, "0.9", 0.001, 1, "share", "leave out terms of more than this share of the items", NULL},
    {"whiten", CLI_REAL, &settings.whiten, "0.5", 0, 1, "", "columns times sigma^-whiten: 0 = U S, 0.5 = U sqrt(S), 1 = U", NULL},
    {"normalise", CLI_FLAG, &settings.normalise, "1", 0, 1, "", "rows of length 1", NULL},
    {"svd", CLI_ENUM, &method_name, "auto", 0, 0, "", "auto: exact up to 1,024 items or terms", "auto|exact|iterative"},
    {"import", CLI_STR, &import_path, "", 0, 0, "FILE", "short for --embedder npy --embeddings FILE", NULL},
    {"texts", CLI_FLAG, &write_texts, "0", 0, 1, "", "also write texts.jsonl", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "CPU threads; 0 = all", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 0, "", "random seed (start of the iterative SVD)", NULL},
    CLI_END};

static LsaMethod method_of(const char *name)
{
    return strcmp(name, "exact") == 0 ? LSA_EXACT : strcmp(name, "iterative") == 0 ? LSA_ITERATIVE : LSA_AUTO;
}

/* Items that have text in each field, and how many interests were used, into `info`. */
static void fields_count(const EmbedderItems *items, bool weighted, Arena *arena, cJSON *info)
{
    const Dataset *d = items->d;
    const ItemInterests *interests = items->interests;
    cJSON *counts = cJSON_AddObjectToObject(info, "items_with");
    for (int f = 0; f < N_FIELDS; f++) {
        int64_t n = 0;
        for (int64_t i = 0; i < d->N; i++) n += *itemdoc_text(&d->text[i], interests ? &interests[i] : NULL, items->use, f, arena) != '\0';
        cJSON_AddNumberToObject(counts, ITEMDOC_FIELDS[f], (double)n);
        if (n == 0 || (weighted && settings.weight[f] <= 0)) continue;
        log_info("%s: %lld of %lld items%s", ITEMDOC_FIELDS[f], (long long)n, (long long)d->N, weighted ? arena_printf(arena, ", weight %g", settings.weight[f]) : "");
    }
    int64_t used = 0, known = 0;
    for (int64_t i = 0; i < d->N && interests; i++)
        for (int j = 0; j < interests[i].n; j++) {
            known++;
            used += items->use == INTERESTS_ALL || (items->use == INTERESTS_POSITIVE && interests[i].at[j].label == 1);
        }
    cJSON_AddNumberToObject(info, "interests_known", (double)known);
    cJSON_AddNumberToObject(info, "interests_used", (double)used);
}

static Status texts_write(const EmbedderItems *items, Arena *arena, const char *path)
{
    AtomicFile *file = NULL;
    TRY(atomic_open(path, &file));
    EmbedText *texts = embedder_texts(items, arena);
    for (int64_t i = 0; i < items->d->N; i++) {
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "item", (double)i);
        cJSON_AddStringToObject(line, "text", texts[i].text);
        char *text = cJSON_PrintUnformatted(line);
        fprintf(atomic_stream(file), "%s\n", text);
        cJSON_free(text);
        cJSON_Delete(line);
    }
    return atomic_commit(file);
}

/* Options that name one thing twice, or that go together. */
static Status settle_options(Arena *arena, const char *program)
{
    const char *slash = strrchr(program, '/');
    settings.recorder = arena_printf(arena, "%.*s03_record", slash != NULL ? (int)(slash + 1 - program) : 0, program);
    settings.labels = labels_dir;
    settings.svd = method_of(method_name);
    settings.seed = (uint64_t)seed;
    if (*import_path) {
        if (*settings.embeddings || strcmp(embedder_name, "recorded") == 0)
            return FAIL(E_USAGE, "leave one of them out", "--import %s beside --embeddings or --embedder recorded", import_path);
        embedder_name = "npy";
        settings.embeddings = import_path;
    }
    if (strcmp(embedder_name, "lsa") == 0 && *settings.embeddings) return FAIL(E_USAGE, "add --embedder recorded or --embedder npy", "--embeddings %s: the embedder lsa reads none", settings.embeddings);
    if (strcmp(use_name, "none") != 0 && !*labels_dir)
        return FAIL(E_USAGE, "give --labels DIR, or --interests none", "--interests %s with --labels \"%s\"", use_name, labels_dir);
    return OK;
}

static Status load_items(Arena *arena, const char *labels, EmbedderItems *items)
{
    Dataset *d = NULL;
    ItemInterests *interests = NULL;
    *items = (EmbedderItems){.use = itemdoc_use(use_name)};
    TRY(dataset_load(data_dir, true, arena, &d));
    if (items->use != INTERESTS_NONE) TRY(interests_load(labels, d->N, true, arena, &interests));
    items->d = d;
    items->interests = interests;
    return OK;
}

static Status write_all(const EmbedderItems *items, const Embedding *e, cJSON *info, Manifest *m, Arena *arena)
{
    const char *npy = arena_printf(arena, "%s/embeddings.npy", out_dir), *json = arena_printf(arena, "%s/embed.json", out_dir);
    TRY(npy_write_f32(npy, e->at, items->d->N, e->dim));
    TRY(json_write_file(json, info));
    manifest_output(m, npy);
    manifest_output(m, json);
    for (int64_t f = 0; f < e->n_inputs; f++) manifest_input(m, e->input[f]);
    if (write_texts) {
        const char *texts = arena_printf(arena, "%s/texts.jsonl", out_dir);
        TRY(texts_write(items, arena, texts));
        manifest_output(m, texts);
    }
    manifest_note_bool(m, "simulated", items->d->simulated);
    return manifest_end(m, out_dir);
}

static Status run(Arena *arena, const char *program)
{
    EmbedderItems items;
    Embedding e = {0};
    TRY(settle_options(arena, program));
    const char *labels = arena_printf(arena, "%s/labels.jsonl", labels_dir);
    TRY(load_items(arena, labels, &items));
    if (cli_dry_run()) {
        log_info("would embed %lld items of %s with %s", (long long)items.d->N, items.d->label, embedder_name);
        return OK;
    }
    TRY(dir_make(out_dir));
    if (threads > 0) {
        omp_set_num_threads((int)threads);
        openblas_set_num_threads((int)threads);
    }
    Manifest *m = manifest_begin("05_embed", cli_json(options));
    manifest_input(m, arena_printf(arena, "%s/items.jsonl", data_dir));
    if (settings.weight[FIELD_COMPANIONS] > 0) manifest_input(m, arena_printf(arena, "%s/train.tsv", data_dir));
    if (items.use != INTERESTS_NONE) manifest_input(m, labels);
    cJSON *info = cJSON_CreateObject();
    cJSON_AddStringToObject(info, "data", items.d->name);
    cJSON_AddStringToObject(info, "method", embedder_name);
    cJSON_AddStringToObject(info, "interests", use_name);
    fields_count(&items, strcmp(embedder_name, "lsa") == 0, arena, info);
    Status status = embedder_find(embedder_name)->embed(&settings, &items, arena, info, &e);
    if (status == OK) {
        cJSON_AddNumberToObject(info, "items", (double)items.d->N);
        cJSON_AddNumberToObject(info, "dim", (double)e.dim);
        status = write_all(&items, &e, info, m, arena);
    }
    cJSON_Delete(info);
    return status;
}

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("05_embed", "items to vectors: TF-IDF and truncated SVD of their text and interests, or the vectors of a model", options, argc, argv);
    Arena *arena = arena_create("05_embed");
    MUST(run(arena, argv[0]));
    arena_destroy(arena);
    return 0;
}
