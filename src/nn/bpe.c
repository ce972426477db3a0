/* nn/bpe.c -- vocabulary, encoding, decoding, files. Training is in bpe_train.c. See bpe.h. */
#include "nn/bpe.h"

#include <stdbool.h>
#include <string.h>
#include <cjson/cJSON.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/atomic.h"
#include "io/stream.h"
#include "nn/bpe_internal.h"
#include "nn/bpe_split.h"

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15ull;
    return x ^ x >> 29;
}

/* Both maps hold index+1 (0 = free) and are at most half full (spellings: a quarter). */
static void grow_spellings(Bpe *b)
{
    size_t capacity = b->by_bytes_capacity == 0 ? 1024 : 4 * b->by_bytes_capacity;
    b->by_bytes = ARENA_NEW(b->arena, int32_t, capacity);
    b->by_bytes_capacity = capacity;
    for (int64_t id = 0; id < b->n; ++id) {
        if (b->token[id].bytes == NULL) continue;
        size_t at = (size_t)fnv1a64(b->token[id].bytes, b->token[id].n) & (capacity - 1);
        while (b->by_bytes[at] != 0) at = (at + 1) & (capacity - 1);
        b->by_bytes[at] = (int32_t)id + 1;
    }
}

int64_t bpe_find(const Bpe *b, const char *bytes, size_t n)
{
    if (b->by_bytes_capacity == 0) return -1;
    size_t mask = b->by_bytes_capacity - 1, at = (size_t)fnv1a64(bytes, n) & mask;
    for (; b->by_bytes[at] != 0; at = (at + 1) & mask) {
        const BpeToken *t = &b->token[b->by_bytes[at] - 1];
        if (t->n == n && memcmp(t->bytes, bytes, n) == 0) return b->by_bytes[at] - 1;
    }
    return -1;
}

bool bpe_set_token(Bpe *b, int64_t id, const char *bytes, size_t n)
{
    if ((id < b->n && b->token[id].bytes != NULL) || bpe_find(b, bytes, n) >= 0) return false;
    if (id >= b->n) {
        size_t had = b->capacity;
        ARENA_GROW(b->arena, b->token, b->capacity, id + 1);
        if (b->capacity > had) memset(b->token + had, 0, (b->capacity - had) * sizeof *b->token);
        b->n = id + 1;
    }
    char *copy = arena_alloc(b->arena, n + 1, 1);
    memcpy(copy, bytes, n);
    b->token[id] = (BpeToken){copy, n};
    ++b->n_spelled;
    if (4 * (size_t)b->n_spelled > b->by_bytes_capacity) {
        grow_spellings(b);
        return true; /* the rebuilt map has the new token */
    }
    size_t mask = b->by_bytes_capacity - 1, at = (size_t)fnv1a64(bytes, n) & mask;
    while (b->by_bytes[at] != 0) at = (at + 1) & mask;
    b->by_bytes[at] = (int32_t)id + 1;
    return true;
}

void bpe_set_merge(Bpe *b, int32_t left, int32_t right, int32_t id)
{
    ARENA_GROW(b->arena, b->merge, b->merge_capacity, b->n_merges + 1);
    b->merge[b->n_merges++] = (BpeMerge){left, right, id};
}

void bpe_index_merges(Bpe *b)
{
    size_t capacity = 16;
    while (capacity < 2 * (size_t)b->n_merges + 2) capacity *= 2;
    b->by_pair = ARENA_NEW(b->arena, int32_t, capacity);
    b->by_pair_capacity = capacity;
    for (int64_t r = 0; r < b->n_merges; ++r) {
        size_t at = (size_t)mix((uint64_t)b->merge[r].left << 32 | (uint32_t)b->merge[r].right) & (capacity - 1);
        while (b->by_pair[at] != 0) at = (at + 1) & (capacity - 1);
        b->by_pair[at] = (int32_t)r + 1;
    }
}

/* Rank of a pair, INT32_MAX when it never merges. The first of two equal merges wins. */
static int32_t find_merge(const Bpe *b, int32_t left, int32_t right)
{
    size_t mask = b->by_pair_capacity - 1, at = (size_t)mix((uint64_t)left << 32 | (uint32_t)right) & mask;
    for (; b->by_pair[at] != 0; at = (at + 1) & mask) {
        int32_t r = b->by_pair[at] - 1;
        if (b->merge[r].left == left && b->merge[r].right == right) return r;
    }
    return INT32_MAX;
}

Bpe *bpe_create(Arena *arena)
{
    Bpe *b = ARENA_NEW(arena, Bpe, 1);
    b->arena = arena;
    for (int i = 0; i < 256; ++i) b->byte_id[i] = -1;
    bpe_index_merges(b);
    return b;
}

