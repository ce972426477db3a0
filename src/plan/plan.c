/* plan/plan.c -- see plan.h. One function per stage; dataset, method and seed come from experiments.json. */
#include "plan/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/hash.h"
#include "base/json.h"
#include "plan/treehash.h"

enum { KEY_DIGITS = 16, NO_STEP = -1, QUICK_S = 60 };

/* What is being planned: shared by the functions below. */
typedef struct Builder {
    Plan *plan;
    const PlanOptions *o;
    const cJSON *root, *dataset, *settings;
    const char *name, *label; /* data set */
    Arena *arena;
} Builder;

/* Steps of one method and seed, for the report's index. */
typedef struct Chain { int64_t raw, data, card, mine, labels, embed, tokenize, sft, rl, baseline, evaluate; } Chain;

static const Chain NO_CHAIN = {NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP, NO_STEP};

static const cJSON *member(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

/* --- one step ---------------------------------------------------------------------------------------------------------- */

static void add_arg(Step *s, const char *text)
{
    REQUIRE(s->n_args < STEP_MAX_ARGS, "%s: too many arguments", s->program);
    s->args[s->n_args++] = text;
}

static void add_pair(Builder *b, Step *s, const char *name, const char *value)
{
    add_arg(s, arena_printf(b->arena, "--%s", name));
    add_arg(s, value);
}

static const char *value_text(Builder *b, const cJSON *v)
{
    if (cJSON_IsString(v) && strcmp(v->string, "precision") == 0 && strcmp(v->valuestring, "auto") == 0) return b->o->precision != NULL ? b->o->precision : "fp32";
    if (cJSON_IsString(v)) return v->valuestring;
    if (cJSON_IsBool(v)) return cJSON_IsTrue(v) ? "1" : "0";
    return arena_printf(b->arena, "%.15g", v->valuedouble);
}

/* Options of one program: settings, then the data set's, then the method's; a later layer overrides an earlier one key by key. */
static void add_settings(Builder *b, Step *s, const char *key, const cJSON *method)
{
    const cJSON *layer[3] = {member(b->settings, key), member(b->dataset, key), member(method, key)};
    for (int i = 0; i < 3; i++) {
        for (const cJSON *e = layer[i] != NULL ? layer[i]->child : NULL; e != NULL; e = e->next) {
            bool earlier = false;
            for (int j = 0; j < i; j++) earlier = earlier || member(layer[j], e->string) != NULL;
            if (earlier) continue;
            const cJSON *value = e;
            for (int j = i + 1; j < 3; j++)
                if (member(layer[j], e->string) != NULL) value = member(layer[j], e->string);
            add_pair(b, s, e->string, value_text(b, value));
        }
    }
}

/* One of these options, as add_settings gives it; NULL: not set. */
static const char *setting(Builder *b, const char *key, const cJSON *method, const char *name)
{
    const cJSON *layer[3] = {member(method, key), member(b->dataset, key), member(b->settings, key)};
    for (int i = 0; i < 3; i++)
        if (member(layer[i], name) != NULL) return value_text(b, member(layer[i], name));
    return NULL;
}

static const char *out_of(Builder *b, int64_t step) { return step == NO_STEP ? "" : b->plan->steps[step].out; }

static void add_input(Builder *b, Step *s, const char *name, int64_t step)
{
    add_pair(b, s, name, out_of(b, step));
    if (step == NO_STEP) return;
    REQUIRE(s->n_inputs < STEP_MAX_INPUTS, "%s: too many inputs", s->program);
    s->inputs[s->n_inputs++] = step;
}

/* step_finish -- compute the key, set the folder; returns the index of this step or of an equal earlier one. outside: NULL-ended paths. */
static Status step_finish(Builder *b, Step *s, const char *const *outside, int64_t *index)
{
    char *program = arena_printf(b->arena, "%s/%s", b->o->bin, s->program), hex[SHA256_HEX];
    TRY(sha256_file(program, hex, NULL));
    Sha256 *h = sha256_begin();
    sha256_add_field(h, hex);
    for (int i = 0; i < s->n_args; i++) sha256_add_field(h, s->args[i]);
    Status status = OK;
    for (; outside != NULL && *outside != NULL && status == OK; outside++)
        if (path_exists(*outside)) status = treehash_add(h, *outside, b->arena);
    sha256_finish(h, hex);
    TRY(status);
    s->out = arena_printf(b->arena, "%s/%s/%.*s", b->o->stages, s->program, KEY_DIGITS, hex);
    Plan *p = b->plan;
    for (*index = 0; *index < p->n; (*index)++)
        if (strcmp(p->steps[*index].out, s->out) == 0) return OK;
    s->complete = path_exists(arena_printf(b->arena, "%s/manifest.json", s->out)) != 0;
    ARENA_GROW(b->arena, p->steps, p->capacity, p->n + 1);
    p->steps[p->n++] = *s;
    return OK;
}

static Step step_begin(Builder *b, const char *program, const char *what)
{
    const cJSON *cost = member(member(b->settings, "cost_s"), program);
    return (Step){.program = program, .cost_s = cJSON_IsNumber(cost) ? cost->valuedouble : 1,
                  .title = arena_printf(b->arena, "%s %s %s", program, b->name, what)};
}

/* --- the stages -------------------------------------------------------------------------------------------------------- */

/* What the registry calls it: variants have the name of their original. */
static const char *registered_name(const Builder *b) { return json_opt_string(b->dataset, "of", b->name); }

static void add_form(Builder *b, Step *s)
{
    if (b->o->form != NULL && b->o->form[0] != '\0') add_pair(b, s, "form", b->o->form);
    if (b->o->stem != NULL && b->o->stem[0] != '\0') add_pair(b, s, "stem", b->o->stem);
}

static Status plan_data(Builder *b, Chain *c)
{
    const char *protocol = json_opt_string(b->dataset, "protocol", "leave-last-out"), *category = json_opt_string(b->dataset, "category", NULL);
    const char *seed = "1"; /* one fixed data set for every seed of the experiments */
    if (category != NULL) {
        Step s = step_begin(b, "00_sample", "raw files");
        add_pair(b, &s, "items", "data_prep/sample");
        add_pair(b, &s, "category", category);
        add_settings(b, &s, "00_sample", NULL);
        add_pair(b, &s, "seed", seed);
        const char *outside[] = {"data_prep/sample", NULL};
        TRY(step_finish(b, &s, outside, &c->raw));
    } else {
        Step s = step_begin(b, "01_download", "raw files");
        add_pair(b, &s, "dataset", registered_name(b));
        add_pair(b, &s, "source", b->o->source);
        add_form(b, &s);
        const char *local = strncmp(b->o->source, "file://", 7) == 0 ? b->o->source + 7 : b->o->source;
        const char *outside[] = {"data_prep/datasets.json", arena_printf(b->arena, "%s/%s", local, registered_name(b)), NULL};
        if (b->o->form != NULL && b->o->form[0] != '\0' && !path_exists(outside[1])) outside[1] = local; /* the files lie in the source itself */
        if (b->o->source[0] == '\0') outside[1] = NULL;
        TRY(step_finish(b, &s, outside, &c->raw));
    }
    Step s = step_begin(b, "02_preprocess", protocol);
    add_pair(b, &s, "dataset", registered_name(b));
    add_input(b, &s, "raw", c->raw);
    add_pair(b, &s, "protocol", protocol);
    if (category == NULL) add_form(b, &s);
    add_settings(b, &s, "02_preprocess", NULL);
    add_pair(b, &s, "seed", seed);
    const char *outside[] = {"data_prep/datasets.json", setting(b, "02_preprocess", NULL, "captions"), NULL};
    TRY(step_finish(b, &s, outside, &c->data));
    Step card = step_begin(b, "02_card", "data card");
    add_input(b, &card, "data", c->data);
    return step_finish(b, &card, NULL, &c->card);
}

/* filter: "logistic" or "none" (the ablation without RLDI). */
static Status plan_interests(Builder *b, const cJSON *method, Chain *c)
{
    const char *filter = json_opt_string(method, "filter", "logistic");
    const char *set = json_opt_string(b->dataset, "answers", NULL), *outside[] = {"cache/responses", "paper/prompts", NULL};
    if (set == NULL) return OK; /* no recorded answers: shallow text, and the tables say so */
    Step m = step_begin(b, "03_mine", "interests");
    add_input(b, &m, "data", c->data);
    add_pair(b, &m, "responses", "cache/responses");
    add_pair(b, &m, "set", set);
    add_settings(b, &m, "03_mine", method);
    TRY(step_finish(b, &m, outside, &c->mine));
    Step l = step_begin(b, "04_label", filter);
    add_input(b, &l, "data", c->data);
    add_input(b, &l, "interests", c->mine);
    add_pair(b, &l, "responses", "cache/responses");
    add_pair(b, &l, "set", set);
    add_pair(b, &l, "filter", filter);
    add_settings(b, &l, "04_label", NULL);
    add_pair(b, &l, "seed", "1");
    return step_finish(b, &l, outside, &c->labels);
}

static Status plan_sids(Builder *b, const cJSON *method, const char *seed, Chain *c)
{
    const char *use = c->labels == NO_STEP ? "none" : json_opt_string(method, "embed", "positive");
    Step e = step_begin(b, "05_embed", use);
    add_input(b, &e, "data", c->data);
    add_input(b, &e, "labels", strcmp(use, "none") == 0 ? NO_STEP : c->labels);
    add_pair(b, &e, "interests", use);
    add_settings(b, &e, "05_embed", method);
    const char *embedder = setting(b, "05_embed", method, "embedder"), *given = setting(b, "05_embed", method, "set");
    if (embedder != NULL && strcmp(embedder, "recorded") == 0 && given == NULL) add_pair(b, &e, "set", json_opt_string(b->dataset, "answers", registered_name(b)));
    add_pair(b, &e, "seed", "1");
    const char *outside[] = {setting(b, "05_embed", method, "embeddings"), NULL};
    TRY(step_finish(b, &e, outside, &c->embed));
    Step t = step_begin(b, "06_tokenize", arena_printf(b->arena, "seed %s", seed));
    add_input(b, &t, "data", c->data);
    add_input(b, &t, "embed", c->embed);
    add_settings(b, &t, "06_tokenize", method);
    if (json_opt_bool(method, "shuffle", false)) add_pair(b, &t, "shuffle", "1");
    add_pair(b, &t, "seed", seed);
    return step_finish(b, &t, NULL, &c->tokenize);
}

static Status plan_evaluate(Builder *b, const char *what, Chain *c, const char *run)
{
    Step s = step_begin(b, "10_evaluate", what);
    const char *outside[] = {run, NULL};
    add_input(b, &s, "data", c->data);
    int64_t model = c->rl != NO_STEP ? c->rl : c->sft;
    if (run != NULL) {
        add_pair(b, &s, "run", run);
        s.cost_s = 1;
    } else if (c->baseline != NO_STEP) {
        add_input(b, &s, "run", c->baseline);
        s.cost_s = 1;
    } else {
        add_input(b, &s, "sids", c->tokenize);
        add_input(b, &s, "model", model);
    }
    add_settings(b, &s, "10_evaluate", NULL);
    return step_finish(b, &s, run != NULL ? outside : NULL, &c->evaluate);
}

static Status plan_generative(Builder *b, const cJSON *method, const char *what, const char *seed, Chain *c)
{
    if (json_opt_bool(method, "mine", true)) TRY(plan_interests(b, method, c));
    TRY(plan_sids(b, method, seed, c));
    Step s = step_begin(b, "08_sft", what);
    add_input(b, &s, "data", c->data);
    add_input(b, &s, "sids", c->tokenize);
    add_input(b, &s, "labels", c->labels);
    add_settings(b, &s, "08_sft", method);
    add_pair(b, &s, "seed", seed);
    TRY(step_finish(b, &s, NULL, &c->sft));
    if (!json_opt_bool(method, "rl", true)) return OK;
    Step r = step_begin(b, "09_grpo", what);
    add_input(b, &r, "data", c->data);
    add_input(b, &r, "sids", c->tokenize);
    add_input(b, &r, "labels", c->labels);
    add_input(b, &r, "model", c->sft);
    add_settings(b, &r, "09_grpo", method);
    add_pair(b, &r, "seed", seed);
    return step_finish(b, &r, NULL, &c->rl);
}

static Status plan_baseline(Builder *b, const char *id, const char *what, const char *seed, Chain *c)
{
    Step s = step_begin(b, "07_baseline", what);
    const cJSON *cost = member(member(b->settings, "cost_s"), id);
    if (cJSON_IsNumber(cost)) s.cost_s = cost->valuedouble;
    add_input(b, &s, "data", c->data);
    add_pair(b, &s, "method", id);
    if (strcmp(id, "oracle") == 0) add_pair(b, &s, "oracle", arena_printf(b->arena, "%s/oracle", out_of(b, c->raw)));
    add_settings(b, &s, id, NULL);
    add_pair(b, &s, "seed", seed);
    return step_finish(b, &s, NULL, &c->baseline);
}

/* --- the report's index ------------------------------------------------------------------------------------------------- */

static void index_entry(Builder *b, const char *id, const char *label, int64_t seed, const cJSON *tables, const Chain *c)
{
    cJSON *e = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(e, "dataset", b->name);
    (void)cJSON_AddStringToObject(e, "dataset_label", b->label);
    if (member(b->dataset, "of") != NULL) (void)cJSON_AddStringToObject(e, "variant_of", registered_name(b));
    (void)cJSON_AddStringToObject(e, "method", id);
    (void)cJSON_AddStringToObject(e, "method_label", label);
    (void)cJSON_AddNumberToObject(e, "seed", (double)seed);
    cJSON *list = cJSON_AddArrayToObject(e, "table");
    for (const cJSON *t = tables != NULL ? tables->child : NULL; t != NULL; t = t->next)
        cJSON_AddItemToArray(list, cJSON_CreateString(t->valuestring));
    const struct { const char *key; int64_t step; } parts[] = {
        {"raw", c->raw}, {"data", c->data}, {"card", c->card}, {"mine", c->mine}, {"labels", c->labels}, {"embed", c->embed}, {"tokenize", c->tokenize},
        {"sft", c->sft}, {"rl", c->rl}, {"baseline", c->baseline}, {"evaluate", c->evaluate}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) (void)cJSON_AddStringToObject(e, parts[i].key, out_of(b, parts[i].step));
    int64_t model = c->rl != NO_STEP ? c->rl : c->sft != NO_STEP ? c->sft : c->baseline;
    (void)cJSON_AddStringToObject(e, "model", out_of(b, model));
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(b->plan->index, "entries"), e);
}

