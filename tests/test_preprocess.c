/* tests/test_preprocess.c -- 02_preprocess's work on small sources whose result is known by hand. */
#include "prepare_util.h"
#include "suite.h"

/* Times in short: seconds after 2010-01-01. */
#define T "12623040"

START_TEST(leave_last_out_by_time_and_file_order)
{
    /* U1 in time order: B(01) A(02) C(03, first in file) D(03); U2: A B C; U3 has two events and only trains */
    write_raw("U1 A " T "02;U1 C " T "03;U1 D " T "03;U1 B " T "01;U2 A " T "01;U2 B " T "05;U2 C " T "09;U3 D " T "01;U3 A " T "02;", "A;B;C;D;");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "U1:B,A U2:A U3:D,A");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", true), "U1:B,A>C U2:A>B");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "U1:B,A,C>D U2:A,B>C");
    ck_assert_int_eq(d->max_history, 20);
    ck_assert_int_eq(d->n_interactions, 9);
    ck_assert(!d->simulated);
    ck_assert_double_eq(meta_number("out", "counts.train_rows"), 2); /* B>A of U1, D>A of U3 */
    ck_assert_double_eq(meta_number("out", "ties.equal_time_pairs"), 1);
    ck_assert_double_eq(meta_number("out", "ties.last_two_tied"), 1);
    ck_assert_double_eq(meta_number("out", "ties.ascending_id_pairs"), 1);
    ck_assert_double_eq(meta_number("out", "text.title"), 4);
    ck_assert_double_eq(meta_number("out", "text.brand"), 0);
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("out/valid.tsv"), NULL), "\t" T "03\n"));
}
END_TEST

/* 02_preprocess --captions: what a model that sees said of the photos. */
START_TEST(recorded_captions_join_their_items)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text("U A " T "01;U B " T "02;U C " T "03;"));
    write_gzip(in_scratch("raw/meta.json.gz"), "{'asin': 'A', 'title': 'a'}\n{'asin': 'B', 'title': 'b'}\n{'asin': 'C', 'title': 'c'}\n");
    write_text(in_scratch("raw/captions.jsonl"), "{\"asin\": \"B\", \"caption\": \"of the source\"}\n{\"asin\": \"C\", \"caption\": \"stays\"}\n");
    settings.captions = arena_strdup(arena, in_scratch("captions.jsonl"));
    assert_fails(E_INPUT, "captions.jsonl"); /* not there */
    write_text(settings.captions, "");
    assert_fails(E_INPUT, "no captions");
    write_text(settings.captions, "{\"item\":\"A\",\"caption\":\"a saw & a log <small>\",\"model\":\"m\"}\n{\"item\":\"B\",\"caption\":\"a caf\\u00e9 brush\",\"model\":\"m\"}\n");
    Dataset *d = prepare_load("out");
    for (int64_t i = 0; i < d->N; i++) {
        const char *want = d->text[i].id[0] == 'A' ? "a saw & a log <small>" : d->text[i].id[0] == 'B' ? "a caf\xc3\xa9 brush" : "stays"; /* as it was answered, no markup is looked for */
        ck_assert_str_eq(d->text[i].caption, want);
    }
    ck_assert_double_eq(meta_number("out", "captions.lines"), 2);
    ck_assert_double_eq(meta_number("out", "captions.joined"), 2);
    ck_assert_double_eq(meta_number("out", "captions.replaced"), 1);
    ck_assert_double_eq(meta_number("out", "captions.items_without"), 1);
    ck_assert_double_eq(meta_number("out", "input.captions_read"), 2);
    ck_assert_double_eq(meta_number("out", "text.caption"), 3);
    /* what does not fit is counted and named; a loss beyond --max-loss stops */
    write_text(settings.captions, "{\"item\":\"A\",\"caption\":\"one\"}\n{\"item\":\"Z\",\"caption\":\"two\"}\n{\"item\":\"A\",\"caption\":\"three\"}\n"
               "{\"item\":\"B\",\"caption\":\"\"}\n{\"item\":\"B\"}\n{\"item\":\"B\",\"caption\":\"\xff\"}\nno line\n{\"item\":\"C\",\"caption\":\"four\"}\n");
    ck_assert_int_eq(prepare_run("bad"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "captions.jsonl:2: item Z is not in the data set; 6 of 8 captions would be lost"));
    settings.max_loss = 0.8;
    d = prepare_load("lossy");
    ck_assert_double_eq(meta_number("lossy", "captions.joined"), 2);
    ck_assert_double_eq(meta_number("lossy", "input.captions_rejected"), 6);
    ck_assert_double_eq(meta_number("lossy", "input.items_rejected"), 0);
    ck_assert_double_eq(meta_number("lossy", "input.kinds.unknown"), 1);
    ck_assert_double_eq(meta_number("lossy", "input.kinds.repeated"), 1);
    ck_assert_double_eq(meta_number("lossy", "input.kinds.utf8"), 1);
    const char *rejected = read_bytes(in_scratch("lossy/rejected.tsv"), NULL);
    ck_assert_ptr_nonnull(strstr(rejected, "captions.jsonl\t3\trepeated\titem A has its caption already"));
    for (int64_t i = 0; i < d->N; i++) ck_assert_str_eq(d->text[i].caption, d->text[i].id[0] == 'A' ? "one" : d->text[i].id[0] == 'B' ? "of the source" : "four");
    settings.captions = NULL;
    (void)prepare_load("none");
    ck_assert_double_eq(meta_number("none", "captions.lines"), -1);
    ck_assert_double_eq(meta_number("none", "input.captions_read"), -1);
}
END_TEST

