/* llm/features.c -- see features.h.
 *
 * Vocabulary: the stems of all item texts and interests, numbered in ascending order of their hashes. Documents of the two idf tables: item texts; the interests
 * of an item taken together. idf(s) = ln((1 + n) / (1 + df)) + 1.
 *
 * Association of an interest stem s with a text stem t, over the items with interests, the item itself left out:
 *   a(s,t) = ln( (n_st + 1/2) n / ((n_s + 1) (n_t + 1)) ), not below 0; pairs seen with fewer than two other items have none. */
#include "llm/features.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "data/strtable.h"
#include "llm/merge.h"
#include "llm/words.h"

enum { N_NEAR = 10, MIN_PAIR = 2 };
static const double max_df_share = 0.2; /* stems in more item texts than this say nothing about nearness, and cost most */

/* Stems as vocabulary numbers, ascending. */
typedef struct Ids { int n; const int32_t *at; } Ids;

typedef struct Near { int32_t item; double cosine; } Near;

struct FeatureCorpus {
    const Dataset *d;
    const ItemInterests *items;
    int64_t V;                   /* stems */
    const uint64_t *stems;       /* (V) ascending */
    Ids *title, *text;           /* (N) */
    Ids **interest;              /* (N)[n] */
    Ids *all;                    /* (N) stems of all interests of the item */
    int32_t *text_df, *interest_df; /* (V) */
    int64_t n_with;              /* items with interests */
    Near *near;                  /* (N, N_NEAR) best first; item -1: fewer */
    StringTable *texts;          /* interest texts */
    const Interest **donor;      /* per text: first occurrence */
    int32_t *n_items;            /* per text: items that have it */
    int64_t n_slots;             /* pairs (text stem, interest stem) -> items with interests that have both */
    uint64_t *pair;              /* (n_slots) 1 + t*V + s; 0 = free */
    int32_t *pair_count;
    int64_t k;                   /* dimensions of the space, 0: none */
    const double *axes;          /* (V,k) */
};

#define FEATURE_NAME(id, name, meaning) name,
static const char *const feature_names[N_FEATURES] = {FEATURES(FEATURE_NAME)};
#undef FEATURE_NAME

const char *feature_name(Feature f) {
    REQUIRE((int)f >= 0 && f < N_FEATURES, "feature %d", (int)f);
    return feature_names[f];
}

/* ---- stems and sets */

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static const char *item_text(const ItemText *t, Arena *arena) {
    return arena_printf(arena, "%s %s %s %s %s %s", t->title, t->brand, t->categories, t->description, t->keywords, t->caption);
}

/* Numbers of the stems of `text`; stems outside the vocabulary are left out, *n_unknown counts them (NULL allowed). */
static Ids to_ids(const FeatureCorpus *c, const char *text, Arena *arena, int *n_unknown) {
    StemSet set = words_stem_set(arena, text);
    int32_t *ids = ARENA_NEW(arena, int32_t, set.n);
    int n = 0;
    for (int i = 0; i < set.n; i++) {
        const uint64_t *hit = bsearch(&set.at[i], c->stems, (size_t)c->V, sizeof *c->stems, compare_u64);
        if (hit) ids[n++] = (int32_t)(hit - c->stems);
    }
    if (n_unknown) *n_unknown = set.n - n;
    return (Ids){n, ids};
}

