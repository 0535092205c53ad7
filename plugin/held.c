#include "held.h"

static bool is_over(const struct held *one, int64_t now_us)
{
	return !one->used || now_us - one->since_us > HELD_US;
}

static bool is_of(const struct held *one, const uint8_t author[SHA256_BYTES])
{
	return memcmp(one->author, author, sizeof(one->author)) == 0;
}

struct held *held_find(struct held_orders *h, const uint8_t author[SHA256_BYTES], const uint8_t order[SHA256_BYTES], int64_t now_us)
{
	for (struct held *one = h->slot; one < h->slot + HELD_MAX; one++)
		if (!is_over(one, now_us) && is_of(one, author) && memcmp(one->order, order, sizeof(one->order)) == 0)
			return one;
	return NULL;
}

/* A free one; of whoever has their share their oldest; else the oldest of all. */
static struct held *make_room(struct held_orders *h, const uint8_t author[SHA256_BYTES], int64_t now_us)
{
	struct held *none = NULL, *oldest = h->slot, *own = NULL;
	unsigned owned = 0;

	for (struct held *one = h->slot; one < h->slot + HELD_MAX; one++) {
		if (is_over(one, now_us)) {
			none = one;
			continue;
		}
		if (one->since_us < oldest->since_us)
			oldest = one;
		if (!is_of(one, author))
			continue;
		owned++;
		if (!own || one->since_us < own->since_us)
			own = one;
	}
	return owned >= HELD_EACH ? own : none ? none : oldest;
}

void held_add(struct held_orders *h, const uint8_t author[SHA256_BYTES], const uint8_t order[SHA256_BYTES], uint64_t ticket,
	      int64_t now_us)
{
	struct held *one = make_room(h, author, now_us);

	*one = (struct held){ .ticket = ticket, .since_us = now_us, .used = true };
	memcpy(one->author, author, sizeof(one->author));
	memcpy(one->order, order, sizeof(one->order));
}

void held_done(struct held **one)
{
	(*one)->used = false;
	*one = NULL;
}
