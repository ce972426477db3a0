/* llm/offline.c -- the rules; see offline.h. Counts and associations are in offline_corpus.c. */
#include "llm/offline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "llm/merge.h"
#include "llm/offline_corpus.h"

/* Most trusted first. At most `most` interests of an item come from one rule. */
#define RULES(X)                      \
    X(PURPOSE, 0.80, 2)               \
    X(AVOIDANCE, 0.75, 2)             \
    X(PHRASE, 0.65, 2)                \
    X(OCCASION, 0.60, 1)              \
    X(CATEGORY, 0.55, 1)              \
    X(MATERIAL, 0.45, 1)              \
    X(ASSOCIATION, 0.40, 1)           \
    X(SIZE, 0.30, 1)
#define RULE_ID(id, trust, most) RULE_##id,
#define RULE_TRUST(id, trust, most) trust,
#define RULE_MOST(id, trust, most) most,
typedef enum Rule { RULES(RULE_ID) N_RULES } Rule;
static const double rule_trust[N_RULES] = {RULES(RULE_TRUST)};
static const int rule_most[N_RULES] = {RULES(RULE_MOST)};

enum { MAX_FOUND = 96, WANTED = 5, PHRASE_WORDS = 5, MAX_PAIRS = 64 };

/* Authored for this member; none is taken from a data set. */
static const char *const occasions[] = {"travel", "wedding", "bridal", "party", "holiday", "christmas", "halloween", "festival", "gym", "office", "school", "classroom", "student",
    "camping", "hiking", "backpacking", "hunting", "fishing", "beach", "pool", "garden", "kitchen", "bathroom", "bedroom", "garage", "workshop", "laboratory", "hospital",
    "stage", "studio", "winter", "summer", "outdoor", "indoor", "beginner", "beginners", "professional", "kids", "toddler", "toddlers", "baby", "teen", "teens", "seniors",
    "pregnancy", "maternity", "postpartum", "recovery", "training", "race", "commuting", "marine", "automotive", "rv", "aquarium", "brewing", "gift"};
static const char *const materials[] = {"steel", "stainless", "brass", "copper", "aluminum", "aluminium", "titanium", "bronze", "iron", "zinc", "nickel", "silver", "gold", "silicone",
    "rubber", "neoprene", "latex", "nitrile", "nylon", "polyester", "polypropylene", "polyethylene", "vinyl", "pvc", "acrylic", "polycarbonate", "abs", "pla", "carbon",
    "carbide", "ceramic", "glass", "porcelain", "wood", "wooden", "bamboo", "maple", "spruce", "rosewood", "mahogany", "ebony", "leather", "suede", "cotton", "linen", "wool",
    "merino", "silk", "fleece", "mesh", "canvas", "foam", "cork", "clay", "paper", "cardboard"};
static const char *const units[] = {"ml", "oz", "fl", "l", "liter", "litre", "gallon", "gallons", "g", "kg", "lb", "lbs", "mm", "cm", "m", "in", "inch", "inches", "ft", "feet",
    "yards", "watt", "watts", "w", "volt", "volts", "v", "amp", "pack", "count", "pcs", "piece", "pieces", "pairs", "set", "sheets"};
static const char *const aims[] = {"keep", "prevent", "protect", "reduce", "remove", "improve", "avoid", "measure", "clean", "repair", "replace", "restore", "support", "store",
    "carry", "cut", "seal", "hold", "hide", "cover", "calm", "soothe", "strengthen", "practise", "practice", "learn", "teach", "record", "tune", "stretch", "warm", "cool", "dry",
    "save", "organize", "organise", "attach", "connect", "mount", "test", "check", "mix", "cook", "grow", "sleep", "breathe", "recover", "stay", "relieve", "stop", "build"};
static const char *const determiners[] = {"a", "an", "the", "all", "any", "your", "their", "its", "his", "her", "every", "each", "some", "those", "these", "this", "that", "use"};
static const char *const times[] = {"when", "while", "during", "after", "before", "between"};

#define IN_LIST(list, word) in_list(list, sizeof(list) / sizeof *(list), word)

static bool in_list(const char *const *list, size_t n, const char *word) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0) return true;
    return false;
}

typedef struct Found { Interest z; Rule rule; int place; StemSet stems; } Found;

typedef struct Search {
    const OfflineCorpus *c;
    const ItemText *item;
    Arena *arena;
    StemSet brand;
    Token *token;    /* of the text at hand */
    int n_tokens;
    int n;
    Found found[MAX_FOUND];
} Search;

