/* llm/base64.c -- see base64.h. */
#include "llm/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t n, Arena *arena) {
    const unsigned char *from = data;
    char *text = arena_alloc_raw(arena, (n + 2) / 3 * 4 + 1, 1), *to = text;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)from[i] << 16 | (i + 1 < n ? (unsigned)from[i + 1] << 8 : 0) | (i + 2 < n ? from[i + 2] : 0);
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *to = 0;
    return text;
}

static int digit_value(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, Arena *arena, unsigned char **data, size_t *n) {
    size_t length = strlen(text), padding = 0;
    if (length % 4) return false;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=') padding++;
    *n = length / 4 * 3 - padding;
    *data = arena_alloc_raw(arena, *n + 3, 1);
    unsigned char *to = *data;
    for (size_t i = 0; i < length; i += 4) {
        unsigned v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = i + k < length - padding ? digit_value(text[i + k]) : 0;
            if (d < 0) return false;
            v = v << 6 | (unsigned)d;
        }
        if (i + 4 == length && ((padding == 1 && (v & 0xff)) || (padding == 2 && (v & 0xffff)))) return false;
        *to++ = (unsigned char)(v >> 16);
        *to++ = (unsigned char)(v >> 8);
        *to++ = (unsigned char)v;
    }
    return true;
}
