/* Any bytes as a stored account. What is read can be written, and is then read as the same. */
#include <stdlib.h>

#include "base.h"
#include "directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(account_free) struct account *a = NULL, *b = NULL;
	CLEANUP(free_cleanup) uint8_t *raw = NULL;
	size_t n;

	if (account_read(span(data, size), &a) != OK)
		return 0;
	must(account_write(a, &raw, &n) == OK && account_read(span(raw, n), &b) == OK);
	must(span_eq(a->subject.id, b->subject.id) && a->subject.roles == b->subject.roles &&
	     a->subject.attributes == b->subject.attributes && strcmp(a->password, b->password) == 0);
	return 0;
}
