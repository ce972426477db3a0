/* data/plainrun.h -- runs of plain characters inside quoted strings, for the scanners of JSON and of Python literals.
 *
 * Most of a raw file is the inside of strings. A run of plain characters is passed over 64 bytes at a time (vectors of the compiler, any processor), its end
 * is found within a word of 8 bytes by arithmetic on the whole word; only escapes and non-ASCII characters are looked at one by one. */
#ifndef DIGR_DATA_PLAINRUN_H
#define DIGR_DATA_PLAINRUN_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef int8_t PlainWide __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint64_t PlainWords __attribute__((vector_size(64), may_alias));

#define PLAIN_EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (uint64_t)(unsigned char)(b))

/* Bytes that end a plain run: the quote, a backslash, a control character, anything beyond ASCII. The lowest flagged byte is exact; flags above it may be
 * borrows of the subtractions. */
static inline uint64_t plain_ends_in_word(uint64_t x, char quote) {
    const uint64_t quotes = x ^ PLAIN_EACH_BYTE(quote), slashes = x ^ PLAIN_EACH_BYTE('\\');
    return ((x - PLAIN_EACH_BYTE(0x20)) | (quotes - PLAIN_EACH_BYTE(1)) | (slashes - PLAIN_EACH_BYTE(1)) | x) & PLAIN_EACH_BYTE(0x80);
}

static inline bool plain_ends_in_wide(const char *p, char quote) {
    const PlainWide v = *(const PlainWide *)p;
    const PlainWords bad = (PlainWords)((v < 0x20) | (v == quote) | (v == '\\')); /* signed: bytes beyond ASCII are below 0x20 too */
    return (bad[0] | bad[1] | bad[2] | bad[3] | bad[4] | bad[5] | bad[6] | bad[7]) != 0;
}

/* The first byte of [p, end) that is not plain, or end. */
static inline const char *plain_skip(const char *p, const char *end, char quote) {
    for (int words = 0; end - p >= 8; words++) {
        uint64_t x;
        memcpy(&x, p, 8);
        const uint64_t stop = plain_ends_in_word(le64toh(x), quote);
        if (stop) return p + (__builtin_ctzll(stop) >> 3);
        p += 8;
        if (words != 1) continue;
        while (end - p >= 64 && !plain_ends_in_wide(p, quote)) p += 64;
    }
    while (p < end && (signed char)*p >= 0x20 && *p != quote && *p != '\\') p++;
    return p;
}

/* Behind the non-ASCII characters at p; NULL when they are no UTF-8. */
static inline const char *plain_skip_utf8(const char *p, const char *end) {
    while (p < end && (unsigned char)*p >= 0x80) {
        const unsigned c = (unsigned char)*p;
        const int more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (!more || end - p <= more) return NULL;
        const unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF, second = (unsigned char)p[1];
        if (second < low || second > high) return NULL;
        for (int k = 2; k <= more; k++)
            if (((unsigned char)p[k] & 0xC0) != 0x80) return NULL;
        p += more + 1;
    }
    return p;
}

/* Four hex digits at p; -1 when they are not all there. */
static inline int32_t plain_hex4(const char *p, const char *end) {
    if (end - p < 4) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* What \uXXXX (a pair of them for a character beyond the first plane) means, its backslash at p: *code; returns where it ends. NULL: it is none, or half a
 * pair, or \u0000. */
static inline const char *plain_read_u(const char *p, const char *end, uint32_t *code) {
    const int32_t high = plain_hex4(p + 2, end);
    if (high <= 0 || (high >= 0xDC00 && high <= 0xDFFF)) return NULL;
    *code = (uint32_t)high;
    if (high < 0xD800 || high > 0xDBFF) return p + 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') return NULL;
    const int32_t low = plain_hex4(p + 8, end);
    if (low < 0xDC00 || low > 0xDFFF) return NULL;
    *code = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return p + 12;
}

#endif
