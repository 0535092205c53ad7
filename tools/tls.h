/* tls: one TLS connection of a client, sending; the only user of OpenSSL's SSL in the tool. TLS 1.2 and later, the server's
 * name is always checked against its certificate. Every wait is bounded. */
#ifndef PULLCORD_TLS_H
#define PULLCORD_TLS_H

#include "err.h"
#include "span.h"

struct tls;

struct tls_spec {
	const char *host, *port;
	const char *cafile;
	const char *cert, *key;         /* of ours; NULL: none */
	int wait_ms;                    /* how long connecting, or sending one piece, may take */
	int lost_ms;                    /* after so long without an acknowledgement of what was sent, it is ERR_CLOSED */
};

/* ERR_NOT_FOUND: nobody answers there; ERR_KEY: a certificate does not fit; ERR_IO: a file cannot be read; ERR_CLOSED. */
enum err tls_open(const struct tls_spec *spec, struct tls **out) MUST_USE;
/* Says goodbye, and waits until the other side has read everything and closed, too, or for wait_ms. */
void tls_close(struct tls **t);

/* Everything is handed to the system when OK. ERR_CLOSED: the connection is lost, and nobody knows what of it arrived. */
enum err tls_send(struct tls *t, struct span bytes) MUST_USE;
/* Waits at most that long, or until the other side closes: ERR_CLOSED. What it says is thrown away. */
enum err tls_idle(struct tls *t, int ms) MUST_USE;
/* The words of the library or the system about what went wrong last, also when tls_open() failed. */
const char *tls_why(void);

#endif