START_TEST(texts_are_decoded_and_nothing_else_comes_in)
{
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text("U A " T "01;U B " T "02;U C " T "03;"));
    write_gzip(in_scratch("raw/meta.json.gz"),
               "{'asin': 'A', 'title': 'Tom &amp; Jerry\\'s', 'brand': u'Caf\\xe9', 'categories': [['R', 'A &amp; B'], ['R', 'C']], 'description': '<b>Bold</b>\\ntext', "
               "'latent': {'x': 1}, 'salesRank': {'Beauty': 12}}\n"
               "{'asin': 'B', 'title': 'var x = getTime();'}\n{'asin': 'C', 'title': '<span id=\"x\">Hidden</span> text'}\n"
               "{'asin': 'B', 'title': 'second line on B'}\n"
               "{'asin': 'Z', 'title': 'not reviewed'}\n");
    write_text(in_scratch("raw/captions.jsonl"), "{\"asin\": \"B\", \"caption\": \"a photo\"}\n{\"asin\": \"Z\", \"caption\": \"z\"}\n");
    Dataset *d = prepare_load("out");
    for (int64_t i = 0; i < d->N; i++) {
        const ItemText *t = &d->text[i];
        if (t->id[0] == 'A') {
            ck_assert_str_eq(t->title, "Tom & Jerry's");
            ck_assert_str_eq(t->brand, "Caf\xc3\xa9");
            ck_assert_str_eq(t->categories, "R > A & B | R > C");
            ck_assert_str_eq(t->description, "Bold text");
            ck_assert_str_eq(t->caption, "");
        } else {
            ck_assert_str_eq(t->title, "");
            ck_assert_str_eq(t->caption, t->id[0] == 'B' ? "a photo" : "");
        }
    }
    ck_assert_ptr_null(strstr(read_bytes(in_scratch("out/items.jsonl"), NULL), "latent"));
    ck_assert_double_eq(meta_number("out", "input.rules.script_titles_emptied"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.metadata_repeated"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.metadata_of_other_items"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.captions_of_other_items"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.markup_titles_emptied"), 1);
}
END_TEST

START_TEST(the_2018_release_is_json_with_lists)
{
    entry.release = "amazon-2018";
    entry.filter.items = "titled";
    write_gzip(in_scratch("raw/reviews.json.gz"), reviews_text("U A " T "01;U B " T "02;U C " T "03;V A " T "01;"));
    write_gzip(in_scratch("raw/meta.json.gz"),
               "{\"asin\": \"A\", \"title\": \"Cable&nbsp;3&#39;\", \"brand\": \"Q\", \"category\": [\"Music\", \"Cables\", \"</span></span>\"], \"description\": [\"One.\", "
               "\"<p>Two.</p>\"], \"feature\": [\"long\", \"strong\"]}\n"
               "{\"asin\": \"B\", \"title\": \"\", \"description\": []}\n{\"asin\": \"C\", \"title\": \"Case\", \"description\": \"text\", \"category\": null}\n");
    Dataset *d = prepare_load("out");
    ck_assert_int_eq(d->N, 2); /* B has no title */
    const ItemText *a = &d->text[d->text[0].id[0] == 'A' ? 0 : 1];
    ck_assert_str_eq(a->title, "Cable 3'");
    ck_assert_str_eq(a->categories, "Music > Cables");
    ck_assert_str_eq(a->description, "One. Two.");
    ck_assert_str_eq(a->keywords, "long; strong");
    ck_assert_double_eq(meta_number("out", "filter.2.interactions"), 3);
}
END_TEST

