/* tests/golden_rqvae.c -- golden cases of kind `rqvae`: losses, codes, outputs and all gradients. Sizes come from the case. */
#include "golden.h"

#include <stdio.h>
#include <string.h>

#include "sid/rqvae.h"

Status golden_rqvae(GoldenCase *c);

static const real *fetch(GoldenCase *c, const real *device, int64_t n)
{
    real *host = ARENA_NEW(c->arena, real, n);
    Status status = c->be->download(c->be, host, device, (size_t)n * sizeof *host);
    golden_check(c, status == OK, "download");
    return host;
}

static Status config_read(GoldenCase *c, RqConfig *cfg)
{
    const cJSON *dims = cJSON_GetObjectItemCaseSensitive(c->config, "encoder_dims");
    int n = cJSON_GetArraySize(dims);
    if (n < 2 || n > RQ_MAX_LAYERS + 1) return FAIL(E_INPUT, NULL, "%s: encoder_dims has %d entries", c->dir, n);
    const char *grad = golden_config_string(c, "residual_grad", "detach");
    if (strcmp(grad, "detach") != 0 && strcmp(grad, "lcrec") != 0) return FAIL(E_INPUT, NULL, "%s: residual_grad %s", c->dir, grad);
    *cfg = (RqConfig){.n_layers = n - 1, .Q = (int64_t)golden_config(c, "levels", 0), .K = (int64_t)golden_config(c, "codes_per_level", 0),
                      .beta = golden_config(c, "beta", 0.25), .rq_weight = golden_config(c, "rq_weight", 1), .lcrec = strcmp(grad, "lcrec") == 0};
    for (int i = 0; i < n; i++) cfg->dims[i] = (int64_t)cJSON_GetArrayItem(dims, i)->valuedouble;
    if (cfg->Q < 1 || cfg->Q > RQ_MAX_LEVELS) return FAIL(E_INPUT, NULL, "%s: %lld levels", c->dir, (long long)cfg->Q);
    return OK;
}

static void losses_check(GoldenCase *c, const RqModel *m, const RqLoss *loss)
{
    char name[32];
    golden_expect_scalar(c, "loss", loss->total);
    golden_expect_scalar(c, "recon_loss", loss->recon);
    golden_expect_scalar(c, "rq_loss", loss->rq);
    for (int64_t l = 0; l < m->cfg.Q; l++) {
        snprintf(name, sizeof name, "codebook_loss.%d", (int)l);
        golden_expect_scalar(c, name, loss->level[l]);
        snprintf(name, sizeof name, "commitment_loss.%d", (int)l);
        golden_expect_scalar(c, name, loss->level[l]);
    }
}

static void codes_check(GoldenCase *c, const RqModel *m, int64_t B)
{
    int64_t Q = m->cfg.Q, unique = 0;
    int32_t *code = ARENA_NEW(c->arena, int32_t, B * Q);
    for (int64_t b = 0; b < B; b++) {
        bool seen = false;
        for (int64_t l = 0; l < Q; l++) code[b * Q + l] = m->code[l][b];
        for (int64_t a = 0; a < b; a++) seen = seen || memcmp(code + a * Q, code + b * Q, (size_t)Q * sizeof *code) == 0;
        unique += !seen;
    }
    golden_expect_i32(c, "out.codes", code, B * Q);
    golden_expect_scalar(c, "unique_code_tuples", (double)unique);
}

Status golden_rqvae(GoldenCase *c)
{
    RqConfig cfg;
    TRY(config_read(c, &cfg));
    int64_t count = 0, E = cfg.dims[0], Z = cfg.dims[cfg.n_layers], B = (int64_t)golden_config(c, "batch", 0);
    const real *x = golden_real(c, "in.x", &count);
    if (count != B * E) return FAIL(E_INPUT, NULL, "%s: in.x has %lld values", c->dir, (long long)count);
    RqModel *m = rqvae_create(c->be, &cfg, B + 3, true); /* room to spare: strides must not depend on it */
    for (int64_t i = 0; i < m->params->n; i++) {
        const real *value = golden_real(c, m->params->list[i].name, &count);
        if (count != m->params->list[i].count) return FAIL(E_INPUT, NULL, "%s: %s has %lld values", c->dir, m->params->list[i].name, (long long)count);
        c->be->upload(c->be, params_value(m->params, i), value, (size_t)count * sizeof *value);
    }
    RqLoss loss;
    params_zero_grad(m->params);
    TRY(rqvae_forward(m, B, golden_device(c, x, B * E), &loss));
    losses_check(c, m, &loss);
    codes_check(c, m, B);
    golden_expect_real(c, "out.z", fetch(c, m->resid[0], B * Z), B * Z);
    golden_expect_real(c, "out.quantized", fetch(c, m->q, B * Z), B * Z);
    golden_expect_real(c, "out.recon", fetch(c, m->dec[cfg.n_layers - 1], B * E), B * E);
    rqvae_backward(m);
    for (int64_t i = 0; i < m->params->n; i++) {
        const Param *p = &m->params->list[i];
        golden_expect_real(c, arena_printf(c->arena, "grad.%s", p->name), fetch(c, params_grad(m->params, i), p->count), p->count);
    }
    rqvae_destroy(m);
    return OK;
}