static bool has_suffix(const char *word, const char *end) {
    size_t n = strlen(word), m = strlen(end);
    return n > m && strcmp(word + n - m, end) == 0;
}

static bool is_brand(const Search *s, const char *word) {
    if (corpus_is_brand(s->c, word)) return true;
    StemSet own = words_stem_set(s->arena, word);
    for (int i = 0; i < own.n; i++)
        if (words_has_stem(s->brand, own.at[i])) return true;
    return false;
}

/* Mean idf of the content words of the text, in [0,1]. */
static double specificity(const Search *s, const char *text) {
    Token *token;
    int n = words_tokens(s->arena, text, 0, &token), content = 0;
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (corpus_is_content(token[i].text)) {
            sum += corpus_idf(s->c, token[i].text);
            content++;
        }
    return content ? sum / content : 0;
}

/* about: the words that came from the item or the corpus; text: the interest in full. */
static void add(Search *s, Rule rule, Facet facet, const char *about, const char *text) {
    int words = words_count(text);
    if (s->n == MAX_FOUND || words < 2 || words > ANSWER_MAX_WORDS) return;
    double confidence = rule_trust[rule] * (0.6 + 0.4 * specificity(s, about));
    Interest z = {.text = words_clean(s->arena, text), .facet = facet, .has_confidence = true, .confidence = round(confidence * 1000) / 1000, .n_agree = 1};
    s->found[s->n] = (Found){z, rule, s->n, words_stem_set(s->arena, z.text)};
    s->n++;
}

/* The phrase that begins at token i: up to `most` words, leading determiners left out, to the end of the clause; trailing function words cut. NULL when no content word
 * is in it. */
static const char *phrase_at(const Search *s, int i, int most) {
    while (i < s->n_tokens && IN_LIST(determiners, s->token[i].text) && !s->token[i].ends) i++;
    int last = -1, content = 0, from = i;
    for (int k = 0; k < most && i < s->n_tokens; k++, i++) {
        const char *w = s->token[i].text;
        if (k > 0 && (strcmp(w, "for") == 0 || strcmp(w, "with") == 0 || strcmp(w, "that") == 0 || strcmp(w, "to") == 0 || IN_LIST(times, w))) break;
        if (!words_is_function(w)) last = i;
        content += corpus_is_content(w) && !is_brand(s, w);
        if (s->token[i].ends) break;
    }
    if (content == 0 || last < from) return NULL;
    const char *out = s->token[from].text;
    for (int k = from + 1; k <= last; k++) out = arena_printf(s->arena, "%s %s", out, s->token[k].text);
    return out;
}

static void find_purpose(Search *s, int i) {
    const char *w = s->token[i].text, *phrase;
    if (i + 1 == s->n_tokens || s->token[i].ends) return;
    if (strcmp(w, "for") == 0 && (phrase = phrase_at(s, i + 1, PHRASE_WORDS))) {
        size_t first = strcspn(phrase, " ");
        bool gerund = first > 4 && strncmp(phrase + first - 3, "ing", 3) == 0;
        add(s, RULE_PURPOSE, gerund ? FACET_PRACTICE : FACET_PROJECT, phrase, gerund && words_count(phrase) >= 3 ? phrase : arena_printf(s->arena, "made for %s", phrase));
    } else if (strcmp(w, "to") == 0 && IN_LIST(aims, s->token[i + 1].text) && (phrase = phrase_at(s, i + 1, PHRASE_WORDS)) && words_count(phrase) >= 2) {
        add(s, RULE_PURPOSE, FACET_GOAL, phrase, arena_printf(s->arena, "to %s", phrase));
    } else if (IN_LIST(times, w) && (phrase = phrase_at(s, i + 1, PHRASE_WORDS - 1))) {
        add(s, RULE_PURPOSE, FACET_SITUATION, phrase, arena_printf(s->arena, "%s %s", w, phrase));
    }
}

static void add_around(Search *s, const char *before, const char *what, Facet facet) {
    if (what && *what) add(s, RULE_AVOIDANCE, facet, what, arena_printf(s->arena, "%s %s", before, what));
}

