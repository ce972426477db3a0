/* data/pyliteral.c -- recursive descent over one line; see pyliteral.h. */
#include "data/pyliteral.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "data/textclean.h"

enum { MAX_DEPTH = 64 };

typedef struct Parser {
    const char *path, *begin, *p, *end;
    int64_t line;
    int depth;
    Arena *arena; /* decoded strings */
} Parser;

static Status parse_value(Parser *s, cJSON **value);

static Status parse_fail(const Parser *s, const char *what) {
    return FAIL(E_INPUT, "the file is not Amazon 2014 metadata, or is damaged", "%s:%lld: column %lld: %s", s->path, (long long)s->line,
                (long long)(s->p - s->begin) + 1, what);
}

static void skip_space(Parser *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')) s->p++;
}

static bool accept(Parser *s, char c) {
    skip_space(s);
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

/* ---- strings ---- */

static bool hex_digits(const char *p, const char *end, int n, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < n; i++) {
        if (p + i >= end) return false;
        char c = p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

/* One \u or \U escape whose letter is at p[0]; joins surrogates; false on a fault. *p moves behind it. */
static bool unicode_escape(const char **p, const char *end, uint32_t *code) {
    int n = **p == 'u' ? 4 : 8;
    if (!hex_digits(*p + 1, end, n, code)) return false;
    *p += 1 + n;
    if (*code >= 0xD800 && *code <= 0xDBFF) {
        uint32_t low;
        if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex_digits(*p + 2, end, 4, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
        *p += 6;
    }
    return *code > 0 && *code <= 0x10FFFF && !(*code >= 0xDC00 && *code <= 0xDFFF);
}

/* Decode the body [p, end) of a string without its quotes. bytes: \xHH and octal above 0x7F are bytes. NULL: no fault, else what is wrong. */
static const char *decode_body(const char *p, const char *end, bool bytes, char *out, size_t *length) {
    static const char names[] = "\\'\"nrtabfv", values[] = "\\'\"\n\r\t\a\b\f\v";
    char *begin = out;
    while (p < end) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p++;
        const char *name = p < end && *p ? strchr(names, *p) : NULL;
        uint32_t code = 0;
        if (name) {
            *out++ = values[name - names];
            p++;
            continue;
        }
        if (p < end && (*p == 'u' || *p == 'U')) {
            if (!unicode_escape(&p, end, &code)) return "bad \\u escape";
            out += utf8_put(out, code);
            continue;
        }
        if (p < end && *p == 'x') {
            if (!hex_digits(p + 1, end, 2, &code)) return "bad \\x escape";
            p += 3;
        } else if (p < end && *p >= '0' && *p <= '7') {
            for (int i = 0; i < 3 && p < end && *p >= '0' && *p <= '7'; i++) code = code << 3 | (uint32_t)(*p++ - '0');
            if (code > 0xFF) return "bad octal escape";
        } else {
            return "unknown escape";
        }
        if (code == 0) return "NUL in a string";
        if (code >= 0x80 && bytes) *out++ = (char)code;
        else out += utf8_put(out, code);
    }
    *out = '\0';
    *length = (size_t)(out - begin);
    return NULL;
}

static Status parse_string(Parser *s, const char **text) {
    bool unicode = s->p < s->end && (*s->p == 'u' || *s->p == 'U');
    if (unicode) s->p++;
    if (s->p == s->end || (*s->p != '\'' && *s->p != '"')) return parse_fail(s, "expected a string");
    char quote = *s->p;
    const char *body = s->p + 1, *close = body;
    while (close < s->end && *close != quote) close += *close == '\\' && close + 1 < s->end ? 2 : 1;
    if (close >= s->end) return parse_fail(s, "string without an end");
    if (memchr(body, '\0', (size_t)(close - body))) return parse_fail(s, "NUL in a string");
    char *out = arena_alloc_raw(s->arena, 2 * (size_t)(close - body) + 4, 1);
    size_t length = 0;
    /* \u escapes are read in every string (Python 3); as bytes first, for a Python 2 str */
    const char *fault = decode_body(body, close, !unicode, out, &length);
    if (!fault && utf8_invalid_at(out, length) != length) fault = decode_body(body, close, false, out, &length);
    if (fault) return parse_fail(s, fault);
    s->p = close + 1;
    *text = out;
    return OK;
}

/* ---- the rest ---- */

static bool accept_word(Parser *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0) return false;
    char behind = s->p[n];
    if ((behind >= 'a' && behind <= 'z') || (behind >= 'A' && behind <= 'Z') || behind == '_') return false;
    s->p += n;
    return true;
}

static bool skip_digits(const char **p) {
    const char *begin = *p;
    while (**p >= '0' && **p <= '9') (*p)++;
    return *p > begin;
}

static Status parse_number(Parser *s, cJSON **value) {
    const char *p = s->p;
    if (*p == '-') p++;
    bool digits = skip_digits(&p), whole = true;
    if (*p == '.') {
        p++;
        whole = false;
        digits = skip_digits(&p) || digits;
    }
    if (!digits) return parse_fail(s, "expected a value");
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        whole = false;
        if (!skip_digits(&p)) return parse_fail(s, "malformed number");
    }
    double number = strtod(s->p, NULL);
    if (!(number - number == 0)) return parse_fail(s, "number out of range");
    *value = cJSON_CreateNumber(number);
    s->p = p + (whole && *p == 'L' ? 1 : 0);
    return OK;
}

