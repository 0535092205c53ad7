/* Whatever a message says: accepted or refused with a code, and every event passes all checks of an envelope. */
#include <stdlib.h>

#include "norm.h"
#include "crypt.h"
#include "samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t memory[NORM_ARENA];
	const struct norm_feed feed = { 60, "feed", 1795342503120000 };
	struct arena arena = { memory, sizeof(memory), 0 };
	struct event e;
	struct ack a;
	struct hl7 m;

	must(crypt_init() == OK);
	if (hl7_open(span(data, size), &m) != OK)
		return 0;
	a = norm_hl7(&m, &feed, &arena, &e);
	must((a.code == ACK_ACCEPT) == (a.error == ACK_NO_ERROR));
	must(a.code != ACK_ACCEPT || e.kind != EVENT_NONE);
	must(e.kind == EVENT_NONE || event_check(&e) == OK);
	return 0;
}
