/* sid/quality.c -- figures about SIDs, and the spreading of last codes. */
#include "sid/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { NEIGHBOURS = 10, QUERIES_AT_ONCE = 512 };

/* --- groups of items by a key ------------------------------------------------------------------------------------------------------------ */

typedef struct Groups {
    int32_t *of;    /* (N) group of each item, numbered by first appearance; -1 = left out */
    int64_t *size;  /* (n) */
    int64_t n;
} Groups;

typedef struct PrefixOrder { const Catalogue *c; int64_t n; } PrefixOrder;

static int order_by_prefix(const void *a, const void *b, void *context)
{
    const PrefixOrder *p = context;
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    for (int64_t l = 0; l < p->n; l++) {
        int32_t x = p->c->code[i * SID_MAX + l], y = p->c->code[j * SID_MAX + l];
        if (x != y) return x < y ? -1 : 1;
    }
    return i < j ? -1 : i > j;
}

/* Items by their first n codes. */
static Groups groups_of_prefix(const Catalogue *c, int64_t n, Arena *arena)
{
    Groups g = {ARENA_NEW(arena, int32_t, c->N), ARENA_NEW(arena, int64_t, c->N), 0};
    int32_t *order = ARENA_NEW(arena, int32_t, c->N);
    PrefixOrder by = {c, n};
    for (int32_t i = 0; i < c->N; i++) order[i] = i;
    qsort_r(order, (size_t)c->N, sizeof *order, order_by_prefix, &by);
    for (int64_t i = 0; i < c->N; i++) {
        const int32_t *now = c->code + order[i] * SID_MAX, *last = c->code + order[i ? i - 1 : 0] * SID_MAX;
        if (i == 0 || memcmp(now, last, (size_t)n * sizeof *now) != 0) g.n++;
        g.of[order[i]] = (int32_t)g.n - 1;
        g.size[g.n - 1]++;
    }
    return g;
}

/* Items by category: the second name of the path (the first is the data set's own), or the whole path when leaf. */
static Groups groups_of_category(int64_t N, const char *const *category, bool leaf, Arena *arena)
{
    Groups g = {ARENA_NEW(arena, int32_t, N), ARENA_NEW(arena, int64_t, N), 0};
    int64_t n_slots = 16;
    while (n_slots < 2 * N) n_slots *= 2;
    int32_t *slot = ARENA_NEW(arena, int32_t, n_slots); /* 1 + an item of the group, 0 = empty */
    size_t *length = ARENA_NEW(arena, size_t, N);
    for (int32_t i = 0; i < N; i++) {
        const char *path = category[i], *first = strchr(path, '>'), *second = first ? strchr(first + 1, '>') : NULL;
        length[i] = leaf || !second ? strlen(path) : (size_t)(second - path);
        while (length[i] > 0 && path[length[i] - 1] == ' ') length[i]--;
        g.of[i] = -1;
        if (length[i] == 0) continue;
        uint64_t s = fnv1a64(path, length[i]) & (uint64_t)(n_slots - 1);
        for (; slot[s]; s = (s + 1) & (uint64_t)(n_slots - 1)) {
            int32_t j = slot[s] - 1;
            if (length[j] == length[i] && memcmp(category[j], path, length[i]) == 0) break;
        }
        if (!slot[s]) {
            slot[s] = i + 1;
            g.n++;
        }
        g.of[i] = slot[s] - 1 == i ? (int32_t)g.n - 1 : g.of[slot[s] - 1];
        g.size[g.of[i]]++;
    }
    return g;
}

