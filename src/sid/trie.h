/* sid/trie.h -- the prefix tree of real SIDs: which tokens may follow a prefix, and which item a leaf is.
 *
 * Works on token sequences (any vocabulary): rows of up to SID_MAX tokens, -1 padded. No row may be a prefix of another.
 * Nodes are numbered 0 = root, breadth first; the children of a node are contiguous and sorted by token.
 */
#ifndef DIGR_SID_TRIE_H
#define DIGR_SID_TRIE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sid/catalogue.h"

typedef struct Trie {
    int64_t n_nodes, depth;  /* depth: longest SID */
    int32_t *first_child;    /* (n_nodes+1): children of node i are child slots first_child[i]..first_child[i+1) */
    int32_t *child_token;    /* (n_nodes-1) token leading to the child in slot s; the child's node number is s+1 */
    int32_t *item;           /* (n_nodes) item of a leaf, -1 for inner nodes */
} Trie;

/* trie_build -- token (N,width) host, -1 padded. E_INPUT when one row equals or is a prefix of another (both items named). */
Status trie_build(Arena *arena, int64_t N, int64_t width, const int32_t *token, Trie **trie);
/* trie_from_catalogue -- with sid_base as in catalogue_tokens. */
Status trie_from_catalogue(Arena *arena, const Catalogue *c, int32_t sid_base, Trie **trie);
/* trie_child -- node reached from `node` by token, -1 when not allowed. */
int32_t trie_child(const Trie *t, int32_t node, int32_t token);

#endif
