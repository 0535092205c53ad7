#include "tls.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "clock.h"
#include "plain.h"

#define REFUSAL_MS 500              /* in TLS 1.3 a server says no to our certificate after the handshake */

static void conf_drop(CONF **c) { NCONF_free(*c); }
static void bio_drop(BIO **b) { BIO_free(*b); }
static void ctx_drop(SSL_CTX **c) { SSL_CTX_free(*c); }
static void ssl_drop(SSL **s) { SSL_free(*s); }
static void addresses_drop(struct addrinfo **a)
{
	if (*a)
		freeaddrinfo(*a);
}

/* Paho has no setting for it, but every SSL_CTX begins with what the library's settings say. */
enum err tls_only_13(void)
{
	static const char text[] = "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = default\n[default]\n"
				   "MinProtocol = TLSv1.3\nCipherString = DEFAULT:@SECLEVEL=2\n";
	CLEANUP(bio_drop) BIO *b = BIO_new_mem_buf(text, -1);
	CLEANUP(conf_drop) CONF *c = NCONF_new(NULL);
	long line;

	OPENSSL_init_ssl(0, NULL);   /* reads OPENSSL_CONF, which may bring keys of a TPM; ours comes after */
	return b && c && NCONF_load_bio(c, b, &line) == 1 && CONF_modules_load(c, NULL, 0) == 1 ? OK : ERR_CRYPTO;
}

static int64_t mono_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

/* One time for all: a peer that sends a byte now and then holds nobody. */
static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;

	while ((left = until_ms - mono_ms()) > 0) {
		int n = poll(&p, 1, left < INT32_MAX ? (int)left : INT32_MAX);

		if (n > 0 || (n < 0 && errno != EINTR))
			return n > 0;
	}
	return false;
}

static bool is_connected(int fd)
{
	socklen_t n = sizeof(int);
	int e = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0 && e == 0;
}

static int connect_one(const struct addrinfo *a, int64_t until_ms)
{
	CLEANUP(fd_cleanup) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int given;

	if (fd < 0)
		return -1;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 &&
	    (errno != EINPROGRESS || !wait_for(fd, POLLOUT, until_ms) || !is_connected(fd)))
		return -1;
	given = fd;
	fd = -1;
	return given;
}

/* Each address has its share of the time. */
static enum err connect_to(const struct tls_try *t, int64_t until_ms, int *out)
{
	CLEANUP(addresses_drop) struct addrinfo *all = NULL;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int64_t left = 0;
	char port[8];

	snprintf(port, sizeof(port), "%u", t->port);
	if (getaddrinfo(t->host, port, &hints, &all) != 0)
		return ERR_IO;
	for (const struct addrinfo *a = all; a; a = a->ai_next)
		left++;
	for (const struct addrinfo *a = all; a && *out < 0; a = a->ai_next, left--)
		*out = connect_one(a, mono_ms() + (until_ms - mono_ms()) / left);
	return *out < 0 ? ERR_IO : OK;
}

/* What is wrong with the peer's certificate says more than that it was not believed. */
static enum err say_why(SSL *s, char why[TLS_WHY_MAX])
{
	long verified = s ? SSL_get_verify_result(s) : X509_V_OK;
	unsigned long e = ERR_peek_error();
	const char *reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified) : e ? ERR_reason_error_string(e) : NULL;

	snprintf(why, TLS_WHY_MAX, "%s", reason ? plain_why(reason) : "the peer hung up, was silent or too slow");
	ERR_clear_error();
	return ERR_DENIED;
}

static SSL_CTX *context_of(const struct tls_try *t)
{
	CLEANUP(ctx_drop) SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL_CTX *given;

	if (!c || SSL_CTX_load_verify_locations(c, t->cafile, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(c, t->certfile) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, t->keyfile, SSL_FILETYPE_PEM) != 1)
		return NULL;
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	given = c;
	c = NULL;
	return given;
}

static int read_one(SSL *s)
{
	char byte;

	return SSL_read(s, &byte, 1);
}

/* More than 0: done. 0: not in time. */
static int try_until(SSL *s, int fd, int (*step)(SSL *s), int64_t until_ms)
{
	for (;;) {
		int n = step(s), why = SSL_get_error(s, n);

		if (n > 0)
			return n;
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return -1;
		if (!wait_for(fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, until_ms))
			return 0;
	}
}

/* Silence is consent: a broker waits for our CONNECT. */
static bool is_taken(SSL *s, int fd) { return try_until(s, fd, read_one, mono_ms() + REFUSAL_MS) >= 0; }

enum err tls_try(const struct tls_try *t, char why[TLS_WHY_MAX])
{
	CLEANUP(fd_cleanup) int fd = -1;
	CLEANUP(ctx_drop) SSL_CTX *c = NULL;
	CLEANUP(ssl_drop) SSL *s = NULL;
	int64_t until_ms = mono_ms() + t->timeout_ms;
	enum err e = connect_to(t, until_ms, &fd);

	ERR_clear_error();
	snprintf(why, TLS_WHY_MAX, "no connection");
	if (e != OK)
		return e;
	c = context_of(t);
	s = c ? SSL_new(c) : NULL;
	if (!s || SSL_set1_host(s, t->host) != 1 || SSL_set_tlsext_host_name(s, t->host) != 1 || SSL_set_fd(s, fd) != 1 ||
	    try_until(s, fd, SSL_connect, until_ms) != 1 || !is_taken(s, fd))
		return say_why(s, why);
	SSL_shutdown(s);
	return OK;
}

BIO *tls_push(BIO *connection, const struct tls_try *t)
{
	CLEANUP(ctx_drop) SSL_CTX *c = context_of(t);
	CLEANUP(ssl_drop) SSL *s = c ? SSL_new(c) : NULL;
	BIO *wrapped = BIO_new(BIO_f_ssl());

	if (!s || !wrapped || SSL_set1_host(s, t->host) != 1 || SSL_set_tlsext_host_name(s, t->host) != 1) {
		BIO_free(wrapped);
		return NULL;
	}
	SSL_set_connect_state(s);
	BIO_set_ssl(wrapped, s, BIO_CLOSE);
	s = NULL;               /* the BIO's */
	return BIO_push(wrapped, connection);
}

BIO *tls_pop(BIO *wrapped)
{
	BIO *connection = BIO_pop(wrapped);

	BIO_free(wrapped);
	return connection;
}
