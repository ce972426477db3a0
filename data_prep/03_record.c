/* 03_record -- asks language models: mining (mine/...), captions of photos (caption/...), judging of interests (judge/...), vectors of the items' texts (embed/...: no prompt, the
 * whole text that `05_embed --embedder recorded` uses). `03_mine --mode record` is the same.
 *
 * In:  a data set folder, paper/providers.json, paper/prompts; for a judge the folder 03_mine wrote (--interests); for templates that show a photo, --images; for vectors the folder
 *      04_label wrote (--labels)
 * Out: answers appended to --responses as they come (a file of cache/responses; of vectors, of cache/embeddings), <out>/ledger.json, and <responses>.errors.jsonl for what failed;
 *      of caption templates <out>/captions.jsonl, all captions there are now, for `02_preprocess --captions`
 *
 * The API key is read from the environment variable that providers.json names, and goes nowhere but into the request. --dry-run asks nothing and estimates.
 * Stop it at any moment, run the same command again: what was answered is not asked again. Besides 01_download no program of this
 * project opens a socket; 03_mine and 05_embed, which replay, hold no code that could.
 *
 * Deviations from the paper: it says which models were asked, not how (temperature, limits, batching). Here: one item a request, the provider's own defaults, and what
 * "extra" in providers.json adds; ledger.json keeps all of it. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/log.h"
#include "llm/captions.h"
#include "llm/questions.h"
#include "llm/record.h"
#include "sid/embedder.h"

static const char *data_dir, *set, *responses, *prompts_dir, *providers, *provider, *model_name, *template_id, *interests_dir, *images, *items, *on_error, *date, *out, *known, *labels_dir, *use_name;
static int64_t max_items, concurrency, max_attempts, max_malformed, max_output_tokens, image_tokens, batch, seed;
static double max_usd, price_in, price_out, timeout_s, connect_timeout_s, retry_wait_s, max_wait_s, requests_per_minute, tokens_per_minute;
static bool schema, keep_thinking, retry_errors;

static const CliOption options[] = {
    {"data", CLI_STR, &data_dir, NULL, 0, 0, "DIR", "data set folder written by 02_preprocess", NULL},
    {"set", CLI_STR, &set, NULL, 0, 0, "NAME", "set the answers belong to, e.g. industrial, sample-beauty", NULL},
    {"model", CLI_STR, &model_name, NULL, 0, 0, "NAME", "whom to ask, a model of --providers", NULL},
    {"template", CLI_STR, &template_id, NULL, 0, 0, "ID", "what to ask, e.g. mine/v1, mine/v1-photo, caption/v1, judge/v1; " EMBEDDER_TEMPLATE ": vectors", NULL},
    {"responses", CLI_STR, &responses, NULL, 0, 0, "FILE", "file the answers are appended to, e.g. cache/responses/beauty.jsonl.zst", NULL},
    {"known", CLI_STR, &known, "", 0, 0, "LIST", "files or folders, separated by commas, whose answers are not asked for again, e.g. cache/responses; only read", NULL},
    {"out", CLI_STR, &out, NULL, 0, 0, "DIR", "folder of ledger.json; every run is added to it", NULL},
    {"max-usd", CLI_REAL, &max_usd, "-1", -1, 1e9, "USD", "cap of this run: no request starts that could go beyond it (needed unless the model is free)", NULL},
    {"providers", CLI_STR, &providers, "paper/providers.json", 0, 0, "FILE", "providers, models, prices, limits", NULL},
    {"provider", CLI_STR, &provider, "", 0, 0, "NAME", "which provider, where several have the model", NULL},
    {"price-in", CLI_REAL, &price_in, "-1", -1, 1e6, "USD", "price of a million prompt tokens, instead of the one in --providers", NULL},
    {"price-out", CLI_REAL, &price_out, "-1", -1, 1e6, "USD", "price of a million output tokens", NULL},
    {"image-tokens", CLI_INT, &image_tokens, "-1", -1, 1e6, "", "what a photo is counted as, at most, instead of the bound in --providers", NULL},
    {"prompts", CLI_STR, &prompts_dir, "paper/prompts", 0, 0, "DIR", "templates and ensemble.json", NULL},
    {"images", CLI_STR, &images, "", 0, 0, "PATH", "photos: a folder of <raw id>.jpg|png|webp|gif, or a file of lines `raw id<TAB>URL or path`", NULL},
    {"interests", CLI_STR, &interests_dir, "", 0, 0, "DIR", "judge: folder written by 03_mine", NULL},
    {"labels", CLI_STR, &labels_dir, "", 0, 0, "DIR", "vectors: folder written by 04_label", NULL},
    {"with-interests", CLI_ENUM, &use_name, "positive", 0, 0, "", "vectors: which interests join the text, as 05_embed --interests", INTEREST_USE_CHOICES},
    {"batch", CLI_INT, &batch, "0", 0, 2048, "", "vectors: texts in a request (0: what --providers says, else 64)", NULL},
    {"max-items", CLI_INT, &max_items, "0", 0, 1e12, "", "ask about so many items at most; a judge draws them at random (0: all)", NULL},
    {"items", CLI_STR, &items, "", 0, 0, "LIST", "only these raw ids, separated by commas, or @FILE with one a line", NULL},
    {"concurrency", CLI_INT, &concurrency, "8", 1, 512, "", "requests under way at once", NULL},
    {"max-attempts", CLI_INT, &max_attempts, "6", 1, 100, "", "attempts a question, the first included", NULL},
    {"max-malformed", CLI_INT, &max_malformed, "2", 0, 100, "", "times a malformed answer is asked for again before it is kept as it is", NULL},
    {"max-output-tokens", CLI_INT, &max_output_tokens, "0", 0, 1e6, "", "bound of one answer, reasoning included (0: 1024, caption 256, label 16; 8192 more for a model that thinks)", NULL},
    {"schema", CLI_FLAG, &schema, "1", 0, 1, "", "bind mining answers to a JSON schema where the model offers it", NULL},
    {"keep-thinking", CLI_FLAG, &keep_thinking, "1", 0, 1, "", "keep what a model thought before it answered, where the provider gives it", NULL},
    {"requests-per-minute", CLI_REAL, &requests_per_minute, "-1", -1, 1e9, "", "rate limit, instead of the one in --providers (0: none)", NULL},
    {"tokens-per-minute", CLI_REAL, &tokens_per_minute, "-1", -1, 1e12, "", "the same for tokens, prompt and --max-output-tokens together", NULL},
    {"timeout", CLI_REAL, &timeout_s, "180", 0.01, 86400, "s", "of one attempt", NULL},
    {"connect-timeout", CLI_REAL, &connect_timeout_s, "20", 0.01, 3600, "s", "of its connection", NULL},
    {"retry-wait", CLI_REAL, &retry_wait_s, "1", 0.0001, 3600, "s", "longest pause before the second attempt; doubles with each, the pause is drawn below it", NULL},
    {"max-wait", CLI_REAL, &max_wait_s, "300", 0.001, 86400, "s", "longest pause; a server that asks for more ends the run", NULL},
    {"on-error", CLI_ENUM, &on_error, "skip", 0, 0, "", "a question that fails: list it and go on, or stop with exit 4", "skip|stop"},
    {"retry-errors", CLI_FLAG, &retry_errors, "0", 0, 1, "", "ask again what was refused, truncated, rejected or malformed in an earlier run", NULL},
    {"seed", CLI_INT, &seed, "2026", 0, 9e15, "", "random seed (pauses; which items and foreign interests a judge gets)", NULL},
    {"date", CLI_STR, &date, "", 0, 0, "", "date put into records (default: today, UTC)", NULL},
    CLI_END};

static const char *today(Arena *arena) {
    time_t now = time(NULL);
    struct tm utc;
    char text[16];
    gmtime_r(&now, &utc);
    (void)strftime(text, sizeof text, "%Y-%m-%d", &utc);
    return arena_strdup(arena, text);
}

static Status find_model(Arena *arena, Provider **p, Model **m) {
    TRY(providers_find(providers, provider, model_name, arena, p, m));
    if ((price_in < 0) != (price_out < 0)) return FAIL(E_USAGE, NULL, "--price-in and --price-out go together");
    if (price_in >= 0) {
        (*m)->has_prices = true;
        (*m)->usd_in = price_in;
        (*m)->usd_out = price_out;
        (*m)->price_source = NULL;
    }
    if (requests_per_minute >= 0) (*m)->requests_per_minute = requests_per_minute;
    if (tokens_per_minute >= 0) (*m)->tokens_per_minute = tokens_per_minute;
    if (image_tokens >= 0) {
        (*m)->image_tokens = image_tokens;
        (*m)->image_tokens_source = NULL;
    }
    return OK;
}

static int64_t output_bound(const Template *t, const Model *m) {
    if (!t) return 0; /* vectors */
    if (max_output_tokens > 0) return max_output_tokens;
    int64_t bound = (t->is_judge ? 16 : t->is_caption ? 256 : 1024) + (m->thinks ? 8192 : 0);
    return m->max_output_tokens > 0 && m->max_output_tokens < bound ? m->max_output_tokens : bound;
}

