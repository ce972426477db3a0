/* llm/judged.c -- see judged.h. */
#include "llm/judged.h"

#include <string.h>

#include "base/log.h"
#include "data/strtable.h"
#include "llm/answer.h"

enum { SHOWN_FAULTS = 5 };

static const char *const origin_names[N_ORIGINS] = {"mined", "swapped", "generic"};

const char *origin_name(Origin o) {
    REQUIRE((int)o >= 0 && o < N_ORIGINS, "origin %d", (int)o);
    return origin_names[o];
}

static Status parse_origin(const Response *r, Origin *origin) {
    for (int o = 0; o < N_ORIGINS; o++)
        if (r->origin && strcmp(r->origin, origin_names[o]) == 0) {
            *origin = (Origin)o;
            return OK;
        }
    return FAIL(E_INPUT, "origins are mined, swapped and generic", "judged interest of item %s, set %s: origin \"%s\"", r->item, r->set, r->origin ? r->origin : "");
}

static Status add_row(const Response *r, int64_t item, int64_t group, int label, const FeatureCorpus *c, Arena *arena, Judged *judged) {
    size_t need = (size_t)judged->n + 1;
    ARENA_GROW(arena, judged->at, judged->capacity, need);
    JudgedRow *row = &judged->at[judged->n];
    *row = (JudgedRow){.group = group, .set = r->set, .item = r->item, .interest = r->interest, .label = label};
    TRY(parse_origin(r, &row->origin));
    Arena *scratch = arena_create("features");
    int own = features_match(c, item, r->interest, scratch);
    const Interest *known = features_own(c, item, own);
    if (!known) known = features_donor(c, r->interest);
    features_compute(c, item, r->interest, own, known, scratch, row->row, row->known);
    arena_destroy(scratch);
    judged->n++;
    return OK;
}

Status judged_gather(const Responses *cache, const char *set, const char *template_id, const Dataset *d, const FeatureCorpus *c, Arena *arena, Judged *judged) {
    StringTable *ids = strtable_create(arena), *groups = strtable_create(arena);
    for (int64_t i = 0; i < d->N; i++) strtable_add(ids, d->text[i].id);
    for (int64_t k = 0; k < responses_count(cache); k++) {
        const Response *r = responses_at(cache, k);
        if (r->superseded || !r->interest || strcmp(r->set, set) != 0 || strcmp(r->template_id, template_id) != 0) continue;
        int64_t item = strtable_find(ids, r->item);
        int label;
        if (item < 0) judged->n_outside++;
        else if (!answer_parse_label(r->response, &label)) {
            if (judged->n_malformed++ < SHOWN_FAULTS) log_warn("set %s, item %s: malformed label \"%s\"", set, r->item, r->response);
        } else {
            TRY(add_row(r, item, judged->n_groups + strtable_add(groups, r->item), label, c, arena, judged));
        }
    }
    judged->n_groups += strtable_count(groups);
    return OK;
}
