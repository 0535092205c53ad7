#include "cur.h"

#include <stdarg.h>
#include <stdio.h>

static uint64_t take_be(struct cur *c, size_t n)
{
	struct span s = cur_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

uint8_t cur_u8(struct cur *c) { return (uint8_t)take_be(c, 1); }
uint16_t cur_u16(struct cur *c) { return (uint16_t)take_be(c, 2); }
uint32_t cur_u32(struct cur *c) { return (uint32_t)take_be(c, 4); }
uint64_t cur_u64(struct cur *c) { return take_be(c, 8); }

enum err cur_end(const struct cur *c)
{
	if (c->bad)
		return ERR_SHORT;
	return c->left.n ? ERR_TRAILING : OK;
}

void put_bytes(struct put *b, struct span s)
{
	if (b->bad || s.n > b->cap - b->n) {
		b->bad = true;
		return;
	}
	if (s.n)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void put_str(struct put *b, const char *text)
{
	put_bytes(b, span_str(text));
}

/* vsnprintf wants room for its NUL; that byte is not counted. */
void put_fmt(struct put *b, const char *fmt, ...)
{
	va_list args;
	int n;

	if (b->bad)
		return;
	va_start(args, fmt);
	n = vsnprintf((char *)b->p + b->n, b->cap - b->n, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= b->cap - b->n)
		b->bad = true;
	else
		b->n += (size_t)n;
}

static void put_be(struct put *b, uint64_t v, size_t n)
{
	uint8_t raw[8];

	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	put_bytes(b, span(raw, n));
}

void put_u8(struct put *b, uint8_t v) { put_be(b, v, 1); }
void put_u16(struct put *b, uint16_t v) { put_be(b, v, 2); }
void put_u32(struct put *b, uint32_t v) { put_be(b, v, 4); }
void put_u64(struct put *b, uint64_t v) { put_be(b, v, 8); }

enum err put_end(const struct put *b)
{
	return b->bad ? ERR_TOO_LARGE : OK;
}