static Status gather(const Template *t, Dataset *d, Arena *arena, Question **questions, int64_t *n) {
    Ensemble *e;
    Photos *photos = NULL;
    ItemInterests *interests = NULL;
    QuestionCount count;
    TRY(ensemble_load(prompts_dir, arena, &e));
    if (t->wants_image && !*images) return FAIL(E_USAGE, "see `03_record --help`", "template %s shows a photo: --images is needed", t->id);
    if (*images && !t->wants_image) return FAIL(E_USAGE, NULL, "--images: template %s shows no photo", t->id);
    if (*interests_dir && !t->is_judge) return FAIL(E_USAGE, NULL, "--interests: template %s judges nothing", t->id);
    if (*labels_dir || batch) return FAIL(E_USAGE, NULL, "--labels and --batch are of vectors, and template %s asks for answers", t->id);
    if (*images) TRY(photos_open(images, arena, &photos));
    if (*interests_dir) TRY(interests_load(arena_printf(arena, "%s/interests.jsonl", interests_dir), d->N, false, arena, &interests));
    QuestionSource source = {.d = d, .ensemble = e, .prompt = t, .set = set, .photos = photos, .interests = interests, .max_items = max_items, .seed = (uint64_t)seed};
    TRY(questions_wanted(items, d, arena, &source.wanted));
    TRY(questions_make(&source, arena, questions, n, &count));
    if (t->is_judge)
        log_info("%lld questions about %lld items: %lld mined interests, %lld swapped in from other items, %lld generic phrases", (long long)*n, (long long)count.items,
                 (long long)count.mined, (long long)count.swapped, (long long)count.generic);
    else log_info("%lld of %lld items to ask about", (long long)*n, (long long)d->N);
    if (count.without_photo) log_warn("%lld items have no photo in %s and are left out", (long long)count.without_photo, images);
    return OK;
}

