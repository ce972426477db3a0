/* tests/test_lsa.c -- words, stemmer, field-weighted TF-IDF, documents of items, and the truncated SVD. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sid/itemdoc.h"
#include "sid/lsa.h"
#include "sid/text.h"
#include "suite.h"

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

/* --- words ------------------------------------------------------------------------------------------------------------------------------- */

static const struct { const char *text, *words; int64_t bad; } split[] = {
    {"OPI Nail Lacquer, 0.5-Fluid Ounce", "opi|nail|lacquer|0.5|fluid|ounce|", 0},
    {"L'Oréal Crème   BRÛLÉE\xE2\x84\xA2", "loreal|creme|brulee|", 0},
    {"women\xE2\x80\x99s 'quoted' rock'n'roll'", "womens|quoted|rocknroll|", 0},
    {"end. 3.5.2 .7 8. v2.x", "end|3.5.2|7|8|v2|x|", 0},
    {"ΑΒΓ Привет ЁЖ ŠŽ", "αβγ|привет|ёж|šž|", 0},
    {"日本語、テスト", "日本語|テスト|", 0},
    {"a\xFF" "b \xC3(c \xE2\x82", "a|b|c|", 4},       /* stray byte, cut sequences */
    {"\xC0\xAF \xED\xA0\x80x", "x|", 5},              /* overlong form, surrogate */
    {"\xF0\x9F\x98\x80 smile\xF0\x9F\x98\x80" "y", "smile|y|", 0},
    {" \t--- ", "", 0},
    {"", "", 0},
};

START_TEST(words)
{
    char word[TEXT_WORD_MAX], all[512] = "";
    size_t at = 0;
    int64_t bad = 0;
    while (text_next_word(split[_i].text, strlen(split[_i].text), &at, word, &bad)) strcat(strcat(all, word), "|");
    ck_assert_str_eq(all, split[_i].words);
    ck_assert_int_eq(bad, split[_i].bad);
}
END_TEST

START_TEST(long_words_are_cut)
{
    char text[300], word[TEXT_WORD_MAX];
    size_t at = 0;
    int64_t bad = 0;
    memset(text, 'q', sizeof text);
    ck_assert(text_next_word(text, sizeof text, &at, word, &bad));
    ck_assert_uint_eq(strlen(word), TEXT_WORD_MAX - 1);
    ck_assert(!text_next_word(text, sizeof text, &at, word, &bad));
}
END_TEST

