/* llm/record_errors.c -- questions that got no answer, one JSON object a line; see record.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/log.h"
#include "io/stream.h"
#include "llm/record_parts.h"

static bool is_for_good(const char *failure) {
    return strcmp(failure, record_failure_name(FAIL_REFUSED)) == 0 || strcmp(failure, record_failure_name(FAIL_TRUNCATED)) == 0 ||
           strcmp(failure, record_failure_name(FAIL_REJECTED)) == 0;
}

Status record_errors_load(const char *path, Arena *arena, StringTable **left_out) {
    *left_out = strtable_create(arena);
    if (!path_exists(path)) return OK;
    LineReader *reader;
    TRY(line_open(path, &reader));
    const char *text;
    size_t n;
    int64_t torn = 0;
    while (line_next(reader, &text, &n)) {
        cJSON *tree = NULL;
        const char *key, *failure;
        bool whole = json_parse_line(path, line_number(reader), text, n, &tree) == OK && json_get_string(path, tree, "key", &key) == OK &&
                     json_get_string(path, tree, "failure", &failure) == OK;
        if (whole && is_for_good(failure)) strtable_add(*left_out, key);
        cJSON_Delete(tree);
        torn += !whole;
    }
    if (torn) log_warn("%s: %lld lines are unfinished, by an interruption; ignored", path, (long long)torn);
    status_clear();
    return line_close(reader);
}

Status record_errors_add(const char *path, const RecordSettings *s, const Question *q, RecordFailure failure, int status, int attempts, const char *message) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "key", q->key);
    cJSON_AddStringToObject(o, "provider", s->provider->name);
    cJSON_AddStringToObject(o, "model", s->model->name);
    cJSON_AddStringToObject(o, "template", s->template_id);
    cJSON_AddStringToObject(o, "set", s->set);
    cJSON_AddStringToObject(o, "item", q->item);
    if (q->interest) cJSON_AddStringToObject(o, "interest", q->interest);
    cJSON_AddStringToObject(o, "failure", record_failure_name(failure));
    cJSON_AddNumberToObject(o, "status", status);
    cJSON_AddNumberToObject(o, "attempts", attempts);
    cJSON_AddStringToObject(o, "message", message);
    cJSON_AddStringToObject(o, "date", s->date);
    char *text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    REQUIRE(text != NULL, "no memory to print an error");
    Arena *arena = arena_create("error line");
    const char *line = arena_printf(arena, "%s\n", text);
    cJSON_free(text);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    bool whole = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
    int error = errno;
    if (fd >= 0) (void)close(fd);
    arena_destroy(arena);
    return whole ? OK : FAIL(E_RESOURCE, "free some space or check the folder, then run it again", "%s: cannot be written: %s", path, strerror(error));
}
