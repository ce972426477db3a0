/* nn/bpe_split.h -- Qwen2's pre-token pattern as a hand-written matcher (the pattern is in bpe.h). */
#ifndef DIGR_NN_BPE_SPLIT_H
#define DIGR_NN_BPE_SPLIT_H

#include <stddef.h>

/* bpe_split -- bytes in the pre-token that starts at text[at]; at < n, result >= 1. */
size_t bpe_split(const char *text, size_t n, size_t at);

#endif