static bool in_list(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p != '\0';) {
        const char *end = strchr(p, ',');
        size_t length = end != NULL ? (size_t)(end - p) : strlen(p);
        if (length == n && memcmp(p, name, n) == 0) return true;
        p += length + (end != NULL);
    }
    return false;
}

static Status plan_method(Builder *b, const char *id, int64_t seed)
{
    const cJSON *method = member(member(b->root, "methods"), id);
    if (method == NULL) return FAIL(E_INPUT, "add it under \"methods\"", "%s: data set '%s' names unknown method '%s'", b->o->experiments, b->name, id);
    const char *kind = json_opt_string(method, "kind", ""), *label = json_opt_string(method, "label", id);
    const char *shallow = json_opt_string(method, "shallow_label", NULL);
    if (shallow != NULL && json_opt_string(b->dataset, "answers", NULL) == NULL) label = shallow;
    char *text = arena_printf(b->arena, "%lld", (long long)seed), *what = arena_printf(b->arena, "%s seed %s", id, text);
    Chain c = NO_CHAIN;
    int64_t before = b->plan->n;
    TRY(plan_data(b, &c));
    if (strcmp(kind, "generative") == 0) TRY(plan_generative(b, method, what, text, &c));
    else TRY(plan_baseline(b, json_opt_string(method, "method", id), what, text, &c));
    TRY(plan_evaluate(b, what, &c, NULL));
    double cost_s = 0;
    for (int64_t i = before; i < b->plan->n; i++) cost_s += b->plan->steps[i].complete ? 0 : b->plan->steps[i].cost_s;
    bool quick = strcmp(kind, "baseline") == 0 && cost_s <= QUICK_S;
    if (b->o->complete_only && !b->plan->steps[c.evaluate].complete && !quick) {
        for (int64_t i = before; i < b->plan->n; i++) /* keep the data, drop what would have to be trained */
            if (i != c.raw && i != c.data && i != c.card) b->plan->steps[i].complete = true;
        if (seed == 1) (void)fprintf(stderr, "compare: %s is not reproduced yet and is left out; `make reproduce DATA=%s` adds it\n", label, b->name);
        return OK;
    }
    index_entry(b, id, label, seed, member(method, "tables"), &c);
    return OK;
}

