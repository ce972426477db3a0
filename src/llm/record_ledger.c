/* llm/record_ledger.c -- ledger.json: what every recording run asked, got and cost. {"runs": [...], "total": {...}}; see record.h. */
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/json.h"
#include "llm/record_parts.h"

struct Ledger {
    const RecordSettings *s;
    cJSON *tree, *run; /* run: the last of tree's runs */
};

static void utc_now(char text[24]) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    (void)strftime(text, 24, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static cJSON *describe(const RecordSettings *s, const RecordPlan *plan) {
    char now[24];
    utc_now(now);
    RecordEstimate e = record_estimate(s, plan);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "started", now);
    cJSON_AddStringToObject(o, "provider", s->provider->name);
    cJSON_AddStringToObject(o, "model", s->model->name);
    cJSON_AddStringToObject(o, "model_id", s->model->id);
    cJSON_AddStringToObject(o, "base_url", s->provider->base_url);
    cJSON_AddStringToObject(o, "template", s->template_id);
    cJSON_AddStringToObject(o, "set", s->set);
    cJSON_AddStringToObject(o, "responses", s->responses);
    cJSON_AddNumberToObject(o, "usd_per_million_in", s->model->usd_in);
    cJSON_AddNumberToObject(o, "usd_per_million_out", s->model->usd_out);
    if (s->model->price_source) cJSON_AddStringToObject(o, "price_source", s->model->price_source);
    if (s->max_usd >= 0) cJSON_AddNumberToObject(o, "max_usd", s->max_usd);
    cJSON_AddNumberToObject(o, "max_output_tokens", (double)s->max_output_tokens);
    cJSON_AddBoolToObject(o, "schema", s->with_schema && s->model->takes_schema);
    if (s->model->extra) cJSON_AddItemToObject(o, "extra", cJSON_Parse(s->model->extra));
    cJSON_AddNumberToObject(o, "asked_for", (double)plan->n_given);
    cJSON_AddNumberToObject(o, "known", (double)plan->n_known);
    cJSON_AddNumberToObject(o, "known_in_other_files", (double)plan->n_known_elsewhere);
    cJSON_AddNumberToObject(o, "same_prompt", (double)plan->n_shared);
    cJSON_AddNumberToObject(o, "failed_before", (double)plan->n_failed_before);
    cJSON_AddNumberToObject(o, "to_ask", (double)plan->n);
    cJSON *estimate = cJSON_AddObjectToObject(o, "estimate");
    cJSON_AddNumberToObject(estimate, "requests", (double)e.requests);
    cJSON_AddNumberToObject(estimate, "tokens_in", (double)e.tokens_in);
    cJSON_AddNumberToObject(estimate, "usd_usual", e.usd_usual);
    cJSON_AddNumberToObject(estimate, "usd_longest", e.usd_longest);
    cJSON_AddNumberToObject(estimate, "usd_worst", e.usd_worst);
    return o;
}

static void set_item(cJSON *o, const char *name, cJSON *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(o, name);
    cJSON_AddItemToObject(o, name, value);
}

static void set_number(cJSON *o, const char *name, double value) { set_item(o, name, cJSON_CreateNumber(value)); }

static void set_counts(cJSON *run, const RecordCount *c) {
    set_number(run, "requests", (double)c->http.attempts);
    set_number(run, "retries", (double)c->http.retries);
    set_number(run, "most_at_once", (double)c->http.peak);
    set_number(run, "paused_by_server", (double)c->http.paused);
    set_number(run, "answered", (double)c->answered);
    set_number(run, "malformed", (double)c->malformed);
    set_number(run, "asked_again_malformed", (double)c->asked_again_malformed);
    set_number(run, "asked_again_unreadable", (double)c->asked_again_unreadable);
    set_number(run, "left", (double)c->left);
    cJSON *faults = cJSON_CreateObject(), *failed = cJSON_CreateObject();
    for (int f = 1; f < N_HTTP_FAULTS; f++) cJSON_AddNumberToObject(faults, http_fault_name((HttpFault)f), (double)c->http.by_fault[f]);
    for (int f = 0; f < N_RECORD_FAILURES; f++) cJSON_AddNumberToObject(failed, record_failure_name((RecordFailure)f), (double)c->failed[f]);
    set_item(run, "attempts_lost", faults);
    set_item(run, "failed", failed);
    set_number(run, "tokens_in", (double)c->tokens_in);
    set_number(run, "tokens_out", (double)c->tokens_out);
    set_number(run, "usd", c->usd);
    set_number(run, "attempts_uncounted", (double)c->uncounted);
    set_number(run, "usd_uncounted_at_worst", c->usd_uncounted);
    set_number(run, "seconds", c->seconds);
    set_item(run, "stopped_by", c->budget_reached ? cJSON_CreateString("max_usd") : c->interrupted ? cJSON_CreateString("interrupt") : cJSON_CreateNull());
}

static cJSON *total(const cJSON *runs) {
    static const char *const names[] = {"requests", "retries", "answered", "malformed", "tokens_in", "tokens_out", "usd", "usd_uncounted_at_worst", "seconds"};
    cJSON *o = cJSON_CreateObject();
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        double sum = 0;
        for (const cJSON *run = runs->child; run; run = run->next) sum += json_opt_number(run, names[k], 0);
        cJSON_AddNumberToObject(o, names[k], sum);
    }
    return o;
}

Status record_ledger_begin(const RecordSettings *s, const RecordPlan *plan, Arena *arena, Ledger **ledger) {
    cJSON *tree = NULL;
    const cJSON *runs;
    *ledger = NULL;
    if (!s->ledger) return OK;
    if (path_exists(s->ledger)) {
        TRY(json_read_file(s->ledger, &tree));
        Status status = json_get_array(s->ledger, tree, "runs", &runs);
        if (status != OK) {
            cJSON_Delete(tree);
            return status;
        }
    } else {
        tree = cJSON_CreateObject();
        cJSON_AddArrayToObject(tree, "runs");
    }
    Ledger *l = ARENA_NEW(arena, Ledger, 1);
    *l = (Ledger){s, tree, describe(s, plan)};
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(tree, "runs"), l->run);
    *ledger = l;
    return OK;
}

Status record_ledger_write(Ledger *l, const RecordCount *count, bool ended) {
    if (!l) return OK;
    char now[24];
    utc_now(now);
    set_counts(l->run, count);
    set_item(l->run, "ended", ended ? cJSON_CreateString(now) : cJSON_CreateNull());
    set_item(l->tree, "total", total(cJSON_GetObjectItemCaseSensitive(l->tree, "runs")));
    return json_write_file(l->s->ledger, l->tree);
}

void record_ledger_end(Ledger *l) {
    if (l) cJSON_Delete(l->tree);
}
