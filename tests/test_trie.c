/* tests/test_trie.c -- the prefix tree: hand-made cases, numbering, refusals, and leaves = items for random catalogues. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sid/trie.h"
#include "suite.h"

static Arena *arena;
static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

START_TEST(by_hand)
{
    /*        root -2-> 1 -5-> 3 -0-> 6 (item 1)    numbered breadth first, children by token
     *                         3 -4-> 7 (item 3)
     *                    -9-> 4 (item 0)
     *             -7-> 2 -5-> 5 (item 2)           */
    const int32_t token[] = {2, 9, -1, 2, 5, 0, 7, 5, -1, 2, 5, 4};
    Trie *t;
    ck_assert_int_eq(trie_build(arena, 4, 3, token, &t), OK);
    ck_assert_int_eq(t->n_nodes, 8);
    ck_assert_int_eq(t->depth, 3);
    const int32_t first[] = {0, 2, 4, 5, 7, 7, 7, 7, 7}, child[] = {2, 7, 5, 9, 5, 0, 4}, item[] = {-1, -1, -1, -1, 0, 2, 1, 3};
    ck_assert_int_eq(memcmp(t->first_child, first, sizeof first), 0);
    ck_assert_int_eq(memcmp(t->child_token, child, sizeof child), 0);
    ck_assert_int_eq(memcmp(t->item, item, sizeof item), 0);
    ck_assert_int_eq(trie_child(t, 0, 7), 2);
    ck_assert_int_eq(trie_child(t, 3, 4), 7);
    ck_assert_int_eq(trie_child(t, 0, 5), -1);
    ck_assert_int_eq(trie_child(t, 0, 9), -1); /* a token of another node's children */
    ck_assert_int_eq(trie_child(t, 4, 0), -1); /* a leaf */
}
END_TEST

START_TEST(one_item)
{
    Trie *t;
    ck_assert_int_eq(trie_build(arena, 1, 1, (int32_t[]){0}, &t), OK);
    ck_assert_int_eq(t->n_nodes, 2);
    ck_assert_int_eq(t->item[1], 0);
}
END_TEST

static const struct { int32_t token[6]; const char *message; } bad[] = {
    {{1, 2, 3, 1, 2, 3}, "SID of item 0 equals or begins the SID of item 1"},
    {{1, 2, 3, 1, 2, -1}, "SID of item 1 equals or begins the SID of item 0"},
    {{1, -1, -1, 1, 2, 5}, "SID of item 0 equals or begins the SID of item 1"},
};

START_TEST(prefixes_are_refused)
{
    Trie *t;
    ck_assert_int_eq(trie_build(arena, 2, 3, bad[_i].token, &t), E_INPUT);
    ck_assert_msg(strstr(status_message(), bad[_i].message) != NULL, "message: %s", status_message());
}
END_TEST

/* Every item is reached by its tokens and at no other leaf; children are sorted; inner nodes have children and no item. */
START_TEST(leaves_are_the_items)
{
    enum { N = 700, Q = 3, K = 6, BASE = 11 };
    Rng r = rng_make((uint64_t)_i, RNG_STAGE_TEST, RNG_SAMPLE, 1, 0);
    int32_t code[N * Q];
    for (int i = 0; i < N * Q; i++) code[i] = (int32_t)rng_below(&r, K);
    Catalogue *c = catalogue_from_codes(arena, N, Q, K, code);
    Trie *t;
    ck_assert_int_eq(trie_from_catalogue(arena, c, BASE, &t), OK);
    for (int32_t i = 0; i < N; i++) {
        int32_t token[SID_MAX], node = 0;
        int64_t n = catalogue_tokens(c, i, BASE, token);
        for (int64_t l = 0; l < n; l++) {
            ck_assert_int_eq(t->item[node], -1);
            node = trie_child(t, node, token[l]);
            ck_assert_int_gt(node, 0);
        }
        ck_assert_int_eq(t->item[node], i);
    }
    int64_t leaves = 0;
    for (int64_t node = 0; node < t->n_nodes; node++) {
        int32_t lo = t->first_child[node], hi = t->first_child[node + 1];
        ck_assert_int_eq(t->item[node] >= 0, lo == hi);
        leaves += lo == hi;
        for (int32_t s = lo + 1; s < hi; s++) ck_assert_int_lt(t->child_token[s - 1], t->child_token[s]);
        for (int32_t s = lo; s < hi; s++) ck_assert_int_eq(trie_child(t, (int32_t)node, t->child_token[s]), s + 1);
    }
    ck_assert_int_eq(leaves, N);
    ck_assert_int_eq(t->first_child[t->n_nodes], t->n_nodes - 1);
    ck_assert_int_eq(t->depth, Q + (c->n_suffix > 0));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("trie");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, by_hand);
    tcase_add_test(t, one_item);
    tcase_add_loop_test(t, prefixes_are_refused, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_loop_test(t, leaves_are_the_items, 0, 5);
    Suite *s = suite_create("trie");
    suite_add_tcase(s, t);
    return suite_run(s);
}
