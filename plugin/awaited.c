#include "awaited.h"

#include <stdlib.h>
#include <string.h>

uint64_t awaited_id(const struct id *id)
{
	uint64_t half[2];

	_Static_assert(sizeof(half) == sizeof(id->b), "an id is two words");
	memcpy(half, id->b, sizeof(half));
	return half[0] ^ half[1];
}

/* Makes room for one more at the end. */
static bool make_room(struct awaited *a)
{
	size_t cap = a->cap ? 2 * a->cap : 16;
	void *more;

	if (a->end < a->cap)
		return true;
	if (a->first) {
		memmove(a->one, a->one + a->first, (a->end - a->first) * sizeof(*a->one));
		a->end -= a->first;
		a->first = 0;
		return true;
	}
	more = cap <= AWAITED_MAX ? realloc(a->one, cap * sizeof(*a->one)) : NULL;
	if (!more)
		return false;
	a->one = more;
	a->cap = cap;
	return true;
}

void awaited_note(struct awaited *a, uint64_t key, uint8_t how)
{
	if (!key)
		return;
	if (!make_room(a)) {
		a->lost = true;
		return;
	}
	a->one[a->end].key = key;
	a->one[a->end++].how = how;
}

/* Most come in the order in which they were noted. */
uint8_t awaited_take(struct awaited *a, uint64_t key)
{
	uint8_t how = 0;

	for (size_t i = a->first; key && i < a->end; i++)
		if (a->one[i].key == key) {
			a->one[i].key = 0;
			how = a->one[i].how;
			break;
		}
	while (a->first < a->end && a->one[a->first].key == 0)
		a->first++;
	if (a->first == a->end)
		a->first = a->end = 0;
	return how;
}

void awaited_clear(struct awaited *a)
{
	free(a->one);
	*a = (struct awaited){ 0 };
}