/* Mean over items of the share of the others of the prefix group with the same category; chance: the same if groups were random. */
static double purity(const Groups *prefix, const Groups *category, int64_t N, double *chance, Arena *arena)
{
    int64_t n = 0, pairs = 0, with = 0;
    double sum = 0;
    int32_t *count = ARENA_NEW(arena, int32_t, prefix->n * category->n > 0 ? category->n : 1);
    /* items of each prefix group that have a category, by counting sort */
    int64_t *start = ARENA_NEW(arena, int64_t, prefix->n + 1), *at = ARENA_NEW(arena, int64_t, prefix->n);
    int32_t *member = ARENA_NEW(arena, int32_t, N);
    for (int64_t i = 0; i < N; i++)
        if (category->of[i] >= 0) start[prefix->of[i] + 1]++;
    for (int64_t g = 0; g < prefix->n; g++) {
        start[g + 1] += start[g];
        at[g] = start[g];
    }
    for (int32_t i = 0; i < N; i++)
        if (category->of[i] >= 0) member[at[prefix->of[i]]++] = i;
    for (int64_t g = 0; g < prefix->n; g++) {
        int64_t size = start[g + 1] - start[g];
        for (int64_t e = start[g]; e < start[g + 1]; e++) count[category->of[member[e]]]++;
        for (int64_t e = start[g]; e < start[g + 1] && size > 1; e++) {
            sum += (double)(count[category->of[member[e]]] - 1) / (double)(size - 1);
            n++;
        }
        for (int64_t e = start[g]; e < start[g + 1]; e++) count[category->of[member[e]]] = 0;
    }
    for (int64_t k = 0; k < category->n; k++) {
        with += category->size[k];
        pairs += category->size[k] * (category->size[k] - 1);
    }
    *chance = with > 1 ? (double)pairs / ((double)with * (double)(with - 1)) : NAN;
    return n > 0 ? sum / (double)n : NAN;
}

static void add_number(cJSON *object, const char *key, double value)
{
    if (isfinite(value)) cJSON_AddNumberToObject(object, key, value);
    else cJSON_AddNullToObject(object, key);
}

/* --- parts of the report ----------------------------------------------------------------------------------------------------------------- */

static void add_collisions(cJSON *out, const Catalogue *c, Arena *arena)
{
    Groups g = groups_of_prefix(c, c->Q, arena);
    int64_t *held = ARENA_NEW(arena, int64_t, c->N + 1), shared = 0, largest = 0;
    for (int64_t k = 0; k < g.n; k++) {
        held[g.size[k]]++;
        if (g.size[k] > 1) shared += g.size[k];
        if (g.size[k] > largest) largest = g.size[k];
    }
    cJSON_AddNumberToObject(out, "collision_rate", (double)shared / (double)c->N);
    cJSON_AddNumberToObject(out, "distinct_tuples", (double)g.n);
    cJSON_AddNumberToObject(out, "largest_group", (double)largest);
    cJSON_AddNumberToObject(out, "suffix_codes", (double)c->n_suffix);
    cJSON *sizes = cJSON_AddObjectToObject(out, "group_sizes");
    for (int64_t k = 1; k <= largest; k++) {
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)k);
        if (held[k]) cJSON_AddNumberToObject(sizes, key, (double)held[k]);
    }
}

static void add_levels(cJSON *out, const Catalogue *c, Arena *arena)
{
    cJSON *levels = cJSON_AddArrayToObject(out, "level");
    for (int64_t l = 0; l < c->Q; l++) {
        int64_t *count = ARENA_NEW(arena, int64_t, c->K), used = 0;
        double bits = 0;
        for (int64_t i = 0; i < c->N; i++) count[c->code[i * SID_MAX + l]]++;
        for (int64_t k = 0; k < c->K; k++) {
            double p = (double)count[k] / (double)c->N;
            used += count[k] > 0;
            if (count[k] > 0) bits -= p * log2(p);
        }
        cJSON *level = cJSON_CreateObject();
        cJSON_AddNumberToObject(level, "used", (double)used);
        cJSON_AddNumberToObject(level, "share", (double)used / (double)c->K);
        cJSON_AddNumberToObject(level, "entropy_bits", bits);
        cJSON_AddNumberToObject(level, "perplexity", exp2(bits));
        cJSON_AddItemToArray(levels, level);
    }
}

