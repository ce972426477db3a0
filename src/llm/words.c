/* llm/words.c -- see words.h. */
#include "llm/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const char *const function_words[] = {
    "a", "about", "after", "all", "an", "and", "any", "are", "as", "at", "be", "before", "between", "but", "by", "can", "during", "each",
    "every", "for", "from", "has", "have", "if", "in", "into", "is", "it", "its", "itself", "more", "no", "not", "of", "off", "on", "one",
    "only", "or", "other", "out", "over", "own", "so", "than", "that", "the", "their", "them", "then", "they", "this", "to", "under", "up",
    "when", "while", "with", "without", "you", "your"};

static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_word_byte(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

/* One character of `s`, made plain into *out; returns the bytes consumed (U+2018/19 -> ', U+201C/1D -> ", U+2010..U+2015 -> -). */
static size_t plain(const char *s, char *out) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] == 0xe2 && u[1] == 0x80) {
        if (u[2] == 0x98 || u[2] == 0x99) return *out = '\'', 3;
        if (u[2] == 0x9c || u[2] == 0x9d) return *out = '"', 3;
        if (u[2] >= 0x90 && u[2] <= 0x95) return *out = '-', 3;
    }
    *out = lower(*s);
    return 1;
}

const char *words_clean(Arena *arena, const char *text) {
    char *out = arena_alloc(arena, strlen(text) + 1, 1);
    size_t n = 0, end = 0; /* end: length up to the last character worth keeping */
    for (const char *p = text; *p;) {
        char c;
        p += plain(p, &c);
        if (is_space((unsigned char)c)) c = ' ';
        bool keep = is_word_byte((unsigned char)c) || c == '%' || c == '+' || c == ')';
        if (n == 0 && !keep && c != '(') continue; /* leading punctuation */
        if (c == ' ' && out[n - 1] == ' ') continue;
        out[n++] = c;
        if (keep) end = n;
    }
    out[end] = 0;
    return out;
}

int words_count(const char *text) {
    int n = 0;
    for (bool inside = false; *text; text++) {
        bool word = !is_space((unsigned char)*text);
        n += word && !inside;
        inside = word;
    }
    return n;
}

/* Length of the well-formed UTF-8 sequence at u (overlong forms, surrogates and values above U+10FFFF are not), 0 otherwise. */
static int utf8_length(const unsigned char *u) {
    if (u[0] < 0x80) return 1;
    int n = u[0] >= 0xc2 && u[0] <= 0xdf ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f)) return 0;
    if ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f)) return 0;
    return n;
}

bool words_are_utf8(const char *text) {
    for (const unsigned char *u = (const unsigned char *)text; *u;) {
        int n = utf8_length(u);
        if (n == 0 || (*u < 0x20 && !is_space(*u)) || *u == 0x7f) return false;
        u += n;
    }
    return true;
}

bool words_is_function(const char *word) {
    for (size_t i = 0; i < sizeof function_words / sizeof *function_words; i++)
        if (strcmp(word, function_words[i]) == 0) return true;
    return false;
}

int words_tokens(Arena *arena, const char *text, int max, Token **tokens) {
    size_t length = strlen(text), used = 0;
    char *buffer = arena_alloc(arena, 2 * length + 2, 1); /* the words, each with its NUL */
    Token *out = ARENA_NEW(arena, Token, length / 2 + 1);
    int n = 0;
    bool inside = false;
    for (const char *p = text;;) {
        char c = 0;
        p += *p ? plain(p, &c) : 0;
        char next = 0;
        if (*p) (void)plain(p, &next);
        if (c == '\'') continue;
        bool joins = inside && (c == '-' || c == '.' || c == '/') && is_word_byte((unsigned char)next);
        if (c == '.' && joins) joins = next <= '9' && used > 0 && buffer[used - 1] <= '9'; /* 1.75, not an end without a space */
        if (c && (is_word_byte((unsigned char)c) || joins || (c == '%' && inside))) {
            if (!inside) {
                if (max && n == max) break;
                out[n++] = (Token){buffer + used, false};
            }
            inside = true;
            buffer[used++] = c;
            continue;
        }
        if (inside) buffer[used++] = 0;
        if (n > 0 && !is_space((unsigned char)c)) out[n - 1].ends = true;
        inside = false;
        if (!c) break;
    }
    if (inside) buffer[used] = 0;
    *tokens = out;
    return n;
}

static size_t stem(char *w, size_t n) {
    static const struct { const char *end; size_t keep; } endings[] = {{"ies", 0}, {"sses", 2}, {"ing", 0}, {"ed", 0}, {"es", 0}, {"s", 0}};
    for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
        size_t m = strlen(endings[e].end);
        if (n < m + 3 || memcmp(w + n - m, endings[e].end, m) != 0) continue;
        if (e == 5 && w[n - 2] == 's') break; /* glass */
        n -= m - endings[e].keep;
        if (e == 0) w[n++] = 'y';
        break;
    }
    if (n > 3 && w[n - 1] == w[n - 2] && !strchr("lszaeiou", w[n - 1]) && w[n - 1] > '9') n--;
    if (n > 3 && w[n - 1] == 'e') n--;
    return n;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

StemSet words_stem_set(Arena *arena, const char *text) {
    size_t length = strlen(text);
    uint64_t *set = arena_alloc(arena, length / 2 + 1, sizeof *set);
    ArenaMark mark = arena_mark(arena);
    char *word = arena_alloc(arena, length + 2, 1);
    size_t n_word = 0;
    int n = 0;
    for (const char *p = text;;) {
        char c = 0;
        p += *p ? plain(p, &c) : 0;
        if (c == '\'') continue;
        if (c && is_word_byte((unsigned char)c)) {
            word[n_word++] = c;
            continue;
        }
        word[n_word] = 0;
        if (n_word && !words_is_function(word)) set[n++] = fnv1a64(word, stem(word, n_word));
        n_word = 0;
        if (!c) break;
    }
    arena_release(arena, mark);
    qsort(set, (size_t)n, sizeof *set, compare_u64);
    int m = 0;
    for (int i = 0; i < n; i++)
        if (m == 0 || set[m - 1] != set[i]) set[m++] = set[i];
    return (StemSet){m, set};
}

bool words_has_stem(StemSet set, uint64_t stem_hash) {
    return bsearch(&stem_hash, set.at, (size_t)set.n, sizeof *set.at, compare_u64) != NULL;
}

double words_jaccard(StemSet a, StemSet b) {
    int both = 0;
    for (int i = 0; i < a.n; i++) both += words_has_stem(b, a.at[i]);
    int any = a.n + b.n - both;
    return any ? (double)both / any : 0;
}
