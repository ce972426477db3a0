/* llm/base64.h -- RFC 4648, section 4: photos in requests, vectors in records. */
#ifndef DIGR_LLM_BASE64_H
#define DIGR_LLM_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* base64_encode -- NUL-terminated, padded, in `arena`. */
char *base64_encode(const void *data, size_t n, Arena *arena);

/* base64_decode -- strict: padded, no white space, no bits left over. false: `text` is not that. The bytes are 64-byte aligned. */
bool base64_decode(const char *text, Arena *arena, unsigned char **data, size_t *n);

#endif
