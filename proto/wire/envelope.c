#include "envelope.h"

#include <endian.h>

#include "scan.h"

static const char *const kind_names[] = {
	[PULLCORD__V1__KIND__KIND_ALERT] = "alert",
	[PULLCORD__V1__KIND__KIND_ALERT_UPDATE] = "alert-update",
	[PULLCORD__V1__KIND__KIND_OBSERVATIONS] = "observations",
	[PULLCORD__V1__KIND__KIND_DEVICE_STATE] = "device-state",
	[PULLCORD__V1__KIND__KIND_DEVICE_COMMAND] = "device-command",
	[PULLCORD__V1__KIND__KIND_STORED_RECEIPT] = "stored-receipt",
	[PULLCORD__V1__KIND__KIND_CHAT_MESSAGE] = "chat-message",
	[PULLCORD__V1__KIND__KIND_RECEIPT] = "receipt",
	[PULLCORD__V1__KIND__KIND_BROADCAST] = "broadcast",
};

const char *kind_name(Pullcord__V1__Kind kind)
{
	return (unsigned)kind < countof(kind_names) ? kind_names[kind] : NULL;
}

enum err envelope_scan(struct span raw, const ProtobufCMessageDescriptor *schema)
{
	const struct shape *shape = scan_shape(schema);

	must(shape);
	return raw.n > ENVELOPE_BYTES_MAX ? ERR_TOO_LARGE : scan(raw, shape);
}

/* ---- reading ---- */

/* One field: its number and, by its wire type, its number or its bytes. False at the end, and at what is none. */
struct field {
	uint64_t number, value;
	struct span bytes;
};

static uint64_t take_varint(struct cur *c)
{
	const uint8_t *end = c->left.n ? c->left.p + c->left.n : c->left.p;
	struct varint v = scan_varint(c->left.p, end);

	c->bad = c->bad || !v.next;
	if (c->bad)
		return 0;
	c->left = span(v.next, (size_t)(end - v.next));
	return v.value;
}

static uint64_t read64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static bool next_field(struct cur *c, struct field *out)
{
	struct span fixed;
	uint64_t tag;

	if (c->left.n == 0)
		return false;
	tag = take_varint(c);
	*out = (struct field){ .number = tag >> 3 };
	switch (tag & 7) {
	case WIRE_VARINT: out->value = take_varint(c); break;
	case WIRE_64:
		fixed = cur_take(c, 8);
		out->value = fixed.n ? read64(fixed.p) : 0;
		break;
	case WIRE_32: (void)cur_take(c, 4); break;
	case WIRE_BYTES: out->bytes = cur_take(c, (size_t)take_varint(c)); break;
	default: c->bad = true;
	}
	return !c->bad;
}

static void *arena_alloc(void *data, size_t n)
{
	struct arena *a = data;
	size_t start = (a->used + 15) & ~(size_t)15;

	if (start > a->cap || n > a->cap - start)
		return NULL;
	a->used = start + n;
	return a->p + start;
}

static void arena_free(void *data, void *p)
{
	(void)data, (void)p;   /* the arena is emptied whole */
}

ProtobufCAllocator arena_allocator(struct arena *a) { return (ProtobufCAllocator){ arena_alloc, arena_free, a }; }

/* On a channel also members of other tenants may speak, in their own tenant's name. */
static bool is_guest_kind(enum topic_kind kind)
{
	return kind == TOPIC_CHANNEL_MSG || kind == TOPIC_CHANNEL_RECEIPT;
}

/* Fields of Envelope, by number. */
enum head { HEAD_VERSION = 1, HEAD_ID, HEAD_TENANT, HEAD_PARTY, HEAD_SENDER, HEAD_SENT, HEAD_EXPIRES, HEAD_KIND, HEAD_BODY,
	    HEAD_SEAL, HEAD_SIGNATURE, HEAD_ORDER };

#define TAG(field, wire) (HEAD_##field << 3 | WIRE_##wire)

/* What the scan would find, when it is of the sender that is known already and written as all of ours are: each field once, in
 * order, neither sealed nor signed. False: it is to be scanned. */
