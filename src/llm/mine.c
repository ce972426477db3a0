/* llm/mine.c -- replaying the ensemble; see mine.h. Checks of the cache are in mine_check.c. */
#include "llm/mine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- members and strategies */

static Status parse_member(const char *name, const char *prompts_dir, const Ensemble *e, Arena *arena, Member *m) {
    const char *colon = strchr(name, ':');
    if (!colon || colon == name || !colon[1])
        return FAIL(E_USAGE, "members are written model:template, e.g. claude:mine/v1", "member \"%s\"", name);
    m->name = name;
    m->model = arena_strndup(arena, name, (size_t)(colon - name));
    if (strcmp(m->model, OFFLINE_MODEL) == 0) {
        m->provider = OFFLINE_MODEL;
        if (strcmp(colon + 1, OFFLINE_TEMPLATE) == 0) return OK;
        return FAIL(E_USAGE, NULL, "member \"%s\": the member without a model is \"" OFFLINE_MODEL ":" OFFLINE_TEMPLATE "\"", name);
    }
    TRY(ensemble_provider(e, m->model, &m->provider));
    TRY(template_load(prompts_dir, colon + 1, arena, &m->prompt));
    if (m->prompt->is_judge || m->prompt->is_caption)
        return FAIL(E_USAGE, "a member's template asks for interests", "member \"%s\" asks for %s", name, m->prompt->is_judge ? "labels" : "captions");
    return OK;
}

static Status parse_strategy(const char *strategy, MineSettings *s) {
    static const char single[] = "single:", agree[] = "agree>=";
    static const char fix[] = "use union, agree>=N, or single:MEMBER with a member of --members";
    s->min_agree = 1;
    if (strcmp(strategy, "union") == 0) return OK;
    if (strncmp(strategy, agree, sizeof agree - 1) == 0) {
        char *end;
        long n = strtol(strategy + sizeof agree - 1, &end, 10);
        if (end == strategy + sizeof agree - 1 || *end || n < 1 || n > s->n_members)
            return FAIL(E_USAGE, fix, "strategy \"%s\" with %d members", strategy, s->n_members);
        s->min_agree = (int)n;
        return OK;
    }
    if (strncmp(strategy, single, sizeof single - 1) == 0)
        for (int m = 0; m < s->n_members; m++)
            if (strcmp(s->members[m].name, strategy + sizeof single - 1) == 0) {
                s->members[0] = s->members[m];
                s->n_members = 1;
                return OK;
            }
    return FAIL(E_USAGE, fix, "strategy \"%s\"", strategy);
}

Status mine_members(const char *list, const char *strategy, const char *prompts_dir, const Ensemble *e, Arena *arena, MineSettings *s) {
    s->n_members = 0;
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ",");
        if (s->n_members == MAX_MEMBERS) return FAIL(E_USAGE, NULL, "--members: more than %d", MAX_MEMBERS);
        const char *name = arena_strndup(arena, p, n);
        for (int m = 0; m < s->n_members; m++)
            if (strcmp(s->members[m].name, name) == 0) return FAIL(E_USAGE, NULL, "--members: \"%s\" twice", name);
        TRY(parse_member(name, prompts_dir, e, arena, &s->members[s->n_members++]));
        p += n;
        if (!*p) break;
    }
    return parse_strategy(strategy, s);
}

/* ---- replay */

const Response *mine_find(const Responses *cache, const Ensemble *e, const Member *m, const char *set, const ItemText *item, const char *interest,
                          bool *drifted) {
    Arena *scratch = arena_create("prompt");
    char key[SHA256_HEX];
    const Response *known = responses_find_identity(cache, set, item->id, m->model, m->prompt->id, interest);
    const char *image = m->prompt->wants_image && known ? known->image : NULL; /* the photo is taken as it was recorded, the text as it is now */
    prompt_key(m->provider, m->model, m->prompt->id, prompt_show(prompt_render(e, m->prompt, set, item, interest, scratch), image, scratch), key);
    arena_destroy(scratch);
    const Response *found = responses_find(cache, key, set, item->id);
    *drifted = found == NULL;
    return found ? found : known;
}

static void note_malformed(Mined *out, size_t *capacity, Arena *arena, int member, int64_t item, const char *why) {
    size_t need = (size_t)out->n_malformed + 1;
    ARENA_GROW(arena, out->malformed, *capacity, need);
    out->malformed[out->n_malformed++] = (Malformed){member, item, why};
}

static Status refuse_missing(const Dataset *d, const MineSettings *s, const Mined *out) {
    int64_t missing = 0, drifted = 0;
    char counts[512] = "";
    for (int m = 0; m < s->n_members; m++) {
        const MemberCoverage *c = &out->coverage[m];
        if (!s->members[m].prompt) continue; /* nothing to say about an item is no missing answer */
        missing += c->missing;
        drifted += c->drift_refused;
        size_t n = strlen(counts);
        if (c->missing + c->drift_refused && n < sizeof counts - 1)
            (void)snprintf(counts + n, sizeof counts - n, "%s%s: %lld of %lld", n ? ", " : "", s->members[m].name, (long long)(c->missing + c->drift_refused),
                           (long long)d->N);
    }
    if (missing + drifted == 0 || !s->refuse_missing) return OK;
    const char *fix = drifted ? "--on-drift use takes answers given to an earlier wording of the item; --on-missing skip goes on without them"
                              : "--on-missing skip goes on without them; the items then have fewer interests, or none";
    return FAIL(E_INPUT, fix, "set %s: %lld answers are not recorded (%s), %lld of them only for other prompts", s->set, (long long)(missing + drifted), counts,
                (long long)drifted);
}