START_TEST(stems_and_stop_words)
{
    const char *pairs[][2] = {{"ponies", "pony"}, {"brushes", "brushe"}, {"creams", "cream"}, {"glass", "glass"}, {"virus", "virus"}, {"gas", "gas"},
                              {"shoes", "shoes"}, {"trees", "trees"}, {"s", "s"}, {"", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char word[TEXT_WORD_MAX];
        strcpy(word, pairs[i][0]);
        text_stem(word);
        ck_assert_str_eq(word, pairs[i][1]);
    }
    ck_assert(text_is_stop_word("the") && text_is_stop_word("a") && text_is_stop_word("yourselves"));
    ck_assert(!text_is_stop_word("cream") && !text_is_stop_word("th") && !text_is_stop_word(""));
}
END_TEST

/* --- TF-IDF ------------------------------------------------------------------------------------------------------------------------------ */

static double weight_of(const Csr *x, const char *const *name, int64_t row, const char *term)
{
    for (int64_t e = x->indptr[row]; e < x->indptr[row + 1]; e++)
        if (strcmp(name[x->index[e]], term) == 0) return x->value[e];
    return 0;
}

static bool has_term(const Csr *x, const char *const *name, const char *term)
{
    for (int64_t t = 0; t < x->n_cols; t++)
        if (strcmp(name[t], term) == 0) return true;
    return false;
}

START_TEST(one_field_by_hand)
{
    Corpus *c = corpus_create(arena, (TextOptions){0});
    corpus_row(c);
    corpus_words(c, 0, "red red blue");
    corpus_row(c);
    corpus_words(c, 0, "blue");
    corpus_row(c);
    const double weight[TEXT_FIELDS_MAX] = {3};
    const char *const *name;
    Csr x = corpus_tfidf(c, weight, false, 1, 1, arena, &name);
    ck_assert_int_eq(x.n_rows, 3);
    ck_assert_int_eq(x.n_cols, 2);
    double red = 2 * (log(4.0 / 2) + 1), blue = log(4.0 / 3) + 1, norm = sqrt(red * red + blue * blue);
    ck_assert(fabs(weight_of(&x, name, 0, "red") - red / norm) < 1e-14);
    ck_assert(fabs(weight_of(&x, name, 0, "blue") - blue / norm) < 1e-14);
    ck_assert(fabs(weight_of(&x, name, 1, "blue") - 1) < 1e-14);
    ck_assert_int_eq(x.indptr[3], x.indptr[2]); /* the empty row */
}
END_TEST

START_TEST(fields_have_their_own_length)
{
    Corpus *c = corpus_create(arena, (TextOptions){0});
    corpus_row(c);
    corpus_words(c, 0, "a1");
    corpus_words(c, 1, "b1 b2 b3 b4");
    corpus_words(c, 2, "left out");
    corpus_row(c);
    corpus_words(c, 0, "a1 b1 b2 b3 b4"); /* so that all terms have df 2 and one idf */
    const double weight[TEXT_FIELDS_MAX] = {2, 1, 0};
    const char *const *name;
    Csr x = corpus_tfidf(c, weight, true, 1, 1, arena, &name);
    ck_assert_int_eq(x.n_cols, 5);
    /* (2, 1/2 x 4) / sqrt(5) */
    ck_assert(fabs(weight_of(&x, name, 0, "a1") - 2 / sqrt(5)) < 1e-14);
    ck_assert(fabs(weight_of(&x, name, 0, "b3") - 0.5 / sqrt(5)) < 1e-14);
}
END_TEST

START_TEST(pairs_phrases_and_paths)
{
    Corpus *c = corpus_create(arena, (TextOptions){.stop_words = true, .stem = true, .bigrams = true});
    corpus_row(c);
    corpus_words(c, 0, "Care of the curly hairs");
    corpus_phrase(c, 1, '@', "Burt's Bees, Inc.", strlen("Burt's Bees, Inc."));
    corpus_phrase(c, 1, '@', " -- ", 4);
    corpus_path(c, 2, '#', "Beauty > Hair Care > Oils");
    const double weight[TEXT_FIELDS_MAX] = {1, 1, 1};
    const char *const *name;
    Csr x = corpus_tfidf(c, weight, true, 1, 1, arena, &name);
    const char *want[] = {"care", "care curly", "curly", "curly hair", "hair", "@burt bees inc", "#beauty", "#beauty hair care", "#beauty hair care oil",
                          "beauty", "beauty hair", "hair care", "oil", "care oil"};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) ck_assert_msg(has_term(&x, name, want[i]), "%s is missing", want[i]);
    ck_assert_int_eq(x.n_cols, (int64_t)(sizeof want / sizeof *want));
}
END_TEST

START_TEST(rare_and_common_terms_left_out)
{
    Corpus *c = corpus_create(arena, (TextOptions){0});
    const char *row[] = {"common once", "common twice", "common twice", "common"};
    for (int i = 0; i < 4; i++) {
        corpus_row(c);
        corpus_words(c, 0, row[i]);
    }
    const double weight[TEXT_FIELDS_MAX] = {1};
    const char *const *name;
    Csr x = corpus_tfidf(c, weight, true, 2, 0.75, arena, &name);
    ck_assert_int_eq(x.n_cols, 1);
    ck_assert_str_eq(name[0], "twice");
    ck_assert_int_eq(x.indptr[4], 2);
}
END_TEST

