/* tests/golden_reward.c -- golden cases of kind reward (JSON only): rec/reward.h on catalogues given as codes, and llm/quality.h. */
#include <math.h>
#include <string.h>

#include "golden.h"
#include "llm/quality.h"
#include "rec/reward.h"

Status golden_reward(GoldenCase *c);

static bool near(const GoldenCase *c, double got, double expected)
{
    double rtol = cJSON_GetObjectItemCaseSensitive(c->json, "rtol")->valuedouble;
    double atol = cJSON_GetObjectItemCaseSensitive(c->json, "atol")->valuedouble;
    return fabs(got - expected) <= atol + rtol * fabs(expected);
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    REQUIRE(cJSON_IsNumber(v) || cJSON_IsBool(v), "%s is missing or no number", key);
    return cJSON_IsBool(v) ? (double)cJSON_IsTrue(v) : v->valuedouble;
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    REQUIRE(v != NULL, "%s is missing", key);
    return v;
}

/* codes -- an array of integers into out (room for n). Returns how many there are. */
static int64_t codes(const cJSON *array, int32_t *out, int64_t n)
{
    int64_t k = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, array)
    {
        REQUIRE(k < n, "more than %lld codes", (long long)n);
        out[k++] = (int32_t)v->valuedouble;
    }
    return k;
}

static int32_t item_number(const cJSON *catalogue, const char *name)
{
    int32_t i = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, catalogue)
    {
        if (strcmp(member(v, "item")->valuestring, name) == 0) return i;
        i++;
    }
    REQUIRE(false, "item %s is not in the catalogue", name);
    return -1;
}

static Status check_case(GoldenCase *c, const cJSON *json, int at)
{
    enum { WIDTH = SID_MAX, LEVELS = 3, LONGEST = 64 };
    const cJSON *catalogue = member(json, "catalogue"), *v;
    int64_t N = cJSON_GetArraySize(catalogue), i = 0;
    int32_t *sid = ARENA_NEW(c->arena, int32_t, N * WIDTH), candidate[LONGEST];
    memset(sid, -1, (size_t)(N * WIDTH) * sizeof *sid);
    cJSON_ArrayForEach(v, catalogue) codes(member(v, "sid"), sid + WIDTH * i++, WIDTH);
    Trie *trie;
    TRY(trie_build(c->arena, N, WIDTH, sid, &trie));
    const char *name = member(json, "target")->valuestring;
    int32_t target = item_number(catalogue, name);
    double q = number(member(json, "item_quality"), name);
    RewardWeights w = {.valid = number(json, "lambda_valid"), .pref = number(json, "lambda_pref"), .alpha = golden_config(c, "alpha_quality", 0.5)};
    const cJSON *expected = member(json, "expected")->child;
    int n = 0;
    cJSON_ArrayForEach(v, member(json, "candidates"))
    {
        REQUIRE(expected != NULL, "more candidates than expected values");
        Reward r = reward_of(trie, &w, LEVELS, target, sid + WIDTH * target, q, candidate, codes(v, candidate, LONGEST));
        const cJSON *item = member(expected, "item");
        int32_t want = cJSON_IsNull(item) ? -1 : item_number(catalogue, item->valuestring);
        bool ok = r.item == want && r.valid == (number(expected, "valid") > 0) && r.exact == (number(expected, "exact") > 0) &&
                  r.lcp == (int)number(expected, "lcp") && near(c, r.total, number(expected, "reward"));
        golden_check(c, ok, "case %d candidate %d: item %d, valid %d, exact %d, lcp %d, reward %.17g, expected item %d, reward %.17g", at, n, r.item,
                     r.valid, r.exact, r.lcp, r.total, want, number(expected, "reward"));
        expected = expected->next;
        n++;
    }
    golden_check(c, expected == NULL && n > 0, "case %d: %d candidates", at, n);
    return OK;
}

static void check_quality(GoldenCase *c, const cJSON *json, int at)
{
    enum { MOST = 64 };
    double confidence[MOST] = {0}, q = NAN;
    bool has[MOST] = {false}, refuse = number(json, "error") > 0;
    int label[MOST];
    int64_t n = 0;
    const cJSON *conf = member(json, "confs")->child, *v;
    cJSON_ArrayForEach(v, member(json, "labels"))
    {
        REQUIRE(n < MOST && conf != NULL, "labels and confs of quality case %d do not fit", at);
        label[n] = (int)v->valuedouble;
        has[n] = !cJSON_IsNull(conf);
        if (has[n]) confidence[n] = conf->valuedouble;
        conf = conf->next;
        n++;
    }
    Status status = item_quality(n, confidence, has, label, &q);
    if (refuse) {
        golden_check(c, status != OK, "quality case %d: %g given, expected a refusal", at, q);
        status_clear();
        return;
    }
    golden_check(c, status == OK && near(c, q, number(json, "expected_q")), "quality case %d: %.17g, expected %.17g", at, q, number(json, "expected_q"));
}

Status golden_reward(GoldenCase *c)
{
    int at = 0;
    const cJSON *v;
    cJSON_ArrayForEach(v, member(c->json, "cases")) TRY(check_case(c, v, at++));
    golden_check(c, at > 0, "no cases");
    at = 0;
    cJSON_ArrayForEach(v, member(c->json, "quality_cases")) check_quality(c, v, at++);
    return OK;
}
