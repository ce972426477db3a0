/* tests/golden_seqmodel.h -- run one golden case of a next-item sequence model (sasrec, gru4rec) and compare everything it expects. */
#ifndef DIGR_TESTS_GOLDEN_SEQMODEL_H
#define DIGR_TESTS_GOLDEN_SEQMODEL_H

#include "golden.h"
#include "nn/seqmodel.h"

/* Loads the case's parameters into m, runs forward, loss (in tiles of 5 rows) and backward, and compares. hidden: what the case calls out.hidden,
 * as a function of the model after the forward pass; NULL = the model's output; its width goes to *width. */
typedef const real *(*GoldenHidden)(const SeqModel *m, int64_t *width);

static inline Status golden_seqmodel_check(GoldenCase *c, SeqModel *m, GoldenHidden hidden_of)
{
    Backend *be = c->be;
    int64_t T, B, count, start = 0;
    const int32_t *item = golden_i32(c, "in.items", &T), *target = golden_i32(c, "in.targets", NULL);
    const int32_t *length = golden_i32(c, "in.seq_lens", &B);
    int64_t n_params = 0;
    for (; golden_param(c, n_params) != NULL; n_params++) {
        const char *name = golden_param(c, n_params);
        const int64_t p = params_find(m->params, name);
        REQUIRE(p >= 0, "%s: the model has no parameter %s", c->dir, name);
        const real *value = golden_real(c, name, &count);
        REQUIRE(count == m->params->list[p].count, "%s: %s has %lld elements", c->dir, name, (long long)count);
        be->upload(be, params_value(m->params, p), value, (size_t)count * sizeof(real));
    }
    golden_check(c, n_params == m->params->n, "%lld parameters, the model has %lld", (long long)n_params, (long long)m->params->n);

    SeqBatch *batch = seqbatch_create(be, c->arena, T);
    seqbatch_clear(batch);
    for (int64_t b = 0; b < B; start += length[b++]) seqbatch_add(batch, length[b], item + start, target + start);
    const real *out = m->forward(m->self, seqbatch_packed(batch), batch->item, (Dropout){0});
    int64_t width = m->C;
    const real *hidden = hidden_of != NULL ? hidden_of(m, &width) : out;
    real *host = ARENA_NEW(c->arena, real, T * (m->N > width ? m->N : width));
    TRY(be->download(be, host, hidden, (size_t)(T * width) * sizeof(real)));
    golden_expect_real(c, "out.hidden", host, T * width);

    real *logits = be->alloc(be, (size_t)(T * m->N) * sizeof(real)), *dout = be->alloc(be, (size_t)(T * m->C) * sizeof(real));
    const real *emb = params_value(m->params, m->item_emb);
    be->gemm(be, false, true, T, m->N, m->C, 1, out, m->C, emb, m->C, 0, logits, m->N);
    TRY(be->download(be, host, logits, (size_t)(T * m->N) * sizeof(real)));
    golden_expect_real(c, "out.logits", host, T * m->N);

    int64_t n_targets = 0;
    for (int64_t t = 0; t < T; t++) n_targets += target[t] != TARGET_IGNORED;
    real *logp = ARENA_NEW(c->arena, real, T);
    SeqLoss *loss = seqloss_create(be, m->N, m->C, T, 5);
    const Status status = seqloss_run(loss, T, out, batch->target, emb, 1 / (double)n_targets, dout, params_grad(m->params, m->item_emb), logp);
    if (status == OK) m->backward(m->self, dout);
    seqloss_destroy(loss);
    be->release(be, logits);
    be->release(be, dout);
    seqbatch_destroy(batch);
    TRY(status);
    double sum = 0;
    for (int64_t t = 0; t < T; t++) sum -= (double)logp[t];
    golden_expect_scalar(c, "loss", sum / (double)n_targets);
    golden_expect_scalar(c, "n_targets", (double)n_targets);
    for (int64_t p = 0; p < m->params->n; p++) {
        const Param *q = &m->params->list[p];
        real *grad = ARENA_NEW(c->arena, real, q->count);
        TRY(be->download(be, grad, params_grad(m->params, p), (size_t)q->count * sizeof(real)));
        golden_expect_real(c, arena_printf(c->arena, "grad.%s", q->name), grad, q->count);
    }
    return OK;
}

#endif
