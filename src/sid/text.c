/* sid/text.c -- words of UTF-8 text, term table, and the field-weighted TF-IDF matrix. */
#include "sid/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* --- characters -------------------------------------------------------------------------------------------------------------------------- */

/* Strict UTF-8 (no overlong forms, no surrogates): the code point at text[*at], moving *at past it; -1 for a malformed byte (moves by one). */
static int32_t utf8_next(const char *text, size_t n, size_t *at)
{
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text + *at;
    size_t left = n - *at;
    ++*at;
    if (s[0] < 0x80) return s[0];
    int more = s[0] >= 0xC2 && s[0] < 0xE0 ? 1 : s[0] >= 0xE0 && s[0] < 0xF0 ? 2 : s[0] >= 0xF0 && s[0] < 0xF5 ? 3 : 0;
    if (more == 0 || (size_t)more >= left) return -1;
    int32_t c = s[0] & (0x3F >> more);
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) return -1;
        c = c << 6 | (s[i] & 0x3F);
    }
    if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return -1;
    *at += (size_t)more;
    return c;
}

static size_t utf8_put(int32_t c, char *out)
{
    unsigned char *o = (unsigned char *)out;
    if (c < 0x80) {
        o[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) o[i] = (unsigned char)(0x80 | (c & 0x3F));
    o[0] = (unsigned char)((0xF00 >> n & 0xFF) | c);
    return n;
}

/* Beyond ASCII everything is a letter but punctuation, symbols, spaces and private characters. */
static bool is_letter(int32_t c)
{
    static const int32_t other[][2] = {{0x80, 0xA9}, {0xAB, 0xB4}, {0xB6, 0xB9}, {0xBB, 0xBF}, {0xD7, 0xD7}, {0xF7, 0xF7}, {0x2000, 0x2BFF},
                                       {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3007, 0x3020}, {0x3030, 0x3030}, {0x30FB, 0x30FB}, {0xE000, 0xF8FF},
                                       {0xFE10, 0xFE6F}, {0xFEFF, 0xFF0F}, {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF},
                                       {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}};
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (c >= other[i][0] && c <= other[i][1]) return false;
    return true;
}

static bool is_digit(int32_t c) { return c >= '0' && c <= '9'; }

/* Lower case, accents of Latin-1 letters folded. */
static int32_t fold(int32_t c)
{
    static const char latin[] = "aaaaaaaceeeeiiiidnooooo ouuuuyts" "aaaaaaaceeeeiiiidnooooo ouuuuyty"; /* C0..DF, E0..FF */
    if (c >= 'A' && c <= 'Z') return c + 32;
    if (c < 0x80) return c;
    if (c >= 0xC0 && c <= 0xFF) return latin[c - 0xC0];
    if (c == 0x130) return 'i';
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c + (c & 1);
    if ((c >= 0x100 && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F)) return c | 1;
    if (c == 0x178) return 'y';
    if ((c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F)) return c + 32;
    if (c >= 0x400 && c <= 0x40F) return c + 80;
    return c;
}

static bool is_apostrophe(int32_t c) { return c == '\'' || c == 0x2019 || c == 0x2BC; }

bool text_next_word(const char *text, size_t n, size_t *at, char word[TEXT_WORD_MAX], int64_t *bad)
{
    size_t length = 0;
    int32_t before = 0;
    while (*at < n) {
        int32_t c = utf8_next(text, n, at);
        if (c < 0) ++*bad;
        size_t ahead = *at;
        int32_t next = ahead < n ? utf8_next(text, n, &ahead) : 0;
        bool joins = length > 0 && ((is_apostrophe(c) && is_letter(next)) || (c == '.' && is_digit(before) && is_digit(next)));
        if (c >= 0 && is_letter(c)) {
            char bytes[4];
            size_t w = utf8_put(fold(c), bytes);
            if (length + w < TEXT_WORD_MAX) memcpy(word + length, bytes, w), length += w;
        } else if (joins && c == '.') {
            if (length + 1 < TEXT_WORD_MAX) word[length++] = '.';
        } else if (!joins && length > 0) {
            break;
        }
        before = c;
    }
    word[length] = '\0';
    return length > 0;
}

/* --- words ------------------------------------------------------------------------------------------------------------------------------- */

static const char *const stop_words[] = { /* sorted */
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "before", "being", "below", "between", "both", "but", "by", "can", "cannot", "could", "did", "do", "does", "doing", "dont", "down", "during",
    "each", "few", "for", "from", "further", "had", "has", "have", "having", "he", "her", "here", "hers", "herself", "him", "himself", "his", "how",
    "i", "if", "in", "into", "is", "it", "its", "itself", "just", "me", "more", "most", "my", "myself", "no", "nor", "not", "now", "of", "off", "on",
    "once", "only", "or", "other", "our", "ours", "ourselves", "out", "over", "own", "same", "she", "should", "so", "some", "such", "than", "that",
    "the", "their", "theirs", "them", "themselves", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until",
    "up", "very", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with", "would", "you", "your",
    "yours", "yourself", "yourselves"};

static int compare_words(const void *a, const void *b) { return strcmp(a, *(const char *const *)b); }

bool text_is_stop_word(const char *word)
{
    return bsearch(word, stop_words, sizeof stop_words / sizeof *stop_words, sizeof *stop_words, compare_words) != NULL;
}

static bool ends_with(const char *word, size_t n, const char *end)
{
    size_t e = strlen(end);
    return n >= e && memcmp(word + n - e, end, e) == 0;
}

void text_stem(char *word)
{
    size_t n = strlen(word);
    if (n < 4 || word[n - 1] != 's') return;
    if (ends_with(word, n, "ies")) {
        if (!ends_with(word, n, "eies") && !ends_with(word, n, "aies")) memcpy(word + n - 3, "y", 2);
    } else if (ends_with(word, n, "es")) {
        if (!ends_with(word, n, "aes") && !ends_with(word, n, "ees") && !ends_with(word, n, "oes")) word[n - 1] = '\0';
    } else if (!ends_with(word, n, "us") && !ends_with(word, n, "ss")) {
        word[n - 1] = '\0';
    }
}

/* --- corpus ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct Entry { int32_t row, field, term; } Entry;

struct Corpus {
    Arena *arena;
    TextOptions options;
    int64_t n_rows, bad_bytes;
    Entry *entry;
    size_t n_entries, entry_capacity;
    const char **term;
    size_t n_terms, term_capacity;
    int32_t *slot; /* hash of terms, -1 empty */
    size_t n_slots;
};

