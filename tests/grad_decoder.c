/* tests/grad_decoder.c -- gradient check in double of the whole decoder: every parameter tensor, with and without adapters.
 *
 * loss = sum_t w_t * -logp_t with fixed random w; central differences with h = 1e-5 at some elements of every tensor; they must agree to 1e-6
 * of the tensor's largest gradient. Broken twins that must be found: a gradient 1 % too large in each tensor, the wrong dropout mask,
 * and a tied matrix without the gradient of its use as input.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "nn/decoder.h"
#include "nn/lora.h"
#include "suite.h"

enum { T = 11, B = 3, PROBES = 12 };

static const int32_t OFFSET[B + 1] = {0, 4, 5, T}, POS[T] = {0, 1, 2, 3, 0, 0, 1, 2, 3, 4, 5};
static const Packed PACK = {B, T, 6, OFFSET, POS, OFFSET};
static const int32_t TOKEN[T] = {3, 1, 3, 0, 9, 8, 7, 3, 2, 2, 5};
static const int32_t TARGET[T] = {1, TARGET_IGNORED, 0, 6, TARGET_IGNORED, 7, 3, 10, 2, TARGET_IGNORED, 4};
static const int32_t RANGE[2 * T] = {0, 11, 0, 11, 0, 5, 5, 8, 0, 11, 5, 8, 0, 5, 0, 11, 0, 5, 0, 11, 4, 5};

static const struct { const char *name; DecoderConfig c; double p; bool ranges; } MODELS[] = {
    {"qwen2, tied, grouped heads", {11, 10, 2, 4, 2, 4, 7, 100, 1e-3, true, false, true}, 0, false},
    {"qwen3, untied, one key head", {11, 6, 2, 3, 1, 6, 9, 100, 1e-3, false, true, false}, 0, true},
    {"qwen3, tied, dropout", {11, 8, 1, 2, 2, 4, 9, 100, 1e-3, false, true, true}, 0.3, true},
};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

typedef struct Model {
    Backend *be;
    Decoder *d;
    Lora *lora;
    Params *learned; /* what has gradients */
    real weight[T];
    const int32_t *range;
    Dropout drop;
} Model;

static Model create(int i, const char *backend, bool adapters)
{
    Model m = {.range = MODELS[i].ranges ? RANGE : NULL, .drop = {.p = MODELS[i].p, .key = 77, .call = 3}};
    MUST(backend_open(backend, 2, &m.be));
    m.d = decoder_create(m.be, &MODELS[i].c, T, true);
    Params *all[2] = {decoder_params(m.d), NULL};
    if (adapters) {
        m.lora = lora_attach(m.d, 2, 3);
        all[1] = lora_params(m.lora);
    }
    m.learned = adapters ? all[1] : all[0];
    Rng g = rng_make(21, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)i);
    for (int k = 0; k < 2 && all[k] != NULL; k++) {
        for (int64_t j = 0; j < all[k]->count; j++) all[k]->value[j] = (real)(0.6 * rng_normal(&g)); /* ref and cpu: host memory */
    }
    for (int64_t t = 0; t < T; t++) m.weight[t] = (real)rng_normal(&g);
    return m;
}

static void destroy(Model *m)
{
    decoder_destroy(m->d);
    m->be->destroy(m->be);
}

static double loss(Model *m, const real *weight)
{
    real logp[T];
    decoder_forward(m->d, &PACK, TOKEN, m->drop);
    MUST(decoder_loss(m->d, TARGET, m->range, weight, logp));
    double sum = 0;
    for (int64_t t = 0; t < T; t++) sum -= (double)m->weight[t] * (double)logp[t];
    return sum;
}

/* Error of parameter i at some elements, relative to its largest gradient. */
static double tensor_error(Model *m, int64_t i, double factor)
{
    const Param *q = &m->learned->list[i];
    real *value = params_value(m->learned, i), *grad = params_grad(m->learned, i);
    double largest = 0, worst = 0;
    for (int64_t j = 0; j < q->count; j++) largest = fmax(largest, fabs((double)grad[j]));
    Rng g = rng_make(22, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)i);
    for (int64_t k = 0; k < PROBES; k++) {
        int64_t j = q->count <= PROBES ? k % q->count : (int64_t)rng_below(&g, (uint64_t)q->count);
        if (k == 0) /* always the largest: a mistake must show there */
            for (int64_t l = 0; l < q->count; l++) j = fabs((double)grad[l]) > fabs((double)grad[j]) ? l : j;
        const real old = value[j];
        const double h = 1e-5;
        value[j] = old + (real)h;
        const double up = loss(m, NULL);
        value[j] = old - (real)h;
        const double down = loss(m, NULL);
        value[j] = old;
        const double e = fabs((up - down) / (2 * h) - factor * (double)grad[j]);
        if (!(e <= worst)) worst = e;
    }
    return worst / (largest + 1e-12);
}

