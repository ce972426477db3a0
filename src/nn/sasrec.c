/* nn/sasrec.c -- SASRec forward and backward (equations and deviations: sasrec.h). */
#include "nn/sasrec.h"

#include <math.h>

enum { MAX_LAYERS = 16 };

#define WEIGHT_FIELD(field, name, rows, cols, initial) int64_t field;
typedef struct Layer {
    SASREC_LAYER_WEIGHTS(WEIGHT_FIELD) /* indices into params */
    /* activations kept for the backward pass, (T, ...) each */
    real *x, *h1, *stats1, *qkv, *att, *lse; /* C, C, 2, 3C, C, H */
    real *xm, *h2, *stats2, *f, *a;          /* C, C, 2, F, F */
} Layer;

typedef struct Sasrec {
    SeqModel model;
    SasrecConfig config;
    Arena *arena;
    int64_t pos_emb, final_w, final_b;
    Layer layer[MAX_LAYERS];
    real *x_last, *out, *stats_last;   /* (T,C) (T,C) (T,2) */
    real *tmp, *dx, *dh, *df, *dqkv;   /* (T,C) (T,C) (T,C) (T,F) (T,3C) */
    int32_t *items;                    /* (T) backend */
    Packed pk;                         /* of the last forward */
    Dropout drop;
} Sasrec;

/* Dropout sites of one pass: 0 = embedding, then three a layer. */
enum { SITE_EMBED = 0, SITE_ATTENTION = 1, SITE_BRANCH1 = 2, SITE_BRANCH2 = 3, SITES_PER_LAYER = 3 };

static Dropout site(const Sasrec *s, int64_t l, int which)
{
    Dropout d = s->drop;
    d.call += (uint64_t)(l * SITES_PER_LAYER + which);
    return d;
}

static real *W(Sasrec *s, int64_t i) { return params_value(s->model.params, i); }
static real *dW(Sasrec *s, int64_t i) { return params_grad(s->model.params, i); }

/* y(T,out) = x(T,in) W^T + b */
static void linear(Sasrec *s, int64_t T, int64_t out, int64_t in, const real *x, int64_t w, int64_t b, real *y)
{
    Backend *be = s->model.be;
    be->gemm(be, false, true, T, out, in, 1, x, in, W(s, w), in, 0, y, out);
    be->add_bias(be, T, out, y, out, W(s, b));
}

/* dW += dy^T x, db += column sums of dy, dx = dy W */
static void linear_bwd(Sasrec *s, int64_t T, int64_t out, int64_t in, const real *x, int64_t w, int64_t b, const real *dy, real *dx)
{
    Backend *be = s->model.be;
    be->gemm(be, true, false, out, in, T, 1, dy, out, x, in, 1, dW(s, w), in);
    be->bias_bwd_acc(be, T, out, dy, out, dW(s, b));
    be->gemm(be, false, false, T, in, out, 1, dy, out, W(s, w), in, 0, dx, in);
}

static real embedding_scale(const SasrecConfig *c) { return c->scale_embedding ? (real)sqrt((double)c->C) : (real)1; }

static void layer_forward(Sasrec *s, int64_t l, real *x_next)
{
    const SasrecConfig *c = &s->config;
    Backend *be = s->model.be;
    Layer *y = &s->layer[l];
    const int64_t T = s->pk.T, C = c->C, D = C / c->H;
    const size_t bytes = (size_t)(T * C) * sizeof(real);

    be->layernorm(be, T, C, y->x, W(s, y->ln1_w), W(s, y->ln1_b), (real)c->ln_eps, y->h1, y->stats1);
    linear(s, T, 3 * C, C, y->h1, y->wq, y->bq, y->qkv);
    be->attention(be, &s->pk, c->H, c->H, D, (real)(1 / sqrt((double)D)), site(s, l, SITE_ATTENTION), y->qkv, 3 * C, y->qkv + C,
                  y->qkv + 2 * C, 3 * C, y->att, y->lse);
    linear(s, T, C, C, y->att, y->wo, y->bo, s->tmp);
    be->copy(be, y->xm, y->x, bytes);
    be->dropout_acc(be, T * C, site(s, l, SITE_BRANCH1), s->tmp, y->xm);

    be->layernorm(be, T, C, y->xm, W(s, y->ln2_w), W(s, y->ln2_b), (real)c->ln_eps, y->h2, y->stats2);
    linear(s, T, c->F, C, y->h2, y->w1, y->b1, y->f);
    if (c->gelu) be->gelu(be, T * c->F, y->f, y->a);
    else be->relu(be, T * c->F, y->f, y->a);
    linear(s, T, C, c->F, y->a, y->w2, y->b2, s->tmp);
    be->copy(be, x_next, y->xm, bytes);
    be->dropout_acc(be, T * C, site(s, l, SITE_BRANCH2), s->tmp, x_next);
}

