#include "envelope.h"

#define SCHEMA(name) (&pullcord__v1__##name##__descriptor)

/* What the schema cannot say: lengths in bytes (strings and bytes), how often, and whether it must be there. A string
 * without a row is at most TEXT_MAX long. The rows of a schema stand together, in order of fields. */
#define TEXT_MAX 256
static const struct limit {
	const ProtobufCMessageDescriptor *schema;
	uint32_t field, least, most, times;
	bool required;
} limits[] = {
	{ SCHEMA(envelope), 2, ID_BYTES, ID_BYTES, 1, true },
	{ SCHEMA(envelope), 3, 1, WORD_BYTES_MAX, 1, true },
	{ SCHEMA(envelope), 5, 1, WORD_BYTES_MAX, 1, true },
	{ SCHEMA(envelope), 9, 1, ENVELOPE_BYTES_MAX, 1, true },
	{ SCHEMA(envelope), 10, 0, 512, 1, false },
	{ SCHEMA(envelope), 11, 0, 128, 1, false },
	{ SCHEMA(alert), 1, ID_BYTES, ID_BYTES, 1, true },
	{ SCHEMA(alert), 6, 0, 512, 1, false },
	{ SCHEMA(alert), 14, 0, 4096, 16, false },
	{ SCHEMA(alert_update), 1, ID_BYTES, ID_BYTES, 1, true },
	{ SCHEMA(alert_update), 2, ID_BYTES, ID_BYTES, 1, true },
	{ SCHEMA(alert_update), 6, 0, 200, 1, false },
	{ SCHEMA(observations), 6, 0, 4096, 256, false },
	{ SCHEMA(device_state), 13, 0, 64, 6, false },
	{ SCHEMA(device_state), 20, 0, 16, 1, false },
	{ SCHEMA(device_state), 22, 0, 8192, 1, false },
	{ SCHEMA(device_state), 23, 0, 8192, 1, false },
	{ SCHEMA(device_command), 3, 0, 16, 1, false },
	{ SCHEMA(device_command), 4, 0, 2048, 1, false },
	{ SCHEMA(device_command), 6, 0, 512, 8, false },
	{ SCHEMA(approval), 1, 1, 128, 1, true },
	{ SCHEMA(approval), 2, 64, 64, 1, true },
	{ SCHEMA(command_receipt), 3, 0, 32, 1, false },
	{ SCHEMA(command_receipt), 5, 0, 32, 1, false },
	{ SCHEMA(command_receipt), 6, 0, 1024, 1, false },
	{ SCHEMA(command_receipt), 8, 0, 4096, 1, false },
	{ SCHEMA(command_receipt), 9, 0, 1024, 1, false },
	{ SCHEMA(stored_receipt), 1, ID_BYTES, ID_BYTES, 64, true },
	{ SCHEMA(chat_message), 1, 0, 8192, 1, false },
	{ SCHEMA(chat_message), 2, ID_BYTES, ID_BYTES, 1, false },
	{ SCHEMA(chat_message), 4, 1, WORD_BYTES_MAX, 32, false },
	{ SCHEMA(receipt), 1, ID_BYTES, ID_BYTES, 1, false },
	{ SCHEMA(broadcast), 3, 0, 1024, 1, false },
	{ SCHEMA(history_request), 1, 1, TOPIC_BYTES_MAX, 8, false },
	{ SCHEMA(history_request), 2, 0, ID_BYTES, 1, false },
	{ SCHEMA(history_item), 3, 0, ENVELOPE_BYTES_MAX, 1, false },
	{ SCHEMA(history_page), 1, 0, ENVELOPE_BYTES_MAX, 64, false },
};

static const ProtobufCMessageDescriptor *const bodies[] = {
	[PULLCORD__V1__KIND__KIND_ALERT] = SCHEMA(alert),
	[PULLCORD__V1__KIND__KIND_ALERT_UPDATE] = SCHEMA(alert_update),
	[PULLCORD__V1__KIND__KIND_OBSERVATIONS] = SCHEMA(observations),
	[PULLCORD__V1__KIND__KIND_DEVICE_STATE] = SCHEMA(device_state),
	[PULLCORD__V1__KIND__KIND_DEVICE_COMMAND] = SCHEMA(device_command),
	[PULLCORD__V1__KIND__KIND_STORED_RECEIPT] = SCHEMA(stored_receipt),
	[PULLCORD__V1__KIND__KIND_CHAT_MESSAGE] = SCHEMA(chat_message),
	[PULLCORD__V1__KIND__KIND_RECEIPT] = SCHEMA(receipt),
	[PULLCORD__V1__KIND__KIND_BROADCAST] = SCHEMA(broadcast),
};

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

