/* outbox: a record of the file, were its seal broken. Every span lies within it, or it is refused. */
#include <stdint.h>

#include "outrecord.h"

static void within(struct span part, const uint8_t *data, size_t n)
{
	must(part.n == 0 || (part.p >= data && part.p + part.n <= data + n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outbox_message m;

	if (outrecord_read(span(data, n), &m) != OK)
		return 0;
	must(m.tier < FLIGHT_TIERS && m.topic.n > 0);
	within(m.topic, data, n);
	within(m.input, data, n);
	within(m.source, data, n);
	within(m.source_id, data, n);
	within(m.envelope, data, n);
	return 0;
}