static const real *forward(void *self, const Packed *pk, const int32_t *items, Dropout drop)
{
    Sasrec *s = self;
    const SasrecConfig *c = &s->config;
    Backend *be = s->model.be;
    const int64_t T = pk->T, C = c->C;
    REQUIRE(T >= 1 && T <= s->model.max_tokens, "T %lld of %lld", (long long)T, (long long)s->model.max_tokens);
    REQUIRE(pk->max_len <= c->max_len, "sequence of %lld, position table of %lld", (long long)pk->max_len, (long long)c->max_len);
    s->pk = *pk;
    s->drop = drop;

    real *x0 = c->L > 0 ? s->layer[0].x : s->x_last;
    be->upload(be, s->items, items, (size_t)T * sizeof *items);
    be->embed(be, T, C, s->items, W(s, s->model.item_emb), embedding_scale(c), x0);
    be->embed(be, T, C, pk->pos, W(s, s->pos_emb), 1, s->tmp);
    be->axpy(be, T * C, 1, s->tmp, x0);
    be->dropout(be, T * C, site(s, 0, SITE_EMBED), x0, x0);
    for (int64_t l = 0; l < c->L; l++) layer_forward(s, l, l + 1 < c->L ? s->layer[l + 1].x : s->x_last);
    be->layernorm(be, T, C, s->x_last, W(s, s->final_w), W(s, s->final_b), (real)c->ln_eps, s->out, s->stats_last);
    return s->out;
}

/* s->dx: gradient by the layer's output on entry, by its input on return. */
static void layer_backward(Sasrec *s, int64_t l)
{
    const SasrecConfig *c = &s->config;
    Backend *be = s->model.be;
    Layer *y = &s->layer[l];
    const int64_t T = s->pk.T, C = c->C, D = C / c->H;

    be->dropout(be, T * C, site(s, l, SITE_BRANCH2), s->dx, s->tmp);
    linear_bwd(s, T, C, c->F, y->a, y->w2, y->b2, s->tmp, s->df);
    if (c->gelu) be->gelu_bwd(be, T * c->F, y->f, s->df, s->df);
    else be->relu_bwd(be, T * c->F, y->a, s->df, s->df);
    linear_bwd(s, T, c->F, C, y->h2, y->w1, y->b1, s->df, s->dh);
    be->layernorm_bwd(be, T, C, y->xm, W(s, y->ln2_w), y->stats2, s->dh, s->tmp, dW(s, y->ln2_w), dW(s, y->ln2_b));
    be->axpy(be, T * C, 1, s->tmp, s->dx);

    be->dropout(be, T * C, site(s, l, SITE_BRANCH1), s->dx, s->tmp);
    linear_bwd(s, T, C, C, y->att, y->wo, y->bo, s->tmp, s->dh);
    be->attention_bwd(be, &s->pk, c->H, c->H, D, (real)(1 / sqrt((double)D)), site(s, l, SITE_ATTENTION), y->qkv, 3 * C, y->qkv + C,
                      y->qkv + 2 * C, 3 * C, y->att, y->lse, s->dh, s->dqkv, 3 * C, s->dqkv + C, s->dqkv + 2 * C, 3 * C);
    linear_bwd(s, T, 3 * C, C, y->h1, y->wq, y->bq, s->dqkv, s->dh);
    be->layernorm_bwd(be, T, C, y->x, W(s, y->ln1_w), y->stats1, s->dh, s->tmp, dW(s, y->ln1_w), dW(s, y->ln1_b));
    be->axpy(be, T * C, 1, s->tmp, s->dx);
}

static void backward(void *self, const real *dout)
{
    Sasrec *s = self;
    const SasrecConfig *c = &s->config;
    Backend *be = s->model.be;
    const int64_t T = s->pk.T, C = c->C;
    be->layernorm_bwd(be, T, C, s->x_last, W(s, s->final_w), s->stats_last, dout, s->dx, dW(s, s->final_w), dW(s, s->final_b));
    for (int64_t l = c->L - 1; l >= 0; l--) layer_backward(s, l);
    be->dropout(be, T * C, site(s, 0, SITE_EMBED), s->dx, s->dx);
    be->embed_bwd_acc(be, T, C, s->pk.pos, s->dx, 1, dW(s, s->pos_emb));
    be->embed_bwd_acc(be, T, C, s->items, s->dx, embedding_scale(c), dW(s, s->model.item_emb));
}

/* --- life ------------------------------------------------------------------------------------------------------------ */

static real *buffer(Backend *be, int64_t rows, int64_t cols) { return be->alloc(be, (size_t)(rows * cols) * sizeof(real)); }