static void add_prefixes(cJSON *out, const Catalogue *c, const char *const *category, Arena *arena)
{
    static const char *const purity_key[] = {"purity_top", "purity_leaf"}, *const chance_key[] = {"chance_top", "chance_leaf"};
    cJSON *prefixes = cJSON_AddArrayToObject(out, "prefix");
    for (int64_t n = 1; n <= 2 && n <= c->Q; n++) {
        Groups g = groups_of_prefix(c, n, arena);
        cJSON *prefix = cJSON_CreateObject();
        cJSON_AddNumberToObject(prefix, "codes", (double)n);
        cJSON_AddNumberToObject(prefix, "groups", (double)g.n);
        for (int leaf = 0; leaf < 2 && category; leaf++) {
            double chance = NAN;
            Groups by = groups_of_category(c->N, category, leaf != 0, arena);
            add_number(prefix, purity_key[leaf], purity(&g, &by, c->N, &chance, arena));
            add_number(prefix, chance_key[leaf], chance);
        }
        cJSON_AddItemToArray(prefixes, prefix);
    }
}

/* Probability that two different random items share their first n codes. */
static double chance_same_prefix(const Catalogue *c, int64_t n, Arena *arena)
{
    Groups g = groups_of_prefix(c, n, arena);
    double pairs = 0;
    for (int64_t k = 0; k < g.n; k++) pairs += (double)g.size[k] * (double)(g.size[k] - 1);
    return c->N > 1 ? pairs / ((double)c->N * (double)(c->N - 1)) : NAN;
}

/* Counts, for item i with distances d (N), how many of its nearest others share one and two codes. Ties take the lower item. */
static void neighbours_count(const Catalogue *c, int64_t i, const real *d, int64_t *one, int64_t *two, int64_t *seen)
{
    int64_t best[NEIGHBOURS], n = 0;
    for (int64_t j = 0; j < c->N; j++) {
        if (j == i || (n == NEIGHBOURS && !(d[j] < d[best[n - 1]]))) continue;
        int64_t at = n < NEIGHBOURS ? n++ : n - 1;
        for (; at > 0 && d[j] < d[best[at - 1]]; at--) best[at] = best[at - 1];
        best[at] = j;
    }
    const int32_t *own = c->code + i * SID_MAX;
    for (int64_t k = 0; k < n; k++) {
        const int32_t *other = c->code + best[k] * SID_MAX;
        *one += other[0] == own[0];
        *two += other[0] == own[0] && c->Q > 1 && other[1] == own[1];
    }
    *seen += n;
}

static void add_neighbours(cJSON *out, const Catalogue *c, Backend *be, const real *embedding, int64_t E, Arena *arena)
{
    int64_t N = c->N, one = 0, two = 0, seen = 0;
    real *x = be->alloc(be, (size_t)(N * E) * sizeof *x), *dot = be->alloc(be, (size_t)(QUERIES_AT_ONCE * N) * sizeof *dot);
    real *d = ARENA_NEW(arena, real, QUERIES_AT_ONCE * N), *square = ARENA_NEW(arena, real, N);
    be->upload(be, x, embedding, (size_t)(N * E) * sizeof *x);
    for (int64_t i = 0; i < N; i++) {
        double sum = 0;
        for (int64_t j = 0; j < E; j++) sum += (double)embedding[i * E + j] * (double)embedding[i * E + j];
        square[i] = (real)sum;
    }
    for (int64_t first = 0; first < N; first += QUERIES_AT_ONCE) {
        int64_t B = N - first < QUERIES_AT_ONCE ? N - first : QUERIES_AT_ONCE;
        be->gemm(be, false, true, B, N, E, -2, x + first * E, E, x, E, 0, dot, N);
        REQUIRE(be->download(be, d, dot, (size_t)(B * N) * sizeof *d) == OK, "%s", status_message());
#pragma omp parallel for num_threads(be->threads) schedule(static) reduction(+ : one, two, seen)
        for (int64_t b = 0; b < B; b++) {
            for (int64_t j = 0; j < N; j++) d[b * N + j] += square[j];
            neighbours_count(c, first + b, d + b * N, &one, &two, &seen);
        }
    }
    be->release(be, dot);
    be->release(be, x);
    cJSON *part = cJSON_AddObjectToObject(out, "neighbours");
    cJSON_AddNumberToObject(part, "k", NEIGHBOURS);
    add_number(part, "same_first_code", seen ? (double)one / (double)seen : NAN);
    add_number(part, "same_two_codes", seen ? (double)two / (double)seen : NAN);
    add_number(part, "chance_first", chance_same_prefix(c, 1, arena));
    add_number(part, "chance_two", chance_same_prefix(c, c->Q > 1 ? 2 : 1, arena));
}

