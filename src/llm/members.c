/* llm/members.c -- see members.h. */
#include "llm/members.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "data/strtable.h"
#include "llm/merge.h"
#include "llm/words.h"

/* ---- specificity */

static const char *stem_name(uint64_t stem, char name[24]) {
    (void)snprintf(name, 24, "%016llx", (unsigned long long)stem);
    return name;
}

typedef struct DocumentCount { StringTable *stems; int32_t *items, *last; size_t items_capacity, last_capacity; int64_t n; } DocumentCount; /* last: 1 + the item counted last */

static void count_stems(DocumentCount *k, const char *text, int64_t item, Arena *arena, Arena *scratch) {
    char name[24];
    StemSet set = words_stem_set(scratch, text);
    for (int i = 0; i < set.n; i++) {
        int64_t id = strtable_add(k->stems, stem_name(set.at[i], name));
        ARENA_GROW(arena, k->items, k->items_capacity, id + 1);
        ARENA_GROW(arena, k->last, k->last_capacity, id + 1);
        if (k->last[id] == (int32_t)item + 1) continue;
        k->last[id] = (int32_t)item + 1;
        k->items[id]++;
    }
}

static DocumentCount count_documents(int64_t N, int n, const Answer *answers, Arena *arena) {
    DocumentCount k = {.stems = strtable_create(arena)};
    Arena *scratch = arena_create("stems");
    for (int64_t i = 0; i < N; i++) {
        ArenaMark mark = arena_mark(scratch);
        bool any = false;
        for (int m = 0; m < n; m++)
            for (int j = 0; j < answers[m * N + i].n; j++, any = true) count_stems(&k, answers[m * N + i].at[j].text, i, arena, scratch);
        k.n += any;
        arena_release(scratch, mark);
    }
    arena_destroy(scratch);
    return k;
}

/* Mean idf; false when the text has no content word. */
static bool mean_idf(const DocumentCount *k, StemSet set, double *idf) {
    char name[24];
    *idf = 0;
    for (int i = 0; i < set.n; i++) *idf += log((1 + (double)k->n) / (1 + (double)k->items[strtable_find(k->stems, stem_name(set.at[i], name))])) / set.n;
    return set.n > 0;
}

/* ---- judged interests */

static const char *judged_name(Arena *arena, int64_t item, const char *text) { return arena_printf(arena, "%lld %s", (long long)item, text); }

/* Label of each judged (item, text): number in the table -> label; the first one recorded counts. */
static StringTable *judged_labels(const Dataset *d, const Responses *cache, const char *set, int32_t **label, Arena *arena) {
    StringTable *table = strtable_create(arena), *ids = strtable_create(arena);
    size_t capacity = 0;
    *label = NULL;
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    for (int64_t k = 0; k < responses_count(cache); k++) {
        const Response *r = responses_at(cache, k);
        int value;
        if (r->superseded || !r->interest || strcmp(r->set, set) != 0 || !answer_parse_label(r->response, &value)) continue;
        int64_t item = strtable_find(ids, r->item);
        if (item < 0) continue;
        int64_t known = strtable_count(table), id = strtable_add(table, judged_name(arena, item, words_clean(arena, r->interest)));
        if (id < known) continue;
        ARENA_GROW(arena, *label, capacity, id + 1);
        (*label)[id] = value;
    }
    return table;
}

/* ---- */

static bool others_say(const Answer *answers, int n, int64_t N, int64_t i, int m, StemSet stems, Arena *scratch) {
    for (int o = 0; o < n; o++)
        for (int j = 0; o != m && j < answers[o * N + i].n; j++)
            if (words_jaccard(stems, words_stem_set(scratch, answers[o * N + i].at[j].text)) >= MERGE_JOIN) return true;
    return false;
}

