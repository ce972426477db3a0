/* 05_embed -- items to vectors: field-weighted TF-IDF and truncated SVD of title, brand, categories, description, keywords, caption and mined
 * interests.
 *
 * In:  --data DIR (02_preprocess), --labels DIR (04_label; "" with --interests none)
 * Out: embeddings.npy (N,E) float32, embed.json (what was used, singular values), optionally texts.jsonl (the text of each item as one string, for
 *      embedding models elsewhere; their answer comes back through --import)
 *
 * Deviations from the paper:
 *  1. The paper embeds with a language model; LSA is the default here (sid/lsa.h says why).
 *  2. Brand, category and keywords are used beside title, description, caption and interests: several public data sets have no other text.
 *  3. Fields are weighted (options --w-*), and rows are brought to length 1 after the SVD (--normalise) with the spectrum flattened by
 *     sigma^-whiten (--whiten): the RQ-VAE sees directions, not the share of an item's text that the subspace explains.
 *  4. --w-companions > 0 adds behaviour of the train split to the text (the items an item is bought next to, as terms), the way LETTER and others
 *     give their identifiers a collaborative side. Off by default: the paper's identifiers are made from text alone. */
#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"
#include "io/manifest.h"
#include "io/npy.h"
#include "sid/itemdoc.h"

static const char *out_dir, *data_dir, *labels_dir, *use_name, *method_name, *import_path;
static int64_t dim, min_df, window, threads, seed;
static double weight[TEXT_FIELDS_MAX], whiten, max_df;
static bool stop_words, stem, bigrams, sublinear, normalise, write_texts;

static const CliOption options[] = {
    {"out", CLI_STR, &out_dir, NULL, 0, 0, "DIR", "output folder", NULL},
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder (02_preprocess)", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "labelled interests (04_label); \"\" = none", NULL},
    {"interests", CLI_ENUM, &use_name, "positive", 0, 0, "", "which interests join the text", "none|positive|all"},
    {"dim", CLI_INT, &dim, "128", 1, 4096, "", "E, dimensions of the embedding", NULL},
    {"w-title", CLI_REAL, &weight[FIELD_TITLE], "1", 0, 100, "", "weight of the title (0 leaves a field out)", NULL},
    {"w-brand", CLI_REAL, &weight[FIELD_BRAND], "0.5", 0, 100, "", "weight of the brand", NULL},
    {"w-categories", CLI_REAL, &weight[FIELD_CATEGORIES], "0.5", 0, 100, "", "weight of the category path", NULL},
    {"w-description", CLI_REAL, &weight[FIELD_DESCRIPTION], "0.5", 0, 100, "", "weight of the description", NULL},
    {"w-keywords", CLI_REAL, &weight[FIELD_KEYWORDS], "0.5", 0, 100, "", "weight of the keywords", NULL},
    {"w-caption", CLI_REAL, &weight[FIELD_CAPTION], "0.5", 0, 100, "", "weight of the image caption", NULL},
    {"w-interests", CLI_REAL, &weight[FIELD_INTERESTS], "2", 0, 100, "", "weight of the mined interests", NULL},
    {"w-companions", CLI_REAL, &weight[FIELD_COMPANIONS], "0", 0, 100, "", "weight of the items met in training sequences (deviation 4)", NULL},
    {"window", CLI_INT, &window, "2", 1, 1000, "steps", "how near in a sequence a companion is", NULL},
    {"stop-words", CLI_FLAG, &stop_words, "1", 0, 1, "", "drop English stop words", NULL},
    {"stem", CLI_FLAG, &stem, "1", 0, 1, "", "remove plural endings", NULL},
    {"bigrams", CLI_FLAG, &bigrams, "0", 0, 1, "", "add pairs of neighbouring words", NULL},
    {"sublinear", CLI_FLAG, &sublinear, "1", 0, 1, "", "tf = 1 + ln(count) instead of count", NULL},
    {"min-df", CLI_INT, &min_df, "2", 1, 1000000, "items", "leave out terms of fewer items", NULL},
    {"max-df", CLI_REAL, &max_df, "0.9", 0.001, 1, "share", "leave out terms of more than this share of the items", NULL},
    {"whiten", CLI_REAL, &whiten, "0.5", 0, 1, "", "columns times sigma^-whiten: 0 = U S, 0.5 = U sqrt(S), 1 = U", NULL},
    {"normalise", CLI_FLAG, &normalise, "1", 0, 1, "", "rows of length 1", NULL},
    {"svd", CLI_ENUM, &method_name, "auto", 0, 0, "", "auto: exact up to 1,024 items or terms", "auto|exact|iterative"},
    {"import", CLI_STR, &import_path, "", 0, 0, "FILE", "use this (N,E) .npy embedding instead of LSA", NULL},
    {"texts", CLI_FLAG, &write_texts, "0", 0, 1, "", "also write texts.jsonl", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "CPU threads; 0 = all", NULL},
    {"seed", CLI_INT, &seed, "1", 0, 0, "", "random seed (start of the iterative SVD)", NULL},
    CLI_END};

