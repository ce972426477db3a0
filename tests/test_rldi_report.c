/* tests/test_rldi_report.c -- the report's section on the classifier of interests, on a fixture with invented numbers. */
#include "eval/sections.h"
#include "report_world.h"
#include "suite.h"

START_TEST(the_classifier_is_shown_with_what_is_known)
{
    Doc *doc;
    const char *out = make_report(&doc), *md = slurp(arena_printf(arena, "%s/report.md", out)), *csv = slurp(arena_printf(arena, "%s/rldi.csv", out));
    const char *name = "\"FIXTURE Beauty (simulated, invented numbers)\"";
    contains(csv, arena_printf(arena, "%s,classifier,all,180,0.6111111111,0.83,0.79,0.87,0.9,0.85,0.94,0.86,,,0.3,,,0.1,,\n", name)); /* a figure may lack its interval */
    contains(csv, arena_printf(arena, "%s,classifier,generic,20,0,1,1,1,,,,,,,,,,,,\n", name));                                    /* and a subset its figure */
    contains(csv, arena_printf(arena, "%s,confidence alone,all,180,0.6111111111,0.61,,,,,,,,,,,,,,\n", name));
    lacks(csv, "swapped"); /* no rows */
    contains(slurp(arena_printf(arena, "%s/rldi_versus.csv", out)), "all positive,mined,-0.1,-0.14,-0.06,,,");
    contains(slurp(arena_printf(arena, "%s/rldi_models.csv", out)), "boosted trees,50,0.32,0.01,-0.01,0.03,\n");
    contains(slurp(arena_printf(arena, "%s/rldi_models.csv", out)), "logistic regression,1,0.31,,,,yes\n");
    contains(slurp(arena_printf(arena, "%s/rldi_calibration.csv", out)), "all,90,0.35,0.3333,0.24,0.44\n");
    contains(slurp(arena_printf(arena, "%s/rldi_calibration.tex", out)), "0.333 [0.240, 0.440]");
    contains(md, "Accuracy 0.830 [0.790, 0.870] against 0.610 of all positive: +0.220 [+0.150, +0.290], better.");
    contains(md, "mined interests alone: Accuracy 0.800 [0.750, 0.850] against 0.900 of all positive: -0.100 [-0.140, -0.060], worse.");
    contains(md, "expected calibration error 0.062, and in 1 of 2 bins"); /* 0.35 lies in [0.24, 0.44], 0.99 not in [0.81, 0.94] */
    contains(md, "boosted trees +0.0100 [-0.0100, +0.0300]. Kept: logistic regression.");
    contains(md, "| 0.860 | 0.300 | 0.100 |");
    const char *script = slurp(arena_printf(arena, "%s/calibration_beauty.gp", out));
    contains(script, "0.35 0.3333 0.24 0.44\n");
    contains(script, "with yerrorbars");
    contains(slurp(arena_printf(arena, "%s/rldi_beauty.gp", out)), "mined: all positive");
}
END_TEST

/* --filter none leaves a file without figures: its row is there, no sentence is. */
START_TEST(without_a_classifier_nothing_is_said)
{
    Doc *doc;
    (void)make_report(&doc);
    for (int64_t k = 0; k < results->n_sets; k++)
        for (int64_t i = 0; i < results->n_documents; i++)
            if (strstr(results->document[i].path, "classifier.json") != NULL) {
                cJSON_Delete(results->document[i].tree);
                results->document[i].tree = cJSON_Parse("{\"filter\":\"none\",\"interests\":1840,\"labelled_positive\":1840,\"mean_quality\":1}");
            }
    Doc *d = doc_create(arena, "t", "s");
    ck_assert_int_eq(section_rldi(d, results, &(ReportOptions){.out = arena_printf(arena, "%s/none", root), .seed = 7}), OK);
    ck_assert_int_eq(d->n_blocks, 2);
    contains(printed(table_csv, d->block[1].table), ",,,,,,,,1840,1840,1\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rldi_report");
    TCase *t = tcase_create("rldi_report");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_classifier_is_shown_with_what_is_known);
    tcase_add_test(t, without_a_classifier_nothing_is_said);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