/* --methods: nothing asks for the set's "methods"; "a,b" for these, "@table" for all of a table, whether they stand in "methods" or in "optional". */
static bool wanted(Builder *b, const char *id, bool by_default)
{
    const char *only = b->o->only;
    if (only[0] == '\0') return by_default;
    if (only[0] != '@') return in_list(only, id);
    const cJSON *tables = member(member(member(b->root, "methods"), id), "tables");
    for (const cJSON *t = tables != NULL ? tables->child : NULL; t != NULL; t = t->next)
        if (cJSON_IsString(t) && strcmp(t->valuestring, only + 1) == 0) return true;
    return false;
}

static Status plan_seeds(Builder *b, const char *id, int64_t seeds)
{
    int64_t n = (int64_t)json_opt_number(member(member(b->root, "methods"), id), "seeds", (double)seeds);
    for (int64_t seed = 1; seed <= (n < seeds ? n : seeds); seed++) TRY(plan_method(b, id, seed));
    return OK;
}

static Status plan_dataset(Builder *b, const char *name)
{
    b->name = name;
    b->dataset = member(member(b->root, "datasets"), name);
    if (b->dataset == NULL) return FAIL(E_USAGE, "see `make help` for the names; for your own files add FORM=recbole (or lc-rec, minionerec, sasrec, sequences)", "unknown data set '%s'", name);
    b->label = json_opt_string(b->dataset, "label", name);
    const char *settings = NULL;
    const cJSON *methods = NULL;
    TRY(json_get_string(b->o->experiments, b->dataset, "settings", &settings));
    TRY(json_get_array(b->o->experiments, b->dataset, "methods", &methods));
    b->settings = member(member(b->root, "settings"), settings);
    if (b->settings == NULL) return FAIL(E_INPUT, "add it under \"settings\"", "%s: unknown settings '%s'", b->o->experiments, settings);
    int64_t seeds = b->o->seeds > 0 ? b->o->seeds : (int64_t)json_opt_number(b->dataset, "seeds", 3);
    Chain data = NO_CHAIN;
    TRY(plan_data(b, &data));
    REQUIRE(b->plan->n_sets < PLAN_MAX_SETS, "more than %d data sets", (int)PLAN_MAX_SETS);
    b->plan->sets[b->plan->n_sets].name = name;
    b->plan->sets[b->plan->n_sets].card = data.card;
    b->plan->sets[b->plan->n_sets++].step = data.data;
    for (const cJSON *m = methods->child; m != NULL; m = m->next) {
        if (!wanted(b, m->valuestring, true)) continue;
        TRY(plan_seeds(b, m->valuestring, seeds));
    }
    const cJSON *optional = member(b->dataset, "optional");
    for (const cJSON *m = optional != NULL ? optional->child : NULL; m != NULL; m = m->next)
        if (wanted(b, m->valuestring, false)) TRY(plan_seeds(b, m->valuestring, seeds));
    if (b->o->run[0] == '\0') return OK;
    Chain c = NO_CHAIN;
    TRY(plan_data(b, &c));
    TRY(plan_evaluate(b, b->o->run_name, &c, b->o->run));
    cJSON *tables = cJSON_Parse("[\"main\"]");
    index_entry(b, "external", b->o->run_name, 0, tables, &c);
    cJSON_Delete(tables);
    return OK;
}