static void find_avoidance(Search *s, int i) {
    const char *w = s->token[i].text, *what = NULL;
    bool more = i + 1 < s->n_tokens && !s->token[i].ends;
    size_t n = strlen(w);
    if (has_suffix(w, "-free")) add_around(s, "doing without", arena_strndup(s->arena, w, n - 5), FACET_CONSTRAINT);
    else if (strcmp(w, "free") == 0 && more && strcmp(s->token[i + 1].text, "of") == 0 && !s->token[i + 1].ends) add_around(s, "doing without", phrase_at(s, i + 2, 2), FACET_CONSTRAINT);
    else if (strcmp(w, "free") == 0 && i > 0 && !s->token[i - 1].ends && corpus_is_content(s->token[i - 1].text) && (s->token[i].ends || !more))
        add_around(s, "doing without", s->token[i - 1].text, FACET_CONSTRAINT);
    else if ((strcmp(w, "no") == 0 || strcmp(w, "without") == 0 || strcmp(w, "non") == 0) && more) {
        what = phrase_at(s, i + 1, 2);
        add_around(s, "doing without", what, FACET_CONSTRAINT);
    } else if (strncmp(w, "non-", 4) == 0 && n > 6) add_around(s, "doing without anything", w + 4, FACET_CONSTRAINT);
    else if (strncmp(w, "anti-", 5) == 0 && n > 7) add_around(s, "protection against", w + 5, FACET_GOAL);
    else if (has_suffix(w, "-proof") || has_suffix(w, "-resistant"))
        add_around(s, "protection against", arena_strndup(s->arena, w, (size_t)(strrchr(w, '-') - w)), FACET_GOAL);
    else if (has_suffix(w, "proof") && n > 8) add_around(s, "protection against", arena_strndup(s->arena, w, n - 5), FACET_GOAL);
    else if (strcmp(w, "resistant") == 0 && i > 0 && !s->token[i - 1].ends && corpus_is_content(s->token[i - 1].text))
        add_around(s, "protection against", s->token[i - 1].text, FACET_GOAL);
}

static void find_listed(Search *s, int i) {
    const char *w = s->token[i].text;
    if (IN_LIST(occasions, w) && !is_brand(s, w)) add(s, RULE_OCCASION, FACET_SITUATION, w, arena_printf(s->arena, "suited to %s", w));
    if (IN_LIST(materials, w) && !is_brand(s, w)) {
        bool two = i > 0 && !s->token[i - 1].ends && IN_LIST(materials, s->token[i - 1].text);
        const char *what = two ? arena_printf(s->arena, "%s %s", s->token[i - 1].text, w) : w;
        add(s, RULE_MATERIAL, FACET_CONSTRAINT, what, arena_printf(s->arena, "made of %s", what));
    }
    size_t digits = strspn(w, "0123456789./");
    if (digits == 0) return;
    const char *unit = w[digits] ? w + digits + (w[digits] == '-') : i + 1 < s->n_tokens ? s->token[i + 1].text : "";
    if (!IN_LIST(units, unit)) return;
    const char *what = arena_printf(s->arena, "%.*s %s", (int)digits, w, unit);
    add(s, RULE_SIZE, FACET_CONSTRAINT, what, arena_printf(s->arena, "a size of %s", what));
}

static void read_text(Search *s, const char *text, int max) {
    s->n_tokens = words_tokens(s->arena, text, max, &s->token);
    for (int i = 0; i < s->n_tokens; i++) {
        find_purpose(s, i);
        find_avoidance(s, i);
        find_listed(s, i);
    }
}

/* ---- statistics */

static const char *item_words(Search *s, int *n, const char ***words) {
    const char *all = arena_printf(s->arena, "%s . %s", s->item->title, s->item->categories);
    Token *token;
    int n_tokens = words_tokens(s->arena, all, 0, &token);
    *words = ARENA_NEW(s->arena, const char *, n_tokens);
    *n = 0;
    for (int i = 0; i < n_tokens; i++)
        if (corpus_is_content(token[i].text) && !is_brand(s, token[i].text)) (*words)[(*n)++] = token[i].text;
    return arena_printf(s->arena, "%s %s %s", all, s->item->description, s->item->brand);
}

typedef struct PairScore { int at; double score; } PairScore;

static int compare_pairs(const void *a, const void *b) {
    const PairScore *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->at - y->at;
}

