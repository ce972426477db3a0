/* nn/decoder_fused.c -- the training step in bfloat16 on tile registers: packing the weights, lanes and their pieces, collecting the gradients.
 *
 * The scheme of decoder_step.c with everything between two products done while it is in cache, activations kept in bfloat16, and the residual stream,
 * statistics, sums and gradients of the weights in float. Weights are packed once a step and shared by the lanes. Each lane sums weight gradients over its
 * pieces in squares that fit the tiles; at the end they join the decoder's gradients, in lane order, so that bytes depend on batch and lane count alone.
 *
 * Deviations from the paper: none.
 */
#include "nn/decoder_fused.h"

#include <math.h>

#include "nn/decoder_fused_internal.h"
#include "tensor/dropout.h"
#include "tensor/panel.h"

enum { PIECE_LEAST = 512, PIECE_MOST = 1024 /* tokens */, SUM_PER_TOKEN = 1024 /* weights of a layer for a token of a piece: sums are read and written once each */ };

bool decoder_fused_fits(const Decoder *d)
{
    const DecoderConfig *c = &d->config;
    return d->be->bf16 && tiles_available() && d->lora == NULL && !c->attention_bias && c->C % 32 == 0 && c->F % 32 == 0 &&
           c->D % 2 == 0 && c->D <= 256 && d->params->grad != NULL;
}

/* --- weights --------------------------------------------------------------------------------------------------- */

/* Inputs and outputs of a site with every head in slices of its own. */
static SiteShape padded_site(const Decoder *d, const DecoderFused *f, Site site)
{
    SiteShape s = decoder_site(&d->config, site);
    if (site == SITE_QKV) s.out = f->W3;
    if (site == SITE_O) s.in = f->HE;
    return s;
}

/* A layer's matrices in panels, N_SITES items; the head is one more. */
static void pack_gates(Decoder *d, int64_t l, FusedWeights *w)
{
    const int64_t C = d->config.C, F = d->config.F;
    const float *gate = fused_value(d, d->layer[l].wg), *up = fused_value(d, d->layer[l].wu);
    for (int64_t j = 0; j < F; j += TILES_HALF) {
        const int64_t q = j / TILES_HALF;
        tiles_columns_group(TILES_HALF, C, gate + j * C, C, 0, w->out[SITE_GU] + q * tiles_stride(C));
        tiles_columns_group(TILES_HALF, C, up + j * C, C, 1, w->out[SITE_GU] + q * tiles_stride(C));
        tiles_rows_group(TILES_HALF, C, gate + j * C, C, q, 0, w->in[SITE_GU], tiles_stride(2 * F));
        tiles_rows_group(TILES_HALF, C, up + j * C, C, q, 1, w->in[SITE_GU], tiles_stride(2 * F));
    }
}

/* Queries, keys and values: D rows of W (.,C) for each head, E columns of the product. */
static void pack_heads_out(Decoder *d, const DecoderFused *f, const float *W, FusedWeights *w)
{
    const int64_t C = d->config.C, D = d->config.D, heads = d->config.H + 2 * d->config.Hkv;
    for (int64_t h = 0; h < heads; h++) {
        for (int64_t c = 0; c < f->E; c += TILES_HALF) {
            const int64_t at = h * f->E + c, step = at / TILES_STEP, valid = D - c > 0 ? D - c : 0;
            const float *rows = W + (h * D + (valid > 0 ? c : 0)) * C;
            tiles_columns_group(valid, C, rows, C, (int)(at / TILES_HALF % 2), w->out[SITE_QKV] + step * tiles_stride(C));
            tiles_rows_group(valid, C, rows, C, step, (int)(at / TILES_HALF % 2), w->in[SITE_QKV], tiles_stride(f->W3));
        }
    }
}

/* The output projection: D columns of W (C,HD) for each head. */
static void pack_heads_in(Decoder *d, const DecoderFused *f, const float *W, FusedWeights *w)
{
    const int64_t C = d->config.C, D = d->config.D, HD = d->config.H * D;
    for (int64_t h = 0; h < d->config.H; h++) {
        const int64_t step = h * f->E / TILES_STEP;
        for (int64_t j = 0; j < C; j += TILES_HALF) {
            const int half = (int)(j / TILES_HALF % 2);
            tiles_columns_group(TILES_HALF, D, W + j * HD + h * D, HD, half, w->out[SITE_O] + j / TILES_STEP * tiles_stride(f->HE) + step * 2 * TILES_TILE);
            tiles_rows_group(TILES_HALF, D, W + j * HD + h * D, HD, j / TILES_STEP, half, w->in[SITE_O] + step * tiles_stride(C), tiles_stride(C));
        }
    }
}