static Status plan_report(Builder *b)
{
    char *path = arena_printf(b->arena, "%s/index.json", b->o->results);
    TRY(dir_make(b->o->results));
    TRY(json_write_file(path, b->plan->index));
    b->name = "tables";
    Step s = step_begin(b, "11_report", "");
    add_pair(b, &s, "index", path);
    const char *outside[] = {path, "paper/published.json", NULL};
    int64_t index = 0;
    TRY(step_finish(b, &s, outside, &index));
    Step *report = &b->plan->steps[index];
    report->out = b->o->results; /* the one step whose folder has a name for people; always redone: it takes seconds */
    report->complete = false;
    return OK;
}

/* Give every variant what its original has and it has not. */
static Status expand_variants(const char *path, cJSON *root)
{
    const cJSON *sets = member(root, "datasets");
    for (cJSON *set = sets != NULL ? sets->child : NULL; set != NULL; set = set->next) {
        const char *of = json_opt_string(set, "of", NULL);
        if (of == NULL) continue;
        const cJSON *original = member(sets, of);
        if (original == NULL || member(original, "of") != NULL)
            return FAIL(E_INPUT, "\"of\" names a data set of the list that is no variant itself", "%s: '%s' is a variant of '%s', which is none", path, set->string, of);
        for (const cJSON *m = original->child; m != NULL; m = m->next)
            if (member(set, m->string) == NULL) (void)cJSON_AddItemToObject(set, m->string, cJSON_Duplicate(m, true));
    }
    return OK;
}

