/* rec/beam_common.h -- what beam search, rollouts and the GRPO update share: an index of the trie, prompts packed for a backend, logits on the host. */
#ifndef DIGR_REC_BEAM_COMMON_H
#define DIGR_REC_BEAM_COMMON_H

#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "sid/trie.h"
#include "tensor/backend.h"

typedef struct TrieIndex {
    int64_t N;        /* 1 + largest item */
    int32_t *parent;  /* (n_nodes) parent node; 0 for the root */
    int32_t *level;   /* (n_nodes) depth */
    int32_t *low;     /* (n_nodes) lowest item below the node */
    int32_t *leaves;  /* (n_nodes) items below the node */
    int32_t *leaf_of; /* (N) leaf of an item, -1 when it is not in the trie */
    int64_t most_inner;    /* largest number of inner nodes on one level */
    int64_t most_children; /* of one node */
    int32_t *column;       /* (depth,2) smallest token that continues a prefix of this length anywhere in the trie, and the largest plus 1 */
} TrieIndex;

TrieIndex trie_index(Arena *arena, const Trie *t);

/* Prompts of a batch, host copies and a Packed view with backend memory. */
typedef struct PromptPack {
    Backend *be;
    int64_t max_sequences, max_tokens;
    int32_t *token, *pos, *h_offset, *d_offset, *d_pos;
    Packed packed;
} PromptPack;

PromptPack prompt_pack_create(Arena *arena, Backend *be, int64_t max_sequences, int64_t max_tokens);
void prompt_pack_destroy(PromptPack *p);
/* prompt_pack_set -- B sequences token[offset[i]..offset[i+1]). E_INPUT: an empty one, or one of more than `longest` tokens. */
Status prompt_pack_set(PromptPack *p, int64_t B, const int64_t *offset, const int32_t *token, int64_t longest);

/* Logits (or any backend array) as host memory: the pointer itself for backends whose memory is the host's, else a copy in a buffer of `most` elements. */
typedef struct HostView {
    Backend *be;
    real *copy; /* NULL: backend memory is host memory */
} HostView;

HostView host_view_create(Arena *arena, Backend *be, int64_t most);
Status host_view_get(HostView *v, const real *device, int64_t count, const real **host);

#endif
