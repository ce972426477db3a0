/* nn/kvlanes.c -- cached decoding on several threads at once, and the chunked way through the layers that each of them takes.
 *
 * A chunk is a few dozen rows: whole prompts, or the beams of whole prompts. It goes through all layers before the next one starts, so that its activations
 * stay in the second-level cache. All of a lane's work happens on one thread: lanes share nothing but the weights, which are packed by kvlanes_begin.
 *
 * Deviations from the paper: none.
 */
#include <math.h>
#include <string.h>

#include "nn/kvcache_internal.h"

enum { CHUNK_ROWS = 96, LANE_ROWS = 192, TILES_ROWS = 512, WIDE_ROWS = 1280 };

/* Elements between rows that are factors of a product: a power of two would put the rows of a tile into the same few places of the first-level cache. */
static int64_t apart(int64_t width)
{
    return width + 16;
}

struct KvLanes {
    Decoder *d;
    Arena *arena;
    int n;
    Backend **be;       /* (n) the lanes of the backend */
    KvCache **cache;    /* (n) */
    KvWeights weights;
    real *merged;       /* (largest site) with adapters: a weight with its adapters added */
    bool packed;
};

static bool on_tiles(const Decoder *d)
{
    return d->be->bf16 && panel_tiles_available() && d->config.D <= PANEL_TILES_HEAD;
}

/* --- weights --------------------------------------------------------------------------------------------------- */

static PanelMatrix new_panels(const KvLanes *s, int64_t n, int64_t k, bool paired)
{
    Backend *be = s->d->be;
    PanelMatrix w = {.n = n, .k = k, .paired = paired, .bf16 = be->bf16};
    w.data = be->alloc(be, s->weights.tiles ? panel_tiles_bytes(&w) : panel_bytes(&w));
    return w;
}

static void pack(const KvLanes *s, const PanelMatrix *w, const real *W)
{
    if (s->weights.tiles) {
        panel_tiles_pack(w, W);
    } else {
        panel_pack(w, W);
    }
}

static void create_weights(KvLanes *s, int64_t positions)
{
    Decoder *d = s->d;
    s->weights.tiles = on_tiles(d);
    s->weights.rope = d->be->alloc(d->be, (size_t)(positions * d->config.D) * sizeof(real));
    panel_rope_table(positions, d->config.D, d->config.rope_theta, s->weights.rope);
    s->weights.layer = ARENA_NEW(s->arena, KvLayerWeights, d->config.L);
    int64_t most = 0;
    for (int64_t l = 0; l < d->config.L; l++) {
        for (int k = 0; k < N_SITES; k++) {
            const SiteShape shape = decoder_site(&d->config, (Site)k);
            s->weights.layer[l].site[k] = new_panels(s, shape.out, shape.in, k == SITE_GU);
            if (shape.in * shape.out > most) most = shape.in * shape.out;
        }
    }
    s->weights.head = new_panels(s, d->config.V, d->config.C, false);
    if (d->lora != NULL) s->merged = d->be->alloc(d->be, (size_t)most * sizeof(real));
}

static void pack_site(KvLanes *s, int64_t l, Site site)
{
    Decoder *d = s->d;
    const SiteShape shape = decoder_site(&d->config, site);
    const real *W = params_value(d->params, decoder_site_weight(decoder_layer(d, l), site));
    if (d->lora != NULL) {
        memcpy(s->merged, W, (size_t)(shape.in * shape.out) * sizeof(real));
        lora_add(d->lora, l, site, s->merged);
        W = s->merged;
    }
    pack(s, &s->weights.layer[l].site[site], W);
}

void kvlanes_begin(KvLanes *s)
{
    Decoder *d = s->d;
    if (!s->packed) return;
    s->weights.ready = true;
    REQUIRE(d->lora == NULL || s->merged != NULL, "adapters were attached after these lanes were made");
    for (int64_t i = 0; i < d->config.L * N_SITES; i++) pack_site(s, i / N_SITES, (Site)(i % N_SITES));
    pack(s, &s->weights.head, params_value(d->params, d->head));
}

/* --- creation -------------------------------------------------------------------------------------------------- */

static bool packs(const Decoder *d)
{
    return strcmp(d->be->name, "cpu") == 0;
}

int kvlanes_count(const Decoder *d)
{
    return d->be->lanes;
}

