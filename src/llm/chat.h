/* llm/chat.h -- one question to a language model: the request in the provider's JSON, and its reply read. Pure functions, no network.
 *
 *   openai     POST {base}/chat/completions                 messages, response_format json_schema, image_url (data: URL for a file)
 *   anthropic  POST {base}/messages                         system, messages; a schema is asked for as a tool that must be used; image source base64 or url
 *   gemini     POST {base}/models/{id}:generateContent      systemInstruction, contents, generationConfig.responseSchema; inlineData or fileData
 *
 * Embeddings (openai style only) are in llm/vectors.h.
 *
 * Deviations between the styles that a reader of records should know: a thinking model's reasoning is kept apart where the provider returns it (message.reasoning_content or
 * .reasoning; thinking blocks; parts with "thought"), and so is a <think>...</think> at the beginning of the text, which some servers of open models leave in it.
 */
#ifndef DIGR_LLM_CHAT_H
#define DIGR_LLM_CHAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "llm/prompts.h"
#include "llm/providers.h"

/* A photo, as a file's bytes or as a URL that the provider fetches itself. */
typedef struct Photo {
    const char *reference; /* "sha256:<64 digits>" or the URL: what keys and records carry */
    const char *url;       /* NULL: bytes */
    const char *mime;      /* "image/jpeg", "image/png", "image/webp", "image/gif" */
    const unsigned char *bytes;
    size_t n_bytes;
} Photo;

/* photo_load -- `place` is a URL (http, https) or a file, whose type is told by its first bytes. E_INPUT: unreadable, empty, over 20 MiB, no image. */
Status photo_load(const char *place, Arena *arena, Photo *photo);

typedef struct ChatRequest {
    const Template *prompt;      /* for the answer's schema */
    const char *rendered;        /* prompt_render: [system] and [user] */
    const Photo *photo;          /* NULL: text only */
    bool with_schema;            /* bind the answer to a schema; labels and captions have none */
    int64_t max_output_tokens;   /* reasoning included */
} ChatRequest;

typedef struct HttpCall {
    const char *url;
    const char *body;            /* JSON */
    size_t n_body;
    size_t n_text;               /* bytes of the body that are text, photos left out: no fewer than the tokens of the prompt */
    int n_headers;
    const char *header[MAX_PROVIDER_HEADERS + 4]; /* "name: value", without the key */
    const char *key_header;      /* what stands before the key: "Authorization: Bearer ", "x-api-key: ", "x-goog-api-key: " */
} HttpCall;

/* chat_call -- the request; everything lives in `arena`. */
void chat_call(const Provider *p, const Model *m, const ChatRequest *r, Arena *arena, HttpCall *call);

typedef enum ReplyKind {
    REPLY_ANSWER,     /* text holds it */
    REPLY_TRUNCATED,  /* it ran into max_output_tokens; text holds what came */
    REPLY_REFUSED,    /* the model or the provider's filter declined; text or detail says how */
    REPLY_UNREADABLE  /* not JSON, or not a reply of this style; detail says why. Asking again may help */
} ReplyKind;

typedef struct Reply {
    ReplyKind kind;
    const char *text, *thinking;     /* "" and NULL when there is none */
    const char *finish;              /* the provider's own word, "" when none */
    const char *detail;
    bool has_usage;
    int64_t tokens_in, tokens_out;   /* out includes reasoning, as it is billed */
    const char *model_version;       /* "" when not told */
} Reply;

/* chat_reply -- the body of a 2xx response. Never fails: see Reply.kind. */
Reply chat_reply(ApiStyle style, const char *body, size_t n, Arena *arena);

/* chat_error_message -- the message inside an error body of any of the styles, one line of at most 300 bytes; "" when there is none. */
const char *chat_error_message(const char *body, size_t n, Arena *arena);

/* http_call_begin -- URL base_url + path, content type, the provider's own headers (for chat.c and vectors.c). */
void http_call_begin(const Provider *p, const char *path, Arena *arena, HttpCall *call);

#endif
