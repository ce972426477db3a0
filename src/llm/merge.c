/* llm/merge.c -- see merge.h. */
#include "llm/merge.h"

#include <stdlib.h>

#include "llm/words.h"

typedef struct Group {
    StemSet stems;      /* of the founding text */
    Interest best;      /* the most confident interest so far */
    int rank;           /* order of founding */
    double *member_confidence; /* (n) largest of each member; 0: not in the group */
    bool *has_member;   /* (n) */
} Group;

static Group *nearest_group(Group *groups, int n_groups, StemSet stems) {
    Group *nearest = NULL;
    double best = 0;
    for (int g = 0; g < n_groups; g++) {
        double similarity = words_jaccard(groups[g].stems, stems);
        if (similarity >= MERGE_JOIN && similarity > best) {
            best = similarity;
            nearest = &groups[g];
        }
    }
    return nearest;
}

static int compare_groups(const void *a, const void *b) {
    const Group *x = a, *y = b;
    if (x->best.n_agree != y->best.n_agree) return y->best.n_agree - x->best.n_agree;
    if (x->best.confidence != y->best.confidence) return x->best.confidence < y->best.confidence ? 1 : -1;
    return x->rank - y->rank;
}

/* Group -> interest: members in order, mean confidence. */
static void finish_group(Group *g, int n, const char *const *members, bool with_confidence, Arena *arena) {
    const char **names = ARENA_NEW(arena, const char *, n);
    double sum = 0;
    int count = 0;
    for (int m = 0; m < n; m++)
        if (g->has_member[m]) {
            names[count++] = members[m];
            sum += g->member_confidence[m];
        }
    g->best.members = names;
    g->best.n_agree = count;
    g->best.has_confidence = with_confidence;
    g->best.confidence = with_confidence ? sum / count : 0;
}

ItemInterests merge_answers(int n, const char *const *members, const Answer *answers, int min_agree, int top, Arena *arena, MergeCount *count) {
    int total = 0, n_groups = 0;
    bool with_confidence = true;
    for (int m = 0; m < n; m++) total += answers[m].n;
    Group *groups = ARENA_NEW(arena, Group, total);
    for (int m = 0; m < n; m++)
        for (int j = 0; j < answers[m].n; j++) {
            const Interest *z = &answers[m].at[j];
            StemSet stems = words_stem_set(arena, z->text);
            Group *g = nearest_group(groups, n_groups, stems);
            with_confidence = with_confidence && z->has_confidence;
            if (!g) {
                g = &groups[n_groups];
                *g = (Group){stems, *z, n_groups, ARENA_NEW(arena, double, n), ARENA_NEW(arena, bool, n)};
                n_groups++;
            } else if (z->confidence > g->best.confidence) {
                g->best = *z;
            }
            g->has_member[m] = true;
            if (z->confidence > g->member_confidence[m]) g->member_confidence[m] = z->confidence;
        }
    for (int g = 0; g < n_groups; g++) finish_group(&groups[g], n, members, with_confidence, arena);
    qsort(groups, (size_t)n_groups, sizeof *groups, compare_groups);
    ItemInterests item = {0, ARENA_NEW(arena, Interest, n_groups), false, 0};
    for (int g = 0; g < n_groups; g++) {
        if (groups[g].best.n_agree < min_agree) count->below_agreement++;
        else if (item.n == top) count->beyond_top++;
        else item.at[item.n++] = groups[g].best;
    }
    count->given += total;
    count->joined += total - n_groups;
    return item;
}
