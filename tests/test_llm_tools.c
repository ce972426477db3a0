/* tests/test_llm_tools.c -- the tools of the cache of answers: merge, verify, show, what drift is said to be, the table of members. */
#include <math.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/json.h"
#include "llm/cachemerge.h"
#include "llm/drift.h"
#include "llm/frames.h"
#include "llm/words.h"
#include "llm_support.h"

#define E10 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"

static Support s;

static void setup(void) { support_begin(&s); }
static void teardown(void) { support_end(&s); }

static Response record(const char *item, const char *response) {
    Response r = {.provider = "p", .model = "m", .template_id = "t/1", .set = "set", .date = "2026-11", .item = item, .response = response};
    char key[SHA256_HEX];
    prompt_key("p", "m", "t/1", item, key);
    r.key = arena_strdup(s.arena, key);
    return r;
}

/* "a:1 b:2" -> records for the items a and b with these responses, in one file. */
static const char *make_file(const char *name, const char *records) {
    const char *path = support_path(&s, name);
    char *rest = arena_strdup(s.arena, records);
    for (char *entry; (entry = strsep(&rest, " "));) {
        char *colon = strchr(entry, ':');
        *colon = 0;
        Response r = record(entry, colon + 1);
        MUST(responses_append(path, &r, 1)); /* a frame each */
    }
    return path;
}

/* The records of a file in its order, "a:1 b:2". */
static const char *content(const char *path) {
    Responses *c;
    const char *text = "";
    MUST(responses_open(path, s.arena, &c));
    for (int64_t i = 0; i < responses_count(c); i++)
        text = arena_printf(s.arena, "%s%s%s:%s", text, i ? " " : "", responses_at(c, i)->item, responses_at(c, i)->response);
    return text;
}

static int64_t file_bytes(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

START_TEST(merge_orders_and_counts) {
    const char *in[3] = {make_file("a.jsonl.zst", "x:1 y:2 x:3 z:4"), make_file("b.jsonl.zst", "y:2 w:5"), make_file("c.jsonl.zst", "v:6 w:5 z:4")};
    const char *out = support_path(&s, "out.jsonl.zst");
    MergedCache c;
    ck_assert_int_eq(cache_merge(3, in, out, CONFLICT_REFUSE, s.arena, &c), OK);
    ck_assert_str_eq(content(out), "x:3 y:2 z:4 w:5 v:6");
    ck_assert_int_eq(c.read, 9);
    ck_assert_int_eq(c.superseded, 1); /* x:1 */
    ck_assert_int_eq(c.identical, 3);
    ck_assert_int_eq(c.conflicts, 0);
    ck_assert_int_eq(c.written, 5);
    ck_assert(!path_exists(arena_printf(s.arena, "%s.tmp", out)));
    /* again, into itself: nothing changes */
    const char *self[2] = {out, in[1]};
    size_t n, m;
    char *before = support_read(&s, out, &n);
    ck_assert_int_eq(cache_merge(2, self, out, CONFLICT_REFUSE, s.arena, &c), OK);
    char *after = support_read(&s, out, &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    /* a folder is its files in name order, one input */
    const char *folder[2] = {s.dir, in[2]};
    ck_assert_int_eq(cache_merge(2, folder, support_path(&s, "all.jsonl.zst"), CONFLICT_REFUSE, s.arena, &c), OK);
    ck_assert_int_eq(c.written, 5);
}
END_TEST

START_TEST(merge_conflicts_are_refused_or_decided) {
    const char *in[2] = {make_file("a.jsonl.zst", "x:1 y:2"), make_file("b.jsonl.zst", "y:9 x:1 z:3")};
    const char *out = support_path(&s, "out.jsonl.zst");
    MergedCache c;
    int64_t size = file_bytes(in[0]);
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_REFUSE, s.arena, &c), E_INPUT);
    ck_assert_int_eq(c.conflicts, 1);
    ck_assert(!path_exists(out) && !path_exists(arena_printf(s.arena, "%s.tmp", out)));
    ck_assert_int_eq(cache_merge(2, in, "", CONFLICT_REFUSE, s.arena, &c), E_INPUT);
    ck_assert_int_eq(file_bytes(in[0]), size);
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_FIRST, s.arena, &c), OK);
    ck_assert_str_eq(content(out), "x:1 y:2 z:3");
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_LAST, s.arena, &c), OK);
    ck_assert_str_eq(content(out), "x:1 y:9 z:3");
}
END_TEST

