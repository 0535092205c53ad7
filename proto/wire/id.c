#include "id.h"

#include "crypt.h"

void id_tag(struct span tenant, int party, struct span sender, uint8_t tag[8])
{
	uint8_t digest[SHA256_BYTES], head[] = "pullcord id v1", mid[] = { '/', (uint8_t)('0' + party), '/' };
	struct span piece[] = { { head, sizeof(head) }, tenant, { mid, sizeof(mid) }, sender };

	sha256(piece, countof(piece), digest);
	memcpy(tag, digest, 8);
}

void id_init(struct id_maker *m, struct span tenant, int party, struct span sender, uint16_t seed)
{
	*m = (struct id_maker){ .seq = seed };
	id_tag(tenant, party, sender, m->tag);
}

struct id id_next(struct id_maker *m, int64_t now_ms)
{
	struct id id;

	if (now_ms > m->last_ms)
		m->last_ms = now_ms;
	else if (m->seq == UINT16_MAX)
		m->last_ms++;   /* the sequence wraps within one millisecond: borrow the next */
	m->seq++;
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)((uint64_t)m->last_ms >> (40 - 8 * i));
	id.b[6] = (uint8_t)(m->seq >> 8);
	id.b[7] = (uint8_t)m->seq;
	memcpy(id.b + 8, m->tag, 8);
	return id;
}

void id_after(struct id_maker *m, uint64_t order)
{
	if (id_order_ms(order) >= m->last_ms)
		m->last_ms = id_order_ms(order) + 1;
}

struct id id_named(const struct id_maker *m, const uint8_t name[ID_NAME])
{
	struct id id;

	memcpy(id.b, name, ID_NAME);
	memcpy(id.b + ID_NAME, m->tag, sizeof(m->tag));
	return id;
}

uint64_t id_order(const struct id *id)
{
	uint64_t order = 0;

	for (int i = 0; i < 8; i++)
		order = order << 8 | id->b[i];
	return order;
}

bool id_of(const struct id *id, const uint8_t tag[8])
{
	return memcmp(id->b + 8, tag, 8) == 0;
}

void id_text(const struct id *id, char out[ID_TEXT])
{
	hex_encode(span(id->b, ID_BYTES), out);
}

enum err id_parse(struct span text, struct id *out)
{
	struct id id;

	if (text.n != 2 * ID_BYTES || !hex_decode(text, id.b, ID_BYTES))
		return ERR_SYNTAX;
	*out = id;
	return OK;
}
