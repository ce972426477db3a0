/* tests/golden_decoder.c -- golden cases of kind decoder: logits, loss and every gradient of a small Qwen2/Qwen3 model. */
#include "golden_model.h"

Status golden_decoder(GoldenCase *c);

Status golden_decoder(GoldenCase *c)
{
    Packed pk = golden_model_pack(c);
    Decoder *d = golden_model_create(c, pk.T);
    golden_model_fill(c, decoder_params(d), NULL);
    Status s = golden_model_run(c, d, &pk);
    if (s == OK) s = golden_model_expect_grads(c, decoder_params(d));
    decoder_destroy(d);
    return s;
}
