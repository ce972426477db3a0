/* eval/sections.h -- the parts of the report, each appended to a document. All numbers come from results.h; nothing is computed on the test split that
 * later chooses anything. `out` is the report's folder, where plots go. */
#ifndef DIGR_EVAL_SECTIONS_H
#define DIGR_EVAL_SECTIONS_H

#include "base/status.h"
#include "eval/doc.h"
#include "eval/results.h"

/* What the report is made with. */
typedef struct ReportOptions {
    const char *out;
    uint64_t seed; /* of bootstrap and sign flips */
} ReportOptions;

/* section_findings.c: the sentences a reader should leave with */
Status section_head(Doc *doc, Results *r, const ReportOptions *o);
Status section_findings(Doc *doc, Results *r, const ReportOptions *o);
/* section_data.c */
Status section_data(Doc *doc, Results *r, const ReportOptions *o);
Status section_sids(Doc *doc, Results *r, const ReportOptions *o);
Status section_interests(Doc *doc, Results *r, const ReportOptions *o);
/* section_ensemble.c: who gave the interests, and what members and strategies are worth; section_members is a part of section_interests */
Status section_ensemble(Doc *doc, Results *r, const ReportOptions *o);
Status section_members(Doc *doc, Results *r);
/* section_rldi.c: how good the classifier of interests is, on judged interests it has not seen */
Status section_rldi(Doc *doc, Results *r, const ReportOptions *o);
/* section_main.c */
Status section_main(Doc *doc, Results *r, const ReportOptions *o);
/* section_ties.c: only where a run has a set with ties in file order and shuffled */
Status section_ties(Doc *doc, Results *r, const ReportOptions *o);
/* section_ablation.c */
Status section_ablation(Doc *doc, Results *r, const ReportOptions *o);
Status section_rl(Doc *doc, Results *r, const ReportOptions *o);
/* section_published.c */
Status section_published(Doc *doc, Results *r, const ReportOptions *o);
/* section_curves.c */
Status section_curves(Doc *doc, Results *r, const ReportOptions *o);

/* Shared by the sections. */
const char *section_set_name(const SetResults *s, Arena *arena);       /* its label; "(simulated)" is added where it does not say so */
void section_number(Table *t, const cJSON *tree, const char *dotted);  /* a cell: the number at a dotted path of a document, or none */
const char *section_set_heading(const SetResults *s, Arena *arena);    /* "Beauty (simulated) — 2,000 test rows, 480 items, leave-last-out" */
uint32_t section_color(const MethodResults *m);                       /* one colour a role, the same in every plot */
/* section_order -- methods in table order: baselines, variants, full, external, oracle; out (n_methods); main or ablation members only. Returns how many. */
int64_t section_order(const SetResults *s, bool main, const MethodResults **out);
/* section_spokesman -- the entry whose folders speak for the set's text, interests and SIDs: the full method's first seed; else, of the methods that have that folder, the first
 * (of interests: the one with the most members, then interests). NULL when none has it. */
const Entry *section_spokesman(Results *r, const SetResults *s, Part part);
/* section_own_sft -- the method whose entries are the very SFT models that `full` was trained on by RL, seed by seed; NULL when the run has none. */
const MethodResults *section_own_sft(const SetResults *s, const MethodResults *full);

#endif
