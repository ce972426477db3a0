/* llm/embed.c -- see embed.h. embed_record alone leads to http.c. */
#include "llm/embed.h"

#include <string.h>

Status embed_record(const RecordSettings *s, const EmbedText *texts, int64_t n, bool dry_run, RecordCount *count) {
    REQUIRE(!s->prompt && s->batch >= 1, "settings of a chat model");
    Arena *arena = arena_create("texts to embed");
    Question *q = ARENA_NEW(arena, Question, n);
    Status status = OK;
    for (int64_t i = 0; i < n && status == OK; i++) {
        q[i] = (Question){.item = texts[i].item, .text = texts[i].text, .parts = texts[i].parts};
        if (!*texts[i].text) status = FAIL(E_INPUT, "give it a text, or leave it out", "item %s: an empty text cannot be embedded", texts[i].item);
    }
    if (status == OK) status = record_all(s, q, n, dry_run, count);
    arena_destroy(arena);
    return status;
}
