/* A line of the local socket: an event that passes all checks of an envelope, or a refusal that can be written. */
#include <stdlib.h>

#include "norm.h"
#include "crypt.h"
#include "local_json.h"
#include "samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct local_said said;
	uint8_t line[4096];
	struct put out = put(line, sizeof(line));
	struct local_no no;

	must(crypt_init() == OK);
	if (size > LOCAL_LINE_MAX || memchr(data, '\n', size))
		return 0;
	if (local_read(span(data, size), "tablet", 5, &said, &no) != OK) {
		must(*no.why && *no.hint && local_write_no(&no, &out) == OK);
		must(memchr(line, '\n', out.n) == line + out.n - 1);
		return 0;
	}
	if (said.kind == LOCAL_EVENT) {
		const struct answer a = { .kind = ANSWER_UPDATE, .source_id = said.event.source_id,
					  .by = said.event.place };

		must(event_check(&said.event) == OK);
		must(local_write(&a, &out) == OK);
	}
	local_done(&said);
	return 0;
}
