/* nn/kvtiles.c -- the chunked way of kvlanes.c on tile registers (tensor/panel_tiles.h): what is multiplied is bfloat16, residuals, sums and the beams' own
 * keys and values are float. The prompts' keys and values are kept as the panels that attention reads.
 *
 * Deviations from the paper: none.
 */
#include <math.h>
#include <string.h>

#include "nn/kvcache_internal.h"

/* Bytes of a chunk's rows: few enough for the second-level cache, but twice those of the layer's weights, which may come from further away. */
enum { CHUNK_BYTES = 5 << 18, LEAST_ROWS = 96 };

static int64_t apart(int64_t width)
{
    return tiles_round(width) + 32; /* not a power of two */
}

static Bf16 *new_bf16(KvCache *c, int64_t count)
{
    return c->be->alloc(c->be, (size_t)count * sizeof(Bf16));
}

/* Elements of a token's keys (or values) in panels. */
static int64_t token_elements(const DecoderConfig *f)
{
    return f->Hkv * tiles_round(f->D);
}

void kvtiles_create(KvCache *c, int64_t longest)
{
    const DecoderConfig *f = &c->d->config;
    KvTiles *t = &c->tiles;
    const int64_t HD = f->H * f->D, ld = HD + 2 * f->Hkv * f->D, row_bytes = 4 * (f->C + ld) + 2 * (apart(f->C) + apart(HD) + apart(f->F));
    const int64_t layer_bytes = 2 * f->C * (ld + HD + 3 * f->F), bytes = 2 * layer_bytes > CHUNK_BYTES ? 2 * layer_bytes : CHUNK_BYTES;
    int64_t rows = bytes / row_bytes / 32 * 32;
    rows = rows < LEAST_ROWS ? LEAST_ROWS : rows;
    t->chunk_rows = rows;
    t->rows = longest > rows ? longest : rows;
    const int64_t all = t->rows + 32;
    t->x = kvcache_new_real(c, all * f->C);
    t->qkv = kvcache_new_real(c, all * ld);
    t->h = new_bf16(c, all * apart(f->C));
    t->att = new_bf16(c, all * apart(HD));
    t->act = new_bf16(c, all * apart(f->F));
    t->last_att = new_bf16(c, (c->max_rows + 32) * apart(HD));
    t->scratch = c->be->alloc(c->be, panel_tiles_scratch_bytes(t->rows + c->max_new, f->D));
    t->capacity = c->max_prompt + 31 * ((c->max_prompt + longest - 1) / longest);
    t->at = ARENA_NEW(c->arena, int64_t, c->max_prompt + 1);
    t->kt = ARENA_NEW(c->arena, Bf16 *, f->L);
    t->vn = ARENA_NEW(c->arena, Bf16 *, f->L);
    for (int64_t l = 0; l < f->L; l++) {
        t->kt[l] = new_bf16(c, t->capacity * token_elements(f));
        t->vn[l] = new_bf16(c, t->capacity * token_elements(f));
    }
}

void kvtiles_destroy(KvCache *c)
{
    KvTiles *t = &c->tiles;
    void *all[] = {t->x, t->qkv, t->h, t->att, t->act, t->last_att, t->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) c->be->release(c->be, all[i]);
    for (int64_t l = 0; l < c->d->config.L; l++) {
        c->be->release(c->be, t->kt[l]);
        c->be->release(c->be, t->vn[l]);
    }
}

/* --- a chunk in a layer ---------------------------------------------------------------------------------------- */

static void chunk_embed(KvCache *c, int64_t n, const int32_t *token)
{
    const int64_t C = c->d->config.C;
    const real *table = params_value(c->d->params, c->d->embed);
    for (int64_t i = 0; i < n; i++) memcpy(c->tiles.x + i * C, table + token[i] * C, (size_t)C * sizeof(real));
}

/* n rows of x to qkv. */
static void chunk_qkv(KvCache *c, int64_t l, int64_t n, const int32_t *pos)
{
    Decoder *d = c->d;
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &d->config;
    const DecoderLayer *y = &d->layer[l];
    const int64_t ld = (f->H + 2 * f->Hkv) * f->D;
    const PanelHeads heads = kvcache_heads(c, l);
    panel_tiles_rmsnorm(n, f->C, t->x, f->C, params_value(d->params, y->ln1), heads.eps, t->h, apart(f->C));
    panel_tiles_linear(&c->weights->layer[l].site[SITE_QKV], n, t->h, apart(f->C), 0, ld, false, t->qkv, ld);
    panel_tiles_heads(&heads, n, pos, t->qkv);
}

