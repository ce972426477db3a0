/* rec/vocab.h -- the vocabulary of a generative model: special tokens, text tokens, SID tokens.
 *
 * ROOM rec: recommenders. vocab, sequence (the one prompt builder), tasks (training samples), sft, rewards, GRPO, beam search,
 * baselines. Depends on base, io, data, tensor, nn, sid. Start reading at sequence.h.
 *
 *   [0, N_SPECIAL)                      special tokens, always all of them
 *   [text_base, text_base + n_text)     byte-level BPE; n_text = 0 when no task has text
 *   [sid_base, sid_base + n_sid)        SID tokens as in sid/catalogue.h: level l, code c -> sid_base + l*K + c, suffixes last
 *   V = sid_base + n_sid
 *
 * Files in a model folder: vocab.json (token -> id, every token, SIDs written <a_12>), merges.txt and tokenizer_config.json: the form
 * that Hugging Face's Qwen2 tokenizer opens. The BPE holds absolute ids: what bpe_encode gives is what the model reads.
 */
#ifndef DIGR_REC_VOCAB_H
#define DIGR_REC_VOCAB_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "nn/bpe.h"
#include "sid/catalogue.h"

/* name, text in vocab.json, meaning */
#define SPECIAL_TOKENS(X)                                                    \
    X(TOKEN_BOS, "<bos>")                 /* first token of every sequence */ \
    X(TOKEN_END, "<end>")                 /* ends an answer that is text */  \
    X(TOKEN_SEP, "<sep>")                 /* between texts of a history */   \
    X(TOKEN_MASK, "<mask>")               /* a dropped input token */        \
    X(TOKEN_TITLE_TO_SID, "<title_to_sid>")                                  \
    X(TOKEN_SID_TO_TITLE, "<sid_to_title>")                                  \
    X(TOKEN_INTERESTS_TO_SID, "<interests_to_sid>")                          \
    X(TOKEN_SID_TO_INTERESTS, "<sid_to_interests>")                          \
    X(TOKEN_TITLES_TO_SID, "<titles_to_sid>") /* title history -> next SID */ \
    X(TOKEN_SIDS_TO_TITLE, "<sids_to_title>") /* SID history -> next title */

#define SPECIAL_ENUM(name, text) name,
typedef enum SpecialToken { SPECIAL_TOKENS(SPECIAL_ENUM) N_SPECIAL } SpecialToken;
#undef SPECIAL_ENUM

typedef struct Vocab {
    int64_t V;
    int32_t text_base, sid_base;
    int64_t n_text, n_sid;
    int64_t Q, K, n_suffix; /* of the catalogue it was made for */
    Bpe *bpe;               /* holds every token's spelling; encodes text only when n_text > 0 */
} Vocab;

/* vocab_create -- for a catalogue. n_merges < 0: no text tokens (corpus ignored); else 256 byte tokens and at most n_merges merges learnt
 * from the n_texts strings of `corpus`. Lives in `arena`. */
Vocab *vocab_create(Arena *arena, const Catalogue *c, int64_t n_merges, const char *const *corpus, int64_t n_texts);
/* vocab_save / vocab_load -- the files named above. Loading checks the vocabulary against the catalogue: E_INPUT when the model was trained
 * with SIDs of another shape. */
Status vocab_save(const Vocab *v, const char *dir);
Status vocab_load(const char *dir, Arena *arena, const Catalogue *c, Vocab **v);

/* vocab_level -- level of a SID token (Q for suffixes), -1 for every other token. */
int64_t vocab_level(const Vocab *v, int32_t token);
/* vocab_range -- columns [range[0], range[1]) a softmax restricted by position level runs over when `token` is the target: the codes of its
 * level, the suffixes, or (text and <end>) everything below sid_base. */
void vocab_range(const Vocab *v, int32_t token, int32_t range[2]);
/* vocab_spelling -- text of a token ("<a_12>"), NUL-terminated; raw bytes for text tokens. */
const char *vocab_spelling(const Vocab *v, int32_t token);

#endif