static void pack_site(Decoder *d, DecoderFused *f, int64_t l, Site site)
{
    const SiteShape s = decoder_site(&d->config, site);
    if (site == SITE_GU) {
        pack_gates(d, l, &f->weights[l]);
        return;
    }
    const float *W = fused_value(d, decoder_site_weight(&d->layer[l], site));
    if (site == SITE_QKV) {
        pack_heads_out(d, f, W, &f->weights[l]);
    } else if (site == SITE_O) {
        pack_heads_in(d, f, W, &f->weights[l]);
    } else {
        tiles_pack(true, s.in, s.out, W, s.in, f->weights[l].out[site]);
        tiles_pack(false, s.out, s.in, W, s.in, f->weights[l].in[site]);
    }
}

static void pack_lane(Backend *be, int i, void *arg)
{
    Decoder *d = arg;
    DecoderFused *f = d->fused;
    (void)be;
    const int64_t n = d->config.L * N_SITES;
    for (int64_t item = i; item < n; item += f->n_lanes) pack_site(d, f, item / N_SITES, (Site)(item % N_SITES));
    if (n % f->n_lanes != i) return;
    const float *W = fused_value(d, d->head);
    tiles_pack(true, d->config.C, d->config.V, W, d->config.C, f->head_out);
    tiles_pack(false, d->config.V, d->config.C, W, d->config.C, f->head_in);
}

static DecoderFused *fused_create(Decoder *d)
{
    const DecoderConfig *c = &d->config;
    Arena *arena = arena_create("fused step");
    DecoderFused *f = ARENA_NEW(arena, DecoderFused, 1);
    *f = (DecoderFused){.arena = arena, .E = tiles_round(c->D), .n_lanes = d->be->lanes};
    f->HE = c->H * f->E;
    f->W3 = (c->H + 2 * c->Hkv) * f->E;
    f->weights = ARENA_NEW(arena, FusedWeights, c->L);
    for (int64_t l = 0; l < c->L; l++) {
        for (int s = 0; s < N_SITES; s++) {
            const SiteShape shape = padded_site(d, f, (Site)s);
            f->weights[l].out[s] = ARENA_NEW(arena, Bf16, tiles_panels(shape.in, shape.out));
            f->weights[l].in[s] = ARENA_NEW(arena, Bf16, tiles_panels(shape.out, shape.in));
        }
    }
    f->head_out = ARENA_NEW(arena, Bf16, tiles_panels(c->C, c->V));
    f->head_in = ARENA_NEW(arena, Bf16, tiles_panels(c->V, c->C));
    f->lane = ARENA_NEW(arena, FusedLane, f->n_lanes);
    return f;
}

void decoder_fused_destroy(DecoderFused *f)
{
    if (f == NULL) return;
    for (int i = 0; i < f->n_lanes; i++)
        if (f->lane[i].arena != NULL) arena_destroy(f->lane[i].arena);
    if (f->rope_arena != NULL) arena_destroy(f->rope_arena);
    if (f->dx_arena != NULL) arena_destroy(f->dx_arena);
    arena_destroy(f->arena);
}

/* --- buffers --------------------------------------------------------------------------------------------------- */

static int64_t vectors_count(const DecoderConfig *c)
{
    return c->L * (2 * c->C + 2 * c->D) + c->C;
}

float *fused_vector_sum(const FusedPiece *p, int64_t layer, int which)
{
    const DecoderConfig *c = &p->d->config;
    const int64_t at[4] = {0, c->C, 2 * c->C, 2 * c->C + c->D};
    return p->lane->vectors + layer * (2 * c->C + 2 * c->D) + at[which];
}

float *fused_norm_sum(const FusedPiece *p)
{
    return p->lane->vectors + vectors_count(&p->d->config) - p->d->config.C;
}

