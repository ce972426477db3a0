/* llm/mine.c -- replaying the ensemble; see mine.h. What is said about it is in mine_report.c, checks of the cache in mine_check.c. */
#include "llm/mine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "llm/drift.h"

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
    const char *fix = drifted ? "--on-drift use takes answers given to an earlier wording of the item or the template; --on-missing skip goes on without them"
                              : "--on-missing skip goes on without them; the items then have fewer interests, or none";
    return FAIL(E_INPUT, fix, "set %s: %lld answers are not recorded (%s), %lld of them only for other prompts", s->set, (long long)(missing + drifted), counts,
                (long long)drifted);
}

Answer mine_answer(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, const OfflineCorpus *corpus, int member, int64_t item, Arena *arena,
                   MemberCoverage *c, const Response **record, bool *drifted) {
    const Member *m = &s->members[member];
    MemberCoverage unwanted = {0};
    Answer a = {0};
    if (!c) c = &unwanted;
    *record = NULL;
    *drifted = false;
    if (!m->prompt) {
        a = offline_answer(corpus, item, arena);
        c->by_rule += a.n > 0;
        c->missing += a.n == 0;
        c->interests += a.n;
        return a;
    }
    const Response *r = *record = mine_find(cache, e, m, s->set, &d->text[item], NULL, drifted);
    *drifted = r && *drifted;
    if (!r || (*drifted && s->refuse_drift)) {
        c->missing += !r;
        c->drift_refused += r != NULL;
        return a;
    }
    c->by_key += !*drifted;
    c->by_identity += *drifted;
    if (r->fault) a.fault = r->fault; /* known to be malformed when it was recorded */
    else a = answer_parse(m->prompt, r->response, arena);
    for (int k = 0; k < N_NOTES; k++) c->notes[k] += a.notes[k];
    c->interests += a.n;
    c->malformed += a.fault != NULL;
    return a;
}

OfflineCorpus *mine_corpus(const Dataset *d, const MineSettings *s, Arena *arena) {
    for (int m = 0; m < s->n_members; m++)
        if (!s->members[m].prompt) return offline_corpus(d, arena);
    return NULL;
}

/* Growing lists of what went wrong. */
typedef struct Lists { size_t malformed_capacity, drifted_capacity; } Lists;

static void note_malformed(Mined *out, Lists *l, Arena *arena, int member, int64_t item, const char *why) {
    ARENA_GROW(arena, out->malformed, l->malformed_capacity, out->n_malformed + 1);
    out->malformed[out->n_malformed++] = (Malformed){member, item, why};
}

static void note_drifted(Mined *out, Lists *l, Arena *arena, const Dataset *d, const Ensemble *e, const MineSettings *s, int member, int64_t item, const Response *r) {
    const char *what = out->n_drifted < MINE_DRIFT ? drift_describe(r, e, s->members[member].prompt, s->set, &d->text[item], arena) : NULL;
    ARENA_GROW(arena, out->drifted, l->drifted_capacity, out->n_drifted + 1);
    out->drifted[out->n_drifted++] = (Drifted){member, item, r, what};
}

/* No answer was given to today's prompt, and several to another: that is no slip of an item's text. */
static void warn_stale(const MineSettings *s, const Mined *out) {
    for (int m = 0; m < s->n_members; m++) {
        const MemberCoverage *c = &out->coverage[m];
        int64_t drifted = c->by_identity + c->drift_refused;
        if (c->by_key > 0 || drifted < 2) continue;
        log_warn("stale: all %lld recorded answers of %s were given to another prompt than template %s renders today", (long long)drifted, s->members[m].name, s->members[m].prompt->path);
        log_warn("  the template, or the list of fields in ensemble.json, has changed: restore it, or give the changed template a new id and record answers to it; --on-drift refuse stops here");
    }
}

Status mine_replay(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, Arena *arena, Mined *out) {
    *out = (Mined){.items = ARENA_NEW(arena, ItemInterests, d->N), .answers = ARENA_NEW(arena, Answer, d->N * s->n_members)};
    Lists lists = {0};
    const char *names[MAX_MEMBERS];
    const OfflineCorpus *corpus = mine_corpus(d, s, arena);
    for (int m = 0; m < s->n_members; m++) names[m] = s->members[m].name;
    for (int64_t i = 0; i < d->N; i++) {
        Answer answers[MAX_MEMBERS] = {{0}};
        for (int m = 0; m < s->n_members; m++) {
            const Response *record;
            bool drifted;
            answers[m] = mine_answer(d, cache, e, s, corpus, m, i, arena, &out->coverage[m], &record, &drifted);
            if (drifted) note_drifted(out, &lists, arena, d, e, s, m, i, record);
            if (answers[m].fault) note_malformed(out, &lists, arena, m, i, answers[m].fault);
            out->answers[m * d->N + i] = answers[m];
        }
        out->items[i] = merge_answers(s->n_members, names, answers, s->min_agree, s->top, arena, &out->merge);
    }
    members_measure(d, s->n_members, out->answers, cache, s->set, out->quality);
    warn_stale(s, out);
    return refuse_missing(d, s, out);
}
