/* llm/words.h -- words of short English texts: what makes two interests the same, and what the features of 04_label are made of. */
#ifndef DIGR_LLM_WORDS_H
#define DIGR_LLM_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* words_clean -- the form in which an interest is stored: ASCII letters lower case, typographic quotes and dashes made plain, white space
 * single, punctuation trimmed at both ends. */
const char *words_clean(Arena *arena, const char *text);

/* words_count -- runs of characters that are not white space. */
int words_count(const char *text);

/* words_are_utf8 -- well-formed UTF-8 without control characters below 0x20 (white space is allowed). */
bool words_are_utf8(const char *text);

/* words_is_function -- one of the function words (a list of 60 in words.c); lower case expected. */
bool words_is_function(const char *word);

/* A word of running text, in lower case. Hyphens, points and strokes stay between letters or digits ("fragrance-free", "1.75mm", "1/2"), apostrophes vanish. */
typedef struct Token {
    const char *text;
    bool ends;          /* punctuation, or the end, follows: a phrase does not go on */
} Token;

/* words_tokens -- the first `max` words of `text` (0: all), into *tokens; returns how many. */
int words_tokens(Arena *arena, const char *text, int max, Token **tokens);

/* A set of stems, as sorted distinct 64-bit hashes (FNV-1a; equal hashes are taken as equal words). */
typedef struct StemSet {
    int n;
    const uint64_t *at; /* (n) ascending */
} StemSet;

/* words_stem_set -- stems of the content words of `text`. Words are runs of ASCII letters, digits and bytes above 0x7f; apostrophes vanish, any other
 * character separates. Function words (a list of 60 in words.c) are left out. Stemming takes off one of ies->y, sses->ss, ing, ed, es, s while
 * three letters stay, then a doubled last consonant other than l, s, z, then a final e: crude, but the same everywhere and without tables. */
StemSet words_stem_set(Arena *arena, const char *text);

bool words_has_stem(StemSet set, uint64_t stem);

/* words_jaccard -- |a and b| / |a or b|; 0 when both are empty. */
double words_jaccard(StemSet a, StemSet b);

#endif
