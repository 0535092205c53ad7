#include "unkept.h"

static void name(struct span source, struct span source_id, const struct digest *d, uint8_t key[KEY_BYTES])
{
	key_of((const struct span[]){ source, source_id, span(d->b, sizeof(d->b)) }, 3, key);
}

void unkept_add(struct unkept *u, struct span source, struct span source_id, const struct digest *d, const struct id *id, int64_t now_ms)
{
	unsigned i = u->next++ % UNKEPT_MAX;

	name(source, source_id, d, u->at[i].key);
	u->at[i].id = *id;
	u->at[i].until_ms = now_ms + UNKEPT_MS;
}

struct id unkept_id(const struct unkept *u, struct span source, struct span source_id, const struct digest *d, const struct id *fresh,
		    int64_t now_ms)
{
	uint8_t key[KEY_BYTES];

	if (u->next == 0)
		return *fresh;
	name(source, source_id, d, key);
	for (unsigned i = u->next; i > 0 && u->next - i < UNKEPT_MAX; i--)
		if (memcmp(u->at[(i - 1) % UNKEPT_MAX].key, key, KEY_BYTES) == 0 && now_ms < u->at[(i - 1) % UNKEPT_MAX].until_ms)
			return u->at[(i - 1) % UNKEPT_MAX].id;
	return *fresh;
}