/* n rows of att to x. */
static void chunk_after_attention(KvCache *c, int64_t l, int64_t n, const Bf16 *att)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    const PanelMatrix *site = c->weights->layer[l].site;
    panel_tiles_linear(&site[SITE_O], n, att, apart(f->H * f->D), 0, f->C, true, t->x, f->C);
    panel_tiles_rmsnorm(n, f->C, t->x, f->C, params_value(c->d->params, c->d->layer[l].ln2), (real)f->rms_eps, t->h, apart(f->C));
    panel_tiles_swiglu(&site[SITE_GU], n, t->h, apart(f->C), t->act, apart(f->F));
    panel_tiles_linear(&site[SITE_DOWN], n, t->act, apart(f->F), 0, f->C, true, t->x, f->C);
}

/* n rows of x to rows [at, at+n) of the logits. */
static void chunk_logits(KvCache *c, int64_t at, int64_t n)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    panel_tiles_rmsnorm(n, f->C, t->x, f->C, params_value(c->d->params, c->d->norm), (real)f->rms_eps, t->h, apart(f->C));
    panel_tiles_linear(&c->weights->head, n, t->h, apart(f->C), c->first_column, c->end_column, false, c->logits + at * f->V, f->V);
}

/* Where the panels of a prompt's key head begin. */
static int64_t panel_at(const KvCache *c, int64_t b, int64_t g)
{
    const DecoderConfig *f = &c->d->config;
    return c->tiles.at[b] * token_elements(f) + g * tiles_panels(f->D, c->h_offset[b + 1] - c->h_offset[b]);
}

/* --- prompts --------------------------------------------------------------------------------------------------- */

/* Keys and values of prompt b, whose rows begin at row `row` of the chunk, to panels; then its attention, unless this is the last layer. */
static void prompt_attention(KvCache *c, int64_t l, int64_t b, int64_t row)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    const int64_t HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv, n = c->h_offset[b + 1] - c->h_offset[b];
    real *qkv = t->qkv + row * ld;
    for (int64_t g = 0; g < f->Hkv; g++) {
        const int64_t at = panel_at(c, b, g);
        panel_tiles_keep(n, f->D, qkv + HD + g * f->D, qkv + HD + kv + g * f->D, ld, t->kt[l] + at, t->vn[l] + at);
    }
    for (int64_t h = 0; h < f->H && l < f->L - 1; h++) {
        const int64_t at = panel_at(c, b, h * f->Hkv / f->H);
        panel_tiles_causal(n, f->D, (real)(1.0 / sqrt((double)f->D)), qkv + h * f->D, ld, t->kt[l] + at, t->vn[l] + at, t->att + row * apart(HD) + h * f->D, apart(HD),
                           t->scratch);
    }
}

/* n rows of q that share prompt b; out: rows of att. */
static void beam_attention(KvCache *c, int64_t l, int64_t b, int64_t n, const real *q, const PanelSuffix *own, Bf16 *out)
{
    const DecoderConfig *f = &c->d->config;
    const int64_t HD = f->H * f->D, ld = HD + 2 * f->Hkv * f->D;
    for (int64_t h = 0; h < f->H; h++) {
        const int64_t g = h * f->Hkv / f->H, at = panel_at(c, b, g);
        PanelSuffix mine = *own;
        if (own->n > 0) {
            mine.k = own->k + g * f->D;
            mine.v = own->v + g * f->D;
        }
        panel_tiles_beams(n, c->h_offset[b + 1] - c->h_offset[b], f->D, (real)(1.0 / sqrt((double)f->D)), q + h * f->D, ld, c->tiles.kt[l] + at, c->tiles.vn[l] + at,
                          &mine, out + h * f->D, apart(HD), c->tiles.scratch);
    }
}

/* Prompts [b0,b1): their keys and values; what their last rows bring to the rest of the last layer to x and last_att. */
static void prefill_chunk(KvCache *c, const Packed *pk, int64_t b0, int64_t b1)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    const int64_t first = pk->h_offset[b0], n = pk->h_offset[b1] - first, HD = f->H * f->D, ld = HD + 2 * f->Hkv * f->D;
    chunk_embed(c, n, c->h_token + first);
    for (int64_t l = 0; l < f->L; l++) {
        chunk_qkv(c, l, n, pk->pos + first);
        for (int64_t b = b0; b < b1; b++) prompt_attention(c, l, b, pk->h_offset[b] - first);
        if (l < f->L - 1) chunk_after_attention(c, l, n, t->att);
    }
    for (int64_t b = b0; b < b1; b++) {
        const int64_t last = pk->h_offset[b + 1] - 1 - first;
        memcpy(c->x + b * f->C, t->x + last * f->C, (size_t)f->C * sizeof(real));
        beam_attention(c, f->L - 1, b, 1, t->qkv + last * ld, &(PanelSuffix){.n = 0}, t->last_att + b * apart(HD));
    }
}

