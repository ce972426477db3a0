/* tensor/fused_bf16_absent.c -- linked in place of fused_*_bf16_x86.c where there are no tile registers: nobody calls these. */
#include "base/status.h"
#include "tensor/fused.h"

#define NONE REQUIRE(false, "the fused step without tile registers")

void fused_norm(int64_t T, int64_t C, const float *x, const float *w, float eps, float *r, Bf16 *h, int64_t height)
{
    (void)height, (void)T, (void)C, (void)x, (void)w, (void)eps, (void)r, (void)h;
    NONE;
}

void fused_norm_again(int64_t T, int64_t C, const float *x, const float *w, const float *r, Bf16 *h, int64_t height)
{
    (void)height, (void)T, (void)C, (void)x, (void)w, (void)r, (void)h;
    NONE;
}

void fused_norm_bwd(int64_t T, int64_t C, const float *x, const float *w, const float *r, const float *dh, bool add, float *dx, float *dw)
{
    (void)T, (void)C, (void)x, (void)w, (void)r, (void)dh, (void)add, (void)dx, (void)dw;
    NONE;
}

#define SQUARE(name)                                              \
    void name(void *arg, int64_t i, int64_t j, const float *c)    \
    {                                                             \
        (void)arg, (void)i, (void)j, (void)c;                     \
        NONE;                                                     \
    }
SQUARE(fused_store)
SQUARE(fused_residual)
SQUARE(fused_swiglu)
SQUARE(fused_swiglu_bwd)

void fused_xent(int64_t n, int64_t ld, float *logits, int64_t first, int64_t lo, int64_t hi, const int32_t *range, const int32_t *target, const float *weight,
                float *logp, Bf16 *d, int64_t height)
{
    (void)height, (void)n, (void)ld, (void)logits, (void)first, (void)lo, (void)hi, (void)range, (void)target, (void)weight, (void)logp, (void)d;
    NONE;
}

void fused_dropout(int64_t n, Dropout d, bool add, const float *x, float *y, uint32_t *bits)
{
    (void)n, (void)d, (void)add, (void)x, (void)y, (void)bits;
    NONE;
}

void fused_dropout_again(int64_t n, const uint32_t *bits, float factor, float *x)
{
    (void)n, (void)bits, (void)factor, (void)x;
    NONE;
}

void fused_dropout_slices(int64_t T, int64_t C, const uint32_t *bits, float factor, const float *x, Bf16 *out, int64_t height)
{
    (void)T, (void)C, (void)bits, (void)factor, (void)x, (void)out, (void)height;
    NONE;
}

int64_t fused_attention_scratch(int64_t n, int64_t D)
{
    (void)n, (void)D;
    return 0;
}

void fused_attention(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, Bf16 *out, float *lse, void *scratch)
{
    (void)a, (void)n, (void)pos, (void)qkv, (void)out, (void)lse, (void)scratch;
    NONE;
}

void fused_attention_bwd(const FusedAttention *a, int64_t n, const int32_t *pos, const Bf16 *qkv, const Bf16 *out, const Bf16 *dout, const float *lse, Bf16 *dqkv,
                         float *dqn, float *dkn, void *scratch)
{
    (void)a, (void)n, (void)pos, (void)qkv, (void)out, (void)dout, (void)lse, (void)dqkv, (void)dqn, (void)dkn, (void)scratch;
    NONE;
}
