/* llm/offline_corpus.c -- see offline_corpus.h.
 *
 * Documents: an item's title, first 60 words of the description and categories. Pairs for the association are counted among the 24 rarest content words of a document
 * that at least MIN_DF documents have, and kept when MIN_TOGETHER documents have both.
 *   npmi(a,b) = ln( n_ab n / (n_a n_b) ) / -ln(n_ab / n),  in [-1,1]; only positive ones are kept. */
#include "llm/offline_corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/strtable.h"

enum { MIN_DF = 3, MIN_TOGETHER = 3, WORDS_PER_ITEM = 24 };

typedef struct Words { int n; int32_t *at; } Words; /* distinct, ascending */

struct OfflineCorpus {
    const Dataset *d;
    Arena *arena;
    StringTable *words;
    int64_t V;
    int32_t *df;                                      /* (V) documents with the word */
    StringTable *title_words, *pairs, *leaves, *leaf_pairs; /* "a", "a b", "leaf", "leaf\ta b" */
    int32_t *title_df, *pair_df, *leaf_n, *leaf_pair_df;    /* titles (items) with each */
    int64_t *row;                                     /* (V+1) of the associations */
    int32_t *other;                                   /* associated word */
    float *npmi;
    StringTable *brands;                              /* words of brand fields that no category uses */
};

const ItemText *corpus_item(const OfflineCorpus *c, int64_t item) { return &c->d->text[item]; }

bool corpus_is_content(const char *word) {
    if (strstr(word, "\xc2\xae") || strstr(word, "\xe2\x84\xa2")) return false; /* registered, trade mark */
    if (strlen(word) < 3 || !((*word >= 'a' && *word <= 'z') || (unsigned char)*word >= 0x80)) return false;
    return strpbrk(word, "0123456789./%") == NULL && !words_is_function(word);
}

/* ---- categories */

const char *corpus_leaf(const char *categories, Arena *arena, const char **parent) {
    const char *stop = strstr(categories, " | "), *end = stop ? stop : categories + strlen(categories), *leaf = categories, *above = NULL, *above_end = NULL;
    for (const char *p = categories; (p = strstr(p, " > ")) && p < end; p += 3) {
        above = leaf;
        above_end = p;
        leaf = p + 3;
    }
    *parent = above ? arena_strndup(arena, above, (size_t)(above_end - above)) : "";
    return arena_strndup(arena, leaf, (size_t)(end - leaf));
}

/* ---- counting */

/* Counts per string of a table, growing with it. */
typedef struct Counter { StringTable **table; int32_t **count; size_t capacity; } Counter;

static int64_t count_one(Counter *k, Arena *arena, const char *text, int32_t add) {
    int64_t id = strtable_add(*k->table, text);
    ARENA_GROW(arena, *k->count, k->capacity, id + 1);
    (*k->count)[id] += add;
    return id;
}

