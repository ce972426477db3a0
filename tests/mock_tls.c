/* tests/mock_tls.c -- see mock_tls.h. One process accepts, and one for each connection shovels bytes. */
#include "mock_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"

struct MockTls {
    Arena *arena;
    pid_t pid;
    int port;
};

/* ---- the certificate ---- */

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    REQUIRE(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, "mock TLS: extension %s", value);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *names, long good_s)
{
    static const unsigned char common_name[] = "mock server";
    X509 *certificate = X509_new();
    REQUIRE(certificate != NULL, "mock TLS: no certificate");
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool made = X509_set_version(certificate, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL && X509_gmtime_adj(X509_getm_notAfter(certificate), good_s) != NULL &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 && X509_set_issuer_name(certificate, subject) == 1 &&
                X509_set_pubkey(certificate, key) == 1;
    REQUIRE(made, "mock TLS: the certificate");
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, NID_subject_alt_name, names);
    REQUIRE(X509_sign(certificate, key, EVP_sha256()) > 0, "mock TLS: signing");
    return certificate;
}

static SSL_CTX *make_context(const char *names, long good_s, const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    REQUIRE(key != NULL, "mock TLS: no key");
    X509 *certificate = make_certificate(key, names, good_s);
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL && PEM_write_X509(file, certificate) == 1 && fclose(file) == 0, "mock TLS: %s: %s", path, strerror(errno));
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    REQUIRE(context != NULL && SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1, "mock TLS: the context");
    (void)SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

/* ---- connections ---- */

static int connect_to(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static bool send_all(int fd, const char *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, data + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += (size_t)sent;
    }
    return true;
}

/* Until one side ends, or the client does not trust us. */
static void shovel(SSL *tls, int client, int port)
{
    char data[16384];
    if (SSL_accept(tls) != 1) return;
    int plain = connect_to(port);
    for (bool open = plain >= 0; open;) {
        struct pollfd both[2] = {{.fd = client, .events = POLLIN}, {.fd = plain, .events = POLLIN}};
        if (SSL_pending(tls) == 0 && poll(both, 2, -1) < 0) break;
        if (SSL_pending(tls) > 0 || both[0].revents != 0) {
            int n = SSL_read(tls, data, sizeof data);
            open = n > 0 && send_all(plain, data, (size_t)n);
        }
        if (open && both[1].revents != 0) {
            ssize_t n = recv(plain, data, sizeof data, 0);
            open = n > 0 && SSL_write(tls, data, (int)n) == (int)n;
        }
    }
    (void)SSL_shutdown(tls);
}

static _Noreturn void serve(SSL_CTX *context, int listener, int port)
{
    pid_t self = getpid();
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != self) _exit(0);
            SSL *tls = SSL_new(context);
            if (tls != NULL && SSL_set_fd(tls, client) == 1) shovel(tls, client, port);
            SSL_free(tls);
            _exit(0);
        }
        (void)close(client);
    }
}

/* ---- the test's side ---- */

MockTls *mock_tls_start(MockServer *server, const char *names, long good_s, const char *path)
{
    Arena *arena = arena_create("mock TLS");
    MockTls *t = ARENA_NEW(arena, MockTls, 1);
    t->arena = arena;
    SSL_CTX *context = make_context(names, good_s, path);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 64) == 0 &&
            getsockname(listener, (struct sockaddr *)&address, &length) == 0, "mock TLS: no loopback port: %s", strerror(errno));
    t->port = ntohs(address.sin_port);
    pid_t parent = getpid();
    t->pid = fork();
    REQUIRE(t->pid >= 0, "mock TLS: fork: %s", strerror(errno));
    if (t->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(0);
        serve(context, listener, mock_port(server));
    }
    (void)close(listener);
    SSL_CTX_free(context);
    return t;
}

void mock_tls_stop(MockTls *t)
{
    if (t == NULL) return;
    (void)kill(t->pid, SIGKILL);
    (void)waitpid(t->pid, NULL, 0);
    arena_destroy(t->arena);
}

const char *mock_tls_url(MockTls *t, const char *host, const char *path) { return arena_printf(t->arena, "https://%s:%d%s", host, t->port, path); }