/* The rows of one schema. */
struct limits {
	const struct limit *row;
	size_t n;
};

static struct limits limits_of(const ProtobufCMessageDescriptor *schema)
{
	struct limits of = { limits, 0 };

	while (of.row < limits + countof(limits) && of.row->schema != schema)
		of.row++;
	while (of.row + of.n < limits + countof(limits) && of.row[of.n].schema == schema)
		of.n++;
	return of;
}


/* ---- the scan ---- */

#define FIELD_NUMBERS 32   /* our schemas stay below */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Base-128, at most 10 bytes, no needless ones (https://protobuf.dev/programming-guides/encoding). */
static __attribute__((noinline)) uint64_t take_long_varint(struct cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = cur_u8(c);

		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			if (b == 0 && shift > 0)
				break;
			return v;
		}
	}
	c->bad = true;
	return 0;
}

/* Most are of one byte. */
static inline uint64_t take_varint(struct cur *c)
{
	if (c->left.n && *c->left.p < 0x80 && !c->bad)
		return *cur_take(c, 1).p;
	return take_long_varint(c);
}

static enum wire wire_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
	default: return WIRE_VARINT;
	}
}

static enum err scan(struct span raw, const ProtobufCMessageDescriptor *schema, unsigned depth, unsigned *fields);

/* Strings, bytes and sub-messages of a known field. */
static enum err scan_bytes(struct span s, const struct limit *l, const ProtobufCFieldDescriptor *f, unsigned depth,
			   unsigned *fields)
{
	if (l && (s.n < l->least || s.n > l->most))
		return ERR_RANGE;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return scan(s, f->descriptor, depth + 1, fields);
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return OK;
	if (!l && s.n > TEXT_MAX)
		return ERR_RANGE;
	return span_utf8(s) ? OK : ERR_UTF8;
}

static enum err scan_value(struct cur *c, enum wire wire, const struct limit *l, const ProtobufCFieldDescriptor *f,
			   unsigned depth, unsigned *fields)
{
	struct span s;
	uint64_t v;

	if (f && wire != wire_of(f->type))
		return ERR_SYNTAX;
	switch (wire) {
	case WIRE_VARINT:
		v = take_varint(c);
		if (c->bad || !f)
			break;
		if (f->type == PROTOBUF_C_TYPE_ENUM &&
		    (v > INT32_MAX || !protobuf_c_enum_descriptor_get_value(f->descriptor, (int)v)))
			return ERR_RANGE;
		if ((f->type == PROTOBUF_C_TYPE_UINT32 && v > UINT32_MAX) || (f->type == PROTOBUF_C_TYPE_BOOL && v > 1))
			return ERR_RANGE;
		break;
	case WIRE_64:
		(void)cur_take(c, 8);
		break;
	case WIRE_32:
		(void)cur_take(c, 4);
		break;
	case WIRE_BYTES:
		v = take_varint(c);
		s = cur_take(c, v > SIZE_MAX ? SIZE_MAX : (size_t)v);
		if (!c->bad && f)
			return scan_bytes(s, l, f, depth, fields);
		break;
	default:   /* groups are long gone from the format */
		return ERR_SYNTAX;
	}
	return c->bad ? ERR_SHORT : OK;
}

/* Where we are among a schema's fields and limits, both in order of numbers, as writers write: most are found at once. */
struct place {
	const ProtobufCMessageDescriptor *schema;
	struct limits of;
	uint32_t number;
	size_t field, row;
};

static void place_move(struct place *p, uint32_t number)
{
	if (number < p->number)
		p->field = p->row = 0;
	p->number = number;
	while (p->field < p->schema->n_fields && p->schema->fields[p->field].id < number)
		p->field++;
	while (p->row < p->of.n && p->of.row[p->row].field < number)
		p->row++;
}

/* NULL: unknown. */
static const ProtobufCFieldDescriptor *place_field(const struct place *p)
{
	const ProtobufCFieldDescriptor *f = &p->schema->fields[p->field];

	return p->field < p->schema->n_fields && f->id == p->number ? f : NULL;
}

static const struct limit *place_limit(const struct place *p)
{
	const struct limit *l = &p->of.row[p->row];

	return p->row < p->of.n && l->field == p->number ? l : NULL;
}

