/* data/textclean.c -- see textclean.h. */
#include "data/textclean.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t utf8_invalid_at(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < n) {
        unsigned c = p[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        size_t more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (!more || i + more >= n) return i;
        unsigned low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (p[i + 1] < low || p[i + 1] > high) return i;
        for (size_t k = 2; k <= more; k++)
            if ((p[i + k] & 0xC0) != 0x80) return i;
        i += more + 1;
    }
    return n;
}

size_t utf8_put(char *out, uint32_t code) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xC0 | code >> 6), out[1] = (char)(0x80 | (code & 0x3F)), 2;
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* Code points 160..255 in order, then what else is common in product text. */
static const char *const latin1[] = {
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg", "macr", "deg", "plusmn",
    "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute",
    "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde",
    "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave",
    "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth",
    "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml"};
static const struct { const char *name; uint32_t code; } named[] = {
    {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"ndash", 0x2013}, {"mdash", 0x2014}, {"lsquo", 0x2018},
    {"rsquo", 0x2019}, {"ldquo", 0x201C}, {"rdquo", 0x201D}, {"bull", 0x2022}, {"hellip", 0x2026}, {"prime", 0x2032}, {"Prime", 0x2033},
    {"trade", 0x2122}, {"euro", 0x20AC}, {"OElig", 0x152}, {"oelig", 0x153}, {"le", 0x2264}, {"ge", 0x2265}, {"minus", 0x2212}};

/* The code point of an entity whose text between & and ; is name[0..n); 0 when unknown. */
static uint32_t entity_code(const char *name, size_t n) {
    if (n >= 2 && name[0] == '#') {
        bool hex = name[1] == 'x' || name[1] == 'X';
        char *end;
        unsigned long code = strtoul(name + (hex ? 2 : 1), &end, hex ? 16 : 10);
        bool valid = end == name + n && code > 0 && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
        return valid ? (uint32_t)code : 0;
    }
    for (size_t i = 0; i < sizeof latin1 / sizeof *latin1; i++)
        if (strlen(latin1[i]) == n && memcmp(latin1[i], name, n) == 0) return (uint32_t)(160 + i);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strlen(named[i].name) == n && memcmp(named[i].name, name, n) == 0) return named[i].code;
    return 0;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Where the tag, comment, or script at p ends (behind its '>'); p itself when none begins here. */
static const char *skip_markup(const char *p) {
    if (strncmp(p, "<!--", 4) == 0) {
        const char *end = strstr(p, "-->");
        return end ? end + 3 : p;
    }
    if (p[0] != '<' || !(is_letter(p[1]) || (p[1] == '/' && is_letter(p[2])))) return p;
    const char *end = strchr(p, '>');
    if (!end) return p;
    static const char *const hidden[] = {"script", "style"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        size_t n = strlen(hidden[i]);
        if (strncasecmp(p + 1, hidden[i], n) != 0 || is_letter(p[1 + n])) continue;
        for (const char *close = strstr(end, "</"); close; close = strstr(close + 2, "</"))
            if (strncasecmp(close + 2, hidden[i], n) == 0 && strchr(close, '>')) return strchr(close, '>') + 1;
    }
    return end + 1;
}

const char *text_clean(Arena *arena, const char *text) {
    char *clean = arena_alloc_raw(arena, strlen(text) + 1, 1), *out = clean; /* no step makes text longer */
    bool space = false;
    for (const char *p = text; *p;) {
        const char *behind = skip_markup(p);
        if (behind > p) {
            p = behind;
            space = true;
            continue;
        }
        uint32_t code = 0;
        size_t length = 1;
        if (*p == '&') {
            const char *semicolon = strchr(p, ';');
            if (semicolon && semicolon - p <= 10) code = entity_code(p + 1, (size_t)(semicolon - p - 1));
            if (code) length = (size_t)(semicolon - p) + 1;
        }
        if (code == 0xA0 || (code && code <= ' ') || (!code && (unsigned char)*p <= ' ')) {
            space = true;
        } else if (code != 0xAD) { /* soft hyphens show nothing */
            if (space && out > clean) *out++ = ' ';
            space = false;
            if (code) out += utf8_put(out, code);
            else *out++ = *p;
        }
        p += length;
    }
    *out = '\0';
    return clean;
}
