/* tests/test_pyscan.c -- the scanner of Python dicts against the parser: whatever it recognises the parser reads, with the same member. */
#include "data_util.h"

#include "base/arena.h"
#include "base/rng.h"
#include "data/pyliteral.h"
#include "data/pyscan.h"
#include "data/textclean.h"
#include "suite.h"

/* Compare on one line, handed over in a block of exactly its length; whether the scanner recognised it. */
static bool compare(const char *line, size_t n)
{
    Arena *arena = arena_create("one line");
    char *exact = arena_alloc_raw(arena, n, 1), *ended = arena_strndup(arena, line, n);
    memcpy(exact, line, n);
    Field field;
    const bool recognised = pyscan_line("asin", exact, n, &field);
    cJSON *tree = NULL;
    const bool judged = utf8_invalid_at(ended, n) == n && pyliteral_parse_line("f", 1, ended, n, &tree) == OK;
    ck_assert_msg(judged || !recognised, "recognised, but the parser refuses (%s): %s", status_message(), ended);
    if (recognised) {
        const cJSON *asin = cJSON_GetObjectItemCaseSensitive(tree, "asin");
        ck_assert_msg((asin != NULL) == (field.kind == FIELD_STRING), "presence differs: %s", ended);
        if (asin) ck_assert_msg(cJSON_IsString(asin) && strlen(asin->valuestring) == field.n && memcmp(asin->valuestring, field.text, field.n) == 0, "value differs: %s", ended);
    }
    cJSON_Delete(tree);
    status_clear();
    arena_destroy(arena);
    return recognised;
}

static const char *const usual[] = {
    "{}", " { } \r", "{'asin': 'B1'}", "{'asin': u'B1', \"title\": \"it's\",}", "{'x': {'asin': 'nested'}, 'asin': 'B1'}", "{'asin': ''}",
    "{'asin': 'B1', 'title': 'it\\'s \\\"x\\\" \\n \\u00e9 \\ud83d\\ude00 \xc3\xa9', 'price': 3.50, 'rank': {'Beauty': 12}, 'l': [['a', 'b'], (), (1,), [1, 2,]], 'n': None, 't': True, 'f': False, 'm': -1}",
    "{'categories': [['Beauty', 'Hair'], [u'x']], 'related': {'also_bought': ['B2', 'B3'], 'bought_together': ['B4']}}"};

START_TEST(usual_lines_are_recognised)
{
    ck_assert_msg(compare(usual[_i], strlen(usual[_i])), "not recognised: %s", usual[_i]);
    for (size_t n = 0; n < strlen(usual[_i]); n++) compare(usual[_i], n);
}
END_TEST

static const char *const others[] = {
    "", "x", "[]", "'asin'", "{'asin': 'B1', 'asin': 'B2'}", "{'x': {'a': 1, 'a': 2}}", "{'asin': 12}", "{'asin': 'B\\x41'}", "{'asin': 'B\\101'}", "{'x': '\\U0001f600'}",
    "{'x': 12L}", "{'x': 1e3}", "{'x': .5}", "{'x': 5.}", "{'as\\u0069n': 'B1'}", "{'x': '\\ud83d'}", "{'x': '\\q'}", "{'x': '\\u0000'}", "{'x': 'a\tb'}", "{'x': '\xff'}",
    "{'x': 'open}", "{'x' 1}", "{'x': 1,,}", "{'x': [1 2]}", "{'x': (1]}", "{1: 2}", "{'x': true}", "{'x': Truely}", "{'x': nan}", "{'x': -}", "{'x': 1} y", "{'x': 'a' 'b'}",
    "{,}", "{'x': uu'a'}", "{'x': b'a'}", "{'x': }", "{'x': __import__('os')}"};

START_TEST(other_lines_are_left_to_the_parser)
{
    ck_assert_msg(!compare(others[_i], strlen(others[_i])), "recognised: %s", others[_i]);
    ck_assert(!compare("{'x': 'a\0b'}", 12));
}
END_TEST

START_TEST(depth_and_width_are_limited)
{
    char line[8192];
    for (int depth = 1; depth < 100; depth++) {
        int n = sprintf(line, "{'asin': 'B1', 'x': ");
        for (int i = 0; i < depth; i++) line[n++] = depth % 2 ? '[' : '(';
        for (int i = 0; i < depth; i++) line[n++] = depth % 2 ? ']' : ')';
        line[n++] = '}';
        const bool recognised = compare(line, (size_t)n);
        if (depth < 30) ck_assert(recognised);
        if (depth > 33) ck_assert(!recognised);
    }
    for (int keys = 1; keys < 60; keys++) {
        int n = sprintf(line, "{");
        for (int i = 0; i < keys; i++) n += sprintf(line + n, "'key%d': %d, ", i, i);
        line[n++] = '}';
        ck_assert_int_eq(compare(line, (size_t)n), keys <= 32);
    }
}
END_TEST

/* Some bytes of usual lines changed, dropped, doubled or exchanged. */
START_TEST(mutated_lines_are_read_as_the_parser_reads_them)
{
    static const char bytes[] = "'\"\\{}[]():, uUxLTFN019.-eE\x01\x80\xc3\xff";
    char line[1024];
    int recognised = 0;
    for (uint32_t i = 0; i < 30000; i++) {
        Rng rng = rng_make(5, RNG_STAGE_TEST, RNG_SAMPLE, 0, i);
        const char *whole = usual[rng_below(&rng, sizeof usual / sizeof *usual)];
        size_t n = strlen(whole);
        memcpy(line, whole, n);
        for (uint64_t changes = 1 + rng_below(&rng, 3); changes && n > 1; changes--) {
            const size_t at = rng_below(&rng, n);
            switch (rng_below(&rng, 4)) {
            case 0: line[at] = bytes[rng_below(&rng, sizeof bytes)]; break;
            case 1: memmove(line + at, line + at + 1, --n - at); break;
            case 2:
                memmove(line + at + 1, line + at, n - at);
                n++;
                break;
            default: {
                const size_t to = rng_below(&rng, n);
                const char c = line[at];
                line[at] = line[to];
                line[to] = c;
            }
            }
        }
        recognised += compare(line, n);
    }
    ck_assert_msg(recognised > 3000 && recognised < 27000, "%d", recognised);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pyscan");
    TCase *t = tcase_create("pyscan");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, usual_lines_are_recognised, 0, (int)(sizeof usual / sizeof *usual));
    tcase_add_loop_test(t, other_lines_are_left_to_the_parser, 0, (int)(sizeof others / sizeof *others));
    tcase_add_test(t, depth_and_width_are_limited);
    tcase_add_test(t, mutated_lines_are_read_as_the_parser_reads_them);
    suite_add_tcase(s, t);
    return suite_run(s);
}
