/* nn/decoder.h -- the decoder-only transformer (Qwen2/Qwen3 architecture), forward, backward and cached decoding.
 *
 * ROOM nn: models and optimisers over tensor/backend.h. Depends on base, io, tensor.
 *
 * x = E[token]; per layer: h = RMSNorm(x); q,k,v = h W^T (+bias); optional RMSNorm of q,k per head; RoPE; grouped-query causal attention;
 * x += attn W_o^T; h = RMSNorm(x); x += (silu(h W_gate^T) * (h W_up^T)) W_down^T; logits = RMSNorm(x) W_out^T.
 * Parameter names are Hugging Face's (model.layers.0.self_attn.q_proj.weight ...): a checkpoint opens in `transformers`.
 */
#ifndef DIGR_NN_DECODER_H
#define DIGR_NN_DECODER_H

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "nn/params.h"
#include "tensor/backend.h"

typedef struct DecoderConfig {
    int64_t V, C, L, H, Hkv, D, F;
    double rope_theta, rms_eps;
    bool attention_bias; /* q,k,v biases (Qwen2) */
    bool qk_norm;        /* per-head RMSNorm of q and k before RoPE (Qwen3) */
    bool tied;           /* output matrix = embedding */
} DecoderConfig;

typedef struct Decoder Decoder;

/* decoder_create -- parameters zero. max_tokens: largest packed T of a forward pass (buffers are allocated at the first one). */
Decoder *decoder_create(Backend *be, const DecoderConfig *config, int64_t max_tokens, bool with_gradients);
void decoder_destroy(Decoder *d);
const DecoderConfig *decoder_config(const Decoder *d);
Params *decoder_params(Decoder *d);
/* decoder_init -- N(0, 0.02), residual projections scaled by 1/sqrt(2L); norms 1, biases 0. */
void decoder_init(Decoder *d, uint64_t seed);

/* decoder_forward -- hidden states after the final norm, (T,C) in backend memory, valid until the next call.
 * tokens (T) host. drop_p: dropout on the embedding and both residual branches (0 = none), call numbers derived from `drop`. */
const real *decoder_forward(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop);

/* decoder_loss -- log-probabilities of targets at the positions that have one, and (optionally) gradients.
 * target (T) host, TARGET_IGNORED = no target. range (T,2) host or NULL: softmax only over these columns at that position.
 * weight (T) host: the gradient of the loss with respect to -logp[t] (mean loss: 1/n_targets); NULL = no backward pass, otherwise gradients are
 * ADDED to decoder_params' gradients.
 * logp (T) host, 0 where ignored. Must follow decoder_forward on the same batch. */
Status decoder_loss(Decoder *d, const int32_t *target, const int32_t *range, const real *weight, real *logp);
/* decoder_step -- decoder_forward and decoder_loss with gradients (weight not NULL) in one go, for training: the batch is worked on in pieces, side by side
 * on the backend's lanes (decoder_step.c). The same numbers up to the order of sums; the same bytes for the same batch and thread count. What
 * decoder_forward keeps for a later decoder_loss or decoder_logits is undefined afterwards. */
Status decoder_step(Decoder *d, const Packed *pk, const int32_t *tokens, Dropout drop, const int32_t *target, const int32_t *range,
                    const real *weight, real *logp);
/* decoder_backward_logits -- gradient given explicitly: dlogits (n,V) backend memory at rows row[n] (host) of the last forward. */
void decoder_backward_rows(Decoder *d, int64_t n, const int32_t *row, const real *dlogits);
/* decoder_logits -- logits (n,V) (backend memory, ld = V) at rows row[n] (host) of the last forward. */
void decoder_logits(Decoder *d, int64_t n, const int32_t *row, real *logits);

/* Cached decoding for beams that share a prompt. */
typedef struct KvCache KvCache;
/* max_prompt_tokens: packed prompt tokens of a batch; max_rows: beams of a batch; max_new: tokens after the prompt. */
KvCache *kvcache_create(Decoder *d, int64_t max_prompt_tokens, int64_t max_rows, int64_t max_new);
void kvcache_destroy(KvCache *c);
/* kvcache_prefill -- run the prompts; logits (B,V) at each prompt's last token, backend memory owned by the cache. */
const real *kvcache_prefill(KvCache *c, const Packed *pk, const int32_t *tokens);
/* kvcache_step -- append one token to each of R rows. token (R) host; owner (R) host ascending: prompt of each row; parent (R) host: the row of the
 * previous step each one continues (ignored at the first step). Returns logits (R,V), backend memory owned by the cache. */
const real *kvcache_step(KvCache *c, int64_t R, const int32_t *token, const int32_t *owner, const int32_t *parent);

/* kvcache_columns -- from now on only columns [first,end) of the logits are computed; the others are undefined. All of them unless called. */
void kvcache_columns(KvCache *c, int64_t first, int64_t end);
Backend *kvcache_backend(const KvCache *c); /* where its logits are and its work is done */

/* Lanes: caches that work side by side, each for prompts of its own. On the cpu backend there is one for each lane of the backend, computing on the thread
 * that calls it, from weights in panels (tensor/panel.h) that all share, adapters merged in; elsewhere there is one, an ordinary cache. */
typedef struct KvLanes KvLanes;
int kvlanes_count(const Decoder *d);    /* how many there will be */
int64_t kvlanes_rows(const Decoder *d); /* beams worth decoding together in one: enough for its products, few enough for its cache */
/* prompts, longest: of a lane's batch, and tokens of one of them. max_rows, max_new: as above, of a lane. */
KvLanes *kvlanes_create(Decoder *d, int64_t prompts, int64_t longest, int64_t max_rows, int64_t max_new);
void kvlanes_destroy(KvLanes *l);
KvCache *kvlanes_cache(KvLanes *l, int lane);
/* kvlanes_each -- each_lane of the backend: work(lane, i, arg) for every lane i, side by side. */
void kvlanes_each(KvLanes *l, void (*work)(Backend *lane, int i, void *arg), void *arg);
/* kvlanes_begin -- takes over the present parameters. To be called before the prefills that follow a change of theirs; not from several threads. */
void kvlanes_begin(KvLanes *l);

/* Checkpoints: dir/config.json (model_type qwen2 or qwen3) and dir/model.safetensors. */
Status decoder_save(Decoder *d, const char *dir);
Status decoder_load(Backend *be, const char *dir, int64_t max_tokens, bool with_gradients, Decoder **d);

#endif
