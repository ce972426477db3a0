/* tests/grad_sasrec.c -- SASRec's gradients by central differences, in double, on ref and cpu, with dropout and without (grad_seqmodel.h). */
#include "grad_seqmodel.h"
#include "nn/sasrec.h"

/* _i: bit 0 gelu, bit 1 scaled embedding and dropout, bit 2 the cpu backend */
START_TEST(sasrec)
{
    Backend *be;
    ck_assert_int_eq(backend_open(_i & 4 ? "cpu" : "ref", 2, &be), OK);
    const SasrecConfig config = {.N = 7, .C = 6, .L = 2, .H = 2, .F = 9, .max_len = 5, .ln_eps = 1e-5, .scale_embedding = (_i & 2) != 0, .gelu = (_i & 1) != 0};
    GradCase c = grad_case(sasrec_create(be, &config, 11, true), _i & 2 ? 0.3 : 0);
    grad_check(&c);
    grad_case_end(&c);
    be->destroy(be);
}
END_TEST

static void add(TCase *t) { tcase_add_loop_test(t, sasrec, 0, 8); }

int main(void) { return grad_main("sasrec gradients", add); }
