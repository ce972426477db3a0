/* llm/chat.c -- what the three styles have in common; see chat.h. */
#include "llm/chat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "llm/answer.h"
#include "llm/base64.h"
#include "llm/chat_parts.h"
#include "llm/interests.h"

enum { MAX_PHOTO_BYTES = 20 << 20, MAX_MESSAGE = 300 };

/* ---- photos */

static const char *image_type(const unsigned char *b, size_t n) {
    if (n > 3 && memcmp(b, "\xff\xd8\xff", 3) == 0) return "image/jpeg";
    if (n > 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0) return "image/png";
    if (n > 6 && (memcmp(b, "GIF87a", 6) == 0 || memcmp(b, "GIF89a", 6) == 0)) return "image/gif";
    if (n > 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0) return "image/webp";
    return NULL;
}

Status photo_load(const char *place, Arena *arena, Photo *photo) {
    *photo = (Photo){0};
    if (strncmp(place, "https://", 8) == 0 || strncmp(place, "http://", 7) == 0) {
        photo->reference = photo->url = arena_strdup(arena, place);
        return OK;
    }
    FILE *f = fopen(place, "rbe");
    if (!f) return FAIL(E_INPUT, NULL, "%s: %s", place, strerror(errno));
    unsigned char *bytes = NULL;
    size_t n = 0, capacity = 0, got = 1;
    while (got > 0 && n <= MAX_PHOTO_BYTES) {
        ARENA_GROW(arena, bytes, capacity, n + 65536);
        got = fread(bytes + n, 1, 65536, f);
        n += got;
    }
    int failed = ferror(f);
    (void)fclose(f);
    if (failed) return FAIL(E_INPUT, NULL, "%s: cannot be read", place);
    if (n > MAX_PHOTO_BYTES) return FAIL(E_INPUT, "make it smaller", "%s: a photo of more than 20 MiB", place);
    photo->mime = image_type(bytes, n);
    if (!photo->mime) return FAIL(E_INPUT, "photos are JPEG, PNG, WebP or GIF", "%s: %s", place, n ? "not an image" : "empty");
    char hex[SHA256_HEX];
    sha256_buffer(bytes, n, hex);
    photo->reference = arena_printf(arena, "sha256:%s", hex);
    photo->bytes = bytes;
    photo->n_bytes = n;
    return OK;
}

/* ---- the request */

static cJSON *string_type(void) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", "string");
    return o;
}

static void close_object(cJSON *o, const char *const *required, int n, bool closed) {
    cJSON_AddItemToObject(o, "required", cJSON_CreateStringArray(required, n));
    if (closed) cJSON_AddFalseToObject(o, "additionalProperties");
}

cJSON *chat_schema(const Template *t, bool closed) {
    static const char *const of_interest[] = {"text", "facet", "confidence"}, *const of_answer[] = {"reasoning", "interests"};
    const char *facets[N_FACETS];
    for (int f = 0; f < N_FACETS; f++) facets[f] = facet_name((Facet)f);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "type", "object");
    cJSON *properties = cJSON_AddObjectToObject(root, "properties");
    if (t->wants_reasoning) cJSON_AddItemToObject(properties, "reasoning", string_type());
    cJSON *list = cJSON_AddObjectToObject(properties, "interests");
    cJSON_AddStringToObject(list, "type", "array");
    cJSON *interest = cJSON_AddObjectToObject(list, "items");
    cJSON_AddStringToObject(interest, "type", "object");
    cJSON *members = cJSON_AddObjectToObject(interest, "properties");
    cJSON_AddItemToObject(members, "text", string_type());
    cJSON *facet = string_type();
    cJSON_AddItemToObject(facet, "enum", cJSON_CreateStringArray(facets, N_FACETS));
    cJSON_AddItemToObject(members, "facet", facet);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(members, "confidence"), "type", "number");
    close_object(interest, of_interest, 3, closed);
    close_object(root, t->wants_reasoning ? of_answer : of_answer + 1, t->wants_reasoning ? 2 : 1, closed);
    return root;
}

void chat_append(Arena *arena, const char **text, const char *piece) {
    if (piece && *piece) *text = arena_printf(arena, "%s%s", *text ? *text : "", piece);
}

void http_call_begin(const Provider *p, const char *path, Arena *arena, HttpCall *call) {
    static const char *const key_headers[] = {"Authorization: Bearer ", "x-api-key: ", "x-goog-api-key: "};
    *call = (HttpCall){.url = arena_printf(arena, "%s%s", p->base_url, path), .key_header = p->key_env ? key_headers[p->style] : NULL};
    call->header[call->n_headers++] = "Content-Type: application/json";
    if (p->style == API_ANTHROPIC) call->header[call->n_headers++] = "anthropic-version: 2023-06-01";
    for (int h = 0; h < p->n_headers; h++) call->header[call->n_headers++] = p->header[h];
}

static void merge_extra(cJSON *into, const cJSON *extra) {
    for (const cJSON *v = extra->child; v; v = v->next) {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(into, v->string);
        if (cJSON_IsObject(old) && cJSON_IsObject(v)) merge_extra(old, v);
        else {
            cJSON_DeleteItemFromObjectCaseSensitive(into, v->string);
            cJSON_AddItemToObject(into, v->string, cJSON_Duplicate(v, 1));
        }
    }
}

