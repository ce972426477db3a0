/* sid/catalogue.c -- SIDs of a catalogue: suffixes, .index.json in and out, and the hash from a SID to its item. */
#include "sid/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/atomic.h"

#define FIX_INDEX "the file must hold one entry \"item\": [\"<a_1>\",\"<b_2>\",...] for each item; rebuild it with 06_tokenize"

static const int32_t *sid_of(const Catalogue *c, int64_t item) { return c->code + item * SID_MAX; }

static uint64_t sid_hash(const int32_t *code, int64_t n)
{
    return fnv1a64(code, (size_t)n * sizeof *code);
}

/* Item whose SID equals code[n], or -1 with *at = the free slot where it would go. */
static int32_t slot_find(const Catalogue *c, const int32_t *code, int64_t n, int64_t *at)
{
    int64_t mask = c->n_slots - 1, s = (int64_t)(sid_hash(code, n) & (uint64_t)mask);
    for (; c->slot[s] >= 0; s = (s + 1) & mask) {
        int32_t item = c->slot[s];
        if (c->length[item] == n && memcmp(sid_of(c, item), code, (size_t)n * sizeof *code) == 0) return item;
    }
    if (at) *at = s;
    return -1;
}

/* Builds the hash; returns 0, or 1 with the first two items (by the later one) that have the same SID. */
static int index_build(Arena *arena, Catalogue *c, int32_t twin[2])
{
    c->n_slots = 16;
    while (c->n_slots < 2 * c->N) c->n_slots *= 2;
    c->slot = ARENA_NEW(arena, int32_t, c->n_slots);
    for (int64_t s = 0; s < c->n_slots; s++) c->slot[s] = -1;
    for (int32_t i = 0; i < c->N; i++) {
        int64_t at = 0;
        int32_t other = slot_find(c, sid_of(c, i), c->length[i], &at);
        if (other >= 0) {
            twin[0] = other;
            twin[1] = i;
            return 1;
        }
        c->slot[at] = i;
    }
    return 0;
}

static Catalogue *catalogue_new(Arena *arena, int64_t N, int64_t Q, int64_t K)
{
    REQUIRE(N >= 0 && N <= INT32_MAX && Q >= 1 && Q < SID_MAX && K >= 1, "N %lld Q %lld K %lld", (long long)N, (long long)Q, (long long)K);
    Catalogue *c = ARENA_NEW(arena, Catalogue, 1);
    *c = (Catalogue){.N = N, .Q = Q, .K = K};
    c->code = ARENA_NEW(arena, int32_t, N * SID_MAX);
    c->length = ARENA_NEW(arena, int32_t, N);
    memset(c->code, -1, (size_t)(N * SID_MAX) * sizeof *c->code);
    return c;
}

static int order_by_sid(const void *a, const void *b, void *context)
{
    const Catalogue *c = context;
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    for (int64_t l = 0; l < c->Q; l++) {
        int32_t x = sid_of(c, i)[l], y = sid_of(c, j)[l];
        if (x != y) return x < y ? -1 : 1;
    }
    return i < j ? -1 : i > j;
}

static bool same_codes(const Catalogue *c, int32_t i, int32_t j)
{
    return memcmp(sid_of(c, i), sid_of(c, j), (size_t)c->Q * sizeof(int32_t)) == 0;
}

/* Gives suffixes 0,1,... to items that share all Q codes, in ascending item order; returns how many items got one. */
static int64_t suffixes_assign(Arena *arena, Catalogue *c)
{
    ArenaMark mark = arena_mark(arena);
    int32_t *order = ARENA_NEW(arena, int32_t, c->N);
    for (int32_t i = 0; i < c->N; i++) order[i] = i;
    qsort_r(order, (size_t)c->N, sizeof *order, order_by_sid, c);
    int64_t n_suffixed = 0;
    for (int64_t first = 0, end; first < c->N; first = end) {
        for (end = first + 1; end < c->N && same_codes(c, order[first], order[end]);) end++;
        for (int64_t i = first; i < end; i++) {
            c->length[order[i]] = (int32_t)c->Q + (end - first > 1);
            if (end - first > 1) c->code[order[i] * SID_MAX + c->Q] = (int32_t)(i - first);
        }
        if (end - first > 1) {
            n_suffixed += end - first;
            if (end - first > c->n_suffix) c->n_suffix = end - first;
        }
    }
    arena_release(arena, mark);
    return n_suffixed;
}