Corpus *corpus_create(Arena *arena, TextOptions options)
{
    Corpus *c = ARENA_NEW(arena, Corpus, 1);
    *c = (Corpus){.arena = arena, .options = options};
    return c;
}

int64_t corpus_row(Corpus *c) { return c->n_rows++; }
int64_t corpus_rows(const Corpus *c) { return c->n_rows; }
int64_t corpus_bad_bytes(const Corpus *c) { return c->bad_bytes; }

static size_t slot_of(const Corpus *c, const char *term)
{
    size_t s = fnv1a64(term, strlen(term)) & (c->n_slots - 1);
    while (c->slot[s] >= 0 && strcmp(c->term[c->slot[s]], term) != 0) s = (s + 1) & (c->n_slots - 1);
    return s;
}

static void add_term(Corpus *c, int field, const char *term)
{
    REQUIRE(c->n_rows > 0 && field >= 0 && field < TEXT_FIELDS_MAX, "row %lld field %d", (long long)c->n_rows, field);
    if (c->n_slots < 2 * (c->n_terms + 1)) { /* grow and rehash */
        c->n_slots = c->n_slots ? 2 * c->n_slots : 1024;
        c->slot = ARENA_NEW(c->arena, int32_t, c->n_slots);
        for (size_t s = 0; s < c->n_slots; s++) c->slot[s] = -1;
        for (size_t t = 0; t < c->n_terms; t++) c->slot[slot_of(c, c->term[t])] = (int32_t)t;
    }
    size_t s = slot_of(c, term);
    if (c->slot[s] < 0) {
        ARENA_GROW(c->arena, c->term, c->term_capacity, c->n_terms + 1);
        c->term[c->n_terms] = arena_strdup(c->arena, term);
        c->slot[s] = (int32_t)c->n_terms++;
    }
    ARENA_GROW(c->arena, c->entry, c->entry_capacity, c->n_entries + 1);
    c->entry[c->n_entries++] = (Entry){(int32_t)c->n_rows - 1, field, c->slot[s]};
}

