#include "patients.h"

#include <string.h>

#include "vault.h"

void patients_init(struct patients *p, const uint8_t root[AEAD_KEY_BYTES])
{
	struct vault v;

	vault_init(&v, root, "record patients");
	memcpy(p->key, v.key, sizeof(p->key));
	vault_clear(&v);
}

void patient_pseudonym(const struct patients *p, struct span id, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	uint8_t all[SHA256_BYTES];

	HMAC256(all, span(p->key, sizeof(p->key)), span(id.p, id.n < PATIENT_ID_MAX ? id.n : PATIENT_ID_MAX));
	memcpy(out, all, PATIENT_PSEUDONYM_BYTES);
}

const char *patient_word(const struct patients *p, struct span id, char out[PATIENT_WORD])
{
	uint8_t pseudonym[PATIENT_PSEUDONYM_BYTES];

	patient_pseudonym(p, id, pseudonym);
	out[0] = '~';
	hex_encode(span(pseudonym, sizeof(pseudonym)), out + 1);
	return out;
}

bool patient_word_read(struct span text, uint8_t out[PATIENT_PSEUDONYM_BYTES])
{
	return text.n >= PATIENT_WORD - 1 && text.p[0] == '~' &&
	       hex_decode(span(text.p + 1, PATIENT_WORD - 2), out, PATIENT_PSEUDONYM_BYTES);
}