static void find_phrases(Search *s, const char *leaf, StemSet taken) {
    s->n_tokens = words_tokens(s->arena, s->item->title, 0, &s->token);
    PairScore pair[MAX_PAIRS];
    int n = 0;
    for (int i = 0; i + 1 < s->n_tokens && n < MAX_PAIRS; i++) {
        const char *a = s->token[i].text, *b = s->token[i + 1].text;
        if (s->token[i].ends || !corpus_is_content(a) || !corpus_is_content(b) || is_brand(s, a) || is_brand(s, b)) continue;
        double score = corpus_pair(s->c, a, b, leaf, s->arena);
        if (score > 0) pair[n++] = (PairScore){i, score};
    }
    qsort(pair, (size_t)n, sizeof *pair, compare_pairs);
    for (int k = 0; k < n && k < rule_most[RULE_PHRASE]; k++) {
        const char *words[2] = {s->token[pair[k].at].text, s->token[pair[k].at + 1].text}, *with[2];
        const char *text = arena_printf(s->arena, "%s %s", words[0], words[1]), *about = text;
        int m = corpus_associates(s->c, 2, words, 1, taken, 2, with, s->arena);
        if (m == 2) text = arena_printf(s->arena, "%s with %s and %s", text, with[0], with[1]);
        else if (m == 1) text = arena_printf(s->arena, "%s with %s", text, with[0]);
        else text = arena_printf(s->arena, "using %s", text);
        add(s, RULE_PHRASE, FACET_PROJECT, about, text);
    }
}

static void find_category(Search *s, const char *leaf, const char *parent) {
    Token *token;
    const char *parts[2] = {"", ""}, *names[2] = {leaf, parent};
    for (int p = 0; p < 2; p++) {
        int n = words_tokens(s->arena, names[p], 4, &token);
        for (int i = 0; i < n; i++) parts[p] = *parts[p] ? arena_printf(s->arena, "%s %s", parts[p], token[i].text) : token[i].text;
    }
    if (!*parts[0]) return;
    add(s, RULE_CATEGORY, FACET_PRACTICE, parts[0], *parts[1] ? arena_printf(s->arena, "%s for %s", parts[0], parts[1]) : arena_printf(s->arena, "using %s", parts[0]));
}

static void find_associations(Search *s, int n, const char *const *words, StemSet taken) {
    const char *with[3];
    if (corpus_associates(s->c, n, words, 2, taken, 3, with, s->arena) < 3) return;
    const char *about = arena_printf(s->arena, "%s %s %s", with[0], with[1], with[2]);
    add(s, RULE_ASSOCIATION, FACET_GOAL, about, arena_printf(s->arena, "goes with %s, %s and %s", with[0], with[1], with[2]));
}

/* ---- choosing */

static int compare_found(const void *a, const void *b) {
    const Found *x = a, *y = b;
    if (x->z.confidence != y->z.confidence) return x->z.confidence < y->z.confidence ? 1 : -1;
    if (x->rule != y->rule) return (int)x->rule - (int)y->rule;
    return x->place - y->place;
}

Answer offline_answer(const OfflineCorpus *c, int64_t item, Arena *arena) {
    Arena *scratch = arena_create("rules");
    Search *s = ARENA_NEW(scratch, Search, 1);
    s->c = c;
    s->item = corpus_item(c, item);
    s->arena = scratch;
    s->brand = words_stem_set(scratch, s->item->brand);
    const char *parent, *leaf = corpus_leaf(s->item->categories, scratch, &parent), **words;
    int n_words;
    StemSet taken = words_stem_set(scratch, item_words(s, &n_words, &words));
    read_text(s, s->item->title, 0);
    read_text(s, s->item->description, DESCRIPTION_WORDS);
    find_phrases(s, leaf, taken);
    find_category(s, leaf, parent);
    find_associations(s, n_words, words, taken);
    qsort(s->found, (size_t)s->n, sizeof *s->found, compare_found);
    Answer a = {.at = ARENA_NEW(arena, Interest, WANTED)};
    int per_rule[N_RULES] = {0};
    StemSet chosen[WANTED];
    for (int i = 0; i < s->n && a.n < WANTED; i++) {
        const Found *f = &s->found[i];
        bool near = per_rule[f->rule] == rule_most[f->rule];
        for (int k = 0; k < a.n && !near; k++) near = words_jaccard(chosen[k], f->stems) >= MERGE_JOIN;
        if (near) continue;
        per_rule[f->rule]++;
        chosen[a.n] = f->stems;
        a.at[a.n] = f->z;
        a.at[a.n++].text = arena_strdup(arena, f->z.text);
    }
    arena_destroy(scratch);
    return a;
}