START_TEST(merge_appends_what_the_first_lacks) {
    const char *in[2] = {make_file("a.jsonl.zst", "x:1 y:2"), make_file("b.jsonl.zst", "y:2 z:3 x:8")};
    MergedCache c;
    size_t n, m;
    char *before = support_read(&s, in[0], &n);
    FILE *f = fopen(in[0], "ab"); /* an interrupted append before: cut off */
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite("\x28\xb5\x2f\xfdtorn", 1, 8, f), 8);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(cache_merge(2, in, "", CONFLICT_LAST, s.arena, &c), OK);
    ck_assert_int_eq(c.written, 2);
    char *after = support_read(&s, in[0], &m);
    ck_assert(m > n && memcmp(before, after, n) == 0); /* what was there stays byte for byte */
    ck_assert_str_eq(content(in[0]), "x:1 y:2 x:8 z:3");
    ck_assert_int_eq(cache_merge(2, in, "", CONFLICT_REFUSE, s.arena, &c), OK); /* the later x counts now, in both */
    ck_assert_int_eq(c.written, 0);
    ck_assert_int_eq(c.superseded, 1);
    const char *folder[2] = {s.dir, in[1]};
    ck_assert_int_eq(cache_merge(2, folder, "", CONFLICT_REFUSE, s.arena, &c), E_USAGE);
    ck_assert_int_eq(cache_merge(1, in, "", CONFLICT_REFUSE, s.arena, &c), E_USAGE);
}
END_TEST

/* Everything a record may hold survives; a record without an end, or a file that is none, stops the merge before anything is written. */
START_TEST(merge_copies_lines_and_refuses_damage) {
    const char *a = support_path(&s, "a.jsonl.zst"), *b = support_path(&s, "b.jsonl.zst"), *out = support_path(&s, "out.jsonl.zst");
    Response r = record("x", "caf\xc3\xa9 \"quoted\"\n");
    r.has_usage = true, r.tokens_in = 12, r.tokens_out = 34, r.image = "sha256:00", r.thinking = "hm", r.parts = "template=0000", r.fault = "why";
    MUST(responses_append(a, &r, 1));
    (void)make_file("b.jsonl.zst", "y:1");
    const char *in[2] = {a, b};
    MergedCache c;
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_REFUSE, s.arena, &c), OK);
    Responses *cache;
    MUST(responses_open(out, s.arena, &cache));
    const Response *got = responses_at(cache, 0);
    ck_assert(got->has_usage && got->tokens_in == 12 && got->tokens_out == 34);
    ck_assert_str_eq(got->response, r.response);
    ck_assert_str_eq(got->image, "sha256:00");
    ck_assert_str_eq(got->thinking, "hm");
    ck_assert_str_eq(got->parts, "template=0000");
    ck_assert_str_eq(got->fault, "why");
    ck_assert_int_eq(unlink(out), 0);
    FrameWriter *w;
    MUST(frames_append_begin(b, &w));
    MUST(frames_append(w, "{\"key\":1}\n", 10));
    MUST(frames_append_end(w));
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_REFUSE, s.arena, &c), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "b.jsonl.zst"));
    ck_assert(!path_exists(out));
}
END_TEST

/* Killed at any moment, the output is the old one or the new one. */
START_TEST(merge_killed_leaves_old_or_new) {
    const char *a = support_path(&s, "a.jsonl.zst"), *out = support_path(&s, "out.jsonl.zst");
    enum { N = 3000 };
    Response *r = ARENA_NEW(s.arena, Response, N);
    for (int i = 0; i < N; i++) r[i] = record(arena_printf(s.arena, "item%d", i), arena_printf(s.arena, "answer %d", i));
    MUST(responses_append(a, r, N));
    const char *in[2] = {a, make_file("b.jsonl.zst", "last:1")};
    (void)make_file("out.jsonl.zst", "old:1");
    for (int wait_us = 0; wait_us < 60000; wait_us += 6000) {
        (void)fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            MergedCache c;
            _exit(cache_merge(2, in, out, CONFLICT_REFUSE, s.arena, &c) == OK ? 0 : 1);
        }
        (void)usleep((useconds_t)wait_us);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        Responses *c;
        MUST(responses_open(out, s.arena, &c));
        ck_assert_msg(responses_count(c) == 1 || responses_count(c) == N + 1, "%lld", (long long)responses_count(c));
    }
    MergedCache c;
    ck_assert_int_eq(cache_merge(2, in, out, CONFLICT_REFUSE, s.arena, &c), OK);
    ck_assert_int_eq(c.written, N + 1);
}
END_TEST

