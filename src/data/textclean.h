/* data/textclean.h -- UTF-8 and the text of raw metadata. */
#ifndef DIGR_DATA_TEXTCLEAN_H
#define DIGR_DATA_TEXTCLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* utf8_invalid_at -- offset of the first byte that breaks UTF-8 (overlong forms, surrogates and code points above U+10FFFF included); n when
 * there is none. */
size_t utf8_invalid_at(const char *text, size_t n);
/* utf8_put -- encode one code point (not a surrogate, <= 0x10FFFF) at out; returns 1..4. */
size_t utf8_put(char *out, uint32_t code);

/* text_clean -- what a shop page shows: tags and comments become a space, the contents of <script> and <style> go, entities are decoded once
 * (`&#39;`, `&#x27;`, and the named ones of Latin-1 and common punctuation; unknown ones stay), runs of white space become one space, ends are
 * trimmed. The result is in arena. */
const char *text_clean(Arena *arena, const char *text);

#endif
