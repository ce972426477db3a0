/* llm/logistic.h -- binary logistic regression with an L2 penalty.
 *
 * minimise  sum_i log(1 + exp(-s_i (b + w.x_i))) + lambda/2 |w|^2,   s_i = +1 or -1;  b is not penalised.
 * Newton's method (iteratively reweighted least squares): (X'WX + lambda I) step = gradient, solved by Cholesky; steps are halved until the loss falls. The problem is
 * convex, so the answer does not depend on a start.
 */
#ifndef DIGR_LLM_LOGISTIC_H
#define DIGR_LLM_LOGISTIC_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Logistic {
    int n_weights;
    double *w;      /* (n_weights) */
    double bias;
    int iterations;
} Logistic;

/* logistic_fit
 * x       in (n, p)  row-major; columns of about unit scale
 * y       in (n)     0 or 1; both must occur
 * lambda  > 0
 * model.w lives in `arena`. E_INPUT: one class only, n = 0; E_NUMERIC: not finite, or no convergence in 100 steps. */
Status logistic_fit(int64_t n, int p, const double *x, const int *y, double lambda, Arena *arena, Logistic *model);

double logistic_sigmoid(double t); /* 1 / (1 + e^-t), without overflow */
double logistic_predict(const Logistic *m, const double *x); /* probability of 1 */

#endif
