/* data/jsonmembers.c -- finds where each member begins and ends by brackets and strings, and gives its text to cJSON. */
#include "data/jsonmembers.h"

#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "data/textclean.h"
#include "io/stream.h"

struct MemberReader {
    Arena *arena;
    LineReader *lines;
    const char *path, *line; /* line NULL: at the end of the file */
    size_t n, at;            /* the next byte is line[at]; at == n stands for the line end */
    int64_t number;
    char *text;              /* the member's text, as an object of its own: {"key": value} */
    size_t length, capacity;
    cJSON *tree;
    bool begun, ended;
    const char *fault;
};

static bool next_line(MemberReader *r) {
    if (!line_next(r->lines, &r->line, &r->n)) r->line = NULL;
    else r->number = line_number(r->lines);
    r->at = 0;
    return r->line != NULL;
}

/* The next byte without taking it: '\n' at a line end, -1 at the end of the file. A NUL byte counts as itself. */
static int peek(MemberReader *r) {
    if (!r->line) return -1;
    return r->at < r->n ? (unsigned char)r->line[r->at] : '\n';
}

static void take(MemberReader *r) {
    if (r->at < r->n) r->at++;
    else (void)next_line(r);
}

static void skip_space(MemberReader *r) {
    for (int c = peek(r); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(r)) take(r);
}

static void keep(MemberReader *r, char c) {
    if (r->length == r->capacity) ARENA_GROW(r->arena, r->text, r->capacity, r->length + 1);
    r->text[r->length++] = c;
}

/* Copy a string with its quotes; false when it does not end. */
static bool keep_string(MemberReader *r) {
    bool escaped = false;
    keep(r, '"');
    take(r);
    for (int c = peek(r); c >= 0; c = peek(r)) {
        keep(r, (char)c);
        take(r);
        if (!escaped && c == '"') return true;
        escaped = !escaped && c == '\\';
    }
    return false;
}

/* Copy a value up to the comma or brace behind it; false when the file ends first. */
static bool keep_value(MemberReader *r) {
    int64_t depth = 0;
    for (int c = peek(r); c >= 0; c = peek(r)) {
        if (c == '"') {
            if (!keep_string(r)) return false;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) return true;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (depth < 0) return true; /* `]` where a value should be: cJSON will refuse the text, the object's end is found below */
        keep(r, (char)c);
        take(r);
    }
    return false;
}

Status member_open(const char *path, MemberReader **reader) {
    LineReader *lines;
    TRY(line_open(path, &lines));
    Arena *arena = arena_create("JSON members");
    MemberReader *r = ARENA_NEW(arena, MemberReader, 1);
    r->arena = arena;
    r->lines = lines;
    r->path = arena_strdup(arena, path);
    *reader = r;
    (void)next_line(r);
    return OK;
}

static bool end_with(MemberReader *r, const char *fault) {
    r->ended = true;
    r->fault = fault;
    return false;
}

/* At a member, or at the end of the object. */
static bool begin_member(MemberReader *r) {
    skip_space(r);
    if (!r->begun) {
        if (peek(r) != '{') return end_with(r, "expected one JSON object, beginning with {");
        take(r);
        r->begun = true;
        skip_space(r);
        if (peek(r) == '"') return true;
    } else if (peek(r) == ',') {
        take(r);
        skip_space(r);
        if (peek(r) == '"') return true;
        return end_with(r, "expected a key in quotes");
    }
    if (peek(r) != '}') return end_with(r, peek(r) < 0 ? "the file ends inside the object" : "expected , or }");
    take(r);
    skip_space(r);
    return end_with(r, peek(r) < 0 ? NULL : "something follows the object");
}

/* An escaped NUL would cut a text short without a word. */
static bool holds_nul(const char *text, size_t n) {
    for (size_t i = 0; i + 6 <= n; i++) {
        if (text[i] == '\0') return true;
        if (text[i] != '\\') continue;
        if (memcmp(text + i, "\\u0000", 6) == 0) return true;
        i++;
    }
    return false;
}

bool member_next(MemberReader *r, Member *member) {
    cJSON_Delete(r->tree);
    r->tree = NULL;
    if (r->ended || !begin_member(r)) return false;
    r->length = 0;
    int64_t line = r->number;
    keep(r, '{');
    if (!keep_string(r)) return end_with(r, "the file ends inside a key");
    skip_space(r);
    if (peek(r) != ':') return end_with(r, "expected : behind a key");
    keep(r, ':');
    take(r);
    if (!keep_value(r)) return end_with(r, "the file ends inside a value");
    keep(r, '}');
    keep(r, '\0');
    *member = (Member){"", NULL, line, true};
    size_t n = r->length - 1;
    if (utf8_invalid_at(r->text, n) < n) {
        member->utf8 = false;
        (void)FAIL(E_INPUT, NULL, "%s:%lld: bytes that are no UTF-8", r->path, (long long)line);
    } else if (holds_nul(r->text, n)) {
        (void)FAIL(E_INPUT, NULL, "%s:%lld: NUL in a text", r->path, (long long)line);
    } else if (json_parse_line(r->path, line, r->text, n, &r->tree) == OK && r->tree->child && !r->tree->child->next) {
        member->key = r->tree->child->string;
        member->value = r->tree->child;
    } else if (r->tree) {
        (void)FAIL(E_INPUT, NULL, "%s:%lld: not one member", r->path, (long long)line);
    }
    return true;
}

Status member_close(MemberReader *r) {
    int64_t line = r->number;
    const char *fault = r->fault;
    cJSON_Delete(r->tree);
    Status status = line_close(r->lines); /* a damaged stream is the cause of whatever came after */
    if (status == OK && fault) status = FAIL(E_INPUT, "fetch the file again; it is cut off or no JSON object", "%s:%lld: %s", r->path, (long long)line, fault);
    arena_destroy(r->arena);
    return status;
}
