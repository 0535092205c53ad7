#include "awaited.h"

#include <stdlib.h>
#include <string.h>

#include "crypt.h"
#include "words.h"

uint64_t awaited_id(const struct id *id)
{
	uint64_t half[2];

	_Static_assert(sizeof(half) == sizeof(id->b), "an id is two words");
	memcpy(half, id->b, sizeof(half));
	return half[0] ^ half[1];
}

/* ---- the table: slot i is also where the chain begins of the keys whose hash is i; links are 1 + a slot ---- */

#define SLOTS_MIN 16

static struct awaited_slot *chain_of(const struct awaited *a, uint64_t key)
{
	return &a->slot[words_hash(a->hash_key, span(&key, sizeof(key))) % a->cap];
}

/* There is a free slot. */
static void put_last(struct awaited *a, uint64_t key, uint8_t how)
{
	struct awaited_slot *chain = chain_of(a, key), *s;
	uint32_t at = a->free ? a->free : ++a->used;

	s = &a->slot[at - 1];
	if (a->free)
		a->free = s->next;
	s->key = key;
	s->how = how;
	s->next = 0;
	*(chain->last ? &a->slot[chain->last - 1].next : &chain->first) = at;
	chain->last = at;
	a->n++;
}

static bool grow(struct awaited *a)
{
	struct awaited more = { .cap = a->cap ? 2 * a->cap : SLOTS_MIN, .lost = a->lost };

	more.slot = more.cap <= AWAITED_MAX ? calloc(more.cap, sizeof(*more.slot)) : NULL;
	if (!more.slot)
		return false;
	crypt_random(more.hash_key, sizeof(more.hash_key));
	for (uint32_t i = 0; i < a->cap; i++)
		for (uint32_t at = a->slot[i].first; at; at = a->slot[at - 1].next)
			put_last(&more, a->slot[at - 1].key, a->slot[at - 1].how);
	free(a->slot);
	*a = more;
	return true;
}

void awaited_note(struct awaited *a, uint64_t key, uint8_t how)
{
	if (!key)
		return;
	if (a->free || a->used < a->cap || grow(a))
		put_last(a, key, how);
	else
		a->lost = true;
}

/* All have come: thousands of sessions do not keep what each needed for a moment. */
static void shrink(struct awaited *a)
{
	if (a->n || a->cap <= SLOTS_MIN)
		return;
	free(a->slot);
	*a = (struct awaited){ .lost = a->lost };
}

uint8_t awaited_take(struct awaited *a, uint64_t key)
{
	struct awaited_slot *chain = a->used && key ? chain_of(a, key) : NULL, *s;
	uint8_t how;

	for (uint32_t at = chain ? chain->first : 0, before = 0; at; before = at, at = s->next) {
		s = &a->slot[at - 1];
		if (s->key != key)
			continue;
		*(before ? &a->slot[before - 1].next : &chain->first) = s->next;
		chain->last = chain->last == at ? before : chain->last;
		s->next = a->free;
		a->free = at;
		a->n--;
		how = s->how;
		shrink(a);
		return how;
	}
	return 0;
}

void awaited_clear(struct awaited *a)
{
	free(a->slot);
	*a = (struct awaited){ 0 };
}
