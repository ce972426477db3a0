/* nn/kvcache.c -- cached decoding for beams that share a prompt: the prompt's keys and values are computed and stored once, each beam
 * has only the tokens after it.
 *
 * Two ways to the same numbers: through the ops of the backend, all rows at once (here), or chunk by chunk on packed weights (kvlanes.c).
 * In the last layer the prompt needs keys and values at every position but everything else only at the last one.
 *
 * Deviations from the paper: none.
 */
#include <math.h>

#include "nn/kvcache_internal.h"

real *kvcache_new_real(KvCache *c, int64_t count)
{
    return c->be->alloc(c->be, (size_t)count * sizeof(real));
}

static real **new_layers(KvCache *c, int64_t count)
{
    real **list = ARENA_NEW(c->arena, real *, c->d->config.L);
    for (int64_t l = 0; l < c->d->config.L; l++) list[l] = kvcache_new_real(c, count);
    return list;
}

static int32_t *new_i32(KvCache *c, int64_t count)
{
    return c->be->alloc(c->be, (size_t)count * sizeof(int32_t));
}

KvCache *kvcache_open(Decoder *d, Backend *be, const KvWeights *weights, int64_t longest, int64_t max_prompt_tokens, int64_t max_rows,
                      int64_t max_new)
{
    REQUIRE(max_prompt_tokens >= 1 && max_rows >= 1 && max_new >= 1, "cache of %lld tokens, %lld rows, %lld steps",
            (long long)max_prompt_tokens, (long long)max_rows, (long long)max_new);
    const DecoderConfig *f = &d->config;
    const int64_t most = max_prompt_tokens > max_rows ? max_prompt_tokens : max_rows, width = f->Hkv * f->D;
    Arena *arena = arena_create("kv cache");
    KvCache *c = ARENA_NEW(arena, KvCache, 1);
    *c = (KvCache){.d = d, .be = be, .arena = arena, .max_prompt = max_prompt_tokens, .max_rows = max_rows, .max_new = max_new, .end_column = f->V,
                   .weights = weights};
    const bool tiles = weights != NULL && weights->tiles;
    if (tiles) {
        kvtiles_create(c, longest);
    } else if (weights != NULL) {
        kvcache_chunk_create(c, longest);
    } else {
        c->work = decoder_work_create(d, most);
        if (d->lora != NULL) decoder_work_add_lora(d, &c->work, most);
    }
    if (!tiles) {
        c->prefix_k = new_layers(c, max_prompt_tokens * width);
        c->prefix_v = new_layers(c, max_prompt_tokens * width);
    }
    for (int i = 0; i < 2; i++) {
        c->suffix_k[i] = new_layers(c, max_rows * max_new * width);
        c->suffix_v[i] = new_layers(c, max_rows * max_new * width);
    }
    const int64_t padded = max_rows + PANEL_PAD_ROWS;
    c->x = kvcache_new_real(c, padded * f->C);
    c->hidden = kvcache_new_real(c, padded * f->C);
    c->r = kvcache_new_real(c, max_rows);
    c->last_q = kvcache_new_real(c, max_rows * (f->H * f->D + 2 * width));
    c->last_att = kvcache_new_real(c, max_rows * f->H * f->D);
    c->logits = kvcache_new_real(c, max_rows * f->V);
    c->token = new_i32(c, most);
    c->pos = new_i32(c, most);
    c->owner = new_i32(c, max_rows);
    c->row = new_i32(c, max_rows * max_new);
    c->prefix_offset = new_i32(c, max_prompt_tokens + 1);
    c->h_token = ARENA_NEW(arena, int32_t, most);
    c->h_pos = ARENA_NEW(arena, int32_t, most);
    c->h_row = ARENA_NEW(arena, int32_t, max_rows * max_new);
    c->h_offset = ARENA_NEW(arena, int32_t, max_prompt_tokens + 1);
    return c;
}

KvCache *kvcache_create(Decoder *d, int64_t max_prompt_tokens, int64_t max_rows, int64_t max_new)
{
    return kvcache_open(d, d->be, NULL, max_prompt_tokens, max_prompt_tokens, max_rows, max_new);
}

