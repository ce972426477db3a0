/* llm/mine_report.c -- what is said about a replay: the log, coverage.json, the drifted answers of the manifest; see mine.h. */
#include "llm/mine.h"

#include "base/log.h"

enum { SHOWN_MALFORMED = 10 };

/* ---- the log */

static void log_member(const Member *m, const MemberCoverage *c, int64_t N) {
    if (!m->prompt) {
        log_info("%s: rules, no language model: %lld interests on %lld of %lld items", m->name, (long long)c->interests, (long long)c->by_rule, (long long)N);
        return;
    }
    log_info("%s: %lld of %lld items answered, %lld by key, %lld for an earlier text; %lld missing, %lld refused for drift, %lld malformed; %lld interests", m->name,
             (long long)(c->by_key + c->by_identity), (long long)N, (long long)c->by_key, (long long)c->by_identity, (long long)c->missing,
             (long long)c->drift_refused, (long long)c->malformed, (long long)c->interests);
    for (int k = 0; k < N_NOTES; k++)
        if (c->notes[k]) log_warn("%s: slightly off, taken as given: %s (%lld)", m->name, answer_note_name((AnswerNote)k), (long long)c->notes[k]);
}

static void log_drift(const Dataset *d, const MineSettings *s, const Mined *mined) {
    if (mined->n_drifted)
        log_warn("%lld recorded answers were given to another prompt than today's; %s (--on-drift %s). The first of them:", (long long)mined->n_drifted,
                 s->refuse_drift ? "refused" : "used", s->refuse_drift ? "refuse" : "use");
    for (int64_t k = 0; k < mined->n_drifted && mined->drifted[k].what; k++) {
        const Drifted *f = &mined->drifted[k];
        log_warn("  item %lld (%s), %s: %s", (long long)f->item, d->text[f->item].id, s->members[f->member].name, f->what);
    }
}

void mine_log(const Dataset *d, const MineSettings *s, const Mined *mined) {
    const char *names[MAX_MEMBERS];
    for (int m = 0; m < s->n_members; m++) {
        log_member(&s->members[m], &mined->coverage[m], d->N);
        names[m] = s->members[m].name;
    }
    log_drift(d, s, mined);
    for (int64_t k = 0; k < mined->n_malformed && k < SHOWN_MALFORMED; k++)
        log_warn("item %lld (%s), %s: malformed: %s", (long long)mined->malformed[k].item, d->text[mined->malformed[k].item].id,
                 s->members[mined->malformed[k].member].name, mined->malformed[k].why);
    members_print(s->n_members, names, mined->quality, d->N);
    int64_t kept = 0, with = 0;
    for (int64_t i = 0; i < d->N; i++) {
        kept += mined->items[i].n;
        with += mined->items[i].n > 0;
    }
    log_info("%lld interests given, %lld joined to an equal one, %lld below the agreement asked for, %lld beyond the top %lld: %lld kept, on %lld of %lld items",
             (long long)mined->merge.given, (long long)mined->merge.joined, (long long)mined->merge.below_agreement, (long long)mined->merge.beyond_top, (long long)s->top,
             (long long)kept, (long long)with, (long long)d->N);
}

/* ---- coverage.json */

static cJSON *member_json(const Member *m, const MemberCoverage *c, const MemberQuality *q, int n_members, int64_t N) {
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
    members_json(q, n_members, N, o);
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
    for (int m = 0; m < s->n_members; m++) cJSON_AddItemToArray(members, member_json(&s->members[m], &mined->coverage[m], &mined->quality[m], s->n_members, d->N));
    cJSON *drifted = cJSON_AddArrayToObject(o, "drifted");
    for (int64_t k = 0; k < mined->n_drifted; k++) {
        const Drifted *f = &mined->drifted[k];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddStringToObject(entry, "member", s->members[f->member].name);
        cJSON_AddNumberToObject(entry, "item", (double)f->item);
        cJSON_AddStringToObject(entry, "id", d->text[f->item].id);
        if (f->what) cJSON_AddStringToObject(entry, "what", f->what);
        cJSON_AddItemToArray(drifted, entry);
    }
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

cJSON *mine_drift_json(const Dataset *d, const MineSettings *s, const Mined *mined) {
    cJSON *list = cJSON_CreateArray();
    for (int64_t k = 0; k < mined->n_drifted && mined->drifted[k].what; k++) {
        const Drifted *f = &mined->drifted[k];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "item", d->text[f->item].id);
        cJSON_AddStringToObject(o, "member", s->members[f->member].name);
        cJSON_AddStringToObject(o, "what", f->what);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}
