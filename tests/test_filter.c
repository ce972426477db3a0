/* tests/test_filter.c -- filters, split options and the check of shipped rows, on sources whose counts are known by hand. */
#include "prepare_util.h"

#include "data/filter.h"

/* Times in short: seconds after 2010-01-01; DAY2 is 2010-01-02 00:00. */
#define T "12623040"
#define DAY2 "1262390400"

static void assert_step(const char *out, int step, double users, double items, double interactions)
{
    static const char *const keys[] = {"users", "items", "interactions"};
    const double expected[] = {users, items, interactions};
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq(meta_number(out, arena_printf(arena, "filter.%d.%s", step, keys[k])), expected[k]);
}

static void assert_steps(const char *out, int n)
{
    ck_assert_double_ge(meta_number(out, arena_printf(arena, "filter.%d.users", n - 1)), 0);
    ck_assert_double_eq(meta_number(out, arena_printf(arena, "filter.%d.users", n)), -1);
}

START_TEST(dates_are_read_strictly)
{
    static const struct { const char *text; int64_t time_s; } good[] = {
        {"1970-01-01", 0}, {"1970-03-01", 5097600}, {"2000-02-29", 951782400}, {"2016-10-01", 1475280000}, {"2018-11-02", 1541116800}, {"2023-09-30", 1696032000}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t time_s = -1;
        ck_assert_msg(filter_parse_date(good[i].text, &time_s), "%s", good[i].text);
        ck_assert_int_eq(time_s, good[i].time_s);
    }
    static const char *const bad[] = {"", "2016", "2016-10", "2016-10-1", "2016-13-01", "2016-00-01", "2016-04-31", "2016-10-00", "2015-02-29", "1900-02-29", "1969-12-31",
                                      "2016/10/01", "2016-10-01 ", "2016-10-01T00", "16-10-2001", "recipe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t time_s;
        ck_assert_msg(!filter_parse_date(bad[i], &time_s), "%s", bad[i]);
    }
}
END_TEST

START_TEST(the_window_includes_its_first_day_and_not_its_end)
{
    write_raw("U A " T "01;U B 1262390399;U C " DAY2 ";U D 1262476799;U E 1262476800;V A " DAY2 ";", "A;B;C;D;E;");
    settings.filter.from = "2010-01-02";
    settings.filter.to = "2010-01-03";
    Dataset *d = prepare_load("day");
    ck_assert_str_eq(train_text(d, "day"), "U:C,D V:A");
    assert_step("day", 0, 2, 5, 6);
    assert_step("day", 1, 2, 3, 3);
    assert_step("day", 2, 2, 3, 3); /* duplicates dropped: none */
    settings.filter.from = "";
    ck_assert_str_eq(train_text(prepare_load("until"), "until"), "U:A,B V:A"); /* C and D are evaluated */
    assert_step("until", 1, 2, 4, 5);
    settings.filter.to = "2010-01-01";
    assert_fails(E_INPUT, "nothing of 6 interactions is left");
    settings.filter.from = "2010-01-01";
    assert_fails(E_USAGE, "is empty");
    settings.filter.from = "2010-1-1";
    assert_fails(E_USAGE, "--from 2010-1-1 is no date");
}
END_TEST

START_TEST(low_ratings_are_passed_over_and_counted)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), "{\"reviewerID\": \"U\", \"asin\": \"A\", \"overall\": 4.0, \"unixReviewTime\": " T "01}\n"
                                                  "{\"reviewerID\": \"U\", \"asin\": \"B\", \"overall\": 3.9, \"unixReviewTime\": " T "02}\n"
                                                  "{\"reviewerID\": \"U\", \"asin\": \"C\", \"overall\": 5, \"unixReviewTime\": " T "03}\n");
    write_gzip(in_scratch("raw/meta.json.gz"), metadata_text("A;B;C;"));
    settings.filter.min_rating = 4;
    (void)prepare_load("out");
    assert_step("out", 0, 1, 2, 2);
    ck_assert_double_eq(meta_number("out", "input.rules.ratings_below_the_minimum"), 1);
    ck_assert_double_eq(meta_number("out", "input.interactions_read"), 3);
    ck_assert_double_eq(meta_number("out", "filter_settings.min_rating"), 4);
    write_gzip(in_scratch("raw/reviews.json.gz"), "{\"reviewerID\": \"U\", \"asin\": \"A\", \"unixReviewTime\": " T "01}\n");
    ck_assert_int_eq(prepare_run("bad"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "no number as \"overall\", which --min-rating needs"));
    settings.filter.min_rating = 0;
    (void)prepare_load("any"); /* nobody asked for it */
    assert_step("any", 0, 1, 1, 1);
    entry.release = "amazon-2023";
    settings.filter.min_rating = 3;
    write_gzip(in_scratch("raw/reviews.json.gz"), "user_id,parent_asin,rating,timestamp\nU,A,3.0,1262304001000\nU,B,2.0,1262304002000\nU,C,5.0,1262304003000\n");
    write_gzip(in_scratch("raw/meta.json.gz"), "{\"parent_asin\": \"A\", \"title\": \"a\"}\n");
    (void)prepare_load("csv");
    assert_step("csv", 0, 1, 2, 2);
    write_sequences("7 1 2 3\n", NULL, "1;2;3;");
    ck_assert_int_eq(prepare_run("sequences"), E_USAGE);
}
END_TEST

