/* Any bytes as a client certificate. A good one has words for names. */
#include "base.h"
#include "crypt.h"
#include "identity.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity id;

	must(crypt_init() == OK);
	if (identity_read_der(span(data, size), 1800000000, &id) == CERTIFICATE_GOOD)
		must(word_ok(span_str(id.id)) && word_ok(span_str(id.tenant)));
	return 0;
}
