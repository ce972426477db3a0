/* llm/merge.h -- several members' answers about one item become one list (MLIM, paper section on multi-LLM interest mining).
 *
 * Members are visited in the order of --members, their interests in the order given. An interest joins the earlier group it is nearest to when the Jaccard
 * similarity of their sets of word stems (words.h) is at least MERGE_JOIN, measured against the text that founded the group (ties: the older group); else it
 * founds a group. A member counts once in a group. Of a group are kept:
 *   text, facet   of its most confident interest (ties: the earliest)
 *   confidence    the mean over its members of each one's largest confidence; so agreement does not inflate it, and is kept beside it
 *   agree         the number of its members
 * Groups are ordered by agree, then confidence, both descending, then as founded; the first K stay. If any member gave no confidences for the item, all of the
 * item's are dropped (every weight is then 1 in the item's quality).
 *
 * MERGE_JOIN = 0.5: on the recorded answers 11 % (sample) and 14 % (industrial) of cross-member pairs join there; read by eye, pairs at 0.4 mostly differ
 * ("playing tennis with a sore elbow" / "playing tennis with a bad back" has 0.33), pairs at 0.5 mostly do not ("sealing threaded pipe joints" / "leak-free
 * threaded pipe joints").
 *
 * Deviations from the paper: its joining rule is not published; this one is ours.
 */
#ifndef DIGR_LLM_MERGE_H
#define DIGR_LLM_MERGE_H

#include <stdint.h>

#include "base/arena.h"
#include "llm/answer.h"
#include "llm/interests.h"

#define MERGE_JOIN 0.5

typedef struct MergeCount { int64_t given, joined, below_agreement, beyond_top; } MergeCount;

/* merge_answers -- one item.
 * members    in (n)  names; they end up in the result, so they must live as long
 * answers    in (n)  answers[m].n = 0 where member m has none
 * min_agree  groups with fewer members are left out (1: all)
 * top        K
 * count      in/out  added to
 * The result lives in `arena`. */
ItemInterests merge_answers(int n, const char *const *members, const Answer *answers, int min_agree, int top, Arena *arena, MergeCount *count);

#endif
