/* llm/chat_gemini.c -- Gemini's generateContent; see chat.h. */
#include <string.h>

#include "llm/chat_parts.h"

static void add_text(cJSON *parts, const char *text) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "text", text);
    cJSON_AddItemToArray(parts, o);
}

static void add_photo(cJSON *list, const ChatRequest *r, const Parts *parts) {
    cJSON *o = cJSON_CreateObject();
    if (r->photo->url) {
        cJSON_AddStringToObject(cJSON_AddObjectToObject(o, "fileData"), "fileUri", r->photo->url);
    } else {
        cJSON *data = cJSON_AddObjectToObject(o, "inlineData");
        cJSON_AddStringToObject(data, "mimeType", r->photo->mime);
        cJSON_AddStringToObject(data, "data", parts->photo64);
    }
    cJSON_AddItemToArray(list, o);
}

cJSON *chat_gemini_body(const ChatRequest *r, const Parts *parts) {
    cJSON *o = cJSON_CreateObject(), *turn = cJSON_CreateObject();
    add_text(cJSON_AddArrayToObject(cJSON_AddObjectToObject(o, "systemInstruction"), "parts"), parts->system);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "contents"), turn);
    cJSON_AddStringToObject(turn, "role", "user");
    cJSON *list = cJSON_AddArrayToObject(turn, "parts");
    if (r->photo) add_photo(list, r, parts);
    add_text(list, parts->user);
    cJSON *config = cJSON_AddObjectToObject(o, "generationConfig");
    cJSON_AddNumberToObject(config, "maxOutputTokens", (double)r->max_output_tokens);
    if (!parts->with_schema) return o;
    cJSON_AddStringToObject(config, "responseMimeType", "application/json");
    cJSON_AddItemToObject(config, "responseSchema", chat_schema(r->prompt, false));
    return o;
}

static bool is_refusal(const char *finish) {
    static const char *const words[] = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "OTHER"};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if (strcmp(finish, words[k]) == 0) return true;
    return false;
}

void chat_gemini_reply(const cJSON *tree, Arena *arena, Reply *out) {
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(tree, "usageMetadata"), *version = cJSON_GetObjectItemCaseSensitive(tree, "modelVersion");
    const cJSON *answered = cJSON_GetObjectItemCaseSensitive(usage, "candidatesTokenCount"), *thought = cJSON_GetObjectItemCaseSensitive(usage, "thoughtsTokenCount");
    chat_usage(cJSON_GetObjectItemCaseSensitive(usage, "promptTokenCount"), answered ? answered : thought, answered ? thought : NULL, out);
    if (cJSON_IsString(version)) out->model_version = arena_strdup(arena, version->valuestring);
    const cJSON *blocked = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, "promptFeedback"), "blockReason");
    if (cJSON_IsString(blocked)) {
        out->kind = REPLY_REFUSED;
        out->detail = out->finish = arena_strdup(arena, blocked->valuestring);
        return;
    }
    const cJSON *candidate = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "candidates"), 0);
    if (!cJSON_IsObject(candidate)) return;
    const cJSON *finish = cJSON_GetObjectItemCaseSensitive(candidate, "finishReason");
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(candidate, "content"), "parts");
    if (cJSON_IsString(finish)) out->finish = arena_strdup(arena, finish->valuestring);
    const char *text = NULL;
    for (const cJSON *part = cJSON_IsArray(parts) ? parts->child : NULL; part; part = part->next) {
        const cJSON *said = cJSON_GetObjectItemCaseSensitive(part, "text");
        if (cJSON_IsString(said)) chat_append(arena, cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(part, "thought")) ? &out->thinking : &text, said->valuestring);
    }
    if (text) out->text = text;
    if (is_refusal(out->finish)) {
        out->kind = REPLY_REFUSED;
        out->detail = out->finish;
    } else if (strcmp(out->finish, "MAX_TOKENS") == 0) {
        out->kind = REPLY_TRUNCATED;
    } else if (text) {
        out->kind = REPLY_ANSWER;
    }
}
