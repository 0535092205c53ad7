/* scan: raw bytes against a schema of ours, before protobuf-c sees them, which checks none of this: depth, number of fields,
 * wire types, minimal varints, no singular field twice, valid UTF-8, no unknown enum, and what the schema cannot say, such as
 * lengths. What each schema asks for is worked out once, when the program starts; a scan looks nothing up. Pure. */
#ifndef PULLCORD_SCAN_H
#define PULLCORD_SCAN_H

#include "err.h"
#include "span.h"
#include "pullcord.pb-c.h"

#define SCAN_NUMBERS 32     /* numbers of fields of our schemas are below */
#define KINDS (PULLCORD__V1__KIND__KIND_BROADCAST + 1)

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct shape;

/* NULL: none of the schemas that may come. */
const struct shape *scan_shape(const ProtobufCMessageDescriptor *schema);
/* What the body of a kind is; of none, the envelope itself. NULL: no such kind. */
const ProtobufCMessageDescriptor *scan_schema(Pullcord__V1__Kind kind);
/* That of the body of a kind; of the envelope itself, for none. NULL: no such kind. */
const struct shape *scan_kind(Pullcord__V1__Kind kind);

/* ERR_SYNTAX, ERR_SHORT, ERR_RANGE, ERR_UTF8, ERR_TOO_DEEP; ERR_TOO_LARGE: too many fields. */
enum err scan(struct span raw, const struct shape *shape) MUST_USE;

/* The same, and one field of what was found: `number`, from 1; empty when there is none. */
enum err scan_for(struct span raw, const struct shape *shape, uint32_t number, struct span *found) MUST_USE;

/* A field: one of the two, zeros where there was nothing. Numbers have 64 bits also where sizes have not. */
struct found {
	struct span bytes;
	uint64_t number;
};
/* The same, and all that was found, by numbers of fields; past the schema's last undefined. Of a field that may come often, the
 * last. Borrows from `raw`. */
enum err scan_into(struct span raw, const struct shape *shape, struct found found[SCAN_NUMBERS]) MUST_USE;

struct varint {
	const uint8_t *next;        /* what follows; NULL: it is none */
	uint64_t value;
};

struct varint scan_long_varint(const uint8_t *p, const uint8_t *end);

/* A base-128 number at p, before `end`: at most 10 bytes, no needless ones
 * (https://protobuf.dev/programming-guides/encoding). Most are of one byte. */
static inline struct varint scan_varint(const uint8_t *p, const uint8_t *end)
{
	return p < end && *p < 0x80 ? (struct varint){ p + 1, *p } : scan_long_varint(p, end);
}

#endif