static void check_model(int i, const char *backend, bool adapters)
{
    Model m = create(i, backend, adapters);
    loss(&m, m.weight);
    for (int64_t k = 0; k < m.learned->n; k++) {
        const double right = tensor_error(&m, k, 1), wrong = tensor_error(&m, k, 1.01);
        ck_assert_msg(right <= 1e-6, "%s on %s: %s is off by %g", MODELS[i].name, backend, m.learned->list[k].name, right);
        ck_assert_msg(wrong > 5e-3, "%s on %s: 1 %% too much in %s was not found", MODELS[i].name, backend, m.learned->list[k].name);
    }
    destroy(&m);
}

START_TEST(on_ref) { check_model(_i, "ref", false); }
END_TEST
START_TEST(on_cpu) { check_model(_i, "cpu", false); }
END_TEST
START_TEST(adapters_on_ref) { check_model(_i, "ref", true); }
END_TEST
START_TEST(adapters_on_cpu) { check_model(_i, "cpu", true); }
END_TEST

static double worst_of(Model *m)
{
    double worst = 0;
    for (int64_t k = 0; k < m->learned->n; k++) worst = fmax(worst, tensor_error(m, k, 1));
    return worst;
}

START_TEST(wrong_mask_is_found)
{
    Model m = create(2, "ref", false);
    loss(&m, m.weight);
    ck_assert(worst_of(&m) <= 1e-6);
    m.drop.call++; /* the differences now see another mask than the gradient */
    ck_assert(worst_of(&m) > 1e-3);
    destroy(&m);
}
END_TEST

START_TEST(one_sided_tie_is_found)
{
    Model m = create(0, "ref", false);
    loss(&m, m.weight);
    const int64_t at = params_find(m.learned, "model.embed_tokens.weight"), C = MODELS[0].c.C;
    ck_assert(tensor_error(&m, at, 1) <= 1e-6);
    real *g = params_grad(m.learned, at);
    for (int64_t c = 0; c < C; c++) g[9 * C + c] = 0; /* token 9 is an input but no target: what is left is the other use */
    const real *hidden = decoder_forward(m.d, &PACK, TOKEN, m.drop);
    ck_assert_ptr_nonnull(hidden);
    double worst = 0;
    for (int64_t c = 0; c < C; c++) {
        real *v = params_value(m.learned, at) + 9 * C + c, old = *v;
        *v = old + (real)1e-5;
        const double up = loss(&m, NULL);
        *v = old - (real)1e-5;
        worst = fmax(worst, fabs((up - loss(&m, NULL)) / 2e-5 - (double)g[9 * C + c]));
        *v = old;
    }
    ck_assert(worst > 1e-3);
    destroy(&m);
}
END_TEST

/* Gradients are added to what is there, and the explicit-logits entry gives the same ones as the loss. */
START_TEST(accumulation_and_explicit_logits)
{
    Model m = create(0, "cpu", false);
    loss(&m, m.weight);
    Params *p = m.learned;
    Arena *a = arena_create("test");
    real *once = ARENA_NEW(a, real, p->count), logp[T], lse[T], w[T];
    memcpy(once, p->grad, (size_t)p->count * sizeof(real));
    loss(&m, m.weight);
    for (int64_t j = 0; j < p->count; j++) ck_assert(fabs((double)(p->grad[j] - 2 * once[j])) <= 1e-12 * (1 + fabs((double)once[j])));
    params_zero_grad(p);
    decoder_forward(m.d, &PACK, TOKEN, m.drop);
    int32_t row[T], target[T];
    int64_t n = 0, V = MODELS[0].c.V;
    for (int32_t t = 0; t < T; t++) {
        if (TARGET[t] == TARGET_IGNORED) continue;
        row[n] = t;
        w[n] = m.weight[t];
        target[n++] = TARGET[t];
    }
    real *logits = ARENA_NEW(a, real, n * V);
    decoder_logits(m.d, n, row, logits);
    m.be->xent(m.be, n, V, logits, V, target, NULL, NULL, logp, lse);
    m.be->xent_bwd(m.be, n, V, logits, V, target, NULL, NULL, lse, w);
    decoder_backward_rows(m.d, n, row, logits);
    for (int64_t j = 0; j < p->count; j++) ck_assert(fabs((double)(p->grad[j] - once[j])) <= 1e-12 * (1 + fabs((double)once[j])));
    arena_destroy(a);
    destroy(&m);
}
END_TEST

int main(void)
{
    REQUIRE(sizeof(real) == sizeof(double), "a gradient check needs double");
    Suite *s = suite_create("gradients of the decoder");
    TCase *t = tcase_create("central differences");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, on_ref, 0, N_MODELS);
    tcase_add_loop_test(t, on_cpu, 0, N_MODELS);
    tcase_add_loop_test(t, adapters_on_ref, 0, N_MODELS);
    tcase_add_loop_test(t, adapters_on_cpu, 0, N_MODELS);
    tcase_add_test(t, wrong_mask_is_found);
    tcase_add_test(t, one_sided_tie_is_found);
    tcase_add_test(t, accumulation_and_explicit_logits);
    suite_add_tcase(s, t);
    return suite_run(s);
}
