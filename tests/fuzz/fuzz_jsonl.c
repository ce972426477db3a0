/* tests/fuzz/fuzz_jsonl.c -- lines of a plain source are those between its line ends; an object that is read, printed and read again is the same. */
#include <string.h>

#include "base/json.h"
#include "base/status.h"
#include "fuzz.h"
#include "io/content.h"
#include "io/stream.h"

static void check_object(const char *line, size_t n, int64_t number)
{
    cJSON *tree, *again;
    if (json_parse_line("f", number, line, n, &tree) != OK) return;
    char *json = cJSON_PrintUnformatted(tree);
    FUZZ_CHECK(json != NULL && json_parse_line("f", number, json, strlen(json), &again) == OK, "as JSON: %s", json != NULL ? json : "nothing");
    FUZZ_CHECK(cJSON_GetArraySize(tree) == cJSON_GetArraySize(again), "members were lost: %s", json);
    cJSON_free(json);
    cJSON_Delete(tree);
    cJSON_Delete(again);
}

void fuzz_jsonl(const uint8_t *data, size_t n)
{
    bool plain = content_form(data, n) != FORM_GZIP && content_form(data, n) != FORM_ZSTD;
    LineReader *reader = line_open_memory("f", data, n);
    const char *line;
    size_t length, at = 0;
    int64_t number = 0;
    while (line_next(reader, &line, &length)) {
        number++;
        FUZZ_CHECK(line[length] == '\0' && line_number(reader) == number, "line %lld", (long long)number);
        if (plain) {
            const uint8_t *end = memchr(data + at, '\n', n - at);
            size_t expected = end != NULL ? (size_t)(end - data) - at : n - at;
            FUZZ_CHECK(length == expected && memcmp(line, data + at, length) == 0, "line %lld: %zu bytes, expected %zu", (long long)number, length, expected);
            at += length + (end != NULL);
        }
        check_object(line, length, number);
    }
    Status status = line_close(reader);
    FUZZ_CHECK(!plain || (status == OK && at == n), "plain text: %s, %zu of %zu bytes", status_message(), at, n);
}
