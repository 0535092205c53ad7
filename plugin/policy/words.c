#include "words.h"

size_t words_slots(size_t n)
{
	size_t slots = 4;

	while (slots < 2 * n)
		slots *= 2;
	return slots;
}

/* Both halves of the product: every bit of the factors reaches every bit of the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A keyed multiply-and-fold over eight bytes at a time; the length is part of it, so padding does not collide. */
uint64_t words_hash(const uint64_t key[2], struct span text)
{
	uint64_t h = key[0] ^ text.n, part;

	for (; text.n >= sizeof(part); text = span(text.p + sizeof(part), text.n - sizeof(part))) {
		memcpy(&part, text.p, sizeof(part));
		h = fold(h ^ part, key[1] | 1);
	}
	part = 0;
	if (text.n)
		memcpy(&part, text.p, text.n);
	return fold(fold(h ^ part, key[1] | 1), key[0] | 1);
}

/* Where the text is, or the free slot where it would be: the table is never more than half full. */
static struct word_slot *seek(const struct words *w, uint64_t hash, struct span text)
{
	uint32_t i = (uint32_t)(hash >> 32) & w->mask;

	for (; w->slot[i].id; i = (i + 1) & w->mask)
		if (w->slot[i].hash == (uint32_t)hash && span_eq(w->text[w->slot[i].id], text))
			break;
	return &w->slot[i];
}

uint32_t words_find(const struct words *w, uint64_t hash, struct span text)
{
	return seek(w, hash, text)->id;
}

uint32_t words_add(struct words *w, struct span text)
{
	uint64_t hash = words_hash(w->key, text);
	struct word_slot *s = seek(w, hash, text);

	if (!s->id) {
		must(2 * (w->n + 1) <= w->mask + 1);
		s->id = ++w->n;
		s->hash = (uint32_t)hash;
		w->text[s->id] = text;
	}
	return s->id;
}
