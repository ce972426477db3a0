/* section_findings.c -- the head of the report, and the sentences a reader should leave with, each computed from the rows. */
#include <stdlib.h>
#include <string.h>

#include "eval/sections.h"

/* ------------------------------------------------------------------ head */

static const char *seeds_text(const Results *r)
{
    int64_t lowest = INT64_MAX, highest = 0;
    for (int64_t k = 0; k < r->n_sets; k++)
        for (int64_t m = 0; m < r->set[k].n_methods; m++) {
            const MethodResults *method = &r->set[k].method[m];
            if (method->role != ROLE_FULL && method->role != ROLE_VARIANT) continue;
            lowest = method->n < lowest ? method->n : lowest;
            highest = method->n > highest ? method->n : highest;
        }
    if (highest == 0) return "see the column Seeds";
    if (lowest == highest) return arena_printf(r->arena, "%lld for every generative method%s", (long long)highest, highest == 1 ? " (no spread over seeds can be given)" : "");
    return arena_printf(r->arena, "%lld to %lld, see the column Seeds", (long long)lowest, (long long)highest);
}

static const char *beam_text(const Results *r)
{
    int64_t lowest = INT64_MAX, highest = 0;
    for (int64_t i = 0; i < r->n_entries; i++) {
        const int64_t w = r->entry[i].ev->beam;
        if (w == 0) continue;
        lowest = w < lowest ? w : lowest;
        highest = w > highest ? w : highest;
    }
    if (highest == 0) return "none: every row scores all items";
    if (lowest == highest) return arena_printf(r->arena, "%lld for the generative rows; the others score every item", (long long)highest);
    return arena_printf(r->arena, "%lld to %lld for the generative rows; the others score every item", (long long)lowest, (long long)highest);
}

Status section_head(Doc *d, Results *r, const ReportOptions *o)
{
    int64_t n_simulated = 0, n_rows = 0;
    const char *names = "";
    for (int64_t k = 0; k < r->n_sets; k++) {
        n_simulated += r->set[k].simulated;
        n_rows += r->set[k].n_test;
        names = arena_printf(r->arena, "%s%s%s", names, k > 0 ? "; " : "", r->set[k].label);
    }
    if (n_simulated == r->n_sets)
        doc_fact(d, "Data", "**SIMULATED.** %s: an authored catalogue with simulated users, made for this artifact. Numbers say whether the method works as "
                 "described, not how it ranks on real shoppers. For the real Amazon sets: `make reproduce DATA=amazon` (needs network, or `DIGR_DATA=<folder or URL>` "
                 "with their files)", names);
    else if (n_simulated == 0)
        doc_fact(d, "Data", "**real**: %s. For the embedded simulated sample (no network, minutes): `make reproduce DATA=sample`", names);
    else
        doc_fact(d, "Data", "real and SIMULATED sets side by side, labelled in every table: %s. Each kind alone: `make reproduce DATA=amazon`, `make reproduce DATA=sample`",
                 names);
    doc_fact(d, "Test rows", "%s in %lld data set%s; item level, full catalogue, every row counts", table_count(n_rows, r->arena), (long long)r->n_sets,
             r->n_sets == 1 ? "" : "s");
    doc_fact(d, "Seeds", "%s", seeds_text(r));
    doc_fact(d, "Beam width", "%s", beam_text(r));
    const char *commit = getenv("DIGR_COMMIT");
    doc_fact(d, "Commit", "`%s`", commit != NULL && commit[0] != '\0' ? commit : "unknown");
    doc_fact(d, "Trail", "`manifest.json` here names every input with its SHA-256; each input's own `manifest.json` names its command, seed and inputs");
    doc_fact(d, "Intervals", "paired bootstrap over rows, %d resamples, 95 %%; p: paired sign flips, %d draws; seed %llu", SIGNIFICANCE_RESAMPLES,
             SIGNIFICANCE_PERMUTATIONS, (unsigned long long)o->seed);
    return OK;
}

/* ------------------------------------------------------------------ findings */

/* "+0.0123 (+4.5 %), 95 % interval [+0.0100, +0.0150], p = 0.0002" */
static const char *difference_text(const Comparison *c, Arena *arena)
{
    const char *relative = c->mean_b > 0 ? arena_printf(arena, " (%+.1f %%)", 100.0 * c->difference / c->mean_b) : "";
    return arena_printf(arena, "%+.4f%s, 95 %% interval [%+.4f, %+.4f], p = %.4f over %lld rows", c->difference, relative, c->low, c->high, c->p,
                        (long long)c->n);
}

static void say_bracket(Doc *d, const SetResults *s)
{
    if (s->full == NULL || s->popularity == NULL || s->oracle == NULL) return;
    const double low = results_spread(s->popularity, "test", METRIC_NDCG_10).mean, full = results_spread(s->full, "test", METRIC_NDCG_10).mean,
                 high = results_spread(s->oracle, "test", METRIC_NDCG_10).mean;
    if (low <= full && full <= high && high > low)
        doc_say(d, "**Bracket, %s.** NDCG@10: popularity %.4f ≤ %s %.4f ≤ oracle %.4f. The method covers %.0f %% of the way from popularity to a ranker that knows the "
                "simulator's interests.", s->label, low, s->full->label, full, high, 100.0 * (full - low) / (high - low));
    else
        doc_notice(d, "**Bracket broken, %s.** NDCG@10: popularity %.4f, %s %.4f, oracle %.4f. The method should lie between the two; do not trust this run before "
                   "knowing why it does not.", s->label, low, s->full->label, full, high);
}

