/* llm/members.h -- the members of an ensemble side by side: how much each says, how often the others say it too, how specific it is, what the judge thought of it.
 *
 *   coverage        share of the items it has interests for
 *   agreement       share of its interests that another member names for the same item, too (Jaccard of word stems at or above MERGE_JOIN); none with one member
 *   distinct        different texts among its interests: few where it repeats itself
 *   specificity     mean idf of the words of its interests; documents are items, each with the interests that any member gave it
 *   judged          interests of which a judge's label is recorded (template judge/..., same item, same text), and the share of these with label 1
 */
#ifndef DIGR_LLM_MEMBERS_H
#define DIGR_LLM_MEMBERS_H

#include <stdint.h>
#include <cjson/cJSON.h>

#include "data/dataset.h"
#include "llm/answer.h"
#include "llm/responses.h"

typedef struct MemberQuality {
    int64_t items, interests, with_confidence, shared, distinct, judged, judged_positive;
    double confidence, specificity; /* means; specificity over interests with any content word */
} MemberQuality;

/* members_measure
 * answers  in (n, d->N)  member-major: answers[m * N + i]
 * set      whose judged interests count
 * out      (n) */
void members_measure(const Dataset *d, int n, const Answer *answers, const Responses *cache, const char *set, MemberQuality *out);

/* members_json -- adds "interests_per_item", "mean_confidence", "agreement", "distinct_interests", "specificity", "judged", "judged_positive" to o; null where undefined. */
void members_json(const MemberQuality *q, int n_members, int64_t N, cJSON *o);

/* members_print -- the table, to the log. */
void members_print(int n, const char *const *names, const MemberQuality *q, int64_t N);

#endif
