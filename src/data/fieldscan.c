/* data/fieldscan.c -- see fieldscan.h. One pass by recursive descent; the insides of strings are passed over in runs (plainrun.h). */
#include "data/fieldscan.h"

#include <string.h>

#include "base/json.h"
#include "data/plainrun.h"
#include "data/textclean.h"

enum { MAX_DEPTH = 32, MAX_NUMBER = 60, EXACT_DIGITS = 15, EXACT_POWER = 22, LENGTHS = 32 };

struct FieldScan {
    Arena *arena;
    int n;
    const char *const *name;
    uint32_t of_length[LENGTHS]; /* bit i: name i has that length */
    char *scratch;               /* unescaped strings of one line */
    size_t capacity, used;
    int64_t fallbacks;
    cJSON *tree;                 /* the line that the last fields point into, when cJSON read it */
};

/* ---- strings ---- */

/* The escape whose backslash is at p: *code is what it means; returns where it ends, NULL when it is none. */
static const char *read_escape(const char *p, const char *end, uint32_t *code) {
    static const char meaning[128] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    if (end - p < 2 || (unsigned char)p[1] >= 128) return NULL;
    *code = (uint32_t)(unsigned char)meaning[(unsigned char)p[1]];
    if (*code) return p + 2;
    return p[1] == 'u' ? plain_read_u(p, end, code) : NULL;
}

/* The closing quote of the string whose inside begins at p; NULL when it is not strict. *escaped: whether it holds escapes. */
static inline const char *skip_string(const char *p, const char *end, bool *escaped) {
    *escaped = false;
    for (;;) {
        p = plain_skip(p, end, '"');
        if (p == end) return NULL;
        if (*p == '"') return p;
        if (*p == '\\') {
            uint32_t code;
            *escaped = true;
            p = read_escape(p, end, &code);
        } else {
            p = (unsigned char)*p < 0x20 ? NULL : plain_skip_utf8(p, end);
        }
        if (!p) return NULL;
    }
}

/* The inside [p, end) of a string that skip_string has passed, without its escapes, in the scratch of the line. */
static void unescape(FieldScan *s, const char *p, const char *end, Field *field) {
    char *out = s->scratch + s->used, *begin = out;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        const size_t plain = (size_t)((slash ? slash : end) - p);
        memcpy(out, p, plain);
        out += plain;
        p += plain;
        uint32_t code = 0;
        if (!slash) break;
        p = read_escape(p, end, &code);
        out += utf8_put(out, code);
    }
    s->used += (size_t)(out - begin);
    field->text = begin;
    field->n = (size_t)(out - begin);
}

/* ---- numbers ---- */

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits of a number as they are passed over: value = mantissa * 10^power. */
typedef struct Decimal { uint64_t mantissa; int digits, power; } Decimal;

static const char *skip_digits(const char *p, const char *end, Decimal *d, int power) {
    for (; p < end && is_digit(*p); p++) {
        d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0'); /* wraps when there are too many digits: they are counted */
        d->digits += d->mantissa != 0;
        d->power += power;
    }
    return p;
}

/* Behind the number at p, NULL when it is not strict. value NULL: not wanted. Exact: at most 15 digits and a power of ten that a double holds, so one
 * multiplication or division rounds as strtod does. */
static const char *skip_number(const char *p, const char *end, double *value) {
    static const double power_of_10[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *begin = p;
    Decimal d = {0, 0, 0};
    const bool minus = *p == '-';
    if (minus) p++;
    const char *whole = p;
    p = skip_digits(p, end, &d, 0);
    if (p == whole || (*whole == '0' && p - whole > 1)) return NULL;
    if (p < end && *p == '.') {
        const char *part = ++p;
        p = skip_digits(p, end, &d, -1);
        if (p == part) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        Decimal e = {0, 0, 0};
        p++;
        const bool down = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        const char *power = p;
        p = skip_digits(p, end, &e, 0);
        if (p == power) return NULL;
        if (!value) e.mantissa = 0;
        else if (e.digits > 3) return NULL;
        d.power += down ? -(int)e.mantissa : (int)e.mantissa;
    }
    if (p - begin > MAX_NUMBER) return NULL; /* cJSON cuts there */
    if (!value) return p;
    if (d.digits > EXACT_DIGITS || d.power < -EXACT_POWER || d.power > EXACT_POWER) return NULL;
    const double size = d.power < 0 ? (double)d.mantissa / power_of_10[-d.power] : (double)d.mantissa * power_of_10[d.power];
    *value = minus ? -size : size;
    return p;
}

/* ---- structure ---- */

static inline const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
    return p;
}

/* Behind the character c that must come next, NULL when it does not. */
static inline const char *expect(const char *p, const char *end, char c) {
    p = skip_space(p, end);
    return p < end && *p == c ? p + 1 : NULL;
}

static inline const char *skip_word(const char *p, const char *end, const char *word, ptrdiff_t n) {
    return end - p >= n && memcmp(p, word, (size_t)n) == 0 ? p + n : NULL;
}

static const char *skip_value(const char *p, const char *end, int depth);

