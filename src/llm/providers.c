/* llm/providers.c -- see providers.h. */
#include "llm/providers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static const char *const style_names[] = {"openai", "anthropic", "gemini"};
enum { N_STYLES = sizeof style_names / sizeof *style_names };

const char *provider_style_name(ApiStyle style) {
    REQUIRE((int)style >= 0 && (int)style < N_STYLES, "style %d", (int)style);
    return style_names[style];
}

/* A number >= 0, `initial` when absent or null. */
static Status opt_amount(const char *where, const cJSON *o, const char *key, double initial, double *value) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    *value = initial;
    if (!v || cJSON_IsNull(v)) return OK;
    if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble) || v->valuedouble < 0 || v->valuedouble > 1e15)
        return FAIL(E_INPUT, "write a number that is not negative, or null", "%s: \"%s\" is no amount", where, key);
    *value = v->valuedouble;
    return OK;
}

static Status opt_count(const char *where, const cJSON *o, const char *key, int64_t initial, int64_t *value) {
    double amount;
    TRY(opt_amount(where, o, key, (double)initial, &amount));
    *value = (int64_t)amount;
    return OK;
}

static Status read_prices(const char *where, const cJSON *o, Arena *arena, Model *m) {
    double in, out;
    TRY(opt_amount(where, o, "usd_per_million_in", -1, &in));
    TRY(opt_amount(where, o, "usd_per_million_out", m->is_embedding && in >= 0 ? 0 : -1, &out));
    if ((in < 0) != (out < 0)) return FAIL(E_INPUT, "give both prices, or null for both", "%s: one price only", where);
    m->has_prices = in >= 0;
    if (m->has_prices) m->usd_in = in, m->usd_out = out;
    const char *source = json_opt_string(o, "price_source", NULL);
    m->price_source = source ? arena_strdup(arena, source) : NULL;
    if (m->has_prices && (in > 0 || out > 0) && !source)
        return FAIL(E_INPUT, "say where the price is from, and as of when", "%s: prices without \"price_source\"", where);
    const char *rule = json_opt_string(o, "image_tokens_source", NULL);
    m->image_tokens_source = rule ? arena_strdup(arena, rule) : NULL;
    bool is_free = m->has_prices && in <= 0 && out <= 0;
    if (m->image_tokens > 0 && !is_free && !rule)
        return FAIL(E_INPUT, "say which documented rule it follows, and as of when", "%s: \"image_tokens\" without \"image_tokens_source\"", where);
    return OK;
}

static Status read_model(const char *where, const cJSON *o, Arena *arena, Model *m) {
    static const char *const known[] = {"id", "kind", "usd_per_million_in", "usd_per_million_out", "price_source", "context_tokens", "max_output_tokens",
                                        "requests_per_minute", "tokens_per_minute", "image", "image_tokens", "image_tokens_source", "texts_per_request", "json_schema", "thinking", "max_tokens_field", "extra", "note"};
    *m = (Model){.name = arena_strdup(arena, o->string), .max_tokens_field = "max_tokens"};
    if (!cJSON_IsObject(o) || strpbrk(m->name, ":,") || !*m->name) return FAIL(E_INPUT, "a model is an object; its name has neither ':' nor ','", "%s: not a model", where);
    for (const cJSON *v = o->child; v; v = v->next) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(known[k], v->string) != 0) k++;
        if (k == sizeof known / sizeof *known) return FAIL(E_INPUT, "see src/llm/providers.h", "%s: unknown member \"%s\"", where, v->string);
    }
    m->id = arena_strdup(arena, json_opt_string(o, "id", m->name));
    const char *kind = json_opt_string(o, "kind", "chat");
    m->is_embedding = strcmp(kind, "embedding") == 0;
    if (!m->is_embedding && strcmp(kind, "chat") != 0) return FAIL(E_INPUT, "write chat or embedding", "%s: kind \"%s\"", where, kind);
    m->takes_images = json_opt_bool(o, "image", false);
    m->takes_schema = json_opt_bool(o, "json_schema", false);
    m->thinks = json_opt_bool(o, "thinking", false);
    m->max_tokens_field = arena_strdup(arena, json_opt_string(o, "max_tokens_field", "max_tokens"));
    TRY(opt_count(where, o, "context_tokens", 0, &m->context_tokens));
    TRY(opt_count(where, o, "max_output_tokens", 0, &m->max_output_tokens));
    TRY(opt_count(where, o, "image_tokens", -1, &m->image_tokens));
    TRY(opt_count(where, o, "texts_per_request", 0, &m->texts_per_request));
    TRY(opt_amount(where, o, "requests_per_minute", 0, &m->requests_per_minute));
    TRY(opt_amount(where, o, "tokens_per_minute", 0, &m->tokens_per_minute));
    const cJSON *extra = cJSON_GetObjectItemCaseSensitive(o, "extra");
    if (extra && !cJSON_IsNull(extra)) {
        if (!cJSON_IsObject(extra)) return FAIL(E_INPUT, NULL, "%s: \"extra\" is not an object", where);
        char *text = cJSON_PrintUnformatted(extra);
        REQUIRE(text != NULL, "no memory for JSON");
        m->extra = arena_strdup(arena, text);
        cJSON_free(text);
    }
    return read_prices(where, o, arena, m);
}

