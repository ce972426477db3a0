/* sid/rqvae.c -- forward and backward pass of the RQ-VAE (equations in rqvae.h). */
#include "sid/rqvae.h"

#include <stdio.h>
#include <tgmath.h>

#include "sid/rqfused.h"

/* --- parameters -------------------------------------------------------------------------------------------------------------------------- */

static int64_t add_layer(RqModel *m, const char *side, int64_t i, int64_t in, int64_t out)
{
    int64_t at = params_add(m->params, arena_printf(m->arena, "%s.%lld.weight", side, (long long)i), 2, (int64_t[]){out, in}, true);
    int64_t bias = params_add(m->params, arena_printf(m->arena, "%s.%lld.bias", side, (long long)i), 1, (int64_t[]){out}, false);
    REQUIRE(bias == at + 1, "parameter order");
    return at;
}

static real *buffer(RqModel *m, int64_t width)
{
    return m->be->alloc(m->be, (size_t)(m->max_batch * width) * sizeof(real));
}

static void buffers_create(RqModel *m)
{
    const RqConfig *c = &m->cfg;
    int64_t widest = 0, E = c->dims[0], Z = c->dims[c->n_layers];
    for (int64_t i = 0; i <= c->n_layers; i++) widest = c->dims[i] > widest ? c->dims[i] : widest;
    for (int64_t i = 0; i < c->n_layers; i++) {
        m->enc[i] = buffer(m, c->dims[i + 1]);
        m->dec[i] = buffer(m, c->dims[c->n_layers - 1 - i]);
    }
    for (int64_t l = 0; l < c->Q; l++) {
        m->resid[l + 1] = buffer(m, Z);
        m->code_device[l] = m->be->alloc(m->be, (size_t)m->max_batch * sizeof(int32_t));
        m->code[l] = ARENA_NEW(m->arena, int32_t, m->max_batch);
    }
    m->resid[0] = m->enc[c->n_layers - 1]; /* r_0 = z */
    m->picked = buffer(m, Z);
    m->q = buffer(m, Z);
    m->diff = buffer(m, E);
    m->grad_a = buffer(m, widest);
    m->grad_b = buffer(m, widest);
}

RqModel *rqvae_create(Backend *be, const RqConfig *cfg, int64_t max_batch, bool with_gradients)
{
    REQUIRE(cfg->n_layers >= 1 && cfg->n_layers <= RQ_MAX_LAYERS && cfg->Q >= 1 && cfg->Q <= RQ_MAX_LEVELS && cfg->K >= 1 && max_batch >= 1,
            "%lld layers, %lld levels of %lld codes", (long long)cfg->n_layers, (long long)cfg->Q, (long long)cfg->K);
    Arena *arena = arena_create("rqvae");
    RqModel *m = ARENA_NEW(arena, RqModel, 1);
    m->cfg = *cfg;
    m->be = be;
    m->arena = arena;
    m->max_batch = max_batch;
    m->params = params_create(be);
    int64_t L = cfg->n_layers, Z = cfg->dims[L];
    for (int64_t i = 0; i < L; i++) m->encoder[i] = add_layer(m, "encoder", i, cfg->dims[i], cfg->dims[i + 1]);
    for (int64_t i = 0; i < L; i++) m->decoder[i] = add_layer(m, "decoder", i, cfg->dims[L - i], cfg->dims[L - 1 - i]);
    for (int64_t l = 0; l < cfg->Q; l++)
        m->codebook[l] = params_add(m->params, arena_printf(arena, "codebook.%lld.weight", (long long)l), 2, (int64_t[]){cfg->K, Z}, false);
    params_finish(m->params, with_gradients);
    m->nearest = nearest_create(be, max_batch, cfg->K, Z, arena);
    buffers_create(m);
    m->fused = rqfused_create(m);
    return m;
}

void rqvae_destroy(RqModel *m)
{
    if (!m) return;
    Backend *be = m->be;
    for (int64_t i = 0; i < m->cfg.n_layers; i++) {
        be->release(be, m->enc[i]);
        be->release(be, m->dec[i]);
    }
    for (int64_t l = 0; l < m->cfg.Q; l++) {
        be->release(be, m->resid[l + 1]);
        be->release(be, m->code_device[l]);
    }
    be->release(be, m->picked);
    be->release(be, m->q);
    be->release(be, m->diff);
    be->release(be, m->grad_a);
    be->release(be, m->grad_b);
    nearest_destroy(m->nearest);
    rqfused_destroy(m->fused);
    params_destroy(m->params);
    arena_destroy(m->arena);
}

