/* tests/test_rawformats.c -- the 2023 release (JSON lines and CSV) from raw files to a data set, and lines that the field scanner leaves to cJSON. */
#include "prepare_util.h"

#include <zstd.h>

#include "base/log.h"

static void write_zstd(const char *path, const char *text)
{
    char *room = arena_alloc_raw(arena, ZSTD_compressBound(strlen(text)), 1);
    size_t n = ZSTD_compress(room, ZSTD_compressBound(strlen(text)), text, strlen(text), 3);
    ck_assert(!ZSTD_isError(n));
    write_bytes(path, room, n);
}

/* events "user item milliseconds;..." as 2023 reviews; the variant's asin is not the item. */
static const char *reviews_2023(const char *events)
{
    const char *text = "";
    char user[32], item[32];
    long long time;
    int used;
    for (const char *p = events; sscanf(p, " %31s %31s %lld;%n", user, item, &time, &used) == 3; p += used)
        text = arena_printf(arena, "%s{\"rating\": 5.0, \"title\": \"\\\"asin\\\": \\\"X\\\"\", \"text\": \"<br />\\u2019 \\ud83d\\ude00\", \"images\": [{\"small_image_url\": \"u\"}], "
                            "\"asin\": \"variant\", \"parent_asin\": \"%s\", \"user_id\": \"%s\", \"timestamp\": %lld, \"helpful_vote\": 0, \"verified_purchase\": true}\n",
                            text, item, user, time);
    return text;
}

#define MS "1600000000" /* and three digits */

static const char *const meta_2023 =
    "{\"main_category\": \"All Beauty\", \"title\": \"Comb &amp; Case\", \"average_rating\": 4.8, \"rating_number\": 10, \"features\": [\"long\", \"strong\"], "
    "\"description\": [\"One.\", \"<p>Two.</p>\"], \"price\": null, \"images\": [{\"thumb\": \"t\"}], \"videos\": [], \"store\": \"Q &amp; Co\", \"categories\": [\"Hair\", \"Combs\"], "
    "\"details\": {\"UPC\": \"1\"}, \"parent_asin\": \"A\", \"bought_together\": null}\n"
    "{\"main_category\": \"All Beauty\", \"title\": \"Brush\", \"features\": [], \"description\": [], \"store\": null, \"categories\": [], \"parent_asin\": \"B\"}\n"
    "{\"main_category\": null, \"title\": \"Cup\", \"features\": [], \"description\": [], \"store\": \"S\", \"categories\": [], \"parent_asin\": \"C\"}\n"
    "{\"title\": \"Other\", \"parent_asin\": \"Z\"}\n";

static void setup_2023(void)
{
    prepare_setup();
    entry.release = "amazon-2023";
    write_gzip(in_scratch("raw/meta.json.gz"), meta_2023);
}

static const ItemText *item_named(const Dataset *d, const char *id)
{
    for (int64_t i = 0; i < d->N; i++)
        if (strcmp(d->text[i].id, id) == 0) return &d->text[i];
    ck_abort_msg("no item %s", id);
    return NULL;
}

