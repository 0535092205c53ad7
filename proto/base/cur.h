/* cur: reading bytes with one bounded cursor, writing them into a bounded buffer. Big endian.
 * Past the end a cursor turns bad and yields zeros; a full buffer turns bad and stays as it was.
 * Believe nothing before cur_end() or put_end(). */
#ifndef PULLCORD_CUR_H
#define PULLCORD_CUR_H

#include "err.h"
#include "span.h"

struct cur {
	struct span left;
	bool bad;
};

static inline struct cur cur(struct span s)
{
	return (struct cur){ s, false };
}

/* Borrows from the input; empty when bad. */
static inline struct span cur_take(struct cur *c, size_t n)
{
	struct span s = { c->left.p, n };

	if (c->bad || n > c->left.n) {
		c->bad = true;
		return span(NULL, 0);
	}
	if (n)
		c->left = span(c->left.p + n, c->left.n - n);
	return s;
}
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
enum err cur_end(const struct cur *c) MUST_USE;  /* OK, ERR_SHORT or ERR_TRAILING */

struct put {
	uint8_t *p;
	size_t n, cap;
	bool bad;
};

static inline struct put put(void *p, size_t cap)
{
	return (struct put){ p, 0, cap, false };
}

void put_bytes(struct put *b, struct span s);
void put_str(struct put *b, const char *text);   /* without the NUL */
void put_fmt(struct put *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void put_u8(struct put *b, uint8_t v);
void put_u16(struct put *b, uint16_t v);
void put_u32(struct put *b, uint32_t v);
void put_u64(struct put *b, uint64_t v);
static inline struct span put_span(const struct put *b) { return span(b->p, b->n); }
enum err put_end(const struct put *b) MUST_USE;  /* OK or ERR_TOO_LARGE */

#endif
