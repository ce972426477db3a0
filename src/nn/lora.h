/* nn/lora.h -- low-rank adapters on all seven projections of a frozen decoder (Hu et al. 2021).
 *
 * y = W x + b + (alpha/r) B (A x); A (r,in) random, B (out,r) zero at the start. While adapters are attached, every forward, loss and
 * cached decoding of the decoder includes them, and only they get gradients.
 * Names: <projection>.lora_A.weight and <projection>.lora_B.weight, e.g. model.layers.0.self_attn.q_proj.lora_A.weight.
 */
#ifndef DIGR_NN_LORA_H
#define DIGR_NN_LORA_H

#include "nn/decoder.h"

typedef struct Lora Lora;

/* lora_attach -- freezes the decoder's parameters (their gradient and moment blocks are released) and adds adapters, zero.
 * Attach before creating a KvCache. One set of adapters at a time. */
Lora *lora_attach(Decoder *d, int64_t r, double alpha);
/* lora_detach -- takes the adapters off and frees them; the decoder's own values are as they were (or merged). NULL allowed. */
void lora_detach(Lora *a);
Params *lora_params(Lora *a);
/* lora_init -- A uniform in +-1/sqrt(in) (what `peft` does), B zero. */
void lora_init(Lora *a, uint64_t seed);
/* lora_merge -- W += (alpha/r) B A for every projection, then B := 0, so that the function computed stays the same. */
void lora_merge(Lora *a);
/* Adapter checkpoints: dir/adapter_config.json and dir/adapter_model.safetensors, as `peft` writes them. */
Status lora_save(Lora *a, const char *dir);
Status lora_load(Lora *a, const char *dir);

#endif
