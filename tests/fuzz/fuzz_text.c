/* tests/fuzz/fuzz_text.c -- UTF-8 against a table-free decoder, and the cleaning of raw texts. */
#include <string.h>

#include "data/textclean.h"
#include "fuzz.h"

/* RFC 3629, one code point at a time: length of a good one, 0 for none. */
static size_t decode(const uint8_t *p, size_t n, uint32_t *code)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (length == 0 || length > n) return 0;
    *code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (p[i] >> 6 != 2) return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    return *code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : length;
}

void fuzz_text(const uint8_t *data, size_t n)
{
    Arena *arena = arena_create("fuzz");
    char *exact = arena_alloc_raw(arena, n, 1), again[4];
    if (n > 0) memcpy(exact, data, n);
    size_t at = 0, length;
    for (uint32_t code; at < n && (length = decode(data + at, n - at, &code)) > 0; at += length)
        FUZZ_CHECK(utf8_put(again, code) == length && memcmp(again, data + at, length) == 0, "U+%04X", code);
    FUZZ_CHECK(utf8_invalid_at(exact, n) == at, "invalid at %zu, expected %zu", utf8_invalid_at(exact, n), at);
    char *text = arena_alloc_raw(arena, n + 1, 1);
    if (n > 0) memcpy(text, data, n);
    text[n] = '\0';
    const char *clean = text_clean(arena, text);
    size_t n_clean = strlen(clean);
    if (utf8_invalid_at(text, strlen(text)) == strlen(text)) FUZZ_CHECK(utf8_invalid_at(clean, n_clean) == n_clean, "UTF-8 was broken");
    FUZZ_CHECK(n_clean == 0 || (clean[0] != ' ' && clean[n_clean - 1] != ' '), "space at an end");
    FUZZ_CHECK(strpbrk(clean, "\t\r\n\f\v") == NULL && strstr(clean, "  ") == NULL, "runs of white space");
    arena_destroy(arena);
}