Catalogue *catalogue_from_codes(Arena *arena, int64_t N, int64_t Q, int64_t K, const int32_t *code)
{
    Catalogue *c = catalogue_new(arena, N, Q, K);
    for (int64_t i = 0; i < N; i++)
        for (int64_t l = 0; l < Q; l++) {
            int32_t v = code[i * Q + l];
            REQUIRE(v >= 0 && v < K, "item %lld level %lld: code %d of %lld", (long long)i, (long long)l, v, (long long)K);
            c->code[i * SID_MAX + l] = v;
        }
    suffixes_assign(arena, c);
    int32_t twin[2];
    REQUIRE(!index_build(arena, c, twin), "items %d and %d still share a SID", twin[0], twin[1]);
    return c;
}

/* "<b_17>" at level 1 -> 17; -1 when malformed. */
static int32_t code_parse(const char *text, int level)
{
    if (!text || text[0] != '<' || text[1] != (char)('a' + level) || text[2] != '_') return -1;
    if (text[3] < '0' || text[3] > '9') return -1;
    char *end = NULL;
    long v = strtol(text + 3, &end, 10);
    return end[0] == '>' && end[1] == '\0' && v >= 0 && v < 1000000 ? (int32_t)v : -1;
}

/* first: what the file calls item 0. */
static Status item_parse(const char *path, const cJSON *entry, long first, Catalogue *c)
{
    const char *key = entry->string ? entry->string : "";
    char *end = NULL;
    long item = key[0] >= '0' && key[0] <= '9' ? strtol(key, &end, 10) - first : -1;
    if (item < 0 || *end || item >= c->N)
        return FAIL(E_INPUT, FIX_INDEX, "%s: key \"%s\" is not an item in [%ld,%lld)", path, key, first, (long long)c->N + first);
    if (c->length[item]) return FAIL(E_INPUT, FIX_INDEX, "%s: item %ld appears twice", path, item);
    int n = cJSON_IsArray(entry) ? cJSON_GetArraySize(entry) : 0;
    if (n < 1 || n > SID_MAX)
        return FAIL(E_INPUT, FIX_INDEX, "%s: item %ld: a SID is an array of 1 to %d codes", path, item, (int)SID_MAX);
    int level = 0;
    for (const cJSON *code = entry->child; code; code = code->next, level++) {
        int32_t v = code_parse(cJSON_GetStringValue(code), level);
        if (v < 0)
            return FAIL(E_INPUT, FIX_INDEX, "%s: item %ld: \"%s\" is not a code of level %c", path, item,
                        cJSON_IsString(code) ? code->valuestring : "(not a string)", 'a' + level);
        c->code[item * SID_MAX + level] = v;
    }
    c->length[item] = n;
    return OK;
}

/* Q, K and n_suffix from the parsed SIDs. */
static Status levels_find(const char *path, Catalogue *c)
{
    int32_t shortest = SID_MAX + 1, longest = 0;
    for (int64_t i = 0; i < c->N; i++) {
        if (!c->length[i]) return FAIL(E_INPUT, FIX_INDEX, "%s: item %lld of %lld is missing", path, (long long)i, (long long)c->N);
        if (c->length[i] < shortest) shortest = c->length[i];
        if (c->length[i] > longest) longest = c->length[i];
    }
    if (longest > shortest + 1 || shortest >= SID_MAX)
        return FAIL(E_INPUT, FIX_INDEX, "%s: SIDs have %d to %d codes; one suffix after at most %d levels is supported", path, shortest, longest,
                    SID_MAX - 1);
    c->Q = shortest;
    c->K = 0;
    for (int64_t i = 0; i < c->N; i++) {
        for (int64_t l = 0; l < c->Q; l++)
            if (sid_of(c, i)[l] >= c->K) c->K = sid_of(c, i)[l] + 1;
        if (sid_of(c, i)[c->Q] >= c->n_suffix) c->n_suffix = sid_of(c, i)[c->Q] + 1;
    }
    return OK;
}

