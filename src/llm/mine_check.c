/* llm/mine_check.c -- looking at recorded answers: mine_verify and mine_show of mine.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "data/strtable.h"
#include "llm/drift.h"
#include "llm/mine.h"

enum { SHOWN_FAULTS = 10 };

/* Templates are loaded once each, on first use. */
typedef struct Templates { int n; Template *at[MAX_TEMPLATES]; } Templates;

static Status get_template(Templates *loaded, const char *dir, const char *id, Arena *arena, Template **t) {
    for (int i = 0; i < loaded->n; i++)
        if (strcmp(loaded->at[i]->id, id) == 0) {
            *t = loaded->at[i];
            return OK;
        }
    if (loaded->n == MAX_TEMPLATES) return FAIL(E_INPUT, NULL, "more than %d templates in recorded answers", MAX_TEMPLATES);
    TRY(template_load(dir, id, arena, t));
    loaded->at[loaded->n++] = *t;
    return OK;
}

static int template_slot(VerifyCount *count, const char *id) {
    int k = 0;
    while (k < count->n_templates && strcmp(count->by_template[k].id, id) != 0) k++;
    REQUIRE(k < MAX_TEMPLATES, "more than %d templates", MAX_TEMPLATES);
    if (k == count->n_templates) count->by_template[count->n_templates++].id = id;
    return k;
}

/* What was malformed when it was recorded, and said so, is no news. */
static void check_response(const Template *t, const Response *r, Arena *arena, VerifyCount *count) {
    const char *fault = r->fault ? NULL : answer_fault(t, r->response, arena);
    if (fault && count->malformed < SHOWN_FAULTS) log_warn("item %s, %s: %s: %s", r->item, r->template_id, fault, r->response);
    count->malformed += fault != NULL;
}

Status mine_verify_responses(const Responses *cache, const char *prompts_dir, Arena *arena, VerifyCount *count) {
    *count = (VerifyCount){0};
    Templates loaded = {0};
    for (int64_t k = 0; k < responses_count(cache); k++) {
        const Response *r = responses_at(cache, k);
        Template *t;
        if (r->superseded) continue;
        TRY(get_template(&loaded, prompts_dir, r->template_id, arena, &t));
        count->by_template[template_slot(count, r->template_id)].of_set++;
        count->of_set++;
        ArenaMark mark = arena_mark(arena);
        check_response(t, r, arena, count);
        arena_release(arena, mark);
    }
    if (count->malformed) return FAIL(E_INPUT, "ask again for these answers", "of %lld answers %lld are malformed", (long long)count->of_set, (long long)count->malformed);
    return OK;
}

static bool key_is_right(const Template *t, const Response *r, const Ensemble *e, const char *set, const ItemText *item, Arena *arena) {
    char key[SHA256_HEX];
    prompt_key(r->provider, r->model, r->template_id, prompt_show(prompt_render(e, t, set, item, r->interest, arena), r->image, arena), key);
    return strcmp(key, r->key) == 0;
}

static Status verify_key(const Template *t, const Response *r, const Ensemble *e, const char *set, const ItemText *item, Arena *arena, VerifyCount *count) {
    int slot = template_slot(count, r->template_id);
    if (t->is_judge && !r->interest) return FAIL(E_INPUT, NULL, "key %s: a label without its interest", r->key);
    if (key_is_right(t, r, e, set, item, arena)) {
        count->right++;
        return OK;
    }
    if (count->drifted++ < SHOWN_FAULTS) log_warn("item %s, %s: %s", r->item, r->template_id, drift_describe(r, e, t, set, item, arena));
    count->by_template[slot].drifted++;
    return OK;
}

/* "mine/v1: 480 of 480 (all: the template or its fields changed), judge/v1: 3 of 1074" */
static const char *drift_by_template(const VerifyCount *count, Arena *arena) {
    const char *text = "";
    for (int k = 0; k < count->n_templates; k++) {
        int64_t checked = count->by_template[k].of_set - count->by_template[k].absent, drifted = count->by_template[k].drifted;
        if (drifted == 0) continue;
        text = arena_printf(arena, "%s%s%s: %lld of %lld%s", text, *text ? ", " : "", count->by_template[k].id, (long long)drifted, (long long)checked,
                            drifted == checked && drifted > 1 ? ", all of them: its wording or its fields changed" : "");
    }
    return text;
}

Status mine_verify(const Dataset *d, const Responses *cache, const Ensemble *e, const char *prompts_dir, const char *set, Arena *arena, VerifyCount *count) {
    *count = (VerifyCount){0};
    Templates loaded = {0};
    StringTable *ids = strtable_create(arena);
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    for (int64_t k = 0; k < responses_count(cache); k++) {
        const Response *r = responses_at(cache, k);
        if (strcmp(r->set, set) != 0 || r->superseded) continue;
        Template *t;
        TRY(get_template(&loaded, prompts_dir, r->template_id, arena, &t));
        count->of_set++;
        int64_t item = strtable_find(ids, r->item);
        int slot = template_slot(count, r->template_id);
        count->by_template[slot].of_set++;
        count->by_template[slot].absent += item < 0;
        ArenaMark mark = arena_mark(arena);
        check_response(t, r, arena, count);
        count->absent += item < 0;
        if (item >= 0) TRY(verify_key(t, r, e, set, &d->text[item], arena, count));
        arena_release(arena, mark);
    }
    if (count->of_set == 0) return FAIL(E_INPUT, "see --set", "no recorded answers of set %s", set);
    if (count->drifted)
        return FAIL(E_INPUT, "a changed template needs a new id (restore it with `git checkout paper/prompts`); a changed item text needs a new recording, or --on-drift use",
                    "set %s: of %lld answers %lld were given to another prompt than today's (%s); %lld are malformed", set, (long long)count->of_set, (long long)count->drifted,
                    drift_by_template(count, arena), (long long)count->malformed);
    if (count->malformed)
        return FAIL(E_INPUT, "ask again for these answers", "set %s: of %lld answers %lld are malformed", set, (long long)count->of_set, (long long)count->malformed);
    return OK;
}

