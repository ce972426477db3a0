/* llm/questions.h -- what to ask about a data set: for mining and captions one question an item, for a judge several about each of some items. */
#ifndef DIGR_LLM_QUESTIONS_H
#define DIGR_LLM_QUESTIONS_H

#include <stdint.h>

#include "data/dataset.h"
#include "llm/interests.h"
#include "llm/photos.h"
#include "llm/prompts.h"
#include "llm/record.h"

typedef struct QuestionSource {
    const Dataset *d;
    const Ensemble *ensemble;
    const Template *prompt;
    const char *set;
    const Photos *photos;          /* templates that show a photo; NULL otherwise */
    const ItemInterests *interests; /* judges: (N), what 03_mine merged; NULL otherwise */
    const bool *wanted;            /* (N) items to ask about; NULL: all */
    int64_t max_items;             /* 0: no bound */
    uint64_t seed;
} QuestionSource;

typedef struct QuestionCount { int64_t items, without_photo, without_interests, mined, swapped, generic; } QuestionCount;

/* questions_make -- in `arena`. The first max_items items in index order; for a judge, max_items drawn at random among those with interests, and about each: every merged interest of it
 * ("mined"), one of another item, drawn at random, that it does not have itself ("swapped"), and about every other item an empty phrase ("generic").
 * The judge is not told which is which. Keys are not set. */
Status questions_make(const QuestionSource *s, Arena *arena, Question **questions, int64_t *n, QuestionCount *count);

/* questions_wanted -- marks the items of a list: "": NULL, all of them; raw ids separated by commas; or @FILE, one a line. E_INPUT: an id that `d` does not have. */
Status questions_wanted(const char *list, const Dataset *d, Arena *arena, const bool **wanted);

#endif
