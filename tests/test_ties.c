/* tests/test_ties.c -- the report's section on ties: what another order of equal times changes, and what that does to results. */
#include <math.h>

#include "prepare_util.h"

#include "base/log.h"
#include "eval/sections.h"

enum { USERS = 20 };

/* Ranks are invented: `hits` of the rows find their target at place 1. */
static void judge(const char *dir, const Dataset *d, int64_t hits)
{
    Evaluation ev = {.dataset = "tiny", .label = "FIXTURE", .protocol = d->protocol, .N = d->N, .method = "popularity", .n_splits = 1};
    Judgement *j = &ev.split[0];
    *j = (Judgement){.split = "test", .n_rows = d->test.n, .n_predictions = d->test.n * RUN_DEPTH, .n_found = hits, .rank = ARENA_NEW(arena, int32_t, d->test.n)};
    for (int64_t r = 0; r < hits; r++) j->rank[r] = 1;
    metrics_compute(j->rank, j->n_rows, j->value);
    ck_assert_int_eq(dir_make(dir), OK);
    ck_assert_int_eq(evaluation_write(&ev, dir), OK);
}

static const char *entry_text(const char *set, const char *of)
{
    const char *variant = of != NULL ? arena_printf(arena, "\"variant_of\": \"%s\", ", of) : "";
    return arena_printf(arena, "{\"dataset\": \"%s\", \"method\": \"popularity\", \"method_label\": \"Popularity\", \"seed\": 1, \"table\": [\"main\"], %s\"data\": \"%s\", \"evaluate\": \"%s-ev\"}", set,
                        variant, in_scratch(set), in_scratch(set));
}

static const char *section(const char *entries)
{
    Results *r = NULL;
    const ReportOptions options = {.out = scratch, .seed = 1};
    write_text(in_scratch("index.json"), arena_printf(arena, "{\"run\": \"x\", \"title\": \"FIXTURE\", \"entries\": [%s]}", entries));
    ck_assert_msg(results_load(in_scratch("index.json"), arena, &r) == OK, "%s", status_message());
    Doc *doc = doc_create(arena, "FIXTURE", "");
    ck_assert_msg(section_ties(doc, r, &options) == OK, "%s", status_message());
    ck_assert_int_eq(doc_write_markdown(doc, in_scratch("section.md")), OK);
    results_close(r);
    return read_bytes(in_scratch("section.md"), NULL);
}

static double changed_targets(const Dataset *a, const Dataset *b)
{
    int64_t n = 0;
    ck_assert_int_eq(a->test.n, b->test.n);
    for (int64_t i = 0; i < a->test.n; i++) n += a->test.target[i] != b->test.target[i];
    return (double)n / (double)a->test.n;
}

START_TEST(file_order_stands_beside_the_shuffles)
{
    const char *events = "";
    for (int u = 0; u < USERS; u++)
        events = arena_printf(arena, "%sU%02d A 1262304001;U%02d B 1262304002;U%02d C 1262304003;U%02d D 1262304003;", events, u, u, u, u);
    write_raw(events, "A;B;C;D;");
    Dataset *file = prepare_load("file");
    judge(in_scratch("file-ev"), file, 10);
    settings.ties = "shuffle";
    settings.ties_seed = 1;
    Dataset *one = prepare_load("one");
    judge(in_scratch("one-ev"), one, 6);
    settings.ties_seed = 2;
    Dataset *two = prepare_load("two");
    judge(in_scratch("two-ev"), two, 2);
    const double changed = (changed_targets(file, one) + changed_targets(file, two)) / 2; /* C and D change places, or not */
    ck_assert(changed > 0.1 && changed < 0.9);

    const char *text = section(arena_printf(arena, "%s, %s, %s", entry_text("file", NULL), entry_text("one", "file"), entry_text("two", "file")));
    /* one pair of three is tied, and sorted; every user has it; train = A B in every order */
    const char *counts = arena_printf(arena, "| Tiny | 33.3 %% | 100.0 %% | 100.0 %% | 0.0 %% | %.1f %% | %.1f %% |", 100 * changed, 100 * changed);
    ck_assert_msg(strstr(text, counts) != NULL, "`%s` is not in:\n%s", counts, text);
    const char *row = "| Popularity | 0.5000 | 0.2000 ± 0.1414 | -60.0 % | 0.5000 | 0.2000 ± 0.1414 | -60.0 % |";
    ck_assert_msg(strstr(text, row) != NULL, "`%s` is not in:\n%s", row, text);
    ck_assert_ptr_nonnull(strstr(text, ", 2 shuffles"));

    text = section(arena_printf(arena, "%s, %s", entry_text("file", NULL), entry_text("one", "another"))); /* of another original */
    ck_assert_ptr_null(strstr(text, "Ties"));
    text = section(entry_text("file", NULL));
    ck_assert_ptr_null(strstr(text, "Ties"));
}
END_TEST

int main(void)
{
    log_open("test", true);
    Suite *s = suite_create("ties");
    TCase *t = tcase_create("ties");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_test(t, file_order_stands_beside_the_shuffles);
    suite_add_tcase(s, t);
    return suite_run(s);
}
