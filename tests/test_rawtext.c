/* tests/test_rawtext.c -- what raw metadata are made of: Python literals, UTF-8, HTML; and the string table. */
#include "data_util.h"

#include "base/arena.h"
#include "data/pyliteral.h"
#include "data/strtable.h"
#include "data/textclean.h"
#include "suite.h"

/* A literal that must parse, and the JSON it means. */
static const struct { const char *literal, *json; } literals[] = {
    {"{'asin': 'B1', 'price': 3.5}", "{\"asin\":\"B1\",\"price\":3.5}"},
    {"{}", "{}"}, {"[]", "[]"}, {"()", "[]"}, {"(1,)", "[1]"}, {"[1, 2,]", "[1,2]"},
    {" { 'a' : [ [ 'x' , \"y\" ] , None , True , False ] } ", "{\"a\":[[\"x\",\"y\"],null,true,false]}"},
    {"{'n': -1, 'e': 1e3, 'f': 2.5E-1, 'h': .5, 'l': 12L}", "{\"n\":-1,\"e\":1000,\"f\":0.25,\"h\":0.5,\"l\":12}"},
    {"'it\\'s'", "\"it's\""}, {"\"it's\"", "\"it's\""}, {"'say \"x\"'", "\"say \\\"x\\\"\""},
    {"'a\\\\b\\nc\\td'", "\"a\\\\b\\nc\\td\""},
    {"u'caf\\xe9'", "\"caf\xc3\xa9\""},                       /* a code point in u'' */
    {"'caf\\xc3\\xa9'", "\"caf\xc3\xa9\""},                   /* bytes of UTF-8 in a Python 2 str */
    {"'caf\\xe9'", "\"caf\xc3\xa9\""},                        /* no UTF-8: a code point, as Python 3 */
    {"u'\\u2019 \\U0001f600 \\ud83d\\ude00'", "\"\xe2\x80\x99 \xf0\x9f\x98\x80 \xf0\x9f\x98\x80\""},
    {"'raw \xc3\xa9'", "\"raw \xc3\xa9\""}, {"'\\101\\60'", "\"A0\""},
    {"{'True': True, 'None': 'None'}", "{\"True\":true,\"None\":\"None\"}"},
};

START_TEST(literals_mean_what_python_means)
{
    cJSON *tree;
    ck_assert_msg(pyliteral_parse_line("f", 1, literals[_i].literal, strlen(literals[_i].literal), &tree) == OK, "%s: %s", literals[_i].literal, status_message());
    char *text = cJSON_PrintUnformatted(tree);
    ck_assert_str_eq(text, literals[_i].json);
    cJSON_free(text);
    cJSON_Delete(tree);
}
END_TEST

static const struct { const char *literal, *fault; } bad_literals[] = {
    {"", "f:7: column 1"}, {"{'a': 1", "expected , or }"}, {"{'a' 1}", "column 6: expected :"}, {"{'a': 1} x", "behind the literal"},
    {"{1: 2}", "expected a string"}, {"{'a': 1, 'a': 2}", "twice"}, {"['a' 'b']", "expected , or ]"}, {"(1", "expected , or )"},
    {"'open", "without an end"}, {"'a\\", "without an end"}, {"'\\q'", "unknown escape"}, {"'\\x4'", "bad \\x"}, {"u'\\u12'", "bad \\u"},
    {"u'\\ud83d'", "bad \\u"}, {"u'\\ude00'", "bad \\u"}, {"'\\x00'", "NUL"}, {"'\\777'", "octal"}, {"nan", "expected a value"},
    {"true", "expected a value"}, {"Truely", "expected a value"}, {"__import__('os')", "expected a value"}, {"1e", "malformed number"},
    {"1e999", "out of range"}, {"-", "expected a value"}, {"{'a': open('x')}", "column 7"}, {"{\"a\": true}", "column 7"}, {"b'x'", "expected a value"},
};

START_TEST(anything_else_is_told_with_its_column)
{
    cJSON *tree;
    ck_assert_int_eq(pyliteral_parse_line("f", 7, bad_literals[_i].literal, strlen(bad_literals[_i].literal), &tree), E_INPUT);
    ck_assert_ptr_null(tree);
    ck_assert_msg(strstr(status_message(), bad_literals[_i].fault) != NULL, "%s: %s", bad_literals[_i].literal, status_message());
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    char deep[400];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    cJSON *tree;
    ck_assert_int_eq(pyliteral_parse_line("f", 1, deep, strlen(deep), &tree), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "too deeply"));
}
END_TEST

