/* tests/fuzz/fuzz_answer.c -- what language models answer: mining answers, labels, captions. */
#include <string.h>

#include "data/textclean.h"
#include "fuzz.h"
#include "llm/answer.h"

void fuzz_answer(const uint8_t *data, size_t n)
{
    Arena *arena = arena_create("fuzz");
    char *text = fuzz_line(arena, data, n);
    Template t = {.id = "mine/v1", .path = "", .system = "", .user = "", .wants_reasoning = n % 2 == 0, .min_interests = 2, .max_interests = 5};
    Answer a = answer_parse(&t, text, arena);
    FUZZ_CHECK(a.fault != NULL || (a.n >= 1 && a.n <= ANSWER_MAX_INTERESTS), "%d interests", a.n);
    for (int i = 0; a.fault == NULL && i < a.n; i++) {
        const Interest *z = &a.at[i];
        FUZZ_CHECK(z->text != NULL && *z->text != '\0' && utf8_invalid_at(z->text, strlen(z->text)) == strlen(z->text), "interest %d", i);
        FUZZ_CHECK(!z->has_confidence || (z->confidence > 0 && z->confidence <= 1), "confidence %g", (double)z->confidence);
    }
    int label = -1;
    if (answer_parse_label(text, &label)) FUZZ_CHECK(label == 0 || label == 1, "label %d", label);
    FUZZ_CHECK((answer_fault(&t, text, arena) != NULL) == (a.fault != NULL), "two opinions");
    (void)answer_caption_fault(text);
    arena_destroy(arena);
}