START_TEST(a_window_needs_every_time)
{
    write_sequences("7 1 2 3\n", "7 1262304000 0 1262304002\n", "1;2;3;");
    settings.filter.from = "2010-01-01";
    assert_fails(E_INPUT, "user 7 has an event without a time");
}
END_TEST

/* A at 01 twice (one of them a duplicate line), again at 03; C at 04 and 05. */
START_TEST(duplicates_and_repeats_are_two_questions)
{
    write_raw("U A " T "01;U B " T "02;U A " T "01;U A " T "03;U C " T "04;U C " T "05;", "A;B;C;");
    static const struct { const char *duplicates, *repeats, *test; double dropped, steps; } cases[] = {
        {"drop", "keep", "U:A,B,A,C>C", 1, 3}, {"keep", "keep", "U:A,A,B,A,C>C", 0, 3}, {"drop", "first", "U:A,B>C", 1, 4},
        {"drop", "last", "U:B,A>C", 1, 4},     {"keep", "first", "U:A,B>C", 0, 4},      {"keep", "last", "U:B,A>C", 0, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings.filter.duplicates = cases[i].duplicates;
        settings.filter.repeats = cases[i].repeats;
        Dataset *d = prepare_load("out");
        ck_assert_str_eq(rows_text(d, &d->test, "out", true), cases[i].test);
        ck_assert_double_eq(meta_number("out", "input.rules.duplicate_lines_dropped"), cases[i].dropped);
        assert_steps("out", (int)cases[i].steps);
    }
    /* last keeps the time of the last event: C is from 05 */
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("out/test.tsv"), NULL), "\t" T "05\n"));
}
END_TEST

START_TEST(items_go_by_metadata_and_title)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text("U A " T "01;U B " T "02;U C " T "03;U D " T "04;U E " T "05;V A " T "01;V D " T "02;"));
    write_gzip(in_scratch("raw/meta.json.gz"), "{'asin': 'A', 'title': 'one two three'}\n{'asin': 'B', 'title': ''}\n{'asin': 'C', 'title': 'x'}\n"
                                               "{'asin': 'E', 'title': ' one  two three four '}\n"); /* D has no line */
    settings.filter.items = "with-metadata";
    (void)prepare_load("described");
    assert_step("described", 2, 2, 4, 5);
    settings.filter.items = "titled";
    (void)prepare_load("titled"); /* A and E; one character is no title */
    assert_step("titled", 2, 2, 2, 3);
    settings.filter.title_words = 3;
    (void)prepare_load("short"); /* white space was folded: E has four words */
    assert_step("short", 3, 2, 1, 2);
    settings.filter.items = "any";
    (void)prepare_load("any"); /* untitled items have no word too many */
    assert_step("any", 2, 2, 4, 6);
    settings.filter.title_words = 4;
    (void)prepare_load("long");
    assert_step("long", 2, 2, 5, 7);
}
END_TEST

/* U: A B C, V: A B, W: A, X: C D. Items: A 3, B 2, C 2, D 1. */
#define CORE "U A " T "01;U B " T "02;U C " T "03;V A " T "01;V B " T "02;W A " T "01;X C " T "01;X D " T "02;"

START_TEST(users_and_items_have_their_own_core)
{
    write_raw(CORE, "A;B;C;D;");
    settings.filter.core_users = 2; /* W goes; D may stay with one event */
    (void)prepare_load("users");
    assert_step("users", 2, 3, 4, 7);
    assert_steps("users", 3);
    settings.filter.core_users = 1, settings.filter.core_items = 3; /* A alone */
    (void)prepare_load("items");
    assert_step("items", 2, 3, 1, 3);
    settings.filter.core_users = 2, settings.filter.core_items = 2; /* W's event and D; then X; then C: U and V with A, B are left */
    (void)prepare_load("both");
    assert_step("both", 2, 3, 3, 6);
    assert_step("both", 3, 2, 2, 4);
    assert_steps("both", 4);
    settings.filter.core_rounds = 1; /* X keeps a single event */
    (void)prepare_load("once");
    assert_step("once", 2, 3, 3, 6);
    assert_steps("once", 3);
}
END_TEST

