/* tests/test_offline.c -- the member that asks no model: its rules by hand, its statistics on a made corpus, its place in the ensemble, noise. */
#include <math.h>

#include "base/rng.h"
#include "llm/offline_corpus.h"
#include "llm_support.h"

static Support s;

static void setup(void) { support_begin(&s); }
static void teardown(void) { support_end(&s); }

static ItemText item(const char *title, const char *brand, const char *categories, const char *description) {
    return (ItemText){.id = "X", .title = title, .brand = brand, .categories = categories, .description = description, .keywords = "", .caption = ""};
}

static Answer answer_of(ItemText *text, int64_t N, int64_t i) {
    Dataset d = {.N = N, .text = text}; /* no users, no events: text is all it may see */
    return offline_answer(offline_corpus(&d, s.arena), i, s.arena);
}

static const Interest *find(const Answer *a, const char *text) {
    for (int j = 0; j < a->n; j++)
        if (strcmp(a->at[j].text, text) == 0) return &a->at[j];
    return NULL;
}

static void expect(const Answer *a, const char *text, Facet facet) {
    const Interest *z = find(a, text);
    char all[512] = "";
    for (int j = 0; j < a->n; j++) (void)snprintf(all + strlen(all), sizeof all - strlen(all), " [%s]", a->at[j].text);
    ck_assert_msg(z != NULL, "\"%s\" is not among%s", text, all);
    ck_assert_int_eq(z->facet, facet);
}

START_TEST(tokens_are_words_and_ends) {
    Token *t;
    int n = words_tokens(s.arena, "Fragrance-Free, don\xe2\x80\x99t 1.75mm (1/2\" pipe). End.Next 50%", 0, &t);
    static const char *const want[] = {"fragrance-free", "dont", "1.75mm", "1/2", "pipe", "end", "next", "50%"};
    static const bool ends[] = {true, false, true, true, true, true, false, true};
    ck_assert_int_eq(n, 8);
    for (int i = 0; i < n; i++) {
        ck_assert_str_eq(t[i].text, want[i]);
        ck_assert_msg(t[i].ends == ends[i], "%s", want[i]);
    }
    ck_assert_int_eq(words_tokens(s.arena, "one two three", 2, &t), 2);
    ck_assert_int_eq(words_tokens(s.arena, "", 0, &t), 0);
    ck_assert_int_eq(words_tokens(s.arena, " - ... ", 0, &t), 0);
}
END_TEST

