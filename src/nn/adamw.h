/* nn/adamw.h -- AdamW with global-norm clipping, linear warm-up and cosine decay (Loshchilov & Hutter 2019).
 *
 * norm = sqrt(sum over all tensors of g^2); if max_norm > 0: g *= min(1, max_norm/(norm+1e-6)).
 * lr_t = lr*(t+1)/W for t < W, else lr*(f + (1-f)/2*(1+cos(pi*(t-W)/(T-W)))).
 * p -= lr_t*wd*p (decay parameters only); m, v moments; p -= lr_t*mhat/(sqrt(vhat)+eps).
 */
#ifndef DIGR_NN_ADAMW_H
#define DIGR_NN_ADAMW_H

#include "base/status.h"
#include "nn/params.h"

typedef struct AdamW {
    double lr, beta1, beta2, eps, weight_decay, max_norm, min_lr_ratio;
    int64_t warmup_steps, total_steps;
    int64_t step; /* steps taken */
} AdamW;

double adamw_lr(const AdamW *o, int64_t step);
/* adamw_step -- one update from p->grad (which it leaves as is); grad_norm (before clipping) may be NULL. E_NUMERIC when the norm
 * is not finite (nothing is updated). */
Status adamw_step(AdamW *o, Params *p, double *grad_norm);
/* Optimiser state for resuming: values, moments and step in one safetensors file. */
Status adamw_save(const AdamW *o, Params *p, const char *path);
Status adamw_load(AdamW *o, Params *p, const char *path);

#endif
