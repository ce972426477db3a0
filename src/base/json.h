/* base/json.h -- strict access to cJSON trees: wrong types are errors that name the file and the key.
 * Always case-sensitive. Numbers above 2^53 must travel as strings. */
#ifndef DIGR_BASE_JSON_H
#define DIGR_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/status.h"

/* json_read_file -- whole file to a tree (caller: cJSON_Delete). E_INPUT with the line of the first error. */
Status json_read_file(const char *path, cJSON **tree);
/* json_parse_line -- one JSON object of length n (trailing garbage is an error); path and line for messages. */
Status json_parse_line(const char *path, int64_t line, const char *text, size_t n, cJSON **tree);
/* json_write_file -- pretty-printed, atomic (x.tmp, then rename). Does not delete the tree. */
Status json_write_file(const char *path, const cJSON *tree);

/* Required members. `path` is for messages. Strings point into the tree. */
Status json_get_string(const char *path, const cJSON *object, const char *key, const char **value);
Status json_get_number(const char *path, const cJSON *object, const char *key, double *value);
Status json_get_int(const char *path, const cJSON *object, const char *key, int64_t *value);
Status json_get_bool(const char *path, const cJSON *object, const char *key, bool *value);
Status json_get_array(const char *path, const cJSON *object, const char *key, const cJSON **value);
Status json_get_object(const char *path, const cJSON *object, const char *key, const cJSON **value);

/* Optional members: the default when absent or null. */
const char *json_opt_string(const cJSON *object, const char *key, const char *initial);
double json_opt_number(const cJSON *object, const char *key, double initial);
bool json_opt_bool(const cJSON *object, const char *key, bool initial);

#endif
