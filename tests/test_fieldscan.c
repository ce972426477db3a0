/* tests/test_fieldscan.c -- the field scanner against cJSON: whatever it recognises it must read as cJSON does, and what it must recognise, it does. */
#include "data_util.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/fieldscan.h"
#include "data/textclean.h"
#include "suite.h"

static const char *const names[] = {"reviewerID", "asin", "unixReviewTime", "overall", "title", "parent_asin"};
enum { N_NAMES = sizeof names / sizeof *names, ROOM = 1 << 16 };

/* The judge: UTF-8, cJSON, an object. */
static bool oracle(const FieldScan *s, const char *line, size_t n, cJSON **tree, Field *field)
{
    *tree = NULL;
    if (utf8_invalid_at(line, n) < n || json_parse_line("f", 1, line, n, tree) != OK) return false;
    fieldscan_tree(s, *tree, field);
    return true;
}

static void same_field(const char *line, const char *name, const Field *a, const Field *b)
{
    ck_assert_msg(a->kind == b->kind, "%s: kind %d, cJSON %d in %s", name, (int)a->kind, (int)b->kind, line);
    if (a->kind == FIELD_STRING) ck_assert_msg(a->n == b->n && memcmp(a->text, b->text, a->n) == 0, "%s: text differs in %s", name, line);
    if (a->kind == FIELD_NUMBER) ck_assert_msg(memcmp(&a->number, &b->number, sizeof a->number) == 0, "%s: %.17g, cJSON %.17g in %s", name, a->number, b->number, line);
}

/* Compare on one line; whether the scanner recognised it. The line is handed over in a block of exactly its length: reading on is an error of the
 * sanitizer build. */
static bool compare(FieldScan *s, const char *line, size_t n)
{
    Arena *arena = arena_create("one line");
    char *exact = arena_alloc_raw(arena, n, 1), *ended = arena_strndup(arena, line, n);
    memcpy(exact, line, n);
    Field fast[N_NAMES], slow[N_NAMES];
    cJSON *tree;
    const bool judged = oracle(s, ended, n, &tree, slow), recognised = fieldscan_line(s, exact, n, fast);
    ck_assert_msg(judged || !recognised, "recognised, but cJSON refuses: %s", ended);
    for (int i = 0; recognised && i < N_NAMES; i++) same_field(ended, names[i], &fast[i], &slow[i]);
    cJSON_Delete(tree);
    status_clear();
    arena_destroy(arena);
    return recognised;
}

/* ---- lines by hand ---- */

static const char *const strict_lines[] = {
    "{}", " { } ", "{\"asin\":\"B1\"}\r", "\t{ \"asin\" : \"B1\" , \"unixReviewTime\" : 1252800000 }",
    "{\"reviewerID\": \"A1\", \"asin\": \"B1\", \"helpful\": [2, 3], \"reviewText\": \"it's \\\"asin\\\": \\\"B2\\\", and {\", \"overall\": 5.0, \"unixReviewTime\": 1}",
    "{\"asin\": \"first\", \"asin\": \"second\"}", "{\"asin\": 1, \"asin\": \"second\"}", "{\"asin\": null, \"asin\": 2}",
    "{\"title\": \"\\uD83D\\uDE00 \\u00e9\\u2019\\n\\t\\b\\f\\r\\/\\\\\\\"\"}", "{\"title\": \"caf\xc3\xa9 \xe2\x80\x99 \xf0\x9f\x98\x80\"}",
    "{\"unixReviewTime\": 1.3e9, \"overall\": -0}", "{\"unixReviewTime\": 1300000000.0, \"overall\": -0.5e-3}", "{\"overall\": 1E+2}",
    "{\"unixReviewTime\": 1588615855070}", "{\"overall\": 0.1}", "{\"overall\": 123456789.012345}",
    "{\"x\": {\"asin\": \"nested\"}, \"asin\": \"B1\"}", "{\"x\": [{\"asin\": \"nested\"}, [], {}, [[]]], \"asin\": \"B1\"}",
    "{\"asin\": {\"asin\": \"B1\"}}", "{\"asin\": [\"B1\"]}", "{\"asin\": true, \"title\": false, \"overall\": null}", "{\"asinx\": \"a\", \"asi\": \"b\", \"Asin\": \"c\"}",
    "{\"\": \"\", \"asin\": \"\"}", "{\"x\": 123456789012345678901234567890, \"y\": 1e999, \"asin\": \"B1\"}", "{\"a\":1,\"b\":-1.5E-3,\"c\":0}",
};

