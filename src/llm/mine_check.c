/* llm/mine_check.c -- looking at recorded answers: mine_verify and mine_show of mine.h. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "data/strtable.h"
#include "llm/mine.h"

enum { SHOWN_FAULTS = 10, MAX_TEMPLATES = 64 };

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
        ArenaMark mark = arena_mark(arena);
        /* what was malformed when it was recorded, and said so, is no news */
        const char *fault = r->fault ? NULL : answer_fault(t, r->response, arena);
        int64_t item = strtable_find(ids, r->item);
        bool drifted = false;
        if (item >= 0) {
            char key[SHA256_HEX];
            if (t->is_judge && !r->interest) return FAIL(E_INPUT, NULL, "key %s: a label without its interest", r->key);
            const char *rendered = prompt_show(prompt_render(e, t, set, &d->text[item], r->interest, arena), r->image, arena);
            prompt_key(r->provider, r->model, r->template_id, rendered, key);
            drifted = strcmp(key, r->key) != 0;
            if (drifted && count->drifted < SHOWN_FAULTS) log_warn("item %s, %s: recorded under %s, its prompt now has %s", r->item, r->template_id, r->key, key);
        }
        if (fault && count->malformed < SHOWN_FAULTS) log_warn("item %s, %s: %s: %s", r->item, r->template_id, fault, r->response);
        arena_release(arena, mark);
        count->malformed += fault != NULL;
        count->absent += item < 0;
        count->drifted += drifted;
        count->right += item >= 0 && !drifted;
    }
    if (count->of_set == 0) return FAIL(E_INPUT, "see --set", "no recorded answers of set %s", set);
    if (count->drifted || count->malformed)
        return FAIL(E_INPUT, "a changed template needs a new id; a changed item text needs a new recording, or --on-drift use",
                    "set %s: of %lld answers %lld have drifted and %lld are malformed", set, (long long)count->of_set, (long long)count->drifted,
                    (long long)count->malformed);
    return OK;
}

Status mine_show(const Dataset *d, int64_t item, const Responses *cache, const Ensemble *e, const MineSettings *s, bool with_prompts, Arena *arena) {
    const ItemText *text = &d->text[item];
    printf("item %lld, id %s: %s\n", (long long)item, text->id, text->title);
    for (int m = 0; m < s->n_members; m++) {
        const Member *member = &s->members[m];
        bool drifted;
        const Response *r = mine_find(cache, e, member, s->set, text, NULL, &drifted);
        printf("\n== %s (%s)\n", member->name, member->provider);
        if (with_prompts) printf("%s\n", prompt_render(e, member->prompt, s->set, text, NULL, arena));
        if (!r) {
            printf("no recorded answer\n");
            continue;
        }
        printf("key %s, recorded %s%s\n%s\n", r->key, r->date, drifted ? ", for another prompt than today's" : "", r->response);
        Answer a = answer_parse(member->prompt, r->response, arena);
        if (a.fault) printf("malformed: %s\n", a.fault);
        for (int k = 0; k < N_NOTES; k++)
            if (a.notes[k]) printf("note: %s (%lld)\n", answer_note_name((AnswerNote)k), (long long)a.notes[k]);
    }
    Answer answers[MAX_MEMBERS] = {{0}};
    const char *names[MAX_MEMBERS];
    for (int m = 0; m < s->n_members; m++) {
        bool drifted;
        const Response *r = mine_find(cache, e, &s->members[m], s->set, text, NULL, &drifted);
        names[m] = s->members[m].name;
        if (r && !(drifted && s->refuse_drift)) answers[m] = answer_parse(s->members[m].prompt, r->response, arena);
    }
    MergeCount count = {0};
    ItemInterests merged = merge_answers(s->n_members, names, answers, s->min_agree, s->top, arena, &count);
    printf("\n== merged: %d of %lld given\n", merged.n, (long long)count.given);
    for (int j = 0; j < merged.n; j++) {
        const Interest *z = &merged.at[j];
        printf("%.2f  %-10s  %d member%s  %s\n", z->confidence, facet_name(z->facet), z->n_agree, z->n_agree == 1 ? " " : "s", z->text);
    }
    return OK;
}
