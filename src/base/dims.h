/* base/dims.h -- the letters used for sizes in every shape comment, and the floating type.
 *
 *   B batch (sequences)   T tokens (packed)   C width (hidden size)   H heads      D head dimension
 *   L layers              F feed-forward      V vocabulary            N items      E embedding
 *   Z latent              Q levels            K codes per level       G group      W beam width
 *
 * `real` is float in the programs. The rooms tensor, nn, sid, rec and eval are compiled a second time with
 * -DREAL=double for gradient checks: use `real` and <tgmath.h> in numeric code, never a bare `float`.
 */
#ifndef DIGR_BASE_DIMS_H
#define DIGR_BASE_DIMS_H

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

#endif
