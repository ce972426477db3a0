/* llm/drift.h -- answers that were recorded for another wording: what changed since, as far as it can be known.
 *
 * A recorded answer is looked up by the key of today's prompt first. When nothing has that key, an answer of the same model to the same template about the same item of the
 * same set may still be there: its prompt has drifted (an item's text reads differently in another snapshot of the raw data, or somebody edited a template). Records do not
 * hold the prompt; newer ones hold `parts`, a digest of each thing the prompt was made of:
 *   "template=1a2b title=.. brand=.. categories=.. description=.. caption=.."   (fields that the template and the set show)
 * so that what changed can be named. For records without parts a few hypotheses are tried: the key is computed again with fields hidden or shown.
 */
#ifndef DIGR_LLM_DRIFT_H
#define DIGR_LLM_DRIFT_H

#include "base/arena.h"
#include "data/dataset.h"
#include "llm/prompts.h"
#include "llm/responses.h"

/* drift_parts -- the digests of today's prompt, in `arena`; store them in Response.parts when recording. */
const char *drift_parts(const Ensemble *e, const Template *t, const char *set, const ItemText *item, Arena *arena);

/* drift_digest -- of one thing, as parts hold it. drift_names -- which things of two parts differ, or are in one only: "title, caption"; "" when none do. Both in `arena`. */
const char *drift_digest(Arena *arena, const char *text);
const char *drift_names(const char *was, const char *now, Arena *arena);

/* drift_describe -- why the record `r` is not found under today's key, for people: "the description reads differently, now \"...\"". In `arena`. */
const char *drift_describe(const Response *r, const Ensemble *e, const Template *t, const char *set, const ItemText *item, Arena *arena);

#endif
