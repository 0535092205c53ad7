#include "readback.h"

#define REQUEST (&pullcord__v1__history_request__descriptor)
#define PAGE (&pullcord__v1__history_page__descriptor)
#define OPEN_REQUEST (&pullcord__v1__open_request__descriptor)
#define OPEN_ALERTS (&pullcord__v1__open_alerts__descriptor)

static ProtobufCBinaryData binary(struct span s) { return (ProtobufCBinaryData){ s.n, (uint8_t *)(uintptr_t)s.p }; }

static enum err pack(const ProtobufCMessage *m, struct put *out)
{
	size_t n = protobuf_c_message_get_packed_size(m);

	if (out->bad || n > out->cap - out->n)
		return ERR_TOO_LARGE;
	out->n += protobuf_c_message_pack(m, out->p + out->n);
	return OK;
}

static ProtobufCMessage *unpack(struct span raw, const ProtobufCMessageDescriptor *schema, struct arena *arena)
{
	ProtobufCAllocator alloc = arena_allocator(arena);

	return protobuf_c_message_unpack(schema, &alloc, raw.n, raw.p);
}

/* ---- requests ---- */

static enum err take_filter(const char *text, char out[TOPIC_BYTES_MAX + 1])
{
	struct topic t;

	TRY(filter_parse(span_str(text), &t));
	return span_text(span_str(text), out, TOPIC_BYTES_MAX + 1) ? OK : ERR_TOO_LARGE;
}

static enum err take_request(const Pullcord__V1__HistoryRequest *m, struct readback *r)
{
	if (m->n_filter > READBACK_FILTERS_MAX || m->limit > READBACK_ITEMS_MAX || (m->id.len && m->id.len != ID_BYTES))
		return ERR_RANGE;
	for (; r->filters < m->n_filter; r->filters++)
		TRY(take_filter(m->filter[r->filters], r->filter[r->filters]));
	r->has_id = m->id.len > 0;
	if (r->has_id)
		memcpy(r->id.b, m->id.data, ID_BYTES);
	if (!r->filters && !r->has_id)
		return ERR_KIND;
	r->from_us = m->from_us;
	r->until_us = m->until_us;
	r->after = m->after;
	r->oldest_first = m->oldest_first;
	r->limit = m->limit ? m->limit : READBACK_ITEMS_MAX;
	return OK;
}

enum err readback_read(struct span raw, struct readback *out)
{
	uint8_t memory[16 * READBACK_REQUEST_MAX];
	struct arena arena = { memory, sizeof(memory), 0 };
	struct readback r = { 0 };
	const ProtobufCMessage *m;

	if (raw.n > READBACK_REQUEST_MAX)
		return ERR_TOO_LARGE;
	TRY(envelope_scan(raw, REQUEST));
	m = unpack(raw, REQUEST, &arena);
	if (!m)
		return ERR_FULL;
	TRY(take_request((const Pullcord__V1__HistoryRequest *)m, &r));
	*out = r;
	return OK;
}

enum err readback_write(const struct readback *r, struct put *out)
{
	Pullcord__V1__HistoryRequest m = PULLCORD__V1__HISTORY_REQUEST__INIT;
	char *filter[READBACK_FILTERS_MAX];

	must(r->filters <= READBACK_FILTERS_MAX);
	for (unsigned i = 0; i < r->filters; i++)
		filter[i] = (char *)(uintptr_t)r->filter[i];
	m.n_filter = r->filters;
	m.filter = filter;
	if (r->has_id)
		m.id = binary(span(r->id.b, ID_BYTES));
	m.from_us = r->from_us;
	m.until_us = r->until_us;
	m.after = r->after;
	m.oldest_first = r->oldest_first;
	m.limit = r->limit;
	return pack(&m.base, out);
}

/* ---- pages ---- */

enum err readback_page_read(struct span raw, struct arena *arena, struct readback_page *out)
{
	const Pullcord__V1__HistoryPage *m;
	struct topic t;

