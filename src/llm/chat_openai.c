/* llm/chat_openai.c -- chat completions, as OpenAI, vLLM, llama.cpp, Ollama, DeepSeek, Moonshot, xAI and DashScope serve them; see chat.h. */
#include <string.h>

#include "llm/chat_parts.h"

static cJSON *message(cJSON *list, const char *role) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "role", role);
    cJSON_AddItemToArray(list, o);
    return o;
}

cJSON *chat_openai_body(const Model *m, const ChatRequest *r, const Parts *parts, Arena *arena) {
    cJSON *o = cJSON_CreateObject(), *messages;
    cJSON_AddStringToObject(o, "model", m->id);
    messages = cJSON_AddArrayToObject(o, "messages");
    cJSON_AddStringToObject(message(messages, "system"), "content", parts->system);
    cJSON *user = message(messages, "user");
    if (!r->photo) {
        cJSON_AddStringToObject(user, "content", parts->user);
    } else {
        cJSON *content = cJSON_AddArrayToObject(user, "content"), *text = cJSON_CreateObject(), *image = cJSON_CreateObject();
        cJSON_AddStringToObject(text, "type", "text");
        cJSON_AddStringToObject(text, "text", parts->user);
        cJSON_AddStringToObject(image, "type", "image_url");
        const char *url = r->photo->url ? r->photo->url : arena_printf(arena, "data:%s;base64,%s", r->photo->mime, parts->photo64);
        cJSON_AddStringToObject(cJSON_AddObjectToObject(image, "image_url"), "url", url);
        cJSON_AddItemToArray(content, text);
        cJSON_AddItemToArray(content, image);
    }
    cJSON_AddNumberToObject(o, m->max_tokens_field, (double)r->max_output_tokens);
    if (!parts->with_schema) return o;
    cJSON *format = cJSON_AddObjectToObject(o, "response_format");
    cJSON_AddStringToObject(format, "type", "json_schema");
    cJSON *schema = cJSON_AddObjectToObject(format, "json_schema");
    cJSON_AddStringToObject(schema, "name", "interests");
    cJSON_AddTrueToObject(schema, "strict");
    cJSON_AddItemToObject(schema, "schema", chat_schema(r->prompt, true));
    return o;
}

void chat_openai_reply(const cJSON *tree, Arena *arena, Reply *out) {
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(tree, "usage"), *version = cJSON_GetObjectItemCaseSensitive(tree, "model");
    chat_usage(cJSON_GetObjectItemCaseSensitive(usage, "prompt_tokens"), cJSON_GetObjectItemCaseSensitive(usage, "completion_tokens"), NULL, out);
    if (cJSON_IsString(version)) out->model_version = arena_strdup(arena, version->valuestring);
    const cJSON *choice = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "choices"), 0), *said = cJSON_GetObjectItemCaseSensitive(choice, "message");
    if (!cJSON_IsObject(said)) return;
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(said, "content"), *finish = cJSON_GetObjectItemCaseSensitive(choice, "finish_reason");
    const cJSON *refusal = cJSON_GetObjectItemCaseSensitive(said, "refusal");
    static const char *const thinking[] = {"reasoning_content", "reasoning"};
    for (int k = 0; k < 2 && !out->thinking; k++) {
        const cJSON *t = cJSON_GetObjectItemCaseSensitive(said, thinking[k]);
        if (cJSON_IsString(t)) chat_append(arena, &out->thinking, t->valuestring);
    }
    if (cJSON_IsString(finish)) out->finish = arena_strdup(arena, finish->valuestring);
    if (cJSON_IsString(content)) out->text = arena_strdup(arena, content->valuestring);
    if (cJSON_IsString(refusal) && *refusal->valuestring) {
        out->kind = REPLY_REFUSED;
        out->detail = arena_strdup(arena, refusal->valuestring);
    } else if (strcmp(out->finish, "content_filter") == 0) {
        out->kind = REPLY_REFUSED;
        out->detail = "content_filter";
    } else if (strcmp(out->finish, "length") == 0) {
        out->kind = REPLY_TRUNCATED;
    } else if (cJSON_IsString(content)) {
        out->kind = REPLY_ANSWER;
    }
}
