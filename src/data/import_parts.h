/* data/import_parts.h -- what the readers of other people's forms share (import.h has the readers). */
#ifndef DIGR_DATA_IMPORT_PARTS_H
#define DIGR_DATA_IMPORT_PARTS_H

#include "data/import.h"

/* import_category_text -- a list of names ("A > B"), or a list of such paths ("A > B | C"); absent or null is "". E_INPUT: something else. */
Status import_category_text(const char *where, const cJSON *list, Arena *arena, const char **text);

/* import_key_fault -- NULL, or why a text is no id of a user or item: empty, white space or control bytes in it. */
const char *import_key_fault(const char *key);

/* import_python_list -- the parts of a Python list of texts that stands in `text`, joined by a space; NULL when text is no such list. */
const char *import_python_list(Arena *arena, const char *text);

/* import_time -- a whole Unix second between 1995 and 2100, or 0; also written with a fraction of zeros or an exponent. false: anything else. */
bool import_time(const char *text, int64_t *time_s);

/* import_item_json -- LC-Rec's STEM.item.json: {"item": {"title", "description", "brand", "categories", ...}}, into c->items and c->text. */
Status import_item_json(Intake *c, const char *path);

/* import_ids -- after reading: ids of users and items from STEM.user2id and STEM.item2id where they are there, else the source's own keys. E_INPUT: a
 * malformed line, one raw id twice, or a user or item without one. */
Status import_ids(Intake *c, const Source *source);

#endif
