#include "network.h"

#include <stdio.h>

#define GROUPS 8
#define NO_GAP SIZE_MAX

static bool v4_read(struct span text, uint8_t out[4])
{
	struct span rest = text, part;
	uint64_t n;

	for (size_t i = 0; i < 4; i++) {
		part = span_cut(rest, '.', &rest);
		if (!span_u64(part, 255, &n) || part.n > 3 || (part.n > 1 && part.p[0] == '0') || !rest.p != (i == 3))
			return false;   /* "010" is ten to some and eight to others */
		out[i] = (uint8_t)n;
	}
	return true;
}

static bool group_read(struct span text, uint8_t out[2])
{
	uint8_t digit[4] = { '0', '0', '0', '0' };

	if (text.n == 0 || text.n > 4)
		return false;
	memcpy(digit + 4 - text.n, text.p, text.n);
	return hex_decode(span(digit, 4), out, 2);
}

/* RFC 4291 §2.2. */
static bool v6_read(struct span s, uint8_t out[16])
{
	uint8_t group[2 * GROUPS] = { 0 };
	size_t n = 0, gap = NO_GAP;
	struct span part, rest;

	if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
		gap = 0;
		s = span(s.p + 2, s.n - 2);
	}
	for (; s.n; s = rest) {
		part = span_cut(s, ':', &rest);
		if (!rest.p && n <= GROUPS - 2 && v4_read(part, group + 2 * n)) {
			n += 2;
			break;
		}
		if (n == GROUPS || !group_read(part, group + 2 * n++) || (rest.p && !rest.n))
			return false;
		if (!rest.p)
			break;
		if (rest.p[0] != ':')
			continue;
		if (gap != NO_GAP)
			return false;
		gap = n;
		rest = span(rest.p + 1, rest.n - 1);
	}
	if (gap == NO_GAP ? n != GROUPS : n == GROUPS)
		return false;
	gap = gap == NO_GAP ? n : gap;
	memset(out, 0, 16);
	memcpy(out, group, 2 * gap);
	memcpy(out + 16 - 2 * (n - gap), group + 2 * gap, 2 * (n - gap));
	return true;
}

static void unmap(struct network *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(a->address, mapped, sizeof(mapped)) != 0)
		return;
	*a = (struct network){ .address = { a->address[12], a->address[13], a->address[14], a->address[15] },
			       .bytes = 4, .bits = 32 };
}

bool address_read(struct span text, struct network *out)
{
	struct span zone, bare = span_cut(text, '%', &zone);    /* RFC 4007 §11: which link; ours is the broker's */

	*out = (struct network){ .bytes = 4, .bits = 32 };
	if (v4_read(text, out->address))
		return true;
	*out = (struct network){ .bytes = 16, .bits = 128 };
	if (!v6_read(bare, out->address)) {
		*out = (struct network){ 0 };
		return false;
	}
	unmap(out);
	return true;
}

/* Are the first bits the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

const char *network_read(struct span text, struct network *out)
{
	struct span prefix, address = span_cut(text, '/', &prefix);
	struct network low = { 0 };
	uint64_t bits;

	if (!address.n || memchr(address.p, '%', address.n) || !address_read(address, out))
		return "is no network; right would be 10.1.0.0/16, 2001:db8::/32 or one address";
	if (!prefix.p)
		return NULL;
	if (!span_u64(prefix, out->bits, &bits) || prefix.n > 3)
		return out->bytes == 4 ? "needs a length of 0 to 32 after its '/'" : "needs a length of 0 to 128 after its '/'";
	out->bits = (uint8_t)bits;
	memcpy(low.address, out->address, (bits + 7) / 8);
	if (bits % 8)
		low.address[bits / 8] &= (uint8_t)(0xff << (8 - bits % 8));
	if (memcmp(low.address, out->address, out->bytes) != 0)
		return "names one address of the network: the bits behind its length must be zero";
	return NULL;
}

bool network_holds(const struct network *n, const struct network *address)
{
	return n->bytes && n->bytes == address->bytes && same_bits(n->address, address->address, n->bits);
}

char *network_write(const struct network *n, char out[NETWORK_TEXT_MAX])
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n->bytes; i += n->bytes == 4 ? 1 : 2) {
		const char *sep = i == 0 ? "" : n->bytes == 4 ? "." : ":";

		if (n->bytes == 4)
			at += (size_t)snprintf(out + at, NETWORK_TEXT_MAX - at, "%s%u", sep, n->address[i]);
		else
			at += (size_t)snprintf(out + at, NETWORK_TEXT_MAX - at, "%s%x", sep, n->address[i] << 8 | n->address[i + 1]);
	}
	if (n->bits < 8 * n->bytes)
		snprintf(out + at, NETWORK_TEXT_MAX - at, "/%u", n->bits);
	return out;
}
