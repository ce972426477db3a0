/* llm/logistic.c -- see logistic.h. */
#include "llm/logistic.h"

#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_STEPS = 100 };

static double log1p_exp(double t) { return t > 0 ? t + log1p(exp(-t)) : log1p(exp(t)); }
double logistic_sigmoid(double t) { return t >= 0 ? 1 / (1 + exp(-t)) : exp(t) / (1 + exp(t)); }

static double margin(const double *theta, int p, const double *x) {
    double t = theta[p];
    for (int k = 0; k < p; k++) t += theta[k] * x[k];
    return t;
}

static double penalised_loss(int64_t n, int p, const double *x, const int *y, double lambda, const double *theta) {
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        double t = margin(theta, p, x + i * p);
        loss += log1p_exp(y[i] ? -t : t);
    }
    for (int k = 0; k < p; k++) loss += 0.5 * lambda * theta[k] * theta[k];
    return loss;
}

/* Gradient (p+1) and lower triangle of the Hessian (p+1,p+1); the last coordinate is the bias. */
static void derivatives(int64_t n, int p, const double *x, const int *y, double lambda, const double *theta, double *gradient, double *hessian) {
    int q = p + 1;
    memset(gradient, 0, (size_t)q * sizeof *gradient);
    memset(hessian, 0, (size_t)(q * q) * sizeof *hessian);
    for (int64_t i = 0; i < n; i++) {
        const double *row = x + i * p;
        double mu = logistic_sigmoid(margin(theta, p, row)), weight = mu * (1 - mu), residual = mu - y[i];
        for (int a = 0; a < q; a++) {
            double xa = a < p ? row[a] : 1;
            gradient[a] += residual * xa;
            for (int b = 0; b <= a; b++) hessian[a * q + b] += weight * xa * (b < p ? row[b] : 1);
        }
    }
    for (int k = 0; k < p; k++) {
        gradient[k] += lambda * theta[k];
        hessian[k * q + k] += lambda;
    }
}

Status logistic_fit(int64_t n, int p, const double *x, const int *y, double lambda, Arena *arena, Logistic *model) {
    REQUIRE(lambda > 0 && p >= 0, "lambda %g, %d weights", lambda, p);
    int64_t positives = 0;
    for (int64_t i = 0; i < n; i++) positives += y[i];
    if (positives == 0 || positives == n)
        return FAIL(E_INPUT, "judge more interests, with both outcomes", "a classifier cannot be fitted: %lld of %lld labels are 1", (long long)positives, (long long)n);
    int q = p + 1;
    double *theta = ARENA_NEW(arena, double, q);
    ArenaMark mark = arena_mark(arena);
    double *gradient = ARENA_NEW(arena, double, q), *hessian = ARENA_NEW(arena, double, q * q), *next = ARENA_NEW(arena, double, q);
    theta[p] = log((double)positives / (double)(n - positives));
    double loss = penalised_loss(n, p, x, y, lambda, theta);
    bool converged = false;
    int step = 0;
    for (; step < MAX_STEPS && !converged; step++) {
        derivatives(n, p, x, y, lambda, theta, gradient, hessian);
        double norm = 0;
        for (int k = 0; k < q; k++) norm = fmax(norm, fabs(gradient[k]));
        if (!isfinite(norm)) return FAIL(E_NUMERIC, NULL, "logistic regression: a gradient is not finite at step %d", step);
        hessian[p * q + p] += 1e-12; /* the bias alone has no penalty: keep the matrix positive where all weights mu(1-mu) vanish */
        if (LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', q, 1, hessian, q, gradient, 1) != 0)
            return FAIL(E_NUMERIC, NULL, "logistic regression: the Hessian is not positive definite at step %d", step);
        double scale = 1, trial = loss;
        for (int halving = 0; halving < 40; halving++, scale /= 2) {
            for (int k = 0; k < q; k++) next[k] = theta[k] - scale * gradient[k];
            trial = penalised_loss(n, p, x, y, lambda, next);
            if (trial <= loss) break;
        }
        converged = norm <= 1e-8 * (double)n || !(trial < loss);
        if (trial <= loss) {
            memcpy(theta, next, (size_t)q * sizeof *theta);
            loss = trial;
        }
    }
    arena_release(arena, mark);
    if (!converged) return FAIL(E_NUMERIC, NULL, "logistic regression: no convergence in %d steps", MAX_STEPS);
    *model = (Logistic){p, theta, theta[p], step};
    return OK;
}

double logistic_predict(const Logistic *m, const double *x) {
    double t = m->bias;
    for (int k = 0; k < m->n_weights; k++) t += m->w[k] * x[k];
    return logistic_sigmoid(t);
}
