/* llm/vectors.c -- see vectors.h. */
#include "llm/vectors.h"

#include <math.h>
#include <string.h>

#include "llm/base64.h"

void vectors_call(const Provider *p, const Model *m, const char *const *texts, int64_t n, Arena *arena, HttpCall *call) {
    REQUIRE(n >= 1 && n <= INT32_MAX, "%lld texts", (long long)n);
    http_call_begin(p, "/embeddings", arena, call);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", m->id);
    cJSON_AddItemToObject(o, "input", cJSON_CreateStringArray(texts, (int)n));
    cJSON_AddStringToObject(o, "encoding_format", "base64");
    cJSON *extra = m->extra ? cJSON_Parse(m->extra) : NULL;
    for (const cJSON *v = extra ? extra->child : NULL; v; v = v->next) {
        cJSON_DeleteItemFromObjectCaseSensitive(o, v->string);
        cJSON_AddItemToObject(o, v->string, cJSON_Duplicate(v, 1));
    }
    cJSON_Delete(extra);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    REQUIRE(text != NULL, "no memory to print a request");
    call->body = arena_strdup(arena, text);
    cJSON_free(text);
    call->n_body = call->n_text = strlen(call->body);
}

/* Into *at (arena); the number of values, 0 when it is no vector. */
static int64_t read_vector(const cJSON *v, Arena *arena, float **at) {
    int64_t dim = 0;
    if (cJSON_IsString(v)) {
        unsigned char *bytes;
        size_t n_bytes;
        if (!base64_decode(v->valuestring, arena, &bytes, &n_bytes) || n_bytes % sizeof **at) return 0;
        dim = (int64_t)(n_bytes / sizeof **at);
        *at = ARENA_NEW(arena, float, dim);
        memcpy(*at, bytes, n_bytes); /* little-endian, as this machine is */
    } else if (cJSON_IsArray(v)) {
        *at = ARENA_NEW(arena, float, cJSON_GetArraySize(v));
        for (const cJSON *x = v->child; x; x = x->next) {
            if (!cJSON_IsNumber(x)) return 0;
            (*at)[dim++] = (float)x->valuedouble;
        }
    }
    bool some = false;
    for (int64_t k = 0; k < dim; k++) {
        if (!isfinite((*at)[k])) return 0;
        some = some || (*at)[k] < 0 || (*at)[k] > 0;
    }
    return some ? dim : 0;
}

static const char *read_data(const cJSON *data, int64_t n, Arena *arena, VectorsReply *out) {
    if (!cJSON_IsArray(data)) return "no list \"data\"";
    if (cJSON_GetArraySize(data) != n) return "not as many vectors as texts";
    bool *seen = ARENA_NEW(arena, bool, n);
    int64_t place = 0;
    for (const cJSON *entry = data->child; entry; entry = entry->next, place++) {
        const cJSON *index = cJSON_GetObjectItemCaseSensitive(entry, "index");
        int64_t i = cJSON_IsNumber(index) && index->valuedouble >= 0 && index->valuedouble < (double)n ? (int64_t)index->valuedouble : index ? -1 : place;
        if (i < 0 || seen[i]) return "a vector with a wrong index";
        seen[i] = true;
        ArenaMark mark = arena_mark(arena);
        float *at = NULL;
        int64_t dim = read_vector(cJSON_GetObjectItemCaseSensitive(entry, "embedding"), arena, &at);
        if (dim == 0) return "a vector that is none";
        if (!out->at) { /* the first: it says how long they are, and lives below what is kept */
            out->dim = dim;
            out->at = ARENA_NEW(arena, float, n * dim);
            mark = arena_mark(arena);
        }
        if (dim != out->dim) return "vectors of differing length";
        memcpy(out->at + i * dim, at, (size_t)dim * sizeof *at);
        arena_release(arena, mark);
    }
    return NULL;
}

VectorsReply vectors_reply(const char *body, size_t n_body, int64_t n, Arena *arena) {
    VectorsReply out = {.n = n};
    cJSON *tree = n_body ? cJSON_ParseWithLength(body, n_body) : NULL;
    out.fault = tree ? read_data(cJSON_GetObjectItemCaseSensitive(tree, "data"), n, arena, &out) : "not JSON";
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, "usage"), "prompt_tokens");
    out.has_usage = cJSON_IsNumber(tokens) && tokens->valuedouble >= 0 && tokens->valuedouble < 1e12;
    if (out.has_usage) out.tokens_in = (int64_t)tokens->valuedouble;
    cJSON_Delete(tree);
    return out;
}
