/* tests/suite.h -- how a test program ends: run one Check suite, print its closing line, exit non-zero when a test failed. */
#ifndef DIGR_TESTS_SUITE_H
#define DIGR_TESTS_SUITE_H

#include <check.h>

static inline int suite_run(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

/* A suite of one case, whose tests share fixtures (NULL: none) and a time limit. */
static inline int suite_of(const char *name, const char *what, void (*before)(void), void (*after)(void), double seconds, const TTest *const *tests, size_t n)
{
    Suite *s = suite_create(name);
    TCase *t = tcase_create(what);
    if (before != NULL) tcase_add_checked_fixture(t, before, after);
    tcase_set_timeout(t, seconds);
    for (size_t i = 0; i < n; i++) tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    return suite_run(s);
}

#endif
