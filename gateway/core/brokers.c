#include "brokers.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static size_t begins_with(struct span s, const char *set)
{
	size_t n = 0;

	while (n < s.n && s.p[n] && strchr(set, s.p[n]))
		n++;
	return n;
}

static bool is_name(struct span s)
{
	return s.n && begins_with(s, LETTERS) && begins_with(s, LETTERS "._-") == s.n;
}

/* RFC 4291 §2.2, RFC 4007 §11: two colons at least, or it is HOST:PORT. */
static bool is_ipv6(struct span s)
{
	struct span zone, address = span_cut(s, '%', &zone);
	unsigned colons = 0;

	for (size_t i = 0; i < address.n; i++)
		colons += address.p[i] == ':';
	return colons >= 2 && begins_with(address, "0123456789ABCDEFabcdef:.") == address.n && (!zone.p || is_name(zone));
}

bool brokers_host_ok(struct span host) { return host.n < BROKERS_HOST && (is_name(host) || is_ipv6(host)); }

/* "[::1]:8883", "[::1]" */
static struct span cut_bracketed(struct span word, struct span *port)
{
	struct span host = span_cut(span(word.p + 1, word.n - 1), ']', port);

	if (!port->p || (port->n && port->p[0] != ':'))
		return span(NULL, 0);
	*port = port->n ? span(port->p + 1, port->n - 1) : span(NULL, 0);
	return host;
}

static bool add(struct span host, uint64_t port, struct brokers *out)
{
	struct broker_address *b = &out->at[out->n++];

	b->port = (unsigned)port;
	return port > 0 && brokers_host_ok(host) && span_text(host, b->host, sizeof(b->host));
}

static bool add_word(struct span word, unsigned usual, struct brokers *out)
{
	struct span port, host = word.p[0] == '[' ? cut_bracketed(word, &port) : span_cut(word, ':', &port);
	uint64_t n = usual;

	return (!port.p || span_u64(port, UINT16_MAX, &n)) && add(host, n, out);
}

enum err brokers_read(const char *host, unsigned port, const char *others, struct brokers *out, struct span *bad)
{
	struct span rest = span_str(others);
	struct brokers all = { 0 };

	*bad = span_str(host);
	if (!add(*bad, port, &all))
		return ERR_SYNTAX;
	while (rest.n) {
		*bad = span_cut(rest, ' ', &rest);
		if (bad->n == 0)
			continue;
		if (all.n == BROKERS_MAX)
			return ERR_TOO_LARGE;
		if (!add_word(*bad, port, &all))
			return ERR_SYNTAX;
	}
	*out = all;
	return OK;
}
