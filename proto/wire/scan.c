#include "scan.h"

#include <endian.h>

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
	{ SCHEMA(approval), 3, 4, 4, 1, false },
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
	{ SCHEMA(open_request), 1, 0, 64 * ID_BYTES, 1, false },
	{ SCHEMA(open_alerts), 1, 0, ENVELOPE_BYTES_MAX, 1, false },
};

/* What may come: by Kind, the envelope itself in the place of none; then what is no envelope. */
static const ProtobufCMessageDescriptor *const schemas[] = {
	[PULLCORD__V1__KIND__KIND_NONE] = SCHEMA(envelope),
	[PULLCORD__V1__KIND__KIND_ALERT] = SCHEMA(alert),
	[PULLCORD__V1__KIND__KIND_ALERT_UPDATE] = SCHEMA(alert_update),
	[PULLCORD__V1__KIND__KIND_OBSERVATIONS] = SCHEMA(observations),
	[PULLCORD__V1__KIND__KIND_DEVICE_STATE] = SCHEMA(device_state),
	[PULLCORD__V1__KIND__KIND_DEVICE_COMMAND] = SCHEMA(device_command),
	[PULLCORD__V1__KIND__KIND_STORED_RECEIPT] = SCHEMA(stored_receipt),
	[PULLCORD__V1__KIND__KIND_CHAT_MESSAGE] = SCHEMA(chat_message),
	[PULLCORD__V1__KIND__KIND_RECEIPT] = SCHEMA(receipt),
	[PULLCORD__V1__KIND__KIND_BROADCAST] = SCHEMA(broadcast),
	SCHEMA(history_request),
	SCHEMA(history_page),
	SCHEMA(open_request),
	SCHEMA(open_alerts),
};

/* ---- what each schema asks for ----------------------------------------------------------------------------------- */

enum content { CONTENT_BYTES, CONTENT_TEXT, CONTENT_MESSAGE };

struct rule {
	uint64_t most;              /* bytes; of a number, the greatest it may be */
	const struct shape *shape;  /* of a message in it */
	uint32_t least;             /* bytes */
	uint16_t times;             /* 0: no such field is known */
	uint8_t wire, content;      /* enum wire; of bytes, enum content */
};

struct shape {
	const ProtobufCMessageDescriptor *schema;
	struct rule *rule;          /* by number */
	uint32_t rules;
	uint32_t once, required;    /* bits of numbers: of fields that are not repeated; that must be there */
};

/* Of a field nobody knows: whatever it holds is passed by. */
static const struct rule nothing_known = { .most = UINT64_MAX };

#define SHAPES_MAX 24
#define RULES_MAX 320

static struct shape shapes[SHAPES_MAX];     /* in order of `schemas`, then what they hold */
static struct rule rules[RULES_MAX];
static size_t shape_count, rule_count;

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

/* Ours count from 0 without a gap. */
static uint64_t enum_most(const ProtobufCEnumDescriptor *e)
{
	must(e->n_values && e->values[0].value == 0 && e->values[e->n_values - 1].value == (int)e->n_values - 1);
	return e->n_values - 1;
}

static uint64_t most_of(const ProtobufCFieldDescriptor *f, const struct limit *l)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_ENUM: return enum_most(f->descriptor);
	case PROTOBUF_C_TYPE_UINT32: return UINT32_MAX;
	case PROTOBUF_C_TYPE_BOOL: return 1;
	case PROTOBUF_C_TYPE_STRING: return l ? l->most : TEXT_MAX;
	default: return l ? l->most : UINT64_MAX;
	}
}

/* NULL: it has none. */
static const struct limit *limit_of(const ProtobufCMessageDescriptor *schema, uint32_t field)
{
	for (size_t i = 0; i < countof(limits); i++)
		if (limits[i].schema == schema && limits[i].field == field)
			return &limits[i];
	return NULL;
}

static const struct shape *shape_of(const ProtobufCMessageDescriptor *schema)
{
	size_t i = 0;

	while (i < shape_count && shapes[i].schema != schema)
		i++;
	return i < shape_count ? &shapes[i] : NULL;
}

/* To be filled in by make_shapes(). */
static const struct shape *shape_to_be(const ProtobufCMessageDescriptor *schema)
{
	const struct shape *s = shape_of(schema);

	if (s)
		return s;
	must(shape_count < SHAPES_MAX);
	shapes[shape_count].schema = schema;
	return &shapes[shape_count++];
}

static void add_rule(struct shape *s, const ProtobufCFieldDescriptor *f)
{
	const struct limit *l = limit_of(s->schema, f->id);
	bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
	struct rule *r = &s->rule[f->id];

	*r = (struct rule){ .most = most_of(f, l), .least = l ? l->least : 0, .times = (uint16_t)(l ? l->times : 1),
			    .wire = (uint8_t)wire_of(f->type) };
	must(repeated || r->times == 1);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		r->content = CONTENT_TEXT;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		r->content = CONTENT_MESSAGE;
		r->shape = shape_to_be(f->descriptor);
	}
	s->once |= repeated ? 0 : 1u << f->id;
	s->required |= l && l->required ? 1u << f->id : 0;
}

/* Before anybody can ask; afterwards nothing of it changes. */
__attribute__((constructor)) static void make_shapes(void)
{
	must(enum_most(&pullcord__v1__kind__descriptor) + 1 == KINDS);
	for (size_t i = 0; i < countof(schemas); i++)
		must(schemas[i] && shape_to_be(schemas[i]) == &shapes[i]);
	for (size_t i = 0; i < shape_count; i++) {
		const ProtobufCMessageDescriptor *schema = shapes[i].schema;

		shapes[i].rules = schema->n_fields ? schema->fields[schema->n_fields - 1].id + 1 : 0;
		shapes[i].rule = &rules[rule_count];
		rule_count += shapes[i].rules;
		must(shapes[i].rules <= SCAN_NUMBERS && rule_count <= RULES_MAX);
		for (unsigned k = 0; k < schema->n_fields; k++)
			add_rule(&shapes[i], &schema->fields[k]);
	}
}