Status mine_replay(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, Arena *arena, Mined *out) {
    *out = (Mined){.items = ARENA_NEW(arena, ItemInterests, d->N)};
    size_t capacity = 0;
    const char *names[MAX_MEMBERS];
    OfflineCorpus *corpus = NULL;
    for (int m = 0; m < s->n_members; m++) {
        names[m] = s->members[m].name;
        if (!s->members[m].prompt && !corpus) corpus = offline_corpus(d, arena);
    }
    for (int64_t i = 0; i < d->N; i++) {
        Answer answers[MAX_MEMBERS] = {{0}};
        for (int m = 0; m < s->n_members; m++) {
            MemberCoverage *c = &out->coverage[m];
            bool drifted;
            if (!s->members[m].prompt) {
                answers[m] = offline_answer(corpus, i, arena);
                c->by_rule += answers[m].n > 0;
                c->missing += answers[m].n == 0;
                c->interests += answers[m].n;
                continue;
            }
            const Response *r = mine_find(cache, e, &s->members[m], s->set, &d->text[i], NULL, &drifted);
            if (!r || (drifted && s->refuse_drift)) {
                c->missing += !r;
                c->drift_refused += r != NULL;
                continue;
            }
            c->by_key += !drifted;
            c->by_identity += drifted;
            answers[m] = answer_parse(s->members[m].prompt, r->response, arena);
            for (int k = 0; k < N_NOTES; k++) c->notes[k] += answers[m].notes[k];
            c->interests += answers[m].n;
            c->malformed += answers[m].fault != NULL;
            if (answers[m].fault) note_malformed(out, &capacity, arena, m, i, answers[m].fault);
        }
        out->items[i] = merge_answers(s->n_members, names, answers, s->min_agree, s->top, arena, &out->merge);
    }
    return refuse_missing(d, s, out);
}

/* ---- coverage.json */

static cJSON *member_json(const Member *m, const MemberCoverage *c, int64_t N) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "member", m->name);
    cJSON_AddStringToObject(o, "provider", m->provider);
    cJSON_AddNumberToObject(o, "items", (double)N);
    cJSON_AddNumberToObject(o, "answered_by_key", (double)c->by_key);
    cJSON_AddNumberToObject(o, "answered_by_identity", (double)c->by_identity);
    cJSON_AddNumberToObject(o, "answered_by_rule", (double)c->by_rule);
    cJSON_AddNumberToObject(o, "refused_for_drift", (double)c->drift_refused);
    cJSON_AddNumberToObject(o, "missing", (double)c->missing);
    cJSON_AddNumberToObject(o, "malformed", (double)c->malformed);
    cJSON_AddNumberToObject(o, "coverage", N ? (double)(c->by_key + c->by_identity + c->by_rule - c->malformed) / (double)N : 0);
    cJSON_AddNumberToObject(o, "interests", (double)c->interests);
    cJSON *notes = cJSON_AddObjectToObject(o, "notes");
    for (int k = 0; k < N_NOTES; k++) cJSON_AddNumberToObject(notes, answer_note_name((AnswerNote)k), (double)c->notes[k]);
    return o;
}

cJSON *mine_coverage(const Dataset *d, const MineSettings *s, const Mined *mined) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "set", s->set);
    cJSON_AddNumberToObject(o, "items", (double)d->N);
    int64_t with = 0, total = 0, agree[MAX_MEMBERS + 1] = {0};
    for (int64_t i = 0; i < d->N; i++) {
        with += mined->items[i].n > 0;
        total += mined->items[i].n;
        for (int j = 0; j < mined->items[i].n; j++) agree[mined->items[i].at[j].n_agree]++;
    }
    cJSON_AddNumberToObject(o, "items_with_interests", (double)with);
    cJSON_AddNumberToObject(o, "interests", (double)total);
    cJSON *by_agree = cJSON_AddArrayToObject(o, "interests_by_agreement");
    for (int k = 1; k <= s->n_members; k++) cJSON_AddItemToArray(by_agree, cJSON_CreateNumber((double)agree[k]));
    cJSON *merge = cJSON_AddObjectToObject(o, "merge");
    cJSON_AddNumberToObject(merge, "join_threshold", MERGE_JOIN);
    cJSON_AddNumberToObject(merge, "min_agree", s->min_agree);
    cJSON_AddNumberToObject(merge, "top", s->top);
    cJSON_AddNumberToObject(merge, "given", (double)mined->merge.given);
    cJSON_AddNumberToObject(merge, "joined", (double)mined->merge.joined);
    cJSON_AddNumberToObject(merge, "below_agreement", (double)mined->merge.below_agreement);
    cJSON_AddNumberToObject(merge, "beyond_top", (double)mined->merge.beyond_top);
    cJSON *members = cJSON_AddArrayToObject(o, "members");
    for (int m = 0; m < s->n_members; m++) cJSON_AddItemToArray(members, member_json(&s->members[m], &mined->coverage[m], d->N));
    cJSON *malformed = cJSON_AddArrayToObject(o, "malformed");
    for (int64_t k = 0; k < mined->n_malformed; k++) {
        const Malformed *f = &mined->malformed[k];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "member", s->members[f->member].name);
        cJSON_AddNumberToObject(entry, "item", (double)f->item);
        cJSON_AddStringToObject(entry, "id", d->text[f->item].id);
        cJSON_AddStringToObject(entry, "why", f->why);
        cJSON_AddItemToArray(malformed, entry);
    }
    return o;
}
