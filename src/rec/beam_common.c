/* rec/beam_common.c -- see beam_common.h. */
#include "rec/beam_common.h"

#include <string.h>

static int64_t most_inner_nodes(const Trie *t)
{
    int64_t most = 1, begin = 0, end = 1;
    while (begin < end) { /* the nodes [begin,end) are one level; their children follow them */
        int64_t inner = 0;
        for (int64_t v = begin; v < end; v++) inner += t->first_child[v + 1] > t->first_child[v];
        if (inner > most) most = inner;
        begin = end;
        end = t->first_child[end] + 1;
    }
    return most;
}

TrieIndex trie_index(Arena *arena, const Trie *t)
{
    TrieIndex x = {.most_inner = most_inner_nodes(t), .most_children = 1};
    x.parent = ARENA_NEW(arena, int32_t, t->n_nodes);
    x.level = ARENA_NEW(arena, int32_t, t->n_nodes);
    x.low = ARENA_NEW(arena, int32_t, t->n_nodes);
    x.leaves = ARENA_NEW(arena, int32_t, t->n_nodes);
    for (int64_t v = 0; v < t->n_nodes; v++) {
        x.low[v] = INT32_MAX;
        if (t->item[v] >= x.N) x.N = t->item[v] + 1;
        int64_t children = t->first_child[v + 1] - t->first_child[v];
        if (children > x.most_children) x.most_children = children;
        for (int32_t c = t->first_child[v]; c < t->first_child[v + 1]; c++) {
            x.parent[c + 1] = (int32_t)v;
            x.level[c + 1] = x.level[v] + 1;
        }
    }
    x.column = ARENA_NEW(arena, int32_t, 2 * t->depth + 2);
    for (int64_t v = 1; v < t->n_nodes; v++) {
        int32_t *column = x.column + 2 * (x.level[v] - 1), token = t->child_token[v - 1];
        if (column[1] == 0 || token < column[0]) column[0] = token;
        if (token >= column[1]) column[1] = token + 1;
    }
    x.leaf_of = ARENA_NEW(arena, int32_t, x.N);
    for (int64_t i = 0; i < x.N; i++) x.leaf_of[i] = -1;
    for (int64_t v = t->n_nodes - 1; v >= 0; v--) { /* breadth-first numbers: children come after their parent */
        if (t->item[v] >= 0) {
            x.low[v] = t->item[v];
            x.leaves[v] = 1;
            x.leaf_of[t->item[v]] = (int32_t)v;
        }
        if (v == 0) break;
        int32_t up = x.parent[v];
        if (x.low[v] < x.low[up]) x.low[up] = x.low[v];
        x.leaves[up] += x.leaves[v];
    }
    return x;
}

PromptPack prompt_pack_create(Arena *arena, Backend *be, int64_t max_sequences, int64_t max_tokens)
{
    PromptPack p = {.be = be, .max_sequences = max_sequences, .max_tokens = max_tokens};
    p.token = ARENA_NEW(arena, int32_t, max_tokens);
    p.pos = ARENA_NEW(arena, int32_t, max_tokens);
    p.h_offset = ARENA_NEW(arena, int32_t, max_sequences + 1);
    p.d_offset = be->alloc(be, (size_t)(max_sequences + 1) * sizeof(int32_t));
    p.d_pos = be->alloc(be, (size_t)max_tokens * sizeof(int32_t));
    return p;
}

void prompt_pack_destroy(PromptPack *p)
{
    p->be->release(p->be, p->d_offset);
    p->be->release(p->be, p->d_pos);
}

Status prompt_pack_set(PromptPack *p, int64_t B, const int64_t *offset, const int32_t *token, int64_t longest)
{
    REQUIRE(B <= p->max_sequences && offset[B] - offset[0] <= p->max_tokens, "%lld prompts of %lld tokens, room for %lld of %lld", (long long)B,
            (long long)(offset[B] - offset[0]), (long long)p->max_sequences, (long long)p->max_tokens);
    int64_t T = 0, max_len = 0;
    for (int64_t i = 0; i < B; i++) {
        int64_t n = offset[i + 1] - offset[i];
        if (n < 1 || n > longest) return FAIL(E_INPUT, NULL, "a prompt of %lld tokens, expected 1 to %lld", (long long)n, (long long)longest);
        p->h_offset[i] = (int32_t)T;
        for (int64_t k = 0; k < n; k++) p->pos[T + k] = (int32_t)k;
        T += n;
        if (n > max_len) max_len = n;
    }
    p->h_offset[B] = (int32_t)T;
    memcpy(p->token, token + offset[0], (size_t)T * sizeof *token);
    p->be->upload(p->be, p->d_offset, p->h_offset, (size_t)(B + 1) * sizeof(int32_t));
    p->be->upload(p->be, p->d_pos, p->pos, (size_t)T * sizeof(int32_t));
    p->packed = (Packed){.B = B, .T = T, .max_len = max_len, .offset = p->d_offset, .pos = p->d_pos, .h_offset = p->h_offset};
    return OK;
}

HostView host_view_create(Arena *arena, Backend *be, int64_t most)
{
    HostView v = {.be = be};
    if (strcmp(be->name, "cuda") == 0) v.copy = arena_alloc_raw(arena, (size_t)most, sizeof(real));
    return v;
}

Status host_view_get(HostView *v, const real *device, int64_t count, const real **host)
{
    *host = device;
    if (!v->copy) return OK;
    *host = v->copy;
    return v->be->download(v->be, v->copy, device, (size_t)count * sizeof(real));
}
