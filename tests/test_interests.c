/* tests/test_interests.c -- words, prompts, strict parsing, the ensemble merge, item quality, the interest files, and 03_mine's ways to fail. */
#include <math.h>

#include "base/json.h"
#include "base/rng.h"
#include "llm/quality.h"
#include "llm/words.h"
#include "llm_support.h"

static Support s;

static void setup(void) { support_begin(&s); }
static void teardown(void) { support_end(&s); }

/* ---- words */

START_TEST(texts_are_cleaned) {
    static const char *const cases[][2] = {
        {"  Drying\tclothes  indoors. ", "drying clothes indoors"}, {"\"quoted\"", "quoted"}, {"don\xe2\x80\x99t \xe2\x80\x94 stop", "don't - stop"},
        {"(half) bracket", "(half) bracket"}, {"caf\xc3\xa9 CR\xc3\x88ME", "caf\xc3\xa9 cr\xc3\x88me"}, {"...", ""}, {"", ""}, {"- a -", "a"}, {"50% off!", "50% off"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) ck_assert_str_eq(words_clean(s.arena, cases[k][0]), cases[k][1]);
    ck_assert_int_eq(words_count(" a  bb\tc "), 3);
    ck_assert_int_eq(words_count(""), 0);
}
END_TEST

START_TEST(utf8_is_checked) {
    ck_assert(words_are_utf8("plain\n\t caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xb8"));
    static const char *const bad[] = {"\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\x01", "\x7f", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\x80"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) ck_assert_msg(!words_are_utf8(bad[k]), "case %zu", k);
}
END_TEST

START_TEST(stems_join_forms_of_a_word) {
    static const char *const same[][2] = {{"running shoes", "run shoe"}, {"batteries", "battery"}, {"glasses", "glass"},
                                          {"taped", "tape"}, {"the dog's bed", "dogs bed"}, {"filling pass", "fill passed"}};
    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        double j = words_jaccard(words_stem_set(s.arena, same[k][0]), words_stem_set(s.arena, same[k][1]));
        ck_assert_msg(fabs(j - 1) < 1e-12, "%s / %s: %g", same[k][0], same[k][1], j);
    }
    StemSet a = words_stem_set(s.arena, "red red bicycle pump"), b = words_stem_set(s.arena, "a pump for the bicycle");
    ck_assert_int_eq(a.n, 3);
    ck_assert_int_eq(b.n, 2); /* function words are out */
    ck_assert(fabs(words_jaccard(a, b) - 2.0 / 3) < 1e-12);
    ck_assert(words_jaccard(a, words_stem_set(s.arena, "")) <= 0);
    ck_assert(words_jaccard(words_stem_set(s.arena, ""), words_stem_set(s.arena, "of the")) <= 0);
    ck_assert(words_has_stem(a, b.at[0]) && !words_has_stem(b, 12345));
}
END_TEST

/* ---- prompts */

static Template *load(const char *id) {
    Template *t;
    MUST(template_load("paper/prompts", id, s.arena, &t));
    return t;
}

START_TEST(prompts_show_what_they_should) {
    Template *t = load("mine/v1");
    const char *p = prompt_render(s.e, t, "mini", &s.d->text[0], NULL, s.arena);
    ck_assert_ptr_nonnull(strstr(p, "[system]\nYou infer deep interests from one retail item."));
    ck_assert_ptr_nonnull(strstr(p, "{\"reasoning\": one sentence")); /* braces of the system part are not placeholders */
    ck_assert_ptr_nonnull(strstr(p, "\n[user]\ntitle: Bow Saw, 21 in\nbrand: Acme\ncategories: Tools > Saws\ndescription: Cuts green wood. w1 "));
    ck_assert_ptr_nonnull(strstr(p, " w41 w42\ncaption: Saw beside a log pile")); /* 45 words: 3 + 42 */
    ck_assert_ptr_null(strstr(p, "w43"));
    /* a field that looks like a placeholder is text; white space becomes single */
    p = prompt_render(s.e, t, "mini", &s.d->text[1], NULL, s.arena);
    ck_assert_ptr_nonnull(strstr(p, "title: Rain Barrel {brand}\nbrand: Acme & Sons\ncategories: Garden > Watering\ndescription: Collects roof water\n"));
    /* keywords are nobody's evidence */
    ck_assert_ptr_null(strstr(p, "barrel water"));
    /* missing fields are empty */
    p = prompt_render(s.e, t, "mini", &s.d->text[3], NULL, s.arena);
    ck_assert_ptr_nonnull(strstr(p, "title: Tuning Fork\nbrand: \ncategories: Music\ndescription: \ncaption: "));
    /* answers of the set `industrial` were given without categories and captions */
    p = prompt_render(s.e, t, "industrial", &s.d->text[0], NULL, s.arena);
    ck_assert_ptr_nonnull(strstr(p, "brand: Acme\ncategories: \ndescription: Cuts"));
    ck_assert_ptr_null(strstr(p, "log pile"));
    p = prompt_render(s.e, load("judge/v1"), "mini", &s.d->text[4], "keeping  a grinder clean", s.arena);
    const char *end = "interest: keeping a grinder clean";
    ck_assert_str_eq(p + strlen(p) - strlen(end), end);
}
END_TEST

START_TEST(templates_are_checked) {
    Template *t = load("mine/v1");
    ck_assert(t->wants_reasoning && t->min_interests == 3 && t->max_interests == 5 && !t->is_judge);
    t = load("mine/v1-visual");
    ck_assert(!t->wants_reasoning && t->min_interests == 2 && t->max_interests == 4);
    ck_assert(load("judge/v1")->is_judge);
    ck_assert_int_eq(template_load("paper/prompts", "mine/v9", s.arena, &t), E_INPUT);
    static const char *const bad[] = {"id: bad/v1\nanswer: 1 to 2 interests\n## system\nS\n", "id: other/v1\nanswer: label\n## system\nS\n\n## user\nU\n",
                                      "id: bad/v1\n## system\nS\n\n## user\nU\n", "id: bad/v1\nanswer: label\ncolour: red\n## system\nS\n\n## user\nU\n"};
    for (int k = 0; k < 4; k++) {
        support_write(support_path(&s, "bad-v1.md"), bad[k], strlen(bad[k]));
        ck_assert_int_eq(template_load(s.dir, "bad/v1", s.arena, &t), E_INPUT);
        ck_assert_ptr_nonnull(strstr(status_message(), "bad-v1.md"));
    }
}
END_TEST

/* ---- parsing */

#define Z(text, facet, c) "{\"text\":\"" text "\",\"facet\":\"" facet "\",\"confidence\":" c "}"
#define ANSWER(list) "{\"reasoning\":\"r\",\"interests\":[" list "]}"
#define THREE Z("drying herbs at home", "practice", "0.9") "," Z("cooking without much salt", "constraint", "0.7") "," Z("growing food on balconies", "project", "0.5")

START_TEST(good_answers_are_read) {
    Answer a = answer_parse(load("mine/v1"), " \n" ANSWER(THREE) "\n", s.arena);
    ck_assert_ptr_null(a.fault);
    ck_assert_int_eq(a.n, 3);
    ck_assert_str_eq(a.at[1].text, "cooking without much salt");
    ck_assert_int_eq(a.at[1].facet, FACET_CONSTRAINT);
    ck_assert(a.at[1].has_confidence && fabs(a.at[1].confidence - 0.7) < 1e-15);
    for (int k = 0; k < N_NOTES; k++) ck_assert_int_eq(a.notes[k], 0);
}
END_TEST

START_TEST(slightly_off_answers_are_taken_and_counted) {
    static const struct { const char *text; AnswerNote note; int64_t times; int n; } cases[] = {
        {"```json\n" ANSWER(THREE) "\n```\n", NOTE_FENCED, 1, 3},
        {ANSWER(Z("drying herbs at home", "goal", "0.5")), NOTE_COUNT, 1, 1},
        {ANSWER(THREE "," THREE), NOTE_COUNT, 1, 3},
        {ANSWER(THREE "," THREE), NOTE_DUPLICATE, 3, 3},
        {ANSWER(THREE "," Z("herbs", "goal", "0.5") "," Z("one two three four five six seven eight nine", "goal", "0.4")), NOTE_WORDS, 2, 5},
        {ANSWER(Z("Drying herbs at home.", "goal", "0.5") "," THREE), NOTE_CASE, 1, 3},
        {ANSWER(Z("weak one comes first", "goal", "0.1") "," THREE), NOTE_ORDER, 1, 4},
        {"{\"interests\":[" THREE "]}", NOTE_NO_REASONING, 1, 3},
        {"{\"reasoning\":\"r\",\"mood\":1,\"interests\":[" THREE "]}", NOTE_EXTRA, 1, 3},
        {ANSWER("{\"text\":\"one two three\",\"facet\":\"goal\"},{\"text\":\"four five six\",\"facet\":\"goal\",\"confidence\":null},{\"text\":\"a b c\",\"facet\":\"goal\"}"),
         NOTE_NO_CONFIDENCE, 1, 3}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Answer a = answer_parse(load("mine/v1"), cases[k].text, s.arena);
        ck_assert_msg(a.fault == NULL, "case %zu: %s", k, a.fault);
        ck_assert_msg(a.notes[cases[k].note] == cases[k].times, "case %zu: %lld times %s", k, (long long)a.notes[cases[k].note], answer_note_name(cases[k].note));
        ck_assert_int_eq(a.n, cases[k].n);
    }
}
END_TEST

START_TEST(malformed_answers_give_nothing) {
    static const char *const cases[][2] = {
        {"", "not JSON"}, {"I think: " ANSWER(THREE), "not JSON"}, {ANSWER(THREE) " Hope this helps!", "text after"}, {"[" THREE "]", "not a JSON object"},
        {"{\"interest\":[]}", "no list"}, {ANSWER(""), "no interests"}, {"{\"interests\":\"none\"}", "no list"}, {"{\"reasoning\":3,\"interests\":[" THREE "]}", "reasoning"},
        {ANSWER(Z("drying herbs at home", "hobby", "0.5")), "facet"}, {ANSWER(Z("drying herbs at home", "Goal", "0.5")), "facet"},
        {ANSWER(Z("drying herbs at home", "goal", "0")), "(0,1]"}, {ANSWER(Z("drying herbs at home", "goal", "1.01")), "(0,1]"},
        {ANSWER(Z("drying herbs at home", "goal", "-0.5")), "(0,1]"}, {ANSWER(Z("drying herbs at home", "goal", "\"0.5\"")), "(0,1]"},
        {ANSWER(Z(" ... ", "goal", "0.5")), "empty"}, {ANSWER(Z("1 2 3 4 5 6 7 8 9 10 11 12 13", "goal", "0.5")), "12 words"},
        {ANSWER(THREE ",{\"text\":\"one two three\",\"facet\":\"goal\"}"), "some interests only"}, {ANSWER("\"drying herbs\""), "not an object"},
        {ANSWER("{\"facet\":\"goal\",\"confidence\":0.5}"), "without text"}, {ANSWER(THREE "," THREE "," THREE), "more than 8"},
        {ANSWER(Z("bad \xff byte here", "goal", "0.5")), "UTF-8"}, {ANSWER(THREE) ANSWER(THREE), "text after"}, {"{\"interests\":[" THREE, "not JSON"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Answer a = answer_parse(load("mine/v1"), cases[k][0], s.arena);
        ck_assert_msg(a.fault && strstr(a.fault, cases[k][1]), "case %zu: %s", k, a.fault ? a.fault : "well-formed");
        ck_assert_int_eq(a.n, 0);
    }
    int label = -1;
    ck_assert(answer_parse_label("1", &label) && label == 1);
    ck_assert(answer_parse_label(" 0\n", &label) && label == 0);
    static const char *const bad[] = {"", "2", "10", "1.", "yes", "1 because"};
    for (int k = 0; k < 6; k++) ck_assert(!answer_parse_label(bad[k], &label));
}
END_TEST

START_TEST(random_faults_in_answers_never_crash) {
    const Template *t = load("mine/v1");
    const char *good = ANSWER(THREE);
    size_t n = strlen(good);
    char *text = arena_alloc(s.arena, n + 1, 1);
    int64_t malformed = 0;
    for (uint64_t round = 0; round < 3000; round++) {
        Rng rng = rng_make(12, RNG_STAGE_TEST, RNG_NOISE, 0, round);
        memcpy(text, good, n + 1);
        for (uint64_t k = 1 + rng_below(&rng, 3); k > 0; k--) text[rng_below(&rng, n)] = (char)(1 + rng_below(&rng, 255));
        if (rng_below(&rng, 5) == 0) text[rng_below(&rng, n)] = 0;
        ArenaMark mark = arena_mark(s.arena);
        Answer a = answer_parse(t, text, s.arena);
        malformed += a.fault != NULL;
        ck_assert((a.fault == NULL) == (a.n > 0) && a.n <= ANSWER_MAX_INTERESTS);
        for (int j = 0; j < a.n; j++) ck_assert(a.at[j].text[0] && words_are_utf8(a.at[j].text) && a.at[j].confidence <= 1);
        arena_release(s.arena, mark);
    }
    ck_assert(malformed > 1000 && malformed < 3000);
}
END_TEST

/* ---- merge */

static Answer answer(int n, const char *const *texts, const double *confidence) {
    Answer a = {.n = n, .at = ARENA_NEW(s.arena, Interest, n)};
    for (int j = 0; j < n; j++) a.at[j] = (Interest){.text = texts[j], .facet = (Facet)(j % N_FACETS), .has_confidence = confidence != NULL, .confidence = confidence ? confidence[j] : 0, .n_agree = 1};
    return a;
}

static const char *const NAMES[3] = {"x:a", "y:b", "z:c"};

START_TEST(merge_by_hand) {
    static const char *const a[] = {"heating a cabin with firewood", "pruning old fruit trees", "working without a chainsaw"};
    static const char *const b[] = {"clearing storm damage", "heating the cabin with dry firewood", "pruning trees"};
    static const char *const c[] = {"pruning fruit trees in winter", "pruning an old fruit tree"};
    Answer answers[3] = {answer(3, a, (const double[]){0.9, 0.7, 0.5}), answer(3, b, (const double[]){0.65, 0.95, 0.4}), answer(2, c, (const double[]){0.8, 0.3})};
    /* stems: {heat cabin firewood} joins {heat cabin dry firewood} at 3/4; {prun old fruit tree}: {prun tree} at 1/2, {prun fruit tree winter} at 3/5, itself at 1 */
    MergeCount count = {0};
    ItemInterests m = merge_answers(3, NAMES, answers, 1, 8, s.arena, &count);
    ck_assert_int_eq(m.n, 4);
    ck_assert_int_eq(count.given, 8);
    ck_assert_int_eq(count.joined, 4);
    ck_assert_str_eq(m.at[0].text, "pruning fruit trees in winter"); /* three members; its most confident text */
    ck_assert_int_eq(m.at[0].n_agree, 3);
    ck_assert(fabs(m.at[0].confidence - (0.7 + 0.4 + 0.8) / 3) < 1e-12); /* member z counts once, with its larger one */
    ck_assert_str_eq(m.at[1].text, "heating the cabin with dry firewood");
    ck_assert_int_eq(m.at[1].facet, FACET_PRACTICE); /* of the text that was kept */
    ck_assert_int_eq(m.at[1].n_agree, 2);
    ck_assert_str_eq(m.at[1].members[0], "x:a");
    ck_assert_str_eq(m.at[1].members[1], "y:b");
    ck_assert(fabs(m.at[1].confidence - (0.9 + 0.95) / 2) < 1e-12);
    ck_assert_str_eq(m.at[2].text, "clearing storm damage"); /* one member each: by confidence */
    ck_assert_str_eq(m.at[3].text, "working without a chainsaw");
    count = (MergeCount){0};
    m = merge_answers(3, NAMES, answers, 2, 8, s.arena, &count);
    ck_assert_int_eq(m.n, 2);
    ck_assert_int_eq(count.below_agreement, 2);
    count = (MergeCount){0};
    m = merge_answers(3, NAMES, answers, 1, 3, s.arena, &count);
    ck_assert_int_eq(m.n, 3);
    ck_assert_int_eq(count.beyond_top, 1);
}
END_TEST

START_TEST(merge_corner_cases) {
    static const char *const a[] = {"same words here", "other thing entirely"}, *const b[] = {"yet another text"};
    MergeCount count = {0};
    Answer none[3] = {{0}};
    ck_assert_int_eq(merge_answers(3, NAMES, none, 1, 8, s.arena, &count).n, 0);
    /* equal confidence and agreement: the order of founding */
    Answer ties[2] = {answer(2, a, (const double[]){0.5, 0.5}), answer(1, b, (const double[]){0.5})};
    ItemInterests m = merge_answers(2, NAMES, ties, 1, 8, s.arena, &count);
    ck_assert_str_eq(m.at[0].text, "same words here");
    ck_assert_str_eq(m.at[1].text, "other thing entirely");
    ck_assert_str_eq(m.at[2].text, "yet another text");
    /* one member without confidences: nobody's count */
    Answer mixed[2] = {answer(2, a, (const double[]){0.5, 0.4}), answer(1, b, NULL)};
    m = merge_answers(2, NAMES, mixed, 1, 8, s.arena, &count);
    ck_assert_int_eq(m.n, 3);
    for (int j = 0; j < 3; j++) ck_assert(!m.at[j].has_confidence);
    double q;
    bool has[3] = {false, false, false};
    ck_assert_int_eq(item_quality(3, (const double[]){0, 0, 0}, has, (const int[]){1, 0, 1}, &q), OK);
    ck_assert(fabs(q - 2.0 / 3) < 1e-12);
    /* texts of function words only share nothing, not even with themselves: they stay apart rather than vanish into one another */
    static const char *const empty[] = {"to be or not", "of the and"};
    Answer odd[1] = {answer(2, empty, (const double[]){0.5, 0.4})};
    ck_assert_int_eq(merge_answers(1, NAMES, odd, 1, 8, s.arena, &count).n, 2);
}
END_TEST

START_TEST(members_and_strategies) {
    MineSettings m = {.set = "mini"};
    ck_assert_int_eq(mine_members("claude:mine/v1,claude:mine/v1-brief", "union", "paper/prompts", s.e, s.arena, &m), OK);
    ck_assert_int_eq(m.n_members, 2);
    ck_assert_int_eq(m.min_agree, 1);
    ck_assert_str_eq(m.members[1].provider, "anthropic");
    ck_assert_int_eq(mine_members("claude:mine/v1,claude:mine/v1-brief", "agree>=2", "paper/prompts", s.e, s.arena, &m), OK);
    ck_assert_int_eq(m.min_agree, 2);
    ck_assert_int_eq(mine_members("claude:mine/v1,claude:mine/v1-brief", "single:claude:mine/v1-brief", "paper/prompts", s.e, s.arena, &m), OK);
    ck_assert_int_eq(m.n_members, 1);
    ck_assert_str_eq(m.members[0].name, "claude:mine/v1-brief");
    static const struct { const char *list, *strategy; Status status; } bad[] = {
        {"claude:mine/v1", "agree>=2", E_USAGE}, {"claude:mine/v1", "agree>=0", E_USAGE}, {"claude:mine/v1", "agree>=1x", E_USAGE}, {"claude:mine/v1", "majority", E_USAGE},
        {"claude:mine/v1", "single:claude:mine/v1-brief", E_USAGE}, {"claude", "union", E_USAGE}, {"", "union", E_USAGE}, {"claude:mine/v1,", "union", E_USAGE},
        {"claude:mine/v1,claude:mine/v1", "union", E_USAGE}, {"nobody:mine/v1", "union", E_INPUT}, {"claude:mine/v9", "union", E_INPUT}, {"claude:judge/v1", "union", E_USAGE}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        ck_assert_msg(mine_members(bad[k].list, bad[k].strategy, "paper/prompts", s.e, s.arena, &m) == bad[k].status, "%s, %s", bad[k].list, bad[k].strategy);
}
END_TEST

/* ---- quality */

START_TEST(quality_by_hand) {
    static const struct { int n, label[4]; double c[4]; bool has[4], fails; double q; } cases[] = {
        {2, {1, 0}, {0.8, 0.2}, {true, true}, false, 0.8}, {3, {1, 0, 1}, {0}, {false}, false, 2.0 / 3}, {2, {0, 0}, {0.5, 0.9}, {true, true}, false, 0},
        {4, {1, 0, 1, 1}, {0.9, 0.4, 0, 0.25}, {true, true, true, true}, false, 1.15 / 1.55}, {2, {1, 0}, {0.5}, {true, false}, true, 0},
        {2, {1, 1}, {0, 0}, {true, true}, true, 0}, {0, {0}, {0}, {false}, true, 0}, {1, {2}, {0.5}, {true}, true, 0}, {1, {1}, {-0.5}, {true}, true, 0},
        {1, {1}, {(double)NAN}, {true}, true, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double q = -7;
        Status status = item_quality(cases[k].n, cases[k].c, cases[k].has, cases[k].label, &q);
        ck_assert_msg(status == (cases[k].fails ? E_INPUT : OK), "case %zu", k);
        ck_assert_msg(fabs(q - (cases[k].fails ? -7 : cases[k].q)) < 1e-15, "case %zu: %g", k, q);
    }
}
END_TEST

/* ---- files */

START_TEST(interest_files_come_back) {
    static const char *const members[] = {"x:a", "y:b"};
    Interest z[2] = {{"caf\xc3\xa9 \"quoted\" text", FACET_GOAL, true, 0.123456789012345, 2, members, true, 0.75, 1},
                     {"without a confidence", FACET_PROJECT, false, 0, 1, members, true, 0.25, 0}};
    ItemInterests items[3] = {{1, z, true, 0.5}, {0, NULL, false, 0}, {1, z + 1, true, 0}}, *back;
    const char *path = support_path(&s, "labels.jsonl");
    MUST(interests_save(path, items, 3, true));
    MUST(interests_load(path, 3, true, s.arena, &back));
    ck_assert_str_eq(back[0].at[0].text, z[0].text);
    ck_assert(back[0].at[0].confidence == z[0].confidence && back[0].at[0].score == 0.75 && back[0].at[0].label == 1);
    ck_assert_str_eq(back[0].at[0].members[1], "y:b");
    ck_assert(back[0].has_quality && back[0].quality == 0.5 && !back[1].has_quality && back[1].n == 0);
    ck_assert(!back[2].at[0].has_confidence && back[2].at[0].facet == FACET_PROJECT && back[2].has_quality);
    ck_assert_int_eq(interests_load(path, 2, true, s.arena, &back), E_INPUT);
    ck_assert_int_eq(interests_load(path, 4, true, s.arena, &back), E_INPUT);
    MUST(interests_save(path, items, 3, false));
    ck_assert_int_eq(interests_load(path, 3, false, s.arena, &back), OK);
    ck_assert_int_eq(interests_load(path, 3, true, s.arena, &back), E_INPUT); /* no labels in it */
}
END_TEST

START_TEST(bad_interest_files_are_refused) {
#define LINE(interest) "{\"item\":0,\"interests\":[" interest "]}\n"
    static const char *const bad[] = {
        "", "{\"item\":1,\"interests\":[]}\n", "{\"item\":0}\n", "{\"item\":0,\"interests\":[]\n", LINE("{\"text\":\"a\",\"facet\":\"goal\",\"agree\":1,\"members\":[\"m\"]}"),
        LINE("{\"text\":\"a\",\"facet\":\"fun\",\"confidence\":0.5,\"agree\":1,\"members\":[\"m\"]}"), LINE("{\"text\":\"a\",\"facet\":\"goal\",\"confidence\":2,\"agree\":1,\"members\":[\"m\"]}"),
        LINE("{\"text\":\"a\",\"facet\":\"goal\",\"confidence\":0.5,\"agree\":2,\"members\":[\"m\"]}"), LINE("{\"text\":\"a\",\"facet\":\"goal\",\"confidence\":0.5,\"agree\":1,\"members\":[1]}"),
        LINE("{\"text\":\"a\",\"facet\":\"goal\",\"confidence\":0.5,\"agree\":1,\"members\":[\"m\"],\"label\":2,\"score\":0.5}"),
        "{\"item\":0,\"interests\":[],\"quality\":1.5}\n"};
#undef LINE
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        const char *path = support_path(&s, "bad.jsonl");
        support_write(path, bad[k], strlen(bad[k]));
        ItemInterests *items;
        ck_assert_msg(interests_load(path, 1, false, s.arena, &items) == E_INPUT, "case %zu", k);
        ck_assert_msg(strstr(status_message(), "bad.jsonl") != NULL, "case %zu: %s", k, status_message());
    }
}
END_TEST

/* ---- replay */

static Status replay(const char *members, bool refuse_missing, bool refuse_drift, Mined *mined, MineSettings *m) {
    Responses *cache;
    *m = (MineSettings){.set = "mini", .top = 8, .refuse_missing = refuse_missing, .refuse_drift = refuse_drift};
    TRY(mine_members(members, "union", "paper/prompts", s.e, s.arena, m));
    TRY(responses_open(s.dir, s.arena, &cache));
    return mine_replay(s.d, cache, s.e, m, s.arena, mined);
}

START_TEST(missing_answers_are_refused_or_skipped) {
    Mined mined;
    MineSettings m;
    (void)support_cache(&s);
    ck_assert_int_eq(replay("claude:mine/v1", true, true, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[0].by_key, 6);
    ck_assert_int_eq(replay("claude:mine/v1,claude:mine/v1-brief", true, true, &mined, &m), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "2 answers are not recorded (claude:mine/v1-brief: 2 of 6), 0 of them"));
    ck_assert_int_eq(replay("claude:mine/v1,claude:mine/v1-brief", false, true, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[1].missing, 2);
    ck_assert_int_eq(mined.coverage[1].by_key, 4);
    ck_assert_int_eq(mined.coverage[1].interests, 8);
    ck_assert_int_eq(mined.coverage[1].notes[NOTE_ORDER], 1);
    ck_assert_int_eq(mined.items[3].n, 3); /* of the one member that answered */
    /* twins: the same key, an answer each */
    ck_assert_str_eq(mined.items[1].at[0].text, "saving roof water for beds");
    ck_assert_str_eq(mined.items[2].at[0].text, "filling watering cans quickly");
    cJSON *json = mine_coverage(s.d, &m, &mined);
    ck_assert_int_eq((int)cJSON_GetObjectItem(json, "items_with_interests")->valuedouble, 6);
    const cJSON *second = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "members"), 1);
    ck_assert_int_eq((int)cJSON_GetObjectItem(second, "missing")->valuedouble, 2);
    cJSON_Delete(json);
}
END_TEST

START_TEST(drifted_answers_are_used_or_refused) {
    Mined mined;
    MineSettings m;
    (void)support_cache(&s);
    s.d->text[0].description = "Another wording.";
    s.d->text[4].title = "Coffee Grinder Brush";
    ck_assert_int_eq(replay("claude:mine/v1", true, false, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[0].by_key, 4);
    ck_assert_int_eq(mined.coverage[0].by_identity, 2);
    ck_assert_int_eq(mined.items[0].n, 3);
    ck_assert_int_eq(replay("claude:mine/v1", true, true, &mined, &m), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "2 answers are not recorded (claude:mine/v1: 2 of 6), 2 of them only for other prompts"));
    ck_assert_int_eq(replay("claude:mine/v1", false, true, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[0].drift_refused, 2);
    ck_assert_int_eq(mined.items[0].n, 0);
    /* only the title is shown to the brief member: the description cannot make it drift */
    ck_assert_int_eq(replay("claude:mine/v1-brief", false, true, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[0].by_key, 3);
    ck_assert_int_eq(mined.coverage[0].drift_refused, 1);
}
END_TEST

START_TEST(malformed_answers_are_counted_and_listed) {
    Mined mined;
    MineSettings m;
    const char *path = support_cache(&s);
    Responses *cache;
    MUST(responses_open(path, s.arena, &cache));
    Response bad = *responses_find_identity(cache, "mini", "A4", "claude", "mine/v1", NULL);
    bad.response = "I am sorry, but I cannot do that.";
    MUST(responses_append(path, &bad, 1)); /* recorded again, badly: the later one counts */
    ck_assert_int_eq(replay("claude:mine/v1", true, true, &mined, &m), OK);
    ck_assert_int_eq(mined.coverage[0].malformed, 1);
    ck_assert_int_eq(mined.n_malformed, 1);
    ck_assert_int_eq(mined.malformed[0].item, 3);
    ck_assert_str_eq(mined.malformed[0].why, "not JSON");
    ck_assert_int_eq(mined.items[3].n, 0);
    cJSON *json = mine_coverage(s.d, &m, &mined);
    const cJSON *entry = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "malformed"), 0);
    ck_assert_str_eq(cJSON_GetObjectItem(entry, "id")->valuestring, "A4");
    cJSON_Delete(json);
}
END_TEST

/* ---- the program, from outside */

START_TEST(the_program_says_what_is_wrong) {
    char *text;
    const char *cache = support_cache(&s);
    const char *base = arena_printf(s.arena, "03_mine --data %s/data --set mini --responses %s", FIXTURE, cache);
    const char *out = arena_printf(s.arena, "%s/out", s.dir);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --members claude:mine/v1,claude:mine/v1-brief --out %s", base, out), &text), 3);
    ck_assert_ptr_nonnull(strstr(text, "claude:mine/v1-brief: 2 of 6"));
    ck_assert_ptr_nonnull(strstr(text, "--on-missing skip"));
    ck_assert(!path_exists(arena_printf(s.arena, "%s/manifest.json", out)));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --members claude:mine/v1,claude:mine/v1-brief --on-missing skip --out %s", base, out), &text), 0);
    size_t n, m;
    char *first = support_read(&s, arena_printf(s.arena, "%s/interests.jsonl", out), &n);
    ck_assert(path_exists(arena_printf(s.arena, "%s/manifest.json", out)) && path_exists(arena_printf(s.arena, "%s/coverage.json", out)));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --members claude:mine/v1,claude:mine/v1-brief --on-missing skip --out %s", base, out), &text), 0);
    char *second = support_read(&s, arena_printf(s.arena, "%s/interests.jsonl", out), &m);
    ck_assert(n == m && memcmp(first, second, n) == 0); /* the same bytes again */
    ck_assert_int_eq(support_run(&s, base, &text), 2); /* no --out */
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --mode import", base), &text), 2);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --mode record --out %s", base, out), &text), 2);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --mode verify", base), &text), 0);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --mode show --item A2", base), &text), 0);
    ck_assert_ptr_nonnull(strstr(text, "saving roof water for beds"));
    ck_assert_ptr_nonnull(strstr(text, "You infer deep interests"));
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "%s --mode show --item NONE", base), &text), 3);
    ck_assert_int_eq(support_run(&s, arena_printf(s.arena, "03_mine --data %s/data --set mini --responses %s/nowhere --out %s", FIXTURE, s.dir, out), &text), 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("interests");
    TCase *t = tcase_create("interests");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, texts_are_cleaned);
    tcase_add_test(t, utf8_is_checked);
    tcase_add_test(t, stems_join_forms_of_a_word);
    tcase_add_test(t, prompts_show_what_they_should);
    tcase_add_test(t, templates_are_checked);
    tcase_add_test(t, good_answers_are_read);
    tcase_add_test(t, slightly_off_answers_are_taken_and_counted);
    tcase_add_test(t, malformed_answers_give_nothing);
    tcase_add_test(t, random_faults_in_answers_never_crash);
    tcase_add_test(t, merge_by_hand);
    tcase_add_test(t, merge_corner_cases);
    tcase_add_test(t, members_and_strategies);
    tcase_add_test(t, quality_by_hand);
    tcase_add_test(t, interest_files_come_back);
    tcase_add_test(t, bad_interest_files_are_refused);
    tcase_add_test(t, missing_answers_are_refused_or_skipped);
    tcase_add_test(t, drifted_answers_are_used_or_refused);
    tcase_add_test(t, malformed_answers_are_counted_and_listed);
    tcase_add_test(t, the_program_says_what_is_wrong);
    suite_add_tcase(suite, t);
    return support_finish(suite);
}