Status plan_build(const PlanOptions *o, Plan **plan)
{
    cJSON *root = NULL;
    TRY(json_read_file(o->experiments, &root));
    Status expanded = expand_variants(o->experiments, root);
    if (expanded == OK) expanded = plan_own(root, o);
    if (expanded != OK) return cJSON_Delete(root), expanded;
    Arena *arena = arena_create("plan");
    Plan *p = ARENA_NEW(arena, Plan, 1);
    p->arena = arena;
    p->index = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(p->index, "run", o->results);
    (void)cJSON_AddStringToObject(p->index, "title", o->data);
    (void)cJSON_AddStringToObject(p->index, "published", "paper/published.json");
    (void)cJSON_AddArrayToObject(p->index, "entries");
    Builder b = {.plan = p, .o = o, .root = root, .arena = arena};
    const cJSON *group = member(member(root, "groups"), o->data);
    Status s = OK;
    bool simulated = false;
    for (const cJSON *d = group != NULL ? group->child : NULL; d != NULL && s == OK; d = d->next) {
        s = plan_dataset(&b, arena_strdup(arena, d->valuestring));
        simulated = member(b.dataset, "category") != NULL;
    }
    if (group == NULL) {
        s = plan_dataset(&b, o->data);
        simulated = s == OK && member(b.dataset, "category") != NULL;
    }
    (void)cJSON_AddBoolToObject(p->index, "simulated", simulated);
    if (s == OK && strcmp(o->only, "none") != 0) s = plan_report(&b);
    /* Strings of the tree are used by the steps: it lives as long as the plan. */
    p->experiments = root;
    if (s != OK) plan_destroy(p);
    else *plan = p;
    return s;
}