	TRY(envelope_scan(raw, PAGE));
	m = (const Pullcord__V1__HistoryPage *)unpack(raw, PAGE, arena);
	if (!m)
		return ERR_FULL;
	if (m->n_item > READBACK_ITEMS_MAX)
		return ERR_RANGE;
	*out = (struct readback_page){ .next = m->next, .refused = m->refused };
	for (; out->n < m->n_item; out->n++) {
		const Pullcord__V1__HistoryItem *item = m->item[out->n];

		TRY(topic_parse(span_str(item->topic), &t));
		out->item[out->n] = (struct readback_item){ item->kept_us, t.text, span(item->payload.data, item->payload.len) };
	}
	return OK;
}

enum err readback_page_write(const struct readback_page *p, struct put *out)
{
	Pullcord__V1__HistoryPage m = PULLCORD__V1__HISTORY_PAGE__INIT;
	Pullcord__V1__HistoryItem item[READBACK_ITEMS_MAX], *at[READBACK_ITEMS_MAX];
	char topic[READBACK_ITEMS_MAX][TOPIC_BYTES_MAX + 1];

	must(p->n <= READBACK_ITEMS_MAX);
	for (unsigned i = 0; i < p->n; i++) {
		pullcord__v1__history_item__init(&item[i]);
		must(span_text(p->item[i].topic, topic[i], sizeof(topic[i])));
		item[i].kept_us = p->item[i].kept_us;
		item[i].topic = topic[i];
		item[i].payload = binary(p->item[i].payload);
		at[i] = &item[i];
	}
	m.n_item = p->n;
	m.item = at;
	m.next = p->next;
	m.refused = (char *)(uintptr_t)(p->refused ? p->refused : "");
	return pack(&m.base, out);
}

/* ---- what is open ---- */

enum err readback_missing_read(struct span raw, struct id *missing, size_t *n)
{
	uint8_t memory[2 * READBACK_REQUEST_MAX];
	struct arena arena = { memory, sizeof(memory), 0 };
	const Pullcord__V1__OpenRequest *m;

	if (raw.n > READBACK_REQUEST_MAX)
		return ERR_TOO_LARGE;
	TRY(envelope_scan(raw, OPEN_REQUEST));
	m = (const Pullcord__V1__OpenRequest *)unpack(raw, OPEN_REQUEST, &arena);
	if (!m)
		return ERR_FULL;
	if (m->missing.len % ID_BYTES || m->missing.len > READBACK_ITEMS_MAX * ID_BYTES)
		return ERR_RANGE;
	*n = m->missing.len / ID_BYTES;
	if (*n)
		memcpy(missing, m->missing.data, m->missing.len);
	return OK;
}

enum err readback_missing_write(const struct id *missing, size_t n, struct put *out)
{
	Pullcord__V1__OpenRequest m = PULLCORD__V1__OPEN_REQUEST__INIT;

	must(n <= READBACK_ITEMS_MAX);
	m.missing = binary(span(missing, n * ID_BYTES));
	return pack(&m.base, out);
}

enum err readback_open_read(struct span raw, struct arena *arena, struct readback_open *out)
{
	const Pullcord__V1__OpenAlerts *m;

	TRY(envelope_scan(raw, OPEN_ALERTS));
	m = (const Pullcord__V1__OpenAlerts *)unpack(raw, OPEN_ALERTS, arena);
	if (!m)
		return ERR_FULL;
	if (m->id.len % ID_BYTES)
		return ERR_RANGE;
	*out = (struct readback_open){ span(m->id.data, m->id.len), m->refused };
	return OK;
}

enum err readback_open_write(const struct readback_open *o, struct put *out)
{
	Pullcord__V1__OpenAlerts m = PULLCORD__V1__OPEN_ALERTS__INIT;

	m.id = binary(o->ids);
	m.refused = (char *)(uintptr_t)(o->refused ? o->refused : "");
	return pack(&m.base, out);
}
