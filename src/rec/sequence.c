/* rec/sequence.c -- see sequence.h. */
#include "rec/sequence.h"

#include <string.h>

int64_t sequence_prompt_capacity(const SequenceBuilder *s)
{
    return 1 + s->max_history * (s->catalogue->Q + (s->catalogue->n_suffix > 0));
}

int64_t sequence_append_items(const SequenceBuilder *s, const int32_t *item, int64_t n, int32_t *token)
{
    int64_t length = 0;
    for (int64_t i = 0; i < n; ++i) length += catalogue_tokens(s->catalogue, item[i], s->vocab->sid_base, token + length);
    return length;
}

int64_t sequence_prompt(const SequenceBuilder *s, const int32_t *history, int64_t n, int32_t *token)
{
    int64_t skip = n > s->max_history ? n - s->max_history : 0;
    token[0] = TOKEN_BOS;
    return 1 + sequence_append_items(s, history + skip, n - skip, token + 1);
}

int64_t sequence_answer(const SequenceBuilder *s, int32_t item, int32_t *token)
{
    return catalogue_tokens(s->catalogue, item, s->vocab->sid_base, token);
}

void sequence_shift(const int32_t *token, int64_t n, int64_t first, int32_t *target)
{
    for (int64_t i = 0; i < n; ++i) target[i] = i + 1 < n && i + 1 >= first ? token[i + 1] : TARGET_IGNORED;
}

Batch *batch_create(Arena *arena, Backend *be, int64_t max_tokens, int64_t max_sequences)
{
    REQUIRE(max_tokens >= 1 && max_tokens < INT32_MAX && max_sequences >= 1, "%lld tokens, %lld sequences", (long long)max_tokens, (long long)max_sequences);
    Batch *b = ARENA_NEW(arena, Batch, 1);
    b->be = be;
    b->max_tokens = max_tokens;
    b->max_sequences = max_sequences;
    b->sample = ARENA_NEW(arena, int64_t, max_sequences);
    b->offset = ARENA_NEW(arena, int32_t, max_sequences + 1);
    b->token = ARENA_NEW(arena, int32_t, max_tokens);
    b->target = ARENA_NEW(arena, int32_t, max_tokens);
    b->range = ARENA_NEW(arena, int32_t, 2 * max_tokens);
    b->weight = ARENA_NEW(arena, real, max_tokens);
    b->pos = ARENA_NEW(arena, int32_t, max_tokens);
    b->be_offset = be->alloc(be, (size_t)(max_sequences + 1) * sizeof *b->be_offset);
    b->be_pos = be->alloc(be, (size_t)max_tokens * sizeof *b->be_pos);
    return b;
}

void batch_destroy(Batch *b)
{
    if (b == NULL) return;
    b->be->release(b->be, b->be_offset);
    b->be->release(b->be, b->be_pos);
}

void batch_clear(Batch *b) { b->B = b->T = b->n_targets = 0; }

bool batch_add(Batch *b, const Vocab *v, int64_t sample, int64_t n, const int32_t *token, const int32_t *target, real weight)
{
    REQUIRE(n >= 1, "a sequence of %lld tokens", (long long)n);
    if (b->B == b->max_sequences || b->T + n > b->max_tokens) return false;
    int64_t at = b->T;
    memcpy(b->token + at, token, (size_t)n * sizeof *token);
    for (int64_t i = 0; i < n; ++i) {
        int32_t t = target == NULL ? TARGET_IGNORED : target[i];
        b->target[at + i] = t;
        b->weight[at + i] = t == TARGET_IGNORED ? 0 : weight;
        b->pos[at + i] = (int32_t)i;
        int32_t *range = b->range + 2 * (at + i);
        range[0] = 0;
        range[1] = (int32_t)v->V;
        if (t == TARGET_IGNORED) continue;
        vocab_range(v, t, range);
        ++b->n_targets;
    }
    b->sample[b->B++] = sample;
    b->T += n;
    b->offset[b->B] = (int32_t)b->T;
    return true;
}

const Packed *batch_finish(Batch *b)
{
    int64_t max_len = 0;
    for (int64_t s = 0; s < b->B; ++s) {
        int64_t length = b->offset[s + 1] - b->offset[s];
        if (length > max_len) max_len = length;
    }
    b->be->upload(b->be, b->be_offset, b->offset, (size_t)(b->B + 1) * sizeof *b->offset);
    b->be->upload(b->be, b->be_pos, b->pos, (size_t)b->T * sizeof *b->pos);
    b->packed = (Packed){.B = b->B, .T = b->T, .max_len = max_len, .offset = b->be_offset, .pos = b->be_pos, .h_offset = b->offset};
    return &b->packed;
}
