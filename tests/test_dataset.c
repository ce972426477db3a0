/* tests/test_dataset.c -- loading a data set folder: what is there, and every way in which it can be wrong. */
#include "data_util.h"

#include "base/arena.h"
#include "data/dataset.h"
#include "suite.h"

static const char META[] = "{\"name\": \"tiny\", \"label\": \"Tiny\", \"simulated\": true, \"protocol\": \"leave-last-out\", \"max_history\": 20,\n"
                           " \"counts\": {\"users\": 3, \"items\": 4, \"interactions\": 11, \"train_sequences\": 2, \"valid_rows\": 2, \"test_rows\": 1}}\n";
static const char ITEMS[] =
    "{\"item\": 0, \"id\": \"A\", \"title\": \"a\", \"brand\": \"\", \"categories\": \"X > Y\", \"description\": \"\", \"keywords\": \"\", \"caption\": \"\"}\n"
    "{\"item\": 1, \"id\": \"B\", \"title\": \"b\", \"brand\": \"q\", \"categories\": \"\", \"description\": \"d\", \"keywords\": \"k\", \"caption\": \"c\"}\n"
    "{\"item\": 2, \"id\": \"C\", \"title\": \"\", \"brand\": \"\", \"categories\": \"\", \"description\": \"\", \"keywords\": \"\", \"caption\": \"\"}\n"
    "{\"item\": 3, \"id\": \"D\", \"title\": \"\\u00e8\", \"brand\": \"\", \"categories\": \"\", \"description\": \"\", \"keywords\": \"\", \"caption\": \"\"}\n";
static const char TRAIN[] = "user\titems\n0\t3 1 1\n2\t0\n";
static const char VALID[] = "user\thistory\ttarget\ttimestamp\n0\t3 1 1\t2\t1300000000\n2\t0\t1\t0\n";
static const char TEST[] = "user\thistory\ttarget\ttimestamp\n0\t3 1 1 2\t0\t1300000001\n";

static void write_folder(void)
{
    write_text(in_scratch("meta.json"), META);
    write_text(in_scratch("items.jsonl"), ITEMS);
    write_text(in_scratch("train.tsv"), TRAIN);
    write_text(in_scratch("valid.tsv"), VALID);
    write_text(in_scratch("test.tsv"), TEST);
}

START_TEST(a_folder_is_read_as_it_is)
{
    Arena *arena = arena_create("test");
    Dataset *d;
    write_folder();
    ck_assert_msg(dataset_load(scratch, true, arena, &d) == OK, "%s", status_message());
    ck_assert_str_eq(d->name, "tiny");
    ck_assert_str_eq(d->label, "Tiny");
    ck_assert_str_eq(d->protocol, "leave-last-out");
    ck_assert(d->simulated);
    ck_assert_int_eq(d->n_users, 3);
    ck_assert_int_eq(d->N, 4);
    ck_assert_int_eq(d->n_interactions, 11);
    ck_assert_int_eq(d->max_history, 20);
    ck_assert_int_eq(d->train.n, 2);
    ck_assert_int_eq(d->train.user[1], 2);
    ck_assert_int_eq(d->train.offset[0], 0);
    ck_assert_int_eq(d->train.offset[1], 3);
    ck_assert_int_eq(d->train.offset[2], 4);
    static const int32_t items[] = {3, 1, 1, 0};
    ck_assert_mem_eq(d->train.items, items, sizeof items);
    ck_assert_int_eq(d->valid.n, 2);
    ck_assert_int_eq(d->valid.target[0], 2);
    ck_assert_int_eq(d->valid.offset[1], 3);
    ck_assert_int_eq(d->valid.history[3], 0);
    ck_assert_int_eq(d->test.n, 1);
    ck_assert_int_eq(d->test.user[0], 0);
    ck_assert_int_eq(d->test.offset[1], 4);
    ck_assert_int_eq(d->test.target[0], 0);
    ck_assert_str_eq(d->text[0].categories, "X > Y");
    ck_assert_str_eq(d->text[1].caption, "c");
    ck_assert_str_eq(d->text[3].title, "\xc3\xa8");
    int64_t popularity[4];
    dataset_popularity(d, popularity);
    static const int64_t expected[] = {1, 2, 0, 1};
    ck_assert_mem_eq(popularity, expected, sizeof expected);
    ck_assert_int_eq(dataset_load(scratch, false, arena, &d), OK);
    ck_assert_ptr_null(d->text);
    arena_destroy(arena);
}
END_TEST