/* The next word after stop words and stemming. */
static bool next_term(Corpus *c, const char *text, size_t n, size_t *at, char word[TEXT_WORD_MAX])
{
    while (text_next_word(text, n, at, word, &c->bad_bytes)) {
        if (c->options.stop_words && text_is_stop_word(word)) continue;
        if (c->options.stem) text_stem(word);
        return true;
    }
    return false;
}

void corpus_words(Corpus *c, int field, const char *text)
{
    char word[TEXT_WORD_MAX], pair[2 * TEXT_WORD_MAX] = "";
    size_t n = strlen(text), at = 0, before = 0; /* before: length of the previous word, which pair[] begins with */
    while (next_term(c, text, n, &at, word)) {
        add_term(c, field, word);
        size_t w = strlen(word);
        if (c->options.bigrams && before > 0) {
            pair[before] = ' ';
            memcpy(pair + before + 1, word, w + 1);
            add_term(c, field, pair);
        }
        memcpy(pair, word, w + 1);
        before = w;
    }
}

void corpus_phrase(Corpus *c, int field, char mark, const char *text, size_t n)
{
    char word[TEXT_WORD_MAX], phrase[256] = {mark, '\0'};
    size_t at = 0, length = 1;
    while (next_term(c, text, n, &at, word)) {
        size_t w = strlen(word);
        if (length + w + 1 >= sizeof phrase) break;
        if (length > 1) phrase[length++] = ' ';
        memcpy(phrase + length, word, w + 1);
        length += w;
    }
    if (length > 1) add_term(c, field, phrase);
}

void corpus_path(Corpus *c, int field, char mark, const char *text)
{
    for (const char *end = strchr(text, '>'); end; end = strchr(end + 1, '>')) corpus_phrase(c, field, mark, text, (size_t)(end - text));
    corpus_phrase(c, field, mark, text, strlen(text));
    corpus_words(c, field, text);
}

/* --- matrix ------------------------------------------------------------------------------------------------------------------------------ */

static int order_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->row != y->row) return x->row < y->row ? -1 : 1;
    if (x->field != y->field) return x->field < y->field ? -1 : 1;
    return (x->term > y->term) - (x->term < y->term);
}

/* Numbers the terms that stay: column (n_terms), -1 = left out. Returns how many stay. */
static int64_t columns_choose(const Corpus *c, const Entry *entry, size_t n, int64_t min_df, double max_df_share, int32_t *column, Arena *scratch)
{
    int32_t *last = ARENA_NEW(scratch, int32_t, c->n_terms);
    int64_t *df = ARENA_NEW(scratch, int64_t, c->n_terms), kept = 0;
    for (size_t e = 0; e < n; e++) {
        if (last[entry[e].term] != entry[e].row + 1) df[entry[e].term]++;
        last[entry[e].term] = entry[e].row + 1;
    }
    for (size_t t = 0; t < c->n_terms; t++)
        column[t] = df[t] > 0 && df[t] >= min_df && (double)df[t] <= max_df_share * (double)c->n_rows ? (int32_t)kept++ : -1;
    return kept;
}

