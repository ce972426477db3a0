/* llm/answer.h -- strict parsing of what a model answered.
 *
 * A mining answer is one JSON object, {"reasoning"?, "interests": [{"text", "facet", "confidence"}]}. It is malformed, and gives no interest at all, when it
 * is not that: other text around it, not UTF-8, no interests or more than 8, a text that is empty or longer than 12 words, an unknown facet, a confidence
 * outside (0,1], confidences on some interests only. What is slightly off is taken and counted (AnswerNote). Nothing is repaired silently.
 */
#ifndef DIGR_LLM_ANSWER_H
#define DIGR_LLM_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "llm/interests.h"
#include "llm/prompts.h"

typedef enum AnswerNote {
    NOTE_FENCED,       /* the object came inside a ``` fence */
    NOTE_COUNT,        /* not as many interests as the template asks for */
    NOTE_WORDS,        /* a text outside 3 to 8 words */
    NOTE_CASE,         /* a text with capitals, or white space or punctuation around it */
    NOTE_ORDER,        /* not strongest first; order is kept as given */
    NOTE_DUPLICATE,    /* a text given twice; the first is kept */
    NOTE_EXTRA,        /* members nobody asked for */
    NOTE_NO_REASONING, /* the template asks for it */
    NOTE_NO_CONFIDENCE,/* no interest has one */
    N_NOTES
} AnswerNote;

const char *answer_note_name(AnswerNote note);

enum { ANSWER_MAX_INTERESTS = 8, ANSWER_MAX_WORDS = 12, ANSWER_MAX_CAPTION = 120 };

typedef struct Answer {
    int n;
    Interest *at;                /* (n) in the order given; n_agree 1, members not set */
    int64_t notes[N_NOTES];
    const char *fault;           /* why it is malformed; NULL when it is well-formed */
} Answer;

/* answer_parse -- a mining answer. Everything lives in `arena`. Never fails: see Answer.fault. */
Answer answer_parse(const Template *t, const char *response, Arena *arena);

/* answer_parse_label -- "0" or "1" with white space around at most; false: anything else. */
bool answer_parse_label(const char *response, int *label);

/* answer_caption_fault -- why a caption is malformed: not UTF-8, empty, more than ANSWER_MAX_CAPTION words; NULL when it is not. */
const char *answer_caption_fault(const char *response);

/* answer_fault -- the same for any template. */
const char *answer_fault(const Template *t, const char *response, Arena *arena);

#endif