static int compare_i32(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int distinct(int32_t *ids, int n) {
    qsort(ids, (size_t)n, sizeof *ids, compare_i32);
    int m = 0;
    for (int i = 0; i < n; i++)
        if (m == 0 || ids[m - 1] != ids[i]) ids[m++] = ids[i];
    return m;
}

static int add_content(OfflineCorpus *c, Counter *words, const char *text, int max, int32_t *ids, int n, Arena *scratch) {
    Token *token;
    int n_tokens = words_tokens(scratch, text, max, &token);
    for (int i = 0; i < n_tokens; i++)
        if (corpus_is_content(token[i].text)) ids[n++] = (int32_t)count_one(words, c->arena, token[i].text, 0);
    return n;
}

static Words document_words(OfflineCorpus *c, Counter *words, const ItemText *t, Arena *scratch) {
    int32_t *ids = ARENA_NEW(scratch, int32_t, strlen(t->title) + strlen(t->categories) + strlen(t->description) + 1);
    int n = add_content(c, words, t->title, 0, ids, 0, scratch);
    n = add_content(c, words, t->description, DESCRIPTION_WORDS, ids, n, scratch);
    n = add_content(c, words, t->categories, 0, ids, n, scratch);
    Words w = {distinct(ids, n), NULL};
    w.at = ARENA_NEW(c->arena, int32_t, w.n);
    if (w.n) memcpy(w.at, ids, (size_t)w.n * sizeof *ids);
    for (int i = 0; i < w.n; i++) c->df[w.at[i]]++;
    return w;
}

/* Every distinct title word and pair of neighbours once. */
static void count_title(OfflineCorpus *c, const ItemText *t, Counter *title, Counter *pairs, Counter *leaves, Counter *leaf_pairs, Arena *scratch) {
    Token *token;
    const char *parent, *leaf = corpus_leaf(t->categories, scratch, &parent);
    int n = words_tokens(scratch, t->title, 0, &token);
    StringTable *seen = strtable_create(scratch);
    count_one(leaves, c->arena, leaf, 1);
    for (int i = 0; i < n; i++) {
        if (!corpus_is_content(token[i].text)) continue;
        int64_t known = strtable_count(seen);
        if (strtable_add(seen, token[i].text) == known) count_one(title, c->arena, token[i].text, 1);
        if (i + 1 == n || token[i].ends || !corpus_is_content(token[i + 1].text)) continue;
        const char *pair = arena_printf(scratch, "%s %s", token[i].text, token[i + 1].text);
        known = strtable_count(seen);
        if (strtable_add(seen, pair) != known) continue;
        count_one(pairs, c->arena, pair, 1);
        count_one(leaf_pairs, c->arena, arena_printf(scratch, "%s\t%s", leaf, pair), 1);
    }
}

/* ---- associations */

typedef struct Pairs { Arena *arena; uint64_t *at; size_t n, capacity; } Pairs;

/* The rarest words of a document, at most WORDS_PER_ITEM: (df, id) ascending. */
static int rarest(const OfflineCorpus *c, Words w, int32_t out[WORDS_PER_ITEM]) {
    int n = 0;
    for (int i = 0; i < w.n; i++) {
        int32_t df = c->df[w.at[i]];
        if (df < MIN_DF || 5 * (int64_t)df > c->d->N) continue;
        int at = n < WORDS_PER_ITEM ? n : WORDS_PER_ITEM;
        for (; at > 0 && c->df[out[at - 1]] > df; at--)
            if (at < WORDS_PER_ITEM) out[at] = out[at - 1];
        if (at < WORDS_PER_ITEM) {
            out[at] = w.at[i];
            n += n < WORDS_PER_ITEM;
        }
    }
    return n;
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorted pairs (a in the high half, b in the low one, both ways round) become rows of associated words. */
static void associate(OfflineCorpus *c, const Words *document) {
    Pairs p = {arena_create("word pairs"), NULL, 0, 0};
    for (int64_t i = 0; i < c->d->N; i++) {
        int32_t word[WORDS_PER_ITEM];
        int n = rarest(c, document[i], word);
        ARENA_GROW(p.arena, p.at, p.capacity, p.n + WORDS_PER_ITEM * WORDS_PER_ITEM);
        for (int a = 0; a < n; a++)
            for (int b = 0; b < n; b++)
                if (a != b) p.at[p.n++] = (uint64_t)(uint32_t)word[a] << 32 | (uint32_t)word[b];
    }
    if (p.n) qsort(p.at, p.n, sizeof *p.at, compare_u64);
    c->row = ARENA_NEW(c->arena, int64_t, c->V + 1);
    size_t capacity = 0, other_capacity = 0;
    int64_t n = 0, a = 0;
    for (size_t i = 0, end; i < p.n; i = end) {
        for (end = i + 1; end < p.n && p.at[end] == p.at[i]; end++) continue;
        int64_t left = (int64_t)(p.at[i] >> 32), right = (int64_t)(p.at[i] & 0xffffffff);
        double together = (double)(end - i), all = (double)c->d->N;
        double pmi = log(together * all / ((double)c->df[left] * c->df[right]));
        if (together < MIN_TOGETHER || !(pmi > 0) || !(together < all)) continue;
        while (a < left) c->row[++a] = n;
        ARENA_GROW(c->arena, c->npmi, capacity, n + 1);
        ARENA_GROW(c->arena, c->other, other_capacity, n + 1);
        c->other[n] = (int32_t)right;
        c->npmi[n++] = (float)(pmi / -log(together / all));
    }
    while (a < c->V) c->row[++a] = n;
    arena_destroy(p.arena);
}

/* A word that some item has as its brand says who made a thing, not what for; but "hair" may be a brand somewhere, and stays when categories use it. */
static void find_brands(OfflineCorpus *c, Arena *scratch) {
    StringTable *category = strtable_create(scratch);
    for (int64_t i = 0; i < 2 * c->d->N; i++) {
        const ItemText *t = &c->d->text[i % c->d->N];
        Token *token;
        int n = words_tokens(scratch, i < c->d->N ? t->categories : t->brand, 0, &token);
        for (int k = 0; k < n; k++) {
            if (i < c->d->N) strtable_add(category, token[k].text);
            else if (corpus_is_content(token[k].text) && strtable_find(category, token[k].text) < 0) strtable_add(c->brands, token[k].text);
        }
    }
}

bool corpus_is_brand(const OfflineCorpus *c, const char *word) { return strtable_find(c->brands, word) >= 0; }

OfflineCorpus *offline_corpus(const Dataset *d, Arena *arena) {
    OfflineCorpus *c = ARENA_NEW(arena, OfflineCorpus, 1);
    *c = (OfflineCorpus){.d = d, .arena = arena, .words = strtable_create(arena), .title_words = strtable_create(arena), .pairs = strtable_create(arena),
                         .leaves = strtable_create(arena), .leaf_pairs = strtable_create(arena), .brands = strtable_create(arena)};
    Counter words = {&c->words, &c->df, 0}, title = {&c->title_words, &c->title_df, 0}, pairs = {&c->pairs, &c->pair_df, 0}, leaves = {&c->leaves, &c->leaf_n, 0},
            leaf_pairs = {&c->leaf_pairs, &c->leaf_pair_df, 0};
    Words *document = ARENA_NEW(arena, Words, d->N);
    Arena *scratch = arena_create("offline");
    for (int64_t i = 0; i < d->N; i++) {
        ArenaMark mark = arena_mark(scratch);
        document[i] = document_words(c, &words, &d->text[i], scratch);
        count_title(c, &d->text[i], &title, &pairs, &leaves, &leaf_pairs, scratch);
        arena_release(scratch, mark);
    }
    find_brands(c, scratch);
    arena_destroy(scratch);
    c->V = strtable_count(c->words);
    associate(c, document);
    return c;
}

/* ---- questions */

double corpus_idf(const OfflineCorpus *c, const char *word) {
    int64_t id = strtable_find(c->words, word);
    double all = (double)c->d->N;
    if (id < 0 || all < 2) return 1;
    return log((1 + all) / (1 + (double)c->df[id])) / log((1 + all) / 2);
}

double corpus_pair(const OfflineCorpus *c, const char *a, const char *b, const char *leaf, Arena *scratch) {
    const char *pair = arena_printf(scratch, "%s %s", a, b);
    int64_t ia = strtable_find(c->title_words, a), ib = strtable_find(c->title_words, b), ip = strtable_find(c->pairs, pair), il = strtable_find(c->leaves, leaf);
    int64_t ilp = strtable_find(c->leaf_pairs, arena_printf(scratch, "%s\t%s", leaf, pair));
    double all = (double)c->d->N;
    if (ia < 0 || ib < 0 || ip < 0 || all < 2) return 0;
    double together = c->pair_df[ip];
    if (together >= all) return 0;
    double npmi = log(together * all / ((double)c->title_df[ia] * c->title_df[ib])) / -log(together / all);
    double in_leaf = il < 0 ? all : c->leaf_n[il], with = ilp < 0 ? 1 : c->leaf_pair_df[ilp];
    double rarity = log((1 + in_leaf) / with) / log(1 + in_leaf);
    return fmax(npmi, 0) * rarity * (together > 1 ? 1 : 0.5);
}

typedef struct Scored { int32_t word; int support; double score; } Scored;

static int compare_scored(const void *a, const void *b) {
    const Scored *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return compare_i32(&x->word, &y->word);
}

static bool is_unwanted(const OfflineCorpus *c, int32_t word, StemSet taken, Arena *scratch) {
    if (corpus_is_brand(c, strtable_get(c->words, word))) return true;
    StemSet own = words_stem_set(scratch, strtable_get(c->words, word));
    for (int i = 0; i < own.n; i++)
        if (words_has_stem(taken, own.at[i])) return true;
    return own.n == 0;
}

/* Associations of all the given words, gathered by word. */
static int gather(const OfflineCorpus *c, int n_words, const char *const *words, Scored **out, Arena *scratch) {
    int64_t total = 0;
    for (int i = 0; i < n_words; i++) {
        int64_t id = strtable_find(c->words, words[i]);
        if (id >= 0) total += c->row[id + 1] - c->row[id];
    }
    Scored *s = ARENA_NEW(scratch, Scored, total);
    int32_t *place = ARENA_NEW(scratch, int32_t, c->V); /* 1 + index in s */
    int32_t n = 0;
    for (int i = 0; i < n_words; i++) {
        int64_t id = strtable_find(c->words, words[i]);
        for (int64_t k = id < 0 ? 0 : c->row[id]; id >= 0 && k < c->row[id + 1]; k++) {
            int32_t *at = &place[c->other[k]];
            if (*at == 0) {
                s[n] = (Scored){c->other[k], 0, 0};
                *at = ++n;
            }
            s[*at - 1].support++;
            s[*at - 1].score += (double)c->npmi[k];
        }
    }
    *out = s;
    return n;
}

int corpus_associates(const OfflineCorpus *c, int n_words, const char *const *words, int support, StemSet taken, int n, const char **out, Arena *scratch) {
    Scored *s;
    int n_scored = gather(c, n_words, words, &s, scratch), found = 0;
    qsort(s, (size_t)n_scored, sizeof *s, compare_scored);
    for (int i = 0; i < n_scored && found < n; i++)
        if (s[i].support >= support && !is_unwanted(c, s[i].word, taken, scratch)) out[found++] = strtable_get(c->words, s[i].word);
    return found;
}
