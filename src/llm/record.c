/* llm/record.c -- what will be asked, and what it may cost; see record.h. The asking is in record_run.c. */
#include "llm/record.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "llm/record_parts.h"
#include "llm/vectors.h"

enum { FRAME_TOKENS = 64, BYTES_PER_TOKEN = 4 };

static const char *const failure_names[N_RECORD_FAILURES] = {"refused", "truncated", "rejected", "unreadable", "network"};

const char *record_failure_name(RecordFailure f) {
    REQUIRE((int)f >= 0 && f < N_RECORD_FAILURES, "failure %d", (int)f);
    return failure_names[f];
}

double record_usd(const Model *m, int64_t in, int64_t out) { return ((double)in * m->usd_in + (double)out * m->usd_out) / 1e6; }

double record_worst_usd(const RecordSettings *s, int64_t n_text, bool photo) {
    int64_t image = photo && s->model->image_tokens > 0 ? s->model->image_tokens : 0;
    return record_usd(s->model, n_text + FRAME_TOKENS + image, s->prompt ? s->max_output_tokens : 0);
}

const char *record_errors_path(const char *responses, Arena *arena) {
    static const char end[] = ".jsonl.zst";
    size_t n = strlen(responses), m = sizeof end - 1;
    if (n > m && strcmp(responses + n - m, end) == 0) n -= m;
    return arena_printf(arena, "%.*s.errors.jsonl", (int)n, responses);
}

Status record_check(const RecordSettings *s) {
    const Model *m = s->model;
    bool photo = s->prompt && s->prompt->wants_image, is_free = m->has_prices && m->usd_in <= 0 && m->usd_out <= 0;
    size_t n = strlen(s->responses);
    if (n < 11 || strcmp(s->responses + n - 10, ".jsonl.zst") != 0)
        return FAIL(E_USAGE, "name the file that is to grow, e.g. cache/responses/beauty.jsonl.zst", "--responses %s: recording needs one .jsonl.zst file", s->responses);
    if (m->is_embedding != !s->prompt) return FAIL(E_USAGE, "see \"kind\" in the providers' file", "model %s %s", m->name, m->is_embedding ? "gives vectors, not answers" : "gives no vectors");
    if (photo && !m->takes_images) return FAIL(E_USAGE, "see \"image\" in the providers' file", "template %s shows a photo, and model %s takes none", s->template_id, m->name);
    if (s->prompt && m->max_output_tokens > 0 && s->max_output_tokens > m->max_output_tokens)
        return FAIL(E_USAGE, NULL, "--max-output-tokens %lld: model %s gives at most %lld", (long long)s->max_output_tokens, m->name, (long long)m->max_output_tokens);
    if (!m->has_prices)
        return FAIL(E_USAGE, "look it up and give --price-in and --price-out (USD per million tokens; 0 for a server of your own), or fill in the providers' file",
                    "the price of %s (%s) is not known here, and none is assumed", m->name, s->provider->name);
    if (!is_free && s->max_usd < 0) return FAIL(E_USAGE, "say what may be spent, e.g. --max-usd 5; --dry-run estimates", "%s costs money: --max-usd is needed", m->name);
    if (!is_free && photo && m->image_tokens < 0)
        return FAIL(E_USAGE, "give --image-tokens, an upper bound from the provider's documentation, or set \"image_tokens\" in the providers' file", "how many tokens %s counts for a photo is not known", m->name);
    return OK;
}

/* ---- what is to be asked */

static Status set_key(const RecordSettings *s, Question *q, Arena *arena, Arena *scratch) {
    if (q->photo) {
        Photo photo;
        TRY(photo_load(q->photo, scratch, &photo));
        q->image = arena_strdup(arena, photo.reference);
    }
    prompt_key(s->provider->name, s->model->name, s->template_id, prompt_show(q->text, q->image, scratch), q->key);
    return OK;
}

Status record_plan(const RecordSettings *s, Question *questions, int64_t n, const Responses *cache, Arena *arena, RecordPlan *plan) {
    *plan = (RecordPlan){.at = questions, .n_given = n};
    Arena *scratch = arena_create("plan");
    StringTable *left_out, *planned = strtable_create(scratch);
    int64_t own = responses_find_file(cache, s->responses);
    Status status = record_errors_load(record_errors_path(s->responses, scratch), scratch, &left_out);
    for (int64_t i = 0; i < n && status == OK; i++) {
        Question q = questions[i];
        status = set_key(s, &q, arena, scratch);
        if (status != OK) break;
        int64_t before = strtable_count(planned);
        const Response *known = responses_find(cache, q.key, s->set, q.item);
        if (known && !(known->fault && s->retry_errors && strcmp(known->item, q.item) == 0)) {
            plan->n_known++;
            plan->n_known_elsewhere += known->file != own;
        } else if (!s->retry_errors && strtable_find(left_out, q.key) >= 0) plan->n_failed_before++;
        else if (strtable_add(planned, q.key) < before) plan->n_shared++;
        else plan->at[plan->n++] = q;
    }
    arena_destroy(scratch);
    return status;
}