static const InterestUse uses[] = {INTERESTS_NONE, INTERESTS_POSITIVE, INTERESTS_ALL};

static InterestUse use_of(const char *name)
{
    return uses[strcmp(name, "none") == 0 ? 0 : strcmp(name, "positive") == 0 ? 1 : 2];
}

static LsaMethod method_of(const char *name)
{
    return strcmp(name, "exact") == 0 ? LSA_EXACT : strcmp(name, "iterative") == 0 ? LSA_ITERATIVE : LSA_AUTO;
}

/* Items that have text in each field, and how many interests were used, into `info`. */
static void fields_count(const Dataset *d, const ItemInterests *interests, InterestUse use, Arena *arena, cJSON *info)
{
    cJSON *counts = cJSON_AddObjectToObject(info, "items_with");
    for (int f = 0; f < N_FIELDS; f++) {
        int64_t n = 0;
        for (int64_t i = 0; i < d->N; i++) n += *itemdoc_text(&d->text[i], interests ? &interests[i] : NULL, use, f, arena) != '\0';
        cJSON_AddNumberToObject(counts, ITEMDOC_FIELDS[f], (double)n);
        if (n > 0 && weight[f] > 0) log_info("%s: %lld of %lld items, weight %g", ITEMDOC_FIELDS[f], (long long)n, (long long)d->N, weight[f]);
    }
    int64_t used = 0, known = 0;
    for (int64_t i = 0; i < d->N && interests; i++)
        for (int j = 0; j < interests[i].n; j++) {
            known++;
            used += use == INTERESTS_ALL || (use == INTERESTS_POSITIVE && interests[i].at[j].label == 1);
        }
    cJSON_AddNumberToObject(info, "interests_known", (double)known);
    cJSON_AddNumberToObject(info, "interests_used", (double)used);
}

static Status embed_lsa(const Dataset *d, const ItemInterests *interests, InterestUse use, Arena *arena, cJSON *info, float **embedding)
{
    Corpus *corpus = corpus_create(arena, (TextOptions){stop_words, stem, bigrams});
    Companions with = itemdoc_companions(&d->train, d->N, window, arena);
    for (int64_t i = 0; i < d->N; i++) {
        itemdoc_add(corpus, &d->text[i], interests ? &interests[i] : NULL, use, arena);
        if (weight[FIELD_COMPANIONS] > 0) itemdoc_add_companions(corpus, &with, i);
    }
    Csr x = corpus_tfidf(corpus, weight, sublinear, min_df, max_df, arena, NULL);
    int64_t nnz = x.indptr[x.n_rows], iterations = 0, empty = 0;
    if (nnz == 0)
        return FAIL(E_INPUT, "use item identifiers made elsewhere, or --import an embedding", "%s: no item has text in a field of positive weight", d->dir);
    for (int64_t i = 0; i < x.n_rows; i++) empty += x.indptr[i] == x.indptr[i + 1];
    log_info("%lld terms, %lld entries; %lld items without any", (long long)x.n_cols, (long long)nnz, (long long)empty);
    double *sigma = ARENA_NEW(arena, double, dim), *e = ARENA_NEW(arena, double, d->N * dim), explained = 0, start = time_now_s();
    TRY(lsa_svd(&x, dim, method_of(method_name), (uint64_t)seed, arena, sigma, e, &iterations));
    lsa_postprocess(d->N, dim, sigma, whiten, normalise, e);
    for (int64_t j = 0; j < dim; j++) explained += sigma[j] * sigma[j] / (double)(d->N - empty); /* rows have length 1 */
    log_info("SVD of rank %lld in %.1f s, %lld iterations; %.1f %% of the squared weight", (long long)dim, time_now_s() - start, (long long)iterations,
             100 * explained);
    *embedding = ARENA_NEW(arena, float, d->N * dim);
    for (int64_t i = 0; i < d->N * dim; i++) (*embedding)[i] = (float)e[i];
    cJSON_AddNumberToObject(info, "terms", (double)x.n_cols);
    cJSON_AddNumberToObject(info, "entries", (double)nnz);
    cJSON_AddNumberToObject(info, "items_without_text", (double)empty);
    cJSON_AddNumberToObject(info, "bytes_not_utf8", (double)corpus_bad_bytes(corpus));
    cJSON_AddNumberToObject(info, "svd_iterations", (double)iterations);
    cJSON_AddNumberToObject(info, "explained_share", explained);
    cJSON_AddItemToObject(info, "singular_values", cJSON_CreateDoubleArray(sigma, (int)dim));
    return OK;
}