/* Dropping W (1 event) leaves item C with 1; dropping C leaves V with 1; dropping V leaves B with 1: three rounds to A twice. */
START_TEST(the_core_is_iterated_to_its_fixed_point)
{
    settings.filter.core_users = settings.filter.core_items = 3;
    write_raw("W C " T "01;V C " T "02;V B " T "03;U B " T "04;U A " T "05;U D " T "06;X A " T "07;X D " T "08;", "A;B;C;D;");
    assert_fails(E_INPUT, "nothing of 8 interactions is left");
    settings.filter.core_users = settings.filter.core_items = 2;
    Dataset *d = prepare_load("out");
    ck_assert_int_eq(d->n_users, 2);
    ck_assert_int_eq(d->N, 2);
    ck_assert_int_eq(d->n_interactions, 4);
    ck_assert_str_eq(train_text(d, "out"), "U:A,D X:A,D");
    ck_assert_double_eq(meta_number("out", "filter.0.interactions"), 8);
    ck_assert_double_eq(meta_number("out", "filter.2.interactions"), 6); /* round 1: W's event, then V's C */
    ck_assert_double_eq(meta_number("out", "filter.2.users"), 3);
    ck_assert_double_eq(meta_number("out", "filter.3.interactions"), 4); /* round 2: V's B, then U's B */
    ck_assert_double_eq(meta_number("out", "filter.4.interactions"), -1);
}
END_TEST

START_TEST(duplicates_go_repeats_stay_or_go_as_asked)
{
    write_raw("U A " T "01;U A " T "01;U B " T "02;U A " T "03;U C " T "04;U C " T "05;", "A;B;C;");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "U:A,B,A,C>C");
    ck_assert_double_eq(meta_number("out", "input.rules.duplicate_lines_dropped"), 1);
    ck_assert_double_eq(meta_number("out", "input.rules.repeated_items_kept"), 2);
    settings.filter.repeats = "first";
    d = prepare_load("first");
    ck_assert_str_eq(rows_text(d, &d->test, "first", true), "U:A,B>C");
    ck_assert_double_eq(meta_number("first", "input.rules.repeated_items_dropped"), 2);
}
END_TEST

START_TEST(shuffled_ties_stay_inside_their_second)
{
    write_raw("U A " T "01;U B " T "05;U C " T "05;U D " T "05;U E " T "05;U F " T "05;U G " T "09;U H " T "10;", "A;B;C;D;E;F;G;H;");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "U:A,B,C,D,E,F");
    settings.ties = "shuffle";
    bool moved = false;
    for (settings.seed = 1; settings.seed <= 4; settings.seed++) {
        d = prepare_load("out");
        const char *train = train_text(d, "out");
        ck_assert_uint_eq(strlen(train), strlen("U:A,B,C,D,E,F"));
        ck_assert_int_eq(strncmp(train, "U:A,", 4), 0);
        for (const char *p = "BCDEF"; *p; p++) ck_assert_ptr_nonnull(strchr(train + 4, *p));
        ck_assert_str_eq(rows_text(d, &d->test, "out", true) + strlen(train), ",G>H");
        moved |= strcmp(train, "U:A,B,C,D,E,F") != 0;
        ck_assert_str_eq(train, train_text(prepare_load("again"), "again"));
    }
    ck_assert(moved);
    settings.seed = 1; /* another order, the same numbers */
    const char *first = train_text(prepare_load("one"), "one");
    bool other = false;
    for (settings.ties_seed = 2; settings.ties_seed <= 4; settings.ties_seed++) {
        other |= strcmp(first, train_text(prepare_load("two"), "two")) != 0;
        ck_assert(same_bytes(in_scratch("one/items.jsonl"), in_scratch("two/items.jsonl")));
    }
    ck_assert(other);
}
END_TEST

