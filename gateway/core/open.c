#include "open.h"

#include <stdlib.h>

#include "table.h"

struct open {
	struct table keys;
	int64_t at_ms[OPEN_MAX];
};

enum err open_make(struct open **out)
{
	struct open *o = calloc(1, sizeof(*o) + table_bytes(OPEN_MAX));

	if (!o)
		return ERR_FULL;
	table_init(&o->keys, OPEN_MAX, o + 1);
	*out = o;
	return OK;
}

void open_free(struct open **o)
{
	free(*o);
	*o = NULL;
}

bool open_put(struct open *o, const uint8_t key[OPEN_KEY], int64_t at_ms, uint8_t lost[OPEN_KEY])
{
	uint32_t s = table_find(&o->keys, key);
	bool full = s == TABLE_NONE && o->keys.count == OPEN_MAX;

	if (full) {
		memcpy(lost, table_key(&o->keys, o->keys.oldest), OPEN_KEY);
		table_del(&o->keys, o->keys.oldest);
	}
	if (s == TABLE_NONE)
		s = table_add(&o->keys, key);
	else
		table_touch(&o->keys, s);
	o->at_ms[s] = at_ms;
	return full;
}

bool open_has(const struct open *o, const uint8_t key[OPEN_KEY]) { return table_find(&o->keys, key) != TABLE_NONE; }

bool open_drop(struct open *o, const uint8_t key[OPEN_KEY])
{
	uint32_t s = table_find(&o->keys, key);

	if (s == TABLE_NONE)
		return false;
	table_del(&o->keys, s);
	return true;
}

bool open_expire(struct open *o, int64_t now_ms, uint8_t key[OPEN_KEY])
{
	uint32_t s = o->keys.oldest;

	if (s == TABLE_NONE || now_ms - o->at_ms[s] < OPEN_AGE_MS)
		return false;
	memcpy(key, table_key(&o->keys, s), OPEN_KEY);
	table_del(&o->keys, s);
	return true;
}

size_t open_count(const struct open *o)
{
	return o->keys.count;
}
