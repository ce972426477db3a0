/* tests/test_significance.c -- paired bootstrap and sign-flip test: exact small cases, known behaviour on large ones, determinism. */
#include <check.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "eval/significance.h"
#include "suite.h"

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

START_TEST(exact_p_by_hand)
{
    /* d = 1,1,1,1: only ++++ and ---- reach |sum| = 4, so p = 2/16 */
    const double one[] = {1, 1, 1, 1}, zero[] = {0, 0, 0, 0};
    Comparison c = significance_compare(one, zero, 4, 1, 100, 100, arena);
    ck_assert(c.exact);
    ck_assert_double_eq_tol(c.p, 2.0 / 16.0, 1e-15);
    ck_assert(c.difference == 1.0 && c.low == 1.0 && c.high == 1.0);
    /* d = 3,-1,0: |sum| = 2; the four assignments give 2,4,4,2, all reach it: p = 1 */
    const double a[] = {3, 0, 5}, b[] = {0, 1, 5};
    c = significance_compare(a, b, 3, 1, 100, 100, arena);
    ck_assert_int_eq(c.n_differ, 2);
    ck_assert_double_eq_tol(c.p, 1.0, 1e-15);
    /* d = 2,2,-1: |sum| = 3; sums 5,3,1,... reach it in +++-(3): ++- =3... eight assignments of (2,2,1): 5,3,1,-1,1,-1,-3,-5 -> 4/8 */
    const double e[] = {2, 2, 0}, f[] = {0, 0, 1};
    c = significance_compare(e, f, 3, 1, 100, 100, arena);
    ck_assert_double_eq_tol(c.p, 0.5, 1e-15);
    /* rounding must not lose ties: 0.1+0.2 against 0.3 */
    const double g[] = {0.1, 0.2, 0.3}, h[] = {0, 0, 0.6};
    c = significance_compare(g, h, 3, 1, 100, 100, arena); /* d = .1 .2 -.3: every |sum| >= 0 */
    ck_assert_double_eq_tol(c.p, 1.0, 1e-15);
}
END_TEST

START_TEST(no_difference)
{
    double a[50];
    for (int i = 0; i < 50; i++) a[i] = i % 7;
    const Comparison c = significance_compare(a, a, 50, 1, 100, 100, arena);
    ck_assert(c.difference == 0.0 && c.low == 0.0 && c.high == 0.0 && c.p == 1.0 && c.n_differ == 0);
}
END_TEST

/* n rows of Bernoulli hits: b with rate q, a the same but `gain` of its misses become hits and `loss` of its hits misses. */
static void simulate(double *a, double *b, int64_t n, double gain, double loss, uint64_t trial)
{
    Rng r = rng_make(9, RNG_STAGE_TEST, RNG_SAMPLE, 0, trial);
    for (int64_t i = 0; i < n; i++) {
        b[i] = rng_uniform(&r) < 0.1;
        const double u = rng_uniform(&r);
        a[i] = b[i] > 0.0 ? (u < loss ? 0.0 : 1.0) : (u < gain ? 1.0 : 0.0);
    }
}

START_TEST(interval_matches_the_normal_one)
{
    enum { N = 4000 };
    static double a[N], b[N];
    simulate(a, b, N, 0.03, 0.1, 1);
    const Comparison c = significance_compare(a, b, N, 7, SIGNIFICANCE_RESAMPLES, SIGNIFICANCE_PERMUTATIONS, arena);
    double var = 0.0;
    for (int i = 0; i < N; i++) var += (a[i] - b[i] - c.difference) * (a[i] - b[i] - c.difference);
    const double se = sqrt(var) / N;
    ck_assert_double_eq_tol(c.low, c.difference - 1.96 * se, 0.25 * se);
    ck_assert_double_eq_tol(c.high, c.difference + 1.96 * se, 0.25 * se);
    ck_assert(!c.exact && c.p < 0.01);
    ck_assert_double_eq_tol(c.p, 1.0 / (SIGNIFICANCE_PERMUTATIONS + 1), 0.005);
}
END_TEST

START_TEST(false_alarms_are_rare)
{
    enum { N = 300, TRIALS = 400 };
    static double a[N], b[N];
    int alarms = 0, outside = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        simulate(a, b, N, 0.02, 0.18, t); /* 0.9*0.02 = 0.1*0.18: no true difference */
        const Comparison c = significance_compare(a, b, N, t, 300, 300, arena);
        alarms += c.p <= 0.05;
        outside += c.low > 0.0 || c.high < 0.0;
    }
    /* binomial(400, 0.05): mean 20, sd 4.4 */
    ck_assert_msg(alarms <= 34, "%d false alarms of %d at 5 %%", alarms, TRIALS);
    ck_assert_msg(outside >= 6 && outside <= 42, "%d of %d intervals miss the truth", outside, TRIALS);
}
END_TEST

START_TEST(swapping_mirrors)
{
    enum { N = 500 };
    static double a[N], b[N];
    simulate(a, b, N, 0.05, 0.2, 3);
    const Comparison x = significance_compare(a, b, N, 1, 500, 500, arena), y = significance_compare(b, a, N, 1, 500, 500, arena);
    ck_assert_double_eq_tol(x.difference, -y.difference, 1e-15);
    ck_assert_double_eq_tol(x.low, -y.high, 1e-12);
    ck_assert(x.p == y.p);
}
END_TEST

START_TEST(same_seed_same_bytes_on_any_threads)
{
    enum { N = 30000 }; /* large enough to be shared among threads */
    static double a[N], b[N];
    simulate(a, b, N, 0.05, 0.2, 4);
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    const Comparison x = significance_compare(a, b, N, 11, 400, 400, arena);
    omp_set_num_threads(5);
    const Comparison y = significance_compare(a, b, N, 11, 400, 400, arena), z = significance_compare(a, b, N, 12, 400, 400, arena);
    omp_set_num_threads(threads);
    ck_assert(x.low == y.low && x.high == y.high && x.p == y.p);
    ck_assert(x.low != z.low || x.high != z.high);
}
END_TEST

START_TEST(holm_by_hand)
{
    double p[] = {0.01, 0.04, 0.03, 0.005};
    const double want[] = {0.03, 0.06, 0.06, 0.02}; /* .005*4, .01*3, .03*2, max(.06,.04*1) */
    significance_holm(p, 4);
    for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(p[i], want[i], 1e-15);
    double q[] = {0.9, 0.8};
    significance_holm(q, 2);
    ck_assert(q[0] == 1.0 && q[1] == 1.0);
}
END_TEST

START_TEST(spread_by_hand)
{
    const double x[] = {1, 2, 6};
    const Spread s = significance_spread(x, 3);
    ck_assert_double_eq_tol(s.mean, 3.0, 1e-15);
    ck_assert_double_eq_tol(s.sd, sqrt(7.0), 1e-15);
    ck_assert(significance_spread(x, 1).sd == 0.0 && significance_spread(x, 1).n == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("significance");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, exact_p_by_hand);
    tcase_add_test(tc, no_difference);
    tcase_add_test(tc, interval_matches_the_normal_one);
    tcase_add_test(tc, false_alarms_are_rare);
    tcase_add_test(tc, swapping_mirrors);
    tcase_add_test(tc, same_seed_same_bytes_on_any_threads);
    tcase_add_test(tc, holm_by_hand);
    tcase_add_test(tc, spread_by_hand);
    return suite_run(suite);
}
