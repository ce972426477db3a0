/* tests/fuzz/fuzz_content.c -- what a download is taken for: never an objection to a file that is whole, never a file called whole that the line reader refuses. */
#include <string.h>

#include "base/status.h"
#include "fuzz.h"
#include "io/content.h"
#include "io/stream.h"

void fuzz_content(const uint8_t *data, size_t n)
{
    static const ContentKind kinds[] = {CONTENT_ANY, CONTENT_TEXT, CONTENT_JSON, CONTENT_TEXT | CONTENT_PACKED, CONTENT_JSON | CONTENT_PACKED};
    const char *path = fuzz_file(0, data, n);
    LineReader *reader;
    const char *line, *reason;
    size_t length;
    FUZZ_CHECK(line_open(path, &reader) == OK, "%s", status_message());
    while (line_next(reader, &line, &length)) continue;
    Status readable = line_close(reader);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        ContentVerdict verdict;
        FUZZ_CHECK(content_check(kinds[k], path, &verdict, &reason) == OK, "%s", status_message());
        FUZZ_CHECK((verdict == CONTENT_WHOLE) == (*reason == '\0'), "verdict %d: `%s`", (int)verdict, reason);
        FUZZ_CHECK(verdict != CONTENT_WHOLE || readable == OK, "kind %d: whole, and the reader says %s", (int)kinds[k], status_message());
        FUZZ_CHECK(content_objection(kinds[k], data, n) == NULL || verdict == CONTENT_WRONG, "kind %d: objection, and verdict %d", (int)kinds[k], (int)verdict);
    }
}