int64_t kvlanes_rows(const Decoder *d)
{
    if (!packs(d)) return WIDE_ROWS;
    return on_tiles(d) ? TILES_ROWS : LANE_ROWS;
}

static void note_lane(Backend *lane, int i, void *arg)
{
    KvLanes *s = arg;
    s->be[i] = lane;
}

KvLanes *kvlanes_create(Decoder *d, int64_t prompts, int64_t longest, int64_t max_rows, int64_t max_new)
{
    Arena *arena = arena_create("decoding lanes");
    KvLanes *s = ARENA_NEW(arena, KvLanes, 1);
    *s = (KvLanes){.d = d, .arena = arena, .n = kvlanes_count(d), .packed = packs(d)};
    s->be = ARENA_NEW(arena, Backend *, s->n);
    s->cache = ARENA_NEW(arena, KvCache *, s->n);
    d->be->each_lane(d->be, note_lane, s);
    if (s->packed) create_weights(s, (longest > CHUNK_ROWS ? longest : CHUNK_ROWS) + max_new);
    for (int i = 0; i < s->n; i++)
        s->cache[i] = kvcache_open(d, s->be[i], s->packed ? &s->weights : NULL, longest, prompts * longest, max_rows, max_new);
    return s;
}

void kvlanes_destroy(KvLanes *s)
{
    if (s == NULL) return;
    Backend *be = s->d->be;
    for (int i = 0; i < s->n; i++) kvcache_destroy(s->cache[i]);
    for (int64_t l = 0; s->packed && l < s->d->config.L; l++) {
        for (int k = 0; k < N_SITES; k++) be->release(be, s->weights.layer[l].site[k].data);
    }
    be->release(be, s->weights.head.data);
    be->release(be, s->weights.rope);
    be->release(be, s->merged);
    arena_destroy(s->arena);
}

KvCache *kvlanes_cache(KvLanes *s, int lane)
{
    REQUIRE(lane >= 0 && lane < s->n, "lane %d of %d", lane, s->n);
    return s->cache[lane];
}

void kvlanes_each(KvLanes *s, void (*work)(Backend *lane, int i, void *arg), void *arg)
{
    s->d->be->each_lane(s->d->be, work, arg);
}

void kvcache_chunk_create(KvCache *c, int64_t longest)
{
    const DecoderConfig *f = &c->d->config;
    const int64_t rows = longest > CHUNK_ROWS ? longest : CHUNK_ROWS, all = rows + PANEL_PAD_ROWS, HD = f->H * f->D, kv = f->Hkv * f->D;
    c->chunk = (KvChunk){.capacity = rows, .x = kvcache_new_real(c, all * f->C), .h = kvcache_new_real(c, all * apart(f->C)),
                         .qkv = kvcache_new_real(c, all * (HD + 2 * kv)), .att = kvcache_new_real(c, all * HD), .act = kvcache_new_real(c, all * apart(f->F)),
                         .lse = kvcache_new_real(c, rows * f->H)};
    const int64_t deepest = f->F > f->C ? f->F : f->C;
    c->chunk.scratch = c->be->alloc(c->be, panel_scratch_bytes(rows, deepest > HD ? deepest : HD, c->d->be->bf16));
    c->chunk.offset = ARENA_NEW(c->arena, int32_t, rows + 1);
}

void kvcache_chunk_destroy(KvCache *c)
{
    void *all[] = {c->chunk.scratch, c->chunk.x, c->chunk.h, c->chunk.qkv, c->chunk.att, c->chunk.act, c->chunk.lse};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) c->be->release(c->be, all[i]);
}

/* --- a chunk in a layer ---------------------------------------------------------------------------------------- */

PanelHeads kvcache_heads(const KvCache *c, int64_t l)
{
    Decoder *d = c->d;
    const DecoderConfig *f = &d->config;
    const DecoderLayer *y = &d->layer[l];
    PanelHeads heads = {.H = f->H, .Hkv = f->Hkv, .D = f->D, .eps = (real)f->rms_eps, .rope = c->weights->rope};
    if (f->attention_bias) heads.bias = params_value(d->params, y->bq);
    if (f->qk_norm) {
        heads.qn = params_value(d->params, y->qn);
        heads.kn = params_value(d->params, y->kn);
    }
    return heads;
}