const struct shape *scan_shape(const ProtobufCMessageDescriptor *schema) { return shape_of(schema); }

const ProtobufCMessageDescriptor *scan_schema(Pullcord__V1__Kind kind)
{
	return (unsigned)kind < KINDS ? schemas[kind] : NULL;
}

const struct shape *scan_kind(Pullcord__V1__Kind kind)
{
	return (unsigned)kind < KINDS ? &shapes[kind] : NULL;
}

/* ---- scanning ---------------------------------------------------------------------------------------------------- */

struct varint scan_long_varint(const uint8_t *p, const uint8_t *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		uint8_t b = *p++;

		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return (struct varint){ b || shift == 0 ? p : NULL, v };
	}
	return (struct varint){ NULL, 0 };
}

/* Of the whole: how deep we are, and how many fields there were. */
struct depth {
	unsigned depth, *fields;
};

static enum err scan_message(const uint8_t *p, const uint8_t *end, const struct shape *shape, struct depth at, uint32_t only,
			     struct span *found);

static inline enum err scan_content(const uint8_t *p, size_t n, const struct rule *r, struct depth at)
{
	if (n < r->least || n > r->most)
		return ERR_RANGE;
	if (r->content == CONTENT_TEXT)
		return span_utf8(span(p, n)) ? OK : ERR_UTF8;
	return r->content == CONTENT_MESSAGE ? scan_message(p, p + n, r->shape, (struct depth){ at.depth + 1, at.fields }, 0, NULL)
					      : OK;
}

/* Puts there one field, `only`, or `all` by number; 0 and NULL: none. In place in both its callers, as it is most of the work. */
static inline __attribute__((always_inline)) enum err scan_fields(const uint8_t *p, const uint8_t *end, const struct shape *shape,
								   struct depth at, uint32_t only, struct span *one, struct found *all)
{
	uint16_t again[SCAN_NUMBERS] = { 0 };
	uint32_t seen = 0;

	if (at.depth > ENVELOPE_DEPTH_MAX)
		return ERR_TOO_DEEP;
	while (p < end) {
		const struct rule *r = &nothing_known;
		struct varint v = scan_varint(p, end);
		uint64_t number = v.value >> 3;
		enum wire wire = (enum wire)(v.value & 7);
		struct found value = { .number = 0 };

		if (!v.next || v.value > UINT32_MAX || number == 0)
			return ERR_SYNTAX;
		if (++*at.fields > ENVELOPE_FIELDS_MAX)
			return ERR_TOO_LARGE;
		if (number < shape->rules && shape->rule[number].times) {
			r = &shape->rule[number];
			if (seen >> number & 1) {
				if (shape->once >> number & 1)
					return ERR_SYNTAX;
				if (++again[number] >= r->times)
					return ERR_TOO_LARGE;
			}
			seen |= 1u << number;
			if (wire != (enum wire)r->wire)
				return ERR_SYNTAX;
		}
		p = v.next;
		switch (wire) {
		case WIRE_VARINT:
			v = scan_varint(p, end);
			if (!v.next)
				return ERR_SHORT;
			if (v.value > r->most)
				return ERR_RANGE;
			value.number = v.value;
			p = v.next;
			break;
		case WIRE_64:
			if (end - p < 8)
				return ERR_SHORT;
			memcpy(&v.value, p, 8);
			value.number = le64toh(v.value);
			p += 8;
			break;
		case WIRE_32:
			if (end - p < 4)
				return ERR_SHORT;
			p += 4;
			break;
		case WIRE_BYTES:
			v = scan_varint(p, end);
			if (!v.next || v.value > (uint64_t)(end - v.next))
				return ERR_SHORT;
			value.bytes = span(v.next, (size_t)v.value);
			p = v.next + v.value;
			TRY(scan_content(value.bytes.p, value.bytes.n, r, at));
			break;
		default:   /* groups are long gone from the format */
			return ERR_SYNTAX;
		}
		if (all && r->times)
			all[number] = value;
		if (!all && number == only)
			*one = value.bytes;
	}
	return (seen & shape->required) == shape->required ? OK : ERR_SHORT;
}

static __attribute__((noinline)) enum err scan_message(const uint8_t *p, const uint8_t *end, const struct shape *shape,
							struct depth at, uint32_t only, struct span *found)
{
	return scan_fields(p, end, shape, at, only, found, NULL);
}

/* Nothing may be added to NULL, not even nothing. */
static const uint8_t *end_of(struct span raw) { return raw.n ? raw.p + raw.n : raw.p; }

enum err scan(struct span raw, const struct shape *shape)
{
	unsigned fields = 0;

	return scan_message(raw.p, end_of(raw), shape, (struct depth){ 1, &fields }, 0, NULL);
}

enum err scan_for(struct span raw, const struct shape *shape, uint32_t number, struct span *found)
{
	unsigned fields = 0;

	*found = span(NULL, 0);
	return scan_message(raw.p, end_of(raw), shape, (struct depth){ 1, &fields }, number, found);
}

enum err scan_into(struct span raw, const struct shape *shape, struct found found[SCAN_NUMBERS])
{
	unsigned fields = 0;

	for (uint32_t i = 0; i < shape->rules; i++)
		found[i] = (struct found){ .number = 0 };
	return scan_fields(raw.p, end_of(raw), shape, (struct depth){ 1, &fields }, 0, NULL, found);
}
