/* tests/test_rqvae.c -- nearest codes, k-means, training of the RQ-VAE, SID quality and the spreading of last codes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sid/quality.h"
#include "sid/rqtrain.h"
#include "suite.h"

static Arena *arena;
static Backend *ref, *cpu;

static void setup(void)
{
    arena = arena_create("test");
    ref = backend_ref();
    cpu = backend_cpu(2);
}

static void teardown(void)
{
    ref->destroy(ref);
    cpu->destroy(cpu);
    arena_destroy(arena);
}

/* n points around `clusters` well separated centres in Z dimensions; point i belongs to centre i % clusters. */
static real *blobs(int64_t n, int64_t Z, int64_t clusters, double spread, uint64_t seed)
{
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 3, 0);
    real *centre = ARENA_NEW(arena, real, clusters * Z), *x = ARENA_NEW(arena, real, n * Z);
    for (int64_t i = 0; i < clusters * Z; i++) centre[i] = (real)rng_normal(&r);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < Z; j++) x[i * Z + j] = (real)((double)centre[i % clusters * Z + j] + spread * rng_normal(&r));
    return x;
}

/* --- nearest and k-means ----------------------------------------------------------------------------------------------------------------- */

START_TEST(nearest_takes_the_lowest_of_equals)
{
    const real x[] = {0, 0, 2, 0, 1, 1}, book[] = {1, 0, 1, 0, 3, 0, -1, 0};
    int32_t code[3];
    Nearest *s = nearest_create(ref, 3, 4, 2, arena);
    ck_assert_int_eq(nearest_find(s, 3, x, book, code), OK);
    ck_assert_int_eq(code[0], 0); /* codes 0, 1 and 3 are at distance 1 */
    ck_assert_int_eq(code[1], 0); /* codes 0, 1 and 2 are at distance 1 */
    ck_assert_int_eq(code[2], 0);
    nearest_destroy(s);
}
END_TEST

START_TEST(nearest_refuses_nan)
{
    const real x[] = {NAN, 0}, book[] = {1, 0};
    int32_t code[1];
    Nearest *s = nearest_create(ref, 1, 1, 2, arena);
    ck_assert_int_eq(nearest_find(s, 1, x, book, code), E_NUMERIC);
    nearest_destroy(s);
}
END_TEST

START_TEST(kmeans_finds_separated_clusters)
{
    enum { N = 330, Z = 7, K = 11 };
    real *x = blobs(N, Z, K, 0.01, 1), *centroid = ARENA_NEW(arena, real, K * Z);
    int32_t code[N];
    KmeansResult result;
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    ck_assert_int_eq(kmeans_fit(cpu, N, Z, K, x, 50, &r, centroid, code, &result), OK);
    for (int i = K; i < N; i++) ck_assert_int_eq(code[i], code[i % K]);
    for (int i = 0; i < K; i++)
        for (int j = 0; j < i; j++) ck_assert_int_ne(code[i], code[j]);
    ck_assert(result.inertia < Z * 0.01 * 0.01 * 1.5);
    ck_assert_int_lt(result.iterations, 50);
    /* centroids are the means of their points, and codes the nearest centroids */
    for (int k = 0; k < K; k++)
        for (int j = 0; j < Z; j++) {
            double sum = 0;
            for (int i = k; i < N; i += K) sum += (double)x[i * Z + j] / (N / K);
            ck_assert(fabs(sum - (double)centroid[code[k] * Z + j]) < 1e-5);
        }
}
END_TEST