/* Every prefix of a literal is refused and leaks or reads nothing beyond it (the sanitizer build looks). */
START_TEST(no_prefix_passes)
{
    const char *whole = "{'asin': u'B1\\u00e9', 'categories': [['A', \"b's\"], ('c',)], 'price': -1.5e2, 'x': None}";
    for (size_t n = 0; n < strlen(whole); n++) {
        char *prefix = strndup(whole, n);
        cJSON *tree;
        ck_assert_msg(pyliteral_parse_line("f", 1, prefix, n, &tree) == E_INPUT, "prefix of %zu passes", n);
        free(prefix);
    }
}
END_TEST

static const struct { const char *raw, *clean; } texts[] = {
    {"plain", "plain"}, {"", ""}, {"  a \t b\n\nc  ", "a b c"}, {"Tom &amp; Jerry&#39;s", "Tom & Jerry's"}, {"&lt;b&gt;", "<b>"},
    {"x&nbsp;y", "x y"}, {"&eacute;&frac12;&trade;&#x2019;", "\xc3\xa9\xc2\xbd\xe2\x84\xa2\xe2\x80\x99"}, {"&amp;amp;", "&amp;"},
    {"AT&T; &unknown; &#; &#xZZ; & &", "AT&T; &unknown; &#; &#xZZ; & &"}, {"a<br/>b<p class='x'>c</p>", "a b c"},
    {"2 < 3 <3 a<b", "2 < 3 <3 a<b"}, {"<script>var x='<b>';</script>kept", "kept"}, {"<style type=\"a\">p{}</style >kept", "kept"},
    {"<!-- gone -->kept", "kept"}, {"<span open", "<span open"}, {"soft&shy;hyphen", "softhyphen"}, {"<b></b>", ""},
    {"&#0;&#xD800;&#x110000;", "&#0;&#xD800;&#x110000;"},
};

START_TEST(text_is_what_a_page_shows)
{
    Arena *arena = arena_create("test");
    ck_assert_str_eq(text_clean(arena, texts[_i].raw), texts[_i].clean);
    arena_destroy(arena);
}
END_TEST

START_TEST(utf8_is_checked_to_the_byte)
{
    static const struct { const char *text; size_t n, bad; } cases[] = {
        {"abc", 3, 3}, {"\xc3\xa9", 2, 2}, {"\xe2\x82\xac", 3, 3}, {"\xf0\x9f\x98\x80", 4, 4}, {"\xf4\x8f\xbf\xbf", 4, 4}, {"a\0b", 3, 3},
        {"ab\xff", 3, 2}, {"\x80", 1, 0}, {"\xc0\xaf", 2, 0}, {"\xc1\xbf", 2, 0}, {"\xe0\x9f\xbf", 3, 0}, {"\xed\xa0\x80", 3, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0}, {"\xf4\x90\x80\x80", 4, 0}, {"\xf5\x80\x80\x80", 4, 0}, {"a\xc3", 2, 1}, {"a\xe2\x82", 3, 1},
        {"a\xe2\x82z", 4, 1}, {"\xc3\xa9\xc3", 3, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) ck_assert_uint_eq(utf8_invalid_at(cases[i].text, cases[i].n), cases[i].bad);
    static const uint32_t codes[] = {1, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char out[5];
        size_t n = utf8_put(out, codes[i]);
        ck_assert_uint_eq(n, codes[i] < 0x80 ? 1 : codes[i] < 0x800 ? 2 : codes[i] < 0x10000 ? 3 : 4);
        ck_assert_uint_eq(utf8_invalid_at(out, n), n);
    }
}
END_TEST

START_TEST(strings_keep_their_first_number)
{
    Arena *arena = arena_create("test");
    StringTable *t = strtable_create(arena);
    char text[32];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 20011; i++) {
            (void)snprintf(text, sizeof text, "key-%d", i);
            ck_assert_int_eq(strtable_add(t, text), i);
        }
    ck_assert_int_eq(strtable_count(t), 20011);
    ck_assert_str_eq(strtable_get(t, 777), "key-777");
    ck_assert_int_eq(strtable_find(t, "key-20010"), 20010);
    ck_assert_int_eq(strtable_find(t, "key-20011"), -1);
    ck_assert_int_eq(strtable_find(t, ""), -1);
    ck_assert_int_eq(strtable_add(t, ""), 20011);
    arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rawtext");
    TCase *t = tcase_create("rawtext");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, literals_mean_what_python_means, 0, (int)(sizeof literals / sizeof *literals));
    tcase_add_loop_test(t, anything_else_is_told_with_its_column, 0, (int)(sizeof bad_literals / sizeof *bad_literals));
    tcase_add_test(t, deep_nesting_is_refused);
    tcase_add_test(t, no_prefix_passes);
    tcase_add_loop_test(t, text_is_what_a_page_shows, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_test(t, utf8_is_checked_to_the_byte);
    tcase_add_test(t, strings_keep_their_first_number);
    suite_add_tcase(s, t);
    return suite_run(s);
}
