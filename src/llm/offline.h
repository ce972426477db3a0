/* llm/offline.h -- the ensemble's member that asks no model: rules and corpus statistics on an item's title, categories and description.
 *
 * It is free, and the floor that a language model's interests must beat. Nothing in it is learnt from behaviour, and nothing in it is a language model: wherever it
 * appears it is called by its name, "rules:offline/v1".
 *
 * For each item, in this order of trust, 3 to 5 interests (fewer where the text gives fewer):
 *   purpose       "for X", "to keep|prevent|... X", "when|while|during|after|before X" in title or description: what the seller says it is for
 *   avoidance     "X-free", "free of X", "no X", "without X", "non-X": a constraint; "X-proof", "X-resistant", "anti-X": protection
 *   phrase        the title's most telling pair of neighbouring words: how much more often they stand side by side than chance would have it (normalised pointwise mutual
 *                 information over titles), times how rare the pair is among items of the same leaf category; with the two words that the corpus associates with it
 *   occasion      a word of a short authored list of places, times of life and people (travel, wedding, beginner, toddler, ...)
 *   category      leaf category and its parent
 *   material      a word of a short authored list (brass, silicone, ...)
 *   association   three words that are not in the item's text, but go with its words all over the corpus (sum of normalised mutual information)
 *   size          a number with a unit
 * Confidence is the rule's rank (a constant each) times 0.6 + 0.4 x mean idf of the text, the largest possible idf being 1: it orders the interests of an item, and is no
 * probability. Of a description the first 60 words are read; words of brand fields are left out, unless categories use them too. Ties go to the earlier rule, then the earlier place in the text.
 */
#ifndef DIGR_LLM_OFFLINE_H
#define DIGR_LLM_OFFLINE_H

#include "base/arena.h"
#include "data/dataset.h"
#include "llm/answer.h"

#define OFFLINE_MODEL "rules"
#define OFFLINE_TEMPLATE "offline/v1"

typedef struct OfflineCorpus OfflineCorpus;

/* offline_corpus -- word counts, pairs and categories of all items; keeps a pointer to `d`. */
OfflineCorpus *offline_corpus(const Dataset *d, Arena *arena);

/* offline_answer -- the interests of one item, most trusted first; n = 0 when its text gives none. Same text and corpus: same answer. Lives in `arena`. */
Answer offline_answer(const OfflineCorpus *c, int64_t item, Arena *arena);

#endif
