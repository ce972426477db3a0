/* sid/embedder.c -- see embedder.h. */
#include "sid/embedder.h"

#include <math.h>
#include <string.h>

#include "base/atomic.h"
#include "base/log.h"
#include "io/npy.h"
#include "llm/drift.h"
#include "llm/providers.h"

EmbedText *embedder_texts(const EmbedderItems *items, Arena *arena)
{
    EmbedText *texts = ARENA_NEW(arena, EmbedText, items->d->N);
    for (int64_t i = 0; i < items->d->N; i++) {
        const ItemText *item = &items->d->text[i];
        const ItemInterests *interests = items->interests ? &items->interests[i] : NULL;
        const char *parts = "";
        for (int f = 0; f < N_FIELDS; f++) {
            const char *text = itemdoc_text(item, interests, items->use, f, arena);
            if (*text) parts = arena_printf(arena, "%s%s%s=%s", parts, *parts ? " " : "", ITEMDOC_FIELDS[f], drift_digest(arena, text));
        }
        texts[i] = (EmbedText){.item = item->id, .text = itemdoc_whole(item, interests, items->use, arena), .parts = parts};
    }
    return texts;
}

/* --- lsa ------------------------------------------------------------------------------------------------------------------ */

static Csr term_rows(const EmbedderSettings *s, const EmbedderItems *items, Arena *arena, cJSON *info)
{
    const Dataset *d = items->d;
    Corpus *corpus = corpus_create(arena, s->text);
    Companions with = itemdoc_companions(&d->train, d->N, s->window, arena);
    for (int64_t i = 0; i < d->N; i++) {
        itemdoc_add(corpus, &d->text[i], items->interests ? &items->interests[i] : NULL, items->use, arena);
        if (s->weight[FIELD_COMPANIONS] > 0) itemdoc_add_companions(corpus, &with, i);
    }
    Csr x = corpus_tfidf(corpus, s->weight, s->sublinear, s->min_df, s->max_df, arena, NULL);
    cJSON_AddNumberToObject(info, "terms", (double)x.n_cols);
    cJSON_AddNumberToObject(info, "entries", (double)x.indptr[x.n_rows]);
    cJSON_AddNumberToObject(info, "bytes_not_utf8", (double)corpus_bad_bytes(corpus));
    return x;
}

static Status embed_lsa(const EmbedderSettings *s, const EmbedderItems *items, Arena *arena, cJSON *info, Embedding *out)
{
    const Dataset *d = items->d;
    Csr x = term_rows(s, items, arena, info);
    int64_t nnz = x.indptr[x.n_rows], iterations = 0, empty = 0;
    if (nnz == 0)
        return FAIL(E_INPUT, "use item identifiers made elsewhere, or --import an embedding", "%s: no item has text in a field of positive weight", d->dir);
    for (int64_t i = 0; i < x.n_rows; i++) empty += x.indptr[i] == x.indptr[i + 1];
    log_info("%lld terms, %lld entries; %lld items without any", (long long)x.n_cols, (long long)nnz, (long long)empty);
    double *sigma = ARENA_NEW(arena, double, s->dim), *e = ARENA_NEW(arena, double, d->N * s->dim), explained = 0, start = time_now_s();
    TRY(lsa_svd(&x, s->dim, s->svd, s->seed, arena, sigma, e, &iterations));
    lsa_postprocess(d->N, s->dim, sigma, s->whiten, s->normalise, e);
    for (int64_t j = 0; j < s->dim; j++) explained += sigma[j] * sigma[j] / (double)(d->N - empty); /* rows have length 1 */
    log_info("SVD of rank %lld in %.1f s, %lld iterations; %.1f %% of the squared weight", (long long)s->dim, time_now_s() - start, (long long)iterations,
             100 * explained);
    out->dim = s->dim;
    out->at = ARENA_NEW(arena, float, d->N * s->dim);
    for (int64_t i = 0; i < d->N * s->dim; i++) out->at[i] = (float)e[i];
    cJSON_AddNumberToObject(info, "items_without_text", (double)empty);
    cJSON_AddNumberToObject(info, "svd_iterations", (double)iterations);
    cJSON_AddNumberToObject(info, "explained_share", explained);
    cJSON_AddItemToObject(info, "singular_values", cJSON_CreateDoubleArray(sigma, (int)s->dim));
    return OK;
}

/* --- recorded ------------------------------------------------------------------------------------------------------------- */

static const char *use_name(InterestUse use) { return use == INTERESTS_NONE ? "none" : use == INTERESTS_POSITIVE ? "positive" : "all"; }

