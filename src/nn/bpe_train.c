/* nn/bpe_train.c -- learning merges: count pairs once, then keep the counts exact while merging (Sennrich et al. 2016).
 *
 * Each distinct pre-token is a word with a count. The most frequent pair is joined in the words that contain it; only those words' pairs
 * are recounted. Result depends on the multiset of texts alone. */
#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "nn/bpe_internal.h"
#include "nn/bpe_split.h"

typedef struct Word { const char *bytes; size_t n; int64_t count, stamp; int32_t *symbol; int64_t length; } Word;
typedef struct Pair { int32_t left, right; int64_t count; int64_t last; } Pair; /* last: its newest occurrence, -1 none */
typedef struct Occurrence { int64_t word, before; } Occurrence;

typedef struct Trainer {
    Arena *arena;
    Word *word;
    Pair *pair;
    Occurrence *seen;
    int64_t n_words, n_pairs, n_seen;
    size_t word_capacity, pair_capacity, seen_capacity;
    int64_t *word_map, *pair_map; /* index + 1, 0 = free */
    size_t word_map_capacity, pair_map_capacity;
} Trainer;

static size_t pair_hash(int32_t left, int32_t right)
{
    int32_t key[2] = {left, right};
    return (size_t)fnv1a64(key, sizeof key);
}

static void add_word(Trainer *t, const char *bytes, size_t n)
{
    if (2 * (size_t)t->n_words + 2 > t->word_map_capacity) {
        size_t capacity = t->word_map_capacity == 0 ? 4096 : 2 * t->word_map_capacity;
        t->word_map = ARENA_NEW(t->arena, int64_t, capacity);
        t->word_map_capacity = capacity;
        for (int64_t w = 0; w < t->n_words; ++w) {
            size_t at = (size_t)fnv1a64(t->word[w].bytes, t->word[w].n) & (capacity - 1);
            while (t->word_map[at] != 0) at = (at + 1) & (capacity - 1);
            t->word_map[at] = w + 1;
        }
    }
    size_t mask = t->word_map_capacity - 1, at = (size_t)fnv1a64(bytes, n) & mask;
    for (; t->word_map[at] != 0; at = (at + 1) & mask) {
        Word *w = &t->word[t->word_map[at] - 1];
        if (w->n != n || memcmp(w->bytes, bytes, n) != 0) continue;
        ++w->count;
        return;
    }
    ARENA_GROW(t->arena, t->word, t->word_capacity, t->n_words + 1);
    t->word[t->n_words] = (Word){.bytes = bytes, .n = n, .count = 1, .stamp = -1};
    t->word_map[at] = ++t->n_words;
}

static Pair *find_pair(Trainer *t, int32_t left, int32_t right)
{
    if (2 * (size_t)t->n_pairs + 2 > t->pair_map_capacity) {
        size_t capacity = t->pair_map_capacity == 0 ? 4096 : 2 * t->pair_map_capacity;
        t->pair_map = ARENA_NEW(t->arena, int64_t, capacity);
        t->pair_map_capacity = capacity;
        for (int64_t p = 0; p < t->n_pairs; ++p) {
            size_t at = pair_hash(t->pair[p].left, t->pair[p].right) & (capacity - 1);
            while (t->pair_map[at] != 0) at = (at + 1) & (capacity - 1);
            t->pair_map[at] = p + 1;
        }
    }
    size_t mask = t->pair_map_capacity - 1, at = pair_hash(left, right) & mask;
    for (; t->pair_map[at] != 0; at = (at + 1) & mask) {
        Pair *p = &t->pair[t->pair_map[at] - 1];
        if (p->left == left && p->right == right) return p;
    }
    ARENA_GROW(t->arena, t->pair, t->pair_capacity, t->n_pairs + 1);
    t->pair[t->n_pairs] = (Pair){left, right, 0, -1};
    t->pair_map[at] = ++t->n_pairs;
    return &t->pair[t->n_pairs - 1];
}