/* ---- drift */

static Response *imported(const char *item, const char *template_id, Responses **cache) {
    MUST(responses_open(support_cache(&s), s.arena, cache));
    Response *r = ARENA_NEW(s.arena, Response, 1);
    *r = *responses_find_identity(*cache, "mini", item, "claude", template_id, NULL);
    return r;
}

static void expect_drift(const Response *r, const Template *t, const char *wanted) {
    const char *what = drift_describe(r, s.e, t, "mini", &s.d->text[0], s.arena);
    ck_assert_msg(strstr(what, wanted) != NULL, "\"%s\" does not say \"%s\"", what, wanted);
}

START_TEST(drift_names_what_changed) {
    Responses *cache;
    Template *t;
    Response *r = imported("A1", "mine/v1", &cache);
    MUST(template_load("paper/prompts", "mine/v1", s.arena, &t));
    ck_assert_ptr_nonnull(r->parts);
    ck_assert_ptr_nonnull(strstr(r->parts, "template="));
    ck_assert_ptr_nonnull(strstr(r->parts, " caption="));
    ItemText was = s.d->text[0];
    s.d->text[0].title = "Bow Saw,  21\tin"; /* white space alone is no change: it is not rendered */
    expect_drift(r, t, "provider, photo or judged interest differ");
    s.d->text[0].title = "Bow Saw, 24 in";
    expect_drift(r, t, "the title reads differently, now \"Bow Saw, 24 in\"");
    s.d->text[0].brand = "";
    expect_drift(r, t, "; the brand reads differently, now \"\"");
    s.d->text[0] = was;
    t->system = "Another wording.";
    expect_drift(r, t, "the template is worded differently");
    ck_assert_ptr_null(strstr(drift_describe(r, s.e, t, "mini", &s.d->text[0], s.arena), "title"));
    MUST(template_load("paper/prompts", "mine/v1", s.arena, &t));
    const char *what = drift_describe(r, s.e, t, "industrial", &s.d->text[0], s.arena); /* this set shows neither categories nor caption */
    ck_assert_ptr_nonnull(strstr(what, "the categories was shown then, and is not now"));
    ck_assert_ptr_null(strstr(what, "brand"));
    /* the brief template has a place for the title alone */
    MUST(template_load("paper/prompts", "mine/v1-brief", s.arena, &t));
    r = imported("A1", "mine/v1-brief", &cache);
    ck_assert_ptr_null(strstr(r->parts, "brand"));
    s.d->text[0].title = "x" E10 E10 E10 E10 " end"; /* cut at 60 bytes, not inside a character */
    what = drift_describe(r, s.e, t, "mini", &s.d->text[0], s.arena);
    ck_assert_ptr_nonnull(strstr(what, "..."));
    ck_assert(words_are_utf8(what));
}
END_TEST

/* Records of before: the key alone tells what was shown, if today's text explains it. */
START_TEST(drift_without_digests_is_guessed_or_said_to_be_unknown) {
    Template *t;
    char key[SHA256_HEX];
    MUST(template_load("paper/prompts", "mine/v1", s.arena, &t));
    Response r = {.provider = "anthropic", .model = "claude", .template_id = "mine/v1", .set = "mini", .item = "A1", .date = "2026-11", .response = "{}"};
    prompt_key("anthropic", "claude", "mine/v1", prompt_render(s.e, t, "industrial", &s.d->text[0], NULL, s.arena), key);
    r.key = key;
    expect_drift(&r, t, "recorded when it showed title, brand, description, and no other field");
    prompt_key("anthropic", "claude", "mine/v1", "something else", key);
    expect_drift(&r, t, "not known");
}
END_TEST

