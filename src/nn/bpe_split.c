/* nn/bpe_split.c -- where one pre-token ends. Each alternative of the pattern is one function, tried in the pattern's order. */
#include "nn/bpe_split.h"

#include <stdbool.h>
#include <stdint.h>

#include "nn/bpe_unicode.h"

typedef enum Class { CLASS_END, CLASS_LETTER, CLASS_NUMBER, CLASS_NEWLINE, CLASS_SPACE, CLASS_OTHER } Class;

typedef struct Char {
    Class class;
    uint32_t code;
    size_t bytes;
} Char;

static bool in_ranges(const uint32_t (*range)[2], int count, uint32_t code)
{
    int low = 0, high = count - 1;
    while (low <= high) {
        int mid = (low + high) / 2;
        if (code < range[mid][0]) high = mid - 1;
        else if (code > range[mid][1]) low = mid + 1;
        else return true;
    }
    return false;
}

static Class classify(uint32_t c)
{
    if (c == '\r' || c == '\n') return CLASS_NEWLINE;
    if (c == ' ' || (c >= 9 && c <= 12)) return CLASS_SPACE;
    if (c < 0x80) {
        if ((c | 32u) >= 'a' && (c | 32u) <= 'z') return CLASS_LETTER;
        return c >= '0' && c <= '9' ? CLASS_NUMBER : CLASS_OTHER;
    }
    if (c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
        c == 0x205f || c == 0x3000) return CLASS_SPACE;
    if (in_ranges(unicode_letters, unicode_letters_count, c)) return CLASS_LETTER;
    return in_ranges(unicode_numbers, unicode_numbers_count, c) ? CLASS_NUMBER : CLASS_OTHER;
}

/* One code point; an ill-formed byte is a symbol of its own. */
static Char char_at(const char *text, size_t n, size_t at)
{
    if (at >= n) return (Char){CLASS_END, 0, 0};
    const unsigned char *s = (const unsigned char *)text + at;
    size_t left = n - at, bytes = s[0] < 0x80 ? 1 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (s[0] >= 0xf5 || bytes == 0 || bytes > left) return (Char){CLASS_OTHER, 0xfffd, 1};
    uint32_t code = bytes == 1 ? s[0] : s[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; ++i) {
        if ((s[i] & 0xc0) != 0x80) return (Char){CLASS_OTHER, 0xfffd, 1};
        code = code << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return (Char){CLASS_OTHER, 0xfffd, 1};
    return (Char){classify(code), code, bytes};
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d) */
static size_t match_contraction(const char *text, size_t n, size_t at)
{
    if (text[at] != '\'' || n - at < 2) return 0;
    int a = text[at + 1] | 32, b = n - at > 2 ? text[at + 2] | 32 : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* [^\r\n\p{L}\p{N}]?\p{L}+ */
static size_t match_word(const char *text, size_t n, size_t at)
{
    size_t to = at;
    Char c = char_at(text, n, to);
    if (c.class == CLASS_SPACE || c.class == CLASS_OTHER) {
        to += c.bytes;
        c = char_at(text, n, to);
    }
    if (c.class != CLASS_LETTER) return 0;
    for (; c.class == CLASS_LETTER; c = char_at(text, n, to)) to += c.bytes;
    return to - at;
}

/* ' '?[^\s\p{L}\p{N}]+[\r\n]* */
static size_t match_symbols(const char *text, size_t n, size_t at)
{
    size_t to = at + (text[at] == ' ');
    Char c = char_at(text, n, to);
    if (c.class != CLASS_OTHER) return 0;
    for (; c.class == CLASS_OTHER; c = char_at(text, n, to)) to += c.bytes;
    while (to < n && (text[to] == '\r' || text[to] == '\n')) ++to;
    return to - at;
}

/* \s*[\r\n]+ | \s+(?!\S) | \s+ : the run of white space up to its last newline; else the run, without its last character when text follows. */
static size_t match_space(const char *text, size_t n, size_t at)
{
    size_t to = at, after_newline = at, before_last = at;
    Char c = char_at(text, n, to);
    for (; c.class == CLASS_SPACE || c.class == CLASS_NEWLINE; c = char_at(text, n, to)) {
        before_last = to;
        to += c.bytes;
        if (c.class == CLASS_NEWLINE) after_newline = to;
    }
    if (after_newline > at) return after_newline - at;
    return (c.class == CLASS_END || before_last == at ? to : before_last) - at;
}

size_t bpe_split(const char *text, size_t n, size_t at)
{
    size_t length = match_contraction(text, n, at);
    if (length == 0) length = match_word(text, n, at);
    if (length > 0) return length;
    Char c = char_at(text, n, at);
    if (c.class == CLASS_NUMBER) return c.bytes;
    length = match_symbols(text, n, at);
    return length > 0 ? length : match_space(text, n, at);
}