static bool has(Ids a, int32_t id) {
    int lo = 0, hi = a.n;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (a.at[mid] < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < a.n && a.at[lo] == id;
}

typedef struct StemList { Arena *arena; uint64_t *at; size_t n, capacity; } StemList;

static void add_stems(StemList *list, const char *text, Arena *scratch) {
    ArenaMark mark = arena_mark(scratch);
    StemSet set = words_stem_set(scratch, text);
    ARENA_GROW(list->arena, list->at, list->capacity, list->n + (size_t)set.n + 1);
    if (set.n) memcpy(list->at + list->n, set.at, (size_t)set.n * sizeof *set.at);
    list->n += (size_t)set.n;
    arena_release(scratch, mark);
}

static void build_vocabulary(FeatureCorpus *c, Arena *arena) {
    Arena *scratch = arena_create("stems");
    StemList all = {arena_create("all stems"), NULL, 0, 0};
    for (int64_t i = 0; i < c->d->N; i++) {
        ArenaMark mark = arena_mark(scratch);
        add_stems(&all, item_text(&c->d->text[i], scratch), scratch);
        for (int j = 0; j < c->items[i].n; j++) add_stems(&all, c->items[i].at[j].text, scratch);
        arena_release(scratch, mark);
    }
    if (all.n) qsort(all.at, all.n, sizeof *all.at, compare_u64);
    uint64_t *stems = ARENA_NEW(arena, uint64_t, all.n);
    for (size_t k = 0; k < all.n; k++)
        if (c->V == 0 || stems[c->V - 1] != all.at[k]) stems[c->V++] = all.at[k];
    c->stems = stems;
    arena_destroy(all.arena);
    arena_destroy(scratch);
}

static Ids merge_ids(const Ids *sets, int n_sets, Arena *arena) {
    int total = 0;
    for (int j = 0; j < n_sets; j++) total += sets[j].n;
    int32_t *out = ARENA_NEW(arena, int32_t, total);
    int n = 0;
    for (int j = 0; j < n_sets; j++)
        for (int k = 0; k < sets[j].n; k++) {
            int at = n; /* insertion: the sets are short */
            while (at > 0 && out[at - 1] > sets[j].at[k]) at--;
            if (at > 0 && out[at - 1] == sets[j].at[k]) continue;
            memmove(out + at + 1, out + at, (size_t)(n - at) * sizeof *out);
            out[at] = sets[j].at[k];
            n++;
        }
    return (Ids){n, out};
}

/* ---- nearest items by text */

static double idf(int64_t n, int64_t df) { return log((1 + (double)n) / (1 + (double)df)) + 1; }
static double text_idf(const FeatureCorpus *c, int32_t s) { return idf(c->d->N, c->text_df[s]); }

static void insert_near(Near *best, int32_t item, double cosine) {
    if (!(cosine > best[N_NEAR - 1].cosine)) return; /* ties: the lower item, which came first */
    int at = N_NEAR - 1;
    for (; at > 0 && cosine > best[at - 1].cosine; at--) best[at] = best[at - 1];
    best[at] = (Near){item, cosine};
}

static void find_near(FeatureCorpus *c, Arena *arena) {
    int64_t N = c->d->N, total = 0;
    Arena *scratch = arena_create("near");
    int64_t *begin = ARENA_NEW(scratch, int64_t, c->V + 1), *fill = ARENA_NEW(scratch, int64_t, c->V);
    double *norm = ARENA_NEW(scratch, double, N);
    for (int64_t s = 0; s < c->V; s++) begin[s + 1] = total += c->text_df[s];
    int32_t *owner = ARENA_NEW(scratch, int32_t, total);
    for (int64_t i = 0; i < N; i++) {
        for (int k = 0; k < c->text[i].n; k++) {
            int32_t s = c->text[i].at[k];
            owner[begin[s] + fill[s]++] = (int32_t)i;
            norm[i] += text_idf(c, s) * text_idf(c, s);
        }
        norm[i] = sqrt(norm[i]);
    }
    c->near = ARENA_NEW(arena, Near, N * N_NEAR);
    int n_threads = omp_get_max_threads();
    double *dots = ARENA_NEW(scratch, double, N * n_threads);
    int64_t max_df = (int64_t)(max_df_share * (double)N) + 1;
#pragma omp parallel for schedule(dynamic, 64) num_threads(n_threads)
    for (int64_t i = 0; i < N; i++) {
        double *dot = dots + N * omp_get_thread_num();
        memset(dot, 0, (size_t)N * sizeof *dot);
        Near *best = c->near + i * N_NEAR;
        for (int k = 0; k < N_NEAR; k++) best[k] = (Near){-1, 0};
        for (int k = 0; k < c->text[i].n; k++) {
            int32_t s = c->text[i].at[k];
            if (c->text_df[s] > max_df) continue;
            double weight = text_idf(c, s) * text_idf(c, s);
            for (int64_t o = begin[s]; o < begin[s + 1]; o++) dot[owner[o]] += weight;
        }
        for (int64_t j = 0; j < N; j++)
            if (j != i && dot[j] > 0) insert_near(best, (int32_t)j, dot[j] / (norm[i] * norm[j]));
    }
    arena_destroy(scratch);
}

/* ---- pairs */

static uint64_t pair_hash(uint64_t key) {
    key ^= key >> 31;
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 29;
}

static int64_t pair_slot(const FeatureCorpus *c, uint64_t key) {
    uint64_t mask = (uint64_t)c->n_slots - 1, slot = pair_hash(key) & mask;
    while (c->pair[slot] != 0 && c->pair[slot] != key) slot = (slot + 1) & mask;
    return (int64_t)slot;
}

static uint64_t pair_key(const FeatureCorpus *c, int32_t text_stem, int32_t interest_stem) {
    return 1 + (uint64_t)text_stem * (uint64_t)c->V + (uint64_t)interest_stem;
}

static void count_pairs(FeatureCorpus *c, Arena *arena) {
    int64_t total = 0;
    for (int64_t i = 0; i < c->d->N; i++) total += (int64_t)c->text[i].n * c->all[i].n;
    for (c->n_slots = 16; c->n_slots < 2 * total; c->n_slots *= 2) continue;
    c->pair = ARENA_NEW(arena, uint64_t, c->n_slots);
    c->pair_count = ARENA_NEW(arena, int32_t, c->n_slots);
    for (int64_t i = 0; i < c->d->N; i++)
        for (int a = 0; a < c->text[i].n; a++)
            for (int b = 0; b < c->all[i].n; b++) {
                uint64_t key = pair_key(c, c->text[i].at[a], c->all[i].at[b]);
                int64_t slot = pair_slot(c, key);
                c->pair[slot] = key;
                c->pair_count[slot]++;
            }
}

/* ---- corpus */

static void count_texts(FeatureCorpus *c, Arena *arena) {
    int64_t total = 0;
    for (int64_t i = 0; i < c->d->N; i++) total += c->items[i].n;
    c->texts = strtable_create(arena);
    c->donor = ARENA_NEW(arena, const Interest *, total);
    c->n_items = ARENA_NEW(arena, int32_t, total);
    for (int64_t i = 0; i < c->d->N; i++)
        for (int j = 0; j < c->items[i].n; j++) {
            int64_t t = strtable_add(c->texts, c->items[i].at[j].text);
            if (!c->donor[t]) c->donor[t] = &c->items[i].at[j];
            c->n_items[t]++;
        }
}

FeatureCorpus *features_corpus(const Dataset *d, const ItemInterests *items, Arena *arena) {
    FeatureCorpus *c = ARENA_NEW(arena, FeatureCorpus, 1);
    c->d = d;
    c->items = items;
    build_vocabulary(c, arena);
    c->title = ARENA_NEW(arena, Ids, d->N);
    c->text = ARENA_NEW(arena, Ids, d->N);
    c->all = ARENA_NEW(arena, Ids, d->N);
    c->interest = ARENA_NEW(arena, Ids *, d->N);
    c->text_df = ARENA_NEW(arena, int32_t, c->V);
    c->interest_df = ARENA_NEW(arena, int32_t, c->V);
    for (int64_t i = 0; i < d->N; i++) {
        c->title[i] = to_ids(c, d->text[i].title, arena, NULL);
        c->text[i] = to_ids(c, item_text(&d->text[i], arena), arena, NULL);
        c->interest[i] = ARENA_NEW(arena, Ids, items[i].n);
        for (int j = 0; j < items[i].n; j++) c->interest[i][j] = to_ids(c, items[i].at[j].text, arena, NULL);
        c->all[i] = merge_ids(c->interest[i], items[i].n, arena);
        for (int k = 0; k < c->text[i].n; k++) c->text_df[c->text[i].at[k]]++;
        for (int k = 0; k < c->all[i].n; k++) c->interest_df[c->all[i].at[k]]++;
        c->n_with += items[i].n > 0;
    }
    count_texts(c, arena);
    count_pairs(c, arena);
    find_near(c, arena);
    return c;
}

/* ---- the space of item texts */

FeatureMatrix features_matrix(const FeatureCorpus *c, Arena *arena) {
    FeatureMatrix m = {.n_rows = c->d->N, .n_cols = c->V, .indptr = ARENA_NEW(arena, int64_t, c->d->N + 1)};
    int64_t total = 0, at = 0;
    for (int64_t i = 0; i < c->d->N; i++) total += c->text[i].n;
    m.index = ARENA_NEW(arena, int32_t, total);
    m.value = ARENA_NEW(arena, double, total);
    for (int64_t i = 0; i < c->d->N; i++) {
        int64_t begin = at;
        double square = 0;
        for (int k = 0; k < c->text[i].n; k++) {
            int32_t s = c->text[i].at[k];
            if (c->text_df[s] < 2) continue;
            m.index[at] = s;
            m.value[at] = text_idf(c, s);
            square += m.value[at] * m.value[at];
            at++;
        }
        for (int64_t j = begin; j < at; j++) m.value[j] /= sqrt(square);
        m.indptr[i + 1] = at;
    }
    return m;
}

void features_set_space(FeatureCorpus *c, int64_t k, const double *axes) {
    c->k = k;
    c->axes = axes;
}

static void place(const FeatureCorpus *c, Ids a, double *vector) {
    memset(vector, 0, (size_t)c->k * sizeof *vector);
    for (int n = 0; n < a.n; n++) {
        double w = text_idf(c, a.at[n]);
        const double *axis = c->axes + (int64_t)a.at[n] * c->k;
        for (int64_t j = 0; j < c->k; j++) vector[j] += w * axis[j];
    }
}

/* 0 where either text has no stem in the space. */
static double space_cosine(const FeatureCorpus *c, Ids a, Ids b, Arena *scratch) {
    double *x = ARENA_NEW(scratch, double, c->k), *y = ARENA_NEW(scratch, double, c->k), dot = 0, xx = 0, yy = 0;
    place(c, a, x);
    place(c, b, y);
    for (int64_t j = 0; j < c->k; j++) {
        dot += x[j] * y[j];
        xx += x[j] * x[j];
        yy += y[j] * y[j];
    }
    return xx > 0 && yy > 0 ? dot / sqrt(xx * yy) : 0;
}

int features_match(const FeatureCorpus *c, int64_t item, const char *text, Arena *scratch) {
    const ItemInterests *own = &c->items[item];
    for (int j = 0; j < own->n; j++)
        if (strcmp(own->at[j].text, text) == 0) return j;
    ArenaMark mark = arena_mark(scratch);
    StemSet stems = words_stem_set(scratch, text);
    int nearest = -1;
    double best = 0;
    for (int j = 0; j < own->n; j++) {
        double similarity = words_jaccard(stems, words_stem_set(scratch, own->at[j].text));
        if (similarity >= MERGE_JOIN && similarity > best) {
            best = similarity;
            nearest = j;
        }
    }
    arena_release(scratch, mark);
    return nearest;
}

const Interest *features_own(const FeatureCorpus *c, int64_t item, int own) { return own < 0 ? NULL : &c->items[item].at[own]; }

const Interest *features_donor(const FeatureCorpus *c, const char *text) {
    int64_t t = strtable_find(c->texts, text);
    return t < 0 ? NULL : c->donor[t];
}

/* ---- one row */

static double share(const FeatureCorpus *c, Ids a, Ids b) {
    double both = 0, all = 0;
    for (int k = 0; k < a.n; k++) {
        double w = text_idf(c, a.at[k]);
        all += w;
        if (has(b, a.at[k])) both += w;
    }
    return all > 0 ? both / all : 0;
}

static double norm2(const FeatureCorpus *c, Ids a) {
    double sum = 0;
    for (int k = 0; k < a.n; k++) sum += text_idf(c, a.at[k]) * text_idf(c, a.at[k]);
    return sum;
}

static double cosine(const FeatureCorpus *c, Ids a, Ids b) {
    double dot = 0, lengths = norm2(c, a) * norm2(c, b);
    for (int k = 0; k < a.n; k++)
        if (has(b, a.at[k])) dot += text_idf(c, a.at[k]) * text_idf(c, a.at[k]);
    return lengths > 0 ? dot / sqrt(lengths) : 0;
}

static void add_siblings(const FeatureCorpus *c, int64_t item, int own, Ids z, Arena *scratch, double *row) {
    Ids *others = ARENA_NEW(scratch, Ids, c->items[item].n);
    int n = 0;
    for (int j = 0; j < c->items[item].n; j++) {
        if (j == own) continue;
        others[n++] = c->interest[item][j];
        row[FEATURE_SIBLING_COSINE] = fmax(row[FEATURE_SIBLING_COSINE], cosine(c, z, c->interest[item][j]));
    }
    row[FEATURE_SIBLING_SHARE] = share(c, z, merge_ids(others, n, scratch));
}

static void add_neighbours(const FeatureCorpus *c, int64_t item, const char *text, Ids z, Arena *scratch, double *row) {
    double weight = 0, sum = 0;
    for (int k = 0; k < N_NEAR; k++) {
        Near near = c->near[item * N_NEAR + k];
        if (near.item < 0) break;
        const ItemInterests *other = &c->items[near.item];
        Ids *sets = ARENA_NEW(scratch, Ids, other->n);
        int n = 0;
        for (int j = 0; j < other->n; j++) {
            if (strcmp(other->at[j].text, text) == 0) continue;
            sets[n++] = c->interest[near.item][j];
            row[FEATURE_NEAR_COSINE] = fmax(row[FEATURE_NEAR_COSINE], cosine(c, z, c->interest[near.item][j]));
        }
        if (other->n == 0) continue;
        weight += near.cosine;
        sum += near.cosine * share(c, z, merge_ids(sets, n, scratch));
    }
    row[FEATURE_NEAR_SHARE] = weight > 0 ? sum / weight : 0;
}

static double affinity(const FeatureCorpus *c, int64_t item, Ids z) {
    double sum = 0;
    for (int b = 0; b < z.n; b++) {
        int32_t s = z.at[b];
        int own_interest = has(c->all[item], s);
        double best = 0;
        for (int a = 0; a < c->text[item].n; a++) {
            int32_t t = c->text[item].at[a];
            if (s == t) continue; /* that is what text_share says */
            int64_t slot = pair_slot(c, pair_key(c, t, s));
            int together = c->pair_count[slot] - own_interest; /* the item has t, so it counted the pair if it has s */
            if (together < MIN_PAIR) continue;
            double n_s = c->interest_df[s] - own_interest, n_t = c->text_df[t] - 1;
            best = fmax(best, log((together + 0.5) * (double)c->n_with / ((n_s + 1) * (n_t + 1))));
        }
        sum += best;
    }
    return z.n ? sum / z.n : 0;
}

static void add_words(const FeatureCorpus *c, const char *text, Ids z, int n_unknown, double *row) {
    double rarity = 0, lowest = 0, text_rarity = 0;
    int unseen = n_unknown, n = z.n + n_unknown;
    for (int k = 0; k < n; k++) {
        /* one occurrence is the interest's own, in its item or in the item it was taken from */
        int64_t df = k < z.n ? c->interest_df[z.at[k]] : 0, others = df > 0 ? df - 1 : 0;
        double r = idf(c->n_with, others);
        rarity += r;
        if (k == 0 || r < lowest) lowest = r;
        text_rarity += k < z.n ? text_idf(c, z.at[k]) : idf(c->d->N, 0);
        unseen += k < z.n && others == 0;
    }
    int64_t t = strtable_find(c->texts, text);
    row[FEATURE_RARITY] = n ? rarity / n : 0;
    row[FEATURE_RARITY_MIN] = lowest;
    row[FEATURE_TEXT_RARITY] = n ? text_rarity / n : 0;
    row[FEATURE_UNSEEN] = n ? (double)unseen / n : 0;
    row[FEATURE_REUSED] = t < 0 ? 0 : log((double)c->n_items[t]);
    row[FEATURE_WORDS] = words_count(text);
    row[FEATURE_CHARACTERS] = (double)strlen(text);
}

void features_compute(const FeatureCorpus *c, int64_t item, const char *text, int own, const Interest *known, Arena *scratch, double *row, bool *is_known) {
    ArenaMark mark = arena_mark(scratch);
    memset(row, 0, N_FEATURES * sizeof *row);
    for (int f = 0; f < N_FEATURES; f++) is_known[f] = f < N_ALWAYS || (known && (own >= 0 || f >= FEATURE_PROJECT));
    int n_unknown;
    Ids z = to_ids(c, text, scratch, &n_unknown);
    row[FEATURE_TITLE_SHARE] = share(c, z, c->title[item]);
    row[FEATURE_TEXT_SHARE] = share(c, z, c->text[item]);
    row[FEATURE_TEXT_COSINE] = cosine(c, z, c->text[item]);
    row[FEATURE_TEXT_SPACE] = space_cosine(c, z, c->text[item], scratch);
    add_siblings(c, item, own, z, scratch, row);
    add_neighbours(c, item, text, z, scratch, row);
    row[FEATURE_AFFINITY] = affinity(c, item, z);
    add_words(c, text, z, n_unknown, row);
    if (known) row[FEATURE_PROJECT + (int)known->facet] = 1;
    if (known && own >= 0) {
        row[FEATURE_AGREEMENT] = log((double)known->n_agree);
        row[FEATURE_CONFIDENCE] = known->confidence;
        is_known[FEATURE_CONFIDENCE] = known->has_confidence;
    }
    arena_release(scratch, mark);
}
