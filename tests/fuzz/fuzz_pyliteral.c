/* tests/fuzz/fuzz_pyliteral.c -- what the Python-literal parser accepts, printed as JSON and read again by cJSON, is the same. */
#include <string.h>

#include "base/status.h"
#include "data/pyliteral.h"
#include "data/textclean.h"
#include "fuzz.h"

/* Of a line that is UTF-8 (the importer looks at that first) every text is, whatever its escapes say. */
static void check_text(const char *text)
{
    size_t n = strlen(text);
    FUZZ_CHECK(utf8_invalid_at(text, n) == n, "a text that is no UTF-8");
}

static void check_texts(const cJSON *tree)
{
    if (tree->string != NULL) check_text(tree->string);
    if (cJSON_IsString(tree)) check_text(tree->valuestring);
    for (const cJSON *one = tree->child; one != NULL; one = one->next) check_texts(one);
}

void fuzz_pyliteral(const uint8_t *data, size_t n)
{
    Arena *arena = arena_create("fuzz");
    cJSON *tree = NULL;
    if (pyliteral_parse_line("f", 1, fuzz_line(arena, data, n), n, &tree) == OK) {
        if (utf8_invalid_at((const char *)data, n) == n) check_texts(tree);
        char *json = cJSON_PrintUnformatted(tree);
        cJSON *again = json != NULL ? cJSON_Parse(json) : NULL;
        FUZZ_CHECK(again != NULL && cJSON_Compare(tree, again, 1), "as JSON: %s", json != NULL ? json : "nothing");
        cJSON_Delete(again);
        cJSON_free(json);
        cJSON_Delete(tree);
    } else {
        FUZZ_CHECK(*status_message() != '\0', "refused without a reason");
    }
    arena_destroy(arena);
}
