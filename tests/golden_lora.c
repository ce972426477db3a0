/* tests/golden_lora.c -- golden cases of kind lora: adapters on a frozen decoder, and the merged matrices. */
#include "golden_model.h"
#include "nn/lora.h"

Status golden_lora(GoldenCase *c);

static Status expect_merged(GoldenCase *c, Decoder *d)
{
    Params *p = decoder_params(d);
    for (int64_t i = 0; i < p->n; i++) {
        const char *name = arena_printf(c->arena, "out.merged.%s", p->list[i].name);
        if (!golden_expects(c, name)) continue;
        real *w = ARENA_NEW(c->arena, real, p->list[i].count);
        TRY(c->be->download(c->be, w, params_value(p, i), (size_t)p->list[i].count * sizeof(real)));
        golden_expect_real(c, name, w, p->list[i].count);
    }
    return OK;
}

Status golden_lora(GoldenCase *c)
{
    Packed pk = golden_model_pack(c);
    Decoder *d = golden_model_create(c, pk.T);
    const double r = golden_config(c, "lora_r", 0), alpha = golden_config(c, "lora_alpha", 0);
    Lora *a = lora_attach(d, (int64_t)r, alpha);
    golden_model_fill(c, decoder_params(d), lora_params(a));
    Status s = golden_model_run(c, d, &pk);
    if (s == OK) s = golden_model_expect_grads(c, lora_params(a));
    lora_merge(a);
    if (s == OK) s = expect_merged(c, d);
    decoder_destroy(d);
    return s;
}