/* Behind the list or object whose opening bracket is behind us. */
static const char *skip_members(const char *p, const char *end, char close, int depth) {
    if (depth > MAX_DEPTH) return NULL;
    p = skip_space(p, end);
    if (p < end && *p == close) return p + 1;
    while (p) {
        bool escaped;
        if (close == '}') {
            if (!(p = expect(p, end, '"')) || !(p = skip_string(p, end, &escaped)) || !(p = expect(p + 1, end, ':'))) return NULL;
        }
        p = skip_value(p, end, depth);
        if (!p) return NULL;
        p = skip_space(p, end);
        if (p == end) return NULL;
        if (*p == close) return p + 1;
        p = expect(p, end, ',');
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth) {
    bool escaped;
    p = skip_space(p, end);
    if (p == end) return NULL;
    switch (*p) {
    case '"': return (p = skip_string(p + 1, end, &escaped)) ? p + 1 : NULL;
    case '{': return skip_members(p + 1, end, '}', depth + 1);
    case '[': return skip_members(p + 1, end, ']', depth + 1);
    case 't': return skip_word(p, end, "true", 4);
    case 'f': return skip_word(p, end, "false", 5);
    case 'n': return skip_word(p, end, "null", 4);
    default: return skip_number(p, end, NULL);
    }
}

/* The number of the name [key, key + n), or -1. */
static inline int find_name(const FieldScan *s, const char *key, size_t n) {
    if (n >= LENGTHS) return -1;
    for (uint32_t left = s->of_length[n]; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        if (memcmp(s->name[i], key, n) == 0) return i;
    }
    return -1;
}

/* A value that is wanted. */
static const char *take_value(FieldScan *s, const char *p, const char *end, Field *field) {
    p = skip_space(p, end);
    if (p == end) return NULL;
    if (*p == '"') {
        bool escaped;
        const char *begin = p + 1, *quote = skip_string(begin, end, &escaped);
        if (!quote) return NULL;
        *field = (Field){FIELD_STRING, begin, (size_t)(quote - begin), 0};
        if (escaped) unescape(s, begin, quote, field);
        return quote + 1;
    }
    if (*p == '-' || is_digit(*p)) {
        field->kind = FIELD_NUMBER;
        return skip_number(p, end, &field->number);
    }
    field->kind = FIELD_OTHER;
    return skip_value(p, end, 1);
}

bool fieldscan_line(FieldScan *s, const char *line, size_t n, Field *field) {
    const char *end = line + n, *p = expect(line, end, '{');
    if (!p) return false;
    memset(field, 0, (size_t)s->n * sizeof *field);
    s->used = 0;
    if (n + 4 > s->capacity) ARENA_GROW(s->arena, s->scratch, s->capacity, n + 4); /* what is unescaped is never longer; utf8_put may look at 4 */
    p = skip_space(p, end);
    bool more = p == end || *p != '}';
    if (!more) p++;
    while (more) {
        bool escaped;
        if (!(p = expect(p, end, '"'))) return false;
        const char *key = p, *quote = skip_string(p, end, &escaped);
        if (!quote || escaped || !(p = expect(quote + 1, end, ':'))) return false;
        const int i = find_name(s, key, (size_t)(quote - key));
        p = i >= 0 && field[i].kind == FIELD_ABSENT ? take_value(s, p, end, &field[i]) : skip_value(p, end, 1);
        if (!p) return false;
        p = skip_space(p, end);
        if (p == end || (*p != ',' && *p != '}')) return false;
        more = *p++ == ',';
    }
    return skip_space(p, end) == end;
}

/* ---- cJSON's way ---- */

void fieldscan_tree(const FieldScan *s, const cJSON *tree, Field *field) {
    for (int i = 0; i < s->n; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(tree, s->name[i]);
        field[i] = (Field){member ? FIELD_OTHER : FIELD_ABSENT, NULL, 0, 0};
        if (cJSON_IsString(member)) field[i] = (Field){FIELD_STRING, member->valuestring, strlen(member->valuestring), 0};
        if (cJSON_IsNumber(member)) field[i] = (Field){FIELD_NUMBER, NULL, 0, member->valuedouble};
    }
}

Status fieldscan_read(FieldScan *s, const char *path, int64_t line, const char *text, size_t n, Field *field, size_t *bad_utf8) {
    if (bad_utf8) *bad_utf8 = n;
    if (fieldscan_line(s, text, n, field)) return OK;
    s->fallbacks++;
    const size_t bad = bad_utf8 ? utf8_invalid_at(text, n) : n;
    if (bad < n) {
        *bad_utf8 = bad;
        return FAIL(E_INPUT, NULL, "%s:%lld: byte 0x%02x at column %zu is not UTF-8", path, (long long)line, (unsigned)(unsigned char)text[bad], bad + 1);
    }
    cJSON_Delete(s->tree);
    s->tree = NULL;
    TRY(json_parse_line(path, line, text, n, &s->tree));
    fieldscan_tree(s, s->tree, field);
    return OK;
}

FieldScan *fieldscan_create(Arena *arena, int n, const char *const *names) {
    REQUIRE(n <= FIELDSCAN_MAX_FIELDS, "%d fields", n);
    FieldScan *s = ARENA_NEW(arena, FieldScan, 1);
    s->arena = arena;
    s->n = n;
    s->name = names;
    for (int i = 0; i < n; i++) {
        const size_t length = strlen(names[i]);
        REQUIRE(length < LENGTHS, "name `%s` is too long", names[i]);
        s->of_length[length] |= UINT32_C(1) << i;
    }
    return s;
}

int64_t fieldscan_fallbacks(const FieldScan *s) { return s->fallbacks; }

void fieldscan_destroy(FieldScan *s) {
    cJSON_Delete(s->tree);
    s->tree = NULL;
}
