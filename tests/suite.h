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

#endif
