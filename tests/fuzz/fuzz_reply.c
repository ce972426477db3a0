/* tests/fuzz/fuzz_reply.c -- what providers of language models send back: the three styles, vectors, error bodies, Retry-After. The first byte chooses the style. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "llm/base64.h"
#include "llm/chat.h"
#include "llm/pace.h"
#include "llm/vectors.h"

void fuzz_reply(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    Arena *arena = arena_create("fuzz");
    char *body = fuzz_line(arena, data + 1, n - 1);
    Reply r = chat_reply((ApiStyle)(data[0] % 3), body, n - 1, arena);
    FUZZ_CHECK(r.text != NULL && r.finish != NULL && r.detail != NULL && r.model_version != NULL, "a missing text");
    FUZZ_CHECK(r.kind != REPLY_ANSWER || *r.text != '\0', "an empty answer");
    FUZZ_CHECK(r.kind != REPLY_UNREADABLE || *r.detail != '\0', "no reason");
    FUZZ_CHECK(r.has_usage ? r.tokens_in >= 0 && r.tokens_out >= 0 : r.tokens_in == 0 && r.tokens_out == 0, "tokens %lld %lld", (long long)r.tokens_in, (long long)r.tokens_out);
    VectorsReply v = vectors_reply(body, n - 1, 2, arena);
    for (int64_t k = 0; v.fault == NULL && k < 2 * v.dim; k++) FUZZ_CHECK(isfinite(v.at[k]), "value %lld", (long long)k);
    FUZZ_CHECK(v.fault != NULL || v.dim > 0, "no values");
    FUZZ_CHECK(strlen(chat_error_message(body, n - 1, arena)) <= 300, "a long message");
    double wait = retry_after(body, 1763672400);
    FUZZ_CHECK(isfinite(wait) && (wait >= 0 || wait == -1), "waits %g", wait); /* -1: neither a number nor a date */
    unsigned char *bytes;
    size_t n_bytes;
    if (base64_decode(body, arena, &bytes, &n_bytes)) FUZZ_CHECK(strcmp(base64_encode(bytes, n_bytes, arena), body) == 0, "two spellings of the same bytes");
    arena_destroy(arena);
}
