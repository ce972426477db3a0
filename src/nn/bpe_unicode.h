/* nn/bpe_unicode.h -- the Unicode classes the BPE pre-token pattern needs, above ASCII: sorted closed ranges of code points. */
#ifndef DIGR_NN_BPE_UNICODE_H
#define DIGR_NN_BPE_UNICODE_H

#include <stdint.h>

extern const uint32_t unicode_letters[][2], unicode_numbers[][2];
extern const int unicode_letters_count, unicode_numbers_count;

#endif