START_TEST(item_documents)
{
    Interest at[] = {{.text = "shin bang relief", .label = 1}, {.text = "generic beauty", .label = 0}, {.text = "long ski days", .label = 1}};
    ItemInterests in = {3, at, false, 0};
    ItemText item = {"B01", "Shin Gel", "Unknown", "Beauty > Skin", "Rolled down.", "", "Tube beside boot"};
    ck_assert_str_eq(itemdoc_whole(&item, &in, INTERESTS_POSITIVE, arena),
                     "Shin Gel. Beauty > Skin. Rolled down.. Tube beside boot. shin bang relief; long ski days");
    ck_assert_str_eq(itemdoc_text(&item, &in, INTERESTS_ALL, FIELD_INTERESTS, arena), "shin bang relief; generic beauty; long ski days");
    ck_assert_str_eq(itemdoc_text(&item, &in, INTERESTS_NONE, FIELD_INTERESTS, arena), "");
    ck_assert_str_eq(itemdoc_text(&item, NULL, INTERESTS_ALL, FIELD_INTERESTS, arena), "");
    ck_assert_str_eq(itemdoc_text(&item, &in, INTERESTS_ALL, FIELD_BRAND, arena), "");
    const double weight[TEXT_FIELDS_MAX] = {1, 1, 1, 1, 1, 1, 1};
    const char *const *name;
    Corpus *c = corpus_create(arena, (TextOptions){0});
    itemdoc_add(c, &item, &in, INTERESTS_POSITIVE, arena);
    Csr x = corpus_tfidf(c, weight, true, 1, 1, arena, &name);
    ck_assert(has_term(&x, name, "ski") && has_term(&x, name, "#beauty skin") && !has_term(&x, name, "generic") && !has_term(&x, name, "unknown") &&
              !has_term(&x, name, "b01"));
}
END_TEST

START_TEST(companions_of_a_sequence)
{
    int64_t offset[] = {0, 4, 5, 7};
    int32_t items[] = {0, 1, 2, 3, 1, 3, 3};
    Sequences train = {3, NULL, offset, items};
    Companions with = itemdoc_companions(&train, 5, 2, arena);
    const int64_t want_offset[] = {0, 2, 5, 8, 10, 10};
    const int32_t want[] = {1, 2, 0, 2, 3, 0, 1, 3, 1, 2};
    ck_assert_int_eq(memcmp(with.offset, want_offset, sizeof want_offset), 0);
    ck_assert_int_eq(memcmp(with.item, want, sizeof want), 0);
    const double weight[TEXT_FIELDS_MAX] = {[FIELD_COMPANIONS] = 1};
    const char *const *name;
    Corpus *c = corpus_create(arena, (TextOptions){.stem = true, .stop_words = true});
    for (int64_t i = 0; i < 5; i++) {
        corpus_row(c);
        itemdoc_add_companions(c, &with, i);
    }
    Csr x = corpus_tfidf(c, weight, true, 1, 1, arena, &name);
    ck_assert_int_eq(x.n_cols, 4);
    ck_assert(weight_of(&x, name, 3, "$i2") > 0 && weight_of(&x, name, 3, "$i0") == 0 && x.indptr[5] == x.indptr[4]);
}
END_TEST

/* --- SVD --------------------------------------------------------------------------------------------------------------------------------- */

/* A random sparse matrix; row r and column c have weight falling with r and c, so that the spectrum falls. Every 17th row is empty. */
static Csr random_matrix(int64_t n, int64_t m, uint64_t seed)
{
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 2, 0);
    int64_t *indptr = ARENA_NEW(arena, int64_t, n + 1), nnz = 0;
    int32_t *index = ARENA_NEW(arena, int32_t, n * m);
    double *value = ARENA_NEW(arena, double, n * m);
    for (int64_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < m && i % 17 != 3; j++)
            if (rng_uniform(&r) < 0.3) {
                index[nnz] = j;
                value[nnz++] = rng_normal(&r) * exp(-3.0 * (double)j / (double)m);
            }
        indptr[i + 1] = nnz;
    }
    return (Csr){n, m, indptr, index, value};
}

