/* tls: the TLS we speak ourselves: to see whether a broker would have us, before it matters. The only file of the gateway
 * that includes <openssl/ssl.h>; connections that carry messages are Paho's. */
#ifndef PULLCORD_TLS_H
#define PULLCORD_TLS_H

#include "err.h"

#define TLS_WHY_MAX 160

/* From now on this process speaks TLS 1.3 and nothing older, Paho included. Once, before the first connection. */
enum err tls_only_13(void) MUST_USE;

struct tls_try {
	const char *host, *cafile, *certfile, *keyfile;   /* PEM; the host's name is checked */
	unsigned port, timeout_ms;
};
/* Connects, shakes hands both ways and hangs up; blocks, at most for timeout_ms and half a second more whatever the peer does (and
 * as long as the resolver takes to find its name). OK: the broker took our certificate and we took its. ERR_IO: no connection.
 * ERR_DENIED: the handshake failed, `why` says how, in plain words where it can. */
enum err tls_try(const struct tls_try *t, char why[TLS_WHY_MAX]) MUST_USE;

/* For cmp.h: TLS over a connection of OpenSSL's, as `t` says but for port and timeout; and off again. NULL: it fails. */
struct bio_st;
struct bio_st *tls_push(struct bio_st *connection, const struct tls_try *t);
struct bio_st *tls_pop(struct bio_st *wrapped);

#endif
