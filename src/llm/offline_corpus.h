/* llm/offline_corpus.h -- the counts behind offline.h: words, pairs of title words, categories, and which words go together. */
#ifndef DIGR_LLM_OFFLINE_CORPUS_H
#define DIGR_LLM_OFFLINE_CORPUS_H

#include <stdbool.h>
#include <stdint.h>

#include "llm/offline.h"
#include "llm/words.h"

enum { DESCRIPTION_WORDS = 60 };

/* corpus_is_content -- a word that can carry meaning: begins with a letter, three bytes or more, no digit, not a function word. */
bool corpus_is_content(const char *word);

/* corpus_is_brand -- a word of some item's brand field, and of no category. */
bool corpus_is_brand(const OfflineCorpus *c, const char *word);

/* corpus_idf -- of a word over item texts, scaled to [0,1]; 1 when no item has it. */
double corpus_idf(const OfflineCorpus *c, const char *word);

/* corpus_pair -- how telling two neighbouring words of a title are: max(0, npmi over titles) x rarity among the items of `leaf`; halved when no other title has them. */
double corpus_pair(const OfflineCorpus *c, const char *a, const char *b, const char *leaf, Arena *scratch);

/* corpus_associates -- up to n words that go best with the given ones (sum of npmi over `words`), none of whose stems is in `taken`, and no brands.
 * out (n) words; returns how many. A word must be associated with at least `support` of the given ones. */
int corpus_associates(const OfflineCorpus *c, int n_words, const char *const *words, int support, StemSet taken, int n, const char **out, Arena *scratch);

/* corpus_leaf -- the last node of the item's first category path, "" when it has none; *parent the node above it, "" when there is none. */
const char *corpus_leaf(const char *categories, Arena *arena, const char **parent);

const ItemText *corpus_item(const OfflineCorpus *c, int64_t item);

#endif