/* Elements of a list or tuple behind its opening bracket; a trailing comma is allowed, as in Python. */
static Status parse_list(Parser *s, char close, cJSON **value) {
    *value = cJSON_CreateArray();
    while (!accept(s, close)) {
        cJSON *element = NULL;
        Status status = parse_value(s, &element);
        if (element) cJSON_AddItemToArray(*value, element);
        TRY(status);
        if (accept(s, ',')) continue;
        if (!accept(s, close)) return parse_fail(s, close == ']' ? "expected , or ]" : "expected , or )");
        break;
    }
    return OK;
}

static Status parse_dict(Parser *s, cJSON **value) {
    *value = cJSON_CreateObject();
    while (!accept(s, '}')) {
        const char *key;
        skip_space(s);
        TRY(parse_string(s, &key));
        if (cJSON_GetObjectItemCaseSensitive(*value, key)) return parse_fail(s, "a key appears twice");
        if (!accept(s, ':')) return parse_fail(s, "expected :");
        cJSON *member = NULL;
        Status status = parse_value(s, &member);
        if (member) cJSON_AddItemToObject(*value, key, member);
        TRY(status);
        if (accept(s, ',')) continue;
        if (!accept(s, '}')) return parse_fail(s, "expected , or }");
        break;
    }
    return OK;
}

/* *value may hold a partial tree after a failure; the caller that owns the root deletes it. */
static Status parse_value(Parser *s, cJSON **value) {
    if (++s->depth > MAX_DEPTH) return parse_fail(s, "nested too deeply");
    skip_space(s);
    char c = s->p < s->end ? *s->p : '\0';
    Status status = OK;
    if (accept(s, '{')) {
        status = parse_dict(s, value);
    } else if (accept(s, '[')) {
        status = parse_list(s, ']', value);
    } else if (accept(s, '(')) {
        status = parse_list(s, ')', value);
    } else if (c == '\'' || c == '"' || c == 'u' || c == 'U') {
        const char *text;
        status = parse_string(s, &text);
        if (status == OK) *value = cJSON_CreateString(text);
    } else if (accept_word(s, "True")) {
        *value = cJSON_CreateTrue();
    } else if (accept_word(s, "False")) {
        *value = cJSON_CreateFalse();
    } else if (accept_word(s, "None")) {
        *value = cJSON_CreateNull();
    } else {
        status = parse_number(s, value);
    }
    s->depth--;
    return status;
}

Status pyliteral_parse_line(const char *path, int64_t line, const char *text, size_t n, cJSON **tree) {
    Parser s = {path, text, text, text + n, line, 0, arena_create("python literal")};
    *tree = NULL;
    Status status = parse_value(&s, tree);
    if (status == OK) {
        skip_space(&s);
        if (s.p != s.end) status = parse_fail(&s, "text behind the literal");
    }
    arena_destroy(s.arena);
    if (status != OK) {
        cJSON_Delete(*tree);
        *tree = NULL;
    }
    return status;
}
