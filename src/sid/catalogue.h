/* sid/catalogue.h -- items as semantic ids (SIDs), and the map between SIDs, tokens and items.
 *
 * ROOM sid: text embedding (text, LSA), k-means, RQ-VAE, catalogue, trie, SID quality. Depends on base, io, data, tensor, nn.
 * Start reading here, then text.h -> lsa.h -> kmeans.h -> rqvae.h (the way of an item's text to its codes) and quality.h.
 *
 * A SID is Q = 3 codes, each in [0,K), plus one suffix code only where several items share all three: such items get suffix 0,1,2,... in
 * ascending item index. File format (LC-Rec / MiniOneRec `.index.json`): {"0": ["<a_12>","<b_3>","<c_7>"], "5": ["<a_1>","<b_1>","<c_1>","<d_0>"], ...}.
 * Level letters a,b,c,d = levels 0,1,2 and suffix. Files with four RQ levels (LETTER) load with Q = 4.
 *
 * SID tokens of a model vocabulary: level l, code c -> sid_base + l*K + c for l < Q, suffix s -> sid_base + Q*K + s.
 */
#ifndef DIGR_SID_CATALOGUE_H
#define DIGR_SID_CATALOGUE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

enum { SID_MAX = 6 }; /* longest SID, suffix included */

typedef struct Catalogue {
    int64_t N, Q, K, n_suffix; /* n_suffix: number of distinct suffix codes (0: no item needs one) */
    int32_t *code;             /* (N,SID_MAX) codes, -1 padded; column Q is the suffix or -1 */
    int32_t *length;           /* (N) Q or Q+1 */
    int32_t *slot;             /* (n_slots) open-addressed hash of whole SIDs to items, -1 empty; private to catalogue.c */
    int64_t n_slots;
} Catalogue;

/* catalogue_from_codes -- assign suffixes. code (N,Q) host. */
Catalogue *catalogue_from_codes(Arena *arena, int64_t N, int64_t Q, int64_t K, const int32_t *code);
/* catalogue_read / _write -- .index.json. E_INPUT: missing item, code out of range, two items with one SID. N items expected.
 * Q is the length of the shortest SID, K the largest code of a level below Q plus one (a file does not tell how many codes were offered).
 * When all SIDs have one length and some are equal (LETTER's and MiniOneRec's files collide like that), suffixes are assigned as by
 * catalogue_from_codes, with a warning that says how many items were concerned. Equal SIDs beside suffixes are E_INPUT.
 * Keys 1..N instead of 0..N-1 are read as items 0..N-1, with a warning. Whose numbering a foreign file follows is the caller's to know. */
Status catalogue_read(const char *path, Arena *arena, int64_t N, Catalogue **c);
Status catalogue_write(const Catalogue *c, const char *path);
/* Tokens needed in a vocabulary: Q*K + n_suffix. */
int64_t catalogue_n_tokens(const Catalogue *c);
/* catalogue_tokens -- write item's SID as tokens, returns its length (<= SID_MAX). */
int64_t catalogue_tokens(const Catalogue *c, int32_t item, int32_t sid_base, int32_t *token);
/* Level of a SID token (Q for suffixes), -1 when it is not one. */
int64_t catalogue_level(const Catalogue *c, int32_t token, int32_t sid_base);
/* catalogue_find -- the item whose whole SID equals code[n]; -1 when none (n or a code wrong). Needs no index: builds a hash at creation. */
int32_t catalogue_find(const Catalogue *c, const int32_t *code, int64_t n);

#endif
