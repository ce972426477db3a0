/* tests/mock_tls.h -- TLS in front of a mock server: a process of its own that decrypts and passes on, with a key and a self-signed certificate made for the occasion. The key never
 * leaves memory. */
#ifndef DIGR_TESTS_MOCK_TLS_H
#define DIGR_TESTS_MOCK_TLS_H

#include "mock_server.h"

typedef struct MockTls MockTls;

/* mock_tls_start -- names: subjectAltName, such as "DNS:localhost,IP:127.0.0.1". The certificate is good from an hour ago until `good_s` seconds from now (negative: it has expired), and
 * is written to `path` as PEM, for SSL_CERT_FILE. */
MockTls *mock_tls_start(MockServer *server, const char *names, long good_s, const char *path);
void mock_tls_stop(MockTls *tls); /* NULL is allowed; the server goes on */
/* mock_tls_url -- "https://HOST:PORT" and path; lives as long as `tls`. */
const char *mock_tls_url(MockTls *tls, const char *host, const char *path);

#endif
