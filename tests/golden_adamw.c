/* tests/golden_adamw.c -- golden cases of kind adamw: steps on given gradients; learning rate, norm, values and moments. */
#include <string.h>

#include "golden.h"
#include "nn/adamw.h"

Status golden_adamw(GoldenCase *c);

static bool decays(GoldenCase *c, const char *name)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(c->config, "no_decay");
    for (const cJSON *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
        if (strcmp(e->valuestring, name) == 0) return false;
    }
    return true;
}

static Params *list_params(GoldenCase *c)
{
    Params *p = params_create(c->be);
    const char *name;
    for (int64_t i = 0; (name = golden_param(c, i)) != NULL; i++) {
        const Tensor *t = golden_tensor(c, name);
        params_add(p, name, t->n_dims, t->shape, decays(c, name));
    }
    params_finish(p, true);
    for (int64_t i = 0; i < p->n; i++) {
        const real *x = golden_real(c, p->list[i].name, NULL);
        c->be->upload(c->be, params_value(p, i), x, (size_t)p->list[i].count * sizeof(real));
    }
    return p;
}

/* Compares one block (value, m or v) under the names prefix + parameter. */
static Status expect_block(GoldenCase *c, const Params *p, const real *block, const char *prefix)
{
    for (int64_t i = 0; i < p->n; i++) {
        real *x = ARENA_NEW(c->arena, real, p->list[i].count);
        TRY(c->be->download(c->be, x, block + p->list[i].at, (size_t)p->list[i].count * sizeof(real)));
        golden_expect_real(c, arena_printf(c->arena, "%s%s", prefix, p->list[i].name), x, p->list[i].count);
    }
    return OK;
}

static Status run_steps(GoldenCase *c, Params *p)
{
    AdamW o = {.lr = golden_config(c, "lr", 0), .beta1 = golden_config(c, "beta1", 0), .beta2 = golden_config(c, "beta2", 0),
        .eps = golden_config(c, "eps", 0), .weight_decay = golden_config(c, "weight_decay", 0),
        .max_norm = golden_config(c, "max_grad_norm", 0), .min_lr_ratio = golden_config(c, "min_lr_ratio", 0),
        .warmup_steps = (int64_t)golden_config(c, "warmup_steps", 0), .total_steps = (int64_t)golden_config(c, "total_steps", 0)};
    const int64_t steps = (int64_t)golden_config(c, "steps", 0);
    for (int64_t t = 0; t < steps; t++) {
        for (int64_t i = 0; i < p->n; i++) {
            const real *g = golden_real(c, arena_printf(c->arena, "in.grad.%lld.%s", (long long)t, p->list[i].name), NULL);
            c->be->upload(c->be, params_grad(p, i), g, (size_t)p->list[i].count * sizeof(real));
        }
        golden_expect_scalar(c, arena_printf(c->arena, "lr.%lld", (long long)t), adamw_lr(&o, t));
        double norm;
        TRY(adamw_step(&o, p, &norm));
        golden_expect_scalar(c, arena_printf(c->arena, "grad_norm.%lld", (long long)t), norm);
        TRY(expect_block(c, p, p->value, arena_printf(c->arena, "new.%lld.", (long long)t)));
    }
    TRY(expect_block(c, p, p->m, "out.m."));
    return expect_block(c, p, p->v, "out.v.");
}

Status golden_adamw(GoldenCase *c)
{
    Params *p = list_params(c);
    Status s = run_steps(c, p);
    params_destroy(p);
    return s;
}
