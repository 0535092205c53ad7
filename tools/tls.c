#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	int fd, wait_ms;
	bool broken;
};

static char why[256];

static int64_t now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

static enum err failed(enum err e, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *library = code ? ERR_reason_error_string(code) : NULL;

	snprintf(why, sizeof(why), "%s", library ? library : what);
	ERR_clear_error();
	return e;
}

const char *tls_why(void) { return why; }

static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = until_ms - now_ms();

	while (left > 0) {
		if (poll(&p, 1, (int)left) > 0)
			return true;
		left = until_ms - now_ms();
	}
	return false;
}

/* ---- connecting ---- */

static int connect_one(const struct addrinfo *a, int64_t until_ms)
{
	CLEANUP(fd_cleanup) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0, keep = fd, on = 1;
	socklen_t n = sizeof(error);

	if (fd < 0)
		return -1;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, until_ms) ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || error) {
			snprintf(why, sizeof(why), "%s", strerror(error ? error : errno));
			return -1;
		}
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fd = -1;
	return keep;
}

static enum err connect_any(struct tls *t, const struct tls_spec *spec)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int64_t until_ms = now_ms() + spec->wait_ms;
	unsigned lost_ms = (unsigned)spec->lost_ms;
	int rc = getaddrinfo(spec->host, spec->port, &hints, &all);

	if (rc != 0) {
		snprintf(why, sizeof(why), "%s", gai_strerror(rc));
		return ERR_NOT_FOUND;
	}
	for (const struct addrinfo *a = all; a && t->fd < 0; a = a->ai_next)
		t->fd = connect_one(a, until_ms);
	freeaddrinfo(all);
	if (t->fd < 0)
		return ERR_NOT_FOUND;
	(void)setsockopt(t->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof(lost_ms));
	return OK;
}

static enum err load_files(SSL_CTX *c, const struct tls_spec *spec)
{
	if (SSL_CTX_load_verify_locations(c, spec->cafile, NULL) != 1)
		return failed(ERR_IO, "the CA file cannot be read");
	if (spec->cert && SSL_CTX_use_certificate_chain_file(c, spec->cert) != 1)
		return failed(ERR_IO, "the certificate cannot be read");
	if (spec->key && SSL_CTX_use_PrivateKey_file(c, spec->key, SSL_FILETYPE_PEM) != 1)
		return failed(ERR_IO, "the key cannot be read, or does not belong to the certificate");
	return OK;
}

static enum err name_server(SSL *ssl, const char *host)
{
	unsigned char address[16];
	bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

	if (numeric && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
		return OK;
	if (!numeric && SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1)
		return OK;
	return failed(ERR_CRYPTO, "the host's name");
}

/* What `rc` of an SSL function asks for. False: it failed, or took too long. */
static bool again(struct tls *t, int rc, int64_t until_ms)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ: return wait_for(t->fd, POLLIN, until_ms);
	case SSL_ERROR_WANT_WRITE: return wait_for(t->fd, POLLOUT, until_ms);
	default: return false;
	}
}

static enum err shake_hands(struct tls *t)
{
	int64_t until_ms = now_ms() + t->wait_ms;
	long verified;
	int rc;

	while ((rc = SSL_connect(t->ssl)) != 1) {
		if (again(t, rc, until_ms))
			continue;
		verified = SSL_get_verify_result(t->ssl);
		if (verified != X509_V_OK) {
			ERR_clear_error();
			snprintf(why, sizeof(why), "%s", X509_verify_cert_error_string(verified));
			return ERR_KEY;
		}
		return failed(ERR_CLOSED, "the connection was closed during the handshake");
	}
	return OK;
}

enum err tls_open(const struct tls_spec *spec, struct tls **out)
{
	CLEANUP(tls_close) struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_FULL;
	t->fd = -1;
	t->broken = true;   /* no goodbye before the handshake */
	t->wait_ms = spec->wait_ms;
	t->context = SSL_CTX_new(TLS_client_method());
	if (!t->context)
		return failed(ERR_CRYPTO, "no TLS");
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
	TRY(load_files(t->context, spec));
	TRY(connect_any(t, spec));
	t->ssl = SSL_new(t->context);
	if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1)
		return failed(ERR_CRYPTO, "no TLS");
	TRY(name_server(t->ssl, spec->host));
	TRY(shake_hands(t));
	t->broken = false;
	*out = t;
	t = NULL;
	return OK;
}

void tls_close(struct tls **t)
{
	if (*t) {
		if (!(*t)->broken) {
			(void)SSL_shutdown((*t)->ssl);
			(void)shutdown((*t)->fd, SHUT_WR);
			(void)!tls_idle(*t, (*t)->wait_ms);
		}
		SSL_free((*t)->ssl);
		SSL_CTX_free((*t)->context);
		fd_cleanup(&(*t)->fd);
	}
	free(*t);
	*t = NULL;
}

/* ---- talking ---- */

static enum err lost(struct tls *t, const char *what)
{
	t->broken = true;
	return failed(ERR_CLOSED, what);
}

enum err tls_send(struct tls *t, struct span bytes)
{
	int64_t until_ms = now_ms() + t->wait_ms;
	size_t n;
	int rc;

	while (bytes.n) {
		rc = SSL_write_ex(t->ssl, bytes.p, bytes.n, &n);
		if (rc == 1)
			bytes = span(bytes.p + n, bytes.n - n);
		else if (!again(t, rc, until_ms))
			return lost(t, now_ms() >= until_ms ? "it takes nothing more" : "the connection is lost");
	}
	return OK;
}

enum err tls_idle(struct tls *t, int ms)
{
	int64_t until_ms = now_ms() + ms;
	char rubbish[1024];
	size_t n;
	int rc;

	do {
		rc = SSL_read_ex(t->ssl, rubbish, sizeof(rubbish), &n);
		if (rc != 1 && SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ)
			return lost(t, "it was closed by the other side");
	} while (rc == 1 || wait_for(t->fd, POLLIN, until_ms));
	return OK;
}
