/* Blocks of an index. */
#include "posting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct posting p, again;
	struct posting_walk w;
	uint64_t index, before = 0;
	bool first = true;

	if (posting_read(span(data, size), &p) != OK)
		return 0;
	again = (struct posting){ 0 };
	for (w = posting_walk(&p); posting_next(&w, &index); before = index, first = false) {
		must(first || index > before);
		must(posting_add(&again, index));   /* no longer than it was: varints are minimal */
	}
	must(before == p.last && again.n <= p.n && again.first == p.first && again.last == p.last);
	return 0;
}