static enum err scan(struct span raw, const ProtobufCMessageDescriptor *schema, unsigned depth, unsigned *fields)
{
	struct place place = { .schema = schema, .of = limits_of(schema) };
	uint32_t times[FIELD_NUMBERS] = { 0 };
	struct cur c = cur(raw);

	if (depth > ENVELOPE_DEPTH_MAX)
		return ERR_TOO_DEEP;
	while (c.left.n) {
		uint64_t tag = take_varint(&c);
		uint32_t number = (uint32_t)(tag >> 3);
		const ProtobufCFieldDescriptor *f;
		const struct limit *l = NULL;

		if (c.bad || tag > UINT32_MAX || number == 0)
			return ERR_SYNTAX;
		if (++*fields > ENVELOPE_FIELDS_MAX)
			return ERR_TOO_LARGE;
		place_move(&place, number);
		f = place_field(&place);
		if (f) {
			l = place_limit(&place);
			must(number < FIELD_NUMBERS);
			if (++times[number] > (f->label != PROTOBUF_C_LABEL_REPEATED ? 1 : l ? l->times : 1))
				return f->label == PROTOBUF_C_LABEL_REPEATED ? ERR_TOO_LARGE : ERR_SYNTAX;
		}
		TRY(scan_value(&c, (enum wire)(tag & 7), l, f, depth, fields));
	}
	for (size_t i = 0; i < place.of.n; i++)
		if (place.of.row[i].required && !times[place.of.row[i].field])
			return ERR_SHORT;
	return OK;
}

enum err envelope_scan(struct span raw, const ProtobufCMessageDescriptor *schema)
{
	unsigned fields = 0;

	if (raw.n > ENVELOPE_BYTES_MAX)
		return ERR_TOO_LARGE;
	return scan(raw, schema, 1, &fields);
}

/* ---- reading ---- */

static uint64_t take_fixed64(struct cur *c)
{
	struct span s = cur_take(c, 8);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v |= (uint64_t)s.p[i] << 8 * i;
	return v;
}

/* One field: its number and, by its wire type, its number or its bytes. False at the end, and at what is none. */
struct field {
	uint64_t number, value;
	struct span bytes;
};

