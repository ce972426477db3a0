/* tests/mock_llm.c -- see mock_llm.h. */
#include "mock_llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cjson/cJSON.h>

#include "base/hash.h"
#include "base/rng.h"
#include "llm/base64.h"

typedef enum Style { STYLE_OPENAI, STYLE_ANTHROPIC, STYLE_GEMINI, STYLE_EMBEDDINGS } Style;

typedef struct Asked {
    Style style;
    const char *system, *user;
    bool photo, schema;
    const cJSON *input; /* embeddings */
} Asked;

static const cJSON *get(const cJSON *o, const char *name) { return cJSON_GetObjectItemCaseSensitive(o, name); }
static const char *text_of(const cJSON *o) { return cJSON_IsString(o) ? o->valuestring : ""; }
static void bump(int counter, int64_t by) { mock_shared(NULL)[counter] += by; }

static void read_parts(const cJSON *list, const char *photo_a, const char *photo_b, Asked *a)
{
    for (const cJSON *part = list != NULL ? list->child : NULL; part != NULL; part = part->next) {
        if (*text_of(get(part, "text")) != '\0') a->user = text_of(get(part, "text"));
        a->photo = a->photo || get(part, photo_a) != NULL || get(part, photo_b) != NULL;
    }
}

/* What is asked, from a body in the style of its path. A body that lacks what the style demands: false. */
static bool read_request(const char *path, const cJSON *body, Asked *a)
{
    *a = (Asked){.system = "", .user = ""};
    const cJSON *first = cJSON_GetArrayItem(get(body, "messages"), 0), *second = cJSON_GetArrayItem(get(body, "messages"), 1);
    if (strcmp(path, "/v1/embeddings") == 0) {
        a->style = STYLE_EMBEDDINGS;
        a->input = get(body, "input");
        return cJSON_IsArray(a->input) && *text_of(get(body, "model")) != '\0';
    }
    if (strcmp(path, "/v1/chat/completions") == 0) {
        a->style = STYLE_OPENAI;
        a->system = text_of(get(first, "content"));
        a->user = text_of(get(second, "content"));
        if (cJSON_IsArray(get(second, "content"))) read_parts(get(second, "content"), "image_url", "image_url", a);
        a->schema = strcmp(text_of(get(get(body, "response_format"), "type")), "json_schema") == 0;
        return strcmp(text_of(get(first, "role")), "system") == 0 && (cJSON_IsNumber(get(body, "max_tokens")) || cJSON_IsNumber(get(body, "max_completion_tokens"))) &&
               *text_of(get(body, "model")) != '\0';
    }
    if (strcmp(path, "/v1/messages") == 0) {
        a->style = STYLE_ANTHROPIC;
        a->system = text_of(get(body, "system"));
        read_parts(get(first, "content"), "source", "source", a);
        a->schema = cJSON_IsArray(get(body, "tools"));
        return cJSON_IsNumber(get(body, "max_tokens")) && *text_of(get(body, "model")) != '\0';
    }
    a->style = STYLE_GEMINI;
    a->system = text_of(get(cJSON_GetArrayItem(get(get(body, "systemInstruction"), "parts"), 0), "text"));
    read_parts(get(cJSON_GetArrayItem(get(body, "contents"), 0), "parts"), "inlineData", "fileData", a);
    a->schema = get(get(body, "generationConfig"), "responseSchema") != NULL;
    return strstr(path, ":generateContent") != NULL && cJSON_IsNumber(get(get(body, "generationConfig"), "maxOutputTokens"));
}

static const char *line_after(const char *text, const char *name, Arena *arena)
{
    const char *at = strstr(text, name);
    if (at == NULL) return "";
    at += strlen(name);
    return arena_strndup(arena, at, strcspn(at, "\n"));
}

