/* llm/answer.c -- see answer.h. */
#include "llm/answer.h"

#include <string.h>
#include <cjson/cJSON.h>

#include "llm/words.h"

static const char *const note_names[N_NOTES] = {"fenced", "interest count", "words outside 3 to 8", "case or white space", "not strongest first",
                                                "duplicate text", "extra members", "no reasoning", "no confidence"};

const char *answer_note_name(AnswerNote note) {
    REQUIRE((int)note >= 0 && note < N_NOTES, "note %d", (int)note);
    return note_names[note];
}

static const char space[] = " \t\r\n";

/* The text inside a Markdown fence around the whole response; the response itself when there is none. */
static const char *without_fence(const char *response, Arena *arena, int64_t *fenced) {
    const char *p = response + strspn(response, space);
    if (strncmp(p, "```", 3) != 0) return p;
    const char *line = strchr(p, '\n'), *end = line ? strstr(line, "```") : NULL;
    if (!end || end[3 + strspn(end + 3, space)]) return p;
    (*fenced)++;
    return arena_strndup(arena, line + 1, (size_t)(end - line - 1));
}

static const char *parse_interest(const cJSON *o, Answer *a, Arena *arena) {
    if (!cJSON_IsObject(o)) return "an interest is not an object";
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(o, "text"), *facet = cJSON_GetObjectItemCaseSensitive(o, "facet");
    const cJSON *confidence = cJSON_GetObjectItemCaseSensitive(o, "confidence");
    Interest z = {.n_agree = 1};
    if (!cJSON_IsString(text)) return "an interest without text";
    if (!cJSON_IsString(facet) || !facet_parse(facet->valuestring, &z.facet)) return "an interest with an unknown facet";
    if (confidence && !cJSON_IsNull(confidence)) {
        if (!cJSON_IsNumber(confidence) || !(confidence->valuedouble > 0 && confidence->valuedouble <= 1)) return "a confidence outside (0,1]";
        z.confidence = confidence->valuedouble;
        z.has_confidence = true;
    }
    z.text = words_clean(arena, text->valuestring);
    int words = words_count(z.text);
    if (words == 0) return "an interest with an empty text";
    if (words > ANSWER_MAX_WORDS) return "an interest of more than 12 words";
    a->notes[NOTE_WORDS] += words < 3 || words > 8;
    a->notes[NOTE_CASE] += strcmp(z.text, text->valuestring) != 0;
    a->notes[NOTE_EXTRA] += cJSON_GetArraySize(o) > 2 + (confidence != NULL);
    for (int j = 0; j < a->n; j++)
        if (strcmp(a->at[j].text, z.text) == 0) {
            a->notes[NOTE_DUPLICATE]++;
            return NULL;
        }
    a->at[a->n++] = z;
    return NULL;
}

static const char *parse_object(const Template *t, const cJSON *tree, Answer *a, Arena *arena) {
    if (!cJSON_IsObject(tree)) return "not a JSON object";
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tree, "interests"), *reasoning = cJSON_GetObjectItemCaseSensitive(tree, "reasoning");
    if (!cJSON_IsArray(list)) return "no list \"interests\"";
    int given = cJSON_GetArraySize(list);
    if (given == 0) return "no interests";
    if (given > ANSWER_MAX_INTERESTS) return "more than 8 interests";
    if (reasoning && !cJSON_IsString(reasoning)) return "\"reasoning\" is not a string";
    a->notes[NOTE_COUNT] += given < t->min_interests || given > t->max_interests;
    a->notes[NOTE_EXTRA] += cJSON_GetArraySize(tree) > 1 + (reasoning != NULL);
    a->notes[NOTE_NO_REASONING] += t->wants_reasoning && !reasoning;
    a->at = ARENA_NEW(arena, Interest, given);
    for (const cJSON *o = list->child; o; o = o->next) {
        const char *fault = parse_interest(o, a, arena);
        if (fault) return fault;
    }
    int n_confident = 0;
    bool descends = true;
    for (int j = 0; j < a->n; j++) {
        n_confident += a->at[j].has_confidence;
        descends = descends && (j == 0 || a->at[j].confidence <= a->at[j - 1].confidence);
    }
    if (n_confident != 0 && n_confident != a->n) return "confidences on some interests only";
    a->notes[NOTE_NO_CONFIDENCE] += n_confident == 0;
    a->notes[NOTE_ORDER] += !descends;
    return NULL;
}

Answer answer_parse(const Template *t, const char *response, Arena *arena) {
    Answer a = {0};
    if (!words_are_utf8(response)) {
        a.fault = "not UTF-8, or control characters";
        return a;
    }
    const char *text = without_fence(response, arena, &a.notes[NOTE_FENCED]), *end = NULL;
    cJSON *tree = cJSON_ParseWithOpts(text, &end, 0);
    if (!tree) a.fault = "not JSON";
    else if (end[strspn(end, space)]) a.fault = "text after the JSON object";
    else a.fault = parse_object(t, tree, &a, arena);
    cJSON_Delete(tree);
    if (a.fault) a.n = 0;
    return a;
}

bool answer_parse_label(const char *response, int *label) {
    const char *p = response + strspn(response, space);
    if ((*p != '0' && *p != '1') || p[1 + strspn(p + 1, space)]) return false;
    *label = *p - '0';
    return true;
}

const char *answer_caption_fault(const char *response) {
    if (!words_are_utf8(response)) return "not UTF-8, or control characters";
    int words = words_count(response);
    return words == 0 ? "an empty caption" : words > ANSWER_MAX_CAPTION ? "a caption of more than 120 words" : NULL;
}

const char *answer_fault(const Template *t, const char *response, Arena *arena) {
    int label;
    if (t->is_caption) return answer_caption_fault(response);
    if (t->is_judge) return answer_parse_label(response, &label) ? NULL : "not a label 0 or 1";
    return answer_parse(t, response, arena).fault;
}
