/* tests/golden_grpo.c -- golden cases of kind grpo: log-probabilities, advantages, loss and the gradient of the logits, by the same calls that
 * 09_grpo makes: the backend's softmax over the allowed tokens, and rec/grpo.h. */
#include <string.h>

#include "golden.h"
#include "rec/grpo.h"

Status golden_grpo(GoldenCase *c);

static const uint8_t *allowed_bytes(GoldenCase *c, int64_t count)
{
    const int32_t *allowed = golden_i32(c, "in.allowed", NULL);
    uint8_t *bytes = ARENA_NEW(c->arena, uint8_t, count), *device = c->be->alloc(c->be, (size_t)count);
    for (int64_t i = 0; i < count; i++) bytes[i] = allowed[i] != 0;
    c->be->upload(c->be, device, bytes, (size_t)count);
    return device;
}

static GrpoOptions options_of(GoldenCase *c)
{
    const char *ratio = golden_config_string(c, "ratio", "token");
    REQUIRE(strcmp(ratio, "token") == 0 || strcmp(ratio, "sequence") == 0, "ratio %s", ratio);
    return (GrpoOptions){.ratio = strcmp(ratio, "token") == 0 ? GRPO_TOKEN : GRPO_SEQUENCE,
                         .epsilon = golden_config(c, "epsilon", 0.2), .beta = golden_config(c, "beta", 0)};
}

Status golden_grpo(GoldenCase *c)
{
    Backend *be = c->be;
    int64_t n_groups = (int64_t)golden_config(c, "n_groups", 0), G = (int64_t)golden_config(c, "group_size", 0);
    int64_t S = n_groups * G, T = (int64_t)golden_config(c, "max_len", 0), V = (int64_t)golden_config(c, "vocab_size", 0), n = S * T;
    const int32_t *token = golden_i32(c, "in.tokens", NULL), *mask = golden_i32(c, "in.mask", NULL);
    const real *old = golden_real(c, "in.old_logp", NULL), *ref = golden_real(c, "in.ref_logp", NULL), *reward = golden_real(c, "in.rewards", NULL);

    double *r = ARENA_NEW(c->arena, double, S), *advantage = ARENA_NEW(c->arena, double, S);
    real *shown = ARENA_NEW(c->arena, real, S);
    for (int64_t s = 0; s < S; s++) r[s] = (double)reward[s];
    grpo_advantages(n_groups, G, golden_config(c, "advantage_eps", 1e-6), r, advantage);
    for (int64_t s = 0; s < S; s++) shown[s] = (real)advantage[s];
    golden_expect_real(c, "out.advantages", shown, S);

    int32_t *target = ARENA_NEW(c->arena, int32_t, n);
    for (int64_t i = 0; i < n; i++) target[i] = mask[i] ? token[i] : TARGET_IGNORED;
    const int32_t *d_target = golden_device_i32(c, target, n);
    const uint8_t *allowed = golden_config(c, "allowed_mask", 0) > 0 ? allowed_bytes(c, n * V) : NULL;
    real *logits = golden_device(c, golden_real(c, "in.logits", NULL), n * V);
    real *zeros = ARENA_NEW(c->arena, real, n), *lp = ARENA_NEW(c->arena, real, n), *dlp = ARENA_NEW(c->arena, real, n);
    real *d_lp = golden_device(c, zeros, n), *d_lse = golden_device(c, zeros, n), *d_weight = golden_device(c, zeros, n);
    be->xent(be, n, V, logits, V, d_target, NULL, allowed, d_lp, d_lse);
    TRY(be->download(be, lp, d_lp, (size_t)n * sizeof *lp));
    golden_expect_real(c, "out.logp", lp, n);

    GrpoOptions o = options_of(c);
    GrpoSums sums = {0};
    TRY(grpo_accumulate(&o, S, T, lp, old, ref, mask, advantage, NULL, (double)S, &sums, dlp));
    GrpoLoss loss = grpo_summary(&o, &sums);
    golden_expect_scalar(c, "loss", loss.loss);
    golden_expect_scalar(c, "policy_loss", loss.policy);
    golden_expect_scalar(c, "kl", loss.kl);
    golden_expect_scalar(c, "clip_fraction", loss.clip_fraction);

    for (int64_t i = 0; i < n; i++) dlp[i] = -dlp[i]; /* the backend's weight is dLoss/d(-lp) */
    be->upload(be, d_weight, dlp, (size_t)n * sizeof *dlp);
    be->xent_bwd(be, n, V, logits, V, d_target, NULL, allowed, d_lse, d_weight);
    real *gradient = ARENA_NEW(c->arena, real, n * V);
    TRY(be->download(be, gradient, logits, (size_t)(n * V) * sizeof *gradient));
    golden_expect_real(c, "grad.logits", gradient, n * V);
    if (allowed) be->release(be, (void *)(uintptr_t)allowed);
    return OK;
}