static double dot_columns(const double *e, int64_t n, int64_t k, int64_t a, int64_t b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += e[i * k + a] * e[i * k + b];
    return sum;
}

static const struct { int64_t n, m, k; LsaMethod method; } shape[] = {
    {90, 60, 12, LSA_EXACT}, {60, 90, 12, LSA_EXACT}, {90, 60, 12, LSA_ITERATIVE}, {33, 200, 7, LSA_ITERATIVE}, {400, 333, 16, LSA_ITERATIVE},
    {5, 7, 5, LSA_AUTO}, {7, 1, 1, LSA_ITERATIVE}, {1, 7, 1, LSA_EXACT},
};

/* Columns of E = U S are orthogonal with length sigma; sigma falls; the column of largest magnitude is positive; and E E^T x = sum over the left out
 * spectrum only, i.e. ||X||^2 = sum sigma^2 + ||rest||^2 with the rest orthogonal to E. */
START_TEST(svd_is_orthogonal)
{
    int64_t n = shape[_i].n, m = shape[_i].m, k = shape[_i].k;
    Csr x = random_matrix(n, m, (uint64_t)_i);
    double *sigma = ARENA_NEW(arena, double, k), *e = ARENA_NEW(arena, double, n * k);
    ck_assert_int_eq(lsa_svd(&x, k, shape[_i].method, 3, arena, sigma, e, NULL), OK);
    for (int64_t a = 0; a < k; a++) {
        ck_assert(a == 0 || sigma[a] <= sigma[a - 1]);
        for (int64_t b = 0; b < k; b++) {
            double want = a == b ? sigma[a] * sigma[a] : 0, got = dot_columns(e, n, k, a, b);
            ck_assert_msg(fabs(got - want) <= 1e-9 * sigma[0] * sigma[0], "columns %d %d: %g, not %g", (int)a, (int)b, got, want);
        }
        double most = 0;
        for (int64_t i = 0; i < n; i++)
            if (fabs(e[i * k + a]) > fabs(most)) most = e[i * k + a];
        ck_assert(most >= 0);
    }
    /* X^T u_a has length sigma_a: u_a is a singular vector of X and not just any orthonormal vector */
    double *v = ARENA_NEW(arena, double, m);
    for (int64_t a = 0; a < k; a++) {
        double squares = 0;
        if (!(sigma[a] > 0)) continue;
        memset(v, 0, (size_t)m * sizeof *v);
        for (int64_t i = 0; i < n; i++)
            for (int64_t f = x.indptr[i]; f < x.indptr[i + 1]; f++) v[x.index[f]] += x.value[f] * e[i * k + a] / sigma[a];
        for (int64_t j = 0; j < m; j++) squares += v[j] * v[j];
        ck_assert_msg(fabs(sqrt(squares) - sigma[a]) <= 1e-6 * sigma[0], "triplet %d: %g, not %g", (int)a, sqrt(squares), sigma[a]);
    }
}
END_TEST

START_TEST(methods_agree)
{
    enum { N = 300, M = 250, K = 10 };
    Csr x = random_matrix(N, M, 9);
    double s1[K], s2[K], *e1 = ARENA_NEW(arena, double, N * K), *e2 = ARENA_NEW(arena, double, N * K);
    ck_assert_int_eq(lsa_svd(&x, K, LSA_EXACT, 1, arena, s1, e1, NULL), OK);
    ck_assert_int_eq(lsa_svd(&x, K, LSA_ITERATIVE, 1, arena, s2, e2, NULL), OK);
    for (int j = 0; j < K; j++) ck_assert(fabs(s1[j] - s2[j]) <= 1e-7 * s1[0]);
    for (int i = 0; i < N * 3; i++) /* leading columns are well separated */
        ck_assert(fabs(e1[i / 3 * K + i % 3] - e2[i / 3 * K + i % 3]) <= 1e-3 * s1[0]);
}
END_TEST

