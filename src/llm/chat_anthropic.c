/* llm/chat_anthropic.c -- Anthropic's messages; see chat.h. */
#include <string.h>

#include "llm/chat_parts.h"

static const char tool_name[] = "give_interests";

static cJSON *typed(cJSON *list, const char *type) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "type", type);
    cJSON_AddItemToArray(list, o);
    return o;
}

static void add_photo(cJSON *content, const ChatRequest *r, const Parts *parts) {
    cJSON *source = cJSON_AddObjectToObject(typed(content, "image"), "source");
    cJSON_AddStringToObject(source, "type", r->photo->url ? "url" : "base64");
    if (r->photo->url) {
        cJSON_AddStringToObject(source, "url", r->photo->url);
        return;
    }
    cJSON_AddStringToObject(source, "media_type", r->photo->mime);
    cJSON_AddStringToObject(source, "data", parts->photo64);
}

cJSON *chat_anthropic_body(const Model *m, const ChatRequest *r, const Parts *parts) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", m->id);
    cJSON_AddNumberToObject(o, "max_tokens", (double)r->max_output_tokens);
    cJSON_AddStringToObject(o, "system", parts->system);
    cJSON *user = cJSON_CreateObject();
    cJSON_AddStringToObject(user, "role", "user");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "messages"), user);
    cJSON *content = cJSON_AddArrayToObject(user, "content");
    if (r->photo) add_photo(content, r, parts);
    cJSON_AddStringToObject(typed(content, "text"), "text", parts->user);
    if (!parts->with_schema) return o;
    cJSON *tool = cJSON_CreateObject();
    cJSON_AddStringToObject(tool, "name", tool_name);
    cJSON_AddStringToObject(tool, "description", "Hands over the answer.");
    cJSON_AddItemToObject(tool, "input_schema", chat_schema(r->prompt, true));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "tools"), tool);
    cJSON *choice = cJSON_AddObjectToObject(o, "tool_choice");
    cJSON_AddStringToObject(choice, "type", "tool");
    cJSON_AddStringToObject(choice, "name", tool_name);
    return o;
}

static void read_block(const cJSON *block, Arena *arena, Reply *out, const char **text) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(block, "type");
    if (!cJSON_IsString(type)) return;
    const cJSON *said = cJSON_GetObjectItemCaseSensitive(block, type->valuestring), *input = cJSON_GetObjectItemCaseSensitive(block, "input");
    if (strcmp(type->valuestring, "text") == 0 && cJSON_IsString(said)) chat_append(arena, text, said->valuestring);
    if (strcmp(type->valuestring, "thinking") == 0 && cJSON_IsString(said)) chat_append(arena, &out->thinking, said->valuestring);
    if (strcmp(type->valuestring, "tool_use") == 0 && cJSON_IsObject(input)) {
        char *printed = cJSON_PrintUnformatted(input);
        REQUIRE(printed != NULL, "no memory for JSON");
        *text = arena_strdup(arena, printed); /* the answer; words beside it are not */
        cJSON_free(printed);
    }
}

void chat_anthropic_reply(const cJSON *tree, Arena *arena, Reply *out) {
    const cJSON *usage = cJSON_GetObjectItemCaseSensitive(tree, "usage"), *version = cJSON_GetObjectItemCaseSensitive(tree, "model");
    chat_usage(cJSON_GetObjectItemCaseSensitive(usage, "input_tokens"), cJSON_GetObjectItemCaseSensitive(usage, "output_tokens"), NULL, out);
    if (cJSON_IsString(version)) out->model_version = arena_strdup(arena, version->valuestring);
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(tree, "content"), *stop = cJSON_GetObjectItemCaseSensitive(tree, "stop_reason");
    if (!cJSON_IsArray(content)) return;
    const char *text = NULL;
    for (const cJSON *block = content->child; block; block = block->next) read_block(block, arena, out, &text);
    if (text) out->text = text;
    if (cJSON_IsString(stop)) out->finish = arena_strdup(arena, stop->valuestring);
    if (strcmp(out->finish, "refusal") == 0) {
        out->kind = REPLY_REFUSED;
        out->detail = "refusal";
    } else {
        out->kind = strcmp(out->finish, "max_tokens") == 0 || strcmp(out->finish, "model_context_window_exceeded") == 0 ? REPLY_TRUNCATED : REPLY_ANSWER;
    }
}