START_TEST(drift_is_counted_printed_and_kept) {
    MineSettings m = {.set = "mini", .top = 8, .refuse_missing = true};
    Responses *cache;
    Mined mined;
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    MUST(mine_members("claude:mine/v1", "union", "paper/prompts", s.e, s.arena, &m));
    s.d->text[4].title = "Grinder Brush";
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    ck_assert_int_eq(mined.n_drifted, 1);
    ck_assert_int_eq(mined.drifted[0].item, 4);
    ck_assert_str_eq(mined.drifted[0].what, "the title reads differently, now \"Grinder Brush\"");
    cJSON *json = mine_drift_json(s.d, &m, &mined), *coverage = mine_coverage(s.d, &m, &mined);
    ck_assert_str_eq(cJSON_GetObjectItem(cJSON_GetArrayItem(json, 0), "item")->valuestring, "A5");
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(coverage, "drifted")), 1);
    cJSON_Delete(json);
    cJSON_Delete(coverage);
    for (int i = 0; i < 6; i++) s.d->text[i].title = "All the same";
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    ck_assert_int_eq(mined.n_drifted, 6);
    ck_assert_ptr_nonnull(mined.drifted[MINE_DRIFT - 1].what);
    ck_assert_ptr_null(mined.drifted[MINE_DRIFT].what);
    VerifyCount c;
    ck_assert_int_eq(mine_verify(s.d, cache, s.e, "paper/prompts", "mini", s.arena, &c), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "mine/v1: 6 of 6, all of them"));
}
END_TEST

/* Records of before get the digests of today's prompts, where these are theirs; nothing else changes. */
START_TEST(digests_are_added_to_what_is_right) {
    Responses *cache, *again;
    const char *old = support_path(&s, "old.jsonl.zst"), *fresh = support_path(&s, "new.jsonl.zst");
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    for (int64_t i = 0; i < responses_count(cache); i++) {
        Response r = *responses_at(cache, i);
        r.parts = NULL;
        MUST(responses_append(old, &r, 1));
    }
    MUST(responses_open(old, s.arena, &again));
    s.d->text[0].title = "Another title";
    int64_t n;
    ck_assert_int_eq(mine_digest(s.d, again, s.e, "paper/prompts", "mini", fresh, s.arena, &n), OK);
    ck_assert_int_eq(n, 10); /* of 14: the four about the first item have drifted */
    MUST(responses_open(fresh, s.arena, &again));
    ck_assert_int_eq(responses_count(again), 14);
    for (int64_t i = 0; i < 14; i++) {
        const Response *was = responses_at(cache, i), *is = responses_at(again, i);
        ck_assert_str_eq(is->key, was->key);
        ck_assert_str_eq(is->response, was->response);
        if (strcmp(is->item, "A1") == 0) ck_assert_ptr_null(is->parts);
        else ck_assert_ptr_nonnull(is->parts);
        if (is->parts && !is->interest) ck_assert_str_eq(is->parts, was->parts); /* as import writes them */
    }
    ck_assert_int_eq(mine_digest(s.d, again, s.e, "paper/prompts", "mini", fresh, s.arena, &n), E_USAGE); /* never over a file */
    ck_assert_int_eq(mine_digest(s.d, again, s.e, "paper/prompts", "none such", support_path(&s, "x.jsonl.zst"), s.arena, &n), E_INPUT);
}
END_TEST

/* ---- members */

START_TEST(members_by_hand) {
    MineSettings m = {.set = "mini", .top = 8};
    Responses *cache;
    Mined mined;
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    MUST(mine_members("claude:mine/v1,claude:mine/v1-brief", "union", "paper/prompts", s.e, s.arena, &m));
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    const MemberQuality *v1 = &mined.quality[0], *brief = &mined.quality[1];
    ck_assert_int_eq(v1->items, 6);
    ck_assert_int_eq(v1->interests, 18);
    ck_assert_int_eq(v1->distinct, 17); /* "gardening under a hosepipe ban" twice */
    ck_assert_int_eq(brief->items, 4);
    ck_assert_int_eq(brief->interests, 8);
    ck_assert_int_eq(brief->distinct, 6);
    /* heating a cabin with firwood / heating the cabin; saving roof water for beds / roof water for garden beds (3 of 5); small cafe / coffee bar no; stale coffee oil(s) */
    ck_assert_int_eq(v1->shared, 3);
    ck_assert_int_eq(brief->shared, 3);
    ck_assert_int_eq(v1->judged, 2); /* the mined one of A1 and A2's */
    ck_assert_int_eq(v1->judged_positive, 2);
    ck_assert_int_eq(brief->judged, 0);
    ck_assert(fabs(brief->confidence - (0.8 + 0.6 + 0.5 + 0.4 + 0.5 + 0.4 + 0.6 + 0.9) / 8) < 1e-12);
    ck_assert(v1->specificity > 0 && v1->specificity <= log(7.0 / 2) + 1e-12);
    cJSON *json = mine_coverage(s.d, &m, &mined);
    const cJSON *second = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "members"), 1);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(second, "judged_positive")));
    ck_assert(fabs(cJSON_GetObjectItem(second, "agreement")->valuedouble - 3.0 / 8) < 1e-12);
    ck_assert(fabs(cJSON_GetObjectItem(second, "interests_per_item")->valuedouble - 8.0 / 6) < 1e-12);
    cJSON_Delete(json);
    MUST(mine_members("claude:mine/v1", "union", "paper/prompts", s.e, s.arena, &m));
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    json = mine_coverage(s.d, &m, &mined);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "members"), 0), "agreement"))); /* nobody to agree with */
    cJSON_Delete(json);
}
END_TEST

