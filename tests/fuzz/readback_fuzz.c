/* Requests to read back, and the broker's pages: what is taken keeps the limits and comes back as it was written. */
#include "readback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void a_request(struct span raw)
{
	uint8_t bytes[READBACK_REQUEST_MAX];
	struct put b = put(bytes, sizeof(bytes));
	struct readback r, again;
	struct topic t;

	if (readback_read(raw, &r) != OK)
		return;
	must(r.filters <= READBACK_FILTERS_MAX && r.limit >= 1 && r.limit <= READBACK_ITEMS_MAX && (r.filters || r.has_id));
	for (unsigned i = 0; i < r.filters; i++)
		must(filter_parse(span_str(r.filter[i]), &t) == OK);
	must(readback_write(&r, &b) == OK && readback_read(put_span(&b), &again) == OK);
	must(memcmp(&r, &again, sizeof(r)) == 0);
}

static void a_page(struct span raw)
{
	static uint8_t memory[ENVELOPE_ARENA], bytes[ENVELOPE_BYTES_MAX + READBACK_PAGE_MAX];
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put b = put(bytes, sizeof(bytes));
	struct readback_page page;
	struct topic t;

	if (readback_page_read(raw, &arena, &page) != OK)
		return;
	must(page.n <= READBACK_ITEMS_MAX);
	for (unsigned i = 0; i < page.n; i++)
		must(topic_parse(page.item[i].topic, &t) == OK);
	must(readback_page_write(&page, &b) == OK);
}

static void what_is_open(struct span raw)
{
	static uint8_t memory[ENVELOPE_ARENA], bytes[ENVELOPE_BYTES_MAX + READBACK_PAGE_MAX];
	struct id missing[READBACK_ITEMS_MAX], again[READBACK_ITEMS_MAX];
	struct arena arena = { memory, sizeof(memory), 0 };
	struct put b = put(bytes, sizeof(bytes)), o = b;
	struct readback_open open;
	size_t n, m;

	if (readback_missing_read(raw, missing, &n) == OK) {
		must(n <= READBACK_ITEMS_MAX && readback_missing_write(missing, n, &b) == OK);
		must(readback_missing_read(put_span(&b), again, &m) == OK && m == n && memcmp(missing, again, n * ID_BYTES) == 0);
	}
	if (readback_open_read(raw, &arena, &open) == OK)
		must(open.ids.n % ID_BYTES == 0 && readback_open_write(&open, &o) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	what_is_open(span(data, size));
	a_request(span(data, size));
	a_page(span(data, size));
	return 0;
}
