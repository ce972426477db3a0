/* llm/chat_parts.h -- what chat.c shares with the three styles (chat_openai.c, chat_anthropic.c, chat_gemini.c); nobody else includes it. */
#ifndef DIGR_LLM_CHAT_PARTS_H
#define DIGR_LLM_CHAT_PARTS_H

#include <cjson/cJSON.h>

#include "llm/chat.h"

typedef struct Parts {
    const char *system, *user;
    const char *photo64;   /* NULL: no photo, or by URL */
    bool with_schema;
} Parts;

/* The schema of a mining answer. closed: every object says "additionalProperties": false (Gemini knows no such member). */
cJSON *chat_schema(const Template *t, bool closed);

/* Takes on text pieces one after another; empty ones leave it NULL or as it is. */
void chat_append(Arena *arena, const char **text, const char *piece);

cJSON *chat_openai_body(const Model *m, const ChatRequest *r, const Parts *parts, Arena *arena);
cJSON *chat_anthropic_body(const Model *m, const ChatRequest *r, const Parts *parts);
cJSON *chat_gemini_body(const ChatRequest *r, const Parts *parts);

/* Fill in kind, text, thinking, finish, usage from the parsed body; out->kind is REPLY_UNREADABLE and text "" before. */
void chat_openai_reply(const cJSON *tree, Arena *arena, Reply *out);
void chat_anthropic_reply(const cJSON *tree, Arena *arena, Reply *out);
void chat_gemini_reply(const cJSON *tree, Arena *arena, Reply *out);

/* Sets usage when `tree` has both numbers (whole, not negative). */
void chat_usage(const cJSON *in, const cJSON *out_a, const cJSON *out_b, Reply *out);

#endif