void kvcache_destroy(KvCache *c)
{
    if (c == NULL) return;
    Backend *be = c->be;
    if (c->weights != NULL && c->weights->tiles) {
        kvtiles_destroy(c);
    } else if (c->weights != NULL) {
        kvcache_chunk_destroy(c);
    } else {
        decoder_work_destroy(c->d, &c->work);
    }
    for (int64_t l = 0; l < c->d->config.L; l++) {
        if (c->prefix_k != NULL) {
            be->release(be, c->prefix_k[l]);
            be->release(be, c->prefix_v[l]);
        }
        for (int i = 0; i < 2; i++) {
            be->release(be, c->suffix_k[i][l]);
            be->release(be, c->suffix_v[i][l]);
        }
    }
    void *all[] = {c->x, c->hidden, c->r, c->last_q, c->last_att, c->logits, c->token, c->pos, c->owner, c->row, c->prefix_offset};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) be->release(be, all[i]);
    arena_destroy(c->arena);
}

void kvcache_columns(KvCache *c, int64_t first, int64_t end)
{
    REQUIRE(first >= 0 && first < end && end <= c->d->config.V, "columns %lld to %lld of %lld", (long long)first, (long long)end,
            (long long)c->d->config.V);
    c->first_column = first;
    c->end_column = end;
}

Backend *kvcache_backend(const KvCache *c)
{
    return c->be;
}

static void check_tokens(const KvCache *c, int64_t n, const int32_t *token)
{
    for (int64_t i = 0; i < n; i++) {
        REQUIRE(token[i] >= 0 && token[i] < c->d->config.V, "token %d at row %lld is outside [0,%lld)", token[i], (long long)i,
                (long long)c->d->config.V);
    }
}

static void embed_rows(KvCache *c, int64_t n, const int32_t *token)
{
    Backend *be = c->d->be;
    be->upload(be, c->token, token, (size_t)n * sizeof(int32_t));
    be->embed(be, n, c->d->config.C, c->token, params_value(c->d->params, c->d->embed), 1, c->work.x);
}

/* Logits of rows 0..n-1 of the residual stream. */
static const real *head_logits(KvCache *c, int64_t n)
{
    Decoder *d = c->d;
    Backend *be = d->be;
    const DecoderConfig *f = &d->config;
    be->rmsnorm(be, n, f->C, c->work.x, f->C, params_value(d->params, d->norm), (real)f->rms_eps, c->hidden, f->C, c->r);
    const int64_t first = c->first_column, columns = c->end_column - first;
    be->gemm(be, false, true, n, columns, f->C, 1, c->hidden, f->C, params_value(d->params, d->head) + first * f->C, f->C, 0, c->logits + first, f->V);
    return c->logits;
}

/* The last layer of the prompts: keep only each prompt's last row of the stream and of the queries, attend with them over the stored keys. */
static void last_layer(KvCache *c, const Packed *pk)
{
    Decoder *d = c->d;
    Backend *be = d->be;
    const DecoderConfig *f = &d->config;
    DecoderWork *w = &c->work;
    const int64_t L = f->L - 1, HD = f->H * f->D, ld = HD + 2 * f->Hkv * f->D, B = pk->B;
    for (int64_t b = 0; b < B; b++) {
        c->h_row[b] = pk->h_offset[b + 1] - 1;
        c->h_pos[b] = (int32_t)b; /* owners */
    }
    be->upload(be, c->row, c->h_row, (size_t)B * sizeof(int32_t));
    be->upload(be, c->owner, c->h_pos, (size_t)B * sizeof(int32_t));
    be->gather_rows(be, B, f->C, c->row, w->x, c->hidden);
    be->copy(be, w->x, c->hidden, (size_t)(B * f->C) * sizeof(real));
    be->gather_rows(be, B, ld, c->row, w->qkv, c->last_q);
    be->attention_decode(be, B, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), c->last_q, ld, c->owner, c->prefix_offset,
                         c->prefix_k[L], c->prefix_v[L], 0, 0, NULL, NULL, w->att);
    decoder_after_attention(d, L, B, (Dropout){0}, w, w->x);
}

const real *kvcache_prefill(KvCache *c, const Packed *pk, const int32_t *tokens)
{
    Decoder *d = c->d;
    Backend *be = c->be;
    const DecoderConfig *f = &d->config;
    DecoderWork *w = &c->work;
    const int64_t T = pk->T, HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv;
    REQUIRE(T <= c->max_prompt && pk->B <= c->max_rows, "%lld prompt tokens of %lld prompts, room for %lld and %lld", (long long)T,
            (long long)pk->B, (long long)c->max_prompt, (long long)c->max_rows);
    check_tokens(c, T, tokens);
    for (int64_t b = 0; b <= pk->B; b++) c->h_offset[b] = pk->h_offset[b];
    be->upload(be, c->prefix_offset, c->h_offset, (size_t)(pk->B + 1) * sizeof(int32_t));
    c->B = pk->B;
    c->rows = c->n_new = 0;
    if (c->weights != NULL) return kvcache_chunked_prefill(c, pk, tokens);
    embed_rows(c, T, tokens);
    for (int64_t l = 0; l < f->L; l++) {
        decoder_qkv(d, l, T, pk->pos, w);
        be->copy_2d(be, T, kv, w->qkv + HD, ld, c->prefix_k[l], kv);
        be->copy_2d(be, T, kv, w->qkv + HD + kv, ld, c->prefix_v[l], kv);
        if (l == f->L - 1) {
            last_layer(c, pk);
        } else {
            be->attention(be, pk, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), (Dropout){0}, w->qkv, ld, w->qkv + HD,
                          w->qkv + HD + kv, ld, w->att, w->lse);
            decoder_after_attention(d, l, T, (Dropout){0}, w, w->x);
        }
    }
    return head_logits(c, pk->B);
}