void bpe_add(Bpe *b, int64_t id, const char *spelling)
{
    REQUIRE(id >= 0 && id < INT32_MAX, "token id %lld", (long long)id);
    REQUIRE(bpe_set_token(b, id, spelling, strlen(spelling)), "token %lld \"%s\": id or spelling is taken", (long long)id, spelling);
}

int64_t bpe_count(const Bpe *b) { return b->n; }
int64_t bpe_n_merges(const Bpe *b) { return b->n_merges; }

const char *bpe_token(const Bpe *b, int64_t id, size_t *n)
{
    if (id < 0 || id >= b->n || b->token[id].bytes == NULL) return NULL;
    if (n != NULL) *n = b->token[id].n;
    return b->token[id].bytes;
}

/* --- encoding ------------------------------------------------------------------------------------------------------------------------- */

static int64_t encode_word(const Bpe *b, Arena *tmp, const char *text, size_t n, int32_t *id, int64_t capacity)
{
    ArenaMark mark = arena_mark(tmp);
    int32_t *symbol = ARENA_NEW(tmp, int32_t, n);
    int64_t count = (int64_t)n;
    for (size_t i = 0; i < n; ++i) symbol[i] = b->byte_id[(unsigned char)text[i]];
    for (;;) {
        int32_t best = INT32_MAX;
        for (int64_t i = 0; i + 1 < count; ++i) {
            int32_t rank = find_merge(b, symbol[i], symbol[i + 1]);
            if (rank < best) best = rank;
        }
        if (best == INT32_MAX) break;
        int64_t to = 0;
        for (int64_t i = 0; i < count; ++i, ++to) {
            bool joins = i + 1 < count && symbol[i] == b->merge[best].left && symbol[i + 1] == b->merge[best].right;
            symbol[to] = joins ? b->merge[best].id : symbol[i];
            i += joins;
        }
        count = to;
    }
    for (int64_t i = 0; i < count && i < capacity; ++i) id[i] = symbol[i];
    arena_release(tmp, mark);
    return count;
}

int64_t bpe_encode(const Bpe *b, const char *text, size_t n, int32_t *id, int64_t capacity)
{
    REQUIRE(b->byte_id[0] >= 0, "this vocabulary has no text tokens");
    Arena *tmp = arena_create("bpe_encode");
    int64_t count = 0;
    for (size_t at = 0; at < n;) {
        size_t length = bpe_split(text, n, at);
        int64_t left = capacity > count ? capacity - count : 0;
        count += encode_word(b, tmp, text + at, length, left > 0 ? id + count : NULL, left);
        at += length;
    }
    arena_destroy(tmp);
    return count;
}

char *bpe_decode(const Bpe *b, Arena *arena, const int32_t *id, int64_t n, size_t *n_bytes)
{
    size_t total = 0, length;
    for (int64_t i = 0; i < n; ++i)
        if (bpe_token(b, id[i], &length) != NULL) total += length;
    char *text = arena_alloc(arena, total + 1, 1);
    size_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
        const char *bytes = bpe_token(b, id[i], &length);
        if (bytes == NULL) continue;
        memcpy(text + at, bytes, length);
        at += length;
    }
    if (n_bytes != NULL) *n_bytes = total;
    return text;
}

/* --- files ---------------------------------------------------------------------------------------------------------------------------- */

