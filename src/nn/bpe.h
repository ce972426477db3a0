/* nn/bpe.h -- byte-level byte-pair encoding (GPT-2 / Qwen), trained, loaded and saved as Hugging Face vocab.json + merges.txt.
 *
 * Text is cut into pre-tokens by Qwen2's pattern
 *   (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 * and inside each pre-token the pair with the lowest merge rank is joined until none is left.
 *
 * Unicode classes come from the table in bpe_unicode.c. Deviations: text is not NFC-normalised; each byte of ill-formed UTF-8 counts as a symbol;
 * time is quadratic in the longest pre-token (words: tens of bytes).
 * decode(encode(x)) = x for every byte string.
 */
#ifndef DIGR_NN_BPE_H
#define DIGR_NN_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Bpe Bpe;

/* bpe_train -- learn at most n_merges merges from n strings, in order of pair count (ties: lowest left id, then right id); stops when no pair occurs
 * twice. Byte b gets id first_id + b; new tokens follow from
 * first_id + 256 in order of learning (a merge that spells an existing token reuses its id). n_merges < 0: no byte tokens at all (bpe_add only). */
Bpe *bpe_train(Arena *arena, int64_t first_id, int64_t n_merges, const char *const *text, int64_t n);
/* bpe_add -- a literal token (special or SID) that encoding never produces. The id must be free. */
void bpe_add(Bpe *b, int64_t id, const char *spelling);
/* bpe_load -- E_INPUT: a file missing or malformed, a merge whose parts or result are not in the vocabulary, a byte without a token (unless
 * there are no merges), two tokens with one id. */
Status bpe_load(const char *vocab_json, const char *merges_txt, Arena *arena, Bpe **bpe);
Status bpe_save(const Bpe *b, const char *vocab_json, const char *merges_txt);

int64_t bpe_count(const Bpe *b);    /* largest id + 1 */
int64_t bpe_n_merges(const Bpe *b);
/* bpe_token -- bytes of a token (n out; NUL-terminated too); NULL when the id is not used. */
const char *bpe_token(const Bpe *b, int64_t id, size_t *n);
/* bpe_find -- id of the token with exactly these bytes, -1 when there is none. */
int64_t bpe_find(const Bpe *b, const char *bytes, size_t n);

/* bpe_encode -- text (n bytes) to ids, at most `capacity` written; returns the full number (<= n), so a caller can tell truncation. */
int64_t bpe_encode(const Bpe *b, const char *text, size_t n, int32_t *id, int64_t capacity);
/* bpe_decode -- concatenated bytes of the ids, in `arena`, NUL-terminated; n_bytes out or NULL. Unknown ids give nothing. */
char *bpe_decode(const Bpe *b, Arena *arena, const int32_t *id, int64_t n, size_t *n_bytes);

#endif
