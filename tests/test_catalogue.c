/* tests/test_catalogue.c -- suffixes, tokens, look-up, and the .index.json format of sid/catalogue.h. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "sid/catalogue.h"
#include "suite.h"

static Arena *arena;
static char dir[] = "/tmp/digr_catalogue_XXXXXX";

static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static const char *file_with(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/x.index.json", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

static void expect_sid(const Catalogue *c, int64_t item, int32_t n, const int32_t *code)
{
    ck_assert_int_eq(c->length[item], n);
    for (int32_t l = 0; l < SID_MAX; l++) ck_assert_int_eq(c->code[item * SID_MAX + l], l < n ? code[l] : -1);
}

START_TEST(suffix_in_item_order)
{
    const int32_t code[] = {1, 2, 3, 0, 0, 0, 1, 2, 3, 1, 2, 4, 1, 2, 3};
    Catalogue *c = catalogue_from_codes(arena, 5, 3, 7, code);
    expect_sid(c, 0, 4, (int32_t[]){1, 2, 3, 0});
    expect_sid(c, 1, 3, (int32_t[]){0, 0, 0});
    expect_sid(c, 2, 4, (int32_t[]){1, 2, 3, 1});
    expect_sid(c, 3, 3, (int32_t[]){1, 2, 4});
    expect_sid(c, 4, 4, (int32_t[]){1, 2, 3, 2});
    ck_assert_int_eq(c->n_suffix, 3);
    ck_assert_int_eq(catalogue_n_tokens(c), 3 * 7 + 3);
}
END_TEST

START_TEST(tokens_and_levels)
{
    const int32_t code[] = {1, 2, 1, 2, 0, 6};
    Catalogue *c = catalogue_from_codes(arena, 3, 2, 7, code);
    int32_t token[SID_MAX];
    ck_assert_int_eq(catalogue_tokens(c, 1, 100, token), 3);
    ck_assert_int_eq(token[0], 101);
    ck_assert_int_eq(token[1], 109);
    ck_assert_int_eq(token[2], 115);
    ck_assert_int_eq(catalogue_tokens(c, 2, 100, token), 2);
    ck_assert_int_eq(token[1], 113);
    const struct { int32_t token; int64_t level; } want[] = {{99, -1}, {100, 0}, {106, 0}, {107, 1}, {113, 1}, {114, 2}, {115, 2}, {116, -1}, {-5, -1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_int_eq(catalogue_level(c, want[i].token, 100), want[i].level);
}
END_TEST

START_TEST(find_only_whole_sids)
{
    const int32_t code[] = {1, 2, 1, 2, 0, 6};
    Catalogue *c = catalogue_from_codes(arena, 3, 2, 7, code);
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){0, 6}, 2), 2);
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){1, 2, 1}, 3), 1);
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){1, 2}, 2), -1);       /* a prefix of two items */
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){0, 6, 0}, 3), -1);    /* a suffix too many */
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){0, -1}, 2), -1);
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){0}, 1), -1);
}
END_TEST

/* Property: whatever the codes, SIDs are distinct, no SID begins another, and each is found again. */
START_TEST(random_catalogues_are_unambiguous)
{
    enum { N = 500, Q = 3, K = 5 };
    for (uint64_t seed = 0; seed < 8; seed++) {
        Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
        int32_t code[N * Q];
        for (int i = 0; i < N * Q; i++) code[i] = (int32_t)rng_below(&r, K);
        Catalogue *c = catalogue_from_codes(arena, N, Q, K, code);
        for (int32_t i = 0; i < N; i++) {
            ck_assert_int_eq(memcmp(c->code + i * SID_MAX, code + i * Q, Q * sizeof *code), 0);
            ck_assert_int_eq(catalogue_find(c, c->code + i * SID_MAX, c->length[i]), i);
            if (c->length[i] > Q) ck_assert_int_eq(catalogue_find(c, c->code + i * SID_MAX, Q), -1);
        }
    }
}
END_TEST

START_TEST(write_then_read)
{
    const int32_t code[] = {1, 2, 3, 0, 0, 0, 1, 2, 3, 1, 2, 6};
    Catalogue *c = catalogue_from_codes(arena, 4, 3, 7, code), *back;
    const char *path = file_with("");
    ck_assert_int_eq(catalogue_write(c, path), OK);
    char text[256] = "";
    FILE *f = fopen(path, "r");
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, f), 0);
    fclose(f);
    ck_assert_str_eq(text, "{\"0\": [\"<a_1>\",\"<b_2>\",\"<c_3>\",\"<d_0>\"],\n \"1\": [\"<a_0>\",\"<b_0>\",\"<c_0>\"],\n "
                           "\"2\": [\"<a_1>\",\"<b_2>\",\"<c_3>\",\"<d_1>\"],\n \"3\": [\"<a_1>\",\"<b_2>\",\"<c_6>\"]}\n");
    ck_assert_int_eq(catalogue_read(path, arena, 4, &back), OK);
    ck_assert_int_eq(back->Q, 3);
    ck_assert_int_eq(back->K, 7);
    ck_assert_int_eq(back->n_suffix, 2);
    ck_assert_int_eq(memcmp(back->code, c->code, 4 * SID_MAX * sizeof *code), 0);
    ck_assert_int_eq(catalogue_find(back, (int32_t[]){1, 2, 3, 1}, 4), 2);
}
END_TEST