static bool next_field(struct cur *c, struct field *out)
{
	uint64_t tag;

	if (c->left.n == 0)
		return false;
	tag = take_varint(c);
	*out = (struct field){ .number = tag >> 3 };
	switch (tag & 7) {
	case WIRE_VARINT: out->value = take_varint(c); break;
	case WIRE_64: out->value = take_fixed64(c); break;
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

/* The tag its ids have. No sender is without a party, so nothing remembered is nobody. */
static const uint8_t *tag_of(struct envelope_sender *s, const Pullcord__V1__Envelope *e)
{
	if (s->party != e->party || strcmp(s->id, e->sender) != 0 || strcmp(s->tenant, e->tenant) != 0) {
		id_tag(span_str(e->tenant), (int)e->party, span_str(e->sender), s->tag);
		s->party = e->party;
		strcpy(s->id, e->sender);
		strcpy(s->tenant, e->tenant);
	}
	return s->tag;
}

static enum err check_head(const Pullcord__V1__Envelope *e, struct envelope_sender *sender, const struct topic *topic,
			   int64_t now_us)
{
	struct id id;

	if (e->version != 1)
		return ERR_VERSION;
	if (!word_ok(span_str(e->tenant)) || !word_ok(span_str(e->sender)) || !e->party)
		return ERR_SENDER;
	memcpy(id.b, e->id.data, ID_BYTES);
	if (!id_of(&id, tag_of(sender, e)))
		return ERR_SENDER;
	if (now_us > 0 && e->sent_us > (uint64_t)(now_us + ENVELOPE_SKEW_US))
		return ERR_TIME;
	if (e->expires_us && e->expires_us <= e->sent_us)
		return ERR_TIME;
	if (!e->kind || (topic && !(topic_bodies(topic->kind) & 1u << e->kind)))
		return ERR_KIND;
	if (topic && !is_guest_kind(topic->kind) && !span_eq(topic->level[0], span_str(e->tenant)))
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

static char *arena_text(struct arena *a, struct span s)
{
	char *text = arena_alloc(a, s.n + 1);

	if (text) {
		memcpy(text, s.p, s.n);
		text[s.n] = '\0';
	}
	return text;
}

static ProtobufCBinaryData borrowed(struct span s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p };
}

/* What the scan let through; as protobuf-c would, but for unknown fields, which nobody asks for. */
static Pullcord__V1__Envelope *read_head(struct span raw, struct arena *arena)
{
	Pullcord__V1__Envelope *e = arena_alloc(arena, sizeof(*e));
	struct cur c = cur(raw);
	struct field f;

	if (!e)
		return NULL;
	pullcord__v1__envelope__init(e);
	while (next_field(&c, &f))
		switch (f.number) {
		case 1: e->version = (uint32_t)f.value; break;
		case 2: e->id = borrowed(f.bytes); break;
		case 3: e->tenant = arena_text(arena, f.bytes); break;
		case 4: e->party = (Pullcord__V1__Party)f.value; break;
		case 5: e->sender = arena_text(arena, f.bytes); break;
		case 6: e->sent_us = f.value; break;
		case 7: e->expires_us = f.value; break;
		case 8: e->kind = (Pullcord__V1__Kind)f.value; break;
		case 9: e->body = borrowed(f.bytes); break;
		case 10: e->seal = borrowed(f.bytes); break;
		case 11: e->signature = borrowed(f.bytes); break;
		}
	return e->tenant && e->sender ? e : NULL;
}

/* Which bodies have rules of their own. */
static bool has_rules(Pullcord__V1__Kind kind)
{
	return kind == PULLCORD__V1__KIND__KIND_ALERT || kind == PULLCORD__V1__KIND__KIND_ALERT_UPDATE;
}

static enum err open_envelope(struct envelope_sender *sender, struct span raw, const struct topic *topic, int64_t now_us,
			      struct arena *arena, bool all, struct envelope *out)
{
	ProtobufCAllocator alloc = arena_allocator(arena);
	const ProtobufCMessageDescriptor *schema;
	struct envelope e = { 0 };
	struct span body;

	TRY(envelope_scan(raw, SCHEMA(envelope)));
	e.head = read_head(raw, arena);
	if (!e.head)
		return ERR_FULL;
	TRY(check_head(e.head, sender, topic, now_us));
	memcpy(e.id.b, e.head->id.data, ID_BYTES);
	body = span(e.head->body.data, e.head->body.len);
	if (e.head->seal.len == 0) {
		schema = (size_t)e.head->kind < countof(bodies) ? bodies[e.head->kind] : NULL;
		if (!schema)
			return ERR_KIND;
		TRY(envelope_scan(body, schema));
		if (all || has_rules(e.head->kind)) {
			e.body.any = protobuf_c_message_unpack(schema, &alloc, body.n, body.p);
			if (!e.body.any)
				return ERR_FULL;
			TRY(check_body(&e, topic));
		}
	}
	*out = e;
	return OK;
}

enum err envelope_open(struct span raw, const struct topic *topic, int64_t now_us, struct arena *arena,
		       struct envelope *out)
{
	return open_envelope(&(struct envelope_sender){ .tag = { 0 } }, raw, topic, now_us, arena, true, out);
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

/* Which field of the body names a patient; 0: none does. */
static const uint64_t patient_field[] = {
	[PULLCORD__V1__KIND__KIND_ALERT] = 8,
	[PULLCORD__V1__KIND__KIND_OBSERVATIONS] = 2,
};

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
	if (kind >= countof(patient_field) || patient_field[kind] == 0)
		return span(NULL, 0);
	c = cur(body);
	while (next_field(&c, &f))
		if (f.number == patient_field[kind])
			return span(f.bytes.p, f.bytes.n < WORD_BYTES_MAX ? f.bytes.n : WORD_BYTES_MAX);
	return span(NULL, 0);
}

/* ---- writing ---- */

enum err envelope_write(const struct envelope_from *from, const ProtobufCMessage *body, struct put *out)
{
	Pullcord__V1__Envelope e = PULLCORD__V1__ENVELOPE__INIT;
	uint8_t packed[ENVELOPE_BODY_MAX];
	unsigned kind = 0;
	size_t n;

	while (kind < countof(bodies) && bodies[kind] != body->descriptor)
		kind++;
	must(kind < countof(bodies));   /* not a message of its own */
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
	e.kind = (Pullcord__V1__Kind)kind;
	e.body = (ProtobufCBinaryData){ n, packed };
	n = pullcord__v1__envelope__get_packed_size(&e);
	if (out->bad || n > out->cap - out->n || n > ENVELOPE_BYTES_MAX)
		return ERR_TOO_LARGE;
	out->n += pullcord__v1__envelope__pack(&e, out->p + out->n);
	return OK;
}
