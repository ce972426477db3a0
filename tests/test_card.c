/* tests/test_card.c -- the data card: every number on sets that can be counted by hand, and what a reader is told. */
#include <math.h>

#include "prepare_util.h"

#include "data/card.h"
#include "eval/datacard.h"
#include "eval/results.h"

/* Times in short: seconds after 2010-01-01; later days for what must be later. */
#define T "12623040"

static cJSON *card;

static void make_card(const char *out)
{
    Dataset *d = prepare_load(out);
    Events *e = NULL;
    cJSON *meta;
    ck_assert_msg(events_load(d, arena, &e) == OK, "%s", status_message());
    ck_assert_int_eq(json_read_file(in_scratch(arena_printf(arena, "%s/meta.json", out)), &meta), OK);
    card = card_make(d, e, meta, arena);
    cJSON_Delete(meta);
}

static double number(const char *path)
{
    double value = -1;
    return results_number(card, path, &value) ? value : -1;
}

#define assert_number(path, expected) ck_assert_msg(fabs(number(path) - (expected)) <= 1e-12, "%s is %.12g, expected %.12g", path, number(path), (double)(expected))

static const char *markdown(void)
{
    Doc *doc;
    ck_assert_msg(datacard_build(card, scratch, arena, &doc) == OK, "%s", status_message());
    ck_assert_int_eq(doc_write_markdown(doc, in_scratch("card.md")), OK);
    return read_bytes(in_scratch("card.md"), NULL);
}

static void assert_says(const char *text)
{
    if (strstr(markdown(), text) == NULL) fprintf(stderr, "%s\n", markdown()); /* too long for a message of Check */
    ck_assert_msg(strstr(markdown(), text) != NULL, "`%s` is not in the card printed above", text);
}

/* U: A B C D (C and D at one second), V: A B E (E a minute after U's last), W: A C (trains only).
 * leave-last-out: train U:A,B V:A W:A,C; valid U>C V>B; test U>D V>E. */
#define WORLD "U A " T "01;U B " T "02;U C " T "05;U D " T "05;V A " T "01;V B " T "06;V E " T "70;W A " T "08;W C " T "09;"

START_TEST(every_number_of_a_small_set)
{
    write_raw(WORLD, "A;B;C;D;E;");
    make_card("out");
    assert_number("size.density", 9.0 / 15);
    assert_number("size.per_user.min", 2);
    assert_number("size.per_user.median", 3);
    assert_number("size.per_user.max", 4);
    assert_number("size.per_user.mean", 3);
    /* items: A 3, B 2, C 2, D 1, E 1; ascending 1 1 2 2 3: sum (2i-6) x = -4-2+0+4+12 = 10, over 5*9 */
    assert_number("size.gini_items", 10.0 / 45);
    assert_number("size.gini_users", (-2.0 * 2 + 2 * 4) / (3 * 9)); /* 2 3 4 */
    assert_number("size.top_1_percent", 3.0 / 9);  /* one item: rounded up */
    assert_number("size.top_10_percent", 3.0 / 9);
    assert_number("history.test.n", 2);
    assert_number("history.test.min", 2);
    assert_number("history.test.max", 3);
    assert_number("history.valid.mean", 1.5);
    assert_number("history.test.longer_than_seen", 0);
    assert_number("time.all.known", 9);
    assert_number("time.train.events", 5);
    assert_number("cold.items", 2); /* D, E */
    assert_number("cold.valid_targets", 0);
    assert_number("cold.test_targets", 2);
    assert_number("repeats.events", 0);
    assert_number("ties.timed_pairs", 6);
    assert_number("ties.equal_time_pairs", 1);
    assert_number("ties.valid.target_tied", 0);
    assert_number("ties.test.rows", 2);
    assert_number("ties.test.target_tied", 1);
    assert_number("ties.test.window_tied", 1);
    /* training times 1 2 1 8 9; test targets at 5 and 70: the first has 8 and 9 after it */
    assert_number("leakage.train_events_timed", 5);
    assert_number("leakage.test.before_latest_train", 1);
    assert_number("leakage.test.train_events_after_target", (2.0 / 5 + 0) / 2);
    assert_number("leakage.valid.before_latest_train", 2);
    assert_number("leakage.valid.train_events_after_target", 2.0 / 5); /* at 5 and 6: both have 8 and 9 after them */
    assert_number("leakage.test.history_holds_evaluated", 2); /* the valid target */
    assert_number("leakage.valid.history_holds_evaluated", 0);
    assert_number("leakage.test.users_trained", 2);
    assert_number("leakage.users_in_valid_and_test", 2);
    assert_number("curves.popularity.0.1", 3);
    assert_number("curves.lorenz.0.1", 0);
    assert_number("curves.per_user.0.0", 2);
    assert_number("curves.months.train.0.0", 2010);
    assert_number("curves.months.train.0.1", 5);
    assert_number("curves.months.test.0.1", 2);
}
END_TEST