/* One file replaced by a faulty one: E_INPUT, and the message names the place. */
static const struct { const char *file, *text, *place; } faults[] = {
    {"train.tsv", "user\titems\n0\t3 1 4\n2\t0\n", "train.tsv:2"},        /* item out of range */
    {"train.tsv", "user\titems\n0\t3 1 1\n3\t0\n", "train.tsv:3"},        /* user out of range */
    {"train.tsv", "user\titems\n0\t3  1\n2\t0\n", "train.tsv:2"},         /* two spaces */
    {"train.tsv", "user\titems\n0\t3 1 \n2\t0\n", "train.tsv:2"},         /* a space at the end */
    {"train.tsv", "user\titems\n0\t3 -1\n2\t0\n", "train.tsv:2"},
    {"train.tsv", "user\titems\n0\t3 1.5\n2\t0\n", "train.tsv:2"},
    {"train.tsv", "user\titems\n0\t99999999999999999999\n2\t0\n", "train.tsv:2"},
    {"train.tsv", "user\titems\n0\t3 1 1\r\n2\t0\n", "train.tsv:2"},
    {"train.tsv", "user\titems\n0\t3 1\n2\t\n", "train.tsv:3"},           /* empty sequence */
    {"train.tsv", "user items\n0\t3 1 1\n2\t0\n", "train.tsv:1"},         /* header */
    {"train.tsv", "", "train.tsv:1"},
    {"train.tsv", "user\titems\n0\t3 1 1\n", "train_sequences is 2"},     /* a line is missing */
    {"valid.tsv", "user\thistory\ttarget\ttimestamp\n0\t3 1\t2\t1\n2\t\t1\t0\n", "valid.tsv:3"}, /* empty history */
    {"valid.tsv", "user\thistory\ttarget\ttimestamp\n0\t3 1\t4\t1\n2\t0\t1\t0\n", "valid.tsv:2"},
    {"valid.tsv", "user\thistory\ttarget\ttimestamp\n0\t3 1\t2\n2\t0\t1\t0\n", "valid.tsv:2"},   /* a column is missing */
    {"valid.tsv", "user\thistory\ttarget\ttimestamp\n0\t3 1\t2\t-1\n2\t0\t1\t0\n", "valid.tsv:2"},
    {"test.tsv", "user\thistory\ttarget\ttimestamp\n0\t3 1 1 2\t0\t1 \n", "test.tsv:2"},
    {"test.tsv", "user\thistory\ttarget\ttimestamp\n", "test_rows is 1"},
    {"items.jsonl", "{\"item\": 1, \"id\": \"A\"}\n", "items.jsonl:1"},   /* wrong index */
    {"items.jsonl", "{\"item\": 0, \"id\": \"A\"}\n", "items.jsonl:1"},   /* a text is missing */
    {"items.jsonl", "{\"item\": 0, \"id\":\n", "items.jsonl:1"},
    {"items.jsonl", "", "items.jsonl: 0 items"},
    {"meta.json", "{\"name\": \"tiny\"}", "meta.json"},
    {"meta.json", "{", "meta.json"},
};

START_TEST(a_fault_is_told_with_file_and_line)
{
    Arena *arena = arena_create("test");
    Dataset *d = NULL;
    write_folder();
    write_text(in_scratch(faults[_i].file), faults[_i].text);
    ck_assert_msg(dataset_load(scratch, true, arena, &d) == E_INPUT, "fault %d is accepted", _i);
    ck_assert_msg(strstr(status_message(), faults[_i].place) != NULL, "`%s` not in: %s", faults[_i].place, status_message());
    ck_assert_ptr_null(d);
    arena_destroy(arena);
}
END_TEST

START_TEST(a_missing_file_or_folder_is_told)
{
    Arena *arena = arena_create("test");
    Dataset *d;
    static const char *const files[] = {"meta.json", "items.jsonl", "train.tsv", "valid.tsv", "test.tsv"};
    for (size_t i = 0; i < 5; i++) {
        write_folder();
        ck_assert_int_eq(unlink(in_scratch(files[i])), 0);
        ck_assert_int_eq(dataset_load(scratch, true, arena, &d), E_INPUT);
        ck_assert_ptr_nonnull(strstr(status_message(), files[i]));
    }
    ck_assert_int_eq(dataset_load(in_scratch("nowhere"), true, arena, &d), E_INPUT);
    arena_destroy(arena);
}
END_TEST

START_TEST(more_items_than_announced_are_told)
{
    Arena *arena = arena_create("test");
    Dataset *d;
    char five[2048];
    write_folder();
    (void)snprintf(five, sizeof five, "%s{\"item\": 4}\n", ITEMS);
    write_text(in_scratch("items.jsonl"), five);
    ck_assert_int_eq(dataset_load(scratch, true, arena, &d), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "items.jsonl:5"));
    arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset");
    TCase *t = tcase_create("dataset");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, scratch_make, scratch_remove);
    tcase_add_test(t, a_folder_is_read_as_it_is);
    tcase_add_loop_test(t, a_fault_is_told_with_file_and_line, 0, (int)(sizeof faults / sizeof *faults));
    tcase_add_test(t, a_missing_file_or_folder_is_told);
    tcase_add_test(t, more_items_than_announced_are_told);
    suite_add_tcase(s, t);
    return suite_run(s);
}
