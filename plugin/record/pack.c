#include "pack.h"

#include <string.h>

/* Wire types (protobuf.dev, "Encoding"). What is 0 or empty is left out. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2 };

static uint8_t *varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *tag(uint8_t *p, uint32_t field, unsigned wire)
{
	return varint(p, field << 3 | wire);
}

static uint8_t *number(uint8_t *p, uint32_t field, uint64_t v)
{
	return v ? varint(tag(p, field, VARINT), v) : p;
}

static uint8_t *fixed(uint8_t *p, uint32_t field, uint64_t v)
{
	if (!v)
		return p;
	p = tag(p, field, FIXED64);
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> 8 * i);
	return p + 8;
}

static uint8_t *bytes(uint8_t *p, uint32_t field, const void *from, size_t n)
{
	if (!n)
		return p;
	p = varint(tag(p, field, BYTES), n);
	memcpy(p, from, n);
	return p + n;
}

static uint8_t *data(uint8_t *p, uint32_t field, ProtobufCBinaryData d)
{
	return bytes(p, field, d.data, d.len);
}

static uint8_t *text(uint8_t *p, uint32_t field, const char *s)
{
	return s ? bytes(p, field, s, strlen(s)) : p;
}

/* Of what has a length before it and was written one byte behind `p`: the length, and what it needs of more than that byte. */
static uint8_t *length(uint8_t *p, size_t n)
{
	size_t more = 0;

	for (size_t left = n; left >= 0x80; left >>= 7)
		more++;
	if (more)
		memmove(p + 1 + more, p + 1, n);
	return varint(p, n) + n;
}

static size_t recipient(const Pullcord__V1__Recipient *r, uint8_t *out)
{
	uint8_t *p = text(out, 1, r->client);

	p = text(p, 2, r->actor);
	p = number(p, 3, r->qos);
	p = number(p, 4, r->line);
	p = fixed(p, 5, r->emergency_us);
	p = number(p, 6, (uint64_t)(int64_t)r->how);
	return (size_t)(p - out);
}

static size_t shadow(const Pullcord__V1__Shadow *s, uint8_t *out)
{
	uint8_t *p = data(out, 1, s->policy);

	p = number(p, 2, s->access);
	p = number(p, 3, s->allow);
	p = number(p, 4, s->why);
	p = number(p, 5, s->line);
	p = fixed(p, 6, s->since_us);
	return (size_t)(p - out);
}

static size_t numbers(const uint64_t *v, size_t n, uint8_t *out)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++)
		p = varint(p, v[i]);
	return (size_t)(p - out);
}

size_t pack_event(const Pullcord__V1__AuditEvent *e, uint8_t *out)
{
	uint8_t *p = number(out, 1, e->version);

	p = number(p, 2, (uint64_t)(int64_t)e->type);
	p = number(p, 3, (uint64_t)(int64_t)e->outcome);
	p = fixed(p, 4, e->at_us);
	p = fixed(p, 5, e->mono_us);
	p = number(p, 6, e->party);
	p = text(p, 7, e->actor);
	p = text(p, 8, e->client);
	p = text(p, 9, e->address);
	p = text(p, 10, e->topic);
	p = data(p, 11, e->message);
	p = data(p, 12, e->policy);
	p = number(p, 13, e->why);
	p = number(p, 14, e->line);
	p = number(p, 15, e->qos);
	p = number(p, 16, e->retain);
	p = number(p, 17, e->life_critical);
	p = text(p, 18, e->detail);
	p = number(p, 19, e->count);
	for (size_t i = 0; i < e->n_recipient; i++) {
		p = tag(p, 20, BYTES);
		p = length(p, recipient(e->recipient[i], p + 1));
	}
	p = fixed(p, 21, e->until_us);
	p = data(p, 30, e->patient);
	if (e->shadow) {
		p = tag(p, 31, BYTES);
		p = length(p, shadow(e->shadow, p + 1));
	}
	p = data(p, 40, e->last);
	p = data(p, 41, e->digest);
	if (e->n_lost) {
		p = tag(p, 50, BYTES);
		p = length(p, numbers(e->lost, e->n_lost, p + 1));
	}
	p = number(p, 51, e->aside);
	p = text(p, 60, e->change);
	p = text(p, 61, e->by);
	p = text(p, 62, e->claimed);
	p = data(p, 63, e->certificate);
	p = number(p, 64, (uint64_t)(int64_t)e->basis);
	p = fixed(p, 65, e->emergency_us);
	return (size_t)(p - out);
}