START_TEST(curves_end_where_the_data_end)
{
    const char *events = "", *ids = "";
    for (int i = 0; i < 120; i++) {
        events = arena_printf(arena, "%sU I%03d 12623%05d;V I%03d 12623%05d;", events, i, i, i / 2, i);
        ids = arena_printf(arena, "%sI%03d;", ids, i);
    }
    write_raw(events, ids);
    make_card("out");
    const cJSON *curves = cJSON_GetObjectItemCaseSensitive(card, "curves");
    const cJSON *popularity = cJSON_GetObjectItemCaseSensitive(curves, "popularity"), *lorenz = cJSON_GetObjectItemCaseSensitive(curves, "lorenz");
    const int last = cJSON_GetArraySize(popularity) - 1, end = cJSON_GetArraySize(lorenz) - 1;
    assert_number(arena_printf(arena, "curves.popularity.%d.0", last), 120);
    assert_number(arena_printf(arena, "curves.popularity.%d.1", last), 1);
    assert_number(arena_printf(arena, "curves.lorenz.%d.0", end), 1);
    assert_number(arena_printf(arena, "curves.lorenz.%d.1", end), 1);
    for (int i = 1; i <= end; i++) {
        ck_assert_double_gt(number(arena_printf(arena, "curves.lorenz.%d.0", i)), number(arena_printf(arena, "curves.lorenz.%d.0", i - 1)));
        ck_assert_double_ge(number(arena_printf(arena, "curves.lorenz.%d.1", i)), number(arena_printf(arena, "curves.lorenz.%d.0", i)) - 1e-12);
    }
}
END_TEST

/* chrono: rows V>G U>B W>K U>C V>H U>D V>I W>L train, W>M valid, U>E test; Y has a single row, at the end: its first event is only context. */
START_TEST(a_split_by_time_leaks_no_time)
{
    settings.protocol = "chrono-8-1-1";
    write_raw("V F " T "02;U A " T "01;U B " T "04;U C " T "07;U D " T "09;U E " T "12;V G " T "04;V H " T "08;V I " T "10;W J " T "03;W K " T "04;W L " T "11;W M " T "11;"
              "V Z " T "12;Y A " T "01;Y Y " T "12;", "A;B;C;D;E;F;G;H;I;J;K;L;M;Y;Z;"); /* 12 rows: 9, 1, 2 */
    make_card("out");
    assert_number("time.train.events", 12); /* 9 targets and the first events of three users */
    assert_number("leakage.test.before_latest_train", 0);
    assert_number("leakage.test.train_events_after_target", 0);
    assert_number("leakage.test.users", 2);
    assert_number("leakage.test.users_trained", 1); /* Y never trains */
    assert_number("leakage.valid.history_holds_evaluated", 0);
    assert_number("leakage.users_in_valid_and_test", 0);
    assert_number("time.all.events", 16);
    assert_says("cuts all rows at two moments");
}
END_TEST

START_TEST(repeats_are_told)
{
    write_raw("U A " T "01;U B " T "02;U A " T "03;U A " T "04;V B " T "01;V A " T "02;V B " T "03;", "A;B;");
    make_card("out");
    assert_number("repeats.events", 3);
    assert_number("repeats.test.in_history", 2);
    assert_number("repeats.test.previous_item", 1); /* U: A after A */
    assert_number("repeats.valid.in_history", 1);
    assert_number("repeats.valid.previous_item", 0);
    assert_says("3 (42.9 %) interactions are with an item the user had before");
}
END_TEST

START_TEST(missing_text_and_equal_titles_are_told)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text("U A " T "01;U B " T "02;U C " T "03;V D " T "01;V A " T "02;V E " T "03;"));
    write_gzip(in_scratch("raw/meta.json.gz"), "{'asin': 'A', 'title': 'same'}\n{'asin': 'B', 'title': 'same'}\n{'asin': 'C', 'title': 'other'}\n{'asin': 'D', 'title': 'Same'}\n");
    make_card("out");
    assert_number("text.empty.title", 1);
    assert_number("text.empty.description", 5);
    assert_number("text.items_without_any_text", 1);
    assert_number("text.duplicate_titles", 1); /* letters count: `Same` is another title */
    assert_number("text.items_with_duplicate_title", 2);
    assert_says("no item has any brand, categories, description, keywords, caption");
    assert_says("1 (20.0 %) items have no text at all. 2 (40.0 %) items share their exact title with another one (1 such titles)");
}
END_TEST