START_TEST(ordinary_lines_are_recognised)
{
    Arena *arena = arena_create("test");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    ck_assert_msg(compare(s, strict_lines[_i], strlen(strict_lines[_i])), "not recognised: %s", strict_lines[_i]);
    for (size_t n = 0; n < strlen(strict_lines[_i]); n++) compare(s, strict_lines[_i], n);
    arena_destroy(arena);
}
END_TEST

/* Left to cJSON, which takes some of them and refuses the others. */
static const char *const other_lines[] = {
    "", "x", "[]", "1", "\"asin\"", "null", "{", "}", "{\"asin\"}", "{\"asin\":}", "{\"asin\":\"B1\",}", "{,}", "{\"asin\":\"B1\"}}", "{\"asin\":\"B1\"} x",
    "{\"asin\":\"B1\" \"x\":1}", "{'asin':'B1'}", "{asin:1}", "{\"asin\":\"B1}", "{\"asin\":\"B\\q\"}", "{\"asin\":\"\\u12\"}", "{\"asin\":\"\\u00g0\"}",
    "{\"asin\":\"\\ud83d\"}", "{\"asin\":\"\\ud83dx\"}", "{\"asin\":\"\\ud83d\\u0041\"}", "{\"asin\":\"\\ude00\"}", "{\"asin\":\"a\\u0000b\"}",
    "{\"as\\u0069n\":\"B1\"}", "{\"asin\\u0000\":\"B1\"}", "{\"overall\":01}", "{\"overall\":1.}", "{\"overall\":.5}", "{\"overall\":+1}", "{\"overall\":-}",
    "{\"overall\":1e}", "{\"overall\":1e+}", "{\"overall\":0x10}", "{\"overall\":NaN}", "{\"overall\":12345678901234567890}", "{\"overall\":1e23}", "{\"overall\":1e400}",
    "{\"overall\":1e99999999999999999999}", "{\"x\":tru}", "{\"x\":nul}", "{\"x\":True}", "{\"x\":[1,]}", "{\"x\":[1}", "{\"x\":{\"y\":1]}", "{\"x\":[,1]}",
    "{\"asin\":\"tab\there\"}", "{\"asin\":\"\xff\"}", "{\"asin\":\"\xc3\"}", "{\"asin\":\"\xed\xa0\x80\"}", "{\"asin\":\"\xc0\xaf\"}", "{\"asin\xc3\xa9\xc3\":1}",
    "{\"asin\":\"a\"\v}", "\xef\xbb\xbf{\"asin\":\"B1\"}", "{\"x\":1234567890123456789012345678901234567890123456789012345678901234567890}",
};

START_TEST(other_lines_are_left_to_cjson)
{
    Arena *arena = arena_create("test");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    ck_assert_msg(!compare(s, other_lines[_i], strlen(other_lines[_i])), "recognised: %s", other_lines[_i]);
    ck_assert(!compare(s, "{\"asin\":\"a\0b\"}", 14));
    ck_assert(!compare(s, "{\"asin\":1}\0", 11));
    arena_destroy(arena);
}
END_TEST

START_TEST(nesting_is_followed_to_32)
{
    Arena *arena = arena_create("test");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    char line[4096];
    for (int depth = 1; depth < 1100; depth += depth < 40 ? 1 : 331) {
        int n = snprintf(line, sizeof line, "{\"asin\":\"B1\",\"x\":");
        for (int i = 0; i < depth; i++) line[n++] = '[';
        for (int i = 0; i < depth; i++) line[n++] = ']';
        line[n++] = '}';
        bool recognised = compare(s, line, (size_t)n);
        if (depth < 31) ck_assert(recognised);
        if (depth > 33) ck_assert(!recognised);
    }
    arena_destroy(arena);
}
END_TEST