/* Vectors: the texts that 05_embed would look up. */
static Status gather_texts(const Dataset *d, Arena *arena, EmbedText **texts, int64_t *n) {
    EmbedderItems all = {.d = d, .use = itemdoc_use(use_name)};
    ItemInterests *interests = NULL;
    const bool *wanted;
    int64_t empty = 0;
    if (*images || *interests_dir) return FAIL(E_USAGE, NULL, "--images and --interests: %s embeds the text of items", template_id);
    if (all.use != INTERESTS_NONE && !*labels_dir)
        return FAIL(E_USAGE, "give --labels, the folder 04_label wrote, or --with-interests none", "--with-interests %s without --labels", use_name);
    if (all.use != INTERESTS_NONE) TRY(interests_load(arena_printf(arena, "%s/labels.jsonl", labels_dir), d->N, true, arena, &interests));
    all.interests = interests;
    TRY(questions_wanted(items, d, arena, &wanted));
    *texts = embedder_texts(&all, arena);
    *n = 0;
    for (int64_t i = 0; i < d->N && (max_items == 0 || *n < max_items); i++) {
        if (wanted && !wanted[i]) continue;
        empty += !*(*texts)[i].text;
        if (*(*texts)[i].text) (*texts)[(*n)++] = (*texts)[i];
    }
    log_info("the texts of %lld of %lld items", (long long)*n, (long long)d->N);
    if (empty) log_warn("%lld items have no text and are left out: 05_embed gives them zeros", (long long)empty);
    return OK;
}

