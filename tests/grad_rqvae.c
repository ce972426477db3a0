/* tests/grad_rqvae.c -- the RQ-VAE's gradients against central differences, in double.
 *
 * Stop-gradients make the loss's true derivative another thing than what is trained, so the checked function is the loss with everything under
 * `sg` frozen at the base point, written out here by plain loops and sharing no code with the model:
 *   q = z + (sum e - z)_0;  L = mean(dec(q)-x)^2 + w/Q sum_l( mean(e_l - (r_l)_0)^2 + beta mean(r_l - (e_l)_0)^2 ),  r_l = z - (sum_{j<l} e_j)_0
 * Broken twins show that the check can fail: LC-Rec's residual gradient, no straight-through, a codebook of wrong sign, a bias off by 2 %.
 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "sid/rqvae.h"
#include "suite.h"

enum { B = 7, MOST = 4096 };
static const double STEP = 1e-5, TOLERANCE = 1e-6;

typedef struct Frozen { double e[RQ_MAX_LEVELS][B * 16], r[RQ_MAX_LEVELS][B * 16], shift[B * 16]; } Frozen;

static Arena *arena;
static Backend *be;
static RqModel *m;
static double x[B * 16], theta[MOST]; /* theta: all parameters */
static const RqConfig base = {.n_layers = 3, .dims = {9, 7, 8, 5}, .Q = 3, .K = 6, .beta = 0.3, .rq_weight = 0.8};

static void mlp(const int64_t *at, const int64_t *size, int64_t layers, const double *in, double *out)
{
    double a[16], b[16];
    memcpy(a, in, (size_t)size[0] * sizeof *a);
    for (int64_t i = 0; i < layers; i++) {
        const double *w = theta + m->params->list[at[i]].at, *bias = theta + m->params->list[at[i] + 1].at;
        for (int64_t o = 0; o < size[i + 1]; o++) {
            b[o] = bias[o];
            for (int64_t j = 0; j < size[i]; j++) b[o] += w[o * size[i] + j] * a[j];
            if (i + 1 < layers && b[o] < 0) b[o] = 0;
        }
        memcpy(a, b, (size_t)size[i + 1] * sizeof *a);
    }
    memcpy(out, a, (size_t)size[layers] * sizeof *a);
}

static void sizes_reversed(int64_t *out)
{
    for (int64_t i = 0; i <= base.n_layers; i++) out[i] = base.dims[base.n_layers - i];
}

/* The surrogate loss at theta, with codes and frozen values given. freeze: record them instead (values then come from theta itself). */
static double surrogate(Frozen *f, bool freeze)
{
    int64_t E = base.dims[0], Z = base.dims[base.n_layers], back[RQ_MAX_LAYERS + 1];
    double loss = 0, z[16], q[16], recon[16];
    sizes_reversed(back);
    for (int64_t b = 0; b < B; b++) {
        double sum[16] = {0}; /* frozen sum of the codes of lower levels */
        mlp(m->encoder, base.dims, base.n_layers, x + b * E, z);
        for (int64_t l = 0; l < base.Q; l++) {
            const double *e = theta + m->params->list[m->codebook[l]].at + m->code[l][b] * Z;
            for (int64_t j = 0; j < Z; j++) {
                double r = z[j] - sum[j];
                if (freeze) {
                    f->e[l][b * Z + j] = e[j];
                    f->r[l][b * Z + j] = r;
                }
                double e0 = f->e[l][b * Z + j], r0 = f->r[l][b * Z + j], scale = base.rq_weight / (double)(base.Q * B * Z);
                loss += scale * ((e[j] - r0) * (e[j] - r0) + base.beta * (r - e0) * (r - e0));
                sum[j] += e0;
            }
        }
        for (int64_t j = 0; j < Z; j++) {
            if (freeze) f->shift[b * Z + j] = sum[j] - z[j];
            q[j] = z[j] + f->shift[b * Z + j];
        }
        mlp(m->decoder, back, base.n_layers, q, recon);
        for (int64_t j = 0; j < E; j++) loss += (recon[j] - x[b * E + j]) * (recon[j] - x[b * E + j]) / (double)(B * E);
    }
    return loss;
}

static void setup(void)
{
    arena = arena_create("test");
    be = backend_ref();
    m = rqvae_create(be, &base, B, true);
    Rng r = rng_make(5, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < m->params->count; i++) theta[i] = 0.6 * rng_normal(&r);
    for (int64_t i = 0; i < B * base.dims[0]; i++) x[i] = rng_normal(&r);
    ck_assert_int_le(m->params->count, MOST);
    be->upload(be, m->params->value, theta, (size_t)m->params->count * sizeof *theta);
}

static void teardown(void)
{
    rqvae_destroy(m);
    be->destroy(be);
    arena_destroy(arena);
}