/* ---- the program */

START_TEST(commands_and_modes) {
    char *text;
    const char *cache = support_cache(&s), *mined = support_path(&s, "mined"), *labels = support_path(&s, "labels");
    const char *base = arena_printf(s.arena, "--data %s/data --set mini --responses %s", FIXTURE, cache);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine verify --responses %s", cache), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "14 answers"));
    ck_assert_ptr_nonnull(strstr(text, "no key was recomputed"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine verify %s", base), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "14 keys recomputed and equal"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine verify --set mini --responses %s", cache), &text), 2);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine %s --out %s", base, mined), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "specificity"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "04_label --data %s/data --interests %s --set mini --filter none --out %s", FIXTURE, mined, labels), &text), 0);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine show A2 %s --labels %s", base, labels), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "You infer deep interests"));
    ck_assert_ptr_nonnull(strstr(text, "saving roof water for beds  -> 1 (1.000)"));
    ck_assert_ptr_nonnull(strstr(text, "quality of the item: 1.000"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine show A2 A1 %s", base), &text), 2);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine verify A2 %s", base), &text), 2);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine nonsense %s", base), &text), 2);
    ck_assert_int_eq(support_run(&s, "03_mine merge", &text), 2);
    const char *a = make_file("a.jsonl.zst", "x:1"), *b = make_file("b.jsonl.zst", "x:2 y:1"), *out = support_path(&s, "c.jsonl.zst");
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine merge %s %s --out %s", a, b, out), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "two answers to one prompt"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine merge %s %s --out %s --on-conflict first", a, b, out), &text), 0);
    ck_assert_str_eq(content(out), "x:1 y:1");
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine merge %s %s", a, out), &text), 0);
    ck_assert_str_eq(content(a), "x:1 y:1");
}
END_TEST

START_TEST(a_changed_template_is_a_clear_message) {
    char *text;
    const char *cache = support_cache(&s), *prompts = support_path(&s, "prompts");
    ck_assert_int_eq(system(arena_printf(s.arena, "cp -r paper/prompts '%s' && sed -i 's/deep interests/true interests/' '%s/mine-v1.md'", prompts, prompts)), 0);
    const char *base = arena_printf(s.arena, "--data %s/data --set mini --responses %s --prompts %s", FIXTURE, cache, prompts);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine %s --out %s/o", base, s.dir), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "stale: all 6 recorded answers of claude:mine/v1 were given to another prompt than template"));
    ck_assert_ptr_nonnull(strstr(text, "the template is worded differently"));
    size_t n;
    ck_assert_ptr_nonnull(strstr(support_read(&s, support_path(&s, "o/manifest.json"), &n), "the template is worded differently"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine %s --out %s/o --on-drift refuse", base, s.dir), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "6 answers are not recorded"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine verify %s", base), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "mine/v1: 6 of 6, all of them"));
    ck_assert_ptr_nonnull(strstr(text, "git checkout paper/prompts"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llm_tools");
    TCase *t = tcase_create("tools");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, merge_orders_and_counts);
    tcase_add_test(t, merge_conflicts_are_refused_or_decided);
    tcase_add_test(t, merge_appends_what_the_first_lacks);
    tcase_add_test(t, merge_copies_lines_and_refuses_damage);
    tcase_add_test(t, merge_killed_leaves_old_or_new);
    tcase_add_test(t, drift_names_what_changed);
    tcase_add_test(t, drift_without_digests_is_guessed_or_said_to_be_unknown);
    tcase_add_test(t, drift_is_counted_printed_and_kept);
    tcase_add_test(t, digests_are_added_to_what_is_right);
    tcase_add_test(t, members_by_hand);
    tcase_add_test(t, commands_and_modes);
    tcase_add_test(t, a_changed_template_is_a_clear_message);
    suite_add_tcase(suite, t);
    return support_finish(suite);
}