void rqvae_init(RqModel *m, uint64_t seed)
{
    int64_t L = m->cfg.n_layers;
    for (int64_t i = 0; i < L; i++) {
        double gain = i + 1 < L ? 2.0 : 1.0;
        params_init_normal(m->params, m->encoder[i], sqrt(gain / (double)m->cfg.dims[i]), seed);
        params_init_normal(m->params, m->decoder[i], sqrt(gain / (double)m->cfg.dims[L - i]), seed);
        params_fill(m->params, m->encoder[i] + 1, 0);
        params_fill(m->params, m->decoder[i] + 1, 0);
    }
    for (int64_t l = 0; l < m->cfg.Q; l++) params_init_normal(m->params, m->codebook[l], sqrt(1.0 / (double)m->cfg.dims[L]), seed);
}

/* --- MLP --------------------------------------------------------------------------------------------------------------------------------- */

/* Width of layer i's output, encoder (decoder false) or decoder; -1 gives the input width. */
static int64_t width(const RqModel *m, bool decoder, int64_t i)
{
    return m->cfg.dims[decoder ? m->cfg.n_layers - 1 - i : i + 1];
}

static void mlp_forward(RqModel *m, bool decoder, int64_t B, const real *x)
{
    if (m->fused != NULL) {
        rqfused_forward(m, decoder, B, x);
        return;
    }
    const int64_t *at = decoder ? m->decoder : m->encoder;
    real **out = decoder ? m->dec : m->enc;
    for (int64_t i = 0; i < m->cfg.n_layers; i++) {
        int64_t in = width(m, decoder, i - 1), n = width(m, decoder, i);
        m->be->gemm(m->be, false, true, B, n, in, 1, i ? out[i - 1] : x, in, params_value(m->params, at[i]), in, 0, out[i], n);
        m->be->add_bias(m->be, B, n, out[i], n, params_value(m->params, at[i] + 1));
        if (i + 1 < m->cfg.n_layers) m->be->relu(m->be, B * n, out[i], out[i]);
    }
}

/* dy (B, width of the output), overwritten; x: input of the MLP. Returns dx in one of the two gradient buffers, or NULL when not wanted. */
static real *mlp_backward(RqModel *m, bool decoder, int64_t B, const real *x, real *dy, bool want_dx)
{
    const int64_t *at = decoder ? m->decoder : m->encoder;
    real **out = decoder ? m->dec : m->enc;
    for (int64_t i = m->cfg.n_layers - 1; i >= 0; i--) {
        int64_t in = width(m, decoder, i - 1), n = width(m, decoder, i);
        const real *h = i ? out[i - 1] : x;
        if (i + 1 < m->cfg.n_layers) m->be->relu_bwd(m->be, B * n, out[i], dy, dy);
        m->be->gemm(m->be, true, false, n, in, B, 1, dy, n, h, in, 1, params_grad(m->params, at[i]), in);
        m->be->bias_bwd_acc(m->be, B, n, dy, n, params_grad(m->params, at[i] + 1));
        if (i == 0 && !want_dx) return NULL;
        real *dx = dy == m->grad_a ? m->grad_b : m->grad_a;
        m->be->gemm(m->be, false, false, B, in, n, 1, dy, n, params_value(m->params, at[i]), in, 0, dx, in);
        dy = dx;
    }
    return dy;
}

/* --- forward and backward ---------------------------------------------------------------------------------------------------------------- */