void members_measure(const Dataset *d, int n, const Answer *answers, const Responses *cache, const char *set, MemberQuality *out) {
    Arena *arena = arena_create("members"), *scratch = arena_create("interest");
    int64_t N = d->N;
    int32_t *label;
    StringTable *judged = judged_labels(d, cache, set, &label, arena);
    DocumentCount documents = count_documents(N, n, answers, arena);
    for (int m = 0; m < n; m++) {
        MemberQuality *q = &out[m];
        *q = (MemberQuality){0};
        StringTable *texts = strtable_create(arena);
        int64_t specific = 0;
        for (int64_t i = 0; i < N; i++) {
            const Answer *a = &answers[m * N + i];
            q->items += a->n > 0;
            for (int j = 0; j < a->n; j++) {
                ArenaMark mark = arena_mark(scratch);
                StemSet stems = words_stem_set(scratch, a->at[j].text);
                double idf;
                q->interests++;
                q->with_confidence += a->at[j].has_confidence;
                q->confidence += a->at[j].has_confidence ? a->at[j].confidence : 0;
                q->shared += others_say(answers, n, N, i, m, stems, scratch);
                if (mean_idf(&documents, stems, &idf)) q->specificity += idf, specific++;
                int64_t k = strtable_find(judged, judged_name(scratch, i, a->at[j].text));
                q->judged += k >= 0;
                q->judged_positive += k >= 0 && label[k] == 1;
                arena_release(scratch, mark);
                strtable_add(texts, a->at[j].text);
            }
        }
        q->distinct = strtable_count(texts);
        q->confidence = q->with_confidence ? q->confidence / (double)q->with_confidence : 0;
        q->specificity = specific ? q->specificity / (double)specific : 0;
    }
    arena_destroy(scratch);
    arena_destroy(arena);
}

static void add_share(cJSON *o, const char *name, bool known, double value) {
    if (known) cJSON_AddNumberToObject(o, name, value);
    else cJSON_AddNullToObject(o, name);
}

void members_json(const MemberQuality *q, int n_members, int64_t N, cJSON *o) {
    double interests = (double)q->interests;
    cJSON_AddNumberToObject(o, "items_with_interests", (double)q->items);
    add_share(o, "interests_per_item", N > 0, interests / (double)(N > 0 ? N : 1));
    add_share(o, "mean_confidence", q->with_confidence > 0, q->confidence);
    add_share(o, "agreement", n_members > 1 && q->interests > 0, (double)q->shared / (interests > 0 ? interests : 1));
    cJSON_AddNumberToObject(o, "distinct_interests", (double)q->distinct);
    add_share(o, "specificity", q->interests > 0, q->specificity);
    cJSON_AddNumberToObject(o, "judged", (double)q->judged);
    add_share(o, "judged_positive", q->judged > 0, (double)q->judged_positive / (double)(q->judged ? q->judged : 1));
}

static const char *share_cell(char text[16], bool known, double value) {
    (void)snprintf(text, 16, "%.1f %%", 100 * value);
    return known ? text : "-";
}

static const char *number_cell(char text[16], bool known, double value) {
    (void)snprintf(text, 16, "%.2f", value);
    return known ? text : "-";
}

void members_print(int n, const char *const *names, const MemberQuality *q, int64_t N) {
    log_info("%-24s %9s %9s %10s %9s %9s %11s %7s %9s", "member", "coverage", "per item", "confidence", "agreement", "distinct", "specificity", "judged", "positive");
    double items = N > 0 ? (double)N : 1;
    for (int m = 0; m < n; m++) {
        char text[6][16];
        bool any = q[m].interests > 0;
        double all = any ? (double)q[m].interests : 1;
        log_info("%-24s %9s %9s %10s %9s %9lld %11s %7lld %9s", names[m], share_cell(text[0], N > 0, (double)q[m].items / items),
                 number_cell(text[1], N > 0, (double)q[m].interests / items), number_cell(text[2], q[m].with_confidence > 0, q[m].confidence),
                 share_cell(text[3], n > 1 && any, (double)q[m].shared / all), (long long)q[m].distinct, number_cell(text[4], any, q[m].specificity),
                 (long long)q[m].judged, share_cell(text[5], q[m].judged > 0, (double)q[m].judged_positive / (double)(q[m].judged ? q[m].judged : 1)));
    }
}
