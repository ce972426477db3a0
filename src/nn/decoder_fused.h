/* nn/decoder_fused.h -- decoder_step in bfloat16 on tile registers (decoder_fused.c); not for users of the room. */
#ifndef DIGR_NN_DECODER_FUSED_H
#define DIGR_NN_DECODER_FUSED_H

#include "nn/decoder_internal.h"

/* decoder_fused_fits -- whether the fused step can take this decoder: a bf16 backend on a processor with tile registers, no adapters, no biases, widths that
 * are multiples of 32. */
bool decoder_fused_fits(const Decoder *d);
/* decoder_fused_step -- decoder_step of decoder.h, its arguments. */
Status decoder_fused_step(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop, const int32_t *target, const int32_t *range, const real *weight,
                          real *logp);
void decoder_fused_destroy(DecoderFused *f); /* NULL allowed */

#endif