/* ---- what it may cost */

RecordEstimate record_estimate(const RecordSettings *s, const RecordPlan *plan) {
    RecordEstimate e = {.requests = (plan->n + s->batch - 1) / s->batch};
    Arena *scratch = arena_create("estimate");
    int64_t image = s->model->image_tokens > 0 ? s->model->image_tokens : 0, n_texts = 0;
    for (int64_t i = 0; i < plan->n; i += s->batch) {
        ArenaMark mark = arena_mark(scratch);
        HttpCall call;
        int64_t n = plan->n - i < s->batch ? plan->n - i : s->batch;
        if (s->prompt) {
            ChatRequest r = {.prompt = s->prompt, .rendered = plan->at[i].text, .with_schema = s->with_schema, .max_output_tokens = s->max_output_tokens};
            chat_call(s->provider, s->model, &r, scratch, &call);
        } else {
            const char **texts = ARENA_NEW(scratch, const char *, n);
            for (int64_t k = 0; k < n; k++) texts[k] = plan->at[i + k].text;
            vectors_call(s->provider, s->model, texts, n, scratch, &call);
        }
        n_texts += n;
        e.tokens_in += (int64_t)call.n_text / BYTES_PER_TOKEN + (plan->at[i].photo ? image : 0);
        e.usd_worst += record_worst_usd(s, (int64_t)call.n_text, plan->at[i].photo != NULL);
        arena_release(scratch, mark);
    }
    arena_destroy(scratch);
    if (s->prompt) {
        int64_t usual = s->prompt->is_judge ? RECORD_USUAL_LABEL : s->prompt->is_caption ? RECORD_USUAL_CAPTION : RECORD_USUAL_MINING;
        e.usual_out = n_texts * (usual + (s->model->thinks ? RECORD_USUAL_THOUGHTS : 0));
    }
    e.usd_usual = record_usd(s->model, e.tokens_in, e.usual_out);
    e.usd_longest = record_usd(s->model, e.tokens_in, s->prompt ? n_texts * s->max_output_tokens : 0);
    return e;
}

void record_print_estimate(const RecordSettings *s, const RecordPlan *plan, const RecordEstimate *e) {
    if (plan->n_known_elsewhere) log_info("%lld questions are answered in other files than %s", (long long)plan->n_known_elsewhere, s->responses);
    log_info("%lld asked for: %lld in the cache already, %lld with the same prompt as another, %lld that failed for good before; %lld to ask %s (%s), in %lld requests",
             (long long)plan->n_given, (long long)plan->n_known, (long long)plan->n_shared, (long long)plan->n_failed_before, (long long)plan->n, s->model->name,
             s->provider->name, (long long)e->requests);
    if (plan->n == 0) return;
    log_info("estimate: %lld prompt tokens (bytes of text / %d%s)%s", (long long)e->tokens_in, BYTES_PER_TOKEN, s->prompt && s->prompt->wants_image ? ", and image_tokens a photo" : "",
             s->prompt ? "" : ", no output tokens");
    if (s->prompt && s->prompt->wants_image && s->model->image_tokens >= 0)
        log_info("estimate: a photo counts as %lld tokens at most (%s)", (long long)s->model->image_tokens, s->model->image_tokens_source ? s->model->image_tokens_source : "as --image-tokens says");
    if (s->prompt) log_info("estimate: about %lld output tokens with answers of usual length; --max-output-tokens %lld bounds each", (long long)e->usual_out, (long long)s->max_output_tokens);
    if (s->model->usd_in > 0 || s->model->usd_out > 0)
        log_info("estimate: %.4f USD with answers of usual length, %.4f if each ran to its bound; a cap of %.4f could not be reached (%s)", e->usd_usual, e->usd_longest, e->usd_worst,
                 s->model->price_source ? s->model->price_source : "prices given by --price-in and --price-out");
    else if (s->model->has_prices) log_info("estimate: 0 USD (prices of this model are 0)");
}
