/* data/pyliteral.h -- a strict parser for Python literals, the syntax of Amazon's 2014 metadata (one dict a line; it is not JSON).
 *
 * Read: dict (string keys, none twice), list, tuple (as an array), str with or without u, int (with or without L), float, True, False, None. Not
 * read, and reported with file, line and column: anything else, so nothing is ever evaluated.
 * Escapes: \\ \' \" \n \r \t \a \b \f \v, octal, \xHH, \uHHHH, \UHHHHHHHH (surrogate pairs are joined). \xHH from 0x80 on is a byte, as Python 2
 * writes them, when the string then is UTF-8, else a code point, as Python 3 means it; in u'' it is always a code point. */
#ifndef DIGR_DATA_PYLITERAL_H
#define DIGR_DATA_PYLITERAL_H

#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/status.h"

/* pyliteral_parse_line -- one literal of length n as a cJSON tree (caller: cJSON_Delete). text[n] must be NUL. path and line are for messages. */
Status pyliteral_parse_line(const char *path, int64_t line, const char *text, size_t n, cJSON **tree);

#endif
