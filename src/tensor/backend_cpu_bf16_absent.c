/* tensor/backend_cpu_bf16_absent.c -- linked in place of backend_cpu_bf16_x86.c where the target is no x86-64: --precision bf16 is refused. */
#include "tensor/backend_cpu_internal.h"

bool cpu_bf16_available(void)
{
    return false;
}

int64_t cpu_bf16_scratch(int64_t n, int64_t k)
{
    (void)n;
    (void)k;
    return 0;
}

void cpu_bf16_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, real alpha, const real *A, int64_t lda, const real *B,
                   int64_t ldb, real beta, real *C, int64_t ldc, real *scratch)
{
    (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)alpha, (void)A, (void)lda, (void)B, (void)ldb, (void)beta, (void)C, (void)ldc;
    (void)scratch;
    REQUIRE(false, "bf16 products where there are none");
}
