/* llm/interests.c -- reading and writing interests.jsonl and labels.jsonl; see interests.h. */
#include "llm/interests.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/atomic.h"
#include "io/stream.h"

static const char *const facet_names[N_FACETS] = {"project", "practice", "situation", "constraint", "goal"};

const char *facet_name(Facet facet) {
    REQUIRE((int)facet >= 0 && facet < N_FACETS, "facet %d", (int)facet);
    return facet_names[facet];
}

bool facet_parse(const char *name, Facet *facet) {
    for (int f = 0; f < N_FACETS; f++)
        if (strcmp(name, facet_names[f]) == 0) {
            *facet = (Facet)f;
            return true;
        }
    return false;
}

static Status read_members(const char *path, int64_t line, const cJSON *object, Arena *arena, Interest *z) {
    const cJSON *members;
    TRY(json_get_array(path, object, "members", &members));
    int n = cJSON_GetArraySize(members);
    const char **names = ARENA_NEW(arena, const char *, n);
    int i = 0;
    for (const cJSON *m = members->child; m; m = m->next) {
        if (!cJSON_IsString(m)) return FAIL(E_INPUT, NULL, "%s:%lld: \"members\" holds something else than strings", path, (long long)line);
        names[i++] = arena_strdup(arena, m->valuestring);
    }
    if (n != z->n_agree)
        return FAIL(E_INPUT, NULL, "%s:%lld: \"agree\" is %d, but %d members are listed", path, (long long)line, z->n_agree, n);
    z->members = names;
    return OK;
}

static Status read_interest(const char *path, int64_t line, const cJSON *object, bool need_labels, Arena *arena, Interest *z) {
    const char *text, *facet;
    TRY(json_get_string(path, object, "text", &text));
    TRY(json_get_string(path, object, "facet", &facet));
    if (!facet_parse(facet, &z->facet)) return FAIL(E_INPUT, NULL, "%s:%lld: facet \"%s\"", path, (long long)line, facet);
    z->text = arena_strdup(arena, text);
    const cJSON *confidence = cJSON_GetObjectItemCaseSensitive(object, "confidence");
    if (!confidence) return FAIL(E_INPUT, NULL, "%s:%lld: \"confidence\" is missing (null when unknown)", path, (long long)line);
    if (!cJSON_IsNull(confidence)) {
        TRY(json_get_number(path, object, "confidence", &z->confidence));
        if (!(z->confidence > 0 && z->confidence <= 1))
            return FAIL(E_INPUT, NULL, "%s:%lld: confidence %g is outside (0,1]", path, (long long)line, z->confidence);
        z->has_confidence = true;
    }
    int64_t agree;
    TRY(json_get_int(path, object, "agree", &agree));
    if (agree < 1 || agree > 1000) return FAIL(E_INPUT, NULL, "%s:%lld: \"agree\" is %lld", path, (long long)line, (long long)agree);
    z->n_agree = (int)agree;
    TRY(read_members(path, line, object, arena, z));
    if (!need_labels && !cJSON_HasObjectItem(object, "label")) return OK;
    int64_t label;
    TRY(json_get_int(path, object, "label", &label));
    TRY(json_get_number(path, object, "score", &z->score));
    if ((label != 0 && label != 1) || !(z->score >= 0 && z->score <= 1))
        return FAIL(E_INPUT, NULL, "%s:%lld: label %lld, score %g", path, (long long)line, (long long)label, z->score);
    z->label = (int)label;
    z->has_label = true;
    return OK;
}

static Status read_item(const char *path, int64_t line, const cJSON *tree, bool need_labels, Arena *arena, ItemInterests *item) {
    int64_t index;
    TRY(json_get_int(path, tree, "item", &index));
    if (index != line - 1) return FAIL(E_INPUT, NULL, "%s:%lld: item %lld, expected %lld", path, (long long)line, (long long)index, (long long)(line - 1));
    const cJSON *list;
    TRY(json_get_array(path, tree, "interests", &list));
    item->n = cJSON_GetArraySize(list);
    item->at = ARENA_NEW(arena, Interest, item->n);
    int i = 0;
    for (const cJSON *z = list->child; z; z = z->next) TRY(read_interest(path, line, z, need_labels, arena, &item->at[i++]));
    const cJSON *quality = cJSON_GetObjectItemCaseSensitive(tree, "quality");
    if (quality && !cJSON_IsNull(quality)) {
        TRY(json_get_number(path, tree, "quality", &item->quality));
        if (!(item->quality >= 0 && item->quality <= 1))
            return FAIL(E_INPUT, NULL, "%s:%lld: quality %g is outside [0,1]", path, (long long)line, item->quality);
        item->has_quality = true;
    }
    return OK;
}

static Status read_lines(const char *path, LineReader *reader, int64_t N, bool need_labels, Arena *arena, ItemInterests *items) {
    const char *text;
    size_t n;
    int64_t count = 0;
    while (line_next(reader, &text, &n)) {
        if (count == N) return FAIL(E_INPUT, "it was made for another data set", "%s: more than %lld items", path, (long long)N);
        cJSON *tree;
        TRY(json_parse_line(path, count + 1, text, n, &tree));
        Status status = read_item(path, count + 1, tree, need_labels, arena, &items[count]);
        cJSON_Delete(tree);
        if (status != OK) return status;
        count++;
    }
    if (count != N) return FAIL(E_INPUT, "it was made for another data set, or is cut off", "%s: %lld items, expected %lld", path, (long long)count, (long long)N);
    return OK;
}

Status interests_load(const char *path, int64_t N, bool need_labels, Arena *arena, ItemInterests **items) {
    *items = ARENA_NEW(arena, ItemInterests, N);
    LineReader *reader;
    TRY(line_open(path, &reader));
    Status status = read_lines(path, reader, N, need_labels, arena, *items);
    Status closed = line_close(reader); /* a broken stream explains a short file better than the count does */
    return closed != OK ? closed : status;
}

static cJSON *interest_json(const Interest *z, bool with_labels) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "text", z->text);
    cJSON_AddStringToObject(o, "facet", facet_name(z->facet));
    if (z->has_confidence) cJSON_AddNumberToObject(o, "confidence", z->confidence);
    else cJSON_AddNullToObject(o, "confidence");
    cJSON_AddNumberToObject(o, "agree", z->n_agree);
    cJSON *members = cJSON_AddArrayToObject(o, "members");
    for (int m = 0; m < z->n_agree; m++) cJSON_AddItemToArray(members, cJSON_CreateString(z->members[m]));
    if (with_labels) {
        cJSON_AddNumberToObject(o, "score", z->score);
        cJSON_AddNumberToObject(o, "label", z->label);
    }
    return o;
}

Status interests_save(const char *path, const ItemInterests *items, int64_t N, bool with_labels) {
    AtomicFile *file;
    TRY(atomic_open(path, &file));
    for (int64_t i = 0; i < N; i++) {
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "item", (double)i);
        if (with_labels && items[i].has_quality) cJSON_AddNumberToObject(line, "quality", items[i].quality);
        else if (with_labels) cJSON_AddNullToObject(line, "quality");
        cJSON *list = cJSON_AddArrayToObject(line, "interests");
        for (int j = 0; j < items[i].n; j++) cJSON_AddItemToArray(list, interest_json(&items[i].at[j], with_labels));
        char *text = cJSON_PrintUnformatted(line);
        cJSON_Delete(line);
        REQUIRE(text != NULL, "no memory to print item %lld", (long long)i);
        fprintf(atomic_stream(file), "%s\n", text);
        cJSON_free(text);
    }
    return atomic_commit(file);
}