Status mine_digest(const Dataset *d, const Responses *cache, const Ensemble *e, const char *prompts_dir, const char *set, const char *path, Arena *arena, int64_t *n_digested) {
    Templates loaded = {0};
    StringTable *ids = strtable_create(arena);
    Response *out = ARENA_NEW(arena, Response, responses_count(cache));
    int64_t n = 0;
    *n_digested = 0;
    if (path_exists(path)) return FAIL(E_USAGE, "name a new file", "%s: is there already", path);
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    for (int64_t k = 0; k < responses_count(cache); k++) {
        Response r = *responses_at(cache, k);
        Template *t;
        if (strcmp(r.set, set) != 0 || r.superseded) continue;
        TRY(get_template(&loaded, prompts_dir, r.template_id, arena, &t));
        int64_t item = strtable_find(ids, r.item);
        if (item >= 0 && (!t->is_judge || r.interest) && key_is_right(t, &r, e, set, &d->text[item], arena)) {
            r.parts = drift_parts(e, t, set, &d->text[item], arena);
            ++*n_digested;
        }
        out[n++] = r;
    }
    if (n == 0) return FAIL(E_INPUT, "see --set", "no recorded answers of set %s", set);
    const char *fresh = arena_printf(arena, "%s.tmp", path);
    (void)unlink(fresh);
    TRY(responses_append(fresh, out, n));
    if (rename(fresh, path) != 0) return FAIL(E_RESOURCE, NULL, "%s: cannot rename: %s", fresh, strerror(errno));
    return OK;
}

/* ---- one item */

static void show_answer(const Answer *a) {
    if (a->fault) printf("malformed: %s\n", a->fault);
    for (int k = 0; k < N_NOTES; k++)
        if (a->notes[k]) printf("note: %s (%lld)\n", answer_note_name((AnswerNote)k), (long long)a->notes[k]);
    for (int j = 0; j < a->n; j++) printf("%.2f  %-10s  %s\n", a->at[j].confidence, facet_name(a->at[j].facet), a->at[j].text);
}

static const Interest *label_of(const ItemInterests *labels, const char *text) {
    for (int j = 0; labels && j < labels->n; j++)
        if (strcmp(labels->at[j].text, text) == 0) return &labels->at[j];
    return NULL;
}

static void show_merged(const ItemInterests *merged, int64_t given, const ItemInterests *labels) {
    printf("\n== merged: %d of %lld given%s\n", merged->n, (long long)given, labels ? "; label and probability by 04_label" : "");
    for (int j = 0; j < merged->n; j++) {
        const Interest *z = &merged->at[j], *label = label_of(labels, z->text);
        printf("%.2f  %-10s  %d member%s  %s", z->confidence, facet_name(z->facet), z->n_agree, z->n_agree == 1 ? " " : "s", z->text);
        if (label) printf("  -> %d (%.3f)", label->label, label->score);
        else if (labels) printf("  -> not labelled: the labels were made with other members");
        printf("\n");
    }
    if (labels && labels->has_quality) printf("quality of the item: %.3f\n", labels->quality);
}

Status mine_show(const Dataset *d, int64_t item, const Responses *cache, const Ensemble *e, const MineSettings *s, bool with_prompts, const ItemInterests *labels, Arena *arena) {
    const ItemText *text = &d->text[item];
    Answer answers[MAX_MEMBERS] = {{0}};
    const char *names[MAX_MEMBERS];
    const OfflineCorpus *corpus = mine_corpus(d, s, arena);
    printf("item %lld, id %s: %s\n", (long long)item, text->id, text->title);
    for (int m = 0; m < s->n_members; m++) {
        const Member *member = &s->members[m];
        const Response *r;
        bool drifted;
        names[m] = member->name;
        answers[m] = mine_answer(d, cache, e, s, corpus, m, item, arena, NULL, &r, &drifted);
        printf("\n== %s (%s)\n", member->name, member->prompt ? member->provider : "rules, no language model");
        if (member->prompt && with_prompts) printf("%s\n", prompt_render(e, member->prompt, s->set, text, NULL, arena));
        if (r) printf("key %s, recorded %s%s\n%s\n", r->key, r->date, drifted ? ", for another prompt than today's" : "", r->response);
        else if (member->prompt) printf("no recorded answer\n");
        if (drifted) printf("drift: %s%s\n", drift_describe(r, e, member->prompt, s->set, text, arena), s->refuse_drift ? "; refused" : "");
        show_answer(&answers[m]);
    }
    MergeCount count = {0};
    ItemInterests merged = merge_answers(s->n_members, names, answers, s->min_agree, s->top, arena, &count);
    show_merged(&merged, count.given, labels);
    return OK;
}
