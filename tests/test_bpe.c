/* tests/test_bpe.c -- pre-tokens, training by hand, round trips, files and their faults. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "nn/bpe.h"
#include "nn/bpe_split.h"
#include "suite.h"

static char folder[64], path_a[128], path_b[128];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/digr-bpe-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path_a, sizeof path_a, "%s/vocab.json", folder);
    (void)snprintf(path_b, sizeof path_b, "%s/merges.txt", folder);
}

static void remove_folder(void)
{
    unlink(path_a);
    unlink(path_b);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* Pre-tokens of a text joined by '|'. */
static void check_split(const char *text, const char *want)
{
    char got[256];
    size_t n = strlen(text), to = 0;
    for (size_t at = 0; at < n;) {
        size_t length = bpe_split(text, n, at);
        ck_assert(length >= 1 && at + length <= n);
        if (at > 0) got[to++] = '|';
        memcpy(got + to, text + at, length);
        to += length;
        at += length;
    }
    got[to] = 0;
    ck_assert_str_eq(got, want);
}

/* Expected strings were worked out from the pattern by hand. */
START_TEST(split_follows_the_pattern)
{
    check_split("Hello world", "Hello| world");
    check_split("it's we'LL don't o'clock", "it|'s| we|'LL| don|'t| o|'clock");
    check_split("12.5oz", "1|2|.|5|oz");
    check_split("a  b", "a| | b");
    check_split("a   ", "a|   ");
    check_split("  \n\n x", "  \n\n| x");
    check_split("x \t\ny", "x| \t\n|y");
    check_split("(SPF-30) !!\n\nok", "(SPF|-|3|0|)| !!\n\n|ok");
    check_split("cr\xc3\xa8me br\xc3\xbbl\xc3\xa9\x65", "cr\xc3\xa8me| br\xc3\xbbl\xc3\xa9\x65");
    check_split("L'Or\xc3\xa9\x61l\xe2\x84\xa2 5", "L|'Or\xc3\xa9\x61l|\xe2\x84\xa2| |5");
    check_split("\xe5\x8c\x96\xe7\xb2\xa7\xe3\x80\x80\xe5\x93\x81", "\xe5\x8c\x96\xe7\xb2\xa7|\xe3\x80\x80\xe5\x93\x81");
    check_split("a\xff\xfe" "b\xc3", "a|\xff\xfe|b|\xc3");
}
END_TEST

/* "aaab" x 3, "aab" x 2: counts aa 2*3+1*2=8, ab 5 -> merge aa=256; then (aa,a) 3, (a,b) 3, (aa,b) 2 ->
 * tie of (a,b)=(97,98) and (aa,a)=(256,97): lowest left id wins -> ab=257. Then (aa,ab) 3 -> aaab=258, then (aa,b) 2 -> aab=259. */
START_TEST(training_by_hand)
{
    Arena *arena = arena_create("test");
    const char *text[] = {"aaab", "aaab", "aaab", "aab", "aab"};
    Bpe *b = bpe_train(arena, 0, 100, text, 5);
    ck_assert_int_eq(bpe_n_merges(b), 4);
    const char *want[] = {"aa", "ab", "aaab", "aab"};
    for (int i = 0; i < 4; ++i) ck_assert_str_eq(bpe_token(b, 256 + i, NULL), want[i]);
    int32_t id[8];
    ck_assert_int_eq(bpe_encode(b, "aaab aab b", 10, id, 8), 5);
    ck_assert_int_eq(id[0], 258);
    ck_assert_int_eq(id[1], ' ');
    ck_assert_int_eq(id[2], 259);
    ck_assert_int_eq(id[3], ' ');
    ck_assert_int_eq(id[4], 'b');
    int32_t few[2] = {-1, -1};
    ck_assert_int_eq(bpe_encode(b, "aaab aab b", 10, few, 1), 5); /* the full count, one written */
    ck_assert_int_eq(few[0], 258);
    ck_assert_int_eq(few[1], -1);
    arena_destroy(arena);
}
END_TEST

START_TEST(merges_stop_at_the_number_asked_for)
{
    Arena *arena = arena_create("test");
    const char *text[] = {"aaab", "aaab", "aaab", "aab", "aab"};
    Bpe *b = bpe_train(arena, 10, 2, text, 5);
    ck_assert_int_eq(bpe_n_merges(b), 2);
    ck_assert_int_eq(bpe_count(b), 10 + 256 + 2);
    ck_assert_ptr_null(bpe_token(b, 3, NULL));
    Bpe *none = bpe_train(arena, 10, -1, text, 5);
    ck_assert_int_eq(bpe_count(none), 0);
    arena_destroy(arena);
}
END_TEST

