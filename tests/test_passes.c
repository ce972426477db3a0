/* tests/test_passes.c -- counting ahead: two passes over the reviews give the data set of one pass, byte for byte, and keep little. */
#include "prepare_util.h"

#include "base/log.h"
#include "base/rng.h"
#include "data/ahead.h"
#include "data/textspool.h"

/* A world of a few active users and items and many rare ones, with duplicates, repeats, equal times, unusable lines and missing metadata. */
static void write_world(uint64_t seed)
{
    Rng rng = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    GzipFile *f;
    ck_assert_int_eq(gzip_open(in_scratch("raw/reviews.json.gz"), &f), OK);
    for (int i = 0; i < 4000; i++) {
        const bool active = rng_below(&rng, 3) > 0;
        const int user = active ? (int)rng_below(&rng, 60) : 60 + (int)rng_below(&rng, 2500);
        const int item = rng_below(&rng, 4) ? (int)rng_below(&rng, 40) : 40 + (int)rng_below(&rng, 900);
        const int time = (int)rng_below(&rng, active ? 300 : 30) * 86400 + 1300000000, times = 1 + (rng_below(&rng, 20) == 0);
        for (int k = 0; k < times; k++) gzip_printf(f, "{\"reviewerID\": \"U%d\", \"asin\": \"I%d\", \"unixReviewTime\": %d}\n", user, item, time);
        if (i % 900 == 7) gzip_puts(f, "{\"reviewerID\": \"U1\", \"asin\": \"I1\"}\n{not JSON\n");
    }
    ck_assert_int_eq(gzip_commit(f), OK);
    ck_assert_int_eq(gzip_open(in_scratch("raw/meta.json.gz"), &f), OK);
    for (int i = 0; i < 940; i++)
        if (i % 7) gzip_printf(f, "{'asin': 'I%d', 'title': '%s', 'description': 'text of %d'}\n", i, i % 5 ? "a title of four words" : "", i);
    ck_assert_int_eq(gzip_commit(f), OK);
}

static const struct { FilterSettings filter; const char *protocol, *ties; } cases[] = {
    {{.title_words = -1, .core_users = 5, .core_items = 5}, "leave-last-out", "file"},
    {{.title_words = -1, .core_users = 5, .core_items = 5}, "chrono-8-1-1", "shuffle"},
    {{.title_words = -1, .core_users = 2, .core_items = 9, .repeats = "first"}, "leave-last-out", "shuffle"},
    {{.title_words = -1, .core_users = 9, .core_items = 2, .repeats = "last", .duplicates = "keep"}, "leave-last-out", "file"},
    {{.title_words = 3, .core_users = 3, .core_items = 1, .items = "with-metadata"}, "leave-last-out", "file"},
    {{.title_words = -1, .core_users = 4, .core_items = 4, .items = "titled", .from = "2011-04-01", .to = "2011-12-01"}, "chrono-8-1-1", "file"},
    {{.title_words = -1, .core_users = 5, .core_items = 5, .core_rounds = 1}, "leave-last-out", "file"},
    {{.title_words = -1, .core_users = 6, .core_items = 6, .core_rounds = 2, .repeats = "first"}, "leave-last-out", "file"},
};

START_TEST(two_passes_give_the_data_set_of_one)
{
    static const char *const files[] = {"items.jsonl", "users.tsv", "train.tsv", "valid.tsv", "test.tsv", "rejected.tsv"};
    static const char *const same[] = {"filter.0.users", "filter.0.items", "filter.0.interactions", "counts.users", "counts.items", "counts.interactions", "counts.test_rows",
                                       "input.interactions_read", "input.interactions_rejected", "text.title"};
    settings.filter = cases[_i].filter;
    settings.protocol = cases[_i].protocol;
    settings.ties = cases[_i].ties;
    settings.max_loss = 0.01;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        write_world(seed);
        settings.passes = 1;
        ck_assert_msg(prepare_run("one") == OK, "%s", status_message());
        settings.passes = 2;
        ck_assert_msg(prepare_run("two") == OK, "%s", status_message());
        for (size_t f = 0; f < sizeof files / sizeof *files; f++)
            ck_assert_msg(same_bytes(in_scratch(arena_printf(arena, "one/%s", files[f])), in_scratch(arena_printf(arena, "two/%s", files[f]))), "seed %d: %s differs",
                          (int)seed, files[f]);
        for (size_t k = 0; k < sizeof same / sizeof *same; k++) ck_assert_double_eq(meta_number("one", same[k]), meta_number("two", same[k]));
        ck_assert_double_eq(meta_number("one", "source.passes"), 1);
        ck_assert_double_eq(meta_number("two", "source.passes"), 2);
        ck_assert_double_gt(meta_number("one", "filter.0.interactions"), 4000);
        ck_assert_double_lt(meta_number("two", "filter.1.interactions"), meta_number("two", "filter.0.interactions")); /* something was passed over */
    }
}
END_TEST

