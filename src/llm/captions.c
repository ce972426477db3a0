/* llm/captions.c -- see captions.h. */
#include "llm/captions.h"

#include <string.h>
#include <cjson/cJSON.h>

#include "base/atomic.h"

static const char *single_spaced(const char *text, Arena *arena) {
    char *copy = arena_strdup(arena, text), *to = copy;
    for (const char *p = text + strspn(text, " \t\r\n"); *p;) {
        size_t word = strcspn(p, " \t\r\n");
        memcpy(to, p, word);
        to += word;
        p += word + strspn(p + word, " \t\r\n");
        if (*p) *to++ = ' ';
    }
    *to = 0;
    return copy;
}

Status captions_save(const char *path, const Dataset *d, const Responses *cache, const char *set, const char *model, const char *template_id, int64_t *n) {
    AtomicFile *f;
    *n = 0;
    TRY(atomic_open(path, &f));
    Arena *scratch = arena_create("captions");
    for (int64_t i = 0; i < d->N; i++) {
        const Response *r = responses_find_identity(cache, set, d->text[i].id, model, template_id, NULL);
        if (!r || r->fault) continue;
        ArenaMark mark = arena_mark(scratch);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "item", d->text[i].id);
        cJSON_AddStringToObject(o, "caption", single_spaced(r->response, scratch));
        cJSON_AddStringToObject(o, "model", model);
        char *text = cJSON_PrintUnformatted(o);
        cJSON_Delete(o);
        REQUIRE(text != NULL, "no memory to print a caption");
        (void)fprintf(atomic_stream(f), "%s\n", text);
        cJSON_free(text);
        arena_release(scratch, mark);
        ++*n;
    }
    arena_destroy(scratch);
    return atomic_commit(f);
}