/* Numbers depend on seed and ids alone: not on the order of the source, not on what users did. */
START_TEST(numbers_are_a_function_of_seed_and_id)
{
    write_raw("U A " T "01;U B " T "02;U C " T "03;V D " T "01;V E " T "02;V A " T "03;", "A;B;C;D;E;");
    (void)prepare_load("one");
    write_raw("V E " T "01;V D " T "02;V B " T "03;U C " T "01;U A " T "02;U A " T "09;", "E;D;C;B;A;");
    (void)prepare_load("two");
    ck_assert(same_bytes(in_scratch("one/items.jsonl"), in_scratch("two/items.jsonl")));
    ck_assert(same_bytes(in_scratch("one/users.tsv"), in_scratch("two/users.tsv")));
    (void)prepare_load("three");
    static const char *const files[] = {"items.jsonl", "users.tsv", "train.tsv", "valid.tsv", "test.tsv", "meta.json", "rejected.tsv"};
    for (int f = 0; f < 7; f++)
        ck_assert(same_bytes(in_scratch(arena_printf(arena, "two/%s", files[f])), in_scratch(arena_printf(arena, "three/%s", files[f]))));
    settings.seed = 2;
    (void)prepare_load("four");
    ck_assert(!same_bytes(in_scratch("one/items.jsonl"), in_scratch("four/items.jsonl")));
}
END_TEST

/* U: A1 B4 C7 D9 E12, V: F2 G4 H8 I10, W: J3 K4 L11 M11; 10 rows in time order (ties: U, V, W by first appearance; W's L before M). */
#define CHRONO "V F " T "02;U A " T "01;U B " T "04;U C " T "07;U D " T "09;U E " T "12;V G " T "04;V H " T "08;V I " T "10;W J " T "03;W K " T "04;W L " T "11;W M " T "11;"

START_TEST(chrono_orders_all_rows_by_time)
{
    settings.protocol = "chrono-8-1-1";
    write_raw(CHRONO, "A;B;C;D;E;F;G;H;I;J;K;L;M;");
    Dataset *d = prepare_load("out");
    /* order: V>G U>B W>K (04, V appears first) U>C V>H U>D V>I W>L | W>M | U>E */
    ck_assert_str_eq(train_text(d, "out"), "U:A,B,C,D V:F,G,H,I W:J,K,L");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", false), "W:J,K,L>M");
    ck_assert_str_eq(rows_text(d, &d->test, "out", false), "U:A,B,C,D>E");
    ck_assert_int_eq(d->max_history, 10);
    ck_assert_double_eq(meta_number("out", "counts.train_rows"), 8);
    write_raw("V F " T "02;" CHRONO "V Z " T "12;Y A " T "01;Y B " T "12;", "A;B;C;D;E;F;G;H;I;J;K;L;M;Z;"); /* one duplicate line, 12 rows: 9, 1, 2 */
    d = prepare_load("more");
    ck_assert_str_eq(rows_text(d, &d->valid, "more", false), "V:F,G,H,I>Z");
    ck_assert_str_eq(rows_text(d, &d->test, "more", false), "U:A,B,C,D>E Y:A>B");
    ck_assert_double_eq(meta_number("more", "counts.train_sequences"), 3); /* Y never trains */
}
END_TEST

START_TEST(the_sequence_form_keeps_its_order)
{
    write_sequences("7 3 1 2 1\n4 2 3 1\n", "7 1262304000 0 1262304000 1262304001\n4 0 0 0\n", "1;2;3;");
    write_text(in_scratch("raw/users.txt"), "7 RAW7\n4 RAW4\n");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "RAW4:I2 RAW7:I3,I1");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "RAW4:I2,I3>I1 RAW7:I3,I1,I2>I1");
    ck_assert_double_eq(meta_number("out", "ties.unknown_times"), 4);
    ck_assert_double_eq(meta_number("out", "input.rules.repeated_items_kept"), 1);
    write_text(in_scratch("raw/users.txt"), "7 RAW7\n4 -\n"); /* one id unknown: numbers for all */
    d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "4:I2 7:I3,I1");
    settings.protocol = "chrono-8-1-1";
    ck_assert_int_eq(prepare_run("chrono"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "user 7 has an event without"));
    ck_assert_ptr_nonnull(strstr(status_fix(), "leave-last-out"));
}
END_TEST

static const char HEADER[] = "user\thistory\ttarget\ttimestamp\n";