START_TEST(the_2023_release_is_read_by_parent_item)
{
    write_zstd(in_scratch("raw/reviews.json.gz"), reviews_2023("U A " MS "001;U B " MS "900;U C " MS "100;V C 1700000000500;V A 1700000001000;"));
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "U:A V:C,A"); /* C before B: milliseconds decide within a second */
    ck_assert_str_eq(rows_text(d, &d->valid, "out", true), "U:A>C");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "U:A,C>B");
    const ItemText *a = item_named(d, "A"), *b = item_named(d, "B"), *c = item_named(d, "C");
    ck_assert_str_eq(a->title, "Comb & Case");
    ck_assert_str_eq(a->brand, "Q & Co");
    ck_assert_str_eq(a->categories, "Hair > Combs");
    ck_assert_str_eq(a->description, "One. Two.");
    ck_assert_str_eq(a->keywords, "long; strong");
    ck_assert_str_eq(b->categories, "All Beauty"); /* no categories: the main one */
    ck_assert_str_eq(b->brand, "");
    ck_assert_str_eq(c->categories, "");
    ck_assert_double_eq(meta_number("out", "input.rules.metadata_of_other_items"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.review_lines_read_by_cjson"), -1);
}
END_TEST

START_TEST(the_2023_csv_files_hold_the_same)
{
    static const char *const headers[] = {"user_id,parent_asin,rating,timestamp\n", "user_id,parent_asin,rating,timestamp\r\n", "user_id,parent_asin,rating,timestamp,history\n"};
    static const char *const ends[] = {"\n", "\r\n", ",X Y\n"};
    for (int form = 0; form < 3; form++) {
        const char *text = headers[form];
        static const char *const rows[] = {"U,A,5.0," MS "001", "U,B,1.0," MS "900", "U,C,3.0," MS "100", "V,C,5.0,1700000000500", "V,A,4.0,1700000001000"};
        for (int i = 0; i < 5; i++) text = arena_printf(arena, "%s%s%s", text, rows[i], ends[form]);
        write_gzip(in_scratch("raw/reviews.json.gz"), text);
        Dataset *d = prepare_load("out");
        ck_assert_str_eq(rows_text(d, &d->test, "out", true), "U:A,C>B");
        ck_assert_double_eq(meta_number("out", "input.interactions_read"), 5);
    }
}
END_TEST

static const struct { const char *line, *reason; } bad_rows[] = {
    {"U,A,5.0", "3 columns"}, {"U,A,5.0,1,x,y", "more than 5 columns"}, {"U,A,5.0,", "malformed timestamp"}, {"U,A,5.0,-1", "malformed timestamp"},
    {"U,A,5.0,1e12", "malformed timestamp"}, {"U,A,5.0,1600000000", "no millisecond between 1995 and 2100"}, {",A,5.0," MS "000", "\"user_id\" is empty"},
    {"U,,5.0," MS "000", "\"parent_asin\" is empty"}, {"U, A,5.0," MS "000", "white space"}, {"U,A,5.0,1600000000000000000", "malformed timestamp"},
    {"\xff,A,5.0," MS "000", "not UTF-8"}, {"", "1 columns"}};

START_TEST(a_bad_row_is_told)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), arena_printf(arena, "user_id,parent_asin,rating,timestamp\nU,A,5.0," MS "001\n%s\n", bad_rows[_i].line));
    assert_fails(E_INPUT, "reviews.json.gz:3: ");
    ck_assert_msg(strstr(status_message(), bad_rows[_i].reason) != NULL, "`%s` not in: %s", bad_rows[_i].reason, status_message());
}
END_TEST

static const struct { const char *line, *reason; } bad_lines[] = {
    {"{\"user_id\": \"U\", \"asin\": \"A\", \"timestamp\": 1600000000000}", "missing \"parent_asin\""},
    {"{\"user_id\": \"U\", \"parent_asin\": \"A\", \"timestamp\": 1600000000}", "no millisecond"},
    {"{\"user_id\": \"U\", \"parent_asin\": \"A\", \"timestamp\": \"1600000000000\"}", "\"timestamp\" must be a number"},
    {"{\"user_id\": \"U\", \"parent_asin\": \"A\", \"timestamp\": 1600000000000.5}", "no millisecond"},
    {"user_id,parent_asin,rating,timestamp", "malformed JSON"}};

START_TEST(a_bad_line_is_told)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), arena_printf(arena, "%s%s\n", reviews_2023("U A 1600000000001;"), bad_lines[_i].line));
    assert_fails(E_INPUT, "reviews.json.gz:2: ");
    ck_assert_msg(strstr(status_message(), bad_lines[_i].reason) != NULL, "`%s` not in: %s", bad_lines[_i].reason, status_message());
}
END_TEST

/* Lines that only cJSON reads give the same events, and are counted. */
START_TEST(lines_left_to_cjson_count_as_well)
{
    const char *usual = reviews_2023("U A " MS "001;U B " MS "900;");
    write_gzip(in_scratch("raw/reviews.json.gz"), arena_printf(arena, "%s{\"user\\u005fid\": \"U\", \"parent_asin\": \"C\", \"timestamp\": " MS "950, \"x\": 01}\n", usual));
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "U:A,B>C");
    ck_assert_double_eq(meta_number("out", "input.rules.review_lines_read_by_cjson"), 1);
}
END_TEST

int main(void)
{
    log_open("test_rawformats", true);
    Suite *s = suite_create("rawformats");
    TCase *t = tcase_create("rawformats");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup_2023, prepare_teardown);
    tcase_add_test(t, the_2023_release_is_read_by_parent_item);
    tcase_add_test(t, the_2023_csv_files_hold_the_same);
    tcase_add_loop_test(t, a_bad_row_is_told, 0, (int)(sizeof bad_rows / sizeof *bad_rows));
    tcase_add_loop_test(t, a_bad_line_is_told, 0, (int)(sizeof bad_lines / sizeof *bad_lines));
    tcase_add_test(t, lines_left_to_cjson_count_as_well);
    suite_add_tcase(s, t);
    return suite_run(s);
}
