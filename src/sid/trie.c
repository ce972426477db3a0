/* sid/trie.c -- the prefix tree of real SIDs, built level by level from the rows in sorted order: a node is a range of rows that agree on
 * their first tokens, so its children are the runs of equal next tokens. */
#include "sid/trie.h"

#include <stdlib.h>

typedef struct TokenRows {
    const int32_t *token;
    int64_t width;
} TokenRows;

static int order_rows(const void *a, const void *b, void *context)
{
    const TokenRows *r = context;
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    for (int64_t w = 0; w < r->width; w++) {
        int32_t x = r->token[i * r->width + w], y = r->token[j * r->width + w];
        if (x != y) return x < y ? -1 : 1;
    }
    return i < j ? -1 : i > j;
}

static void rows_check(int64_t N, int64_t width, const int32_t *token)
{
    for (int64_t i = 0; i < N; i++)
        for (int64_t w = 0; w < width; w++) {
            int32_t t = token[i * width + w];
            REQUIRE(t >= -1 && (w > 0 || t >= 0), "row %lld: token %d at %lld", (long long)i, t, (long long)w);
            REQUIRE(w == 0 || t < 0 || token[i * width + w - 1] >= 0, "row %lld: token after the padding", (long long)i);
        }
}

Status trie_build(Arena *arena, int64_t N, int64_t width, const int32_t *token, Trie **trie)
{
    REQUIRE(N > 0 && N <= INT32_MAX / (width + 1) && width > 0, "trie of %lld rows of %lld tokens", (long long)N, (long long)width);
    rows_check(N, width, token);
    TokenRows rows = {token, width};
    Trie *t = ARENA_NEW(arena, Trie, 1);
    int64_t most = 1;                 /* nodes at most: the root and one per token */
    for (int64_t i = 0; i < N * width; i++) most += token[i] >= 0;
    t->first_child = ARENA_NEW(arena, int32_t, most + 1);
    t->child_token = ARENA_NEW(arena, int32_t, most);
    t->item = ARENA_NEW(arena, int32_t, most);
    ArenaMark mark = arena_mark(arena);
    int32_t *order = ARENA_NEW(arena, int32_t, N);
    int32_t *lo = ARENA_NEW(arena, int32_t, most), *hi = ARENA_NEW(arena, int32_t, most), *level = ARENA_NEW(arena, int32_t, most);
    for (int32_t i = 0; i < N; i++) order[i] = i;
    qsort_r(order, (size_t)N, sizeof *order, order_rows, &rows);
    hi[0] = (int32_t)N;
    t->n_nodes = 1;
    for (int64_t node = 0; node < t->n_nodes; node++) {
        int32_t d = level[node];
        t->first_child[node] = (int32_t)t->n_nodes - 1;
        t->item[node] = -1;
        if (d > t->depth) t->depth = d;
        if (d == width || token[(int64_t)order[lo[node]] * width + d] < 0) { /* the shortest row of the range ends here */
            t->item[node] = order[lo[node]];
            if (hi[node] - lo[node] > 1)
                return FAIL(E_INPUT, "every item needs a SID of its own; rebuild them with 06_tokenize",
                            "the SID of item %d equals or begins the SID of item %d", order[lo[node]], order[lo[node] + 1]);
            continue;
        }
        for (int32_t r = lo[node], end; r < hi[node]; r = end) {
            int32_t v = token[(int64_t)order[r] * width + d];
            for (end = r + 1; end < hi[node] && token[(int64_t)order[end] * width + d] == v;) end++;
            t->child_token[t->n_nodes - 1] = v;
            lo[t->n_nodes] = r;
            hi[t->n_nodes] = end;
            level[t->n_nodes++] = d + 1;
        }
    }
    t->first_child[t->n_nodes] = (int32_t)t->n_nodes - 1;
    arena_release(arena, mark);
    *trie = t;
    return OK;
}

Status trie_from_catalogue(Arena *arena, const Catalogue *c, int32_t sid_base, Trie **trie)
{
    REQUIRE(sid_base >= 0, "sid_base %d", sid_base);
    int32_t *token = ARENA_NEW(arena, int32_t, c->N * SID_MAX);
    for (int32_t i = 0; i < c->N; i++) {
        int64_t n = catalogue_tokens(c, i, sid_base, token + i * SID_MAX);
        for (; n < SID_MAX; n++) token[i * SID_MAX + n] = -1;
    }
    return trie_build(arena, c->N, SID_MAX, token, trie);
}

int32_t trie_child(const Trie *t, int32_t node, int32_t token)
{
    REQUIRE(node >= 0 && node < t->n_nodes, "node %d of %lld", node, (long long)t->n_nodes);
    int32_t lo = t->first_child[node], hi = t->first_child[node + 1];
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (t->child_token[mid] < token) lo = mid + 1;
        else hi = mid;
    }
    return lo < t->first_child[node + 1] && t->child_token[lo] == token ? lo + 1 : -1;
}
