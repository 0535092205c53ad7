/* Files of `audit prove` and `audit disclose`: from anybody, to be checked by anybody. */
#include <stdlib.h>

#include "audited.h"
#include "proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_it(const struct proof *p)
{
	static uint8_t buf[ENTRY_BYTES_MAX];
	struct put text = put(buf, sizeof(buf));
	Pullcord__V1__AuditEvent *e = NULL;
	struct seal seal;

	seal_init(&seal, SPAN_LIT("fuzz.example/audit"));
	if (entry_open_alone(&seal, p->key, span(p->entry, p->entry_n), &text) == OK)
		(void)!audited_unpack(put_span(&text), &e);
	audited_free(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pub[SIGN_KEY_BYTES] = { 1 };
	static struct proof p, again;
	static uint8_t buf[PROOF_BYTES_MAX];
	struct put out = put(buf, sizeof(buf));
	struct checkpoint c;
	bool signature;

	must(crypt_init() == OK);
	if (size > PROOF_BYTES_MAX || proof_read(span(data, size), &p) != OK)
		return 0;
	must(proof_check(&p, SPAN_LIT("fuzz.example/audit"), pub, &c, &signature) != OK);   /* nobody signed it */
	if (p.has_key)
		open_it(&p);
	proof_write(&p, &out);
	must(put_end(&out) == OK && span_eq(put_span(&out), span(data, size)));   /* one file, one proof */
	must(proof_read(put_span(&out), &again) == OK && again.index == p.index && again.hashes == p.hashes);
	return 0;
}
