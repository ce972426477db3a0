/* llm/embed_replay.c -- embed_replay of embed.h, apart from what records: programs that only replay hold no line that could open a socket. */
#include <math.h>
#include <string.h>

#include "llm/base64.h"
#include "llm/drift.h"
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

/* drifted: a vector of an earlier text is there. */
typedef struct Missing { int64_t n, drifted, first, first_drifted; const Response *record; } Missing;

static void note_missing(Missing *m, const Responses *cache, const EmbedSource *s, const EmbedText *texts, int64_t i) {
    if (m->n++ == 0) m->first = i;
    const Response *r = responses_find_identity(cache, s->set, texts[i].item, s->model, s->template_id, NULL);
    if (r && m->drifted++ == 0) {
        m->first_drifted = i;
        m->record = r;
    }
}

static Status refuse_missing(const Missing *m, const EmbedSource *s, const EmbedText *texts, int64_t n, Arena *arena) {
    const char *drifted = "", *names = "";
    if (m->drifted && m->record->parts && texts[m->first_drifted].parts) names = drift_names(m->record->parts, texts[m->first_drifted].parts, arena);
    if (*names) names = arena_printf(arena, " (item %s: %s)", texts[m->first_drifted].item, names);
    if (m->drifted) drifted = arena_printf(arena, "; %lld of them only for another text of the item than today's%s", (long long)m->drifted, names);
    return FAIL(E_INPUT, s->remedy ? s->remedy : "record them first, or choose another embedder", "set %s: %lld of %lld vectors of %s (%s) are not recorded, the first for item %s%s", s->set,
                (long long)m->n, (long long)n, s->model, s->template_id, texts[m->first].item, drifted);
}

Status embed_replay(const Responses *cache, const EmbedSource *s, const EmbedText *texts, int64_t n, Arena *arena, float **vectors, int64_t *dim) {
    Missing missing = {0};
    int64_t of = 0;
    *vectors = NULL;
    *dim = 0;
    for (int64_t i = 0; i < n; i++) {
        ArenaMark mark = arena_mark(arena);
        char key[SHA256_HEX];
        float *at;
        int64_t own;
        if (!*texts[i].text) continue;
        of++;
        prompt_key(s->provider, s->model, s->template_id, texts[i].text, key);
        const Response *r = responses_find(cache, key, s->set, texts[i].item);
        if (!r) {
            note_missing(&missing, cache, s, texts, i);
            continue;
        }
        const char *fault = read_vector(r, arena, &at, &own);
        if (fault) return FAIL(E_INPUT, "record it again", "item %s: the record of %s is %s", texts[i].item, s->model, fault);
        if (!*vectors) {
            *dim = own;
            *vectors = ARENA_NEW(arena, float, n * own);
            mark = arena_mark(arena);
        }
        if (own != *dim) return FAIL(E_INPUT, NULL, "item %s: a vector of %lld numbers among others of %lld", texts[i].item, (long long)own, (long long)*dim);
        memcpy(*vectors + i * own, at, (size_t)own * sizeof *at);
        arena_release(arena, mark);
    }
    if (missing.n) return refuse_missing(&missing, s, texts, of, arena);
    if (of == 0) return FAIL(E_INPUT, "use item identifiers made elsewhere, or import an embedding", "set %s: no item has a text to embed", s->set);
    return OK;
}