START_TEST(simulated_sets_say_so_first)
{
    entry.simulated = true;
    write_raw(WORLD, "A;B;C;D;E;");
    make_card("out");
    const char *text = markdown(), *notice = strstr(text, "**SIMULATED.** No person");
    ck_assert_ptr_nonnull(notice);
    ck_assert(notice < strstr(text, "## "));
    ck_assert_ptr_nonnull(strstr(text, "**SIMULATED users**"));
}
END_TEST

START_TEST(sorted_ties_are_a_warning_and_shuffled_ones_are_named)
{
    const char *events = "";
    for (int u = 0; u < 20; u++) events = arena_printf(arena, "%sU%02d A " T "01;U%02d B " T "01;U%02d C " T "01;U%02d D " T "09;", events, u, u, u, u);
    write_raw(events, "A;B;C;D;");
    make_card("out");
    assert_number("ties.equal_time_pairs", 40);
    assert_number("ties.ascending_id_pairs", 40);
    assert_says("40 (100.0 %) of the tied pairs come in ascending order of ASIN");
    settings.ties = "shuffle";
    settings.ties_seed = 7;
    cJSON_Delete(card);
    make_card("shuffled");
    assert_number("ties.seed", 7);
    const double sorted = number("ties.ascending_id_pairs");
    ck_assert_msg(sorted > 8 && sorted < 32, "%g of 40", sorted); /* 20 by chance */
    assert_says("shuffled at random for this set");
    ck_assert_ptr_null(strstr(markdown(), "the source sorted them"));
}
END_TEST

START_TEST(unknown_times_take_no_part)
{
    write_sequences("7 1 2 3\n4 2 3 1\n", "7 1262304000 0 1262304000\n4 0 0 0\n", "1;2;3;");
    make_card("out");
    assert_number("time.all.known", 2);
    assert_number("ties.timed_pairs", 0);
    assert_number("ties.test.timed", 0);
    assert_number("leakage.test.timed", 1);
    assert_number("leakage.train_events_timed", 1);
    assert_says("4 (66.7 %) events have **no known time**");
    assert_says("nothing can be said about ties");
}
END_TEST

/* The program: a card is written; --check tells and exits 3 when the set is another one. */
START_TEST(the_program_writes_and_checks)
{
    write_raw(WORLD, "A;B;C;D;E;");
    entry.users = 3, entry.items = 5, entry.interactions = 9;
    (void)prepare_load("out");
    ck_assert_int_eq(run_program("02_card", arena_printf(arena, "--data '%s' --out '%s' --print 1", in_scratch("out"), in_scratch("c"))), 0);
    assert_said("Data card: Tiny");
    static const char *const files[] = {"card.json", "card.md", "card.html", "card_filter.csv", "card_ties.tex", "card_size.gp", "manifest.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) ck_assert_msg(path_exists(in_scratch(arena_printf(arena, "c/%s", files[i]))), "%s", files[i]);
    ck_assert_int_eq(run_program("02_card", arena_printf(arena, "--quiet --data '%s' --check 1", in_scratch("out"))), 0);
    assert_said("tiny: 3 users, 5 items, 9 interactions, as published");
    entry.items = 6, settings.check_counts = false;
    (void)prepare_load("other");
    ck_assert_int_eq(run_program("02_card", arena_printf(arena, "--quiet --data '%s' --check 1", in_scratch("other"))), 3);
    assert_said("NOT AS PUBLISHED");
    ck_assert_int_eq(run_program("02_card", arena_printf(arena, "--data '%s'", in_scratch("out"))), 2);
    write_text(in_scratch("out/times.tsv"), "user\ttimes\n0\t1 2\n");
    ck_assert_int_eq(run_program("02_card", arena_printf(arena, "--data '%s' --out '%s'", in_scratch("out"), in_scratch("d"))), 3);
    assert_said("times.tsv");
    assert_one_error(3);
}
END_TEST

static void teardown(void)
{
    cJSON_Delete(card);
    card = NULL;
    prepare_teardown();
}

int main(void)
{
    Suite *s = suite_create("card");
    TCase *t = tcase_create("card");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare_setup, teardown);
    tcase_add_test(t, every_number_of_a_small_set);
    tcase_add_test(t, curves_end_where_the_data_end);
    tcase_add_test(t, a_split_by_time_leaks_no_time);
    tcase_add_test(t, repeats_are_told);
    tcase_add_test(t, missing_text_and_equal_titles_are_told);
    tcase_add_test(t, simulated_sets_say_so_first);
    tcase_add_test(t, sorted_ties_are_a_warning_and_shuffled_ones_are_named);
    tcase_add_test(t, unknown_times_take_no_part);
    tcase_add_test(t, the_program_writes_and_checks);
    suite_add_tcase(s, t);
    return suite_run(s);
}
