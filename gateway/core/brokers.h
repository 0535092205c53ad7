/* brokers: where the brokers are that a gateway may go to, as its settings say it. Whether a name is known to anybody is
 * not asked: the network may be away. Pure. */
#ifndef PULLCORD_BROKERS_H
#define PULLCORD_BROKERS_H

#include "err.h"
#include "span.h"

#define BROKERS_MAX 8
#define BROKERS_HOST 256

struct brokers {
	unsigned n;                     /* the best is at[0] */
	struct broker_address {
		char host[BROKERS_HOST];
		unsigned port;
	} at[BROKERS_MAX];
};

/* A name of [A-Za-z0-9._-] that begins with a letter or digit, an IPv4 address, or an IPv6 address without brackets. */
bool brokers_host_ok(struct span host);

/* `host` with `port`, then `others`: HOST or HOST:PORT, an IPv6 address in brackets, with blanks between. ERR_SYNTAX;
 * ERR_TOO_LARGE: more than BROKERS_MAX. *out is untouched then, and *bad is what was wrong with: a word of the texts. */
enum err brokers_read(const char *host, unsigned port, const char *others, struct brokers *out, struct span *bad) MUST_USE;

#endif