START_TEST(texts_in_a_file_stay_where_they_are)
{
    enum { TEXTS = 20000 };
    TextSpool *spool;
    const char **copy = ARENA_NEW(arena, const char *, TEXTS);
    ck_assert_int_eq(textspool_open(in_scratch("raw"), arena, &spool), OK);
    char text[1200];
    int64_t bytes = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < TEXTS; i++) {
            const int n = snprintf(text, sizeof text, "%d%*s", i, i % 1000, "end");
            if (round == 0) {
                ck_assert_int_eq(textspool_keep(spool, text, (size_t)n, &copy[i]), OK);
                bytes += n + 1;
            } else {
                ck_assert_str_eq(copy[i], text);
            }
            if (i % 777 == 0) textspool_rest(spool);
        }
        ck_assert_int_eq(textspool_bytes(spool), bytes);
    }
    textspool_close(spool);
    ck_assert_int_eq(rmdir(in_scratch("raw")), 0); /* the file had no name: nothing is left */
    ck_assert_int_eq(textspool_open(in_scratch("no/such/folder"), arena, &spool), E_RESOURCE);
}
END_TEST

/* Nothing to pass over: one pass, whatever is asked for. */
START_TEST(without_a_core_one_pass_is_enough)
{
    write_world(1);
    settings.filter.core_users = settings.filter.core_items = 1;
    settings.max_loss = 0.01;
    settings.passes = 2;
    ck_assert_msg(prepare_run("out") == OK, "%s", status_message());
    ck_assert_double_eq(meta_number("out", "source.passes"), 1);
}
END_TEST

START_TEST(a_cut_file_is_told_in_the_first_pass)
{
    write_world(1);
    size_t n;
    const char *whole = read_bytes(in_scratch("raw/reviews.json.gz"), &n);
    write_bytes(in_scratch("raw/reviews.json.gz"), whole, n - 9);
    settings.filter.core_users = settings.filter.core_items = 5;
    settings.passes = 2;
    assert_fails(E_INPUT, "truncated gzip stream");
}
END_TEST

START_TEST(counts_are_those_of_the_ids)
{
    enum { IDS = 50000 };
    static int users[IDS], items[IDS];
    Rng rng = rng_make(3, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    Ahead *a = ahead_create(5, 3);
    char user[32], item[32];
    int64_t n = 0, distinct_users = 0, distinct_items = 0, kept = 0;
    for (int i = 0; i < 150000; i++) {
        const int u = (int)(rng_below(&rng, IDS) * rng_below(&rng, IDS) / IDS), v = (int)rng_below(&rng, IDS);
        users[u]++;
        items[v]++;
        ahead_count(a, user, (size_t)sprintf(user, "%d", u), item, (size_t)sprintf(item, "AB%dCDEFGHIJK", v));
        n++;
    }
    for (int i = 0; i < IDS; i++) {
        distinct_users += users[i] > 0;
        distinct_items += items[i] > 0;
        kept += users[i] >= 5 ? users[i] : 0;
    }
    ck_assert_int_eq(ahead_events(a), n);
    ck_assert_int_eq(ahead_users(a), distinct_users);
    ck_assert_int_eq(ahead_items(a), distinct_items);
    ck_assert_int_le(ahead_most_kept(a), kept);
    for (int u = 0; u < IDS; u += 7)
        for (int v = 0; v < IDS; v += 4999) {
            ck_assert_int_eq(ahead_keeps_user(a, user, (size_t)sprintf(user, "%d", u)), users[u] >= 5);
            ck_assert_int_eq(ahead_keeps_item(a, item, (size_t)sprintf(item, "AB%dCDEFGHIJK", v)), items[v] >= 3);
        }
    ahead_destroy(a);
}
END_TEST

START_TEST(counts_beyond_their_largest_lose_nothing)
{
    Ahead *a = ahead_create(1000000, 2);
    for (int i = 0; i < 70000; i++) ahead_count(a, "U", 1, "I", 1);
    ck_assert(ahead_keeps_user(a, "U", 1) && ahead_keeps_item(a, "I", 1));
    ck_assert(!ahead_keeps_user(a, "V", 1));
    ck_assert_int_eq(ahead_most_kept(a), 70000);
    ahead_destroy(a);
}
END_TEST

int main(void)
{
    log_open("test_passes", true);
    Suite *s = suite_create("passes");
    TCase *t = tcase_create("passes");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_loop_test(t, two_passes_give_the_data_set_of_one, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_test(t, texts_in_a_file_stay_where_they_are);
    tcase_add_test(t, without_a_core_one_pass_is_enough);
    tcase_add_test(t, a_cut_file_is_told_in_the_first_pass);
    tcase_add_test(t, counts_are_those_of_the_ids);
    tcase_add_test(t, counts_beyond_their_largest_lose_nothing);
    suite_add_tcase(s, t);
    return suite_run(s);
}
