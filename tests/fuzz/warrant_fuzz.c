/* Orders travel as files between officers, and officers' keys stand in a file; either may be anybody's. */
#include "warrant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_note(struct span note)
{
	uint8_t again[WARRANT_TEXT_MAX], key[NOTE_KEY_ID], sig[SIGN_BYTES];
	struct put b = put(again, sizeof(again));
	struct span text, lines, name;
	struct warrant w;
	bool bad;

	if (note_split(note, &text, &lines) != OK)
		return;
	while (note_next(&lines, &name, key, sig, &bad))
		must(name.n && name.p >= note.p && name.p + name.n <= note.p + note.n);
	if (warrant_read(text, &w) == OK) {
		must(warrant_write(&w, &b) == OK);
		must(span_eq(put_span(&b), text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct officers list;
	unsigned line;

	must(crypt_init() == OK);
	read_note(span(data, size));
	if (officers_read(span(data, size), &list, &line) == OK)
		must(list.n <= OFFICERS_MAX && line == 0);
	return 0;
}