/* n rows of x to qkv, and their keys and values to rows of k and v. */
static void chunk_qkv(KvCache *c, int64_t l, int64_t n, const int32_t *pos, real *k, real *v, int64_t ldkv)
{
    Decoder *d = c->d;
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &d->config;
    const DecoderLayer *y = &d->layer[l];
    const int64_t ld = (f->H + 2 * f->Hkv) * f->D;
    const PanelHeads heads = kvcache_heads(c, l);
    panel_rmsnorm(n, f->C, w->x, f->C, params_value(d->params, y->ln1), heads.eps, w->h, apart(f->C));
    panel_linear(&c->weights->layer[l].site[SITE_QKV], n, w->h, apart(f->C), 0, ld, false, w->qkv, ld, w->scratch);
    panel_heads(&heads, n, pos, w->qkv, k, v, ldkv);
}

/* n tokens to x. */
static void chunk_embed(KvCache *c, int64_t n, const int32_t *token)
{
    const int64_t C = c->d->config.C;
    const real *table = params_value(c->d->params, c->d->embed);
    for (int64_t i = 0; i < n; i++) memcpy(c->chunk.x + i * C, table + token[i] * C, (size_t)C * sizeof(real));
}

/* n rows of att to x. */
static void chunk_after_attention(KvCache *c, int64_t l, int64_t n)
{
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &c->d->config;
    const PanelMatrix *site = c->weights->layer[l].site;
    panel_linear(&site[SITE_O], n, w->att, f->H * f->D, 0, f->C, true, w->x, f->C, w->scratch);
    panel_rmsnorm(n, f->C, w->x, f->C, params_value(c->d->params, c->d->layer[l].ln2), (real)f->rms_eps, w->h, apart(f->C));
    panel_swiglu(&site[SITE_GU], n, w->h, apart(f->C), w->act, apart(f->F), w->scratch);
    panel_linear(&site[SITE_DOWN], n, w->act, apart(f->F), 0, f->C, true, w->x, f->C, w->scratch);
}

/* n rows of x to rows [at, at+n) of the logits. */
static void chunk_logits(KvCache *c, int64_t at, int64_t n)
{
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &c->d->config;
    panel_rmsnorm(n, f->C, w->x, f->C, params_value(c->d->params, c->d->norm), (real)f->rms_eps, w->h, apart(f->C));
    panel_linear(&c->weights->head, n, w->h, apart(f->C), c->first_column, c->end_column, false, c->logits + at * f->V, f->V, w->scratch);
}

/* --- prompts --------------------------------------------------------------------------------------------------- */

/* Prompts [b0,b1) to the prefix, and what their last rows bring to the rest of the last layer to x and last_att of the cache. */
static void prefill_chunk(KvCache *c, const Packed *pk, int64_t b0, int64_t b1)
{
    Backend *be = c->be;
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &c->d->config;
    const int64_t first = pk->h_offset[b0], n = pk->h_offset[b1] - first, HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv;
    Packed part = {.B = b1 - b0, .T = n, .offset = w->offset, .h_offset = w->offset, .pos = pk->pos + first};
    for (int64_t b = b0; b <= b1; b++) {
        w->offset[b - b0] = (int32_t)(pk->h_offset[b] - first);
        if (b < b1 && pk->h_offset[b + 1] - pk->h_offset[b] > part.max_len) part.max_len = pk->h_offset[b + 1] - pk->h_offset[b];
    }
    chunk_embed(c, n, c->h_token + first);
    for (int64_t l = 0; l < f->L; l++) {
        chunk_qkv(c, l, n, part.pos, c->prefix_k[l] + first * kv, c->prefix_v[l] + first * kv, kv);
        if (l == f->L - 1) break;
        be->attention(be, &part, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), (Dropout){0}, w->qkv, ld, w->qkv + HD, w->qkv + HD + kv, ld, w->att,
                      w->lse);
        chunk_after_attention(c, l, n);
    }
    for (int64_t b = b0; b < b1; b++) { /* while the chunk's keys and values are in the cache */
        const int64_t last = w->offset[b - b0 + 1] - 1;
        memcpy(c->x + b * f->C, w->x + last * f->C, (size_t)f->C * sizeof(real));
        memcpy(c->last_q + b * ld, w->qkv + last * ld, (size_t)ld * sizeof(real));
        c->owner[b] = (int32_t)b;
    }
    be->attention_decode(be, b1 - b0, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), c->last_q + b0 * ld, ld, c->owner + b0, c->prefix_offset,
                         c->prefix_k[f->L - 1], c->prefix_v[f->L - 1], 0, 0, NULL, NULL, c->last_att + b0 * HD);
}

