/* sid/rqtrain.h -- from item embeddings to codes: training of the RQ-VAE, and residual k-means as a control.
 *
 * Training: (1) `warmup_epochs` as a plain autoencoder, so that the first clusters are of a latent space that already means something;
 * (2) each codebook is set by k-means on the residuals its predecessors leave (k-means++); (3) AdamW on the loss of rqvae.h in shuffled
 * mini-batches, warm-up then cosine; (4) until 3/4 of the epochs, at the end of each epoch, a code that no item used is moved onto the residual of
 * an item drawn in proportion to its squared error, and its moments are cleared. (5) Optionally `refit`: k-means once more on the residuals of the
 * finished encoder, without the decoder.
 * Deterministic in (x, settings, seed) for one backend and thread count.
 */
#ifndef DIGR_SID_RQTRAIN_H
#define DIGR_SID_RQTRAIN_H

#include <stdio.h>

#include "sid/rqvae.h"

typedef struct RqTraining {
    int64_t epochs, warmup_epochs, batch, kmeans_iterations;
    double lr, weight_decay;
    bool refit;
    uint64_t seed;
} RqTraining;

typedef struct RqReport {
    RqLoss loss;       /* of the finished model, over all items */
    int64_t steps, dead_moved;
    double seconds;
} RqReport;

/* rqvae_train -- m (created with gradients) is initialised and trained on x (N,E) backend memory. log may be NULL: a FILE that receives
 * "epoch\tphase\tloss\trecon\trq\tdead" lines. */
Status rqvae_train(RqModel *m, int64_t N, const real *x, const RqTraining *t, FILE *log, RqReport *report);

/* rq_refit_codebooks -- k-means per level on residuals of v (N,Z) host, seeded by (seed, level).
 * book out (Q,K,Z) host; code out (N,Q) host; mse out (Q): mean squared residual element after each level */
Status rq_refit_codebooks(Backend *be, int64_t N, int64_t Z, int64_t Q, int64_t K, const real *v, int64_t iterations, uint64_t seed, real *book,
                          int32_t *code, double *mse);

#endif
