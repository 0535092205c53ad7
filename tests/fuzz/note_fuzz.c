/* Notes and verifier keys come from outside: auditors' files, witnesses. */
#include <string.h>

#include "note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pub[SIGN_KEY_BYTES] = {
		0xe9, 0x1e, 0xc9, 0xe4, 0x6b, 0x9b, 0xa8, 0x40, 0xa9, 0x18, 0x59, 0x32, 0x41, 0x1e, 0x42, 0x65,
		0xbe, 0x78, 0x21, 0xd8, 0xb6, 0x28, 0xd6, 0x80, 0x35, 0x87, 0x2b, 0x9c, 0xab, 0xdc, 0xa5, 0x36,
	};
	struct span s = span(data, size), name, body;
	uint8_t key[SIGN_KEY_BYTES];
	char again[ORIGIN_BYTES_MAX + 64];
	struct cosigner cosigner;
	struct checkpoint c;
	uint64_t when;

	must(crypt_init() == OK);
	if (note_open(s, SPAN_LIT("example.com/foo"), pub, &c) == OK)
		must(c.origin.p >= data && c.origin.p + c.origin.n <= data + size);
	if (note_verify(s, SPAN_LIT("example.com/foo"), pub, &body) == OK)
		must(body.p == data && body.n < size);
	/* There is one way to write a key, but for the case of its hash. */
	if (vkey_read(s, &name, key) == OK) {
		must(vkey_write(name, key, again, sizeof(again)) == OK);
		must(strlen(again) == size && strncasecmp(again, (const char *)data, size) == 0);
	}
	if (skey_read(s, &name, key) == OK) {
		must(skey_write(name, key, again, sizeof(again)) == OK);
		must(strlen(again) == size && strncasecmp(again, (const char *)data, size) == 0);
	}
	if (cosigner_read(s, &cosigner) == OK) {
		must(cosigner_write(cosigner.name, cosigner.pub, again, sizeof(again)) == OK);
		must(strlen(again) == size && strncasecmp(again, (const char *)data, size) == 0);
		must(note_cosigned(s, &cosigner, &when) != OK);
	}
	return 0;
}
