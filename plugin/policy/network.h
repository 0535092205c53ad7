/* network: addresses and the networks they lie in, as text: "10.1.2.3", "fe80::1%eth0", "10.0.0.0/8", "2001:db8::/32".
 * An IPv4 address written as IPv6 (::ffff:10.1.2.3, RFC 4291 §2.5.5.2) is the IPv4 address. Pure. */
#ifndef PULLCORD_NETWORK_H
#define PULLCORD_NETWORK_H

#include "span.h"

struct network {
	uint8_t address[16];
	uint8_t bytes, bits;        /* bytes: 4 or 16; 0: none */
};

/* An address alone is a network of one. NULL when well formed, else what is wrong with it. */
const char *network_read(struct span text, struct network *out);
/* False: not an address; it lies in no network. */
bool address_read(struct span text, struct network *out) MUST_USE;
bool network_holds(const struct network *n, const struct network *address);
/* "10.0.0.0/8", "2001:db8:0:0:0:0:0:0/32", and without the length when it is one address; into `out`, which is returned. */
#define NETWORK_TEXT_MAX sizeof("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")
char *network_write(const struct network *n, char out[NETWORK_TEXT_MAX]);

#endif