/* The rest of the last layer, for the last row of every prompt. */
static void finish_prompts(KvCache *c)
{
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &c->d->config;
    const int64_t HD = f->H * f->D;
    for (int64_t at = 0; at < c->B; at += w->capacity) {
        const int64_t n = c->B - at < w->capacity ? c->B - at : w->capacity;
        memcpy(w->x, c->x + at * f->C, (size_t)(n * f->C) * sizeof(real));
        memcpy(w->att, c->last_att + at * HD, (size_t)(n * HD) * sizeof(real));
        chunk_after_attention(c, f->L - 1, n);
        chunk_logits(c, at, n);
    }
}

const real *kvcache_chunked_prefill(KvCache *c, const Packed *pk, const int32_t *tokens)
{
    REQUIRE(c->weights->ready, "a lane's prefill before kvlanes_begin");
    if (c->weights->tiles) return kvtiles_prefill(c, pk, tokens);
    memcpy(c->h_token, tokens, (size_t)pk->T * sizeof *tokens);
    for (int64_t b0 = 0, b1; b0 < pk->B; b0 = b1) {
        REQUIRE(pk->h_offset[b0 + 1] - pk->h_offset[b0] <= c->chunk.capacity, "a prompt of %d tokens", pk->h_offset[b0 + 1] - pk->h_offset[b0]);
        for (b1 = b0 + 1; b1 < pk->B && pk->h_offset[b1 + 1] - pk->h_offset[b0] <= CHUNK_ROWS;) b1++;
        prefill_chunk(c, pk, b0, b1);
    }
    finish_prompts(c);
    return c->logits;
}

/* --- beams ----------------------------------------------------------------------------------------------------- */

void kvcache_inherit(const KvCache *c, int64_t r0, int64_t r1, const int32_t *parent, const real *old, real *out)
{
    const int64_t width = c->d->config.Hkv * c->d->config.D, n_old = c->n_new;
    for (int64_t r = r0; r < r1 && n_old > 0; r++)
        memcpy(out + r * (n_old + 1) * width, old + parent[r] * n_old * width, (size_t)(n_old * width) * sizeof(real));
}

static void step_chunk(KvCache *c, int64_t r0, int64_t r1, const int32_t *parent)
{
    Backend *be = c->be;
    KvChunk *w = &c->chunk;
    const DecoderConfig *f = &c->d->config;
    const int64_t HD = f->H * f->D, kv = f->Hkv * f->D, ld = HD + 2 * kv, n = c->n_new + 1, now = n & 1, before = 1 - now, rows = r1 - r0;
    chunk_embed(c, rows, c->h_token + r0);
    for (int64_t l = 0; l < f->L; l++) {
        real *k = c->suffix_k[now][l], *v = c->suffix_v[now][l];
        const int64_t at = (r0 * n + n - 1) * kv; /* the new one of row r0 */
        kvcache_inherit(c, r0, r1, parent, c->suffix_k[before][l], k);
        kvcache_inherit(c, r0, r1, parent, c->suffix_v[before][l], v);
        chunk_qkv(c, l, rows, c->pos + r0, k + at, v + at, n * kv);
        be->attention_decode(be, rows, f->H, f->Hkv, f->D, (real)(1.0 / sqrt((double)f->D)), w->qkv, ld, c->owner + r0, c->prefix_offset, c->prefix_k[l],
                             c->prefix_v[l], n, n, k + r0 * n * kv, v + r0 * n * kv, w->att);
        chunk_after_attention(c, l, rows);
    }
    chunk_logits(c, r0, rows);
}

const real *kvcache_chunked_step(KvCache *c, int64_t R, const int32_t *owner, const int32_t *parent)
{
    if (c->weights->tiles) return kvtiles_step(c, R, owner, parent);
    for (int64_t r0 = 0, r1; r0 < R; r0 = r1) {
        for (r1 = r0; r1 < R;) { /* the beams of whole prompts, while they fit */
            int64_t next = r1 + 1;
            while (next < R && owner[next] == owner[r1]) next++;
            if (next - r0 > CHUNK_ROWS && r1 > r0) break;
            r1 = next;
        }
        if (r1 - r0 > c->chunk.capacity) r1 = r0 + c->chunk.capacity;
        step_chunk(c, r0, r1, parent);
    }
    return c->logits;
}