/* What a lane must have room for. block: predictions of one sequence whose loss is the caller's. */
typedef struct LaneNeed { int64_t tokens, longest, entries, block; } LaneNeed;

static void create_sums(FusedLane *lane, const Decoder *d, const DecoderFused *f)
{
    const DecoderConfig *c = &d->config;
    for (int s = 0; s < N_SITES; s++) {
        const SiteShape shape = padded_site(d, f, (Site)s);
        lane->sum[s] = ARENA_NEW(lane->arena, float *, c->L);
        for (int64_t l = 0; l < c->L; l++) lane->sum[s][l] = ARENA_NEW(lane->arena, float, tiles_blocks(shape.in, shape.out));
    }
    lane->head_sum = ARENA_NEW(lane->arena, float, tiles_blocks(c->C, c->V));
    lane->vectors = ARENA_NEW(lane->arena, float, vectors_count(c));
}

/* Buffers for pieces of `room` tokens with `entries` predictions, multiples of 32, in sequences of up to `longest`. */
static void create_lane(FusedLane *lane, const Decoder *d, const DecoderFused *f, LaneNeed need)
{
    const DecoderConfig *c = &d->config;
    const int64_t T = need.tokens, N = need.entries, C = c->C, F = c->F, HE = f->HE, V = tiles_round(c->V);
    const int64_t widest = f->W3 > 2 * F ? f->W3 : 2 * F, factors = T * widest > N * V ? T * widest : N * V;
    const int64_t block = FUSED_LOGITS + (tiles_round(need.block) + TILES_STEP) * V;
    *lane = (FusedLane){.arena = arena_create("fused lane"), .room = T, .longest = need.longest, .entries = N, .block = need.block};
    Arena *a = lane->arena;
    create_sums(lane, d, f);
    lane->saved = ARENA_NEW(a, FusedSaved, c->L);
    for (int64_t l = 0; l < c->L; l++) {
        lane->saved[l] = (FusedSaved){ARENA_NEW(a, float, T * C), ARENA_NEW(a, float, T), ARENA_NEW(a, float, T * C), ARENA_NEW(a, float, T), ARENA_NEW(a, Bf16, T * f->W3),
                                      ARENA_NEW(a, Bf16, T * HE), ARENA_NEW(a, Bf16, T * 2 * F), ARENA_NEW(a, float, T * c->H), ARENA_NEW(a, uint32_t, T * C / 32),
                                      ARENA_NEW(a, uint32_t, T * C / 32)};
    }
    lane->x_last = ARENA_NEW(a, float, T * C);
    lane->r_last = ARENA_NEW(a, float, T);
    lane->drop_embed = ARENA_NEW(a, uint32_t, T * C / 32);
    lane->h = ARENA_NEW(a, Bf16, T * C);
    lane->act = ARENA_NEW(a, Bf16, T * F);
    lane->dy = ARENA_NEW(a, Bf16, T * C);
    lane->datt = ARENA_NEW(a, Bf16, T * HE);
    lane->dqkv = ARENA_NEW(a, Bf16, T * f->W3);
    lane->dgu = ARENA_NEW(a, Bf16, T * 2 * F);
    lane->turned = ARENA_NEW(a, Bf16, C * (T > N ? T : N));
    lane->panels = ARENA_NEW(a, Bf16, factors);
    lane->branch = ARENA_NEW(a, float, T * C);
    lane->dh = ARENA_NEW(a, float, T * C);
    lane->attention = ARENA_NEW(a, char, fused_attention_scratch(need.longest, c->D));
    lane->order = ARENA_NEW(a, int64_t, N);
    lane->target = ARENA_NEW(a, int32_t, N);
    lane->range = ARENA_NEW(a, int32_t, 2 * N);
    lane->weight = ARENA_NEW(a, float, N);
    lane->logp = ARENA_NEW(a, float, N);
    lane->rows = ARENA_NEW(a, Bf16, N * C);
    lane->dlogits = ARENA_NEW(a, Bf16, N * V);
    lane->logits = ARENA_NEW(a, float, block);
    lane->drows = ARENA_NEW(a, float, N * C);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void fit_lane(FusedLane *lane, const Decoder *d, const DecoderFused *f, LaneNeed need)
{
    const LaneNeed has = {lane->room, lane->longest, lane->entries, lane->block};
    if (lane->arena != NULL && need.tokens <= has.tokens && need.longest <= has.longest && need.entries <= has.entries && need.block <= has.block) return;
    REQUIRE(!lane->used, "a lane cannot grow in the middle of a step");
    need = (LaneNeed){tiles_round(need.tokens > has.tokens ? need.tokens + need.tokens / 8 : has.tokens), larger(need.longest, has.longest),
                      tiles_round(need.entries > has.entries ? need.entries + need.entries / 8 : has.entries), larger(need.block, has.block)};
    need.entries = larger(need.entries, need.tokens); /* as many targets as tokens, at least */
    if (lane->arena != NULL) arena_destroy(lane->arena);
    create_lane(lane, d, f, need);
}

static void fit_batch(Decoder *d, DecoderFused *f, const Packed *pk)
{
    const int64_t C = d->config.C, D = d->config.D;
    if (pk->T > f->dx_room) {
        if (f->dx_arena != NULL) arena_destroy(f->dx_arena);
        f->dx_arena = arena_create("fused batch");
        f->dx_room = pk->T + pk->T / 8;
        f->dx = ARENA_NEW(f->dx_arena, float, f->dx_room * C);
    }
    if (pk->max_len > f->positions) {
        if (f->rope_arena != NULL) arena_destroy(f->rope_arena);
        f->rope_arena = arena_create("rotary table");
        f->positions = 2 * pk->max_len;
        real *table = ARENA_NEW(f->rope_arena, real, f->positions * D);
        panel_rope_table(f->positions, D, d->config.rope_theta, table);
        void *t = table;
        f->rope = t;
    }
}

/* --- a piece --------------------------------------------------------------------------------------------------- */

static void embed_piece(const FusedPiece *p)
{
    const int64_t C = p->d->config.C;
    const float *table = fused_value(p->d, p->d->embed);
    float *x = p->lane->saved[0].x;
    for (int64_t t = 0; t < p->T; t++) memcpy(x + t * C, table + p->tokens[p->t0 + t] * C, (size_t)C * sizeof *x);
    if (!(p->drop.p > 0)) return;
    fused_dropout(p->T * C, decoder_dropout_at(p->d, p->drop, 0), false, x, x, p->lane->drop_embed);
}

static void run_piece(const FusedPiece *p)
{
    const DecoderConfig *c = &p->d->config;
    FusedLane *lane = p->lane;
    const float *norm = fused_value(p->d, p->d->norm);
    embed_piece(p);
    fused_phase(p, FUSED_EMBED);
    for (int64_t l = 0; l < c->L; l++) fused_layer_forward(p, l, l + 1 < c->L ? lane->saved[l + 1].x : lane->x_last);
    fused_norm(p->T, c->C, lane->x_last, norm, (float)c->rms_eps, lane->r_last, lane->h, lane->room);
    if (p->tree != NULL) {
        fused_tree_loss(p);
    } else {
        fused_loss(p);
    }
    fused_norm_bwd(p->T, c->C, lane->x_last, norm, lane->r_last, lane->dh, false, p->dx, fused_norm_sum(p));
    fused_phase(p, FUSED_LOSS);
    for (int64_t l = c->L - 1; l >= 0; l--) fused_layer_backward(p, l);
    if (!(p->drop.p > 0)) return;
    fused_dropout_again(p->T * c->C, lane->drop_embed, (float)dropout_factor(p->drop), p->dx);
    fused_phase(p, FUSED_EMBED);
}

/* --- a step ---------------------------------------------------------------------------------------------------- */

typedef struct Step {
    FusedPiece piece; /* what all pieces have in common */
    int64_t n_pieces, *bound;
} Step;

static void piece_needs(const Step *s, int64_t first, int64_t end, LaneNeed *need)
{
    const DecoderTree *tree = s->piece.tree;
    need->tokens = larger(need->tokens, s->piece.pk->h_offset[end] - s->piece.pk->h_offset[first]);
    if (tree == NULL) return;
    need->entries = larger(need->entries, tree->entry[end] - tree->entry[first]);
    for (int64_t b = first; b < end; b++) need->block = larger(need->block, tree->entry[b + 1] - tree->entry[b]);
}

static void run_lane(Backend *be, int i, void *arg)
{
    const Step *s = arg;
    (void)be;
    DecoderFused *f = s->piece.f;
    FusedLane *lane = &f->lane[i];
    const Packed *pk = s->piece.pk;
    const int64_t each = s->n_pieces / f->n_lanes, C = s->piece.d->config.C;
    LaneNeed need = {.longest = pk->max_len};
    for (int64_t j = i * each; j < (i + 1) * each; j++) piece_needs(s, s->bound[j], s->bound[j + 1], &need);
    if (need.tokens == 0) return;
    need.tokens += TILES_STEP; /* a sequence is read in blocks of 32 rows from wherever it begins */
    fit_lane(lane, s->piece.d, f, need);
    memset(lane->vectors, 0, (size_t)vectors_count(&s->piece.d->config) * sizeof(float));
    tiles_open();
    for (int64_t j = i * each; j < (i + 1) * each; j++) {
        FusedPiece p = s->piece;
        p.lane = lane;
        p.first = s->bound[j];
        p.end = s->bound[j + 1];
        p.t0 = pk->h_offset[p.first];
        p.T = pk->h_offset[p.end] - p.t0;
        if (p.T == 0) continue;
        p.dx = f->dx + p.t0 * C;
        p.drop.first += (uint64_t)(p.t0 * C);
        p.fresh = !lane->used;
        lane->used = true;
        lane->clock_s = time_now_s();
        run_piece(&p);
    }
    tiles_close();
}

static float *gradient(Decoder *d, int64_t index)
{
    void *g = params_grad(d->params, index);
    return g;
}

static void collect_site(Decoder *d, int64_t l, Site site, const float *sum)
{
    const DecoderConfig *c = &d->config;
    const DecoderFused *f = d->fused;
    const DecoderLayer *y = &d->layer[l];
    const int64_t C = c->C, D = c->D, squares = f->E / TILES_STEP;
    switch (site) {
    case SITE_QKV:
        for (int64_t h = 0; h < c->H + 2 * c->Hkv; h++)
            tiles_blocks_add(true, C, D, sum + h * squares * TILES_SQUARE, f->W3 / TILES_STEP, gradient(d, y->wq) + h * D * C, C);
        break;
    case SITE_O:
        for (int64_t h = 0; h < c->H; h++)
            tiles_blocks_add(false, C, D, sum + h * squares * TILES_SQUARE, f->HE / TILES_STEP, gradient(d, y->wo) + h * D, c->H * D);
        break;
    case SITE_GU: tiles_blocks_add_paired(C, c->F, sum, gradient(d, y->wg), gradient(d, y->wu), C); break;
    case SITE_DOWN: tiles_blocks_add(false, C, c->F, sum, c->F / TILES_STEP, gradient(d, y->wd), c->F); break;
    case N_SITES: break;
    }
}

/* A share of the matrices: their sums join the gradients, in lane order. */
static void collect_lane(Backend *be, int i, void *arg)
{
    Decoder *d = arg;
    DecoderFused *f = d->fused;
    (void)be;
    for (int64_t item = i; item <= d->config.L * N_SITES; item += f->n_lanes) {
        for (int k = 0; k < f->n_lanes; k++) {
            const FusedLane *lane = &f->lane[k];
            if (!lane->used) continue;
            if (item < d->config.L * N_SITES) {
                collect_site(d, item / N_SITES, (Site)(item % N_SITES), lane->sum[item % N_SITES][item / N_SITES]);
            } else {
                tiles_blocks_add(true, d->config.C, d->config.V, lane->head_sum, tiles_round(d->config.V) / TILES_STEP, gradient(d, d->head), d->config.C);
            }
        }
    }
}

static void add_vector(Decoder *d, int64_t index, int64_t n, const float **sum)
{
    if (index >= 0) {
        float *g = gradient(d, index);
        for (int64_t i = 0; i < n; i++) g[i] += (*sum)[i];
    }
    *sum += n;
}

static void collect_vectors(Decoder *d, FusedLane *lane)
{
    const DecoderConfig *c = &d->config;
    const float *sum = lane->vectors;
    for (int64_t l = 0; l < c->L; l++) {
        const DecoderLayer *y = &d->layer[l];
        add_vector(d, y->ln1, c->C, &sum);
        add_vector(d, y->ln2, c->C, &sum);
        add_vector(d, y->qn, c->D, &sum);
        add_vector(d, y->kn, c->D, &sum);
    }
    add_vector(d, d->norm, c->C, &sum);
}

/* Sequences [0,B) into n_pieces runs of about as many tokens, as many for each lane. */
static int64_t pieces_of(const Decoder *d, const Packed *pk)
{
    const DecoderConfig *c = &d->config;
    const int64_t weights = c->C * ((c->H + 2 * c->Hkv) * c->D + c->H * c->D + 3 * c->F);
    int64_t piece = weights / SUM_PER_TOKEN;
    piece = piece < PIECE_LEAST ? PIECE_LEAST : piece > PIECE_MOST ? PIECE_MOST : piece;
    const int64_t lanes = d->be->lanes, n = (pk->T + piece - 1) / piece;
    return (n + lanes - 1) / lanes * lanes;
}

/* Everything but the pieces' loss, which `common` brings along. */
static void run_step(Decoder *d, FusedPiece common)
{
    if (d->fused == NULL) d->fused = fused_create(d);
    DecoderFused *f = d->fused;
    const Packed *pk = common.pk;
    fit_batch(d, f, pk);
    const ArenaMark mark = arena_mark(f->arena);
    common.d = d;
    common.f = f;
    Step s = {.piece = common, .n_pieces = pieces_of(d, pk)};
    s.bound = ARENA_NEW(f->arena, int64_t, s.n_pieces + 1);
    decoder_cut(pk, s.n_pieces, s.bound);
    double begin = time_now_s();
    d->be->each_lane(d->be, pack_lane, d);
    f->phase_s[FUSED_PACK] += (time_now_s() - begin) * f->n_lanes;
    d->be->each_lane(d->be, run_lane, &s);
    begin = time_now_s();
    d->be->each_lane(d->be, collect_lane, d);
    for (int i = 0; i < f->n_lanes; i++) {
        if (f->lane[i].used) collect_vectors(d, &f->lane[i]);
        f->lane[i].used = false;
    }
    const void *dx = f->dx;
    d->be->embed_bwd_acc(d->be, pk->T, d->config.C, common.tokens, dx, 1, params_grad(d->params, d->embed));
    f->phase_s[FUSED_COLLECT] += (time_now_s() - begin) * f->n_lanes;
    arena_release(f->arena, mark);
}

void decoder_fused_times(Decoder *d, double seconds[N_FUSED_PHASES])
{
    for (int k = 0; k < N_FUSED_PHASES; k++) {
        seconds[k] = 0;
        if (d->fused == NULL) continue;
        seconds[k] = d->fused->phase_s[k];
        d->fused->phase_s[k] = 0;
        for (int i = 0; i < d->fused->n_lanes; i++) {
            seconds[k] += d->fused->lane[i].phase_s[k];
            d->fused->lane[i].phase_s[k] = 0;
        }
    }
}

const char *decoder_fused_phase(FusedPhase phase)
{
    static const char *const NAMES[] = {
#define X(name, text) text,
        FUSED_PHASES(X)
#undef X
    };
    REQUIRE(phase < N_FUSED_PHASES, "phase %d of %d", (int)phase, (int)N_FUSED_PHASES);
    return NAMES[phase];
}

Status decoder_fused_step(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop, const int32_t *target, const int32_t *range, const real *weight,
                          real *logp)
{
    const void *w = weight;
    void *lp = logp;
    REQUIRE(weight != NULL, "a training step without weights");
    decoder_check_batch(d, pk, tokens, target, range);
    run_step(d, (FusedPiece){.pk = pk, .tokens = tokens, .target = target, .range = range, .weight = w, .logp = lp, .drop = drop});
    return OK;
}

void decoder_tree_step(Decoder *d, const Packed *pk, const int32_t *tokens, const DecoderTree *tree)
{
    REQUIRE(decoder_fused_fits(d), "sequences that branch need the fused step");
    decoder_check_tokens(d, pk->T, tokens);
    run_step(d, (FusedPiece){.pk = pk, .tokens = tokens, .tree = tree});
}
