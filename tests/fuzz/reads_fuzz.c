/* What a reader left about reading the record, opened: what is read can be written again as it was. */
#include "reads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t raw[READS_NOTE_MAX];
	struct put out = put(raw, sizeof(raw));
	struct read_note n;

	if (read_note_read(span(data, size), &n) != OK)
		return 0;
	must(n.at_us >= 0 && n.who.n && n.what.n);
	read_note_write(&n, &out);
	must(put_end(&out) == OK && span_eq(put_span(&out), span(data, size)));
	return 0;
}