static Status catalogue_parse(const char *path, const cJSON *tree, Arena *arena, Catalogue *c)
{
    if (!cJSON_IsObject(tree)) return FAIL(E_INPUT, FIX_INDEX, "%s: not a JSON object", path);
    if (c->N == 0) return FAIL(E_INPUT, NULL, "%s: a catalogue of no items", path);
    char last[24];
    snprintf(last, sizeof last, "%lld", (long long)c->N);
    bool from_one = !cJSON_HasObjectItem(tree, "0") && cJSON_HasObjectItem(tree, last);
    if (from_one) log_warn("%s: keys run from 1 to %s; key 1 is taken as item 0", path, last);
    for (const cJSON *entry = tree->child; entry; entry = entry->next) TRY(item_parse(path, entry, from_one, c));
    TRY(levels_find(path, c));
    int32_t twin[2];
    if (!index_build(arena, c, twin)) return OK;
    if (c->n_suffix > 0)
        return FAIL(E_INPUT, FIX_INDEX, "%s: items %d and %d have the same SID", path, twin[0], twin[1]);
    int64_t n = suffixes_assign(arena, c);
    log_warn("%s: %lld of %lld items share their SID with another; they get suffix codes", path, (long long)n, (long long)c->N);
    REQUIRE(!index_build(arena, c, twin), "items %d and %d still share a SID", twin[0], twin[1]);
    return OK;
}

Status catalogue_read(const char *path, Arena *arena, int64_t N, Catalogue **catalogue)
{
    cJSON *tree = NULL;
    *catalogue = NULL;
    TRY(json_read_file(path, &tree));
    Catalogue *c = catalogue_new(arena, N, 1, 1);
    Status status = catalogue_parse(path, tree, arena, c);
    cJSON_Delete(tree);
    if (status == OK) *catalogue = c;
    return status;
}

Status catalogue_write(const Catalogue *c, const char *path)
{
    AtomicFile *file = NULL;
    TRY(atomic_open(path, &file));
    FILE *f = atomic_stream(file);
    for (int64_t i = 0; i < c->N; i++) {
        fprintf(f, "%s\"%lld\": [", i ? ",\n " : "{", (long long)i);
        for (int32_t l = 0; l < c->length[i]; l++) fprintf(f, "%s\"<%c_%d>\"", l ? "," : "", 'a' + l, sid_of(c, i)[l]);
        fputs("]", f);
    }
    fputs(c->N ? "}\n" : "{}\n", f);
    return atomic_commit(file);
}

int64_t catalogue_n_tokens(const Catalogue *c) { return c->Q * c->K + c->n_suffix; }

int64_t catalogue_tokens(const Catalogue *c, int32_t item, int32_t sid_base, int32_t *token)
{
    REQUIRE(item >= 0 && item < c->N, "item %d of %lld", item, (long long)c->N);
    const int32_t *code = sid_of(c, item);
    for (int32_t l = 0; l < c->length[item]; l++) token[l] = sid_base + l * (int32_t)c->K + code[l];
    return c->length[item];
}

int64_t catalogue_level(const Catalogue *c, int32_t token, int32_t sid_base)
{
    int64_t t = (int64_t)token - sid_base;
    if (t < 0 || t >= catalogue_n_tokens(c)) return -1;
    return t < c->Q * c->K ? t / c->K : c->Q;
}

int32_t catalogue_find(const Catalogue *c, const int32_t *code, int64_t n)
{
    return n >= c->Q && n <= c->Q + 1 && c->N > 0 ? slot_find(c, code, n, NULL) : -1;
}