START_TEST(what_is_asked_for_comes_before_the_recipe)
{
    FilterSettings recipe = {.duplicates = "keep", .repeats = "first", .items = "titled", .from = "2016-10-01", .title_words = 20, .core_users = 3, .core_items = 4};
    FilterSettings silent = {.title_words = -1}, asked = {.repeats = "recipe", .items = "any", .from = "", .title_words = 0, .core_items = 1};
    FilterSettings f = filter_resolve(&silent, &recipe, true);
    ck_assert_str_eq(f.duplicates, "keep");
    ck_assert_str_eq(f.repeats, "first");
    ck_assert_str_eq(f.from, "2016-10-01");
    ck_assert_str_eq(f.to, "");
    ck_assert_int_eq(f.title_words, 20);
    ck_assert_int_eq(f.core_users, 3);
    f = filter_resolve(&asked, &recipe, true);
    ck_assert_str_eq(f.repeats, "first");
    ck_assert_str_eq(f.items, "any");
    ck_assert_str_eq(f.from, "");
    ck_assert_int_eq(f.title_words, 0);
    ck_assert_int_eq(f.core_items, 1);
    f = filter_resolve(&silent, &recipe, false); /* sequences were filtered by who made them: of a recipe only the core holds */
    ck_assert_str_eq(f.duplicates, "keep");
    ck_assert_str_eq(f.repeats, "keep");
    ck_assert_str_eq(f.items, "any");
    ck_assert_int_eq(f.title_words, 0);
    ck_assert_int_eq(f.core_items, 4);
    f = filter_resolve(&silent, &silent, true);
    ck_assert_str_eq(f.duplicates, "drop");
    ck_assert_int_eq(f.core_users, 5);
}
END_TEST

/* Every entry of the registry can be read, and its recipe uses known words. */
START_TEST(the_registry_is_sound)
{
    static const char *const names[] = {"beauty", "sports", "toys", "instruments", "industrial", "office", "beauty-2023", "sports-2023", "toys-2023", "instruments-2023",
                                        "industrial-2023", "office-2023", "industrial-2023-captions", "sample-beauty", "sample-sports", "sample-instruments"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        RegistryEntry *e;
        ck_assert_msg(registry_find("data_prep/datasets.json", names[i], arena, &e) == OK, "%s", status_message());
        ck_assert_str_ne(e->licence, "");
        ck_assert_int_eq(e->simulated, strncmp(names[i], "sample-", 7) == 0);
        for (int64_t f = 0; f < e->n_files && !e->simulated; f++) ck_assert_int_ge(e->file[f].n_urls, 2); /* one host may vanish */
        ck_assert(!e->users || *e->expected_source); /* who printed them */
        int64_t time_s;
        ck_assert(!e->filter.from || filter_parse_date(e->filter.from, &time_s));
        ck_assert(!e->filter.to || filter_parse_date(e->filter.to, &time_s));
    }
    write_text(in_scratch("registry.json"), "{\"format\": \"digr-datasets/1\", \"datasets\": [{\"name\": \"x\", \"label\": \"X\", \"release\": \"amazon-2018\", \"simulated\": false,"
                                            " \"files\": [], \"filter\": {\"repeats\": \"frist\"}}]}");
    RegistryEntry *e;
    ck_assert_int_eq(registry_find(in_scratch("registry.json"), "x", arena, &e), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "filter.repeats of x is `frist`, expected one of keep|first|last"));
}
END_TEST

/* 10 rows in time order: V>G U>B W>K U>C V>H U>D V>I W>L W>M U>E (as in test_preprocess.c). */
#define CHRONO "V F " T "02;U A " T "01;U B " T "04;U C " T "07;U D " T "09;U E " T "12;V G " T "04;V H " T "08;V I " T "10;W J " T "03;W K " T "04;W L " T "11;W M " T "11;"

