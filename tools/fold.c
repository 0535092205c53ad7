#include "fold.h"

/* A ring of fixed-size entries: is it there? If not it takes the place of the oldest. */
static bool known(uint8_t *ring, size_t *ever, const uint8_t *what)
{
	size_t n = *ever < FOLD_MAX ? *ever : FOLD_MAX;

	for (size_t i = 0; i < n; i++)
		if (memcmp(ring + i * FOLD_KEY_BYTES, what, FOLD_KEY_BYTES) == 0)
			return true;
	memcpy(ring + *ever % FOLD_MAX * FOLD_KEY_BYTES, what, FOLD_KEY_BYTES);
	++*ever;
	return false;
}

_Static_assert(sizeof(struct id) == FOLD_KEY_BYTES, "ids and keys lie in rings of one shape");

enum fold_seen fold_see(struct fold *f, const struct id *id, const uint8_t key[FOLD_KEY_BYTES])
{
	if (known(f->id[0].b, &f->ids, id->b))
		return FOLD_SAME;
	return known(f->key[0], &f->keys, key) ? FOLD_AGAIN : FOLD_NEW;
}
