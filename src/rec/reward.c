/* rec/reward.c -- the interest-aware reward. Contract in reward.h. */
#include "rec/reward.h"

static int32_t find_item(const Trie *t, const int32_t *candidate, int64_t n)
{
    int32_t node = 0;
    for (int64_t i = 0; i < n && node >= 0; i++) node = trie_child(t, node, candidate[i]);
    return node > 0 ? t->item[node] : -1; /* an inner node has item -1: a prefix alone is no item */
}

Reward reward_of(const Trie *trie, const RewardWeights *w, int64_t Q, int32_t target, const int32_t *target_sid, double quality,
                 const int32_t *candidate, int64_t n)
{
    Reward r = {.item = find_item(trie, candidate, n)};
    r.valid = r.item >= 0;
    r.exact = r.item == target;
    while (r.lcp < Q && r.lcp < n && candidate[r.lcp] == target_sid[r.lcp]) r.lcp++;
    r.total = (double)r.exact + w->valid * (double)r.valid + w->pref * (double)r.lcp / (double)Q +
              w->alpha * quality * (double)r.exact;
    return r;
}
