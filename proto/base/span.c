#include "span.h"

int span_cmp(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.n && is_blank(s.p[0]))
		s = span(s.p + 1, s.n - 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct span span_cut(struct span s, char sep, struct span *rest)
{
	const uint8_t *at = s.n ? memchr(s.p, sep, s.n) : NULL;
	size_t n;

	if (!at) {
		*rest = span(NULL, 0);
		return s;
	}
	n = (size_t)(at - s.p);
	*rest = span(at + 1, s.n - n - 1);
	return span(s.p, n);
}

bool span_text(struct span s, char *out, size_t cap)
{
	must(cap > 0);
	out[0] = '\0';
	if (s.n >= cap || (s.n && memchr(s.p, '\0', s.n)))
		return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

bool span_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v) || v > max)
			return false;
	}
	*out = v;
	return true;
}

/* Length of the UTF-8 sequence at p (1..4), 0 when it is not one. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
	static const struct { uint8_t lo, hi, len, lo2, hi2; } row[] = {
		{ 0x01, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t i = 0; i < countof(row); i++) {
		if (p[0] < row[i].lo || p[0] > row[i].hi)
			continue;
		if (row[i].len > n || (row[i].len > 1 && (p[1] < row[i].lo2 || p[1] > row[i].hi2)))
			return 0;
		for (size_t k = 2; k < row[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return row[i].len;
	}
	return 0;
}

/* Has a bit for each byte that is no ASCII or a NUL, or lies above one: below 0x80, taking 1 borrows from a zero only. */
static inline uint64_t odd_bytes(uint64_t x)
{
	return (x | (x - 0x0101010101010101u)) & 0x8080808080808080u;
}

static inline uint64_t eight(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint32_t four(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* ASCII without NUL, as most text is: by words, the last of which may overlap the one before. */
static inline bool is_ascii(struct span s)
{
	uint64_t odd = 0;

	if (s.n >= 8) {
		for (size_t i = 0; i + 8 < s.n; i += 8)
			odd |= odd_bytes(eight(s.p + i));
		return !(odd | odd_bytes(eight(s.p + s.n - 8)));
	}
	if (s.n >= 4)
		return !odd_bytes((uint64_t)four(s.p) << 32 | four(s.p + s.n - 4));
	for (size_t i = 0; i < s.n; i++)
		odd |= s.p[i] - 1u >= 0x7f;
	return !odd;
}

bool span_utf8(struct span s)
{
	if (is_ascii(s))
		return true;
	for (size_t i = 0, len; i < s.n; i += len) {
		len = s.p[i] - 1u < 0x7f ? 1 : utf8_len(s.p + i, s.n - i);
		if (len == 0)
			return false;
	}
	return true;
}

void hex_encode(struct span s, char *out)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		out[2 * i] = digit[s.p[i] >> 4];
		out[2 * i + 1] = digit[s.p[i] & 15];
	}
	out[2 * s.n] = '\0';
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(struct span text, uint8_t *out, size_t cap)
{
	if (text.n % 2 || text.n / 2 > cap)
		return false;
	for (size_t i = 0; i < text.n; i += 2) {
		int hi = hex_value(text.p[i]), lo = hex_value(text.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i / 2] = (uint8_t)((unsigned)hi << 4 | (unsigned)lo);
	}
	return true;
}
