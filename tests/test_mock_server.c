/* tests/test_mock_server.c -- the server that the other tests trust: many connections at once, kept alive, and its book-keeping. */
#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "mock_server.h"
#include "suite.h"

enum { CLIENTS = 300, ROUNDS = 3 };

static void answer(const MockRequest *request, MockResponse *response, void *user)
{
    (void)user;
    response->delay_ms = 20;
    response->headers = "X-Mock: yes\r\n";
    mock_text(response, 200, arena_printf(request->arena, "%s %s?%s %s", request->method, request->path, request->query, request->body));
    mock_shared(NULL)[0] += (int64_t)request->n_body;
}

typedef struct Client { CURL *curl; char got[128]; size_t n; } Client;

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    Client *c = user;
    size_t n = size * count;
    if (c->n + n < sizeof c->got) memcpy(c->got + c->n, data, n), c->n += n;
    return n;
}

/* Every client posts its number ROUNDS times; each gets its own answer, and connections are used again. */
START_TEST(hundreds_of_connections_are_served_at_once)
{
    static Client client[CLIENTS];
    MockServer *server = mock_start(answer, NULL);
    CURLM *multi = curl_multi_init();
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CLIENTS);
    int64_t posted = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            Client *c = &client[i];
            char text[32];
            posted += snprintf(text, sizeof text, "round %d client %d", round, i);
            c->n = 0;
            c->curl = curl_easy_init();
            (void)curl_easy_setopt(c->curl, CURLOPT_URL, mock_url(server, "/x?a=1"));
            (void)curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, text);
            (void)curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
            (void)curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
            (void)curl_multi_add_handle(multi, c->curl);
        }
        int running = 1;
        while (running > 0) {
            ck_assert_int_eq(curl_multi_perform(multi, &running), CURLM_OK);
            if (running > 0) (void)curl_multi_poll(multi, NULL, 0, 1000, NULL);
        }
        for (int i = 0; i < CLIENTS; i++) {
            char expected[64];
            (void)snprintf(expected, sizeof expected, "POST /x?a=1 round %d client %d", round, i);
            client[i].got[client[i].n] = '\0';
            ck_assert_str_eq(client[i].got, expected);
            (void)curl_multi_remove_handle(multi, client[i].curl);
            curl_easy_cleanup(client[i].curl);
        }
    }
    ck_assert_int_eq(mock_count(server), CLIENTS * ROUNDS);
    ck_assert_int_eq(mock_shared(server)[0], posted);
    ck_assert_int_eq(mock_entry(server, CLIENTS * ROUNDS - 1)->status, 200);
    ck_assert_int_le(mock_peak_connections(server), CLIENTS);
    ck_assert_int_ge(mock_peak_requests(server), 2);
    (void)curl_multi_cleanup(multi);
    mock_stop(server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mock server");
    TCase *t = tcase_create("mock server");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, hundreds_of_connections_are_served_at_once);
    suite_add_tcase(s, t);
    return suite_run(s);
}
