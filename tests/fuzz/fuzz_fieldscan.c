/* tests/fuzz/fuzz_fieldscan.c -- what the field scanner recognises, cJSON reads the same way; what it does not, cJSON decides. */
#include <string.h>

#include "base/json.h"
#include "base/status.h"
#include "data/fieldscan.h"
#include "data/textclean.h"
#include "fuzz.h"

static const char *const names[] = {"reviewerID", "asin", "unixReviewTime", "overall", "title", "x", ""};
enum { N_NAMES = sizeof names / sizeof *names };

static void check_same(const Field *a, const Field *b)
{
    for (int i = 0; i < N_NAMES; i++) {
        FUZZ_CHECK(a[i].kind == b[i].kind, "%s: kind %d, cJSON %d", names[i], (int)a[i].kind, (int)b[i].kind);
        if (a[i].kind == FIELD_STRING) FUZZ_CHECK(a[i].n == b[i].n && memcmp(a[i].text, b[i].text, a[i].n) == 0, "%s: another text", names[i]);
        if (a[i].kind == FIELD_NUMBER) FUZZ_CHECK(memcmp(&a[i].number, &b[i].number, sizeof a[i].number) == 0, "%s: %.17g, cJSON %.17g", names[i], a[i].number, b[i].number);
    }
}

void fuzz_fieldscan(const uint8_t *data, size_t n)
{
    Arena *arena = arena_create("fuzz");
    FieldScan *s = fieldscan_create(arena, N_NAMES, names);
    char *exact = arena_alloc_raw(arena, n, 1), *ended = fuzz_line(arena, data, n);
    if (n > 0) memcpy(exact, data, n);
    Field fast[N_NAMES], slow[N_NAMES], read[N_NAMES];
    cJSON *tree = NULL;
    bool judged = utf8_invalid_at(ended, n) == n && json_parse_line("f", 1, ended, n, &tree) == OK, recognised = fieldscan_line(s, exact, n, fast);
    FUZZ_CHECK(judged || !recognised, "recognised, and cJSON refuses it");
    if (judged) fieldscan_tree(s, tree, slow);
    if (recognised) check_same(fast, slow);
    size_t bad;
    Status status = fieldscan_read(s, "f", 1, ended, n, read, &bad);
    FUZZ_CHECK((status == OK) == judged, "fieldscan_read says %d, cJSON %d", (int)status, judged);
    if (judged) check_same(read, slow);
    cJSON_Delete(tree);
    fieldscan_destroy(s);
    arena_destroy(arena);
}