static bool read_usual(const struct envelope_sender *s, struct span raw, struct found *f)
{
	static const uint8_t begin[] = { TAG(VERSION, VARINT), 1, TAG(ID, BYTES), ID_BYTES };
	const uint8_t *id = raw.p + sizeof(begin), *end = raw.p + raw.n, *p = id + ID_BYTES;
	uint64_t expires_us = 0;
	struct varint n;
	uint8_t kind;

	if (!s->named_n || raw.n < sizeof(begin) + ID_BYTES + s->named_n + 9 + 9 + 4 || memcmp(raw.p, begin, sizeof(begin)) != 0 ||
	    memcmp(p, s->named, s->named_n) != 0)
		return false;
	p += s->named_n;
	if (p[0] != TAG(SENT, 64))
		return false;
	f[HEAD_SENT].number = read64(p + 1);
	p += 9;
	if (p[0] == TAG(EXPIRES, 64)) {
		expires_us = read64(p + 1);
		p += 9;
	}
	kind = p[1];
	if (p[0] != TAG(KIND, VARINT) || kind >= KINDS || p[2] != TAG(BODY, BYTES))
		return false;
	n = scan_varint(p + 3, end);
	if (!n.next || n.value == 0 || n.value > (uint64_t)(end - n.next))
		return false;
	p = n.next + n.value;
	if (end - p == 9 && p[0] == TAG(ORDER, 64))
		f[HEAD_ORDER].number = read64(p + 1);
	else if (p == end)
		f[HEAD_ORDER].number = 0;
	else
		return false;
	f[HEAD_VERSION].number = 1;
	f[HEAD_ID].bytes = span(id, ID_BYTES);
	f[HEAD_TENANT].bytes = span(s->tenant, s->tenant_n);
	f[HEAD_EXPIRES].number = expires_us;
	f[HEAD_KIND].number = kind;
	f[HEAD_BODY].bytes = span(n.next, n.value);
	f[HEAD_SEAL].bytes = f[HEAD_SIGNATURE].bytes = span(NULL, 0);
	return true;
}

/* Of a sender not known yet. False: nobody of that name can be. */
static bool know_sender(struct envelope_sender *s, const struct found *f)
{
	struct put named;

	if (!word_ok(f[HEAD_TENANT].bytes) || !word_ok(f[HEAD_SENDER].bytes) || !f[HEAD_PARTY].number)
		return false;
	*s = (struct envelope_sender){ .party = (Pullcord__V1__Party)f[HEAD_PARTY].number, .tenant_n = (uint8_t)f[HEAD_TENANT].bytes.n,
				       .id_n = (uint8_t)f[HEAD_SENDER].bytes.n };
	memcpy(s->tenant, f[HEAD_TENANT].bytes.p, s->tenant_n);
	memcpy(s->id, f[HEAD_SENDER].bytes.p, s->id_n);
	named = put(s->named, sizeof(s->named));
	put_bytes(&named, span((const uint8_t[]){ TAG(TENANT, BYTES), s->tenant_n }, 2));
	put_bytes(&named, f[HEAD_TENANT].bytes);
	put_bytes(&named, span((const uint8_t[]){ TAG(PARTY, VARINT), (uint8_t)s->party, TAG(SENDER, BYTES), s->id_n }, 4));
	put_bytes(&named, f[HEAD_SENDER].bytes);
	must(!named.bad);
	s->named_n = (uint8_t)named.n;
	id_tag(f[HEAD_TENANT].bytes, (int)s->party, f[HEAD_SENDER].bytes, s->tag);
	return true;
}

static bool is_known(const struct envelope_sender *s, const struct found *f)
{
	return s->party && f[HEAD_PARTY].number == (uint64_t)s->party && span_eq(f[HEAD_SENDER].bytes, span(s->id, s->id_n)) &&
	       span_eq(f[HEAD_TENANT].bytes, span(s->tenant, s->tenant_n));
}

/* Its fields, and whose it is. */
static enum err read_head(struct envelope_sender *sender, struct span raw, struct found f[SCAN_NUMBERS])
{
	if (read_usual(sender, raw, f))
		return OK;
	TRY(scan_into(raw, scan_kind(PULLCORD__V1__KIND__KIND_NONE), f));
	if (f[HEAD_VERSION].number != 1)
		return ERR_VERSION;
	return is_known(sender, f) || know_sender(sender, f) ? OK : ERR_SENDER;
}

static enum err check_head(const struct found *f, const struct envelope_sender *sender, const struct topic *topic, int64_t now_us)
{
	uint64_t sent_us = f[HEAD_SENT].number, expires_us = f[HEAD_EXPIRES].number;
	struct id id;