/* Largest difference between the model's gradient (after `spoil`) and the surrogate's, relative to the largest gradient. */
static double worst_error(void (*spoil)(real *grad))
{
    static Frozen frozen;
    RqLoss loss;
    ck_assert_int_eq(rqvae_forward(m, B, x, &loss), OK);
    double at_base = surrogate(&frozen, true);
    ck_assert_msg(fabs(at_base - loss.total) < 1e-12 * at_base, "loss %.17g, by loops %.17g", loss.total, at_base);
    params_zero_grad(m->params);
    rqvae_backward(m);
    if (spoil) spoil(m->params->grad);
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < m->params->count; i++) {
        double keep = theta[i];
        theta[i] = keep + STEP;
        double up = surrogate(&frozen, false);
        theta[i] = keep - STEP;
        double down = surrogate(&frozen, false), numeric = (up - down) / (2 * STEP);
        theta[i] = keep;
        double error = fabs(numeric - (double)m->params->grad[i]);
        ck_assert(isfinite(error));
        worst = fmax(worst, error);
        largest = fmax(largest, fabs(numeric));
    }
    return worst / largest;
}

START_TEST(gradients_match)
{
    double error = worst_error(NULL);
    ck_assert_msg(error <= TOLERANCE, "relative error %.3g", error);
}
END_TEST

START_TEST(accumulates_over_calls)
{
    RqLoss loss;
    ck_assert_int_eq(rqvae_forward(m, B, x, &loss), OK);
    params_zero_grad(m->params);
    rqvae_backward(m);
    double *once = ARENA_NEW(arena, double, m->params->count);
    memcpy(once, m->params->grad, (size_t)m->params->count * sizeof *once);
    rqvae_backward(m);
    for (int64_t i = 0; i < m->params->count; i++) ck_assert(fabs((double)m->params->grad[i] - 2 * once[i]) <= 1e-12 * (1 + fabs(once[i])));
}
END_TEST

/* Broken twins: each must be seen. */

START_TEST(twin_lcrec_residual_gradient)
{
    m->cfg.lcrec = true;
    ck_assert(worst_error(NULL) > 1e3 * TOLERANCE);
}
END_TEST

static void without_straight_through(real *grad)
{
    for (int64_t i = 0; i < base.n_layers; i++) /* the reconstruction no longer reaches the encoder */
        memset(grad + m->params->list[m->encoder[i]].at, 0, (size_t)m->params->list[m->encoder[i]].count * sizeof *grad);
}

START_TEST(twin_without_straight_through)
{
    ck_assert(worst_error(without_straight_through) > 1e3 * TOLERANCE);
}
END_TEST

static void codebook_sign(real *grad)
{
    real *g = grad + m->params->list[m->codebook[1]].at;
    for (int64_t i = 0; i < m->params->list[m->codebook[1]].count; i++) g[i] = -g[i];
}

START_TEST(twin_codebook_sign)
{
    ck_assert(worst_error(codebook_sign) > 1e3 * TOLERANCE);
}
END_TEST

static void one_bias_two_percent(real *grad)
{
    real *g = grad + m->params->list[m->decoder[0] + 1].at;
    for (int64_t i = 0; i < m->params->list[m->decoder[0] + 1].count; i++) g[i] *= 1.02;
}

START_TEST(twin_bias_off_by_two_percent)
{
    ck_assert(worst_error(one_bias_two_percent) > 10 * TOLERANCE);
}
END_TEST

START_TEST(bypass_is_a_plain_autoencoder)
{
    int64_t E = base.dims[0], back[RQ_MAX_LAYERS + 1];
    double z[16], recon[16], want = 0;
    RqLoss loss;
    sizes_reversed(back);
    for (int64_t b = 0; b < B; b++) {
        mlp(m->encoder, base.dims, base.n_layers, x + b * E, z);
        mlp(m->decoder, back, base.n_layers, z, recon);
        for (int64_t j = 0; j < E; j++) want += (recon[j] - x[b * E + j]) * (recon[j] - x[b * E + j]) / (double)(B * E);
    }
    m->bypass = true;
    ck_assert_int_eq(rqvae_forward(m, B, x, &loss), OK);
    ck_assert(fabs(loss.total - want) < 1e-12 * want);
    ck_assert(loss.rq == 0 && loss.total == loss.recon);
    params_zero_grad(m->params);
    rqvae_backward(m);
    for (int64_t l = 0; l < base.Q; l++)
        for (int64_t i = 0; i < m->params->list[m->codebook[l]].count; i++) ck_assert(params_grad(m->params, m->codebook[l])[i] == 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, gradients_match);
    tcase_add_test(t, accumulates_over_calls);
    tcase_add_test(t, twin_lcrec_residual_gradient);
    tcase_add_test(t, twin_without_straight_through);
    tcase_add_test(t, twin_codebook_sign);
    tcase_add_test(t, twin_bias_off_by_two_percent);
    tcase_add_test(t, bypass_is_a_plain_autoencoder);
    Suite *s = suite_create("grad_rqvae");
    suite_add_tcase(s, t);
    return suite_run(s);
}