START_TEST(category_leaves) {
    static const char *const cases[][3] = {{"A > B & C > D", "D", "B & C"}, {"Music", "Music", ""}, {"", "", ""}, {"A > B | C > D", "B", "A"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const char *parent, *leaf = corpus_leaf(cases[k][0], s.arena, &parent);
        ck_assert_str_eq(leaf, cases[k][1]);
        ck_assert_str_eq(parent, cases[k][2]);
    }
}
END_TEST

START_TEST(rules_by_hand) {
    ItemText text[] = {item("Heel Cream, Fragrance-Free", "Acme", "Skin Care > Foot Care", "Made for cracked winter heels. No lanolin."),
                       item("Wire Brush", "", "", "To remove flaking rust quickly, for cleaning old iron gates. Use while wearing goggles."),
                       item("Dry Bag 20 L, Waterproof, PVC", "", "", ""),
                       item("Travel Mirror", "", "Skin Care > Mirrors & Lights", ""),
                       item("Balm, Nut Free", "", "", "Keeps its shape without refrigeration.")};
    Answer a = answer_of(text, 5, 0);
    expect(&a, "made for cracked winter heels", FACET_PROJECT);
    expect(&a, "doing without fragrance", FACET_CONSTRAINT);
    expect(&a, "doing without lanolin", FACET_CONSTRAINT);
    expect(&a, "using heel cream", FACET_PROJECT);
    a = answer_of(text, 5, 1);
    expect(&a, "to remove flaking rust quickly", FACET_GOAL);
    ck_assert_ptr_null(find(&a, "while wearing goggles")); /* two purposes at most */
    expect(&a, "cleaning old iron gates", FACET_PRACTICE);
    a = answer_of(text, 5, 2);
    expect(&a, "protection against water", FACET_GOAL);
    expect(&a, "made of pvc", FACET_CONSTRAINT);
    expect(&a, "a size of 20 l", FACET_CONSTRAINT);
    expect(&a, "using dry bag", FACET_PROJECT);
    a = answer_of(text, 5, 3);
    expect(&a, "suited to travel", FACET_SITUATION);
    expect(&a, "mirrors lights for skin care", FACET_PRACTICE);
    a = answer_of(text, 5, 4);
    expect(&a, "doing without nut", FACET_CONSTRAINT);
    expect(&a, "doing without refrigeration", FACET_CONSTRAINT);
}
END_TEST

START_TEST(no_text_no_interest) {
    ItemText text[] = {item("", "", "", ""), item("42", "Acme", "", "..."), item("Acme", "Acme", "", "")};
    for (int i = 0; i < 3; i++) ck_assert_int_eq(answer_of(text, 3, i).n, 0);
}
END_TEST

/* Twenty pots that go with soil, trowel and seedling; twenty lamps that go with bulb, socket and dimmer; eighty things that go with nothing. */
START_TEST(statistics_find_what_goes_together) {
    enum { N = 122 };
    ItemText text[N];
    for (int i = 42; i < N; i++) text[i] = item(arena_printf(s.arena, "thing%c%c", 'a' + i % 26, 'a' + i / 26), "", "", "");
    for (int i = 0; i < 20; i++) {
        text[i] = item(arena_printf(s.arena, "Clay Pot model%c", 'a' + i), "Potterix", "Garden > Pots", i % 2 ? "Soil, trowel, seedling." : "Seedling, soil, trowel.");
        text[20 + i] = item(arena_printf(s.arena, "Desk Lamp model%c", 'a' + i), "", "Home > Lamps", "Bulb, socket, dimmer.");
    }
    text[40] = item("Clay Pot Saucer", "", "Garden > Pots", "");
    text[41] = item("Potterix Vase", "", "", ""); /* somebody's brand, in a title without its brand field */
    Answer a = answer_of(text, N, 40);
    const Interest *z = NULL;
    for (int j = 0; j < a.n && !z; j++)
        if (strstr(a.at[j].text, "pot") && strstr(a.at[j].text, " with ")) z = &a.at[j];
    ck_assert_ptr_nonnull(z);
    ck_assert_msg(strstr(z->text, "soil") || strstr(z->text, "seedling") || strstr(z->text, "trowel"), "%s", z->text);
    ck_assert_ptr_null(strstr(z->text, "bulb"));
    ck_assert_ptr_null(strstr(z->text, "potterix"));
    Dataset d = {.N = N, .text = text};
    OfflineCorpus *c = offline_corpus(&d, s.arena);
    const char *with[5], *pot[1] = {"pot"};
    StemSet taken = words_stem_set(s.arena, "clay pots garden");
    ck_assert_int_eq(corpus_associates(c, 1, pot, 1, taken, 5, with, s.arena), 3);
    ck_assert_int_eq(corpus_associates(c, 1, pot, 2, taken, 5, with, s.arena), 0); /* one word cannot support twice */
    ck_assert(corpus_is_brand(c, "potterix") && !corpus_is_brand(c, "pot"));
    /* side by side always beats side by side by chance; an unknown pair scores nothing */
    ck_assert(corpus_pair(c, "desk", "lamp", "", s.arena) > 0);
    ck_assert(corpus_pair(c, "lamp", "desk", "", s.arena) <= 0);
    ck_assert(corpus_idf(c, "saucer") > corpus_idf(c, "pot"));
    ck_assert(fabs(corpus_idf(c, "saucer") - 1) < 1e-12); /* in one item: the largest */
}
END_TEST

static void expect_well_formed(const Answer *a) {
    ck_assert_int_le(a->n, 5);
    for (int j = 0; j < a->n; j++) {
        ck_assert(a->at[j].has_confidence && a->at[j].confidence > 0 && a->at[j].confidence <= 1);
        ck_assert(j == 0 || a->at[j].confidence <= a->at[j - 1].confidence);
        ck_assert_int_ge(words_count(a->at[j].text), 2);
        ck_assert_int_le(words_count(a->at[j].text), ANSWER_MAX_WORDS);
        ck_assert_str_eq(words_clean(s.arena, a->at[j].text), a->at[j].text);
        for (int k = 0; k < j; k++) ck_assert_msg(words_jaccard(words_stem_set(s.arena, a->at[j].text), words_stem_set(s.arena, a->at[k].text)) < MERGE_JOIN, "%s / %s", a->at[j].text, a->at[k].text);
    }
}

/* Random words and bytes: always well-formed, twice the same, and the same whatever behaviour the data set holds. */
START_TEST(noise_gives_well_formed_answers_twice_the_same) {
    static const char *const word[] = {"for", "to", "keep", "no", "without", "-free", "free", "of", "winter", "steel", "12", "ml", ",", ".", "anti-", "proof", "while", "the",
                                       "gear", "strap", "\xc3\xa9t\xc3\xa9", "bag\xc2\xae", "(", "\xff", "non-stick", "shock-proof", "cleaning", "> ", " | ", "a", "'"};
    enum { N = 60 };
    ItemText text[N];
    for (int i = 0; i < N; i++) {
        char part[4][400];
        for (int f = 0; f < 4; f++) {
            Rng rng = rng_make(5, RNG_STAGE_TEST, RNG_NOISE, (uint32_t)f, (uint64_t)i);
            int n = (int)rng_below(&rng, f == 3 ? 60 : 12);
            part[f][0] = 0;
            for (int k = 0; k < n; k++)
                (void)snprintf(part[f] + strlen(part[f]), sizeof part[f] - strlen(part[f]), "%s%s", word[rng_below(&rng, sizeof word / sizeof *word)], rng_below(&rng, 4) ? " " : "");
        }
        text[i] = item(arena_strdup(s.arena, part[0]), i % 7 == 0 ? arena_strdup(s.arena, part[1]) : "", arena_strdup(s.arena, part[2]), arena_strdup(s.arena, part[3]));
    }
    Dataset plain = {.N = N, .text = text};
    int32_t events[3] = {1, 2, 3};
    int64_t offset[2] = {0, 3};
    int32_t user[1] = {0};
    Dataset lively = {.N = N, .text = text, .n_users = 1, .train = {1, user, offset, events}};
    OfflineCorpus *c = offline_corpus(&plain, s.arena), *again = offline_corpus(&lively, s.arena);
    int64_t total = 0;
    for (int i = 0; i < N; i++) {
        Answer a = offline_answer(c, i, s.arena), b = offline_answer(again, i, s.arena);
        expect_well_formed(&a);
        ck_assert_int_eq(a.n, b.n);
        for (int j = 0; j < a.n; j++) {
            ck_assert_str_eq(a.at[j].text, b.at[j].text);
            ck_assert(!(fabs(a.at[j].confidence - b.at[j].confidence) > 0));
        }
        total += a.n;
    }
    ck_assert_int_gt(total, N);
}
END_TEST

START_TEST(it_is_a_member_like_any_other) {
    MineSettings m = {.set = "mini", .top = 8, .refuse_missing = true};
    Responses *cache;
    Mined mined;
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    ck_assert_int_eq(mine_members("rules:offline/v1", "union", "paper/prompts", s.e, s.arena, &m), OK);
    ck_assert_ptr_null(m.members[0].prompt);
    ck_assert_str_eq(m.members[0].provider, "rules");
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    ck_assert_int_eq(mined.coverage[0].by_rule, 6);
    ck_assert_int_eq(mined.coverage[0].by_key + mined.coverage[0].by_identity + mined.coverage[0].malformed, 0);
    ck_assert_str_eq(mined.items[5].at[0].members[0], "rules:offline/v1");
    Answer direct = offline_answer(offline_corpus(s.d, s.arena), 5, s.arena);
    ck_assert_int_eq(mined.items[5].n, direct.n);
    expect(&direct, "made for tiling floors", FACET_PRACTICE);
    /* beside a language model; the rules never stop a run by having nothing to say */
    s.d->text[3] = item("", "", "", "");
    s.d->text[3].id = "A4";
    ck_assert_int_eq(mine_members("claude:mine/v1,rules:offline/v1", "union", "paper/prompts", s.e, s.arena, &m), OK);
    m.refuse_drift = false;
    ck_assert_int_eq(mine_replay(s.d, cache, s.e, &m, s.arena, &mined), OK);
    ck_assert_int_eq(mined.coverage[1].missing, 1);
    ck_assert_int_gt(mined.items[0].n, 3);
    ck_assert_int_eq(mine_members("rules:offline/v2", "union", "paper/prompts", s.e, s.arena, &m), E_USAGE);
    ck_assert_int_eq(mine_members("claude:mine/v1,rules:offline/v1", "single:rules:offline/v1", "paper/prompts", s.e, s.arena, &m), OK);
    ck_assert_int_eq(m.n_members, 1);
    ck_assert_ptr_null(m.members[0].prompt);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("offline");
    TCase *t = tcase_create("offline");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, tokens_are_words_and_ends);
    tcase_add_test(t, category_leaves);
    tcase_add_test(t, rules_by_hand);
    tcase_add_test(t, no_text_no_interest);
    tcase_add_test(t, statistics_find_what_goes_together);
    tcase_add_test(t, noise_gives_well_formed_answers_twice_the_same);
    tcase_add_test(t, it_is_a_member_like_any_other);
    suite_add_tcase(suite, t);
    return support_finish(suite);
}
