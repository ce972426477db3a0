/* data/fieldscan.h -- a few named members of a JSON object on one line, without building a tree.
 *
 * fieldscan_line passes over the line once. It checks everything it passes over against the strict grammar of RFC 8259 (structure, strings and their
 * escapes, UTF-8, numbers) and gives out the members asked for, strings unescaped. It knows less than the whole language on purpose: what it does not
 * recognise it leaves to cJSON (fieldscan_read does so, and counts it), so that cJSON alone decides what is malformed, and how that is told. Left to cJSON:
 * anything outside the strict grammar, escaped keys, \u0000, lists and objects more than 32 deep, and wanted numbers of more than 15 digits.
 *
 *   static const char *const names[] = {"reviewerID", "asin", "unixReviewTime"};
 *   FieldScan *s = fieldscan_create(arena, 3, names);
 *   Field field[3];
 *   TRY(fieldscan_read(s, path, number, line, n, field));
 *
 * Both ways give the same fields for the same line (tests/test_fieldscan.c compares them on generated and mutated lines). Of members with the same name the
 * first counts, as in cJSON.
 */
#ifndef DIGR_DATA_FIELDSCAN_H
#define DIGR_DATA_FIELDSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

enum { FIELDSCAN_MAX_FIELDS = 16 };

typedef enum FieldKind { FIELD_ABSENT, FIELD_STRING, FIELD_NUMBER, FIELD_OTHER } FieldKind; /* OTHER: true, false, null, a list, an object */

typedef struct Field {
    FieldKind kind;
    const char *text; /* STRING: n bytes, unescaped, not NUL-terminated, without a NUL in it; valid until the line or the scanner is used again */
    size_t n;
    double number;    /* NUMBER */
} Field;

typedef struct FieldScan FieldScan;

/* fieldscan_create -- looks for n (<= 16) members called names[0..n), which must outlive the scanner. */
FieldScan *fieldscan_create(Arena *arena, int n, const char *const *names);

/* fieldscan_line -- one line of n bytes; reads line[0..n) only. true: it is one JSON object, and field[0..names) says what it holds; false: not recognised,
 * `field` is undefined. */
bool fieldscan_line(FieldScan *s, const char *line, size_t n, Field *field);

/* fieldscan_tree -- the same members of a tree that cJSON has parsed; strings point into the tree. */
void fieldscan_tree(const FieldScan *s, const cJSON *tree, Field *field);

/* fieldscan_read -- fieldscan_line, and where that does not recognise the line, cJSON. text[n] must be NUL. E_INPUT: malformed, or no object (the message
 * names path and line); *bad_utf8 (NULL to skip the check) is set instead to the offset of the first byte that is no UTF-8, with E_INPUT. */
Status fieldscan_read(FieldScan *s, const char *path, int64_t line, const char *text, size_t n, Field *field, size_t *bad_utf8);

int64_t fieldscan_fallbacks(const FieldScan *s); /* lines that fieldscan_read left to cJSON, malformed ones included */
void fieldscan_destroy(FieldScan *s);            /* frees the last tree; the rest lives in the arena */

#endif
