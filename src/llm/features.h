/* llm/features.h -- what the classifier of 04_label sees of an interest: numbers about (item, interest), from the item's text, the item's other interests,
 * the interests of the items with the nearest text, and the words themselves.
 *
 * Two rules keep judged rows honest. (1) An interest is never compared with itself: the group it belongs to is left out of its siblings, equal texts are left out of
 * its neighbours, and one occurrence is taken off every count. (2) A judged row may lack a facet, a confidence or an agreement (a planted generic text was never
 * mined). What is unknown is set to what the known features let expect (label.h), so that having been mined is not itself a feature: mined interests are all that is
 * ever labelled.
 */
#ifndef DIGR_LLM_FEATURES_H
#define DIGR_LLM_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "data/dataset.h"
#include "llm/interests.h"

/* share(A in B): idf-weighted share of the stems of A that occur in B. cos: cosine of the idf vectors. */
#define FEATURES(X)                                                                         \
    X(TITLE_SHARE, "title_share", "share(interest in title)")                               \
    X(TEXT_SHARE, "text_share", "share(interest in all text of the item)")                  \
    X(TEXT_COSINE, "text_cosine", "cos(interest, all text of the item)")                    \
    X(TEXT_SPACE, "text_space", "cos(interest, all text of the item) in the embedding space of the item texts (features_set_space)") \
    X(SIBLING_SHARE, "sibling_share", "share(interest in the item's other interests)")      \
    X(SIBLING_COSINE, "sibling_cosine", "largest cos to another interest of the item")      \
    X(NEAR_SHARE, "near_share", "share(interest in interests of an item), mean over the 10 items with the nearest text, weighted by their cos") \
    X(NEAR_COSINE, "near_cosine", "largest cos to an interest of those items")              \
    X(AFFINITY, "affinity", "mean over the interest's stems of their largest association with a stem of the item's text (features.c)") \
    X(RARITY, "rarity", "mean idf over interests, of the interest's stems")                 \
    X(RARITY_MIN, "rarity_min", "smallest of these")                                        \
    X(TEXT_RARITY, "text_rarity", "mean idf over item texts, of the interest's stems")      \
    X(UNSEEN, "unseen", "share of its stems that no other item's interests use")            \
    X(REUSED, "reused", "log(1 + other items with the same interest)")                      \
    X(WORDS, "words", "number of words")                                                    \
    X(CHARACTERS, "characters", "number of bytes")                                          \
    X(AGREEMENT, "agreement", "log of the number of members that named it")                 \
    X(CONFIDENCE, "confidence", "merged confidence")                                        \
    X(PROJECT, "facet_project", "1 when that is its facet")                                 \
    X(PRACTICE, "facet_practice", "")                                                       \
    X(SITUATION, "facet_situation", "")                                                     \
    X(CONSTRAINT, "facet_constraint", "")                                                   \
    X(GOAL, "facet_goal", "")

#define FEATURE_ID(id, name, meaning) FEATURE_##id,
typedef enum Feature { FEATURES(FEATURE_ID) N_FEATURES } Feature;
#undef FEATURE_ID
enum { N_ALWAYS = FEATURE_AGREEMENT }; /* features before this one are known of every row */

const char *feature_name(Feature f);

typedef struct FeatureCorpus FeatureCorpus;

/* features_corpus -- counts, idf and nearest items of a data set with its merged interests; keeps pointers to both. */
FeatureCorpus *features_corpus(const Dataset *d, const ItemInterests *items, Arena *arena);

/* features_matrix -- the item texts as a sparse matrix (N, V): row i holds idf * [stem in the text of i], of length 1; stems in one text only are left out. */
typedef struct FeatureMatrix { int64_t n_rows, n_cols; int64_t *indptr; int32_t *index; double *value; } FeatureMatrix;
FeatureMatrix features_matrix(const FeatureCorpus *c, Arena *arena);
/* features_set_space -- axes in (V, k): the vector of a text is the sum of idf * axes over its stems. Kept by reference. Until it is set, text_space is 0 for every row.
 * The axes must come from item texts alone: were interests in them, a mined interest would be near its item because it was mined there. */
void features_set_space(FeatureCorpus *c, int64_t k, const double *axes);

/* features_match -- which merged interest of `item` the text is: an equal text, else the nearest at or above MERGE_JOIN; -1 when none is. */
int features_match(const FeatureCorpus *c, int64_t item, const char *text, Arena *scratch);
/* features_own -- that interest; NULL for -1. */
const Interest *features_own(const FeatureCorpus *c, int64_t item, int own);
/* features_donor -- the first interest with this very text anywhere; NULL when there is none. */
const Interest *features_donor(const FeatureCorpus *c, const char *text);

/* features_compute -- one row.
 * own     index of the text among the item's merged interests (features_match), -1: none
 * known   the interest as it was mined, here or for another item; NULL: it never was. Its facet is known then; its confidence and agreement are known only when it
 *         is the item's own (own >= 0): they say nothing about another item
 * row     out (N_FEATURES)
 * is_known out (N_FEATURES) false where the value is unknown (row holds 0 there) */
void features_compute(const FeatureCorpus *c, int64_t item, const char *text, int own, const Interest *known, Arena *scratch, double *row, bool *is_known);

#endif