static const char *answer_to(const Asked *a, Arena *arena)
{
    const char *title = line_after(a->user, "title: ", arena);
    if (strstr(a->system, "Judge one") != NULL) {
        char first[64] = "";
        (void)sscanf(title, "%63s", first);
        return *first != '\0' && strstr(line_after(a->user, "interest: ", arena), first) != NULL ? "1" : "0";
    }
    if (strstr(a->system, "Describe what the photo") != NULL) return arena_printf(arena, "The photo shows %s on a bench.", title);
    return arena_printf(arena,
                        "{\"reasoning\":\"It serves those who use it.\",\"interests\":[{\"text\":\"working with %s\",\"facet\":\"practice\",\"confidence\":0.9},"
                        "{\"text\":\"keeping a workshop in order\",\"facet\":\"goal\",\"confidence\":0.5},{\"text\":\"repairing things at home\",\"facet\":\"project\",\"confidence\":0.4}]}",
                        title);
}

/* ---- replies ---- */

static const char *printed(cJSON *o, Arena *arena)
{
    char *text = cJSON_PrintUnformatted(o);
    const char *copy = arena_strdup(arena, text);
    cJSON_free(text);
    cJSON_Delete(o);
    return copy;
}

static cJSON *object_in(cJSON *list)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    return o;
}

static void add_openai(cJSON *o, const MockLlm *llm, const char *answer, const char *finish, bool refused)
{
    cJSON *choice = object_in(cJSON_AddArrayToObject(o, "choices")), *message = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(message, "role", "assistant");
    if (refused) cJSON_AddNullToObject(message, "content");
    else cJSON_AddStringToObject(message, "content", answer);
    if (refused) cJSON_AddStringToObject(message, "refusal", "I cannot help with that.");
    if (llm->with_thinking) cJSON_AddStringToObject(message, "reasoning_content", "First the thing, then its use.");
    cJSON_AddStringToObject(choice, "finish_reason", finish);
}

static void add_anthropic(cJSON *o, const MockLlm *llm, const char *answer, const char *finish, bool as_tool)
{
    cJSON *content = cJSON_AddArrayToObject(o, "content"), *block;
    if (llm->with_thinking) {
        block = object_in(content);
        cJSON_AddStringToObject(block, "type", "thinking");
        cJSON_AddStringToObject(block, "thinking", "First the thing, then its use.");
    }
    block = object_in(content);
    cJSON *input = as_tool ? cJSON_Parse(answer) : NULL;
    cJSON_AddStringToObject(block, "type", input != NULL ? "tool_use" : "text");
    if (input != NULL) cJSON_AddItemToObject(block, "input", input);
    else cJSON_AddStringToObject(block, "text", answer);
    cJSON_AddStringToObject(o, "stop_reason", finish);
}

static void add_gemini(cJSON *o, const MockLlm *llm, const char *answer, const char *finish)
{
    cJSON *candidate = object_in(cJSON_AddArrayToObject(o, "candidates"));
    cJSON *parts = cJSON_AddArrayToObject(cJSON_AddObjectToObject(candidate, "content"), "parts"), *part;
    if (llm->with_thinking) {
        part = object_in(parts);
        cJSON_AddStringToObject(part, "text", "First the thing, then its use.");
        cJSON_AddTrueToObject(part, "thought");
    }
    cJSON_AddStringToObject(object_in(parts), "text", answer);
    cJSON_AddStringToObject(candidate, "finishReason", finish);
}

