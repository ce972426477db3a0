/* sid/itemdoc.h -- an item as a document (paper section IEID): x_i = title + brand + categories + description + keywords + caption + interests.
 *
 * This is the one place that decides which text of an item may reach an embedding. Nothing else does: a data set folder's items.jsonl has no
 * other text, and the sample's latent interests never leave 00_sample's oracle files.
 */
#ifndef DIGR_SID_ITEMDOC_H
#define DIGR_SID_ITEMDOC_H

#include "base/arena.h"
#include "data/dataset.h"
#include "llm/interests.h"
#include "sid/text.h"

enum { FIELD_TITLE, FIELD_BRAND, FIELD_CATEGORIES, FIELD_DESCRIPTION, FIELD_KEYWORDS, FIELD_CAPTION, FIELD_INTERESTS, N_FIELDS,
       FIELD_COMPANIONS = N_FIELDS /* not text: see itemdoc_companions */ };
extern const char *const ITEMDOC_FIELDS[N_FIELDS]; /* "title", ... */

typedef enum InterestUse { INTERESTS_NONE, INTERESTS_POSITIVE /* label 1 */, INTERESTS_ALL } InterestUse;
#define INTEREST_USE_CHOICES "none|positive|all"
InterestUse itemdoc_use(const char *name); /* of one of these */

/* itemdoc_text -- one field of the item, "" when missing; for interests the texts used, joined by "; ". A brand "Unknown" counts as missing.
 * interests may be NULL (none known). Lives in arena or in the item. */
const char *itemdoc_text(const ItemText *item, const ItemInterests *interests, InterestUse use, int field, Arena *arena);
/* itemdoc_add -- the item as the next row of the corpus: words of all fields, the brand also as one term "@brand", every prefix of the category
 * path also as one term "#a b c". */
void itemdoc_add(Corpus *c, const ItemText *item, const ItemInterests *interests, InterestUse use, Arena *scratch);
/* itemdoc_whole -- all fields in the order above as one text, sentences ended by ". ": what an embedding model elsewhere should be given. */
const char *itemdoc_whole(const ItemText *item, const ItemInterests *interests, InterestUse use, Arena *arena);

/* Companions of an item: the items within `window` steps of it in a training sequence, once per meeting (offset (N+1), item (offset[N])). */
typedef struct Companions {
    int64_t *offset;
    int32_t *item;
} Companions;

/* itemdoc_companions -- from the train split only, so that no evaluated event is seen. */
Companions itemdoc_companions(const Sequences *train, int64_t N, int64_t window, Arena *arena);
/* itemdoc_add_companions -- to the open row: each companion as one term "$i17" of field FIELD_COMPANIONS. Items bought in the same company
 * come to share terms, as items described in the same words do. */
void itemdoc_add_companions(Corpus *c, const Companions *with, int64_t item);

#endif
