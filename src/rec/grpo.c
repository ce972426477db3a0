/* rec/grpo.c -- the GRPO objective. Contract and formulas in grpo.h. Everything runs in double: the arrays are tiny. */
#include "rec/grpo.h"

#include <math.h>
#include <stddef.h>

int64_t grpo_advantages(int64_t n_groups, int64_t G, double adv_eps, const double *reward, double *advantage)
{
    int64_t flat = 0;
    for (int64_t g = 0; g < n_groups; g++) {
        const double *r = reward + g * G;
        double shift = 0, var = 0; /* mean = r[0] + shift: equal rewards give 0 without rounding */
        for (int64_t i = 0; i < G; i++) shift += r[i] - r[0];
        shift /= (double)G;
        for (int64_t i = 0; i < G; i++) {
            double d = (r[i] - r[0]) - shift;
            var += d * d;
        }
        double scale = 1 / (sqrt(var / (double)G) + adv_eps);
        for (int64_t i = 0; i < G; i++) advantage[g * G + i] = ((r[i] - r[0]) - shift) * scale;
        flat += !(var > 0);
    }
    return flat;
}

/* surrogate -- min(rho A, clamp(rho) A); *slope = d/drho. */
static double surrogate(double rho, double A, double eps, double *slope, double *clipped)
{
    bool cut = (rho < 1 - eps && A < 0) || (rho > 1 + eps && A > 0);
    *clipped = cut ? 1 : 0;
    *slope = cut ? 0 : A;
    return cut ? (A < 0 ? 1 - eps : 1 + eps) * A : rho * A;
}

static Status one_completion(const GrpoOptions *o, int64_t T, const real *lp, const real *old, const real *ref, const int32_t *mask, double A,
                             double copies, double total, GrpoSums *sums, real *dlp)
{
    double n = 0, gap = 0, policy = 0, kl = 0, clipped = 0, slope = 0, cut = 0, rho = 0;
    for (int64_t t = 0; t < T; t++) {
        if (mask[t] == 0) continue;
        n++;
        gap += (double)lp[t] - (double)old[t];
    }
    REQUIRE(n >= 1, "a completion without counted tokens");
    bool whole = o->ratio == GRPO_SEQUENCE;
    if (whole) {
        rho = exp(gap / n);
        policy = surrogate(rho, A, o->epsilon, &slope, &clipped);
    }
    for (int64_t t = 0; t < T; t++) {
        dlp[t] = 0;
        if (mask[t] == 0) continue;
        double back = (double)ref[t] - (double)lp[t];
        double ratio = exp(back);
        kl += (ratio - back - 1) / n;
        double down = o->beta * (ratio - 1); /* dLoss/dlp = -down/(n total); d k3/d lp = 1 - exp(ref-lp) */
        if (whole) {
            down += slope * rho;              /* d rho/d lp_t = rho/n */
        } else {
            rho = exp((double)lp[t] - (double)old[t]);
            policy += surrogate(rho, A, o->epsilon, &slope, &cut) / n;
            clipped += cut;
            down += slope * rho;
        }
        dlp[t] = (real)(-down * copies / (n * total));
    }
    if (!isfinite(policy) || !isfinite(kl)) return FAIL(E_NUMERIC, "lower the learning rate", "GRPO: ratio or KL is not finite");
    sums->policy -= policy * copies;
    sums->kl += kl * copies;
    sums->clipped += clipped * copies;
    sums->units += (whole ? 1 : n) * copies;
    sums->completions += copies;
    return OK;
}

Status grpo_accumulate(const GrpoOptions *o, int64_t S, int64_t T, const real *lp, const real *old, const real *ref, const int32_t *mask,
                       const double *advantage, const double *copies, double total, GrpoSums *sums, real *dlp)
{
    for (int64_t s = 0; s < S; s++)
        TRY(one_completion(o, T, lp + s * T, old + s * T, ref + s * T, mask + s * T, advantage[s], copies ? copies[s] : 1, total, sums,
                           dlp + s * T));
    return OK;
}

GrpoLoss grpo_summary(const GrpoOptions *o, const GrpoSums *sums)
{
    double n = sums->completions;
    GrpoLoss l = {.policy = sums->policy / n, .kl = sums->kl / n, .clip_fraction = sums->clipped / sums->units};
    l.loss = l.policy + o->beta * l.kl;
    return l;
}
