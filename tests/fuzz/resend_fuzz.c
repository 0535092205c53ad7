/* The state file of a feed. */
#include "resend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[1 << 17];
	struct put out = put(buf, sizeof(buf));
	struct resend_file f, again;

	if (size > sizeof(buf) / 2 || resend_read(span(data, size), &f) != OK)
		return 0;
	resend_write(&f, &out);
	if (put_end(&out) == OK && !memchr(data, 0, size))
		must(resend_read(put_span(&out), &again) == OK && again.safe == f.safe);
	return 0;
}