/* Add sign * count to every pair of a word; when adding, note that the word contains the pair. */
static void count_word(Trainer *t, int64_t w, int64_t sign)
{
    const Word *word = &t->word[w];
    for (int64_t i = 0; i + 1 < word->length; ++i) {
        Pair *p = find_pair(t, word->symbol[i], word->symbol[i + 1]);
        p->count += sign * word->count;
        if (sign < 0) continue;
        ARENA_GROW(t->arena, t->seen, t->seen_capacity, t->n_seen + 1);
        t->seen[t->n_seen] = (Occurrence){w, p->last};
        p->last = t->n_seen++;
    }
}

static void merge_in_word(Word *w, int32_t left, int32_t right, int32_t id)
{
    int64_t to = 0;
    for (int64_t i = 0; i < w->length; ++i, ++to) {
        bool joins = i + 1 < w->length && w->symbol[i] == left && w->symbol[i + 1] == right;
        w->symbol[to] = joins ? id : w->symbol[i];
        i += joins;
    }
    w->length = to;
}

/* Most frequent pair, ties by lowest left then right; NULL when none occurs twice. */
static const Pair *best_pair(const Trainer *t)
{
    const Pair *best = NULL;
    for (int64_t i = 0; i < t->n_pairs; ++i) {
        const Pair *p = &t->pair[i];
        if (p->count < 2) continue;
        if (best == NULL || p->count > best->count ||
            (p->count == best->count && (p->left < best->left || (p->left == best->left && p->right < best->right)))) best = p;
    }
    return best;
}

/* One merge, and the token it makes. Different pairs can spell the same bytes ("a"+"bc", "ab"+"c"): both merges then give one token. */
static int32_t learn_merge(Trainer *t, Bpe *b, Pair best, int64_t rank, int64_t next_id)
{
    size_t n_left, n_right;
    const char *left = bpe_token(b, best.left, &n_left), *right = bpe_token(b, best.right, &n_right);
    char *bytes = arena_alloc(t->arena, n_left + n_right + 1, 1);
    memcpy(bytes, left, n_left);
    memcpy(bytes + n_left, right, n_right);
    int64_t id = bpe_find(b, bytes, n_left + n_right);
    if (id < 0) {
        id = next_id;
        bpe_set_token(b, id, bytes, n_left + n_right);
    }
    bpe_set_merge(b, best.left, best.right, (int32_t)id);
    for (int64_t o = best.last; o >= 0; o = t->seen[o].before) {
        Word *w = &t->word[t->seen[o].word];
        if (w->stamp == rank) continue;
        w->stamp = rank;
        count_word(t, t->seen[o].word, -1);
        merge_in_word(w, best.left, best.right, (int32_t)id);
        count_word(t, t->seen[o].word, 1);
    }
    return (int32_t)id;
}

Bpe *bpe_train(Arena *arena, int64_t first_id, int64_t n_merges, const char *const *text, int64_t n)
{
    REQUIRE(first_id >= 0 && first_id + 256 + n_merges < INT32_MAX, "first id %lld", (long long)first_id);
    Bpe *b = bpe_create(arena);
    if (n_merges < 0) return b;
    for (int i = 0; i < 256; ++i) {
        char byte = (char)i;
        b->byte_id[i] = (int32_t)(first_id + i);
        bpe_set_token(b, first_id + i, &byte, 1);
    }
    Trainer t = {.arena = arena_create("bpe_train")};
    for (int64_t i = 0; i < n; ++i) {
        size_t bytes = strlen(text[i]), length;
        for (size_t at = 0; at < bytes; at += length) {
            length = bpe_split(text[i], bytes, at);
            add_word(&t, text[i] + at, length);
        }
    }
    for (int64_t w = 0; w < t.n_words; ++w) {
        Word *word = &t.word[w];
        word->symbol = ARENA_NEW(t.arena, int32_t, word->n);
        word->length = (int64_t)word->n;
        for (size_t i = 0; i < word->n; ++i) word->symbol[i] = b->byte_id[(unsigned char)word->bytes[i]];
        count_word(&t, w, 1);
    }
    int64_t next_id = first_id + 256;
    for (int64_t rank = 0; rank < n_merges; ++rank) {
        const Pair *best = best_pair(&t);
        if (best == NULL) break;
        if (learn_merge(&t, b, *best, rank, next_id) == next_id) ++next_id;
    }
    bpe_index_merges(b);
    arena_destroy(t.arena);
    return b;
}