/* A replay finds a model's provider in ensemble.json. */
static void remind(Arena *arena, const Provider *p, const Model *m) {
    Ensemble *e;
    const char *there = "";
    if (ensemble_load(prompts_dir, arena, &e) == OK && ensemble_provider(e, m->name, &there) == OK && strcmp(there, p->name) == 0) return;
    status_clear();
    log_warn("to replay these answers, add \"%s\": \"%s\" to \"models\" in %s/ensemble.json", m->name, p->name, prompts_dir);
}

static Status save_captions(const Dataset *d, const Template *t, const Model *m, Arena *arena) {
    Responses *cache;
    int64_t n;
    const char *path = arena_printf(arena, "%s/captions.jsonl", out);
    if (!path_exists(responses) && !*known) return OK;
    TRY(responses_open_list(known, path_exists(responses) ? responses : NULL, arena, &cache));
    TRY(captions_save(path, d, cache, set, m->name, t->id, &n));
    log_info("%s: captions of %lld of %lld items", path, (long long)n, (long long)d->N);
    return OK;
}

static Status record(const RecordSettings *s, Arena *arena) {
    Dataset *d;
    Question *questions = NULL;
    EmbedText *texts = NULL;
    int64_t n;
    RecordCount count;
    TRY(dataset_load(data_dir, true, arena, &d));
    TRY(s->prompt ? gather(s->prompt, d, arena, &questions, &n) : gather_texts(d, arena, &texts, &n));
    if (!cli_dry_run()) TRY(dir_make(out));
    TRY(s->prompt ? record_all(s, questions, n, cli_dry_run(), &count) : embed_record(s, texts, n, cli_dry_run(), &count));
    if (cli_dry_run() || !s->prompt) return OK;
    if (s->prompt->is_caption) return save_captions(d, s->prompt, s->model, arena);
    remind(arena, s->provider, s->model);
    return OK;
}

static Status run(Arena *arena) {
    Provider *p;
    Model *m;
    Template *t = NULL;
    if (strncmp(template_id, "embed/", 6) != 0) TRY(template_load(prompts_dir, template_id, arena, &t));
    TRY(find_model(arena, &p, &m));
    int64_t texts = batch ? batch : m->texts_per_request ? m->texts_per_request : 64;
    RecordSettings s = {.provider = p, .model = m, .prompt = t, .template_id = template_id, .set = set, .date = *date ? date : today(arena), .responses = responses, .known = known,
                        .ledger = arena_printf(arena, "%s/ledger.json", out), .max_malformed = (int)max_malformed, .max_output_tokens = output_bound(t, m), .batch = t ? 1 : texts,
                        .with_schema = schema, .keep_thinking = keep_thinking, .stop_on_error = strcmp(on_error, "stop") == 0, .retry_errors = retry_errors, .max_usd = max_usd};
    s.http = (HttpSettings){.concurrency = (int)concurrency, .max_attempts = (int)max_attempts, .connect_timeout_s = connect_timeout_s, .timeout_s = timeout_s,
                            .first_pause_s = retry_wait_s, .max_pause_s = max_wait_s, .seed = (uint64_t)seed};
    return record(&s, arena);
}

int main(int argc, char **argv) {
    cli_parse("03_record", "items -> questions to a language model -> recorded answers", options, argc, argv);
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none); /* a core file would hold the key */
    Arena *arena = arena_create("run");
    MUST(run(arena));
    arena_destroy(arena);
    return 0;
}
