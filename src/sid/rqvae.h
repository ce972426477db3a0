/* sid/rqvae.h -- RQ-VAE: an autoencoder whose latent vector is quantised level by level on residuals (paper section IEID).
 *
 *   z = encoder(x); r_0 = z; c_l = argmin_k ||r_l - e_{l,k}||^2 (lowest index on a tie); r_{l+1} = r_l - e_{l,c_l}
 *   q = sum_l e_{l,c_l}, handed to the decoder straight-through (its gradient goes to z unchanged); recon = decoder(q)
 *   loss = mean (recon-x)^2 + rq_weight * mean_l( mean (e_l - sg r_l)^2 + beta * mean (r_l - sg e_l)^2 )
 * Encoder and decoder are MLPs with ReLU after every layer but the last; the decoder mirrors the encoder's sizes.
 *
 * Gradients: dL/dz = dRecon/dq + rq_weight * 2 beta/(Q B Z) * sum_l r_{l+1}; a code gets rq_weight * 2/(Q B Z) * sum over its rows of (e - r).
 * `lcrec` reproduces LC-Rec's and MiniOneRec's code, which subtract the straight-through output: values are the same, but only level 0's
 * commitment term reaches the encoder.
 *
 * Deviations from the paper: none in the loss; what the paper leaves open (sizes, warm-up, k-means seeding, dead codes) is in RqTraining.
 */
#ifndef DIGR_SID_RQVAE_H
#define DIGR_SID_RQVAE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "nn/params.h"
#include "sid/catalogue.h"
#include "sid/kmeans.h"
#include "tensor/backend.h"

enum { RQ_MAX_LAYERS = 8, RQ_MAX_LEVELS = SID_MAX - 1 };

typedef struct RqConfig {
    int64_t n_layers;               /* layers of the encoder */
    int64_t dims[RQ_MAX_LAYERS + 1]; /* dims[0] = E, dims[n_layers] = Z */
    int64_t Q, K;
    double beta, rq_weight;
    bool lcrec;
} RqConfig;

typedef struct RqLoss {
    double total, recon, rq;
    double level[RQ_MAX_LEVELS]; /* codebook MSE = commitment MSE of the level */
} RqLoss;

typedef struct RqFused RqFused; /* rqfused.c */

typedef struct RqModel {
    RqConfig cfg;
    Backend *be;
    Params *params;       /* encoder.<i>.{weight,bias}, decoder.<i>.{weight,bias}, codebook.<l>.weight */
    Arena *arena;
    int64_t max_batch, B; /* B: rows of the last forward */
    bool bypass;          /* hand z to the decoder as it is: a plain autoencoder (warm-up); rq losses are 0 */
    int64_t encoder[RQ_MAX_LAYERS], decoder[RQ_MAX_LAYERS], codebook[RQ_MAX_LEVELS]; /* parameter indices; bias = weight + 1 */
    const real *x;                                                                   /* input of the last forward */
    real *enc[RQ_MAX_LAYERS], *dec[RQ_MAX_LAYERS];                                   /* layer outputs, backend memory */
    real *resid[RQ_MAX_LEVELS + 1], *picked, *q, *diff, *grad_a, *grad_b;
    int32_t *code_device[RQ_MAX_LEVELS], *code[RQ_MAX_LEVELS]; /* (max_batch) each; code: host */
    Nearest *nearest;
    RqFused *fused;       /* NULL: every product and pass is an op of the backend */
} RqModel;

/* rqvae_create -- parameters are zero; set them with params_load, rqvae_init or an upload. */
RqModel *rqvae_create(Backend *be, const RqConfig *cfg, int64_t max_batch, bool with_gradients);
void rqvae_destroy(RqModel *m);
/* rqvae_init -- weights ~ N(0, 2/fan_in) (1/fan_in for the layers without ReLU), biases 0, codebooks N(0, 1/Z). */
void rqvae_init(RqModel *m, uint64_t seed);

/* rqvae_forward -- x (B,E) backend memory, kept until the next backward. Outputs stay in the model: z = enc[last], codes, q, recon = dec[last].
 * E_NUMERIC when a distance or the loss is not finite. */
Status rqvae_forward(RqModel *m, int64_t B, const real *x, RqLoss *loss);
/* rqvae_backward -- adds to the gradients of all parameters. */
void rqvae_backward(RqModel *m);

/* rqvae_encode -- codes of N items, in batches.
 * x      in  (N,E) backend memory
 * code   out (N,Q) host; NULL to skip
 * z      out (N,Z) host; NULL to skip
 * loss   mean over all items; NULL to skip */
Status rqvae_encode(RqModel *m, int64_t N, const real *x, int32_t *code, real *z, RqLoss *loss);

#endif
