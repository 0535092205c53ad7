/* Whatever parses: every field can be read as one line of valid text, and the header answers. */
#include <stdlib.h>

#include "ack.h"
#include "hl7.h"

static void read_segment(const struct hl7 *m, struct hl7_segment s)
{
	for (unsigned f = 1; f <= 30; f++) {
		uint8_t text[100];
		struct put out = put(text, sizeof(text));
		int64_t us = 0;

		(void)hl7_text(m, hl7_get(m, s, f, 0), &out);
		must(!out.bad && span_utf8(put_span(&out)));
		(void)!hl7_time(hl7_get(m, s, f, 1), -300, &us);
		must(us >= 0);
	}
}

static void answer(const struct hl7 *m)
{
	const struct ack no = { ACK_ERROR, ACK_INTERNAL, "OBX^1^5", "why" };
	uint8_t head[ACK_HEAD_MAX], text[ACK_BYTES_MAX];
	struct put kept = put(head, sizeof(head)), out = put(text, sizeof(text));
	const char *due[ACK_REPLIES_MAX];
	struct hl7 small, back;

	if (ack_head(m, &kept) != OK)
		return;
	must(hl7_head(put_span(&kept), &small) == OK);
	must(ack_due(&small, ACK_ERROR, due) == ack_due(m, ACK_ERROR, due));
	must(ack_write(&small, "AE", &no, 1795342503120000, SPAN_LIT("id"), &out) == OK);
	must(hl7_open(put_span(&out), &back) == OK);
	must(ack_due(&back, ACK_ERROR, due) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hl7_segment s = { 0 };
	size_t seen = 0;
	struct hl7 m;

	if (hl7_open(span(data, size), &m) != OK)
		return 0;
	while (hl7_next(&m, &s)) {
		seen += s.text.n;
		read_segment(&m, s);
	}
	must(seen <= size);
	answer(&m);
	return 0;
}