START_TEST(read_four_levels_in_any_order)
{
    Catalogue *c;
    const char *path = file_with("{\"1\":[\"<a_1>\",\"<b_0>\",\"<c_9>\",\"<d_2>\"],\"0\":[\"<a_255>\",\"<b_57>\",\"<c_141>\",\"<d_231>\"]}");
    ck_assert_int_eq(catalogue_read(path, arena, 2, &c), OK);
    ck_assert_int_eq(c->Q, 4);
    ck_assert_int_eq(c->K, 256);
    ck_assert_int_eq(c->n_suffix, 0);
    expect_sid(c, 1, 4, (int32_t[]){1, 0, 9, 2});
}
END_TEST

START_TEST(read_collided_file_without_suffixes)
{
    Catalogue *c;
    const char *path = file_with("{\"0\":[\"<a_1>\",\"<b_1>\"],\"1\":[\"<a_0>\",\"<b_1>\"],\"2\":[\"<a_1>\",\"<b_1>\"]}");
    ck_assert_int_eq(catalogue_read(path, arena, 3, &c), OK);
    expect_sid(c, 0, 3, (int32_t[]){1, 1, 0});
    expect_sid(c, 1, 2, (int32_t[]){0, 1});
    expect_sid(c, 2, 3, (int32_t[]){1, 1, 1});
    ck_assert_int_eq(catalogue_find(c, (int32_t[]){1, 1, 1}, 3), 2);
}
END_TEST

START_TEST(read_keys_from_one)
{
    Catalogue *c;
    const char *path = file_with("{\"2\":[\"<a_7>\"],\"1\":[\"<a_3>\"]}");
    ck_assert_int_eq(catalogue_read(path, arena, 2, &c), OK);
    expect_sid(c, 0, 1, (int32_t[]){3});
    expect_sid(c, 1, 1, (int32_t[]){7});
}
END_TEST

static const struct { const char *text, *message; } bad[] = {
    {"{\"0\":[\"<a_1>\"]}", "item 1 of 2 is missing"},
    {"{\"0\":[\"<a_1>\"],\"2\":[\"<a_2>\"]}", "key \"2\" is not an item in [0,2)"},
    {"{\"0\":[\"<a_1>\"],\"x\":[\"<a_2>\"]}", "key \"x\" is not an item"},
    {"{\"0\":[\"<a_1>\"],\"1 \":[\"<a_2>\"]}", "key \"1 \" is not an item"},
    {"{\"0\":[\"<a_1>\"],\"0\":[\"<a_2>\"]}", "item 0 appears twice"},
    {"{\"0\":[\"<a_1>\",\"<c_1>\"],\"1\":[\"<a_2>\",\"<b_2>\"]}", "\"<c_1>\" is not a code of level b"},
    {"{\"0\":[\"<a_-1>\"],\"1\":[\"<a_2>\"]}", "is not a code of level a"},
    {"{\"0\":[\"<a_1>x\"],\"1\":[\"<a_2>\"]}", "is not a code of level a"},
    {"{\"0\":[7],\"1\":[\"<a_2>\"]}", "not a string"},
    {"{\"0\":[],\"1\":[\"<a_2>\"]}", "a SID is an array"},
    {"{\"0\":\"<a_1>\",\"1\":[\"<a_2>\"]}", "a SID is an array"},
    {"{\"0\":[\"<a_1>\"],\"1\":[\"<a_2>\",\"<b_0>\",\"<c_0>\"]}", "SIDs have 1 to 3 codes"},
    {"{\"0\":[\"<a_1>\",\"<b_0>\"],\"1\":[\"<a_1>\",\"<b_0>\"],\"2\":[\"<a_1>\"]}", "key \"2\""},
    {"[]", "not a JSON object"},
    {"{\"0\":", ""},
};

START_TEST(bad_files_are_refused)
{
    Catalogue *c;
    ck_assert_int_eq(catalogue_read(file_with(bad[_i].text), arena, 2, &c), E_INPUT);
    ck_assert_msg(strstr(status_message(), bad[_i].message) != NULL, "message: %s", status_message());
    ck_assert_ptr_nonnull(strstr(status_message(), "x.index.json"));
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(equal_sids_beside_suffixes_are_refused)
{
    Catalogue *c;
    const char *path = file_with("{\"0\":[\"<a_1>\"],\"1\":[\"<a_1>\"],\"2\":[\"<a_3>\",\"<b_0>\"]}");
    ck_assert_int_eq(catalogue_read(path, arena, 3, &c), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "items 0 and 1 have the same SID"));
}
END_TEST

int main(void)
{
    if (!mkdtemp(dir)) return 1;
    TCase *t = tcase_create("catalogue");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, suffix_in_item_order);
    tcase_add_test(t, tokens_and_levels);
    tcase_add_test(t, find_only_whole_sids);
    tcase_add_test(t, random_catalogues_are_unambiguous);
    tcase_add_test(t, write_then_read);
    tcase_add_test(t, read_four_levels_in_any_order);
    tcase_add_test(t, read_collided_file_without_suffixes);
    tcase_add_test(t, read_keys_from_one);
    tcase_add_loop_test(t, bad_files_are_refused, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(t, equal_sids_beside_suffixes_are_refused);
    Suite *s = suite_create("catalogue");
    suite_add_tcase(s, t);
    const int failed = suite_run(s);
    char path[64];
    snprintf(path, sizeof path, "%s/x.index.json", dir);
    unlink(path);
    rmdir(dir);
    return failed != 0;
}
