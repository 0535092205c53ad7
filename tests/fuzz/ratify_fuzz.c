/* What officers sign of a policy lies in a file, and comes in a command; either may be anybody's. */
#include "ratify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct officers nobody;
	const struct ratification wanted = { .tenant = SPAN_LIT("mercy"), .version = 7 };
	uint8_t again[RATIFY_TEXT_MAX];
	struct put b = put(again, sizeof(again));
	struct ratification r;
	struct ratified found;

	must(crypt_init() == OK);
	must(ratify_judge(span(data, size), &nobody, &wanted, &found) != RATIFY_GOOD);
	must(found.n <= RATIFY_SIGNATURES_MAX);
	for (size_t i = 0; i < found.n; i++)
		must(found.by[i].n && found.by[i].p >= data && found.by[i].p + found.by[i].n <= data + size);
	if (ratify_read(span(data, size), &r) == OK) {
		must(ratify_write(&r, &b) == OK);
		must(span_eq(put_span(&b), span(data, size)));
	}
	return 0;
}