/* Own keys (or values) of this step: those of the parents, then the new ones, (R, n, Hkv*D) with n = steps so far + 1. */
static void extend_suffix(KvCache *c, int64_t R, const real *old, const real *fresh, int64_t ld, real *out)
{
    Backend *be = c->d->be;
    const int64_t width = c->d->config.Hkv * c->d->config.D, n = c->n_new + 1;
    if (n > 1) be->gather_rows(be, R * n, width, c->row, old, out); /* the new slot is filled with anything, then overwritten */
    be->copy_2d(be, R, width, fresh, ld, out + (n - 1) * width, n * width);
}

static void place_rows(KvCache *c, int64_t R, const int32_t *token, const int32_t *owner, const int32_t *parent)
{
    Backend *be = c->be;
    const int64_t n_old = c->n_new, n = n_old + 1;
    for (int64_t r = 0; r < R; r++) {
        REQUIRE(owner[r] >= 0 && owner[r] < c->B && (r == 0 || owner[r] >= owner[r - 1]), "owner %d of row %lld", owner[r],
                (long long)r);
        c->h_token[r] = token[r];
        c->h_pos[r] = c->h_offset[owner[r] + 1] - c->h_offset[owner[r]] + (int32_t)n_old;
        if (n_old == 0) continue;
        REQUIRE(parent[r] >= 0 && parent[r] < c->rows, "parent %d of row %lld, %lld rows before", parent[r], (long long)r,
                (long long)c->rows);
        for (int64_t s = 0; s < n; s++) c->h_row[r * n + s] = (int32_t)(parent[r] * n_old + (s < n_old ? s : 0));
    }
    be->upload(be, c->pos, c->h_pos, (size_t)R * sizeof(int32_t));
    be->upload(be, c->owner, owner, (size_t)R * sizeof(int32_t));
    if (n_old > 0) be->upload(be, c->row, c->h_row, (size_t)(R * n) * sizeof(int32_t));
}

const real *kvcache_step(KvCache *c, int64_t R, const int32_t *token, const int32_t *owner, const int32_t *parent)
{
    Decoder *d = c->d;
    Backend *be = d->be;
    const DecoderConfig *f = &d->config;
    DecoderWork *w = &c->work;
    const int64_t HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv, n = c->n_new + 1, now = n & 1, before = 1 - now;
    REQUIRE(c->B > 0, "kvcache_step before kvcache_prefill");
    REQUIRE(R >= 1 && R <= c->max_rows && n <= c->max_new, "%lld rows at step %lld, room for %lld and %lld", (long long)R,
            (long long)n, (long long)c->max_rows, (long long)c->max_new);
    check_tokens(c, R, token);
    place_rows(c, R, token, owner, parent);
    if (c->weights != NULL) {
        const real *logits = kvcache_chunked_step(c, R, owner, parent);
        c->rows = R;
        c->n_new = n;
        return logits;
    }
    embed_rows(c, R, c->h_token);
    for (int64_t l = 0; l < f->L; l++) {
        decoder_qkv(d, l, R, c->pos, w);
        extend_suffix(c, R, c->suffix_k[before][l], w->qkv + HD, ld, c->suffix_k[now][l]);
        extend_suffix(c, R, c->suffix_v[before][l], w->qkv + HD + kv, ld, c->suffix_v[now][l]);
        be->attention_decode(be, R, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), w->qkv, ld, c->owner,
                             c->prefix_offset, c->prefix_k[l], c->prefix_v[l], n, n, c->suffix_k[now][l], c->suffix_v[now][l],
                             w->att);
        decoder_after_attention(d, l, R, (Dropout){0}, w, w->x);
    }
    c->rows = R;
    c->n_new = n;
    return head_logits(c, R);
}