static void split_rendered(const char *rendered, Arena *arena, Parts *parts) {
    static const char system[] = "[system]\n", user[] = "\n[user]\n";
    const char *cut = strstr(rendered, user); /* the first: the system part is a template's, and fields of an item come after it */
    REQUIRE(strncmp(rendered, system, sizeof system - 1) == 0 && cut, "a prompt without its parts");
    parts->system = arena_strndup(arena, rendered + sizeof system - 1, (size_t)(cut - rendered) - (sizeof system - 1));
    parts->user = cut + sizeof user - 1;
}

void chat_call(const Provider *p, const Model *m, const ChatRequest *r, Arena *arena, HttpCall *call) {
    static const char *const paths[] = {"/chat/completions", "/messages"};
    Parts parts = {.with_schema = r->with_schema && m->takes_schema && !r->prompt->is_judge && !r->prompt->is_caption};
    split_rendered(r->rendered, arena, &parts);
    if (r->photo && !r->photo->url) parts.photo64 = base64_encode(r->photo->bytes, r->photo->n_bytes, arena);
    http_call_begin(p, p->style == API_GEMINI ? arena_printf(arena, "/models/%s:generateContent", m->id) : paths[p->style], arena, call);
    cJSON *body = p->style == API_OPENAI ? chat_openai_body(m, r, &parts, arena) : p->style == API_ANTHROPIC ? chat_anthropic_body(m, r, &parts) : chat_gemini_body(r, &parts);
    if (m->extra) {
        cJSON *extra = cJSON_Parse(m->extra);
        REQUIRE(extra != NULL, "extra was checked when it was read");
        merge_extra(body, extra);
        cJSON_Delete(extra);
    }
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    REQUIRE(text != NULL, "no memory to print a request");
    call->body = arena_strdup(arena, text);
    cJSON_free(text);
    call->n_body = strlen(call->body);
    call->n_text = call->n_body - (parts.photo64 ? strlen(parts.photo64) : 0);
}

/* ---- the reply */

void chat_usage(const cJSON *in, const cJSON *out_a, const cJSON *out_b, Reply *out) {
    double a = cJSON_IsNumber(out_a) ? out_a->valuedouble : -1, b = cJSON_IsNumber(out_b) ? out_b->valuedouble : 0;
    if (!cJSON_IsNumber(in) || !(in->valuedouble >= 0 && in->valuedouble < 1e12) || !(a >= 0 && a < 1e12) || !(b >= 0 && b < 1e12)) return;
    out->has_usage = true;
    out->tokens_in = (int64_t)in->valuedouble;
    out->tokens_out = (int64_t)(a + b);
}

/* "<think>reasons</think> answer": into two. */
static void part_thoughts(Reply *out, Arena *arena) {
    static const char begin[] = "<think>", end[] = "</think>";
    const char *p = out->text + strspn(out->text, " \t\r\n");
    if (strncmp(p, begin, sizeof begin - 1) != 0) return;
    const char *stop = strstr(p, end);
    p += sizeof begin - 1;
    const char *thoughts = stop ? arena_strndup(arena, p, (size_t)(stop - p)) : p;
    chat_append(arena, &out->thinking, thoughts);
    out->text = stop ? stop + sizeof end - 1 + strspn(stop + sizeof end - 1, " \t\r\n") : "";
}

Reply chat_reply(ApiStyle style, const char *body, size_t n, Arena *arena) {
    Reply out = {.kind = REPLY_UNREADABLE, .text = "", .finish = "", .detail = "", .model_version = ""};
    const char *end;
    cJSON *tree = n > 0 && !memchr(body, 0, n) ? cJSON_ParseWithLengthOpts(body, n, &end, 0) : NULL;
    if (!tree || end[strspn(end, " \t\r\n")]) {
        out.detail = n == 0 ? "an empty body" : "not JSON";
        cJSON_Delete(tree);
        return out;
    }
    out.detail = "no answer where this style has it";
    if (style == API_OPENAI) chat_openai_reply(tree, arena, &out);
    else if (style == API_ANTHROPIC) chat_anthropic_reply(tree, arena, &out);
    else chat_gemini_reply(tree, arena, &out);
    cJSON_Delete(tree);
    part_thoughts(&out, arena);
    if (out.kind == REPLY_ANSWER && !*out.text) {
        out.kind = REPLY_UNREADABLE;
        out.detail = "an empty answer";
    }
    return out;
}

const char *chat_error_message(const char *body, size_t n, Arena *arena) {
    cJSON *tree = n ? cJSON_ParseWithLength(body, n) : NULL, *list = cJSON_IsArray(tree) ? tree->child : tree; /* Gemini wraps some errors into a list */
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(list, "error"), *message = cJSON_GetObjectItemCaseSensitive(error, "message");
    if (!message) message = cJSON_GetObjectItemCaseSensitive(list, "message");
    if (!message && cJSON_IsString(error)) message = error;
    const char *text = cJSON_IsString(message) ? message->valuestring : "";
    size_t length = strlen(text) < MAX_MESSAGE ? strlen(text) : MAX_MESSAGE;
    while (length > 0 && length < strlen(text) && ((unsigned char)text[length] & 0xc0) == 0x80) length--; /* not inside a character */
    char *line = arena_strndup(arena, text, length);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = ' ';
    cJSON_Delete(tree);
    return line;
}