static Status quantise(RqModel *m, int64_t B, RqLoss *loss)
{
    Backend *be = m->be;
    int64_t Z = m->cfg.dims[m->cfg.n_layers], Q = m->cfg.Q;
    size_t bytes = (size_t)(B * Z) * sizeof(real);
    for (int64_t l = 0; l < Q; l++) {
        const real *book = params_value(m->params, m->codebook[l]);
        TRY(nearest_find(m->nearest, B, m->resid[l], book, m->code[l]));
        be->upload(be, m->code_device[l], m->code[l], (size_t)B * sizeof(int32_t));
        be->embed(be, B, Z, m->code_device[l], book, 1, m->picked);
        be->copy(be, m->resid[l + 1], m->resid[l], bytes);
        be->axpy(be, B * Z, -1, m->picked, m->resid[l + 1]);
        loss->level[l] = be->sum_squares(be, B * Z, m->resid[l + 1]) / (double)(B * Z);
        loss->rq += (1 + m->cfg.beta) * loss->level[l] / (double)Q;
    }
    be->copy(be, m->q, m->resid[0], bytes); /* sum of the codes = z - last residual */
    be->axpy(be, B * Z, -1, m->resid[Q], m->q);
    return OK;
}

Status rqvae_forward(RqModel *m, int64_t B, const real *x, RqLoss *loss)
{
    REQUIRE(B >= 1 && B <= m->max_batch, "batch of %lld, at most %lld", (long long)B, (long long)m->max_batch);
    Backend *be = m->be;
    int64_t E = m->cfg.dims[0];
    RqLoss out = {0};
    m->B = B;
    m->x = x;
    mlp_forward(m, false, B, x);
    if (!m->bypass) TRY(quantise(m, B, &out));
    mlp_forward(m, true, B, m->bypass ? m->resid[0] : m->q);
    if (m->fused == NULL) {
        be->copy(be, m->diff, m->dec[m->cfg.n_layers - 1], (size_t)(B * E) * sizeof(real));
        be->axpy(be, B * E, -1, x, m->diff);
    }
    out.recon = be->sum_squares(be, B * E, m->diff) / (double)(B * E);
    out.total = out.recon + m->cfg.rq_weight * out.rq;
    if (loss) *loss = out;
    if (!isfinite(out.total)) return FAIL(E_NUMERIC, "lower --lr", "the RQ-VAE's loss is not finite");
    return OK;
}

void rqvae_backward(RqModel *m)
{
    Backend *be = m->be;
    int64_t B = m->B, E = m->cfg.dims[0], Z = m->cfg.dims[m->cfg.n_layers], Q = m->cfg.Q;
    real *dz;
    if (m->fused != NULL) {
        dz = rqfused_backward(m, true, B, NULL, true);
    } else {
        be->copy(be, m->grad_a, m->diff, (size_t)(B * E) * sizeof(real));
        be->scale(be, B * E, (real)(2.0 / (double)(B * E)), m->grad_a);
        dz = mlp_backward(m, true, B, m->bypass ? m->resid[0] : m->q, m->grad_a, true);
    }
    double pull = m->cfg.rq_weight * 2.0 / (double)(Q * B * Z);
    for (int64_t l = 0; l < Q && !m->bypass; l++) {
        if (l == 0 || !m->cfg.lcrec) be->axpy(be, B * Z, (real)(pull * m->cfg.beta), m->resid[l + 1], dz);
        be->embed_bwd_acc(be, B, Z, m->code_device[l], m->resid[l + 1], (real)-pull, params_grad(m->params, m->codebook[l]));
    }
    if (m->fused != NULL) {
        rqfused_backward(m, false, B, dz, false);
    } else {
        mlp_backward(m, false, B, m->x, dz, false);
    }
}

Status rqvae_encode(RqModel *m, int64_t N, const real *x, int32_t *code, real *z, RqLoss *loss)
{
    int64_t Z = m->cfg.dims[m->cfg.n_layers], Q = m->cfg.Q;
    RqLoss sum = {0};
    for (int64_t i = 0, B; i < N; i += B) {
        RqLoss part;
        B = N - i < m->max_batch ? N - i : m->max_batch;
        TRY(rqvae_forward(m, B, x + i * m->cfg.dims[0], &part));
        double share = (double)B / (double)N;
        sum.total += share * part.total;
        sum.recon += share * part.recon;
        sum.rq += share * part.rq;
        for (int64_t l = 0; l < Q; l++) {
            sum.level[l] += share * part.level[l];
            for (int64_t b = 0; b < B && code; b++) code[(i + b) * Q + l] = m->code[l][b];
        }
        if (z) TRY(m->be->download(m->be, z + i * Z, m->resid[0], (size_t)(B * Z) * sizeof(real)));
    }
    if (loss) *loss = sum;
    return OK;
}