static const char *reply_text(const MockLlm *llm, const Asked *a, LlmFault fault, Arena *arena)
{
    static const char *const usage_names[3][3] = {
        {"usage", "prompt_tokens", "completion_tokens"}, {"usage", "input_tokens", "output_tokens"}, {"usageMetadata", "promptTokenCount", "candidatesTokenCount"}};
    static const char *const finishes[3][3] = {{"stop", "length", "stop"}, {"end_turn", "max_tokens", "refusal"}, {"STOP", "MAX_TOKENS", "SAFETY"}};
    const char *answer = answer_to(a, arena);
    if (fault == LLM_TRUNCATED) answer = arena_strndup(arena, answer, strlen(answer) / 2);
    if (fault == LLM_WRONG_SCHEMA) answer = "{\"themes\":[\"tools\"]}";
    if (fault == LLM_CHATTY) answer = arena_printf(arena, "Of course! Here it is:\n%s", answer);
    const char *finish = finishes[a->style][fault == LLM_TRUNCATED ? 1 : fault == LLM_REFUSED ? 2 : 0];
    cJSON *o = cJSON_CreateObject();
    if (a->style == STYLE_OPENAI) add_openai(o, llm, answer, finish, fault == LLM_REFUSED);
    if (a->style == STYLE_ANTHROPIC) add_anthropic(o, llm, fault == LLM_REFUSED ? "" : answer, finish, a->schema);
    if (a->style == STYLE_GEMINI) add_gemini(o, llm, fault == LLM_REFUSED ? "" : answer, finish);
    int64_t in = (int64_t)(strlen(a->system) + strlen(a->user)) / 4 + (a->photo ? 100 : 0), out = llm->tokens_out > 0 ? llm->tokens_out : (int64_t)strlen(answer) / 4;
    bump(LLM_TOKENS_IN, in);
    bump(LLM_TOKENS_OUT, out);
    if (!llm->no_usage) {
        cJSON *usage = cJSON_AddObjectToObject(o, usage_names[a->style][0]);
        cJSON_AddNumberToObject(usage, usage_names[a->style][1], (double)in);
        cJSON_AddNumberToObject(usage, usage_names[a->style][2], (double)out);
    }
    return printed(o, arena);
}

void mock_llm_vector(const char *text, float v[LLM_DIM])
{
    uint64_t h = fnv1a64(text, strlen(text));
    for (int k = 0; k < LLM_DIM; k++) v[k] = (float)((h >> (8 * k)) & 0xff) / 256.0F - 0.5F + 1e-7F;
}

/* Backwards, and with indices: order must not matter. */
static const char *vectors_text(const MockLlm *llm, const Asked *a, LlmFault fault, bool as_base64, Arena *arena)
{
    cJSON *o = cJSON_CreateObject(), *data = cJSON_AddArrayToObject(o, "data");
    int64_t tokens = 0;
    for (int i = cJSON_GetArraySize(a->input) - 1; i >= (fault == LLM_WRONG_SCHEMA ? 1 : 0); i--) {
        float v[LLM_DIM];
        const char *text = text_of(cJSON_GetArrayItem(a->input, i));
        mock_llm_vector(text, v);
        tokens += (int64_t)strlen(text) / 4 + 1;
        cJSON *entry = object_in(data);
        cJSON_AddNumberToObject(entry, "index", i);
        if (as_base64) cJSON_AddStringToObject(entry, "embedding", base64_encode(v, sizeof v, arena));
        else cJSON_AddItemToObject(entry, "embedding", cJSON_CreateFloatArray(v, LLM_DIM));
    }
    bump(LLM_TOKENS_IN, tokens);
    if (!llm->no_usage) cJSON_AddNumberToObject(cJSON_AddObjectToObject(o, "usage"), "prompt_tokens", (double)tokens);
    return printed(o, arena);
}

/* ---- faults ---- */

static bool mentions(const Asked *a, const char *what)
{
    bool found = strstr(a->user, what) != NULL;
    for (const cJSON *text = a->input != NULL ? a->input->child : NULL; text != NULL && !found; text = text->next) found = strstr(text_of(text), what) != NULL;
    return found;
}

static LlmFault draw(const MockLlm *llm, const Asked *a, int64_t n)
{
    if (llm->always_for != NULL && mentions(a, llm->always_for)) return llm->always;
    Rng r = rng_make(llm->seed, RNG_STAGE_TEST, RNG_NOISE, 0, (uint64_t)n);
    double u = rng_uniform(&r);
    for (int f = 0; f < N_LLM_FAULTS; f++) {
        if (u < llm->faults[f]) return (LlmFault)f;
        u -= llm->faults[f];
    }
    return N_LLM_FAULTS;
}

static void error_reply(MockResponse *response, int status, const char *message, Arena *arena)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "error"), "message", message);
    mock_text(response, status, printed(o, arena));
}