const real *kvtiles_prefill(KvCache *c, const Packed *pk, const int32_t *tokens)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    memcpy(c->h_token, tokens, (size_t)pk->T * sizeof *tokens);
    t->at[0] = 0;
    for (int64_t b = 0; b < pk->B; b++) {
        const int64_t n = pk->h_offset[b + 1] - pk->h_offset[b];
        t->at[b + 1] = t->at[b] + tiles_round(n);
        REQUIRE(n <= t->rows && t->at[b + 1] <= t->capacity, "prompt %lld of %lld tokens, room for %lld and %lld in all", (long long)b, (long long)n,
                (long long)t->rows, (long long)t->capacity);
    }
    for (int64_t b0 = 0, b1; b0 < pk->B; b0 = b1) {
        for (b1 = b0 + 1; b1 < pk->B && pk->h_offset[b1 + 1] - pk->h_offset[b0] <= t->chunk_rows;) b1++;
        prefill_chunk(c, pk, b0, b1);
    }
    for (int64_t at = 0; at < pk->B; at += t->rows) { /* the rest of the last layer */
        const int64_t n = pk->B - at < t->rows ? pk->B - at : t->rows;
        memcpy(t->x, c->x + at * f->C, (size_t)(n * f->C) * sizeof(real));
        chunk_after_attention(c, f->L - 1, n, t->last_att + at * apart(f->H * f->D));
        chunk_logits(c, at, n);
    }
    return c->logits;
}

/* --- beams ----------------------------------------------------------------------------------------------------- */

static void step_chunk(KvCache *c, int64_t r0, int64_t r1, const int32_t *owner, const int32_t *parent)
{
    KvTiles *t = &c->tiles;
    const DecoderConfig *f = &c->d->config;
    const int64_t HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv, n = c->n_new + 1, now = n & 1, before = 1 - now, rows = r1 - r0;
    chunk_embed(c, rows, c->h_token + r0);
    for (int64_t l = 0; l < f->L; l++) {
        real *k = c->suffix_k[now][l] + r0 * n * kv, *v = c->suffix_v[now][l] + r0 * n * kv;
        kvcache_inherit(c, r0, r1, parent, c->suffix_k[before][l], c->suffix_k[now][l]);
        kvcache_inherit(c, r0, r1, parent, c->suffix_v[before][l], c->suffix_v[now][l]);
        chunk_qkv(c, l, rows, c->pos + r0);
        for (int64_t r = 0; r < rows; r++) {
            memcpy(k + (r * n + n - 1) * kv, t->qkv + r * ld + HD, (size_t)kv * sizeof(real));
            memcpy(v + (r * n + n - 1) * kv, t->qkv + r * ld + HD + kv, (size_t)kv * sizeof(real));
        }
        for (int64_t r = 0, end; r < rows; r = end) {
            for (end = r + 1; end < rows && owner[r0 + end] == owner[r0 + r];) end++;
            const PanelSuffix own = {.n = n, .beam = n * kv, .ld = kv, .k = k + r * n * kv, .v = v + r * n * kv};
            beam_attention(c, l, owner[r0 + r], end - r, t->qkv + r * ld, &own, t->att + r * apart(HD));
        }
        chunk_after_attention(c, l, rows, t->att);
    }
    chunk_logits(c, r0, rows);
}

const real *kvtiles_step(KvCache *c, int64_t R, const int32_t *owner, const int32_t *parent)
{
    for (int64_t r0 = 0, r1; r0 < R; r0 = r1) {
        for (r1 = r0; r1 < R;) { /* the beams of whole prompts, while they fit */
            int64_t next = r1 + 1;
            while (next < R && owner[next] == owner[r1]) next++;
            if (next - r0 > c->tiles.chunk_rows && r1 > r0) break;
            r1 = next;
        }
        if (r1 - r0 > c->tiles.rows) r1 = r0 + c->tiles.rows;
        step_chunk(c, r0, r1, owner, parent);
    }
    return c->logits;
}