	memcpy(id.b, f[HEAD_ID].bytes.p, ID_BYTES);
	if (!id_of(&id, sender->tag))
		return ERR_SENDER;
	if (now_us > 0 && sent_us > (uint64_t)(now_us + ENVELOPE_SKEW_US))
		return ERR_TIME;
	if (expires_us && expires_us <= sent_us)
		return ERR_TIME;
	if (!f[HEAD_KIND].number || (topic && !(topic_bodies(topic->kind) & 1u << f[HEAD_KIND].number)))
		return ERR_KIND;
	if (topic && !is_guest_kind(topic->kind) && !span_eq(topic->level[0], f[HEAD_TENANT].bytes))
		return ERR_SENDER;
	return OK;
}

static enum err check_alert(const Pullcord__V1__Alert *a, const struct topic *topic)
{
	if (!a->priority || !a->phase || !a->count)
		return ERR_RANGE;
	if (topic && priority_parse(topic_word(topic, "priority")) != (int)a->priority)
		return ERR_KIND;
	return OK;
}

/* A person answers for nobody but himself; a gateway or the broker may say who it was. */
static enum err check_update(const Pullcord__V1__AlertUpdate *u, const Pullcord__V1__Envelope *head)
{
	if (!u->state)
		return ERR_RANGE;
	if (head->party == PULLCORD__V1__PARTY__PARTY_USER && strcmp(u->by, head->sender) != 0)
		return ERR_SENDER;
	return OK;
}

static enum err check_body(const struct envelope *e, const struct topic *topic)
{
	switch (e->head->kind) {
	case PULLCORD__V1__KIND__KIND_ALERT: return check_alert(e->body.alert, topic);
	case PULLCORD__V1__KIND__KIND_ALERT_UPDATE: return check_update(e->body.update, e->head);
	default: return OK;
	}
}

static ProtobufCBinaryData borrowed(struct span s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p };
}

/* What the scan let through; as protobuf-c would, but for unknown fields, which nobody asks for. */
static void write_head(const struct found *f, struct envelope_sender *sender, Pullcord__V1__Envelope *e)
{
	*e = (Pullcord__V1__Envelope){
		.base = { .descriptor = &pullcord__v1__envelope__descriptor },
		.version = (uint32_t)f[HEAD_VERSION].number,
		.id = borrowed(f[HEAD_ID].bytes),
		.tenant = sender->tenant,
		.party = sender->party,
		.sender = sender->id,
		.sent_us = f[HEAD_SENT].number,
		.expires_us = f[HEAD_EXPIRES].number,
		.kind = (Pullcord__V1__Kind)f[HEAD_KIND].number,
		.body = borrowed(f[HEAD_BODY].bytes),
		.seal = borrowed(f[HEAD_SEAL].bytes),
		.signature = borrowed(f[HEAD_SIGNATURE].bytes),
		.order = f[HEAD_ORDER].number,
	};
}

/* Which bodies have rules of their own. */
static bool has_rules(Pullcord__V1__Kind kind)
{
	return kind == PULLCORD__V1__KIND__KIND_ALERT || kind == PULLCORD__V1__KIND__KIND_ALERT_UPDATE;
}

/* Which field of the body names a patient; 0: none does. */
static const uint32_t patient_field[KINDS] = {
	[PULLCORD__V1__KIND__KIND_ALERT] = 8,
	[PULLCORD__V1__KIND__KIND_OBSERVATIONS] = 2,
};

static struct span patient_cut(struct span s)
{
	return span(s.p, s.n < WORD_BYTES_MAX ? s.n : WORD_BYTES_MAX);
}

static enum err open_body(struct envelope *e, const struct topic *topic, struct arena *arena)
{
	ProtobufCAllocator alloc = arena_allocator(arena);

	e->body.any = protobuf_c_message_unpack(scan_schema(e->head->kind), &alloc, e->head->body.len, e->head->body.data);
	return e->body.any ? check_body(e, topic) : ERR_FULL;
}

static enum err open_envelope(struct envelope_sender *sender, struct span raw, const struct topic *topic, int64_t now_us,
			      struct arena *arena, bool all, struct envelope *out)
{
	struct found f[SCAN_NUMBERS];
	Pullcord__V1__Envelope *head;
	struct envelope e = { 0 };

	if (raw.n > ENVELOPE_BYTES_MAX)
		return ERR_TOO_LARGE;
	TRY(read_head(sender, raw, f));
	TRY(check_head(f, sender, topic, now_us));
	e.head = head = arena_alloc(arena, sizeof(*head));
	if (!head)
		return ERR_FULL;
	write_head(f, sender, head);
	memcpy(e.id.b, f[HEAD_ID].bytes.p, ID_BYTES);
	if (f[HEAD_SEAL].bytes.n == 0) {
		TRY(scan_for(f[HEAD_BODY].bytes, scan_kind(head->kind), patient_field[head->kind], &e.patient));
		e.patient = patient_cut(e.patient);
		if (all || has_rules(head->kind))
			TRY(open_body(&e, topic, arena));
	}
	*out = e;
	return OK;
}

