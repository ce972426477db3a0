/* tests/test_reward.c -- the interest-aware reward by hand, and the reading of item qualities. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "rec/grpo_train.h"
#include "rec/reward.h"
#include "suite.h"

static char root[] = "/tmp/digr_reward_XXXXXX";
static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void)
{
    (void)unlink(arena_printf(arena, "%s/labels.jsonl", root));
    arena_destroy(arena);
}

/* items: 0 = 4 7 9, 1 = 4 7 8 with suffix 0, 2 = 4 7 8 with suffix 1, 3 = 5 7 9 */
static const int32_t sid[4 * 4] = {4, 7, 9, -1, 4, 7, 8, 0, 4, 7, 8, 1, 5, 7, 9, -1};

static const struct {
    int32_t target;
    double quality;
    int32_t n, candidate[5], item;
    int exact, valid, lcp;
    double total; /* lambda_valid 0.1, lambda_pref 0.3, alpha 0.5 */
} by_hand[] = {
    {0, 0.25, 3, {4, 7, 9}, 0, 1, 1, 3, 1 + 0.1 + 0.3 + 0.125},
    {0, 0.25, 3, {5, 7, 9}, 3, 0, 1, 0, 0.1},
    {0, 0.25, 4, {4, 7, 8, 1}, 2, 0, 1, 2, 0.1 + 0.2},
    {1, 0.8, 4, {4, 7, 8, 0}, 1, 1, 1, 3, 1 + 0.1 + 0.3 + 0.4},
    {1, 0.8, 4, {4, 7, 8, 1}, 2, 0, 1, 3, 0.1 + 0.3},     /* the suffix never counts in the prefix */
    {1, 0.8, 3, {4, 7, 8}, -1, 0, 0, 3, 0.3},             /* without its suffix it is no item, but keeps its prefix */
    {0, 1, 4, {4, 7, 9, 0}, -1, 0, 0, 3, 0.3},            /* nor is an item with more tokens than its SID */
    {0, 1, 5, {4, 7, 9, 0, 0}, -1, 0, 0, 3, 0.3},
    {0, 1, 3, {4, -1, 9}, -1, 0, 0, 1, 0.1},
    {0, 1, 1, {4}, -1, 0, 0, 1, 0.1},
    {0, 1, 1, {-1}, -1, 0, 0, 0, 0},
    {0, 1, 0, {0}, -1, 0, 0, 0, 0},
    {3, 0, 3, {5, 7, 9}, 3, 1, 1, 3, 1 + 0.1 + 0.3},      /* q = 0 gives no bonus */
};

START_TEST(rewards_by_hand)
{
    Trie *trie;
    ck_assert_int_eq(trie_build(arena, 4, 4, sid, &trie), OK);
    const RewardWeights w = {.valid = 0.1, .pref = 0.3, .alpha = 0.5};
    int32_t target = by_hand[_i].target;
    Reward r = reward_of(trie, &w, 3, target, sid + 4 * target, by_hand[_i].quality, by_hand[_i].candidate, by_hand[_i].n);
    ck_assert_int_eq(r.item, by_hand[_i].item);
    ck_assert_int_eq(r.exact, by_hand[_i].exact);
    ck_assert_int_eq(r.valid, by_hand[_i].valid);
    ck_assert_int_eq(r.lcp, by_hand[_i].lcp);
    ck_assert_msg(fabs(r.total - by_hand[_i].total) <= 1e-12, "reward %.17g, by hand %.17g", r.total, by_hand[_i].total);
}
END_TEST

START_TEST(weights_are_free)
{
    Trie *trie;
    ck_assert_int_eq(trie_build(arena, 4, 4, sid, &trie), OK);
    const RewardWeights w = {.valid = 0.07, .pref = 0.6, .alpha = 2};
    Reward r = reward_of(trie, &w, 3, 0, sid, 0.3, sid, 3);
    ck_assert(fabs(r.total - (1 + 0.07 + 0.6 + 0.6)) <= 1e-12);
    r = reward_of(trie, &w, 3, 0, sid, 0.3, sid + 4, 4);
    ck_assert(fabs(r.total - (0.07 + 0.4)) <= 1e-12);
}
END_TEST

static const char *write_lines(const char *text)
{
    AtomicFile *f;
    const char *path = arena_printf(arena, "%s/labels.jsonl", root);
    ck_assert_int_eq(atomic_open(path, &f), OK);
    fputs(text, atomic_stream(f));
    ck_assert_int_eq(atomic_commit(f), OK);
    return path;
}

START_TEST(qualities_are_read)
{
    const char *path = write_lines("{\"item\": 0, \"interests\": [], \"quality\": null}\n{\"item\": 1, \"interests\": [], \"quality\": 0.25}\n"
                                   "{\"item\": 2, \"interests\": [], \"quality\": 1}\n");
    double *q;
    int64_t unknown;
    ck_assert_int_eq(grpo_read_quality(path, 3, arena, &q, &unknown), OK);
    ck_assert_int_eq(unknown, 1);
    ck_assert(q[0] <= 0 && fabs(q[1] - 0.25) <= 0 && fabs(q[2] - 1) <= 0);
}
END_TEST

static const struct { const char *text, *message; } bad[] = {
    {"{\"item\": 0, \"quality\": 0.5}\n{\"item\": 2, \"quality\": 0.5}\n", "labels.jsonl:2: expected item 1"},
    {"{\"item\": 0, \"quality\": 1.5}\n{\"item\": 1, \"quality\": 0.5}\n", "labels.jsonl:1: expected item 0"},
    {"{\"item\": 0, \"quality\": 0.5}\n{\"item\": 1}\n", "labels.jsonl:2: expected item 1"},
    {"{\"item\": 0, \"quality\": 0.5}\n", "1 items, the data set has 2"},
    {"{\"item\": 0, \"quality\": 0.5}\n{\"item\": 1, \"qual", "labels.jsonl"},
};

START_TEST(bad_qualities_are_refused)
{
    double *q;
    int64_t unknown;
    ck_assert_int_eq(grpo_read_quality(write_lines(bad[_i].text), 2, arena, &q, &unknown), E_INPUT);
    ck_assert_msg(strstr(status_message(), bad[_i].message) != NULL, "message: %s", status_message());
}
END_TEST

int main(void)
{
    if (mkdtemp(root) == NULL) return 1;
    TCase *t = tcase_create("reward");
    tcase_set_timeout(t, 10);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, rewards_by_hand, 0, (int)(sizeof by_hand / sizeof *by_hand));
    tcase_add_test(t, weights_are_free);
    tcase_add_test(t, qualities_are_read);
    tcase_add_loop_test(t, bad_qualities_are_refused, 0, (int)(sizeof bad / sizeof *bad));
    Suite *s = suite_create("reward");
    suite_add_tcase(s, t);
    const int failed = suite_run(s);
    (void)rmdir(root);
    return failed != 0;
}
