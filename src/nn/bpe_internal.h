/* nn/bpe_internal.h -- what bpe.c and bpe_train.c share. */
#ifndef DIGR_NN_BPE_INTERNAL_H
#define DIGR_NN_BPE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "nn/bpe.h"

typedef struct BpeToken { char *bytes; size_t n; } BpeToken;         /* bytes NULL: id not used */
typedef struct BpeMerge { int32_t left, right, id; } BpeMerge;       /* in order of rank */

struct Bpe {
    Arena *arena;
    BpeToken *token;          /* (n) by id */
    int64_t n, n_spelled;
    size_t capacity;
    int32_t byte_id[256];     /* -1 when there is no text */
    BpeMerge *merge;          /* (n_merges) */
    int64_t n_merges;
    size_t merge_capacity;
    int32_t *by_bytes, *by_pair; /* hash maps: index + 1, 0 = free */
    size_t by_bytes_capacity, by_pair_capacity;
};

Bpe *bpe_create(Arena *arena);
bool bpe_set_token(Bpe *b, int64_t id, const char *bytes, size_t n); /* false: id or spelling is taken */
void bpe_set_merge(Bpe *b, int32_t left, int32_t right, int32_t id); /* next rank */
void bpe_index_merges(Bpe *b);                                       /* after the last bpe_set_merge */

#endif