START_TEST(other_ratios_cut_elsewhere)
{
    settings.protocol = "chrono-8-1-1";
    write_raw(CHRONO, "A;B;C;D;E;F;G;H;I;J;K;L;M;");
    settings.ratio = "6:2:2";
    settings.max_history = 2;
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(d->protocol, "chrono-6-2-2");
    ck_assert_int_eq(d->max_history, 2);
    ck_assert_str_eq(train_text(d, "out"), "U:A,B,C,D V:F,G,H W:J,K");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", false), "V:F,G,H>I W:J,K>L");
    ck_assert_str_eq(rows_text(d, &d->test, "out", false), "W:J,K,L>M U:A,B,C,D>E");
    settings.ratio = "1:1:2"; /* floor(2.5), floor(5.0) */
    d = prepare_load("half");
    ck_assert_int_eq(d->valid.n, 3);
    ck_assert_int_eq(d->test.n, 5);
    static const char *const bad[] = {"8:1", "8:1:1:1", "0:1:1", "8:1:1001", "a:b:c", "8:1:", ":1:1", "8:1:1 "};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        settings.ratio = bad[i];
        ck_assert_int_eq(prepare_run("bad"), E_USAGE);
    }
    settings.protocol = "leave-last-out";
    settings.ratio = "8:1:1";
    ck_assert_int_eq(prepare_run("bad"), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_message(), "does not apply to leave-last-out"));
}
END_TEST

/* The parts that the rule makes of n rows: floor(0.8 n), floor(0.9 n), as others compute int(n * 0.8) and int(n * 0.9). */
START_TEST(the_cut_is_at_whole_rows)
{
    static const int expected[][3] = {{9, 1, 2}, {15, 2, 2}, {8, 1, 1}}; /* of 12, 19, 10 rows */
    static const int n[] = {12, 19, 10};
    settings.protocol = "chrono-8-1-1";
    for (int i = 0; i < 3; i++) {
        const char *events = "", *ids = "";
        for (int k = 0; k <= n[i]; k++) {
            events = arena_printf(arena, "%sU I%02d " T "%02d;", events, k, k);
            ids = arena_printf(arena, "%sI%02d;", ids, k);
        }
        write_raw(events, ids);
        (void)prepare_load("out");
        ck_assert_double_eq(meta_number("out", "counts.train_rows"), expected[i][0]);
        ck_assert_double_eq(meta_number("out", "counts.valid_rows"), expected[i][1]);
        ck_assert_double_eq(meta_number("out", "counts.test_rows"), expected[i][2]);
    }
}
END_TEST

/* ---- shipped rows ---- */

static const char HEADER[] = "user\thistory\ttarget\ttimestamp\n";

static void write_rows(const char *train, const char *valid, const char *test)
{
    const char *const rows[] = {train, valid, test}, *const names[] = {"train", "valid", "test"};
    for (int i = 0; i < 3; i++)
        write_text(in_scratch(arena_printf(arena, "raw/minionerec_%s.tsv", names[i])), arena_printf(arena, "%s%s", HEADER, rows[i]));
}

static double checked(const char *key) { return meta_number("out", arena_printf(arena, "rows_check.%s", key)); }

/* Users 0: times 1..7 of items 1..7, 1: unknown times, 2: two events at the time of user 0's last ones. 10 rows: 8 train (2 of them without a time). */
static void write_world(void)
{
    settings.protocol = "chrono-8-1-1";
    write_sequences("0 1 2 3 4 5 6 7\n1 3 2 1\n2 4 6 5\n", "0 1262304001 1262304002 1262304003 1262304004 1262304005 1262304006 1262304007\n1 0 0 0\n"
                                                            "2 1262304001 1262304006 1262304007\n", "1;2;3;4;5;6;7;");
}

#define TRAIN_A "0\t1\t2\t0\n1\t3\t2\t0\n0\t1 2\t3\t0\n0\t1 2 3\t4\t0\n1\t3 2\t1\t0\n0\t1 2 3 4\t5\t0\n"
#define TRAIN_B "0\t1 2 3 4 5\t6\t0\n2\t4\t6\t0\n"
#define VALID "0\t1 2 3 4 5 6\t7\t1262304007\n"
#define TEST "2\t4 6\t5\t1262304007\n"

START_TEST(rows_of_our_own_equal_the_shipped_ones)
{
    write_world();
    write_rows(TRAIN_A TRAIN_B, VALID, TEST);
    (void)prepare_load("out");
    ck_assert_double_eq(checked("same"), 1);
    ck_assert_double_eq(checked("train.shipped"), 8);
    ck_assert_double_eq(checked("train.equal"), 8);
    ck_assert_double_eq(checked("train.timed"), 6);
    ck_assert_double_eq(checked("train.in_place"), 6);
    ck_assert_double_eq(checked("valid.equal"), 1);
    ck_assert_double_eq(checked("test.in_place"), 1);
    write_rows(TRAIN_A "2\t4\t6\t0\n0\t1 2 3 4 5\t6\t0\n", VALID, TEST); /* another order of two rows at one time */
    (void)prepare_load("out");
    ck_assert_double_eq(checked("same"), 0);
    ck_assert_double_eq(checked("train.equal"), 8);
    ck_assert_double_eq(checked("train.in_place"), 4);
}
END_TEST

