/* llm/prompts.h -- prompt templates (paper/prompts) and their rendering for an item.
 *
 * A template is one file, `mine/v1` in mine-v1.md: lines `key: value` (id, answer, reasoning, image), then `## system` and `## user`, each up to the
 * next heading or the end. In the user part {title} {brand} {categories} {description} {caption} {interest} are replaced, once and in one pass; the
 * system part is sent as it stands. A changed wording is a new template with a new id: the key of a recorded answer covers the rendered text.
 *
 * ensemble.json says, beside the templates, which provider serves a model, how many words of a description are shown, and which fields of an
 * item the answers of a set were given from: an answer that never saw categories must not be keyed as if it had.
 */
#ifndef DIGR_LLM_PROMPTS_H
#define DIGR_LLM_PROMPTS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "data/dataset.h"

typedef struct Template {
    const char *id;     /* "mine/v1" */
    const char *path;   /* file it came from */
    const char *system, *user;
    bool is_judge;      /* answer: a label 0 or 1; else interests, or a caption */
    bool is_caption;    /* answer: plain text about the photo */
    bool wants_image;   /* the photo of the item is shown beside the text */
    bool wants_reasoning;
    int min_interests, max_interests;
} Template;

/* template_load -- <dir>/<id with '/' as '-'>.md. E_INPUT: no such file, another id inside, a part missing. */
Status template_load(const char *dir, const char *id, Arena *arena, Template **out);

typedef struct Ensemble Ensemble;

/* ensemble_load -- <dir>/ensemble.json. */
Status ensemble_load(const char *dir, Arena *arena, Ensemble **out);
/* ensemble_provider -- provider of a model; E_INPUT when the file does not name it. */
Status ensemble_provider(const Ensemble *e, const char *model, const char **provider);

/* prompt_render -- system and user message as one text, in `arena`. White space inside a field becomes single spaces; the description is cut to its
 * first words; fields that `set` does not show, and missing ones, are empty. interest: NULL for templates without {interest}. */
const char *prompt_render(const Ensemble *e, const Template *t, const char *set, const ItemText *item, const char *interest, Arena *arena);

/* prompt_show -- the rendered text with a photo beside it, "sha256:<64 digits>" or a URL (Response.image); NULL: the text as it is. */
const char *prompt_show(const char *rendered, const char *image, Arena *arena);

/* The same with other fields shown than the set's: shows (PROMPT_FIELDS), in the order of prompt_field_name. */
enum { PROMPT_FIELDS = 5 };
const char *prompt_render_as(const Ensemble *e, const Template *t, const bool *shows, const ItemText *item, const char *interest, Arena *arena);
const char *prompt_field_name(int field);                                                   /* "title", "brand", "categories", "description", "caption" */
bool prompt_shows(const Ensemble *e, const Template *t, const char *set, int field);        /* the set shows it, and the template has a place for it */
const char *prompt_field(const Ensemble *e, int field, const ItemText *item, Arena *arena); /* the value as it is rendered */

/* prompt_key -- SHA-256 of the length-prefixed fields provider, model, template id, rendered prompt. */
void prompt_key(const char *provider, const char *model, const char *template_id, const char *rendered, char key[SHA256_HEX]);

#endif