static Status embed_import(const Dataset *d, Arena *arena, cJSON *info, float **embedding)
{
    int64_t rows = 0;
    TRY(npy_read_f32(import_path, arena, embedding, &rows, &dim));
    if (rows != d->N)
        return FAIL(E_INPUT, "row i must be item i of items.jsonl", "%s: %lld rows, %lld items", import_path, (long long)rows, (long long)d->N);
    for (int64_t i = 0; i < rows * dim; i++)
        if (!isfinite((*embedding)[i])) return FAIL(E_NUMERIC, NULL, "%s: row %lld is not finite", import_path, (long long)(i / dim));
    cJSON_AddStringToObject(info, "imported_from", import_path);
    return OK;
}

static Status texts_write(const Dataset *d, const ItemInterests *interests, InterestUse use, Arena *arena, const char *path)
{
    AtomicFile *file = NULL;
    TRY(atomic_open(path, &file));
    for (int64_t i = 0; i < d->N; i++) {
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "item", (double)i);
        cJSON_AddStringToObject(line, "text", itemdoc_whole(&d->text[i], interests ? &interests[i] : NULL, use, arena));
        char *text = cJSON_PrintUnformatted(line);
        fprintf(atomic_stream(file), "%s\n", text);
        cJSON_free(text);
        cJSON_Delete(line);
    }
    return atomic_commit(file);
}

int main(int argc, char **argv)
{
    cli_parse("05_embed", "items to vectors: TF-IDF and truncated SVD of their text and interests", options, argc, argv);
    Arena *arena = arena_create("05_embed");
    Dataset *d = NULL;
    ItemInterests *interests = NULL;
    float *embedding = NULL;
    InterestUse use = use_of(use_name);
    if (use != INTERESTS_NONE && !*labels_dir)
        MUST(FAIL(E_USAGE, "give --labels DIR, or --interests none", "--interests %s with --labels \"%s\"", use_name, labels_dir));
    MUST(dataset_load(data_dir, true, arena, &d));
    const char *labels = arena_printf(arena, "%s/labels.jsonl", labels_dir);
    if (use != INTERESTS_NONE) MUST(interests_load(labels, d->N, true, arena, &interests));
    if (cli_dry_run()) {
        log_info("would embed %lld items of %s in %lld dimensions", (long long)d->N, d->label, (long long)dim);
        return 0;
    }
    MUST(dir_make(out_dir));
    if (threads > 0) {
        omp_set_num_threads((int)threads);
        openblas_set_num_threads((int)threads);
    }
    Manifest *m = manifest_begin("05_embed", cli_json(options));
    manifest_input(m, arena_printf(arena, "%s/items.jsonl", data_dir));
    if (weight[FIELD_COMPANIONS] > 0) manifest_input(m, arena_printf(arena, "%s/train.tsv", data_dir));
    if (use != INTERESTS_NONE) manifest_input(m, labels);
    if (*import_path) manifest_input(m, import_path);
    cJSON *info = cJSON_CreateObject();
    cJSON_AddStringToObject(info, "data", d->name);
    cJSON_AddStringToObject(info, "method", *import_path ? "import" : "lsa");
    cJSON_AddStringToObject(info, "interests", use_name);
    fields_count(d, interests, use, arena, info);
    MUST(*import_path ? embed_import(d, arena, info, &embedding) : embed_lsa(d, interests, use, arena, info, &embedding));
    cJSON_AddNumberToObject(info, "items", (double)d->N);
    cJSON_AddNumberToObject(info, "dim", (double)dim);

    const char *npy = arena_printf(arena, "%s/embeddings.npy", out_dir), *json = arena_printf(arena, "%s/embed.json", out_dir);
    MUST(npy_write_f32(npy, embedding, d->N, dim));
    MUST(json_write_file(json, info));
    manifest_output(m, npy);
    manifest_output(m, json);
    if (write_texts) {
        const char *texts = arena_printf(arena, "%s/texts.jsonl", out_dir);
        MUST(texts_write(d, interests, use, arena, texts));
        manifest_output(m, texts);
    }
    manifest_note_bool(m, "simulated", d->simulated);
    MUST(manifest_end(m, out_dir));
    cJSON_Delete(info);
    arena_destroy(arena);
    return 0;
}