START_TEST(kmeans_never_gets_worse_with_more_iterations)
{
    enum { N = 500, Z = 5, K = 9 };
    real *x = blobs(N, Z, 3, 1.0, 2), *centroid = ARENA_NEW(arena, real, K * Z);
    double last = INFINITY;
    for (int64_t iterations = 0; iterations < 12; iterations++) {
        KmeansResult result;
        Rng r = rng_make(7, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
        ck_assert_int_eq(kmeans_fit(ref, N, Z, K, x, iterations, &r, centroid, NULL, &result), OK);
        ck_assert_msg(result.inertia <= last * (1 + 1e-6), "after %d iterations %g, before %g", (int)iterations, result.inertia, last);
        last = result.inertia;
    }
}
END_TEST

START_TEST(kmeans_with_more_clusters_than_points)
{
    enum { N = 5, Z = 3, K = 8 };
    const real x[N * Z] = {0, 0, 1, 0, 0, 1, 5, 5, 5, -1, 2, 3, 0, 9, 0}; /* 4 distinct points */
    real centroid[K * Z];
    int32_t code[N];
    KmeansResult result;
    Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    ck_assert_int_eq(kmeans_fit(ref, N, Z, K, x, 20, &r, centroid, code, &result), OK);
    ck_assert(result.inertia == 0);
    ck_assert_int_eq(code[0], code[1]);
    for (int i = 0; i < K * Z; i++) ck_assert(isfinite(centroid[i]));
}
END_TEST

START_TEST(kmeans_repeats_itself)
{
    enum { N = 200, Z = 4, K = 16 };
    real *x = blobs(N, Z, 16, 0.8, 3), *a = ARENA_NEW(arena, real, K * Z), *b = ARENA_NEW(arena, real, K * Z);
    Rng r1 = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0), r2 = r1, r3 = rng_make(2, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    ck_assert_int_eq(kmeans_fit(cpu, N, Z, K, x, 20, &r1, a, NULL, NULL), OK);
    ck_assert_int_eq(kmeans_fit(cpu, N, Z, K, x, 20, &r2, b, NULL, NULL), OK);
    ck_assert_int_eq(memcmp(a, b, K * Z * sizeof *a), 0);
    ck_assert_int_eq(kmeans_fit(cpu, N, Z, K, x, 20, &r3, b, NULL, NULL), OK);
    ck_assert_int_ne(memcmp(a, b, K * Z * sizeof *a), 0);
}
END_TEST

/* --- training ---------------------------------------------------------------------------------------------------------------------------- */

enum { N_ITEMS = 240, E = 16 };
static const RqConfig small = {.n_layers = 2, .dims = {E, 24, 8}, .Q = 3, .K = 12, .beta = 0.25, .rq_weight = 1};

/* Trains on blobs; parameters (count) and codes (N,Q) out. */
static RqReport train(Backend *be, uint64_t seed, int64_t warmup, int64_t epochs, bool refit, real **params, int32_t *code)
{
    RqTraining t = {.epochs = epochs, .warmup_epochs = warmup, .batch = 64, .kmeans_iterations = 20, .lr = 3e-3, .weight_decay = 1e-4, .refit = refit,
                    .seed = seed};
    RqModel *m = rqvae_create(be, &small, 100, true); /* 240 items in passes of 100: a last part of 40 */
    RqReport report;
    ck_assert_int_eq(rqvae_train(m, N_ITEMS, blobs(N_ITEMS, E, 40, 0.15, 5), &t, NULL, &report), OK);
    ck_assert_int_eq(rqvae_encode(m, N_ITEMS, blobs(N_ITEMS, E, 40, 0.15, 5), code, NULL, NULL), OK);
    if (params) {
        *params = ARENA_NEW(arena, real, m->params->count);
        memcpy(*params, m->params->value, (size_t)m->params->count * sizeof **params);
    }
    rqvae_destroy(m);
    return report;
}

START_TEST(training_learns)
{
    int32_t code[N_ITEMS * 3];
    RqReport start = train(cpu, 1, 0, 0, false, NULL, code), end = train(cpu, 1, 20, 60, false, NULL, code);
    ck_assert_int_eq(start.steps, 0);
    ck_assert_int_eq(end.steps, 80 * 4);
    ck_assert_msg(end.loss.recon < 0.25 * start.loss.recon, "reconstruction %g, at the start %g", end.loss.recon, start.loss.recon);
    for (int l = 1; l < 3; l++) ck_assert(end.loss.level[l] < end.loss.level[l - 1]); /* every level explains something */
    /* items of one blob mostly share their first code, items of different blobs mostly do not */
    int64_t same = 0, pairs = 0, other = 0, others = 0;
    for (int i = 0; i < N_ITEMS; i++)
        for (int j = 0; j < i; j++) {
            bool equal = code[i * 3] == code[j * 3];
            if (i % 40 == j % 40) same += equal, pairs++;
            else other += equal, others++;
        }
    ck_assert_msg((double)same > 0.8 * (double)pairs && (double)other < 0.25 * (double)others, "same blob %d of %d, other blobs %d of %d", (int)same,
                  (int)pairs, (int)other, (int)others);
}
END_TEST

START_TEST(training_repeats_itself)
{
    real *a, *b;
    int32_t code_a[N_ITEMS * 3], code_b[N_ITEMS * 3];
    RqReport one = train(cpu, 1, 3, 8, true, &a, code_a);
    train(cpu, 1, 3, 8, true, &b, code_b);
    RqModel *m = rqvae_create(ref, &small, 1, false);
    size_t bytes = (size_t)m->params->count * sizeof *a;
    rqvae_destroy(m);
    ck_assert_int_eq(memcmp(a, b, bytes), 0);
    ck_assert_int_eq(memcmp(code_a, code_b, sizeof code_a), 0);
    train(cpu, 2, 3, 8, true, &b, code_b);
    ck_assert_int_ne(memcmp(a, b, bytes), 0);
    ck_assert_int_ne(memcmp(code_a, code_b, sizeof code_a), 0);
    ck_assert(isfinite(one.loss.total));
}
END_TEST

/* ref and cpu round differently, so their runs part in time; a short one must still agree closely. */
START_TEST(backends_agree)
{
    int32_t code[N_ITEMS * 3];
    RqReport a = train(ref, 1, 2, 2, false, NULL, code), b = train(cpu, 1, 2, 2, false, NULL, code);
    ck_assert_msg(fabs(a.loss.total - b.loss.total) < 1e-3 * a.loss.total, "ref %g, cpu %g", a.loss.total, b.loss.total);
}
END_TEST

START_TEST(dead_codes_come_alive)
{
    /* more codes than the first clusters need: without warm-up k-means is of a random projection, and training leaves codes unused */
    int32_t code[N_ITEMS * 3];
    bool used[3][12] = {{0}};
    int n = 0;
    train(cpu, 3, 10, 60, false, NULL, code);
    for (int i = 0; i < N_ITEMS * 3; i++) used[i % 3][code[i]] = true;
    for (int i = 0; i < 36; i++) n += used[i / 12][i % 12];
    ck_assert_msg(n >= 33, "%d of 36 codes in use", n);
}
END_TEST

START_TEST(refit_is_residual_kmeans)
{
    enum { N = 150, Z = 6, Q = 2, K = 5 };
    real *v = blobs(N, Z, 9, 0.3, 8), *book = ARENA_NEW(arena, real, Q * K * Z);
    int32_t code[N * Q];
    double mse[Q], left = 0;
    ck_assert_int_eq(rq_refit_codebooks(ref, N, Z, Q, K, v, 30, 4, book, code, mse), OK);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < Z; j++) {
            double rest = (double)v[i * Z + j];
            for (int l = 0; l < Q; l++) rest -= (double)book[(l * K + code[i * Q + l]) * Z + j];
            left += rest * rest / (N * Z);
        }
    ck_assert(mse[1] < mse[0]);
    ck_assert_msg(fabs(left - mse[1]) < 1e-5 * mse[1], "%g, reported %g", left, mse[1]);
}
END_TEST

