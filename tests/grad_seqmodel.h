/* tests/grad_seqmodel.h -- central differences through a whole sequence model and its loss, in double; used by grad_sasrec.c and grad_gru.c.
 *
 * loss(parameters) = sum over positions of weight * -log softmax(out E^T)[target], dropout on (a pure function of its key and call, so the
 * differences see the same mask). Every element of every parameter is checked: |fd - g| <= 1e-6 * max(max|g| of the tensor, 1e-3), h = 1e-5.
 */
#ifndef DIGR_TESTS_GRAD_SEQMODEL_H
#define DIGR_TESTS_GRAD_SEQMODEL_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/rng.h"
#include "nn/seqmodel.h"
#include "suite.h"

typedef struct GradCase {
    Arena *arena;
    SeqModel *model;
    SeqBatch *batch;
    SeqLoss *loss;
    Dropout drop;
    double weight;
    real *logp, *dout, *grad; /* grad: (params) host, the analytic gradient */
} GradCase;

/* Sequences of 5, 1, 3 and 2 items; repeated items, one ignored target, a sequence without any. */
static inline GradCase grad_case(SeqModel *m, double dropout)
{
    static const int32_t item[] = {3, 0, 3, 6, 1, /**/ 2, /**/ 5, 5, 4, /**/ 0, 6};
    static const int32_t target[] = {0, 3, TARGET_IGNORED, 1, 2, /**/ 6, /**/ 5, 4, 0, /**/ TARGET_IGNORED, TARGET_IGNORED};
    static const int64_t length[] = {5, 1, 3, 2};
    GradCase c = {.arena = arena_create("gradient check"), .model = m, .weight = 0.37};
    Rng r = rng_make(11, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < m->params->count; i++) m->params->value[i] = (real)(0.4 * rng_normal(&r)); /* every parameter away from its rest value */
    c.batch = seqbatch_create(m->be, c.arena, 11);
    seqbatch_clear(c.batch);
    for (int64_t s = 0, at = 0; s < 4; at += length[s++]) seqbatch_add(c.batch, length[s], item + at, target + at);
    c.loss = seqloss_create(m->be, m->N, m->C, 11, 4);
    c.drop = (Dropout){.p = dropout, .key = 0x1234567, .call = 3 * SEQMODEL_CALLS};
    c.logp = ARENA_NEW(c.arena, real, 11);
    c.dout = m->be->alloc(m->be, (size_t)(11 * m->C) * sizeof(real));
    c.grad = ARENA_NEW(c.arena, real, m->params->count);
    return c;
}

static inline void grad_case_end(GradCase *c)
{
    c->model->be->release(c->model->be, c->dout);
    seqloss_destroy(c->loss);
    seqbatch_destroy(c->batch);
    seqmodel_destroy(c->model);
    arena_destroy(c->arena);
}

static inline double grad_loss(GradCase *c, bool backward)
{
    SeqModel *m = c->model;
    const real *out = m->forward(m->self, seqbatch_packed(c->batch), c->batch->item, c->drop);
    ck_assert_int_eq(seqloss_run(c->loss, c->batch->T, out, c->batch->target, params_value(m->params, m->item_emb), c->weight, backward ? c->dout : NULL,
                                 backward ? params_grad(m->params, m->item_emb) : NULL, c->logp), OK);
    if (backward) m->backward(m->self, c->dout);
    double sum = 0;
    for (int64_t t = 0; t < c->batch->T; t++) sum -= (double)c->logp[t];
    return c->weight * sum;
}

static inline void grad_analytic(GradCase *c)
{
    params_zero_grad(c->model->params);
    (void)grad_loss(c, true);
    for (int64_t i = 0; i < c->model->params->count; i++) c->grad[i] = c->model->params->grad[i];
}

/* Number of elements of parameter p whose difference quotient does not agree with c->grad. */
static inline int64_t grad_mismatches(GradCase *c, int64_t p)
{
    const double h = 1e-5;
    const Param *q = &c->model->params->list[p];
    double largest = 1e-3;
    for (int64_t i = 0; i < q->count; i++) largest = fmax(largest, fabs((double)c->grad[q->at + i]));
    int64_t bad = 0;
    for (int64_t i = 0; i < q->count; i++) {
        real *x = c->model->params->value + q->at + i;
        const real x0 = *x;
        *x = (real)(x0 + h);
        const double up = grad_loss(c, false);
        *x = (real)(x0 - h);
        const double down = grad_loss(c, false);
        *x = x0;
        if (!(fabs((up - down) / (2 * h) - (double)c->grad[q->at + i]) <= 1e-6 * largest)) bad++;
    }
    return bad;
}

/* All tensors agree; then the broken twins, each of which must be noticed. */
static inline void grad_check(GradCase *c)
{
    ck_assert_uint_eq(sizeof(real), sizeof(double));
    SeqModel *m = c->model;
    grad_analytic(c);
    for (int64_t p = 0; p < m->params->n; p++) {
        const Param *q = &m->params->list[p];
        ck_assert_msg(grad_mismatches(c, p) == 0, "%s: gradient of %s", m->kind, q->name);
        double largest = 0; /* twin 1: every tensor that has a gradient, 0.01 % too large */
        for (int64_t i = 0; i < q->count; i++) largest = fmax(largest, fabs((double)c->grad[q->at + i]));
        if (largest < 1e-3) continue; /* the key bias: its gradient is 0 */
        for (int64_t i = 0; i < q->count; i++) c->grad[q->at + i] *= (real)1.0001;
        ck_assert_msg(grad_mismatches(c, p) > 0, "%s: a wrong gradient of %s went unnoticed", m->kind, q->name);
        for (int64_t i = 0; i < q->count; i++) c->grad[q->at + i] /= (real)1.0001;
    }
    /* twin 2: the tied embedding without its input path */
    const Param *emb = &m->params->list[m->item_emb];
    params_zero_grad(m->params);
    const real *out = m->forward(m->self, seqbatch_packed(c->batch), c->batch->item, c->drop);
    ck_assert_int_eq(seqloss_run(c->loss, c->batch->T, out, c->batch->target, params_value(m->params, m->item_emb), c->weight, c->dout,
                                 params_grad(m->params, m->item_emb), c->logp), OK);
    for (int64_t i = 0; i < emb->count; i++) c->grad[emb->at + i] = m->params->grad[emb->at + i];
    ck_assert_int_gt(grad_mismatches(c, m->item_emb), 0);
    /* twin 3: a backward pass under another dropout mask */
    if (!(c->drop.p > 0)) return;
    c->drop.call += SEQMODEL_CALLS;
    grad_analytic(c);
    c->drop.call -= SEQMODEL_CALLS;
    ck_assert_int_gt(grad_mismatches(c, m->item_emb), 0);
}

static inline int grad_main(const char *name, void (*add)(TCase *))
{
    Suite *s = suite_create(name);
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 120);
    add(t);
    suite_add_tcase(s, t);
    return suite_run(s);
}

#endif
