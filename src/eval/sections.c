/* sections.c -- what the sections of the report share. */
#include "eval/sections.h"

#include <string.h>

const char *section_set_name(const SetResults *s, Arena *arena)
{
    return strstr(s->label, "simulated") != NULL || !s->simulated ? s->label : arena_printf(arena, "%s (simulated)", s->label);
}

void section_number(Table *t, const cJSON *tree, const char *dotted)
{
    double value;
    if (results_number(tree, dotted, &value)) table_number(t, value);
    else table_none(t);
}

const char *section_set_heading(const SetResults *s, Arena *arena)
{
    return arena_printf(arena, "%s — %s test rows, %s items, %s", section_set_name(s, arena), table_count(s->n_test, arena), table_count(s->N, arena), s->protocol);
}

uint32_t section_color(const MethodResults *m)
{
    static const uint32_t color[ROLE_COUNT] = {[ROLE_FULL] = PLOT_GREEN, [ROLE_BASELINE] = PLOT_GREY, [ROLE_VARIANT] = PLOT_BLUE, [ROLE_ORACLE] = PLOT_GOLD,
        [ROLE_EXTERNAL] = PLOT_ORANGE};
    return color[m->role];
}

int64_t section_order(const SetResults *s, bool main, const MethodResults **out)
{
    static const Role main_order[] = {ROLE_BASELINE, ROLE_VARIANT, ROLE_FULL, ROLE_EXTERNAL, ROLE_ORACLE};
    static const Role ablation_order[] = {ROLE_FULL, ROLE_VARIANT, ROLE_BASELINE, ROLE_EXTERNAL, ROLE_ORACLE};
    int64_t n = 0;
    for (int k = 0; k < ROLE_COUNT; k++) {
        for (int64_t m = 0; m < s->n_methods; m++) {
            const MethodResults *method = &s->method[m];
            if (method->role == (main ? main_order : ablation_order)[k] && (main ? method->in_main : method->in_ablation)) out[n++] = method;
        }
    }
    return n;
}

/* Members first, then interests: the union of an ensemble before its agreement. */
static double ensemble_size(Results *r, const Entry *e)
{
    const cJSON *coverage = NULL;
    double interests = 0;
    if (results_document(r, e->dir[PART_mine], "coverage.json", &coverage) != OK) return 0;
    (void)results_number(coverage, "interests", &interests);
    return 1e9 * cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(coverage, "members")) + interests;
}

const Entry *section_spokesman(Results *r, const SetResults *s, Part part)
{
    if (s->full != NULL && s->full->entry[0]->dir[part][0] != '\0') return s->full->entry[0];
    const Entry *best = NULL;
    for (int64_t m = 0; m < s->n_methods; m++) {
        const Entry *e = s->method[m].entry[0];
        if (e->dir[part][0] == '\0') continue;
        if (best == NULL || (part == PART_mine && ensemble_size(r, e) > ensemble_size(r, best))) best = e;
    }
    return best;
}

/* The entry with this seed and SFT folder that had no RL after it. */
static const MethodResults *sft_owner(const SetResults *s, const Entry *rl)
{
    for (int64_t m = 0; m < s->n_methods; m++)
        for (int64_t i = 0; i < s->method[m].n; i++) {
            const Entry *e = s->method[m].entry[i];
            if (e->seed == rl->seed && e->dir[PART_rl][0] == '\0' && strcmp(e->dir[PART_sft], rl->dir[PART_sft]) == 0) return &s->method[m];
        }
    return NULL;
}

const MethodResults *section_own_sft(const SetResults *s, const MethodResults *full)
{
    const MethodResults *owner = NULL;
    for (int64_t i = 0; full != NULL && i < full->n; i++) {
        const Entry *e = full->entry[i];
        if (e->dir[PART_rl][0] == '\0' || e->dir[PART_sft][0] == '\0') return NULL;
        const MethodResults *m = sft_owner(s, e);
        if (m == NULL || (owner != NULL && m != owner)) return NULL;
        owner = m;
    }
    return owner != NULL && owner->n == full->n ? owner : NULL;
}
