/* llm/embed_replay.c -- embed_replay of embed.h, apart from what records: programs that only replay hold no line that could open a socket. */
#include <math.h>
#include <string.h>

#include "llm/base64.h"
#include "llm/embed.h"

static const char *read_vector(const Response *r, Arena *arena, float **at, int64_t *dim) {
    unsigned char *bytes;
    size_t n;
    if (!base64_decode(r->response, arena, &bytes, &n) || n == 0 || n % sizeof **at) return "not a vector in base64";
    *at = (float *)(void *)bytes;
    *dim = (int64_t)(n / sizeof **at);
    for (int64_t k = 0; k < *dim; k++)
        if (!isfinite((*at)[k])) return "a vector that is not finite";
    return NULL;
}

Status embed_replay(const Responses *cache, const char *provider, const char *model, const char *template_id, const char *set, const EmbedText *texts, int64_t n,
                    Arena *arena, float **vectors, int64_t *dim) {
    int64_t missing = 0, first = -1;
    *vectors = NULL;
    *dim = 0;
    for (int64_t i = 0; i < n; i++) {
        ArenaMark mark = arena_mark(arena);
        char key[SHA256_HEX];
        float *at;
        int64_t own;
        prompt_key(provider, model, template_id, texts[i].text, key);
        const Response *r = responses_find(cache, key, set, texts[i].item);
        if (!r) {
            if (missing++ == 0) first = i;
            continue;
        }
        const char *fault = read_vector(r, arena, &at, &own);
        if (fault) return FAIL(E_INPUT, "record it again", "item %s: the record of %s is %s", texts[i].item, model, fault);
        if (!*vectors) {
            *dim = own;
            *vectors = ARENA_NEW(arena, float, n * own);
            mark = arena_mark(arena);
        }
        if (own != *dim) return FAIL(E_INPUT, NULL, "item %s: a vector of %lld numbers among others of %lld", texts[i].item, (long long)own, (long long)*dim);
        memcpy(*vectors + i * own, at, (size_t)own * sizeof *at);
        arena_release(arena, mark);
    }
    if (missing == 0) return OK;
    return FAIL(E_INPUT, "record them first, or choose another embedder", "set %s: %lld of %lld vectors of %s (%s) are not recorded, the first for item %s", set, (long long)missing,
                (long long)n, model, template_id, texts[first].item);
}
