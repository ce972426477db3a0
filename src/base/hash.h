/* base/hash.h -- SHA-256 (libcrypto) in the forms the artifact needs. */
#ifndef DIGR_BASE_HASH_H
#define DIGR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define SHA256_HEX 65 /* 64 hex digits and a NUL */

typedef struct Sha256 Sha256; /* incremental; create/update/finish, finish also destroys */
Sha256 *sha256_begin(void);
void sha256_add(Sha256 *h, const void *data, size_t bytes);
/* sha256_add_field -- length-prefixed, so that ("ab","c") and ("a","bc") differ. */
void sha256_add_field(Sha256 *h, const char *text);
void sha256_finish(Sha256 *h, char hex[SHA256_HEX]);

void sha256_buffer(const void *data, size_t bytes, char hex[SHA256_HEX]);
/* E_INPUT when the file cannot be read. bytes: its size; NULL to skip. */
Status sha256_file(const char *path, char hex[SHA256_HEX], int64_t *bytes);
/* fnv1a64 -- fast non-cryptographic hash for tables. */
uint64_t fnv1a64(const void *data, size_t bytes);
/* hash64 -- faster, for tables in memory only: its values differ between processors and must not be written anywhere. */
uint64_t hash64(const void *data, size_t bytes);

#endif