/* The command that records what is missing: what 03_record is told is what we were told. */
static const char *recording_command(const EmbedderSettings *s, const EmbedderItems *items, const char *provider, Arena *arena)
{
    size_t n = strlen(s->embeddings);
    bool file = n > 10 && strcmp(s->embeddings + n - 10, ".jsonl.zst") == 0;
    const char *to = file ? s->embeddings : arena_printf(arena, "%s/%s.jsonl.zst", s->embeddings, s->set);
    const char *labels = items->use == INTERESTS_NONE ? "" : arena_printf(arena, " --labels %s", s->labels);
    return arena_printf(arena, "`%s --data %s --set %s --providers %s --provider %s --model %s --template %s --with-interests %s%s --responses %s --out results/record --max-usd 1` "
                        "records them, for at most 1 USD; with --dry-run it only says what they would cost", s->recorder, items->d->dir, s->set, s->providers, provider, s->model, s->template_id, use_name(items->use), labels, to);
}

static Status recorded_settings(const EmbedderSettings *s)
{
    const struct { const char *value, *flag; } needed[] = {{s->embeddings, "embeddings"}, {s->set, "set"}, {s->model, "model"}, {s->template_id, "template"}};
    for (size_t k = 0; k < sizeof needed / sizeof needed[0]; k++)
        if (!*needed[k].value) return FAIL(E_USAGE, "see `05_embed --help`", "--embedder recorded needs --%s", needed[k].flag);
    if (strncmp(s->template_id, "embed/", 6) != 0) return FAIL(E_USAGE, "vectors are recorded under a name that begins with embed/", "--template %s: not a kind of text to embed", s->template_id);
    return OK;
}

static Status embed_recorded(const EmbedderSettings *s, const EmbedderItems *items, Arena *arena, cJSON *info, Embedding *out)
{
    Provider *p;
    Model *m;
    Responses *cache = responses_empty(arena);
    EmbedSource source = {.provider = s->provider, .model = s->model, .template_id = s->template_id, .set = s->set};
    TRY(recorded_settings(s));
    if (!*s->provider) {
        TRY(providers_find(s->providers, "", s->model, arena, &p, &m));
        source.provider = p->name;
    }
    source.remedy = recording_command(s, items, source.provider, arena);
    if (path_exists(s->embeddings)) TRY(responses_open(s->embeddings, arena, &cache)); /* else all are missing, which is said with the command */
    responses_warn_journals(cache, -1);
    EmbedText *texts = embedder_texts(items, arena);
    TRY(embed_replay(cache, &source, texts, items->d->N, arena, &out->at, &out->dim));
    int64_t empty = 0;
    for (int64_t i = 0; i < items->d->N; i++) empty += !*texts[i].text;
    if (empty) log_warn("%lld items have no text: their vectors are zeros", (long long)empty);
    log_info("%s: %lld vectors of %s (%s), %lld numbers each", s->embeddings, (long long)(items->d->N - empty), s->model, source.provider, (long long)out->dim);
    out->n_inputs = responses_n_files(cache);
    out->input = ARENA_NEW(arena, const char *, out->n_inputs);
    for (int64_t f = 0; f < out->n_inputs; f++) out->input[f] = responses_file(cache, f);
    cJSON_AddStringToObject(info, "provider", source.provider);
    cJSON_AddStringToObject(info, "model", s->model);
    cJSON_AddStringToObject(info, "template", s->template_id);
    cJSON_AddStringToObject(info, "set", s->set);
    cJSON_AddNumberToObject(info, "items_without_text", (double)empty);
    return OK;
}

/* --- npy ------------------------------------------------------------------------------------------------------------------ */

static Status embed_npy(const EmbedderSettings *s, const EmbedderItems *items, Arena *arena, cJSON *info, Embedding *out)
{
    int64_t rows = 0, N = items->d->N;
    if (!*s->embeddings) return FAIL(E_USAGE, "see `05_embed --help`", "--embedder npy needs --embeddings");
    TRY(npy_read_f32(s->embeddings, arena, &out->at, &rows, &out->dim));
    if (rows != N) return FAIL(E_INPUT, "row i must be item i of items.jsonl", "%s: %lld rows, %lld items", s->embeddings, (long long)rows, (long long)N);
    for (int64_t i = 0; i < rows * out->dim; i++)
        if (!isfinite(out->at[i])) return FAIL(E_NUMERIC, NULL, "%s: row %lld is not finite", s->embeddings, (long long)(i / out->dim));
    out->n_inputs = 1;
    out->input = ARENA_NEW(arena, const char *, 1);
    out->input[0] = s->embeddings;
    cJSON_AddStringToObject(info, "imported_from", s->embeddings);
    return OK;
}

/* --- all of them ---------------------------------------------------------------------------------------------------------- */

static const Embedder embedders[] = {{"lsa", embed_lsa}, {"recorded", embed_recorded}, {"npy", embed_npy}};

const Embedder *embedder_find(const char *name)
{
    for (size_t k = 0; k < sizeof embedders / sizeof embedders[0]; k++)
        if (strcmp(embedders[k].name, name) == 0) return &embedders[k];
    REQUIRE(false, "no embedder \"%s\"", name);
    return NULL;
}
