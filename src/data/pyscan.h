/* data/pyscan.h -- one member of a Python dict on one line, without building a tree: what fieldscan.h is to cJSON, this is to pyliteral.h.
 *
 * It recognises what pyliteral_parse_line would read, less what is rare: \x, octal and \U escapes, long integers, exponents, escaped or more than 32 keys in a
 * dict, nesting beyond 32. What it recognises is a literal that pyliteral_parse_line reads (tests/test_pyscan.c); what it does not is left to that. */
#ifndef DIGR_DATA_PYSCAN_H
#define DIGR_DATA_PYSCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "data/fieldscan.h"

/* pyscan_line -- one line of n bytes; reads line[0..n) only. true: it is one dict, in UTF-8, and *field is its member `name` (a STRING without escapes, or
 * ABSENT); false: not recognised (a member of another kind, too). */
bool pyscan_line(const char *name, const char *line, size_t n, Field *field);

#endif