static Bpe *train_some(Arena *arena)
{
    const char *text[] = {"Rosewater facial toner for dry skin", "Rosewater mist, dry skin & sensitive skin", "Tea tree toner 8 oz",
                          "Charcoal face mask \xe2\x80\x94 oily skin", "dry shampoo for oily hair"};
    return bpe_train(arena, 7, 60, text, 5);
}

/* Every byte string, well-formed or not, comes back. */
START_TEST(decode_inverts_encode)
{
    Arena *arena = arena_create("test");
    Bpe *b = train_some(arena);
    for (int round = 0; round < 300; ++round) {
        Rng r = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)round);
        char text[80];
        size_t n = rng_below(&r, sizeof text + 1);
        for (size_t i = 0; i < n; ++i) text[i] = (char)(round % 2 ? rng_below(&r, 256) : (uint64_t)"skin dry\n toner 5'\xc3\xa9 "[rng_below(&r, 22)]);
        int32_t id[80];
        int64_t count = bpe_encode(b, text, n, id, 80);
        ck_assert(count <= (int64_t)n);
        size_t back_n;
        char *back = bpe_decode(b, arena, id, count, &back_n);
        ck_assert_uint_eq(back_n, n);
        ck_assert(memcmp(back, text, n) == 0);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(saved_and_loaded_is_the_same)
{
    make_folder();
    Arena *arena = arena_create("test");
    Bpe *b = train_some(arena), *c;
    bpe_add(b, 2, "<bos>");
    bpe_add(b, 1000, "<a_12>");
    ck_assert_int_eq(bpe_save(b, path_a, path_b), OK);
    ck_assert_int_eq(bpe_load(path_a, path_b, arena, &c), OK);
    ck_assert_int_eq(bpe_count(c), 1001);
    ck_assert_int_eq(bpe_n_merges(c), bpe_n_merges(b));
    for (int64_t id = 0; id < 1001; ++id) {
        size_t n, m;
        const char *x = bpe_token(b, id, &n), *y = bpe_token(c, id, &m);
        ck_assert((x == NULL) == (y == NULL));
        if (x != NULL) ck_assert(n == m && memcmp(x, y, n) == 0);
    }
    const char *text = "sensitive skin toner, rosewater <a_12> <bos>";
    int32_t x[64], y[64];
    int64_t n = bpe_encode(b, text, strlen(text), x, 64);
    ck_assert_int_eq(bpe_encode(c, text, strlen(text), y, 64), n);
    ck_assert(memcmp(x, y, (size_t)n * sizeof *x) == 0);
    for (int64_t i = 0; i < n; ++i) ck_assert(x[i] != 2 && x[i] != 1000); /* text cannot spell a special token */
    arena_destroy(arena);
    remove_folder();
}
END_TEST

static void refuse_files(const char *vocab, const char *merges, const char *word)
{
    Arena *arena = arena_create("test");
    Bpe *b;
    write_file(path_a, vocab);
    write_file(path_b, merges);
    ck_assert_int_eq(bpe_load(path_a, path_b, arena, &b), E_INPUT);
    ck_assert_msg(strstr(status_message(), word) != NULL, "\"%s\" does not mention %s", status_message(), word);
    arena_destroy(arena);
}

START_TEST(bad_files_are_refused)
{
    make_folder();
    refuse_files("[1, 2]", "#version: 0.2\n", "not an object");
    refuse_files("{\"a\": 1.5}", "", "integer id");
    refuse_files("{\"a\": -1}", "", "integer id");
    refuse_files("{\"a\": 0, \"b\": 0}", "", "twice");
    refuse_files("{\"a\": 0, \"a b\": 1}", "", "byte alphabet");
    refuse_files("{\"a\": 0, \"b\": 1}", "#version: 0.2\na b\n", ":2:");
    refuse_files("{\"a\": 0, \"b\": 1, \"ab\": 2}", "a b c\n", ":1:");
    refuse_files("{\"a\": 0, \"b\": 1, \"ab\": 2}", "a b\n", "no token for byte 0x00");
    refuse_files("{\"a\": ", "", "vocab.json");
    unlink(path_b);
    Arena *arena = arena_create("test");
    Bpe *b;
    write_file(path_a, "{\"a\": 0}");
    ck_assert_int_eq(bpe_load(path_a, path_b, arena, &b), E_INPUT);
    arena_destroy(arena);
    remove_folder();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bpe");
    TCase *t = tcase_create("bpe");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, split_follows_the_pattern);
    tcase_add_test(t, training_by_hand);
    tcase_add_test(t, merges_stop_at_the_number_asked_for);
    tcase_add_test(t, decode_inverts_encode);
    tcase_add_test(t, saved_and_loaded_is_the_same);
    tcase_add_test(t, bad_files_are_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