START_TEST(rows_that_differ_are_counted_by_what_differs)
{
    write_world();
    write_rows(TRAIN_A TRAIN_B, "2\t4 6\t5\t1262304007\n", "0\t1 2 3 4 5 6\t7\t1262304007\n"); /* the ties at the cut fell the other way */
    (void)prepare_load("out");
    ck_assert_double_eq(checked("same"), 0);
    ck_assert_double_eq(checked("train.equal"), 8);
    ck_assert_double_eq(checked("valid.equal"), 0);
    ck_assert_double_eq(checked("test.equal"), 0);
    write_rows("0\t1\t2\t0\n1\t3\t2\t0\n0\t2\t3\t0\n0\t1 2 3\t4\t0\n1\t3 2\t1\t0\n0\t1 2 3 4\t5\t0\n" TRAIN_B, VALID, TEST); /* a shorter history */
    (void)prepare_load("out");
    ck_assert_double_eq(checked("same"), 0);
    ck_assert_double_eq(checked("train.equal"), 7);
    ck_assert_double_eq(checked("train.other_history"), 1);
}
END_TEST

START_TEST(rows_without_times_are_taken_as_they_are)
{
    settings.protocol = "chrono-8-1-1";
    write_sequences("0 1 2 3\n1 3 2\n", NULL, "1;2;3;");
    write_text(in_scratch("raw/train.tsv"), "user\thistory\ttarget\n1\t3\t2\n");
    write_text(in_scratch("raw/valid.tsv"), "user\thistory\ttarget\n0\t1\t2\n");
    write_text(in_scratch("raw/test.tsv"), "user\thistory\ttarget\n0\t1 2\t3\n");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", false), "0:I1>I2");
    ck_assert_str_eq(rows_text(d, &d->test, "out", false), "0:I1,I2>I3");
    ck_assert_double_eq(checked("same"), -1); /* nothing to compare with */
    write_text(in_scratch("raw/test.tsv"), "user\thistory\ttarget\n0\t1 2\t3\t7\n");
    ck_assert_int_eq(prepare_run("bad"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "test.tsv:2: malformed timestamp"));
}
END_TEST

START_TEST(ties_are_counted_by_second_day_and_id)
{
    /* U: A|B same second ascending, then D|C same second descending, next day E; V: unknown to ties */
    write_raw("U A " T "01;U B " T "01;U D " T "09;U C " T "09;U E " DAY2 ";V A " T "01;V B " T "05;", "A;B;C;D;E;");
    (void)prepare_load("out");
    ck_assert_double_eq(meta_number("out", "ties.adjacent_pairs"), 5);
    ck_assert_double_eq(meta_number("out", "ties.timed_pairs"), 5);
    ck_assert_double_eq(meta_number("out", "ties.equal_time_pairs"), 2);
    ck_assert_double_eq(meta_number("out", "ties.ascending_id_pairs"), 1);
    ck_assert_double_eq(meta_number("out", "ties.same_day_pairs"), 4);
    ck_assert_double_eq(meta_number("out", "ties.users_with_ties"), 1);
    ck_assert_double_eq(meta_number("out", "ties.last_two_tied"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("filter");
    TCase *t = tcase_create("filter");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_test(t, dates_are_read_strictly);
    tcase_add_test(t, the_window_includes_its_first_day_and_not_its_end);
    tcase_add_test(t, low_ratings_are_passed_over_and_counted);
    tcase_add_test(t, a_window_needs_every_time);
    tcase_add_test(t, duplicates_and_repeats_are_two_questions);
    tcase_add_test(t, items_go_by_metadata_and_title);
    tcase_add_test(t, users_and_items_have_their_own_core);
    tcase_add_test(t, what_is_asked_for_comes_before_the_recipe);
    tcase_add_test(t, the_registry_is_sound);
    tcase_add_test(t, other_ratios_cut_elsewhere);
    tcase_add_test(t, the_cut_is_at_whole_rows);
    tcase_add_test(t, rows_of_our_own_equal_the_shipped_ones);
    tcase_add_test(t, rows_that_differ_are_counted_by_what_differs);
    tcase_add_test(t, rows_without_times_are_taken_as_they_are);
    tcase_add_test(t, ties_are_counted_by_second_day_and_id);
    suite_add_tcase(s, t);
    return suite_run(s);
}
