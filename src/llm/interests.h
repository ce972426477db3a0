/* llm/interests.h -- interests of items: the types, and the files interests.jsonl (03_mine) and labels.jsonl (04_label).
 *
 * ROOM llm: everything about language models' answers. Depends on base, io and the ItemText of data. prompts (templates of
 * paper/prompts), responses (the recorded answers of cache/responses), cachemerge (files of them become one), drift (why an answer is not found under today's prompt), answer
 * (strict parsing), offline (the member that is rules, no model), merge (the ensemble), members (its members compared), mine (what 03_mine does), record (03_record), features and logistic and label (the binary classifier of 04_label), quality (q of an item). Start reading here.
 *
 * Both files hold one line per item, item 0 first:
 *   {"item":0,"interests":[{"text":"..","facet":"goal","confidence":0.8,"agree":2,"members":["claude:mine/v1",..]}]}
 * labels.jsonl adds "score" (probability) and "label" (0/1) to every interest, and "quality" (a number, or null where the item has no
 * interest) to every item. An item without answers has an empty list.
 */
#ifndef DIGR_LLM_INTERESTS_H
#define DIGR_LLM_INTERESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum Facet { FACET_PROJECT, FACET_PRACTICE, FACET_SITUATION, FACET_CONSTRAINT, FACET_GOAL, N_FACETS } Facet;

const char *facet_name(Facet facet);
bool facet_parse(const char *name, Facet *facet); /* false: not one of the five */

typedef struct Interest {
    const char *text;           /* normalised: lower case, single spaces */
    Facet facet;
    bool has_confidence;
    double confidence;          /* (0,1]; 0 when !has_confidence */
    int n_agree;                /* distinct members that named it */
    const char *const *members; /* (n_agree) */
    bool has_label;
    double score;               /* probability of label 1 */
    int label;                  /* 0 or 1 */
} Interest;

typedef struct ItemInterests {
    int n;
    Interest *at;     /* (n) strongest first */
    bool has_quality;
    double quality;   /* [0,1] */
} ItemInterests;

/* interests_load -- read interests.jsonl or labels.jsonl of exactly N items into `arena`; *items (N).
 * need_labels: every interest must carry score and label. E_INPUT names file and line. */
Status interests_load(const char *path, int64_t N, bool need_labels, Arena *arena, ItemInterests **items);

/* interests_save -- write `path` atomically; with_labels adds score, label and quality. */
Status interests_save(const char *path, const ItemInterests *items, int64_t N, bool with_labels);

#endif
