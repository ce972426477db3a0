/* base/hash.c -- see hash.h. SHA-256 from libcrypto's EVP interface. */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>


/* Sha256 is an opaque alias of EVP_MD_CTX, so that no memory of ours is needed. */
static EVP_MD_CTX *context_of(Sha256 *h) { return (EVP_MD_CTX *)(void *)h; }

Sha256 *sha256_begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    REQUIRE(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1, "libcrypto offers no SHA-256");
    return (Sha256 *)(void *)context;
}

void sha256_add(Sha256 *h, const void *data, size_t bytes)
{
    REQUIRE(EVP_DigestUpdate(context_of(h), data, bytes) == 1, "SHA-256 update failed");
}

void sha256_add_field(Sha256 *h, const char *text)
{
    uint64_t length = strlen(text);
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)(length >> (8 * i));
    sha256_add(h, prefix, sizeof prefix);
    sha256_add(h, text, (size_t)length);
}

void sha256_finish(Sha256 *h, char hex[SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    REQUIRE(EVP_DigestFinal_ex(context_of(h), digest, &length) == 1 && length == 32, "SHA-256 finish failed");
    EVP_MD_CTX_free(context_of(h));
    for (unsigned int i = 0; i < length; i++) (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void sha256_buffer(const void *data, size_t bytes, char hex[SHA256_HEX])
{
    Sha256 *h = sha256_begin();
    sha256_add(h, data, bytes);
    sha256_finish(h, hex);
}

Status sha256_file(const char *path, char hex[SHA256_HEX], int64_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return FAIL(E_INPUT, "check the path and its permissions", "%s: %s", path, strerror(errno));
    Sha256 *h = sha256_begin();
    unsigned char buffer[1 << 16];
    int64_t total = 0;
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0) {
        sha256_add(h, buffer, n);
        total += (int64_t)n;
    }
    int failed = ferror(f);
    (void)fclose(f);
    sha256_finish(h, hex);
    if (failed) return FAIL(E_INPUT, "check the disk and the path (a folder cannot be hashed)", "%s: read failed", path);
    if (bytes != NULL) *bytes = total;
    return OK;
}

uint64_t fnv1a64(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3ULL;
    return h;
}

/* A word at a time: multiply by an odd constant, fold the upper half down; the finisher is that of SplitMix64, a bijection. */
uint64_t hash64(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ bytes, word;
    for (; bytes >= sizeof word; p += sizeof word, bytes -= sizeof word) {
        memcpy(&word, p, sizeof word);
        h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, p, bytes);
    h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}
