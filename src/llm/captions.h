/* llm/captions.h -- recorded captions of photos, as a file that other programs can read. */
#ifndef DIGR_LLM_CAPTIONS_H
#define DIGR_LLM_CAPTIONS_H

#include <stdint.h>

#include "data/dataset.h"
#include "llm/responses.h"

/* captions_save -- one line {"item": raw id, "caption": text, "model": ...} for each item of `d` with a well-formed recorded caption of (model, template), white space made single;
 * atomic. *n: lines. */
Status captions_save(const char *path, const Dataset *d, const Responses *cache, const char *set, const char *model, const char *template_id, int64_t *n);

#endif
