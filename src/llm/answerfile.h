/* llm/answerfile.h -- import: answers that were collected outside, as files keyed by item, become records of cache/responses.
 *
 * Two kinds of line: {"item", "interests", "reasoning"?} for mining templates, {"item", "interest", "label", "origin"} for judges. "item" is the raw id
 * (ItemText.id); where ids are numbers it may be written as one.
 */
#ifndef DIGR_LLM_ANSWERFILE_H
#define DIGR_LLM_ANSWERFILE_H

#include <stdint.h>

#include "data/dataset.h"
#include "llm/prompts.h"
#include "llm/responses.h"

typedef struct AnswerFile {
    const char *path;     /* answers */
    const char *set, *model, *provider, *date;
    const Template *prompt;
} AnswerFile;

typedef struct ImportCount {
    int64_t lines, not_in_data, malformed, present, added;
} ImportCount;

/* answerfile_import -- records for the lines of `f` whose item is in `d`, into *records (arena). Lines that are already in `cache` (same key
 * and item), or came earlier in the file, count as present. E_INPUT, and nothing to add: malformed JSON, another response for the same key and item. A
 * well-formed line whose answer breaks the template's rules is counted as malformed and kept out. */
Status answerfile_import(const AnswerFile *f, const Dataset *d, const Responses *cache, const Ensemble *e, Arena *arena, Response **records,
                         ImportCount *count);

#endif