static Status read_headers(const char *where, const cJSON *o, Arena *arena, Provider *p) {
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(o, "headers");
    for (const cJSON *h = headers ? headers->child : NULL; h; h = h->next) {
        if (!cJSON_IsString(h) || p->n_headers == MAX_PROVIDER_HEADERS || strpbrk(h->string, ":\r\n") || strpbrk(h->valuestring, "\r\n"))
            return FAIL(E_INPUT, "at most 8 pairs of name and value", "%s: \"headers\"", where);
        p->header[p->n_headers++] = arena_printf(arena, "%s: %s", h->string, h->valuestring);
    }
    return OK;
}

static Status read_provider(const char *where, const cJSON *o, Arena *arena, Provider *p) {
    const char *style, *url;
    *p = (Provider){.name = arena_strdup(arena, o->string)};
    TRY(json_get_string(where, o, "style", &style));
    TRY(json_get_string(where, o, "base_url", &url));
    int s = 0;
    while (s < N_STYLES && strcmp(style_names[s], style) != 0) s++;
    if (s == N_STYLES) return FAIL(E_INPUT, "styles are openai, anthropic and gemini", "%s: style \"%s\"", where, style);
    p->style = (ApiStyle)s;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) return FAIL(E_INPUT, NULL, "%s: base_url \"%s\" is neither https nor http", where, url);
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/') n--;
    p->base_url = arena_strndup(arena, url, n);
    const char *key_env = json_opt_string(o, "key_env", NULL);
    p->key_env = key_env && *key_env ? arena_strdup(arena, key_env) : NULL;
    return read_headers(where, o, arena, p);
}

static const char *model_list(const cJSON *providers, Arena *arena) {
    const char *text = "";
    for (const cJSON *p = providers->child; p; p = p->next) {
        const cJSON *models = cJSON_GetObjectItemCaseSensitive(p, "models");
        for (const cJSON *m = models ? models->child : NULL; m; m = m->next) text = arena_printf(arena, "%s%s%s (%s)", text, *text ? ", " : "", m->string, p->string);
    }
    return text;
}

static Status find(const char *path, const cJSON *tree, const char *provider, const char *model, Arena *arena, Provider **p, Model **m) {
    const cJSON *providers, *owner = NULL, *entry = NULL;
    TRY(json_get_object(path, tree, "providers", &providers));
    for (const cJSON *o = providers->child; o; o = o->next) {
        const cJSON *models, *hit;
        if (*provider && strcmp(provider, o->string) != 0) continue;
        TRY(json_get_object(path, o, "models", &models));
        if (!(hit = cJSON_GetObjectItemCaseSensitive(models, model))) continue;
        if (entry) return FAIL(E_USAGE, "say which with --provider", "%s: model \"%s\" is offered by %s and by %s", path, model, owner->string, o->string);
        owner = o;
        entry = hit;
    }
    if (!entry)
        return FAIL(E_USAGE, arena_printf(arena, "there are: %s; others can be added to that file", model_list(providers, arena)), "%s: no model \"%s\"%s%s", path, model,
                    *provider ? " of provider " : "", provider);
    *p = ARENA_NEW(arena, Provider, 1);
    *m = ARENA_NEW(arena, Model, 1);
    TRY(read_provider(arena_printf(arena, "%s: %s", path, owner->string), owner, arena, *p));
    return read_model(arena_printf(arena, "%s: %s: %s", path, owner->string, model), entry, arena, *m);
}

Status providers_find(const char *path, const char *provider, const char *model, Arena *arena, Provider **p, Model **m) {
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    Status status = find(path, tree, provider, model, arena, p, m);
    cJSON_Delete(tree);
    return status;
}

/* http:// to this very machine stays on it. */
static bool is_local(const char *url) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *host = url + strlen("http://");
    for (size_t k = 0; k < sizeof hosts / sizeof *hosts; k++) {
        size_t n = strlen(hosts[k]);
        if (strncmp(host, hosts[k], n) == 0 && (host[n] == ':' || host[n] == '/' || host[n] == 0)) return true;
    }
    return false;
}

Status provider_key(const Provider *p, const char **key) {
    *key = NULL;
    if (!p->key_env) return OK;
    *key = getenv(p->key_env);
    if (!*key || !**key) return FAIL(E_USAGE, "export it in your shell; it is read from the environment only", "provider %s: the environment variable %s is not set", p->name, p->key_env);
    for (const char *c = *key; *c; c++)
        if (*c <= ' ' || *c > '~')
            return FAIL(E_USAGE, "a line break or blank at its end, perhaps", "provider %s: the value of %s has a character that no key has", p->name, p->key_env);
    if (strncmp(p->base_url, "https://", 8) != 0 && !is_local(p->base_url))
        return FAIL(E_USAGE, "use https, or set \"key_env\": null if the server needs no key", "provider %s: %s is not encrypted, and a key would travel over it", p->name, p->base_url);
    return OK;
}