/* ---- generated lines ---- */

typedef struct Writer { Rng rng; char text[ROOM]; size_t n; } Writer;

static uint64_t pick(Writer *w, uint64_t n) { return rng_below(&w->rng, n); }

static void put(Writer *w, const char *text)
{
    const size_t n = strlen(text);
    ck_assert_uint_lt(w->n + n, ROOM);
    memcpy(w->text + w->n, text, n);
    w->n += n;
}

static void put_space(Writer *w)
{
    static const char *const spaces[] = {"", "", "", "", " ", " ", "  ", "\t", "\r"};
    put(w, spaces[pick(w, sizeof spaces / sizeof *spaces)]);
}

/* A string of up to `most` pieces: plain runs of many lengths, escapes, other scripts, and what looks like members. */
static void put_string(Writer *w, uint64_t most)
{
    static const char *const pieces[] = {"\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\uD83D\\uDE00", "\\u2019", "\xc3\xa9", "\xe2\x80\x99", "\xf0\x9f\x98\x80",
                                         "\xd0\xb6\xd0\xb7", "\\\"asin\\\": \\\"B9\\\"", "{", "]", ",", "'", "a", "the quick", "<br />", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    put(w, "\"");
    for (uint64_t left = pick(w, most + 1); left; left--) {
        if (pick(w, 3)) {
            put(w, pieces[pick(w, sizeof pieces / sizeof *pieces)]);
            continue;
        }
        for (uint64_t run = pick(w, pick(w, 8) ? 12 : 150); run; run--) {
            const char c[2] = {(char)(0x23 + pick(w, 0x5c - 0x23)), '\0'};
            put(w, c);
        }
    }
    put(w, "\"");
}

static void put_number(Writer *w)
{
    static const char *const numbers[] = {"0", "-0", "5.0", "1.3e9", "1252800000", "1588615855070", "0.1", "-2.5E-3", "1e22", "1e23", "123456789012345678", "3.14159", "1E+05", "0.30000000000000004"};
    put(w, numbers[pick(w, sizeof numbers / sizeof *numbers)]);
}

static void put_value(Writer *w, int depth)
{
    static const char *const words[] = {"true", "false", "null"};
    switch (pick(w, depth > 3 ? 4 : 6)) {
    case 0:
    case 1: put_string(w, 12); return;
    case 2: put_number(w); return;
    case 3: put(w, words[pick(w, 3)]); return;
    case 4:
        put(w, "[");
        for (uint64_t n = pick(w, 4), i = 0; i < n; i++) {
            if (i) put(w, ",");
            put_space(w);
            put_value(w, depth + 1);
        }
        put(w, "]");
        return;
    default:
        put(w, "{");
        for (uint64_t n = pick(w, 4), i = 0; i < n; i++) {
            if (i) put(w, ",");
            put_space(w);
            put_string(w, 2);
            put(w, ":");
            put_value(w, depth + 1);
        }
        put(w, "}");
    }
}

static void write_line(Writer *w, uint32_t index)
{
    static const char *const keys[] = {"reviewerID", "asin", "unixReviewTime", "overall", "title", "parent_asin", "asin", "reviewText", "helpful", "x"};
    w->rng = rng_make(20, RNG_STAGE_TEST, RNG_SAMPLE, 0, index);
    w->n = 0;
    put_space(w);
    put(w, "{");
    for (uint64_t n = pick(w, 10), i = 0; i < n; i++) {
        if (i) put(w, ",");
        put_space(w);
        put(w, "\"");
        put(w, keys[pick(w, sizeof keys / sizeof *keys)]);
        put(w, "\"");
        put_space(w);
        put(w, ":");
        put_space(w);
        put_value(w, 0);
        put_space(w);
    }
    put(w, "}");
    put_space(w);
}

/* Change, drop, double or swap some bytes. */
static void mutate(Writer *w)
{
    static const char bytes[] = "\"\\{}[],: \t\n0aeE+-.u\x01\x80\xc3\xed\xff";
    for (uint64_t changes = 1 + pick(w, 3); changes && w->n > 1; changes--) {
        const size_t at = pick(w, w->n);
        switch (pick(w, 4)) {
        case 0: w->text[at] = bytes[pick(w, sizeof bytes)]; break; /* its NUL too */
        case 1: memmove(w->text + at, w->text + at + 1, --w->n - at); break;
        case 2:
            memmove(w->text + at + 1, w->text + at, w->n - at);
            w->n++;
            break;
        default: w->n = at + 1;
        }
    }
}

START_TEST(generated_and_mutated_lines_read_as_cjson_reads_them)
{
    Arena *arena = arena_create("test");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    static Writer w;
    int whole = 0, damaged = 0;
    enum { LINES = 3000, DAMAGED = 8 };
    for (uint32_t i = 0; i < LINES; i++) {
        write_line(&w, i);
        whole += compare(s, w.text, w.n);
        for (int k = 0; k < DAMAGED; k++) {
            static Writer other;
            other = w;
            other.rng = rng_make(21, RNG_STAGE_TEST, RNG_SAMPLE, (uint32_t)k, i);
            mutate(&other);
            damaged += compare(s, other.text, other.n);
        }
    }
    ck_assert_msg(whole > LINES * 3 / 4, "only %d of %d recognised", whole, LINES); /* the others hold numbers of many digits */
    ck_assert_msg(damaged > LINES / 2 && damaged < LINES * DAMAGED, "%d of the damaged ones recognised", damaged);
    arena_destroy(arena);
}
END_TEST

START_TEST(what_is_not_recognised_is_read_by_cjson_and_counted)
{
    Arena *arena = arena_create("test");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    Field field[N_NAMES];
    size_t bad;
    const char *text = "{\"as\\u0069n\":\"B1\", \"unixReviewTime\": 12345678901234567890}";
    ck_assert_int_eq(fieldscan_read(s, "f", 1, text, strlen(text), field, &bad), OK);
    ck_assert_int_eq(field[1].kind, FIELD_STRING);
    ck_assert_uint_eq(field[1].n, 2);
    ck_assert_mem_eq(field[1].text, "B1", 2);
    ck_assert(field[2].kind == FIELD_NUMBER && field[2].number == 12345678901234567890.0);
    ck_assert_int_eq(fieldscan_fallbacks(s), 1);
    ck_assert_int_eq(fieldscan_read(s, "f", 2, "{\"asin\":\"B2\"}", 13, field, &bad), OK);
    ck_assert_int_eq(fieldscan_fallbacks(s), 1);
    ck_assert_int_eq(fieldscan_read(s, "f", 3, "{\"asin\":\"B2\"", 12, field, &bad), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "f:3: malformed JSON"));
    ck_assert_uint_eq(bad, 12);
    ck_assert_int_eq(fieldscan_read(s, "f", 4, "{\"asin\":\"\xff\"}", 12, field, &bad), E_INPUT);
    ck_assert_uint_eq(bad, 9);
    ck_assert_int_eq(fieldscan_read(s, "f", 5, "[]", 2, field, &bad), E_INPUT);
    ck_assert_int_eq(fieldscan_fallbacks(s), 4);
    fieldscan_destroy(s);
    arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fieldscan");
    TCase *t = tcase_create("fieldscan");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, ordinary_lines_are_recognised, 0, (int)(sizeof strict_lines / sizeof *strict_lines));
    tcase_add_loop_test(t, other_lines_are_left_to_cjson, 0, (int)(sizeof other_lines / sizeof *other_lines));
    tcase_add_test(t, nesting_is_followed_to_32);
    tcase_add_test(t, generated_and_mutated_lines_read_as_cjson_reads_them);
    tcase_add_test(t, what_is_not_recognised_is_read_by_cjson_and_counted);
    suite_add_tcase(s, t);
    return suite_run(s);
}
