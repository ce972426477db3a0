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
#include "llm/members.h"
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

/* An answer that was found by identity only. what: drift_describe, for the first MINE_DRIFT of the run; NULL after. */
typedef struct Drifted { int member; int64_t item; const Response *record; const char *what; } Drifted;
enum { MINE_DRIFT = 5 };

typedef struct Mined {
    ItemInterests *items;               /* (N) */
    Answer *answers;                    /* (n_members, N) before the merge */
    MemberQuality quality[MAX_MEMBERS];
    int64_t n_drifted;
    Drifted *drifted;                   /* (n_drifted) whether used or refused */
    MemberCoverage coverage[MAX_MEMBERS];
    MergeCount merge;
    int64_t n_malformed;
    Malformed *malformed;               /* (n_malformed) */
} Mined;

/* mine_find -- the recorded answer of one member about one item; NULL when there is none. *drifted: found by identity only. */
const Response *mine_find(const Responses *cache, const Ensemble *e, const Member *m, const char *set, const ItemText *item, const char *interest,
                          bool *drifted);

/* mine_answer -- that answer, parsed; n = 0 and *missing where there is none, or only one to another prompt and s->refuse_drift. *record: what was found, NULL for rules. Counts
 * into `c` (NULL: not wanted). `corpus`: of the rules, NULL when no member is rules. */
Answer mine_answer(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, const OfflineCorpus *corpus, int member, int64_t item, Arena *arena,
                   MemberCoverage *c, const Response **record, bool *drifted);

/* mine_corpus -- what the rules among the members need; NULL when there are none. */
OfflineCorpus *mine_corpus(const Dataset *d, const MineSettings *s, Arena *arena);

/* mine_replay -- answers for every item of `d`, parsed, measured and merged. E_INPUT, with counts per member, when answers are missing and s->refuse_missing. A member of
 * which no answer at all was given to today's prompt is reported as stale: template, count and remedy. */
Status mine_replay(const Dataset *d, const Responses *cache, const Ensemble *e, const MineSettings *s, Arena *arena, Mined *out);

/* mine_log -- members, drift, malformed answers, the table of members.h, and what the merge kept, to the log. */
void mine_log(const Dataset *d, const MineSettings *s, const Mined *mined);
/* mine_drift_json -- the first drifted answers with what changed, for the manifest. */
cJSON *mine_drift_json(const Dataset *d, const MineSettings *s, const Mined *mined);
/* mine_coverage -- coverage.json: per member items answered by key and by identity, missing, malformed (listed), notes, and what members.h measures; drifted answers, the first
 * with what changed; what the merge did. */
cJSON *mine_coverage(const Dataset *d, const MineSettings *s, const Mined *mined);

enum { MAX_TEMPLATES = 64 };
typedef struct VerifyCount {
    int64_t of_set, right, drifted, absent, malformed;
    int n_templates;
    struct { const char *id; int64_t of_set, absent, drifted; } by_template[MAX_TEMPLATES];
} VerifyCount;

/* mine_verify_responses -- without a data set: every response of every set, parsed by its template. No key can be recomputed. E_INPUT when one is malformed. */
Status mine_verify_responses(const Responses *cache, const char *prompts_dir, Arena *arena, VerifyCount *count);

/* mine_digest -- write the records of `set` to `path`, which must not exist: those whose key is today's get the digests of what their prompts are made of (Response.parts), so that a
 * later drift can be explained; the others stay as they are. In file order, superseded records left out. *n_digested: how many got them. */
Status mine_digest(const Dataset *d, const Responses *cache, const Ensemble *e, const char *prompts_dir, const char *set, const char *path, Arena *arena, int64_t *n_digested);

/* mine_verify -- every record of `set`: its key recomputed from today's templates and texts, its response parsed. `absent`: the item is not in the data set.
 * The first few faults are logged. E_INPUT when a key has drifted (naming templates, counts and the remedy) or a response is malformed. Frames were checked when the cache was opened. */
Status mine_verify(const Dataset *d, const Responses *cache, const Ensemble *e, const char *prompts_dir, const char *set, Arena *arena, VerifyCount *count);

/* mine_show -- print one item's evidence, prompts, recorded answers, what parsing made of them, and the merged interests, to stdout.
 * labels  of that item, from labels.jsonl; NULL: not at hand. Merged interests that are not among them are marked. */
Status mine_show(const Dataset *d, int64_t item, const Responses *cache, const Ensemble *e, const MineSettings *s, bool with_prompts, const ItemInterests *labels, Arena *arena);

#endif