/* true: the answer was replaced by an error; false: it stays, and may arrive badly. */
static bool spoil(const MockLlm *llm, LlmFault fault, const MockRequest *request, MockResponse *response)
{
    static const struct { LlmFault fault; int status; } errors[] = {{LLM_429, 429}, {LLM_429_LATER, 429}, {LLM_500, 500}, {LLM_503, 503}, {LLM_529, 529}, {LLM_400, 400}, {LLM_404, 404}};
    for (size_t k = 0; k < sizeof errors / sizeof errors[0]; k++) {
        if (errors[k].fault != fault) continue;
        /* an ill-mannered server: it quotes the headers it got */
        error_reply(response, errors[k].status, arena_printf(request->arena, "no luck; you sent %s", request->headers), request->arena);
        if (fault == LLM_429_LATER) response->headers = arena_printf(request->arena, "Retry-After: %s\r\n", llm->retry_after);
        return true;
    }
    if (fault == LLM_STALL) response->stall_at = (int64_t)response->n_body / 2;
    if (fault == LLM_DROP) response->drop = true;
    if (fault == LLM_RESET || fault == LLM_CUT) response->cut_at = (int64_t)response->n_body / 2;
    if (fault == LLM_RESET) response->reset = true;
    if (fault == LLM_BAD_CHUNK) { /* the second chunk is the bad one: blanks, which JSON allows, make the body long enough */
        response->body = arena_printf(request->arena, "%s%*s", (const char *)response->body, 9000, "");
        response->n_body = strlen(response->body);
        response->bad_chunk = true;
    }
    if (fault == LLM_INVALID_JSON) response->n_body = response->n_body * 2 / 3;
    if (fault == LLM_EMPTY) response->n_body = 0;
    if (fault == LLM_WRONG_STYLE) mock_text(response, 200, "{\"object\":\"list\",\"models\":[]}");
    return false;
}

static bool may_enter(const MockLlm *llm, const MockRequest *request, Style style)
{
    if (llm->key == NULL) return true;
    const char *sent = mock_header(request, style == STYLE_ANTHROPIC ? "x-api-key" : style == STYLE_GEMINI ? "x-goog-api-key" : "Authorization");
    if (strncmp(sent, "Bearer ", 7) == 0) sent += 7;
    return strcmp(sent, llm->key) == 0;
}

void mock_llm_answer(const MockRequest *request, MockResponse *response, void *user)
{
    const MockLlm *llm = user;
    Asked asked;
    int64_t n = mock_shared(NULL)[LLM_N_REQUESTS];
    bump(LLM_N_REQUESTS, 1);
    response->delay_ms = llm->delay_ms;
    cJSON *body = cJSON_Parse(request->body);
    bool readable = strcmp(request->method, "POST") == 0 && read_request(request->path, body, &asked);
    if (!may_enter(llm, request, readable ? asked.style : STYLE_OPENAI)) {
        bump(LLM_N_DENIED, 1);
        error_reply(response, 401, arena_printf(request->arena, "Incorrect API key provided: %.12s", request->headers), request->arena);
    } else if (!readable) {
        error_reply(response, 400, "malformed request", request->arena);
    } else {
        LlmFault fault = draw(llm, &asked, n);
        bump(LLM_N_PHOTOS, asked.photo);
        bump(LLM_N_SCHEMAS, asked.schema);
        bump(LLM_N_FAULT + (int)fault, fault < N_LLM_FAULTS);
        bool error = fault <= LLM_529 || fault == LLM_400 || fault == LLM_404;
        if (!error) {
            bool as_base64 = strcmp(text_of(get(body, "encoding_format")), "base64") == 0;
            mock_text(response, 200, asked.style == STYLE_EMBEDDINGS ? vectors_text(llm, &asked, fault, as_base64, request->arena) : reply_text(llm, &asked, fault, request->arena));
        }
        if (!spoil(llm, fault, request, response)) bump(LLM_N_GOOD, fault == N_LLM_FAULTS);
    }
    cJSON_Delete(body);
}
