/* sid/text.h -- item text to weighted term counts: the bag of words behind the LSA embedding.
 *
 * Words: UTF-8 is decoded strictly; runs of letters and digits, lower case, Latin accents folded (creme = crème), apostrophes inside a word
 * dropped (L'Oreal = loreal), a point between digits kept (0.5). A malformed byte ends a word and is counted, never guessed at.
 * Optional: English stop words dropped, plural endings removed (Harman's S stemmer), word pairs added as terms of their own.
 *
 * A document (row) has several fields. Each field is weighted on its own:
 *   x_row = normalise( sum over fields f of w_f * normalise( tf(count) * idf ) ),   normalise = divide by the L2 norm (0 stays 0)
 * so a long description does not drown a short title: w_f are relative shares. One field of weight 1 is plain TF-IDF.
 *   idf(t) = ln((1+n)/(1+df(t))) + 1, df = rows with the term in any field of positive weight; tf = count, or 1 + ln(count).
 */
#ifndef DIGR_SID_TEXT_H
#define DIGR_SID_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "sid/lsa.h"

enum { TEXT_FIELDS_MAX = 8, TEXT_WORD_MAX = 64 }; /* longer words are cut, in bytes */

typedef struct TextOptions {
    bool stop_words; /* drop English stop words */
    bool stem;       /* S stemmer */
    bool bigrams;    /* add pairs of neighbouring words */
} TextOptions;

typedef struct Corpus Corpus;

/* corpus_create -- rows are added in order; everything lives in `arena`. */
Corpus *corpus_create(Arena *arena, TextOptions options);
/* corpus_row -- open the next row (document); returns its number from 0. */
int64_t corpus_row(Corpus *c);
/* corpus_words -- add the words (and pairs) of text to the open row's field. */
void corpus_words(Corpus *c, int field, const char *text);
/* corpus_phrase -- add one term: mark + the words of text[0..n) joined by blanks ("@burt bees" for a brand). Nothing when there are no words. */
void corpus_phrase(Corpus *c, int field, char mark, const char *text, size_t n);
/* corpus_path -- text "A > B > C": one phrase term per prefix (A, A > B, A > B > C) and all words. */
void corpus_path(Corpus *c, int field, char mark, const char *text);

int64_t corpus_rows(const Corpus *c);
int64_t corpus_bad_bytes(const Corpus *c); /* bytes that were not UTF-8 */

/* corpus_tfidf -- the weighted matrix above. Terms in fewer than min_df rows, or in more than max_df_share of them, are left out; columns are
 * numbered by first appearance. weight (TEXT_FIELDS_MAX). name (n_cols) receives the terms when not NULL. */
Csr corpus_tfidf(const Corpus *c, const double *weight, bool sublinear, int64_t min_df, double max_df_share, Arena *arena,
                 const char *const **name);

/* text_next_word -- the first word at or after *at in text[0..n), normalised into word (NUL-terminated); false at the end. bad: += malformed
 * bytes. Stop words and stemming are not applied. */
bool text_next_word(const char *text, size_t n, size_t *at, char word[TEXT_WORD_MAX], int64_t *bad);
/* text_stem -- S stemmer, in place: ies -> y, es -> e, s -> "" with Harman's exceptions; words under 4 letters stay. */
void text_stem(char *word);
bool text_is_stop_word(const char *word);

#endif
