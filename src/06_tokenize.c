/* 06_tokenize -- vectors to semantic ids: RQ-VAE (or residual k-means), codes per item, a suffix where items share all codes.
 *
 * In:  --data DIR (02_preprocess; categories for the quality table), --embed DIR (05_embed)
 * Out: sids.index.json (LC-Rec / MiniOneRec format), sid_quality.json, rqvae.safetensors (not for rqkmeans), rqvae.tsv (training log)
 *
 * Embeddings are scaled so that their elements have mean square 1 ("input_scale" in sid_quality.json), which makes the losses comparable between
 * data sets.
 *
 * Deviations from the paper:
 *  1. What the paper leaves open (sizes, optimiser, warm-up, k-means seeding, dead codes) is stated in sid/rqtrain.h and --help.
 *  2. --spread 1 moves last codes so that fewer items collide (sid/quality.h); off by default, the paper only has the suffix.
 *  3. --method rqkmeans quantises the embedding itself: a control that shows what the autoencoder adds.
 *  4. --shuffle 1 deals the finished codes out to items at random: a control that shows what their meaning adds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "data/dataset.h"
#include "base/atomic.h"
#include "io/manifest.h"
#include "io/npy.h"
#include "sid/catalogue.h"
#include "sid/quality.h"
#include "sid/rqtrain.h"

static const char *out_dir, *data_dir, *embed_dir, *method, *hidden, *grad_name, *backend_name, *precision;
static int64_t levels, codes, latent, epochs, warmup_epochs, batch, kmeans_iterations, seed, threads;
static double beta, rq_weight, lr, weight_decay;
static bool refit, spread, shuffle;

static const CliOption options[] = {
    {"out", CLI_STR, &out_dir, NULL, 0, 0, "DIR", "output folder", NULL},
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder (02_preprocess)", NULL},
    {"embed", CLI_STR, &embed_dir, NULL, 0, 0, "DIR", "embeddings (05_embed)", NULL},
    {"method", CLI_ENUM, &method, "rqvae", 0, 0, "", "how codes are found", "rqvae|rqkmeans"},
    {"levels", CLI_INT, &levels, "3", 1, RQ_MAX_LEVELS, "", "Q, codes of a SID before the suffix", NULL},
    {"codes", CLI_INT, &codes, "256", 1, 65536, "", "K, codes per level", NULL},
    {"hidden", CLI_STR, &hidden, "256,128", 0, 0, "", "hidden sizes of the encoder, comma-separated; \"\" = one linear layer", NULL},
    {"latent", CLI_INT, &latent, "32", 1, 4096, "", "Z, size of the quantised vector", NULL},
    {"beta", CLI_REAL, &beta, "0.25", 0, 100, "", "weight of the commitment term", NULL},
    {"rq-weight", CLI_REAL, &rq_weight, "1", 0, 100, "", "weight of the quantisation loss", NULL},
    {"residual-grad", CLI_ENUM, &grad_name, "detach", 0, 0, "", "gradient through residuals", "detach|lcrec"},
    {"epochs", CLI_INT, &epochs, "200", 0, 100000, "", "epochs with quantisation", NULL},
    {"warmup-epochs", CLI_INT, &warmup_epochs, "50", 0, 100000, "", "epochs as a plain autoencoder before", NULL},
    {"batch", CLI_INT, &batch, "1024", 1, 65536, "items", "items per step (at most all)", NULL},
    {"lr", CLI_REAL, &lr, "1e-3", 0, 1, "", "peak learning rate (2 % warm-up, cosine)", NULL},
    {"weight-decay", CLI_REAL, &weight_decay, "1e-4", 0, 1, "", "AdamW weight decay", NULL},
    {"kmeans-iterations", CLI_INT, &kmeans_iterations, "50", 0, 10000, "", "Lloyd iterations per level", NULL},
    {"refit", CLI_FLAG, &refit, "0", 0, 1, "", "k-means of the codebooks again after training", NULL},
    {"spread", CLI_FLAG, &spread, "0", 0, 1, "", "move last codes so that fewer items collide", NULL},
    {"shuffle", CLI_FLAG, &shuffle, "0", 0, 1, "", "deal the SIDs out to items at random (control)", NULL},
    {"threads", CLI_INT, &threads, "0", 0, 1024, "", "CPU threads; 0 = all", NULL},
    {"backend", CLI_ENUM, &backend_name, "cpu", 0, 0, "", "where the arithmetic runs", "cpu|ref|cuda"},
    {"precision", CLI_ENUM, &precision, "fp32", 0, 0, "", "of matrix products; bf16 is faster where the processor has it", "fp32|bf16"},
    {"seed", CLI_INT, &seed, "1", 0, 0, "", "random seed", NULL},
    CLI_END};

/* Everything the two methods fill in. */
typedef struct Codes {
    int32_t *code;    /* (N,Q) */
    int64_t Z;
    real *rest, *book; /* (N,Z) before the last level, (K,Z): for --spread */
    double recon;     /* mean squared error per (scaled) embedding element */
} Codes;