static void write_exact(const char *train, const char *valid, const char *test)
{
    const char *const rows[] = {train, valid, test}, *const names[] = {"train", "valid", "test"};
    for (int i = 0; i < 3; i++)
        write_text(in_scratch(arena_printf(arena, "raw/minionerec_%s.tsv", names[i])), arena_printf(arena, "%s%s", HEADER, rows[i]));
}

START_TEST(shipped_rows_are_taken_exactly_or_refused)
{
    settings.protocol = "chrono-8-1-1";
    write_sequences("0 5 6 7 8\n1 8 5\n", "0 0 0 0 1262304009\n1 0 0\n", "5;6;7;8;");
    write_exact("0\t5\t6\t0\n1\t8\t5\t0\n", "0\t6\t7\t1262304005\n", "0\t5 6 7\t8\t1262304008\n"); /* a shorter window is a window too */
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "0:I5,I6 1:I8,I5");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", false), "0:I5,I6>I7"); /* whole histories; models look at max_history */
    ck_assert_str_eq(rows_text(d, &d->test, "out", false), "0:I5,I6,I7>I8");
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("out/valid.tsv"), NULL), "1262304005"));

    static const struct { const char *train, *valid, *test, *fault; } bad[] = {
        {"0\t5\t6\t0\n1\t8\t5\t0\n", "0\t6\t8\t1\n", "0\t5 6 7\t8\t2\n", "minionerec_valid.tsv:2: the target"},
        {"0\t5\t6\t0\n1\t8\t5\t0\n", "0\t5\t7\t1\n", "0\t5 6 7\t8\t2\n", "minionerec_valid.tsv:2: the history"},
        {"0\t5\t6\t0\n1\t8\t5\t0\n", "0\t6\t7\t1\n", "", "user 0 has 2 rows"},
        {"0\t5\t6\t0\n1\t8\t5\t0\n0\t5 6\t7\t0\n", "0\t6\t7\t1\n", "0\t5 6 7\t8\t2\n", "minionerec_valid.tsv:2"},
        {"9\t5\t6\t0\n", "", "", "minionerec_train.tsv:2: unknown user"},
        {"0\t5\t6\tx\n", "", "", "minionerec_train.tsv:2: malformed timestamp"},
        {"0\t\t6\t0\n", "", "", "minionerec_train.tsv:2: empty history"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_exact(bad[i].train, bad[i].valid, bad[i].test);
        ck_assert_int_eq(prepare_run("bad"), E_INPUT);
        ck_assert_msg(strstr(status_message(), bad[i].fault) != NULL, "`%s` not in: %s", bad[i].fault, status_message());
    }
}
END_TEST

START_TEST(published_counts_are_checked)
{
    write_raw("U A " T "01;U B " T "02;U C " T "03;", "A;B;C;");
    entry.users = 1, entry.items = 3, entry.interactions = 3, entry.expected_raw = true;
    (void)prepare_load("out");
    ck_assert_double_eq(meta_number("out", "expected.met"), 1);
    entry.items = 4;
    ck_assert_int_eq(prepare_run("other"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "1 users, 3 items, 3 interactions after filtering; 1, 4, 3 are published"));
    settings.check_counts = false;
    (void)prepare_load("other");
    ck_assert_double_eq(meta_number("other", "expected.met"), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("preprocess");
    TCase *t = tcase_create("preprocess");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_test(t, leave_last_out_by_time_and_file_order);
    tcase_add_test(t, recorded_captions_join_their_items);
    tcase_add_test(t, texts_are_decoded_and_nothing_else_comes_in);
    tcase_add_test(t, the_2018_release_is_json_with_lists);
    tcase_add_test(t, the_core_is_iterated_to_its_fixed_point);
    tcase_add_test(t, duplicates_go_repeats_stay_or_go_as_asked);
    tcase_add_test(t, shuffled_ties_stay_inside_their_second);
    tcase_add_test(t, numbers_are_a_function_of_seed_and_id);
    tcase_add_test(t, chrono_orders_all_rows_by_time);
    tcase_add_test(t, the_sequence_form_keeps_its_order);
    tcase_add_test(t, shipped_rows_are_taken_exactly_or_refused);
    tcase_add_test(t, published_counts_are_checked);
    suite_add_tcase(s, t);
    return suite_run(s);
}
