#include "posting.h"

#define HEAD 16

static uint64_t take_varint(struct cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cur_u8(c);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	c->bad = true;
	return 0;
}

static void put_head(struct posting *p)
{
	struct put head = put(p->b, HEAD);

	put_u64(&head, p->first);
	put_u64(&head, p->last);
}

bool posting_add(struct posting *p, uint64_t index)
{
	struct put out = put(p->b + p->n, sizeof(p->b) - p->n);
	uint64_t distance;

	if (p->n == 0) {
		p->first = p->last = index;
		p->n = HEAD;
		put_head(p);
		return true;
	}
	if (index <= p->last)
		return true;
	for (distance = index - p->last; distance >= 0x80; distance >>= 7)
		put_u8(&out, (uint8_t)(distance | 0x80));
	put_u8(&out, (uint8_t)distance);
	if (put_end(&out) != OK)
		return false;
	p->n += out.n;
	p->last = index;
	put_head(p);
	return true;
}

struct posting_walk posting_walk(const struct posting *p)
{
	return (struct posting_walk){ .left = cur(p->n ? span(p->b + HEAD, p->n - HEAD) : span(NULL, 0)), .at = p->first,
				      .begun = p->n == 0 };
}

bool posting_next(struct posting_walk *w, uint64_t *index)
{
	uint64_t distance;

	if (!w->begun) {
		w->begun = true;
		*index = w->at;
		return true;
	}
	if (w->left.left.n == 0)
		return false;
	distance = take_varint(&w->left);
	if (w->left.bad || distance == 0 || w->at > UINT64_MAX - distance) {
		w->left.bad = true;
		return false;
	}
	*index = w->at += distance;
	return true;
}

enum err posting_read(struct span raw, struct posting *out)
{
	struct cur c = cur(raw);
	struct posting_walk w;
	uint64_t index = 0;

	if (raw.n < HEAD || raw.n > sizeof(out->b))
		return ERR_CORRUPT;
	out->first = cur_u64(&c);
	out->last = cur_u64(&c);
	out->n = raw.n;
	memcpy(out->b, raw.p, raw.n);
	w = posting_walk(out);
	while (posting_next(&w, &index))
		;
	return !w.left.bad && w.left.left.n == 0 && index == out->last ? OK : ERR_CORRUPT;
}
