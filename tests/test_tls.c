/* tests/test_tls.c -- record mode over TLS: a certificate that is trusted and names the host, and four that are refused before anything, the key above all, is sent. */
#include "mock_tls.h"
#include "record_support.h"

enum { N = 40, DAY_S = 86400 };
static RecordWorld w;
static MockTls *tls;
static const char *certificate;

static void setup(void) {
    record_world_begin(&w, API_OPENAI);
    record_world_serve(&w);
    certificate = support_path(&w.base, "certificate.pem");
    (void)setenv("no_proxy", "127.0.0.1,localhost", 1);
    (void)unsetenv("SSL_CERT_FILE");
    tls = NULL;
}

static void teardown(void) {
    (void)unsetenv("SSL_CERT_FILE");
    mock_tls_stop(tls);
    record_world_end(&w);
}

static Status record_over_tls(const char *names, long good_s, const char *host, const char *authorities, RecordCount *c) {
    mock_tls_stop(tls);
    tls = mock_tls_start(w.server, names, good_s, certificate);
    w.provider.base_url = mock_tls_url(tls, host, "/v1");
    if (authorities) (void)setenv("SSL_CERT_FILE", authorities, 1);
    else (void)unsetenv("SSL_CERT_FILE");
    return record_all(&w.s, record_questions(&w, N), N, false, c);
}

START_TEST(a_trusted_certificate_with_the_right_name) {
    RecordCount c;
    ck_assert_msg(record_over_tls("IP:127.0.0.1", DAY_S, "127.0.0.1", certificate, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, N);
    ck_assert_int_eq(record_expect_all(&w, N), 0);
    ck_assert_int_eq(mock_shared(w.server)[LLM_N_REQUESTS], N);
    ck_assert_int_eq(mock_shared(w.server)[LLM_N_DENIED], 0); /* the key arrived */
    w.s.responses = support_path(&w.base, "cache/named.jsonl.zst");
    ck_assert_msg(record_over_tls("DNS:localhost", DAY_S, "localhost", certificate, &c) == OK, "%s", status_message());
    ck_assert_int_eq(c.answered, N);
}
END_TEST

/* Refused at once: one attempt for each connection that was begun, no request, nothing recorded, nothing listed as an error. */
static void expect_refused(const char *names, long good_s, const char *host, const char *authorities, const char *why) {
    RecordCount c;
    ck_assert_int_eq(record_over_tls(names, good_s, host, authorities, &c), E_RESOURCE);
    ck_assert_msg(strstr(status_message(), "certificate") != NULL && strstr(status_message(), why) != NULL, "%s", status_message());
    ck_assert_ptr_nonnull(strstr(status_message(), w.provider.base_url));
    ck_assert_ptr_nonnull(strstr(status_fix(), "SSL_CERT_FILE"));
    ck_assert_int_eq(mock_count(w.server), 0);
    ck_assert_int_eq(c.answered, 0);
    ck_assert_int_eq(c.http.retries, 0);
    ck_assert_int_le(c.http.attempts, w.s.http.concurrency);
    ck_assert_int_eq(c.left, N);
    ck_assert_double_eq(c.usd + c.usd_uncounted, 0);
    ck_assert(!path_exists(record_errors_path(w.s.responses, w.base.arena)));
}

START_TEST(other_certificates_are_refused_before_anything_is_sent) {
    expect_refused("IP:127.0.0.1", DAY_S, "127.0.0.1", NULL, "self-signed");                 /* nobody vouches for it */
    expect_refused("DNS:other.invalid", DAY_S, "127.0.0.1", certificate, "127.0.0.1");       /* trusted, and somebody else's */
    expect_refused("DNS:other.invalid", DAY_S, "localhost", certificate, "localhost");
    expect_refused("IP:127.0.0.1", -60, "127.0.0.1", certificate, "expired");
    const char *another = support_path(&w.base, "another.pem");
    MockTls *other = mock_tls_start(w.server, "IP:127.0.0.1", DAY_S, another); /* the same names and issuer, another key */
    mock_tls_stop(other);
    expect_refused("IP:127.0.0.1", DAY_S, "127.0.0.1", another, "certificate");
    expect_refused("IP:127.0.0.1", DAY_S, "127.0.0.1", "/nowhere.pem", "/nowhere.pem");
}
END_TEST

/* The program: the environment is what a user has. */
START_TEST(the_program_says_what_to_do) {
    tls = mock_tls_start(w.server, "IP:127.0.0.1", DAY_S, certificate);
    const char *providers = arena_printf(w.base.arena, "{\"providers\": {\"mock\": {\"style\": \"openai\", \"base_url\": \"%s\", \"key_env\": \"" RECORD_KEY_ENV "\", \"models\": {"
                                         "\"m\": {\"usd_per_million_in\": 0, \"usd_per_million_out\": 0}}}}}", mock_tls_url(tls, "127.0.0.1", "/v1"));
    const char *file = support_path(&w.base, "providers.json");
    support_write(file, providers, strlen(providers));
    const char *command = arena_printf(w.base.arena, "03_record --data " FIXTURE "/data --set mini --providers '%s' --model m --template mine/v1 --responses '%s/v.jsonl.zst' --out '%s/out'",
                                       file, w.base.dir, w.base.dir);
    char *text;
    ck_assert_int_eq(support_run(&w.base, command, &text), 4);
    ck_assert_ptr_nonnull(strstr(text, "certificate"));
    ck_assert_ptr_nonnull(strstr(text, "SSL_CERT_FILE"));
    ck_assert_int_eq(mock_count(w.server), 0);
    (void)setenv("SSL_CERT_FILE", certificate, 1);
    ck_assert_msg(support_run(&w.base, command, &text) == 0, "%s", text);
    ck_assert_int_eq(mock_shared(w.server)[LLM_N_REQUESTS], 5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls");
    TCase *t = tcase_create("tls");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_trusted_certificate_with_the_right_name);
    tcase_add_test(t, other_certificates_are_refused_before_anything_is_sent);
    tcase_add_test(t, the_program_says_what_to_do);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
