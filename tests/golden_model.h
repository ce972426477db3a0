/* tests/golden_model.h -- what the decoder and lora cases share: the decoder of a case and its packed batch. */
#ifndef DIGR_TESTS_GOLDEN_MODEL_H
#define DIGR_TESTS_GOLDEN_MODEL_H

#include <string.h>

#include "golden.h"
#include "nn/decoder.h"

static inline Decoder *golden_model_create(GoldenCase *c, int64_t max_tokens)
{
    const int64_t C = (int64_t)golden_config(c, "hidden_size", 0), H = (int64_t)golden_config(c, "num_attention_heads", 1);
    REQUIRE(strcmp(golden_config_string(c, "hidden_act", "silu"), "silu") == 0, "hidden_act");
    DecoderConfig config = {.V = (int64_t)golden_config(c, "vocab_size", 0), .C = C, .H = H,
        .L = (int64_t)golden_config(c, "num_hidden_layers", 0), .Hkv = (int64_t)golden_config(c, "num_key_value_heads", (double)H),
        .D = (int64_t)golden_config(c, "head_dim", (double)(C / H)), .F = (int64_t)golden_config(c, "intermediate_size", 0),
        .rope_theta = golden_config(c, "rope_theta", 1e4), .rms_eps = golden_config(c, "rms_norm_eps", 1e-6),
        .attention_bias = golden_config(c, "attention_bias", 0) > 0, .qk_norm = golden_config(c, "qk_norm", 0) > 0,
        .tied = golden_config(c, "tie_word_embeddings", 0) > 0};
    return decoder_create(c->be, &config, max_tokens, true);
}

/* Copies the case's parameters into the lists they belong to (b may be NULL); every one must find its place. */
static inline void golden_model_fill(GoldenCase *c, Params *a, Params *b)
{
    const char *name;
    int64_t filled = 0;
    for (int64_t i = 0; (name = golden_param(c, i)) != NULL; i++, filled++) {
        Params *p = params_find(a, name) >= 0 ? a : b;
        int64_t at = p != NULL ? params_find(p, name) : -1, count;
        const real *x = golden_real(c, name, &count);
        REQUIRE(at >= 0 && p->list[at].count == count, "parameter %s", name);
        c->be->upload(c->be, params_value(p, at), x, (size_t)count * sizeof(real));
    }
    REQUIRE(filled == a->n + (b != NULL ? b->n : 0), "%lld parameters of %lld", (long long)filled, (long long)a->n);
}

static inline Packed golden_model_pack(GoldenCase *c)
{
    Packed pk = {0};
    const int32_t *len = golden_i32(c, "in.seq_lens", &pk.B);
    int32_t *offset = ARENA_NEW(c->arena, int32_t, pk.B + 1);
    for (int64_t b = 0; b < pk.B; b++) {
        offset[b + 1] = offset[b] + len[b];
        if (len[b] > pk.max_len) pk.max_len = len[b];
    }
    pk.T = offset[pk.B];
    int32_t *pos = ARENA_NEW(c->arena, int32_t, pk.T);
    for (int64_t b = 0; b < pk.B; b++) {
        for (int32_t t = offset[b]; t < offset[b + 1]; t++) pos[t] = t - offset[b];
    }
    pk.h_offset = offset;
    pk.offset = golden_device_i32(c, offset, pk.B + 1);
    pk.pos = golden_device_i32(c, pos, pk.T);
    return pk;
}

/* Forward, logits of every row, mean loss over the targets, backward; compares out.logits, out.target_logp, loss and n_targets. */
static inline Status golden_model_run(GoldenCase *c, Decoder *d, const Packed *pk)
{
    const int64_t V = decoder_config(d)->V;
    const int32_t *token = golden_i32(c, "in.tokens", NULL), *target = golden_i32(c, "in.targets", NULL);
    decoder_forward(d, pk, token, (Dropout){0});
    int32_t *row = ARENA_NEW(c->arena, int32_t, pk->T);
    int64_t n = 0;
    for (int32_t t = 0; t < pk->T; t++) {
        row[t] = t;
        n += target[t] != TARGET_IGNORED;
    }
    real *logits = golden_device(c, NULL, pk->T * V), *host = ARENA_NEW(c->arena, real, pk->T * V);
    decoder_logits(d, pk->T, row, logits);
    TRY(c->be->download(c->be, host, logits, (size_t)(pk->T * V) * sizeof(real)));
    golden_expect_real(c, "out.logits", host, pk->T * V);
    real *weight = ARENA_NEW(c->arena, real, pk->T), *logp = ARENA_NEW(c->arena, real, pk->T);
    for (int64_t t = 0; t < pk->T; t++) weight[t] = (real)(1.0 / (double)n);
    TRY(decoder_loss(d, target, NULL, weight, logp));
    double loss = 0;
    for (int64_t t = 0; t < pk->T; t++) loss -= (double)logp[t] / (double)n;
    golden_expect_real(c, "out.target_logp", logp, pk->T);
    golden_expect_scalar(c, "loss", loss);
    golden_expect_scalar(c, "n_targets", (double)n);
    return OK;
}

static inline Status golden_model_expect_grads(GoldenCase *c, Params *p)
{
    for (int64_t i = 0; i < p->n; i++) {
        real *g = ARENA_NEW(c->arena, real, p->list[i].count);
        TRY(c->be->download(c->be, g, params_grad(p, i), (size_t)p->list[i].count * sizeof(real)));
        golden_expect_real(c, arena_printf(c->arena, "grad.%s", p->list[i].name), g, p->list[i].count);
    }
    return OK;
}

#endif
