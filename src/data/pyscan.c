/* data/pyscan.c -- see pyscan.h. */
#include "data/pyscan.h"

#include <string.h>

#include "data/plainrun.h"

enum { MAX_DEPTH = 32, MAX_KEYS = 32, MAX_NUMBER = 60 };

typedef struct Span { const char *text; size_t n; } Span;

static inline const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
    return p;
}

/* The string at p, its prefix and quotes included: *inside is what lies between the quotes. NULL: none. */
static inline const char *skip_string(const char *p, const char *end, Span *inside, bool *escaped) {
    *escaped = false;
    if (p < end && (*p == 'u' || *p == 'U')) p++;
    if (p == end || (*p != '\'' && *p != '"')) return NULL;
    const char quote = *p++, *begin = p;
    for (;;) {
        p = plain_skip(p, end, quote);
        if (p == end) return NULL;
        if (*p == quote) break;
        if (*p == '\\') {
            uint32_t code;
            *escaped = true;
            if (end - p < 2) return NULL;
            if (p[1] == 'u') p = plain_read_u(p, end, &code);
            else p = p[1] && strchr("\\'\"nrtabfv", p[1]) ? p + 2 : NULL;
        } else {
            p = (unsigned char)*p < 0x20 ? NULL : plain_skip_utf8(p, end);
        }
        if (!p) return NULL;
    }
    *inside = (Span){begin, (size_t)(p - begin)};
    return p + 1;
}

static const char *skip_number(const char *p, const char *end) {
    const char *begin = p;
    if (p < end && *p == '-') p++;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    if (p == digits) return NULL;
    if (p < end && *p == '.') {
        digits = ++p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == digits) return NULL;
    }
    return p - begin > MAX_NUMBER ? NULL : p;
}

static const char *skip_value(const char *p, const char *end, int depth);

/* Behind the list or tuple whose bracket is behind us; a comma may come before the end. */
static const char *skip_list(const char *p, const char *end, char close, int depth) {
    for (;;) {
        p = skip_space(p, end);
        if (p == end) return NULL;
        if (*p == close) return p + 1;
        if (!(p = skip_value(p, end, depth))) return NULL;
        p = skip_space(p, end);
        if (p == end || (*p != ',' && *p != close)) return NULL;
        p += *p == ',';
    }
}

static bool is_new(const Span *key, int n) {
    for (int i = 0; i < n; i++)
        if (key[i].n == key[n].n && memcmp(key[i].text, key[n].text, key[n].n) == 0) return false;
    return true;
}

/* Behind the dict whose brace is behind us. field: the member called name is taken; NULL: none is. */
static const char *skip_dict(const char *p, const char *end, int depth, const char *name, Field *field) {
    Span key[MAX_KEYS], value;
    const size_t name_length = name ? strlen(name) : 0;
    bool escaped;
    for (int n = 0;; n++) {
        p = skip_space(p, end);
        if (p == end) return NULL;
        if (*p == '}') return p + 1;
        if (n == MAX_KEYS || !(p = skip_string(p, end, &key[n], &escaped)) || escaped || !is_new(key, n)) return NULL;
        p = skip_space(p, end);
        if (p == end || *p != ':') return NULL;
        p = skip_space(p + 1, end);
        if (field && key[n].n == name_length && memcmp(key[n].text, name, name_length) == 0) {
            if (!(p = skip_string(p, end, &value, &escaped)) || escaped) return NULL;
            *field = (Field){FIELD_STRING, value.text, value.n, 0};
        } else if (!(p = skip_value(p, end, depth))) {
            return NULL;
        }
        p = skip_space(p, end);
        if (p == end || (*p != ',' && *p != '}')) return NULL;
        p += *p == ',';
    }
}

static inline const char *skip_word(const char *p, const char *end, const char *word, ptrdiff_t n) {
    return end - p >= n && memcmp(p, word, (size_t)n) == 0 ? p + n : NULL; /* a letter behind it fits nowhere */
}

static const char *skip_value(const char *p, const char *end, int depth) {
    Span inside;
    bool escaped;
    p = skip_space(p, end);
    if (p == end || depth > MAX_DEPTH) return NULL;
    switch (*p) {
    case '\'':
    case '"':
    case 'u':
    case 'U': return skip_string(p, end, &inside, &escaped);
    case '{': return skip_dict(p + 1, end, depth + 1, NULL, NULL);
    case '[': return skip_list(p + 1, end, ']', depth + 1);
    case '(': return skip_list(p + 1, end, ')', depth + 1);
    case 'T': return skip_word(p, end, "True", 4);
    case 'F': return skip_word(p, end, "False", 5);
    case 'N': return skip_word(p, end, "None", 4);
    default: return skip_number(p, end);
    }
}

bool pyscan_line(const char *name, const char *line, size_t n, Field *field) {
    const char *end = line + n, *p = skip_space(line, end);
    *field = (Field){FIELD_ABSENT, NULL, 0, 0};
    if (p == end || *p != '{') return false;
    p = skip_dict(p + 1, end, 1, name, field);
    return p && skip_space(p, end) == end;
}