enum err envelope_open(struct span raw, const struct topic *topic, int64_t now_us, struct arena *arena,
		       struct envelope *out)
{
	struct envelope_sender *sender = arena_alloc(arena, sizeof(*sender));   /* its names are to last as long as the rest */

	if (!sender)
		return ERR_FULL;
	*sender = (struct envelope_sender){ .tag = { 0 } };
	return open_envelope(sender, raw, topic, now_us, arena, true, out);
}

enum err envelope_check(struct envelope_sender *sender, struct span raw, const struct topic *topic, int64_t now_us,
			struct arena *arena, struct envelope *out)
{
	return open_envelope(sender, raw, topic, now_us, arena, false, out);
}

enum err envelope_peek_id(struct span raw, struct id *out)
{
	static const uint8_t usual[] = { 1 << 3 | WIRE_VARINT, 1, 2 << 3 | WIRE_BYTES, ID_BYTES };      /* as all of ours begin */
	struct cur c = cur(raw);
	struct field f;

	if (raw.n >= sizeof(usual) + ID_BYTES && memcmp(raw.p, usual, sizeof(usual)) == 0) {
		memcpy(out->b, raw.p + sizeof(usual), ID_BYTES);
		return OK;
	}
	while (next_field(&c, &f))
		if (f.number == 2 && f.bytes.n == ID_BYTES) {
			memcpy(out->b, f.bytes.p, ID_BYTES);
			return OK;
		}
	return c.bad ? ERR_SHORT : ERR_NOT_FOUND;
}

uint64_t envelope_peek_order(struct span raw)
{
	struct cur c = cur(raw);
	struct field f;
	struct id id;

	while (next_field(&c, &f))
		if (f.number == 12 && f.value)
			return f.value;
	return envelope_peek_id(raw, &id) == OK ? id_order(&id) : 0;
}

struct span envelope_peek_patient(struct span raw)
{
	struct cur c = cur(raw);
	struct span body = { 0 };
	uint64_t kind = 0;
	struct field f;

	while (next_field(&c, &f)) {
		if (f.number == 8)
			kind = f.value;
		if (f.number == 9)
			body = f.bytes;
		if (f.number == 10 && f.bytes.n)
			return span(NULL, 0);
	}
	if (kind >= KINDS || patient_field[kind] == 0)
		return span(NULL, 0);
	c = cur(body);
	while (next_field(&c, &f))
		if (f.number == patient_field[kind])
			return patient_cut(f.bytes);
	return span(NULL, 0);
}

uint64_t envelope_order(const struct envelope *e) { return e->head->order ? e->head->order : id_order(&e->id); }

/* ---- writing ---- */

enum err envelope_write(const struct envelope_from *from, const ProtobufCMessage *body, struct put *out)
{
	Pullcord__V1__Envelope e = PULLCORD__V1__ENVELOPE__INIT;
	uint8_t packed[ENVELOPE_BODY_MAX];
	unsigned kind = 1;
	size_t n;

	while (kind < KINDS && scan_schema(kind) != body->descriptor)
		kind++;
	must(kind < KINDS);   /* not a message of its own */
	n = protobuf_c_message_get_packed_size(body);
	if (n > sizeof(packed))
		return ERR_TOO_LARGE;
	protobuf_c_message_pack(body, packed);
	e.version = 1;
	e.id = (ProtobufCBinaryData){ ID_BYTES, (uint8_t *)from->id.b };
	e.tenant = (char *)from->tenant;
	e.party = from->party;
	e.sender = (char *)from->sender;
	e.sent_us = (uint64_t)from->sent_us;
	e.expires_us = (uint64_t)from->expires_us;
	e.order = from->order;
	e.kind = (Pullcord__V1__Kind)kind;
	e.body = (ProtobufCBinaryData){ n, packed };
	n = pullcord__v1__envelope__get_packed_size(&e);
	if (out->bad || n > out->cap - out->n || n > ENVELOPE_BYTES_MAX)
		return ERR_TOO_LARGE;
	out->n += pullcord__v1__envelope__pack(&e, out->p + out->n);
	return OK;
}