static Status sizes_parse(RqConfig *cfg, int64_t E)
{
    cfg->dims[cfg->n_layers++] = E;
    for (const char *p = hidden; *p;) {
        char *end = NULL;
        long v = strtol(p, &end, 10);
        if (end == p || v < 1 || v > 65536 || (*end != ',' && *end) || (*end == ',' && !end[1]) || cfg->n_layers >= RQ_MAX_LAYERS)
            return FAIL(E_USAGE, "for example --hidden 256,128", "--hidden \"%s\": not a list of at most %d sizes", hidden, RQ_MAX_LAYERS - 1);
        cfg->dims[cfg->n_layers++] = v;
        p = *end ? end + 1 : end;
    }
    cfg->dims[cfg->n_layers] = latent;
    return OK;
}

/* Scales x (N,E) to mean square 1; returns the factor. */
static double input_scale(int64_t n, real *x)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    double scale = sum > 0 ? sqrt((double)n / sum) : 1;
    for (int64_t i = 0; i < n; i++) x[i] = (real)((double)x[i] * scale);
    return scale;
}

/* Residuals of v (N,Z) before the last level. */
static void rest_before_last(int64_t N, int64_t Z, const real *book, const int32_t *code, real *v)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t l = 0; l + 1 < levels; l++)
            for (int64_t j = 0; j < Z; j++) v[i * Z + j] -= book[(l * codes + code[i * levels + l]) * Z + j];
}

static Status run_rqvae(Backend *be, int64_t N, int64_t E, const real *x, Arena *arena, cJSON *info, Codes *out)
{
    RqConfig cfg = {.Q = levels, .K = codes, .beta = beta, .rq_weight = rq_weight, .lcrec = strcmp(grad_name, "lcrec") == 0};
    TRY(sizes_parse(&cfg, E));
    RqTraining t = {.epochs = epochs, .warmup_epochs = warmup_epochs, .batch = batch < N ? batch : N, .kmeans_iterations = kmeans_iterations, .lr = lr,
                    .weight_decay = weight_decay, .refit = refit, .seed = (uint64_t)seed};
    RqModel *m = rqvae_create(be, &cfg, N < 2048 ? (N < t.batch ? t.batch : N) : (t.batch > 2048 ? t.batch : 2048), true);
    RqReport report;
    real *x_device = be->alloc(be, (size_t)(N * E) * sizeof *x);
    be->upload(be, x_device, x, (size_t)(N * E) * sizeof *x);
    AtomicFile *log = NULL;
    TRY(atomic_open(arena_printf(arena, "%s/rqvae.tsv", out_dir), &log));
    TRY(rqvae_train(m, N, x_device, &t, atomic_stream(log), &report));
    TRY(atomic_commit(log));
    out->Z = latent;
    out->code = ARENA_NEW(arena, int32_t, N * levels);
    out->rest = ARENA_NEW(arena, real, N * latent);
    TRY(rqvae_encode(m, N, x_device, out->code, out->rest, NULL));
    real *book = ARENA_NEW(arena, real, levels * codes * latent);
    for (int64_t l = 0; l < levels; l++)
        TRY(be->download(be, book + l * codes * latent, params_value(m->params, m->codebook[l]), (size_t)(codes * latent) * sizeof *book));
    rest_before_last(N, latent, book, out->code, out->rest);
    out->book = book + (levels - 1) * codes * latent;
    out->recon = report.loss.recon;
    TRY(params_save(m->params, arena_printf(arena, "%s/rqvae.safetensors", out_dir)));
    log_info("RQ-VAE: %lld steps in %.1f s, loss %.4f, reconstruction %.4f, %lld dead codes moved", (long long)report.steps, report.seconds,
             report.loss.total, report.loss.recon, (long long)report.dead_moved);
    cJSON_AddNumberToObject(info, "steps", (double)report.steps);
    cJSON_AddNumberToObject(info, "loss", report.loss.total);
    cJSON_AddNumberToObject(info, "rq_loss", report.loss.rq);
    cJSON_AddNumberToObject(info, "dead_codes_moved", (double)report.dead_moved);
    cJSON_AddItemToObject(info, "residual_mse", cJSON_CreateDoubleArray(report.loss.level, (int)levels));
    be->release(be, x_device);
    rqvae_destroy(m);
    return OK;
}

static Status run_rqkmeans(Backend *be, int64_t N, int64_t E, const real *x, Arena *arena, cJSON *info, Codes *out)
{
    double mse[RQ_MAX_LEVELS];
    real *book = ARENA_NEW(arena, real, levels * codes * E);
    out->Z = E;
    out->code = ARENA_NEW(arena, int32_t, N * levels);
    out->rest = ARENA_NEW(arena, real, N * E);
    memcpy(out->rest, x, (size_t)(N * E) * sizeof *x);
    TRY(rq_refit_codebooks(be, N, E, levels, codes, x, kmeans_iterations, (uint64_t)seed, book, out->code, mse));
    rest_before_last(N, E, book, out->code, out->rest);
    out->book = book + (levels - 1) * codes * E;
    out->recon = mse[levels - 1];
    log_info("residual k-means: reconstruction %.4f", out->recon);
    cJSON_AddItemToObject(info, "residual_mse", cJSON_CreateDoubleArray(mse, (int)levels));
    return OK;
}

