/* llm/mine.h -- what 03_mine does: recorded answers of the ensemble -> merged interests of every item, and the checks around it.
 *
 * Nothing in here opens a socket.
 */
#ifndef DIGR_LLM_MINE_H
#define DIGR_LLM_MINE_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "data/dataset.h"
#include "llm/answer.h"
#include "llm/interests.h"
#include "llm/merge.h"
#include "llm/offline.h"
#include "llm/prompts.h"
#include "llm/responses.h"

enum { MAX_MEMBERS = 16 };

/* A member is a model asked with a template, "claude:mine/v1", or the rules of offline.h, "rules:offline/v1". */
typedef struct Member {
    const char *name, *model, *provider;
    Template *prompt;       /* NULL: rules, which are asked nothing */
} Member;

typedef struct MineSettings {
    const char *set;        /* identity of the answers: "industrial", "sample-beauty" */
    int n_members;
    Member members[MAX_MEMBERS];
    int min_agree;          /* 1: union */
    int top;                /* K */
    bool refuse_missing;    /* a missing answer is an error; else the item goes without it */
    bool refuse_drift;      /* an answer found only by identity (its prompt has changed since) counts as missing */
} MineSettings;

/* mine_members -- parse "a:t1,a:t2,rules:offline/v1" and a strategy, "union", "agree>=N" or "single:MEMBER" (one of the list), into s->members and s->min_agree.
 * E_USAGE for a malformed list or strategy, E_INPUT for an unknown model or template. */
Status mine_members(const char *list, const char *strategy, const char *prompts_dir, const Ensemble *e, Arena *arena, MineSettings *s);

typedef struct MemberCoverage {
    int64_t by_key, by_identity, by_rule, drift_refused, missing, malformed, interests; /* by_rule: items for which the rules found something */
    int64_t notes[N_NOTES];
} MemberCoverage;

typedef struct Malformed { int member; int64_t item; const char *why; } Malformed;

typedef struct Mined {
    ItemInterests *items;               /* (N) */
    MemberCoverage coverage[MAX_MEMBERS];
    MergeCount merge;
    int64_t n_malformed;
    Malformed *malformed;               /* (n_malformed) */
} Mined;

/* mine_find -- the recorded answer of one member about one item; NULL when there is none. *drifted: found by identity only. */
const Response *mine_find(const Responses *cache, const Ensemble *e, const Member *m, const char *set, const ItemText *item, const char *interest,
                          bool *drifted);

/* mine_replay -- answers for every item of `d`, parsed and merged. E_INPUT, with counts per member, when answers are missing and s->refuse_missing. */
Status mine_replay(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, Arena *arena, Mined *out);

/* mine_coverage -- coverage.json: per member items answered by key and by identity, missing, malformed (listed), notes; what the merge did. */
cJSON *mine_coverage(const Dataset *d, const MineSettings *s, const Mined *mined);

typedef struct VerifyCount { int64_t of_set, right, drifted, absent, malformed; } VerifyCount;

/* mine_verify -- every record of `set`: its key recomputed from today's templates and texts, its response parsed. `absent`: the item is not in the data set.
 * The first few faults are logged. E_INPUT when a key has drifted or a response is malformed. Frames were checked when the cache was opened. */
Status mine_verify(const Dataset *d, const Responses *cache, const Ensemble *e, const char *prompts_dir, const char *set, Arena *arena, VerifyCount *count);

/* mine_show -- print one item's evidence, prompts, recorded answers and what parsing made of them, to stdout. */
Status mine_show(const Dataset *d, int64_t item, const Responses *cache, const Ensemble *e, const MineSettings *s, bool with_prompts, Arena *arena);

#endif