/* GPT-2's printable alphabet: bytes that print as themselves in Latin-1 stand for themselves, the other 68 become U+0100 onwards. */
static bool prints_as_itself(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

static void make_alphabet(uint16_t code[256])
{
    uint16_t next = 256;
    for (int byte = 0; byte < 256; ++byte) code[byte] = prints_as_itself(byte) ? (uint16_t)byte : next++;
}

static char *to_alphabet(Arena *arena, const char *bytes, size_t n)
{
    uint16_t code[256];
    make_alphabet(code);
    char *out = arena_alloc(arena, 2 * n + 1, 1), *to = out;
    for (size_t i = 0; i < n; ++i) {
        unsigned c = code[(unsigned char)bytes[i]];
        if (c >= 0x80) *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
    }
    return out;
}

/* Inverse of to_alphabet, in place; false when a character is not of the alphabet. */
static bool from_alphabet(char *text, size_t *n)
{
    uint16_t code[256];
    int16_t byte_of[512];
    make_alphabet(code);
    memset(byte_of, -1, sizeof byte_of);
    for (int16_t byte = 0; byte < 256; ++byte) byte_of[code[byte]] = byte;
    char *to = text;
    for (const unsigned char *s = (unsigned char *)text; *s != 0; ++s) {
        unsigned c = *s;
        if (c >= 0x80) {
            if (c < 0xc2 || c > 0xc7 || (s[1] & 0xc0) != 0x80) return false;
            c = (c & 0x1fu) << 6 | (*++s & 0x3fu);
        }
        if (c >= 512 || byte_of[c] < 0) return false;
        *to++ = (char)byte_of[c];
    }
    *n = (size_t)(to - text);
    *to = 0;
    return true;
}

static Status load_vocab(const char *path, Bpe *b)
{
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    Status status = cJSON_IsObject(tree) ? OK : FAIL(E_INPUT, "a vocabulary is one JSON object, token -> id", "%s: not an object", path);
    const cJSON *entry;
    if (status == OK) cJSON_ArrayForEach(entry, tree) {
        double id = cJSON_IsNumber(entry) ? entry->valuedouble : -1;
        size_t n = 0;
        if (!(id >= 0 && id < 16777216) || id != (double)(int64_t)id)
            status = FAIL(E_INPUT, NULL, "%s: token \"%s\" has no integer id in [0,2^24)", path, entry->string);
        else {
            char *key = entry->string;
            if (!from_alphabet(key, &n))
                status = FAIL(E_INPUT, "only byte-level vocabularies (GPT-2, Qwen) can be read", "%s: token %.0f is not in the byte alphabet", path, id);
            else if (!bpe_set_token(b, (int64_t)id, key, n))
                status = FAIL(E_INPUT, NULL, "%s: token id %.0f or its spelling occurs twice", path, id);
        }
        if (status != OK) break;
    }
    cJSON_Delete(tree);
    for (int i = 0; i < 256; ++i) {
        char byte = (char)i;
        b->byte_id[i] = (int32_t)bpe_find(b, &byte, 1);
    }
    return status;
}

static Status load_merge(const char *path, int64_t number, Bpe *b, const char *line, Arena *tmp)
{
    char *left = arena_strdup(tmp, line), *right = strchr(left, ' ');
    if (right != NULL) *right++ = 0;
    size_t n_left, n_right;
    if (right == NULL || *right == 0 || strchr(right, ' ') != NULL || !from_alphabet(left, &n_left) || !from_alphabet(right, &n_right))
        return FAIL(E_INPUT, NULL, "%s:%lld: not a merge of two tokens", path, (long long)number);
    char *both = arena_alloc(tmp, n_left + n_right + 1, 1);
    memcpy(both, left, n_left);
    memcpy(both + n_left, right, n_right);
    int64_t l = bpe_find(b, left, n_left), r = bpe_find(b, right, n_right), id = bpe_find(b, both, n_left + n_right);
    if (l < 0 || r < 0 || id < 0)
        return FAIL(E_INPUT, "vocab.json and merges.txt must come from one tokenizer", "%s:%lld: a part of this merge, or its result, is not in the vocabulary",
                    path, (long long)number);
    bpe_set_merge(b, (int32_t)l, (int32_t)r, (int32_t)id);
    return OK;
}

static Status load_merges(const char *path, Bpe *b)
{
    LineReader *reader;
    TRY(line_open(path, &reader));
    Arena *tmp = arena_create("bpe_load");
    ArenaMark mark = arena_mark(tmp);
    const char *line;
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &n)) {
        if (n == 0 || strncmp(line, "#version", 8) == 0) continue;
        status = load_merge(path, line_number(reader), b, line, tmp);
        arena_release(tmp, mark);
    }
    arena_destroy(tmp);
    Status closed = line_close(reader);
    if (status != OK) return status;
    TRY(closed);
    for (int i = 0; i < 256 && b->n_merges > 0; ++i)
        if (b->byte_id[i] < 0) return FAIL(E_INPUT, NULL, "%s: the vocabulary has no token for byte 0x%02x", path, (unsigned)i);
    bpe_index_merges(b);
    return OK;
}

Status bpe_load(const char *vocab_json, const char *merges_txt, Arena *arena, Bpe **bpe)
{
    Bpe *b = bpe_create(arena);
    TRY(load_vocab(vocab_json, b));
    TRY(load_merges(merges_txt, b));
    *bpe = b;
    return OK;
}

Status bpe_save(const Bpe *b, const char *vocab_json, const char *merges_txt)
{
    Arena *tmp = arena_create("bpe_save");
    cJSON *tree = cJSON_CreateObject();
    for (int64_t id = 0; id < b->n; ++id) {
        const BpeToken *t = &b->token[id];
        if (t->bytes != NULL) cJSON_AddNumberToObject(tree, to_alphabet(tmp, t->bytes, t->n), (double)id);
    }
    Status status = json_write_file(vocab_json, tree);
    cJSON_Delete(tree);
    AtomicFile *file;
    if (status == OK) status = atomic_open(merges_txt, &file);
    if (status == OK) {
        FILE *out = atomic_stream(file);
        fprintf(out, "#version: 0.2\n");
        for (int64_t r = 0; r < b->n_merges; ++r) {
            const BpeToken *left = &b->token[b->merge[r].left], *right = &b->token[b->merge[r].right];
            fprintf(out, "%s %s\n", to_alphabet(tmp, left->bytes, left->n), to_alphabet(tmp, right->bytes, right->n));
        }
        status = atomic_commit(file);
    }
    arena_destroy(tmp);
    return status;
}