void plan_destroy(Plan *p)
{
    if (p == NULL) return;
    cJSON_Delete(p->index);
    cJSON_Delete(p->experiments);
    arena_destroy(p->arena);
}

/* <stages>/<name> -> the folder of a step, a relative link that replaces an earlier one. */
static Status link_step(const Plan *p, const char *stages, int64_t step, const char *name)
{
    const char *out = p->steps[step].out;
    char *link = arena_printf(p->arena, "%s/%s", stages, name), *fresh = arena_printf(p->arena, "%s.tmp", link);
    (void)unlink(fresh);
    if (symlink(out + strlen(stages) + 1, fresh) == 0 && rename(fresh, link) == 0) return OK;
    return FAIL(E_RESOURCE, "remove what stands there", "%s: cannot link to %s: %s", link, out, strerror(errno));
}

Status plan_link_data(const Plan *p, const char *stages)
{
    for (int64_t i = 0; i < p->n_sets; i++) {
        const char *name = p->sets[i].name, *card = arena_printf(p->arena, "%s.card", name);
        TRY(link_step(p, stages, p->sets[i].step, name));
        TRY(link_step(p, stages, p->sets[i].card, card));
        (void)fprintf(stderr, "data: %s/%s/ holds items.jsonl, train.tsv, valid.tsv, test.tsv, times.tsv (format: src/data/dataset.h); its data card: %s/%s/card.md\n", stages, name,
                      stages, card);
    }
    return OK;
}

double plan_remaining_s(const Plan *p)
{
    double sum = 0;
    for (int64_t i = 0; i < p->n; i++) sum += p->steps[i].complete ? 0 : p->steps[i].cost_s;
    return sum;
}

int64_t plan_remaining(const Plan *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; i++) n += !p->steps[i].complete;
    return n;
}