static void add_weights(Sasrec *s)
{
    const SasrecConfig *c = &s->config;
    Params *p = s->model.params;
    s->model.item_emb = params_add(p, "item_emb.weight", 2, (const int64_t[]){c->N, c->C}, true);
    s->pos_emb = params_add(p, "pos_emb.weight", 2, (const int64_t[]){c->max_len, c->C}, true);
    for (int64_t l = 0; l < c->L; l++) {
        Layer *y = &s->layer[l];
#define WEIGHT_ADD(field, name, rows, cols, initial)                                          \
    y->field = params_add(p, arena_printf(s->arena, "layers.%lld." name, (long long)l), (cols) > 0 ? 2 : 1, \
                          (const int64_t[]){(rows), (cols)}, (cols) > 0);
        SASREC_LAYER_WEIGHTS(WEIGHT_ADD)
        const Param *list = p->list;
        REQUIRE(list[y->wv].at == list[y->wq].at + 2 * c->C * c->C && list[y->bv].at == list[y->bq].at + 2 * c->C,
                "q, k and v are not adjacent in layer %lld", (long long)l);
    }
    s->final_w = params_add(p, "final_ln.weight", 1, &c->C, false);
    s->final_b = params_add(p, "final_ln.bias", 1, &c->C, false);
}

static void add_buffers(Sasrec *s, bool with_gradients)
{
    const SasrecConfig *c = &s->config;
    Backend *be = s->model.be;
    const int64_t T = s->model.max_tokens, C = c->C;
    for (int64_t l = 0; l < c->L; l++) {
        Layer *y = &s->layer[l];
        y->x = buffer(be, T, C);
        y->h1 = buffer(be, T, C);
        y->stats1 = buffer(be, T, 2);
        y->qkv = buffer(be, T, 3 * C);
        y->att = buffer(be, T, C);
        y->lse = buffer(be, T, c->H);
        y->xm = buffer(be, T, C);
        y->h2 = buffer(be, T, C);
        y->stats2 = buffer(be, T, 2);
        y->f = buffer(be, T, c->F);
        y->a = buffer(be, T, c->F);
    }
    s->x_last = buffer(be, T, C);
    s->out = buffer(be, T, C);
    s->stats_last = buffer(be, T, 2);
    s->tmp = buffer(be, T, C);
    s->items = be->alloc(be, (size_t)T * sizeof *s->items);
    if (!with_gradients) return;
    s->dx = buffer(be, T, C);
    s->dh = buffer(be, T, C);
    s->df = buffer(be, T, c->F);
    s->dqkv = buffer(be, T, 3 * C);
}

static void destroy(void *self)
{
    Sasrec *s = self;
    Backend *be = s->model.be;
    for (int64_t l = 0; l < s->config.L; l++) {
        Layer *y = &s->layer[l];
        real *owned[] = {y->x, y->h1, y->stats1, y->qkv, y->att, y->lse, y->xm, y->h2, y->stats2, y->f, y->a};
        for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) be->release(be, owned[i]);
    }
    real *owned[] = {s->x_last, s->out, s->stats_last, s->tmp, s->dx, s->dh, s->df, s->dqkv};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) be->release(be, owned[i]);
    be->release(be, s->items);
    params_destroy(s->model.params);
    arena_destroy(s->arena);
}

SeqModel *sasrec_create(Backend *be, const SasrecConfig *config, int64_t max_tokens, bool with_gradients)
{
    REQUIRE(config->N >= 1 && config->C >= 1 && config->H >= 1 && config->C % config->H == 0 && config->max_len >= 1 && config->L >= 0 &&
                config->L <= MAX_LAYERS && 1 + config->L * SITES_PER_LAYER <= SEQMODEL_CALLS,
            "N %lld C %lld H %lld L %lld", (long long)config->N, (long long)config->C, (long long)config->H, (long long)config->L);
    Arena *arena = arena_create("sasrec");
    Sasrec *s = ARENA_NEW(arena, Sasrec, 1);
    s->arena = arena;
    s->config = *config;
    s->model = (SeqModel){.kind = "sasrec", .self = s, .be = be, .params = params_create(be), .N = config->N, .C = config->C,
                          .max_tokens = max_tokens, .max_len = config->max_len, .forward = forward, .backward = backward,
                          .destroy = destroy};
    add_weights(s);
    params_finish(s->model.params, with_gradients);
    add_buffers(s, with_gradients);
    return &s->model;
}

void sasrec_init(SeqModel *m, uint64_t seed)
{
    Sasrec *s = m->self;
    const double sd = 0.02;
    for (int64_t i = 0; i < m->params->n; i++)
        if (m->params->list[i].n_dims == 2) params_init_normal(m->params, i, sd, seed);
    for (int64_t l = 0; l < s->config.L; l++) {
        const Layer *y = &s->layer[l];
#define WEIGHT_FILL(field, name, rows, cols, initial) \
    if ((cols) == 0) params_fill(m->params, y->field, (real)(initial));
        const SasrecConfig *c = &s->config;
        SASREC_LAYER_WEIGHTS(WEIGHT_FILL)
    }
    params_fill(m->params, s->final_w, 1);
    params_fill(m->params, s->final_b, 0);
}

const SasrecConfig *sasrec_config(const SeqModel *m)
{
    const Sasrec *s = m->self;
    return &s->config;
}