START_TEST(svd_beyond_the_rank_is_zero)
{
    const int64_t indptr[] = {0, 2, 4, 6, 6};
    const int32_t index[] = {0, 1, 0, 1, 0, 1};
    const double value[] = {3, 4, 6, 8, -3, -4}; /* rank 1 */
    Csr x = {4, 2, indptr, index, value};
    double sigma[5], e[20];
    for (int method = LSA_EXACT; method <= LSA_ITERATIVE; method++) {
        ck_assert_int_eq(lsa_svd(&x, 5, (LsaMethod)method, 1, arena, sigma, e, NULL), OK);
        ck_assert(fabs(sigma[0] - sqrt(150)) < 1e-12);
        ck_assert(fabs(e[0] - 5) < 1e-12 && fabs(e[5] - 10) < 1e-12 && fabs(e[10] + 5) < 1e-12 && e[15] == 0);
        for (int j = 1; j < 5; j++) ck_assert(sigma[j] < 1e-6 && fabs(e[j]) < 1e-6);
    }
}
END_TEST

START_TEST(svd_repeats_itself)
{
    enum { N = 200, M = 150, K = 8 };
    Csr x = random_matrix(N, M, 4);
    double s1[K], s2[K], *e1 = ARENA_NEW(arena, double, N * K), *e2 = ARENA_NEW(arena, double, N * K);
    ck_assert_int_eq(lsa_svd(&x, K, LSA_ITERATIVE, 1, arena, s1, e1, NULL), OK);
    ck_assert_int_eq(lsa_svd(&x, K, LSA_ITERATIVE, 1, arena, s2, e2, NULL), OK);
    ck_assert_int_eq(memcmp(e1, e2, N * K * sizeof *e1), 0);
    ck_assert_int_eq(lsa_svd(&x, K, LSA_ITERATIVE, 2, arena, s2, e2, NULL), OK);
    ck_assert_int_ne(memcmp(e1, e2, N * K * sizeof *e1), 0); /* another start, other rounding */
}
END_TEST

START_TEST(svd_refuses_nan)
{
    const int64_t indptr[] = {0, 1};
    const int32_t index[] = {0};
    const double value[] = {NAN};
    double sigma[1], e[1];
    ck_assert_int_eq(lsa_svd(&(Csr){1, 1, indptr, index, value}, 1, LSA_AUTO, 1, arena, sigma, e, NULL), E_NUMERIC);
}
END_TEST

START_TEST(postprocessing)
{
    const double sigma[] = {4, 1, 0};
    double e[] = {8, 3, 1, 0, 0, 0};
    lsa_postprocess(2, 3, sigma, 0.5, false, e);
    ck_assert(e[0] == 4 && e[1] == 3 && e[2] == 0);
    lsa_postprocess(2, 3, sigma, 0, true, e);
    ck_assert(fabs(e[0] - 0.8) < 1e-15 && fabs(e[1] - 0.6) < 1e-15 && e[3] == 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("lsa");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, words, 0, (int)(sizeof split / sizeof *split));
    tcase_add_test(t, long_words_are_cut);
    tcase_add_test(t, stems_and_stop_words);
    tcase_add_test(t, one_field_by_hand);
    tcase_add_test(t, fields_have_their_own_length);
    tcase_add_test(t, pairs_phrases_and_paths);
    tcase_add_test(t, rare_and_common_terms_left_out);
    tcase_add_test(t, item_documents);
    tcase_add_test(t, companions_of_a_sequence);
    tcase_add_loop_test(t, svd_is_orthogonal, 0, (int)(sizeof shape / sizeof *shape));
    tcase_add_test(t, methods_agree);
    tcase_add_test(t, svd_beyond_the_rank_is_zero);
    tcase_add_test(t, svd_repeats_itself);
    tcase_add_test(t, svd_refuses_nan);
    tcase_add_test(t, postprocessing);
    Suite *s = suite_create("lsa");
    suite_add_tcase(s, t);
    return suite_run(s);
}
