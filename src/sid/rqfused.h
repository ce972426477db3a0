/* sid/rqfused.h -- the two perceptrons of the RQ-VAE in bfloat16 on tile registers: activations between layers stay bfloat16, bias, ReLU and the reconstruction's
 * error are done on the way out of a product; gradients of weights are added in float. Used by rqvae.c where it fits; the same numbers as its ops in bf16
 * up to the rounding of activations' gradients. */
#ifndef DIGR_SID_RQFUSED_H
#define DIGR_SID_RQFUSED_H

#include "sid/rqvae.h"

/* rqfused_create -- NULL where the processor has no tile registers, products are not bf16, or a width is no multiple of 32. */
RqFused *rqfused_create(const RqModel *m);
void rqfused_destroy(RqFused *f); /* NULL allowed */
/* rqfused_forward -- x (B,widths[0]) to the last output of the side; of the decoder also m->diff, the error against m->x. */
void rqfused_forward(RqModel *m, bool decoder, int64_t B, const real *x);
/* rqfused_backward -- gradients of the side are added to, after its forward. dy (B, last width); NULL: that of m->diff, scaled by 2/(B E) (decoder). Returns dx,
 * or NULL when it is not wanted. */
real *rqfused_backward(RqModel *m, bool decoder, int64_t B, const real *dy, bool want_dx);

#endif