/* --- quality ----------------------------------------------------------------------------------------------------------------------------- */

static double number(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    ck_assert_msg(cJSON_IsNumber(v), "%s is not a number", key);
    return v->valuedouble;
}

START_TEST(quality_by_hand)
{
    const int32_t code[] = {0, 0, 1, 0, 0, 1, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    const char *category[] = {"B > Hair > Oil", "B > Hair > Comb", "B > Nails", "B > Hair > Oil", "B > Hair > Oil", ""};
    /* on a line: neighbours of each item are all 5 others */
    const real e[] = {0, 1, 2, 3, 4, 5};
    Catalogue *c = catalogue_from_codes(arena, 6, 3, 4, code);
    cJSON *q = quality_measure(c, category, ref, e, 1, arena);
    ck_assert(fabs(number(q, "collision_rate") - 5.0 / 6) < 1e-12);
    ck_assert_int_eq((int)number(q, "distinct_tuples"), 3);
    ck_assert_int_eq((int)number(q, "largest_group"), 3);
    ck_assert_int_eq((int)number(q, "suffix_codes"), 3);
    const cJSON *sizes = cJSON_GetObjectItem(q, "group_sizes"), *level = cJSON_GetArrayItem(cJSON_GetObjectItem(q, "level"), 0);
    ck_assert(number(sizes, "1") == 1 && number(sizes, "2") == 1 && number(sizes, "3") == 1);
    ck_assert(number(level, "used") == 2 && fabs(number(level, "entropy_bits") - 1) < 1e-12 && fabs(number(level, "perplexity") - 2) < 1e-12);
    /* first codes {0,1,2} and {3,4,(5 without category)}: top level Hair Hair Nails | Hair Hair -> (1/2+1/2+0+1+1)/5 */
    const cJSON *p1 = cJSON_GetArrayItem(cJSON_GetObjectItem(q, "prefix"), 0), *p2 = cJSON_GetArrayItem(cJSON_GetObjectItem(q, "prefix"), 1);
    ck_assert(fabs(number(p1, "purity_top") - 3.0 / 5) < 1e-12);
    ck_assert(fabs(number(p1, "purity_leaf") - 2.0 / 5) < 1e-12);
    ck_assert(fabs(number(p1, "chance_top") - 12.0 / 20) < 1e-12);
    ck_assert(fabs(number(p1, "chance_leaf") - 6.0 / 20) < 1e-12);
    ck_assert(number(p2, "groups") == 3 && fabs(number(p2, "purity_leaf") - 2.0 / 4) < 1e-12);
    const cJSON *n = cJSON_GetObjectItem(q, "neighbours");
    ck_assert(fabs(number(n, "same_first_code") - 12.0 / 30) < 1e-12 && fabs(number(n, "same_two_codes") - 8.0 / 30) < 1e-12);
    ck_assert(fabs(number(n, "chance_first") - 12.0 / 30) < 1e-12 && fabs(number(n, "chance_two") - 8.0 / 30) < 1e-12);
    cJSON_Delete(q);
}
END_TEST

START_TEST(neighbours_are_the_nearest_ten)
{
    enum { N = 60 };
    real e[N];
    int32_t code[N];
    for (int i = 0; i < N; i++) {
        e[i] = (real)(i / 12 * 100 + i % 12); /* five far clusters of 12 */
        code[i] = i / 12;
    }
    Catalogue *c = catalogue_from_codes(arena, N, 1, 5, code);
    cJSON *q = quality_measure(c, NULL, cpu, e, 1, arena);
    ck_assert(number(cJSON_GetObjectItem(q, "neighbours"), "same_first_code") == 1);
    cJSON_Delete(q);
    for (int i = 0; i < N; i++) code[i] = i % 2; /* alternating: of the ten nearest of a cluster's other 11, the parity decides */
    c = catalogue_from_codes(arena, N, 1, 5, code);
    q = quality_measure(c, NULL, cpu, e, 1, arena);
    double share = number(cJSON_GetObjectItem(q, "neighbours"), "same_first_code");
    ck_assert(share > 0.4 && share < 0.5);
    cJSON_Delete(q);
}
END_TEST

START_TEST(spread_by_hand)
{
    /* items 0, 1, 3 share (0; 2): item 1 is closest and keeps 2; item 0 then takes the next nearest free, 1 (item 3 is farther); item 2 has another
     * first code; item 4 holds (0; 0), which is not free. */
    const real book[] = {0, 1, 2, 9}, rest[] = {1.75, 2, 2, 3, 0};
    int32_t code[] = {0, 2, 0, 2, 1, 2, 0, 2, 0, 0};
    ck_assert_int_eq(quality_spread(5, 2, 4, 1, rest, book, code, arena), 2);
    const int32_t want[] = {0, 1, 0, 2, 1, 2, 0, 3, 0, 0};
    ck_assert_int_eq(memcmp(code, want, sizeof want), 0);
}
END_TEST

START_TEST(spread_keeps_what_cannot_move)
{
    enum { N = 40, K = 6 };
    real rest[N], book[K];
    int32_t code[N * 2];
    for (int i = 0; i < N; i++) rest[i] = (real)i, code[2 * i] = i / 10, code[2 * i + 1] = 3;
    for (int k = 0; k < K; k++) book[k] = (real)k;
    ck_assert_int_eq(quality_spread(N, 2, K, 1, rest, book, code, arena), 4 * (K - 1));
    for (int g = 0; g < 4; g++) {
        int held[K] = {0}, all = 0;
        for (int i = 0; i < 10; i++) held[code[2 * (10 * g + i) + 1]]++;
        for (int k = 0; k < K; k++) all += held[k] > 0;
        ck_assert_int_eq(all, K);
        ck_assert_int_eq(held[3], 5);
        for (int i = 0; i < 10; i++) ck_assert_int_eq(code[2 * (10 * g + i)], g);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rqvae");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, nearest_takes_the_lowest_of_equals);
    tcase_add_test(t, nearest_refuses_nan);
    tcase_add_test(t, kmeans_finds_separated_clusters);
    tcase_add_test(t, kmeans_never_gets_worse_with_more_iterations);
    tcase_add_test(t, kmeans_with_more_clusters_than_points);
    tcase_add_test(t, kmeans_repeats_itself);
    tcase_add_test(t, training_learns);
    tcase_add_test(t, training_repeats_itself);
    tcase_add_test(t, backends_agree);
    tcase_add_test(t, dead_codes_come_alive);
    tcase_add_test(t, refit_is_residual_kmeans);
    tcase_add_test(t, quality_by_hand);
    tcase_add_test(t, neighbours_are_the_nearest_ten);
    tcase_add_test(t, spread_by_hand);
    tcase_add_test(t, spread_keeps_what_cannot_move);
    Suite *s = suite_create("rqvae");
    suite_add_tcase(s, t);
    return suite_run(s);
}