/* Entries of the fields that weigh something, sorted by row, field, term. */
static size_t entries_select(const Corpus *c, const double *weight, Entry *entry)
{
    size_t n = 0;
    for (size_t e = 0; e < c->n_entries; e++)
        if (weight[c->entry[e].field] > 0) entry[n++] = c->entry[e];
    qsort(entry, n, sizeof *entry, order_entries);
    return n;
}

/* One field of one row: tf * idf into value (n), L2 norm made 1, then times weight. */
static void field_weigh(const Entry *entry, int64_t n, const int32_t *column, const double *idf, bool sublinear, double weight, double *value)
{
    double squares = 0;
    for (int64_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && entry[end].term == entry[first].term;) end++;
        int32_t t = column[entry[first].term];
        for (int64_t e = first; e < end; e++) value[e] = 0;
        if (t < 0) continue;
        value[first] = lsa_tf((double)(end - first), sublinear) * idf[t];
        squares += value[first] * value[first];
    }
    for (int64_t e = 0; e < n; e++) value[e] *= squares > 0 ? weight / sqrt(squares) : 0;
}

Csr corpus_tfidf(const Corpus *c, const double *weight, bool sublinear, int64_t min_df, double max_df_share, Arena *arena, const char *const **name)
{
    Arena *scratch = arena_create("corpus_tfidf");
    Entry *entry = ARENA_NEW(scratch, Entry, c->n_entries);
    size_t n = entries_select(c, weight, entry);
    int32_t *column = ARENA_NEW(scratch, int32_t, c->n_terms);
    int64_t n_cols = columns_choose(c, entry, n, min_df, max_df_share, column, scratch);
    int64_t *indptr = ARENA_NEW(arena, int64_t, c->n_rows + 1), nnz = 0;
    int32_t *index = ARENA_NEW(arena, int32_t, n), *appears = ARENA_NEW(scratch, int32_t, n);
    int64_t *appears_at = ARENA_NEW(scratch, int64_t, c->n_rows + 1);
    double *value = ARENA_NEW(arena, double, n), *raw = ARENA_NEW(scratch, double, n), *idf = ARENA_NEW(scratch, double, n_cols), *dense;
    dense = ARENA_NEW(scratch, double, n_cols); /* one row, summed over its fields */

    /* idf over the columns that stay: an appearance list with one entry per (row, field, term), which lsa_idf counts once per row */
    size_t e = 0;
    int64_t n_appears = 0;
    for (int64_t row = 0; row < c->n_rows; row++) {
        for (; e < n && entry[e].row == row; e++)
            if (column[entry[e].term] >= 0) appears[n_appears++] = column[entry[e].term];
        appears_at[row + 1] = n_appears;
    }
    lsa_idf(&(Csr){c->n_rows, n_cols, appears_at, appears, NULL}, idf);

    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && entry[end].row == entry[first].row && entry[end].field == entry[first].field;) end++;
        field_weigh(entry + first, (int64_t)(end - first), column, idf, sublinear, weight[entry[first].field], raw + first);
    }
    e = 0;
    for (int64_t row = 0; row < c->n_rows; row++) {
        int64_t start = nnz;
        size_t row_start = e;
        double squares = 0;
        for (; e < n && entry[e].row == row; e++)
            if (raw[e] > 0) dense[column[entry[e].term]] += raw[e];
        for (size_t f = row_start; f < e; f++) {
            int32_t t = column[entry[f].term];
            if (t < 0 || !(dense[t] > 0)) continue;
            index[nnz] = t;
            value[nnz++] = dense[t];
            squares += dense[t] * dense[t];
            dense[t] = 0;
        }
        for (int64_t f = start; f < nnz; f++) value[f] /= sqrt(squares);
        indptr[row + 1] = nnz;
    }
    if (name) {
        const char **kept = ARENA_NEW(arena, const char *, n_cols);
        for (size_t t = 0; t < c->n_terms; t++)
            if (column[t] >= 0) kept[column[t]] = c->term[t];
        *name = kept;
    }
    arena_destroy(scratch);
    return (Csr){c->n_rows, n_cols, indptr, index, value};
}
