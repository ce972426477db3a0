/* tests/grad_gru.c -- GRU4Rec's gradients by central differences, in double, on ref and cpu, with dropout and without (grad_seqmodel.h). */
#include "grad_seqmodel.h"
#include "nn/gru.h"

/* _i: bit 0 dense output, bit 1 dropout, bit 2 the cpu backend */
START_TEST(gru)
{
    Backend *be;
    ck_assert_int_eq(backend_open(_i & 4 ? "cpu" : "ref", 2, &be), OK);
    const GruConfig config = {.N = 7, .E = 5, .C = _i & 1 ? 7 : 5, .dense = (_i & 1) != 0, .max_len = 6};
    GradCase c = grad_case(gru_create(be, &config, 11, true), _i & 2 ? 0.3 : 0);
    grad_check(&c);
    grad_case_end(&c);
    be->destroy(be);
}
END_TEST

static void add(TCase *t) { tcase_add_loop_test(t, gru, 0, 8); }

int main(void) { return grad_main("gru4rec gradients", add); }
