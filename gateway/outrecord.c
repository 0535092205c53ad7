#include "outrecord.h"

#include "cur.h"

#define RECORD_VERSION 3

static void put_short(struct put *b, struct span s)
{
	b->bad = b->bad || s.n > UINT16_MAX;
	put_u16(b, (uint16_t)s.n);
	put_bytes(b, s);
}

enum err outrecord_write(const struct outbox_message *m, struct put *b)
{
	put_u8(b, RECORD_VERSION);
	put_u64(b, m->order);
	put_u8(b, (uint8_t)m->tier);
	put_u64(b, (uint64_t)m->expires_us);
	put_u8(b, m->opens);
	put_u8(b, m->reason);
	put_bytes(b, span(m->key, sizeof(m->key)));
	put_short(b, m->topic);
	put_short(b, m->input);
	put_short(b, m->source);
	put_short(b, m->source_id);
	put_u32(b, (uint32_t)m->envelope.n);
	put_bytes(b, m->envelope);
	return put_end(b);
}

enum err outrecord_read(struct span raw, struct outbox_message *out)
{
	struct outbox_message m = { 0 };
	struct cur c = cur(raw);
	struct span key;
	unsigned version = cur_u8(&c), opens;   /* 1 had no reason, 2 no order */

	m.order = version > 2 ? cur_u64(&c) : 0;
	m.tier = cur_u8(&c);
	m.expires_us = (int64_t)cur_u64(&c);
	opens = cur_u8(&c);
	m.reason = version > 1 ? cur_u8(&c) : 0;
	key = cur_take(&c, OPEN_KEY);
	m.topic = cur_take(&c, cur_u16(&c));
	m.input = cur_take(&c, cur_u16(&c));
	m.source = cur_take(&c, cur_u16(&c));
	m.source_id = cur_take(&c, cur_u16(&c));
	m.envelope = cur_take(&c, cur_u32(&c));
	TRY(cur_end(&c));
	if (version < 1 || version > RECORD_VERSION)
		return ERR_VERSION;
	if (m.tier >= FLIGHT_TIERS || opens > 1 || m.topic.n == 0)
		return ERR_RANGE;
	m.opens = opens;
	memcpy(m.key, key.p, OPEN_KEY);
	*out = m;
	return OK;
}