/* Codes of item i become those of item permutation[i]. */
static void codes_shuffle(int64_t N, int32_t *code, Arena *arena)
{
    int32_t *from = ARENA_NEW(arena, int32_t, N), *old = ARENA_NEW(arena, int32_t, N * levels);
    Rng rng = rng_make((uint64_t)seed, RNG_STAGE_TOKENIZE, RNG_PERMUTE, 0, 0);
    for (int32_t i = 0; i < N; i++) from[i] = i;
    rng_shuffle_i32(&rng, from, N);
    memcpy(old, code, (size_t)(N * levels) * sizeof *code);
    for (int64_t i = 0; i < N; i++) memcpy(code + i * levels, old + from[i] * levels, (size_t)levels * sizeof *code);
}

int main(int argc, char **argv)
{
    cli_parse("06_tokenize", "vectors to semantic ids", options, argc, argv);
    Arena *arena = arena_create("06_tokenize");
    Dataset *d = NULL;
    Backend *be = NULL;
    float *embedding = NULL;
    int64_t N = 0, E = 0;
    const char *npy = arena_printf(arena, "%s/embeddings.npy", embed_dir);
    MUST(dataset_load(data_dir, true, arena, &d));
    MUST(npy_read_f32(npy, arena, &embedding, &N, &E));
    if (N != d->N) MUST(FAIL(E_INPUT, "give the --embed made from this --data", "%s: %lld rows, %s has %lld items", npy, (long long)N, data_dir, (long long)d->N));
    MUST(sizes_parse(&(RqConfig){0}, E));
    if (cli_dry_run()) {
        log_info("would give %lld items %lld codes of %lld each", (long long)N, (long long)levels, (long long)codes);
        return 0;
    }
    MUST(dir_make(out_dir));
    MUST(backend_open(backend_name, (int)threads, &be));
    MUST(backend_set_precision(be, precision));
    Manifest *manifest = manifest_begin("06_tokenize", cli_json(options));
    manifest_input(manifest, npy);
    manifest_input(manifest, arena_printf(arena, "%s/items.jsonl", data_dir));
    real *x = ARENA_NEW(arena, real, N * E);
    for (int64_t i = 0; i < N * E; i++) x[i] = (real)embedding[i];
    cJSON *info = cJSON_CreateObject();
    cJSON_AddStringToObject(info, "method", method);
    cJSON_AddNumberToObject(info, "input_scale", input_scale(N * E, x));
    Codes found = {0};
    MUST(strcmp(method, "rqvae") == 0 ? run_rqvae(be, N, E, x, arena, info, &found) : run_rqkmeans(be, N, E, x, arena, info, &found));
    cJSON_AddNumberToObject(info, "reconstruction_mse", found.recon);
    if (spread)
        cJSON_AddNumberToObject(info, "spread_moved", (double)quality_spread(N, levels, codes, found.Z, found.rest, found.book, found.code, arena));
    cJSON_AddBoolToObject(info, "shuffled", shuffle);
    if (shuffle) codes_shuffle(N, found.code, arena);

    Catalogue *c = catalogue_from_codes(arena, N, levels, codes, found.code);
    const char **category = ARENA_NEW(arena, const char *, N);
    for (int64_t i = 0; i < N; i++) category[i] = d->text[i].categories;
    cJSON *quality = quality_measure(c, category, be, x, E, arena);
    log_info("%.2f %% of the items share their %lld codes with another; %lld distinct tuples", 100 * cJSON_GetObjectItem(quality, "collision_rate")->valuedouble,
             (long long)levels, (long long)cJSON_GetObjectItem(quality, "distinct_tuples")->valuedouble);
    cJSON_AddItemToObject(quality, "training", info);
    const char *index = arena_printf(arena, "%s/sids.index.json", out_dir), *report = arena_printf(arena, "%s/sid_quality.json", out_dir);
    MUST(catalogue_write(c, index));
    MUST(json_write_file(report, quality));
    manifest_output(manifest, index);
    manifest_output(manifest, report);
    if (strcmp(method, "rqvae") == 0) {
        manifest_output(manifest, arena_printf(arena, "%s/rqvae.safetensors", out_dir));
        manifest_output(manifest, arena_printf(arena, "%s/rqvae.tsv", out_dir));
    }
    manifest_note_bool(manifest, "simulated", d->simulated);
    MUST(manifest_end(manifest, out_dir));
    cJSON_Delete(quality);
    be->destroy(be);
    arena_destroy(arena);
    return 0;
}
