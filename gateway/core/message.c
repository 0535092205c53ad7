#include "message.h"

#include "flight.h"
#include "open.h"

enum err message_check(const struct event *e)
{
	if (e->source_id.n == 0 || e->source_id.n > OPEN_SOURCE_ID_MAX || e->source.n > OPEN_SOURCE_MAX ||
	    !span_utf8(e->source) || !span_utf8(e->source_id))
		return ERR_RANGE;
	if (e->kind == EVENT_OBSERVATIONS)
		return OK;
	return e->kind == EVENT_ALERT && e->alert.key.len == OPEN_KEY ? OK : ERR_RANGE;
}

void message_scope(const struct message_from *from, ProtobufCBinaryData of, uint8_t key[KEY_BYTES])
{
	key_of((const struct span[]){ span_str(from->tenant), span_str(from->device), span(of.data, of.len) }, 3, key);
}

static enum err write_envelope(const struct message_from *from, const ProtobufCMessage *body, const struct stamp *as,
			       int64_t now_us, int64_t expires_us, struct put *room, struct message *m)
{
	const struct envelope_from head = {
		from->tenant, from->device, PULLCORD__V1__PARTY__PARTY_DEVICE, as->id, now_us, expires_us, as->order,
	};
	size_t start = room->n;

	TRY(envelope_write(&head, body, room));
	m->id = as->id;
	m->order = as->order;
	m->expires_us = expires_us;
	m->envelope = span(room->p + start, room->n - start);
	return OK;
}

/* An alert that must be seen to never goes out of date. */
static int64_t expiry(int priority, int64_t now_us, int64_t lasts_us)
{
	return lasts_us > 0 && priority < PULLCORD__V1__PRIORITY__PRIORITY_HIGH ? now_us + lasts_us : 0;
}

enum err message_alert(const struct message_from *from, const char *unit, const Pullcord__V1__Alert *a,
		       const struct stamp *as, int64_t now_us, int64_t lasts_us, struct put *room, struct message *out)
{
	const char *priority = priority_name((int)a->priority);

	if (!priority || a->key.len != 16 || !a->phase)
		return ERR_RANGE;
	out->tier = flight_tier((int)a->priority);
	TRY(TOPIC_BUILD(out->topic, TOPIC_ALERT, from->tenant, unit, priority, from->device));
	return write_envelope(from, &a->base, as, now_us, expiry((int)a->priority, now_us, lasts_us), room, out);
}

enum err message_vitals(const struct message_from *from, const char *unit, const Pullcord__V1__Observations *o,
			const struct stamp *as, int64_t now_us, int64_t lasts_us, struct put *room, struct message *out)
{
	out->tier = FLIGHT_TIERS - 1;
	TRY(TOPIC_BUILD(out->topic, TOPIC_VITALS, from->tenant, unit, from->device));
	return write_envelope(from, &o->base, as, now_us, expiry(0, now_us, lasts_us), room, out);
}

enum err message_state(const struct message_from *from, const Pullcord__V1__DeviceState *s, const struct id *id,
		       int64_t now_us, struct put *room, struct message *out)
{
	out->tier = FLIGHT_TIERS - 1;
	TRY(TOPIC_BUILD(out->topic, TOPIC_STATE, from->tenant, from->device));
	return write_envelope(from, &s->base, &(struct stamp){ *id, 0 }, now_us, 0, room, out);
}

enum err message_trouble(const struct message_from *from, const char *unit, const struct trouble_told *told,
			 struct put *room, struct message *out)
{
	Pullcord__V1__Alert a = PULLCORD__V1__ALERT__INIT;
	uint8_t key[KEY_BYTES];

	key_of((const struct span[]){ span_str(from->tenant), span_str(from->device), span_str(told->code) }, 3, key);
	a.key = (ProtobufCBinaryData){ sizeof(key), key };
	a.priority = told->priority;
	a.type = PULLCORD__V1__ALERT_TYPE__ALERT_TYPE_OPERATIONS;
	a.phase = told->phase;
	a.code = (char *)(uintptr_t)told->code;
	a.text = (char *)(uintptr_t)told->text;
	a.source = (char *)(uintptr_t)from->device;
	a.source_id = (char *)(uintptr_t)told->code;
	a.count = 1;
	a.first_us = a.occurred_us = (uint64_t)told->at_us;
	return message_alert(from, unit, &a, &(struct stamp){ told->id, 0 }, told->at_us, 0, room, out);
}

static struct span binary(ProtobufCBinaryData b) { return span(b.data, b.len); }

#define TEXT_MAX 512
#define PIECES_MAX (8 * (TEXT_MAX + 4))

/* At most 8 pieces, each no longer than text() gives; with their lengths, so that no two lists of pieces are the same
 * bytes. */
static void hash(const struct hmac_key *key, const struct span *piece, size_t n, uint8_t *out, size_t cap)
{
	uint8_t digest[SHA256_BYTES], bytes[PIECES_MAX];
	struct put b = put(bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++) {
		put_u32(&b, (uint32_t)piece[i].n);
		put_bytes(&b, piece[i]);
	}
	must(put_end(&b) == OK);
	HMAC256_BY(digest, key, put_span(&b));
	memcpy(out, digest, cap);
}

#define HASH(key, out, ...)                                                                                            \
	hash(key, (const struct span[]){ __VA_ARGS__ }, countof(((const struct span[]){ __VA_ARGS__ })), out,          \
	     sizeof(out))

/* As long as any text of a message may be; the rest cannot make a difference a reader would see. */
static struct span text(const char *s)
{
	size_t n = strnlen(s, TEXT_MAX);

	return span(s, n);
}

void message_kind(const struct hmac_key *key, struct span source, const uint8_t condition[16], uint8_t kind[THROTTLE_KEY])
{
	uint8_t out[THROTTLE_KEY];

	HASH(key, out, SPAN_LIT("kind"), source, span(condition, 16));
	memcpy(kind, out, sizeof(out));
}

void message_throttle(const struct hmac_key *key, struct span source, const Pullcord__V1__Alert *a, const struct id *fresh,
		      int64_t now_us, struct throttle_event *out)
{
	uint8_t content[8], test = a->test, type = (uint8_t)a->type;

	must(a->key.len == 16);
	*out = (struct throttle_event){
		.priority = a->priority, .phase = a->phase, .at_us = now_us, .fresh = *fresh,
	};
	message_kind(key, source, binary(a->key).p, out->kind);
	HASH(key, out->bucket, SPAN_LIT("code"), source, text(a->code));
	HASH(key, content, text(a->code), text(a->text), text(a->bed), text(a->patient), text(a->call_back),
	     span(&type, 1), span(&test, 1));
	memcpy(&out->content, content, sizeof(out->content));
}