/* The same comparison with the history removed from both rankings, and whether it tells another story; "" where that was not judged. */
static const char *masked_text(Doc *d, const SetResults *s, const MethodResults *a, const MethodResults *b, int verdict, const ReportOptions *o)
{
    Comparison c;
    if (!results_compare(s, a, b, "test.masked", METRIC_NDCG_10, o->seed, &c)) return "";
    const int masked = c.low > 0 ? 1 : c.high < 0 ? -1 : 0;
    return arena_printf(d->arena, " With the history removed from both rankings%s: %s.", masked == verdict ? "" : " **the verdict is another one**",
                        difference_text(&c, d->arena));
}

static void say_baseline(Doc *d, const SetResults *s, const ReportOptions *o)
{
    Comparison c;
    if (s->full == NULL || s->strongest == NULL || !results_compare(s, s->full, s->strongest, "test", METRIC_NDCG_10, o->seed, &c)) return;
    const char *text = difference_text(&c, d->arena);
    const char *verdict = c.low > 0 ? "is better than" : c.high < 0 ? "is **worse** than" : "cannot be told apart from";
    doc_say(d, "**Against the strongest baseline, %s.** %s %s %s on NDCG@10: %s.%s", s->label, s->full->label, verdict, s->strongest->label, text,
            masked_text(d, s, s->full, s->strongest, c.low > 0 ? 1 : c.high < 0 ? -1 : 0, o));
}

static void say_interests(Doc *d, const SetResults *s, const ReportOptions *o)
{
    Comparison c;
    if (s->full == NULL) return;
    if (s->without_interests == NULL || !results_compare(s, s->full, s->without_interests, "test", METRIC_NDCG_10, o->seed, &c)) {
        if (s->full->entry[0]->dir[PART_mine][0] == '\0')
            doc_say(d, "**Mined interests, %s.** No recorded answers exist for this set; the method ran on shallow text alone, so this run says nothing about "
                    "mined interests.", s->label);
        else
            doc_say(d, "**Mined interests, %s.** Not tested in this run: the row without interest mining is missing.", s->label);
        return;
    }
    const char *text = difference_text(&c, d->arena);
    const char *verdict = c.low > 0 ? "helped" : c.high < 0 ? "**hurt**" : "made no difference that these rows can show";
    doc_say(d, "**Mined interests, %s.** They %s: NDCG@10 with minus without, %s.%s%s", s->label, verdict, text,
            masked_text(d, s, s->full, s->without_interests, c.low > 0 ? 1 : c.high < 0 ? -1 : 0, o), s->simulated && c.low > 0 ? " Read with the caveat on the sample's answers below." : "");
}

static void say_rl(Doc *d, const SetResults *s, const ReportOptions *o)
{
    Comparison c;
    const MethodResults *sft = section_own_sft(s, s->full);
    if (sft == NULL || !results_compare(s, s->full, sft, "test", METRIC_NDCG_10, o->seed, &c)) return;
    const char *verdict = c.low > 0 ? "improved" : c.high < 0 ? "**worsened**" : "did not measurably change";
    doc_say(d, "**RL, %s.** GRPO %s its own SFT model on NDCG@10: %s.", s->label, verdict, difference_text(&c, d->arena));
}

Status section_findings(Doc *d, Results *r, const ReportOptions *o)
{
    doc_heading(d, 2, "findings", "Findings");
    const int64_t none = d->n_blocks;
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        say_bracket(d, s);
        say_baseline(d, s, o);
        say_interests(d, s, o);
        say_rl(d, s, o);
    }
    if (d->n_blocks == none)
        doc_text(d, "The full method is not part of this run, so there is nothing to say about it.");
    else
        doc_text(d, "The sentences above are computed from the per-row ranks. “Better”, “helped” and “improved” are used only where the 95 %% interval of the paired difference "
             "excludes zero. Intervals speak of the rows; the spread over training seeds is the ± in the tables.");
    bool caveat = false;
    for (int64_t k = 0; k < r->n_sets; k++) {
        const SetResults *s = &r->set[k];
        caveat = caveat || (s->simulated && s->full != NULL && s->full->entry[0]->dir[PART_mine][0] != '\0');
    }
    if (caveat)
        doc_notice(d, "**Caveat for the sample.** Its recorded answers were given in batches: the model had seen earlier items of the same set and tended to reuse its "
                   "own phrasings, so wording is more consistent than independent calls would give (the five nearest items by interest words alone share the main latent "
                   "interest in 84 to 98 %% of cases, by shallow text in 15 to 57 %%). All answers come from one language model: an ensemble of one. Gains from interests on "
                   "the sample may therefore overstate what independent calls would give. On Industrial the behaviour is real.");
    return OK;
}