cJSON *quality_measure(const Catalogue *c, const char *const *category, Backend *be, const real *embedding, int64_t E, Arena *scratch)
{
    ArenaMark mark = arena_mark(scratch);
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "items", (double)c->N);
    cJSON_AddNumberToObject(out, "levels", (double)c->Q);
    cJSON_AddNumberToObject(out, "codes_per_level", (double)c->K);
    add_collisions(out, c, scratch);
    add_levels(out, c, scratch);
    add_prefixes(out, c, category, scratch);
    if (embedding) add_neighbours(out, c, be, embedding, E, scratch);
    arena_release(scratch, mark);
    return out;
}

/* --- spreading --------------------------------------------------------------------------------------------------------------------------- */

typedef struct Claim { int32_t item; double distance; } Claim;

static int order_claims(const void *a, const void *b)
{
    const Claim *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static double square_distance(int64_t Z, const real *a, const real *b)
{
    double sum = 0;
    for (int64_t j = 0; j < Z; j++) sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

/* Items claim[0..n) share their first Q-1 codes. */
static int64_t spread_group(int64_t n, Claim *claim, int64_t Q, int64_t K, int64_t Z, const real *rest, const real *book, int32_t *code, bool *taken)
{
    int64_t moved = 0;
    bool *kept = taken + K; /* (n) */
    for (int64_t i = 0; i < n; i++) {
        int32_t item = claim[i].item;
        claim[i].distance = square_distance(Z, rest + item * Z, book + code[item * Q + Q - 1] * Z);
    }
    qsort(claim, (size_t)n, sizeof *claim, order_claims);
    memset(taken, 0, (size_t)(K + n) * sizeof *taken);
    for (int64_t i = 0; i < n; i++) {
        bool *first = &taken[code[claim[i].item * Q + Q - 1]];
        kept[i] = !*first;
        *first = true;
    }
    for (int64_t i = 0; i < n; i++) {
        if (kept[i]) continue;
        int32_t item = claim[i].item, best = -1;
        double least = INFINITY;
        for (int32_t k = 0; k < K; k++) {
            if (taken[k]) continue;
            double d = square_distance(Z, rest + item * Z, book + k * Z);
            if (d < least) least = d, best = k;
        }
        if (best < 0) break;
        code[item * Q + Q - 1] = best;
        taken[best] = true;
        moved++;
    }
    return moved;
}

int64_t quality_spread(int64_t N, int64_t Q, int64_t K, int64_t Z, const real *rest, const real *book, int32_t *code, Arena *scratch)
{
    ArenaMark mark = arena_mark(scratch);
    Catalogue *c = catalogue_from_codes(scratch, N, Q, K, code);
    int32_t *order = ARENA_NEW(scratch, int32_t, N);
    Claim *claim = ARENA_NEW(scratch, Claim, N);
    bool *taken = ARENA_NEW(scratch, bool, K + N);
    PrefixOrder by = {c, Q - 1};
    int64_t moved = 0;
    for (int32_t i = 0; i < N; i++) order[i] = i;
    qsort_r(order, (size_t)N, sizeof *order, order_by_prefix, &by);
    for (int64_t first = 0, end; first < N; first = end) {
        const int32_t *own = c->code + order[first] * SID_MAX;
        for (end = first + 1; end < N && memcmp(own, c->code + order[end] * SID_MAX, (size_t)(Q - 1) * sizeof *own) == 0;) end++;
        for (int64_t i = first; i < end; i++) claim[i - first].item = order[i];
        if (end - first > 1) moved += spread_group(end - first, claim, Q, K, Z, rest, book, code, taken);
    }
    arena_release(scratch, mark);
    return moved;
}
