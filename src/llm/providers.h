/* llm/providers.h -- paper/providers.json: who can be asked, how, and at what price.
 *
 *   {"providers": {"openai": {
 *      "style": "openai" | "anthropic" | "gemini",
 *      "base_url": "https://api.openai.com/v1",        what the paths of the style are put behind
 *      "key_env": "OPENAI_API_KEY",                    environment variable that holds the key; null: none is sent
 *      "headers": {"name": "value"},                   optional, sent as they are (never secrets)
 *      "models": {"gpt-5.1": {
 *         "id": "gpt-5.1-2025-11-13",                  what the provider calls it; absent: the name
 *         "kind": "chat" | "embedding",                absent: chat
 *         "usd_per_million_in": 1.25, "usd_per_million_out": 10, "price_source": "...",   null: not known, and then never guessed
 *         "context_tokens", "max_output_tokens": the model's limits; null: not known
 *         "requests_per_minute", "tokens_per_minute":  null: not limited here
 *         "image": true,                               takes photos
 *         "image_tokens": 1500, "image_tokens_source": "...",   upper bound of what one is counted as, and the documented rule it follows; null: not known, and never guessed
 *         "texts_per_request": 10,                     embedding: the provider's limit; null: not known
 *         "json_schema": true,                         answers can be bound to a schema
 *         "thinking": true,                            reasons before it answers; its reasoning counts as output
 *         "max_tokens_field": "max_completion_tokens", openai style, absent: "max_tokens"
 *         "extra": {...}}}}}}                          merged into the body of every request
 *
 * A model is named by its key; the name is what records and ensemble members carry, so it has neither ':' nor ','. Prices given on the command line win.
 * The key itself is read from the environment when a request is sent, and lives nowhere else (see http.h).
 */
#ifndef DIGR_LLM_PROVIDERS_H
#define DIGR_LLM_PROVIDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum ApiStyle { API_OPENAI, API_ANTHROPIC, API_GEMINI } ApiStyle;

enum { MAX_PROVIDER_HEADERS = 8 };

typedef struct Provider {
    const char *name, *base_url, *key_env; /* base_url without a '/' at its end; key_env NULL: no key */
    ApiStyle style;
    int n_headers;
    const char *header[MAX_PROVIDER_HEADERS]; /* "name: value" */
} Provider;

typedef struct Model {
    const char *name, *id;
    bool is_embedding, takes_images, takes_schema, thinks, has_prices;
    double usd_in, usd_out;                     /* per million tokens; 0 unless has_prices */
    int64_t context_tokens, max_output_tokens;  /* 0: not known */
    int64_t image_tokens, texts_per_request;    /* -1: not known; 0: not known */
    double requests_per_minute, tokens_per_minute; /* 0: not limited */
    const char *max_tokens_field, *price_source, *image_tokens_source;
    const char *extra;                          /* JSON object as text, NULL: none */
} Model;

/* providers_find -- one model of one provider. provider "": the only one that has the model. E_INPUT: unreadable, unknown, or in several; what there is, is listed. */
Status providers_find(const char *path, const char *provider, const char *model, Arena *arena, Provider **p, Model **m);

/* provider_key -- the key, from the environment. *key NULL when the provider wants none. E_USAGE when it is not set, is empty or has characters that no header
 * can carry, or when it would travel unencrypted to another machine. No message ever holds it. */
Status provider_key(const Provider *p, const char **key);

/* provider_style_name -- "openai", "anthropic", "gemini". */
const char *provider_style_name(ApiStyle style);

#endif
