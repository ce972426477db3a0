/* tests/test_pace.c -- when requests are sent: Retry-After, pauses between attempts, rate limits, all on a clock of the test's own. */
#include <check.h>
#include <math.h>

#include "llm/pace.h"
#include "suite.h"

START_TEST(retry_after_is_seconds_or_a_date) {
    const int64_t now = 1763672400; /* Thu, 20 Nov 2025 21:00:00 GMT */
    ck_assert_double_eq(retry_after("7", now), 7);
    ck_assert_double_eq(retry_after(" 0.25 ", now), 0.25);
    ck_assert_double_eq(retry_after("0", now), 0);
    ck_assert_double_eq(retry_after("Thu, 20 Nov 2025 21:01:30 GMT", now), 90);
    ck_assert_double_eq(retry_after("Thu, 20 Nov 2025 20:59:00 GMT", now), 0); /* past */
    static const char *const faulty[] = {"", "soon", "-3", "nan", "inf", "7 apples"};
    for (int k = 0; k < 6; k++) ck_assert_msg(retry_after(faulty[k], now) < 0, "%s", faulty[k]);
}
END_TEST

START_TEST(pauses_grow_and_are_drawn_by_number) {
    double sum[5] = {0};
    for (int64_t i = 0; i < 2000; i++)
        for (int a = 1; a <= 4; a++) {
            double pause = retry_pause(3, i, a, 0.5, 3), longest = a < 4 ? 0.5 * (1 << (a - 1)) : 3;
            ck_assert(pause > 0 && pause <= longest);
            ck_assert_double_eq(pause, retry_pause(3, i, a, 0.5, 3));
            sum[a] += pause / longest;
        }
    for (int a = 1; a <= 4; a++) ck_assert_msg(fabs(sum[a] / 2000 - 0.5) < 0.03, "attempt %d: mean %.3f of the longest", a, sum[a] / 2000);
    ck_assert(retry_pause(3, 0, 1, 0.5, 3) < retry_pause(3, 0, 1, 0.5, 3) + 1 && retry_pause(4, 0, 1, 0.5, 3) != retry_pause(3, 0, 1, 0.5, 3));
    ck_assert(isfinite(retry_pause(3, 0, 100, 0.5, 3)));
}
END_TEST

/* On a clock of our own: within any t seconds at most capacity + t * rate. */
START_TEST(a_bucket_lets_through_what_it_says) {
    static const double per_minute[] = {1, 30, 600, 6000};
    for (int k = 0; k < 4; k++) {
        double t = 100, rate = per_minute[k] / 60, capacity = fmax(1, rate);
        Bucket b = bucket_make(per_minute[k], t);
        for (int i = 0; i < 500; i++) {
            double wait = bucket_wait(&b, t, 1);
            ck_assert_msg((wait > 0) == (i >= (int)capacity), "request %d waits %.3f", i, wait);
            t += wait;
            ck_assert(bucket_wait(&b, t, 1) <= 0);
            bucket_take(&b, t, 1);
            ck_assert_msg(i + 1 <= capacity + rate * (t - 100) + 1e-6, "request %d at %.3f s", i, t - 100);
        }
        ck_assert_double_eq_tol((500 - capacity) / rate, t - 100, 1.0 / rate);
    }
    Bucket none = bucket_make(0, 0), big = bucket_make(60, 0);
    ck_assert(bucket_wait(&none, 0, 1e9) <= 0);
    ck_assert(bucket_wait(&big, 0, 50) <= 0); /* more than it holds passes when it is full, ... */
    bucket_take(&big, 0, 50);
    ck_assert_double_eq_tol(bucket_wait(&big, 0, 1), 50, 1e-9); /* ... and is paid for afterwards */
    bucket_give_back(&big, 20);
    ck_assert_double_eq_tol(bucket_wait(&big, 0, 1), 30, 1e-9);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pace");
    TCase *t = tcase_create("pace");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, retry_after_is_seconds_or_a_date);
    tcase_add_test(t, pauses_grow_and_are_drawn_by_number);
    tcase_add_test(t, a_bucket_lets_through_what_it_says);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
